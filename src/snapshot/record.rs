//! What stands at a name, in one run of octets that begins on a cache line: a query that finds its name has its answer
//! in the same line, or the next one.
//!
//! Layout, numbers in little endian: zone u32, steered name u32, rare u32 (each `NONE` where there is none), octets of
//! the name u8, flags u8, RRsets u16; the name in lower case; for each RRset type u16, records u16, stride u16, octets
//! u32; then each RRset's finished octets in the same order. A CNAME stands alone; other RRsets go up by type.

use super::plan::Cut;
use super::ready::{Ready, ReadyRef};
use crate::wire::RecordType;

/// Octets before the name.
const HEAD: usize = 16;
/// Octets of an RRset's entry.
const ENTRY: usize = 10;
/// No such number.
const NONE: u32 = u32::MAX;
/// A flag: the only RRset is a CNAME.
const IS_ALIAS: u8 = 1;
/// A flag: the apex of a zone that could not be loaded.
const IS_UNLOADED: u8 = 2;

/// What stands at a name, before it is laid out.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Which zone.
    pub(super) zone: u32,
    /// In any order.
    pub(super) rrsets: Vec<Ready>,
    /// Number of the steered name.
    pub(super) steer: Option<u32>,
    /// A delegation begins here.
    pub(super) cut: Option<Cut>,
    /// The parent zone's view of an apex that is ours too.
    pub(super) parent_side: Option<Box<Contents>>,
    /// The child `*` exists.
    pub(super) has_wildcard: bool,
    /// The apex of a zone that could not be loaded.
    pub(super) unloaded: bool,
}

/// What few names have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// The line of the child `*`.
    pub(super) wildcard: Option<u32>,
    pub(super) cut: Option<Cut>,
    /// A line that no name leads to.
    pub(super) parent_side: Option<u32>,
}

impl Contents {
    /// Appends the record of `name`, given in lower case.
    pub(super) fn lay_out(&mut self, name: &[u8], rare: Option<u32>, octets: &mut Vec<u8>) {
        self.rrsets.sort_by_key(|ready| ready.view().rtype);
        let alias = self.rrsets.iter().any(|ready| ready.view().rtype == RecordType::CNAME);
        if alias {
            self.rrsets.retain(|ready| ready.view().rtype == RecordType::CNAME);
        }
        octets.extend(self.zone.to_le_bytes());
        octets.extend(self.steer.unwrap_or(NONE).to_le_bytes());
        octets.extend(rare.unwrap_or(NONE).to_le_bytes());
        octets.push(name.len() as u8);
        octets.push(if alias { IS_ALIAS } else { 0 } | if self.unloaded { IS_UNLOADED } else { 0 });
        octets.extend((self.rrsets.len() as u16).to_le_bytes());
        octets.extend_from_slice(name);
        for ready in self.rrsets.iter().map(Ready::view) {
            octets.extend(ready.rtype.0.to_le_bytes());
            octets.extend(ready.count.to_le_bytes());
            octets.extend(ready.stride.to_le_bytes());
            octets.extend((ready.octets.len() as u32).to_le_bytes());
        }
        for ready in &self.rrsets {
            octets.extend_from_slice(ready.view().octets);
        }
    }
}

/// A record where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    head: &'a [u8; HEAD],
    /// From the name on, and what lies behind the record.
    rest: &'a [u8],
}

/// What is read where no record can be.
const NO_RECORD: Record<'static> = Record { head: &[0; HEAD], rest: &[] };

impl<'a> Record<'a> {
    /// The one that `octets` begin with.
    #[inline]
    pub(super) fn at(octets: &'a [u8]) -> Self {
        octets.split_first_chunk().map_or(NO_RECORD, |(head, rest)| Record { head, rest })
    }

    #[inline]
    fn number(self, at: usize) -> Option<u32> {
        let number = u32::from_le_bytes([self.head[at], self.head[at + 1], self.head[at + 2], self.head[at + 3]]);
        Some(number).filter(|&number| number != NONE)
    }

    #[inline]
    pub(super) fn zone(self) -> u32 {
        self.number(0).unwrap_or(NONE)
    }

    #[inline]
    pub(super) fn steer(self) -> Option<u32> {
        self.number(4)
    }

    #[inline]
    pub(super) fn rare(self) -> Option<u32> {
        self.number(8)
    }

    #[inline]
    pub(super) fn name_len(self) -> usize {
        self.head[12].into()
    }

    #[inline]
    pub(super) fn is_alias(self) -> bool {
        self.head[13] & IS_ALIAS != 0
    }

    #[inline]
    pub(super) fn is_unloaded(self) -> bool {
        self.head[13] & IS_UNLOADED != 0
    }

    #[inline]
    pub(super) fn name(self) -> &'a [u8] {
        self.rest.get(..self.name_len()).unwrap_or_default()
    }

    /// The first RRset that `wanted` takes.
    #[inline]
    pub(super) fn rrset(self, wanted: impl Fn(RecordType) -> bool) -> Option<ReadyRef<'a>> {
        let count = usize::from(u16::from_le_bytes([self.head[14], self.head[15]]));
        let (mut entries, mut octets) = self.rest.get(self.name_len()..)?.split_at_checked(count * ENTRY)?;
        while let Some((entry, others)) = entries.split_first_chunk::<ENTRY>() {
            entries = others;
            let short = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
            let len = u32::from_le_bytes([entry[6], entry[7], entry[8], entry[9]]) as usize;
            let rtype = RecordType(short(0));
            if wanted(rtype) {
                return Some(ReadyRef {
                    rtype,
                    octets: octets.get(..len)?,
                    count: short(2),
                    take: short(2),
                    stride: short(4),
                });
            }
            octets = octets.get(len..)?;
        }
        None
    }
}
