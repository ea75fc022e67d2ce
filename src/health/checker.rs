//! The running thing, as the rest of the server sees it.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::gate::{Gate, sockets};
use super::keeper::Keeper;
use super::probe::{Build, Kinds, Secure};
use super::resolve::{Names, Resolve, SystemResolver};
use super::runner::Shared;
use super::store::{KeptVerdicts, Store};
use super::table::{Table, lock};
use super::{Counts, ProbeReport, Verdicts};
use crate::config::model::{Model, Probe, Subject};
use crate::threads::{Second, go_second};

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
    /// Probes that are under way at most; more wait for their turn. Each takes a descriptor.
    pub under_way: usize,
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
            under_way: sockets(),
        }
    }
}

/// Probes what the model says, until it is dropped.
pub struct Checker {
    runtime: Handle,
    shared: Arc<Shared>,
    table: Arc<Mutex<Table>>,
    keeper: Option<(Arc<Keeper>, JoinHandle<()>)>,
    /// The threads, where they are its own.
    own: Option<Runtime>,
}

impl Checker {
    /// Restores the kept verdicts and begins to probe on `runtime`. What cannot be read is logged and stands in
    /// [`Checker::problems`]. May be called from any thread; reads one file.
    pub fn start(runtime: &Handle, options: Options, model: Arc<Model>) -> Self {
        // Timers belong to a runtime: the first reading of their clock must be made inside it.
        let _inside = runtime.enter();
        let names = Arc::new(Names::new(options.resolver, runtime.clone()));
        let shared = Arc::new(Shared::new(options.kinds, names, Gate::new(options.under_way), options.seed));
        let (leftover, unread) = match options.store.as_ref().map(Store::load_verdicts) {
            None => (KeptVerdicts::new(), None),
            Some(Ok(kept)) => (kept, None),
            Some(Err(fault)) => {
                tracing::warn!("{fault}");
                (KeptVerdicts::new(), Some(fault.to_string()))
            }
        };
        let table = Arc::new(Mutex::new(Table::new(leftover)));
        let keeper = options.store.map(|store| {
            let keeper = Arc::new(Keeper::new(store, Arc::clone(&table), Arc::clone(&shared), unread));
            let task = runtime.spawn(Arc::clone(&keeper).keep());
            (keeper, task)
        });
        let checker = Self { runtime: runtime.clone(), shared, table, keeper, own: None };
        checker.apply(model);
        checker
    }

    /// The same on threads of its own: one for each two processors, so that a start with thousands of probes leaves the
    /// others to those who ask, and no client delays a probe.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start_apart(options: Options, model: Arc<Model>) -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("rhumb-health")
            .on_thread_start(|| go_second(Second::Soon))
            .enable_all()
            .build()?;
        let mut checker = Self::start(runtime.handle(), options, model);
        checker.own = Some(runtime);
        Ok(checker)
    }

    /// Takes up a new model: probes whose key and definition are as before go on, new ones begin at once, the others
    /// end. May be called from any thread; waits for nothing.
    pub fn apply(&self, model: Arc<Model>) {
        let mut table = lock(&self.table);
        table.apply(Arc::clone(&model), &self.shared, &self.runtime);
        let hosts: HashSet<&str> = model.probes.iter().filter_map(host_of).collect();
        self.shared.names.retain(|name| hosts.contains(name));
        self.shared.unkept.notify_one();
    }

    /// Tells of every change of a probe's own verdict, as it happens; the number only counts them.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// The verdicts of the model that was applied last, at the cost of what changed since they were last asked for.
    pub fn verdicts(&self) -> Verdicts {
        lock(&self.table).verdicts(&self.shared)
    }

    /// What the verdicts of a model are: as [`Checker::verdicts`] where it is the very one that was applied last, else
    /// what they would be, were it applied now, for compiling it first.
    pub fn verdicts_for(&self, model: &Model) -> Verdicts {
        lock(&self.table).verdicts_for(model, &self.shared)
    }

    /// Every probe of the model that was applied last, in its order.
    pub fn report(&self) -> Vec<ProbeReport> {
        lock(&self.table).report(&self.shared)
    }

    /// The counts of all probes since the start, of those that have gone too.
    pub fn counts(&self) -> Counts {
        self.shared.tally.counts()
    }

    /// What is wrong with keeping the verdicts, a line each; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        self.keeper.as_ref().map_or_else(Vec::new, |(keeper, _)| keeper.problems())
    }

    /// Ends all probes and keeps the verdicts one last time. The verdicts go on standing.
    pub async fn shutdown(&self) {
        lock(&self.table).stop();
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
        lock(&self.table).end();
        if let Some(own) = self.own.take() {
            // Whoever drops this may not be allowed to wait.
            own.shutdown_background();
        }
    }
}

fn host_of(probe: &Probe) -> Option<&str> {
    match &probe.subject {
        Subject::Target(target) => Some(&target.host),
        Subject::Address(_) | Subject::Calculated(_) => None,
    }
}

#[cfg(test)]
mod tests;
