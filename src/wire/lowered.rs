//! A name made ready for being looked up: in lower case, its labels found, hashed from the root outward, so that one
//! pass gives the hashes of all its ancestors.

use super::name::{MAX_LABEL, MAX_NAME};

/// Labels of a name at most, the root's excluded (RFC 1035: 255 octets).
const MAX_LABELS: usize = 127;
/// A name of 255 octets in whole pieces, and a word behind its last octet.
const ROOM: usize = 272;
/// Octets that are lowered at once.
const PIECE: usize = 16;
/// An odd number with bits everywhere: the multiplier of the folded product.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A name in lower case, its labels found and itself hashed.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// Whole words can be read anywhere in the name; what stands behind it means nothing.
    octets: [u8; ROOM],
    starts: [u8; MAX_LABELS + 1],
    len: u8,
    labels: u8,
    seed: u64,
    hash: u64,
}

impl Lowered {
    /// The root. `seed` is what names are hashed with: only names of one seed compare by their hashes.
    #[inline]
    pub fn root(seed: u64) -> Self {
        Self { octets: [0; ROOM], starts: [0; MAX_LABELS + 1], len: 1, labels: 0, seed, hash: seed }
    }

    /// Takes a whole uncompressed name; anything else is the root.
    pub fn new(wire: &[u8], seed: u64) -> Self {
        let mut lowered = Self::root(seed);
        if lowered.read(wire, 0, wire.len()).is_none() {
            lowered = Self::root(seed);
        }
        lowered
    }

    /// What names read from now on are hashed with.
    #[inline]
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Becomes the uncompressed name that begins at `at` in a message which ends at `end` of its buffer, and returns
    /// its octets, root label included. `None`, and no name at all: it runs over, a label is above 63, a label type is
    /// reserved, there is a compression pointer, or it is longer than 255 octets.
    ///
    /// A buffer that goes on for 272 octets behind `at` is read where it is; of a shorter one a copy is made.
    #[inline(always)]
    pub fn read(&mut self, buffer: &[u8], at: usize, end: usize) -> Option<usize> {
        let len = match buffer.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(window) => self.take(window)?,
            None => {
                let mut window = [0; ROOM];
                let rest = buffer.get(at..end)?;
                window[..rest.len().min(ROOM)].copy_from_slice(&rest[..rest.len().min(ROOM)]);
                self.take(&window)?
            }
        };
        (at + len <= end).then_some(len)
    }

    #[inline]
    fn take(&mut self, window: &[u8; ROOM]) -> Option<usize> {
        let (mut end, mut labels) = (0, 0);
        loop {
            let label = usize::from(window[end]);
            if label == 0 {
                break;
            }
            if label > MAX_LABEL {
                return None;
            }
            // A label takes two octets at least, so there are 127 at most.
            self.starts[labels & MAX_LABELS] = end as u8;
            labels += 1;
            end += 1 + label;
            if end >= MAX_NAME {
                return None;
            }
        }
        for (lowered, given) in self.octets.as_chunks_mut().0.iter_mut().zip(window.as_chunks().0).take(end / PIECE + 1)
        {
            *lowered = lower(given);
        }
        self.len = (end + 1) as u8;
        self.labels = labels as u8;
        self.hash = (0..labels).rev().fold(self.seed, |hash, label| self.extend(hash, label));
        Some(end + 1)
    }

    /// One label, length octet included, after all that stand to its right.
    #[inline]
    fn extend(&self, mut hash: u64, label: usize) -> u64 {
        let mut at = usize::from(self.starts[label & MAX_LABELS]);
        let mut word = self.word(at);
        // Length octets are at most 63 and so never letters.
        let mut left = 1 + (word & 0xff) as u32;
        while left > 8 {
            hash = fold(hash, word);
            at += 8;
            left -= 8;
            word = self.word(at);
        }
        fold(hash, word & (u64::MAX >> (64 - 8 * left)))
    }

    /// The eight octets from `at` on.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        self.octets.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
    }

    /// The hash of the whole name.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The hashes of the name and all its ancestors, by the labels left out.
    pub fn hashes(&self) -> [u64; MAX_LABELS + 1] {
        let mut hashes = [self.seed; MAX_LABELS + 1];
        for label in (0..self.labels()).rev() {
            hashes[label] = self.extend(hashes[label + 1], label);
        }
        hashes
    }

    /// Labels, the root's excluded.
    #[inline]
    pub fn labels(&self) -> usize {
        self.labels.into()
    }

    /// Octets, the root label included: 1 to 255.
    #[inline]
    pub fn octets(&self) -> usize {
        self.len.into()
    }

    /// All of it.
    #[inline]
    pub fn whole(&self) -> &[u8] {
        &self.octets[..self.octets()]
    }

    /// The ancestor without the first `skip` labels.
    #[inline]
    pub fn suffix(&self, skip: usize) -> &[u8] {
        let start = if skip < self.labels() { usize::from(self.starts[skip]) } else { self.octets() - 1 };
        &self.octets[start..self.octets()]
    }
}

