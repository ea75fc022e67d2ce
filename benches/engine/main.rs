//! The engine without sockets: nanoseconds a query, by kind of question. `cargo bench --bench engine`.
//!
//! "Hot" asks one question over and over, "cold" draws from many, so that caches hold little of what is needed.

#![allow(clippy::expect_used, missing_docs, reason = "a bench fails by panicking, and its entries are named in full")]

mod zone;

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::LazyLock;

use divan::{Bencher, counter::ItemsCount};
use rhumb::answer::{Carrier, Peer, Query, answer_in_place};
use rhumb::snapshot::Snapshot;

use zone::{NAMES, anywhere, query, spread};

/// Distinct questions of a cold run.
const QUESTIONS: u64 = 100_000;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(zone::snapshot);

fn run(bencher: Bencher<'_, '_>, queries: &[Vec<u8>]) {
    let snapshot = &*SNAPSHOT;
    let peer = Peer::new(IpAddr::from([127, 0, 0, 1]), Carrier::Datagram);
    let mut buffer = [0; 2048];
    let mut read = Query::default();
    let mut at = 0;
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        let query = &queries[at];
        at = if at + 1 == queries.len() { 0 } else { at + 1 };
        buffer[..query.len()].copy_from_slice(query);
        black_box(answer_in_place(snapshot, &mut read, &mut buffer, query.len(), &peer, spread(at as u64), || false))
    });
}

fn cold(question: impl Fn(u64) -> Vec<u8>) -> Vec<Vec<u8>> {
    (1..=QUESTIONS).map(|n| question(spread(n))).collect()
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
