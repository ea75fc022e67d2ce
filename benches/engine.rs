//! The engine without sockets: nanoseconds a query, by kind of question. `cargo bench --bench engine`.
//!
//! A zone of 10,000 plain names and a name for each policy, over the world database in the binary. "Hot" asks one
//! question over and over, "cold" draws from many, so that caches hold little of what is needed.

#![allow(clippy::expect_used, missing_docs, reason = "a bench fails by panicking, and its entries are named in full")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use divan::{Bencher, counter::ItemsCount};
use rhumb::answer::{Carrier, Peer, Query, answer_in_place};
use rhumb::config::Overrides;
use rhumb::health::Verdicts;
use rhumb::snapshot::{Inputs, Snapshot, compile};

/// Plain names of the zone.
const NAMES: u32 = 10_000;
/// Distinct questions of a cold run.
const QUESTIONS: u64 = 100_000;

const ROUTES: &str = r#"
www    = { route = "nearest" }
geo    = { route = "geo" }
shares = { route = "shares" }
many   = { route = "many" }
alias  = { CNAME = "www" }
"*.wild" = { A = "192.0.2.99" }

[endpoints.a]
A = "192.0.2.1"
at = "aws:us-east-1"
[endpoints.b]
A = "192.0.2.2"
at = "aws:eu-west-1"
[endpoints.c]
A = "192.0.2.3"
at = "aws:ap-northeast-1"
[endpoints.d]
A = "192.0.2.4"
at = "aws:sa-east-1"
[routes.nearest]
policy = "geoproximity"
to = ["a", "b", "c", "d"]
[routes.geo]
policy = "geolocation"
to = [
  { where = "continent:EU", endpoint = "b" },
  { where = "continent:AS", endpoint = "c" },
  { where = "country:BR",   endpoint = "d" },
  { where = "default",      endpoint = "a" },
]
[routes.shares]
policy = "weighted"
to = [{ endpoint = "a", weight = 90 }, { endpoint = "b", weight = 10 }]
min_healthy = 1
[routes.many]
policy = "multivalue"
to = ["a", "b", "c", "d"]
"#;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut zone = String::from("zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns1.example.net.\" }\n");
    for n in 0..NAMES {
        writeln!(zone, "h{n} = {{ A = \"{}\" }}", Ipv4Addr::from(0x0a00_0000 + n)).expect("memory");
    }
    zone += ROUTES;
    std::fs::write(dir.path().join("example.com.toml"), zone).expect("a file");
    let overrides = Overrides { zones: Some(dir.path().to_owned()), ..Overrides::default() };
    let model = rhumb::config::load(None, &overrides).model.expect("a zone without faults");
    let inputs = Inputs {
        model: Arc::new(model),
        places: Arc::new(rhumb::geo::world().expect("the embedded world")),
        verdicts: Verdicts::default(),
        drained: BTreeSet::new(),
        seed: 0x5eed,
    };
    compile(&inputs, 1, None).expect("within limits")
});

/// A query for an A record with EDNS, and a client subnet of 24 bits if there is one.
fn query(name: &str, subnet: Option<u32>) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\x01".to_vec();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend(b"\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0");
    match subnet {
        None => bytes.extend([0, 0]),
        Some(network) => {
            bytes.extend([0, 11, 0, 8, 0, 7, 0, 1, 24, 0]);
            bytes.extend(&network.to_be_bytes()[..3]);
        }
    }
    bytes
}

/// Splitmix64: even enough to spread questions.
fn spread(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn run(bencher: Bencher<'_, '_>, queries: &[Vec<u8>]) {
    let snapshot = &*SNAPSHOT;
    let peer = Peer { address: IpAddr::from([127, 0, 0, 1]), carrier: Carrier::Datagram };
    let mut buffer = [0; 2048];
    let mut read = Query::default();
    let mut at = 0;
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        let query = &queries[at];
        at = if at + 1 == queries.len() { 0 } else { at + 1 };
        buffer[..query.len()].copy_from_slice(query);
        black_box(answer_in_place(snapshot, &mut read, &mut buffer, query.len(), peer, spread(at as u64)))
    });
}

fn cold(question: impl Fn(u64) -> Vec<u8>) -> Vec<Vec<u8>> {
    (1..=QUESTIONS).map(|n| question(spread(n))).collect()
}

fn anywhere(random: u64) -> Option<u32> {
    // Outside 0/8, 10/8, 127/8 and multicast.
    Some((11 + (random as u32) % 100) << 24 | (random >> 16) as u32 & 0x00ff_ff00)
}

#[divan::bench]
fn static_hot(bencher: Bencher<'_, '_>) {
    run(bencher, &[query("h77.example.com", None)]);
}

#[divan::bench]
fn static_cold(bencher: Bencher<'_, '_>) {
    run(bencher, &cold(|random| query(&format!("h{}.example.com", random % u64::from(NAMES)), None)));
}

#[divan::bench]
fn wildcard_cold(bencher: Bencher<'_, '_>) {
    run(bencher, &cold(|random| query(&format!("x{random}.wild.example.com"), None)));
}

#[divan::bench]
fn nxdomain_cold(bencher: Bencher<'_, '_>) {
    run(bencher, &cold(|random| query(&format!("x{random}.example.com"), None)));
}

#[divan::bench]
fn geo_ecs_hot(bencher: Bencher<'_, '_>) {
    run(bencher, &[query("www.example.com", Some(0x5102_4500))]);
}

#[divan::bench]
fn geo_ecs_cold(bencher: Bencher<'_, '_>) {
    run(bencher, &cold(|random| query("www.example.com", anywhere(random))));
}

#[divan::bench]
fn geolocation_ecs_cold(bencher: Bencher<'_, '_>) {
    run(bencher, &cold(|random| query("geo.example.com", anywhere(random))));
}

#[divan::bench]
fn weighted(bencher: Bencher<'_, '_>) {
    run(bencher, &[query("shares.example.com", None)]);
}

#[divan::bench]
fn multivalue(bencher: Bencher<'_, '_>) {
    run(bencher, &[query("many.example.com", None)]);
}

#[divan::bench]
fn cname_into_steered_ecs_cold(bencher: Bencher<'_, '_>) {
    run(bencher, &cold(|random| query("alias.example.com", anywhere(random))));
}

fn main() {
    divan::main();
}
