//! Snapshots that were replaced: kept until nobody reads them, so that they are freed here and never by a reader.

use std::sync::Arc;

use crate::snapshot::{Readers, Snapshot};

/// Those that were replaced and are not freed yet.
#[derive(Debug, Default)]
pub(super) struct Retired {
    snapshots: Vec<Arc<Snapshot>>,
}

impl Retired {
    pub(super) fn push(&mut self, replaced: Arc<Snapshot>) {
        self.snapshots.push(replaced);
    }

    /// Frees those that all of `readers` have left behind, and that nobody else holds: a stream's message, somebody who
    /// asks for an explanation. Nobody can come to hold one that has been replaced, so that who is last is known.
    pub(super) fn free(&mut self, readers: &Readers) {
        if self.snapshots.is_empty() {
            return;
        }
        let oldest = readers.oldest();
        self.snapshots.retain(|snapshot| snapshot.generation >= oldest || Arc::strong_count(snapshot) > 1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::*;
    use crate::geo::Places;
    use crate::health::Verdicts;
    use crate::snapshot::{Inputs, compile};

    fn snapshot(generation: u64) -> Arc<Snapshot> {
        let inputs = Inputs {
            model: Arc::default(),
            places: Arc::new(Places::default()),
            verdicts: Verdicts::default(),
            drained: BTreeSet::new(),
            seed: 0,
        };
        Arc::new(compile(&inputs, generation, None).unwrap())
    }

    #[test]
    fn a_snapshot_is_freed_here_once_every_reader_has_a_newer_one() {
        let (readers, mut retired) = (Readers::default(), Retired::default());
        let (one, two) = (readers.join(), readers.join());
        let first = snapshot(1);
        let watched = Arc::downgrade(&first);
        retired.push(first);
        one.observe(2);
        two.observe(1);
        retired.free(&readers);
        assert_eq!(watched.strong_count(), 1, "one reader may still use it");
        two.observe(2);
        retired.free(&readers);
        assert_eq!((watched.strong_count(), retired.snapshots.len()), (0, 0));
    }

    #[test]
    fn a_snapshot_that_somebody_holds_is_kept_for_them_although_no_reader_uses_it() {
        let (readers, mut retired) = (Readers::default(), Retired::default());
        let held = snapshot(1);
        let watched = Arc::downgrade(&held);
        retired.push(Arc::clone(&held));
        retired.push(snapshot(2));
        retired.free(&readers);
        assert_eq!(retired.snapshots.len(), 1);
        drop(held);
        assert_eq!(watched.strong_count(), 1, "whoever let go of it did not free it");
        retired.free(&readers);
        assert_eq!(watched.strong_count(), 0);
    }
}
