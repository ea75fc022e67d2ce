//! A master file's records: packed while they are read.

use std::collections::HashMap;

use super::group::{Group, Mixed, Ttl};
use super::{Placed, Spot, Spots, Writer};
use crate::config::code;
use crate::config::files::Text;
use crate::config::findings::{Findings, Site};
use crate::config::progress::Progress;
use crate::wire::master::{MasterRecordRef, scan_parts};
use crate::wire::text::{is_same_data, rdata_fault};
use crate::wire::{Name, NameRef, RecordType, Records, RecordsIndex};

/// Smaller parts than this are not worth a thread, in octets.
const PART: usize = 1 << 20;
/// How many records are read between two words of how far it is.
const STEP: usize = 1 << 13;

/// What a master file says.
#[derive(Debug)]
pub(crate) struct Master {
    pub(super) records: Records,
    pub(super) index: RecordsIndex,
    pub(super) spots: Spots,
    /// SOA data as it stands at the apex, with its TTL and place.
    pub(crate) soa: Option<(Box<[u8]>, u32)>,
    /// SOA records that stand elsewhere: owner and place.
    pub(crate) stray_soa: Vec<(Name, Site)>,
    /// Whether a fault hides records.
    pub(crate) partial: bool,
}

/// Reads a master file of the zone `apex` in as many threads as may be used; `ttl` serves where the file gives none.
pub(crate) fn read(
    findings: &mut Findings,
    text: &Text,
    apex: &Name,
    ttl: u32,
    threads: usize,
    progress: &Progress,
) -> Master {
    let before = findings.count();
    let octets = text.text.as_bytes();
    let parts = threads.min(octets.len() / PART).max(1);
    let sink = || Packer::new(apex, progress);
    let (sinks, errors) = scan_parts(octets, apex, ttl, parts, sink, |packer, record| packer.add(record));
    let mut lines = Lines::new(text);
    for error in &errors {
        findings.error(lines.column(error.line, error.column), code::MASTER_FILE, error.message.clone()).label("here");
    }
    let mut writer = Writer::default();
    let mut events = Vec::new();
    let mut is_loose = false;
    let mut told = 0;
    for mut sink in sinks {
        sink.flush();
        progress.read(sink.untold, 0);
        told += sink.octets;
        writer.records.append(sink.writer.records);
        writer.spots.append(sink.writer.spots);
        events.extend(sink.events);
        is_loose |= sink.is_loose;
    }
    progress.read(0, octets.len().saturating_sub(told));
    let mut spots = writer.spots;
    spots.set_files(None, Some(text.clone()));
    let mut records = writer.records.finish();
    if u32::try_from(records.size()).is_err() {
        findings
            .file_error(findings.path(text.id).clone(), code::UNREADABLE, format!("`{apex}` takes more than 4 GiB"))
            .help("split it");
        records = Records::default();
    }
    let mut index = RecordsIndex::of(&records);
    if is_loose || !index.again().is_empty() {
        (records, spots) = regroup(findings, &records, &index, spots);
        index = RecordsIndex::of(&records);
    }
    let mut soa: Option<(Box<[u8]>, u32, Spot)> = None;
    let mut stray_soa = Vec::new();
    for event in events {
        match event {
            Event::Soa { owner, data, ttl, spot } if owner == *apex => match &soa {
                Some((first, ..)) if is_same_data(RecordType::SOA, first, &data) => {}
                before => {
                    if let Some((.., before)) = before {
                        findings
                            .warning(spots.site(spot), code::SOA_TWICE, format!("`{apex}` has two SOA records"))
                            .label("a zone has one (RFC 1035 section 5.2); the last one counts")
                            .related(spots.site(*before), "the other is here")
                            .help("leave one of them");
                    }
                    soa = Some((data, ttl, spot));
                }
            },
            Event::Soa { owner, spot, .. } => stray_soa.push((owner, spots.site(spot))),
            Event::Unusable { rtype, fault, spot } => unusable(findings, spots.site(spot), rtype, &fault),
            Event::Outside { owner, spot } => {
                findings
                    .error(spots.site(spot), code::OUT_OF_ZONE, format!("`{owner}` is not in the zone `{apex}`"))
                    .label("out of zone");
            }
        }
    }
    let soa = soa.map(|(data, ttl, _)| (data, ttl));
    Master { records, index, spots, soa, stray_soa, partial: findings.count() > before }
}

/// What is no record of the zone, or none that is of use.
enum Event {
    Soa { owner: Name, data: Box<[u8]>, ttl: u32, spot: Spot },
    Outside { owner: Name, spot: Spot },
    Unusable { rtype: RecordType, fault: String, spot: Spot },
}

/// Packs records as they come. What stands together is put together at once; the rest is left to [`regroup`].
struct Packer<'a> {
    apex: &'a Name,
    progress: &'a Progress,
    writer: Writer,
    /// The name that is being read, and whether it lies in the zone.
    owner: Vec<u8>,
    is_inside: bool,
    group: Group,
    /// Whether a name may have a type twice.
    is_loose: bool,
    events: Vec<Event>,
    /// Records that were read and not yet told of.
    untold: usize,
    /// Where the last record that was told of stands, once there is one.
    told: Option<usize>,
    /// All octets that were told of.
    octets: usize,
}

