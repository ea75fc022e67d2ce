//! Names to what stands there: open addressing over the hash of [`Lowered`]. A look-up reads one slot and one record.

use std::fmt;

use super::arena::{Chunk, chunk_of};
use super::companions::Companions;
use super::ready::ReadyRef;
use super::record::{Cut, Record};
use crate::wire::{Lowered, Name, RecordType};
use crate::zone::{Index, tag};

/// No name here.
const EMPTY: u32 = u32::MAX;

/// Every name that exists, with what stands there.
pub struct NameTable {
    /// (half of the hash, line of the record), each at the first free place from the low bits of that half on: where it
    /// belongs can be told without the record.
    slots: Box<[(u32, u32)]>,
    mask: usize,
    pub(super) chunks: Box<[Chunk]>,
    /// By number.
    pub(super) zones: Box<[ZoneEnds]>,
    len: usize,
    /// Labels of the deepest name.
    deepest: usize,
    /// What names are hashed with.
    seed: u64,
}

/// What a zone says where it has nothing to say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ZoneEnds {
    /// Octets of the apex.
    pub(super) apex_len: u8,
    /// Labels of its deepest name, the root's excluded.
    pub(super) deepest: u8,
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
    pub(super) fn new(
        slots: Index,
        seed: u64,
        chunks: Box<[Chunk]>,
        zones: Box<[ZoneEnds]>,
        len: usize,
        deepest: usize,
    ) -> Self {
        let slots = slots.into_slots();
        Self { mask: slots.len() - 1, slots, seed, chunks, zones, len, deepest }
    }

    /// A copy of the slots, to make the next table's from.
    pub(super) fn index(&self) -> Index {
        Index::from_slots(self.slots.clone(), self.len)
    }

    /// The number of the zone that has this apex, loaded or not.
    pub(super) fn zone_of(&self, apex: &Name) -> Option<u32> {
        let name = Lowered::new(apex.as_wire(), self.seed);
        let record = self.exact(&name)?.record;
        (record.is_apex() || record.is_unloaded()).then(|| record.zone())
    }

    #[inline]
    fn record(&self, line: u32) -> Record<'_> {
        Record::at(self.chunks[chunk_of(line)].at(line))
    }

    /// Where the record of `name` probably is: that of the first slot with a part of its hash. No record is looked at.
    #[inline]
    pub fn likely_line(&self, name: &Lowered) -> Option<u32> {
        let mut slot = tag(name.hash()) as usize & self.mask;
        loop {
            match self.slots[slot] {
                (_, EMPTY) => return None,
                (found, line) if found == tag(name.hash()) => return Some(line),
                _ => slot = (slot + 1) & self.mask,
            }
        }
    }

    /// What stands in a line that a [`Node`] told: a number where all of a node would be handed over in memory.
    #[inline]
    pub fn node(&self, line: u32) -> Node<'_> {
        Node { table: self, record: self.record(line), line }
    }

    #[inline(never)]
    fn rrset(&self, line: u32, rtype: RecordType) -> Option<ReadyRef<'_>> {
        self.record(line).rrset(rtype)
    }

    #[inline(always)]
    fn find(&self, hash: u64, is_it: impl Fn(Record<'_>) -> bool) -> Option<Node<'_>> {
        let mut slot = tag(hash) as usize & self.mask;
        loop {
            let (found, line) = self.slots[slot];
            if line == EMPTY {
                return None;
            }
            if found == tag(hash) {
                let node = self.node(line);
                if is_it(node.record) {
                    return Some(node);
                }
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// What stands at this very name.
    #[inline(always)]
    pub fn exact(&self, name: &Lowered) -> Option<Node<'_>> {
        self.find(name.hash(), |record| record.is_of(name))
    }

    /// The closest name that exists at or above this one (RFC 4592 section 3.3.1), and how many labels are above it.
    pub fn closest(&self, name: &Lowered) -> Option<(Node<'_>, usize)> {
        if let Some(node) = self.exact(name) {
            return Some((node, 0));
        }
        // No name with more labels than the deepest one is here.
        let first = name.labels().saturating_sub(self.deepest).max(1);
        name.ancestors(first)
            .find_map(|(skip, octets, hash)| Some((self.find(hash, |record| record.name() == octets)?, skip)))
    }

    /// What names are hashed with that are looked up here.
    #[inline]
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

    /// Whether a name is that of a zone, served or not.
    pub fn is_zone(&self, name: &Lowered) -> bool {
        self.exact(name).is_some_and(|node| node.is_apex() || node.is_unloaded())
    }
}

impl fmt::Debug for NameTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameTable of {} names", self.len)
    }
}

impl<'a> Node<'a> {
    #[inline]
    fn ends(&self) -> &'a ZoneEnds {
        &self.table.zones[self.record.zone() as usize]
    }

    /// The negative answers of its zone; without records where that could not be loaded.
    #[inline]
    pub fn negative(&self) -> Negative<'a> {
        let ends = self.ends();
        let (soa, by_policy) = self.table.record(ends.line).ends().unwrap_or_default();
        Negative { apex_len: ends.apex_len.into(), soa, by_policy }
    }

    /// Nothing stands here that few names have: it is no apex, no cut, has no DNAME, and no wildcard is
    /// below it.
    #[inline]
    pub fn is_common(&self) -> bool {
        self.record.is_common()
    }

    /// The apex of a zone.
    pub fn is_apex(&self) -> bool {
        self.record.is_apex()
    }

    /// The apex of a zone that could not be loaded (protocol 5).
    pub fn is_unloaded(&self) -> bool {
        self.record.is_unloaded()
    }

    /// Whether it was served once, and what is known of it is too old.
    pub fn is_expired(&self) -> bool {
        self.record.is_expired()
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
        self.record.wildcard().map(|line| self.table.node(line))
    }

    /// A delegation begins here.
    pub fn cut(&self) -> Option<Cut<'a>> {
        self.record.cut()
    }

    /// The DNAME that leads names below this one elsewhere (RFC 6672).
    pub fn redirect(&self) -> Option<ReadyRef<'a>> {
        if self.record.is_redirect() { self.rrset(RecordType::DNAME) } else { None }
    }

    /// The parent zone's view of an apex that is ours too: DS is asked there (RFC 4035 section 3.1.4.1). Where the parent
    /// could not be loaded, that is what says so.
    pub fn parent_side(&self) -> Option<Node<'a>> {
        if !self.record.is_apex() && !self.record.is_unloaded() {
            return None;
        }
        self.ends().parent_side.map(|line| self.table.node(line))
    }

    /// Whether a CNAME stands here.
    #[inline]
    pub fn is_alias(&self) -> bool {
        self.record.is_alias()
    }

    /// Stands alone (RFC 1034 section 3.6.2).
    #[inline]
    pub fn cname(&self) -> Option<ReadyRef<'a>> {
        if self.is_alias() { self.first_rrset() } else { None }
    }

    /// The RRset of a type, if it goes alone.
    #[inline(always)]
    pub fn rrset(&self, rtype: RecordType) -> Option<ReadyRef<'a>> {
        match self.record.first() {
            Some(first) if first.rtype == rtype => Some(first),
            None => None,
            Some(_) => self.table.rrset(self.line, rtype),
        }
    }

    /// The RRset of a type, any for ANY, if addresses go along with it (protocol 13), and those.
    pub fn accompanied(&self, rtype: RecordType) -> Option<(ReadyRef<'a>, Companions<'a>)> {
        self.record.accompanied(|found| found == rtype || rtype == RecordType::ANY)
    }

    /// Any RRset that goes alone.
    #[inline]
    pub fn first_rrset(&self) -> Option<ReadyRef<'a>> {
        self.record.first()
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
        // Few labels, so that names often lie above each other, and some longer than a word.
        proptest::collection::vec("[abAB]|[ab]{9}", 0..5)
            .prop_map(|labels| Name::absolute(&format!("{}.", labels.join("."))).unwrap())
    }

    proptest! {
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
