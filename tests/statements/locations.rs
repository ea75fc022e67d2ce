//! GL and IP: the most specific match.

use rhumb::world::{Continent, CountryCode, country};

use super::{WWW, endpoints, nth};
use crate::harness::{Ask, Setup, assert_error, assert_loads, in_country, in_subdivision, load, with_asn, zone};

/// A route with one member a `where`, in this order, at endpoints e1, e2, …
fn rest(policy: &str, wheres: &[&str], more: &str) -> String {
    let names: Vec<String> = (1..=wheres.len() + 1).map(|n| format!("e{n}")).collect();
    let names: Vec<&str> = names.iter().map(|n| &n[..]).collect();
    let members: Vec<String> =
        wheres.iter().enumerate().map(|(n, w)| format!("  {{ where = {w}, endpoint = \"e{}\" }}", n + 1)).collect();
    format!("{}[routes.web]\npolicy = \"{policy}\"\n{more}\nto = [\n{}\n]\n", endpoints(&names), members.join(",\n"))
}

fn setup(policy: &str, wheres: &[&str], more: &str) -> Setup {
    Setup::new("www = { route = \"web\" }", &rest(policy, wheres, more))
        .place("81.2.69.0/24", with_asn(in_subdivision("US-CA", Some((37.0, -122.0))), 64_500))
        .place("81.2.70.0/24", in_subdivision("US-NY", Some((41.0, -74.0))))
        .place("81.2.71.0/24", in_country("US", Some((38.0, -97.0))))
        .place("81.2.72.0/24", in_country("CA", Some((45.0, -75.0))))
        .place("81.2.73.0/24", in_country("DE", Some((50.0, 8.0))))
}

fn faults(policy: &str, wheres: &[&str], more: &str) -> rhumb::config::Loaded {
    load(&zone("www = { route = \"web\" }", &rest(policy, wheres, more)))
}

const ALL: [&str; 6] = [
    "\"default\"",
    "\"continent:NA\"",
    "\"country:US\"",
    "\"subdivision:US-CA\"",
    "\"asn:64500\"",
    "\"net:81.2.69.0/24\"",
];

#[test]
fn gl1_the_most_specific_match_wins_and_down_goes_to_the_next_less_specific() {
    let names = ["e1", "e2", "e3", "e4", "e5", "e6"];
    for up in (1..=6).rev() {
        let fixture = setup("geolocation", &ALL, "").down(&names[up..]).build();
        assert_eq!(fixture.a(WWW, "81.2.69.0/24"), nth(up));
    }
    assert_eq!(setup("geolocation", &ALL, "").down(&names).build().a(WWW, "81.2.69.0/24"), nth(6));
    let fixture = setup("geolocation", &ALL, "").build();
    for (net, n) in [("81.2.70.0/24", 3), ("81.2.71.0/24", 3), ("81.2.72.0/24", 2), ("81.2.73.0/24", 1)] {
        assert_eq!(fixture.a(WWW, net), nth(n), "{net}");
    }
}

#[test]
fn gl1_a_longer_network_goes_before_a_shorter_one_whatever_the_order() {
    let wheres = ["\"net:81.2.69.0/24\"", "\"net:81.0.0.0/8\"", "\"net:81.2.0.0/16\"", "\"default\""];
    let answer = |down: &[&str]| setup("geolocation", &wheres, "").down(down).build().a(WWW, "81.2.69.0/24");
    assert_eq!(answer(&[]), nth(1));
    assert_eq!(answer(&["e1"]), nth(3));
    assert_eq!(answer(&["e1", "e3"]), nth(2));
    assert_eq!(answer(&["e1", "e3", "e2"]), nth(4));
}

#[test]
fn gl1_a_member_with_a_list_of_places_matches_by_its_most_specific_one() {
    let wheres = ["[\"country:DE\", \"subdivision:US-CA\"]", "\"country:US\"", "\"default\""];
    let fixture = setup("geolocation", &wheres, "").build();
    assert_eq!(fixture.a(WWW, "81.2.69.0/24"), nth(1));
    assert_eq!(fixture.a(WWW, "81.2.70.0/24"), nth(2));
    assert_eq!(fixture.a(WWW, "81.2.73.0/24"), nth(1));
}

