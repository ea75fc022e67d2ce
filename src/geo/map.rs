//! Client to region: for one question, every network's region and the scope of saying so (E2).
//!
//! The decision function takes (address, length). An ECS prefix is cut to /24 or /56; listed networks longer than it
//! do not match; the databases are read at the network address. Comes in: the places, the listed networks, and a
//! closure that turns (place, innermost listed network) into a region. Goes out: per /24 and /56 a [`Leaf`], whose
//! depth is the shortest prefix around it in which the function is constant over every address and every length.
//!
//! Layout: sorted lists of leaves behind an index by the leading 16 bits. Prefixes shorter
//! than /24 or /56 whose decision differs from that of their first /24 or /56 stand in a list of exceptions; senders'
//! own addresses under longer listed networks in a list of long ranges. Both are empty in most maps.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::listed::{Listed, NetId};
use super::places::{PlaceId, Places};

/// An index into the regions of one map.
pub type Region = u16;

/// A reserved network in ECS that nothing names: the sender decides (E5).
pub const IGNORED: Region = Region::MAX;
/// 2002::/16 where the IPv4 address inside decides (E7).
pub const SIX_TO_FOUR: Region = Region::MAX - 1;
/// Regions of one map at most.
pub const MAX_REGIONS: usize = SIX_TO_FOUR as usize;

/// The bits of an address that count: 24 or 56.
const V4_BITS: u8 = 24;
const V6_BITS: u8 = 56;

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
    exceptions: HashMap<(u64, u8, bool), Region>,
    long: Vec<LongRange>,
}

/// A range of a sender's own addresses, inclusive; ranges are disjoint and sorted, IPv4 before IPv6.
#[derive(Debug)]
struct LongRange {
    first: IpAddr,
    last: IpAddr,
    region: Region,
}

impl Map {
    /// Asks `classify` once for each distinct (place, innermost listed network).
    pub fn build(places: &Places, listed: &Listed, mut classify: impl FnMut(PlaceId, Option<NetId>) -> Region) -> Self {
        // Nearly every run lies in no listed network, and there are half a million of them.
        let mut unlisted: Vec<Option<Region>> = vec![None; places.distinct()];
        let mut within: HashMap<(PlaceId, NetId), Region> = HashMap::new();
        let mut region = |place: PlaceId, net: Option<NetId>| match net {
            None => *unlisted[place.0 as usize].get_or_insert_with(|| classify(place, None)),
            Some(id) => *within.entry((place, id)).or_insert_with(|| classify(place, net)),
        };
        let fallback = region(PlaceId::default(), None);
        let mut exceptions = HashMap::new();

        let v4_places = places.v4().iter().map(|&(start, place)| (u64::from(start), place));
        let v4 = Family {
            bits: V4_BITS,
            v6: false,
            listed,
            reserved: RESERVED_V4.iter().map(|&(s, b)| (s.into(), b)).collect(),
        };
        let v4_runs = v4.runs(v4_places, &mut region);
        let odd_v4 = v4.exceptions(&v4_runs, |start| places.lookup(v4.address(start)), &mut region);
        let v4_leaves = v4.leaves(&v4_runs, &odd_v4);

        let v6 = Family { bits: V6_BITS, v6: true, listed, reserved: RESERVED_V6.to_vec() };
        let mut v6_runs = v6.runs(places.v6().iter().copied(), &mut region);
        let odd_v6 = v6.exceptions(&v6_runs, |start| places.lookup(v6.address(start)), &mut region);
        let inside = match *v4_leaves.as_slice() {
            [(_, only)] => only.region,
            _ => SIX_TO_FOUR,
        };
        overwrite(&mut v6_runs, SIX_TO_FOUR_BLOCK, inside);
        merge(&mut v6_runs);
        let v6_leaves = v6.leaves(&v6_runs, &odd_v6);

        for (prefix, region) in odd_v4 {
            exceptions.insert((prefix.0, prefix.1, false), region);
        }
        for (prefix, region) in odd_v6 {
            exceptions.insert((prefix.0, prefix.1, true), region);
        }
        let told = v4_leaves.iter().chain(&v6_leaves).map(|&(_, leaf)| leaf.region).chain(exceptions.values().copied());
        let told: BTreeSet<Region> = told.filter(|&region| region != IGNORED && region != SIX_TO_FOUR).collect();
        let uniform = told.len() <= 1;
        let mut long = Vec::new();
        for family in [&v4, &v6] {
            family.long_ranges(&mut long, |start| places.lookup(family.address(start)), &mut region);
        }
        Self { v4: V4Table::new(&v4_leaves), v6: V6Table::new(v6_leaves), fallback, uniform, exceptions, long }
    }

