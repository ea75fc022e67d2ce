//! Names to what stands there: open addressing over a hash that runs from the root outward, so that one pass over a
//! name gives the hashes of all its ancestors. A look-up reads one slot and one record.

use std::fmt;

use super::plan::Cut;
use super::ready::ReadyRef;
use super::record::{Contents, Rare, Record};
use crate::wire::{Name, RecordType};

/// Labels of a name at most, the root's excluded (RFC 1035: 255 octets).
const MAX_LABELS: usize = 127;
/// Octets of a name at most.
const MAX_NAME: usize = 255;
/// An odd number with bits everywhere: the multiplier of the folded product.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Octets of a cache line.
const LINE: usize = 64;
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

/// Every name that exists, with what stands there.
pub struct NameTable {
    /// (half of the hash, line of the record).
    slots: Box<[(u32, u32)]>,
    mask: usize,
    /// Records, each from the beginning of a cache line; the first line is `origin` octets in.
    octets: Vec<u8>,
    origin: usize,
    rare: Vec<Rare>,
    len: usize,
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
    /// Names are distinct.
    pub(super) fn new(names: Vec<(Name, Contents)>) -> Self {
        let len = names.len();
        // Half full at most, so that a miss is short.
        let size = (len * 2).next_power_of_two().max(2);
        let mask = size - 1;
        let mut slots = vec![(0, EMPTY); size].into_boxed_slice();
        let mut builder = Builder::default();
        let mut wildcards = Vec::new();
        for (name, contents) in names {
            let lowered = Lowered::new(name.as_wire());
            let line = builder.add(lowered.suffix(0), contents);
            let hash = lowered.hashes[0];
            let mut slot = hash as usize & mask;
            while slots[slot].1 != EMPTY {
                slot = (slot + 1) & mask;
            }
            slots[slot] = (tag(hash), line);
            if name.is_wildcard() {
                wildcards.push((name, line));
            }
        }
        let mut table = Self { slots, mask, octets: builder.octets, origin: 0, rare: builder.rare, len };
        for (name, line) in wildcards {
            let parent = table.find(&Lowered::new(name.as_wire()), 1);
            if let Some(rare) = parent.and_then(|parent| table.record(parent).rare()) {
                table.rare[rare as usize].wildcard = Some(line);
            }
        }
        table.align();
        table
    }

    /// Moves the records so that they begin on cache lines.
    fn align(&mut self) {
        let mut aligned: Vec<u8> = Vec::with_capacity(self.octets.len() + LINE);
        // The allocator decides where a vector lies, and it stays there as long as it does not grow.
        self.origin = aligned.as_ptr().align_offset(LINE).min(LINE);
        aligned.resize(self.origin, 0);
        aligned.extend_from_slice(&self.octets);
        self.octets = aligned;
    }

    fn record(&self, line: u32) -> Record<'_> {
        Record(&self.octets[self.origin + line as usize * LINE..])
    }

    fn node(&self, line: u32) -> Node<'_> {
        Node { table: self, record: self.record(line), line }
    }

    fn find(&self, name: &Lowered, skip: usize) -> Option<u32> {
        let hash = name.hashes[skip];
        let mut slot = hash as usize & self.mask;
        loop {
            let (found, line) = self.slots[slot];
            if line == EMPTY {
                return None;
            }
            if found == tag(hash) && self.record(line).name() == name.suffix(skip) {
                return Some(line);
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// The closest name that exists at or above this one (RFC 4592 section 3.3.1), and how many labels are above it.
    pub fn closest(&self, name: &Lowered) -> Option<(Node<'_>, usize)> {
        (0..=name.labels()).find_map(|skip| Some((self.node(self.find(name, skip)?), skip)))
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

/// The half of a hash that the slot's place does not tell.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Lays records out, each on a line of its own.
#[derive(Default)]
struct Builder {
    octets: Vec<u8>,
    rare: Vec<Rare>,
}

impl Builder {
    fn add(&mut self, name: &[u8], mut contents: Contents) -> u32 {
        let parent_side = contents.parent_side.take().map(|parent| self.add(name, *parent));
        let cut = contents.cut.take();
        // Any name may turn out to have a wildcard below it, but only one that is not a leaf for sure.
        let rare = (cut.is_some() || parent_side.is_some() || contents.has_wildcard).then(|| {
            self.rare.push(Rare { wildcard: None, cut, parent_side });
            (self.rare.len() - 1) as u32
        });
        let line = (self.octets.len() / LINE) as u32;
        contents.lay_out(name, rare, &mut self.octets);
        self.octets.resize(self.octets.len().next_multiple_of(LINE), 0);
        line
    }
}

impl<'a> Node<'a> {
    fn rare(&self) -> Option<&'a Rare> {
        self.record.rare().map(|number| &self.table.rare[number as usize])
    }

    /// The zone's number.
    pub fn zone(&self) -> usize {
        self.record.zone() as usize
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
        self.rare()?.wildcard.map(|line| self.table.node(line))
    }

    /// A delegation begins here.
    pub fn cut(&self) -> Option<&'a Cut> {
        self.rare()?.cut.as_ref()
    }

    /// The parent zone's view of an apex that is ours too: DS is asked there (RFC 4035 section 3.1.4.1).
    pub fn parent_side(&self) -> Option<Node<'a>> {
        self.rare()?.parent_side.map(|line| self.table.node(line))
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
            let table = NameTable::new(names.iter().map(|name| (name.clone(), Contents::default())).collect());
            let expected = std::iter::successors(Some(asked.clone()), Name::parent)
                .enumerate()
                .find(|(_, above)| names.contains(above))
                .map(|(skip, above)| (above.canonical(), skip));
            let found = table.closest(&Lowered::new(asked.as_wire()));
            prop_assert_eq!(found.map(|(node, skip)| (node.record.name().into(), skip)), expected);
        }
    }
}
