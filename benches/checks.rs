//! What thousands of health checks cost: `cargo bench --bench checks -- --targets 10000 --kind https --seconds 40`.
//!
//! The targets run in a process of their own, on one port for all of 127.0.0.0/8: some answer 200, some refuse, some
//! accept and never answer. Then the checker of the server probes them as it would there, verdicts kept on disk and read as
//! they change, and the run prints what this process took of one core, counted after the first round.

#![allow(clippy::expect_used, reason = "a bench fails by panicking")]

#[path = "checks/cost.rs"]
mod cost;
#[path = "checks/targets.rs"]
mod targets;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rhumb::config::model::{Check, CheckId, CheckKind, Model, Probe, Subject};
use rhumb::health::probe::{Kinds, Secure};
use rhumb::health::{Checker, Counts, Options, Store, SystemResolver, Verdict};

use cost::Cost;
use targets::{NAME, Role, Targets};

/// What can be asked for, with its default.
const USAGE: &str = "--targets 10000 --kind http|https|tcp --seconds 40 --dead 0.5 --hang 0 --interval 10 --timeout 2";

/// A run is bounded, whatever is asked for.
const MOST_TARGETS: u32 = 100_000;
const MOST_SECONDS: u64 = 600;

/// Descriptors that the probes may take: this process has little else to spend them on.
const UNDER_WAY: usize = 8192;

/// How often changed verdicts are read, as the server does it at its busiest.
const READ_AGAIN: Duration = Duration::from_millis(20);

struct Arguments {
    targets: u32,
    kind: String,
    seconds: u64,
    dead: f64,
    hang: f64,
    interval: u64,
    timeout: u64,
}

impl Arguments {
    fn read(words: impl Iterator<Item = String>) -> Self {
        let words: Vec<String> = words.filter(|word| word != "--bench").collect();
        let mut given: BTreeMap<&str, &str> = BTreeMap::new();
        for pair in words.chunks(2) {
            let (Some(key), Some(value)) = (pair[0].strip_prefix("--"), pair.get(1)) else { usage(&pair[0]) };
            given.insert(key, value);
        }
        let read = Self {
            targets: take(&mut given, "targets", 10_000).clamp(1, MOST_TARGETS),
            kind: take(&mut given, "kind", "http".to_owned()),
            seconds: take(&mut given, "seconds", 40).clamp(1, MOST_SECONDS),
            dead: take(&mut given, "dead", 0.5),
            hang: take(&mut given, "hang", 0.0),
            interval: take(&mut given, "interval", 10),
            timeout: take(&mut given, "timeout", 2),
        };
        match given.keys().next() {
            Some(unknown) => usage(unknown),
            None => read,
        }
    }

    /// What the target of a number does; roles are mixed evenly.
    fn role(&self, number: u32) -> Role {
        let place = (f64::from(number) * 0.618_033_988_749_895).fract();
        if place < self.dead {
            Role::Dead
        } else if place < self.dead + self.hang {
            Role::Hang
        } else {
            Role::Alive
        }
    }

    fn kind(&self) -> CheckKind {
        let tls = match self.kind.as_str() {
            "http" => false,
            "https" => true,
            "tcp" => {
                return CheckKind::Tcp { send: Some("GET / HTTP/1.0\r\n\r\n".into()), expect: Some("200 OK".into()) };
            }
            other => usage(other),
        };
        CheckKind::Http {
            tls,
            host: Some(NAME.into()),
            path: "/".into(),
            method: "GET".into(),
            headers: Vec::new(),
            status: vec![(200, 399)],
            body: None,
            verify: true,
        }
    }

    fn model(&self, targets: &Targets) -> Model {
        let mut model = Model::default();
        for role in Role::ALL {
            model.checks.push(Check {
                name: role.as_str().into(),
                kind: self.kind(),
                interval: Duration::from_secs(self.interval),
                timeout: Duration::from_secs(self.timeout),
                fall: 3,
                rise: 2,
                inverted: false,
                disabled: false,
                allow_private: true,
                target: None,
                port: Some(targets.port(role)),
            });
        }
        for number in 0..self.targets {
            let role = self.role(number);
            let address = IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number));
            let key = format!("{}|bench.example/endpoint{number}|{address}", role.as_str());
            let check = CheckId(role as u32);
            model.probes.push(Probe { check, endpoint: None, subject: Subject::Address(address), key, definition: 1 });
        }
        model
    }
}