#[inline]
fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
    (product as u64) ^ (product >> 64) as u64
}

/// ASCII octets in lower case; others stay as they are. Written so that the compiler does them all at once.
#[inline]
fn lower(octets: &[u8; PIECE]) -> [u8; PIECE] {
    octets.map(|octet| octet | (u8::from(octet.wrapping_sub(b'A') < 26) << 5))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::wire::Name;
    use proptest::prelude::*;

    #[test]
    fn p4_what_is_no_plain_name_is_refused() {
        let long_label = [&[64][..], &[b'a'; 64], &[0]].concat();
        let longest = [[63; 64], [63; 64], [63; 64]].concat();
        let too_long = [&longest[..], &[62], &[b'a'; 62], &[0]].concat();
        let whole = [&longest[..], &[61], &[b'a'; 61], &[0]].concat();
        let mut lowered = Lowered::root(7);
        for bad in [&b"\x03ab"[..], b"", b"\x01a", b"\xc0\x0c", b"\x40a", &long_label, &too_long] {
            assert_eq!(lowered.read(bad, 0, bad.len()), None, "{bad:?}");
        }
        assert_eq!(lowered.read(&whole, 0, 255), Some(255));
        assert_eq!(lowered.suffix(0), whole.to_ascii_lowercase());
        assert_eq!(lowered.read(&[1, b'a'].repeat(127), 0, 254), None);
        assert_eq!(lowered.read(&[&[1, b'a'].repeat(127)[..], &[0]].concat(), 0, 255), Some(255));
        assert_eq!(lowered.labels(), 127);
    }

    fn label() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![any::<u8>(), b'A'..=b'Z'], 1..=63)
    }

    proptest! {
        #[test]
        fn p1_lowering_a_piece_is_lowering_octets(octets: [u8; PIECE]) {
            prop_assert_eq!(lower(&octets), octets.map(|octet| octet.to_ascii_lowercase()));
        }

        #[test]
        fn p1_a_name_reads_the_same_in_any_case_and_wherever_it_stands(
            labels in proptest::collection::vec(label(), 0..4), before in 0_usize..20, behind in proptest::collection::vec(any::<u8>(), 0..400), seed: u64,
        ) {
            let wire: Vec<u8> = labels.iter().flat_map(|l| [&[l.len() as u8][..], l].concat()).chain([0]).collect();
            let name = Name::from_wire(&wire);
            prop_assume!(name.is_ok());
            let name = name.unwrap();
            let message = [&vec![0xff; before][..], &wire, &behind].concat();
            // Whatever was read before leaves nothing behind.
            let mut lowered = Lowered::new(&[&[63][..], &[0xee; 63], &[63], &[0xee; 63], &[0]].concat(), seed);
            let end = before + wire.len();
            prop_assert_eq!(lowered.read(&message, before, end - 1), None);
            prop_assert_eq!(lowered.read(&message, before, end), Some(wire.len()));
            prop_assert_eq!(lowered.suffix(0), &*name.canonical());
            prop_assert_eq!((lowered.octets(), lowered.labels()), (wire.len(), labels.len()));
            let hashes = lowered.hashes();
            prop_assert_eq!(hashes[0], lowered.hash());
            let ancestors = std::iter::successors(Some(name), Name::parent);
            for (skip, ancestor) in ancestors.enumerate() {
                let alone = Lowered::new(&ancestor.canonical(), seed);
                prop_assert_eq!(alone.hash(), hashes[skip]);
                prop_assert_eq!(lowered.suffix(skip), alone.suffix(0));
            }
        }
    }
}
