//! A name made ready for being looked up: in lower case, measured and hashed.
//!
//! The hash runs over whole words from the left, so that the name itself, which most queries find, costs a multiplication
//! for each eight octets and no more. An ancestor is hashed in the same way where it begins; who looks for one hashes as
//! many as the deepest name that there is has labels, which bounds what a long name can cost.

use super::name::{MAX_LABEL, MAX_NAME};

/// A name of 255 octets in whole pieces, and a word behind its last octet.
const ROOM: usize = 272;
/// Octets that are lowered at once.
const PIECE: usize = 16;
/// An odd number with bits everywhere: the multiplier of the folded product.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A name in lower case, measured and hashed.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// Whole words can be read anywhere in the name; what stands behind it means nothing.
    octets: [u8; ROOM],
    len: u8,
    labels: u8,
    seed: u64,
    hash: u64,
}

impl Lowered {
    /// The root. `seed` is what names are hashed with: only names of one seed compare by their hashes.
    #[inline]
    pub fn root(seed: u64) -> Self {
        Self { octets: [0; ROOM], len: 1, labels: 0, seed, hash: hash(seed, &[0; ROOM], 0, 1) }
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
        self.hash = hash(self.seed, &self.octets, 0, end + 1);
        Some(end + 1)
    }

    /// The hash of the whole name.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The ancestors without the first `first` labels and more, up to the root: labels left out, octets, hash.
    pub fn ancestors(&self, first: usize) -> impl Iterator<Item = (usize, &[u8], u64)> {
        let end = self.octets();
        let next = |at: usize| Some(at + 1 + usize::from(self.octets[at])).filter(|_| self.octets[at] != 0);
        let starts = std::iter::successors(Some(0), move |&at| next(at)).enumerate().skip(first);
        starts.map(move |(skip, at)| (skip, &self.octets[at..end], hash(self.seed, &self.octets, at, end)))
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

    /// Its octets eight by eight; those behind the last one mean nothing.
    #[inline(always)]
    pub fn words(&self) -> &[[u8; 8]] {
        self.octets.as_chunks().0
    }

    /// All of it.
    #[inline]
    pub fn whole(&self) -> &[u8] {
        &self.octets[..self.octets()]
    }
}

/// The hash of a name in lower case, the octets `at..end`.
#[inline(always)]
fn hash(seed: u64, octets: &[u8; ROOM], at: usize, end: usize) -> u64 {
    let (words, _) = octets[at..].as_chunks();
    let whole = (end - at - 1) / 8;
    // All names end before the last word of the room.
    let Some((last, before)) = words.get(..=whole).and_then(|words: &[[u8; 8]]| words.split_last()) else {
        return seed;
    };
    let hash = before.iter().fold(seed, |hash, word| fold(hash, u64::from_le_bytes(*word)));
    // The last word has one to eight octets, the root label the last of them.
    fold(hash, u64::from_le_bytes(*last) << (8 * (8 * (whole + 1) - (end - at)) as u32))
}

#[inline]
fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
    (product as u64) ^ (product >> 64) as u64
}

/// ASCII octets in lower case; others stay as they are. Written so that the compiler does them all at once.
#[inline(always)]
fn lower(octets: &[u8; PIECE]) -> [u8; PIECE] {
    let mut lowered = *octets;
    for octet in &mut lowered {
        *octet |= u8::from(octet.wrapping_sub(b'A') < 26) << 5;
    }
    lowered
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
        assert_eq!(lowered.whole(), whole.to_ascii_lowercase());
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
            prop_assert_eq!(lowered.whole(), &*name.canonical());
            prop_assert_eq!((lowered.octets(), lowered.labels()), (wire.len(), labels.len()));
            let ancestors: Vec<Name> = std::iter::successors(Some(name), Name::parent).collect();
            let found: Vec<_> = lowered.ancestors(0).collect();
            prop_assert_eq!(found.len(), ancestors.len());
            for ((skip, octets, hash), ancestor) in found.into_iter().zip(&ancestors) {
                let alone = Lowered::new(&ancestor.canonical(), seed);
                prop_assert_eq!((octets, hash), (alone.whole(), alone.hash()));
                prop_assert_eq!(lowered.ancestors(skip).next(), Some((skip, octets, hash)));
            }
            prop_assert_eq!(lowered.ancestors(ancestors.len()).count(), 0);
        }
    }
}
