//! A zone as an update sees it: its files, and what updates before have changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::model::{Ground, Soa, Zone};
use crate::config::{Change, Changes, Content, LaidSet, complete};
use crate::wire::{Name, RecordType, RecordsIndex, RrsetRef};

/// A zone that is being changed.
#[derive(Debug)]
pub struct View {
    ground: Arc<Ground>,
    /// Of the files' records.
    index: RecordsIndex,
    /// The steered names, and which of them each one is.
    steered: HashMap<Name, usize>,
    /// The steered names, and all above them in the zone.
    above_steered: HashSet<Name>,
    changes: Changes,
    soa: Soa,
}

impl View {
    /// Of what the files say and what was changed before; `soa` is the one that is served.
    pub fn new(ground: Arc<Ground>, changes: Changes, soa: Soa) -> Self {
        let index = RecordsIndex::of(&ground.zone.records);
        let owners = || ground.zone.steered.iter().map(|steered| &steered.owner);
        let steered = owners().cloned().zip(0..).collect();
        let mut above_steered = HashSet::new();
        for owner in owners() {
            let mut name = Some(owner.clone());
            // What is known has all above it there.
            while let Some(known) = name.filter(|name| name.is_within(&ground.zone.apex)) {
                name = known.parent();
                if !above_steered.insert(known) {
                    break;
                }
            }
        }
        Self { ground, index, steered, above_steered, changes, soa }
    }

    /// What the files say.
    pub fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    /// Says which SOA is served now.
    pub fn set_soa(&mut self, soa: Soa) {
        self.soa = soa;
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
    pub(super) fn answered(&self, name: &Name) -> Option<&[RecordType]> {
        let &at = self.steered.get(name)?;
        self.ground.answered.get(at).map(|types| &types[..])
    }

    /// Whether a steered name is this one or below it.
    pub(super) fn is_above_steered(&self, name: &Name) -> bool {
        self.above_steered.contains(name)
    }

    /// The plain records of a name, but for the SOA.
    pub(super) fn sets(&self, name: &Name) -> Vec<LaidSet<'_>> {
        let files = self.of_files(name);
        if self.answered(name).is_some() {
            return files.map(LaidSet::of).collect();
        }
        self.changes.sets_over(name.view(), files)
    }

    /// What the files have of a name.
    pub(super) fn of_files(&self, name: &Name) -> impl Iterator<Item = RrsetRef<'_>> + use<'_> {
        let records = &self.ground.zone.records;
        let found = self.index.find(records, name.view()).map(|number| self.index.owner(records, number));
        found.into_iter().flat_map(|owner| owner.rrsets())
    }
}
