//! Steered names and the routes that answer them: TTLs, CNAMEs, types given twice, sizes, shares.

use std::collections::HashSet;

use super::room::{RECORD, ROOM};
use super::tree::Trees;
use crate::config::code;
use crate::config::findings::Findings;
use crate::config::model::{Health, MinHealthy, NoMatch, Policy, ProbeId, RouteId, Subject, Target};
use crate::config::resolve::{SteeredData, SteeredZone};
use crate::wire::RecordType;

/// The size that fits every path (DNS flag day 2020), in octets.
const SAFE_SIZE: usize = 1232;
/// Header, and the type and class of the question.
const FIXED: usize = 12 + 4;
/// An OPT record with a client subnet option of IPv6.
const OPT: usize = 11 + 4 + 4 + 16;
/// Below this percentage a weighted member is meant to be small (W9).
const SMALL_PERCENT: u64 = 10;

pub(super) fn lint(findings: &mut Findings, trees: &Trees<'_>, zones: &[SteeredZone<'_>]) {
    for zone in zones {
        for steered in &zone.names {
            name(findings, trees, zone, steered);
        }
    }
    for (id, route, sites) in trees.sound_routes() {
        let own = &trees.sites.routes[id.index()];
        if let Some(ttl) = own.ttl.as_ref().filter(|_| trees.inner.contains(&id) && !trees.roots.contains(&id)) {
            findings
                .error(ttl.site, code::INNER_TTL, format!("route `{}` answers no name by itself", route.name))
                .label("only the route that a name is given may have a TTL")
                .help("set it on the name in `[records]`, or on that name's route");
        }
        if let Some(site) = own.no_match.filter(|_| route.no_match == Some(NoMatch::Next) && trees.roots.contains(&id))
        {
            findings
                .error(site, code::NO_MATCH_AT_ROOT, format!("route `{}` answers a name by itself", route.name))
                .label("there is no parent that could go on")
                .help("add a member with `where = \"default\"`, or say `no_match = \"nodata\"`");
        }
        if route.policy == Policy::Weighted && route.min_healthy == MinHealthy::Count(1) && route.members.len() > 1 {
            let total: u64 = route.members.iter().map(|member| u64::from(member.weight)).sum();
            for (member, &site) in route.members.iter().zip(sites) {
                let weight = u64::from(member.weight);
                if weight > 0 && weight * 100 < total * SMALL_PERCENT {
                    findings
                        .warning(
                            site,
                            code::SMALL_SHARE,
                            format!("`{}` has {weight} of {total} shares of `{}`", member.name, route.name),
                        )
                        .label("takes everything when the others are down")
                        .help("`min_healthy` on the route makes it fail as a whole before that");
                }
            }
        }
        mixed_latency(findings, trees, id);
    }
}

fn name(findings: &mut Findings, trees: &Trees<'_>, zone: &SteeredZone<'_>, steered: &SteeredData<'_>) {
    let owner = &steered.spec.owner;
    let below = trees.below(steered.route);
    let route = &trees.model.route(steered.route).name;
    if steered.ttl == 0 {
        findings
            .error(
                steered.ttl_site.unwrap_or(steered.site),
                code::ZERO_TTL,
                format!("the steered name `{owner}` has a TTL of zero"),
            )
            .label("resolvers would ask for every client anew")
            .help("`10s` already follows failures closely");
    }
    let is_cname = below.types.contains(&RecordType::CNAME);
    if let Some(cname) = steered.spec.set(RecordType::CNAME) {
        findings
            .error(cname, code::CNAME_BESIDE_DATA, format!("`{owner}` has a CNAME and a route"))
            .label("a CNAME stands alone")
            .related(steered.site, "the route");
    } else if is_cname && owner == zone.apex {
        findings
            .error(steered.site, code::CNAME_AT_APEX, format!("route `{route}` would answer a CNAME at the apex"))
            .label("the apex has SOA and NS, and a CNAME stands alone")
            .help("use endpoints with addresses here, or steer a name below, such as `www`");
    } else if is_cname && let Some(&(_, other)) = steered.spec.sets.first() {
        findings
            .error(other, code::CNAME_BESIDE_DATA, format!("route `{route}` would answer a CNAME beside other data"))
            .label("a CNAME stands alone")
            .related(steered.site, "the route")
            .help(
                "give the other data a name of its own: `CNAME = \"origin\"` at an endpoint, and the data at `origin`",
            );
    } else {
        for (rtype, site) in steered.spec.sets.iter().filter(|(rtype, _)| below.types.contains(rtype)) {
            findings
                .error(
                    *site,
                    code::STEERED_TWICE,
                    format!("{rtype} of `{owner}` stands in its records and in its route"),
                )
                .label("in its records")
                .related(steered.site, format!("`{route}` answers {rtype} too"))
                .help("leave one of them out");
        }
    }
    long_ttl(findings, trees, steered);
    big_answer(findings, trees, steered);
}

