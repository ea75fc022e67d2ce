//! Five policies as services in production have them, said in rhumb's TOML and asked with everything well and with
//! parts broken.

use std::net::IpAddr;

use super::{Client, Mode, SOON, Server, Site, Web, bound, eventually, web};
use crate::harness::{Ask, zone};

const QUICK: &str = "interval = \"300ms\"\ntimeout = \"200ms\"\nfall = 1\nrise = 1";

// Clients in the fixture database.
const FRANKFURT: &str = "84.160.0.0/24";
const PARIS: &str = "88.120.0.0/24";
const LONDON: &str = "81.2.69.0/24";
const TOKYO: &str = "126.0.0.0/24";
const SYDNEY: &str = "1.128.0.0/24";
const SAO_PAULO: &str = "177.32.0.0/24";
const CAIRO: &str = "41.68.0.0/24";
const SAN_FRANCISCO: &str = "73.158.0.0/24";
const SEATTLE: &str = "24.16.0.0/24";
const HERNDON: &str = "98.160.0.0/24";
const TORONTO: &str = "99.224.0.0/24";
const VANCOUVER: &str = "24.80.0.0/24";
/// In the US, in no known state.
const SOMEWHERE: &str = "8.8.8.0/24";

/// Endpoints with names, and a server that checks them.
struct Service {
    webs: Vec<(&'static str, Web)>,
    server: Server,
}

impl Service {
    /// Each endpoint is its name and further lines; `rest` may name the checks, which are called as the endpoints.
    #[track_caller]
    fn start(net: &str, endpoints: &[(&'static str, &str)], rest: &str) -> Self {
        let webs: Vec<(&str, Web)> =
            endpoints.iter().zip(1..).map(|((name, _), host)| (*name, Web::start(&format!("{net}{host}")))).collect();
        let mut text = String::new();
        for ((name, lines), (_, web)) in endpoints.iter().zip(&webs) {
            let ip = web.address.ip();
            text.push_str(&format!("[endpoints.{name}]\nA = \"{ip}\"\ncheck = \"{name}\"\n{lines}\n"));
        }
        text.push_str(&web::checks(webs.iter().map(|(name, web)| (*name, web)), QUICK));
        let database = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb");
        let server = format!("[geoip]\ndatabases = [\"{database}\"]");
        let server = Site::with_zone(&server, &zone("www = { route = \"www\", ttl = 5 }", &(text + rest))).start();
        let service = Self { webs, server };
        service.set(&[], Mode::Well);
        let names: Vec<&str> = service.webs.iter().map(|(name, _)| *name).collect();
        service.server.until(&names, "up");
        service
    }

    /// Sets endpoints to a mode, and waits until the server knows.
    #[track_caller]
    fn set(&self, names: &[&str], mode: Mode) {
        for name in names {
            self.webs.iter().find(|(known, _)| known == name).expect("an endpoint of this name").1.set(mode);
        }
        self.server.until(names, if mode == Mode::Well { "up" } else { "down" });
    }

    fn name(&self, address: IpAddr) -> &'static str {
        self.webs.iter().find(|(_, web)| web.address.ip() == address).expect("an endpoint of this address").0
    }

    /// The endpoints that one reply names, in the order of the file.
    #[track_caller]
    fn answer(&self, subnet: &str) -> Vec<&'static str> {
        let mut addresses = self.server.ask(&Ask::a("www.example.com.").subnet(subnet)).addresses();
        addresses.sort_unstable();
        addresses.into_iter().map(|address| self.name(address)).collect()
    }

