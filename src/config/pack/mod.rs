//! What the files of a zone say of its names, put together: records packed, the place of each beside them.
//!
//! Comes in: a master file's text, the owners of a zone's TOML. Goes out: [`ZoneData`], which plain DNS is judged by
//! and the zone of the model is made of. Invariants: an owner stands once, each of its types once, no two of a type's
//! records are the same; all in the order in which they were first written. A record costs no allocation.

mod group;
mod master;
mod overlay;
mod spots;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use super::findings::Site;
use super::spec::SteeredSpec;
use crate::wire::{Name, NameRef, RecordType, Records, RecordsBuilder, RecordsIndex, RrsetRef};

pub(crate) use master::{Master, read, unusable};
pub(crate) use overlay::together;
pub(crate) use spots::{Spot, Spots};

/// A zone's names with the places of all that they hold.
#[derive(Debug)]
pub(crate) struct ZoneData {
    pub(crate) apex: Name,
    /// Where the zone is named.
    pub(crate) site: Site,
    pub(crate) records: Arc<Records>,
    pub(crate) index: RecordsIndex,
    pub(crate) spots: Spots,
    /// Names that a route answers, in order and by name.
    pub(crate) steered: Vec<SteeredSpec>,
    pub(crate) steered_names: HashSet<Name>,
    /// Names of which a fault was told, so that something may be missing.
    pub(crate) tainted: HashSet<Name>,
    /// Whether a fault hides records.
    pub(crate) partial: bool,
    /// Whether others have a say in what it holds: a primary, or updates.
    pub(crate) foreign: bool,
}

/// An RRset and how many records of the zone stand before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'z> {
    pub(crate) rrset: RrsetRef<'z>,
    pub(crate) first: usize,
}

impl ZoneData {
    /// Of a zone that was put together with what others say of it, all of which is told to stand at one place.
    pub(crate) fn of_one_place(apex: &Name, records: Arc<Records>, steered: Vec<SteeredSpec>, site: Site) -> Self {
        Self {
            apex: apex.clone(),
            site,
            index: RecordsIndex::of(&records),
            records,
            spots: Spots::all_at(site),
            steered_names: steered.iter().map(|steered| steered.owner.clone()).collect(),
            steered,
            tainted: HashSet::new(),
            partial: false,
            foreign: true,
        }
    }

    /// The number of a name that holds records.
    pub(crate) fn number(&self, name: NameRef<'_>) -> Option<usize> {
        self.index.find(&self.records, name)
    }

    /// Whether a name is written down, with records, a route or a fault.
    pub(crate) fn exists(&self, name: NameRef<'_>) -> bool {
        self.number(name).is_some() || self.is_steered(name) || self.is_tainted(name)
    }

    pub(crate) fn is_steered(&self, name: NameRef<'_>) -> bool {
        !self.steered_names.is_empty() && self.steered_names.contains(&name.to_name())
    }

    pub(crate) fn is_tainted(&self, name: NameRef<'_>) -> bool {
        !self.tainted.is_empty() && self.tainted.contains(&name.to_name())
    }

    /// What a name holds.
    pub(crate) fn rrsets(&self, number: usize) -> impl Iterator<Item = Placed<'_>> {
        let mut next = self.index.first_record(number);
        self.index.owner(&self.records, number).rrsets().map(move |rrset| {
            let first = next;
            next += rrset.rdata.len();
            Placed { rrset, first }
        })
    }

    /// What a name holds of a type.
    pub(crate) fn rrset(&self, number: usize, rtype: RecordType) -> Option<Placed<'_>> {
        self.rrsets(number).find(|placed| placed.rrset.rtype == rtype)
    }

    /// Where a name is written.
    pub(crate) fn owner_site(&self, number: usize) -> Site {
        self.spots.owner(self.index.first_record(number))
    }

    /// Where an RRset is written.
    pub(crate) fn set_site(&self, placed: Placed<'_>) -> Site {
        self.spots.set(placed.first)
    }
}

/// Writes records and their places side by side.
#[derive(Debug, Default)]
struct Writer {
    records: RecordsBuilder,
    spots: Spots,
}

impl Writer {
    /// All that a name holds.
    fn group(&mut self, owner: NameRef<'_>, owner_site: Option<Site>, group: &group::Group) {
        for (number, set) in group.sets().iter().enumerate() {
            let first = self.spots.len();
            if let Some(site) = owner_site.filter(|_| number == 0) {
                self.spots.name_owner(first, site);
            }
            if let Some(site) = set.site {
                self.spots.name_set(first, site);
            }
            self.records.begin(owner, set.rtype, set.ttl, set.count);
            for (data, spot) in group.data(number) {
                self.records.add(data);
                self.spots.push(spot);
            }
        }
    }

    /// An RRset as it is elsewhere.
    fn copy(&mut self, placed: Placed<'_>, from: &Spots) {
        let RrsetRef { owner, rtype, ttl, rdata } = placed.rrset;
        self.records.push(owner, rtype, ttl, rdata.iter());
        for number in placed.first..placed.first + rdata.len() {
            self.spots.push(from.get(number));
        }
    }
}
