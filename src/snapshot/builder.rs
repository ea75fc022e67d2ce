//! The name table of a model, made from the one before: what that has of zones that did not change is kept, in records
//! that both share, and only the slots are copied.
//!
//! Numbers in records stay: a zone keeps its number as long as it is there, and none that becomes free is used again in
//! the same step, so that equal numbers mean the same zone before and after. A zone that could not be loaded has one
//! too, and keeps it when it is mended.

use std::collections::HashSet;
use std::ptr;
use std::sync::Arc;

use super::arena::{Chunk, Run, Writer, chunk_of, line_in, whole_chunks};
use super::layout::{Laid, LaidZone, Task, lay_out};
use super::nesting::Nesting;
use super::record::{Draft, Head, WILDCARD};
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
    /// Numbers of the model's zones, in its order, and then of those that could not be loaded.
    order: Vec<u32>,
    nesting: Arc<Nesting>,
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
    let apexes: Vec<&Name> = model.zones.iter().map(|zone| &zone.apex).chain(unloaded(model)).collect();
    let order = before.map_or_else(|| (0..apexes.len() as u32).collect(), |before| before.numbers(&apexes));
    let nesting = match before {
        Some(before) if before.directory.order == order => Arc::clone(&before.directory.nesting),
        _ => Arc::new(Nesting::of(&apexes, &order)),
    };
    let mut next = Next::new(before, order.iter().map(|&number| number as usize + 1).max().unwrap_or(0));
    let mut changed = Vec::new();
    let positions = before.map(Before::positions).unwrap_or_default();
    for ((zone, &number), steers) in model.zones.iter().zip(&order).zip(steers) {
        let known = before.and_then(|before| {
            let built = before.directory.zones.get(number as usize)?.as_ref()?;
            // There is none where the zone could not be loaded.
            let old = before.model.zones.get(*positions.get(number as usize)? as usize)?;
            let same_nest = Arc::ptr_eq(&before.directory.nesting, &nesting)
                || before.directory.nesting.within(number) == nesting.within(number);
            (same_nest && built.steers == steers && is_same(old, zone)).then_some(built)
        });
        match known {
            Some(built) => next.zones[number as usize] = Some(Arc::clone(built)),
            None => changed.push(Changed { zone, number, steers }),
        }
    }
    next.lay_out(changed, &apexes, &order, &nesting, seed, before);
    let loaded = model.zones.len();
    next.unload(&apexes[loaded..], &order[loaded..], &model.expired, &nesting, seed);
    next.tie_parents(before.map(|before| &*before.directory.nesting), &nesting);
    next.finish(order, nesting, seed)
}

