//! A region: what policies see of a client, whatever the health.

use rhumb::config::model::{Policy, RouteId, Target};

use super::Facts;
use super::client::Client;
use super::order::{chain, ranked};

/// The matches of every node that this client can reach, by route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Region {
    /// (route, the members in order, the groups within the tolerance).
    pub matches: Vec<(RouteId, Vec<usize>, Vec<Vec<usize>>)>,
    /// Whether a sticky weighted node can be reached.
    pub sticky: bool,
}

impl Region {
    pub fn of(facts: &Facts<'_>, root: RouteId, client: Client) -> Self {
        let mut region = Self::default();
        let mut seen = Vec::new();
        let place = client.place(facts);
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            let route = facts.model.route(id);
            let mut members: Vec<usize> = (0..route.members.len()).collect();
            match route.policy {
                Policy::Geolocation | Policy::Ip => {
                    members = chain(route, client, &place);
                    if route.fence {
                        members.truncate(1);
                    }
                    region.matches.push((id, members.clone(), Vec::new()));
                }
                Policy::Latency | Policy::Geoproximity => {
                    let ranked = ranked(facts, route, client, &place);
                    let head = ranked.order[..ranked.groups.len()].to_vec();
                    region.matches.push((id, head, ranked.groups));
                }
                Policy::Weighted => region.sticky |= route.sticky.is_some(),
                Policy::Simple | Policy::Failover | Policy::Multivalue => {}
            }
            let targets = members.iter().map(|&m| route.members[m].target).chain(route.last_resort);
            waiting.extend(targets.filter_map(|t| if let Target::Route(id) = t { Some(id) } else { None }));
        }
        region.matches.sort();
        region
    }
}
