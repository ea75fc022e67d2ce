//! The classifier beside the statements said plainly: every rule tried, every distance computed in whole metres.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cmp::Reverse;
use std::collections::HashSet;

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::world::{Continent, CountryCode, Place as WorldPlace, SubdivisionCode};

/// GL1, IP1: how specific a location is.
fn specificity(location: &Location) -> u16 {
    match location {
        Location::Default => 0,
        Location::Continent(_) => 1,
        Location::Country(_) => 2,
        Location::Subdivision(_) => 3,
        Location::Asn(_) => 4,
        Location::Net(net) => 5 + u16::from(net.prefix_len()),
    }
}

fn holds(location: &Location, facts: &Facts<'_>) -> bool {
    match *location {
        Location::Default => true,
        Location::Continent(continent) => facts.place.continent == Some(continent),
        Location::Country(country) => facts.place.country == Some(country),
        Location::Subdivision(subdivision) => facts.place.subdivision == Some(subdivision),
        Location::Asn(asn) => facts.place.asn == Some(asn),
        Location::Net(net) => facts.nets.contains(&net),
    }
}

fn plain_chain(rules: &[(Location, u16)], fence: bool, facts: &Facts<'_>) -> Vec<u16> {
    let found = rules.iter().filter(|(location, _)| holds(location, facts));
    let mut found: Vec<(Reverse<u16>, u16)> =
        found.map(|(location, member)| (Reverse(specificity(location)), *member)).collect();
    found.sort();
    let mut once = HashSet::new();
    let chain: Vec<u16> = found.into_iter().map(|(_, member)| member).filter(|&member| once.insert(member)).collect();
    if fence { chain.into_iter().take(1).collect() } else { chain }
}

/// All members, the best first (L1, G8), with what they were judged by.
fn plain_order(sites: &[Site], by_latency: bool, facts: &Facts<'_>) -> Vec<(u64, u16)> {
    let measure = |site: &Site| {
        let metres = || site.at().and_then(|at| facts.distance(at));
        if by_latency {
            let measured = site.region.as_deref().and_then(|region| facts.measured(region)).map(|(tenths, _)| tenths);
            measured.or_else(|| metres().map(estimated_latency)).map(u64::from)
        } else {
            metres().map(|metres| biased_distance(metres, site.bias))
        }
    };
    let mut order: Vec<(u64, u16)> =
        sites.iter().enumerate().map(|(at, site)| (measure(site).unwrap_or(u64::MAX), at as u16)).collect();
    order.sort_unstable();
    order
}

fn plain_region(question: &Question, node: usize, facts: &Facts<'_>, key: &mut Vec<u16>, seen: &mut HashSet<usize>) {
    if !seen.insert(node) {
        return;
    }
    let list = |key: &mut Vec<u16>, members: &[u16]| {
        key.push(members.len() as u16);
        key.extend(members);
    };
    let below: Vec<usize> = match &question.nodes[node] {
        Ask::All { children, .. } => children.clone(),
        Ask::Chain { rules, children, last_resort, fence } => {
            let chain = plain_chain(rules, *fence, facts);
            list(key, &chain);
            chain.iter().filter_map(|&member| children[usize::from(member)]).chain(*last_resort).collect()
        }
        Ask::Order { sites, children, by_latency, tolerance, depth } => {
            let order = plain_order(sites, *by_latency, facts);
            let ranks = order.len().min(*depth);
            key.extend(order[..ranks].iter().map(|&(_, member)| member));
            for rank in 0..if *tolerance > 0 { ranks } else { 0 } {
                let (best, first) = order[rank];
                let near = |&&(measure, member): &&(u64, u16)| {
                    member == first || measure != u64::MAX && measure <= best.saturating_add((*tolerance).into())
                };
                let mut group: Vec<u16> = order[rank..].iter().filter(near).map(|&(_, member)| member).collect();
                group.sort_unstable();
                list(key, &group);
            }
            children.clone()
        }
    };
    below.into_iter().for_each(|child| plain_region(question, child, facts, key, seen));
}

fn code(number: u8) -> CountryCode {
    CountryCode::new(["DE", "FR", "US"][usize::from(number % 3)]).unwrap()
}

fn subdivision(number: u8) -> SubdivisionCode {
    SubdivisionCode::new(["DE-HE", "DE-BE", "US-CA"][usize::from(number % 3)]).unwrap()
}

