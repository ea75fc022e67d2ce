//! Hashes to numbers: open addressing at the low bits of the hash.

/// A place without a number.
const EMPTY: u32 = u32::MAX;

/// Slots that lie in the nearest caches.
const SMALL: usize = 1 << 10;
/// Parts that a large index is filled in.
const STRIPS: usize = 512;

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

    /// Takes what [`Self::into_slots`] gave; `len` numbers are in it.
    pub fn from_slots(slots: Box<[(u32, u32)]>, len: usize) -> Self {
        Self { slots, len }
    }

    /// Adds a number other than `u32::MAX`; what is there of the same hash stays before it.
    pub fn insert(&mut self, hash: u32, number: u32) {
        self.reserve(1);
        self.len += 1;
        self.place(hash, number);
    }

    /// Adds many, in an order that spares the cache: a large index is filled from its one end to the other.
    pub fn extend(&mut self, pairs: impl Iterator<Item = (u32, u32)> + Clone) {
        self.reserve(pairs.clone().count());
        let strip = self.slots.len().div_ceil(STRIPS).max(SMALL);
        let strip_of = |hash: u32| (hash as usize & (self.slots.len() - 1)) / strip;
        let mut ends = [0; STRIPS];
        for (hash, _) in pairs.clone() {
            ends[strip_of(hash)] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        // Each strip's end is its beginning first, and goes up as it is filled.
        let mut sorted = vec![(0, 0); sum];
        for (hash, number) in pairs {
            let end = &mut ends[strip_of(hash)];
            sorted[*end] = (hash, number);
            *end += 1;
        }
        self.len += sum;
        for (hash, number) in sorted {
            self.place(hash, number);
        }
    }

    /// Takes out every number that is not to be kept.
    pub fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        for slot in 0..self.slots.len() {
            while self.slots[slot].1 != EMPTY && !is_kept(self.slots[slot].1) {
                self.remove(slot);
            }
        }
    }

    /// Empties a place, and moves those behind it up that would no longer be found.
    fn remove(&mut self, mut gap: usize) {
        let mask = self.slots.len() - 1;
        let mut slot = gap;
        loop {
            slot = (slot + 1) & mask;
            let (hash, number) = self.slots[slot];
            if number == EMPTY {
                break;
            }
            let way = slot.wrapping_sub(hash as usize) & mask;
            if way >= slot.wrapping_sub(gap) & mask {
                self.slots[gap] = (hash, number);
                gap = slot;
            }
        }
        self.slots[gap] = (0, EMPTY);
        self.len -= 1;
    }

    /// Makes room for more.
    pub fn reserve(&mut self, more: usize) {
        if (self.len + more) * 2 > self.slots.len() {
            self.resize((self.len + more).max(2 * self.len));
        }
    }

    /// Gives up room where not even a quarter is used.
    pub fn shrink(&mut self) {
        if self.slots.len() > SMALL && self.len * 4 < self.slots.len() {
            self.resize(self.len);
        }
    }

    fn resize(&mut self, room: usize) {
        let other = Self::with_capacity(room);
        let before = std::mem::replace(&mut self.slots, other.slots);
        for &(hash, number) in before.iter().filter(|slot| slot.1 != EMPTY) {
            self.place(hash, number);
        }
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
    use proptest::prelude::*;

    fn hash(number: u32) -> u32 {
        wide(number) & 0xff
    }

    fn wide(number: u32) -> u32 {
        number.wrapping_mul(0x9e37_79b9)
    }

    #[test]
    fn what_was_put_in_is_found_however_much_it_grows() {
        let mut index = Index::with_capacity(0);
        for number in 0..1000 {
            index.insert(hash(number), number);
        }
        index.extend((1000..9000).map(|number| (wide(number), number)));
        for number in 0..1000 {
            assert_eq!(index.find(hash(number), |found| found == number), Some(number));
        }
        for number in 1000..9000 {
            assert_eq!(index.find(wide(number), |found| found == number), Some(number));
        }
        assert_eq!(index.find(hash(7), |found| found == 8), None);
        assert_eq!(index.find(0x100, |_| true), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_out_is_gone_and_the_rest_is_found(
            hashes in proptest::collection::vec(0..64u32, 0..60), kept: u64,
        ) {
            let mut index = Index::with_capacity(hashes.len());
            index.extend(hashes.iter().copied().zip(0..));
            let is_kept = |number: u32| kept >> number & 1 == 1;
            index.retain(is_kept);
            index.shrink();
            let len = (0..hashes.len() as u32).filter(|&number| is_kept(number)).count();
            prop_assert_eq!(index.len, len);
            let mut index = Index::from_slots(index.into_slots(), len);
            for (&hash, number) in hashes.iter().zip(0..) {
                let found = index.find(hash, |found| found == number);
                prop_assert_eq!(found, is_kept(number).then_some(number));
            }
            index.insert(5, 1000);
            prop_assert_eq!(index.find(5, |found| found == 1000), Some(1000));
        }
    }
}
