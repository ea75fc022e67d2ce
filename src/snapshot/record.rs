//! What stands at a name, in one run of octets that begins on a cache line: a query that finds its name has its answer
//! in the same line, or the next one.
//!
//! Layout, numbers in little endian: zone u32, steered name u32, line of the child `*` u32 (each `NONE` where there is
//! none), octets of the name u8, flags u8, RRsets u16; the name in lower case; for each RRset type u16, records u16,
//! stride u16, octets u32; then each RRset's finished octets in the same order. A CNAME stands alone; other RRsets go up
//! by type. At a cut three more of the same form follow, not counted among the RRsets: NS; the glue that must go along,
//! whose records have owners of their own; other glue, as [`Companions`]. RRsets that addresses go along with are not counted either: they follow behind their
//! number u16, each with its [`Companions`] in a further entry, and so cost those nothing that are alone.

use super::companions::Companions;
use super::ready::{ReadyRef, Records, TO_QUESTION, write_fixed};
use crate::wire::{Lowered, RecordType, RrsetRef};

/// Octets before the name.
const HEAD: usize = 16;
/// Where the line of the child `*` stands.
pub(super) const WILDCARD: usize = 8;
/// Octets of an RRset's entry.
const ENTRY: usize = 10;
/// The longest message.
const MESSAGE: usize = 65_535;
/// No such number.
const NONE: u32 = u32::MAX;
/// A flag: the only RRset is a CNAME.
const IS_ALIAS: u8 = 1;
/// A flag: the apex of a zone that could not be loaded.
const IS_UNLOADED: u8 = 2;
/// A flag: the apex of a zone.
const IS_APEX: u8 = 4;
/// A flag: a delegation begins here.
const IS_CUT: u8 = 8;
/// A flag: a DNAME stands here.
const IS_REDIRECT: u8 = 16;
/// A flag: behind the RRsets follow some that addresses go along with.
const IS_ACCOMPANIED: u8 = 32;

/// A flag: what was known of an unloaded zone is too old.
const IS_EXPIRED: u8 = 64;

/// What a record says beside its RRsets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    /// Which zone.
    pub(super) zone: u32,
    /// Number of the steered name.
    pub(super) steer: Option<u32>,
    /// The apex of its zone.
    pub(super) is_apex: bool,
    /// Three further RRsets follow: NS and glue.
    pub(super) is_cut: bool,
    /// One of the RRsets is a DNAME.
    pub(super) is_redirect: bool,
    /// The apex of a zone that could not be loaded.
    pub(super) is_unloaded: bool,
    /// It was, and is too old.
    pub(super) is_expired: bool,
}

/// Lays out one record after the other.
#[derive(Debug, Default)]
pub(super) struct Draft {
    record: Vec<u8>,
    counted: bool,
    entries: Vec<u8>,
    octets: Vec<u8>,
}

impl Draft {
    /// Begins the record of `name`, in any case; without a child `*`.
    pub(super) fn begin(&mut self, head: Head, name: &[u8]) {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        self.counted = false;
        self.record.clear();
        self.record.extend_from_slice(&head.zone.to_le_bytes());
        self.record.extend_from_slice(&head.steer.unwrap_or(NONE).to_le_bytes());
        self.record.extend_from_slice(&NONE.to_le_bytes());
        self.record.push(name.len() as u8);
        let not_served = flag(head.is_unloaded, IS_UNLOADED) | flag(head.is_expired, IS_EXPIRED);
        let zone_side = flag(head.is_apex, IS_APEX) | not_served;
        self.record.push(zone_side | flag(head.is_cut, IS_CUT) | flag(head.is_redirect, IS_REDIRECT));
        self.record.extend_from_slice(&0u16.to_le_bytes());
        self.record.extend_from_slice(name);
        self.record[HEAD..].make_ascii_lowercase();
    }