    /// The decision for an ECS prefix (E2, E8). `address` is not 6to4, or the map answers [`SIX_TO_FOUR`].
    pub fn client(&self, address: IpAddr, source: u8) -> Leaf {
        let (key, bits, v6) = match address {
            IpAddr::V4(v4) => (u64::from(v4.to_bits() >> 8), V4_BITS, false),
            IpAddr::V6(v6) => ((v6.to_bits() >> 72) as u64, V6_BITS, true),
        };
        let len = source.min(bits);
        let key = key & !low_bits(bits - len);
        let mut leaf = if v6 { self.v6.find(key) } else { self.v4.find(key as u32) };
        if len < bits
            && !self.exceptions.is_empty()
            && let Some(&region) = self.exceptions.get(&(key, len, v6))
        {
            leaf.region = region;
        }
        leaf
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
        (self.v4.slots.len() + self.v4.leaves.len() + self.v6.index.len()) * 4 + self.v6.starts.len() * 12
    }
}

fn low_bits(count: u8) -> u64 {
    (1u64 << count) - 1
}

/// One address family while a map is built. Keys are the leading `bits` bits.
struct Family<'a> {
    bits: u8,
    v6: bool,
    listed: &'a Listed,
    reserved: Vec<(u64, u8)>,
}

type Runs = Vec<(u64, Region)>;
type Exceptions = Vec<((u64, u8), Region)>;

