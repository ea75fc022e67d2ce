//! A resolver that caches by client subnet (RFC 7871 section 7.3), in front of us: were a scope ever too wide, it would
//! give one client what another one was answered.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::configs;
use super::programs::{Kind, Program, are_installed};
use crate::harness::{Ask, Draws, Reply, zone};
use crate::served::{Client, Server, Site};

/// Questions to one set of policies where the environment does not say.
const QUESTIONS: usize = 3_000;
/// Sets of policies.
const ROUNDS: u64 = 3;
/// Steered names of each kind.
const NAMES: usize = 2;
/// Endpoints, each in a region of its own.
const PLACES: [&str; 6] = ["US-VA", "DE", "JP", "BR", "AU", "ZA"];
const COUNTRIES: [&str; 12] = ["US", "DE", "FR", "GB", "JP", "BR", "AU", "ZA", "IN", "CN", "CA", "EG"];
const CONTINENTS: [&str; 6] = ["EU", "NA", "AS", "SA", "OC", "AF"];

/// Some networks of the real world and of IPv6's, inside each other, by the leading octets that they share.
fn networks(draws: &mut Draws) -> Vec<IpNet> {
    let mut found = BTreeSet::new();
    while found.len() < 24 {
        let net: IpNet = if draws.one_in(3) {
            let bits = 0x2a00_u128 << 112 | u128::from(draws.bits() & 0x0103_0707_0f1f) << 64;
            Ipv6Net::new(Ipv6Addr::from(bits), 20 + draws.below(37) as u8).unwrap().into()
        } else {
            // Every other bit, so that networks lie within and beside each other.
            let bits = draws.pick(&[24u32, 81, 126, 177, 203]) << 24 | draws.bits() as u32 & 0x0003_1507;
            Ipv4Net::new(Ipv4Addr::from(bits), 8 + draws.below(17) as u8).unwrap().into()
        };
        found.insert(net.trunc());
    }
    found.into_iter().collect()
}

/// Policies of the three kinds that look at where a client is.
fn policies(networks: &[IpNet], draws: &mut Draws) -> (String, String) {
    let (mut records, mut rest) = (String::new(), String::new());
    for (number, place) in PLACES.iter().enumerate() {
        let host = number + 1;
        writeln!(rest, "[endpoints.e{number}]\nA = \"192.0.2.{host}\"\nAAAA = \"2001:db8::{host}\"\nat = \"{place}\"\nregion = \"r{number}\"").unwrap();
    }
    for number in 0..NAMES {
        for kind in ["ip", "geolocation", "latency"] {
            let mut members = Vec::new();
            if kind == "latency" {
                (0..PLACES.len()).for_each(|at| members.push(format!("{{ endpoint = \"e{at}\" }}")));
            } else {
                let mut places: BTreeSet<String> = BTreeSet::new();
                places.extend((0..8).map(|_| format!("net:{}", draws.pick(networks))));
                if kind == "geolocation" {
                    places.extend((0..4).map(|_| format!("country:{}", draws.pick(&COUNTRIES))));
                    places.extend((0..2).map(|_| format!("continent:{}", draws.pick(&CONTINENTS))));
                }
                places.insert("default".to_owned());
                for place in places {
                    members.push(format!("{{ where = \"{place}\", endpoint = \"e{}\" }}", draws.below(PLACES.len())));
                }
            }
            writeln!(rest, "[routes.{kind}{number}]\npolicy = \"{kind}\"\nto = [{}]", members.join(", ")).unwrap();
            writeln!(records, "{kind}{number} = {{ route = \"{kind}{number}\" }}").unwrap();
            writeln!(records, "to-{kind}{number} = {{ CNAME = \"{kind}{number}\" }}").unwrap();
        }
    }
    (records, rest)
}

/// Latencies from some networks and countries to the endpoints' regions.
fn latencies(networks: &[IpNet], draws: &mut Draws) -> String {
    let mut rows = BTreeSet::new();
    for _ in 0..60 {
        let client = if draws.one_in(3) {
            format!("country:{}", draws.pick(&COUNTRIES))
        } else {
            draws.pick(networks).to_string()
        };
        rows.insert((client, draws.below(PLACES.len())));
    }
    rows.into_iter().fold(String::new(), |mut table, (client, region)| {
        writeln!(table, "{client},r{region},{}.5", 1 + draws.below(200)).unwrap();
        table
    })
}