/// A TTL that was written down and outlasts the time that the slowest check takes to see a failure. The default TTL is
/// not judged: it is what rhumb itself advises.
fn long_ttl(findings: &mut Findings, trees: &Trees<'_>, steered: &SteeredData<'_>) {
    let Some(site) = steered.ttl_site else { return };
    let mut checks: Vec<_> =
        probes_below(trees, steered.route).into_iter().map(|probe| trees.model.probe(probe).check).collect();
    checks.sort_unstable();
    checks.dedup();
    let slowest = checks
        .into_iter()
        .map(|id| trees.model.check(id))
        .filter(|check| !check.disabled)
        .map(|check| (check.interval * check.fall + check.timeout, &check.name))
        .max();
    let Some((time, check)) = slowest else { return };
    if u64::from(steered.ttl) > time.as_secs() {
        findings
            .warning(
                site,
                code::LONG_TTL,
                format!("the TTL of `{}` is longer than it takes to see a failure", steered.spec.owner),
            )
            .label(format!("{} s, and check `{check}` needs {time:?}", steered.ttl))
            .help("clients keep a failed address for the TTL after that; a shorter one lets them leave sooner");
    }
}

fn probes_below(trees: &Trees<'_>, root: RouteId) -> Vec<ProbeId> {
    let mut probes = Vec::new();
    let mut add = |health: &Health| match health {
        Health::Unchecked => {}
        Health::Whole(probe) => probes.push(*probe),
        Health::PerAddress(each) => probes.extend(each.iter().map(|(_, probe)| *probe)),
    };
    for &leaf in &trees.below(root).leaves {
        add(&trees.model.endpoint(leaf).health);
    }
    let mut open = vec![root];
    let mut seen = HashSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for member in &trees.model.route(id).members {
            add(&member.health);
            if let Target::Route(below) = member.target {
                open.push(below);
            }
        }
    }
    let mut all = probes.clone();
    while let Some(probe) = probes.pop() {
        if let Subject::Calculated(operands) = &trees.model.probe(probe).subject {
            let below = operands.iter().flatten().copied().filter(|below| !all.contains(below)).collect::<Vec<_>>();
            all.extend(&below);
            probes.extend(below);
        }
    }
    all
}

/// M4, and what no message carries at all.
fn big_answer(findings: &mut Findings, trees: &Trees<'_>, steered: &SteeredData<'_>) {
    let owner = &steered.spec.owner;
    let frame = FIXED + owner.as_wire().len() + OPT;
    let mut open = vec![Target::Route(steered.route)];
    let mut worst = (0, String::new());
    let mut seen = HashSet::new();
    while let Some(target) = open.pop() {
        if !seen.insert(target) {
            continue;
        }
        let size = match target {
            Target::Endpoint(id) => {
                let sets = trees.model.endpoint(id).records.iter();
                sets.map(|set| set.rdata.iter().map(|rdata| RECORD + rdata.len()).sum()).max().unwrap_or(0)
            }
            Target::Route(id) => {
                let route = trees.model.route(id);
                if route.policy != Policy::Multivalue {
                    open.extend(route.members.iter().map(|member| member.target));
                    open.extend(route.last_resort);
                    continue;
                }
                let of_type = |rtype| {
                    let leaves = trees.leaves(target);
                    let mut sizes: Vec<usize> = leaves
                        .into_iter()
                        .flat_map(|leaf| trees.model.endpoint(leaf).records_of(rtype))
                        .map(|rdata| RECORD + rdata.len())
                        .collect();
                    sizes.sort_unstable_by(|a, b| b.cmp(a));
                    sizes.into_iter().take(route.max_answers).sum::<usize>()
                };
                trees.types(target).into_iter().map(of_type).max().unwrap_or(0)
            }
        };
        if size > worst.0 {
            worst = (size, trees.name(target).to_owned());
        }
    }
    let total = frame + worst.0;
    if worst.0 > ROOM {
        findings
            .error(steered.site, code::BIG_RRSET, format!("an answer of `{owner}` fits in no message"))
            .label(format!("`{}` can answer {} octets, and a message has room for {ROOM}", worst.1, worst.0))
            .help("no client could get it; give it fewer or shorter records");
    } else if total > SAFE_SIZE {
        findings
            .warning(steered.site, code::BIG_ANSWER, format!("an answer of `{owner}` cannot fit {SAFE_SIZE} octets"))
            .label(format!("`{}` can answer {total} octets", worst.1))
            .help("clients ask again over TCP; give it fewer or shorter records");
    }
}

/// L2: measured and estimated latencies are compared as they are. Without either a member is never near (L4).
fn mixed_latency(findings: &mut Findings, trees: &Trees<'_>, id: RouteId) {
    let route = trees.model.route(id);
    if route.policy != Policy::Latency {
        return;
    }
    let sites = &trees.sites.routes[id.index()];
    let measured =
        |region: &Option<String>| region.as_ref().is_some_and(|region| trees.measured.contains(region.as_str()));
    for (member, &site) in route.members.iter().zip(&sites.members) {
        if member.at.is_none() && !measured(&member.region) {
            findings
                .warning(site, code::MEMBER_PLACE, format!("nobody knows how far `{}` is", member.name))
                .label("the latency table has no row of its region, and it has no `at`")
                .help("add rows for its region, or `at`");
        }
    }
    let (with, without): (Vec<_>, Vec<_>) = route.members.iter().partition(|member| measured(&member.region));
    if with.is_empty() || without.is_empty() {
        return;
    }
    let names: Vec<_> = without.iter().map(|member| format!("`{}`", member.name)).collect();
    findings
        .warning(
            sites.name,
            code::MIXED_LATENCY,
            format!("route `{}` mixes measured and estimated latencies", route.name),
        )
        .label(format!("the table has nothing of {}", names.join(", ")))
        .help("add rows for their regions, or give these members the `region` of a row");
}
