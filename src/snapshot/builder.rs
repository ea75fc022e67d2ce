//! The name table of a model, made from the one before: what that has of zones that did not change is kept, in records
//! that both share, and only the slots are copied.
//!
//! Numbers in records stay: a zone keeps its number as long as it is there, and none that becomes free is used again in
//! the same step, so that equal numbers mean the same zone before and after.

use std::collections::HashSet;
use std::sync::Arc;

use super::arena::{Chunk, Run, Writer, chunk_of, line_in, whole_chunks};
use super::layout::{Laid, Task, lay_out};
use super::nesting::Nesting;
use super::record::{Draft, Head, Record, WILDCARD};
use super::table::{NameTable, ZoneEnds};
use crate::config::model::{Model, Soa, Zone};
use crate::wire::{Lowered, Name};
use crate::zone::{Index, Within, tag};

#[cfg(test)]
mod tests;

/// Lines that may lie waste before all is laid out anew: 4 MiB.
const WASTE: usize = 1 << 16;
/// Numbers of chunks and zones that may lie waste.
const SLACK: usize = 1 << 10;

/// What the next table is made from, beside this one.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// By number; `None` is free.
    zones: Vec<Option<Arc<Built>>>,
    /// Numbers of the model's zones, in its order.
    order: Vec<u32>,
    nesting: Arc<Nesting>,
    /// Where the apexes of zones that could not be loaded lie.
    unloaded: Vec<Run>,
    /// Lines in use, by chunk; a chunk without any is gone and its number free.
    live: Vec<u32>,
}

/// Where one zone lies, and what its records say of others.
#[derive(Debug)]
struct Built {
    runs: Box<[Run]>,
    /// (zone next below, line): what this one says as its parent.
    handed: Box<[(u32, u32)]>,
    names: usize,
    /// Numbers of its steered names.
    steers: Box<[u32]>,
}

/// The table to begin from, and what it was made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before<'a> {
    pub(super) model: &'a Model,
    pub(super) table: &'a NameTable,
    pub(super) directory: &'a Directory,
}

/// A zone that has to be laid out.
struct Changed<'m> {
    zone: &'m Arc<Zone>,
    number: u32,
    /// Numbers of its steered names.
    steers: Box<[u32]>,
}

/// Makes the table of `model`; `steers` are the numbers of steered names of each of its zones.
pub(super) fn build(
    model: &Model,
    steers: Vec<Box<[u32]>>,
    seed: u64,
    before: Option<Before<'_>>,
) -> (NameTable, Directory) {
    let before = before.filter(|before| before.table.seed() == seed);
    let order = before.map_or_else(|| (0..model.zones.len() as u32).collect(), |before| before.numbers(model));
    let nesting = match before {
        Some(before) if before.directory.order == order && before.model.unloaded == model.unloaded => {
            Arc::clone(&before.directory.nesting)
        }
        _ => Arc::new(Nesting::of(model, &order)),
    };
    let mut next = Next::new(before, order.iter().map(|&number| number as usize + 1).max().unwrap_or(0));
    let mut changed = Vec::new();
    let positions = before.map(Before::positions).unwrap_or_default();
    for ((zone, &number), steers) in model.zones.iter().zip(&order).zip(steers) {
        let known = before.and_then(|before| {
            let built = before.directory.zones.get(number as usize)?.as_ref()?;
            let old = &before.model.zones[*positions.get(number as usize)? as usize];
            let same_nest = Arc::ptr_eq(&before.directory.nesting, &nesting)
                || before.directory.nesting.within(number) == nesting.within(number);
            (same_nest && built.steers == steers && is_same(old, zone)).then_some(built)
        });
        match known {
            Some(built) => next.zones[number as usize] = Some(Arc::clone(built)),
            None => changed.push(Changed { zone, number, steers }),
        }
    }
    next.lay_out(changed, model, &order, &nesting, seed, before);
    next.unload(model, seed);
    next.tie_parents(before.map(|before| &*before.directory.nesting), &nesting);
    next.finish(order, nesting, seed)
}

impl Directory {
    /// Whether so much of the table that it belongs to lies waste that all had better be laid out anew.
    pub(super) fn is_worn(&self, table: &NameTable) -> bool {
        let lines: usize = table.chunks.iter().map(|chunk| chunk.lines() as usize).sum();
        let live: usize = self.live.iter().map(|&lines| lines as usize).sum();
        lines - live > WASTE.max(lines / 4)
            || self.live.len() > SLACK + 2 * whole_chunks(lines)
            || self.zones.len() > SLACK + 2 * self.order.len()
    }
}

