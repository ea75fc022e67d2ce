//! Which probes there are and what is known of each, from one model to the next.
//!
//! Invariant: `cells` and `derived` are of `model`, and once [`Table::verdicts`] has taken up what changed, they say what the
//! running probes say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::derive::Derived;
use super::report::unix_ms;
use super::runner::{Cell, Shared, Spec, keep_running};
use super::store::{Kept, KeptVerdicts};
use super::{Counts, ProbeReport, Verdict, Verdicts, derive, probe};
use crate::config::model::{CheckKind, Model, Probe, ProbeId, Subject};

/// The probes of one model.
pub(super) struct Table {
    pub(super) model: Arc<Model>,
    running: HashMap<Arc<str>, Running>,
    /// By probe of the model; `None` where nothing runs.
    cells: Vec<Option<Arc<Cell>>>,
    derived: Derived,
    /// Verdicts without a probe: of an earlier run of the server, of probes that went, or of checks as they were before
    /// an edit. They are taken up again while young, so that an edit and its undoing end where they began.
    leftover: KeptVerdicts,
}

struct Running {
    spec: Arc<Spec>,
    cell: Arc<Cell>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Table {
    /// No probes yet, and what an earlier run of the server left.
    pub(super) fn new(leftover: KeptVerdicts) -> Self {
        let derived = Derived::default();
        Self { model: Arc::default(), running: HashMap::new(), cells: Vec::new(), derived, leftover }
    }

    /// Takes up a new model: probes whose key and definition are as before go on, new ones begin on `runtime` at once, the
    /// others end.
    pub(super) fn apply(&mut self, model: Arc<Model>, shared: &Arc<Shared>, runtime: &Handle) {
        let now_ms = unix_ms(SystemTime::now());
        let mut before = std::mem::take(&mut self.running);
        let checks: Vec<_> = model.checks.iter().map(|check| Arc::new(check.clone())).collect();
        let mut begin = Vec::new();
        for probe in model.probes.iter().filter(|probe| runs(&model, probe)) {
            let spec = Spec {
                key: probe.key.as_str().into(),
                definition: probe.definition,
                check: Arc::clone(&checks[probe.check.index()]),
                subject: probe.subject.clone(),
            };
            match before.remove(&*spec.key) {
                Some(running) if *running.spec == spec => {
                    self.running.insert(Arc::clone(&running.spec.key), running);
                }
                Some(running) if running.spec.definition == spec.definition => {
                    begin.push((spec, Arc::clone(&running.cell)));
                }
                other => {
                    let kept = self.left(&spec.key, spec.definition, now_ms).cloned();
                    match other.and_then(|running| running.kept()) {
                        Some(ended) => _ = self.leftover.insert((*spec.key).to_owned(), ended),
                        None if kept.is_some() => _ = self.leftover.remove(&*spec.key),
                        // What was before the edits may yet come back.
                        None => {}
                    }
                    begin.push((spec, Arc::new(Cell::new(kept.as_ref()))));
                }
            }
        }
        for (key, running) in before {
            if let Some(kept) = running.kept() {
                self.leftover.insert((*key).to_owned(), kept);
            }
        }
        self.leftover.retain(|_, kept| kept.is_young(now_ms));
        let together = begin.iter().filter(|(_, cell)| cell.verdict() == Verdict::Unchecked).count();
        for (spec, cell) in begin {
            let spec = Arc::new(spec);
            let task = keep_running(Arc::clone(shared), Arc::clone(&spec), Arc::clone(&cell), together);
            let task = runtime.spawn(task).abort_handle();
            self.running.insert(Arc::clone(&spec.key), Running { spec, cell, task });
        }
        self.take_places(model);
    }

    fn take_places(&mut self, model: Arc<Model>) {
        let cell = |probe: &Probe| Some(Arc::clone(&self.running.get(probe.key.as_str())?.cell));
        let cells: Vec<_> = model.probes.iter().map(|probe| cell(probe).filter(|_| runs(&model, probe))).collect();
        for (place, cell) in cells.iter().enumerate() {
            if let Some(cell) = cell {
                cell.set_place(ProbeId(place as u32));
            }
        }
        // What changes from here on is told of after it: no change is missed, and one that is seen twice does no harm.
        let raw: Vec<Verdict> =
            cells.iter().map(|cell| cell.as_ref().map_or(Verdict::Unchecked, |cell| cell.verdict())).collect();
        (self.derived, self.cells, self.model) = (Derived::new(&model, &raw), cells, model);
    }

    /// The verdicts of the model, at the cost of what changed since the last time.
    pub(super) fn verdicts(&mut self, shared: &Shared) -> Verdicts {
        let changed = shared.take_changed();
        let is_here = |cell: &Arc<Cell>| {
            let here = self.cells.get(cell.place().index());
            matches!(here, Some(Some(here)) if Arc::ptr_eq(here, cell))
        };
        let found = changed.iter().filter(|cell| is_here(cell)).map(|cell| (cell.place(), cell.verdict()));
        self.derived.update(&self.model, found);
        self.derived.verdicts().clone()
    }

    /// The same for any model.
    pub(super) fn verdicts_for(&mut self, model: &Model, shared: &Shared) -> Verdicts {
        if std::ptr::eq(model, &*self.model) {
            return self.verdicts(shared);
        }
        let now_ms = unix_ms(SystemTime::now());
        let raw: Vec<Verdict> = model.probes.iter().map(|probe| self.raw(probe, now_ms)).collect();
        derive(model, &raw)
    }

    fn raw(&self, probe: &Probe, now_ms: u64) -> Verdict {
        match self.running.get(probe.key.as_str()) {
            Some(running) if running.spec.definition == probe.definition => running.cell.verdict(),
            _ => self.left(&probe.key, probe.definition, now_ms).map_or(Verdict::Unchecked, |kept| kept.verdict),
        }
    }

    /// What is left over for a probe, if it counts for this definition now.
    fn left(&self, key: &str, definition: u64, now_ms: u64) -> Option<&Kept> {
        self.leftover.get(key).filter(|kept| kept.definition == definition && kept.is_young(now_ms))
    }

    /// Every probe, in the model's order.
    pub(super) fn report(&mut self, shared: &Shared) -> Vec<ProbeReport> {
        let verdicts = self.verdicts(shared);
        let probes = self.model.probes.iter().zip(&self.cells).zip(verdicts.iter());
        probes.map(|((probe, cell), verdict)| report_of(&self.model, probe, cell.as_deref(), verdict)).collect()
    }

    /// What is to be kept of all probes, those that went included.
    pub(super) fn to_keep(&self, now_ms: u64) -> KeptVerdicts {
        let leftover = self.leftover.iter().filter(|(_, kept)| kept.is_young(now_ms));
        let leftover = leftover.map(|(key, kept)| (key.clone(), kept.clone()));
        let running = self.running.iter().filter_map(|(key, running)| Some(((**key).to_owned(), running.kept()?)));
        leftover.chain(running).collect()
    }

    /// Ends all probes; what is known of them stands.
    pub(super) fn stop(&self) {
        self.running.values().for_each(|running| running.task.abort());
    }

    /// Ends all probes and forgets them.
    pub(super) fn end(&mut self) {
        self.running.clear();
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

fn report_of(model: &Model, probe: &Probe, cell: Option<&Cell>, verdict: Verdict) -> ProbeReport {
    let mut report = ProbeReport {
        key: probe.key.clone(),
        check: model.checks.get(probe.check.index()).map_or_else(String::new, |check| check.name.clone()),
        endpoint: probe.endpoint.and_then(|id| model.endpoints.get(id.index())).map(|e| e.name.clone()),
        address: address_text(model, probe),
        verdict,
        raw: verdict,
        since_ms: None,
        last: None,
        last_passed: false,
        last_run_ms: None,
        latency_ms: None,
        consecutive_fails: 0,
        consecutive_passes: 0,
        next_run_ms: None,
        certificate_days: None,
        counts: Counts::default(),
    };
    if let Some(cell) = cell {
        let live = cell.live();
        report.raw = live.machine.verdict();
        report.since_ms = (report.raw != Verdict::Unchecked).then(|| unix_ms(live.machine.since()));
        report.last = live.last.clone();
        report.last_passed = live.last_passed;
        report.last_run_ms = live.last_run.map(unix_ms);
        report.latency_ms = live.latency.map(|took| took.as_secs_f64() * 1000.0);
        report.consecutive_fails = live.machine.fails();
        report.consecutive_passes = live.machine.passes();
        report.next_run_ms = live.next_run_ms();
        report.certificate_days = live.certificate_days;
        report.counts = cell.tally.counts();
    }
    report
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

/// Whoever panicked with it in their hands left it whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
