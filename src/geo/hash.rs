//! A fast hash for the tables that live while databases are read and maps are built.
//!
//! They are asked millions of times, where the standard hash took a tenth of a load. It resists no one who chooses
//! the keys; these come from files that the operator has picked, and the worst that they can do is a slow load.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// An odd number without pattern: 2⁶⁴ divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        // Both halves of the product, since the table takes the lowest bits and the highest ones.
        let product = u128::from(self.0.rotate_left(23) ^ value) * u128::from(FACTOR);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    use super::*;

    /// How many of the values fall together in the bits that a table of 2¹⁶ places looks at.
    fn places<T: Hash>(values: impl Iterator<Item = T>) -> usize {
        let hash = BuildHasherDefault::<Mix>::default();
        values.map(|value| hash.hash_one(value) & 0xffff).collect::<HashSet<_>>().len()
    }

    #[test]
    fn offsets_pairs_and_coordinates_spread_over_the_table() {
        // 2¹⁶ balls thrown at random fill 63 % of 2¹⁶ places.
        let enough = 38_000;
        assert!(places((0..65_536_u32).map(|i| i * 96)) > enough);
        assert!(places((0..65_536_u32).map(|i| (i >> 8, i & 0xff))) > enough);
        assert!(places((0..65_536_u32).map(|i| (f64::from(i) / 100.0).to_bits())) > enough);
    }
}
