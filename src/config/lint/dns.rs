//! Plain DNS: CNAMEs, delegations, glue, and what points where (protocol 14).

use std::collections::HashSet;

use crate::config::code;
use crate::config::findings::{Findings, Site};
use crate::config::model::Model;
use crate::config::parse::split_name;
use crate::config::resolve::{OwnerData, ZoneData};
use crate::wire::{Name, RecordType};

/// Records that stand beside a CNAME in signed zones (RFC 4034 sections 3, 4).
const BESIDE_CNAME: [RecordType; 2] = [RecordType::RRSIG, RecordType::NSEC];
/// What belongs to the parent at a delegation.
const AT_CUT: [RecordType; 4] = [RecordType::NS, RecordType::DS, RecordType::RRSIG, RecordType::NSEC];

pub(super) fn lint(findings: &mut Findings, model: &Model, zone: &ZoneData) {
    let apex = zone.owner(&zone.apex);
    let apex_ns = apex.and_then(|apex| apex.set(RecordType::NS));
    if apex_ns.is_none() && !zone.partial && apex.is_none_or(|apex| !apex.tainted) {
        findings
            .error(zone.site, code::NO_NS, format!("the zone `{}` has no NS record", zone.apex))
            .label("expected at least one at the apex")
            .help("add to `[records]`: `\"@\" = { NS = [\"ns1\", \"ns2\"] }`");
    }
    for owner in &zone.owners {
        cname(findings, zone, owner);
        if let Some(ns) = owner.set(RecordType::NS).filter(|_| owner.name.is_wildcard()) {
            findings
                .error(ns.site, code::WILDCARD_NS, format!("`{}` is a wildcard with NS records", owner.name))
                .label("a delegation needs a name of its own")
                .help("delegate each name, or answer the wildcard from this zone");
        }
    }
    let cuts = Cuts::of(zone);
    for owner in &zone.owners {
        pointers(findings, model, zone, owner, &cuts);
        hidden(findings, zone, owner, &cuts);
    }
    cname_loops(findings, zone);
}

fn cname(findings: &mut Findings, zone: &ZoneData, owner: &OwnerData) {
    let Some(cname) = owner.set(RecordType::CNAME) else { return };
    if owner.name == zone.apex {
        findings
            .error(cname.site, code::CNAME_AT_APEX, "a CNAME at the apex")
            .label("the apex has SOA and NS, and a CNAME stands alone")
            .help("give the apex addresses, or a `route` to endpoints that have them");
    } else if let Some(other) =
        owner.sets.iter().find(|set| set.rtype != RecordType::CNAME && !BESIDE_CNAME.contains(&set.rtype))
    {
        findings
            .error(cname.site, code::CNAME_BESIDE_DATA, format!("`{}` has a CNAME beside other data", owner.name))
            .label("a CNAME stands alone")
            .related(other.site, format!("{} is here", other.rtype))
            .help("leave one of them out");
    }
    if let Some(second) = cname.rdata.get(1) {
        findings
            .error(second.site, code::CNAME_TWICE, format!("`{}` has several CNAMEs", owner.name))
            .label("a name has at most one")
            .help("to pick among several, make an endpoint of each and steer the name with a route");
    }
}

/// The names that a set's data points at, with their places.
fn targets(owner: &OwnerData, rtype: RecordType) -> Vec<(Name, Site)> {
    let skip = match rtype {
        RecordType::MX => 2,
        RecordType::SRV => 6,
        _ => 0,
    };
    let rdata = owner.set(rtype).map_or(&[][..], |set| &set.rdata);
    rdata.iter().filter_map(|one| Some((split_name(one.value.get(skip..)?)?.0, one.site))).collect()
}

fn pointers(findings: &mut Findings, model: &Model, zone: &ZoneData, owner: &OwnerData, cuts: &Cuts) {
    for rtype in [RecordType::NS, RecordType::MX, RecordType::SRV] {
        for (target, site) in targets(owner, rtype) {
            let here = target.is_within(&zone.apex).then(|| zone.owner(&target)).flatten();
            if here.is_some_and(|here| here.set(RecordType::CNAME).is_some()) {
                findings
                    .warning(site, code::TARGET_IS_CNAME, format!("{rtype} of `{}` points at a CNAME", owner.name))
                    .label(format!("`{target}` is a CNAME (RFC 2181 section 10.3)"))
                    .help("name what the CNAME leads to");
            } else if rtype == RecordType::NS
                && !zone.partial
                && target.is_within(&zone.apex)
                && !has_address(model, zone, here, &target)
            {
                // A server below another cut is that zone's to know, unless it is needed to get there.
                let elsewhere =
                    cuts.above(zone, &target).is_some_and(|cut| cut != owner.name && owner.name != zone.apex);
                if !elsewhere {
                    findings
                        .warning(site, code::MISSING_GLUE, format!("the name server `{target}` has no address"))
                        .label("no A or AAAA in this zone")
                        .help(format!("add to `[records]` the A or AAAA of `{target}`"));
                }
            }
        }
    }
}

