//! Finding the names.

mod hosts;
#[cfg(test)]
mod tests;

pub use hosts::Host;

use std::ops::Range;
use std::thread;

use super::index::{Index, tag};
use crate::config::model::Zone;
use crate::threads;
use crate::wire::{Lowered, Name, OwnerRef, RecordType, RrsetRef};

/// Owners that are worth a thread of their own.
const SHARE: usize = 1 << 16;

/// What zones within a zone mean for it: their data is theirs, but what their apexes are called exists in both.
#[derive(Clone, Copy, Debug, Default)]
pub struct Within<'z> {
    /// Apexes of the zones next below it.
    pub apexes: &'z [&'z Name],
    /// Names between them and the zone's own apex, which exist for their sake (RFC 8020).
    pub between: &'z [Name],
}

/// The names of one zone: where each stands in the zone's records, and what it is.
#[derive(Debug)]
pub struct Names<'z> {
    zone: &'z Zone,
    within: Within<'z>,
    seed: u64,
    /// The apex first, then owners in the order of the records, then what exists for the sake of others.
    entries: Vec<Entry>,
    index: Index,
    /// The entry of the first of [`Within::apexes`]; the others follow it.
    first_within: usize,
    /// (entry, position in [`Zone::steered`]), ascending.
    steered: Vec<(u32, u32)>,
    /// (name, its child `*`), both entries.
    wildcards: Vec<(u32, u32)>,
}

/// Which list a name is spelled in.
#[derive(Clone, Copy, Debug)]
enum Source {
    Apex,
    Owner,
    Steered,
    Within,
    Between,
}

/// A name, by reference: a million of them are held while a zone is built.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where in its source.
    at: usize,
    hash: u32,
    flags: u16,
    /// Octets of the source's name that are left out at its front.
    skip: u8,
    source: Source,
}

/// The owner of records; `at` is theirs.
const OWNER: u16 = 1;
/// Its records are glue and nothing else: it lies below a cut, or in a zone within this one.
const GLUE: u16 = 1 << 1;
/// It can be found by asking.
const STANDS: u16 = 1 << 2;
/// NS records below the apex.
const CUT: u16 = 1 << 3;
/// The apex of a zone within this one.
const WITHIN: u16 = 1 << 4;
/// More than one label below the apex.
const DEEP: u16 = 1 << 5;
/// Its first label is `*`.
const WILDCARD: u16 = 1 << 6;
/// The zone's own apex.
const APEX: u16 = 1 << 7;
/// It has a child `*`.
const PARENT: u16 = 1 << 8;
/// It has a DNAME: what lies below it is elsewhere (RFC 6672).
const REDIRECT: u16 = 1 << 9;

/// What stands above a name and hides its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hiding {
    /// A cut or another zone, which has the name: data here may be glue.
    Zone,
    /// A DNAME: the name is not here at all.
    Redirect,
}

/// A name that exists, or that a zone within this one has as its apex.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'z> {
    /// In wire form, its case kept.
    pub name: &'z [u8],
    /// Half of the hash of [`Lowered`].
    pub hash: u32,
    /// The zone's own apex.
    pub is_apex: bool,
    /// Position in [`Within::apexes`]: others ask the zone within, DS is asked here (RFC 4035 section 3.1.4.1).
    pub within: Option<usize>,
    /// It is a wildcard, or has one as its child.
    pub is_near_wildcard: bool,
    /// Position in [`Zone::steered`].
    pub steered: Option<usize>,
    /// A delegation begins here.
    pub is_cut: bool,
    /// A DNAME stands here: names below are elsewhere.
    pub is_redirect: bool,
    /// Its records.
    owner: Option<OwnerRef<'z>>,
}

/// A delegation.
#[derive(Debug)]
pub struct Cut<'z> {
    /// The delegation's name servers.
    pub ns: RrsetRef<'z>,
    /// Addresses of name servers at or below the cut: without them nobody gets there (RFC 9471).
    pub in_domain: Vec<RrsetRef<'z>>,
    /// Name servers elsewhere in the zone.
    pub sibling: Vec<Host<'z>>,
}

