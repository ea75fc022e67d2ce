//! One family's networks as runs of regions, while a map is built.
//!
//! Comes in: the places in order, the listed networks, and what gives a (place, innermost listed network) its region.
//! Goes out: runs, neighbours joined, and beside them the few prefixes and addresses that runs of /24s or /56s cannot
//! tell of. Keys are the leading 24 or 56 bits of an address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::hash::FastMap;
use super::listed::{Listed, NetId};
use super::map::{IGNORED, Region};
use super::places::{PlaceId, Places};

/// The bits of an address that count: 24 or 56.
pub(super) const V4_BITS: u8 = 24;
pub(super) const V6_BITS: u8 = 56;

/// (first key, region) from 0 on, in order.
pub(super) type Runs = Vec<(u64, Region)>;
/// ((first key, length), region) of prefixes, in order.
pub(super) type Exceptions = Vec<((u64, u8), Region)>;

/// A range of a sender's own addresses, inclusive; ranges are disjoint and sorted, IPv4 before IPv6.
#[derive(Debug)]
pub(super) struct LongRange {
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
    pub(super) region: Region,
}

/// Asks for each distinct (place, innermost listed network) once.
pub(super) struct Regions<F> {
    classify: F,
    /// Nearly every run lies in no listed network, and there are millions of them. [`UNASKED`] until asked.
    unlisted: Vec<Region>,
    within: FastMap<(PlaceId, NetId), Region>,
}

/// No place has this region.
const UNASKED: Region = IGNORED;

impl<F: FnMut(PlaceId, Option<NetId>) -> Region> Regions<F> {
    pub(super) fn new(places: &Places, classify: F) -> Self {
        Self { classify, unlisted: vec![UNASKED; places.distinct()], within: FastMap::default() }
    }

    pub(super) fn of(&mut self, place: PlaceId, net: Option<NetId>) -> Region {
        let classify = &mut self.classify;
        match net {
            None => self.unlisted(place),
            Some(id) => *self.within.entry((place, id)).or_insert_with(|| classify(place, net)),
        }
    }

    #[inline]
    fn unlisted(&mut self, place: PlaceId) -> Region {
        let known = &mut self.unlisted[place.0 as usize];
        if *known == UNASKED {
            *known = (self.classify)(place, None);
        }
        *known
    }
}

/// One address family while a map is built.
pub(super) struct Family<'a> {
    pub(super) bits: u8,
    pub(super) v6: bool,
    pub(super) listed: &'a Listed,
    /// (first key, length) of the reserved networks (E5).
    pub(super) reserved: Vec<(u64, u8)>,
}