/// Octets of clients: few, so that they meet again in what the resolver has kept.
const HOSTS: u32 = 0x0011_0305;

/// A client's network in, beside or away from those that policies name.
fn client(networks: &[IpNet], draws: &mut Draws) -> IpNet {
    match draws.pick(networks) {
        IpNet::V4(net) => {
            let mut bits = net.addr().to_bits() | draws.bits() as u32 & HOSTS & net.hostmask().to_bits();
            if draws.one_in(4) {
                bits ^= 1 << (31 - draws.below(24));
            }
            let length = *draws.pick(&[24, 24, 25, 32]);
            Ipv4Net::new(Ipv4Addr::from(bits), length).unwrap().trunc().into()
        }
        IpNet::V6(net) => {
            let within = u128::from(draws.bits() as u32 & HOSTS) << 72 & net.hostmask().to_bits();
            let mut bits = net.addr().to_bits() | within;
            if draws.one_in(4) {
                bits ^= 1 << (127 - draws.below(56));
            }
            let length = *draws.pick(&[56, 56, 60, 64]);
            Ipv6Net::new(Ipv6Addr::from(bits), length).unwrap().trunc().into()
        }
    }
}

/// The query, with recursion desired.
fn recursive(ask: &Ask) -> Vec<u8> {
    let mut query = ask.bytes();
    query[2] |= 1;
    query
}

fn asked_so_far(server: &Server) -> u64 {
    let (_, metrics) = server.get("/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("rhumb_udp_queries_total "));
    line.expect("a count of queries").parse().unwrap()
}

#[test]
fn e2_p18_a_resolver_that_caches_by_subnet_gives_every_client_our_own_answer() {
    if !are_installed(&[Kind::Unbound]) {
        return;
    }
    let count = super::count(QUESTIONS);
    for seed in 0..ROUNDS {
        let mut draws = Draws::new(seed);
        let networks = networks(&mut draws);
        let (records, rest) = policies(&networks, &mut draws);
        let site = Site::with_zone("[latency]\ntable = \"latency.csv\"", &zone(&records, &rest));
        fs::write(site.path().join("latency.csv"), latencies(&networks, &mut draws)).unwrap();
        let server = site.start();
        let dir = site.path().join("unbound");
        fs::create_dir(&dir).unwrap();
        let probe = recursive(&Ask::of("example.com.", rhumb::wire::RecordType::SOA));
        let resolver = Program::start(Kind::Unbound, &dir, |port| configs::resolver(&dir, port, server.dns), &[probe]);
        let (directly, through) = (Client::of(server.dns), Client::of(resolver.at));
        let mut distinct = BTreeSet::new();
        let before = asked_so_far(&server);
        for _ in 0..count {
            let kind = draws.pick(&["ip", "geolocation", "latency", "to-ip", "to-geolocation", "to-latency"]);
            let name = format!("{kind}{}.example.com.", draws.below(NAMES));
            let ask =
                if draws.one_in(3) { Ask::aaaa(&name) } else { Ask::a(&name) }.client(client(&networks, &mut draws));
            let ours = directly.ask(&ask);
            let theirs = Reply::read(&through.exchange(&recursive(&ask)).expect("a reply of the resolver"));
            assert_eq!(
                (theirs.rcode, theirs.sorted()),
                (0, ours.sorted()),
                "seed {seed}: {ask:?}: {ours:#?} {theirs:#?}"
            );
            let addresses: Vec<IpAddr> = ours.addresses();
            distinct.extend(addresses);
        }
        // Each was asked directly as well.
        let through = asked_so_far(&server) - before - count as u64;
        eprintln!("seed {seed}: {count} questions, of which the resolver passed on {through}");
        assert!((through as usize) < count * 2 / 3, "the resolver kept too little to prove anything: {through}");
        assert_eq!(distinct.len(), 2 * PLACES.len(), "every endpoint was answered, by both families");
    }
}
