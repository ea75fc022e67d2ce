//! Who reads snapshots, and the newest that each has come to: so that the publisher knows when an old one is nobody's any
//! more, and frees it itself.
//!
//! Invariant: a reader that has reported a generation uses none before it from then on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a reader is known by: on cache lines of its own, since it is written in the midst of answering. Processors fetch
/// lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Seen(AtomicU64);

/// All readers of one publisher's snapshots.
#[derive(Default)]
pub struct Readers {
    seen: Mutex<Vec<Arc<Seen>>>,
}

impl Readers {
    /// One more reader. Until it reports for the first time it counts as one that may use any generation.
    pub fn join(&self) -> Reader {
        let seen = Arc::new(Seen::default());
        self.live(|all| all.push(Arc::clone(&seen)));
        Reader { seen }
    }

    /// The oldest generation that a reader may still use; `u64::MAX` where there is none.
    pub fn oldest(&self) -> u64 {
        let of = |seen: &Arc<Seen>| seen.0.load(Ordering::Acquire);
        self.live(|all| all.iter().map(of).min().unwrap_or(u64::MAX))
    }

    /// Those whose readers have not ended.
    fn live<T>(&self, with: impl FnOnce(&mut Vec<Arc<Seen>>) -> T) -> T {
        // Whoever panicked with the list in hand left it whole.
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|seen| Arc::strong_count(seen) > 1);
        with(&mut all)
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("oldest", &self.oldest()).finish()
    }
}

/// One reader: a worker that answers queries. [`Reader::default`] reports to nobody.
#[derive(Debug, Default)]
pub struct Reader {
    seen: Arc<Seen>,
}

impl Reader {
    /// Says that no generation before this one is used from now on: with each batch, and when idle once a second at
    /// least. Costs a store to a cache line of its own.
    #[inline]
    pub fn observe(&self, generation: u64) {
        self.seen.0.store(generation, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_that_of_the_reader_that_lags_most() {
        let readers = Readers::default();
        assert_eq!(readers.oldest(), u64::MAX);
        let (one, two) = (readers.join(), readers.join());
        one.observe(7);
        assert_eq!(readers.oldest(), 0, "the other has not reported yet");
        two.observe(5);
        assert_eq!(readers.oldest(), 5);
        drop(two);
        assert_eq!(readers.oldest(), 7, "who has ended holds nothing back");
        Reader::default().observe(1);
        assert_eq!(readers.oldest(), 7);
    }
}