    /// The next RRset. Of one that no message can carry not all is kept: enough for it to fit nowhere, and few enough
    /// records to be counted.
    pub(super) fn rrset<'d>(&mut self, rtype: RecordType, ttl: u32, data: impl Iterator<Item = &'d [u8]>) {
        let start = self.octets.len();
        let (mut count, mut stride, mut alike) = (0u16, 0, true);
        for data in data {
            let at = self.octets.len();
            if at - start > MESSAGE {
                break;
            }
            self.octets.extend_from_slice(&TO_QUESTION);
            write_fixed(&mut self.octets, rtype, ttl, data);
            let len = self.octets.len() - at;
            alike &= count == 0 || len == stride;
            stride = len;
            count += 1;
        }
        let stride = if alike { u16::try_from(stride).unwrap_or(0) } else { 0 };
        self.entry(rtype, count, stride, start);
    }

    /// All records of these RRsets, each with its own owner, as far as [`Self::rrset`] keeps them.
    pub(super) fn glue(&mut self, rrsets: &[RrsetRef<'_>]) {
        let start = self.octets.len();
        let mut count = 0;
        for (rrset, data) in rrsets.iter().flat_map(|rrset| rrset.rdata.iter().map(move |data| (rrset, data))) {
            if self.octets.len() - start > MESSAGE {
                break;
            }
            self.octets.extend_from_slice(rrset.owner.as_wire());
            write_fixed(&mut self.octets, rrset.rtype, rrset.ttl, data);
            count += 1;
        }
        self.entry(RecordType(0), count, 0, start);
    }

    /// Begins so many RRsets that addresses go along with: each is [added](Self::rrset), and then what
    /// [accompanies](Self::companions) it. At no cut.
    pub(super) fn accompanied(&mut self, count: usize) {
        self.record[13] |= IS_ACCOMPANIED;
        self.record.extend_from_slice(&(count as u16).to_le_bytes());
    }

    /// What goes along with the RRset before, as `write` writes it.
    pub(super) fn companions(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.octets.len();
        write(&mut self.octets);
        self.entry(RecordType(0), 0, 0, start);
    }

    fn entry(&mut self, rtype: RecordType, count: u16, stride: u16, start: usize) {
        self.entries.extend_from_slice(&rtype.0.to_le_bytes());
        self.entries.extend_from_slice(&count.to_le_bytes());
        self.entries.extend_from_slice(&stride.to_le_bytes());
        self.entries.extend(((self.octets.len() - start) as u32).to_le_bytes());
        if rtype == RecordType::CNAME {
            self.record[13] |= IS_ALIAS;
        }
    }

    /// Ends the RRsets that a query can ask for, and after them those of a cut.
    pub(super) fn group(&mut self) {
        if !self.counted {
            let count = (self.entries.len() / ENTRY) as u16;
            self.record[14..HEAD].copy_from_slice(&count.to_le_bytes());
            self.counted = true;
        }
        self.record.append(&mut self.entries);
        self.record.append(&mut self.octets);
    }

    /// The whole record.
    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }
}

/// A record where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    head: &'a [u8; HEAD],
    /// From the name on, and what lies behind the record.
    rest: &'a [u8],
}

/// A delegation.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    /// The name servers.
    pub ns: ReadyRef<'a>,
    /// All of it, or truncation (RFC 9471).
    pub in_domain: Records<'a>,
    /// As much of it as fits.
    pub sibling: Companions<'a>,
}

