//! Who decides: the option or the sender (E1, E4, E5, E7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;
use rhumb::config::model::{Location, Model, Prefer, RouteId, Target};
use rhumb::world::Place;

use super::Facts;

/// A network as policies see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Listed networks that contain this match.
    pub net: IpNet,
}

impl Client {
    /// A sender's own address counts in full.
    pub fn sender(address: IpAddr) -> Self {
        Self { net: IpNet::from(unwrapped(address)) }
    }

    /// A client subnet, cut to /24 or /56.
    pub fn subnet(address: IpAddr, source: u8) -> Self {
        let most = if address.is_ipv4() { 24 } else { 56 };
        let net = IpNet::new(address, source.min(most)).expect("a length of the family").trunc();
        Self { net }
    }

    /// Where databases are read: the network address of the /24 or /56.
    pub fn reading_point(self) -> IpAddr {
        let most = if self.net.addr().is_ipv4() { 24 } else { 56 };
        IpNet::new(self.net.addr(), most).expect("a length of the family").network()
    }

    pub fn matches(self, listed: IpNet) -> bool {
        listed.contains(&self.net)
    }

    /// E2: `[networks]` first, then the databases, then `unknown`.
    pub fn place(self, facts: &Facts<'_>) -> Place {
        let server = &facts.model.server;
        let own = server.networks.iter().filter(|(net, _)| self.matches(*net)).max_by_key(|(net, _)| net.prefix_len());
        let place = own.map_or_else(|| (facts.place_of)(self.reading_point()), |&(_, place)| place);
        match server.unknown {
            Some(unknown) if place.is_unknown() => unknown,
            _ => place,
        }
    }
}

/// E7: the IPv4 address inside of a sender's address.
pub fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let bits = v6.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    let is_in = |net: &str| net.parse::<IpNet>().expect("a network").contains(&address);
    if is_in("::ffff:0:0/96") || is_in("64:ff9b::/96") {
        IpAddr::V4(low)
    } else if is_in("2002::/16") {
        IpAddr::V4(Ipv4Addr::from_bits((bits >> 80) as u32))
    } else if is_in("2001::/32") {
        IpAddr::V4(Ipv4Addr::from_bits(!(bits as u32)))
    } else {
        address
    }
}

/// E7 in a client subnet: only 6to4, and only when the prefix reaches into the IPv4 address.
pub fn six_to_four(address: IpAddr, source: u8) -> Option<(Ipv4Addr, u8)> {
    let IpAddr::V6(v6) = address else { return None };
    let is_inside = source >= 16 && v6.segments()[0] == 0x2002;
    is_inside.then(|| (Ipv4Addr::from_bits((v6.to_bits() >> 80) as u32), (source - 16).min(32)))
}

/// Loopback, private, link-local and documentation networks (E5).
pub static RESERVED: LazyLock<Vec<IpNet>> =
    LazyLock::new(|| RESERVED_TEXT.iter().map(|net| net.parse().expect("a network")).collect());

const RESERVED_TEXT: &[&str] = &[
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::/56",
    "fc00::/7",
    "fe80::/10",
    "2001:db8::/32",
];

/// E5: whether a client subnet says nothing because its network is nobody's and nothing names it.
pub fn is_reserved(facts: &Facts<'_>, listed: &[IpNet], client: Client) -> bool {
    let inside = RESERVED.iter().any(|&net| client.matches(net));
    let named = listed.iter().any(|&net| client.matches(net));
    inside && !named && (facts.place_of)(client.reading_point()).is_unknown()
}

/// Every network that a rule of this tree, `[networks]` or the latency table names.
pub fn listed(model: &Model, root: RouteId) -> Vec<IpNet> {
    let mut nets: Vec<IpNet> = model.server.networks.iter().map(|&(net, _)| net).collect();
    nets.extend(model.latencies.iter().filter_map(|row| match row.client {
        Location::Net(net) => Some(net),
        _ => None,
    }));
    for route in tree(model, root) {
        let locations = model.route(route).members.iter().flat_map(|m| &m.locations);
        nets.extend(locations.filter_map(|l| if let Location::Net(net) = l { Some(*net) } else { None }));
    }
    nets.sort_unstable();
    nets.dedup();
    nets
}

/// A route and every route below it, last resorts included.
pub fn tree(model: &Model, root: RouteId) -> Vec<RouteId> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&route) = found.get(next) {
        let route = model.route(route);
        for target in route.members.iter().map(|m| m.target).chain(route.last_resort) {
            if let Target::Route(below) = target
                && !found.contains(&below)
            {
                found.push(below);
            }
        }
        next += 1;
    }
    found
}

/// Who decides for this query. The second is whether the option was set aside as reserved (E5).
pub fn deciding(facts: &Facts<'_>, root: RouteId, sender: IpAddr, subnet: Option<(IpAddr, u8)>) -> (Client, bool) {
    let sender = Client::sender(sender);
    match subnet {
        Some((address, source)) if source > 0 && facts.model.server.prefer == Prefer::Ecs => {
            let client = match six_to_four(address, source) {
                Some((_, 0)) | None => Client::subnet(address, source),
                Some((v4, source)) => Client::subnet(IpAddr::V4(v4), source),
            };
            if is_reserved(facts, &listed(facts.model, root), client) { (sender, true) } else { (client, false) }
        }
        _ => (sender, false),
    }
}

/// The first address of a /24 or /56 number.
pub fn address_of(number: u64, v4: bool) -> IpAddr {
    if v4 {
        IpAddr::V4(Ipv4Addr::from_bits((number << 8) as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 72))
    }
}
