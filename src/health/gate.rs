//! How many probes may be under way, so that a start of thousands swamps neither this machine nor the verdicts.
//!
//! Two limits, both first come, first served. No more probes are under way than there are sockets for: past it they would
//! fail for want of descriptors, and so would clients of the server. And only so many may be *young* at one time: a subject
//! that answers is done by then, and one that is slow no longer takes part, so that it delays no other (H8). Where the
//! machine is the one that is slow, probes stay young for longer, and the next ones wait instead of running out of time.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Probes that are young at one time. All of them take some 0.15 s of one core with TLS: well within any timeout.
const YOUNG: usize = 256;

/// How long a probe is young. Subjects that hang delay no other up to five thousand of them a second.
const YOUTH: Duration = Duration::from_millis(50);

/// Descriptors where the system does not say how many there are.
const DESCRIPTORS: usize = 1024;

/// The limits of all probes together.
pub(super) struct Gate {
    under_way: Semaphore,
    young: Semaphore,
}

impl Gate {
    /// For at most so many probes at one time, at least one.
    pub(super) fn new(under_way: usize) -> Self {
        let under_way = under_way.clamp(1, Semaphore::MAX_PERMITS);
        Self { under_way: Semaphore::new(under_way), young: Semaphore::new(YOUNG) }
    }

    /// Waits for a turn, then runs `probe`, which is not begun before.
    pub(super) async fn pass<F: Future>(&self, probe: impl FnOnce() -> F) -> F::Output {
        let _under_way = turn(&self.under_way).await;
        let young = turn(&self.young).await;
        let mut probe = pin!(probe());
        match tokio::time::timeout(YOUTH, &mut probe).await {
            Ok(output) => output,
            Err(_) => {
                drop(young);
                probe.await
            }
        }
    }
}

/// These are never closed: an error would mean that there is no limit to keep.
async fn turn(semaphore: &Semaphore) -> Option<SemaphorePermit<'_>> {
    semaphore.acquire().await.ok()
}

/// Half of the descriptors that this process may have: the rest is for those who ask.
pub(super) fn sockets() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    descriptors(&limits).unwrap_or(DESCRIPTORS) / 2
}

/// What `/proc/self/limits` says; `None` if it says nothing.
fn descriptors(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(Semaphore::MAX_PERMITS),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn h8_probes_that_hang_let_others_pass_once_they_are_no_longer_young() {
        let gate = Arc::new(Gate::new(10_000));
        for _ in 0..4 * YOUNG {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { gate.pass(pending::<()>).await });
        }
        tokio::time::sleep(YOUTH / 2).await;
        let began = tokio::time::Instant::now();
        tokio::time::timeout(60 * YOUTH, gate.pass(|| async {})).await.unwrap();
        let behind_those_before = 3 * YOUTH..5 * YOUTH;
        assert!(behind_those_before.contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_probes_are_under_way_than_may_be_and_each_has_its_turn() {
        const MOST: usize = 5;
        let gate = Arc::new(Gate::new(MOST));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let probes: Vec<_> = (0..50)
            .map(|_| {
                let (gate, now, most) = (Arc::clone(&gate), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    let probe = || async {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_secs(2)).await;
                        now.fetch_sub(1, Ordering::SeqCst);
                    };
                    gate.pass(probe).await;
                })
            })
            .collect();
        for probe in probes {
            probe.await.unwrap();
        }
        assert_eq!((now.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (0, MOST));
    }

    #[test]
    fn the_number_of_descriptors_is_the_systems() {
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288    files\n";
        assert_eq!(descriptors(limits), Some(1024));
        assert_eq!(descriptors("Max open files  unlimited  unlimited  files"), Some(Semaphore::MAX_PERMITS));
        assert_eq!(descriptors(""), None);
        assert!(sockets() > 0);
    }
}
