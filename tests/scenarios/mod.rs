//! Five services as operators really steer them, said in our TOML and asked.
//!
//! Comes in: zone text. Goes out: nothing. Invariant: what a scenario promises is asked of
//! `answer()`, with everything up and with each part that may fail down.

use rhumb::wire::Name;

use crate::harness::{Ask, Draws, Fixture, Setup, in_country, in_subdivision};

const WWW: &str = "www.example.com.";

fn service(text: &str) -> Setup {
    Setup::new("www = { route = \"web\" }", text)
        .place("81.2.1.0/24", in_country("DE", Some((50.11, 8.68))))
        .place("81.2.2.0/24", in_country("FR", Some((48.86, 2.35))))
        .place("81.2.3.0/24", in_country("GB", Some((51.51, -0.13))))
        .place("81.2.4.0/24", in_subdivision("US-CA", Some((37.77, -122.42))))
        .place("81.2.5.0/24", in_subdivision("US-NY", Some((40.71, -74.01))))
        .place("81.2.6.0/24", in_subdivision("CA-QC", Some((45.50, -73.57))))
        .place("81.2.7.0/24", in_subdivision("CA-BC", Some((49.28, -123.12))))
        .place("81.2.8.0/24", in_country("JP", Some((35.68, 139.69))))
        .place("81.2.9.0/24", in_country("CH", Some((47.37, 8.54))))
}

fn sorted(fixture: &Fixture, net: &str) -> Vec<String> {
    fixture.ask(&Ask::a(WWW).subnet(net)).sorted()
}

/// The share of draws in which an address is among the answers of a network.
fn share(fixture: &Fixture, net: &str, address: &str) -> f64 {
    let mut draws = Draws::new(99);
    let n = 4_000;
    let hits = (0..n)
        .filter(|_| {
            let ask = Ask::a(WWW).subnet(net).draw(draws.bits());
            fixture.ask(&ask).sorted().iter().any(|a| a == address)
        })
        .count();
    hits as f64 / f64::from(n)
}

const POOLS: &str = r#"
[checks.c]
type = "tcp"
port = 443
[endpoints.fra1]
A = "192.0.2.11"
check = "c"
[endpoints.fra2]
A = "192.0.2.12"
check = "c"
[endpoints.lon1]
A = "192.0.2.13"
check = "c"
[endpoints.nyc1]
A = "192.0.2.21"
check = "c"
[endpoints.nyc2]
A = "192.0.2.22"
check = "c"
[endpoints.sfo1]
A = "192.0.2.23"
check = "c"
[endpoints.sfo2]
A = "192.0.2.24"
check = "c"
[endpoints.tyo1]
A = "192.0.2.31"
check = "c"

[places]
dach = ["country:DE", "country:AT", "country:CH"]
west = ["subdivision:US-CA", "subdivision:CA-BC"]

[routes.web]
policy = "geolocation"
to = [
  { where = "place:dach",   route = "europe" },
  { where = "continent:EU", route = "london-first" },
  { where = "place:west",   route = "america-west" },
  { where = "continent:NA", route = "america-east" },
  { where = "continent:AS", route = "asia" },
  { where = "default",      route = "america-east" },
]
[routes.europe]
policy = "failover"
to = [{ endpoints = ["fra1", "fra2"] }, { endpoint = "lon1" }, { endpoints = ["nyc1", "nyc2"] }]
[routes.london-first]
policy = "failover"
to = [{ endpoint = "lon1" }, { endpoints = ["fra1", "fra2"] }]
[routes.america-west]
policy = "failover"
to = [{ endpoints = ["sfo1", "sfo2"] }, { endpoints = ["nyc1", "nyc2"] }]
[routes.america-east]
policy = "failover"
to = [{ endpoints = ["nyc1", "nyc2"] }, { endpoints = ["sfo1", "sfo2"] }]
[routes.asia]
policy = "failover"
to = [{ endpoint = "tyo1" }, { endpoints = ["sfo1", "sfo2"] }]
"#;