impl Before<'_> {
    /// By number of the zone, its position in the model.
    fn positions(self) -> Vec<u32> {
        let mut positions = vec![0; self.directory.zones.len()];
        for (at, &number) in self.directory.order.iter().enumerate() {
            positions[number as usize] = at as u32;
        }
        positions
    }

    /// Numbers of a model's zones: those that they have, or free ones.
    fn numbers(self, model: &Model) -> Vec<u32> {
        let (order, positions) = (&self.directory.order, self.positions());
        let mut is_taken = vec![false; self.directory.zones.len()];
        let mut free = (0..).filter(|&number: &u32| {
            let known = self.directory.zones.get(number as usize);
            known.is_none_or(Option::is_none)
        });
        let mut cursor = 0;
        let numbers = model.zones.iter().map(|zone| {
            // Both models are in the order of their files.
            let expected = self.model.zones.get(cursor).filter(|old| Arc::ptr_eq(old, zone) || old.apex == zone.apex);
            let known = match expected {
                Some(_) => Some(order[cursor]),
                None => self.table.zone_of(&zone.apex),
            };
            match known.filter(|&number| !is_taken[number as usize]) {
                Some(number) => {
                    is_taken[number as usize] = true;
                    cursor = positions[number as usize] as usize + 1;
                    number
                }
                // There are more numbers than zones.
                None => free.next().unwrap_or_default(),
            }
        });
        numbers.collect()
    }
}

/// Whether two zones of one apex come to the same records, the numbers of steered names aside.
fn is_same(old: &Arc<Zone>, new: &Arc<Zone>) -> bool {
    Arc::ptr_eq(old, new)
        || is_same_soa(&old.soa, &new.soa)
            && (Arc::ptr_eq(&old.records, &new.records) || old.records == new.records)
            && old.steered.iter().map(|steered| &steered.owner).eq(new.steered.iter().map(|steered| &steered.owner))
}

/// Names are compared with their case, which is answered.
fn is_same_soa(old: &Soa, new: &Soa) -> bool {
    old == new && old.mname.as_wire() == new.mname.as_wire() && old.rname.as_wire() == new.rname.as_wire()
}

/// The table that is being made.
struct Next {
    chunks: Vec<Chunk>,
    live: Vec<u32>,
    zones: Vec<Option<Arc<Built>>>,
    ends: Vec<ZoneEnds>,
    unloaded: Vec<Run>,
    slots: Index,
    len: usize,
    /// Labels of the deepest apex of a zone that could not be loaded.
    deepest: usize,
}

impl Next {
    fn new(before: Option<Before<'_>>, zones: usize) -> Self {
        let mut ends = before.map_or_else(Vec::new, |before| before.table.zones.to_vec());
        ends.resize(zones.max(ends.len()), ZoneEnds::default());
        Self {
            chunks: before.map_or_else(Vec::new, |before| before.table.chunks.to_vec()),
            live: before.map_or_else(Vec::new, |before| before.directory.live.clone()),
            zones: vec![None; ends.len()],
            ends,
            unloaded: Vec::new(),
            slots: before.map_or_else(|| Index::with_capacity(0), |before| before.table.index()),
            len: 0,
            deepest: 0,
        }
    }

    /// Lays out the zones that changed and puts all names into slots.
    fn lay_out(
        &mut self,
        changed: Vec<Changed<'_>>,
        model: &Model,
        order: &[u32],
        nesting: &Nesting,
        seed: u64,
        before: Option<Before<'_>>,
    ) {
        let dead = before.map(|before| self.bury(before)).unwrap_or_default();
        let mut apexes: Vec<Option<&Name>> = vec![None; self.zones.len()];
        if nesting.iter().next().is_some() {
            for (zone, &number) in model.zones.iter().zip(order) {
                apexes[number as usize] = Some(&zone.apex);
            }
        }
        let inside: Vec<Vec<&Name>> = changed
            .iter()
            .map(|change| {
                let nest = nesting.within(change.number);
                nest.map_or_else(Vec::new, |nest| nest.zones.iter().filter_map(|&zone| apexes[zone as usize]).collect())
            })
            .collect();
        let tasks: Vec<Task<'_>> = changed
            .iter()
            .zip(&inside)
            .map(|(&Changed { zone, number, ref steers }, apexes)| {
                let between = nesting.within(number).map_or(&[][..], |nest| &nest.between);
                Task { zone, number, within: Within { apexes, between }, steers }
            })
            .collect();
        let Laid { chunks, placed, zones, wildcards } = lay_out(&tasks, seed);
        drop(tasks);

        let moved = self.adopt(chunks);
        for (parent, child) in wildcards {
            let parent = moved(parent);
            self.chunks[chunk_of(parent)].patch(parent, WILDCARD, &moved(child).to_le_bytes());
        }
        for (Changed { zone, number, steers }, mut laid) in changed.into_iter().zip(zones) {
            laid.move_lines(&moved);
            let inner = nesting.within(number).map_or(&[][..], |nest| &nest.zones);
            let handed = laid.handed.iter().filter_map(|&(at, line)| Some((*inner.get(at as usize)?, line)));
            let built = Built { handed: handed.collect(), runs: laid.runs.into(), names: laid.names, steers };
            self.zones[number as usize] = Some(Arc::new(built));
            self.ends[number as usize] = ZoneEnds {
                apex_len: zone.apex.as_wire().len() as u8,
                deepest: laid.deepest,
                line: laid.ends,
                parent_side: None,
            };
        }

        self.len = self.zones.iter().flatten().map(|built| built.names).sum();
        self.slots.retain(|line| !dead.has(line));
        self.slots.extend(placed.iter().map(|&(hash, line)| (hash, moved(line))));
        self.slots.shrink();
    }

