//! Databases and maps: how long they take to make, how large they are, how fast they answer.
//!
//! `cargo bench --bench geo`, over the world database in the binary, or
//! `cargo bench --bench geo -- --database FILE [--maps N]`. Times are wall clock and processor time,
//! the latter of all threads. Peaks are of the process, so each is told when it comes.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a bench prints, and fails by panicking")]

use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rhumb::config::{Model, Overrides};
use rhumb::geo::{Map, Places};
use rhumb::policy::{Context, Question, Regions};

/// Distinct maps of the mixed set.
const MAPS: usize = 100;
/// Look-ups of one measurement.
const LOOKUPS: usize = 2_000_000;
const MIB: f64 = 1_048_576.0;

/// Places of members, spread as data centres are.
const SITES: [&str; 30] = [
    "aws:us-east-1",
    "aws:eu-west-1",
    "aws:ap-northeast-1",
    "aws:sa-east-1",
    "aws:us-west-2",
    "aws:eu-central-1",
    "aws:ap-southeast-1",
    "aws:ap-southeast-2",
    "aws:us-east-2",
    "aws:us-west-1",
    "aws:ca-central-1",
    "aws:eu-west-2",
    "aws:eu-west-3",
    "aws:eu-north-1",
    "aws:eu-south-1",
    "aws:ap-south-1",
    "aws:ap-northeast-2",
    "aws:ap-northeast-3",
    "aws:ap-east-1",
    "aws:me-south-1",
    "aws:af-south-1",
    "4.71,-74.07",
    "19.43,-99.13",
    "6.52,3.38",
    "-1.29,36.82",
    "55.75,37.62",
    "41.01,28.98",
    "30.04,31.24",
    "25.20,55.27",
    "-31.95,115.86",
];

const COUNTRIES: [&str; 50] = [
    "US", "CA", "MX", "BR", "AR", "CL", "CO", "PE", "GB", "IE", "FR", "DE", "NL", "BE", "LU", "CH", "AT", "IT", "ES",
    "PT", "DK", "NO", "SE", "FI", "PL", "CZ", "HU", "RO", "BG", "GR", "TR", "RU", "UA", "IN", "PK", "BD", "CN", "JP",
    "KR", "TW", "HK", "SG", "MY", "ID", "TH", "VN", "PH", "AU", "NZ", "ZA",
];

const STATES: [&str; 12] =
    ["US-CA", "US-NY", "US-TX", "US-WA", "US-FL", "US-IL", "CA-ON", "CA-BC", "DE-BY", "DE-HE", "GB-ENG", "AU-NSW"];

fn main() {
    let mut databases: Vec<PathBuf> = Vec::new();
    let mut maps = MAPS;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--database" => databases.push(arguments.next().expect("--database FILE").into()),
            "--maps" => maps = arguments.next().and_then(|n| n.parse().ok()).expect("--maps N"),
            // What cargo gives to every bench.
            _ => {}
        }
    }
    let model = model(maps);
    let context = Context::new(&model);
    let base = memory("VmRSS");
    println!("{:<34} {base:>6.1} MiB resident", "before");

    let (places, spent) = timed(|| rhumb::geo::load(&databases).expect("databases that can be read").0);
    println!(
        "{:<34} {spent}; {} distinct places, {} runs of IPv4, {} of IPv6, {:.1} MiB",
        "databases",
        places.distinct(),
        places.v4().len(),
        places.v6().len(),
        places.bytes() as f64 / MIB,
    );
    println!("{:<34} {:>6.1} MiB resident, peak {:.1}", "", memory("VmRSS"), memory("VmHWM"));

    let (mixed, named): (Vec<_>, Vec<_>) =
        questions(&model).into_iter().partition(|(name, _)| name.starts_with("mixed"));
    // A reload: all of it once more while the first goes on. The first is the steady state.
    let (first, spent) = timed(|| build_all(&mixed, &places, &context, 2));
    println!(
        "{:<34} {spent}; {:.1} MiB of maps",
        format!("{} mixed maps, two threads", first.len()),
        first.iter().map(|regions| regions.map.size()).sum::<usize>() as f64 / MIB,
    );
    let steady = memory("VmRSS");
    reset_peak();
    let again = rhumb::geo::load(&databases).expect("databases that can be read").0;
    let second = build_all(&mixed, &again, &context, 2);
    let peak = memory("VmHWM");
    println!(
        "{:<34} {steady:>6.1} MiB steady, peak {peak:.1} MiB, {:.2} times; {:.2} times above the start",
        "reload",
        peak / steady,
        (peak - base) / (steady - base),
    );
    drop(black_box((again, first, second)));
    let ((), spent) = timed(|| drop(build_all(&mixed, &places, &context, 1)));
    println!("{:<34} {spent}", "the same, one thread");

    for (name, question) in &named {
        let (regions, spent) = timed(|| build(question, &places, &context));
        println!("{name:<34} {spent}; {} regions, {:.1} MiB", regions.count(), regions.map.size() as f64 / MIB,);
        look_up(&regions.map);
    }
}

