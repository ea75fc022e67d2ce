//! Differences between two forms of a zone (RFC 1995), applied to what is held.
//!
//! Only names that differ are looked at. What is taken away must be there and what is added must not: otherwise the
//! differences are of something else than what is held here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::incoming::{Fault, Held};
use crate::config::model::Soa;
use crate::config::{LaidSet, rebuild, same};
use crate::wire::{Entry, Name, RecordType, Records, RecordsIndex};

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
    sets: Vec<Set>,
}

/// An RRset: type, TTL, data.
type Set = (RecordType, u32, Vec<Box<[u8]>>);

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
            let own = |data: &[u8]| Box::from(data);
            let sets = known.map_or_else(Vec::new, |owner| {
                owner.rrsets().map(|set| (set.rtype, set.ttl, set.rdata.iter().map(own).collect())).collect()
            });
            Changed { owner: known.map_or(entry.owner(), |owner| owner.name).to_name(), sets }
        });
        let at = name.sets.iter().position(|(rtype, ..)| *rtype == entry.rtype);
        if !self.is_adding {
            let set = at.and_then(|at| name.sets.get_mut(at)).ok_or(Fault::Differs)?;
            let found = set.2.iter().position(|data| same(entry.rtype, data, &entry.rdata)).ok_or(Fault::Differs)?;
            set.2.remove(found);
            name.sets.retain(|(.., data)| !data.is_empty());
            return Ok(());
        }
        let at = at.unwrap_or_else(|| {
            name.sets.push((entry.rtype, entry.ttl, Vec::new()));
            name.sets.len() - 1
        });
        let (rtype, ttl, data) = &mut name.sets[at];
        if data.iter().any(|known| same(*rtype, known, &entry.rdata)) {
            return Err(Fault::Differs);
        }
        *ttl = entry.ttl;
        data.push(entry.rdata.as_slice().into());
        Ok(())
    }

    /// What is held after all steps.
    pub(super) fn finish(self) -> Arc<Records> {
        let names = self.names.iter().map(|(key, name)| (&**key, (name.owner.view(), name))).collect();
        rebuild(&self.held, &names, |(_, name), _| {
            name.sets
                .iter()
                .map(|(rtype, ttl, data)| LaidSet {
                    rtype: *rtype,
                    ttl: *ttl,
                    data: data.iter().map(|data| &**data).collect(),
                })
                .collect()
        })
    }
}
