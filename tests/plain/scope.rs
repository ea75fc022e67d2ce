//! The widest prefix around a client in which the region is constant (E2, E5, E8), by trying every prefix that
//! could differ.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use rhumb::config::model::{Prefer, RouteId};

use super::client::{Client, RESERVED, address_of, is_reserved, listed, six_to_four};
use super::{Facts, Region};

/// What the reply's scope may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Is(u8),
    /// Where the semantics leave a choice: both are right.
    OneOf(u8, u8),
}

impl Scope {
    pub fn allows(self, scope: u8) -> bool {
        match self {
            Self::Is(one) => scope == one,
            Self::OneOf(one, other) => scope == one || scope == other,
        }
    }
}

/// The function of E2, remembered, and the points where it can change.
pub struct Map<'a> {
    facts: &'a Facts<'a>,
    root: RouteId,
    listed: Vec<IpNet>,
    /// /24 or /56 numbers in ascending order, 0 first.
    v4: Vec<u64>,
    v6: Vec<u64>,
    /// A number for each region; `None` is a reserved network: the sender decides.
    seen: RefCell<HashMap<IpNet, Option<usize>>>,
    regions: RefCell<HashMap<Region, usize>>,
    constant: OnceCell<[bool; 3]>,
}

impl<'a> Map<'a> {
    /// `runs` are the networks where the databases' word changes.
    pub fn new(facts: &'a Facts<'a>, root: RouteId, runs: &[IpNet]) -> Self {
        let listed = listed(facts.model, root);
        let mut nets = listed.clone();
        nets.extend(runs);
        nets.extend(RESERVED.iter());
        nets.push("2002::/16".parse().expect("a network"));
        let (mut v4, mut v6) = (vec![0], vec![0]);
        for net in nets {
            let (points, number, most) = match net {
                IpNet::V4(net) => (&mut v4, u64::from(net.network().to_bits() >> 8), 24),
                IpNet::V6(net) => (&mut v6, (net.network().to_bits() >> 72) as u64, 56),
            };
            points.push(number);
            let after = number + (1 << (most - net.prefix_len().min(most)));
            if after < 1 << most {
                points.push(after);
            }
        }
        // A 6to4 network is decided as the IPv4 one inside it.
        v6.extend(v4.iter().map(|&number| (0x2002 << 40) | (number << 16)));
        for points in [&mut v4, &mut v6] {
            points.sort_unstable();
            points.dedup();
        }
        Self {
            facts,
            root,
            listed,
            v4,
            v6,
            seen: RefCell::default(),
            regions: RefCell::default(),
            constant: OnceCell::new(),
        }
    }

    fn client(net: IpNet) -> Client {
        match six_to_four(net.addr(), net.prefix_len()) {
            Some((_, 0)) | None => Client::subnet(net.addr(), net.prefix_len()),
            Some((v4, source)) => Client::subnet(IpAddr::V4(v4), source),
        }
    }

    fn region(&self, net: IpNet) -> Option<usize> {
        if let Some(&seen) = self.seen.borrow().get(&net) {
            return seen;
        }
        let client = Self::client(net);
        let seen = (!is_reserved(self.facts, &self.listed, client)).then(|| {
            let mut regions = self.regions.borrow_mut();
            let next = regions.len();
            *regions.entry(Region::of(self.facts, self.root, client)).or_insert(next)
        });
        self.seen.borrow_mut().insert(net, seen);
        seen
    }

