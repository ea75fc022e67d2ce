//! How far a load is.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts of a load that is at work, for whoever shows them. A fresh load goes on counting where the last one ended.
#[derive(Debug, Default)]
pub struct Progress {
    records: AtomicUsize,
    octets: AtomicUsize,
    expected: AtomicUsize,
}

impl Progress {
    /// Records of master files that were read so far.
    pub fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// How much of all files that were found so far is read, from 0 to 1; `None` before the first.
    pub fn share(&self) -> Option<f64> {
        let (octets, expected) = (self.octets.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed));
        (expected > 0).then(|| (octets as f64 / expected as f64).min(1.0))
    }

    /// So many octets are to be read.
    pub(crate) fn expect(&self, octets: usize) {
        self.expected.fetch_add(octets, Ordering::Relaxed);
    }

    /// So much more is done.
    pub(crate) fn read(&self, records: usize, octets: usize) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.octets.fetch_add(octets, Ordering::Relaxed);
    }
}
