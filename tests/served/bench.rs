//! What `rhumb bench` measures, in as little time as it can be told to take. No figure is judged but for being one.

use std::fs;

use serde_json::Value;

use super::{Site, rhumb};
use crate::harness::zone;

fn site() -> Site {
    let records = "host = { A = \"192.0.2.7\" }\n\"*.wild\" = { A = \"192.0.2.8\" }\nwww = { route = \"r\" }";
    let routes = "[endpoints.e]\nA = \"192.0.2.1\"\n[routes.r]\npolicy = \"simple\"\nto = [\"e\"]";
    Site::with_zone("", &zone(records, routes))
}

#[track_caller]
fn json(output: &std::process::Output) -> Value {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_loaded_server_answers_every_query_and_losses_codes_and_latencies_are_told() {
    let site = site();
    let server = site.start();
    let file = site.path().join("queries");
    fs::write(&file, "host.example.com A\nnone.example.com A # not there\nwww.example.com A 81.2.69.0/24\n").unwrap();
    let (address, file) = (server.dns.to_string(), file.to_str().unwrap());
    let common = ["--format", "json", "bench", "load", &address, "--queries", file, "--seconds", "300ms"];
    for pace in [&[][..], &["--rate", "1000", "--threads", "2"]] {
        let told = json(&rhumb(site.path(), &[&common[..], pace].concat()));
        let (answered, codes) = (told["answered"].as_u64().unwrap(), &told["rcodes"]);
        assert_eq!((&told["sent"], &told["lost"]), (&answered.into(), &0.into()), "{told}");
        let (found, missing) = (codes["NOERROR"].as_u64().unwrap(), codes["NXDOMAIN"].as_u64().unwrap());
        assert_eq!(found + missing, answered);
        assert!(answered > 3 && found >= missing, "{told}");
        assert!(told["latency_us"]["p99.9"].as_f64().unwrap() >= told["latency_us"]["p50"].as_f64().unwrap(), "{told}");
        assert_eq!(told["lateness_us"].is_object(), !pace.is_empty());
    }
    let lines = rhumb(site.path(), &[&common[2..], &["--rate", "100"]].concat());
    assert!(String::from_utf8(lines.stdout).unwrap().contains("of 100 wanted"));
}

#[test]
fn no_other_machine_is_loaded_and_a_line_that_is_no_query_is_named() {
    let site = site();
    let file = site.path().join("queries");
    fs::write(&file, "host.example.com A\nhost.example.com NOTYPE\n").unwrap();
    let load = |server: &str| rhumb(site.path(), &["bench", "load", server, "--queries", file.to_str().unwrap()]);
    for (server, word) in
        [("192.0.2.1:53", "not on loopback"), ("[2001:db8::1]:53", "not on loopback"), ("127.0.0.1:1", "line 2")]
    {
        let output = load(server);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(word), "{said}");
    }
}

#[test]
fn the_engine_is_measured_for_every_kind_of_question_that_the_zones_have() {
    let site = site();
    let told = json(&rhumb(site.path(), &["--format", "json", "bench", "answer", "--runs", "1", "--count", "64"]));
    let kinds: Vec<&str> =
        told["questions"].as_array().unwrap().iter().map(|line| line["question"].as_str().unwrap()).collect();
    for kind in ["static", "NXDOMAIN", "wildcard", "steered and client subnet"] {
        assert!(kinds.contains(&&*format!("{kind}, hot")) && kinds.contains(&&*format!("{kind}, cold")), "{kinds:?}");
    }
    assert!(told["memory_ns"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_server_is_measured_beside_an_echo_with_the_same_queries() {
    let site = site();
    let arguments = ["--format", "json", "bench", "echo", "--seconds", "200ms", "--rounds", "1", "--rate", "10"];
    let told = json(&rhumb(site.path(), &arguments));
    let figures = told["figures"].as_array().unwrap();
    let of = |asked: &str, server: &str| {
        figures.iter().find(|figure| figure["asked"] == asked && figure["server"] == server).unwrap()
    };
    for asked in ["static", "NXDOMAIN", "steered"] {
        assert_eq!(of(asked, "echo")["to_echo"], 1.0);
        let rhumb = of(asked, "rhumb");
        assert!(rhumb["rate"].as_f64().unwrap() > 0.0 && rhumb["cpu_us"].as_f64().unwrap() > 0.0, "{rhumb}");
        assert!(rhumb["paced"]["latency_us"]["p50"].as_f64().unwrap() > 0.0, "{rhumb}");
    }
}
