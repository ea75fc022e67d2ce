//! Names to what stands there: open addressing over a hash that runs from the root outward, so that one pass over a
//! name gives the hashes of all its ancestors. A look-up reads one slot and one record.

use std::fmt;

use super::arena::{Chunk, chunk_of};
use super::ready::ReadyRef;
use super::record::{Cut, Record};
use crate::wire::{Name, RecordType};
use crate::zone::Index;

/// Labels of a name at most, the root's excluded (RFC 1035: 255 octets).
const MAX_LABELS: usize = 127;
/// Octets of a name at most.
const MAX_NAME: usize = 255;
/// A name, and a word behind its last octet.
const PADDED: usize = 264;
/// An odd number with bits everywhere: the multiplier of the folded product.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// No name here.
const EMPTY: u32 = u32::MAX;

/// A name in lower case, its labels found and itself hashed.
#[derive(Debug)]
pub struct Lowered {
    /// Zeros behind the name, so that whole words can be read anywhere in it.
    octets: [u8; PADDED],
    starts: [u8; MAX_LABELS + 1],
    len: u8,
    labels: u8,
    seed: u64,
    hash: u64,
}

impl Lowered {
    /// Takes a whole uncompressed name, as checked when it was read; anything else is the root. The seed is that of the
    /// table that is to be asked.
    pub fn new(wire: &[u8], seed: u64) -> Self {
        let mut lowered =
            Self { octets: [0; PADDED], starts: [0; MAX_LABELS + 1], len: 1, labels: 0, seed, hash: seed };
        if wire.len() > MAX_NAME {
            return lowered;
        }
        lowered.octets[..wire.len()].copy_from_slice(wire);
        let (words, _) = lowered.octets[..wire.len().next_multiple_of(8)].as_chunks_mut();
        for word in words {
            // Length octets are at most 63 and so never letters.
            *word = lower(u64::from_le_bytes(*word)).to_le_bytes();
        }
        let (mut at, mut labels) = (0, 0);
        while let Some(&len) = wire.get(at).filter(|&&len| len != 0 && labels < MAX_LABELS) {
            lowered.starts[labels] = at as u8;
            labels += 1;
            at += 1 + usize::from(len);
        }
        lowered.len = (at + 1) as u8;
        lowered.labels = labels as u8;
        lowered.hash = (0..labels).rev().fold(seed, |hash, label| lowered.extend(hash, label));
        lowered
    }

    /// The hashes of the name and all its ancestors, by the labels left out.
    fn hashes(&self) -> [u64; MAX_LABELS + 1] {
        let mut hashes = [self.seed; MAX_LABELS + 1];
        for label in (0..self.labels()).rev() {
            hashes[label] = self.extend(hashes[label + 1], label);
        }
        hashes
    }

    /// One label, length octet included, after all that stand to its right.
    fn extend(&self, mut hash: u64, label: usize) -> u64 {
        let mut at = usize::from(self.starts[label]);
        let mut left = 1 + usize::from(self.octets[at]);
        loop {
            let word = self.octets.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |w| u64::from_le_bytes(*w));
            let word = if left < 8 { word & ((1 << (left * 8)) - 1) } else { word };
            let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
            hash = (product as u64) ^ (product >> 64) as u64;
            if left <= 8 {
                return hash;
            }
            at += 8;
            left -= 8;
        }
    }

    /// Of the whole name.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Labels, the root's excluded.
    pub fn labels(&self) -> usize {
        self.labels.into()
    }

    /// Octets, the root label included: 1 to 255.
    pub fn octets(&self) -> usize {
        self.len.into()
    }

    /// The ancestor without the first `skip` labels.
    pub fn suffix(&self, skip: usize) -> &[u8] {
        let start = if skip < self.labels() { usize::from(self.starts[skip]) } else { self.octets() - 1 };
        &self.octets[start..self.octets()]
    }
}

/// Eight ASCII octets in lower case; others stay as they are.
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

/// Every name that exists, with what stands there.
pub struct NameTable {
    /// (half of the hash, line of the record), each at the first free place from the low bits of that half on: where it
    /// belongs can be told without the record.
    slots: Box<[(u32, u32)]>,
    mask: usize,
    seed: u64,
    pub(super) chunks: Box<[Chunk]>,
    /// By number.
    pub(super) zones: Box<[ZoneEnds]>,
    len: usize,
}

/// What a zone says where it has nothing to say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ZoneEnds {
    /// Octets of the apex.
    pub(super) apex_len: u8,
    /// The line of the record of its negative answers.
    pub(super) line: u32,
    /// The line of what the zone around it says at its apex.
    pub(super) parent_side: Option<u32>,
}

/// A zone's negative answers.
#[derive(Clone, Copy, Debug)]
pub struct Negative<'a> {
    /// Octets of the apex: the owner of the SOA is as much of the end of any name in the zone.
    pub apex_len: usize,
    /// SOA with the negative TTL: min(SOA TTL, MINIMUM) (RFC 2308 section 5).
    pub soa: ReadyRef<'a>,
    /// The same, at most ten seconds (E6).
    pub by_policy: ReadyRef<'a>,
}

/// What stands at a name.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    table: &'a NameTable,
    record: Record<'a>,
    /// Where it lies: distinct for distinct names.
    pub line: u32,
}

