//! From zones to records in chunks: the part of compiling that grows with the number of names.

use std::ops::Range;

use super::arena::{Chunk, Run, Writer, chunk_of, line_in};
use super::companions;
use super::record::{Draft, Head};
use crate::config::BESIDE_CNAME;
use crate::config::model::Zone;
use crate::geo::parallel;
use crate::wire::{RecordType, RrsetRef};
use crate::zone::{Host, Names, Standing, Within};

/// The longest TTL of a NODATA that a policy makes, in seconds (E6).
const POLICY_NODATA_TTL: u32 = 10;
/// Names that are worth a share of their own. Shares do not depend on the machine, so that the same input comes to the
/// same chunks everywhere.
const SHARE: usize = 1 << 15;

/// A zone to be laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'m> {
    pub(super) zone: &'m Zone,
    /// Its number in every record.
    pub(super) number: u32,
    pub(super) within: Within<'m>,
    /// Numbers of its steered names, as [`Zone::steered`] lists them.
    pub(super) steers: &'m [u32],
}

/// Where a zone's records lie.
#[derive(Debug, Default)]
pub(super) struct LaidZone {
    /// The record of its negative answers.
    pub(super) ends: u32,
    pub(super) runs: Vec<Run>,
    /// (position in [`Within::apexes`], line), ascending: what it says as the parent of zones within it.
    pub(super) handed: Vec<(u32, u32)>,
    /// How many names can be found.
    pub(super) names: usize,
    /// Labels of the deepest one, the root's excluded.
    pub(super) deepest: u8,
}

/// All that was laid out. Lines are counted as if `chunks` were numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) chunks: Vec<Chunk>,
    /// (hash, line) of each name.
    pub(super) placed: Vec<(u32, u32)>,
    /// In the order of the tasks.
    pub(super) zones: Vec<LaidZone>,
    /// (line of a name, line of its child `*`): to be written into the record.
    pub(super) wildcards: Vec<(u32, u32)>,
}

