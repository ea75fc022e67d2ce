//! The running state, and everything that may change it.
//!
//! Comes in: files that change, verdicts, databases, drains and reloads that persons order. Goes out: one
//! [`Snapshot`] behind an [`ArcSwap`], which transports read once a packet.
//!
//! Invariants: one thread, the publisher, makes every change, in the order in which they came; a load is taken whole
//! or not at all, and what was served goes on being served; the generation grows with each publication; a drain is on
//! disk before it is acknowledged; a snapshot that was replaced is freed by the publisher and never by a reader; a change
//! that was missed all the same is found by a sweep within a minute.

mod content;
mod debounce;
mod drain;
mod guard;
mod last_good;
mod load;
mod publisher;
mod reload;
mod renewal;
mod report;
mod retired;
mod serial;
mod start;
mod status;
mod sweep;
mod updates;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::config::{Diagnostic, Loader, Model, Overrides, Progress, Source};
use crate::snapshot::{Inputs, Readers, Snapshot};
use crate::update::Update;
use crate::wire::message::Rcode;
use crate::wire::{Name, NameRef};

pub use crate::secondary::Notified;
use publisher::{Request, Shared};
pub use status::{
    CertificateStatus, DatabaseStatus, DrainStatus, EndpointState, EndpointStatus, LoadStatus, ProbeStatus,
    SecondaryStatus, SecondaryZoneStatus, Status, ZoneStatus,
};
use tokio::sync::oneshot;
use updates::Asked;

/// What [`Control::start`] needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--config`; without it the usual places are tried.
    pub server_file: Option<PathBuf>,
    /// What flags say over the server file.
    pub overrides: Overrides,
    /// Where probes run.
    pub runtime: tokio::runtime::Handle,
    /// Counts how far each load is.
    pub progress: Arc<Progress>,
}

/// Why nothing can be served.
#[derive(Debug)]
pub enum StartError {
    /// The files have errors and there is no last good copy.
    Config {
        /// Errors and warnings.
        diagnostics: Vec<Diagnostic>,
        /// The files' texts, for rendering.
        sources: Vec<Source>,
    },
    /// Anything else: cause and remedy in one line.
    Other(String),
}

/// One consistent state of the running server.
#[derive(Debug)]
pub struct Current {
    /// The generation that was made of `inputs`.
    pub generation: u64,
    /// What it was made of.
    pub inputs: Inputs,
    /// The files that the model was read from, with their text.
    pub sources: Arc<Vec<Source>>,
    /// When it was published, seconds since 1970 UTC.
    pub since: u64,
}

/// What a drain or its end is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An endpoint by its full name, or by the bare one where that is unique.
    Endpoint(String),
    /// Every endpoint of a site.
    Site(String),
}

/// A load that was taken.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// What answers now.
    pub generation: u64,
    /// False when the files say what they said before.
    pub changed: bool,
    /// How many zones are served.
    pub zones: usize,
    /// Warnings of the load.
    pub diagnostics: Vec<Diagnostic>,
    /// The files' texts, for rendering the warnings.
    pub sources: Arc<Vec<Source>>,
}

/// A load that was not taken; what was served before goes on being served.
#[derive(Clone, Debug)]
pub struct ReloadError {
    /// Why, as errors, beside any warnings. Where `force` is given, one of them per thing that the load would remove.
    pub diagnostics: Vec<Diagnostic>,
    /// The files' texts, for rendering.
    pub sources: Arc<Vec<Source>>,
    /// The load removes so much that it looks like an accident: [`Control::reload`] with this number takes it.
    pub force: Option<u64>,
}

/// A drain, or the end of one, that was taken.
#[derive(Clone, Debug)]
pub struct Drained {
    /// The full names of the endpoints that changed.
    pub endpoints: Vec<String>,
    /// When the drain ends, seconds since 1970 UTC.
    pub until: Option<u64>,
    /// Steered names that some clients now get from drained endpoints only.
    pub forced: Vec<String>,
    /// What answers now.
    pub generation: u64,
    /// A drain that could not be written to the state directory holds until the next restart: why.
    pub not_kept: Option<String>,
}

