//! When a probe runs (H8). Pure: times are durations since the checker began.
//!
//! A probe with a verdict runs once in each of its periods, at an offset that its key decides, so that probes of
//! one interval are spread over it and stay spread; each start is late by a jitter of its own, so that no two stay
//! in step. One without a verdict runs at once, then each second (G5).
//!
//! Starts fall on common ticks, so that a thousand probes a second wake their thread a hundred times and not a thousand.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;

/// From start to start while unchecked (G5).
const UNCHECKED_INTERVAL: Duration = Duration::from_secs(1);

/// The share of the interval that a start may be late, and the most: detection must not wait long for it.
const JITTER_SHARE: u32 = 10;
const JITTER_MOST: Duration = Duration::from_millis(500);

/// The grain of starts: far below what a jitter is, and any interval.
const TICK: Duration = Duration::from_millis(10);

/// New probes are let go at this pace, so that ten thousand do not open their sockets in the same millisecond; the
/// last one begins within [`FIRST_WITHIN`].
const FIRST_PACE: Duration = Duration::from_micros(100);
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// The rhythm of one probe.
#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    interval: Duration,
    offset: Duration,
    seed: u64,
}

impl Rhythm {
    /// `seed` differs from one start of the server to the next: servers that share files are not in step either.
    pub(super) fn new(key: &str, interval: Duration, seed: u64) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        let seed = hash(seed, key.as_bytes());
        Self { interval, offset: share(interval, seed), seed }
    }

    /// How long a probe without a verdict waits when it is one of `new` that begin together.
    pub(super) fn first_delay(&self, new: usize) -> Duration {
        let new = u32::try_from(new).unwrap_or(u32::MAX);
        share(FIRST_PACE.saturating_mul(new).min(FIRST_WITHIN), self.seed)
    }

    /// The next start of a probe that has a verdict: in the period after the one that `last` was in, or the first
    /// that is not over at `now`.
    pub(super) fn next(&self, last: Duration, now: Duration) -> Duration {
        let start = |period: u64| {
            let begin = self.offset + scale(self.interval, period);
            begin.max(on_tick(begin + self.jitter(period)))
        };
        let mut period = self.period_of(last).map_or(0, |period| period + 1);
        if let Some(current) = self.period_of(now)
            && period < current
        {
            period = current;
        }
        // At the very end of a period its start may be over already; the one after is then the first to come.
        if start(period) < now { start(period + 1) } else { start(period) }
    }

    /// The next start of a probe that has none.
    pub(super) fn next_unchecked(&self, last: Duration, now: Duration) -> Duration {
        (last + UNCHECKED_INTERVAL.min(self.interval)).max(now)
    }

    fn period_of(&self, at: Duration) -> Option<u64> {
        let into = at.checked_sub(self.offset)?;
        u64::try_from(into.as_nanos() / self.interval.as_nanos().max(1)).ok()
    }

    fn jitter(&self, period: u64) -> Duration {
        share((self.interval / JITTER_SHARE).min(JITTER_MOST), hash(self.seed, &period.to_le_bytes()))
    }
}

fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, 0);
    hasher.write(bytes);
    hasher.finish()
}

/// `of × fraction / 2⁶⁴`.
fn share(of: Duration, fraction: u64) -> Duration {
    let nanos = u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(((u128::from(nanos) * u128::from(fraction)) >> 64) as u64)
}

/// The tick before, or that very moment.
fn on_tick(at: Duration) -> Duration {
    let into = at.as_nanos() % TICK.as_nanos();
    at - Duration::from_nanos(into as u64)
}

fn scale(interval: Duration, by: u64) -> Duration {
    let nanos = interval.as_nanos().saturating_mul(u128::from(by));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn h8_a_thousand_probes_are_spread_over_the_interval() {
        let mut tenths = [0; 10];
        for number in 0..1000 {
            let rhythm = Rhythm::new(&format!("https|endpoint{number}|"), INTERVAL, 7);
            let begin = INTERVAL * 10;
            let start = rhythm.next(begin, begin);
            tenths[(start.as_millis() % INTERVAL.as_millis() / 500) as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| (60..140).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn h8_two_probes_do_not_stay_in_step() {
        let (a, b) = (Rhythm::new("a", INTERVAL, 7), Rhythm::new("b", INTERVAL, 7));
        let starts = |rhythm: &Rhythm| {
            let mut at = Duration::ZERO;
            let starts = std::iter::repeat_with(|| {
                at = rhythm.next(at, at);
                at.as_micros()
            });
            starts.take(20).collect::<Vec<_>>()
        };
        let gaps: std::collections::BTreeSet<i128> =
            starts(&a).iter().zip(starts(&b)).map(|(&a, b)| a as i128 - b as i128).collect();
        assert!(gaps.len() > 15, "{gaps:?}");
    }

    #[test]
    fn h8_ten_thousand_new_probes_begin_within_a_second_and_ten_at_once() {
        let last = |count: usize| {
            let delays = (0..count).map(|n| Rhythm::new(&n.to_string(), INTERVAL, 3).first_delay(count));
            delays.max().unwrap_or_default()
        };
        assert!(last(10) < Duration::from_millis(1));
        assert!(last(10_000) <= Duration::from_secs(1) && last(10_000) > Duration::from_millis(900));
    }

    #[test]
    fn g5_unchecked_probes_run_each_second_from_start_to_start() {
        let rhythm = Rhythm::new("a", INTERVAL, 7);
        let s = Duration::from_secs;
        assert_eq!(rhythm.next_unchecked(s(10), s(10) + Duration::from_millis(300)), s(11));
        assert_eq!(rhythm.next_unchecked(s(10), s(12)), s(12));
    }

    proptest! {
        #[test]
        fn h8_starts_are_an_interval_apart_but_for_the_jitter(
            key in "[a-z]{1,8}", seed: u64, millis in 10u64..100_000, took in 0.0f64..0.9,
        ) {
            let interval = Duration::from_millis(millis);
            let rhythm = Rhythm::new(&key, interval, seed);
            let most = (interval / 10).min(Duration::from_millis(500));
            let mut last = rhythm.next(Duration::from_secs(1000), Duration::from_secs(1000));
            for _ in 0..20 {
                let next = rhythm.next(last, last + interval.mul_f64(took));
                let gap = next - last;
                prop_assert!(gap + most >= interval && gap <= interval + most, "{gap:?}");
                last = next;
            }
        }

        #[test]
        fn h8_a_start_is_never_in_the_past_nor_more_than_an_interval_and_jitter_away(
            key in "[a-z]{1,8}", millis in 10u64..100_000, last in 0u64..1_000_000, on in 0u64..1_000_000,
        ) {
            let interval = Duration::from_millis(millis);
            let now = Duration::from_millis(last + on);
            let next = Rhythm::new(&key, interval, 1).next(Duration::from_millis(last), now);
            prop_assert!(next >= now);
            prop_assert!(next - now <= interval * 2 + interval / 10);
        }
    }
}
