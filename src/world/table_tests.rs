//! The tables against data they were not written from: the extents of countries and the towns of GeoNames.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

use super::*;

/// How far outside the box around its towns a point may lie and still count as in the country, in degrees.
const BOX_MARGIN: f64 = 0.5;
/// How far a cloud region may lie from the town it is named after.
const TOWN_M: u32 = 60_000;
/// A sign that is wrong here moves a point by less than the tests can see, and than any answer would.
const TINY_DEGREES: f64 = 0.5;

/// South, west, north, east in degrees; west > east where the box spans the date line.
type Box4 = [f64; 4];

fn rows(csv: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    csv.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(',').collect())
}

fn country_boxes() -> HashMap<&'static str, Box4> {
    rows(include_str!("../../tests/data/country_boxes.csv"))
        .map(|row| (row[0], [1, 2, 3, 4].map(|i: usize| row[i].parse().unwrap())))
        .collect()
}

fn cloud_towns() -> HashMap<&'static str, LatLon> {
    rows(include_str!("../../tests/data/cloud_cities.csv"))
        .map(|row| (row[0], LatLon::new(row[2].parse().unwrap(), row[3].parse().unwrap()).unwrap()))
        .collect()
}

fn holds([south, west, north, east]: Box4, at: LatLon) -> bool {
    let east_of_west = (at.lon - west + BOX_MARGIN).rem_euclid(360.0);
    let width = (east - west).rem_euclid(360.0) + 2.0 * BOX_MARGIN;
    (south - BOX_MARGIN..=north + BOX_MARGIN).contains(&at.lat) && (width >= 360.0 || east_of_west <= width)
}

fn code(text: &str) -> CountryCode {
    CountryCode::new(text).unwrap()
}

fn kilometres(at: LatLon, lat: f64, lon: f64) -> u32 {
    distance_m(at, LatLon::new(lat, lon).unwrap()) / 1000
}

/// What is wrong with the place of a cloud region, if anything is.
fn misplaced(region: &CloudRegion, at: LatLon) -> Option<&'static str> {
    if !holds(country_boxes()[region.country.as_str()], at) {
        return Some("outside its country");
    }
    (distance_m(at, cloud_towns()[region.label]) > TOWN_M).then_some("far from its town")
}

#[test]
fn every_table_is_sorted_and_without_doubles() {
    assert!(COUNTRIES.is_sorted_by(|a, b| a.code < b.code));
    assert!(SUBDIVISIONS.is_sorted_by(|a, b| a.code < b.code));
    assert!(CLOUD_REGIONS.is_sorted_by(|a, b| a.label < b.label));
    assert!(EU27.is_sorted_by(|a, b| a < b));
    assert!(EEA.is_sorted_by(|a, b| a < b));
}

#[test]
fn every_row_is_found_by_its_own_code_and_nothing_else_is_found() {
    assert!(COUNTRIES.iter().all(|c| country(c.code).unwrap().name == c.name));
    assert!(SUBDIVISIONS.iter().all(|s| subdivision(s.code).unwrap().name == s.name));
    assert!(CLOUD_REGIONS.iter().all(|r| cloud_region(r.label).unwrap().at == r.at));
    assert!(country(code("ZZ")).is_none() && country(code("UK")).is_none() && country(code("EU")).is_none());
    assert!(subdivision("US-ZZ").is_none() && subdivision("US").is_none());
    assert!(cloud_region("aws:us-east-9").is_none() && cloud_region("us-east-1").is_none());
}

#[test]
fn there_are_the_249_countries_of_iso_3166_1_and_kosovo() {
    assert_eq!(COUNTRIES.iter().filter(|c| c.code != code("XK")).count(), 249);
    assert!(country(code("XK")).is_some());
}

#[test]
fn no_two_countries_share_a_name() {
    let mut names: Vec<_> = COUNTRIES.iter().map(|c| c.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b));
}

