//! The contents of zones that servers can copy now, and how they came about: one edition a zone and serial.
//!
//! Made off the query path whenever the configuration changes. Invariant: the deltas of an edition lead from one to
//! the next and end in it; they are fewer, and together smaller, than what makes copying the whole zone the better way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::delta::Delta;
use super::export::Exporter;
use crate::config::model::{Model, Zone};
use crate::snapshot::Snapshot;
use crate::threads;
use crate::wire::{Lowered, Records, RrsetRef};

/// Serials that a client may be behind before it has to copy the whole zone.
const MOST: usize = 100;
/// Deltas of a small zone may be larger than the zone, in octets.
const SMALL: usize = 1 << 16;

/// One zone with one serial.
#[derive(Debug)]
pub(super) struct Edition {
    /// The zone; its SOA is the edition's.
    pub(super) zone: Arc<Zone>,
    /// Its steered names as plain records.
    pub(super) steered: Records,
    /// From the oldest one on.
    pub(super) deltas: Vec<Arc<Delta>>,
}

impl Edition {
    /// Every RRset but the SOA.
    pub(super) fn rrsets(&self) -> impl Iterator<Item = RrsetRef<'_>> + Send {
        self.zone.records.iter().chain(self.steered.iter())
    }

    /// What leads from this serial to the edition's; `None` where that is no longer, or was never, known.
    pub(super) fn since(&self, serial: u32) -> Option<&[Arc<Delta>]> {
        let first = self.deltas.iter().position(|delta| delta.before.serial == serial)?;
        Some(&self.deltas[first..])
    }

    fn after(mut self, before: &Self) -> Self {
        let delta = Arc::new(Delta::between(before, &self));
        let most = SMALL.max(self.zone.records.size() + self.steered.size());
        let mut size = 0;
        let mut deltas: Vec<Arc<Delta>> = std::iter::once(delta)
            .chain(before.deltas.iter().rev().map(Arc::clone))
            .take(MOST)
            .take_while(|delta| {
                size += delta.size();
                size <= most
            })
            .collect();
        deltas.reverse();
        self.deltas = deltas;
        self
    }
}

/// Editions by apex, in lower case.
pub(super) type Editions = HashMap<Box<[u8]>, Arc<Edition>>;

/// All editions of now.
#[derive(Debug, Default)]
pub(super) struct Book {
    editions: ArcSwap<Editions>,
    /// The generation that they were made of, and its model. Held while others are made.
    made_of: Mutex<Option<(u64, Arc<Model>)>>,
    /// The generation that they are of, and one; 0 before there are any.
    is_of: AtomicU64,
}

impl Book {
    /// The edition of a zone as of the last time that somebody looked.
    pub(super) fn find(&self, apex: &Lowered) -> Option<Arc<Edition>> {
        self.editions.load().get(apex.whole()).map(Arc::clone)
    }

    /// All of them.
    pub(super) fn editions(&self) -> Arc<Editions> {
        self.editions.load_full()
    }

    /// Whether they are of this snapshot, or of a newer one.
    pub(super) fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.is_of.load(Ordering::Acquire) > snapshot.generation
    }

    /// Makes those that a snapshot has new, of zones that anybody may copy or is told of. Takes as long as comparing those
    /// that changed, on a thread that goes second: not for threads that answer.
    pub(super) fn catch_up(&self, snapshot: &Snapshot) {
        let mut made_of = self.made_of.lock().unwrap_or_else(PoisonError::into_inner);
        let model = &snapshot.inputs.model;
        if let Some((generation, known)) = &mut *made_of {
            if *generation >= snapshot.generation {
                return;
            }
            if Arc::ptr_eq(known, model) {
                *generation = snapshot.generation;
                self.is_of.store(snapshot.generation + 1, Ordering::Release);
                return;
            }
        }
        self.editions.store(Arc::new(threads::in_background(|| self.made(snapshot))));
        *made_of = Some((snapshot.generation, Arc::clone(model)));
        self.is_of.store(snapshot.generation + 1, Ordering::Release);
    }

    fn made(&self, snapshot: &Snapshot) -> Editions {
        let model = &snapshot.inputs.model;
        let copied: Vec<_> = model.zones.iter().filter(|zone| zone.transfer.is_of_use()).collect();
        if copied.is_empty() {
            return Editions::new();
        }
        let exporter = Exporter::new(model);
        let before = self.editions.load_full();
        let edition = |zone: &Arc<Zone>| {
            let apex = zone.apex.canonical();
            let steered = exporter.steered(zone, &snapshot.plan);
            let edition = Edition { zone: Arc::clone(zone), steered, deltas: Vec::new() };
            let edition = match before.get(&apex) {
                Some(known) if known.zone.soa == zone.soa && known.is_same(&edition) => {
                    // Who may copy it can have changed.
                    Edition { deltas: known.deltas.clone(), ..edition }
                }
                Some(known) if known.zone.soa.serial != zone.soa.serial => edition.after(known),
                _ => edition,
            };
            (apex, Arc::new(edition))
        };
        copied.into_iter().map(edition).collect()
    }
}

impl Edition {
    fn is_same(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.zone.records, &other.zone.records) || self.zone.records == other.zone.records;
        same && self.steered == other.steered
    }
}