impl<'z> Names<'z> {
    /// Finds every name; `seed` is what they are hashed with.
    pub fn of(zone: &'z Zone, within: Within<'z>, seed: u64) -> Self {
        let owners = zone.records.owner_count();
        let mut entries = Vec::with_capacity(1 + owners + within.apexes.len() + within.between.len());
        let apex = tag(Lowered::new(zone.apex.as_wire(), seed).hash());
        entries.push(Entry { at: 0, hash: apex, flags: STANDS | APEX, skip: 0, source: Source::Apex });
        let owner = |at| Entry { at, hash: 0, flags: OWNER, skip: 0, source: Source::Owner };
        entries.extend(zone.records.owners().map(|found| owner(found.position)));
        read(zone, &mut entries[1..], seed);
        let index = Index::with_capacity(entries.capacity());
        let first_within = entries.len();
        let (steered, wildcards) = (Vec::new(), Vec::new());
        let mut names = Self { zone, within, seed, entries, index, first_within, steered, wildcards };
        names.gather();
        names.hide();
        names.reach_all();
        names.steer();
        names.fill_between();
        names.tie_wildcards();
        names
    }

    /// Puts all that are spelled somewhere into the index.
    fn gather(&mut self) {
        for (at, apex) in self.within.apexes.iter().enumerate() {
            let entry = Entry { at, hash: self.hash(apex.as_wire()), flags: WITHIN, skip: 0, source: Source::Within };
            self.push(entry);
        }
        for number in 1..self.first_within {
            let entry = self.entries[number];
            let same = match entry.flags & (APEX | OWNER) {
                OWNER if self.within.apexes.is_empty() => continue,
                OWNER => self.find(entry.hash, self.name(entry)),
                0 => None,
                _ => Some(0),
            };
            if let Some(same) = same {
                let known = &mut self.entries[same as usize];
                *known = Entry { flags: known.flags | entry.flags, ..entry };
                self.entries[number].flags = 0;
            }
        }
        let owners = self.entries[..self.first_within].iter().zip(0..);
        self.index.extend(owners.filter(|(entry, _)| entry.flags != 0).map(|(entry, number)| (entry.hash, number)));
    }

    /// Tells glue from what can be asked. Of the apex of a zone within, that is DS at least, whatever this zone says there.
    /// What lies below a DNAME is neither: those names are elsewhere.
    fn hide(&mut self) {
        let any = self.entries.iter().any(|entry| entry.flags & (CUT | WITHIN | REDIRECT) != 0);
        let below = if self.redirects_all() { u16::MAX } else { DEEP | WITHIN };
        for number in 0..self.entries.len() {
            let entry = self.entries[number];
            if entry.flags & (OWNER | WITHIN) == 0 {
                continue;
            }
            let hiding = if any && entry.flags & below != 0 { self.hiding(self.name(entry)) } else { None };
            let flags = &mut self.entries[number].flags;
            match hiding {
                None => *flags |= STANDS,
                Some(Hiding::Zone) => *flags |= GLUE,
                Some(Hiding::Redirect) => *flags &= !OWNER,
            }
        }
    }

    /// Whether a DNAME stands at the apex, above all else.
    fn redirects_all(&self) -> bool {
        self.entries[0].flags & REDIRECT != 0
    }

    /// What hides a name: the highest that lies above it.
    fn hiding(&self, name: &[u8]) -> Option<Hiding> {
        if self.redirects_all() && name.len() > self.zone.apex.as_wire().len() {
            return Some(Hiding::Redirect);
        }
        let found = above(name, self.zone.apex.as_wire().len()).filter_map(|skip| {
            let above = &name[skip..];
            let found = self.find(self.hash(above), above)?;
            match self.entries[found as usize].flags & (CUT | WITHIN | REDIRECT) {
                0 => None,
                REDIRECT => Some(Hiding::Redirect),
                _ => Some(Hiding::Zone),
            }
        });
        found.last()
    }

    fn reach_all(&mut self) {
        for number in 0..self.entries.len() {
            let entry = self.entries[number];
            if entry.flags & (DEEP | STANDS) == DEEP | STANDS {
                self.reach(entry);
            }
        }
    }

