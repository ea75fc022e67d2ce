//! What `status` and the metrics show of the probes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Verdict;

/// One probe as it stands. Times are in milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    /// The model's key, stable over reloads.
    pub key: String,
    /// The check's full name.
    pub check: String,
    /// The endpoint's full name, if it is for one.
    pub endpoint: Option<String>,
    /// What is asked: an address, `name:port`, or `calculated`.
    pub address: String,
    /// What the policies read: calculated, inverted and disabled worked out (H7).
    pub verdict: Verdict,
    /// What the probe itself found; the same as `verdict` where nothing is worked out.
    pub raw: Verdict,
    /// When `raw` last changed, if it ever did.
    pub since_ms: Option<u64>,
    /// What the last run said, in a clause.
    pub last: Option<String>,
    /// Whether the last run passed. A run without a result did not (H13), although the row of passes goes on.
    pub last_passed: bool,
    /// When the last run ended.
    pub last_run_ms: Option<u64>,
    /// How long the last run took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Failures in a row.
    pub consecutive_fails: u32,
    /// Passes in a row.
    pub consecutive_passes: u32,
    /// When it runs next; `None` while it runs, and for probes that never do.
    pub next_run_ms: Option<u64>,
    /// Whole days until the certificate ends, negative once it has (H4).
    pub certificate_days: Option<i64>,
    /// What happened since the probe began.
    pub counts: Counts,
}

/// How often what happened since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Runs that ended, however.
    pub runs: u64,
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
    /// Without a result for a reason on this machine (H13).
    pub no_result: u64,
    /// Not run since the address may not be probed (H12).
    pub refused: u64,
    /// Probe tasks that died and were started again (H8).
    pub restarted: u64,
}

/// The counts of one probe or of all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: AtomicU64,
    pub(super) passed: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) no_result: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) restarted: AtomicU64,
}

impl Tally {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            runs: read(&self.runs),
            passed: read(&self.passed),
            failed: read(&self.failed),
            no_result: read(&self.no_result),
            refused: read(&self.refused),
            restarted: read(&self.restarted),
        }
    }
}

/// Milliseconds since 1970 UTC; 0 before.
pub(super) fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
