//! Numbers and facts for [`Status`].

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::publisher::Shared;
use super::{LoadStatus, Status};

type Source = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// What is counted, by whom.
#[derive(Default)]
pub(super) struct Counters {
    sources: Mutex<Vec<Source>>,
}

impl Counters {
    pub(super) fn add_source(&self, source: Source) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counters")
    }
}

pub(super) fn status(shared: &Shared) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION"),
        generation: shared.current.load().generation,
        since: 0,
        started: 0,
        listening: Vec::clone(&shared.listening.load()),
        zones: Vec::new(),
        endpoints: Vec::new(),
        drains: Vec::new(),
        forced: Vec::new(),
        last_load: LoadStatus { ok: true, from_last_good: false, when: 0, force: None, diagnostics: Vec::new() },
        databases: Vec::new(),
        notes: Vec::new(),
        counters: Default::default(),
    }
}
