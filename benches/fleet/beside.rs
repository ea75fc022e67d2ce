//! What a fleet's clients notice of a server's other work, through sockets: latencies at half of what it can do, at
//! rest and while zones and health change; and how long a flip takes from the endpoint's word to the answer.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RData;
use rhumb::net::load::{Load, Pace, Queries, Report};
use rhumb::threads::{self, Second, go_second};

use super::generator::{Checks, Fleet};
use super::targets::Targets;
use crate::started::Started;

/// Names of the zone that is edited each second.
const EDITED: usize = 10_000;
/// Names of the zone that is loaded meanwhile.
const LOADED: usize = 1_000_000;
/// Names of the zone that is edited beside that one.
const SMALL: usize = 1000;
/// How long closed loops run that find what the server can do.
const FULL_SPEED: Duration = Duration::from_secs(3);
/// Outstanding queries of those.
const WINDOW: usize = 256;
/// How long each round of a row takes.
const ROUND: Duration = Duration::from_secs(8);
/// How long checks settle, one interval and a little.
const SETTLED: Duration = Duration::from_secs(12);
/// How long a change may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at an answer that is to change.
const LOOK: Duration = Duration::from_micros(200);

/// Measures and prints.
pub(crate) fn run(mut fleet: Fleet, rounds: usize, flips: usize) {
    let queries = |dir: &Path| {
        let text = fs::read_to_string(dir.join("steered.q")).expect("questions");
        Queries::parse(&text).expect("questions that can be asked")
    };
    println!("{}", row("meanwhile", ["q/s", "lost", "p50 µs", "p99 ms", "p99.9 ms", "most ms", "sent late, p99.9 ms"]));

    fleet.checks = Checks::None;
    let dir = prepare(&fleet);
    let server = Serving::of(dir.path(), queries(dir.path()));
    let mut edited = Edited::new(dir.path(), "edited.example", EDITED);
    let mut small = Edited::new(dir.path(), "small.example", SMALL);
    let mut loaded = Edited::new(dir.path(), "loaded.example", LOADED);
    loaded.edit(&server);
    let mut rows: [Vec<Report>; 4] = Default::default();
    for _ in 0..rounds {
        rows[0].push(server.load());
        rows[1].push(server.load_while(|stop| edited.edit_each_second(&server, stop)));
        rows[2].push(server.load_while(|stop| loaded.edit_all_the_time(&server, stop)));
        rows[3].push(server.load_while(|stop| small.edit_each_second(&server, stop)));
    }
    say("nothing", server.rate, &rows[0]);
    say(&format!("a zone of {EDITED} names is edited each second, {} times", edited.edits), server.rate, &rows[1]);
    say(&format!("a zone of {LOADED} names is loaded, {} times", loaded.edits), server.rate, &rows[2]);
    say(&format!("a zone of {SMALL} is edited each second, {} times", small.edits), server.rate, &rows[3]);
    drop((server, dir));

    // With checks endpoints have addresses in 127.64.0.0/10.
    (fleet.checks, fleet.dead, fleet.hasty) = (Checks::Http, 0, true);
    let (targets, port) = Targets::start(fleet.address(0), fleet.endpoints);
    fleet.port = port;
    let dir = prepare(&fleet);
    let server = Serving::of(dir.path(), queries(dir.path()));
    thread::sleep(SETTLED);
    let mut rows: [Vec<Report>; 2] = Default::default();
    let mut told = 0;
    for _ in 0..rounds {
        targets.alternate(false);
        thread::sleep(SETTLED);
        rows[0].push(server.load());
        targets.alternate(true);
        thread::sleep(SETTLED);
        let before = targets.asked();
        rows[1].push(server.load());
        told += targets.asked() - before;
    }
    targets.alternate(false);
    say(&format!("{} endpoints are checked each 10 s", fleet.endpoints), server.rate, &rows[0]);
    let flipped = told as f64 / (ROUND.as_secs_f64() * rounds as f64);
    say(&format!("so, and each check flips its endpoint: {flipped:.0} flips a second"), server.rate, &rows[1]);
    thread::sleep(SETTLED);
    flip(&fleet, &server, &targets, flips);
}