impl<'a> Packer<'a> {
    fn new(apex: &'a Name, progress: &'a Progress) -> Self {
        Self {
            apex,
            progress,
            writer: Writer::default(),
            owner: Vec::new(),
            is_inside: false,
            group: Group::default(),
            is_loose: false,
            events: Vec::new(),
            untold: 0,
            told: None,
            octets: 0,
        }
    }

    fn add(&mut self, record: MasterRecordRef<'_>) {
        let MasterRecordRef { owner, ttl, rtype, rdata, at } = record;
        let spot = Spot::line(at);
        self.tell(at);
        if rtype == RecordType::SOA {
            self.events.push(Event::Soa { owner: owner.to_name(), data: rdata.into(), ttl, spot });
            return;
        }
        if !self.owner.eq_ignore_ascii_case(owner.as_wire()) {
            self.flush();
            self.owner.clear();
            self.owner.extend_from_slice(owner.as_wire());
            self.is_inside = owner.is_within(self.apex.view());
        }
        if !self.is_inside {
            self.events.push(Event::Outside { owner: owner.to_name(), spot });
            return;
        }
        if let Some(fault) = rdata_fault(rtype, rdata) {
            self.events.push(Event::Unusable { rtype, fault, spot });
        }
        if self.group.clashes(rtype, ttl, rdata) {
            // Put together, and told of, when all records of the name are known.
            self.flush();
        }
        self.group.add(rtype, Ttl::Given(ttl), rdata, spot, None);
    }

    fn tell(&mut self, at: usize) {
        let told = *self.told.get_or_insert(at);
        self.untold += 1;
        if self.untold == STEP {
            self.progress.read(self.untold, at - told);
            self.octets += at - told;
            (self.untold, self.told) = (0, Some(at));
        }
    }

    fn flush(&mut self) {
        if !self.group.is_empty() {
            let owner = NameRef::trusted(&self.owner);
            self.is_loose |= self.writer.records.ends_in(owner);
            self.writer.group(owner, None, &self.group);
            self.group.clear();
        }
    }
}

/// Puts together what stands apart: names with several runs, and types that a name has twice.
fn regroup(findings: &mut Findings, records: &Records, index: &RecordsIndex, mut from: Spots) -> (Records, Spots) {
    let mut later: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut is_later = vec![false; records.owner_count()];
    for &(run, first) in index.again() {
        later.entry(first).or_default().push(run);
        is_later[run] = true;
    }
    let mut writer = Writer::default();
    let mut group = Group::default();
    for (number, owner) in records.owners().enumerate().filter(|(number, _)| !is_later[*number]) {
        let runs = || std::iter::once(number).chain(later.get(&number).into_iter().flatten().copied());
        let placed = runs().flat_map(|run| {
            let mut next = index.first_record(run);
            index.owner(records, run).rrsets().map(move |rrset| {
                let first = next;
                next += rrset.rdata.len();
                Placed { rrset, first }
            })
        });
        group.clear();
        for Placed { rrset, first } in placed {
            for (data, number) in rrset.rdata.iter().zip(first..) {
                let spot = from.get(number);
                if let Some(mixed) = group.add(rrset.rtype, Ttl::Given(rrset.ttl), data, spot, None) {
                    mixed_ttl(findings, from.site(spot), &owner.name, rrset.rtype, mixed);
                }
            }
        }
        writer.group(owner.name, None, &group);
    }
    let mut spots = writer.spots;
    spots.set_files(None, from.take_master());
    (writer.records.finish(), spots)
}

/// Warns of data that others take for damage.
pub(crate) fn unusable(findings: &mut Findings, site: Site, rtype: RecordType, fault: &str) {
    findings
        .warning(site, code::UNUSABLE_DATA, format!("this is no usable {rtype} record"))
        .label(fault)
        .help("other servers take it for damage, and secondaries may take nothing of the zone");
}

/// One TTL an RRset (RFC 2181 section 5.2).
pub(super) fn mixed_ttl(
    findings: &mut Findings,
    site: Site,
    owner: &dyn std::fmt::Display,
    rtype: RecordType,
    mixed: Mixed,
) {
    findings
        .warning(site, code::MIXED_TTL, format!("the {rtype} records of `{owner}` have different TTLs"))
        .label(format!("{} s here, {} s before", mixed.here, mixed.before))
        .help("the lowest is used for all of them");
}

/// Where lines begin; found when the first fault asks.
struct Lines<'t> {
    text: &'t Text,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t Text) -> Self {
        Self { text, starts: Vec::new() }
    }

    /// A line from a column on, both from 1.
    fn column(&mut self, line: usize, column: usize) -> Site {
        if self.starts.is_empty() {
            let after = memchr::memchr_iter(b'\n', self.text.text.as_bytes()).map(|at| at + 1);
            self.starts = std::iter::once(0).chain(after).collect();
        }
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.text.len());
        let rest = &self.text.text[start..];
        let content = rest.lines().next().unwrap_or_default();
        let skip: usize = content.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let end = content.trim_end().len().max(skip);
        Site::new(self.text.id, start + skip..start + end)
    }
}
