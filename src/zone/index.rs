//! Hashes to numbers: open addressing at the low bits of the hash.

/// A place without a number.
const EMPTY: u32 = u32::MAX;

/// The half of a hash that an [`Index`] takes.
#[inline]
pub fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// (hash, number), each at the first free place from that of its hash on. Half full at most, so that a miss is short.
/// What it is keyed by is the caller's to compare.
#[derive(Debug)]
pub struct Index {
    slots: Box<[(u32, u32)]>,
    len: usize,
}

impl Index {
    /// With room for so many.
    pub fn with_capacity(len: usize) -> Self {
        let size = (len * 2).next_power_of_two().max(2);
        Self { slots: vec![(0, EMPTY); size].into_boxed_slice(), len: 0 }
    }

    /// Adds a number other than `u32::MAX`; what is there of the same hash stays before it.
    pub fn insert(&mut self, hash: u32, number: u32) {
        self.len += 1;
        if self.len * 2 > self.slots.len() {
            let grown = Self::with_capacity(self.len.max(8) * 2);
            let small = std::mem::replace(&mut self.slots, grown.slots);
            for &(hash, number) in small.iter().filter(|slot| slot.1 != EMPTY) {
                self.place(hash, number);
            }
        }
        self.place(hash, number);
    }

    fn place(&mut self, hash: u32, number: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot].1 != EMPTY {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = (hash, number);
    }

    /// The first number of this hash that `is_wanted`.
    pub fn find(&self, hash: u32, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let (found, number) = self.slots[slot];
            if number == EMPTY {
                return None;
            }
            if found == hash && is_wanted(number) {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The slots themselves, `u32::MAX` where there is no number. There are a power of two of them.
    pub fn into_slots(self) -> Box<[(u32, u32)]> {
        self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_however_much_it_grows() {
        let mut index = Index::with_capacity(0);
        let hash = |number: u32| number.wrapping_mul(0x9e37_79b9) & 0xff;
        for number in 0..1000 {
            index.insert(hash(number), number);
        }
        for number in 0..1000 {
            assert_eq!(index.find(hash(number), |found| found == number), Some(number));
        }
        assert_eq!(index.find(hash(7), |found| found == 8), None);
        assert_eq!(index.find(0x100, |_| true), None);
    }
}