#[test]
fn ordered_pools_by_continent_country_set_and_region_answer_every_healthy_member() {
    let all_up = service(POOLS).build();
    for (net, addresses) in [
        ("81.2.1.0/24", &["192.0.2.11", "192.0.2.12"][..]),
        ("81.2.9.0/24", &["192.0.2.11", "192.0.2.12"]),
        ("81.2.2.0/24", &["192.0.2.13"]),
        ("81.2.4.0/24", &["192.0.2.23", "192.0.2.24"]),
        ("81.2.7.0/24", &["192.0.2.23", "192.0.2.24"]),
        ("81.2.5.0/24", &["192.0.2.21", "192.0.2.22"]),
        ("81.2.6.0/24", &["192.0.2.21", "192.0.2.22"]),
        ("81.2.8.0/24", &["192.0.2.31"]),
        ("99.1.2.0/24", &["192.0.2.21", "192.0.2.22"]),
    ] {
        assert_eq!(sorted(&all_up, net), addresses, "{net}");
    }
    let half = service(POOLS).down(&["fra1"]).build();
    assert_eq!(sorted(&half, "81.2.1.0/24"), ["192.0.2.12"]);
    let next = service(POOLS).down(&["fra1", "fra2", "tyo1"]).build();
    assert_eq!(sorted(&next, "81.2.1.0/24"), ["192.0.2.13"]);
    assert_eq!(sorted(&next, "81.2.8.0/24"), ["192.0.2.23", "192.0.2.24"]);
    // A country set whose pools are all down goes on to its continent, which has none left either.
    let dark = service(POOLS).down(&["fra1", "fra2", "lon1", "nyc1", "nyc2"]).build();
    assert_eq!(sorted(&dark, "81.2.1.0/24"), ["192.0.2.23", "192.0.2.24"]);
}

const LATENCY: &str = r#"
[checks.c]
type = "tcp"
port = 443
[endpoints.eu-a]
A = "192.0.2.1"
check = "c"
[endpoints.eu-a-standby]
A = "192.0.2.2"
check = "c"
[endpoints.eu-b]
A = "192.0.2.3"
check = "c"
[endpoints.us]
A = "192.0.2.4"
check = "c"
at = "40.71,-74.01"
[routes.web]
policy = "latency"
to = [{ route = "eu", at = "50.11,8.68" }, { endpoint = "us" }]
[routes.eu]
policy = "weighted"
to = [{ route = "eu-one", weight = 80 }, { endpoint = "eu-b", weight = 20 }]
[routes.eu-one]
policy = "failover"
to = [{ endpoint = "eu-a" }, { endpoint = "eu-a-standby" }]
"#;

#[test]
fn latency_over_weighted_over_failover() {
    let all_up = service(LATENCY).build();
    assert!((share(&all_up, "81.2.1.0/24", "192.0.2.1") - 0.8).abs() < 0.03);
    assert_eq!(share(&all_up, "81.2.5.0/24", "192.0.2.4"), 1.0);
    let standby = service(LATENCY).down(&["eu-a"]).build();
    assert!((share(&standby, "81.2.1.0/24", "192.0.2.2") - 0.8).abs() < 0.03);
    let one_side = service(LATENCY).down(&["eu-a", "eu-a-standby"]).build();
    assert_eq!(share(&one_side, "81.2.1.0/24", "192.0.2.3"), 1.0);
    let over = service(LATENCY).down(&["eu-a", "eu-a-standby", "eu-b"]).build();
    assert_eq!(share(&over, "81.2.1.0/24", "192.0.2.4"), 1.0);
}

const CANARY: &str = r#"
[checks.c]
type = "tcp"
port = 443
[endpoints.stable]
A = "192.0.2.1"
check = "c"
[endpoints.canary]
A = "192.0.2.2"
check = "c"
[endpoints.far]
A = "192.0.2.3"
check = "c"
[routes.web]
policy = "geolocation"
to = [{ where = "country:DE", route = "german" }, { where = "default", route = "rest" }]
[routes.german]
policy = "weighted"
min_healthy = "50%"
to = [{ endpoint = "stable", weight = 99 }, { endpoint = "canary", weight = 1 }]
[routes.rest]
policy = "failover"
to = [{ endpoint = "stable" }, { endpoint = "far" }]
"#;

