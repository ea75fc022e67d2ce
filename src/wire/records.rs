//! The records of a zone in one row of octets.
//!
//! A zone of a million names would be several million small allocations otherwise; packed, a name with one A record
//! takes the octets of its owner and ten more. Written once, in order, by [`RecordsBuilder`]; then only read.
//!
//! One block an RRset: the owner behind its length, or a length of 0 for the owner of the block before; the type, the
//! TTL, the number of records; each record's data behind its length. All numbers but the owner's length are in groups
//! of 7 bits, the lowest first, the top bit of an octet saying that more follow.
//!
//! Invariants: the blocks of one owner stand together and each of its types once, if so they were pushed; the owner's
//! octets are one whole name.

mod index;
#[cfg(test)]
mod tests;

use super::{Name, NameRef, RecordType};

pub use index::RecordsIndex;

/// RRsets in the order in which they were written. Equal when every octet is, the case of owners included.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Records {
    octets: Box<[u8]>,
    rrsets: usize,
    owners: usize,
}

/// The records of one owner and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RrsetRef<'a> {
    /// The owner, absolute; a first label `*` is a wildcard.
    pub owner: NameRef<'a>,
    /// The type.
    pub rtype: RecordType,
    /// One TTL an RRset, in seconds.
    pub ttl: u32,
    /// Each record's data in uncompressed wire form.
    pub rdata: RdataRef<'a>,
}

/// The data of an RRset's records, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RdataRef<'a> {
    count: usize,
    octets: &'a [u8],
}

/// All RRsets of one owner.
#[derive(Clone, Copy, Debug)]
pub struct OwnerRef<'a> {
    /// The owner.
    pub name: NameRef<'a>,
    /// Where it stands in its [`Records`]: what [`Records::owner_at`] takes.
    pub position: usize,
    /// From its first block's type on, to the end of the zone.
    octets: &'a [u8],
}

impl Records {
    /// How many RRsets.
    pub fn len(&self) -> usize {
        self.rrsets
    }

    /// How many runs of blocks with one owner: names, if the blocks of each stand together.
    pub fn owner_count(&self) -> usize {
        self.owners
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rrsets == 0
    }

    /// How much it takes, in octets.
    pub fn size(&self) -> usize {
        self.octets.len()
    }

    /// Every RRset in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.octets, owner: NameRef::trusted(&[0]) }
    }

    /// Every owner in order.
    pub fn owners(&self) -> impl Iterator<Item = OwnerRef<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let owner = (at < self.octets.len()).then(|| self.owner_at(at))?;
            at = self.octets.len() - owner.end().len();
            Some(owner)
        })
    }

    /// The owner that stands at a position that [`OwnerRef::position`] gave.
    pub fn owner_at(&self, position: usize) -> OwnerRef<'_> {
        let (name, octets) = split_owner(&self.octets[position..]);
        OwnerRef { name, position, octets }
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = RrsetRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// See [`Records::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
    owner: NameRef<'a>,
}

impl<'a> Iter<'a> {
    /// The next RRset, and whether it is its owner's first.
    #[inline]
    pub(crate) fn step(&mut self) -> Option<(bool, RrsetRef<'a>)> {
        let (is_first, rest) = match self.rest {
            [] => return None,
            [0, rest @ ..] => (false, rest),
            _ => {
                let (owner, rest) = split_owner(self.rest);
                self.owner = owner;
                (true, rest)
            }
        };
        let (rrset, rest) = split_rrset(self.owner, rest);
        self.rest = rest;
        Some((is_first, rrset))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = RrsetRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<RrsetRef<'a>> {
        self.step().map(|(_, rrset)| rrset)
    }
}

impl<'a> OwnerRef<'a> {
    /// Its RRsets in order.
    pub fn rrsets(self) -> impl Iterator<Item = RrsetRef<'a>> + Clone {
        let mut rest = Some(self.octets);
        std::iter::from_fn(move || {
            let (rrset, behind) = split_rrset(self.name, rest?);
            rest = behind.strip_prefix(&[0]);
            Some(rrset)
        })
    }

    /// Its RRset of a type.
    pub fn rrset(self, rtype: RecordType) -> Option<RrsetRef<'a>> {
        self.rrsets().find(|rrset| rrset.rtype == rtype)
    }

    /// What stands behind its last block.
    fn end(self) -> &'a [u8] {
        let mut rest = self.octets;
        loop {
            rest = split_rrset(self.name, rest).1;
            match rest.strip_prefix(&[0]) {
                Some(more) => rest = more,
                None => return rest,
            }
        }
    }
}

impl<'a> RdataRef<'a> {
    /// How many records.
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The data of each record.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        let mut rest = self.octets;
        (0..self.count).map(move |_| {
            let (data, behind) = split_data(rest);
            rest = behind;
            data
        })
    }

    /// The data of the first record.
    pub fn first(self) -> Option<&'a [u8]> {
        self.iter().next()
    }
}

