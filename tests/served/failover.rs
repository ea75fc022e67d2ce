//! A broken endpoint leaves the answers in time and comes back, and nobody goes without an answer meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Client, Mode, SOON, Seen, Site, Web, eventually, web};
use crate::harness::{Ask, zone};

/// Between two queries: about a thousand a second.
const PACE: Duration = Duration::from_millis(1);
/// A client's patience; longer than any pause of a machine under load, shorter than a test.
const PATIENCE: Duration = Duration::from_secs(5);
/// No load runs longer.
const LONGEST: Duration = Duration::from_secs(60);

const INTERVAL: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(200);
const FALL: u32 = 2;
const RISE: u32 = 2;
/// Starts of probes are late by up to this share of the interval.
const JITTER: f64 = 0.1;

/// What a load has seen.
#[derive(Default)]
struct Record {
    answers: Vec<(Instant, String)>,
    faults: Vec<String>,
}

/// A steady load on one name until stopped.
struct Load {
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(server: SocketAddr, ask: &Ask) -> Self {
        let (stop, record) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Record::default())));
        let mut query = ask.bytes();
        let (ends, notes) = (Arc::clone(&stop), Arc::clone(&record));
        let thread = thread::spawn(move || {
            let client = Client::of(server).timeout(PATIENCE);
            let mut seen = Seen::default();
            let begun = Instant::now();
            for number in 0u32.. {
                let due = PACE * number;
                if ends.load(Ordering::Relaxed) || begun.elapsed() > LONGEST {
                    return;
                }
                thread::sleep(due.saturating_sub(begun.elapsed()));
                query[..2].copy_from_slice(&(number as u16).to_be_bytes());
                let reply = client.exchange(&query);
                let now = Instant::now();
                let mut notes = notes.lock().unwrap();
                match reply {
                    Err(error) => notes.faults.push(format!("query {number} after {:?}: {error}", begun.elapsed())),
                    Ok(bytes) if bytes[..2] != query[..2] => {
                        notes.faults.push(format!("query {number}: a stray reply"))
                    }
                    Ok(bytes) => {
                        let reply = seen.read(&bytes);
                        let answer = reply.sorted().join(" ");
                        if reply.rcode != 0 || answer.is_empty() {
                            notes.faults.push(format!("query {number} after {:?}: {reply:?}", begun.elapsed()));
                        }
                        notes.answers.push((now, answer));
                    }
                }
            }
        });
        Self { stop, record, thread }
    }

    /// Whether an address was answered since.
    fn has_seen(&self, address: &str, since: Instant) -> bool {
        let record = self.record.lock().unwrap();
        record.answers.iter().rev().take_while(|(at, _)| *at > since).any(|(_, answer)| answer == address)
    }

    fn end(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        std::mem::take(&mut self.record.lock().unwrap())
    }
}

/// One name that four endpoints share evenly.
fn site(webs: &[(&str, &Web)]) -> Site {
    let endpoints: String = webs
        .iter()
        .map(|(name, web)| format!("[endpoints.{name}]\nA = \"{}\"\ncheck = \"{name}\"\n", web.address.ip()))
        .collect();
    let names: Vec<String> = webs.iter().map(|(name, _)| format!("{{ endpoint = {name:?} }}")).collect();
    let (interval, timeout) = (INTERVAL.as_millis(), TIMEOUT.as_millis());
    let lines = format!("interval = \"{interval}ms\"\ntimeout = \"{timeout}ms\"\nfall = {FALL}\nrise = {RISE}");
    let checks = web::checks(webs.iter().copied(), &lines);
    let route = format!("[routes.even]\npolicy = \"weighted\"\nto = [ {} ]\n", names.join(", "));
    Site::with_zone("", &zone("even = { route = \"even\", ttl = 1 }", &(endpoints + &checks + &route)))
}

#[test]
fn a_broken_endpoint_leaves_in_time_and_returns_after_rise_and_no_query_goes_without_an_answer() {
    let webs = ["127.64.1.1", "127.64.1.2", "127.64.1.3", "127.64.1.4"].map(Web::start);
    let names = ["one", "two", "three", "four"];
    let named: Vec<(&str, &Web)> = names.into_iter().zip(&webs).collect();
    let server = site(&named).start();
    server.until(&names, "up");
    let load = Load::start(server.dns, &Ask::a("even.example.com."));
    let begun = Instant::now();
    let mut breaks = Vec::new();
    for (&(name, web), mode) in named.iter().zip([Mode::Refuse, Mode::Hang, Mode::Status500]) {
        let address = web.address.ip().to_string();
        eventually(SOON, "the load gets it", || load.has_seen(&address, begun).then_some(()));
        let broken = Instant::now();
        web.set(mode);
        server.until(&[name], "down");
        // Long enough for a late answer to show.
        let gone = Instant::now();
        eventually(SOON, "others are answered", || (gone.elapsed() > INTERVAL).then_some(()));
        let mended = Instant::now();
        web.set(Mode::Well);
        eventually(SOON, &format!("{name} returns"), || load.has_seen(&address, mended).then_some(()));
        breaks.push((mode, address, broken, mended));
    }
    let took = begun.elapsed();
    let record = load.end();
    assert!(record.faults.is_empty(), "{} faults, such as {}", record.faults.len(), record.faults[0]);
    let rate = record.answers.len() as f64 / took.as_secs_f64();
    assert!(rate > 200.0, "a load of {rate:.0} queries a second shows little");
    for (mode, address, broken, mended) in breaks {
        let of_it = || record.answers.iter().filter(|(_, answer)| *answer == address).map(|(at, _)| *at);
        let last = of_it().rfind(|at| *at < mended).unwrap();
        let within = INTERVAL * FALL + TIMEOUT + Duration::from_secs(1);
        let left = last.saturating_duration_since(broken);
        assert!(left <= within, "{mode:?}: answered for {left:?} after it broke, where {within:?} are allowed");
        let back = of_it().find(|at| *at > mended).unwrap() - mended;
        let latest = INTERVAL * RISE + TIMEOUT + Duration::from_secs(1);
        assert!(back <= latest, "{mode:?}: back {back:?} after it was mended, where {latest:?} are allowed");
        let earliest = INTERVAL.mul_f64(1.0 - JITTER) * (RISE - 1);
        assert!(back >= earliest, "{mode:?}: back after {back:?}, before {RISE} probes can have passed");
    }
}

#[test]
fn g4_with_everything_broken_everything_is_answered() {
    let webs = ["127.64.2.1", "127.64.2.2"].map(Web::start);
    let named: Vec<(&str, &Web)> = ["one", "two"].into_iter().zip(&webs).collect();
    let server = site(&named).start();
    server.until(&["one", "two"], "up");
    let load = Load::start(server.dns, &Ask::a("even.example.com."));
    webs[0].set(Mode::Refuse);
    server.until(&["one"], "down");
    webs[1].set(Mode::Hang);
    server.until(&["two"], "down");
    let open = Instant::now();
    for web in &webs {
        let address = web.address.ip().to_string();
        eventually(SOON, "both are answered", || load.has_seen(&address, open).then_some(()));
    }
    let record = load.end();
    assert!(record.faults.is_empty(), "{} faults, such as {}", record.faults.len(), record.faults[0]);
}
