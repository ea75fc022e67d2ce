//! The running thing: which probes there are, from one model to the next, and what is held to be true of them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use super::probe::{Build, Kinds, Secure};
use super::report::unix_ms;
use super::resolve::{Names, Resolve, SystemResolver};
use super::runner::{Cell, Shared, Spec, keep_running};
use super::store::{Kept, KeptVerdicts, Store};
use super::{Counts, ProbeReport, Verdict, Verdicts, derive, probe};
use crate::config::model::{CheckKind, Model, Probe, Subject};

/// Verdicts are written at most this often.
const KEEP_PAUSE: Duration = Duration::from_secs(1);

/// They are written again after this time, since their age counts (G5).
const KEEP_AGAIN: Duration = Duration::from_secs(60);

/// What the checker works with.
pub struct Options {
    /// Where verdicts are kept; `None` keeps none.
    pub store: Option<Store>,
    /// How names of targets are looked up.
    pub resolver: Arc<dyn Resolve>,
    /// What makes the probes.
    pub kinds: Arc<dyn Build>,
    /// Decides the jitter; another one each start.
    pub seed: u64,
}

impl Options {
    /// The system's resolver and root certificates, verdicts kept in the directory `state`. Reads the root
    /// certificates, which takes some milliseconds.
    pub fn system(state: Option<PathBuf>) -> Self {
        Self {
            store: state.map(Store::new),
            resolver: Arc::new(SystemResolver),
            kinds: Arc::new(Kinds::new(Secure::system())),
            seed: RandomState::new().build_hasher().finish(),
        }
    }
}

/// Probes what the model says, until it is dropped.
pub struct Checker {
    runtime: Handle,
    shared: Arc<Shared>,
    table: Arc<Mutex<Table>>,
    keeper: Option<(Arc<Keeper>, JoinHandle<()>)>,
}

struct Table {
    model: Arc<Model>,
    running: HashMap<String, Running>,
    /// Verdicts without a probe: of an earlier run of the server, of probes that went, or of checks as they were before
    /// an edit. They are taken up again while young, so that an edit and its undoing end where they began.
    leftover: KeptVerdicts,
}

struct Running {
    spec: Spec,
    cell: Arc<Cell>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    store: Store,
    table: Arc<Mutex<Table>>,
    shared: Arc<Shared>,
    writing: Mutex<()>,
    problem: Mutex<Option<String>>,
    /// Why the kept verdicts could not be read at the start.
    unread: Option<String>,
}

impl Checker {
    /// Restores the kept verdicts and begins to probe on `runtime`. What cannot be read is logged and stands in
    /// [`Checker::problems`]. May be called from any thread; reads one file.
    pub fn start(runtime: &Handle, options: Options, model: Arc<Model>) -> Self {
        // Timers belong to a runtime: the first reading of their clock must be made inside it.
        let _inside = runtime.enter();
        let shared = Arc::new(Shared {
            kinds: options.kinds,
            names: Arc::new(Names::new(options.resolver, runtime.clone())),
            tally: Default::default(),
            changes: watch::Sender::new(0),
            unkept: Notify::new(),
            began: Instant::now(),
            seed: options.seed,
        });
        let (leftover, unread) = match options.store.as_ref().map(Store::load_verdicts) {
            None => (KeptVerdicts::new(), None),
            Some(Ok(kept)) => (kept, None),
            Some(Err(fault)) => {
                tracing::warn!("{fault}");
                (KeptVerdicts::new(), Some(fault.to_string()))
            }
        };
        let table = Table { model: Arc::default(), running: HashMap::new(), leftover };
        let table = Arc::new(Mutex::new(table));
        let keeper = options.store.map(|store| {
            let (table, shared) = (Arc::clone(&table), Arc::clone(&shared));
            let keeper =
                Arc::new(Keeper { store, table, shared, writing: Mutex::default(), problem: Mutex::default(), unread });
            let task = runtime.spawn(Arc::clone(&keeper).keep());
            (keeper, task)
        });
        let checker = Self { runtime: runtime.clone(), shared, table, keeper };
        checker.apply(model);
        checker
    }

