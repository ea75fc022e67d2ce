//! Gathers bursts: something is due when it has been quiet for a while, or when the first of it has waited too long.

use std::time::{Duration, Instant};

/// One gathered kind of event. Times are arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debounce {
    quiet: Duration,
    most: Duration,
    burst: Option<(Instant, Instant)>,
}

impl Debounce {
    pub(super) fn new(quiet: Duration, most: Duration) -> Self {
        Self { quiet, most, burst: None }
    }

    /// One more event.
    pub(super) fn note(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |(first, _)| first);
        self.burst = Some((first, now));
    }

    /// When the burst is to be acted on, if there is one.
    pub(super) fn due(&self) -> Option<Instant> {
        self.burst.map(|(first, last)| (last + self.quiet).min(first + self.most))
    }

    /// Whether it is due, in which case the next event begins a new burst.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        if is_due {
            self.burst = None;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_is_due_once_it_is_quiet() {
        let mut files = Debounce::new(100 * MS, 1000 * MS);
        let start = Instant::now();
        assert!(!files.take(start));
        files.note(start);
        files.note(start + 60 * MS);
        assert!(!files.take(start + 159 * MS));
        assert!(files.take(start + 160 * MS));
        assert_eq!(files.due(), None);
    }

    #[test]
    fn a_burst_that_never_ends_is_due_after_its_longest_time() {
        let mut files = Debounce::new(100 * MS, 1000 * MS);
        let start = Instant::now();
        let taken = (0..200).map(|i| start + i * 10 * MS).find(|&now| {
            files.note(now);
            files.take(now)
        });
        assert_eq!(taken, Some(start + 1000 * MS));
    }
}
