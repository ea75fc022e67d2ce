//! How long a load takes and what it leaves in memory, each figure in a process of its own: `cargo bench --bench load`.
//! Rows can be chosen by words that they contain (`cargo bench --bench load -- names`).
//!
//! "above" is what stays in memory (VmRSS) above a process that has loaded one small zone in the same way, "peak"
//! (VmHWM) the most that it ever took, above the same. `load` is files to model; `control` is that, the compiled
//! snapshot, and the last good copy, as `serve` has it before it binds. Nothing here fails by time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot set itself up has nothing to measure"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use rhumb::config::{Loader, Overrides, Progress};
use rhumb::control::{Control, Options};

/// What is measured: its title, what is in the directory of zones, how it is loaded, and what is done again.
const ROWS: &[(&str, Files, How)] = &[
    ("load, 10,000 names", Files::Master(10_000), How::Load),
    ("load, 100,000 names", Files::Master(100_000), How::Load),
    ("load, 1,000,000 names", Files::Master(1_000_000), How::Load),
    ("load, 1,000,000 names in one thread", Files::Master(1_000_000), How::OneThread),
    ("load, 100,000 records in TOML", Files::Toml(100_000), How::Load),
    ("load, 1,000 zones", Files::Zones(1_000), How::Load),
    ("load, 100,000 zones", Files::Zones(100_000), How::Load),
    ("load again, nothing changed beside 1,000,000 names", Files::Master(1_000_000), How::Again(false)),
    ("load again, a zone of 1,000 names changed beside 1,000,000", Files::Master(1_000_000), How::Again(true)),
    ("load again, a zone changed of 100,000", Files::Zones(100_000), How::Again(true)),
    ("control, 10,000 names", Files::Master(10_000), How::Control(false)),
    ("control, 100,000 names", Files::Master(100_000), How::Control(false)),
    ("control, 1,000,000 names", Files::Master(1_000_000), How::Control(false)),
    ("control, reload of a zone of 1,000 names beside 1,000,000", Files::Master(1_000_000), How::Control(true)),
];

/// What the process that the others are compared with does.
const BASES: [(&str, Files, How); 2] =
    [("load, base", Files::Zones(1), How::Load), ("control, base", Files::Zones(1), How::Control(false))];

