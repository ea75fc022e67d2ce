//! The shipped databases, read as a server reads them, beside maxminddb's own look-ups and against damage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use maxminddb::{Reader, path};
use proptest::prelude::*;

use super::*;
use crate::world::{CountryCode, LatLon, Place};

#[path = "../../examples/build_fixtures/list.rs"]
mod list;

#[path = "../../examples/build_world/source.rs"]
mod source;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-fixtures").join(name)
}

fn fixtures(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| fixture(name)).collect()
}

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// What one file says, completed by nothing.
fn alone(name: &str) -> (Places, DatabaseInfo) {
    let layer = mmdb::read(&fixture(name)).unwrap();
    (layer.places, layer.info)
}

fn place(places: &Places, address: &str) -> Place {
    *places.place(places.lookup(at(address)))
}

fn country(place: Place) -> String {
    place.country.map_or_else(|| "none".into(), |c| c.to_string())
}

fn subdivision(place: Place) -> String {
    place.subdivision.map_or_else(|| "none".into(), |c| c.to_string())
}

#[test]
fn the_shipped_fixtures_are_what_the_list_makes() {
    let text = std::fs::read_to_string(fixture("networks.txt")).unwrap();
    let files = list::databases(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(files.len(), 4);
    for list::File { name, bytes } in files {
        let shipped = std::fs::read(fixture(&name)).unwrap();
        assert!(shipped == bytes, "{name} is old: cargo run --example build_fixtures");
    }
}

#[test]
fn the_nested_fixture_gives_cities_in_both_families() {
    let (places, info) = alone("city.mmdb");
    let st_johns = place(&places, "24.137.71.9");
    assert_eq!((country(st_johns), subdivision(st_johns)), ("CA".into(), "CA-NL".into()));
    assert_eq!(st_johns.at, LatLon::new(47.56, -52.71));
    assert_eq!(place(&places, "2605:8d80::1"), st_johns);
    assert_eq!(country(place(&places, "126.255.255.255")), "JP");
    assert_eq!(country(place(&places, "127.0.0.0")), "none");
    assert_eq!(info.kind, "rhumb-fixture-city");
    assert_eq!(info.built, 1_782_345_600);
    assert_eq!(info.fields.to_string(), "country, subdivision, coordinates");
    assert_eq!(info.name(), fixture("city.mmdb").display().to_string());
}

#[test]
fn the_flat_fixture_gives_the_same_from_floats_and_text() {
    let (places, info) = alone("flat.mmdb");
    let st_johns = place(&places, "24.137.71.9");
    assert_eq!(subdivision(st_johns), "CA-NL");
    let LatLon { lat, lon } = st_johns.at.unwrap();
    assert!((lat - 47.56).abs() < 1e-5 && (lon + 52.71).abs() < 1e-5, "{lat} {lon}");
    let frankfurt = place(&places, "84.190.0.1");
    assert_eq!((subdivision(frankfurt), frankfurt.asn), ("DE-HE".into(), Some(3320)));
    assert_eq!(frankfurt.at, LatLon::new(50.1155, 8.6842));
    assert_eq!(place(&places, "41.220.0.1").at, None);
    assert_eq!(info.fields.to_string(), "country, subdivision, coordinates, asn");
}

#[test]
fn gl2_a_network_in_no_known_state_has_a_country_alone() {
    let (places, _) = alone("city.mmdb");
    let nowhere = place(&places, "8.8.8.8");
    assert_eq!((country(nowhere), subdivision(nowhere), nowhere.at), ("US".into(), "none".into(), None));
    assert_eq!(place(&places, "12.0.0.1").at, None, "a radius of 500 km");
    assert_eq!(place(&places, "12.64.0.1").at, LatLon::new(39.5, -98.5), "a radius of 499 km");
    assert_eq!(country(place(&places, "57.72.1.1")), "BE", "registered there, nothing else known");
}

#[test]
fn e2_a_24_and_a_56_are_read_at_their_network_address() {
    let (places, _) = alone("city.mmdb");
    for address in ["91.198.174.0", "91.198.174.20", "91.198.174.255"] {
        assert_eq!(country(place(&places, address)), "NL", "{address}");
    }
    assert_eq!(country(place(&places, "91.198.175.200")), "none");
    assert_eq!(country(place(&places, "2a02:2e02:1:1ff::1")), "FR");
    assert_eq!(country(place(&places, "2a02:2e02:1:215::1")), "none");
}

#[test]
fn ipv4_inside_ipv6_is_no_place_of_its_own() {
    let (places, _) = alone("asn.mmdb");
    assert_eq!(place(&places, "8.8.8.8").asn, Some(15_169));
    for address in ["::8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::", "2001:0:808:808::"] {
        assert_eq!(place(&places, address).asn, None, "{address}");
    }
    assert_eq!(place(&places, "2003::1").asn, Some(64_496));
    assert_eq!(place(&places, "4200::1").asn, Some(4_200_000_000));
}

#[test]
fn an_ipv4_database_says_nothing_of_ipv6() {
    let (places, info) = alone("country.mmdb");
    assert_eq!(places.v6().len(), 1);
    assert_eq!(country(place(&places, "88.121.0.1")), "FR");
    assert_eq!(info.networks, 4);
}

#[test]
fn later_databases_fill_what_earlier_ones_lack_where_the_country_agrees() {
    let (places, infos) = load(&fixtures(&["city.mmdb", "flat.mmdb", "asn.mmdb"])).unwrap();
    assert_eq!(infos.len(), 4);
    assert_eq!(infos[3].name(), "embedded");
    let of = |address: &str| place(&places, address);
    assert_eq!(of("195.22.0.1").at.map(|at| at.to_string()), Some("40.42,-3.70".into()), "filled by flat");
    assert_eq!(country(of("195.23.0.1")), "ES", "coordinates alone, then a country");
    assert_eq!(subdivision(of("12.0.0.1")), "US-NJ", "a state where the first knew none");
    let dublin = of("185.60.217.1");
    assert_eq!((subdivision(dublin), dublin.at), ("IE-L".into(), LatLon::new(53.3331, -6.2489)));
    assert_eq!(dublin.asn, Some(32_934), "not from flat, which says US, but from asn, which names no country");
    assert_eq!(of("73.158.0.1").asn, Some(7922));
    assert_eq!(of("91.198.174.9").asn, Some(14_907));
}

#[test]
fn the_order_of_databases_decides() {
    let (places, _) = load(&fixtures(&["flat.mmdb", "city.mmdb"])).unwrap();
    assert_eq!(subdivision(place(&places, "185.60.217.1")), "US-CA");
    let (places, _) = load(&fixtures(&["country.mmdb", "city.mmdb"])).unwrap();
    assert_eq!(subdivision(place(&places, "24.137.71.9")), "CA-NL");
}

#[test]
fn the_embedded_world_comes_below_every_database() {
    let (places, _) = load(&fixtures(&["country.mmdb"])).unwrap();
    let (world, info) = load(&[]).unwrap();
    assert_eq!(info.len(), 1);
    assert_eq!(country(place(&world, "198.51.100.7")), "none", "documentation addresses lie nowhere");
    assert_eq!(country(place(&places, "198.51.100.7")), "SE", "unless a database of the operator says so");
    assert_eq!(place(&places, "1.1.1.1"), place(&world, "1.1.1.1"));
}

#[test]
fn the_embedded_world_knows_the_country_of_well_known_networks() {
    let world = world().unwrap();
    let known = [
        ("8.8.8.8", "US"),
        ("193.0.6.139", "NL"),
        ("133.11.0.1", "JP"),
        ("200.160.2.3", "BR"),
        ("196.25.1.1", "ZA"),
        ("130.88.0.1", "GB"),
        ("141.30.0.1", "DE"),
        ("2001:200:dff:fff1::1", "JP"),
        ("2a01:4f8::1", "DE"),
        ("2804:14c::1", "BR"),
    ];
    for (address, expected) in known {
        assert_eq!(country(place(&world, address)), expected, "{address}");
    }
    assert!(world.v4().len() > 100_000 && world.v6().len() > 50_000);
}

#[test]
fn every_country_of_the_embedded_world_has_a_continent_and_a_centre() {
    let world = world().unwrap();
    for id in world.ids() {
        let place = world.place(id);
        assert_eq!(place.country.is_some(), place.continent.is_some(), "{place:?}");
        assert_eq!(place.at, place.country.and_then(crate::world::country).map(|country| country.centre));
    }
}

#[test]
fn gl4_the_continent_is_our_table_s_whatever_the_database_says() {
    let (places, _) = load(&fixtures(&["city.mmdb"])).unwrap();
    let continents = [
        ("78.160.0.1", "TR", "EU"),
        ("31.153.0.1", "CY", "EU"),
        ("95.24.0.1", "RU", "EU"),
        ("94.43.0.1", "GE", "AS"),
        ("46.70.0.1", "AM", "AS"),
        ("2.132.0.1", "KZ", "AS"),
        ("109.64.0.1", "IL", "AS"),
        ("24.137.64.1", "CA", "NA"),
        ("105.224.0.1", "ZA", "AF"),
        ("1.128.0.1", "AU", "OC"),
        ("177.32.0.1", "BR", "SA"),
    ];
    for (address, code, continent) in continents {
        let place = place(&places, address);
        assert_eq!(country(place), code, "{address}");
        assert_eq!(place.continent.map(|c| c.code()), Some(continent), "{address}");
    }
    let (alone, _) = alone("city.mmdb");
    assert!(alone.ids().all(|id| alone.place(id).continent.is_none()));
}

#[test]
fn without_coordinates_a_client_is_at_the_centre_of_its_subdivision_else_of_its_country() {
    let databases = fixtures(&["city.mmdb", "flat.mmdb"]);
    let (city, _) = load(&databases[..1]).unwrap();
    let usa = CountryCode::new("US").and_then(crate::world::country).unwrap().centre;
    assert_eq!(place(&city, "8.8.8.8").at, Some(usa), "a radius of 1000 km is no place");
    assert_eq!(place(&city, "12.0.0.1").at, Some(usa), "nor is one of 500 km");
    assert_eq!(place(&city, "12.64.0.1").at, LatLon::new(39.5, -98.5));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("states.mmdb");
    let text = "[states]\nlayout=nested built=0 family=4\n73.0.0.0/8 country=US sub=CA\n8.0.0.0/8 country=US sub=X9\n";
    let files = list::databases(text).unwrap_or_else(|e| panic!("{e}"));
    std::fs::write(&path, &files[0].bytes).unwrap();
    let states = [path];
    let (places, _) = load(&states).unwrap();
    let california = crate::world::subdivision("US-CA").unwrap().centre;
    assert_eq!(place(&places, "73.1.1.1").at, Some(california));
    assert_eq!(place(&places, "8.1.1.1").at, Some(usa), "a subdivision that no table has");
    let coordinates = |address: &str| {
        let (_, origins) = describe(&states, at(address)).unwrap();
        origins.into_iter().find(|&(field, _)| field == Field::Coordinates).map(|(_, origin)| origin.to_string())
    };
    assert_eq!(coordinates("73.1.1.1").as_deref(), Some("centre of population of US-CA"));
    assert_eq!(coordinates("8.1.1.1").as_deref(), Some("centre of population of US"));
}

#[test]
fn reserved_addresses_have_no_country_in_the_embedded_world() {
    let world = world().unwrap();
    let reserved = [
        "0.0.0.1",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fe80::1",
        "ff02::1",
    ];
    for address in reserved {
        assert!(place(&world, address).is_unknown(), "{address}");
    }
}

#[test]
fn a_database_older_than_60_days_is_stale() {
    let (_, info) = alone("city.mmdb");
    let built = SystemTime::UNIX_EPOCH + Duration::from_secs(info.built);
    assert!(!info.is_stale(built + STALE_AFTER));
    assert!(info.is_stale(built + STALE_AFTER + Duration::from_secs(1)));
    assert_eq!(info.age(built - Duration::from_secs(9)), Duration::ZERO);
    let (_, world) = load(&[]).unwrap();
    assert_eq!(world[0].built, 1_782_362_039, "Thu, 25 Jun 2026 04:33:59 GMT: change it with the data");
}

#[test]
fn every_field_is_told_with_its_origin() {
    let databases = fixtures(&["city.mmdb", "flat.mmdb", "asn.mmdb"]);
    let (places, _) = load(&databases).unwrap();
    let origins = |address: &str| {
        let (described, origins) = describe(&databases, at(address)).unwrap();
        assert_eq!(described, place(&places, address), "{address}");
        let short = |origin: &Origin| match origin {
            Origin::Database(path) => path.file_name().unwrap().to_string_lossy().into_owned(),
            other => other.to_string(),
        };
        origins.iter().map(|(field, origin)| format!("{field}: {}", short(origin))).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(origins("195.22.0.1"), "country: city.mmdb; coordinates: flat.mmdb");
    assert_eq!(
        origins("185.60.217.1"),
        "country: city.mmdb; subdivision: city.mmdb; coordinates: city.mmdb; asn: asn.mmdb"
    );
    assert_eq!(origins("133.11.0.1"), "country: embedded; coordinates: centre of population of JP");
    assert_eq!(origins("10.0.0.1"), "");
}

#[test]
fn what_is_no_database_is_refused_in_one_line_with_file_cause_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let city = std::fs::read(fixture("city.mmdb")).unwrap();
    let cases = [
        (file("empty.mmdb", b""), "the file is empty"),
        (file("text.mmdb", b"network,country\n1.0.0.0/24,AU\n"), "no MMDB file, or one that was cut short"),
        (file("short.mmdb", &city[..city.len() / 2]), "no MMDB file, or one that was cut short"),
        (file("headless.mmdb", &city[city.len() / 2..]), "corrupt"),
        (folder.path().into(), "not a file"),
        (folder.path().join("missing.mmdb"), "No such file"),
    ];
    for (path, cause) in cases {
        let error = load(std::slice::from_ref(&path)).unwrap_err();
        let text = error.to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with(&format!("geo database {}: ", path.display())), "{text}");
        assert!(text.contains(cause), "{cause}: {text}");
        assert!(!error.remedy.is_empty());
    }
}

