//! The one thread that changes what is served.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::report::Counters;
use super::{Current, DrainError, Drained, Options, ReloadError, Reloaded, StartError, Subject};
use crate::snapshot::Snapshot;

/// What the handle and the publisher share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) current: ArcSwap<Current>,
    pub(super) generations: watch::Sender<u64>,
    pub(super) listening: ArcSwap<Vec<String>>,
    pub(super) counters: Counters,
    pub(super) requests: mpsc::Sender<Request>,
}

/// What may be asked of the publisher.
#[derive(Debug)]
pub(super) enum Request {
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
    Stop {
        reply: mpsc::Sender<()>,
    },
}

pub(super) fn start(_options: Options) -> Result<Arc<Shared>, StartError> {
    Err(StartError::Other("not yet".into()))
}
