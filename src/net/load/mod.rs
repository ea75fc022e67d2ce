//! A load generator: queries to a server over UDP, as fast as it answers or at a fixed rate, and what came back when.
//!
//! Comes in: [`Queries`] and a [`Load`]; goes out: a [`Report`]. Closed, a window of queries is kept outstanding on each
//! socket, which finds how much a server can do. Open, queries leave by the clock whether or not earlier ones were
//! answered, so that a server that stalls shows in the latencies of all that came meanwhile and not in one.
//! Invariants: latency is from the call that sends a burst to the call that finds the reply; the generator's own
//! lateness is told beside and never hidden in it; every query that was sent is answered or lost at the end.

mod burst;
mod flow;
mod histogram;
mod queries;

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

pub use histogram::Histogram;
pub use queries::{Queries, QueryError};

use super::poller::Poller;
use crate::threads;
use burst::{BURST, Burst};
use flow::Flow;

/// Below this many free places a burst waits for more, unless nothing is outstanding.
const WORTHWHILE: usize = BURST / 4;
/// Nanoseconds from one look for what is overdue to the next.
const SWEEP: u64 = 10_000_000;

/// How queries leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many outstanding on each socket, always.
    Closed(usize),
    /// So many a second in all, whatever comes back.
    Open(f64),
}

impl Pace {
    /// How long a reply is waited for, unless there is a reason to choose: at full speed a server answers in a few
    /// milliseconds or never, and the window is short of a place meanwhile; at a fixed rate nothing waits, so that late
    /// replies are still told as late.
    pub fn patience(self) -> Duration {
        match self {
            Self::Closed(_) => Duration::from_millis(200),
            Self::Open(_) => Duration::from_secs(2),
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// Who is asked.
    pub server: SocketAddr,
    /// How fast.
    pub pace: Pace,
    /// How long queries are sent.
    pub time: Duration,
    /// How long each may take; without a reply until then it is lost.
    pub patience: Duration,
    /// Sockets of each thread, at least 1.
    pub sockets: usize,
    /// One thread for each, pinned to that CPU if it is said.
    pub threads: Vec<Option<usize>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How long queries were sent.
    pub elapsed: Duration,
    /// Queries that left.
    pub sent: u64,
    /// Queries that were answered in time.
    pub answered: u64,
    /// Queries that were not.
    pub lost: u64,
    /// Replies to nothing that was open: too late, or doubled.
    pub stray: u64,
    /// Replies by the four bits of their response code.
    pub rcodes: [u64; 16],
    /// Replies that say that they were cut.
    pub truncated: u64,
    /// Octets of all replies.
    pub octets: u64,
    /// From sending to the reply.
    pub latency: Histogram,
    /// At a fixed rate: how much later than planned each query left, which is the generator's own fault.
    pub lateness: Histogram,
}

impl Report {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Adds what another load did; the longer time counts.
    pub fn merge(&mut self, other: &Self) {
        self.elapsed = self.elapsed.max(other.elapsed);
        self.sent += other.sent;
        self.answered += other.answered;
        self.lost += other.lost;
        self.stray += other.stray;
        for (code, more) in self.rcodes.iter_mut().zip(other.rcodes) {
            *code += more;
        }
        self.truncated += other.truncated;
        self.octets += other.octets;
        self.latency.merge(&other.latency);
        self.lateness.merge(&other.lateness);
    }
}

impl Load {
    /// Asks, and returns when the time is over and every reply has come or is lost.
    ///
    /// # Errors
    /// There is nothing to ask, or the system refuses a socket or a thread.
    pub fn run(&self, queries: &Queries) -> io::Result<Report> {
        if queries.is_empty() || self.threads.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is nothing to ask"));
        }
        let mut whole = Report::default();
        thread::scope(|scope| {
            let apart = queries.len() / self.threads.len();
            let running: Vec<_> = self
                .threads
                .iter()
                .enumerate()
                .map(|(number, &cpu)| {
                    let queries = queries.from(number * apart);
                    thread::Builder::new().name("load".into()).spawn_scoped(scope, move || {
                        // With a processor of its own it stays on it: a thread that yields stands behind whatever goes
                        // second there. Else the server is let in.
                        let gives_way = cpu.is_none() || threads::allowed().len() < 2;
                        if let Some(cpu) = cpu {
                            threads::pin_this_thread(cpu)?;
                        }
                        // What it measures is the server's lateness, and not its own.
                        threads::take_short_turns();
                        Generator::new(self, queries, gives_way)?.run()
                    })
                })
                .collect();
            for thread in running {
                match thread?.join() {
                    Ok(report) => whole.merge(&report?),
                    Err(_) => return Err(io::Error::other("a generator panicked")),
                }
            }
            Ok(whole)
        })
    }
}

/// One thread of a load.
struct Generator<'a> {
    load: &'a Load,
    queries: Queries,
    flows: Vec<Flow>,
    /// Of the flows, by their place.
    poller: Poller,
    burst: Burst,
    report: Report,
    begun: Instant,
    /// Whether others may run while there is nothing to do.
    gives_way: bool,
}