#[test]
fn gl4_the_countries_between_europe_and_asia_are_where_the_rule_puts_them() {
    let of = |c: &str| country(code(c)).unwrap().continent;
    assert!(["TR", "CY", "RU"].map(of).iter().all(|c| *c == Continent::Europe));
    assert!(["GE", "AM", "AZ", "KZ", "IL"].map(of).iter().all(|c| *c == Continent::Asia));
    assert_eq!(
        ["EG", "ID", "US", "PA", "CO", "AU", "AQ"].map(|c| of(c).code()),
        ["AF", "AS", "NA", "NA", "SA", "OC", "AN"]
    );
    let sizes = Continent::ALL.map(|continent| COUNTRIES.iter().filter(|c| c.continent == continent).count());
    assert_eq!(sizes.iter().sum::<usize>(), COUNTRIES.len());
    assert!(sizes.iter().all(|&size| size > 0), "{sizes:?}");
}

#[test]
fn the_unions_have_27_and_30_members_that_exist() {
    assert_eq!((EU27.len(), EEA.len()), (27, 30));
    assert!(EEA.iter().all(|&c| country(c).is_some_and(|c| c.continent == Continent::Europe)));
    assert!(EU27.iter().all(|c| EEA.contains(c)));
    let beyond: Vec<_> = EEA.iter().filter(|c| !EU27.contains(c)).map(CountryCode::as_str).collect();
    assert_eq!(beyond, ["IS", "LI", "NO"]);
    assert!(!EU27.contains(&code("GB")) && !EEA.contains(&code("CH")));
}

#[test]
fn every_country_has_its_centre_within_its_extent() {
    let boxes = country_boxes();
    assert_eq!(boxes.len(), COUNTRIES.len());
    for c in COUNTRIES {
        assert!(holds(boxes[c.code.as_str()], c.centre), "{} {}", c.code, c.centre);
    }
}

#[test]
fn the_centres_of_countries_are_near_what_is_known_of_them() {
    // Published centres of population for the first four; else the country is small or most of it lives in one place.
    let known = [
        ("US", 37.4, -92.3, 200),
        ("GB", 52.8, -1.5, 50),
        ("DE", 50.8, 9.5, 50),
        ("JP", 35.6, 137.0, 50),
        ("FJ", -18.1, 178.4, 100),
        ("NZ", -39.0, 175.0, 150),
        ("RU", 56.6, 53.2, 250),
        ("TV", -8.5, 179.2, 50),
        ("UY", -34.5, -56.0, 150),
        ("SG", 1.35, 103.8, 20),
        ("IS", 64.2, -21.5, 100),
        ("EG", 30.0, 31.2, 150),
        ("ZA", -28.0, 27.5, 300),
        ("AR", -33.0, -61.0, 300),
        ("XK", 42.6, 20.9, 30),
    ];
    for (c, lat, lon, within) in known {
        let centre = country(code(c)).unwrap().centre;
        assert!(kilometres(centre, lat, lon) <= within, "{c} {centre} {}", kilometres(centre, lat, lon));
    }
}

#[test]
fn every_subdivision_is_well_formed_and_lies_in_its_country() {
    let boxes = country_boxes();
    for s in SUBDIVISIONS {
        let of = SubdivisionCode::new(s.code).unwrap().country();
        assert!(country(of).is_some() && !s.name.is_empty(), "{}", s.code);
        assert!(holds(boxes[of.as_str()], s.centre), "{} {}", s.code, s.centre);
    }
}

#[test]
fn every_country_with_subdivisions_has_all_of_its_first_level() {
    let mut counts = HashMap::new();
    for s in SUBDIVISIONS {
        *counts.entry(&s.code[..2]).or_insert(0) += 1;
    }
    let expected = [
        ("US", 51),
        ("CA", 13),
        ("AU", 8),
        ("BR", 27),
        ("IN", 36),
        ("CN", 31),
        ("RU", 83),
        ("GB", 4),
        ("DE", 16),
        ("FR", 13),
        ("IT", 20),
        ("ES", 19),
        ("MX", 32),
        ("JP", 47),
    ];
    assert_eq!(counts, HashMap::from(expected));
}

