//! The names of an update, as they were before it and as they are after the rows so far.
//!
//! The view stays as it is while an update is judged, so that one that is not taken has changed nothing. A name is laid
//! out when a row first asks for it, and then follows each step; so no row takes longer for what the name holds or for
//! the rows before it. Invariant: a name is what [`View::sets`] would say after the same steps.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::view::View;
use crate::config::model::Soa;
use crate::config::{Change, LaidSet, NameChanges, RECORD, SetChange};
use crate::wire::rdata::without_case;
use crate::wire::{Name, RecordType, RrsetRef};

/// A zone while an update of it is judged.
pub(super) struct Draft<'v> {
    view: &'v View,
    /// After the rows so far.
    serial: u32,
    names: HashMap<&'v Name, DraftName<'v>>,
}

/// What a name holds, but for the SOA.
pub(super) struct DraftName<'v> {
    owner: &'v Name,
    files: BTreeMap<RecordType, RrsetRef<'v>>,
    changes: Option<&'v NameChanges>,
    /// The RRsets as they were before the update.
    before: BTreeMap<RecordType, LaidSet<'v>>,
    /// The RRsets that are there now.
    sets: BTreeMap<RecordType, Extent>,
    /// Those RRsets whose records were asked for, also where none is left.
    layers: HashMap<RecordType, Layers<'v>>,
}

/// How much an RRset is; never without a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// In seconds.
    pub(super) ttl: u32,
    /// How many records.
    pub(super) records: usize,
    /// What they take in a message, their owners compressed.
    pub(super) octets: usize,
}

/// What an RRset is made of.
struct Layers<'v> {
    rtype: RecordType,
    /// The RRset of the files.
    below: Option<RrsetRef<'v>>,
    /// Its records by their form without case, and how many spellings of each there are.
    files: BTreeMap<Cow<'v, [u8]>, (&'v [u8], usize)>,
    /// What lies over it, after the rows so far.
    change: SetChange,
}

impl<'v> Draft<'v> {
    /// Before any row.
    pub(super) fn of(view: &'v View) -> Self {
        Self { view, serial: view.soa().serial, names: HashMap::new() }
    }

    /// The zone before the update.
    pub(super) fn view(&self) -> &'v View {
        self.view
    }

    /// The serial that the zone has now.
    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// Gives the zone an SOA.
    pub(super) fn set_soa(&mut self, soa: Soa) -> Change {
        self.serial = soa.serial;
        Change::Soa(soa)
    }

    /// What a name holds.
    pub(super) fn name(&mut self, name: &'v Name) -> &mut DraftName<'v> {
        match self.names.entry(name) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(DraftName::of(self.view, name)),
        }
    }
}