#[test]
fn a_canary_of_one_percent_in_one_country_never_takes_more() {
    let all_up = service(CANARY).build();
    let part = share(&all_up, "81.2.1.0/24", "192.0.2.2");
    assert!(part > 0.003 && part < 0.02, "{part}");
    assert_eq!(share(&all_up, "81.2.2.0/24", "192.0.2.2"), 0.0);
    let broken = service(CANARY).down(&["canary"]).build();
    assert_eq!(share(&broken, "81.2.1.0/24", "192.0.2.1"), 1.0);
    // Alone it would take everything: the branch is left instead.
    let alone = service(CANARY).down(&["stable"]).build();
    assert_eq!(share(&alone, "81.2.1.0/24", "192.0.2.3"), 1.0);
    // With everything down the shares are those of everything up.
    let dark = service(CANARY).down(&["stable", "canary", "far"]).build();
    assert!(share(&dark, "81.2.1.0/24", "192.0.2.2") < 0.02);
}

const CDNS: &str = r#"
[checks.cdn-a]
type = "https"
host = "www.example.com"
target = "a.cdn.example.net"
[checks.cdn-b]
type = "https"
host = "www.example.com"
target = "b.cdn.example.org"
[endpoints.cdn-a]
CNAME = "a.cdn.example.net."
check = "cdn-a"
[endpoints.cdn-b]
CNAME = "b.cdn.example.org."
check = "cdn-b"
[endpoints.own]
CNAME = "origin"
[routes.web]
policy = "failover"
to = [{ route = "cdns" }, { endpoint = "own" }]
[routes.cdns]
policy = "weighted"
to = [{ endpoint = "cdn-a", weight = 70 }, { endpoint = "cdn-b", weight = 30 }]
"#;

#[test]
fn several_cdns_by_cname_each_checked_at_its_target() {
    let target = |setup: &Setup, draw: u64| {
        let reply = setup.build().ask(&Ask::a(WWW).draw(draw));
        assert_eq!(reply.rcode, 0);
        (reply.answer[0].name(), reply.answer.len())
    };
    let setup = || Setup::new("www = { route = \"web\" }\norigin = { A = \"192.0.2.9\" }", CDNS);
    let (a, b) = (Name::absolute("a.cdn.example.net.").unwrap(), Name::absolute("b.cdn.example.org.").unwrap());
    let tenth = u64::MAX / 10;
    assert_eq!(target(&setup(), tenth * 3), (a.clone(), 1));
    assert_eq!(target(&setup(), tenth * 9), (b.clone(), 1));
    assert_eq!(target(&setup().down(&["cdn-b"]), tenth * 9), (a, 1));
    assert_eq!(target(&setup().down(&["cdn-a"]), tenth * 3), (b, 1));
    // Our own name is followed to its address.
    let own = Name::absolute("origin.example.com.").unwrap();
    assert_eq!(target(&setup().down(&["cdn-a", "cdn-b"]), 0), (own, 2));
}

const EUROPE: &str = r#"
[checks.c]
type = "tcp"
port = 443
[endpoints.fra]
A = "192.0.2.1"
check = "c"
[endpoints.par]
A = "192.0.2.2"
check = "c"
[endpoints.sorry]
A = "192.0.2.3"
[endpoints.us]
A = "192.0.2.4"
check = "c"
[routes.web]
policy = "geolocation"
fence = true
last_resort = { endpoint = "sorry" }
to = [{ where = "place:EU27", route = "eu" }, { where = "default", endpoint = "us" }]
[routes.eu]
policy = "failover"
to = [{ endpoint = "fra" }, { endpoint = "par" }]
"#;

#[test]
fn a_service_fenced_to_the_eu_with_a_last_resort_there() {
    let answer = |down: &[&str], net: &str| sorted(&service(EUROPE).down(down).build(), net);
    assert_eq!(answer(&[], "81.2.1.0/24"), ["192.0.2.1"]);
    assert_eq!(answer(&["fra"], "81.2.2.0/24"), ["192.0.2.2"]);
    assert_eq!(answer(&["fra", "par"], "81.2.1.0/24"), ["192.0.2.3"], "the client stays in the EU");
    assert_eq!(answer(&["fra", "par"], "81.2.3.0/24"), ["192.0.2.4"], "GB is no member");
    assert_eq!(answer(&[], "81.2.5.0/24"), ["192.0.2.4"]);
}
