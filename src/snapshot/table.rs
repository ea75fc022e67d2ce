//! Names to what stands there: open addressing over the hash of [`Lowered`]. A look-up reads one slot and one record.

use std::fmt;

use super::plan::Cut;
use super::ready::ReadyRef;
use super::record::{Contents, Rare, Record};
use crate::wire::{Lowered, Name, RecordType};

/// Octets of a cache line.
const LINE: usize = 64;
/// No name here.
const EMPTY: u32 = u32::MAX;

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
    /// What names are hashed with.
    seed: u64,
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
    /// Names are distinct. The seed is secret and differs between processes, so that nobody can choose names that all
    /// fall into one place.
    pub(super) fn new(names: Vec<(Name, Contents)>, seed: u64) -> Self {
        let len = names.len();
        // Half full at most, so that a miss is short.
        let size = (len * 2).next_power_of_two().max(2);
        let mask = size - 1;
        let mut slots = vec![(0, EMPTY); size].into_boxed_slice();
        let mut builder = Builder::default();
        let mut wildcards = Vec::new();
        for (name, contents) in names {
            let lowered = Lowered::new(name.as_wire(), seed);
            let line = builder.add(lowered.suffix(0), contents);
            let hash = lowered.hash();
            let mut slot = hash as usize & mask;
            while slots[slot].1 != EMPTY {
                slot = (slot + 1) & mask;
            }
            slots[slot] = (tag(hash), line);
            if name.is_wildcard() {
                wildcards.push((name, line));
            }
        }
        let mut table = Self { slots, mask, octets: builder.octets, origin: 0, rare: builder.rare, len, seed };
        for (name, line) in wildcards {
            let name = Lowered::new(name.as_wire(), seed);
            let parent = table.find(name.hashes()[1], name.suffix(1));
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

    #[inline]
    fn record(&self, line: u32) -> Record<'_> {
        Record::at(self.octets.get(self.origin + line as usize * LINE..).unwrap_or_default())
    }

    #[inline]
    fn node(&self, line: u32) -> Node<'_> {
        Node { table: self, record: self.record(line), line }
    }

    #[inline]
    fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let mut slot = hash as usize & self.mask;
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
    #[inline]
    pub fn closest(&self, name: &Lowered) -> Option<(Node<'_>, usize)> {
        match self.find(name.hash(), name.suffix(0)) {
            Some(line) => Some((self.node(line), 0)),
            None => self.above(name),
        }
    }

    /// The closest name that exists above this one.
    #[inline(never)]
    fn above(&self, name: &Lowered) -> Option<(Node<'_>, usize)> {
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
    #[inline]
    fn rare(&self) -> Option<&'a Rare> {
        self.record.rare().map(|number| &self.table.rare[number as usize])
    }

    /// The zone's number.
    #[inline]
    pub fn zone(&self) -> usize {
        self.record.zone() as usize
    }

    /// Nothing stands here that few names have: no cut, no wildcard below, no view of a parent zone, and its zone is
    /// loaded.
    #[inline]
    pub fn is_common(&self) -> bool {
        self.record.rare().is_none() && !self.record.is_unloaded()
    }

    /// The apex of a zone that could not be loaded (protocol 5).
    #[inline]
    pub fn is_unloaded(&self) -> bool {
        self.record.is_unloaded()
    }

    /// Octets of the name.
    #[inline]
    pub fn name_len(&self) -> usize {
        self.record.name_len()
    }

    /// The number of its steered answers.
    #[inline]
    pub fn steer(&self) -> Option<usize> {
        self.record.steer().map(|number| number as usize)
    }

    /// The child `*`.
    #[inline]
    pub fn wildcard(&self) -> Option<Node<'a>> {
        self.rare()?.wildcard.map(|line| self.table.node(line))
    }

    /// A delegation begins here.
    #[inline]
    pub fn cut(&self) -> Option<&'a Cut> {
        self.rare()?.cut.as_ref()
    }

    /// The parent zone's view of an apex that is ours too: DS is asked there (RFC 4035 section 3.1.4.1).
    #[inline]
    pub fn parent_side(&self) -> Option<Node<'a>> {
        self.rare()?.parent_side.map(|line| self.table.node(line))
    }

    /// Stands alone (RFC 1034 section 3.6.2).
    #[inline]
    pub fn cname(&self) -> Option<ReadyRef<'a>> {
        if self.record.is_alias() { self.first_rrset() } else { None }
    }

    /// The RRset of a type.
    #[inline]
    pub fn rrset(&self, rtype: RecordType) -> Option<ReadyRef<'a>> {
        self.record.rrset(|found| found == rtype)
    }

    /// Any RRset.
    #[inline]
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
        proptest::collection::vec("[abAB]{1,20}", 0..4)
            .prop_map(|labels| Name::absolute(&format!("{}.", labels.join("."))).unwrap())
    }

    proptest! {
        #[test]
        fn the_closest_name_is_what_walking_up_finds(
            names in proptest::collection::btree_set(name(), 0..40), asked in name(), seed: u64,
        ) {
            let names: BTreeSet<Name> = names;
            let contents = names.iter().map(|name| (name.clone(), Contents::default()));
            let table = NameTable::new(contents.collect(), seed);
            let expected = std::iter::successors(Some(asked.clone()), Name::parent)
                .enumerate()
                .find(|(_, above)| names.contains(above))
                .map(|(skip, above)| (above.canonical(), skip));
            let found = table.closest(&Lowered::new(asked.as_wire(), seed));
            prop_assert_eq!(found.map(|(node, skip)| (node.record.name().into(), skip)), expected);
        }
    }
}
