//! Types: the same ones for every client (G6), CNAMEs apart from other data (G9).

use std::collections::{HashMap, HashSet};

use super::tree::{Trees, covers};
use crate::config::code;
use crate::config::findings::{Findings, Site};
use crate::config::model::{EndpointId, Location, Member, NoMatch, Policy, RouteId, Target};
use crate::config::resolve::SteeredZone;
use crate::wire::RecordType;

pub(super) fn lint(findings: &mut Findings, trees: &Trees<'_>, zones: &[SteeredZone<'_>]) {
    let mut told = HashSet::new();
    let mut mixed = HashSet::new();
    let mut known = Known::new();
    for steered in zones.iter().flat_map(|zone| &zone.names) {
        let root = steered.route;
        let below = trees.below(root);
        // `no_match = "next"` at a root is told for itself.
        if below.tainted || trees.model.route(root).no_match == Some(NoMatch::Next) {
            continue;
        }
        if below.types.contains(&RecordType::CNAME) {
            if below.types.len() > 1 && mixed.insert(root) {
                mixed_cname(findings, trees, root);
            }
            continue;
        }
        for &rtype in &below.types {
            if !sure(trees, &mut known, root, rtype)
                && let Some((site, culprit)) = culprit(trees, &mut known, root, rtype)
                && told.insert((site, rtype))
            {
                missing(findings, trees, root, rtype, site, &culprit);
            }
        }
    }
    cname_multivalue(findings, trees);
    split_families(findings, trees);
}

fn has(trees: &Trees<'_>, id: EndpointId, rtype: RecordType) -> bool {
    !trees.model.endpoint(id).records_of(rtype).is_empty()
}

fn sure_target(trees: &Trees<'_>, known: &mut Known, target: Target, rtype: RecordType) -> bool {
    match target {
        Target::Endpoint(id) => has(trees, id, rtype),
        Target::Route(id) => sure(trees, known, id, rtype),
    }
}

/// Answers of [`sure`], since routes may be shared by many parents.
type Known = HashMap<(RouteId, RecordType), bool>;

/// Whether a route has an answer of this type for each client that comes to it. Clients that match nothing where that
/// ends in NODATA are G4's exception.
fn sure(trees: &Trees<'_>, known: &mut Known, id: RouteId, rtype: RecordType) -> bool {
    if let Some(&sure) = known.get(&(id, rtype)) {
        return sure;
    }
    let sure = judge(trees, known, id, rtype);
    known.insert((id, rtype), sure);
    sure
}

fn judge(trees: &Trees<'_>, known: &mut Known, id: RouteId, rtype: RecordType) -> bool {
    let route = trees.model.route(id);
    if !matches!(route.policy, Policy::Geolocation | Policy::Ip) {
        return route.members.iter().any(|member| sure_target(trees, known, member.target, rtype));
    }
    let good: Vec<bool> = route.members.iter().map(|member| sure_target(trees, known, member.target, rtype)).collect();
    let default = route.members.iter().position(|member| member.locations.contains(&Location::Default));
    match default {
        _ if route.fence => good.iter().all(|&good| good),
        Some(default) => good[default],
        None if route.no_match == Some(NoMatch::Next) => false,
        None => (0..good.len()).all(|index| good[index] || covered(&route.members, &good, index)),
    }
}

/// Whether each location of a member lies in one of a member that has the type.
fn covered(members: &[Member], good: &[bool], index: usize) -> bool {
    members[index].locations.iter().all(|&inner| {
        let mut others = members.iter().zip(good).filter(|(_, good)| **good);
        others.any(|(member, _)| member.locations.iter().any(|&outer| covers(outer, inner)))
    })
}

/// The member that lacks the type where it is needed, and its name.
fn culprit(trees: &Trees<'_>, known: &mut Known, id: RouteId, rtype: RecordType) -> Option<(Site, String)> {
    let route = trees.model.route(id);
    let sites = &trees.sites.routes[id.index()].members;
    let good: Vec<bool> = route.members.iter().map(|member| sure_target(trees, known, member.target, rtype)).collect();
    let matching = matches!(route.policy, Policy::Geolocation | Policy::Ip);
    let is_default = |member: &Member| member.locations.contains(&Location::Default);
    let first_bad = |wanted: &dyn Fn(usize) -> bool| (0..good.len()).find(|&index| !good[index] && wanted(index));
    let index = if matching && !route.fence {
        // What the default lacks, clients without a match lack.
        first_bad(&|index| is_default(&route.members[index]))
            .or_else(|| first_bad(&|index| !covered(&route.members, &good, index)))
    } else {
        first_bad(&|_| true)
    };
    // Only `no_match = "next"` is at fault where every member has the type.
    let Some(index) = index else {
        return Some((trees.sites.routes[id.index()].no_match?, route.name.clone()));
    };
    let member = &route.members[index];
    match member.target {
        Target::Route(below) if trees.types(member.target).contains(&rtype) => culprit(trees, known, below, rtype),
        _ => Some((sites[index], member.name.clone())),
    }
}

