//! Two servers with the same files.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Client, Site};
use crate::harness::{Ask, Draws, Reply, zone};

const CLIENTS: usize = 10_000;

/// Every policy whose answer is not drawn anew.
fn site() -> Site {
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb");
    let places = [
        ("a", "aws:us-east-1"),
        ("b", "aws:eu-central-1"),
        ("c", "aws:ap-northeast-1"),
        ("d", "aws:sa-east-1"),
        ("e", "aws:ap-southeast-2"),
    ];
    let endpoints: String = places
        .iter()
        .zip(1..)
        .map(|((name, at), host)| format!("[endpoints.{name}]\nA = \"192.0.2.{host}\"\nat = \"{at}\"\n"))
        .collect();
    let routes = r#"
[routes.sticky]
policy = "weighted"
sticky = true
to = [ { endpoint = "a", weight = 50 }, { endpoint = "b", weight = 30 }, { endpoint = "c", weight = 20 } ]
[routes.near]
policy = "geoproximity"
to = [ { endpoint = "a" }, { endpoint = "b", bias = 20 }, { endpoint = "c" }, { endpoint = "d" }, { endpoint = "e" } ]
[routes.fast]
policy = "latency"
to = ["a", "b", "c", "d", "e"]
[routes.first]
policy = "failover"
to = ["d", "e"]
[routes.tree]
policy = "geolocation"
to = [
  { where = "continent:EU", route = "sticky" },
  { where = ["country:US", "country:CA"], route = "near" },
  { where = "country:BR", route = "first" },
  { where = "default", route = "fast" },
]
[routes.net]
policy = "ip"
to = [ { where = "net:1.0.0.0/8", endpoint = "a" }, { where = "net:1.128.0.0/12", endpoint = "b" }, { where = "default", route = "tree" } ]
"#;
    let names: String =
        ["sticky", "near", "fast", "tree", "net"].map(|name| format!("{name} = {{ route = \"{name}\" }}\n")).concat();
    Site::with_zone(&format!("[geoip]\ndatabases = [\"{database}\"]"), &zone(&names, &(endpoints + routes)))
}

/// Networks of both families, public and not, of several lengths.
fn clients() -> Vec<IpNet> {
    let mut draws = Draws::new(7);
    let mut one = |number: usize| {
        let bits = draws.bits();
        if number % 4 == 3 {
            let address = (0x2000u128 << 112) | (u128::from(bits) << 61);
            return IpNet::V6(Ipv6Net::new(address.into(), [56, 48, 64][number % 3]).unwrap().trunc());
        }
        IpNet::V4(Ipv4Net::new(Ipv4Addr::from(bits as u32), [24, 24, 32, 20][number % 4]).unwrap().trunc())
    };
    (0..CLIENTS).map(&mut one).collect()
}

#[test]
fn g8_two_servers_with_the_same_files_agree_on_ten_thousand_clients() {
    let site = site();
    let twins = ["state-one", "state-two"].map(|state| site.start_with(&["--state", state]));
    let clients = clients();
    for name in ["sticky.example.com.", "near.example.com.", "fast.example.com.", "net.example.com."] {
        let mut queries: Vec<Vec<u8>> = clients.iter().map(|&net| Ask::a(name).client(net).bytes()).collect();
        let [one, other] = twins.each_ref().map(|server| Client::of(server.dns).exchange_all(&mut queries));
        let mut answers = std::collections::BTreeSet::new();
        for (number, (one, other)) in one.iter().zip(&other).enumerate() {
            assert_eq!(
                one,
                other,
                "{name} for {}: {:?} and {:?}",
                clients[number],
                Reply::read(one),
                Reply::read(other)
            );
            answers.insert(Reply::read(one).only());
        }
        assert!(answers.len() >= 3, "{name} tells clients apart: {answers:?}");
    }
}
