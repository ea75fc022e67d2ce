//! Plain DNS: CNAMEs, delegations, glue, and what points where (protocol 14). About linear: what few names have is
//! looked for once, and the rest of the work is theirs alone.

use super::room::{ROOM, taken};
use crate::config::code;
use crate::config::findings::{Findings, Site};
use crate::config::pack::{Placed, ZoneData};
use crate::wire::{NameRef, RecordType, RrsetRef};

/// Records that may stand beside a CNAME: those that sign it, and the key of whoever may change it (RFC 4035 section 2.5).
pub(crate) const BESIDE_CNAME: [RecordType; 3] = [RecordType::RRSIG, RecordType::NSEC, RecordType::KEY];
/// What belongs to the parent at a delegation.
const AT_CUT: [RecordType; 4] = [RecordType::NS, RecordType::DS, RecordType::RRSIG, RecordType::NSEC];
/// Types that point at hosts.
pub(super) const POINTERS: [RecordType; 3] = [RecordType::NS, RecordType::MX, RecordType::SRV];

/// What a name holds that something here depends on.
const CNAME: u8 = 1;
const NS: u8 = 1 << 1;
const DNAME: u8 = 1 << 2;
const POINTER: u8 = 1 << 3;
const ADDRESS: u8 = 1 << 4;
/// Below it this zone's data is not seen.
const CUT: u8 = 1 << 5;
/// It is a name server's name, whose addresses may stand below a cut.
const SERVER: u8 = 1 << 6;
/// It has an RRset that fits in no message.
const BIG: u8 = 1 << 7;

pub(super) fn lint(findings: &mut Findings, zone: &ZoneData) {
    let mut judge = Judge::of(zone);
    let apex = zone.number(zone.apex.view());
    let has_ns = apex.is_some_and(|apex| judge.has(apex, NS));
    if !has_ns && !zone.partial && !zone.is_tainted(zone.apex.view()) {
        findings
            .error(zone.site, code::NO_NS, format!("the zone `{}` has no NS record", zone.apex))
            .label("expected at least one at the apex")
            .help("add to `[records]`: `\"@\" = { NS = [\"ns1\", \"ns2\"] }`");
    }
    for number in judge.numbers(CNAME) {
        judge.cname(findings, number);
    }
    for number in judge.numbers(NS).filter(|&number| judge.name(number).is_wildcard()) {
        let Some(ns) = zone.rrset(number, RecordType::NS) else { continue };
        findings
            .error(zone.set_site(ns), code::WILDCARD_NS, format!("`{}` is a wildcard with NS records", ns.rrset.owner))
            .label("a delegation needs a name of its own")
            .help("delegate each name, or answer the wildcard from this zone");
    }
    for number in judge.numbers(DNAME) {
        judge.dname(findings, number, apex);
    }
    if let Some(ds) = apex.and_then(|apex| zone.rrset(apex, RecordType::DS)) {
        findings
            .warning(zone.set_site(ds), code::DS_AT_APEX, format!("a DS record at the apex `{}`", zone.apex))
            .label("belongs into the zone above (RFC 4035 section 2.4)")
            .help("resolvers ask the zone above for it; leave it out");
    }
    for number in judge.numbers(BIG) {
        judge.big(findings, number);
    }
    judge.find_cuts(apex);
    for number in judge.numbers(POINTER) {
        judge.pointers(findings, number);
    }
    if judge.has_cuts {
        for number in 0..judge.facts.len() {
            judge.hidden(findings, judge.name(number), Some(number));
        }
        // Names that a route alone answers hold no records.
        for steered in zone.steered.iter().filter(|steered| steered.sets.is_empty()) {
            judge.hidden(findings, steered.owner.view(), None);
        }
    }
    judge.cname_loops(findings);
}

/// The names that a set's data points at, with the numbers of the records.
fn targets(placed: Placed<'_>) -> impl Iterator<Item = (NameRef<'_>, usize)> {
    let data = placed.rrset.rdata.iter().zip(placed.first..);
    data.filter_map(move |(data, number)| Some((target_of(placed.rrset.rtype, data)?, number)))
}

/// The name that data points at which begins with it, or with numbers as those of MX and SRV do.
pub(super) fn target_of(rtype: RecordType, data: &[u8]) -> Option<NameRef<'_>> {
    let skip = match rtype {
        RecordType::MX => 2,
        RecordType::SRV => 6,
        _ => 0,
    };
    Some(NameRef::split_front(data.get(skip..)?)?.0)
}