#[test]
fn subdivisions_carry_the_codes_of_iso_3166_2_and_not_those_of_geonames() {
    // The greatest city of each, which lies within this many kilometres of where its people are.
    let known = [
        ("US-CA", "California", 34.05, -118.24, 300),
        ("US-AK", "Alaska", 61.22, -149.90, 250),
        ("US-HI", "Hawaii", 21.31, -157.86, 100),
        ("US-DC", "District of Columbia", 38.90, -77.04, 10),
        ("CA-ON", "Ontario", 43.65, -79.38, 150),
        ("CA-NL", "Newfoundland and Labrador", 47.56, -52.71, 250),
        ("CA-NT", "Northwest Territories", 62.45, -114.37, 300),
        ("CA-NU", "Nunavut", 63.75, -68.52, 1200),
        ("AU-NSW", "New South Wales", -33.87, 151.21, 100),
        ("AU-WA", "Western Australia", -31.95, 115.86, 150),
        ("AU-TAS", "Tasmania", -42.88, 147.33, 120),
        ("BR-SP", "São Paulo", -23.55, -46.63, 120),
        ("BR-RS", "Rio Grande do Sul", -30.03, -51.23, 200),
        ("BR-AM", "Amazonas", -3.10, -60.02, 250),
        ("IN-OD", "Odisha", 20.30, 85.82, 200),
        ("IN-TS", "Telangana", 17.39, 78.49, 100),
        ("IN-AP", "Andhra Pradesh", 16.51, 80.63, 200),
        ("IN-UK", "Uttarakhand", 30.32, 78.03, 120),
        ("IN-CG", "Chhattisgarh", 21.25, 81.63, 150),
        ("IN-KL", "Kerala", 9.93, 76.27, 150),
        ("IN-LA", "Ladakh", 34.16, 77.58, 100),
        ("CN-BJ", "Beijing", 39.90, 116.41, 40),
        ("CN-SN", "Shaanxi", 34.26, 108.94, 200),
        ("CN-SX", "Shanxi", 37.87, 112.55, 200),
        ("CN-HA", "Henan", 34.76, 113.65, 200),
        ("CN-HE", "Hebei", 38.04, 114.48, 250),
        ("CN-HI", "Hainan", 20.04, 110.34, 150),
        ("CN-XJ", "Xinjiang", 43.80, 87.60, 600),
        ("RU-MOW", "Moscow", 55.75, 37.62, 30),
        ("RU-SPE", "Saint Petersburg", 59.94, 30.31, 30),
        ("RU-SVE", "Sverdlovsk", 56.84, 60.61, 150),
        ("RU-KGD", "Kaliningrad", 54.71, 20.51, 60),
        ("RU-PRI", "Primorye", 43.12, 131.89, 150),
        ("RU-KGN", "Kurgan", 55.44, 65.34, 120),
        ("RU-KRS", "Kursk", 51.73, 36.19, 80),
        ("GB-SCT", "Scotland", 55.86, -4.25, 100),
        ("GB-NIR", "Northern Ireland", 54.60, -5.93, 60),
        ("DE-BY", "Bavaria", 48.14, 11.58, 120),
        ("DE-SN", "Saxony", 51.05, 13.74, 80),
        ("DE-ST", "Saxony-Anhalt", 52.13, 11.63, 80),
        ("FR-20R", "Corsica", 41.93, 8.74, 80),
        ("FR-PAC", "Provence-Alpes-Côte d'Azur", 43.30, 5.37, 120),
        ("IT-82", "Sicily", 38.12, 13.36, 120),
        ("IT-25", "Lombardy", 45.46, 9.19, 60),
        ("ES-CT", "Catalonia", 41.39, 2.17, 50),
        ("ES-CN", "Canary Islands", 28.12, -15.43, 150),
        ("ES-CL", "Castile and León", 41.65, -4.72, 100),
        ("MX-CMX", "Mexico City", 19.43, -99.13, 30),
        ("MX-CHH", "Chihuahua", 28.64, -106.09, 350),
        ("MX-CHP", "Chiapas", 16.75, -93.12, 150),
        ("JP-01", "Hokkaido", 43.06, 141.35, 120),
        ("JP-13", "Tokyo", 35.68, 139.69, 40),
        ("JP-47", "Okinawa", 26.21, 127.68, 80),
    ];
    for (code, name, lat, lon, within) in known {
        let s = subdivision(code).expect(code);
        assert_eq!(s.name, name);
        assert!(kilometres(s.centre, lat, lon) <= within, "{code} {} {}", s.centre, kilometres(s.centre, lat, lon));
    }
    assert!(["IN-OR", "IN-TG", "MX-DIF", "CA-08", "CN-22"].iter().all(|former| subdivision(former).is_none()));
}