fn build(question: &Question, places: &Places, context: &Context) -> Regions {
    Regions::build(question, places, context, usize::from(u16::MAX)).expect("a question within limits")
}

fn build_all(questions: &[(String, Question)], places: &Places, context: &Context, threads: usize) -> Vec<Regions> {
    let next = AtomicUsize::new(0);
    let work = || -> Vec<Regions> {
        std::iter::from_fn(|| questions.get(next.fetch_add(1, Ordering::Relaxed)))
            .map(|(_, question)| build(question, places, context))
            .collect()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread without panic")).collect()
    })
}

/// Nanoseconds a look-up: one address again and again, then addresses drawn from everywhere that is in use.
fn look_up(map: &Map) {
    let v4 = |random: u64| {
        IpAddr::from(Ipv4Addr::from(((1 + random as u32 % 222) << 24) | (random >> 32) as u32 & 0x00ff_ff00))
    };
    // Half of them below the blocks of the registries that most networks lie in.
    let v6 = |random: u64| {
        let lead = [0x2001, 0x2400, 0x2405, 0x2600, 0x2606, 0x2804, 0x2a00, 0x2a02][random as usize % 8];
        IpAddr::from(Ipv6Addr::from((lead << 48 | u128::from(random >> 16)) << 64))
    };
    let mut line = String::new();
    for (kind, bits, address) in [("IPv4", 24, &v4 as &dyn Fn(u64) -> IpAddr), ("IPv6", 56, &v6)] {
        let many: Vec<IpAddr> = (1..=LOOKUPS as u64).map(|n| address(spread(n))).collect();
        for (how, addresses) in [("hot", &many[..1]), ("anywhere", &many[..])] {
            let start = Instant::now();
            let mut sum = 0_usize;
            for address in addresses.iter().cycle().take(LOOKUPS) {
                // The next address waits for this answer, as a query waits for its own.
                let leaf = map.client(black_box(*address), bits);
                sum = sum.wrapping_add(usize::from(leaf.region) + usize::from(leaf.depth));
            }
            let each = start.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64;
            write!(line, "{kind} {how} {each:.1} ns, ").expect("memory");
            black_box(sum);
        }
    }
    println!("{:<34} {}", "", line.trim_end_matches(", "));
}