    /// Takes up a new model: probes whose key and definition are as before go on, new ones begin at once, the others
    /// end. May be called from any thread; waits for nothing.
    pub fn apply(&self, model: Arc<Model>) {
        let now_ms = unix_ms(SystemTime::now());
        let mut table = lock(&self.table);
        let mut before = std::mem::take(&mut table.running);
        let checks: Vec<_> = model.checks.iter().map(|check| Arc::new(check.clone())).collect();
        let mut begin = Vec::new();
        for probe in model.probes.iter().filter(|probe| runs(&model, probe)) {
            let spec = Spec {
                key: probe.key.clone(),
                definition: probe.definition,
                check: Arc::clone(&checks[probe.check.index()]),
                subject: probe.subject.clone(),
            };
            match before.remove(&spec.key) {
                Some(running) if running.spec == spec => {
                    table.running.insert(spec.key.clone(), running);
                }
                Some(running) if running.spec.definition == spec.definition => {
                    begin.push((spec, Arc::clone(&running.cell)));
                }
                other => {
                    let kept = table.left(&spec.key, spec.definition, now_ms).cloned();
                    match other.and_then(|running| running.kept()) {
                        Some(ended) => _ = table.leftover.insert(spec.key.clone(), ended),
                        None if kept.is_some() => _ = table.leftover.remove(&spec.key),
                        // What was before the edits may yet come back.
                        None => {}
                    }
                    begin.push((spec, Arc::new(Cell::new(kept.as_ref()))));
                }
            }
        }
        for (key, running) in before {
            if let Some(kept) = running.kept() {
                table.leftover.insert(key, kept);
            }
        }
        table.leftover.retain(|_, kept| kept.is_young(now_ms));
        let together = begin.iter().filter(|(_, cell)| cell.verdict() == Verdict::Unchecked).count();
        for (spec, cell) in begin {
            let task = keep_running(Arc::clone(&self.shared), spec.clone(), Arc::clone(&cell), together);
            let task = self.runtime.spawn(task).abort_handle();
            table.running.insert(spec.key.clone(), Running { spec, cell, task });
        }
        let hosts: HashSet<&str> = model.probes.iter().filter_map(host_of).collect();
        self.shared.names.retain(|name| hosts.contains(name));
        table.model = model;
        self.shared.unkept.notify_one();
    }

    /// Tells of every change of a probe's own verdict, as it happens; the number only counts them.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// The verdicts of the model that was applied last.
    pub fn verdicts(&self) -> Verdicts {
        let table = lock(&self.table);
        table.verdicts_for(&table.model)
    }

    /// What the verdicts of another model are, were it applied now: for compiling it first.
    pub fn verdicts_for(&self, model: &Model) -> Verdicts {
        lock(&self.table).verdicts_for(model)
    }

    /// Every probe of the model that was applied last, in its order.
    pub fn report(&self) -> Vec<ProbeReport> {
        let table = lock(&self.table);
        let verdicts = table.verdicts_for(&table.model);
        let probes = table.model.probes.iter().zip(verdicts.0);
        probes.map(|(probe, verdict)| table.report_of(probe, verdict)).collect()
    }

    /// The counts of all probes since the start, of those that have gone too.
    pub fn counts(&self) -> Counts {
        self.shared.tally.counts()
    }

    /// What is wrong with keeping the verdicts, a line each; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let Some((keeper, _)) = &self.keeper else { return Vec::new() };
        keeper.unread.iter().cloned().chain(lock(&keeper.problem).clone()).collect()
    }

    /// Ends all probes and keeps the verdicts one last time. The verdicts go on standing.
    pub async fn shutdown(&self) {
        lock(&self.table).running.values().for_each(|running| running.task.abort());
        if let Some((keeper, task)) = &self.keeper {
            task.abort();
            keeper.write().await;
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.keeper {
            task.abort();
        }
        lock(&self.table).running.clear();
    }
}

impl Table {
    fn verdicts_for(&self, model: &Model) -> Verdicts {
        let now_ms = unix_ms(SystemTime::now());
        let raw: Vec<Verdict> = model.probes.iter().map(|probe| self.raw(probe, now_ms)).collect();
        derive(model, &raw)
    }

    fn raw(&self, probe: &Probe, now_ms: u64) -> Verdict {
        match self.running.get(&probe.key) {
            Some(running) if running.spec.definition == probe.definition => running.cell.verdict(),
            _ => self.left(&probe.key, probe.definition, now_ms).map_or(Verdict::Unchecked, |kept| kept.verdict),
        }
    }

    /// What is left over for a probe, if it counts for this definition now.
    fn left(&self, key: &str, definition: u64, now_ms: u64) -> Option<&Kept> {
        self.leftover.get(key).filter(|kept| kept.definition == definition && kept.is_young(now_ms))
    }