#[test]
fn each_cloud_has_the_regions_it_is_known_for() {
    let of = |cloud: &str| CLOUD_REGIONS.iter().filter(|r| r.label.starts_with(cloud)).count();
    assert!(of("aws:") >= 36 && of("gcp:") >= 40 && of("azure:") >= 55);
    assert_eq!(of("aws:") + of("gcp:") + of("azure:"), CLOUD_REGIONS.len());
    for label in ["aws:us-gov-west-1", "aws:cn-north-1", "gcp:us-east4", "azure:eastus", "azure:usgovvirginia"] {
        assert!(cloud_region(label).is_some(), "{label}");
    }
}

#[test]
fn every_cloud_region_lies_in_its_country_and_near_its_town() {
    assert_eq!(cloud_towns().len(), CLOUD_REGIONS.len(), "run generate.py after a change to cloud.rs");
    for r in CLOUD_REGIONS {
        assert_eq!(misplaced(r, r.at), None, "{} {}", r.label, r.at);
    }
}

#[test]
fn a_wrong_sign_or_swapped_coordinates_of_any_cloud_region_are_noticed() {
    let mut too_near_zero = 0;
    for r in CLOUD_REGIONS {
        let LatLon { lat, lon } = r.at;
        let wrong = [(-lat, lon, lat), (lat, -lon, lon), (lon, lat, lat - lon)];
        for (wrong_lat, wrong_lon, matters) in wrong {
            if matters.abs() < TINY_DEGREES {
                too_near_zero += 1;
            } else if let Some(at) = LatLon::new(wrong_lat, wrong_lon) {
                assert!(misplaced(r, at).is_some(), "{} at {at} passes", r.label);
            }
        }
    }
    let in_london = CLOUD_REGIONS.iter().filter(|r| r.name == "London").count();
    assert_eq!(too_near_zero, in_london, "only London is that near to a line where signs change");
}

#[test]
fn a_box_across_the_date_line_holds_both_of_its_sides_and_not_the_rest_of_the_world() {
    let boxes = country_boxes();
    let in_country = |c: &str, lat, lon| holds(boxes[c], LatLon { lat, lon });
    assert!(in_country("NZ", -36.85, 174.76) && in_country("NZ", -43.95, -176.56) && !in_country("NZ", -33.9, 151.2));
    assert!(in_country("FJ", -18.1, 178.4) && in_country("FJ", -16.8, -179.9) && !in_country("FJ", -18.1, -170.0));
    assert!(in_country("RU", 64.4, -173.2) && in_country("RU", 54.7, 20.5) && !in_country("RU", 55.0, 0.0));
    assert!(in_country("KI", 1.4, 173.0) && in_country("KI", 1.9, -157.5) && !in_country("KI", 1.4, 103.8));
    assert!(in_country("US", 21.3, -157.9) && in_country("US", 25.8, -80.2) && !in_country("US", 37.0, 121.9));
}
