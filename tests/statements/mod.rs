//! The numbered statements of the semantics, one test or more each; the test's name begins with the number.
//!
//! Comes in: zones as people write them. Goes out: nothing. Invariant: each test asks `answer()` with bytes, or
//! loads files and reads the findings.

mod client;
mod failover;
mod general;
mod latency;
mod locations;
mod multivalue;
mod proximity;
mod trees;
mod weighted;

use std::fmt::Write;

use rhumb::answer::{Asker, Explanation};
use rhumb::wire::{Name, RecordType};

use crate::harness::Fixture;

/// `[checks.c]` and endpoints with 192.0.2.1, 192.0.2.2, … in this order, all checked. A name that begins with `-`
/// has no check.
fn endpoints(names: &[&str]) -> String {
    let mut toml = String::from("[checks.c]\ntype = \"tcp\"\nport = 80\n");
    for (index, name) in names.iter().enumerate() {
        let (name, check) = name.strip_prefix('-').map_or((*name, "check = \"c\""), |name| (name, ""));
        writeln!(toml, "[endpoints.{name}]\nA = \"192.0.2.{}\"\n{check}", index + 1).unwrap();
    }
    toml
}

/// The address of the n-th endpoint, from 1.
fn nth(n: usize) -> String {
    format!("192.0.2.{n}")
}

/// Steers `www` by a route `web` with these lines, over [`endpoints`].
fn web(names: &[&str], route: &str) -> (String, String) {
    ("www = { route = \"web\" }".into(), format!("{}[routes.web]\n{route}\n", endpoints(names)))
}

const WWW: &str = "www.example.com.";

/// A share of 100,000 draws lies within four standard deviations.
#[track_caller]
fn assert_share(counts: &std::collections::BTreeMap<String, u32>, address: &str, p: f64) {
    let n = 100_000.0;
    let got = f64::from(counts.get(address).copied().unwrap_or(0)) / n;
    let within = 4.0 * (p * (1.0 - p) / n).sqrt();
    assert!((got - p).abs() <= within, "{address}: {got} where {p} ± {within} is right: {counts:?}");
}

#[test]
fn the_helpers_write_what_they_say() {
    let (records, rest) = web(&["p", "-s"], "policy = \"failover\"");
    assert!(records.contains("www") && rest.contains("[endpoints.s]\nA = \"192.0.2.2\"\n\n"));
}

/// Why this asker gets what it gets at [`WWW`].
fn explain(fixture: &Fixture, asker: Asker) -> Explanation {
    let name = Name::absolute(WWW).unwrap();
    rhumb::answer::explain(&fixture.snapshot, &name, RecordType::A, asker, 0).unwrap()
}