    /// Gives up what belongs to zones that are no longer there, or are so in another form.
    fn bury(&mut self, before: Before<'_>) -> Dead {
        let directory = before.directory;
        let mut dead = Dead { chunks: vec![Death::None; self.chunks.len()], runs: Vec::new() };
        let gone = directory.zones.iter().zip(&self.zones).filter(|(_, kept)| kept.is_none());
        let runs = gone.filter_map(|(old, _)| old.as_ref()).flat_map(|built| &built.runs).chain(&directory.unloaded);
        for run in runs {
            let chunk = chunk_of(run.start);
            self.live[chunk] -= run.len() as u32;
            dead.runs.push(run.clone());
            dead.chunks[chunk] = Death::Part;
            if self.live[chunk] == 0 {
                dead.chunks[chunk] = Death::Whole;
                self.chunks[chunk] = Chunk::empty();
            }
        }
        dead.runs.retain(|run| dead.chunks[chunk_of(run.start)] == Death::Part);
        dead.runs.sort_unstable_by_key(|run| run.start);
        dead
    }

    /// Takes chunks in; returns how to renumber a line of theirs.
    fn adopt(&mut self, chunks: Vec<Chunk>) -> impl Fn(u32) -> u32 + use<> {
        let mut free = 0;
        let mut numbers = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            while self.live.get(free).is_some_and(|&lines| lines > 0) {
                free += 1;
            }
            if free == self.live.len() {
                self.live.push(0);
                self.chunks.push(Chunk::empty());
            }
            self.live[free] = chunk.lines();
            self.chunks[free] = chunk;
            numbers.push(free as u32);
        }
        move |line| line_in(numbers[chunk_of(line)], line)
    }

    /// Adds the apexes of zones that could not be loaded, where nothing else stands.
    fn unload(&mut self, model: &Model, seed: u64) {
        let mut writer = Writer::default();
        let mut draft = Draft::default();
        let mark = writer.mark();
        let mut met = HashSet::new();
        let mut placed = Vec::new();
        for apex in &model.unloaded {
            let is_expired = model.expired.contains(apex);
            let name = Lowered::new(apex.as_wire(), seed);
            let hash = tag(name.hash());
            let is_it = |line: u32| Record::at(self.chunks[chunk_of(line)].at(line)).name() == name.whole();
            if self.slots.find(hash, is_it).is_none() && met.insert(apex.view()) {
                draft.begin(Head { is_unloaded: true, is_expired, ..Head::default() }, name.whole());
                draft.group();
                placed.push((hash, writer.push(draft.record())));
                self.deepest = self.deepest.max(name.labels());
            }
        }
        let runs: Vec<Run> = writer.runs_since(mark).collect();
        let moved = self.adopt(writer.finish());
        self.unloaded = runs.into_iter().map(|run| moved(run.start)..moved(run.start) + run.len() as u32).collect();
        self.len += placed.len();
        for (hash, line) in placed {
            self.slots.insert(hash, moved(line));
        }
    }

    /// Leads from each apex to what the zone around it says there.
    fn tie_parents(&mut self, old: Option<&Nesting>, new: &Nesting) {
        for (_, nest) in old.into_iter().flat_map(Nesting::iter) {
            for &zone in &nest.zones {
                self.ends[zone as usize].parent_side = None;
            }
        }
        for (around, _) in new.iter() {
            let Some(built) = &self.zones[around as usize] else { continue };
            for &(zone, line) in &built.handed {
                self.ends[zone as usize].parent_side = Some(line);
            }
        }
    }

    fn finish(mut self, order: Vec<u32>, nesting: Arc<Nesting>, seed: u64) -> (NameTable, Directory) {
        while self.live.last() == Some(&0) {
            self.live.pop();
            self.chunks.pop();
        }
        let used = self.zones.iter().zip(&self.ends).filter(|(zone, _)| zone.is_some());
        let deepest = used.map(|(_, ends)| ends.deepest.into()).fold(self.deepest, usize::max);
        let table = NameTable::new(self.slots, seed, self.chunks.into(), self.ends.into(), self.len, deepest);
        (table, Directory { zones: self.zones, order, nesting, unloaded: self.unloaded, live: self.live })
    }
}

/// Lines that belong to nobody any more.
#[derive(Debug, Default)]
struct Dead {
    /// By chunk.
    chunks: Vec<Death>,
    /// Of chunks that are dead in part, ascending.
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    None,
    Part,
    Whole,
}

impl Dead {
    fn has(&self, line: u32) -> bool {
        match self.chunks[chunk_of(line)] {
            Death::None => false,
            Death::Whole => true,
            Death::Part => {
                let behind = self.runs.partition_point(|run| run.start <= line);
                behind.checked_sub(1).is_some_and(|at| self.runs[at].contains(&line))
            }
        }
    }
}
