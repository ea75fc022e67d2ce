//! Random bits for weighted picks and rotations: one generator a worker, so that no query waits for another.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Wang Yi's wyrand: 64 bits of state, one multiplication a draw. Shares need an even spread, not secrecy: a client
/// sees the outcome of its own draw anyway.
#[derive(Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// Seeded by the system, so that workers and restarts differ.
    pub(crate) fn new() -> Self {
        // The keys of a hasher come from the system's generator and differ from call to call.
        Self(RandomState::new().build_hasher().finish())
    }

    /// 64 uniformly random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }
}

/// The same generator for tasks that have no thread of their own: its state is a mere count of steps.
#[derive(Debug)]
pub(crate) struct SharedDraw(AtomicU64);

impl SharedDraw {
    /// Seeded by the system.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(Draw::new().0))
    }

    /// 64 uniformly random bits.
    pub(crate) fn next(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Ordering::Relaxed))
    }
}

const STEP: u64 = 0xa076_1d64_78bd_642f;

fn mix(state: u64) -> u64 {
    let product = u128::from(state) * u128::from(state ^ 0xe703_7ed1_a0b4_28db);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_one_in_256_gets_its_share() {
        let mut draw = Draw(7);
        let hits = (0..100_000).filter(|_| draw.next() < u64::MAX / 256).count();
        let (p, n) = (1.0 / 256.0, 100_000.0_f64);
        let off = (hits as f64 / n - p).abs();
        assert!(off < 4.0 * (p * (1.0 - p) / n).sqrt(), "{hits} of 100,000");
    }

    #[test]
    fn two_workers_draw_differently() {
        assert_ne!(Draw::new().next(), Draw::new().next());
    }
}
