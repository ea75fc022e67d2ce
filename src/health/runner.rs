//! One probe as it runs: waits for its time, finds the address, asks, takes note. A task each, so that a slow target
//! delays no other (H8).

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Verdict;
use super::gate::Gate;
use super::probe::{self, Ask, Build, Outcome, Stage};
use super::report;
use super::report::{Tally, unix_ms};
use super::resolve::{Names, Unresolved};
use super::schedule::Rhythm;
use super::state::{Event, Machine, Thresholds};
use super::store::Kept;
use super::table::lock;
use crate::config::model::{Check, ProbeId, Subject};
use crate::world;

/// Addresses of one name that are tried in one run, when nothing comes as far as the first ones.
const ADDRESSES_TRIED: usize = 4;

/// What all probes share.
pub(super) struct Shared {
    kinds: Arc<dyn Build>,
    pub(super) names: Arc<Names>,
    gate: Gate,
    pub(super) tally: Tally,
    /// Probes whose verdict has changed since somebody looked, each once.
    changed: Mutex<Vec<Arc<Cell>>>,
    /// Counts up with every change of a verdict, after it can be seen in `changed`.
    pub(super) changes: watch::Sender<u64>,
    /// Something is to be kept.
    pub(super) unkept: Notify,
    /// Time zero of the schedule.
    began: Instant,
    seed: u64,
}

impl Shared {
    /// Time begins now; must be called inside the runtime that the probes run on.
    pub(super) fn new(kinds: Arc<dyn Build>, names: Arc<Names>, gate: Gate, seed: u64) -> Self {
        Self {
            kinds,
            names,
            gate,
            tally: Tally::default(),
            changed: Mutex::default(),
            changes: watch::Sender::new(0),
            unkept: Notify::new(),
            began: Instant::now(),
            seed,
        }
    }

    /// The probes whose verdict has changed since the last time. Their verdicts are to be read after this.
    pub(super) fn take_changed(&self) -> Vec<Arc<Cell>> {
        let changed = std::mem::take(&mut *lock(&self.changed));
        for cell in &changed {
            // Whoever finds it noted until here changed the verdict before: what is read from here on has that change.
            cell.is_noted.swap(false, Ordering::AcqRel);
        }
        changed
    }

    fn note(&self, cell: &Arc<Cell>) {
        if !cell.is_noted.swap(true, Ordering::AcqRel) {
            lock(&self.changed).push(Arc::clone(cell));
        }
        self.changes.send_modify(|count| *count += 1);
        self.unkept.notify_one();
    }
}

/// What a probe is, as far as running it goes. Two that are equal run alike.
#[derive(Debug, PartialEq)]
pub(super) struct Spec {
    pub(super) key: Arc<str>,
    pub(super) definition: u64,
    pub(super) check: Arc<Check>,
    pub(super) subject: Subject,
}

/// What is known of a probe; outlives its task when only the times of its check change.
#[derive(Debug)]
pub(super) struct Cell {
    live: Mutex<Live>,
    pub(super) tally: Tally,
    /// Which probe of the model it is.
    place: AtomicU32,
    /// Whether it stands among the changed ones.
    is_noted: AtomicBool,
}

/// What changes from run to run.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) machine: Machine,
    /// When there was a result that bears the verdict out, in milliseconds since 1970 UTC.
    pub(super) seen_ms: Option<u64>,
    pub(super) last: Option<String>,
    pub(super) last_passed: bool,
    pub(super) last_run: Option<SystemTime>,
    pub(super) latency: Option<Duration>,
    pub(super) certificate_days: Option<i64>,
    pub(super) next_run: Option<Instant>,
}

impl Cell {
    /// With the verdict of an earlier run of the server, if there is one that counts.
    pub(super) fn new(kept: Option<&Kept>) -> Self {
        let machine = match kept {
            Some(kept) => {
                Machine::restored(kept.verdict, SystemTime::UNIX_EPOCH + Duration::from_millis(kept.since_ms))
            }
            None => Machine::new(SystemTime::now()),
        };
        let live = Live {
            machine,
            seen_ms: kept.map(|kept| kept.seen_ms),
            last: None,
            last_passed: false,
            last_run: None,
            latency: None,
            certificate_days: None,
            next_run: None,
        };
        let (place, is_noted) = (AtomicU32::new(u32::MAX), AtomicBool::new(false));
        Self { live: Mutex::new(live), tally: Tally::default(), place, is_noted }
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.live().machine.verdict()
    }