#[test]
fn gl1_place_sets_count_as_what_they_hold() {
    let places = "[places]\nnorth = [\"country:CA\", \"subdivision:US-NY\"]\n";
    let text = rest("geolocation", &["\"place:north\"", "\"country:US\"", "\"place:EU27\"", "\"default\""], "");
    let fixture = Setup::new("www = { route = \"web\" }", &format!("{places}{text}"))
        .place("81.2.70.0/24", in_subdivision("US-NY", None))
        .place("81.2.71.0/24", in_country("US", None))
        .place("81.2.72.0/24", in_country("CA", None))
        .place("81.2.73.0/24", in_country("DE", None))
        .place("81.2.74.0/24", in_country("GB", None))
        .place("81.2.75.0/24", in_country("NO", None))
        .build();
    for (third, n) in [(70, 1), (71, 2), (72, 1), (73, 3), (74, 4), (75, 4)] {
        assert_eq!(fixture.a(WWW, &format!("81.2.{third}.0/24")), nth(n), "{third}");
    }
}

#[test]
fn gl2_a_client_in_no_known_state_gets_the_country_and_one_that_nobody_knows_the_default() {
    let fixture = setup("geolocation", &ALL, "").build();
    assert_eq!(fixture.a(WWW, "81.2.71.0/24"), nth(3));
    assert_eq!(fixture.a(WWW, "99.1.2.0/24"), nth(1));
}

#[test]
fn gl3_without_a_default_no_match_is_required() {
    assert_error(&faults("geolocation", &["\"country:DE\""], ""), &["default"]);
    assert_loads(&faults("geolocation", &["\"country:DE\""], "no_match = \"nodata\""));
    assert_error(&faults("geolocation", &["\"country:DE\""], "no_match = \"next\""), &["no_match"]);
}

#[test]
fn gl3_no_match_nodata_answers_nodata_of_ten_seconds_with_its_scope() {
    let fixture = setup("geolocation", &["\"country:DE\""], "no_match = \"nodata\"").build();
    assert_eq!(fixture.a(WWW, "81.2.73.0/24"), nth(1));
    let reply = fixture.ask(&Ask::a(WWW).subnet("81.2.72.0/24"));
    assert!(reply.assert_nodata().ttl <= 10);
    assert_eq!(reply.scope(), 24);
}

#[test]
fn gl3_no_match_next_counts_as_down_for_the_parent() {
    let text = format!(
        "{}[routes.web]\npolicy = \"failover\"\nto = [{{ route = \"geo\" }}, {{ endpoint = \"e3\" }}]\n\
         [routes.geo]\npolicy = \"geolocation\"\nno_match = \"next\"\nto = [{{ where = \"country:DE\", endpoint = \"e1\" }}]\n",
        endpoints(&["e1", "e2", "e3"])
    );
    let setup = Setup::new("www = { route = \"web\" }", &text).place("81.2.73.0/24", in_country("DE", None));
    let fixture = setup.build();
    assert_eq!(fixture.a(WWW, "81.2.73.0/24"), nth(1));
    assert_eq!(fixture.a(WWW, "99.1.2.0/24"), nth(3));
    let fixture = setup.down(&["e1", "e3"]).build();
    assert_eq!(fixture.a(WWW, "99.1.2.0/24"), nth(3));
}

#[test]
fn gl4_continents_come_from_our_country_table() {
    let of =
        |code: &str| country(CountryCode::new(code).unwrap()).unwrap_or_else(|| panic!("{code} is listed")).continent;
    for code in ["TR", "CY", "RU", "DE"] {
        assert_eq!(of(code), Continent::Europe, "{code}");
    }
    for code in ["GE", "AM", "AZ", "KZ", "IL"] {
        assert_eq!(of(code), Continent::Asia, "{code}");
    }
}

#[test]
fn gl5_a_duplicate_location_is_an_error() {
    let wheres = ["\"country:DE\"", "[\"country:US\", \"country:DE\"]", "\"default\""];
    assert_error(&faults("geolocation", &wheres, ""), &["country:DE"]);
    let wheres = ["\"default\"", "\"default\""];
    assert_error(&faults("geolocation", &wheres, ""), &["default"]);
    let wheres = ["\"place:EU27\"", "\"place:EEA\"", "\"default\""];
    assert_error(&faults("geolocation", &wheres, ""), &["country:AT"]);
}

#[test]
fn gl6_subdivisions_of_any_country() {
    let fixture = Setup::new(
        "www = { route = \"web\" }",
        &rest("geolocation", &["\"subdivision:DE-BE\"", "\"country:DE\"", "\"default\""], ""),
    )
    .place("81.2.69.0/24", in_subdivision("DE-BE", None))
    .place("81.2.70.0/24", in_subdivision("DE-BY", None))
    .build();
    assert_eq!(fixture.a(WWW, "81.2.69.0/24"), nth(1));
    assert_eq!(fixture.a(WWW, "81.2.70.0/24"), nth(2));
    for code in ["AT-9", "GB-ENG"] {
        let wheres = [&format!("\"subdivision:{code}\"")[..], "\"default\""];
        let fixture = Setup::new("www = { route = \"web\" }", &rest("geolocation", &wheres, ""))
            .place("81.2.69.0/24", in_subdivision(code, None))
            .build();
        assert_eq!(fixture.a(WWW, "81.2.69.0/24"), nth(1), "{code}");
    }
}