/// A directory with the fleet and the server's settings.
fn prepare(fleet: &Fleet) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fleet.write(dir.path()).expect("a directory that can be written");
    let file = dir.path().join("rhumb.toml");
    let text = fs::read_to_string(&file).expect("the server file");
    let listen = "[listen]\ndns = [\"127.0.0.1:0\"]\nadmin = \"unix:admin.sock\"\n";
    fs::write(&file, format!("workers = 1\npin_workers = true\n{text}{listen}")).expect("the server file");
    dir
}

/// A server, the questions for it, and half of what it can do.
struct Serving {
    _started: Started,
    address: SocketAddr,
    queries: Queries,
    rate: f64,
}

impl Serving {
    fn of(dir: &Path, queries: Queries) -> Self {
        let started = Started::within(dir);
        let address = started.address("dns");
        let mut serving = Self { _started: started, address, queries, rate: 0.0 };
        serving.rate = serving.run(Pace::Closed(WINDOW), FULL_SPEED).rate() / 2.0;
        serving
    }

    fn run(&self, pace: Pace, time: Duration) -> Report {
        // The server's worker has the first processor.
        let generator = threads::allowed().last().copied();
        let (server, patience) = (self.address, pace.patience());
        let load = Load { server, pace, time, patience, sockets: 4, threads: vec![generator] };
        load.run(&self.queries).expect("a load")
    }

    /// A round at half of what the server can do.
    fn load(&self) -> Report {
        self.run(Pace::Open(self.rate), ROUND)
    }

