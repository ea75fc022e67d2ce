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
use rhumb::policy::Conditions;
use rhumb::snapshot::{Inputs, Place, Snapshot, SteeredAnswers, compile};

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

/// Sizes of fleets: routes, endpoints, zones and names, each of which grows alone but for the endpoints that routes need.
pub(crate) const SIZES: [[usize; 4]; 9] = [
    [10, 100, 1, 10_000],
    [100, 1_000, 1, 10_000],
    [1_000, 10_000, 1, 10_000],
    [10, 30, 1, 10_000],
    [10, 300, 1, 10_000],
    [10, 3_000, 1, 10_000],
    [10, 100, 1_000, 10_000],
    [10, 100, 100_000, 100_000],
    [10, 100, 1, 1_000_000],
];

/// Of the table that [`growth`] prints.
const COLUMNS: [&str; 9] = [
    "routes",
    "endpoints",
    "zones",
    "names",
    "load, ms cpu",
    "compile, ms cpu",
    "evaluate all, ms cpu",
    "flip everywhere, ms wall",
    "VmRSS, MiB",
];

/// Marks the row in what `measure` prints.
const ROW: &str = "row ";

/// Measures fleets of several sizes, each in a process of its own; prints a table.
pub(crate) fn growth(options: &[String]) {
    println!("| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    let program = std::env::current_exe().expect("this program");
    for [routes, endpoints, zones, names] in SIZES {
        let mut command = std::process::Command::new(&program);
        command.args(["measure", "--flips", "20"]).args(options);
        for (option, value) in
            [("--routes", routes), ("--endpoints", endpoints), ("--zones", zones), ("--names", names)]
        {
            command.args([option, &value.to_string()]);
        }
        let output = command.output().expect("a process");
        let said = String::from_utf8_lossy(&output.stdout);
        match said.lines().find_map(|line| line.strip_prefix(ROW)) {
            Some(row) => println!("{row}"),
            None => println!("| {routes} | {endpoints} | {zones} | {names} | failed: {} |", output.status),
        }
    }
}

fn say(what: &str, spent: &Spent) {
    let rss = memory("VmRSS");
    println!("{what:<36} {:>9.1} ms wall {:>9.1} ms cpu   VmRSS {rss:>7.1} MiB", ms(spent.wall), ms(spent.cpu));
}

/// Builds, compiles, flips, and prints.
pub(crate) fn run(mut fleet: Fleet, flips: usize) {
    if fleet.checks == Checks::None {
        fleet.checks = Checks::Http;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    fleet.write(dir.path()).expect("a directory that can be written");
    println!("{} routes, {} endpoints, seed {}", fleet.routes, fleet.endpoints, fleet.seed);
    println!("{:<36} VmRSS {:.1} MiB", "empty", memory("VmRSS"));

    let sizes = [fleet.routes, fleet.endpoints, fleet.zones, fleet.names];
    let mut row: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    let (loaded, spent) = timed(|| rhumb::config::load(Some(&dir.path().join("rhumb.toml")), &Overrides::default()));
    say("load the files", &spent);
    row.push(format!("{:.0}", ms(spent.cpu)));
    let model = Arc::new(loaded.model.expect("files without faults"));
    let (places, spent) = timed(|| rhumb::geo::load(&model.server.databases).expect("a database").0);
    say("read the databases", &spent);

    let verdicts = Verdicts::from(vec![Verdict::Up; model.probes.len()]);
    let inputs = Inputs { model, places: Arc::new(places), verdicts, drained: BTreeSet::new(), seed: 0x5eed };
    let (snapshot, spent) = timed(|| compile(&inputs, 1, None).expect("within limits"));
    say("compile all", &spent);
    row.push(format!("{:.0}", ms(spent.cpu)));
    shape(&snapshot);
    // Maps and names come from the plan that is there: what is left is every outcome.
    let (fresh, spent) = timed(|| outcomes(&snapshot));
    say("evaluate all", &spent);
    row.push(format!("{:.1}", ms(spent.cpu)));
    assert!(fresh == snapshot.steered.len(), "all of them");
    sweep("sweep, all up", &snapshot);

    let count = snapshot.inputs.model.endpoints.len();
    let (snapshot, median) = follow("flip of the endpoint everywhere", snapshot, (0..flips).map(|_| 0));
    row.extend([format!("{:.2}", ms(median)), format!("{:.0}", memory("VmRSS"))]);
    println!("{ROW}| {} |", row.join(" | "));
    let (snapshot, _) =
        follow("flip of another endpoint", snapshot, (0..flips).map(|n| 1 + n * 7919 % (count - 1).max(1)));
    let snapshot = sustained(snapshot);
    let half: Vec<ProbeId> = (0..count).step_by(2).map(|endpoint| probe(&snapshot, endpoint)).collect();
    let inputs = flipped(&snapshot.inputs, half);
    let (snapshot, spent) =
        timed(|| compile(&inputs, snapshot.generation + 1, Some(&snapshot)).expect("within limits"));
    say("flip of half of all endpoints", &spent);
    sweep("sweep, half of them down", &snapshot);
    let (snapshot, _) = follow("flip everywhere, half down", snapshot, (0..flips).map(|_| 0));
    println!("{:<36} VmRSS {:.1} MiB, VmHWM {:.1} MiB", "at the end", memory("VmRSS"), memory("VmHWM"));
    drop(snapshot);
}

/// Evaluates every outcome anew.
fn outcomes(snapshot: &Snapshot) -> usize {
    let up = snapshot.inputs.verdicts.up();
    let conditions = Conditions { model: &snapshot.inputs.model, up: &up, drained: &snapshot.inputs.drained };
    let answers = snapshot.plan.steers.iter().map(|steer| SteeredAnswers::evaluate(steer, conditions));
    answers.filter(Result::is_ok).count()
}

/// One round of the rolling sweep, all slices behind one another.
fn sweep(what: &str, snapshot: &Snapshot) {
    let (differing, spent) = timed(|| snapshot.recheck(&mut Place::default(), || false));
    assert!(differing.is_empty(), "what is served is what it should be: {differing:?}");
    let share = spent.cpu.as_secs_f64() / 30.0 * 100.0;
    println!("{what:<36} {:>9.1} ms cpu, {share:.2} % of a core at a round in 30 s", ms(spent.cpu));
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
        let is_up = next.verdicts.get(probe).is_up();
        next.verdicts.set(probe, if is_up { Verdict::Down } else { Verdict::Up });
    }
    next
}

/// Flips one endpoint after the other, a snapshot each, and frees the one before as the publisher does. The last one, and
/// the median of what they took.
fn follow(what: &str, mut snapshot: Snapshot, endpoints: impl Iterator<Item = usize>) -> (Snapshot, Duration) {
    let mut walls = Vec::new();
    let before = cpu();
    for endpoint in endpoints {
        let inputs = flipped(&snapshot.inputs, [probe(&snapshot, endpoint)]);
        let ((), spent) = timed(|| {
            snapshot = compile(&inputs, snapshot.generation + 1, Some(&snapshot)).expect("within limits");
        });
        walls.push(spent.wall);
    }
    // The kernel counts CPU time in coarse steps: right for all of them, not for each.
    let each = (cpu().saturating_sub(before)) / walls.len().max(1) as u32;
    walls.sort_unstable();
    let median = walls.get(walls.len() / 2).copied().unwrap_or_default();
    if let Some(most) = walls.last() {
        println!("{what:<36} median {:.2} ms, most {:.2} ms wall; mean {:.2} ms cpu", ms(median), ms(*most), ms(each));
    }
    (snapshot, median)
}

/// A thousand flips a second are 40 to a publication, 25 publications a second.
fn sustained(mut snapshot: Snapshot) -> Snapshot {
    const GATHERED: usize = 40;
    const ROUNDS: usize = 50;
    let count = snapshot.inputs.model.endpoints.len();
    let mut next = 1;
    let before = cpu();
    for _ in 0..ROUNDS {
        let probes: Vec<ProbeId> = (0..GATHERED)
            .map(|_| {
                next = (next + 7919) % count;
                probe(&snapshot, next)
            })
            .collect();
        let inputs = flipped(&snapshot.inputs, probes);
        snapshot = compile(&inputs, snapshot.generation + 1, Some(&snapshot)).expect("within limits");
    }
    let each = cpu().saturating_sub(before) / ROUNDS as u32;
    println!(
        "{:<36} {:.2} ms cpu a snapshot, {:.0} a second at most; 1,000 flips a second take {:.1} % of a core",
        "40 flips to a snapshot",
        ms(each),
        1.0 / each.as_secs_f64().max(1e-9),
        each.as_secs_f64() * 25.0 * 100.0
    );
    snapshot
}
