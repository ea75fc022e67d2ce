//! Client to region: for one question, every network's region and the scope of saying so (E2).
//!
//! The decision function takes (address, length). An ECS prefix is cut to /24 or /56; listed networks longer than it
//! do not match; the databases are read at the network address. Comes in: the places, the listed networks, and a
//! closure that turns (place, innermost listed network) into a region. Goes out: per /24 and /56 a [`Leaf`], whose
//! depth is the shortest prefix around it in which the function is constant over every address and every length.
//!
//! Two tables hold the leaves. Prefixes shorter than /24 or /56 whose decision differs from that of their first /24
//! or /56 stand in a list of exceptions; senders' own addresses under longer listed networks in a list of long ranges.
//! Only short client subnets and senders of maps with such rules ask these.

use std::net::{IpAddr, Ipv4Addr};

use super::hash::FastMap;
use super::listed::{Listed, NetId};
use super::places::{PlaceId, Places};
use super::runs::{Family, LongRange, Regions, V4_BITS, V6_BITS, overwrite};
use super::table::{V4Table, V6Table};

/// An index into the regions of one map.
pub type Region = u16;

/// A reserved network in ECS that nothing names: the sender decides (E5).
pub const IGNORED: Region = Region::MAX;
/// 2002::/16 where the IPv4 address inside decides (E7).
pub const SIX_TO_FOUR: Region = Region::MAX - 1;
/// Regions of one map at most.
pub const MAX_REGIONS: usize = SIX_TO_FOUR as usize;

/// Loopback, private, link-local and documentation networks (E5), as (first /24, bits).
const RESERVED_V4: &[(u32, u8)] = &[
    (0x000a_0000, 8),
    (0x007f_0000, 8),
    (0x00a9_fe00, 16),
    (0x00ac_1000, 12),
    (0x00c0_0002, 24),
    (0x00c0_a800, 16),
    (0x00c6_3364, 24),
    (0x00cb_0071, 24),
];
/// The same, as (first /56, bits). `::/56` holds the loopback address.
const RESERVED_V6: &[(u64, u8)] = &[(0, 56), (0x2001_0db8 << 24, 32), (0xfc << 48, 7), (0xfe80 << 40, 10)];
/// 2002::/16.
const SIX_TO_FOUR_BLOCK: (u64, u8) = (0x2002 << 40, 16);

/// What a client's network comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The region, [`IGNORED`] or [`SIX_TO_FOUR`].
    pub region: Region,
    /// The scope: 0 to 24, or 0 to 56.
    pub depth: u8,
}

/// One question's map.
#[derive(Debug)]
pub struct Map {
    v4: V4Table,
    v6: V6Table,
    /// The region of a place that nobody knows and no list names.
    fallback: Region,
    /// Whether every client subnet gets one region; senders may still differ by longer networks.
    pub uniform: bool,
    /// By [`exception_key`].
    exceptions: FastMap<u64, Region>,
    long: Vec<LongRange>,
}