    /// So, while `beside` does something until it is told to stop.
    fn load_while(&self, beside: impl FnOnce(&AtomicBool) + Send) -> Report {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| beside(&stop));
            let report = self.load();
            stop.store(true, Ordering::Relaxed);
            report
        })
    }

    /// What is answered to a name's A question: its code and addresses.
    fn ask(&self, name: &str) -> (ResponseCode, Vec<Ipv4Addr>) {
        let queries = Queries::parse(&format!("{name} A")).expect("a question");
        self.answer(queries.iter().next().expect("a question"))
    }

    fn answer(&self, query: &[u8]) -> (ResponseCode, Vec<Ipv4Addr>) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(self.address).expect("loopback");
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        let mut reply = [0; 1232];
        let mut ask = || {
            socket.send(query).expect("sent");
            socket.recv(&mut reply).ok()
        };
        // One may be lost under such a load.
        let len = ask().or_else(&mut ask).expect("a reply");
        let reply = Message::from_vec(&reply[..len]).expect("a message");
        let address = |data: &RData| if let RData::A(address) = data { Some(address.0) } else { None };
        (reply.metadata.response_code, reply.answers.iter().filter_map(|record| address(&record.data)).collect())
    }

    /// Waits until a name has this address.
    fn wait_for(&self, name: &str, address: Ipv4Addr) {
        let begun = Instant::now();
        while self.ask(name).1 != [address] {
            assert!(begun.elapsed() < PATIENCE, "{name} does not become {address}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An edit's number as an address.
fn numbered(edit: u32) -> Ipv4Addr {
    (0x0a00_0000 | edit).into()
}

/// A zone that is edited again and again. Whoever edits is elsewhere, or at least no server's business: two forms of its
/// master file lie ready, and an edit writes a few octets and gives one of them its name.
struct Edited {
    zones: PathBuf,
    apex: String,
    forms: [PathBuf; 2],
    edits: u32,
}

impl Edited {
    /// A zone of so many names beside those that are there.
    fn new(dir: &Path, apex: &str, names: usize) -> Self {
        let zones = dir.join("zones");
        let toml =
            format!("zone = \"{apex}\"\nimport = \"{apex}.zone\"\n[records]\n\"@\" = {{ NS = \"ns.example.net.\" }}\n");
        let lines: String = (0..names).map(|name| format!("h{name} A {}\n", numbered(name as u32))).collect();
        let forms = [0, 1].map(|form| dir.join(format!("{apex}.{form}")));
        for form in &forms {
            fs::write(form, format!("{}{lines}", head(apex, 0))).expect("a master file");
        }
        let edited = Self { zones, apex: apex.to_owned(), forms, edits: 0 };
        edited.name(&edited.forms[0]);
        fs::write(edited.zones.join(format!("{apex}.toml")), toml).expect("a zone file");
        edited
    }

    /// Gives a form the name that the zone's file imports.
    fn name(&self, form: &Path) {
        let new = self.zones.join(".new");
        fs::hard_link(form, &new).expect("a second name");
        fs::rename(new, self.zones.join(format!("{}.zone", self.apex))).expect("its name");
    }

    /// One edit; returns once it is served.
    fn edit(&mut self, server: &Serving) {
        self.edits += 1;
        let form = &self.forms[self.edits as usize % 2];
        let mut file = fs::OpenOptions::new().write(true).open(form).expect("the form");
        file.write_all(head(&self.apex, self.edits).as_bytes()).expect("the head");
        drop(file);
        self.name(form);
        server.wait_for(&format!("edit.{}", self.apex), numbered(self.edits));
    }

    fn edit_each_second(&mut self, server: &Serving, stop: &AtomicBool) {
        go_second(Second::Whenever);
        let begun = Instant::now();
        let mut due = Duration::ZERO;
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_sub(begun.elapsed()).min(Duration::from_millis(50)));
            if begun.elapsed() >= due {
                due += Duration::from_secs(1);
                self.edit(server);
            }
        }
    }

    fn edit_all_the_time(&mut self, server: &Serving, stop: &AtomicBool) {
        go_second(Second::Whenever);
        while !stop.load(Ordering::Relaxed) {
            self.edit(server);
        }
    }
}

/// The head of a master file, equally long for each edit.
fn head(apex: &str, edit: u32) -> String {
    format!("$ORIGIN {apex}.\n$TTL 300\nedit A {:<15}\n", numbered(edit).to_string())
}

/// Flips the endpoint in every route, and tells how long after its word an answer that had it has another.
fn flip(fleet: &Fleet, server: &Serving, targets: &Arc<Targets>, flips: usize) {
    let first = fleet.address(0);
    let asked = fleet.steered_by_distance().flat_map(|name| {
        ["81.2.69.0/24", "8.8.8.0/24", "133.11.0.0/24", "200.160.0.0/24", "196.25.1.0/24", "1.128.0.0/24"]
            .map(|network| format!("{name} A {network}"))
    });
    let has_first = |query: &[u8]| server.answer(query).1 == [first];
    let query = asked
        .map(|line| Queries::parse(&line).expect("a question"))
        .find(|queries| queries.iter().next().is_some_and(has_first))
        .expect("a client whom the first endpoint is nearest to");
    let query = query.iter().next().expect("a question");
    let mut took: Vec<Duration> = (0..flips)
        .map(|flip| {
            let down = flip % 2 == 0;
            targets.flip_first(down);
            let begun = Instant::now();
            loop {
                let changed = has_first(query) != down;
                let now = Instant::now();
                if let Some(told) = targets.first_told().filter(|_| changed) {
                    return now.saturating_duration_since(told);
                }
                assert!(begun.elapsed() < PATIENCE, "the answer does not change");
                thread::sleep(LOOK);
            }
        })
        .collect();
    took.sort();
    let ms = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    println!(
        "the endpoint in all {} routes flips: from its word to the answer {:.0} ms, {:.0} at most, of {flips}",
        fleet.routes,
        ms(50),
        ms(100)
    );
}

fn row(title: &str, columns: [&str; 7]) -> String {
    let columns: Vec<String> = columns.map(|column| format!("{column:>9}")).into();
    format!("{title:68} {}", columns.join(" "))
}

/// A row of what the rounds came to: all that were lost, and of each latency the median of the rounds. Where others have
/// parts of the same machine, one round in some has figures that are theirs.
fn say(title: &str, rate: f64, rounds: &[Report]) {
    let median = |of: &dyn Fn(&Report) -> Duration| {
        let mut all: Vec<Duration> = rounds.iter().map(of).collect();
        all.sort();
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1000.0);
    let columns = [
        format!("{rate:.0}"),
        rounds.iter().map(|report| report.lost).sum::<u64>().to_string(),
        median(&|report| report.latency.quantile(0.5)).as_micros().to_string(),
        ms(median(&|report| report.latency.quantile(0.99))),
        ms(median(&|report| report.latency.quantile(0.999))),
        ms(median(&|report| report.latency.longest())),
        ms(median(&|report| report.lateness.quantile(0.999))),
    ];
    println!("{}", row(title, columns.each_ref().map(String::as_str)));
}
