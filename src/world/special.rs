//! Addresses that are not somebody else's machine: the one that asks, its link, its cloud (H12).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses where clouds hand out credentials and that no other range covers: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// The same over IPv6: Amazon, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// What an address is, with its article, where services trust whoever reaches them: a zone file must not turn the
/// server into a way there (H12). `None` for all others, those of private networks among them.
///
/// IPv4 addresses inside IPv6 ones (mapped, compatible, NAT64 of RFC 6052, 6to4) are judged as what they hold.
pub fn inward(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => inward_v4(v4),
        IpAddr::V6(v6) => inward_v6(v6),
    }
}

fn inward_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_loopback() {
        Some("a loopback address")
    } else if address == Ipv4Addr::new(169, 254, 169, 254) || METADATA_V4.contains(&address) {
        Some("a metadata address")
    } else if address.is_link_local() {
        Some("a link-local address")
    } else if address.octets()[0] == 0 {
        // Linux takes all of 0.0.0.0 as itself; the rest of 0/8 is "this network" (RFC 6890).
        Some("an unspecified address")
    } else {
        None
    }
}

fn inward_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        return Some("a loopback address");
    }
    if address.is_unspecified() {
        return Some("an unspecified address");
    }
    if address.is_unicast_link_local() {
        return Some("a link-local address");
    }
    if METADATA_V6.contains(&address) {
        return Some("a metadata address");
    }
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inward_v4(v4(high, low)),
        [0x2002, high, low, ..] => inward_v4(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn h12_loopback_link_local_unspecified_and_metadata_are_refused() {
        for (address, kind) in [
            ("127.0.0.1", "a loopback address"),
            ("127.255.0.9", "a loopback address"),
            ("::1", "a loopback address"),
            ("::ffff:127.0.0.1", "a loopback address"),
            ("64:ff9b::7f00:1", "a loopback address"),
            ("2002:7f00:1::", "a loopback address"),
            ("::127.0.0.1", "a loopback address"),
            ("169.254.1.1", "a link-local address"),
            ("fe80::1", "a link-local address"),
            ("febf::1", "a link-local address"),
            ("0.0.0.0", "an unspecified address"),
            ("0.255.1.2", "an unspecified address"),
            ("::", "an unspecified address"),
            ("169.254.169.254", "a metadata address"),
            ("::ffff:169.254.169.254", "a metadata address"),
            ("100.100.100.200", "a metadata address"),
            ("192.0.0.192", "a metadata address"),
            ("168.63.129.16", "a metadata address"),
            ("fd00:ec2::254", "a metadata address"),
            ("fd20:ce::254", "a metadata address"),
        ] {
            assert_eq!(inward(address.parse().unwrap()), Some(kind), "{address}");
        }
    }

    #[test]
    fn h12_private_and_public_addresses_are_probed() {
        for address in ["10.0.0.1", "192.168.1.1", "203.0.113.10", "100.64.0.1", "fd00::1", "2001:db8::1", "fec0::1"] {
            assert_eq!(inward(address.parse().unwrap()), None, "{address}");
        }
    }
}
