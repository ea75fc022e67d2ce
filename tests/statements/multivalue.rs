//! M: several at once.

use std::collections::BTreeMap;

use super::{WWW, assert_share, nth, web};
use crate::harness::{Ask, Draws, Fixture, Setup, assert_error, assert_warning, load, zone};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

fn setup(names: &[&str], more: &str) -> Setup {
    let members: Vec<_> = names.iter().map(|n| format!("{{ endpoint = \"{}\" }}", n.trim_start_matches('-'))).collect();
    let (records, rest) = web(names, &format!("policy = \"multivalue\"\n{more}\nto = [{}]", members.join(", ")));
    Setup::new(&records, &rest)
}

fn sorted(fixture: &Fixture, draw: u64) -> Vec<String> {
    fixture.ask(&Ask::a(WWW).draw(draw)).sorted()
}

#[test]
fn m1_all_of_eight_or_fewer_in_rotating_order() {
    let fixture = setup(&NAMES[..8], "").build();
    let mut all: Vec<_> = (1..=8).map(nth).collect();
    all.sort();
    let mut draws = Draws::new(1);
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..800 {
        let reply = fixture.ask(&Ask::a(WWW).draw(draws.bits()));
        assert_eq!(reply.sorted(), all);
        *first.entry(reply.addresses()[0].to_string()).or_default() += 1;
    }
    assert_eq!(first.len(), 8);
    assert!(first.values().all(|&n| n > 60), "{first:?}");
}

#[test]
fn m1_of_more_than_eight_each_comes_first_equally_often() {
    let fixture = setup(&NAMES, "").build();
    let counts = fixture.shares(&Ask::a(WWW));
    for n in 1..=12 {
        assert_share(&counts, &nth(n), 1.0 / 12.0);
    }
}

#[test]
fn m1_the_windows_of_the_ring_are_equally_likely() {
    let fixture = setup(&NAMES, "").build();
    let mut draws = Draws::new(2);
    let mut windows: BTreeMap<Vec<String>, u32> = BTreeMap::new();
    let n = 6_000;
    for _ in 0..n {
        let window = sorted(&fixture, draws.bits());
        assert_eq!(window.len(), 8);
        *windows.entry(window).or_default() += 1;
    }
    assert_eq!(windows.len(), 12, "the windows of the ring, not all subsets");
    let within = 4.0 * (f64::from(n) / 12.0 * 11.0 / 12.0).sqrt();
    assert!(windows.values().all(|&k| (f64::from(k) - f64::from(n) / 12.0).abs() <= within), "{windows:?}");
}

#[test]
fn m2_exactly_those_that_are_up() {
    let fixture = setup(&NAMES, "").down(&NAMES[3..]).build();
    assert_eq!(sorted(&fixture, 7), [nth(1), nth(2), nth(3)]);
    let fixture = setup(&NAMES, "").down(&NAMES).build();
    assert_eq!(sorted(&fixture, 7).len(), 8);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "-i"];
    let fixture = setup(&names, "").down(&names[..8]).build();
    assert_eq!(sorted(&fixture, 7), [nth(9)]);
    let rest = "[checks.c]\ntype = \"tcp\"\nport = 80\n[endpoints.p]\nA = [\"192.0.2.1\", \"192.0.2.2\"]\ncheck = \"c\"\n\
                [endpoints.s]\nA = \"192.0.2.3\"\n[routes.web]\npolicy = \"multivalue\"\n\
                to = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";
    let fixture = Setup::new("www = { route = \"web\" }", rest).down_address("p", "192.0.2.2").build();
    assert_eq!(sorted(&fixture, 7), [nth(1), nth(3)]);
}

#[test]
fn m3_max_answers_is_1_to_16() {
    assert_eq!(sorted(&setup(&NAMES, "max_answers = 1").build(), 3).len(), 1);
    assert_eq!(sorted(&setup(&NAMES, "max_answers = 16").build(), 3).len(), 12);
    for wrong in ["0", "17"] {
        let (records, rest) =
            web(&["a"], &format!("policy = \"multivalue\"\nmax_answers = {wrong}\nto = [{{ endpoint = \"a\" }}]"));
        assert_error(&load(&zone(&records, &rest)), &["max_answers"]);
    }
}

#[test]
fn m4_a_route_is_no_member() {
    let (records, rest) = web(&["a"], "policy = \"multivalue\"\nto = [{ route = \"inner\" }]");
    let rest = format!("{rest}[routes.inner]\npolicy = \"simple\"\nto = [{{ endpoint = \"a\" }}]");
    assert_error(&load(&zone(&records, &rest)), &["multivalue"]);
}

#[test]
fn m4_an_answer_that_cannot_fit_1232_octets_is_a_warning() {
    let endpoints: String = (0..8).map(|n| format!("[endpoints.e{n}]\nTXT = \"{n}{}\"\n", "x".repeat(200))).collect();
    let members: Vec<_> = (0..8).map(|n| format!("{{ endpoint = \"e{n}\" }}")).collect();
    let rest = format!("{endpoints}[routes.web]\npolicy = \"multivalue\"\nto = [{}]", members.join(", "));
    assert_warning(&load(&zone("www = { route = \"web\" }", &rest)), &["1232"]);
    let few = rest.replace("multivalue\"", "multivalue\"\nmax_answers = 4");
    let loaded = load(&zone("www = { route = \"web\" }", &few));
    assert!(!loaded.diagnostics.iter().any(|d| d.message.contains("1232")), "{:#?}", loaded.diagnostics);
}

#[test]
fn a_list_of_endpoints_is_a_multivalue_without_a_name() {
    let (records, rest) =
        web(&["a", "b", "c"], "policy = \"failover\"\nto = [{ endpoints = [\"a\", \"b\"] }, { endpoint = \"c\" }]");
    let setup = Setup::new(&records, &rest);
    assert_eq!(sorted(&setup.build(), 5), [nth(1), nth(2)]);
    let setup = setup.down(&["a"]);
    assert_eq!(sorted(&setup.build(), 5), [nth(2)]);
    assert_eq!(sorted(&setup.down(&["b"]).build(), 5), [nth(3)]);
}