impl Family<'_> {
    fn end(&self) -> u64 {
        1 << self.bits
    }

    /// The first address of a key.
    fn address(&self, key: u64) -> IpAddr {
        if self.v6 { Ipv6Addr::from(u128::from(key) << 72).into() } else { Ipv4Addr::from((key as u32) << 8).into() }
    }

    /// Listed networks of this family that are no longer than `bits`: (first key, length, id), outer before inner.
    fn short_nets(&self) -> impl Iterator<Item = (u64, u8, NetId)> {
        self.listed.iter().filter_map(|(id, net)| {
            let key = match net.network() {
                IpAddr::V4(v4) if !self.v6 => u64::from(v4.to_bits() >> 8),
                IpAddr::V6(v6) if self.v6 => (v6.to_bits() >> 72) as u64,
                _ => return None,
            };
            (net.prefix_len() <= self.bits).then_some((key, net.prefix_len(), id))
        })
    }

    /// Whether a reserved network holds the whole prefix.
    fn is_reserved(&self, key: u64, len: u8) -> bool {
        let holds =
            |&(start, bits): &(u64, u8)| bits <= len && key >> (self.bits - bits) == start >> (self.bits - bits);
        self.reserved.iter().any(holds)
    }

    /// The region of one prefix as ECS sees it: reserved networks that nothing names are ignored (E5).
    fn seen(
        &self,
        (key, len): (u64, u8),
        place: PlaceId,
        net: Option<NetId>,
        region: &mut impl FnMut(PlaceId, Option<NetId>) -> Region,
    ) -> Region {
        if net.is_none() && place == PlaceId::default() && self.is_reserved(key, len) {
            IGNORED
        } else {
            region(place, net)
        }
    }

    /// (first key, region) from 0 on, neighbours joined, as place, listed network and reservation have it.
    fn runs(
        &self,
        places: impl Iterator<Item = (u64, PlaceId)>,
        region: &mut impl FnMut(PlaceId, Option<NetId>) -> Region,
    ) -> Runs {
        let nets: Vec<_> = self.short_nets().collect();
        let mut cuts: Vec<u64> = nets
            .iter()
            .map(|&(start, len, _)| (start, len))
            .chain(self.reserved.iter().copied())
            .flat_map(|(start, len)| [start, start + (1 << (self.bits - len))])
            .filter(|&cut| cut < self.end())
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        let (mut cuts, mut nets) = (cuts.into_iter().peekable(), nets.into_iter().peekable());
        let mut places = places.peekable();
        let mut around: Vec<(u64, NetId)> = Vec::new();
        let mut place = PlaceId::default();
        let mut runs: Runs = Vec::new();
        loop {
            let at = match (places.peek().map(|&(start, _)| start), cuts.peek().copied()) {
                (Some(a), Some(b)) => a.min(b),
                (Some(a), None) | (None, Some(a)) => a,
                (None, None) => return runs,
            };
            if let Some((_, next)) = places.next_if(|&(start, _)| start == at) {
                place = next;
            }
            cuts.next_if_eq(&at);
            while around.last().is_some_and(|&(end, _)| end <= at) {
                around.pop();
            }
            while let Some((start, len, id)) = nets.next_if(|&(start, ..)| start == at) {
                around.push((start + (1 << (self.bits - len)), id));
            }
            let net = around.last().map(|&(_, id)| id);
            let region = self.seen((at, self.bits), place, net, region);
            if runs.last().is_none_or(|&(_, last)| last != region) {
                runs.push((at, region));
            }
        }
    }

    /// Prefixes shorter than `bits` that decide otherwise than their first key, since a listed or reserved network
    /// that begins with them is longer than they are.
    fn exceptions(
        &self,
        runs: &Runs,
        place_at: impl Fn(u64) -> PlaceId,
        region: &mut impl FnMut(PlaceId, Option<NetId>) -> Region,
    ) -> Exceptions {
        let mut found = Vec::new();
        let reserved = self.reserved.iter().map(|&(start, _)| start);
        let starts: BTreeSet<u64> = self.short_nets().map(|(start, ..)| start).chain(reserved).collect();
        for start in starts {
            let own = region_at(runs, start);
            let aligned = if start == 0 { 0 } else { self.bits - (start.trailing_zeros() as u8).min(self.bits) };
            for len in aligned..self.bits {
                let net = self.listed.innermost(self.address(start), len);
                let decided = self.seen((start, len), place_at(start), net, region);
                if decided != own {
                    found.push(((start, len), decided));
                }
            }
        }
        found
    }

    /// Cuts merged runs into the largest aligned blocks; a block that holds an exception is cut further.
    fn leaves(&self, runs: &Runs, exceptions: &Exceptions) -> Vec<(u64, Leaf)> {
        let mut leaves = Vec::with_capacity(runs.len() * 2);
        for (at, &(start, region)) in runs.iter().enumerate() {
            let end = runs.get(at + 1).map_or(self.end(), |&(next, _)| next);
            let mut start = start;
            while start < end {
                let aligned = start.trailing_zeros().min(self.bits.into());
                let free = aligned.min((end - start).ilog2()) as u8;
                self.block(start, self.bits - free, region, exceptions, &mut leaves);
                start += 1 << free;
            }
        }
        leaves
    }

    /// One block of one region, cut until no exception lies at or below it.
    fn block(&self, start: u64, len: u8, region: Region, exceptions: &Exceptions, leaves: &mut Vec<(u64, Leaf)>) {
        let end = start + (1 << (self.bits - len));
        let from = exceptions.partition_point(|&((at, _), _)| at < start);
        let mut within = exceptions[from..].iter().take_while(|&&((at, _), _)| at < end);
        if len == self.bits || !within.any(|&((_, bits), _)| bits >= len) {
            leaves.push((start, Leaf { region, depth: len }));
        } else {
            let half = start + (1 << (self.bits - len - 1));
            self.block(start, len + 1, region, exceptions, leaves);
            self.block(half, len + 1, region, exceptions, leaves);
        }
    }

    /// Ranges of single addresses under listed networks longer than `bits`.
    fn long_ranges(
        &self,
        ranges: &mut Vec<LongRange>,
        place_at: impl Fn(u64) -> PlaceId,
        region: &mut impl FnMut(PlaceId, Option<NetId>) -> Region,
    ) {
        let long = |net: &ipnet::IpNet| net.prefix_len() > self.bits && net.network().is_ipv6() == self.v6;
        let mut cuts: Vec<IpAddr> = Vec::new();
        for (_, net) in self.listed.iter().filter(|(_, net)| long(net)) {
            cuts.push(net.network());
            cuts.extend(after(net.broadcast()));
        }
        cuts.sort_unstable();
        cuts.dedup();
        for (index, &first) in cuts.iter().enumerate() {
            let Some(net) = self.listed.innermost(first, 128) else { continue };
            if !long(&self.listed.net(net)) {
                continue;
            }
            let last = cuts.get(index + 1).copied().and_then(before).unwrap_or(self.listed.net(net).broadcast());
            let key = match first {
                IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
                IpAddr::V6(v6) => (v6.to_bits() >> 72) as u64,
            };
            ranges.push(LongRange { first, last, region: region(place_at(key), Some(net)) });
        }
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(Ipv4Addr::from(v4.to_bits().checked_add(1)?).into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from(v6.to_bits().checked_add(1)?).into()),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(Ipv4Addr::from(v4.to_bits().checked_sub(1)?).into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from(v6.to_bits().checked_sub(1)?).into()),
    }
}

