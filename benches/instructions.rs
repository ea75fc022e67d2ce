//! What a query costs the thread that answers it, in user-space instructions: `cargo bench --bench instructions`.
//!
//! Needs valgrind. Each kind of question is put over a socket to a server of one worker that runs below callgrind, one
//! query at a time, which is the worst case for a loop that works by the batch. A run of some queries and one of more of
//! them differ by the price of those between, so that neither start nor idling is in the figure. It is the same on every
//! run but for a few waits that wake up in vain, whatever else the machine does.
//!
//! `-- --keep DIR` leaves what callgrind wrote of the longer runs there, to be read with `callgrind_annotate`.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench fails by panicking")]

#[path = "engine/zone.rs"]
mod zone;

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rhumb::config::model::Transport;
use rhumb::net::{Engine, Limits, Options, bind};

use zone::{NAMES, anywhere, query, spread};

/// Queries of the shorter and of the longer run.
const RUNS: [u64; 2] = [500, 2500];
/// How long a reply may take below callgrind.
const PATIENCE: Duration = Duration::from_secs(30);
/// The function that the thread which answers runs, from its start to its end, as callgrind finds it.
const ANSWERING: &str = "rhumb::net::worker::Worker*run*";
/// What the run below callgrind is started with.
const BELOW: &str = "--below-callgrind";

/// A question for a random number.
type Question = fn(u64) -> Vec<u8>;

/// What is asked for.
const KINDS: [(&str, Question); 6] = [
    ("static", |random| query(&host(random), None)),
    ("static, client subnet", |random| query(&host(random), anywhere(random))),
    ("NXDOMAIN", |random| query(&format!("x{}.example.com", random % 10_000), None)),
    ("wildcard", |random| query(&format!("x{}.wild.example.com", random % 10_000), None)),
    ("geolocation, client subnet", |random| query("geo.example.com", anywhere(random))),
    ("geoproximity, client subnet", |random| query("www.example.com", anywhere(random))),
];

fn host(random: u64) -> String {
    format!("h{}.example.com", random % u64::from(NAMES))
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [BELOW, kind, queries] => exchange(kind.parse().expect("a kind"), queries.parse().expect("a number")),
        [] => report(None),
        ["--keep", dir] => report(Some(Path::new(dir))),
        _ => panic!("takes nothing, or --keep DIR"),
    }
}

/// Serves, asks, and ends.
fn exchange(kind: usize, queries: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let bound = bind(&[([127, 0, 0, 1], 0).into()], &Options::with_workers(1), false).expect("loopback");
    let engine = Engine::new(Arc::new(ArcSwap::from_pointee(zone::snapshot())));
    let serving = bound.serve(engine, Transport::Native, Limits::default()).expect("threads");
    let client = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    client.connect(serving.addresses()[0]).expect("loopback");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut reply = [0; 2048];
    for number in 0..queries {
        client.send(&KINDS[kind].1(spread(number))).expect("sent");
        let len = client.recv(&mut reply).expect("a reply");
        assert!(len > 12 && reply[3] & 0xf != 2 && reply[3] & 0xf != 5, "an answer");
    }
    runtime.block_on(serving.stop());
}

fn report(keep: Option<&Path>) {
    println!("user-space instructions a query, one at a time");
    let scratch = tempfile::tempdir().expect("a temporary directory");
    for (kind, (title, _)) in KINDS.iter().enumerate() {
        let [fewer, more] = RUNS.map(|queries| {
            let dir = keep.unwrap_or(scratch.path()).join(format!("{kind}-{queries}"));
            fs::create_dir_all(&dir).expect("a directory");
            answering(&run(kind, queries, &dir))
        });
        println!("{title:30} {:>6}", (more - fewer) / (RUNS[1] - RUNS[0]));
    }
}

/// Runs this program below callgrind; what that wrote, a file a thread.
fn run(kind: usize, queries: u64, dir: &Path) -> Vec<PathBuf> {
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--separate-threads=yes"])
        .arg(format!("--toggle-collect={ANSWERING}"))
        .arg(format!("--callgrind-out-file={}", dir.join("callgrind.out").display()))
        .arg(std::env::current_exe().expect("this program"))
        .args([BELOW, &kind.to_string(), &queries.to_string()])
        .stderr(Stdio::null())
        .status()
        .expect("valgrind; is it installed?");
    assert!(status.success(), "the run below callgrind failed: {status}");
    fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()).collect()
}

/// The instructions of the thread that answers: no other runs what is counted.
fn answering(files: &[PathBuf]) -> u64 {
    let total = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("what callgrind wrote");
        text.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let sum = files.iter().map(total).sum();
    assert!(sum > 0, "callgrind counted nothing");
    sum
}