/// A failover over a fenced geolocation with an inner failover, and a rest.
fn fenced(more: &str) -> Setup {
    let text = format!(
        "{}[routes.web]\npolicy = \"failover\"\nto = [{{ route = \"geo\" }}, {{ endpoint = \"d\" }}]\n\
         [routes.geo]\npolicy = \"geolocation\"\nfence = true\nno_match = \"next\"\n{more}\n\
         to = [{{ where = \"country:DE\", route = \"eu\" }}, {{ where = \"continent:EU\", endpoint = \"c\" }}]\n\
         [routes.eu]\npolicy = \"failover\"\nto = [{{ endpoint = \"a\" }}, {{ endpoint = \"b\" }}]\n",
        endpoints(&["a", "b", "c", "d", "l"])
    );
    Setup::new("www = { route = \"web\" }", &text)
        .place("81.2.73.0/24", in_country("DE", None))
        .place("81.2.74.0/24", in_country("FR", None))
}

#[test]
fn gl7_a_fence_is_not_left_by_the_node_nor_by_its_parent() {
    let answer = |down: &[&str], net: &str| fenced("").down(down).build().a(WWW, net);
    assert_eq!(answer(&[], "81.2.73.0/24"), nth(1));
    assert_eq!(answer(&["a"], "81.2.73.0/24"), nth(2));
    assert_eq!(answer(&["a", "b"], "81.2.73.0/24"), nth(1));
    assert_eq!(answer(&["c"], "81.2.74.0/24"), nth(3));
    assert_eq!(answer(&["a", "b", "c"], "99.1.2.0/24"), nth(4));
}

#[test]
fn gl7_inside_the_fence_last_resort_goes_before_failing_open() {
    let more = "last_resort = { endpoint = \"l\" }";
    let answer = |down: &[&str]| fenced(more).down(down).build().a(WWW, "81.2.73.0/24");
    assert_eq!(answer(&["a"]), nth(2));
    assert_eq!(answer(&["a", "b"]), nth(5));
    assert_eq!(answer(&["a", "b", "l"]), nth(5));
}

#[test]
fn gl7_a_fence_is_never_empty() {
    let fixture = fenced("").drained(&["a", "b"]).build();
    assert_eq!(fixture.a(WWW, "81.2.73.0/24"), nth(1));
}

const NETS: [&str; 4] = ["\"net:81.0.0.0/8\"", "\"net:81.2.69.0/24\"", "\"default\"", "\"net:81.2.0.0/16\""];

#[test]
fn ip1_the_longest_listed_network_that_contains_the_clients_network_wins() {
    let fixture = setup("ip", &NETS, "").build();
    for (net, n) in [("81.2.69.0/24", 2), ("81.2.70.0/24", 4), ("81.3.0.0/24", 1), ("99.1.2.0/24", 3)] {
        assert_eq!(fixture.a(WWW, net), nth(n), "{net}");
    }
    assert_eq!(fixture.ask(&Ask::a(WWW).sender("81.2.69.7")).only(), nth(2));
}

#[test]
fn ip1_a_client_network_shorter_than_the_listed_one_does_not_match_it() {
    let fixture = setup("ip", &NETS, "").build();
    for (net, n) in
        [("81.2.69.0/24", 2), ("81.2.68.0/23", 4), ("81.2.0.0/16", 4), ("81.2.0.0/15", 1), ("80.0.0.0/7", 3)]
    {
        assert_eq!(fixture.a(WWW, net), nth(n), "{net}");
    }
}

#[test]
fn ip2_down_goes_to_the_next_shorter_match_then_default_and_all_down_to_the_longest() {
    let answer = |down: &[&str]| setup("ip", &NETS, "").down(down).build().a(WWW, "81.2.69.0/24");
    assert_eq!(answer(&["e2"]), nth(4));
    assert_eq!(answer(&["e2", "e4"]), nth(1));
    assert_eq!(answer(&["e2", "e4", "e1"]), nth(3));
    assert_eq!(answer(&["e2", "e4", "e1", "e3"]), nth(2));
}

#[test]
fn ip3_overlaps_are_allowed_and_duplicates_are_errors() {
    assert_loads(&faults("ip", &NETS, ""));
    let wheres = ["\"net:81.0.0.0/8\"", "\"net:81.0.0.0/8\"", "\"default\""];
    assert_error(&faults("ip", &wheres, ""), &["81.0.0.0/8"]);
}
