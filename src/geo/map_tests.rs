//! The map against trying every prefix.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::geo::places::PlacesBuilder;
use crate::world::Place;

/// Everything varies in the leading bits only, so that all prefixes can be tried.
const TRIED: u8 = 9;

#[derive(Debug, Clone)]
struct World {
    places: Vec<(u16, u32)>,
    nets: Vec<(u16, u8)>,
    /// By (place's number, length of the innermost network or 0).
    answers: Vec<u16>,
}

fn worlds() -> impl Strategy<Value = World> {
    let at = 0u16..1 << TRIED;
    (
        proptest::collection::vec((at.clone(), 0u32..4), 0..12),
        proptest::collection::vec((at, 1u8..=TRIED), 0..5),
        proptest::collection::vec(0u16..3, 64),
    )
        .prop_map(|(places, nets, answers)| World { places, nets, answers })
}

fn address(v6: bool, lead: u16) -> IpAddr {
    if v6 {
        Ipv6Addr::from(u128::from(lead) << (128 - TRIED)).into()
    } else {
        Ipv4Addr::from(u32::from(lead) << (32 - TRIED)).into()
    }
}

impl World {
    fn places(&self, v6: bool) -> Places {
        let mut sorted = self.places.clone();
        sorted.sort_unstable();
        let mut builder = PlacesBuilder::default();
        for (lead, number) in sorted {
            let asn = (number > 0).then_some(number);
            let id = builder.intern(&Place { asn, ..Place::default() });
            if v6 {
                builder.push_v6(u64::from(lead) << (56 - TRIED), id);
            } else {
                builder.push_v4(u32::from(lead) << (24 - TRIED), id);
            }
        }
        builder.finish()
    }

    fn listed(&self, v6: bool) -> Listed {
        Listed::new(self.nets.iter().map(|&(lead, len)| IpNet::new(address(v6, lead), len).unwrap()))
    }

    fn region(&self, place: &Place, net: Option<u8>) -> Region {
        self.answers[(place.asn.unwrap_or(0) * 10 + u32::from(net.unwrap_or(0))) as usize % self.answers.len()]
    }

    /// E2 by the letter.
    fn decide(&self, v6: bool, places: &Places, address: IpAddr, len: u8) -> Region {
        let net = self.listed(v6).innermost(address, len).map(|id| self.listed(v6).net(id).prefix_len());
        let id = places.lookup(address);
        let bits = if v6 { V6_BITS } else { V4_BITS };
        let reserved: Vec<(u64, u8)> =
            if v6 { RESERVED_V6.to_vec() } else { RESERVED_V4.iter().map(|&(at, len)| (at.into(), len)).collect() };
        let reserved = reserved.into_iter().any(|(at, length)| {
            let first = if v6 {
                Ipv6Addr::from(u128::from(at) << 72).into()
            } else {
                IpAddr::V4(Ipv4Addr::from((at as u32) << 8))
            };
            length <= len.min(bits) && IpNet::new(first, length).unwrap().contains(&address)
        });
        if net.is_none() && id == PlaceId::default() && reserved {
            return IGNORED;
        }
        self.region(places.place(id), net)
    }
}