    fn report_of(&self, probe: &Probe, verdict: Verdict) -> ProbeReport {
        let model = &self.model;
        let mut report = ProbeReport {
            key: probe.key.clone(),
            check: model.checks.get(probe.check.index()).map_or_else(String::new, |check| check.name.clone()),
            endpoint: probe.endpoint.and_then(|id| model.endpoints.get(id.index())).map(|e| e.name.clone()),
            address: address_text(model, probe),
            verdict,
            raw: verdict,
            since_ms: None,
            last: None,
            last_run_ms: None,
            latency_ms: None,
            consecutive_fails: 0,
            consecutive_passes: 0,
            next_run_ms: None,
            certificate_days: None,
            counts: Counts::default(),
        };
        if let Some(running) = self.running.get(&probe.key) {
            let live = running.cell.live();
            report.raw = live.machine.verdict();
            report.since_ms = (report.raw != Verdict::Unchecked).then(|| unix_ms(live.machine.since()));
            report.last = live.last.clone();
            report.last_run_ms = live.last_run.map(unix_ms);
            report.latency_ms = live.latency.map(|took| took.as_secs_f64() * 1000.0);
            report.consecutive_fails = live.machine.fails();
            report.consecutive_passes = live.machine.passes();
            report.next_run_ms = live.next_run_ms();
            report.certificate_days = live.certificate_days;
            report.counts = running.cell.tally.counts();
        }
        report
    }

    fn to_keep(&self, now_ms: u64) -> KeptVerdicts {
        let leftover = self.leftover.iter().filter(|(_, kept)| kept.is_young(now_ms));
        let leftover = leftover.map(|(key, kept)| (key.clone(), kept.clone()));
        let running = self.running.iter().filter_map(|(key, running)| Some((key.clone(), running.kept()?)));
        leftover.chain(running).collect()
    }
}

impl Running {
    fn kept(&self) -> Option<Kept> {
        let live = self.cell.live();
        let (verdict, seen_ms) = (live.machine.verdict(), live.seen_ms?);
        let since_ms = unix_ms(live.machine.since());
        (verdict != Verdict::Unchecked).then_some(Kept { definition: self.spec.definition, verdict, since_ms, seen_ms })
    }
}

impl Keeper {
    async fn keep(self: Arc<Self>) {
        loop {
            // Either way it is time to write: a change, or the age of what is kept.
            let _ = tokio::time::timeout(KEEP_AGAIN, self.shared.unkept.notified()).await;
            self.write().await;
            tokio::time::sleep(KEEP_PAUSE).await;
        }
    }

    async fn write(self: &Arc<Self>) {
        let keeper = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            // A write that was begun before the shutdown may still go on: they take turns, and each has the latest.
            let _turn = lock(&keeper.writing);
            let kept = lock(&keeper.table).to_keep(unix_ms(SystemTime::now()));
            keeper.store.save_verdicts(&kept)
        })
        .await;
        let problem = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the writer died".to_owned()),
        };
        let problem = problem.map(|problem| {
            format!(
                "verdicts cannot be kept in {}: {problem}; a restart begins without them",
                self.store.directory().display()
            )
        });
        let mut before = lock(&self.problem);
        match &problem {
            Some(text) if before.is_none() => tracing::warn!("{text}"),
            None if before.is_some() => tracing::info!("verdicts can be kept again"),
            _ => (),
        }
        *before = problem;
    }
}

fn host_of(probe: &Probe) -> Option<&str> {
    match &probe.subject {
        Subject::Target(target) => Some(&target.host),
        Subject::Address(_) | Subject::Calculated(_) => None,
    }
}

/// Whether a probe asks anything of its own (H7).
fn runs(model: &Model, probe: &Probe) -> bool {
    let asks = |kind: &CheckKind| !matches!(kind, CheckKind::Calculated { .. });
    let check = model.checks.get(probe.check.index());
    check.is_some_and(|check| !check.disabled && asks(&check.kind)) && !matches!(probe.subject, Subject::Calculated(_))
}

fn address_text(model: &Model, probe: &Probe) -> String {
    let port = model.checks.get(probe.check.index()).and_then(|check| probe::port(check, &probe.subject));
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    match &probe.subject {
        Subject::Address(address) if address.is_ipv6() => format!("[{address}]{port}"),
        Subject::Address(address) => format!("{address}{port}"),
        Subject::Target(target) => format!("{}{port}", target.host),
        Subject::Calculated(_) => "calculated".into(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