    /// Which probe it is of the model that was applied last, if it is one.
    pub(super) fn place(&self) -> ProbeId {
        ProbeId(self.place.load(Ordering::Relaxed))
    }

    pub(super) fn set_place(&self, place: ProbeId) {
        self.place.store(place.0, Ordering::Relaxed);
    }
}

/// Runs a probe until it is aborted; a run that panics is counted, and the probe goes on (H8).
///
/// `together` is how many probes without a verdict begin at this moment.
pub(super) async fn keep_running(shared: Arc<Shared>, spec: Arc<Spec>, cell: Arc<Cell>, together: usize) {
    let runner = Runner { rhythm: Rhythm::new(&spec.key, spec.check.interval, shared.seed), shared, spec, cell };
    let now = runner.now();
    let mut first = match runner.cell.verdict() {
        Verdict::Unchecked => now + runner.rhythm.first_delay(together),
        Verdict::Up | Verdict::Down => runner.rhythm.next(now, now),
    };
    loop {
        let Err(panic) = caught(runner.run(first)).await;
        tracing::error!(probe = %runner.spec.key, %panic, "a probe died and is started again");
        Tally::add(&runner.shared.tally.restarted);
        Tally::add(&runner.cell.tally.restarted);
        runner.record(Outcome::NoResult(format!("the probe died: {panic}")), None);
        first = runner.after(runner.now(), true);
    }
}

struct Runner {
    shared: Arc<Shared>,
    spec: Arc<Spec>,
    cell: Arc<Cell>,
    rhythm: Rhythm,
}

/// What cannot be made: a run without end does not return.
enum Never {}

impl Runner {
    async fn run(&self, mut at: Duration) -> Never {
        let mut ask = None;
        loop {
            let next_run = self.shared.began + at;
            self.cell.live().next_run = Some(next_run);
            tokio::time::sleep_until(next_run).await;
            self.cell.live().next_run = None;
            // On the heap, since a probe spends nearly all of its life waiting for the next run.
            let (start, (outcome, took)) = Box::pin(self.shared.gate.pass(|| self.timed(&mut ask))).await;
            let refused = matches!(outcome, Outcome::Refused(_));
            self.record(outcome, took);
            at = self.after(start, !refused);
        }
    }

    fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// When to run after a run that began at `start`. Where nothing can come of it there is no hurry.
    fn after(&self, start: Duration, hurry: bool) -> Duration {
        if hurry && self.cell.verdict() == Verdict::Unchecked {
            self.rhythm.next_unchecked(start, self.now())
        } else {
            self.rhythm.next(start, self.now())
        }
    }

    /// One run, and when it began.
    async fn timed(&self, ask: &mut Option<Box<dyn Ask>>) -> (Duration, (Outcome, Option<Duration>)) {
        (self.now(), self.once(ask).await)
    }