impl std::fmt::Debug for RdataRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[inline]
fn split_owner(octets: &[u8]) -> (NameRef<'_>, &[u8]) {
    let (owner, rest) = octets[1..].split_at(usize::from(octets[0]));
    (NameRef::trusted(owner), rest)
}

#[inline]
fn split_rrset<'a>(owner: NameRef<'a>, octets: &'a [u8]) -> (RrsetRef<'a>, &'a [u8]) {
    let (rtype, octets) = split_number(octets);
    let (ttl, octets) = split_number(octets);
    let (count, octets) = split_number(octets);
    let count = count as usize;
    let mut rest = octets;
    for _ in 0..count {
        rest = split_data(rest).1;
    }
    let data = &octets[..octets.len() - rest.len()];
    (RrsetRef { owner, rtype: RecordType(rtype as u16), ttl, rdata: RdataRef { count, octets: data } }, rest)
}

#[inline]
fn split_data(octets: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = split_number(octets);
    rest.split_at(len as usize)
}

/// Most numbers are small.
#[inline]
fn split_number(octets: &[u8]) -> (u32, &[u8]) {
    match octets {
        [octet @ 0..=0x7f, rest @ ..] => (u32::from(*octet), rest),
        [low, high @ 0..=0x7f, rest @ ..] => (u32::from(low & 0x7f) | u32::from(*high) << 7, rest),
        _ => split_large(octets),
    }
}

fn split_large(octets: &[u8]) -> (u32, &[u8]) {
    let mut number = 0;
    let mut at = 0;
    loop {
        let octet = octets[at];
        number |= u32::from(octet & 0x7f) << (7 * at);
        at += 1;
        if octet & 0x80 == 0 {
            return (number, &octets[at..]);
        }
    }
}

fn push_number(octets: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        octets.push(number as u8 | 0x80);
        number >>= 7;
    }
    octets.push(number as u8);
}

/// Writes [`Records`], in order.
#[derive(Debug, Default)]
pub struct RecordsBuilder {
    octets: Vec<u8>,
    rrsets: usize,
    owners: usize,
    /// Where the last owner's octets stand; nothing before the first.
    owner: std::ops::Range<usize>,
}

impl RecordsBuilder {
    /// With nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an RRset; an owner that differs from the one before in case only is spelled as that one is.
    pub fn push<'d, I>(&mut self, owner: NameRef<'_>, rtype: RecordType, ttl: u32, rdata: I)
    where
        I: IntoIterator<Item = &'d [u8]>,
        I::IntoIter: Clone,
    {
        let rdata = rdata.into_iter();
        self.begin(owner, rtype, ttl, rdata.clone().count());
        rdata.for_each(|data| self.add(data));
    }

    /// Begins an RRset of so many records, all of which are then [added](Self::add).
    pub(crate) fn begin(&mut self, owner: NameRef<'_>, rtype: RecordType, ttl: u32, count: usize) {
        let wire = owner.as_wire();
        if self.ends_in(owner) {
            self.octets.push(0);
        } else {
            // A name has at most 255 octets.
            self.octets.push(wire.len() as u8);
            let start = self.octets.len();
            self.octets.extend_from_slice(wire);
            self.owner = start..self.octets.len();
            self.owners += 1;
        }
        push_number(&mut self.octets, u32::from(rtype.0));
        push_number(&mut self.octets, ttl);
        push_number(&mut self.octets, count as u32);
        self.rrsets += 1;
    }

    /// Adds a record to the RRset that was begun last.
    pub(crate) fn add(&mut self, data: &[u8]) {
        push_number(&mut self.octets, data.len() as u32);
        self.octets.extend_from_slice(data);
    }

    /// Whether the last RRset is this owner's, whatever its case.
    pub fn ends_in(&self, owner: NameRef<'_>) -> bool {
        self.octets[self.owner.clone()].eq_ignore_ascii_case(owner.as_wire())
    }

    /// As [`Self::push`], of owned parts.
    pub fn with(mut self, owner: &Name, rtype: RecordType, ttl: u32, rdata: &[impl AsRef<[u8]>]) -> Self {
        self.push(owner.view(), rtype, ttl, rdata.iter().map(AsRef::as_ref));
        self
    }

    /// Appends what another one wrote. Where that begins with the owner that this one ends in, the owner has two runs.
    pub fn append(&mut self, other: Self) {
        let Self { octets, rrsets, owners, owner } = other;
        if owners == 0 {
            return;
        }
        let before = self.octets.len();
        if before == 0 {
            self.octets = octets;
        } else {
            self.octets.reserve_exact(octets.len());
            self.octets.extend_from_slice(&octets);
        }
        self.owner = owner.start + before..owner.end + before;
        self.rrsets += rrsets;
        self.owners += owners;
    }

    /// Gives back what was asked for and not used.
    pub fn finish(self) -> Records {
        Records { octets: self.octets.into_boxed_slice(), rrsets: self.rrsets, owners: self.owners }
    }
}
