//! L: the lowest latency, measured or estimated.

use rhumb::answer::Asker;

use super::{WWW, assert_share, explain, nth};
use crate::harness::{Ask, Setup, assert_error, assert_warning, in_country, in_subdivision, load, with_asn, zone};

const ENDPOINTS: &str = "[checks.c]\ntype = \"tcp\"\nport = 80\n\
    [endpoints.p]\nA = \"192.0.2.1\"\nregion = \"east\"\ncheck = \"c\"\n\
    [endpoints.s]\nA = \"192.0.2.2\"\nregion = \"west\"\ncheck = \"c\"\n\
    [endpoints.t]\nA = \"192.0.2.3\"\nregion = \"south\"\ncheck = \"c\"\n";

fn setup(table: &str, more: &str) -> Setup {
    let rest = format!(
        "{ENDPOINTS}[routes.web]\npolicy = \"latency\"\n{more}\nto = [{{ endpoint = \"p\" }}, {{ endpoint = \"s\", weight = 3 }}, \
         {{ endpoint = \"t\" }}]"
    );
    Setup::new("www = { route = \"web\" }", &rest)
        .file("../latency.csv", table)
        .server("[latency]\ntable = \"latency.csv\"")
        .place("81.2.69.0/24", with_asn(in_subdivision("US-CA", Some((37.0, -122.0))), 64_500))
        .place("81.2.70.0/24", in_country("DE", Some((50.0, 8.0))))
}

const TABLE: &str = "81.2.69.0/24,east,30\n81.2.69.0/24,west,20\n81.2.69.0/24,south,25.5\n";

#[test]
fn l1_the_lowest_latency_then_the_next_lowest_then_the_lowest_again() {
    let answer = |down: &[&str]| setup(TABLE, "").down(down).build().a(WWW, "81.2.69.0/24");
    assert_eq!(answer(&[]), nth(2));
    assert_eq!(answer(&["s"]), nth(3));
    assert_eq!(answer(&["s", "t"]), nth(1));
    assert_eq!(answer(&["p", "s", "t"]), nth(2));
    let gap = "81.2.69.0/24,east,30\n81.2.69.0/24,west,20\ncountry:DE,south,1\n";
    let answer = |down: &[&str]| setup(gap, "").down(down).build().a(WWW, "81.2.69.0/24");
    assert_eq!(answer(&[]), nth(2), "what nobody measured and nobody can estimate comes last");
    assert_eq!(answer(&["p", "s"]), nth(3));
}

#[test]
fn l2_the_longest_match_of_the_table_counts() {
    let rows = [
        ("continent:NA", 1),
        ("country:US", 2),
        ("subdivision:US-CA", 3),
        ("asn:64500", 1),
        ("81.0.0.0/8", 2),
        ("81.2.0.0/16", 3),
    ];
    let mut table = String::new();
    for (client, best) in rows {
        for (index, region) in ["east", "west", "south"].iter().enumerate() {
            table += &format!("{client},{region},{}\n", if index + 1 == best { 10 } else { 50 });
        }
        assert_eq!(setup(&table, "").build().a(WWW, "81.2.69.0/24"), nth(best), "{client}");
    }
}

#[test]
fn l2_without_a_row_it_is_five_milliseconds_and_a_66th_of_the_kilometres() {
    let route = "[routes.web]\npolicy = \"latency\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";
    let rest = |first: f64| {
        format!(
            "[endpoints.p]\nA = \"192.0.2.1\"\nregion = \"east\"\n[endpoints.s]\nA = \"192.0.2.2\"\nat = \"0,{first}\"\n{route}"
        )
    };
    // A degree of the equator is 111.195 km: 6 degrees are 667.2 km and 15.1 ms.
    let ask = |milliseconds: &str, degrees: f64| {
        Setup::new("www = { route = \"web\" }", &rest(degrees))
            .file("../latency.csv", &format!("81.2.69.0/24,east,{milliseconds}\n"))
            .server("[latency]\ntable = \"latency.csv\"")
            .place("81.2.69.0/24", in_country("DE", Some((0.0, 0.0))))
            .build()
            .a(WWW, "81.2.69.0/24")
    };
    assert_eq!(ask("15.0", 6.0), nth(1));
    assert_eq!(ask("15.2", 6.0), nth(2));
    // Of equal tenths the first is taken.
    assert_eq!(ask("15.1", 6.0), nth(1));
}

