//! The one thread that changes what is served.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::content::Contents;
use super::debounce::Debounce;
use super::load::{self, Stamp};
use super::report::{Counters, Facts};
use super::retired::Retired;
use super::serial::Used;
use super::sweep::Sweep;
use super::updates::{Asked, Updated};
use super::watch::{Interest, Watch, is_private};
use super::{Current, DrainError, Drained, Options, ReloadError, Reloaded, Subject};
use crate::config::model::EndpointId;
use crate::config::{Loader, Model, Source, Wanted};
use crate::health::{Checker, Store, Switches};
use crate::secondary::{Follower, Offer};
use crate::snapshot::{Inputs, Readers, Snapshot, compile};

/// Editors and deployments write several files at once.
pub(super) const FILES_QUIET: Duration = Duration::from_millis(100);
pub(super) const FILES_MOST: Duration = Duration::from_secs(1);
/// Verdicts that change together are published together, well within the 50 ms that they may wait.
pub(super) const VERDICTS_QUIET: Duration = Duration::from_millis(10);
pub(super) const VERDICTS_MOST: Duration = Duration::from_millis(40);
/// Directories that were not there are looked for, ends of drains checked against the clock, and replaced snapshots freed,
/// this often.
const TICK: Duration = Duration::from_secs(1);

/// From a step that failed to the next one.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What the handle and the publisher share.
pub(super) struct Shared {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) readers: Arc<Readers>,
    pub(super) current: ArcSwap<Current>,
    pub(super) facts: ArcSwap<Facts>,
    pub(super) generations: watch::Sender<u64>,
    pub(super) listening: ArcSwap<Vec<String>>,
    pub(super) counters: Counters,
    /// Gone once the publisher has stopped.
    pub(super) checker: Mutex<Option<Checker>>,
    pub(super) follower: Follower,
    /// Seconds since 1970 UTC.
    pub(super) started: u64,
}

impl Shared {
    /// Whoever panicked with it in their hands left it whole: it is only ever taken out.
    pub(super) fn checker(&self) -> MutexGuard<'_, Option<Checker>> {
        self.checker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may be asked of the publisher.
#[derive(Debug)]
pub(super) enum Request {
    /// By a person.
    Reload {
        force: Option<u64>,
        reply: mpsc::Sender<Result<Reloaded, ReloadError>>,
    },
    Drain {
        subject: Subject,
        span: Option<Duration>,
        reason: Option<String>,
        force: bool,
        reply: mpsc::Sender<Result<Drained, DrainError>>,
    },
    Undrain {
        subject: Subject,
        reply: mpsc::Sender<Result<Drained, DrainError>>,
    },
    /// A zone was transferred, or has expired.
    Offer(Offer),
    /// A zone is to be changed (RFC 2136).
    Update(Asked),
    /// Something that matters has changed on disk.
    FilesChanged,
    /// A verdict has changed.
    VerdictsChanged,
    /// For tests: the answers of other verdicts, as if a change had been missed, and a sweep that is due.
    #[cfg(test)]
    Plant {
        verdicts: crate::health::Verdicts,
        reply: mpsc::Sender<()>,
    },
    /// For tests: panics.
    #[cfg(test)]
    Fail {
        reply: mpsc::Sender<()>,
    },
    Stop {
        reply: Option<mpsc::Sender<()>>,
    },
}

/// What a reading that was refused depends on.
#[derive(Debug)]
pub(super) struct Awaited {
    /// See [`to_follow`].
    pub(super) read: Vec<PathBuf>,
    pub(super) wanted: Wanted,
}

/// The files that are to be followed one by one: those that lie in the directory of zones are seen with it, but for
/// hidden ones and backups.
pub(super) fn to_follow(sources: &load::Sources, zones: &Path) -> Vec<PathBuf> {
    let is_seen = |path: &&Path| path.parent() == Some(zones) && !is_private(path);
    sources.iter().map(Source::path).filter(|path| !is_seen(path)).map(Path::to_owned).collect()
}

/// Everything that changes.
pub(super) struct Publisher {
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    /// What is known of the files from the last load.
    pub(super) loader: Loader,
    /// Whether what a later start needs of the first load is on disk.
    pub(super) is_kept: bool,
    /// Of what is served: see [`to_follow`].
    pub(super) read: Vec<PathBuf>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) updated: Updated,
    /// Requests that were looked at in search of others to be seen to together.
    pub(super) backlog: VecDeque<Request>,
    pub(super) watch: Option<Watch>,
    pub(super) store: Store,
    pub(super) switches: Arc<Switches>,
    /// When the next of the drains ends, in seconds since 1970 UTC.
    pub(super) next_expiry: Option<u64>,
    pub(super) serials: Used,
    /// Of the zones that were loaded last.
    pub(super) contents: Contents,
    /// Of the texts that are served.
    pub(super) digest: u64,
    /// Of the last reading that was refused, so that it is told of once.
    pub(super) refused: Option<u64>,
    /// A reading that removes too much, and the number that forces it.
    pub(super) held: Option<(u64, u64)>,
    /// Readings held so far.
    pub(super) holds: u64,
    /// Of the databases that are served.
    pub(super) stamps: Vec<Stamp>,
    /// What the last refused reading depends on: it is tried again when any of that changes.
    pub(super) awaited: Option<Awaited>,
    /// Of the server file and all databases as last looked at.
    pub(super) seen: Vec<Stamp>,
    /// What was told of files that are not watched.
    pub(super) unwatched: Vec<String>,
    pub(super) files: Debounce,
    pub(super) verdicts: Debounce,
    pub(super) retired: Retired,
    pub(super) sweep: Sweep,
}

