//! What updates have changed of a zone, as a layer over what its files say.
//!
//! The layer is kept by record: what was added is there whatever the files say, what was removed is not. A file that is
//! edited below it changes all that no update has touched. Steps are applied in order; the same steps make the same
//! layer, whatever lies below it.

use std::collections::BTreeMap;

use super::same;
use crate::config::model::{Soa, precedes};
use crate::wire::{Name, NameRef, RecordType, RrsetRef};

/// One step of what an update does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A record is there, and its RRset has this TTL, in seconds.
    Add {
        /// Whose.
        owner: Name,
        /// Its type.
        rtype: RecordType,
        /// Of the whole RRset.
        ttl: u32,
        /// Uncompressed.
        rdata: Box<[u8]>,
    },
    /// A record is not there.
    Remove {
        /// Whose.
        owner: Name,
        /// Its type.
        rtype: RecordType,
        /// Uncompressed.
        rdata: Box<[u8]>,
        /// Whether the files have it, so that it has to be hidden.
        hides: bool,
    },
    /// There is no record of this type.
    Clear {
        /// Whose.
        owner: Name,
        /// The type.
        rtype: RecordType,
        /// Whether the files have some, so that they have to be hidden.
        hides: bool,
    },
    /// The zone has this SOA.
    Soa(Soa),
    /// The zone has this serial.
    Serial(u32),
}

/// All steps so far, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The SOA that an update has given.
    soa: Option<Soa>,
    /// The last serial that was given out.
    serial: Option<u32>,
    /// By the owner in lower case.
    names: BTreeMap<Box<[u8]>, NameChanges>,
}

/// What was changed of one name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NameChanges {
    pub(super) owner: Name,
    sets: BTreeMap<RecordType, SetChange>,
}

/// What was changed of one RRset.
#[derive(Clone, Debug, Default, PartialEq)]
struct SetChange {
    /// Nothing of the files is there.
    is_cleared: bool,
    /// Of the files, and not there.
    removed: Vec<Box<[u8]>>,
    added: Vec<Box<[u8]>>,
    /// Of the whole RRset, where something was added.
    ttl: Option<u32>,
}

/// One RRset with all layers put together.
#[derive(Clone, Debug, PartialEq)]
pub struct LaidSet<'a> {
    /// Its type.
    pub rtype: RecordType,
    /// In seconds.
    pub ttl: u32,
    /// The data of its records; never empty.
    pub data: Vec<&'a [u8]>,
}

