//! S and W: single picks and shares by weight.

use std::collections::{BTreeMap, BTreeSet};

use super::{WWW, assert_share, nth, web};
use crate::harness::{Ask, Draws, Setup, assert_error, assert_warning, load, zone};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn weighted(weights: &[u32], more: &str) -> Setup {
    let members: Vec<String> =
        NAMES.iter().zip(weights).map(|(name, w)| format!("{{ endpoint = \"{name}\", weight = {w} }}")).collect();
    let names = &NAMES[..weights.len()];
    let (records, rest) = web(names, &format!("policy = \"weighted\"\n{more}\nto = [{}]", members.join(", ")));
    Setup::new(&records, &rest)
}

#[track_caller]
fn assert_shares(setup: &Setup, shares: &[f64]) {
    let counts = setup.build().shares(&Ask::a(WWW));
    for (index, &share) in shares.iter().enumerate() {
        assert_share(&counts, &nth(index + 1), share);
    }
}

#[test]
fn s1_all_up_addresses_of_the_one_member_in_rotating_order() {
    let rest = "[checks.c]\ntype = \"tcp\"\nport = 80\n[endpoints.p]\nA = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\"]\n\
                check = \"c\"\n[routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]";
    let setup = Setup::new("www = { route = \"web\" }", rest);
    let fixture = setup.build();
    let mut draws = Draws::new(1);
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..600 {
        let reply = fixture.ask(&Ask::a(WWW).draw(draws.bits()));
        assert_eq!(reply.sorted(), [nth(1), nth(2), nth(3)]);
        *first.entry(reply.addresses()[0].to_string()).or_default() += 1;
    }
    assert!(first.len() == 3 && first.values().all(|&n| n > 140), "{first:?}");
    let fixture = setup.down_address("p", "192.0.2.2").build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).sorted(), [nth(1), nth(3)]);
}

#[test]
fn s1_the_order_does_not_follow_the_pick() {
    let rest = "[endpoints.a]\nA = [\"192.0.2.1\", \"192.0.2.2\"]\n[endpoints.b]\nA = [\"192.0.2.3\", \"192.0.2.4\"]\n\
                [routes.web]\npolicy = \"weighted\"\nto = [{ endpoint = \"a\" }, { endpoint = \"b\" }]";
    let fixture = Setup::new("www = { route = \"web\" }", rest).build();
    let mut draws = Draws::new(5);
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..2000 {
        let reply = fixture.ask(&Ask::a(WWW).draw(draws.bits()));
        *first.entry(reply.addresses()[0].to_string()).or_default() += 1;
    }
    // Four standard deviations of 500 are 77.
    assert!(first.len() == 4 && first.values().all(|&n| n > 420), "{first:?}");
}

#[test]
fn s1_simple_takes_one_member_only() {
    let (records, rest) = web(&["p", "s"], "policy = \"simple\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]");
    assert_error(&load(&zone(&records, &rest)), &["simple"]);
}

#[test]
fn w1_ten_twenty_twenty_is_a_fifth_and_two_fifths_twice() {
    assert_shares(&weighted(&[10, 20, 20], ""), &[0.2, 0.4, 0.4]);
}

#[test]
fn w2_with_the_third_down_a_third_and_two_thirds() {
    assert_shares(&weighted(&[10, 20, 20], "").down(&["c"]), &[1.0 / 3.0, 2.0 / 3.0, 0.0]);
}

#[test]
fn w3_one_and_255_is_one_in_256() {
    assert_shares(&weighted(&[1, 255], ""), &[1.0 / 256.0, 255.0 / 256.0]);
}