impl Publisher {
    /// Runs until told to stop. A panic costs the request that it came of and nothing else.
    pub(super) fn run(mut self) {
        if !self.is_kept && catch_unwind(AssertUnwindSafe(|| self.remember_first())).is_err() {
            self.note_failure();
        }
        loop {
            let asked = match self.backlog.pop_front().map_or_else(|| self.requests.recv_timeout(self.patience()), Ok) {
                Ok(Request::Stop { reply }) => {
                    self.stop();
                    if let Some(reply) = reply {
                        let _ = reply.send(());
                    }
                    return;
                }
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            };
            // What is served is swapped in whole, so that no step leaves half of a change behind.
            if catch_unwind(AssertUnwindSafe(|| self.step(asked))).is_err() {
                self.note_failure();
            }
        }
    }

    fn step(&mut self, asked: Option<Request>) {
        match asked {
            Some(Request::Reload { force, reply }) => {
                // Who asked may have given up waiting; the reload stands.
                let _ = reply.send(self.reload(force));
            }
            Some(Request::Drain { subject, span, reason, force, reply }) => {
                let _ = reply.send(self.drain(&subject, span, reason, force));
            }
            Some(Request::Undrain { subject, reply }) => {
                let _ = reply.send(self.undrain(&subject));
            }
            Some(Request::Offer(offer)) => self.renew(offer),
            Some(Request::Update(asked)) => self.update(asked),
            Some(Request::FilesChanged) => self.files.note(Instant::now()),
            Some(Request::VerdictsChanged) => self.verdicts.note(Instant::now()),
            #[cfg(test)]
            Some(Request::Plant { verdicts, reply }) => {
                self.plant(verdicts);
                let _ = reply.send(());
            }
            #[cfg(test)]
            #[allow(clippy::panic, reason = "a test asks for it")]
            Some(Request::Fail { reply }) => {
                drop(reply);
                panic!("a test asked for it");
            }
            // The loop ends there and has no step.
            Some(Request::Stop { .. }) => {}
            None => self.follow_files(),
        }
        let now = Instant::now();
        if self.files.take(now) {
            self.follow_files();
            // A refusal is in the log and in the status.
            let _ = self.reload(None);
        }
        if self.verdicts.take(now) {
            self.publish_verdicts();
        }
        self.expire_drains();
        if self.sweep.due() <= now {
            self.sweep();
        }
        self.retired.free(&self.shared.readers);
    }

