//! Which addresses a probe may not be sent to (H12): a zone file must not turn the server into a way to services
//! that trust whoever is on their machine or link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses where clouds hand out credentials and that no other range covers: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// The same over IPv6: Amazon, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// What an address is that is probed only with `allow_private`, in a word; `None` for all others.
///
/// IPv4 addresses inside IPv6 ones (mapped, compatible, NAT64 of RFC 6052, 6to4) are judged as what they hold.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refusal_v4(v4),
        IpAddr::V6(v6) => refusal_v6(v6),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_loopback() {
        Some("loopback")
    } else if address == Ipv4Addr::new(169, 254, 169, 254) || METADATA_V4.contains(&address) {
        Some("metadata")
    } else if address.is_link_local() {
        Some("link-local")
    } else if address.octets()[0] == 0 {
        // Linux takes all of 0.0.0.0 as itself; the rest of 0/8 is "this network" (RFC 6890).
        Some("unspecified")
    } else {
        None
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        return Some("loopback");
    }
    if address.is_unspecified() {
        return Some("unspecified");
    }
    if address.is_unicast_link_local() {
        return Some("link-local");
    }
    if METADATA_V6.contains(&address) {
        return Some("metadata");
    }
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => refusal_v4(v4(high, low)),
        [0x2002, high, low, ..] => refusal_v4(v4(high, low)),
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
            ("127.0.0.1", "loopback"),
            ("127.255.0.9", "loopback"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("64:ff9b::7f00:1", "loopback"),
            ("2002:7f00:1::", "loopback"),
            ("::127.0.0.1", "loopback"),
            ("169.254.1.1", "link-local"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("0.0.0.0", "unspecified"),
            ("0.255.1.2", "unspecified"),
            ("::", "unspecified"),
            ("169.254.169.254", "metadata"),
            ("::ffff:169.254.169.254", "metadata"),
            ("100.100.100.200", "metadata"),
            ("fd00:ec2::254", "metadata"),
        ] {
            assert_eq!(refusal(address.parse().unwrap()), Some(kind), "{address}");
        }
    }

    #[test]
    fn h12_private_and_public_addresses_are_probed() {
        for address in ["10.0.0.1", "192.168.1.1", "203.0.113.10", "100.64.0.1", "fd00::1", "2001:db8::1", "fec0::1"] {
            assert_eq!(refusal(address.parse().unwrap()), None, "{address}");
        }
    }
}