#[test]
fn w4_all_zero_is_equal_shares() {
    assert_shares(&weighted(&[0, 0, 0], ""), &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
    assert_shares(&weighted(&[0, 0, 0], "").down(&["b"]), &[0.5, 0.0, 0.5]);
}

#[test]
fn w5_zero_weight_is_standby() {
    assert_shares(&weighted(&[0, 5], ""), &[0.0, 1.0]);
}

#[test]
fn w6_the_standby_answers_when_the_other_is_down() {
    assert_shares(&weighted(&[0, 5], "").down(&["b"]), &[1.0, 0.0]);
}

#[test]
fn w7_every_non_zero_down_leaves_the_zero_weights_that_are_up() {
    assert_shares(&weighted(&[0, 5, 0], "").down(&["a", "b"]), &[0.0, 0.0, 1.0]);
}

#[test]
fn w8_everything_down_is_as_if_everything_were_up() {
    assert_shares(&weighted(&[0, 10, 30], "").down(&["a", "b", "c"]), &[0.0, 0.25, 0.75]);
}

#[test]
fn w9_weights_are_integers_up_to_65535_and_1_by_default() {
    let with = |weight: &str| {
        let route = format!(
            "policy = \"weighted\"\nto = [{{ endpoint = \"p\", weight = {weight} }}, {{ endpoint = \"s\", weight = 1 }}]"
        );
        let (records, rest) = web(&["p", "s"], &route);
        load(&zone(&records, &rest))
    };
    for wrong in ["-1", "0.5", "65536"] {
        assert_error(&with(wrong), &["weight"]);
    }
    assert!(with("65535").model.is_some() && with("0").model.is_some());
    let (records, rest) =
        web(&["a", "b"], "policy = \"weighted\"\nto = [{ endpoint = \"a\" }, { endpoint = \"b\", weight = 3 }]");
    assert_shares(&Setup::new(&records, &rest), &[0.25, 0.75]);
}

#[test]
fn w9_a_member_under_ten_percent_without_min_healthy_is_a_warning() {
    let route = "policy = \"weighted\"\nto = [{ endpoint = \"p\", weight = 5 }, { endpoint = \"s\", weight = 95 }]";
    let (records, rest) = web(&["p", "s"], route);
    assert_warning(&load(&zone(&records, &rest)), &["small-share", "`p`", "min_healthy"]);
    let loaded = load(&zone(&records, &rest.replace("[routes.web]", "[routes.web]\nmin_healthy = \"50%\"")));
    assert!(!loaded.diagnostics.iter().any(|d| d.code == "small-share"), "{:#?}", loaded.diagnostics);
}

/// The i-th of many distinct /24 networks, none of them reserved.
fn client(i: u32) -> String {
    format!("{}.{}.{}.0/24", 20 + i / 65_536, i / 256 % 256, i % 256)
}

#[test]
fn w10_a_client_draws_alike_for_every_query_and_type_when_sticky() {
    let rest = "[endpoints.a]\nA = \"192.0.2.1\"\nAAAA = \"2001:db8::1\"\n[endpoints.b]\nA = \"192.0.2.2\"\n\
                AAAA = \"2001:db8::2\"\n[routes.web]\npolicy = \"weighted\"\nsticky = true\n\
                to = [{ endpoint = \"a\" }, { endpoint = \"b\" }]";
    let fixture = Setup::new("www = { route = \"web\" }", rest).build();
    let mut draws = Draws::new(10);
    let mut seen = BTreeSet::new();
    for i in 0..200 {
        let a = fixture.ask(&Ask::a(WWW).subnet(&client(i * 77)).draw(draws.bits()));
        let again = fixture.ask(&Ask::a(WWW).subnet(&client(i * 77)).draw(draws.bits()));
        let aaaa = fixture.ask(&Ask::aaaa(WWW).subnet(&client(i * 77)).draw(draws.bits()));
        assert_eq!(a.only(), again.only());
        assert_eq!(a.only().replace("192.0.2.", "2001:db8::"), aaaa.only());
        assert_eq!((a.scope(), aaaa.scope()), (24, 24));
        seen.insert(a.only());
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(fixture.ask(&Ask::a(WWW).subnet("2600:1:2::/48")).scope(), 56);
}

#[test]
fn w10_a_6to4_client_draws_as_its_ipv4_network() {
    let fixture = weighted(&[1, 1, 1], "sticky = true").build();
    for i in 0..40u32 {
        let plain = fixture.ask(&Ask::a(WWW).subnet(&format!("20.{i}.7.0/24")));
        let wrapped = fixture.ask(&Ask::a(WWW).subnet(&format!("2002:14{i:02x}:7ff::/48")));
        assert_eq!((plain.only(), 40), (wrapped.only(), wrapped.scope()), "20.{i}.7.0/24");
    }
}

#[test]
fn w10_without_sticky_each_query_draws_afresh_and_the_scope_is_0() {
    let fixture = weighted(&[1, 1], "").build();
    let answer = |draw| {
        let reply = fixture.ask(&Ask::a(WWW).subnet("81.2.69.0/24").draw(draw));
        assert_eq!(reply.scope(), 0);
        reply.only()
    };
    assert_ne!(answer(1 << 60), answer(u64::MAX - (1 << 60)));
}

#[test]
fn w10_sticky_shares_follow_the_weights_and_a_change_moves_only_what_it_must() {
    let before = weighted(&[10, 20, 20], "sticky = true").build();
    let after = weighted(&[10, 20, 40], "sticky = true").build();
    let n = 8_000;
    let mut counts = [0u32; 3];
    for i in 0..n {
        let ask = Ask::a(WWW).subnet(&client(i * 131));
        let (old, new) = (before.ask(&ask).only(), after.ask(&ask).only());
        assert!(old == new || new == nth(3), "{} moved from {old} to {new}", client(i * 131));
        counts[(1..=3).position(|k| old == nth(k)).unwrap()] += 1;
    }
    for (count, p) in counts.iter().zip([0.2, 0.4, 0.4]) {
        let got = f64::from(*count) / f64::from(n);
        assert!((got - p).abs() <= 4.0 * (p * (1.0 - p) / f64::from(n)).sqrt(), "{got} where {p} is right");
    }
}

#[test]
fn w10_routes_of_one_salt_draw_alike() {
    let members = "to = [{ endpoint = \"a\" }, { endpoint = \"b\" }, { endpoint = \"c\" }]";
    let (_, rest) = web(&NAMES, &format!("policy = \"weighted\"\nsticky = \"pepper\"\n{members}"));
    let rest = format!(
        "{rest}[routes.other]\npolicy = \"weighted\"\nsticky = \"pepper\"\n{members}\n\
         [routes.apart]\npolicy = \"weighted\"\nsticky = true\n{members}"
    );
    let records = "www = { route = \"web\" }\nother = { route = \"other\" }\napart = { route = \"apart\" }";
    let fixture = Setup::new(records, &rest).build();
    let mut apart = 0;
    for i in 0..200 {
        let at = |name: &str| fixture.a(name, &client(i * 91));
        assert_eq!(at(WWW), at("other.example.com."));
        apart += u32::from(at(WWW) != at("apart.example.com."));
    }
    assert!(apart > 60, "another salt draws otherwise: {apart}");
}