    fn note_failure(&self) {
        const FAILED: &str = "a change could not be worked on to its end";
        let times = self.shared.counters.failed_step();
        let note =
            format!("{FAILED} ({times} since the start): the log has its last words, and this is a fault of rhumb");
        tracing::error!("{note}");
        self.tell(|facts| {
            facts.notes.retain(|known| !known.starts_with(FAILED));
            facts.notes.push(note);
        });
        // What fails at each step must not take a processor.
        std::thread::sleep(AFTER_FAILURE);
    }

    fn patience(&self) -> Duration {
        let now = Instant::now();
        let due = [self.files.due(), self.verdicts.due(), Some(self.sweep.due())].into_iter().flatten();
        let waits = due.map(|at| at.saturating_duration_since(now));
        let drain = self.next_expiry.map(until);
        waits.chain(drain).min().map_or(TICK, |wait| wait.min(TICK))
    }

    fn stop(&mut self) {
        self.watch = None;
        let checker = self.shared.checker().take();
        if let Some(checker) = checker {
            self.options.runtime.block_on(checker.shutdown());
        }
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.shared.current.load_full()
    }

    /// Endpoints of `model` that are drained by `switches`.
    pub(super) fn drained(model: &Model, switches: &Switches) -> BTreeSet<EndpointId> {
        let now = unix_now();
        let ids = (0..).map(EndpointId).zip(&model.endpoints);
        ids.filter(|(_, endpoint)| switches.is_drained(&endpoint.name, now)).map(|(id, _)| id).collect()
    }

    /// Compiles the next generation without publishing it.
    pub(super) fn next(&self, inputs: &Inputs) -> Result<Snapshot, String> {
        let previous = self.shared.snapshot.load_full();
        compiled(inputs, previous.generation + 1, Some(&previous))
    }

    /// Swaps a compiled snapshot in.
    pub(super) fn publish(&mut self, snapshot: Snapshot, sources: Arc<load::Sources>) -> u64 {
        let generation = snapshot.generation;
        let forced = snapshot.forced();
        let current = Current { generation, inputs: snapshot.inputs.clone(), sources, since: unix_now() };
        let replaced = self.shared.snapshot.swap(Arc::new(snapshot));
        self.retired.push(replaced);
        self.shared.current.store(Arc::new(current));
        let known = Arc::clone(&self.shared.facts.load());
        for route in forced.iter().filter(|route| !known.forced.contains(route)) {
            tracing::warn!("{route}: some clients now get drained endpoints only, since nothing else is left");
        }
        // Verdicts change many times a second, and these seldom.
        if forced != known.forced || !Arc::ptr_eq(&known.switches, &self.switches) {
            let switches = Arc::clone(&self.switches);
            self.tell(|facts| (facts.forced, facts.switches) = (forced, switches));
        }
        self.shared.generations.send_replace(generation);
        generation
    }

    /// The same files with the verdicts and drains of now.
    fn publish_verdicts(&mut self) {
        let current = self.current();
        let Some(verdicts) = self.with_checker(|checker| checker.verdicts_for(&current.inputs.model)) else { return };
        if verdicts == current.inputs.verdicts {
            return;
        }
        let inputs = Inputs { verdicts, ..current.inputs.clone() };
        match self.next(&inputs) {
            Ok(snapshot) => {
                let generation = self.publish(snapshot, Arc::clone(&current.sources));
                tracing::debug!("generation {generation}: verdicts changed");
            }
            Err(error) => tracing::error!("a change of health is not served: {error}"),
        }
    }

