//! The least pace of a transfer. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// So many octets have to come in each [`SPAN`], 256 a second: less than any line has that still carries zones.
const LEAST: usize = 5 * 1024;
/// Long enough for what was lost on the way to be sent again.
const SPAN: Duration = Duration::from_secs(20);

/// What has come of a transfer lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the span began: the first one, with the first message, since a primary may take its time before it.
    begun: Option<Instant>,
    octets: usize,
}

impl Pace {
    /// A message of so many octets has come; false: it ends a span in which too few have.
    pub(super) fn is_kept(&mut self, octets: usize, now: Instant) -> bool {
        let begun = *self.begun.get_or_insert(now);
        self.octets += octets;
        if now.saturating_duration_since(begun) < SPAN {
            return true;
        }
        let is_kept = self.octets >= LEAST;
        *self = Self { begun: Some(now), octets: 0 };
        is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many messages of so many octets are taken, one each so many seconds, of a thousand.
    fn taken(octets: usize, each: u64) -> usize {
        let (start, mut pace) = (Instant::now(), Pace::default());
        (0..1000u64).take_while(|at| pace.is_kept(octets, start + Duration::from_secs(at * each))).count()
    }

    #[test]
    fn p26_a_transfer_that_comes_in_drops_is_ended_and_a_slow_one_is_not() {
        // At 0, 8 and 16 seconds; that of 24 seconds ends it.
        assert_eq!(taken(60, 8), 3);
        assert_eq!(taken(16_384, 14), 1000);
        assert_eq!(taken(LEAST, 20), 1000);
        assert_eq!(taken(300, 1), 1000);
        assert_eq!(taken(200, 1), 20);
    }

    #[test]
    fn p26_what_came_fast_once_counts_for_its_own_span_only() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        assert!(pace.is_kept(1 << 20, start));
        assert!(pace.is_kept(60, start + SPAN));
        assert!(pace.is_kept(60, start + SPAN + SPAN / 2));
        assert!(!pace.is_kept(60, start + SPAN * 2));
    }
}
