//! The sorted list of (network, place) that all databases together make.
//!
//! Keys are the leading 24 bits of an IPv4 address and the leading 56 of an IPv6 address: databases are read per
//! /24 and /56, at the network address (E2). Invariants: starts ascend strictly from 0, neighbours differ in place,
//! so a list covers its whole family.

use std::net::IpAddr;

use super::hash::FastMap;
use crate::world::Place;

/// An index into the distinct places of one [`Places`]. 0 is "no place known".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PlaceId(pub u32);

/// Every network's place.
#[derive(Clone, Debug)]
pub struct Places {
    distinct: Vec<Place>,
    v4: Vec<(u32, PlaceId)>,
    v6: Vec<(u64, PlaceId)>,
}

impl Default for Places {
    fn default() -> Self {
        PlacesBuilder::default().finish()
    }
}

impl Places {
    /// What an id stands for.
    pub fn place(&self, id: PlaceId) -> &Place {
        &self.distinct[id.0 as usize]
    }

    /// How many distinct places there are; ids are below this.
    pub fn distinct(&self) -> usize {
        self.distinct.len()
    }

    /// All ids, in ascending order.
    pub fn ids(&self) -> impl Iterator<Item = PlaceId> + use<> {
        (0..self.distinct.len() as u32).map(PlaceId)
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.distinct) + size_of_val(&*self.v4) + size_of_val(&*self.v6)
    }

    /// (first /24 number, place) in ascending order.
    pub fn v4(&self) -> &[(u32, PlaceId)] {
        &self.v4
    }

    /// (first /56 number, place) in ascending order.
    pub fn v6(&self) -> &[(u64, PlaceId)] {
        &self.v6
    }

    /// The place of the /24 or /56 around an address.
    pub fn lookup(&self, address: IpAddr) -> PlaceId {
        fn find<K: Ord + Copy>(runs: &[(K, PlaceId)], key: K) -> PlaceId {
            let after = runs.partition_point(|&(start, _)| start <= key);
            after.checked_sub(1).map_or(PlaceId::default(), |i| runs[i].1)
        }
        match address {
            IpAddr::V4(v4) => find(&self.v4, v4.to_bits() >> 8),
            IpAddr::V6(v6) => find(&self.v6, (v6.to_bits() >> 72) as u64),
        }
    }
}

/// Takes runs in ascending order and makes a [`Places`].
#[derive(Debug)]
pub struct PlacesBuilder {
    distinct: Vec<Place>,
    ids: FastMap<PlaceKey, PlaceId>,
    v4: Vec<(u32, PlaceId)>,
    v6: Vec<(u64, PlaceId)>,
}

type PlaceKey = (
    Option<crate::world::Continent>,
    Option<crate::world::CountryCode>,
    Option<crate::world::SubdivisionCode>,
    Option<(u64, u64)>,
    Option<u32>,
);

impl Default for PlacesBuilder {
    fn default() -> Self {
        let mut builder = Self { distinct: Vec::new(), ids: FastMap::default(), v4: Vec::new(), v6: Vec::new() };
        let unknown = builder.intern(&Place::default());
        builder.v4.push((0, unknown));
        builder.v6.push((0, unknown));
        builder
    }
}

impl PlacesBuilder {
    /// The id of a place, made where it is new.
    pub fn intern(&mut self, place: &Place) -> PlaceId {
        let key = (place.continent, place.country, place.subdivision, place.at.map(|at| at.bits()), place.asn);
        let next = PlaceId(self.distinct.len() as u32);
        let id = *self.ids.entry(key).or_insert(next);
        if id == next {
            self.distinct.push(*place);
        }
        id
    }

    /// From this /24 number on, up to the next run, the place is `id`. Starts must not go back.
    pub fn push_v4(&mut self, start: u32, id: PlaceId) {
        push(&mut self.v4, start, id);
    }

    /// From this /56 number on, up to the next run, the place is `id`. Starts must not go back.
    pub fn push_v6(&mut self, start: u64, id: PlaceId) {
        push(&mut self.v6, start, id);
    }

    /// Room for so many runs of either family, where their number is known before.
    pub fn reserve(&mut self, v4: usize, v6: usize) {
        self.v4.reserve(v4);
        self.v6.reserve(v6);
    }

    /// The list with the runs of another one, whose ids mean the same networks here.
    pub(super) fn finish_with_runs_of(mut self, places: Places) -> Places {
        self.distinct.shrink_to_fit();
        Places { distinct: self.distinct, ..places }
    }

    /// The finished list.
    pub fn finish(mut self) -> Places {
        // The list stays for days: what growing left over is worth a copy.
        self.distinct.shrink_to_fit();
        self.v4.shrink_to_fit();
        self.v6.shrink_to_fit();
        Places { distinct: self.distinct, v4: self.v4, v6: self.v6 }
    }
}

fn push<K: Ord + Copy>(runs: &mut Vec<(K, PlaceId)>, start: K, id: PlaceId) {
    debug_assert!(runs.last().is_none_or(|&(last, _)| last <= start), "runs go up");
    if runs.last().is_some_and(|&(last, _)| last == start) {
        runs.pop();
    }
    if runs.last().is_none_or(|&(_, last)| last != id) {
        runs.push((start, id));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn asn(number: u32) -> Place {
        Place { asn: Some(number).filter(|&n| n > 0), ..Place::default() }
    }

    #[test]
    fn an_empty_list_knows_no_place_anywhere() {
        let places = Places::default();
        assert_eq!(places.distinct(), 1);
        for address in [IpAddr::V4(Ipv4Addr::BROADCAST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            assert!(places.place(places.lookup(address)).is_unknown());
        }
    }

    #[test]
    fn a_later_run_from_the_same_start_replaces_the_earlier_one() {
        let mut builder = PlacesBuilder::default();
        let (one, two) = (builder.intern(&asn(1)), builder.intern(&asn(2)));
        builder.push_v4(0, one);
        builder.push_v4(5, two);
        builder.push_v4(5, one);
        assert_eq!(builder.finish().v4(), [(0, one)]);
    }

    proptest! {
        #[test]
        fn a_look_up_finds_the_last_run_that_begins_no_later(
            runs in proptest::collection::btree_map(0..1_u32 << 24, 0..4_u32, 0..40),
            near in any::<prop::sample::Index>(),
            offset in -600_i64..600,
        ) {
            let mut builder = PlacesBuilder::default();
            for (&start, &number) in &runs {
                let id = builder.intern(&asn(number));
                builder.push_v4(start, id);
                builder.push_v6(u64::from(start) << 32, id);
            }
            let places = builder.finish();
            prop_assert!(places.v4().is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1));
            let starts: Vec<u32> = runs.keys().copied().chain([0]).collect();
            let bits = (i64::from(starts[near.index(starts.len())]) << 8) + offset;
            let v4 = bits.clamp(0, i64::from(u32::MAX)) as u32;
            let expected = runs.range(..=v4 >> 8).next_back().map_or(0, |(_, &number)| number);
            prop_assert_eq!(*places.place(places.lookup(Ipv4Addr::from_bits(v4).into())), asn(expected));
            let v6 = Ipv6Addr::from_bits(u128::from(v4) << 96);
            prop_assert_eq!(*places.place(places.lookup(v6.into())), asn(expected));
        }
    }
}