#[test]
fn l2_a_route_that_mixes_measured_and_estimated_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("zones")).unwrap();
    std::fs::write(dir.path().join("latency.csv"), "country:DE,east,10\n").unwrap();
    let server = dir.path().join("rhumb.toml");
    std::fs::write(&server, "zones = \"zones\"\nstate = \"state\"\n[latency]\ntable = \"latency.csv\"\n").unwrap();
    let rest = "[endpoints.p]\nA = \"192.0.2.1\"\nregion = \"east\"\nat = \"1,1\"\n[endpoints.s]\nA = \"192.0.2.2\"\n\
                at = \"0,3\"\n[routes.web]\npolicy = \"latency\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";
    std::fs::write(dir.path().join("zones/example.com.toml"), zone("www = { route = \"web\" }", rest)).unwrap();
    let loaded = rhumb::config::load(Some(&server), &rhumb::config::Overrides::default());
    assert_warning(&loaded, &["web", "latency"]);
}

#[test]
fn l3_members_within_the_tolerance_share_by_weight() {
    let ask = Ask::a(WWW).subnet("81.2.69.0/24");
    let counts = setup(TABLE, "tolerance = \"6ms\"").build().shares(&ask);
    assert_share(&counts, &nth(2), 0.75);
    assert_share(&counts, &nth(3), 0.25);
    let counts = setup(TABLE, "tolerance = \"10ms\"").build().shares(&ask);
    assert_share(&counts, &nth(1), 0.2);
    assert_share(&counts, &nth(2), 0.6);
    assert_share(&counts, &nth(3), 0.2);
    let counts = setup(TABLE, "tolerance = \"6ms\"").down(&["s"]).build().shares(&ask);
    assert_share(&counts, &nth(1), 0.5);
    assert_share(&counts, &nth(3), 0.5);
    let counts = setup(TABLE, "").build().shares(&ask);
    assert_share(&counts, &nth(2), 1.0);
}

#[test]
fn l4_no_place_known_is_the_first_member() {
    let fixture = setup(TABLE, "").build();
    assert_eq!(fixture.a(WWW, "99.1.2.0/24"), nth(1));
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(1));
}

#[test]
fn l4_a_member_that_is_a_route_needs_its_own_place_or_label() {
    let rest = |more: &str| {
        format!(
            "{ENDPOINTS}[routes.inner]\npolicy = \"simple\"\nto = [{{ endpoint = \"p\" }}]\n[routes.web]\npolicy = \"latency\"\n\
             to = [{{ route = \"inner\"{more} }}, {{ endpoint = \"s\" }}]"
        )
    };
    assert_error(&load(&zone("www = { route = \"web\" }", &rest(""))), &["inner"]);
    for more in [", at = \"50,8\"", ", region = \"east\""] {
        let loaded = load(&zone("www = { route = \"web\" }", &rest(more)));
        assert!(loaded.model.is_some(), "{:#?}", loaded.diagnostics);
    }
}

#[test]
fn l2_explain_names_the_row_or_the_distance_that_a_latency_comes_from() {
    let rest = "[endpoints.p]\nA = \"192.0.2.1\"\nregion = \"east\"\n[endpoints.s]\nA = \"192.0.2.2\"\nat = \"0,6\"\n\
                [routes.web]\npolicy = \"latency\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";
    let fixture = Setup::new("www = { route = \"web\" }", rest)
        .file("../latency.csv", "country:DE,east,11.5\n")
        .server("[latency]\ntable = \"latency.csv\"")
        .place("81.2.69.0/24", in_country("DE", Some((0.0, 0.0))))
        .build();
    let explanation = explain(&fixture, Asker::Subnet([81, 2, 69, 0].into(), 24));
    let measures: Vec<_> = explanation.decisions[0].nodes[0].candidates.iter().map(|c| c.measure.as_deref()).collect();
    assert_eq!(measures, [Some("11.5 ms (country:DE)"), Some("15.1 ms (667 km)")]);
    assert_eq!(explanation.difference, None);
}
