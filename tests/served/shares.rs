//! Shares and distances, over sockets.

use std::collections::BTreeMap;

use super::{Client, Mode, Site, Web, bound, web};
use crate::harness::{Ask, zone};

const DRAWS: usize = 20_000;

/// Three endpoints with checks, and routes over them.
fn weighted(webs: &[Web]) -> Site {
    let names = ["one", "two", "three"];
    let endpoints: String = names
        .iter()
        .zip(webs)
        .map(|(name, web)| format!("[endpoints.{name}]\nA = \"{}\"\ncheck = \"{name}\"\n", web.address.ip()))
        .collect();
    let routes = "[routes.w]\npolicy = \"weighted\"\nto = [ { endpoint = \"one\", weight = 10 }, \
                  { endpoint = \"two\", weight = 20 }, { endpoint = \"three\", weight = 20 } ]\n\
                  [routes.few]\npolicy = \"weighted\"\nmin_healthy = 2\n\
                  to = [ { endpoint = \"one\", weight = 1 }, { endpoint = \"two\", weight = 255 } ]\n";
    let checks = web::checks(names.into_iter().zip(webs), "interval = \"300ms\"\ntimeout = \"200ms\"\nfall = 2");
    Site::with_zone("", &zone("w = { route = \"w\" }\nfew = { route = \"few\" }", &(endpoints + &checks + routes)))
}

#[track_caller]
fn assert_shares(counts: &BTreeMap<String, usize>, expected: &[(&Web, f64)]) {
    let n: usize = counts.values().sum();
    let known: usize = expected.iter().map(|(web, _)| counts.get(&web.address.ip().to_string()).unwrap_or(&0)).sum();
    assert_eq!(known, n, "no other answers: {counts:?}");
    for (web, p) in expected {
        let share = *counts.get(&web.address.ip().to_string()).unwrap_or(&0) as f64 / n as f64;
        assert!((share - p).abs() <= bound(*p, n), "{share} where {p} is due: {counts:?}");
    }
}

#[test]
fn w1_w2_w3_shares_follow_the_weights_of_those_that_are_up() {
    let webs: Vec<Web> = ["127.61.1.1", "127.61.1.2", "127.61.1.3"].map(Web::start).into();
    let server = weighted(&webs).start();
    server.until(&["one", "two", "three"], "up");
    let client = Client::of(server.dns);
    let counts = |name| client.counts(&Ask::a(name), DRAWS);
    assert_shares(&counts("w.example.com."), &[(&webs[0], 0.2), (&webs[1], 0.4), (&webs[2], 0.4)]);
    assert_shares(&counts("few.example.com."), &[(&webs[0], 1.0 / 256.0), (&webs[1], 255.0 / 256.0)]);
    webs[2].set(Mode::Refuse);
    server.until(&["three"], "down");
    assert_shares(&counts("w.example.com."), &[(&webs[0], 1.0 / 3.0), (&webs[1], 2.0 / 3.0)]);
}

/// Who answers St John's and Reykjavik in both families and the Azores, for each pair of biases on Washington and London.
fn nearest(biases: &[(i32, i32)]) -> Vec<String> {
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb");
    let mut names = String::new();
    let mut rest = "[endpoints.w]\nA = \"192.0.2.1\"\nat = \"38.90,-77.01\"\n[endpoints.l]\nA = \"192.0.2.2\"\n\
                    at = \"51.50,-0.16\"\n"
        .to_owned();
    for (number, (w, l)) in biases.iter().enumerate() {
        names.push_str(&format!("n{number} = {{ route = \"n{number}\" }}\n"));
        rest.push_str(&format!(
            "[routes.n{number}]\npolicy = \"geoproximity\"\nto = [ {{ endpoint = \"w\", bias = {w} }}, \
             {{ endpoint = \"l\", bias = {l} }} ]\n"
        ));
    }
    let server = Site::with_zone(&format!("[geoip]\ndatabases = [\"{database}\"]"), &zone(&names, &rest)).start();
    let clients = ["24.137.64.0/24", "2605:8d80::/48", "5.23.64.0/24", "2a0d:3344:100::/48", "82.155.0.0/24"];
    let answer = |number: usize, client| match server.a(&format!("n{number}.example.com."), client).as_str() {
        "192.0.2.1" => 'W',
        _ => 'L',
    };
    (0..biases.len()).map(|number| clients.iter().map(|client| answer(number, client)).collect()).collect()
}

#[test]
fn gp1_gp2_st_johns_is_washingtons_and_turns_to_london_between_41_and_42_percent_of_bias() {
    let biases = [(0, 0), (0, 41), (0, 42), (-41, 0), (-42, 0)];
    assert_eq!(nearest(&biases), ["WWLLL", "WWLLL", "LLLLL", "WWLLL", "LLLLL"]);
}