fn has_address(model: &Model, zone: &ZoneData, here: Option<&OwnerData>, target: &Name) -> bool {
    let families = [RecordType::A, RecordType::AAAA];
    match here {
        Some(owner) => {
            owner.tainted
                || families.iter().any(|&family| owner.set(family).is_some())
                || owner.steered.as_ref().is_some_and(|steered| !model.route(steered.route).members.is_empty())
        }
        None => {
            let mut above = target.parent();
            while let Some(name) = above.filter(|name| name.is_within(&zone.apex)) {
                if Name::parse("*", &name).is_ok_and(|star| zone.owner(&star).is_some()) {
                    return true;
                }
                above = name.parent();
            }
            false
        }
    }
}

/// Names below which this zone's data is not seen.
struct Cuts {
    names: HashSet<Name>,
    /// Names of servers, whose addresses may stand below a cut.
    servers: HashSet<Name>,
}

impl Cuts {
    fn of(zone: &ZoneData) -> Self {
        let hides = |owner: &&OwnerData| {
            owner.set(RecordType::DNAME).is_some()
                || (owner.name != zone.apex && !owner.name.is_wildcard() && owner.set(RecordType::NS).is_some())
        };
        let servers = zone.owners.iter().flat_map(|owner| targets(owner, RecordType::NS)).map(|(name, _)| name);
        Self {
            names: zone.owners.iter().filter(hides).map(|owner| owner.name.clone()).collect(),
            servers: servers.collect(),
        }
    }

    /// The highest cut above a name.
    fn above(&self, zone: &ZoneData, name: &Name) -> Option<Name> {
        if self.names.is_empty() {
            return None;
        }
        let mut highest = None;
        let mut above = name.parent();
        while let Some(name) = above.filter(|name| name.is_within(&zone.apex)) {
            above = name.parent();
            if self.names.contains(&name) {
                highest = Some(name);
            }
        }
        highest
    }
}

fn hidden(findings: &mut Findings, zone: &ZoneData, owner: &OwnerData, cuts: &Cuts) {
    let glue = |rtype| matches!(rtype, RecordType::A | RecordType::AAAA) && cuts.servers.contains(&owner.name);
    let above = cuts.above(zone, &owner.name);
    let at_delegation = above.is_none() && owner.name != zone.apex && owner.set(RecordType::NS).is_some();
    let Some(cut) = above.or_else(|| at_delegation.then(|| owner.name.clone())) else { return };
    let below_dname = zone.owner(&cut).is_some_and(|cut| cut.set(RecordType::DNAME).is_some());
    let seen = |rtype| if at_delegation { AT_CUT.contains(&rtype) || glue(rtype) } else { glue(rtype) && !below_dname };
    let site = match owner.sets.iter().find(|set| !seen(set.rtype)) {
        Some(set) => set.site,
        None => match &owner.steered {
            Some(steered) => steered.site,
            None => return,
        },
    };
    let what = if below_dname { "a DNAME" } else { "a delegation" };
    let place = if at_delegation { "at" } else { "below" };
    let mut found = findings
        .warning(site, code::HIDDEN_DATA, format!("data of `{}` is hidden {place} {what}", owner.name))
        .label("is never answered");
    if let Some(cut) = zone.owner(&cut) {
        found = found.related(cut.site, format!("`{}` is {what}", cut.name));
    }
    found.help("move it into the zone that answers there, or leave it out");
}

/// Loops of CNAMEs inside the zone, each told once.
fn cname_loops(findings: &mut Findings, zone: &ZoneData) {
    let next = |index: usize| {
        let (target, site) = targets(&zone.owners[index], RecordType::CNAME).into_iter().next()?;
        Some((*zone.index.get(&target)?, site))
    };
    let mut done = vec![false; zone.owners.len()];
    for start in 0..zone.owners.len() {
        let mut path: Vec<(usize, Site)> = Vec::new();
        let mut at = start;
        while !done[at] {
            if let Some(from) = path.iter().position(|&(index, _)| index == at) {
                let steps = &path[from..];
                let names: Vec<_> = steps
                    .iter()
                    .map(|&(index, _)| index)
                    .chain([at])
                    .map(|index| format!("`{}`", zone.owners[index].name))
                    .collect();
                findings
                    .warning(steps[0].1, code::CNAME_LOOP, "CNAMEs lead back to themselves")
                    .label(names.join(" → "))
                    .help("give one of them data");
                break;
            }
            let Some((target, site)) = next(at) else { break };
            path.push((at, site));
            at = target;
        }
        done[start] = true;
        for (index, _) in path {
            done[index] = true;
        }
    }
}