/// Apexes of zones that could not be loaded, each once, but for those of which another file makes a zone.
fn unloaded(model: &Model) -> Vec<&Name> {
    let mut met = HashSet::new();
    let mut apexes: Vec<&Name> = model.unloaded.iter().filter(|apex| met.insert(apex.view())).collect();
    if !met.is_empty() {
        for zone in &model.zones {
            met.remove(&zone.apex.view());
        }
        apexes.retain(|apex| met.contains(&apex.view()));
    }
    apexes
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
    /// By number of the zone, its position in the model; of one that could not be loaded, behind all that could.
    fn positions(self) -> Vec<u32> {
        let mut positions = vec![0; self.directory.zones.len()];
        for (at, &number) in self.directory.order.iter().enumerate() {
            positions[number as usize] = at as u32;
        }
        positions
    }

    /// Numbers of the zones with these apexes: those that they have, or free ones.
    fn numbers(self, apexes: &[&Name]) -> Vec<u32> {
        let (order, positions) = (&self.directory.order, self.positions());
        let mut is_taken = vec![false; self.directory.zones.len()];
        let mut free = (0..).filter(|&number: &u32| {
            let known = self.directory.zones.get(number as usize);
            known.is_none_or(Option::is_none)
        });
        let mut cursor = 0;
        let numbers = apexes.iter().map(|&apex| {
            // Both models are in the order of their files. Most zones are the very same ones as before.
            let expected = self.model.zones.get(cursor).filter(|old| ptr::eq(&old.apex, apex) || old.apex == *apex);
            let known = match expected {
                Some(_) => Some(order[cursor]),
                None => self.table.zone_of(apex),
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
    slots: Index,
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
            slots: before.map_or_else(|| Index::with_capacity(0), |before| before.table.index()),
        }
    }

    /// Lays out the zones that changed and puts their names into slots; `apexes` are those of `order`.
    fn lay_out(
        &mut self,
        changed: Vec<Changed<'_>>,
        apexes: &[&Name],
        order: &[u32],
        nesting: &Nesting,
        seed: u64,
        before: Option<Before<'_>>,
    ) {
        let dead = before.map(|before| self.bury(before)).unwrap_or_default();
        let mut by_number: Vec<Option<&Name>> = vec![None; self.zones.len()];
        if nesting.iter().next().is_some() {
            for (&apex, &number) in apexes.iter().zip(order) {
                by_number[number as usize] = Some(apex);
            }
        }
        let inside: Vec<Vec<&Name>> = changed
            .iter()
            .map(|change| {
                let nest = nesting.within(change.number);
                let apex = |&zone: &u32| by_number[zone as usize];
                nest.map_or_else(Vec::new, |nest| nest.zones.iter().filter_map(apex).collect())
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
            self.place(&zone.apex, number, laid, nesting, steers);
        }

        self.slots.retain(|line| !dead.has(line));
        self.slots.extend(placed.iter().map(|&(hash, line)| (hash, moved(line))));
        self.slots.shrink();
    }

    /// Notes where a zone lies.
    fn place(&mut self, apex: &Name, number: u32, laid: LaidZone, nesting: &Nesting, steers: Box<[u32]>) {
        let inner = nesting.within(number).map_or(&[][..], |nest| &nest.zones);
        let handed = laid.handed.iter().filter_map(|&(at, line)| Some((*inner.get(at as usize)?, line)));
        let built = Built { handed: handed.collect(), runs: laid.runs.into(), names: laid.names, steers };
        self.zones[number as usize] = Some(Arc::new(built));
        self.ends[number as usize] = ZoneEnds {
            apex_len: apex.as_wire().len() as u8,
            deepest: laid.deepest,
            line: laid.ends,
            parent_side: None,
        };
    }

    /// Gives up what belongs to zones that are no longer there, or are so in another form.
    fn bury(&mut self, before: Before<'_>) -> Dead {
        let directory = before.directory;
        let mut dead = Dead { chunks: vec![Death::None; self.chunks.len()], runs: Vec::new() };
        let gone = directory.zones.iter().zip(&self.zones).filter(|(_, kept)| kept.is_none());
        let runs = gone.filter_map(|(old, _)| old.as_ref()).flat_map(|built| &built.runs);
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

    /// Lays out the zones that could not be loaded. Of each there is the apex, which says so of all that is asked at or
    /// below it (protocol 5), and of what it would say at the apexes of zones within it.
    fn unload(&mut self, apexes: &[&Name], numbers: &[u32], expired: &[Name], nesting: &Nesting, seed: u64) {
        let expired: HashSet<&Name> = expired.iter().collect();
        let mut writer = Writer::default();
        let mut draft = Draft::default();
        let mut laid = Vec::with_capacity(apexes.len());
        for (&apex, &number) in apexes.iter().zip(numbers) {
            let name = Lowered::new(apex.as_wire(), seed);
            let is_expired = expired.contains(apex);
            let mark = writer.mark();
            draft.begin(Head { zone: number, is_unloaded: true, is_expired, ..Head::default() }, name.whole());
            draft.group();
            let line = writer.push(draft.record());
            let inner = nesting.within(number).map_or(0, |nest| nest.zones.len() as u32);
            let zone = LaidZone {
                ends: line,
                runs: writer.runs_since(mark).collect(),
                handed: (0..inner).map(|at| (at, line)).collect(),
                names: 1,
                deepest: name.labels() as u8,
            };
            laid.push((tag(name.hash()), zone));
        }
        let moved = self.adopt(writer.finish());
        for ((&apex, &number), (hash, mut zone)) in apexes.iter().zip(numbers).zip(laid) {
            zone.move_lines(&moved);
            self.slots.insert(hash, zone.ends);
            self.place(apex, number, zone, nesting, Box::default());
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
        let len = self.zones.iter().flatten().map(|built| built.names).sum();
        let used = self.zones.iter().zip(&self.ends).filter(|(zone, _)| zone.is_some());
        let deepest = used.map(|(_, ends)| ends.deepest.into()).fold(0, usize::max);
        let table = NameTable::new(self.slots, seed, self.chunks.into(), self.ends.into(), len, deepest);
        (table, Directory { zones: self.zones, order, nesting, live: self.live })
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