/// Lays out every task on all cores: large zones in pieces, small ones many at a time.
pub(super) fn lay_out(tasks: &[Task<'_>], seed: u64) -> Laid {
    let mut laid = Laid { zones: tasks.iter().map(|_| LaidZone::default()).collect(), ..Laid::default() };
    let is_large = |task: &Task<'_>| task.zone.records.owner_count() > SHARE;
    for (at, task) in tasks.iter().enumerate().filter(|(_, task)| is_large(task)) {
        let names = Names::of(task.zone, task.within, seed);
        let pieces: Vec<Range<usize>> =
            names.entries().step_by(SHARE).map(|start| start..names.entries().end.min(start + SHARE)).collect();
        let near = laid.gather(parallel::each(&pieces, |piece| {
            let mut worker = Worker::default();
            worker.lay(at, task, &names, piece.clone());
            worker.finish()
        }));
        laid.wildcards.extend(ties(names.wildcards(), &near));
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for (at, task) in tasks.iter().enumerate().filter(|(_, task)| !is_large(task)) {
        let weight = 1 + task.zone.records.owner_count();
        if weight > room {
            groups.push(Vec::new());
            room = SHARE + weight;
        }
        room -= weight;
        if let Some(group) = groups.last_mut() {
            group.push(at);
        }
    }
    laid.gather(parallel::each(&groups, |group| {
        let mut worker = Worker::default();
        for &at in group {
            let names = Names::of(tasks[at].zone, tasks[at].within, seed);
            worker.lay(at, &tasks[at], &names, names.entries());
            let near = std::mem::take(&mut worker.part.near);
            worker.part.wildcards.extend(ties(names.wildcards(), &near));
        }
        worker.finish()
    }));
    laid
}

/// What one thread laid out, chunks numbered from 0.
#[derive(Debug, Default)]
struct Part {
    chunks: Vec<Chunk>,
    placed: Vec<(u32, u32)>,
    wildcards: Vec<(u32, u32)>,
    /// (entry, line) of what has to do with wildcards, in a zone whose wildcards are not tied yet.
    near: Vec<(u32, u32)>,
    /// By position of the task.
    zones: Vec<(usize, LaidZone)>,
}

impl Laid {
    /// Puts parts one behind the other; returns what of them has to do with wildcards.
    fn gather(&mut self, parts: Vec<Part>) -> Vec<(u32, u32)> {
        let mut near = Vec::new();
        for part in parts {
            let base = self.chunks.len() as u32;
            let moved = |line: u32| line_in(base + chunk_of(line) as u32, line);
            self.chunks.extend(part.chunks);
            self.placed.extend(part.placed.into_iter().map(|(hash, line)| (hash, moved(line))));
            self.wildcards.extend(part.wildcards.into_iter().map(|(parent, child)| (moved(parent), moved(child))));
            near.extend(part.near.into_iter().map(|(entry, line)| (entry, moved(line))));
            for (at, mut zone) in part.zones {
                zone.move_lines(moved);
                self.zones[at].extend(zone);
            }
        }
        near
    }
}

/// The lines of names and their children `*`. `near` is ascending by entry.
fn ties(wildcards: &[(u32, u32)], near: &[(u32, u32)]) -> impl Iterator<Item = (u32, u32)> {
    let line = |entry: u32| near.binary_search_by_key(&entry, |&(at, _)| at).ok().map(|at| near[at].1);
    wildcards.iter().filter_map(move |&(parent, child)| Some((line(parent)?, line(child)?)))
}

impl LaidZone {
    /// Renumbers chunks.
    pub(super) fn move_lines(&mut self, moved: impl Fn(u32) -> u32) {
        self.ends = moved(self.ends);
        for run in &mut self.runs {
            let start = moved(run.start);
            *run = start..start + run.len() as u32;
        }
        for (_, line) in &mut self.handed {
            *line = moved(*line);
        }
    }

    /// Takes a further piece of the same zone; the first one has the apex.
    fn extend(&mut self, piece: Self) {
        if self.runs.is_empty() {
            *self = piece;
            return;
        }
        self.runs.extend(piece.runs);
        self.handed.extend(piece.handed);
        self.names += piece.names;
        self.deepest = self.deepest.max(piece.deepest);
    }
}

/// Fills chunks of its own.
#[derive(Debug, Default)]
struct Worker<'m> {
    writer: Writer,
    draft: Draft,
    rrsets: Vec<RrsetRef<'m>>,
    part: Part,
}

impl<'m> Worker<'m> {
    /// Lays out some names of a zone.
    fn lay(&mut self, at: usize, task: &Task<'m>, names: &Names<'m>, entries: Range<usize>) {
        let mark = self.writer.mark();
        let mut zone = LaidZone::default();
        if entries.start == 0 {
            zone.ends = self.ends(task);
        }
        for entry in entries {
            let Some(standing) = names.standing(entry) else { continue };
            let line = self.record(task, names, &standing);
            match standing.within {
                Some(within) => zone.handed.push((within as u32, line)),
                None => {
                    self.part.placed.push((standing.hash, line));
                    zone.names += 1;
                    zone.deepest = zone.deepest.max(labels(standing.name));
                }
            }
            if standing.is_near_wildcard {
                self.part.near.push((entry as u32, line));
            }
        }
        zone.runs.extend(self.writer.runs_since(mark));
        self.part.zones.push((at, zone));
    }

    /// SOA with the negative TTL, min(SOA TTL, MINIMUM) (RFC 2308 section 5), and the same for at most ten seconds (E6).
    fn ends(&mut self, task: &Task<'_>) -> u32 {
        let soa = &task.zone.soa;
        let ttl = soa.ttl.min(soa.minimum);
        let data = soa.data();
        self.draft.begin(Head { zone: task.number, ..Head::default() }, &[]);
        self.draft.rrset(RecordType::SOA, ttl, [&data[..]].into_iter());
        self.draft.rrset(RecordType::SOA, ttl.min(POLICY_NODATA_TTL), [&data[..]].into_iter());
        self.draft.group();
        self.writer.push(self.draft.record())
    }

    fn record(&mut self, task: &Task<'m>, names: &Names<'m>, standing: &Standing<'m>) -> u32 {
        let head = Head {
            zone: task.number,
            steer: standing.steered.map(|at| task.steers[at]),
            is_apex: standing.is_apex,
            is_cut: standing.is_cut,
            is_redirect: standing.is_redirect,
            is_unloaded: false,
            is_expired: false,
        };
        self.draft.begin(head, standing.name);
        self.rrsets.clear();
        self.rrsets.extend(standing.rrsets());
        self.rrsets.sort_by_key(|rrset| rrset.rtype);
        let mut accompanied = Vec::new();
        if self.rrsets.iter().any(|rrset| rrset.rtype == RecordType::CNAME) {
            self.rrsets.retain(|rrset| rrset.rtype == RecordType::CNAME || BESIDE_CNAME.contains(&rrset.rtype));
        } else {
            // Most names have none of these, and then nothing is allocated.
            let hosts = self.rrsets.iter().map(|rrset| names.hosts(standing, rrset)).enumerate();
            accompanied.extend(hosts.filter(|(_, hosts)| !hosts.is_empty()));
        }
        let mut soa = standing.is_apex.then_some(&task.zone.soa);
        let mut push_soa = |draft: &mut Draft| {
            if let Some(soa) = soa.take() {
                draft.rrset(RecordType::SOA, soa.ttl, [&soa.data()[..]].into_iter());
            }
        };
        for (at, rrset) in self.rrsets.iter().enumerate() {
            if rrset.rtype > RecordType::SOA {
                push_soa(&mut self.draft);
            }
            if accompanied.iter().all(|(other, _)| *other != at) {
                self.draft.rrset(rrset.rtype, rrset.ttl, rrset.rdata.iter());
            }
        }
        push_soa(&mut self.draft);
        self.draft.group();
        if !accompanied.is_empty() {
            self.draft.accompanied(accompanied.len());
            for (at, hosts) in &accompanied {
                let rrset = &self.rrsets[*at];
                self.draft.rrset(rrset.rtype, rrset.ttl, rrset.rdata.iter());
                self.draft.companions(|octets| hosts.iter().for_each(|host| write_host(octets, task, host)));
            }
            self.draft.group();
        }
        if let Some(cut) = names.cut(standing) {
            self.draft.rrset(RecordType::NS, cut.ns.ttl, cut.ns.rdata.iter());
            self.draft.glue(&cut.in_domain);
            self.draft.companions(|octets| cut.sibling.iter().for_each(|host| write_host(octets, task, host)));
            self.draft.group();
        }
        self.writer.push(self.draft.record())
    }

    fn finish(mut self) -> Part {
        self.part.chunks = self.writer.finish();
        self.part
    }
}

/// Writes what goes along of one host.
fn write_host(octets: &mut Vec<u8>, task: &Task<'_>, host: &Host<'_>) {
    match host {
        Host::Own => companions::write_own(octets),
        Host::Other { name, addresses, steered } => {
            addresses.iter().for_each(|rrset| companions::write_rrset(octets, name.view(), rrset));
            if let Some(at) = *steered {
                companions::write_steered(octets, task.steers[at], name.as_wire());
            }
        }
    }
}

/// Labels of a name in wire form, the root's excluded: at most 127.
fn labels(name: &[u8]) -> u8 {
    let mut at = 0;
    let mut labels = 0;
    while let Some(&len) = name.get(at).filter(|&&len| len != 0) {
        at += 1 + usize::from(len);
        labels += 1;
    }
    labels
}