impl<'a> Generator<'a> {
    fn new(load: &'a Load, queries: Queries, gives_way: bool) -> io::Result<Self> {
        let flows: Vec<Flow> = (0..load.sockets.max(1)).map(|_| Flow::new(load.server)).collect::<io::Result<_>>()?;
        let poller = Poller::new()?;
        for (place, flow) in flows.iter().enumerate() {
            poller.add(flow.socket(), place as u64)?;
        }
        let (burst, report) = (Burst::new(), Report::default());
        Ok(Self { load, queries, flows, poller, burst, report, begun: Instant::now(), gives_way })
    }

    fn run(mut self) -> io::Result<Report> {
        self.begun = Instant::now();
        match self.load.pace {
            Pace::Closed(window) => self.closed(window.max(1))?,
            Pace::Open(rate) => self.open(rate / self.load.threads.len() as f64)?,
        }
        self.report.elapsed = self.begun.elapsed();
        self.drain()?;
        Ok(self.report)
    }

    /// Nanoseconds since the start, never 0.
    fn now(&self) -> u64 {
        nanoseconds(self.begun)
    }

    /// What was sent before is waited for no longer.
    fn overdue(&self) -> u64 {
        self.now().saturating_sub(self.load.patience.as_nanos() as u64)
    }

    fn is_over(&self, now: u64) -> bool {
        u128::from(now) >= self.load.time.as_nanos()
    }

    fn closed(&mut self, window: usize) -> io::Result<()> {
        let mut next_sweep = SWEEP;
        loop {
            let now = self.now();
            if self.is_over(now) {
                return Ok(());
            }
            if now > next_sweep {
                next_sweep = now + SWEEP;
                self.expire(self.overdue());
            }
            let mut has_moved = false;
            for flow in &mut self.flows {
                has_moved |= flow.receive(&mut self.burst, || nanoseconds(self.begun), &mut self.report)? > 0;
                let room = window.saturating_sub(flow.outstanding).min(BURST);
                if room >= WORTHWHILE.min(window) || flow.outstanding == 0 {
                    let now = nanoseconds(self.begun);
                    has_moved |= flow.send(&mut self.burst, room, &mut self.queries, now, &mut self.report)? > 0;
                }
            }
            if !has_moved {
                self.wait(Duration::from_nanos(SWEEP))?;
            }
        }
    }

    fn open(&mut self, rate: f64) -> io::Result<()> {
        let every = 1e9 / rate.max(1e-3);
        let (mut planned, mut turn, mut next_sweep) = (0u64, 0, SWEEP);
        loop {
            let now = self.now();
            if self.is_over(now) {
                return Ok(());
            }
            let due = ((now as f64 / every) as u64 + 1).saturating_sub(planned);
            if due > 0 {
                let count = (due as usize).min(BURST);
                let flow = &mut self.flows[turn];
                turn = (turn + 1) % self.load.sockets.max(1);
                let sent = flow.send(&mut self.burst, count, &mut self.queries, now, &mut self.report)?;
                for number in planned..planned + sent as u64 {
                    self.report.lateness.record(now.saturating_sub((number as f64 * every) as u64));
                }
                planned += sent as u64;
            }
            // Without a wait: the clock is what is waited for, and sleep is too coarse for it.
            let has_moved = self.wait(Duration::ZERO)?;
            if now > next_sweep {
                next_sweep = now + SWEEP;
                self.expire(self.overdue());
            }
            if !has_moved && due == 0 && self.gives_way {
                thread::yield_now();
            }
        }
    }