impl NameTable {
    pub(super) fn new(slots: Index, seed: u64, chunks: Box<[Chunk]>, zones: Box<[ZoneEnds]>, len: usize) -> Self {
        let slots = slots.into_slots();
        Self { mask: slots.len() - 1, slots, seed, chunks, zones, len }
    }

    /// (half of the hash, line) of every name.
    pub(super) fn names(&self) -> impl Iterator<Item = (u32, u32)> {
        self.slots.iter().copied().filter(|&(_, line)| line != EMPTY)
    }

    /// The number of the zone that has this apex.
    pub(super) fn zone_of(&self, apex: &Name) -> Option<u32> {
        let name = Lowered::new(apex.as_wire(), self.seed);
        let record = self.record(self.find(name.hash, name.suffix(0))?);
        record.is_apex().then(|| record.zone())
    }

    fn record(&self, line: u32) -> Record<'_> {
        Record(self.chunks[chunk_of(line)].at(line))
    }

    fn node(&self, line: u32) -> Node<'_> {
        Node { table: self, record: self.record(line), line }
    }

    fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let mut slot = tag(hash) as usize & self.mask;
        loop {
            let (found, line) = self.slots[slot];
            if line == EMPTY {
                return None;
            }
            if found == tag(hash) && self.record(line).name() == name {
                return Some(line);
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// The closest name that exists at or above this one (RFC 4592 section 3.3.1), and how many labels are above it.
    pub fn closest(&self, name: &Lowered) -> Option<(Node<'_>, usize)> {
        if let Some(line) = self.find(name.hash, name.suffix(0)) {
            return Some((self.node(line), 0));
        }
        let hashes = name.hashes();
        (1..=name.labels()).find_map(|skip| Some((self.node(self.find(hashes[skip], name.suffix(skip))?), skip)))
    }

    /// What names are hashed with that are looked up here.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for NameTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameTable of {} names", self.len)
    }
}

/// The half of a hash that slots are placed and told apart by.
pub(super) fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl<'a> Node<'a> {
    fn ends(&self) -> &'a ZoneEnds {
        &self.table.zones[self.record.zone() as usize]
    }

    /// The negative answers of its zone.
    pub fn negative(&self) -> Negative<'a> {
        let ends = self.ends();
        let (soa, by_policy) = self.table.record(ends.line).ends();
        Negative { apex_len: ends.apex_len.into(), soa, by_policy }
    }

    /// The apex of a zone that could not be loaded (protocol 5).
    pub fn is_unloaded(&self) -> bool {
        self.record.is_unloaded()
    }

    /// Octets of the name.
    pub fn name_len(&self) -> usize {
        self.record.name_len()
    }

    /// The number of its steered answers.
    pub fn steer(&self) -> Option<usize> {
        self.record.steer().map(|number| number as usize)
    }

    /// The child `*`.
    pub fn wildcard(&self) -> Option<Node<'a>> {
        self.record.wildcard().map(|line| self.table.node(line))
    }

    /// A delegation begins here.
    pub fn cut(&self) -> Option<Cut<'a>> {
        self.record.cut()
    }

    /// The parent zone's view of an apex that is ours too: DS is asked there (RFC 4035 section 3.1.4.1).
    pub fn parent_side(&self) -> Option<Node<'a>> {
        if !self.record.is_apex() {
            return None;
        }
        self.ends().parent_side.map(|line| self.table.node(line))
    }

    /// Stands alone (RFC 1034 section 3.6.2).
    pub fn cname(&self) -> Option<ReadyRef<'a>> {
        if self.record.is_alias() { self.first_rrset() } else { None }
    }

    /// The RRset of a type.
    pub fn rrset(&self, rtype: RecordType) -> Option<ReadyRef<'a>> {
        self.record.rrset(|found| found == rtype)
    }

    /// Any RRset.
    pub fn first_rrset(&self) -> Option<ReadyRef<'a>> {
        self.record.rrset(|_| true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::builder::build;
    use super::*;
    use crate::config::model::Model;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn name() -> impl Strategy<Value = Name> {
        proptest::collection::vec("[abAB]{1,20}", 0..4)
            .prop_map(|labels| Name::absolute(&format!("{}.", labels.join("."))).unwrap())
    }

    proptest! {
        #[test]
        fn p1_lowering_words_is_lowering_octets(octets: [u8; 8]) {
            prop_assert_eq!(lower(u64::from_le_bytes(octets)).to_le_bytes(), octets.map(|o| o.to_ascii_lowercase()));
        }

        #[test]
        fn the_closest_name_is_what_walking_up_finds(
            names in proptest::collection::btree_set(name(), 0..40), asked in name(), seed: u64,
        ) {
            let names: BTreeSet<Name> = names;
            let unloaded: Vec<Name> = names.iter().cloned().collect();
            let model = Model { unloaded, ..Model::default() };
            let (table, _) = build(&model, Vec::new(), seed, None);
            let expected = std::iter::successors(Some(asked.clone()), Name::parent)
                .enumerate()
                .find(|(_, above)| names.contains(above))
                .map(|(skip, above)| (above.canonical(), skip));
            let found = table.closest(&Lowered::new(asked.as_wire(), seed));
            prop_assert_eq!(found.map(|(node, skip)| (node.record.name().into(), skip)), expected);
        }
    }
}