fn region_at(runs: &Runs, key: u64) -> Region {
    runs[runs.partition_point(|&(start, _)| start <= key) - 1].1
}

/// Gives a whole block one region.
fn overwrite(runs: &mut Runs, (start, len): (u64, u8), region: Region) {
    let end = start + (1 << (V6_BITS - len));
    let behind = region_at(runs, end);
    let from = runs.partition_point(|&(at, _)| at < start);
    let to = runs.partition_point(|&(at, _)| at <= end);
    runs.splice(from..to, [(start, region), (end, behind)]);
}

/// Joins neighbours of one region.
fn merge(runs: &mut Runs) {
    runs.dedup_by_key(|&mut (_, region)| region);
}

/// For each /16 its leaves in order, each in one word: the third octet that it begins with, region, depth. A query
/// reads one slot and, in all but the most divided /16s, one line of leaves.
#[derive(Debug)]
struct V4Table {
    /// By the leading 16 bits: the first leaf's number, and in the low octet how many more there are.
    slots: Box<[u32]>,
    leaves: Vec<u32>,
}

fn pack(leaf: Leaf) -> u32 {
    (u32::from(leaf.region) << 8) | u32::from(leaf.depth)
}

fn unpack(packed: u32) -> Leaf {
    Leaf { region: (packed >> 8) as Region, depth: packed as u8 }
}

impl V4Table {
    fn new(sorted: &[(u64, Leaf)]) -> Self {
        let mut slots = vec![0; 1 << 16].into_boxed_slice();
        let mut leaves = Vec::with_capacity(sorted.len());
        for &(start, leaf) in sorted {
            let (slot, octet) = ((start >> 8) as usize, (start & 0xff) as u32);
            let number = leaves.len() as u32;
            leaves.push((octet << 24) | pack(leaf));
            if leaf.depth <= 16 {
                slots[slot..slot + (1 << (16 - leaf.depth))].fill(number << 8);
            } else if octet == 0 {
                slots[slot] = number << 8;
            } else {
                slots[slot] += 1;
            }
        }
        Self { slots, leaves }
    }

    fn find(&self, key: u32) -> Leaf {
        let slot = self.slots[(key >> 8) as usize];
        let first = (slot >> 8) as usize;
        let more = (slot & 0xff) as usize;
        let octet = key & 0xff;
        let before = self.leaves[first + 1..=first + more].partition_point(|leaf| leaf >> 24 <= octet);
        unpack(self.leaves[first + before] & 0x00ff_ffff)
    }
}

/// Leaves in order, with the first leaf of each /16 at hand.
#[derive(Debug)]
struct V6Table {
    starts: Vec<u64>,
    leaves: Vec<u32>,
    /// For each value of the leading 16 bits the last leaf that begins at or before it; one more at the end.
    index: Vec<u32>,
}

impl V6Table {
    fn new(sorted: Vec<(u64, Leaf)>) -> Self {
        let (starts, leaves): (Vec<u64>, Vec<u32>) =
            sorted.into_iter().map(|(start, leaf)| (start, pack(leaf))).unzip();
        let mut index = Vec::with_capacity((1 << 16) + 1);
        let mut leaf = 0;
        for lead in 0..=1u64 << 16 {
            while starts.get(leaf + 1).is_some_and(|&next| next <= lead << 40) {
                leaf += 1;
            }
            index.push(leaf as u32);
        }
        Self { starts, leaves, index }
    }

    fn find(&self, key: u64) -> Leaf {
        let lead = (key >> 40) as usize;
        let (low, high) = (self.index[lead] as usize, self.index[lead + 1] as usize);
        let within = self.starts[low..=high].partition_point(|&start| start <= key);
        unpack(self.leaves[low + within - 1])
    }
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