    /// Takes what still comes; what does not is lost.
    fn drain(&mut self) -> io::Result<()> {
        let until = Instant::now() + self.load.patience;
        while self.flows.iter().any(|flow| flow.outstanding > 0) && Instant::now() < until {
            self.wait(Duration::from_millis(10))?;
        }
        self.expire(u64::MAX);
        Ok(())
    }

    /// Takes the replies that are there, at first waiting for one; whether there was any.
    fn wait(&mut self, time: Duration) -> io::Result<bool> {
        let mut has_any = false;
        for at in 0..self.poller.wait(time)? {
            let flow = &mut self.flows[self.poller.number(at) as usize];
            has_any |= flow.receive(&mut self.burst, || nanoseconds(self.begun), &mut self.report)? > 0;
        }
        Ok(has_any)
    }

    fn expire(&mut self, then: u64) {
        for flow in &mut self.flows {
            flow.expire(then, &mut self.report);
        }
    }
}

fn nanoseconds(since: Instant) -> u64 {
    since.elapsed().as_nanos() as u64 | 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::UdpSocket;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const QUERIES: &str = "a.example A\nb.example A 10.0.0.0/8";

    fn load(server: SocketAddr, pace: Pace, milliseconds: u64) -> Report {
        let time = Duration::from_millis(milliseconds);
        let load =
            Load { server, pace, time, patience: Duration::from_millis(200), sockets: 2, threads: vec![None, None] };
        load.run(&Queries::parse(QUERIES).unwrap()).unwrap()
    }

    /// Runs `ask` beside a server that answers each query `n` as `reply(n)` says: nothing, or with that code.
    fn beside(reply: impl Fn(u64) -> Option<u8> + Sync, ask: impl FnOnce(SocketAddr) -> Report) -> Report {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = [0; 512];
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let Ok((len, from)) = server.recv_from(&mut buffer) else { continue };
                    if let Some(code) = reply(number) {
                        buffer[3] = code;
                        server.send_to(&buffer[..len], from).unwrap();
                    }
                    number += 1;
                }
            });
            let report = ask(server.local_addr().unwrap());
            stop.store(true, Ordering::Relaxed);
            report
        })
    }

    #[test]
    fn closed_every_query_is_answered_and_its_code_counted() {
        let report = beside(|_| Some(3), |server| load(server, Pace::Closed(8), 100));
        assert!(report.sent > 8 && report.rate() > 0.0, "{report:?}");
        assert_eq!((report.answered, report.lost, report.stray), (report.sent, 0, 0));
        assert_eq!(report.rcodes[3], report.answered);
        assert_eq!(report.latency.total(), report.answered);
    }

    #[test]
    fn open_queries_leave_by_the_clock_though_none_is_answered() {
        let report = beside(|_| None, |server| load(server, Pace::Open(1000.0), 200));
        // 0.2 s of 1,000 a second, the first of each thread at once; a machine under load may send the last ones late.
        assert!((1..=202).contains(&report.sent), "{}", report.sent);
        assert_eq!((report.answered, report.lost), (0, report.sent));
        assert_eq!(report.lateness.total(), report.sent);
    }

    #[test]
    fn what_is_sent_is_answered_or_lost() {
        let report = beside(|number| (number % 3 > 0).then_some(0), |server| load(server, Pace::Closed(4), 300));
        assert!(report.lost > 0 && report.answered > 0);
        assert_eq!(report.sent, report.answered + report.lost);
    }

    #[test]
    fn nothing_to_ask_is_an_error() {
        let load = Load {
            server: ([127, 0, 0, 1], 1).into(),
            pace: Pace::Closed(1),
            time: Duration::ZERO,
            patience: Duration::ZERO,
            sockets: 1,
            threads: vec![None],
        };
        assert!(load.run(&Queries::default()).is_err());
    }
}