fn net(number: u8) -> IpNet {
    ["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "11.0.0.0/8"][usize::from(number % 4)].parse().unwrap()
}

fn locations() -> impl Strategy<Value = Location> {
    prop_oneof![
        Just(Location::Default),
        prop_oneof![Just(Continent::Europe), Just(Continent::Asia)].prop_map(Location::Continent),
        any::<u8>().prop_map(|n| Location::Country(code(n))),
        any::<u8>().prop_map(|n| Location::Subdivision(subdivision(n))),
        (1..4_u32).prop_map(Location::Asn),
        any::<u8>().prop_map(|n| Location::Net(net(n))),
    ]
}

/// Points that lie apart, together, a few metres from each other, and at the same distance from others.
fn points() -> impl Strategy<Value = LatLon> {
    let spread = (-8..=8_i32, -16..=16_i32).prop_map(|(lat, lon)| (f64::from(lat) * 10.0, f64::from(lon) * 11.25));
    (spread, -3..=3_i32, -3..=3_i32, prop_oneof![Just(0.0), Just(3e-6), Just(1e-5), Just(1e-3), Just(0.06), Just(0.9)])
        .prop_map(|((lat, lon), north, east, step)| LatLon {
            lat: lat + f64::from(north) * step,
            lon: (lon + f64::from(east) * step).clamp(-180.0, 180.0),
        })
}

fn sites() -> impl Strategy<Value = Vec<Site>> {
    let bias = prop_oneof![3 => Just(0_i8), 1 => -99..=99_i8];
    let site = (proptest::option::weighted(0.9, points()), proptest::option::of(0..4_u8), bias);
    (proptest::collection::vec(site, 1..12), any::<bool>()).prop_map(|(sites, biased)| {
        let site = |(at, region, bias): (Option<LatLon>, Option<u8>, i8)| Site {
            at: at.map(LatLon::bits),
            region: region.map(|label| label.to_string()),
            bias: if biased { bias } else { 0 },
        };
        sites.into_iter().map(site).collect()
    })
}

/// A node whose children, by these numbers, are among the nodes after it.
fn node(at: usize, count: usize, kind: Kind, picks: &[u8]) -> Ask {
    let after = count - at - 1;
    let pick = |n: usize| (after > 0).then(|| at + 1 + usize::from(picks[n % picks.len()]) % after);
    match kind {
        Kind::All => Ask::All { children: (0..2).filter_map(pick).collect(), sticky: false },
        Kind::Chain(rules, fence) => {
            let members = rules.iter().map(|&(_, member)| usize::from(member) + 1).max().unwrap_or(0);
            let children = (0..members).map(|member| pick(member).filter(|_| member % 2 == 0)).collect();
            Ask::Chain { rules, children, last_resort: pick(members).filter(|_| picks[0].is_multiple_of(2)), fence }
        }
        Kind::Order(sites, by_latency, tolerance, depth) => {
            // Only latency has a tolerance, in a model; what it would mean for distances is as plain.
            Ask::Order { sites, children: (0..2).filter_map(pick).collect(), by_latency, tolerance, depth }
        }
    }
}

#[derive(Clone, Debug)]
enum Kind {
    All,
    Chain(Vec<(Location, u16)>, bool),
    Order(Vec<Site>, bool, u32, usize),
}

fn questions() -> impl Strategy<Value = Question> {
    let chain = (proptest::collection::vec((locations(), 0..6_u16), 0..12), any::<bool>());
    let order = (sites(), any::<bool>(), prop_oneof![Just(0_u32), 1..600_u32], 1..6_usize);
    let kind = prop_oneof![
        1 => Just(Kind::All),
        3 => chain.prop_map(|(mut rules, fence)| {
            // As they are in a model: by member.
            rules.sort_by_key(|&(_, member)| member);
            Kind::Chain(rules, fence)
        }),
        4 => order.prop_map(|(sites, latency, tolerance, depth)| Kind::Order(sites, latency, tolerance, depth)),
    ];
    (proptest::collection::vec(kind, 1..5), proptest::collection::vec(any::<u8>(), 4)).prop_map(|(kinds, picks)| {
        let count = kinds.len();
        Question { nodes: kinds.into_iter().enumerate().map(|(at, kind)| node(at, count, kind, &picks)).collect() }
    })
}

fn clients() -> impl Strategy<Value = (WorldPlace, Vec<IpNet>)> {
    let place = (
        proptest::option::of(prop_oneof![Just(Continent::Europe), Just(Continent::Asia)]),
        proptest::option::of(any::<u8>()),
        proptest::option::of(any::<u8>()),
        proptest::option::weighted(0.9, points()),
        proptest::option::of(1..4_u32),
    );
    (place, 0..4_usize).prop_map(|((continent, country, part, at, asn), nets)| {
        let place = WorldPlace { continent, country: country.map(code), subdivision: part.map(subdivision), at, asn };
        (place, (0..nets as u8).rev().map(net).collect())
    })
}

fn contexts() -> impl Strategy<Value = Context> {
    let rows = proptest::collection::vec((locations(), 0..4_u8, prop_oneof![Just(50_u32), 50..3000_u32]), 0..12);
    (rows, any::<bool>()).prop_map(|(rows, unknown)| Context {
        unknown: unknown.then(|| WorldPlace { country: Some(code(0)), ..WorldPlace::default() }),
        latencies: rows
            .into_iter()
            .filter(|(client, ..)| *client != Location::Default)
            .map(|(client, label, tenths)| ((client, label.to_string()), tenths))
            .collect(),
        ..Context::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn g8_regions_are_what_trying_every_rule_and_measuring_every_distance_gives(
        question in questions(), context in contexts(), clients in proptest::collection::vec(clients(), 1..12),
    ) {
        let mut classifier = Classifier::new(&question, &context);
        for (place, nets) in clients {
            let facts = Facts::new(&context, &place, nets);
            let (mut plain, mut key) = (Vec::new(), Vec::new());
            plain_region(&question, 0, &facts, &mut plain, &mut HashSet::new());
            classifier.region(&facts, &mut key);
            prop_assert_eq!(&key, &plain, "{:?}", facts.place);
            // And what is written can be read.
            question.matches(&key);
        }
    }
}