#[test]
fn a_database_that_says_nothing_of_places_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.mmdb");
    let text = "[names]\nlayout=nested built=0 family=4\n1.0.0.0/24 city=Nowhere\n";
    let files = list::databases(text).unwrap_or_else(|e| panic!("{e}"));
    std::fs::write(&path, &files[0].bytes).unwrap();
    let error = load(&[path]).unwrap_err();
    assert_eq!(error.cause, "no record has a country, coordinates or an AS number");
}

/// Country, subdivision, coordinates, AS number.
type Said = (Option<String>, Option<String>, Option<(f64, f64)>, Option<u32>);

/// What maxminddb itself says of one address, path by path, without this module's reading.
fn direct(reader: &Reader<Vec<u8>>, address: IpAddr) -> Said {
    if address.is_ipv6() && reader.metadata().ip_version == 4 {
        return Default::default();
    }
    let found = reader.lookup(address).unwrap();
    let text = |path: &[maxminddb::PathElement<'_>]| found.decode_path::<String>(path).ok().flatten();
    let country = text(&path!["country", "iso_code"])
        .or_else(|| text(&path!["country_code"]))
        .or_else(|| text(&path!["registered_country", "iso_code"]));
    let region = text(&path!["subdivisions", 0, "iso_code"]).or_else(|| text(&path!["region_code"]));
    let region = region.map(|code| match (&country, code.contains('-')) {
        (Some(country), false) => format!("{country}-{code}"),
        _ => code,
    });
    let number = |nested: &str, flat: &str| {
        let double = found.decode_path::<f64>(&path!["location", nested]).ok().flatten();
        let float = || found.decode_path::<f32>(&path![flat]).ok().flatten().map(f64::from);
        double.or_else(float).or_else(|| text(&path![flat])?.parse().ok())
    };
    let radius = found.decode_path::<u16>(&path!["location", "accuracy_radius"]).ok().flatten().unwrap_or(0);
    let coordinates = number("latitude", "latitude").zip(number("longitude", "longitude"));
    let coordinates = coordinates.filter(|&place| radius < 500 && place != (0.0, 0.0));
    let asn = found.decode_path::<u32>(&path!["autonomous_system_number"]).ok().flatten();
    let asn = asn.or_else(|| text(&path!["asn"])?.strip_prefix("AS")?.parse().ok());
    (country, region, coordinates, asn)
}

/// Addresses in and around the fixtures' networks, and anywhere.
fn address() -> impl Strategy<Value = IpAddr> {
    let near_v4 = proptest::sample::select(vec![
        "24.137.64.0",
        "91.198.174.0",
        "91.198.175.0",
        "8.8.0.0",
        "12.0.0.0",
        "126.0.0.0",
        "185.60.216.0",
        "1.128.0.0",
    ]);
    let near_v6 = proptest::sample::select(vec![
        "2a02:2e02:1:100::",
        "2a02:2e02:1:200::",
        "2a01:4f8::",
        "2001:4860::",
        "2003::",
        "2605:8d80::",
        "4200::",
    ]);
    let v4 = |base: &str, offset: u32| Ipv4Addr::from_bits(base.parse::<Ipv4Addr>().unwrap().to_bits() ^ offset);
    let v6 = |base: &str, offset: u128| Ipv6Addr::from_bits(base.parse::<Ipv6Addr>().unwrap().to_bits() ^ offset);
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        (near_v4, any::<u32>(), 8_u32..32).prop_map(move |(base, bits, shift)| v4(base, bits >> shift).into()),
        (near_v6, any::<u128>(), 16_u32..80).prop_map(move |(base, bits, shift)| v6(base, bits >> shift).into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn e2_the_list_says_what_maxminddb_says_at_the_network_address(
        address in address(),
        name in proptest::sample::select(vec!["city.mmdb", "flat.mmdb", "asn.mmdb", "country.mmdb"]),
    ) {
        thread_local! {
            static READ: Vec<(&'static str, Places, Reader<Vec<u8>>)> = ["city.mmdb", "flat.mmdb", "asn.mmdb", "country.mmdb"]
                .map(|name| (name, alone(name).0, Reader::open_readfile(fixture(name)).unwrap()))
                .into();
        }
        let (ours, theirs) = READ.with(|read| {
            let (_, places, reader) = read.iter().find(|(n, ..)| *n == name).unwrap();
            let place = *places.place(places.lookup(address));
            let ours: Said = (
                place.country.map(|c| c.to_string()),
                place.subdivision.map(|s| s.to_string()),
                place.at.map(|at| (at.lat, at.lon)),
                place.asn,
            );
            (ours, direct(reader, mmdb::network_address(address)))
        });
        let ipv4_inside = matches!(address, IpAddr::V6(v6)
            if v6.to_bits() >> 72 == 0 || v6.to_bits() >> 96 == 0x2001_0000 || v6.to_bits() >> 112 == 0x2002);
        prop_assert_eq!(ours, if ipv4_inside { Default::default() } else { theirs });
    }

    #[test]
    fn the_list_of_all_databases_says_what_each_says_of_one_address_completed_in_order(address in address()) {
        thread_local! {
            static LAYERS: [Places; 4] = ["city.mmdb", "flat.mmdb", "asn.mmdb", "country.mmdb"].map(|name| alone(name).0);
            static TOGETHER: Places = LAYERS.with(|layers| {
                let joined = layers[1..].iter().fold(layers[0].clone(), |base, next| {
                    complete::complete(&base, next, Fields::of_any(next))
                });
                complete::map(joined, complete::settle)
            });
        }
        let one_by_one = LAYERS.with(|layers| {
            let said = layers.iter().map(|places| *places.place(places.lookup(address)));
            complete::settle(said.fold(Place::default(), |base, next| complete::fill(base, &next)))
        });
        prop_assert_eq!(TOGETHER.with(|places| *places.place(places.lookup(address))), one_by_one);
    }

    #[test]
    fn damaged_databases_are_read_or_refused_and_nothing_else(
        name in proptest::sample::select(vec!["city.mmdb", "flat.mmdb", "asn.mmdb", "country.mmdb"]),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.mmdb");
        std::fs::write(&path, bytes).unwrap();
        match mmdb::read(&path) {
            Ok(layer) => {
                prop_assert!(layer.places.v4().is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1));
                prop_assert!(layer.places.v6().is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1));
            }
            Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
        }
    }
}