fn missing(findings: &mut Findings, trees: &Trees<'_>, root: RouteId, rtype: RecordType, site: Site, culprit: &str) {
    let owner = trees.below(root).leaves.iter().copied().find(|&leaf| has(trees, leaf, rtype));
    let message = format!("route `{}` could leave a client without {rtype}", trees.model.route(root).name);
    let mut found = findings
        .error(site, code::MISSING_TYPE, message)
        .label(format!("`{culprit}` has no {rtype}, and these clients may have nothing else"));
    if let Some(owner) = owner {
        let name = &trees.model.endpoint(owner).name;
        found = found.related(trees.sites.endpoints[owner.index()], format!("`{name}` has {rtype}"));
    }
    found.help(format!("give all of them {rtype}, or none, or a `default` that has it"));
}

fn mixed_cname(findings: &mut Findings, trees: &Trees<'_>, root: RouteId) {
    let leaves = &trees.below(root).leaves;
    let cname = leaves.iter().copied().find(|&leaf| has(trees, leaf, RecordType::CNAME));
    let other = leaves.iter().copied().find(|&leaf| !has(trees, leaf, RecordType::CNAME));
    let (Some(cname), Some(other)) = (cname, other) else { return };
    let site = |id: EndpointId| trees.sites.endpoints[id.index()];
    findings
        .error(
            trees.sites.routes[root.index()].name,
            code::MIXED_CNAME,
            format!("route `{}` mixes CNAMEs with other data", trees.model.route(root).name),
        )
        .label("a name has either a CNAME or other data")
        .related(site(cname), "a CNAME")
        .related(site(other), "other data")
        .help(format!(
            "give the addresses of `{}` a name of their own in this zone, and make it an endpoint with `CNAME = \"that-name\"`",
            trees.model.endpoint(other).name
        ));
}

fn cname_multivalue(findings: &mut Findings, trees: &Trees<'_>) {
    for (_, route, sites) in trees.sound_routes().filter(|(_, route, _)| route.policy == Policy::Multivalue) {
        for (member, &site) in route.members.iter().zip(sites) {
            if let Target::Endpoint(id) = member.target
                && has(trees, id, RecordType::CNAME)
            {
                findings
                    .error(
                        site,
                        code::CNAME_MULTIVALUE,
                        format!("`{}` is a CNAME, and a name has at most one", member.name),
                    )
                    .label("in a multivalue route")
                    .help("`weighted` picks one of several CNAMEs, `failover` the first that is up");
            }
        }
    }
}

/// Everything up, a client would get A from one member and AAAA from another.
fn split_families(findings: &mut Findings, trees: &Trees<'_>) {
    for (id, route, sites) in trees.sound_routes() {
        let ordered = match route.policy {
            Policy::Simple | Policy::Multivalue | Policy::Weighted => continue,
            // The members after the first get clients only when it is down.
            Policy::Failover => 1,
            _ => route.members.len(),
        };
        let below = trees.below(id);
        if below.tainted || below.types.contains(&RecordType::CNAME) {
            continue;
        }
        let families = [RecordType::A, RecordType::AAAA];
        if !families.iter().all(|family| below.types.contains(family)) {
            continue;
        }
        for (member, &site) in route.members.iter().zip(sites).take(ordered) {
            let types = trees.types(member.target);
            for (lacks, owns) in [(families[0], families[1]), (families[1], families[0])] {
                let other = route.members.iter().find(|other| {
                    let alternative = !route.fence && trees.types(other.target).contains(&lacks);
                    alternative
                        && (!matches!(route.policy, Policy::Geolocation | Policy::Ip) || falls_to(member, other))
                });
                if let (false, true, Some(other)) = (types.contains(&lacks), types.contains(&owns), other) {
                    findings
                        .warning(
                            site,
                            code::SPLIT_FAMILIES,
                            format!("clients of `{}` get {lacks} from `{}`", member.name, other.name),
                        )
                        .label(format!("has {owns} and no {lacks}"))
                        .help(format!("give `{}` {lacks}, so that both families lead to one place", member.name));
                }
            }
        }
    }
}

fn falls_to(member: &Member, other: &Member) -> bool {
    member.locations.iter().any(|&inner| other.locations.iter().any(|&outer| covers(outer, inner)))
}
