//! Figures of the control side, without sockets: what it costs to compile the fleet and to follow its health.
//!
//! CPU times are the kernel's own for this process, so that they mean something on a busy machine too.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhumb::config::Overrides;
use rhumb::config::model::{Health, ProbeId};
use rhumb::health::{Verdict, Verdicts};
use rhumb::snapshot::{Inputs, Snapshot, compile};

use super::generator::{Checks, Fleet};

/// Wall and CPU time of one piece of work.
struct Spent {
    wall: Duration,
    cpu: Duration,
}

/// Runs `work` and says what it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let (start, cpu) = (Instant::now(), cpu());
    let result = work();
    (result, Spent { wall: start.elapsed(), cpu: self::cpu().saturating_sub(cpu) })
}

/// What all threads of this process have run for.
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// A line of `/proc/self/status`, in MiB.
fn memory(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn say(what: &str, spent: &Spent) {
    println!(
        "{what:<34} {:>9.1} ms wall {:>9.1} ms cpu   VmRSS {:>7.1} MiB",
        ms(spent.wall),
        ms(spent.cpu),
        memory("VmRSS")
    );
}

/// Builds, compiles, flips, and prints.
pub(crate) fn run(mut fleet: Fleet, flips: usize) {
    if fleet.checks == Checks::None {
        fleet.checks = Checks::Http;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    fleet.write(dir.path()).expect("a directory that can be written");
    println!("{} routes, {} endpoints, seed {}", fleet.routes, fleet.endpoints, fleet.seed);
    println!("{:<34} VmRSS {:.1} MiB", "empty", memory("VmRSS"));

    let (loaded, spent) = timed(|| rhumb::config::load(Some(&dir.path().join("rhumb.toml")), &Overrides::default()));
    say("load the files", &spent);
    for diagnostic in loaded.diagnostics.iter().take(5) {
        println!("  {:?}", diagnostic.message);
    }
    let model = Arc::new(loaded.model.expect("files without faults"));
    let (places, spent) = timed(|| rhumb::geo::load(&model.server.databases).expect("a database").0);
    say("read the databases", &spent);

    let verdicts = Verdicts(vec![Verdict::Up; model.probes.len()]);
    let inputs = Inputs { model, places: Arc::new(places), verdicts, drained: BTreeSet::new(), seed: 0x5eed };
    let (snapshot, spent) = timed(|| compile(&inputs, 1, None).expect("within limits"));
    say("compile all", &spent);
    shape(&snapshot);
    println!("{:<34} VmHWM {:.1} MiB", "", memory("VmHWM"));

    let everywhere: Vec<usize> = vec![0; flips];
    let others: Vec<usize> = (0..flips).map(|n| 1 + n * 7919 % (inputs.model.endpoints.len() - 1).max(1)).collect();
    let snapshot = follow("a flip of the endpoint everywhere", snapshot, &everywhere);
    let snapshot = follow("a flip of another endpoint", snapshot, &others);
    let together = sustained(snapshot);
    println!("{:<34} VmRSS {:.1} MiB, VmHWM {:.1} MiB", "at the end", memory("VmRSS"), memory("VmHWM"));
    drop(together);
}

fn shape(snapshot: &Snapshot) {
    let steers = &snapshot.plan.steers;
    let maps: BTreeSet<*const _> = steers.iter().filter_map(|s| s.regions.as_ref()).map(Arc::as_ptr).collect();
    let mut counts: Vec<usize> = steers.iter().map(|s| s.regions.as_ref().map_or(1, |r| r.count())).collect();
    counts.sort_unstable();
    let mut seen = BTreeSet::new();
    let size: usize = steers
        .iter()
        .filter_map(|steer| steer.regions.as_ref())
        .filter(|regions| seen.insert(Arc::as_ptr(regions)))
        .map(|regions| regions.map.size())
        .sum();
    println!(
        "  {} steered names; {} maps, {:.1} MiB; regions a name: median {}, most {}, {} in all",
        steers.len(),
        maps.len(),
        size as f64 / f64::from(1 << 20),
        counts.get(counts.len() / 2).copied().unwrap_or_default(),
        counts.last().copied().unwrap_or_default(),
        counts.iter().sum::<usize>(),
    );
}

/// The probe of an endpoint.
fn probe(snapshot: &Snapshot, endpoint: usize) -> ProbeId {
    match &snapshot.inputs.model.endpoints[endpoint].health {
        Health::PerAddress(probes) => probes.first().expect("an address").1,
        Health::Whole(probe) => *probe,
        Health::Unchecked => unreachable!("all are checked"),
    }
}

fn flipped(inputs: &Inputs, probes: impl IntoIterator<Item = ProbeId>) -> Inputs {
    let mut next = inputs.clone();
    for probe in probes {
        let verdict = &mut next.verdicts.0[probe.index()];
        *verdict = if verdict.is_up() { Verdict::Down } else { Verdict::Up };
    }
    next
}

/// Flips one endpoint after the other, a snapshot each.
fn follow(what: &str, mut snapshot: Snapshot, endpoints: &[usize]) -> Snapshot {
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for &endpoint in endpoints {
        let inputs = flipped(&snapshot.inputs, [probe(&snapshot, endpoint)]);
        let (next, spent) =
            timed(|| compile(&inputs, snapshot.generation + 1, Some(&snapshot)).expect("within limits"));
        walls.push(spent.wall);
        cpus.push(spent.cpu);
        snapshot = next;
    }
    walls.sort_unstable();
    cpus.sort_unstable();
    let (median, most) =
        (|times: &[Duration]| ms(times[times.len() / 2]), |times: &[Duration]| ms(times[times.len() - 1]));
    if !walls.is_empty() {
        println!(
            "{what:<34} median {:.2}, most {:.2} ms wall; median {:.2}, most {:.2} ms cpu",
            median(&walls),
            most(&walls),
            median(&cpus),
            most(&cpus)
        );
    }
    snapshot
}

/// A thousand flips a second are 40 to a publication, 25 publications a second.
fn sustained(mut snapshot: Snapshot) -> Snapshot {
    const GATHERED: usize = 40;
    const ROUNDS: usize = 50;
    let count = snapshot.inputs.model.endpoints.len();
    let mut next = 1;
    let mut total = Duration::ZERO;
    for _ in 0..ROUNDS {
        let probes: Vec<ProbeId> = (0..GATHERED)
            .map(|_| {
                next = (next + 7919) % count;
                probe(&snapshot, next)
            })
            .collect();
        let inputs = flipped(&snapshot.inputs, probes);
        let (made, spent) =
            timed(|| compile(&inputs, snapshot.generation + 1, Some(&snapshot)).expect("within limits"));
        total += spent.cpu;
        snapshot = made;
    }
    let each = total / ROUNDS as u32;
    println!(
        "{:<34} {:.2} ms cpu a snapshot, {:.0} snapshots a second at most; 1,000 flips a second take {:.1} % of a core",
        "40 flips a snapshot",
        ms(each),
        1.0 / each.as_secs_f64().max(1e-9),
        each.as_secs_f64() * 25.0 * 100.0
    );
    snapshot
}
