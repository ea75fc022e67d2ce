//! What updates have changed of a zone, as a layer over what its files say.
//!
//! The layer is kept by record: what was added is there whatever the files say, what was removed is not. A file that is
//! edited below it changes all that no update has touched. Steps are applied in order; the same steps make the same
//! layer, whatever lies below it.

use std::collections::{BTreeMap, HashSet};

use super::rdata_set::RdataSet;
use crate::config::model::{Soa, precedes};
use crate::wire::rdata::without_case;
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
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetChange {
    rtype: RecordType,
    /// Nothing of the files is there.
    is_cleared: bool,
    /// Of the files, and not there.
    removed: RdataSet,
    added: RdataSet,
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
            Change::Add { owner, rtype, ttl, rdata } => self.set(owner, *rtype).add(*ttl, rdata),
            Change::Remove { owner, rtype, rdata, hides } => {
                self.set(owner, *rtype).remove(rdata, *hides);
                self.prune(owner, *rtype);
            }
            Change::Clear { owner, rtype, hides } => {
                self.set(owner, *rtype).clear(*hides);
                self.prune(owner, *rtype);
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
                steps.extend(set.removed.iter().map(|rdata| Change::Remove {
                    owner: owner(),
                    rtype,
                    rdata: rdata.into(),
                    hides: true,
                }));
                let ttl = set.ttl.unwrap_or_default();
                let add = |rdata: &[u8]| Change::Add { owner: owner(), rtype, ttl, rdata: rdata.into() };
                steps.extend(set.added.iter().map(add));
                // A TTL comes with a record: where none is left that was added, with one that goes again.
                if let (Some(_), true, Some(last)) = (set.ttl, set.added.is_empty(), set.removed.last()) {
                    steps.push(add(last));
                    steps.push(Change::Remove { owner: owner(), rtype, rdata: last.into(), hides: true });
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

    /// What was changed of a name.
    pub(crate) fn of_name(&self, name: &Name) -> Option<&NameChanges> {
        self.names.get(&name.canonical())
    }

    /// Names that were changed, by the owner in lower case.
    pub(super) fn names(&self) -> &BTreeMap<Box<[u8]>, NameChanges> {
        &self.names
    }

    fn set(&mut self, owner: &Name, rtype: RecordType) -> &mut SetChange {
        let name = self.names.entry(owner.canonical());
        let name = name.or_insert_with(|| NameChanges { owner: owner.clone(), sets: BTreeMap::new() });
        name.sets.entry(rtype).or_insert_with(|| SetChange::of(rtype))
    }

    /// Forgets an RRset of which nothing is said.
    fn prune(&mut self, owner: &Name, rtype: RecordType) {
        let key = owner.canonical();
        let Some(name) = self.names.get_mut(&key) else { return };
        if name.sets.get(&rtype).is_some_and(SetChange::is_nothing) {
            name.sets.remove(&rtype);
        }
        if name.sets.is_empty() {
            self.names.remove(&key);
        }
    }
}

impl SetChange {
    /// Nothing is changed.
    pub(crate) fn of(rtype: RecordType) -> Self {
        Self { rtype, is_cleared: false, removed: RdataSet::of(rtype), added: RdataSet::of(rtype), ttl: None }
    }

    /// As [`Change::Add`].
    pub(crate) fn add(&mut self, ttl: u32, rdata: &[u8]) {
        self.ttl = Some(ttl);
        self.removed.remove(rdata);
        self.added.insert(rdata);
    }

    /// As [`Change::Remove`].
    pub(crate) fn remove(&mut self, rdata: &[u8], hides: bool) {
        self.added.remove(rdata);
        if hides && !self.is_cleared {
            self.removed.insert(rdata);
        }
        // Where nothing is left to have it, the TTL says nothing either.
        if self.is_nothing() || self.is_cleared && self.added.is_empty() {
            self.ttl = None;
        }
    }

    /// As [`Change::Clear`].
    pub(crate) fn clear(&mut self, hides: bool) {
        *self = Self { is_cleared: hides || self.is_cleared, ..Self::of(self.rtype) };
    }

    /// Whether a record of the files is not there.
    pub(crate) fn hides(&self, rdata: &[u8]) -> bool {
        self.is_cleared || self.removed.contains(rdata)
    }

    /// What is there whatever the files say.
    pub(crate) fn added(&self) -> &RdataSet {
        &self.added
    }

    /// The TTL of an RRset that has this one in the files, if they have it.
    pub(crate) fn ttl_over(&self, files: Option<u32>) -> u32 {
        self.ttl.or(files).unwrap_or(0)
    }

    fn is_nothing(&self) -> bool {
        !self.is_cleared && self.removed.is_empty() && self.added.is_empty()
    }
}

impl NameChanges {
    /// What the name holds over what the files say of it.
    pub(super) fn over<'a>(&'a self, files: impl Iterator<Item = RrsetRef<'a>>) -> Vec<LaidSet<'a>> {
        let mut laid: Vec<LaidSet<'a>> = files.map(LaidSet::of).collect();
        let below = laid.len();
        for (&rtype, change) in &self.sets {
            let at = laid[..below].iter().position(|set| set.rtype == rtype).unwrap_or_else(|| {
                laid.push(LaidSet { rtype, ttl: 0, data: Vec::new() });
                laid.len() - 1
            });
            let set = &mut laid[at];
            set.data.retain(|data| !change.hides(data));
            let known: HashSet<_> = set.data.iter().map(|data| without_case(rtype, data)).collect();
            let is_new = |data: &&[u8]| known.is_empty() || !known.contains(&without_case(rtype, data));
            set.data.extend(change.added.iter().filter(is_new));
            set.ttl = change.ttl_over(Some(set.ttl));
        }
        laid.retain(|set| !set.data.is_empty());
        laid
    }

    /// What was changed of one of its RRsets.
    pub(crate) fn set(&self, rtype: RecordType) -> Option<&SetChange> {
        self.sets.get(&rtype)
    }
}

impl<'a> LaidSet<'a> {
    /// As it is below.
    pub(crate) fn of(rrset: RrsetRef<'a>) -> Self {
        Self { rtype: rrset.rtype, ttl: rrset.ttl, data: rrset.rdata.iter().collect() }
    }
}