/// Splitmix64: even enough to spread addresses.
fn spread(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// What each name of the zone asks.
fn questions(model: &Model) -> Vec<(String, Question)> {
    let steered = model.zones.iter().flat_map(|zone| &zone.steered);
    let named = steered.map(|steered| {
        let name = steered.owner.to_string();
        (name.trim_end_matches('.').trim_end_matches(".example.com").to_owned(), Question::of(model, steered.route).0)
    });
    named.collect()
}

fn model(mixed: usize) -> Model {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let zones = dir.path().join("zones");
    std::fs::create_dir(&zones).expect("a directory");
    std::fs::write(zones.join("example.com.toml"), zone(mixed)).expect("a file");
    std::fs::write(dir.path().join("latency.csv"), latencies()).expect("a file");
    let server = dir.path().join("rhumb.toml");
    std::fs::write(&server, "[latency]\ntable = \"latency.csv\"\n").expect("a file");
    let overrides = Overrides { zones: Some(zones), ..Overrides::default() };
    let loaded = rhumb::config::load(Some(&server), &overrides);
    loaded.model.unwrap_or_else(|| panic!("a zone without faults: {:?}", loaded.diagnostics))
}

/// A row for every country and state to every label.
fn latencies() -> String {
    let mut table = String::new();
    for (at, client) in COUNTRIES
        .iter()
        .map(|c| format!("country:{c}"))
        .chain(STATES.iter().map(|s| format!("subdivision:{s}")))
        .enumerate()
    {
        for label in 0..10 {
            writeln!(table, "{client},label{label},{}", 10 + spread((at * 10 + label) as u64) % 240).expect("memory");
        }
    }
    table
}

fn zone(mixed: usize) -> String {
    let mut zone = String::from("zone = \"example.com\"\n");
    let mut records = String::from("[records]\n\"@\" = { NS = \"ns1.example.net.\" }\n");
    let mut routes = String::new();
    let mut add = |name: &str, policy: &str, members: &[String]| {
        writeln!(records, "{name} = {{ route = \"{name}\" }}").expect("memory");
        writeln!(routes, "[routes.{name}]\npolicy = \"{policy}\"\nto = [\n  {}\n]", members.join(",\n  "))
            .expect("memory");
    };
    let nearest = |from: usize, count: usize, bias: i32| -> Vec<String> {
        let member = |n: usize| match bias * ((n % 3) as i32 - 1) {
            0 => format!("{{ endpoint = \"e{}\" }}", (from + n) % SITES.len()),
            bias => format!("{{ endpoint = \"e{}\", bias = {bias} }}", (from + n) % SITES.len()),
        };
        (0..count).map(member).collect()
    };
    let by = |places: &[String]| -> Vec<String> {
        let member =
            |(n, place): (usize, &String)| format!("{{ where = \"{place}\", endpoint = \"e{}\" }}", n % SITES.len());
        places.iter().enumerate().map(member).collect()
    };
    let continents = ["EU", "AS", "SA"].map(|c| format!("continent:{c}"));
    let default = || std::iter::once("default".to_owned());
    let countries =
        COUNTRIES.iter().map(|c| format!("country:{c}")).chain(STATES.iter().map(|s| format!("subdivision:{s}")));
    let networks = |seed: u64, count: u64, longest: u8| {
        let mut rules: Vec<String> = (0..count)
            .map(|n| {
                let random = spread(seed << 32 | n);
                let bits = 12 + (random >> 40) as u8 % (longest - 11);
                let address = Ipv4Addr::from(
                    ((11 + random as u32 % 100) << 24 | (random >> 16) as u32 & 0x00ff_ffff) >> (32 - bits)
                        << (32 - bits),
                );
                format!("net:{address}/{bits}")
            })
            .collect();
        rules.sort_unstable();
        rules.dedup();
        rules.into_iter().chain(default()).collect::<Vec<String>>()
    };
    add("continents", "geolocation", &by(&continents.iter().cloned().chain(default()).collect::<Vec<_>>()));
    add("countries", "geolocation", &by(&countries.clone().chain(default()).collect::<Vec<_>>()));
    add("nearest8", "geoproximity", &nearest(0, 8, 0));
    add("nearest30", "geoproximity", &nearest(0, 30, 0));
    add("biased30", "geoproximity", &nearest(0, 30, 25));
    add("latency10", "latency", &nearest(0, 10, 0));
    add("networks", "ip", &by(&networks(0, 200, 24)));
    add("long-networks", "ip", &by(&networks(1, 200, 30)));
    for n in 0..mixed {
        let name = format!("mixed{n}");
        let count = 3 + n / 5 % 8;
        match n % 5 {
            0 | 1 => add(&name, "geoproximity", &nearest(n, count, 0)),
            2 => {
                let some = countries
                    .clone()
                    .filter(|place| spread(n as u64) >> (place.len() + place.as_bytes()[8] as usize % 40) & 1 == 0);
                add(
                    &name,
                    "geolocation",
                    &by(&continents.iter().cloned().chain(some).chain(default()).collect::<Vec<_>>()),
                );
            }
            3 => add(&name, "latency", &nearest(n, count, 0)),
            _ => add(&name, "geoproximity", &nearest(n, count, 1 + n as i32 / 5)),
        }
    }
    zone += &records;
    for (n, at) in SITES.iter().enumerate() {
        writeln!(zone, "[endpoints.e{n}]\nA = \"192.0.2.{}\"\nat = \"{at}\"", n + 1).expect("memory");
        if n < 10 {
            writeln!(zone, "region = \"label{n}\"").expect("memory");
        }
    }
    zone + &routes
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, String) {
    let (start, before) = (Instant::now(), processor_time());
    let done = work();
    let (wall, used) = (start.elapsed(), processor_time() - before);
    (done, format!("{:>7.1} ms, {:>7.1} ms of processor", wall.as_secs_f64() * 1e3, used.as_secs_f64() * 1e3))
}

/// Of all threads, in the kernel and out of it, in steps of a hundredth of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before may hold spaces and stands in brackets; these are the 14th and 15th fields.
    let fields = stat.rsplit(')').next().into_iter().flat_map(str::split_ascii_whitespace);
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// A line of the process's status, in MiB.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(line));
    let kib = line.and_then(|l| l.trim_start_matches(':').split_ascii_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// The peak counts from here on.
fn reset_peak() {
    let reset = std::fs::write("/proc/self/clear_refs", "5");
    if let Err(refused) = reset {
        println!("the peak below is of the whole run: {refused}");
    }
}
