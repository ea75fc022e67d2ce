//! Differences between two forms of a zone (RFC 1995), applied to what is held.
//!
//! Only names that differ are looked at. What is taken away must be there and what is added must not: otherwise the
//! differences are of something else than what is held here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::incoming::{Fault, Held};
use crate::config::model::Soa;
use crate::config::{LaidSet, RdataSet, rebuild};
use crate::wire::rdata::without_case;
use crate::wire::{Entry, Name, NameRef, OwnerRef, RecordType, Records, RecordsIndex};

/// What is held, and the names of it that differ.
#[derive(Debug)]
pub(super) struct Differences {
    held: Arc<Records>,
    index: RecordsIndex,
    /// By the owner in lower case.
    names: BTreeMap<Box<[u8]>, Changed>,
    /// The form that the zone has after the steps so far.
    serial: u32,
    is_adding: bool,
}

/// A name that differs, as it is after the steps so far.
#[derive(Debug)]
struct Changed {
    owner: Name,
    sets: BTreeMap<RecordType, Set>,
    /// The place of the RRset that came last.
    last: usize,
}

/// An RRset; it is never without a record between two steps.
#[derive(Debug)]
struct Set {
    /// RRsets keep the order in which they were there.
    place: usize,
    ttl: u32,
    data: RdataSet,
    /// What differs from a record of `data` in case only, by the form without case. A whole transfer may bring such
    /// records of types whose names have a case in DNSSEC (RFC 6840 section 5.1); differences add none.
    again: BTreeMap<Box<[u8]>, Vec<Box<[u8]>>>,
}

impl Differences {
    /// From here on what `held` says of old is taken away.
    pub(super) fn of(held: &Held) -> Self {
        let index = RecordsIndex::of(&held.records);
        let (serial, held) = (held.soa.serial, Arc::clone(&held.records));
        Self { held, index, names: BTreeMap::new(), serial, is_adding: false }
    }

    /// Takes an SOA between records; true: it was the last one.
    pub(super) fn turn(&mut self, soa: &Soa, newest: Option<u32>) -> Result<bool, Fault> {
        if !self.is_adding {
            (self.is_adding, self.serial) = (true, soa.serial);
            return Ok(false);
        }
        if soa.serial != self.serial {
            return Err(Fault::Differs);
        }
        self.is_adding = false;
        Ok(newest == Some(soa.serial))
    }

    /// Takes a record.
    pub(super) fn record(&mut self, entry: &Entry) -> Result<(), Fault> {
        let key = entry.owner().as_wire().to_ascii_lowercase().into_boxed_slice();
        let (held, index) = (&self.held, &self.index);
        let name = self.names.entry(key).or_insert_with(|| {
            let known = index.find(held, entry.owner()).map(|number| index.owner(held, number));
            known.map_or_else(|| Changed::new(entry.owner()), Changed::of)
        });
        if self.is_adding { name.add(entry) } else { name.remove(entry) }
    }

    /// What is held after all steps.
    pub(super) fn finish(self) -> Arc<Records> {
        let names = self.names.iter().map(|(key, name)| (&**key, (name.owner.view(), name))).collect();
        rebuild(&self.held, &names, |(_, name), _| {
            let mut sets: Vec<_> = name.sets.iter().collect();
            sets.sort_unstable_by_key(|(_, set)| set.place);
            sets.into_iter().map(|(&rtype, set)| set.laid(rtype)).collect()
        })
    }
}

impl Changed {
    /// A name that holds nothing.
    fn new(owner: NameRef<'_>) -> Self {
        Self { owner: owner.to_name(), sets: BTreeMap::new(), last: 0 }
    }

    /// A name as it is held.
    fn of(held: OwnerRef<'_>) -> Self {
        let mut name = Self::new(held.name);
        for rrset in held.rrsets() {
            rrset.rdata.iter().for_each(|data| name.set(rrset.rtype, rrset.ttl).take(rrset.rtype, data));
        }
        name
    }

    /// Fails where the record is not there.
    fn remove(&mut self, entry: &Entry) -> Result<(), Fault> {
        let set = self.sets.get_mut(&entry.rtype).ok_or(Fault::Differs)?;
        if !set.data.remove(&entry.rdata) {
            return Err(Fault::Differs);
        }
        if let Some(other) = set.again.get_mut(&*without_case(entry.rtype, &entry.rdata)).and_then(Vec::pop) {
            set.data.insert(&other);
        }
        if set.data.is_empty() {
            self.sets.remove(&entry.rtype);
        }
        Ok(())
    }

    /// Fails where the record is there.
    fn add(&mut self, entry: &Entry) -> Result<(), Fault> {
        let set = self.set(entry.rtype, entry.ttl);
        if !set.data.insert(&entry.rdata) {
            return Err(Fault::Differs);
        }
        set.ttl = entry.ttl;
        Ok(())
    }

    /// The RRset of a type, behind the others where there is none.
    fn set(&mut self, rtype: RecordType, ttl: u32) -> &mut Set {
        self.sets.entry(rtype).or_insert_with(|| {
            self.last += 1;
            Set { place: self.last, ttl, data: RdataSet::of(rtype), again: BTreeMap::new() }
        })
    }
}

impl Set {
    fn take(&mut self, rtype: RecordType, data: &[u8]) {
        if !self.data.insert(data) {
            self.again.entry(without_case(rtype, data).into()).or_default().push(data.into());
        }
    }

    fn laid(&self, rtype: RecordType) -> LaidSet<'_> {
        let again = self.again.values().flatten().map(|data| &**data);
        LaidSet { rtype, ttl: self.ttl, data: self.data.iter().chain(again).collect() }
    }
}
