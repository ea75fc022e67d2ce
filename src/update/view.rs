//! A zone as an update sees it: its files, and what updates before have changed.

use std::sync::Arc;

use crate::config::model::{Ground, Soa, Zone};
use crate::config::{Change, Changes, Content, LaidSet, NameChanges, complete, same};
use crate::wire::{Name, NameRef, RecordType, RecordsIndex, RrsetRef};

/// What was changed of some names, and of the SOA, at some moment.
pub(super) struct Saved {
    served: Soa,
    soa: (Option<Soa>, Option<u32>),
    names: Vec<(Name, Option<NameChanges>)>,
}

/// A zone that is being changed.
#[derive(Debug)]
pub struct View {
    ground: Arc<Ground>,
    /// Of the files' records.
    index: RecordsIndex,
    changes: Changes,
    soa: Soa,
}

impl View {
    /// Of what the files say and what was changed before; `soa` is the one that is served.
    pub fn new(ground: Arc<Ground>, changes: Changes, soa: Soa) -> Self {
        let index = RecordsIndex::of(&ground.zone.records);
        Self { ground, index, changes, soa }
    }

    /// What the files say.
    pub fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    /// Says which SOA is served now.
    pub fn set_soa(&mut self, soa: Soa) {
        self.soa = soa;
    }

    /// All that an update of these names may change, to be put back by [`Self::put_back`].
    pub(super) fn saved<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Saved {
        let names = names.map(|name| (name.clone(), self.changes.of_name(name).cloned())).collect();
        Saved { served: self.soa.clone(), soa: self.changes.of_soa(), names }
    }

    /// Undoes all that was changed since.
    pub(super) fn put_back(&mut self, saved: Saved) {
        self.soa = saved.served;
        self.changes.set_soa(saved.soa);
        saved.names.into_iter().for_each(|(name, changes)| self.changes.set_name(&name, changes));
    }

    /// The SOA after all that was applied.
    pub fn soa(&self) -> &Soa {
        &self.soa
    }

    /// All that was changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// All that was changed, as content of the zone, and the zone that is served with it; `None` where none can be. Its
    /// SOA is the one that the updates led to, also where the files' serial comes after that one by going round the circle
    /// (RFC 1982).
    pub fn laid(&self) -> (Content, Option<Zone>) {
        let content = Content::Updated(self.changes.clone());
        let zone = complete(&self.ground, Some(&content)).map(|zone| Zone { soa: self.soa.clone(), ..zone });
        (content, zone)
    }

    /// Takes the changes out.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// Takes a step more.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Soa(soa) => self.soa = soa.clone(),
            Change::Serial(serial) => self.soa.serial = *serial,
            _ => {}
        }
        self.changes.apply(change);
    }

    /// The types that a route answers at a name.
    pub(super) fn answered(&self, name: NameRef<'_>) -> Option<&[RecordType]> {
        self.ground.answered(name)
    }

    /// The plain records of a name, but for the SOA.
    pub(super) fn sets(&self, name: NameRef<'_>) -> Vec<LaidSet<'_>> {
        let files = self.of_files(name);
        if self.answered(name).is_some() {
            return files.map(LaidSet::of).collect();
        }
        self.changes.sets_over(name, files)
    }

    /// The plain records of a type at a name.
    pub(super) fn set(&self, name: NameRef<'_>, rtype: RecordType) -> Option<LaidSet<'_>> {
        self.sets(name).into_iter().find(|set| set.rtype == rtype)
    }

    /// Whether the files have a record.
    pub(super) fn is_of_files(&self, name: NameRef<'_>, rtype: RecordType, rdata: &[u8]) -> bool {
        let mut sets = self.of_files(name).filter(|set| set.rtype == rtype);
        sets.any(|set| set.rdata.iter().any(|data| same(rtype, data, rdata)))
    }

    /// Whether the files have a record of a type.
    pub(super) fn are_of_files(&self, name: NameRef<'_>, rtype: RecordType) -> bool {
        self.of_files(name).any(|set| set.rtype == rtype)
    }

    fn of_files(&self, name: NameRef<'_>) -> impl Iterator<Item = RrsetRef<'_>> {
        let records = &self.ground.zone.records;
        let found = self.index.find(records, name).map(|number| self.index.owner(records, number));
        found.into_iter().flat_map(|owner| owner.rrsets())
    }
}
