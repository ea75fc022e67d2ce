//! Who the answer is for: the client subnet option, or the sender.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::geo::map::{IGNORED, SIX_TO_FOUR};
use crate::geo::{Map, Region};
use crate::snapshot::Asking;
use crate::wire::edns::Ecs;

/// Where a query came from, an address of either family in one number: an IPv4 one is what it is inside IPv6 (RFC 4291 section
/// 2.5.5.2), so that both kinds of sockets say the same of one client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address(u128);

/// What stands above an IPv4 address inside IPv6.
const MAPPED: u128 = 0xffff;

impl Address {
    /// Of either family.
    #[inline]
    pub const fn new(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self(MAPPED << 32 | v4.to_bits() as u128),
            IpAddr::V6(v6) => Self(v6.to_bits()),
        }
    }

    /// The IPv4 address, where it is one.
    #[inline]
    pub fn as_v4(self) -> Option<Ipv4Addr> {
        (self.0 >> 32 == MAPPED).then(|| Ipv4Addr::from_bits(self.0 as u32))
    }

    /// The IPv6 address, or what an IPv4 one is inside IPv6.
    #[inline]
    pub fn as_v6(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.0)
    }

    /// The address in its own family.
    #[inline]
    pub fn ip(self) -> IpAddr {
        self.as_v4().map_or_else(|| self.as_v6().into(), IpAddr::from)
    }
}

/// Bits before the IPv4 address in a 6to4 address (RFC 3056).
const SIX_TO_FOUR_PREFIX: u8 = 16;

/// Whose place decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'q> {
    ecs: Option<&'q Ecs>,
    sender: Address,
}

/// What is decided for a client at one steered name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    pub(super) region: Region,
    /// The scope that the reply's option gets (E2).
    pub(super) scope: u8,
    /// The subnet is reserved, so the sender decides and the scope is the source prefix (E5).
    pub(super) reserved: bool,
    /// The scope where the client's own /24 or /56 has a say (W10).
    pub(super) sticky_scope: u8,
    /// Whose network that is.
    pub(super) decided_by: IpAddr,
}

impl<'q> Client<'q> {
    #[inline(always)]
    pub(super) fn new(ecs: Option<&'q Ecs>, sender: Address, prefer_sender: bool) -> Self {
        Self { ecs: if prefer_sender { None } else { ecs }, sender }
    }

    /// The region and scopes by one map.
    #[inline(always)]
    pub(super) fn decide(&self, map: &Map) -> Decision {
        match self.ecs.map(|ecs| (ecs, ecs.v4_prefix())) {
            // Source 0 says that the sender decides (E4).
            Some((_, Some((address, source)))) if source > 0 => {
                let leaf = map.client_v4(address, source);
                let scope = leaf.depth;
                let decision = Decision {
                    region: leaf.region,
                    scope,
                    reserved: false,
                    sticky_scope: scope.max(24),
                    decided_by: address.into(),
                };
                if leaf.region == IGNORED { self.ignoring(source, map) } else { decision }
            }
            Some((ecs, None)) => self.decide_v6(*ecs, map),
            _ => self.by_sender(map),
        }
    }

    #[inline(never)]
    fn decide_v6(self, ecs: Ecs, map: &Map) -> Decision {
        let Some((IpAddr::V6(address), source)) = ecs.prefix().filter(|&(_, source)| source > 0) else {
            return self.by_sender(map);
        };
        let mut leaf = map.client(address.into(), source);
        let (mut decided_by, mut own, mut outer) = (IpAddr::V6(address), 56, 0);
        if is_six_to_four(address) {
            let inside = six_to_four(address);
            if leaf.region == SIX_TO_FOUR {
                leaf = map.client(inside.into(), source.saturating_sub(SIX_TO_FOUR_PREFIX));
                outer = SIX_TO_FOUR_PREFIX;
            }
            if source >= SIX_TO_FOUR_PREFIX {
                (decided_by, own) = (inside.into(), SIX_TO_FOUR_PREFIX + 24);
            }
        }
        if leaf.region == IGNORED {
            return self.ignoring(source, map);
        }
        let scope = outer + leaf.depth;
        Decision { region: leaf.region, scope, reserved: false, sticky_scope: scope.max(own), decided_by }
    }

    /// The subnet is reserved and nothing names it (E5).
    #[inline(never)]
    fn ignoring(self, source: u8, map: &Map) -> Decision {
        Decision { scope: source, sticky_scope: source, reserved: true, ..self.by_sender(map) }
    }

    #[inline(never)]
    fn by_sender(self, map: &Map) -> Decision {
        let sender = self.sender();
        Decision { region: map.sender(sender), scope: 0, reserved: false, sticky_scope: 0, decided_by: sender }
    }

    /// Who sent the query.
    fn sender(&self) -> IpAddr {
        unwrap_address(self.sender.ip())
    }
}

impl Asking for Client<'_> {
    fn address(&self) -> IpAddr {
        self.sender()
    }
}

impl Asking for Decision {
    fn address(&self) -> IpAddr {
        self.decided_by
    }
}

fn is_six_to_four(address: Ipv6Addr) -> bool {
    address.segments()[0] == 0x2002
}

/// The IPv4 address after 2002::/16.
fn six_to_four(address: Ipv6Addr) -> Ipv4Addr {
    Ipv4Addr::from((address.to_bits() >> 80) as u32)
}

/// The IPv4 address inside an IPv4-mapped, NAT64, 6to4 or Teredo address; others as they are (E7).
pub fn unwrap_address(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let low = v6.to_bits() as u32;
    let inside = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => low,
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => low,
        [0x2002, ..] => return six_to_four(v6).into(),
        // Teredo keeps the client's address with every bit turned (RFC 4380 section 4).
        [0x2001, 0, ..] => !low,
        _ => return address,
    };
    Ipv4Addr::from(inside).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn e7_ipv4_inside_ipv6_is_unwrapped() {
        for wrapped in
            ["::ffff:192.0.2.33", "64:ff9b::192.0.2.33", "2002:c000:221::1", "2001:0:4136:e378:8000:63bf:3fff:fdde"]
        {
            let plain: IpAddr = "192.0.2.33".parse().unwrap();
            assert_eq!(unwrap_address(wrapped.parse().unwrap()), plain, "{wrapped}");
        }
        let native: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(unwrap_address(native), native);
    }

    #[test]
    fn e7_a_client_has_one_address_on_sockets_of_both_kinds() {
        let [v4, v6]: [IpAddr; 2] = ["192.0.2.33", "2001:db8::ffff:192.0.2.33"].map(|text| text.parse().unwrap());
        assert_eq!(Address::new("::ffff:192.0.2.33".parse().unwrap()), Address::new(v4));
        assert_eq!(Address::new(v4).as_v4().map(IpAddr::from), Some(v4));
        assert_eq!((Address::new(v6).as_v4(), IpAddr::from(Address::new(v6).as_v6())), (None, v6));
        assert_eq!([v4, v6].map(|address| Address::new(address).ip()), [v4, v6]);
    }
}
