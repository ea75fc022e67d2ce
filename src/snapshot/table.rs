//! Names to numbers: open addressing over a hash that runs from the root outward, so that one pass over a name gives
//! the hashes of all its ancestors.

use crate::wire::Name;

/// Labels of a name at most, the root's excluded (RFC 1035: 255 octets).
const MAX_LABELS: usize = 127;
/// Octets of a name at most.
const MAX_NAME: usize = 255;
/// An odd number with bits everywhere: the multiplier of the folded product.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// No name here.
const EMPTY: u32 = u32::MAX;

/// A name in lower case with its labels found and its suffixes hashed.
#[derive(Debug)]
pub struct Lowered {
    octets: [u8; MAX_NAME],
    len: u8,
    starts: [u8; MAX_LABELS],
    labels: u8,
    hashes: [u64; MAX_LABELS + 1],
}

impl Lowered {
    /// Takes a whole uncompressed name, as checked when it was read; anything else is the root.
    pub fn new(wire: &[u8]) -> Self {
        let mut lowered =
            Self { octets: [0; MAX_NAME], len: 1, starts: [0; MAX_LABELS], labels: 0, hashes: [0; MAX_LABELS + 1] };
        if wire.len() > MAX_NAME {
            return lowered;
        }
        // Length octets are at most 63 and so never letters.
        for (to, from) in lowered.octets.iter_mut().zip(wire) {
            *to = from.to_ascii_lowercase();
        }
        let (mut at, mut labels) = (0, 0);
        while let Some(&len) = wire.get(at).filter(|&&len| len != 0) {
            lowered.starts[labels] = at as u8;
            labels += 1;
            at += 1 + usize::from(len);
        }
        lowered.len = (at + 1) as u8;
        lowered.labels = labels as u8;
        let mut hash = MULTIPLIER;
        lowered.hashes[labels] = hash;
        for label in (0..labels).rev() {
            let start = usize::from(lowered.starts[label]);
            let end = start + 1 + usize::from(lowered.octets[start]);
            hash = extend(hash, &lowered.octets[start..end]);
            lowered.hashes[label] = hash;
        }
        lowered
    }

    /// Labels, the root's excluded.
    pub fn labels(&self) -> usize {
        self.labels.into()
    }

    /// Octets, the root label included.
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// Never: even the root has an octet.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The ancestor without the first `skip` labels.
    pub fn suffix(&self, skip: usize) -> &[u8] {
        let start = if skip < self.labels() { usize::from(self.starts[skip]) } else { self.len() - 1 };
        &self.octets[start..self.len()]
    }
}

/// One label, length octet included, after all that stand to its right.
fn extend(mut hash: u64, label: &[u8]) -> u64 {
    for chunk in label.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let product = u128::from(hash ^ u64::from_le_bytes(word)) * u128::from(MULTIPLIER);
        hash = (product as u64) ^ (product >> 64) as u64;
    }
    hash
}

/// Every name that exists, by its number.
#[derive(Debug)]
pub struct NameTable {
    slots: Vec<(u64, u32)>,
    mask: usize,
    names: Vec<Box<[u8]>>,
}

impl NameTable {
    /// Numbers follow the order of `names`, which are distinct.
    pub fn new<'a>(names: impl Iterator<Item = &'a Name>) -> Self {
        let names: Vec<Box<[u8]>> = names.map(Name::canonical).collect();
        // Half full at most, so that a miss is short.
        let size = (names.len() * 2).next_power_of_two().max(2);
        let mask = size - 1;
        let mut slots = vec![(0, EMPTY); size];
        for (number, name) in names.iter().enumerate() {
            let hash = Lowered::new(name).hashes[0];
            let mut slot = hash as usize & mask;
            while slots[slot].1 != EMPTY {
                slot = (slot + 1) & mask;
            }
            slots[slot] = (hash, number as u32);
        }
        Self { slots, mask, names }
    }

    /// The number of the name without its first `skip` labels.
    pub fn get(&self, name: &Lowered, skip: usize) -> Option<u32> {
        let hash = name.hashes[skip];
        let wanted = name.suffix(skip);
        let mut slot = hash as usize & self.mask;
        loop {
            let (found, number) = self.slots[slot];
            if number == EMPTY {
                return None;
            }
            if found == hash && *self.names[number as usize] == *wanted {
                return Some(number);
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// The closest name that exists at or above this one (RFC 4592 section 3.3.1), and how many labels are above it.
    pub fn closest(&self, name: &Lowered) -> Option<(u32, usize)> {
        (0..=name.labels()).find_map(|skip| Some((self.get(name, skip)?, skip)))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn name() -> impl Strategy<Value = Name> {
        proptest::collection::vec("[abAB]{1,10}", 0..4)
            .prop_map(|labels| Name::absolute(&format!("{}.", labels.join("."))).unwrap())
    }

    proptest! {
        #[test]
        fn the_closest_name_is_what_walking_up_finds(
            names in proptest::collection::btree_set(name(), 0..40), asked in name(),
        ) {
            let names: BTreeSet<Name> = names;
            let table = NameTable::new(names.iter());
            let expected = std::iter::successors(Some(asked.clone()), Name::parent)
                .enumerate()
                .find_map(|(skip, above)| Some((names.iter().position(|n| *n == above)? as u32, skip)));
            prop_assert_eq!(table.closest(&Lowered::new(asked.as_wire())), expected);
        }
    }
}
