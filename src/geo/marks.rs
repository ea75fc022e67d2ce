//! Which records of a database are reached, and the number of each among them.
//!
//! A city database has millions of networks and some hundred thousand records. A bit for each octet of the data says
//! that a record begins there; how many bits are set before it is its number. Threads mark at the same time, and the
//! numbers go by where the records lie, so they are the same every time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Marks while networks are walked.
pub(super) struct Marks(Vec<AtomicU64>);

impl Marks {
    /// Room for positions below `len`.
    pub(super) fn new(len: usize) -> Self {
        Self(std::iter::repeat_with(AtomicU64::default).take(len.div_ceil(64)).collect())
    }

    /// Marks a position; `None` where it lies outside.
    pub(super) fn mark(&self, position: u32) -> Option<()> {
        let (word, bit) = (self.0.get(position as usize / 64)?, 1 << (position % 64));
        // Nearly always it is marked, and only looking keeps the line shared between the cores.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Some(())
    }

    /// The marks with their numbers, when all are there.
    pub(super) fn number(self) -> Numbers {
        let mut before = 0;
        let words = self.0.into_iter().map(AtomicU64::into_inner).map(|word| {
            let numbered = (word, before);
            before += word.count_ones();
            numbered
        });
        Numbers(words.collect())
    }
}

/// Marked positions, numbered from 0 in ascending order.
pub(super) struct Numbers(
    /// The marks of 64 positions, and how many there are before them.
    Vec<(u64, u32)>,
);

impl Numbers {
    /// The number of a marked position.
    pub(super) fn of(&self, position: u32) -> usize {
        let (word, before) = self.0[position as usize / 64];
        (before + (word & ((1 << (position % 64)) - 1)).count_ones()) as usize
    }

    /// Every marked position, in order.
    pub(super) fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &(word, _))| {
            let left = std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1)));
            left.take_while(|&word| word != 0).map(move |word| at as u32 * 64 + word.trailing_zeros())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_positions_are_numbered_in_ascending_order() {
        let marks = Marks::new(200);
        for position in [199, 0, 63, 64, 128, 64, 5] {
            assert_eq!(marks.mark(position), Some(()));
        }
        assert_eq!(marks.mark(300), None);
        let numbers = marks.number();
        assert_eq!(numbers.positions().collect::<Vec<_>>(), [0, 5, 63, 64, 128, 199]);
        assert_eq!([0, 5, 63, 64, 128, 199].map(|position| numbers.of(position)), [0, 1, 2, 3, 4, 5]);
    }
}