    /// Makes all names between this one and the apex.
    fn reach(&mut self, from: Entry) {
        let name = self.name(from);
        for skip in self.above(name) {
            let above = &name[skip..];
            let hash = self.hash(above);
            if self.find(hash, above).is_some() {
                return;
            }
            self.push(Entry { hash, flags: STANDS | wildcard(above), skip: from.skip + skip as u8, ..from });
        }
    }

    fn steer(&mut self) {
        for (at, steered) in self.zone.steered.iter().enumerate() {
            let name = steered.owner.as_wire();
            if !steered.owner.is_within(&self.zone.apex) || self.hiding(name).is_some() {
                continue;
            }
            let hash = self.hash(name);
            let found = match self.find(hash, name) {
                Some(found) if self.entries[found as usize].flags & CUT != 0 => continue,
                Some(found) => {
                    self.entries[found as usize].flags |= STANDS;
                    found
                }
                None => {
                    let entry = Entry { at, hash, flags: STANDS | wildcard(name), skip: 0, source: Source::Steered };
                    self.reach(entry);
                    self.push(entry)
                }
            };
            self.steered.push((found, at as u32));
        }
        self.steered.sort_unstable();
    }

    fn fill_between(&mut self) {
        for (at, name) in self.within.between.iter().enumerate() {
            let name = name.as_wire();
            if self.hiding(name).is_some() {
                continue;
            }
            let hash = self.hash(name);
            match self.find(hash, name) {
                Some(found) => self.entries[found as usize].flags |= STANDS,
                None => {
                    let flags = STANDS | wildcard(name);
                    self.push(Entry { at, hash, flags, skip: 0, source: Source::Between });
                }
            }
        }
    }

    fn tie_wildcards(&mut self) {
        for number in 0..self.entries.len() {
            let entry = self.entries[number];
            if entry.flags & (WILDCARD | STANDS | WITHIN) != WILDCARD | STANDS {
                continue;
            }
            let name = self.name(entry);
            let parent = &name[1 + usize::from(name[0])..];
            if let Some(parent) = self.find(self.hash(parent), parent) {
                self.entries[parent as usize].flags |= PARENT;
                self.wildcards.push((parent, number as u32));
            }
        }
    }

    fn push(&mut self, entry: Entry) -> u32 {
        let number = self.entries.len() as u32;
        self.entries.push(entry);
        self.index.insert(entry.hash, number);
        number
    }

    fn find(&self, hash: u32, name: &[u8]) -> Option<u32> {
        let is_same = |number: u32| {
            let entry = self.entries[number as usize];
            entry.hash == hash && self.name(entry).eq_ignore_ascii_case(name)
        };
        self.index.find(hash, is_same)
    }

    fn name(&self, entry: Entry) -> &'z [u8] {
        let name = match entry.source {
            Source::Apex => self.zone.apex.as_wire(),
            Source::Owner => self.zone.records.owner_at(entry.at).name.as_wire(),
            Source::Steered => self.zone.steered[entry.at].owner.as_wire(),
            Source::Within => self.within.apexes[entry.at].as_wire(),
            Source::Between => self.within.between[entry.at].as_wire(),
        };
        &name[usize::from(entry.skip)..]
    }

    fn hash(&self, name: &[u8]) -> u32 {
        tag(Lowered::new(name, self.seed).hash())
    }

    fn above(&self, name: &'z [u8]) -> impl Iterator<Item = usize> + use<'z> {
        above(name, self.zone.apex.as_wire().len())
    }

    /// Numbers of entries. Not all stand for a name.
    pub fn entries(&self) -> Range<usize> {
        0..self.entries.len()
    }

    /// Names and their children `*`, by entry, the children ascending.
    pub fn wildcards(&self) -> &[(u32, u32)] {
        &self.wildcards
    }

    /// What stands at an entry.
    pub fn standing(&self, number: usize) -> Option<Standing<'z>> {
        let entry = *self.entries.get(number)?;
        if entry.flags & STANDS == 0 {
            return None;
        }
        let name = self.name(entry);
        let shows = entry.flags & (OWNER | GLUE) == OWNER;
        Some(Standing {
            name,
            hash: entry.hash,
            is_apex: entry.flags & APEX != 0,
            within: (entry.flags & WITHIN != 0).then(|| number - self.first_within),
            is_near_wildcard: entry.flags & (WILDCARD | PARENT) != 0,
            steered: self.steered_at(number as u32),
            is_cut: shows && entry.flags & CUT != 0,
            is_redirect: shows && entry.flags & (CUT | REDIRECT) == REDIRECT,
            owner: shows.then(|| self.zone.records.owner_at(entry.at)),
        })
    }

    /// The position in [`Zone::steered`] of an entry.
    fn steered_at(&self, number: u32) -> Option<usize> {
        let found = self.steered.binary_search_by_key(&number, |&(at, _)| at).ok()?;
        Some(self.steered[found].1 as usize)
    }

    /// The delegation that begins at a name.
    pub fn cut(&self, standing: &Standing<'z>) -> Option<Cut<'z>> {
        let ns = standing.owner.filter(|_| standing.is_cut)?.rrset(RecordType::NS)?;
        let mut cut = Cut { ns, in_domain: Vec::new(), sibling: Vec::new() };
        for server in ns.rdata.iter().filter_map(|data| Name::from_wire(data).ok()) {
            if !server.view().is_within(ns.owner) {
                cut.sibling.extend(self.host(server, true));
                continue;
            }
            let found = self.find(self.hash(server.as_wire()), server.as_wire());
            let entry = found.map(|found| self.entries[found as usize]).filter(|entry| entry.flags & OWNER != 0);
            let addresses = entry.into_iter().flat_map(|entry| self.zone.records.owner_at(entry.at).rrsets());
            cut.in_domain.extend(addresses.filter(is_address));
        }
        Some(cut)
    }
}