fn build(world: &World, v6: bool) -> (Map, Places) {
    let (places, listed) = (world.places(v6), world.listed(v6));
    let map = Map::build(&places, &listed, |place, net| {
        world.region(places.place(place), net.map(|id| listed.net(id).prefix_len()))
    });
    (map, places)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn e2_decision_and_scope_are_what_trying_every_prefix_finds(world in worlds(), v6: bool) {
        let (map, places) = build(&world, v6);
        let bits = if v6 { V6_BITS } else { V4_BITS };
        // Reserved networks that nothing names, and 2002::/16, are regions of their own within what is tried.
        let plain = |lead: u16| {
            let start = u64::from(lead) << (bits - TRIED);
            let end = start + (1 << (bits - TRIED));
            let here = address(v6, lead);
            let named = world.listed(v6).innermost(here, TRIED).is_some() || places.lookup(here) != PlaceId::default();
            let touches = |&(at, len): &(u64, u8)| at < end && at + (1 << (bits - len)) > start;
            let reserved: Vec<(u64, u8)> =
                if v6 { RESERVED_V6.to_vec() } else { RESERVED_V4.iter().map(|&(at, len)| (at.into(), len)).collect() };
            (named || !reserved.iter().any(touches)) && !(v6 && touches(&SIX_TO_FOUR_BLOCK))
        };
        // constant[len][lead]: the function is the same over all prefixes within.
        let mut constant = vec![vec![false; 1 << TRIED]; usize::from(TRIED) + 1];
        constant[usize::from(TRIED)] = (0..1 << TRIED).map(plain).collect();
        let decide = |lead, len| world.decide(v6, &places, address(v6, lead), len);
        for len in (0..TRIED).rev() {
            let step = 1u16 << (TRIED - len);
            for lead in (0..1 << TRIED).step_by(step.into()) {
                let (left, right) = (lead, lead + step / 2);
                let next = usize::from(len) + 1;
                constant[usize::from(len)][usize::from(lead)] = constant[next][usize::from(left)] && constant[next][usize::from(right)]
                    && decide(lead, len) == decide(left, len + 1) && decide(left, len + 1) == decide(right, len + 1);
            }
        }
        for lead in 0..1u16 << TRIED {
            if !plain(lead) { continue; }
            for len in [bits, TRIED, 6, 3, 1, 0] {
                let network = if len < TRIED { lead & !((1 << (TRIED - len)) - 1) } else { lead };
                if !plain(network) { continue; }
                let leaf = map.client(address(v6, lead), len);
                prop_assert_eq!(leaf.region, decide(network, len.min(TRIED)), "region of {}/{}", address(v6, lead), len);
                let scope = (0..=TRIED).find(|&l| {
                    constant[usize::from(l)][usize::from(network & !(((1u32 << (TRIED - l)) - 1) as u16))]
                }).unwrap();
                prop_assert_eq!(leaf.depth, scope, "scope of {}/{}", address(v6, lead), len);
            }
        }
    }
}

#[test]
fn e5_reserved_networks_are_ignored_unless_named() {
    let places = Places::default();
    let listed = Listed::new(["10.1.0.0/16".parse().unwrap()]);
    let map = Map::build(&places, &listed, |_, net| net.is_some().into());
    let region = |text: &str| map.client(text.parse().unwrap(), 24).region;
    assert_eq!(region("10.1.2.0"), 1);
    for text in ["10.2.0.0", "127.0.0.0", "192.168.1.0", "169.254.0.0", "172.31.0.0", "203.0.113.0", "198.51.100.0"] {
        assert_eq!(region(text), IGNORED, "{text}");
    }
    assert_eq!(region("172.32.0.0"), 0);
    assert_eq!(map.sender("10.2.0.1".parse().unwrap()), 0);
    assert_eq!(map.client("fc01::".parse().unwrap(), 56).region, IGNORED);
    assert_eq!(map.client("::1".parse().unwrap(), 128).region, IGNORED);
}

#[test]
fn e2_a_senders_own_address_counts_in_full() {
    let places = Places::default();
    let listed = Listed::new([
        "192.0.9.0/28".parse().unwrap(),
        "192.0.9.4/30".parse().unwrap(),
        "2001:db9::/64".parse().unwrap(),
    ]);
    let map = Map::build(&places, &listed, |_, net| net.map_or(0, |id| listed.net(id).prefix_len().into()));
    let sender = |text: &str| map.sender(text.parse().unwrap());
    assert_eq!(
        [sender("192.0.9.3"), sender("192.0.9.4"), sender("192.0.9.7"), sender("192.0.9.8"), sender("192.0.9.16")],
        [28, 30, 30, 28, 0]
    );
    assert_eq!([sender("2001:db9::5"), sender("2001:db9:0:1::5")], [64, 0]);
    assert_eq!(map.client("192.0.9.0".parse().unwrap(), 32).region, 0);
}

#[test]
fn e7_six_to_four_stands_apart_when_ipv4_has_more_than_one_region() {
    let mut builder = PlacesBuilder::default();
    let id = builder.intern(&Place { asn: Some(1), ..Place::default() });
    builder.push_v4(0x01_00_00, id);
    let places = builder.finish();
    let map = Map::build(&places, &Listed::default(), |place, _| place.0 as Region);
    assert_eq!(map.client("2002:101::".parse().unwrap(), 48), Leaf { region: SIX_TO_FOUR, depth: 16 });
    assert_eq!(map.client("2003::".parse().unwrap(), 48).depth, 16);
    let flat = Map::build(&Places::default(), &Listed::new([]), |_, _| 0);
    assert_eq!(flat.client("2002:101::".parse().unwrap(), 48).region, SIX_TO_FOUR, "reserved IPv4 is ignored");
}