/// Why a drain, or its end, was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainError {
    /// No endpoint, or no site, has this name; the nearest known one, if any is near.
    Unknown {
        /// What was asked for.
        subject: Subject,
        /// The likely meaning.
        nearest: Option<String>,
    },
    /// More than one zone has an endpoint of this bare name: their full names.
    Ambiguous(Vec<String>),
    /// Some clients would be left with drained endpoints only (G10): the steered names. `force` takes it all the same.
    Empties(Vec<String>),
    /// None of them is drained.
    NotDrained(Subject),
    /// The server is stopping, or a limit was passed.
    Failed(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(name) => write!(f, "endpoint {name}"),
            Self::Site(name) => write!(f, "site {name}"),
        }
    }
}

/// The handle to the running state; clones share it. Calls that change something block until it is answered for
/// (some milliseconds, or as long as a load takes): async callers use `spawn_blocking`.
/// When the last one is dropped, files, verdicts and drains are no longer followed; the snapshot stays.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
}

/// The way to the publisher's thread.
struct Publisher(mpsc::Sender<Request>);

impl Drop for Publisher {
    fn drop(&mut self) {
        // It may have stopped already.
        let _ = self.0.send(Request::Stop { reply: None });
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("generation", &self.shared.current.load().generation).finish_non_exhaustive()
    }
}

/// A configuration that can be served and is not yet: time to bind addresses, before anything slow is done.
#[derive(Debug)]
pub struct Prepared {
    options: Options,
    loader: Loader,
    first: start::First,
    kept: start::KeptContent,
}

impl Prepared {
    /// Reads the files or, when they are faulty, the last good copy.
    ///
    /// # Errors
    /// Nothing can be served: see [`StartError`].
    pub fn read(options: Options) -> Result<Self, StartError> {
        let mut loader = Loader::new(Arc::clone(&options.progress));
        let kept = start::content(&options, &mut loader);
        let first = start::first(&options, &mut loader)?;
        Ok(Self { options, loader, first, kept })
    }

    /// What will be served.
    pub fn model(&self) -> &Model {
        &self.first.model
    }

    /// Reads the databases, verdicts and drains, publishes the first snapshot, and goes on to follow all of them and
    /// the files.
    ///
    /// # Errors
    /// A database that cannot be read on a first start, or a limit that is passed.
    pub fn start(self) -> Result<Control, StartError> {
        let (shared, requests) = start::start(self.options, self.loader, self.first, self.kept)?;
        Ok(Control { shared, publisher: Arc::new(Publisher(requests)) })
    }
}

impl Control {
    /// [`Prepared::read`] and [`Prepared::start`] in one.
    ///
    /// # Errors
    /// Nothing can be served: see [`StartError`].
    pub fn start(options: Options) -> Result<Self, StartError> {
        Prepared::read(options)?.start()
    }