impl<'a> Record<'a> {
    /// The one that `octets` begin with.
    #[inline]
    pub(super) fn at(octets: &'a [u8]) -> Self {
        const NOTHING: &[u8; HEAD] = &[0; HEAD];
        // Whoever has a line has a whole record.
        Self { head: octets.first_chunk().unwrap_or(NOTHING), rest: &octets[HEAD..] }
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
    pub(super) fn wildcard(self) -> Option<u32> {
        self.number(WILDCARD)
    }

    #[inline]
    pub(super) fn name_len(self) -> usize {
        self.head[12].into()
    }

    #[inline]
    fn flags(self) -> u8 {
        self.head[13]
    }

    #[inline]
    pub(super) fn is_alias(self) -> bool {
        self.flags() & IS_ALIAS != 0
    }

    pub(super) fn is_expired(self) -> bool {
        self.flags() & IS_EXPIRED != 0
    }

    pub(super) fn is_unloaded(self) -> bool {
        self.flags() & IS_UNLOADED != 0
    }

    pub(super) fn is_apex(self) -> bool {
        self.flags() & IS_APEX != 0
    }

    pub(super) fn is_redirect(self) -> bool {
        self.flags() & IS_REDIRECT != 0
    }

    /// No apex, no delegation, no DNAME, no child `*`.
    #[inline]
    pub(super) fn is_common(self) -> bool {
        self.flags() & !(IS_ALIAS | IS_ACCOMPANIED) == 0 && self.wildcard().is_none()
    }

    #[inline]
    pub(super) fn name(self) -> &'a [u8] {
        self.rest.get(..self.name_len()).unwrap_or_default()
    }

    /// Whether this is the record of `name`: word by word, since both have octets behind their names that fill the last.
    #[inline(always)]
    pub(super) fn is_of(self, name: &Lowered) -> bool {
        let len = name.octets();
        if self.name_len() != len {
            return false;
        }
        let mut left = len as u32 * 8;
        for (own, asked) in self.rest.as_chunks().0.iter().zip(name.words()) {
            let differing = u64::from_le_bytes(*own) ^ u64::from_le_bytes(*asked);
            if left <= u64::BITS {
                return differing << (u64::BITS - left) == 0;
            }
            if differing != 0 {
                return false;
            }
            left -= u64::BITS;
        }
        false
    }

    /// The RRset of a type.
    pub(super) fn rrset(self, rtype: RecordType) -> Option<ReadyRef<'a>> {
        self.rrsets()?.find(|rrset| rrset.rtype == rtype)
    }

    /// The first RRset: at most names the only one.
    #[inline(always)]
    pub(super) fn first(self) -> Option<ReadyRef<'a>> {
        self.rrsets()?.next()
    }

    /// Those that a query can ask for.
    #[inline(always)]
    fn rrsets(self) -> Option<Rrsets<'a>> {
        let count = u16::from_le_bytes([self.head[14], self.head[15]]);
        Rrsets::new(self.rest.get(self.name_len()..)?, count.into())
    }

    /// The first RRset that `wanted` takes among those that addresses go along with, and what that is.
    pub(super) fn accompanied(self, wanted: impl Fn(RecordType) -> bool) -> Option<(ReadyRef<'a>, Companions<'a>)> {
        if self.flags() & IS_ACCOMPANIED == 0 {
            return None;
        }
        let mut counted = self.rrsets()?;
        counted.by_ref().for_each(drop);
        let (count, group) = counted.octets.split_first_chunk()?;
        let mut group = Rrsets::new(group, 2 * usize::from(u16::from_le_bytes(*count)))?;
        loop {
            let (rrset, companions) = (group.next()?, group.next()?);
            if wanted(rrset.rtype) {
                return Some((rrset, Companions(companions.octets)));
            }
        }
    }

    /// The delegation that begins here.
    pub(super) fn cut(self) -> Option<Cut<'a>> {
        if self.flags() & IS_CUT == 0 {
            return None;
        }
        let mut counted = self.rrsets()?;
        counted.by_ref().for_each(drop);
        let mut extra = Rrsets::new(counted.octets, 3)?;
        let (ns, in_domain, sibling) = (extra.next()?, extra.next()?, extra.next()?);
        let in_domain = Records { octets: in_domain.octets, count: in_domain.count };
        Some(Cut { ns, in_domain, sibling: Companions(sibling.octets) })
    }

    /// The SOA of negative answers, and the same for those that a policy makes: the two RRsets of a zone's own record.
    #[inline]
    pub(super) fn ends(self) -> Option<(ReadyRef<'a>, ReadyRef<'a>)> {
        let mut rrsets = self.rrsets()?;
        Some((rrsets.next()?, rrsets.next()?))
    }
}