/// A zone with what matters of each of its names.
struct Judge<'z> {
    zone: &'z ZoneData,
    /// By the number of the name.
    facts: Vec<u8>,
    has_cuts: bool,
}

impl<'z> Judge<'z> {
    fn of(zone: &'z ZoneData) -> Self {
        let facts_of = |rrset: RrsetRef<'_>| {
            let of_type = match rrset.rtype {
                RecordType::CNAME => CNAME,
                RecordType::NS => NS | POINTER,
                RecordType::DNAME => DNAME,
                RecordType::MX | RecordType::SRV => POINTER,
                RecordType::A | RecordType::AAAA => ADDRESS,
                _ => 0,
            };
            if taken(rrset) > ROOM { of_type | BIG } else { of_type }
        };
        let mut facts = Vec::with_capacity(zone.records.owner_count());
        let mut rrsets = zone.records.iter();
        while let Some((is_first, rrset)) = rrsets.step() {
            match facts.last_mut() {
                Some(last) if !is_first => *last |= facts_of(rrset),
                _ => facts.push(facts_of(rrset)),
            }
        }
        Self { zone, facts, has_cuts: false }
    }

    fn has(&self, number: usize, fact: u8) -> bool {
        self.facts[number] & fact != 0
    }

    /// The names that have a fact, as they stand now.
    fn numbers(&self, fact: u8) -> impl Iterator<Item = usize> + use<> {
        let found: Vec<usize> = (0..self.facts.len()).filter(|&number| self.has(number, fact)).collect();
        found.into_iter()
    }

    fn name(&self, number: usize) -> NameRef<'z> {
        self.zone.index.owner(&self.zone.records, number).name
    }

    fn cname(&self, findings: &mut Findings, number: usize) {
        let zone = self.zone;
        let Some(cname) = zone.rrset(number, RecordType::CNAME) else { return };
        let owner = cname.rrset.owner;
        let beside = |placed: &Placed<'_>| {
            placed.rrset.rtype != RecordType::CNAME && !BESIDE_CNAME.contains(&placed.rrset.rtype)
        };
        if owner == zone.apex {
            findings
                .error(zone.set_site(cname), code::CNAME_AT_APEX, "a CNAME at the apex")
                .label("the apex has SOA and NS, and a CNAME stands alone")
                .help("give the apex addresses, or a `route` to endpoints that have them");
        } else if let Some(other) = zone.rrsets(number).find(beside) {
            findings
                .error(
                    zone.set_site(cname),
                    code::CNAME_BESIDE_DATA,
                    format!("`{owner}` has a CNAME beside other data"),
                )
                .label("a CNAME stands alone")
                .related(zone.set_site(other), format!("{} is here", other.rrset.rtype))
                .help("leave one of them out");
        }
        if cname.rrset.rdata.len() > 1 {
            findings
                .error(zone.spots.record(cname.first + 1), code::CNAME_TWICE, format!("`{owner}` has several CNAMEs"))
                .label("a name has at most one")
                .help("to pick among several, make an endpoint of each and steer the name with a route");
        }
    }

    /// One stands at a name, and no delegation with it (RFC 6672 sections 2.3, 2.4).
    fn dname(&self, findings: &mut Findings, number: usize, apex: Option<usize>) {
        let zone = self.zone;
        let Some(dname) = zone.rrset(number, RecordType::DNAME) else { return };
        let (owner, site) = (dname.rrset.owner, zone.set_site(dname));
        if dname.rrset.rdata.len() > 1 {
            findings
                .error(zone.spots.record(dname.first + 1), code::DNAME_TWICE, format!("`{owner}` has several DNAMEs"))
                .label("a name has at most one")
                .help("leave one of them");
        }
        if let Some(ns) = zone.rrset(number, RecordType::NS).filter(|_| Some(number) != apex) {
            findings
                .error(site, code::DNAME_BESIDE_NS, format!("`{owner}` has a DNAME and is delegated"))
                .label("belongs into the zone that is delegated")
                .related(zone.set_site(ns), "NS is here")
                .help("leave one of them out");
        }
        if owner.is_wildcard() {
            findings
                .warning(site, code::WILDCARD_DNAME, format!("`{owner}` is a wildcard with a DNAME"))
                .label("names that the wildcard covers are not led on (RFC 6672 section 3.3)")
                .help(format!("put the DNAME at `{}`", owner.parent().unwrap_or(owner)));
        }
        if targets(dname).any(|(target, _)| target.is_within(owner)) {
            findings
                .warning(site, code::DNAME_LOOP, format!("the DNAME of `{owner}` leads to names below itself"))
                .label("they never end")
                .help("name a target elsewhere");
        }
    }

    /// All that clients would ever get is a truncated answer. It is refused, but no reason to lose a zone that others have
    /// a say in.
    fn big(&self, findings: &mut Findings, number: usize) {
        let zone = self.zone;
        for placed in zone.rrsets(number).filter(|placed| taken(placed.rrset) > ROOM) {
            let (site, RrsetRef { owner, rtype, .. }) = (zone.set_site(placed), placed.rrset);
            let message = format!("the {rtype} records of `{owner}` fit in no message");
            let found = if zone.foreign {
                findings.warning(site, code::BIG_RRSET, message)
            } else {
                findings.error(site, code::BIG_RRSET, message)
            };
            found
                .label(format!("{} octets of records, and a message has room for {ROOM}", taken(placed.rrset)))
                .help("no client could get them; give it fewer or shorter records");
        }
    }

    /// Marks cuts, and the names of servers.
    fn find_cuts(&mut self, apex: Option<usize>) {
        for number in self.numbers(NS | DNAME) {
            let is_cut = self.has(number, DNAME) || (Some(number) != apex && !self.name(number).is_wildcard());
            if is_cut {
                self.facts[number] |= CUT;
                self.has_cuts = true;
            }
        }
        for number in self.numbers(NS) {
            let Some(ns) = self.zone.rrset(number, RecordType::NS) else { continue };
            for (target, _) in targets(ns) {
                if let Some(server) = self.zone.number(target) {
                    self.facts[server] |= SERVER;
                }
            }
        }
    }

    /// The highest cut above a name.
    fn cut_above(&self, name: NameRef<'_>) -> Option<usize> {
        if !self.has_cuts {
            return None;
        }
        let apex = self.zone.apex.view();
        let mut highest = None;
        let mut above = name.parent();
        while let Some(name) = above.filter(|name| name.is_within(apex)) {
            above = name.parent();
            highest = self.zone.number(name).filter(|&number| self.has(number, CUT)).or(highest);
        }
        highest
    }

    fn pointers(&self, findings: &mut Findings, number: usize) {
        let zone = self.zone;
        for placed in POINTERS.into_iter().filter_map(|rtype| zone.rrset(number, rtype)) {
            let (owner, rtype) = (placed.rrset.owner, placed.rrset.rtype);
            for (target, record) in targets(placed).filter(|(target, _)| target.is_within(zone.apex.view())) {
                let here = zone.number(target);
                let dname = self.cut_above(target).filter(|&cut| self.has(cut, DNAME));
                if let Some(dname) = dname {
                    findings
                        .warning(
                            zone.spots.record(record),
                            code::TARGET_IS_CNAME,
                            format!("{rtype} of `{owner}` points below a DNAME"),
                        )
                        .label(format!("`{target}` is a CNAME that the DNAME makes (RFC 2181 section 10.3)"))
                        .related(zone.owner_site(dname), format!("`{}` has a DNAME", self.name(dname)))
                        .help("name what that leads to");
                } else if here.is_some_and(|here| self.has(here, CNAME)) {
                    findings
                        .warning(
                            zone.spots.record(record),
                            code::TARGET_IS_CNAME,
                            format!("{rtype} of `{owner}` points at a CNAME"),
                        )
                        .label(format!("`{target}` is a CNAME (RFC 2181 section 10.3)"))
                        .help("name what the CNAME leads to");
                } else if rtype == RecordType::NS && !zone.partial && !self.has_address(here, target) {
                    // A server below another cut is that zone's to know, unless it is needed to get there.
                    let elsewhere = self.cut_above(target).is_some_and(|cut| cut != number && owner != zone.apex);
                    if !elsewhere {
                        findings
                            .warning(
                                zone.spots.record(record),
                                code::MISSING_GLUE,
                                format!("the name server `{target}` has no address"),
                            )
                            .label("no A or AAAA in this zone")
                            .help(format!("add to `[records]` the A or AAAA of `{target}`"));
                    }
                }
            }
        }
    }

    /// Whether a host has an address, as far as can be known: it may be among what was told as faulty, or a route's to
    /// answer.
    fn has_address(&self, here: Option<usize>, host: NameRef<'_>) -> bool {
        let zone = self.zone;
        if here.is_some_and(|here| self.has(here, ADDRESS)) || zone.is_tainted(host) || zone.is_steered(host) {
            return true;
        }
        if here.is_some() {
            return false;
        }
        let mut above = host.parent();
        while let Some(name) = above.filter(|name| name.is_within(zone.apex.view())) {
            let star: Vec<u8> = [b"\x01*", name.as_wire()].concat();
            if zone.exists(NameRef::trusted(&star)) {
                return true;
            }
            above = name.parent();
        }
        false
    }

    /// Data that stands below a cut or beside one and is not glue; `number` of a name that holds records.
    fn hidden(&self, findings: &mut Findings, name: NameRef<'_>, number: Option<usize>) {
        let zone = self.zone;
        let above = self.cut_above(name);
        let is_cut = number.filter(|&number| self.has(number, NS) && name != zone.apex);
        let at_delegation = above.is_none() && is_cut.is_some();
        let Some(cut) = above.or(is_cut) else { return };
        let below_dname = self.has(cut, DNAME);
        if at_delegation && below_dname {
            // Told as an error.
            return;
        }
        let is_server = number.is_some_and(|number| self.has(number, SERVER));
        let glue = |rtype| matches!(rtype, RecordType::A | RecordType::AAAA) && is_server;
        let is_seen =
            |rtype| if at_delegation { AT_CUT.contains(&rtype) || glue(rtype) } else { glue(rtype) && !below_dname };
        let hidden = number.and_then(|number| zone.rrsets(number).find(|placed| !is_seen(placed.rrset.rtype)));
        let site = match hidden {
            Some(placed) => zone.set_site(placed),
            None => match self.route_site(name) {
                Some(site) => site,
                None => return,
            },
        };
        let what = if below_dname { "a DNAME" } else { "a delegation" };
        let place = if at_delegation { "at" } else { "below" };
        findings
            .warning(site, code::HIDDEN_DATA, format!("data of `{name}` is hidden {place} {what}"))
            .label("is never answered")
            .related(zone.owner_site(cut), format!("`{}` is {what}", self.name(cut)))
            .help("move it into the zone that answers there, or leave it out");
    }

    /// Where a name's route is named.
    fn route_site(&self, name: NameRef<'_>) -> Option<Site> {
        if !self.zone.is_steered(name) {
            return None;
        }
        let steered = self.zone.steered.iter().find(|steered| name == steered.owner)?;
        Some(steered.routes.first()?.0.site)
    }

    /// The name whose records answer for this one: itself, or the wildcard beside it.
    fn answering(&self, name: NameRef<'_>) -> Option<usize> {
        if self.zone.exists(name) {
            return self.zone.number(name);
        }
        let star = [b"\x01*", name.parent()?.as_wire()].concat();
        self.zone.number(NameRef::trusted(&star))
    }

    /// Loops of CNAMEs inside the zone, each told once.
    fn cname_loops(&self, findings: &mut Findings) {
        let zone = self.zone;
        let next = |number: usize| {
            let (target, record) = targets(zone.rrset(number, RecordType::CNAME)?).next()?;
            Some((self.answering(target)?, record))
        };
        let mut done = vec![false; self.facts.len()];
        for start in self.numbers(CNAME) {
            // Name and record of each step, and by name which step it was.
            let mut path: Vec<(usize, usize)> = Vec::new();
            let mut at = start;
            while !done[at] {
                let Some((target, record)) = next(at) else { break };
                // A name is met a second time in this walk only at the end of a loop.
                done[at] = true;
                path.push((at, record));
                at = target;
            }
            let Some(from) = path.iter().position(|&(number, _)| number == at) else { continue };
            let steps = &path[from..];
            let names: Vec<_> = steps
                .iter()
                .map(|&(number, _)| number)
                .chain([at])
                .map(|number| format!("`{}`", self.name(number)))
                .collect();
            findings
                .warning(zone.spots.record(steps[0].1), code::CNAME_LOOP, "CNAMEs lead back to themselves")
                .label(names.join(" → "))
                .help("give one of them data");
        }
    }
}