impl<'v> DraftName<'v> {
    fn of(view: &'v View, owner: &'v Name) -> Self {
        let before: BTreeMap<_, _> = view.sets(owner).into_iter().map(|set| (set.rtype, set)).collect();
        let extent = |set: &LaidSet<'_>| Extent {
            ttl: set.ttl,
            records: set.data.len(),
            octets: set.data.iter().map(|data| RECORD + data.len()).sum(),
        };
        Self {
            owner,
            files: view.of_files(owner).map(|set| (set.rtype, set)).collect(),
            changes: view.changes().of_name(owner),
            sets: before.iter().map(|(&rtype, set)| (rtype, extent(set))).collect(),
            before,
            layers: HashMap::new(),
        }
    }

    /// An RRset as it was before the update.
    pub(super) fn before(&self, rtype: RecordType) -> Option<&LaidSet<'v>> {
        self.before.get(&rtype)
    }

    /// The types that were there before the update, ascending.
    pub(super) fn all_before(&self) -> impl Iterator<Item = RecordType> {
        self.before.keys().copied()
    }

    /// An RRset that is there now.
    pub(super) fn set(&self, rtype: RecordType) -> Option<Extent> {
        self.sets.get(&rtype).copied()
    }

    /// The types that are there now, ascending.
    pub(super) fn types(&self) -> impl Iterator<Item = RecordType> {
        self.sets.keys().copied()
    }

    /// Whether a record is there now.
    pub(super) fn contains(&mut self, rtype: RecordType, rdata: &[u8]) -> bool {
        self.layers(rtype).spellings(rdata) > 0
    }

    /// The records that are there now and whose data without case begins with `prefix`.
    pub(super) fn beginning_with(&mut self, rtype: RecordType, prefix: &[u8]) -> Vec<Box<[u8]>> {
        self.layers(rtype).beginning_with(prefix)
    }

    /// Adds a record, or gives its RRset another TTL.
    pub(super) fn add(&mut self, rtype: RecordType, ttl: u32, rdata: &[u8]) -> Change {
        self.step(rtype, rdata, |layers| layers.change.add(ttl, rdata));
        Change::Add { owner: self.owner.clone(), rtype, ttl, rdata: rdata.into() }
    }

    /// Removes a record.
    pub(super) fn remove(&mut self, rtype: RecordType, rdata: &[u8]) -> Change {
        let hides = self.layers(rtype).is_of_files(rdata);
        self.step(rtype, rdata, |layers| layers.change.remove(rdata, hides));
        Change::Remove { owner: self.owner.clone(), rtype, rdata: rdata.into(), hides }
    }

    /// Removes an RRset.
    pub(super) fn clear(&mut self, rtype: RecordType) -> Change {
        let layers = self.layers(rtype);
        let hides = layers.below.is_some();
        layers.change.clear(hides);
        self.sets.remove(&rtype);
        Change::Clear { owner: self.owner.clone(), rtype, hides }
    }

    /// Gives an RRset that is there its TTL again, if it has lost it.
    pub(super) fn keep_ttl(&mut self, rtype: RecordType, ttl: u32) -> Option<Change> {
        self.set(rtype).filter(|set| set.ttl != ttl)?;
        // It is lost only with all that was changed: what is left is the files'.
        let rdata = self.layers(rtype).below.and_then(|below| below.rdata.first())?;
        Some(self.add(rtype, ttl, rdata))
    }

    /// Changes one record of an RRset, and sees to how much that is then.
    fn step(&mut self, rtype: RecordType, rdata: &[u8], change: impl FnOnce(&mut Layers<'v>)) {
        let layers = self.layers(rtype);
        let before = layers.spellings(rdata);
        change(layers);
        let (after, ttl) = (layers.spellings(rdata), layers.ttl());
        let set = self.sets.entry(rtype).or_insert(Extent { ttl, records: 0, octets: 0 });
        // All spellings have the same length.
        let octets = RECORD + rdata.len();
        set.ttl = ttl;
        set.records = set.records - before + after;
        set.octets = set.octets - before * octets + after * octets;
        if set.records == 0 {
            self.sets.remove(&rtype);
        }
    }

    fn layers(&mut self, rtype: RecordType) -> &mut Layers<'v> {
        self.layers.entry(rtype).or_insert_with(|| {
            let below = self.files.get(&rtype).copied();
            let change = self.changes.and_then(|changes| changes.set(rtype)).cloned();
            Layers::of(rtype, below, change.unwrap_or_else(|| SetChange::of(rtype)))
        })
    }
}

impl<'v> Layers<'v> {
    fn of(rtype: RecordType, below: Option<RrsetRef<'v>>, change: SetChange) -> Self {
        let mut files = BTreeMap::new();
        for data in below.into_iter().flat_map(|below| below.rdata.iter()) {
            files.entry(without_case(rtype, data)).or_insert((data, 0)).1 += 1;
        }
        Self { rtype, below, files, change }
    }

    fn ttl(&self) -> u32 {
        self.change.ttl_over(self.below.map(|below| below.ttl))
    }

    fn is_of_files(&self, rdata: &[u8]) -> bool {
        self.files.contains_key(&*without_case(self.rtype, rdata))
    }

    /// How many records are this one: the files may spell it in several ways.
    fn spellings(&self, rdata: &[u8]) -> usize {
        let files = self.files.get(&*without_case(self.rtype, rdata)).filter(|_| !self.change.hides(rdata));
        files.map_or_else(|| usize::from(self.change.added().contains(rdata)), |&(_, spellings)| spellings)
    }

    fn beginning_with(&self, prefix: &[u8]) -> Vec<Box<[u8]>> {
        let behind = self.files.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let alike = behind.take_while(|(form, _)| form.starts_with(prefix));
        let files = alike.map(|(_, &(data, _))| data).filter(|data| !self.change.hides(data));
        let added = self.change.added().beginning_with(prefix);
        let added = added.filter(|data| self.change.hides(data) || !self.is_of_files(data));
        files.chain(added).map(Box::from).collect()
    }
}