impl Family<'_> {
    fn end(&self) -> u64 {
        1 << self.bits
    }

    /// The first address of a key.
    pub(super) fn address(&self, key: u64) -> IpAddr {
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
    fn seen<F: FnMut(PlaceId, Option<NetId>) -> Region>(
        &self,
        (key, len): (u64, u8),
        place: PlaceId,
        net: Option<NetId>,
        regions: &mut Regions<F>,
    ) -> Region {
        if net.is_none() && place == PlaceId::default() && self.is_reserved(key, len) {
            IGNORED
        } else {
            regions.of(place, net)
        }
    }

    /// Runs as place, listed network and reservation have it, neighbours joined. `places` begin at 0.
    pub(super) fn runs<K: Copy + Into<u64>, F: FnMut(PlaceId, Option<NetId>) -> Region>(
        &self,
        places: &[(K, PlaceId)],
        regions: &mut Regions<F>,
    ) -> Runs {
        let mut nets = self.short_nets().peekable();
        let mut around: Vec<(u64, NetId)> = Vec::new();
        let mut runs: Runs = Vec::with_capacity(places.len() / 4);
        let mut push = |start: u64, region: Region| {
            if runs.last().is_none_or(|&(_, last)| last != region) {
                runs.push((start, region));
            }
        };
        let mut place = PlaceId::default();
        let mut rest = places;
        let cuts = self.cuts();
        for (index, &at) in cuts.iter().enumerate() {
            while around.last().is_some_and(|&(end, _)| end <= at) {
                around.pop();
            }
            while let Some((start, len, id)) = nets.next_if(|&(start, ..)| start == at) {
                around.push((start + (1 << (self.bits - len)), id));
            }
            let net = around.last().map(|&(_, id)| id);
            if let [(start, first), behind @ ..] = rest
                && (*start).into() == at
            {
                (place, rest) = (*first, behind);
            }
            let reserved = net.is_none() && self.is_reserved(at, self.bits);
            let end = cuts.get(index + 1).copied().unwrap_or(self.end());
            push(at, self.seen((at, self.bits), place, net, regions));
            let within;
            (within, rest) = rest.split_at(rest.partition_point(|&(start, _)| start.into() < end));
            for &(start, next) in within {
                let region = match net {
                    None if !reserved => regions.unlisted(next),
                    _ => self.seen((start.into(), self.bits), next, net, regions),
                };
                push(start.into(), region);
            }
            place = within.last().map_or(place, |&(_, last)| last);
        }
        runs
    }

    /// Where a listed or reserved network begins or ends, in order, and 0.
    fn cuts(&self) -> Vec<u64> {
        let nets = self.short_nets().map(|(start, len, _)| (start, len));
        let ends = nets
            .chain(self.reserved.iter().copied())
            .flat_map(|(start, len)| [start, start + (1 << (self.bits - len))])
            .filter(|&cut| cut < self.end());
        let mut cuts: Vec<u64> = std::iter::once(0).chain(ends).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    /// Prefixes shorter than `bits` that decide otherwise than their first key, since a listed or reserved network
    /// that begins with them is longer than they are.
    pub(super) fn exceptions<F: FnMut(PlaceId, Option<NetId>) -> Region>(
        &self,
        runs: &Runs,
        places: &Places,
        regions: &mut Regions<F>,
    ) -> Exceptions {
        let mut found = Vec::new();
        let reserved = self.reserved.iter().map(|&(start, _)| start);
        let starts: BTreeSet<u64> = self.short_nets().map(|(start, ..)| start).chain(reserved).collect();
        for start in starts {
            let own = region_at(runs, start);
            let place = places.lookup(self.address(start));
            let aligned = if start == 0 { 0 } else { self.bits - (start.trailing_zeros() as u8).min(self.bits) };
            for len in aligned..self.bits {
                let net = self.listed.innermost(self.address(start), len);
                let decided = self.seen((start, len), place, net, regions);
                if decided != own {
                    found.push(((start, len), decided));
                }
            }
        }
        found
    }

    /// The same runs, cut so that no prefix of one region holds an exception: such a prefix is halved until its parts
    /// hold none, and each part is a run of its own.
    pub(super) fn split(&self, runs: Runs, exceptions: &Exceptions) -> Runs {
        let mut parts: Runs = Vec::new();
        for &((key, len), _) in exceptions {
            if parts.last().is_some_and(|&(last, _)| last > key) {
                continue;
            }
            let at = runs.partition_point(|&(start, _)| start <= key) - 1;
            let (start, region) = runs[at];
            let end = runs.get(at + 1).map_or(self.end(), |&(next, _)| next);
            // The largest aligned block around the key that lies within the run.
            let around = |bits: &u8| {
                let size = 1 << (self.bits - bits);
                let first = key & !(size - 1);
                first >= start && first + size <= end
            };
            let bits = (0..=self.bits).find(around).unwrap_or(self.bits);
            if bits <= len && bits < self.bits {
                let size: u64 = 1 << (self.bits - bits);
                let first = key & !(size - 1);
                self.halve(first, bits, region, exceptions, &mut parts);
                parts.push((first + size, region));
            }
        }
        if parts.is_empty() {
            return runs;
        }
        // A part that begins behind its own run, or where one begins already, tells nothing new.
        let mut all = runs;
        let own = all.len();
        all.extend(parts);
        let mut numbered: Vec<(u64, bool, Region)> =
            all.into_iter().enumerate().map(|(at, (start, region))| (start, at >= own, region)).collect();
        numbered.sort_unstable();
        numbered.dedup_by_key(|&mut (start, ..)| start);
        numbered
            .into_iter()
            .map(|(start, _, region)| (start, region))
            .filter(|&(start, _)| start < self.end())
            .collect()
    }

    /// One block of one region, cut until no exception lies at or below it.
    fn halve(&self, start: u64, len: u8, region: Region, exceptions: &Exceptions, parts: &mut Runs) {
        let end = start + (1 << (self.bits - len));
        let from = exceptions.partition_point(|&((at, _), _)| at < start);
        let mut within = exceptions[from..].iter().take_while(|&&((at, _), _)| at < end);
        if len == self.bits || !within.any(|&((_, bits), _)| bits >= len) {
            parts.push((start, region));
        } else {
            let half = start + (1 << (self.bits - len - 1));
            self.halve(start, len + 1, region, exceptions, parts);
            self.halve(half, len + 1, region, exceptions, parts);
        }
    }

    /// Ranges of single addresses under listed networks longer than `bits`.
    pub(super) fn long_ranges<F: FnMut(PlaceId, Option<NetId>) -> Region>(
        &self,
        ranges: &mut Vec<LongRange>,
        places: &Places,
        regions: &mut Regions<F>,
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
            ranges.push(LongRange { first, last, region: regions.of(places.lookup(first), Some(net)) });
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

pub(super) fn region_at(runs: &Runs, key: u64) -> Region {
    runs[runs.partition_point(|&(start, _)| start <= key) - 1].1
}

/// Gives a whole prefix of IPv6 one region, and joins neighbours.
pub(super) fn overwrite(runs: &mut Runs, (start, len): (u64, u8), region: Region) {
    let end = start + (1 << (V6_BITS - len));
    let behind = region_at(runs, end);
    let from = runs.partition_point(|&(at, _)| at < start);
    let to = runs.partition_point(|&(at, _)| at <= end);
    runs.splice(from..to, [(start, region), (end, behind)]);
    runs.dedup_by_key(|&mut (_, region)| region);
}