fn take<T: FromStr>(given: &mut BTreeMap<&str, &str>, key: &str, default: T) -> T {
    match given.remove(key) {
        None => default,
        Some(text) => text.parse().unwrap_or_else(|_| usage(text)),
    }
}

fn usage(word: &str) -> ! {
    eprintln!("{word:?} is not understood: {USAGE}");
    std::process::exit(2);
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(targets::SERVE) {
        return targets::serve();
    }
    let arguments = Arguments::read(std::env::args().skip(1));
    let targets = Targets::start(arguments.kind == "https");
    let model = Arc::new(arguments.model(&targets));
    let state = tempfile::tempdir().expect("a place for the verdicts");
    let options = Options {
        store: Some(Store::new(state.path())),
        resolver: Arc::new(SystemResolver),
        kinds: Arc::new(Kinds::new(Secure::with_roots(targets.roots()))),
        seed: 7,
        under_way: UNDER_WAY,
    };
    let empty = Cost::now();
    let began = Instant::now();
    let checker = Arc::new(Checker::start_apart(options, Arc::clone(&model)).expect("threads"));
    follow(&checker, &model);

    // The first round and the repetitions until each has a verdict are not what goes on for ever.
    let all = arguments.targets as usize;
    let settled = Duration::from_secs(arguments.interval.max(4) + arguments.timeout);
    let mut first_verdicts = None;
    while began.elapsed() < settled {
        thread::sleep(Duration::from_millis(50));
        if first_verdicts.is_none() && checker.verdicts().iter().all(|verdict| verdict != Verdict::Unchecked) {
            first_verdicts = Some(began.elapsed());
        }
    }
    let (start, counts) = (Cost::now(), checker.counts());
    println!("start: {}", since(&empty, &start, &Counts::default(), &counts, began.elapsed()));
    match first_verdicts {
        Some(time) => println!("start: every target has a verdict after {:.2} s", time.as_secs_f64()),
        None => println!("start: some targets have no verdict after {:.2} s", settled.as_secs_f64()),
    }

    let measured = Instant::now();
    thread::sleep(Duration::from_secs(arguments.seconds));
    let (end, after) = (Cost::now(), checker.counts());
    println!("going: {}", since(&start, &end, &counts, &after, measured.elapsed()));

    let verdicts = checker.verdicts();
    let wanted = |number: u32| if arguments.role(number) == Role::Alive { Verdict::Up } else { Verdict::Down };
    let right =
        (0..arguments.targets).zip(verdicts.iter()).filter(|&(number, verdict)| verdict == wanted(number)).count();
    println!(
        "verdicts: {right} of {all} right; of all runs {} passed, {} failed, {} without a result",
        after.passed, after.failed, after.no_result
    );
    println!(
        "memory: {:.1} MiB resident before the checker, {:.1} MiB now, {:.1} MiB at most; {} threads",
        empty.resident_mib, end.resident_mib, end.most_mib, end.threads
    );
    let last = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    last.block_on(checker.shutdown());
}

/// Reads the verdicts after each change, some time later at most, as the publisher of the server does. Ends with the checker.
fn follow(checker: &Arc<Checker>, model: &Arc<Model>) {
    let mut changes = checker.subscribe();
    let (checker, model) = (Arc::downgrade(checker), Arc::clone(model));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        while runtime.block_on(changes.changed()).is_ok() {
            thread::sleep(READ_AGAIN);
            changes.mark_unchanged();
            let Some(checker) = checker.upgrade() else { return };
            std::hint::black_box(checker.verdicts_for(&model));
        }
    });
}

fn since(from: &Cost, to: &Cost, before: &Counts, after: &Counts, wall: Duration) -> String {
    let runs = after.runs - before.runs;
    let (user, system) = (to.user - from.user, to.system - from.system);
    let share = |time: Duration| 100.0 * time.as_secs_f64() / wall.as_secs_f64();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / runs.max(1) as f64;
    format!(
        "{runs} runs in {:.1} s; {:.1} % of one core ({:.1} user, {:.1} system); {:.0} µs a run ({:.0} user, {:.0} system); \
         {:.1} waits a run",
        wall.as_secs_f64(),
        share(user + system),
        share(user),
        share(system),
        each(user + system),
        each(user),
        each(system),
        (to.waits - from.waits) as f64 / runs.max(1) as f64
    )
}