    /// What transports read, once a packet.
    pub fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.shared.snapshot)
    }

    /// Where those that read it report which one they use, so that an old one is freed behind them all.
    pub fn readers(&self) -> Arc<Readers> {
        Arc::clone(&self.shared.readers)
    }

    /// The inputs of what answers now and the texts that they were read from.
    pub fn current(&self) -> Arc<Current> {
        self.shared.current.load_full()
    }

    /// The inputs of what answers now, for `explain`.
    pub fn inputs(&self) -> Inputs {
        self.shared.current.load().inputs.clone()
    }

    /// The configuration of what answers now.
    pub fn model(&self) -> Arc<Model> {
        Arc::clone(&self.shared.current.load().inputs.model)
    }

    /// The files of what answers now, with the text that was read.
    pub fn sources(&self) -> Arc<Vec<Source>> {
        Arc::clone(&self.shared.current.load().sources)
    }

    /// All that can be told, as of now.
    pub fn status(&self) -> Status {
        report::status(&self.shared)
    }

    /// The generation that answers, and word of each new one.
    pub fn generations(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.generations.subscribe()
    }

    /// Reads the files again and takes them, all or none. `force` is the number of a load that was held back because
    /// it removes too much ([`ReloadError::force`]); it holds for the very content that was held back.
    ///
    /// # Errors
    /// The files have errors, or remove too much.
    pub fn reload(&self, force: Option<u64>) -> Result<Reloaded, ReloadError> {
        self.ask(|reply| Request::Reload { force, reply }).unwrap_or_else(|stopping| {
            let said = Diagnostic::general(crate::config::Severity::Error, "stopping", stopping);
            Err(ReloadError { diagnostics: vec![said], sources: Arc::default(), force: None })
        })
    }

    /// Takes endpoints out of the answers, for a time or until [`Control::undrain`]. Draining a drained endpoint
    /// replaces its end and reason.
    ///
    /// # Errors
    /// Unknown names, and drains that would leave some client with drained endpoints only, unless `force`d (G10).
    pub fn drain(
        &self,
        subject: &Subject,
        span: Option<Duration>,
        reason: Option<String>,
        force: bool,
    ) -> Result<Drained, DrainError> {
        let subject = subject.clone();
        self.ask(|reply| Request::Drain { subject, span, reason, force, reply })
            .unwrap_or_else(|stopping| Err(DrainError::Failed(stopping)))
    }

    /// Ends a drain at once.
    ///
    /// # Errors
    /// Unknown names, and endpoints that are not drained.
    pub fn undrain(&self, subject: &Subject) -> Result<Drained, DrainError> {
        let subject = subject.clone();
        self.ask(|reply| Request::Undrain { subject, reply })
            .unwrap_or_else(|stopping| Err(DrainError::Failed(stopping)))
    }

    /// A NOTIFY has come for a zone (RFC 1996), from an address and perhaps signed with a key.
    pub fn notified(&self, apex: NameRef<'_>, from: IpAddr, key: Option<&Name>) -> Notified {
        self.shared.follower.notified(apex, from, key)
    }

    /// Whether some zone is transferred from a server with this address.
    pub fn is_primary(&self, address: IpAddr) -> bool {
        self.shared.follower.is_primary(address)
    }

    /// Changes a zone (RFC 2136): `update` is signed with `key`, and what it says is live and on disk when the answer is
    /// NOERROR.
    pub async fn update(&self, update: Update, key: Name) -> Rcode {
        let (reply, answer) = oneshot::channel();
        let sent = self.publisher.0.send(Request::Update(Asked { update, key, reply }));
        match sent {
            Ok(()) => answer.await.unwrap_or(Rcode::ServFail),
            Err(_) => Rcode::ServFail,
        }
    }

    /// Adds numbers to the counters of [`Control::status`]: the transports' own.
    pub fn count_with(&self, source: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static) {
        self.shared.counters.add_source(Box::new(source));
    }

    /// What [`Control::status`] tells of the servers that are told when zones change.
    pub fn secondaries_with(&self, source: impl Fn() -> Vec<SecondaryStatus> + Send + Sync + 'static) {
        self.shared.counters.tell_secondaries(Box::new(source));
    }

    /// What `status` shows as the addresses that are served: UDP and TCP without a word, others behind their scheme.
    pub fn listening_on(&self, addresses: Vec<String>) {
        self.shared.listening.store(Arc::new(addresses));
    }

    /// Writes down what is not yet on disk, stops following files, verdicts and drains; the snapshot stays.
    pub fn stop(&self) {
        // Already stopped is as good.
        let _ = self.ask(|reply| Request::Stop { reply: Some(reply) });
    }

    fn ask<T>(&self, request: impl FnOnce(mpsc::Sender<T>) -> Request) -> Result<T, String> {
        let (reply, answer) = mpsc::channel();
        self.publisher.0.send(request(reply)).map_err(|_| STOPPING.to_owned())?;
        answer.recv().map_err(|_| UNANSWERED.to_owned())
    }
}

const STOPPING: &str = "the server is stopping";
const UNANSWERED: &str = "the server is stopping, or it failed at this change: its log says which";