/// A group of RRsets: their entries, then their octets.
#[derive(Clone, Copy, Debug)]
struct Rrsets<'a> {
    entries: &'a [u8],
    octets: &'a [u8],
}

impl<'a> Rrsets<'a> {
    #[inline(always)]
    fn new(group: &'a [u8], count: usize) -> Option<Self> {
        let (entries, octets) = group.split_at_checked(count * ENTRY)?;
        Some(Self { entries, octets })
    }
}

impl<'a> Iterator for Rrsets<'a> {
    type Item = ReadyRef<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<ReadyRef<'a>> {
        let (entry, entries) = self.entries.split_first_chunk::<ENTRY>()?;
        let short = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        let len = u32::from_le_bytes([entry[6], entry[7], entry[8], entry[9]]) as usize;
        let (octets, rest) = self.octets.split_at_checked(len)?;
        (self.entries, self.octets) = (entries, rest);
        Some(ReadyRef { rtype: RecordType(short(0)), octets, count: short(2), take: short(2), stride: short(4) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::ready::Turn;
    use super::*;
    use crate::wire::{Name, RecordsBuilder};

    fn addresses(count: u32) -> Vec<[u8; 4]> {
        (0..count).map(u32::to_be_bytes).collect()
    }

    #[test]
    fn p7_an_rrset_that_no_message_can_carry_fits_nowhere_and_is_never_empty() {
        for count in [4_095, 4_096, 6_000, 65_535, 65_536, 65_537, 131_072] {
            let data = addresses(count);
            let mut draft = Draft::default();
            draft.begin(Head::default(), b"\x04many\0");
            draft.rrset(RecordType::A, 60, data.iter().map(|data| &data[..]));
            draft.rrset(RecordType::TXT, 60, [&b"\x01x"[..]].into_iter());
            draft.group();
            let record = Record::at(draft.record());
            let rrset = record.rrset(RecordType::A).unwrap();
            assert_ne!(rrset.taken(), 0, "{count}");
            let fits = (count == 4_095).then_some(4_095 * 16);
            for part in [0, 1 << 31, u32::MAX] {
                let written = rrset.write(0xc00c, Turn { part, is_fixed: false }, &mut [0; MESSAGE]);
                assert_eq!(written, fits, "{count}");
            }
            assert_eq!(record.rrset(RecordType::TXT).unwrap().first_data(), b"\x01x", "{count}");
        }
    }

    #[test]
    fn p7_glue_that_no_message_can_carry_fits_nowhere_and_is_never_empty() {
        let host = Name::absolute("ns.sub.example").unwrap();
        let server = [host.as_wire()];
        for count in [2, 65_536] {
            let records = RecordsBuilder::new().with(&host, RecordType::A, 60, &addresses(count)).finish();
            let rrsets: Vec<RrsetRef<'_>> = records.iter().collect();
            let mut draft = Draft::default();
            draft.begin(Head { is_cut: true, ..Head::default() }, b"\x03sub\x07example\0");
            draft.group();
            draft.rrset(RecordType::NS, 60, server.into_iter());
            draft.glue(&rrsets);
            draft.companions(|_| ());
            draft.group();
            let cut = Record::at(draft.record()).cut().unwrap();
            assert_eq!(cut.ns.first_data(), host.as_wire());
            let is_whole = (usize::from(cut.in_domain.count), cut.in_domain.octets.len() > MESSAGE);
            if count == 2 {
                assert_eq!(is_whole, (2, false));
            } else {
                assert!(is_whole.0 > 0 && is_whole.1, "{is_whole:?}");
            }
        }
    }
}
