//! What is a finding and what is none: cases beside those of the golden files.

use super::*;

const ENDPOINTS: &str = r#"
www = { route = "web" }
[endpoints.v4]
A = "192.0.2.1"
[endpoints.both]
A = "192.0.2.2"
AAAA = "2001:db8::2"
[endpoints.other]
A = "192.0.2.3"
AAAA = "2001:db8::3"
"#;

/// The codes of what is said of a zone with these routes, `unused` left out.
fn codes(routes: &str) -> Vec<&'static str> {
    let zone =
        format!("zone = \"example.com\"\n[records]\n\"@\" = {{ NS = \"ns.example.net.\" }}\n{ENDPOINTS}{routes}");
    let (_directory, loaded) = load_files(&[("zones/example.com.toml", &zone)]);
    let codes = loaded.diagnostics.iter().map(|diagnostic| diagnostic.code);
    codes.filter(|code| *code != code::UNUSED).collect()
}

fn route(name: &str, policy: &str, rest: &str) -> String {
    format!("[routes.{name}]\npolicy = \"{policy}\"\n{rest}\n")
}

#[test]
fn g6_a_member_may_lack_a_type_where_another_takes_the_same_clients() {
    for policy in ["weighted", "failover", "multivalue"] {
        let said = codes(&route("web", policy, r#"to = ["v4", "both"]"#));
        assert!(!said.contains(&code::MISSING_TYPE), "{policy}: {said:?}");
    }
    let default = codes(&route(
        "web",
        "geolocation",
        r#"to = [{ where = "country:DE", endpoint = "v4" }, { where = "default", endpoint = "both" }]"#,
    ));
    assert_eq!(default, [code::SPLIT_FAMILIES]);
    let continent = codes(&route(
        "web",
        "geolocation",
        "no_match = \"nodata\"\n\
        to = [{ where = \"country:DE\", endpoint = \"v4\" }, { where = \"continent:EU\", endpoints = [\"both\", \"other\"] }]",
    ));
    assert_eq!(continent, [code::SPLIT_FAMILIES]);
}

#[test]
fn g6_a_location_that_nothing_less_specific_covers_needs_every_type() {
    let elsewhere = codes(&route(
        "web",
        "geolocation",
        "no_match = \"nodata\"\n\
        to = [{ where = \"country:DE\", endpoint = \"v4\" }, { where = \"continent:NA\", endpoints = [\"both\", \"other\"] }]",
    ));
    assert!(elsewhere.contains(&code::MISSING_TYPE), "{elsewhere:?}");
    let asn = codes(&route(
        "web",
        "geolocation",
        "no_match = \"nodata\"\n\
        to = [{ where = \"asn:64500\", endpoint = \"v4\" }, { where = \"continent:EU\", endpoints = [\"both\", \"other\"] }]",
    ));
    assert!(asn.contains(&code::MISSING_TYPE), "an AS lies in no continent: {asn:?}");
}

#[test]
fn g6_a_branch_that_some_clients_do_not_match_is_no_branch_for_them() {
    let inner =
        route("eu", "geolocation", "no_match = \"next\"\nto = { where = \"continent:EU\", endpoint = \"both\" }");
    let alone = route("web", "failover", "to = [{ route = \"eu\" }, \"v4\"]") + &inner;
    assert!(codes(&alone).contains(&code::MISSING_TYPE));
    let helped = route("web", "failover", "to = [{ route = \"eu\" }, \"other\"]") + &inner;
    assert!(!codes(&helped).contains(&code::MISSING_TYPE));
}

#[test]
fn t6_a_route_may_be_shared_by_several_parents_and_sixteen_deep_is_allowed() {
    let mut routes = route("web", "failover", "to = [{ route = \"r2\" }, { route = \"r3\" }]");
    for depth in 2..16 {
        routes += &route(&format!("r{depth}"), "failover", &format!("to = {{ route = \"r{}\" }}", depth + 1));
    }
    let sixteen = routes.clone() + &route("r16", "simple", "to = \"both\"");
    assert!(!codes(&sixteen).contains(&code::ROUTE_DEPTH));
    let seventeen =
        routes + &route("r16", "failover", "to = { route = \"r17\" }") + &route("r17", "simple", "to = \"both\"");
    assert!(codes(&seventeen).contains(&code::ROUTE_DEPTH));
}

#[test]
fn a_chain_of_twenty_thousand_routes_is_a_fault_and_no_overflow() {
    let mut routes = route("web", "failover", "to = { route = \"r0\" }");
    for depth in 0..20_000 {
        routes += &route(&format!("r{depth}"), "failover", &format!("to = {{ route = \"r{}\" }}", depth + 1));
    }
    assert!(codes(&(routes + &route("r20000", "simple", "to = \"both\""))).contains(&code::ROUTE_DEPTH));
}

#[test]
fn w9_a_standby_and_a_guarded_canary_draw_no_warning() {
    let standby = codes(&route(
        "web",
        "weighted",
        r#"to = [{ endpoint = "both", weight = 9 }, { endpoint = "other", weight = 0 }]"#,
    ));
    assert_eq!(standby, [""; 0]);
    let canary = codes(&route(
        "web",
        "weighted",
        "min_healthy = 2\nto = [{ endpoint = \"both\", weight = 99 }, { endpoint = \"other\", weight = 1 }]",
    ));
    assert_eq!(canary, [""; 0]);
}

#[test]
fn a_default_ttl_is_not_called_long() {
    let said = codes(
        "[checks.http]\ntype = \"http\"\n[endpoints.checked]\nA = \"192.0.2.9\"\ncheck = \"http\"\n[routes.web]\npolicy = \"simple\"\nto = \"checked\"\n",
    );
    assert_eq!(said, [""; 0]);
}

#[test]
fn gl5_sets_of_one_member_may_overlap() {
    let said = codes(&route(
        "web",
        "geolocation",
        r#"to = [{ where = ["place:EU27", "place:EEA"], endpoint = "both" }, { where = "default", endpoint = "other" }]"#,
    ));
    assert_eq!(said, [""; 0]);
}

#[test]
fn p14_records_are_refused_from_the_octet_on_that_no_message_has_room_for() {
    // Beside them stand a header, a question with the longest name, and OPT; each has 12 octets before its data.
    let room = 65_535 - 12 - (255 + 4) - 11;
    let record = |len: usize| format!("'\\# {len} {}'", "00".repeat(len));
    for (records, is_refused) in [
        (record(room - 12), false),
        (record(room - 11), true),
        (format!("[{}, {}]", record(1), record(room - 25)), false),
        (format!("[{}, {}]", record(2), record(room - 25)), true),
    ] {
        let plain = format!("many = {{ TYPE65280 = {records} }}");
        let endpoint = format!("[endpoints.e]\nTYPE65280 = {records}\n");
        let steered = format!("many = {{ route = \"r\" }}\n{endpoint}{}", route("r", "simple", "to = \"e\""));
        for held in [plain, steered] {
            let zone = format!("zone = \"example.com\"\n[records]\n\"@\" = {{ NS = \"ns.example.net.\" }}\n{held}\n");
            let (_directory, loaded) = load_files(&[("zones/example.com.toml", &zone)]);
            let told = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
            let told: Vec<_> = told.map(|found| found.code).collect();
            assert_eq!(told, vec![code::BIG_RRSET; usize::from(is_refused)]);
        }
    }
}

#[test]
fn p14_a_multivalue_route_answers_some_of_what_no_message_has_room_for() {
    let endpoint = |name: &str, octet: u8| {
        let text = |at: usize| format!("'\\# 9000 {}'", format!("{octet:02x}{at:02x}").repeat(4_500));
        format!("[endpoints.{name}]\nTYPE65280 = [{}]\n", (0..6).map(text).collect::<Vec<_>>().join(", "))
    };
    let said = |most: usize| {
        let rest = format!("to = [\"a\", \"b\"]\nmax_answers = {most}");
        codes(&(endpoint("a", 1) + &endpoint("b", 2) + &route("web", "multivalue", &rest)))
    };
    assert!(!said(7).contains(&code::BIG_RRSET));
    assert!(said(8).contains(&code::BIG_RRSET));
}