    /// Every prefix of at most /24 or /56 within `net` that could be seen in its own way: between two points
    /// neither the place nor the listed networks around an address change.
    fn prefixes(&self, net: IpNet) -> impl Iterator<Item = IpNet> + '_ {
        let v4 = net.addr().is_ipv4();
        let most = if v4 { 24 } else { 56 };
        let points = if v4 { &self.v4 } else { &self.v6 };
        let first = match net.network() {
            IpAddr::V4(a) => u64::from(a.to_bits() >> 8),
            IpAddr::V6(a) => (a.to_bits() >> 72) as u64,
        };
        let past = first + (1 << (most - net.prefix_len().min(most)));
        let inside = points.iter().copied().filter(move |&p| p > first && p < past);
        std::iter::once(first).chain(inside).flat_map(move |start| {
            (net.prefix_len()..=most)
                .map(move |length| IpNet::new(address_of(start, v4), length).expect("a length of the family").trunc())
        })
    }

    /// Whether all prefixes within `net` are seen alike.
    fn is_alike(&self, net: IpNet, ignore_reserved: bool) -> bool {
        let mut first = None;
        self.prefixes(net).all(|prefix| match self.region(prefix) {
            None if ignore_reserved => true,
            seen => *first.get_or_insert(seen) == seen,
        })
    }

    /// Of the IPv4 family, of the IPv6 family, of both together; reserved networks aside.
    fn constant(&self) -> [bool; 3] {
        *self.constant.get_or_init(|| {
            let v4 = self.is_alike(whole(true), true);
            let v6 = self.is_alike(whole(false), true);
            let first = self.region(whole(true));
            // Networks too long for any option are met by senders, who stand in for reserved networks.
            let too_long =
                self.listed.iter().filter(|net| net.prefix_len() > if net.addr().is_ipv4() { 24 } else { 56 });
            let regions = self.regions.borrow();
            let senders = too_long.flat_map(|net| [net.network(), net.broadcast()]).all(|address| {
                let region = Region::of(self.facts, self.root, Client::sender(address));
                regions.get(&region).copied() == first
            });
            [v4, v6, v4 && v6 && senders && first == self.region(whole(false))]
        })
    }

    fn shortest(&self, net: IpNet) -> u8 {
        let most = if net.addr().is_ipv4() { 24 } else { 56 };
        // What is alike within a network is alike within its halves, so the search may stop at the first fault.
        (0..most)
            .rev()
            .take_while(|&length| {
                let around = IpNet::new(net.addr(), length).expect("a length of the family").trunc();
                self.is_alike(around, false)
            })
            .last()
            .unwrap_or(most)
    }

    /// The scope of the reply to this client subnet.
    pub fn scope(&self, address: IpAddr, source: u8) -> Scope {
        if source == 0 || self.facts.model.server.prefer == Prefer::Resolver {
            return Scope::Is(0);
        }
        let most = if address.is_ipv4() { 24 } else { 56 };
        let net = IpNet::new(address, source.min(most)).expect("a length of the family").trunc();
        let [v4_constant, v6_constant, constant] = self.constant();
        if self.region(net).is_none() {
            // E5 says the source prefix; a name that depends on nobody may as well say 0.
            return if constant { Scope::OneOf(source, 0) } else { Scope::Is(source) };
        }
        // W10's hash sees the whole of a /24 or /56, or of the IPv4 network inside a 6to4 one.
        let inside = six_to_four(net.addr(), net.prefix_len()).filter(|&(_, length)| length > 0);
        let sticky = match inside {
            _ if !Region::of(self.facts, self.root, Self::client(net)).sticky => 0,
            Some(_) => 40,
            None => most,
        };
        if constant {
            return Scope::Is(sticky);
        }
        let (shortest, widest, alike) = match inside {
            Some((v4, length)) => {
                let inner = IpNet::new(IpAddr::V4(v4), length.min(24)).expect("a length of the family").trunc();
                // The IPv6 family holds all 6to4 networks, so one decision in it is one in both.
                (16 + self.shortest(inner), if v6_constant { 0 } else { 16 }, v4_constant)
            }
            None => (self.shortest(net), 0, if net.addr().is_ipv4() { v4_constant } else { v6_constant }),
        };
        // One decision for every option, but other ones for senders of the other family or in networks too long for
        // an option: whether reserved networks, which fall back to senders, then bound the scope is left open.
        if alike { Scope::OneOf(widest.max(sticky), shortest.max(sticky)) } else { Scope::Is(shortest.max(sticky)) }
    }
}

fn whole(v4: bool) -> IpNet {
    IpNet::new(address_of(0, v4), 0).expect("the whole family")
}