    /// One run, and how long the subject took.
    async fn once(&self, ask: &mut Option<Box<dyn Ask>>) -> (Outcome, Option<Duration>) {
        let check = &self.spec.check;
        let deadline = Instant::now() + check.timeout;
        let addresses = match self.addresses().await {
            Ok(addresses) => addresses,
            Err(Unresolved::Name(reason)) => return (Outcome::fail(reason, None), None),
            Err(Unresolved::Resolver(reason)) => return (Outcome::NoResult(reason), None),
        };
        let refusal = |address: &IpAddr| if check.allow_private { None } else { world::inward(*address) };
        if let Some(kind) = addresses.first().and_then(refusal)
            && addresses.iter().all(|address| refusal(address).is_some())
        {
            let text = format!("{} is {kind}: `allow_private = true` on the check lets it be probed", addresses[0]);
            return (Outcome::Refused(text), None);
        }
        let Some(port) = probe::port(check, &self.spec.subject) else {
            return (Outcome::NoResult("the check has no port".into()), None);
        };
        let ask = match ask {
            Some(ask) => ask,
            None => match self.shared.kinds.build(check, &self.spec.subject) {
                Ok(built) => ask.insert(built),
                Err(reason) => return (Outcome::NoResult(reason), None),
            },
        };
        let mut outcome = Outcome::NoResult("no address".into());
        let mut took = None;
        for address in addresses.into_iter().filter(|address| refusal(address).is_none()).take(ADDRESSES_TRIED) {
            let stage = Stage::new();
            let start = Instant::now();
            let this = match tokio::time::timeout_at(deadline, ask.ask(SocketAddr::new(address, port), &stage)).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::fail(format!("not done within {:?}: {}", check.timeout, stage.get()), None),
            };
            // An address that no packet gets to is a result; that this machine has no way to the next one is none.
            if !(matches!(outcome, Outcome::Fail(_)) && matches!(this, Outcome::NoResult(_))) {
                (outcome, took) = (this, Some(start.elapsed()));
            }
            match &outcome {
                Outcome::NoResult(_) => {}
                Outcome::Fail(found) if found.is_cut_off => {}
                _ => break,
            }
        }
        (outcome, took)
    }

    /// IPv4-mapped addresses are unwrapped: rules and sockets then see the same.
    async fn addresses(&self) -> Result<Vec<IpAddr>, Unresolved> {
        match &self.spec.subject {
            Subject::Address(address) => Ok(vec![address.to_canonical()]),
            Subject::Target(target) => match probe::parse_address(&target.host) {
                Some(address) => Ok(vec![address.to_canonical()]),
                None => {
                    let found = self.shared.names.look_up(&target.host, self.spec.check.timeout).await?;
                    Ok(found.iter().map(IpAddr::to_canonical).collect())
                }
            },
            Subject::Calculated(_) => Ok(Vec::new()),
        }
    }

    fn record(&self, outcome: Outcome, took: Option<Duration>) {
        let passed = matches!(outcome, Outcome::Pass(_));
        let (event, counter, text, days): (_, fn(&Tally) -> &_, _, _) = match outcome {
            Outcome::Pass(found) => (Event::Pass, |tally| &tally.passed, found.text, found.certificate_days),
            Outcome::Fail(found) => (Event::Fail, |tally| &tally.failed, found.text, found.certificate_days),
            Outcome::NoResult(text) => (Event::NoResult, |tally| &tally.no_result, text, None),
            Outcome::Refused(text) => (Event::NoResult, |tally| &tally.refused, text, None),
        };
        for tally in [&self.shared.tally, &self.cell.tally] {
            Tally::add(&tally.runs);
            Tally::add(counter(tally));
        }
        let check = &self.spec.check;
        let now = SystemTime::now();
        let mut live = self.cell.live();
        let before = live.machine.verdict();
        let change = live.machine.record(event, now, Thresholds { fall: check.fall, rise: check.rise });
        (live.last_passed, live.last_run) = (passed, Some(now));
        live.latency = took;
        if event != Event::NoResult {
            live.seen_ms = Some(unix_ms(now));
            // A failure before the handshake says nothing of the certificate: the last one seen stands.
            live.certificate_days = days.or(live.certificate_days);
        }
        let shown = change.map(|verdict| (verdict, text.clone()));
        live.last = Some(text);
        drop(live);
        if let Some((verdict, text)) = shown {
            match verdict {
                Verdict::Down => tracing::warn!(probe = %self.spec.key, "down: {text}"),
                // What counted as up is up: no news, once for each address at every start.
                _ if before == Verdict::Unchecked => tracing::debug!(probe = %self.spec.key, "{verdict}: {text}"),
                Verdict::Up | Verdict::Unchecked => tracing::info!(probe = %self.spec.key, "{verdict}: {text}"),
            }
            self.shared.note(&self.cell);
        }
    }
}

impl Live {
    /// The wall-clock time of the next run.
    pub(super) fn next_run_ms(&self) -> Option<u64> {
        let wait = self.next_run?.saturating_duration_since(Instant::now());
        Some(report::unix_ms(SystemTime::now() + wait))
    }
}

/// What a panic inside `future` said, or what the future came to.
async fn caught<F: Future<Output = Never>>(future: F) -> Result<Never, String> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Poll::Ready(Err(text.unwrap_or_else(|| "no reason given".into())))
        }
    })
    .await
}
