//! The numbered items of the protocol page on `answer()`, by bytes; a test's name begins with the item.
//!
//! Comes in: queries well-formed and not. Goes out: nothing. Invariant: each reply has been read by two parsers.

mod additional;
mod chaos;
mod cookies;
mod data;
mod edns;
mod limits;
mod loading;
mod messages;
mod options;
mod redirects;
mod size;
mod types;
mod wildcards;

use crate::harness::{Fixture, Setup};

/// A zone with one of everything that plain DNS answers, and one steered name.
const RECORDS: &str = r#"
mail = { A = "192.0.2.25" }
ns1 = { A = "192.0.2.53", AAAA = "2001:db8::53" }
www = { route = "web" }
alias = { CNAME = "www" }
to-mail = { CNAME = "mail" }
first = { CNAME = "to-mail" }
out = { CNAME = "www.example.net." }
dangling = { CNAME = "nowhere" }
loop1 = { CNAME = "loop2" }
loop2 = { CNAME = "loop1" }
"a.b.c" = { TXT = "deep" }
lab = { NS = ["ns1.lab", "ns.example.net."] }
"ns1.lab" = { A = "192.0.2.61" }
"host.lab" = { A = "192.0.2.62" }
many = { A = ["192.0.2.71", "192.0.2.72", "192.0.2.73"] }
odd = { TYPE731 = '\# 3 010203' }
"#;

const ROUTES: &str = "[endpoints.p]\nA = \"192.0.2.1\"\nAAAA = \"2001:db8::1\"\n\
                      [routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]\n";

fn plain() -> Fixture {
    Setup::new(RECORDS, ROUTES).build()
}

/// A header and whatever follows.
fn message(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd];
    bytes.extend(flags.to_be_bytes());
    counts.iter().for_each(|count| bytes.extend(count.to_be_bytes()));
    bytes.extend(rest);
    bytes
}

/// Labels, root included, then type A and class IN.
fn question(labels: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in labels {
        bytes.push(label.len() as u8);
        bytes.extend(*label);
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

const MAIL: [&[u8]; 3] = [b"mail", b"example", b"com"];

/// An OPT record with these options.
fn opt(version: u8, options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 41, 4, 208, 0, version, 0, 0];
    bytes.extend((options.len() as u16).to_be_bytes());
    bytes.extend(options);
    bytes
}
