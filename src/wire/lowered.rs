//! A name made ready for being looked up: in lower case, its labels found, hashed from the root outward, so that one
//! pass gives the hashes of all its ancestors.

use super::name::{MAX_LABEL, MAX_NAME};

/// Labels of a name at most, the root's excluded (RFC 1035: 255 octets).
const MAX_LABELS: usize = 127;
/// A name, and a word behind its last octet.
const PADDED: usize = 264;
/// An odd number with bits everywhere: the multiplier of the folded product.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A name in lower case, its labels found and itself hashed.
#[derive(Debug)]
pub struct Lowered {
    /// Whole words can be read anywhere in the name; what stands behind it means nothing.
    octets: [u8; PADDED],
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
        Self { octets: [0; PADDED], starts: [0; MAX_LABELS + 1], len: 1, labels: 0, seed, hash: seed }
    }

    /// Takes a whole uncompressed name; anything else is the root.
    pub fn new(wire: &[u8], seed: u64) -> Self {
        let mut lowered = Self::root(seed);
        if lowered.read(wire, 0).is_none() {
            lowered = Self::root(seed);
        }
        lowered
    }

    /// Becomes the uncompressed name that begins at `at` in a message, and returns its octets, root label included.
    /// `None`, and no name at all: it runs over, a label is above 63, a label type is reserved, there is a compression
    /// pointer, or it is longer than 255 octets.
    #[inline]
    pub fn read(&mut self, message: &[u8], at: usize) -> Option<usize> {
        let name = message.get(at..)?;
        let (mut end, mut labels) = (0, 0);
        loop {
            let label = usize::from(*name.get(end)?);
            if label == 0 {
                break;
            }
            // With the root label behind it a name has 255 octets at most, and so 127 labels.
            if label > MAX_LABEL || end + 1 + label >= MAX_NAME {
                return None;
            }
            self.starts[labels & MAX_LABELS] = end as u8;
            labels += 1;
            end += 1 + label;
        }
        self.octets[end] = 0;
        self.len = (end + 1) as u8;
        self.labels = labels as u8;
        let mut hash = self.seed;
        for label in (0..labels).rev() {
            hash = self.take(name, self.starts[label & MAX_LABELS].into(), hash);
        }
        self.hash = hash;
        Some(end + 1)
    }

    /// Copies a label in lower case, length octet included, and hashes it after all that stand to its right. They were
    /// taken before, since a last word may run into them, with the same octets.
    #[inline]
    fn take(&mut self, name: &[u8], start: usize, mut hash: u64) -> u64 {
        let mut left = 1 + usize::from(name[start]);
        let mut at = start;
        loop {
            // Length octets are at most 63 and so never letters.
            let word = lower(word_at(name, at));
            if let Some(place) = self.octets.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
                *place = word.to_le_bytes();
            }
            hash = fold(hash, word, left);
            if left <= 8 {
                return hash;
            }
            at += 8;
            left -= 8;
        }
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
            let mut at = usize::from(self.starts[label]);
            let mut left = 1 + usize::from(self.octets[at]);
            let mut hash = hashes[label + 1];
            loop {
                hash = fold(hash, word_at(&self.octets, at), left);
                if left <= 8 {
                    break;
                }
                at += 8;
                left -= 8;
            }
            hashes[label] = hash;
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

    /// The ancestor without the first `skip` labels.
    #[inline]
    pub fn suffix(&self, skip: usize) -> &[u8] {
        let start = if skip < self.labels() { usize::from(self.starts[skip]) } else { self.octets() - 1 };
        &self.octets[start..self.octets()]
    }
}

/// Eight octets from `at` on; what is missing at the end is zero.
#[inline]
fn word_at(octets: &[u8], at: usize) -> u64 {
    let rest = octets.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |word, &octet| word << 8 | u64::from(octet)),
    }
}

/// The next `left` octets of a label, at most eight of them in `word`.
#[inline]
fn fold(hash: u64, word: u64, left: usize) -> u64 {
    let word = if left < 8 { word & ((1 << (left * 8)) - 1) } else { word };
    let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
    (product as u64) ^ (product >> 64) as u64
}

/// Eight ASCII octets in lower case; others stay as they are.
#[inline]
fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    // The high bit of each octet tells whether its low seven bits are above 'Z', or at least 'A'.
    let low = word & !HIGH;
    let above_z = low + (0x7f - b'Z' as u64) * ONES;
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let capital = (from_a ^ above_z) & !word & HIGH;
    word | (capital >> 2)
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
            assert_eq!(lowered.read(bad, 0), None, "{bad:?}");
        }
        assert_eq!(lowered.read(&whole, 0), Some(255));
        assert_eq!(lowered.suffix(0), whole.to_ascii_lowercase());
        assert_eq!(lowered.read(&[1, b'a'].repeat(127), 0), None);
        assert_eq!(lowered.read(&[&[1, b'a'].repeat(127)[..], &[0]].concat(), 0), Some(255));
        assert_eq!(lowered.labels(), 127);
    }

    fn label() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![any::<u8>(), b'A'..=b'Z'], 1..=63)
    }

    proptest! {
        #[test]
        fn p1_lowering_words_is_lowering_octets(octets: [u8; 8]) {
            prop_assert_eq!(lower(u64::from_le_bytes(octets)).to_le_bytes(), octets.map(|o| o.to_ascii_lowercase()));
        }

        #[test]
        fn p1_a_name_reads_the_same_in_any_case_and_wherever_it_stands(
            labels in proptest::collection::vec(label(), 0..4), before in 0_usize..20, behind: Vec<u8>, seed: u64,
        ) {
            let wire: Vec<u8> = labels.iter().flat_map(|l| [&[l.len() as u8][..], l].concat()).chain([0]).collect();
            let name = Name::from_wire(&wire);
            prop_assume!(name.is_ok());
            let name = name.unwrap();
            let message = [&vec![0xff; before][..], &wire, &behind].concat();
            // Whatever was read before leaves nothing behind.
            let mut lowered = Lowered::new(&[&[63][..], &[0xee; 63], &[63], &[0xee; 63], &[0]].concat(), seed);
            prop_assert_eq!(lowered.read(&message, before), Some(wire.len()));
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
