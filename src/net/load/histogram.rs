//! Latencies by the nanosecond, kept as counts in steps of at most 1/64 of the value: 18 KiB however many there are.

use std::time::Duration;

/// Steps of each doubling, and its logarithm.
const STEPS: usize = 64;
const STEP_BITS: u32 = 6;
/// Values from here on (18 minutes) are counted as this.
const LONGEST: u64 = (1 << 40) - 1;
/// The last index is that of [`LONGEST`].
const SIZE: usize = index(LONGEST) + 1;

/// Counts of durations. The same idea as HdrHistogram's: exact below 64 ns, then 64 steps a doubling.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; SIZE].into(), total: 0, longest: 0 }
    }
}

const fn index(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    // The leading one of the shifted value says that it is past the exact part: each shift takes the next 64 places.
    (shift as usize) * STEPS + (value >> shift) as usize
}

/// The largest value of an index.
const fn top(index: usize) -> u64 {
    if index < 2 * STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    (((index - shift * STEPS) as u64 + 1) << shift) - 1
}

impl Histogram {
    /// Counts one duration of so many nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        self.counts[index(nanoseconds.min(LONGEST))] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    /// Adds all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest, exactly; zero of none.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// What `share` (0 to 1) of all did not exceed, at most 1/64 too high; zero of none.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        for (index, count) in self.counts.iter().enumerate() {
            passed += count;
            if passed >= wanted {
                return Duration::from_nanos(top(index).min(self.longest));
            }
        }
        self.longest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_grow_by_one_and_every_value_lies_within_its_own() {
        let mut last = 0;
        for value in (0..100_000).chain((17..40).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1])) {
            let at = index(value);
            assert!(value <= top(at) && (at == 0 || value > top(at - 1)), "{value} at {at}");
            if value < 100_000 {
                assert!(at == last || at == last + 1, "{value} at {at} after {last}");
                last = at;
            }
            assert!(top(at) - value <= value / STEPS as u64, "{value}: {}", top(at));
        }
        assert_eq!(index(LONGEST), SIZE - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for value in 1..=1000 {
            histogram.record(value);
        }
        for (share, expected) in [(0.0, 1), (0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            let found = histogram.quantile(share).as_nanos() as u64;
            assert!((expected..=expected + expected / 64).contains(&found), "{share}: {found}");
        }
    }

    #[test]
    fn what_two_have_counted_is_counted_by_their_sum() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(10);
        other.record(30);
        other.record(u64::MAX);
        one.merge(&other);
        assert_eq!(one.total(), 3);
        assert_eq!(one.quantile(0.6), Duration::from_nanos(30));
        assert_eq!(one.longest(), Duration::from_nanos(u64::MAX));
        assert_eq!(one.quantile(1.0), Duration::from_nanos(LONGEST));
    }
}
