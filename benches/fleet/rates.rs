//! How many queries a second fleets of several sizes answer, beside an echo of the same round, and what the engine alone
//! takes: with one question over and over what grows with the fleet is in the code, with many it is in the memory too.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::generator::Fleet;
use super::measure::SIZES;

/// What is asked, as `rhumb bench` calls it over sockets and of the engine.
const ASKED: [(&str, &str); 3] =
    [("static", "static"), ("NXDOMAIN", "NXDOMAIN"), ("steered", "steered and client subnet")];
const COLUMNS: [&str; 10] = [
    "routes",
    "endpoints",
    "zones",
    "names",
    "static ÷ echo",
    "NXDOMAIN ÷ echo",
    "steered ÷ echo",
    "static, ns hot / cold",
    "NXDOMAIN, ns hot / cold",
    "steered, ns hot / cold",
];

/// Prints a table; `fleet` has what does not change from row to row.
pub(crate) fn run(mut fleet: Fleet, rounds: usize) {
    println!("| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    for sizes in SIZES {
        [fleet.routes, fleet.endpoints, fleet.zones, fleet.names] = sizes;
        let dir = tempfile::tempdir().expect("a temporary directory");
        fleet.write(dir.path()).expect("a directory that can be written");
        let sockets = bench(dir.path(), &["echo", "--rounds", &rounds.to_string(), "--seconds", "1"]);
        let engine = bench(dir.path(), &["answer"]);
        let mut row: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        row.extend(ASKED.map(|(asked, _)| {
            let is_it = |figure: &&Value| figure["asked"] == asked && figure["server"] == "rhumb";
            format!("{:.2}", one(&sockets["figures"], is_it)["to_echo"].as_f64().expect("a ratio"))
        }));
        row.extend(ASKED.map(|(_, kind)| {
            let [hot, cold] = ["hot", "cold"].map(|heat| {
                let name = format!("{kind}, {heat}");
                one(&engine["questions"], |figure| figure["question"] == *name)["ns"].as_f64().expect("a time")
            });
            format!("{hot:.0} / {cold:.0}")
        }));
        println!("| {} |", row.join(" | "));
    }
}

/// The one figure that `is_it` says so of.
fn one(figures: &Value, is_it: impl FnMut(&&Value) -> bool) -> &Value {
    figures.as_array().and_then(|figures| figures.iter().find(is_it)).expect("a figure of each kind")
}

/// What `rhumb bench` tells of the fleet in `dir`.
fn bench(dir: &Path, what: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_rhumb"))
        .arg("--config")
        .arg(dir.join("rhumb.toml"))
        .args(["bench"])
        .args(what)
        .args(["--format", "json"])
        .output()
        .expect("a process");
    let failed = || panic!("rhumb bench {what:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| failed())
}