#[derive(Clone, Copy)]
enum Files {
    /// One master file of so many names with an A record each, and a TOML zone of 1,000 names.
    Master(usize),
    /// One TOML zone of so many records.
    Toml(usize),
    /// So many zones of five records.
    Zones(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Load,
    OneThread,
    /// The second of two loads is measured; whether a file is changed between.
    Again(bool),
    /// Whether a reload after a change is measured, and not the start.
    Control(bool),
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Ok(title) = std::env::var("RHUMB_BENCH_ROW") {
        let all = ROWS.iter().chain(&BASES);
        let &(_, files, how) = all.into_iter().find(|(known, ..)| *known == title).expect("a row");
        // As `serve` does.
        rhumb::net::return_large_memory();
        println!("{}", measured(files, how));
        return;
    }
    // `cargo test --benches` wants to know that this runs, and no figures.
    let is_test = std::env::args().any(|word| word == "--test");
    let bases = BASES.map(|(title, ..)| asked(title));
    println!("{:<60} {:>8} {:>8} {:>10} {:>10}", "", "wall ms", "CPU ms", "above MiB", "peak MiB");
    for (title, _, how) in ROWS.iter().filter(|(title, ..)| words.iter().all(|word| title.contains(word.as_str()))) {
        if is_test && *title != ROWS[0].0 {
            continue;
        }
        let base = &bases[usize::from(matches!(how, How::Control(_)))];
        let [wall, cpu, kept, peak] = asked(title);
        println!("{title:<60} {wall:>8.1} {cpu:>8.0} {:>10.1} {:>10.1}", kept - base[2], peak - base[3]);
    }
}

/// Runs this program again for one row.
fn asked(title: &str) -> [f64; 4] {
    let this = std::env::current_exe().expect("a path");
    let done = Command::new(this).env("RHUMB_BENCH_ROW", title).output().expect("runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let figures: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(figures.len() == 4, "{title}: {said}{}", String::from_utf8_lossy(&done.stderr));
    [figures[0], figures[1], figures[2], figures[3]]
}

/// Wall and CPU time in milliseconds, what is in memory now and at most, in MiB.
fn measured(files: Files, how: How) -> String {
    let place = tempfile::tempdir().expect("a directory");
    let zones = place.path().join("zones");
    std::fs::create_dir(&zones).unwrap();
    generate(&zones, files);
    // The files are older than the grain of any clock, as they are in life.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let overrides =
        Overrides { zones: Some(zones.clone()), state: Some(place.path().join("state")), ..Overrides::default() };
    let server = place.path().join("rhumb.toml");
    std::fs::write(&server, "").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let control = || {
        let (server_file, overrides) = (Some(server.clone()), overrides.clone());
        let (runtime, progress) = (runtime.handle().clone(), Arc::new(Progress::default()));
        Control::start(Options { server_file, overrides, runtime, progress }).expect("starts")
    };
    let mut loader = Loader::default();
    let mut load = || loader.load(Some(&server), &overrides, &HashMap::new()).model.expect("no fault");
    let (wall, cpu);
    // Held until memory has been read.
    let mut kept: (Vec<rhumb::config::Model>, Option<Control>) = (Vec::new(), None);
    match how {
        How::Load => (wall, cpu) = timed(|| kept.0.push(load())),
        How::OneThread => {
            let mut loader = Loader::default();
            loader.set_threads(1);
            let one = || kept.0.extend(loader.load(Some(&server), &overrides, &HashMap::new()).model);
            (wall, cpu) = timed(one);
        }
        How::Again(changed) => {
            kept.0.push(load());
            if changed {
                change(&zones, files);
            }
            (wall, cpu) = timed(|| kept.0.push(load()));
        }
        How::Control(false) => (wall, cpu) = timed(|| kept.1 = Some(control())),
        How::Control(true) => {
            let control = control();
            // Its own watch would take the change before it is asked for; a faulty file is not taken.
            change(&zones, files);
            (wall, cpu) = timed(|| drop(control.reload(None).expect("taken")));
            kept.1 = Some(control);
        }
    }
    // The loader holds what `serve` holds; texts of a single load go with it.
    drop(loader);
    if kept.1.is_some() {
        // The last good copy of a large file is written after the start.
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let said = format!("{wall} {cpu} {} {}", status("VmRSS:"), status("VmHWM:"));
    drop(kept);
    said
}

fn timed(work: impl FnOnce()) -> (f64, f64) {
    let (start, before) = (Instant::now(), cpu());
    work();
    (start.elapsed().as_secs_f64() * 1e3, cpu() - before)
}

/// CPU time of all threads so far, those that have ended included, in milliseconds; the grain is 10.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let behind_name = stat.rsplit(')').next().unwrap();
    let ticks: f64 = behind_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks * 10.0
}

/// A figure of the process in MiB.
fn status(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(key)).expect("a line");
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

const HEAD: &str =
    "@ SOA ns1 hostmaster 1 7200 1800 1209600 60\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n";

fn generate(zones: &Path, files: Files) {
    match files {
        Files::Master(names) => {
            let mut text = format!("$TTL 3600\n{HEAD}");
            for i in 0..names {
                writeln!(text, "host{i} A 10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255).unwrap();
            }
            std::fs::write(zones.join("example.com.zone"), text).unwrap();
            std::fs::write(zones.join("small.test.toml"), toml("small.test", 1_000)).unwrap();
        }
        Files::Toml(records) => std::fs::write(zones.join("example.com.toml"), toml("example.com", records)).unwrap(),
        Files::Zones(count) => {
            for i in 0..count {
                std::fs::write(zones.join(format!("z{i}.test.toml")), toml(&format!("z{i}.test"), 3)).unwrap();
            }
        }
    }
}

/// A TOML zone with so many names beside its servers.
fn toml(zone: &str, names: usize) -> String {
    let mut text = format!("zone = \"{zone}\"\n[records]\n\"@\" = {{ NS = \"ns\" }}\nns = {{ A = \"192.0.2.1\" }}\n");
    for i in 0..names {
        writeln!(text, "host{i} = {{ A = \"10.{}.{}.{}\" }}", i >> 16 & 255, i >> 8 & 255, i & 255).unwrap();
    }
    text
}

/// Edits one small zone.
fn change(zones: &Path, files: Files) {
    let name = match files {
        Files::Zones(_) => "z0.test",
        _ => "small.test",
    };
    let path = zones.join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text + "new = { A = \"192.0.2.99\" }\n").unwrap();
}