impl Changes {
    /// Whether nothing was ever changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes one step more.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Soa(soa) => (self.soa, self.serial) = (Some(soa.clone()), Some(soa.serial)),
            Change::Serial(serial) => self.serial = Some(*serial),
            Change::Add { owner, rtype, ttl, rdata } => {
                let set = self.set(owner, *rtype);
                set.ttl = Some(*ttl);
                set.removed.retain(|removed| !same(*rtype, removed, rdata));
                if !set.added.iter().any(|added| same(*rtype, added, rdata)) {
                    set.added.push(rdata.clone());
                }
            }
            Change::Remove { owner, rtype, rdata, hides } => {
                let set = self.set(owner, *rtype);
                set.added.retain(|added| !same(*rtype, added, rdata));
                if *hides && !set.is_cleared && !set.removed.iter().any(|removed| same(*rtype, removed, rdata)) {
                    set.removed.push(rdata.clone());
                }
                if set.is_cleared && set.added.is_empty() {
                    set.ttl = None;
                }
                self.prune(owner);
            }
            Change::Clear { owner, rtype, hides } => {
                let set = self.set(owner, *rtype);
                *set = SetChange { is_cleared: *hides || set.is_cleared, ..SetChange::default() };
                self.prune(owner);
            }
        }
    }

    /// Steps that come to this, from nothing.
    pub fn steps(&self) -> Vec<Change> {
        let mut steps: Vec<Change> = self.soa.clone().map(Change::Soa).into_iter().collect();
        steps.extend(self.serial.map(Change::Serial));
        for name in self.names.values() {
            for (&rtype, set) in &name.sets {
                let owner = || name.owner.clone();
                if set.is_cleared {
                    steps.push(Change::Clear { owner: owner(), rtype, hides: true });
                }
                steps.extend(set.removed.iter().cloned().map(|rdata| Change::Remove {
                    owner: owner(),
                    rtype,
                    rdata,
                    hides: true,
                }));
                let ttl = set.ttl.unwrap_or_default();
                steps.extend(set.added.iter().cloned().map(|rdata| Change::Add { owner: owner(), rtype, ttl, rdata }));
                // A TTL comes with a record: where none is left that was added, with one that goes again.
                if let (Some(ttl), true, Some(last)) = (set.ttl, set.added.is_empty(), set.removed.last()) {
                    let rdata = || last.clone();
                    steps.push(Change::Add { owner: owner(), rtype, ttl, rdata: rdata() });
                    steps.push(Change::Remove { owner: owner(), rtype, rdata: rdata(), hides: true });
                }
            }
        }
        steps
    }

    /// The zone's SOA over that of its files: the serial is the later one.
    pub fn soa_over(&self, files: &Soa) -> Soa {
        let given = self.soa.as_ref().unwrap_or(files);
        let last = self.serial.unwrap_or(files.serial);
        let serial = if precedes(last, files.serial) { files.serial } else { last };
        Soa { serial, ..given.clone() }
    }

    /// What a name holds over what the files say of it.
    pub fn sets_over<'a>(&'a self, owner: NameRef<'_>, files: impl Iterator<Item = RrsetRef<'a>>) -> Vec<LaidSet<'a>> {
        let key = owner.as_wire().to_ascii_lowercase();
        match self.names.get(&key[..]) {
            Some(name) => name.over(files),
            None => files.map(LaidSet::of).collect(),
        }
    }

    /// What updates have said of the SOA.
    pub(crate) fn of_soa(&self) -> (Option<Soa>, Option<u32>) {
        (self.soa.clone(), self.serial)
    }

    /// Says what updates have said of the SOA, whatever was before.
    pub(crate) fn set_soa(&mut self, (soa, serial): (Option<Soa>, Option<u32>)) {
        (self.soa, self.serial) = (soa, serial);
    }

    /// What was changed of a name.
    pub(crate) fn of_name(&self, name: &Name) -> Option<&NameChanges> {
        self.names.get(&name.canonical())
    }

    /// Says what was changed of a name, whatever was before.
    pub(crate) fn set_name(&mut self, name: &Name, changes: Option<NameChanges>) {
        match changes {
            Some(changes) => self.names.insert(name.canonical(), changes),
            None => self.names.remove(&name.canonical()),
        };
    }

    /// Names that were changed, by the owner in lower case.
    pub(super) fn names(&self) -> &BTreeMap<Box<[u8]>, NameChanges> {
        &self.names
    }

    fn set(&mut self, owner: &Name, rtype: RecordType) -> &mut SetChange {
        let name = self.names.entry(owner.canonical());
        let name = name.or_insert_with(|| NameChanges { owner: owner.clone(), sets: BTreeMap::new() });
        name.sets.entry(rtype).or_default()
    }

    /// Forgets what says nothing.
    fn prune(&mut self, owner: &Name) {
        let key = owner.canonical();
        let Some(name) = self.names.get_mut(&key) else { return };
        name.sets.retain(|_, set| set.is_cleared || !set.removed.is_empty() || !set.added.is_empty());
        if name.sets.is_empty() {
            self.names.remove(&key);
        }
    }
}

impl NameChanges {
    /// What the name holds over what the files say of it.
    pub(super) fn over<'a>(&'a self, files: impl Iterator<Item = RrsetRef<'a>>) -> Vec<LaidSet<'a>> {
        let mut laid: Vec<LaidSet<'a>> = files.map(LaidSet::of).collect();
        for (&rtype, change) in &self.sets {
            let at = laid.iter().position(|set| set.rtype == rtype).unwrap_or_else(|| {
                laid.push(LaidSet { rtype, ttl: 0, data: Vec::new() });
                laid.len() - 1
            });
            let set = &mut laid[at];
            set.data.retain(|data| !change.is_cleared && !change.removed.iter().any(|gone| same(rtype, gone, data)));
            for added in &change.added {
                if !set.data.iter().any(|data| same(rtype, data, added)) {
                    set.data.push(added);
                }
            }
            set.ttl = change.ttl.unwrap_or(set.ttl);
        }
        laid.retain(|set| !set.data.is_empty());
        laid
    }
}

impl<'a> LaidSet<'a> {
    /// As it is below.
    pub(crate) fn of(rrset: RrsetRef<'a>) -> Self {
        Self { rtype: rrset.rtype, ttl: rrset.ttl, data: rrset.rdata.iter().collect() }
    }
}