    /// Works out a slice of the outcomes anew. One that differs is a fault of rhumb, and is mended.
    fn sweep(&mut self) {
        let snapshot = self.shared.snapshot.load_full();
        let differing = self.sweep.slice(&snapshot, Instant::now);
        if differing.is_empty() {
            return;
        }
        let route = |&number: &u32| {
            let root = snapshot.plan.steers[number as usize].root;
            snapshot.inputs.model.route(root).name.as_str()
        };
        let routes: Vec<&str> = differing.iter().map(route).collect();
        self.shared.counters.differing_outcomes(differing.len() as u64);
        tracing::error!("{}: a change was missed, and is made up for; this is a fault of rhumb", routes.join(", "));
        match snapshot.mended(&differing) {
            Ok(mended) => {
                let sources = Arc::clone(&self.current().sources);
                self.publish(mended, sources);
            }
            Err(error) => tracing::error!("it cannot be made up for: {error}"),
        }
    }

    pub(super) fn with_checker<T>(&self, ask: impl FnOnce(&Checker) -> T) -> Option<T> {
        self.shared.checker().as_ref().map(ask)
    }

    /// Changes what `status` tells.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Facts)) {
        let mut facts = Facts::clone(&self.shared.facts.load());
        change(&mut facts);
        self.shared.facts.store(Arc::new(facts));
    }

    /// Takes up directories that were replaced or have appeared, and looks itself at the few files that everything else
    /// hangs on. Both what is served and what was refused last count.
    pub(super) fn follow_files(&mut self) {
        let current = self.current();
        let server = &current.inputs.model.server;
        let mut looked_at = load::server_files(self.options.server_file.as_deref());
        looked_at.extend(load::followed(server));
        let shown = server.tls.iter().filter_map(|tls| tls.files.clone());
        looked_at.extend(shown.flat_map(|(certificate, key)| [certificate, key]));
        let mut directories = vec![&server.zones];
        let mut read = vec![&self.read];
        if let Some(awaited) = &self.awaited {
            looked_at.extend(awaited.wanted.databases.iter().chain(&awaited.wanted.certificates).cloned());
            directories.push(&awaited.wanted.zones);
            read.push(&awaited.read);
        }
        let seen = load::stamps(&looked_at);
        let interest = Interest::new(directories, read.into_iter().flatten().chain(&looked_at));
        let is_other = |stamp: &Stamp| self.seen.iter().any(|known| known.0 == stamp.0 && known.1 != stamp.1);
        let mut is_due = seen.iter().any(is_other);
        self.seen = seen;
        if let Some(watch) = &mut self.watch {
            is_due |= watch.follow(interest);
            self.note_unwatched();
        }
        if is_due {
            self.files.note(Instant::now());
        }
    }

    fn note_unwatched(&mut self) {
        let problems = self.watch.as_ref().map(Watch::problems).unwrap_or_default();
        if problems == self.unwatched {
            return;
        }
        let before = std::mem::replace(&mut self.unwatched, problems.clone());
        for problem in problems.iter().filter(|problem| !before.contains(problem)) {
            tracing::warn!("{problem}");
        }
        self.tell(|facts| {
            facts.notes.retain(|note| !before.contains(note));
            facts.notes.extend(problems);
        });
    }
}

#[cfg(test)]
impl Publisher {
    fn plant(&mut self, verdicts: crate::health::Verdicts) {
        let current = self.current();
        if let (Ok(right), Ok(wrong)) =
            (self.next(&current.inputs), self.next(&Inputs { verdicts, ..current.inputs.clone() }))
        {
            self.publish(right.with_answers_of(&wrong), Arc::clone(&current.sources));
        }
        self.sweep = Sweep::at_once(Instant::now());
    }
}

/// A compiler's panic must cost its result and not the publisher.
pub(super) fn compiled(inputs: &Inputs, generation: u64, previous: Option<&Snapshot>) -> Result<Snapshot, String> {
    match catch_unwind(AssertUnwindSafe(|| compile(inputs, generation, previous))) {
        Ok(Ok(snapshot)) => Ok(snapshot),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the compiler failed; the log has its last words".into()),
    }
}

/// Seconds since 1970 UTC; 0 before.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// From now to a second since 1970 UTC; nothing if it has passed.
fn until(second: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(second).saturating_sub(now)
}
