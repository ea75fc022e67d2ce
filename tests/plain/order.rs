//! What a client's place and network make of a node's members: chains and orders.

use rhumb::config::model::{Location, Member, Model, Policy, Route, Target};
use rhumb::world::{LatLon, Place};

use super::Facts;
use super::client::Client;

/// Great circle on a sphere of 6371.0088 km, in whole metres.
pub fn metres(a: LatLon, b: LatLon) -> u64 {
    let half = |x: f64, y: f64| ((y.to_radians() - x.to_radians()) / 2.0).sin().powi(2);
    let across = a.lat.to_radians().cos() * b.lat.to_radians().cos();
    let h = half(a.lat, b.lat) + across * half(a.lon, b.lon);
    (2.0 * 6_371_008.8 * h.min(1.0).sqrt().asin()).round() as u64
}

/// How specific a location is; higher wins. `None` when it does not match this client.
fn specificity(location: Location, client: Client, place: &Place) -> Option<u32> {
    let matches = match location {
        Location::Default => true,
        Location::Continent(c) => place.continent == Some(c),
        Location::Country(c) => place.country == Some(c),
        Location::Subdivision(s) => place.subdivision == Some(s),
        Location::Asn(asn) => place.asn == Some(asn),
        Location::Net(net) => client.matches(net),
    };
    matches.then(|| match location {
        Location::Default => 0,
        Location::Continent(_) => 1,
        Location::Country(_) => 2,
        Location::Subdivision(_) => 3,
        Location::Asn(_) => 4,
        Location::Net(net) => 5 + u32::from(net.prefix_len()),
    })
}

/// GL1, IP1: the members that match, most specific first, each once.
pub fn chain(route: &Route, client: Client, place: &Place) -> Vec<usize> {
    let mut matched: Vec<(u32, usize)> = Vec::new();
    for (index, member) in route.members.iter().enumerate() {
        let best = member.locations.iter().filter_map(|&l| specificity(l, client, place)).max();
        matched.extend(best.map(|rank| (rank, index)));
    }
    matched.sort_by_key(|&(rank, index)| (std::cmp::Reverse(rank), index));
    matched.into_iter().map(|(_, index)| index).collect()
}

fn endpoint_of<'m>(model: &'m Model, member: &Member) -> Option<&'m rhumb::config::model::Endpoint> {
    match member.target {
        Target::Endpoint(id) => Some(model.endpoint(id)),
        Target::Route(_) => None,
    }
}

fn at(model: &Model, member: &Member) -> Option<LatLon> {
    member.at.or_else(|| endpoint_of(model, member)?.at)
}

/// L2, in tenths of a millisecond.
fn latency(facts: &Facts<'_>, member: &Member, client: Client, place: &Place) -> Option<u64> {
    let model = facts.model;
    let label = member.region.as_ref().or_else(|| endpoint_of(model, member)?.region.as_ref());
    let row = model
        .latencies
        .iter()
        .filter(|row| Some(&row.region) == label)
        .filter_map(|row| Some((specificity(row.client, client, place)?, row.tenths)))
        .max_by_key(|&(rank, _)| rank);
    if let Some((_, tenths)) = row {
        return Some(u64::from(tenths));
    }
    Some(50 + metres(place.at?, at(model, member)?) / 6600)
}

/// In millimetres, which hold a hundredth part of a metre exactly enough.
fn biased(metres: u64, bias: i8) -> u64 {
    let millimetres = metres * 1000;
    let size = u64::from(bias.unsigned_abs());
    if bias >= 0 { millimetres * (100 - size) / 100 } else { millimetres * 100 / (100 - size) }
}

/// The members of a latency or geoproximity node in this client's order, with the group at each rank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ranked {
    pub order: Vec<usize>,
    /// L3: as many as the depth reaches, sorted by list position.
    pub groups: Vec<Vec<usize>>,
}

pub fn ranked(facts: &Facts<'_>, route: &Route, client: Client, place: &Place) -> Ranked {
    let model = facts.model;
    let value = |member: &Member| match route.policy {
        Policy::Latency => latency(facts, member, client, place),
        _ => Some(biased(metres(place.at?, at(model, member)?), member.bias)),
    };
    let values: Vec<Option<u64>> = route.members.iter().map(value).collect();
    let mut by_client: Vec<usize> = (0..values.len()).collect();
    by_client.sort_by_key(|&i| (values[i].is_none(), values[i], i));
    let depth = model.server.depth.min(by_client.len());
    let groups = (0..depth)
        .map(|rank| {
            let here = by_client[rank];
            let mut group = match values[here] {
                Some(best) if route.policy == Policy::Latency && route.tolerance > 0 => by_client[rank..]
                    .iter()
                    .copied()
                    .filter(|&i| values[i].is_some_and(|v| v <= best + u64::from(route.tolerance)))
                    .collect(),
                _ => vec![here],
            };
            group.sort_unstable();
            group
        })
        .collect();
    let (head, tail) = by_client.split_at(depth);
    let mut tail = tail.to_vec();
    let from = head.first().and_then(|&first| at(model, &route.members[first]));
    tail.sort_by_key(|&i| {
        let member = &route.members[i];
        let distance = from.zip(at(model, member)).map(|(a, b)| match route.policy {
            Policy::Latency => metres(a, b),
            _ => biased(metres(a, b), member.bias),
        });
        (distance.is_none(), distance, i)
    });
    Ranked { order: [head, &tail].concat(), groups }
}