impl Map {
    /// Asks `classify` once for each distinct (place, innermost listed network), in an order that depends on `places`
    /// and `listed` alone.
    pub fn build(places: &Places, listed: &Listed, classify: impl FnMut(PlaceId, Option<NetId>) -> Region) -> Self {
        let mut regions = Regions::new(places, classify);
        let fallback = regions.of(PlaceId::default(), None);

        let reserved = RESERVED_V4.iter().map(|&(start, bits)| (start.into(), bits)).collect();
        let v4 = Family { bits: V4_BITS, v6: false, listed, reserved };
        let v4_runs = v4.runs(places.v4(), &mut regions);
        let odd_v4 = v4.exceptions(&v4_runs, places, &mut regions);
        let v4_runs = v4.split(v4_runs, &odd_v4);

        let v6 = Family { bits: V6_BITS, v6: true, listed, reserved: RESERVED_V6.to_vec() };
        let mut v6_runs = v6.runs(places.v6(), &mut regions);
        let odd_v6 = v6.exceptions(&v6_runs, places, &mut regions);
        let inside = match *v4_runs.as_slice() {
            [(_, only)] => only,
            _ => SIX_TO_FOUR,
        };
        overwrite(&mut v6_runs, SIX_TO_FOUR_BLOCK, inside);
        let v6_runs = v6.split(v6_runs, &odd_v6);

        let exceptions: FastMap<u64, Region> = odd_v4
            .into_iter()
            .map(|((key, len), region)| (exception_key(key, len, false), region))
            .chain(odd_v6.into_iter().map(|((key, len), region)| (exception_key(key, len, true), region)))
            .collect();
        let told = v4_runs.iter().chain(&v6_runs).map(|&(_, region)| region).chain(exceptions.values().copied());
        let mut told = told.filter(|&region| region != IGNORED && region != SIX_TO_FOUR);
        let uniform = told.next().is_none_or(|first| told.all(|region| region == first));
        let mut long = Vec::new();
        for family in [&v4, &v6] {
            family.long_ranges(&mut long, places, &mut regions);
        }
        Self { v4: V4Table::new(&v4_runs), v6: V6Table::new(&v6_runs), fallback, uniform, exceptions, long }
    }

    /// The decision for an ECS prefix (E2, E8). `address` is not 6to4, or the map answers [`SIX_TO_FOUR`].
    #[inline]
    pub fn client(&self, address: IpAddr, source: u8) -> Leaf {
        match address {
            IpAddr::V4(v4) => self.client_v4(v4, source),
            IpAddr::V6(v6) => {
                let len = source.min(V6_BITS);
                let key = (v6.to_bits() >> 72) as u64 & !low_bits(V6_BITS - len);
                let leaf = self.v6.find(key);
                if len == V6_BITS { leaf } else { self.shorter(leaf, key, len, true) }
            }
        }
    }

    /// The leaf of a prefix shorter than /24 or /56, given that of its first one.
    #[inline(never)]
    fn shorter(&self, leaf: Leaf, key: u64, len: u8, v6: bool) -> Leaf {
        let region = self.exceptions.get(&exception_key(key, len, v6)).copied().unwrap_or(leaf.region);
        Leaf { region, ..leaf }
    }

    /// The first half of [`Self::client_v4`] for a whole /24: reads where its leaf is.
    #[inline]
    pub fn place_v4(&self, address: Ipv4Addr) -> usize {
        self.v4.word(address.to_bits() >> 8)
    }

    /// The second half: the leaf at that place.
    #[inline]
    pub fn leaf_v4(&self, place: usize) -> Leaf {
        self.v4.leaf(place)
    }

    /// As [`Self::client`], for IPv4.
    #[inline]
    pub fn client_v4(&self, address: Ipv4Addr, source: u8) -> Leaf {
        let len = source.min(V4_BITS);
        let key = address.to_bits() >> 8 & !(low_bits(V4_BITS - len) as u32);
        let leaf = self.v4.find(key);
        if len == V4_BITS { leaf } else { self.shorter(leaf, key.into(), len, false) }
    }

    /// The decision for a sender's own address, which counts in full against listed networks (E2).
    pub fn sender(&self, address: IpAddr) -> Region {
        if !self.long.is_empty() {
            let after = self.long.partition_point(|range| range.first <= address);
            if let Some(range) = after.checked_sub(1).map(|i| &self.long[i]).filter(|range| range.last >= address) {
                return range.region;
            }
        }
        match self.client(address, 128).region {
            IGNORED | SIX_TO_FOUR => self.fallback,
            region => region,
        }
    }

    /// Octets that the tables take.
    pub fn size(&self) -> usize {
        self.v4.size() + self.v6.size() + self.exceptions.len() * size_of::<(u64, Region)>() + size_of_val(&*self.long)
    }
}

fn low_bits(count: u8) -> u64 {
    (1u64 << count) - 1
}

/// A prefix in one number: its first key of at most 56 bits, its length of at most 55, its family.
fn exception_key(key: u64, len: u8, v6: bool) -> u64 {
    (key << 7) | u64::from(len) << 1 | u64::from(v6)
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