impl<'z> Standing<'z> {
    /// Its records, NS of a cut excluded: there DS alone is ours (RFC 4035 section 3.1.4.1), other data is glue.
    pub fn rrsets(&self) -> impl Iterator<Item = RrsetRef<'z>> + use<'z> {
        let is_cut = self.is_cut;
        let rrsets = self.owner.into_iter().flat_map(OwnerRef::rrsets);
        rrsets.filter(move |rrset| !is_cut || rrset.rtype == RecordType::DS)
    }
}

/// Looks at each owner by itself; many of them on all cores.
fn read(zone: &Zone, owners: &mut [Entry], seed: u64) {
    let read = |owners: &mut [Entry]| {
        let mut lowered = Lowered::root(seed);
        owners.iter_mut().for_each(|entry| judge(zone, entry, &mut lowered));
    };
    if owners.len() <= SHARE {
        return read(owners);
    }
    let cores = threads::at_once();
    let share = owners.len().div_ceil(cores);
    thread::scope(|scope| {
        for part in owners.chunks_mut(share) {
            scope.spawn(move || read(part));
        }
    });
}

fn judge(zone: &Zone, entry: &mut Entry, lowered: &mut Lowered) {
    let owner = zone.records.owner_at(entry.at);
    if !owner.name.is_within(zone.apex.view()) {
        entry.flags = 0;
        return;
    }
    let name = owner.name.as_wire();
    let apex = zone.apex.as_wire().len();
    lowered.read(name, 0, name.len());
    entry.hash = tag(lowered.hash());
    if owner.rrset(RecordType::DNAME).is_some() {
        entry.flags |= REDIRECT;
    }
    if name.len() == apex {
        entry.flags |= APEX;
        return;
    }
    if above(name, apex).next().is_some() {
        entry.flags |= DEEP;
    }
    if owner.rrset(RecordType::NS).is_some() {
        entry.flags |= CUT;
    }
    entry.flags |= wildcard(name);
}

/// Where the names strictly between `name` and its ancestor of `apex` octets begin in it, the nearest first.
fn above(name: &[u8], apex: usize) -> impl Iterator<Item = usize> {
    let next = move |at: usize| {
        let parent = at + 1 + usize::from(*name.get(at)?);
        (name.len() > parent + apex).then_some(parent)
    };
    std::iter::successors(next(0), move |&at| next(at))
}

fn is_address(rrset: &RrsetRef<'_>) -> bool {
    matches!(rrset.rtype, RecordType::A | RecordType::AAAA)
}

fn wildcard(name: &[u8]) -> u16 {
    if name.starts_with(b"\x01*") { WILDCARD } else { 0 }
}
