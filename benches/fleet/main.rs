//! The fleet that figures are taken on: `cargo bench --bench fleet -- write DIR` and `… -- measure`.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench fails by panicking")]

mod beside;
mod generator;
mod measure;
mod rates;
#[path = "../started/mod.rs"]
mod started;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;

use generator::{Checks, Fleet};

const USAGE: &str = "usage: cargo bench --bench fleet -- COMMAND [OPTION…]
  write DIR           writes rhumb.toml, zones/ and questions (steered.q, hits.q, misses.q)
  measure             compiles such a fleet and flips its endpoints; prints figures
  growth              measures fleets of several sizes; of the options `--maps`, `--seed`, `--dual` and `--database` count
  rates               fleets of the same sizes: queries a second beside an echo, nanoseconds of the engine
  beside              latencies through sockets while zones and health change, and from a flip to the answer
options, with what they are by default:
  --routes 1000       steered names, each with a tree; a third nested three deep
  --endpoints 10000   in all; the first one is in every route
  --maps 100          distinct questions of clients
  --zones 1           one has the steered names
  --names 10000       plain names, spread over the zones
  --seed 1
  --checks none       none, http or https, at each endpoint's own address in 127.64.0.0/10
  --port 18080        where living endpoints listen; dead ones are asked at the next port
  --dead 50           how many in a hundred endpoints are dead
  --dual              AAAA beside A
  --database FILE     a city database; without one the world that is built in
  --flips 50          of each kind that `measure` makes; of `beside`, a second each
  --rounds 5          of `rates`, a second for each server and kind of question; of `beside`, 8 s for each row";

/// What is asked for.
enum Command {
    Write(PathBuf),
    Measure { flips: usize },
    Rates { rounds: usize },
    Beside { rounds: usize, flips: usize },
}

fn parse(arguments: impl Iterator<Item = String>) -> Option<(Command, Fleet)> {
    // Cargo adds `--bench`.
    let mut arguments = arguments.filter(|argument| argument != "--bench");
    let mut fleet = Fleet::default();
    let mut flips = 50;
    let mut rounds = 5;
    let mut words = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument == "--dual" {
            fleet.dual = true;
            continue;
        }
        let Some(option) = argument.strip_prefix("--") else {
            words.push(argument);
            continue;
        };
        let value = arguments.next()?;
        match option {
            "routes" => fleet.routes = value.parse().ok()?,
            "endpoints" => fleet.endpoints = value.parse().ok()?,
            "maps" => fleet.maps = value.parse().ok()?,
            "zones" => fleet.zones = value.parse().ok()?,
            "names" => fleet.names = value.parse().ok()?,
            "seed" => fleet.seed = value.parse().ok()?,
            "port" => fleet.port = value.parse().ok()?,
            "dead" => fleet.dead = value.parse().ok()?,
            "flips" => flips = value.parse().ok()?,
            "rounds" => rounds = value.parse().ok()?,
            "database" => fleet.database = Some(std::fs::canonicalize(value).ok()?),
            "checks" => {
                fleet.checks = match value.as_str() {
                    "none" => Checks::None,
                    "http" => Checks::Http,
                    "https" => Checks::Https,
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    let command = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", dir] => Command::Write(dir.into()),
        ["measure"] => Command::Measure { flips },
        ["rates"] => Command::Rates { rounds },
        ["beside"] => Command::Beside { rounds, flips },
        _ => return None,
    };
    Some((command, fleet))
}

fn main() -> ExitCode {
    let options: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some((_, options)) = options.split_first().filter(|(command, _)| *command == "growth") {
        measure::growth(options);
        return ExitCode::SUCCESS;
    }
    let Some((command, fleet)) = parse(std::env::args().skip(1)) else {
        // `cargo bench` alone runs every bench: this one is for those who ask.
        eprintln!("{USAGE}");
        return ExitCode::from(if std::env::args().len() > 2 { 2 } else { 0 });
    };
    match command {
        Command::Write(dir) => fleet.write(&dir).expect("a directory that can be written"),
        Command::Measure { flips } => measure::run(fleet, flips),
        Command::Rates { rounds } => rates::run(fleet, rounds),
        Command::Beside { rounds, flips } => beside::run(fleet, rounds, flips),
    }
    ExitCode::SUCCESS
}