    /// The share of one endpoint in `n` answers of one address.
    #[track_caller]
    fn share(&self, name: &str, subnet: &str, n: usize) -> f64 {
        let counts = Client::of(self.server.dns).counts(&Ask::a("www.example.com.").subnet(subnet), n);
        let of_it = counts.iter().filter(|(address, _)| self.name(address.parse().unwrap()) == name);
        of_it.map(|(_, count)| *count).sum::<usize>() as f64 / n as f64
    }
}

#[test]
fn ordered_pools_by_continent_country_set_and_region_answer_every_healthy_member_of_the_first_that_has_any() {
    let service = Service::start(
        "127.65.1.",
        &[("west1", ""), ("west2", ""), ("east1", ""), ("east2", ""), ("eu1", ""), ("eu2", ""), ("asia1", "")],
        r#"
[places]
far-east = ["country:JP", "country:KR", "country:VN", "country:AU"]
west-coast = ["subdivision:US-CA", "subdivision:US-WA", "subdivision:CA-BC"]
[routes.www]
policy = "geolocation"
to = [
  { where = ["continent:EU", "continent:AF"], route = "europe" },
  { where = "place:far-east",                 route = "asia" },
  { where = ["country:US", "country:CA"],     route = "east" },
  { where = "place:west-coast",               route = "west" },
  { where = "default",                        route = "east" },
]
[routes.europe]
policy = "failover"
to = [ { endpoints = ["eu1", "eu2"] }, { endpoints = ["east1", "east2"] }, { endpoints = ["west1", "west2"] } ]
[routes.asia]
policy = "failover"
to = [ { endpoints = ["asia1"] }, { endpoints = ["west1", "west2"] }, { endpoints = ["eu1", "eu2"] } ]
[routes.east]
policy = "failover"
to = [ { endpoints = ["east1", "east2"] }, { endpoints = ["west1", "west2"] } ]
[routes.west]
policy = "failover"
to = [ { endpoints = ["west1", "west2"] }, { endpoints = ["east1", "east2"] } ]
"#,
    );
    let (west, east, eu) = (["west1", "west2"], ["east1", "east2"], ["eu1", "eu2"]);
    for client in [SAN_FRANCISCO, SEATTLE, VANCOUVER] {
        assert_eq!(service.answer(client), west, "{client}");
    }
    for client in [HERNDON, TORONTO, SOMEWHERE, SAO_PAULO] {
        assert_eq!(service.answer(client), east, "{client}");
    }
    for client in [FRANKFURT, PARIS, LONDON, CAIRO] {
        assert_eq!(service.answer(client), eu, "{client}");
    }
    for client in [TOKYO, SYDNEY] {
        assert_eq!(service.answer(client), ["asia1"], "{client}");
    }
    service.set(&["west1", "asia1"], Mode::Refuse);
    assert_eq!(service.answer(SEATTLE), ["west2"], "a pool is used while one member is up");
    assert_eq!(service.answer(TOKYO), ["west2"], "then the next pool's healthy members");
    service.set(&["west2"], Mode::Status500);
    assert_eq!(service.answer(SEATTLE), east);
    assert_eq!(service.answer(TOKYO), eu);
    service.set(&["eu1", "eu2", "east1", "east2"], Mode::Refuse);
    assert_eq!(service.answer(SEATTLE), west, "g4: with all down, as if all were up");
    assert_eq!(service.answer(LONDON), eu);
    service.set(&["east2"], Mode::Well);
    assert_eq!(service.answer(SEATTLE), ["east2"]);
    assert_eq!(service.answer(LONDON), ["east2"]);
}

#[test]
fn latency_picks_a_region_then_weights_a_cell_then_failover_a_server() {
    let service = Service::start(
        "127.65.2.",
        &[("us1", ""), ("us1b", ""), ("us2", ""), ("us2b", ""), ("eu1", ""), ("eu1b", "")],
        r#"
[routes.www]
policy = "latency"
to = [ { route = "us", at = "aws:us-east-1" }, { route = "eu", at = "aws:eu-central-1" } ]
[routes.us]
policy = "weighted"
to = [ { route = "us-one", weight = 75 }, { route = "us-two", weight = 25 } ]
[routes.us-one]
policy = "failover"
to = ["us1", "us1b"]
[routes.us-two]
policy = "failover"
to = ["us2", "us2b"]
[routes.eu]
policy = "weighted"
to = [ { route = "eu-one" } ]
[routes.eu-one]
policy = "failover"
to = ["eu1", "eu1b"]
"#,
    );
    const N: usize = 4_000;
    let near = |share: f64, p: f64| assert!((share - p).abs() <= bound(p, N), "{share} where {p} is due");
    assert_eq!(service.answer(PARIS), ["eu1"]);
    near(service.share("us1", HERNDON, N), 0.75);
    near(service.share("us2", HERNDON, N), 0.25);
    service.set(&["us1"], Mode::Refuse);
    near(service.share("us1b", HERNDON, N), 0.75);
    service.set(&["us1b"], Mode::Refuse);
    near(service.share("us2", HERNDON, N), 1.0);
    service.set(&["us2", "us2b"], Mode::Refuse);
    assert_eq!(service.answer(HERNDON), ["eu1"], "a region without anything up is left");
    service.set(&["eu1"], Mode::Refuse);
    assert_eq!(service.answer(PARIS), ["eu1b"]);
    assert_eq!(service.answer(HERNDON), ["eu1b"]);
}

#[test]
fn a_canary_of_one_percent_in_one_country_never_takes_more() {
    let service = Service::start(
        "127.65.3.",
        &[("stable", ""), ("reserve", ""), ("canary", "")],
        r#"
[routes.www]
policy = "geolocation"
to = [ { where = "country:DE", route = "trial" }, { where = "default", route = "steady" } ]
[routes.trial]
policy = "weighted"
min_healthy = 2                # alone, the canary would take everything
to = [ { endpoint = "stable", weight = 99 }, { endpoint = "canary", weight = 1 } ]
[routes.steady]
policy = "failover"
to = ["stable", "reserve"]
"#,
    );
    const N: usize = 10_000;
    let canary = |subnet| service.share("canary", subnet, N);
    let most = 0.01 + bound(0.01, N);
    let share = canary(FRANKFURT);
    assert!(share > 0.0 && share <= most, "{share}");
    assert_eq!(canary(PARIS), 0.0, "in one country only");
    service.set(&["stable"], Mode::Status500);
    assert_eq!(canary(FRANKFURT), 0.0, "the trial as a whole is left");
    assert_eq!(service.answer(FRANKFURT), ["reserve"]);
    assert_eq!(service.answer(PARIS), ["reserve"]);
    service.set(&["reserve"], Mode::Status500);
    assert!(canary(FRANKFURT) <= most, "not even when nothing else is up");
    assert_eq!(canary(PARIS), 0.0);
    service.set(&["stable", "reserve"], Mode::Well);
    service.set(&["canary"], Mode::Hang);
    assert_eq!(service.answer(FRANKFURT), ["stable"]);
    assert_eq!(canary(FRANKFURT), 0.0);
}

#[test]
fn several_content_networks_by_cname_are_left_when_their_targets_fail() {
    let (one, two) = (Web::start("127.65.4.1"), Web::start("127.65.4.2"));
    let check = |name: &str, web: &Web| {
        format!(
            "[checks.{name}]\ntype = \"http\"\ntarget = \"{}\"\nexpect = \"ok\"\nallow_private = true\n{QUICK}\n",
            web.address
        )
    };
    let rest = format!(
        "[endpoints.one]\nCNAME = \"customer.one.example.\"\ncheck = \"one\"\n\
         [endpoints.two]\nCNAME = \"customer.two.example.\"\ncheck = \"two\"\n{}{}\
         [routes.cdn]\npolicy = \"weighted\"\nto = [ {{ endpoint = \"one\", weight = 70 }}, {{ endpoint = \"two\", weight = 30 }} ]\n",
        check("one", &one),
        check("two", &two)
    );
    let server = Site::with_zone("", &zone("static = { route = \"cdn\", ttl = 5 }", &rest)).start();
    server.until(&["one", "two"], "up");
    let target = |rtype: u16| {
        let reply = server.ask(&Ask { rtype, ..Ask::a("static.example.com.") });
        assert_eq!((reply.rcode, reply.answer.len(), reply.ttl()), (0, 1, 5), "the CNAME alone: {reply:?}");
        reply.answer[0].name().to_string()
    };
    const N: usize = 2_000;
    let share = |name: &str| (0..N).filter(|_| target(1).starts_with(name)).count() as f64 / N as f64;
    let of_one = share("customer.one.example");
    assert!((of_one - 0.7).abs() <= bound(0.7, N), "{of_one}");
    one.set(Mode::Status500);
    server.until(&["one"], "down");
    for rtype in [1, 28, 65, 16] {
        for _ in 0..20 {
            assert_eq!(target(rtype).trim_end_matches('.'), "customer.two.example");
        }
    }
    one.set(Mode::Well);
    eventually(SOON, "the first comes back", || target(1).starts_with("customer.one").then_some(()));
}

#[test]
fn gl7_t7_clients_in_the_eu_are_answered_inside_it_whatever_fails() {
    let service = Service::start(
        "127.65.5.",
        &[
            ("virginia", "at = \"aws:us-east-1\""),
            ("london", "at = \"aws:eu-west-2\""),
            ("frankfurt", "at = \"aws:eu-central-1\""),
            ("paris", "at = \"aws:eu-west-3\""),
            ("sorry", "at = \"aws:eu-north-1\""),
        ],
        r#"
[routes.www]
policy = "geolocation"
fence = true
to = [ { where = "place:EU27", route = "union" }, { where = "default", route = "world" } ]
[routes.union]
policy = "geoproximity"
to = ["frankfurt", "paris"]
last_resort = { endpoint = "sorry" }
[routes.world]
policy = "geoproximity"
to = ["virginia", "london", "frankfurt", "paris"]
"#,
    );
    assert_eq!(service.answer(FRANKFURT), ["frankfurt"]);
    assert_eq!(service.answer(PARIS), ["paris"]);
    assert_eq!(service.answer(LONDON), ["london"], "not in the EU");
    assert_eq!(service.answer(HERNDON), ["virginia"]);
    service.set(&["frankfurt"], Mode::Refuse);
    assert_eq!(service.answer(FRANKFURT), ["paris"], "not London, which is as near");
    service.set(&["paris"], Mode::Hang);
    assert_eq!(service.answer(FRANKFURT), ["sorry"]);
    assert_eq!(service.answer(PARIS), ["sorry"]);
    assert_eq!(service.answer(HERNDON), ["virginia"]);
    service.set(&["sorry"], Mode::Refuse);
    assert_eq!(service.answer(FRANKFURT), ["sorry"], "a last resort answers whatever its health");
    service.set(&["virginia"], Mode::Refuse);
    assert_eq!(service.answer(HERNDON), ["london"]);
    service.set(&["paris"], Mode::Well);
    assert_eq!(service.answer(FRANKFURT), ["paris"]);
}
