//! What can never be left, and what has nowhere to go (F1, T4).

use super::tree::{Trees, covers};
use crate::config::code;
use crate::config::findings::Findings;
use crate::config::model::{Location, Member, Policy, Route, RouteId, Status, Target};

pub(super) fn lint(findings: &mut Findings, trees: &Trees<'_>) {
    for (id, route, sites) in trees.sound_routes() {
        // A person who said this meant it.
        let judged = |member: &Member| member.follow_health && member.status == Status::Auto;
        let unchecked: Vec<bool> = route.members.iter().map(|member| trees.never_down(member)).collect();
        let any_checked = unchecked.iter().any(|unchecked| !unchecked);
        for (index, (member, &site)) in route.members.iter().zip(sites).enumerate() {
            if !unchecked[index] || !judged(member) {
                continue;
            }
            let last = index + 1 == route.members.len();
            if route.policy == Policy::Failover && !last {
                findings
                    .warning(
                        site,
                        code::UNCHECKED_FAILOVER,
                        format!("`{}` is never left: nothing checks it", member.name),
                    )
                    .label("the members after it are never used")
                    .help(match member.target {
                        Target::Endpoint(_) => "give it a `check`",
                        Target::Route(_) => "give its endpoints a `check`",
                    });
            } else if any_checked && trees.inner.contains(&id) && matches!(member.target, Target::Endpoint(_)) {
                findings
                    .warning(
                        site,
                        code::UNCHECKED_LEAF,
                        format!("`{}` keeps route `{}` up for ever", member.name, route.name),
                    )
                    .label("nothing checks it, although others here are checked")
                    .help("give it a `check`, or make it the route's `last_resort`");
            }
        }
        if matches!(route.policy, Policy::Geolocation | Policy::Ip) {
            no_alternative(findings, trees, id, route);
        }
    }
}

/// A location that only one endpoint serves, whatever happens to it. Routes below others go on to these.
fn no_alternative(findings: &mut Findings, trees: &Trees<'_>, id: RouteId, route: &Route) {
    if !route.fence && !trees.roots.contains(&id) {
        return;
    }
    let last_resort = route.last_resort.map(|target| trees.leaves(target)).unwrap_or_default();
    for (index, member) in route.members.iter().enumerate() {
        let leaves = trees.leaves(member.target);
        let &[only] = &leaves[..] else { continue };
        if member.locations.contains(&Location::Default) || last_resort.iter().any(|&leaf| leaf != only) {
            continue;
        }
        let falls_to = |other: &Member| {
            member.locations.iter().any(|&inner| other.locations.iter().any(|&outer| covers(outer, inner)))
        };
        let alternative = !route.fence
            && route
                .members
                .iter()
                .any(|other| falls_to(other) && trees.leaves(other.target).iter().any(|&leaf| leaf != only));
        if !alternative {
            findings
                .warning(
                    trees.sites.routes[id.index()].members[index],
                    code::NO_ALTERNATIVE,
                    format!("clients of `{}` have nowhere else to go", member.name),
                )
                .label("its only endpoint has no alternative")
                .help("add a second endpoint, a less specific member, or a `last_resort`");
        }
    }
}
