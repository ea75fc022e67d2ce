//! EDNS (RFC 6891): the OPT record of a query, its options, and client subnet (RFC 7871).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The payload size that we offer and never exceed in a datagram (protocol 7).
pub const OUR_PAYLOAD: u16 = 1232;

/// Option codes (IANA "DNS EDNS0 Option Codes").
pub mod option {
    /// RFC 5001.
    pub const NSID: u16 = 3;
    /// RFC 7871.
    pub const ECS: u16 = 8;
    /// RFC 8914.
    pub const EDE: u16 = 15;
}

/// What a query's OPT record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Edns {
    /// The sender's payload size in octets, as given.
    pub payload: u16,
    /// 0 is the only one there is.
    pub version: u8,
    /// DNSSEC OK, copied into the reply.
    pub dnssec_ok: bool,
    /// The first client subnet option.
    pub ecs: Option<Ecs>,
    /// Whether the server's name is asked for.
    pub nsid: bool,
}

/// A client subnet option of a query (E1–E4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecs {
    /// Family 0, source 0: "do not use an address", echoed.
    Empty,
    /// An address, its bits past the prefix zero.
    Subnet {
        /// IPv4 or IPv6 by the option's family.
        address: IpAddr,
        /// Bits of `address` that count: at most 32 or 128.
        source: u8,
    },
}

impl Ecs {
    /// Reads an option's data. `None` is malformed: family, length, bits past the prefix, or a scope in a query (E3).
    pub fn parse(data: &[u8]) -> Option<Self> {
        let &[family_hi, family_lo, source, scope, ref octets @ ..] = data else { return None };
        if scope != 0 {
            return None;
        }
        let width = match u16::from_be_bytes([family_hi, family_lo]) {
            0 => return (source == 0 && octets.is_empty()).then_some(Self::Empty),
            1 => 32,
            2 => 128,
            _ => return None,
        };
        if source > width || octets.len() != usize::from(source).div_ceil(8) {
            return None;
        }
        let spare = (8 - source % 8) % 8;
        if octets.last().is_some_and(|last| last & ((1u16 << spare) - 1) as u8 != 0) {
            return None;
        }
        let address = if width == 32 {
            let mut whole = [0; 4];
            whole[..octets.len()].copy_from_slice(octets);
            IpAddr::V4(Ipv4Addr::from(whole))
        } else {
            let mut whole = [0; 16];
            whole[..octets.len()].copy_from_slice(octets);
            IpAddr::V6(Ipv6Addr::from(whole))
        };
        Some(Self::Subnet { address, source })
    }

    /// Octets of the option's data.
    #[allow(clippy::len_without_is_empty, reason = "an option is never empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 4,
            Self::Subnet { source, .. } => 4 + usize::from(*source).div_ceil(8),
        }
    }

    /// Writes the option's data for a reply with this scope; returns its length, at most 20.
    pub fn write(&self, scope: u8, out: &mut [u8; 20]) -> usize {
        *out = [0; 20];
        let Self::Subnet { address, source } = *self else { return 4 };
        out[2] = source;
        out[3] = scope;
        let octets = usize::from(source).div_ceil(8);
        match address {
            IpAddr::V4(v4) => {
                out[1] = 1;
                out[4..4 + octets].copy_from_slice(&v4.octets()[..octets]);
            }
            IpAddr::V6(v6) => {
                out[1] = 2;
                out[4..4 + octets].copy_from_slice(&v6.octets()[..octets]);
            }
        }
        4 + octets
    }
}

impl Edns {
    /// Reads an OPT record: its class, its TTL and its data. `None` is FORMERR (protocol 17): an option runs over, or
    /// a client subnet is malformed (E3). Options are not read above version 0, whose form nobody knows.
    pub fn parse(class: u16, ttl: u32, data: &[u8]) -> Option<Self> {
        let mut edns =
            Self { payload: class, version: (ttl >> 16) as u8, dnssec_ok: ttl & 0x8000 != 0, ..Self::default() };
        if edns.version > 0 {
            return Some(edns);
        }
        let mut rest = data;
        while !rest.is_empty() {
            let &[code_hi, code_lo, len_hi, len_lo, ref after @ ..] = rest else { return None };
            let len = usize::from(u16::from_be_bytes([len_hi, len_lo]));
            let (value, next) = after.split_at_checked(len)?;
            match u16::from_be_bytes([code_hi, code_lo]) {
                // The first one counts (protocol 18), a malformed second one is still malformed.
                option::ECS => {
                    let ecs = Ecs::parse(value)?;
                    edns.ecs.get_or_insert(ecs);
                }
                option::NSID => edns.nsid = true,
                _ => {}
            }
            rest = next;
        }
        Some(edns)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn e3_malformed_subnets_are_refused() {
        let bad: &[&[u8]] = &[
            &[],
            &[0, 1, 24],
            &[0, 1, 24, 1, 1, 2, 3],
            &[0, 1, 33, 0, 1, 2, 3, 4, 0],
            &[0, 1, 24, 0, 1, 2],
            &[0, 1, 24, 0, 1, 2, 3, 4],
            &[0, 1, 20, 0, 1, 2, 0x0f],
            &[0, 3, 8, 0, 1],
            &[0, 0, 8, 0, 1],
            &[0, 2, 129, 0],
        ];
        for data in bad {
            assert_eq!(Ecs::parse(data), None, "{data:?}");
        }
        assert_eq!(Ecs::parse(&[0, 0, 0, 0]), Some(Ecs::Empty));
        assert!(Ecs::parse(&[0, 1, 20, 0, 1, 2, 0xf0]).is_some());
    }

    proptest! {
        #[test]
        fn e1_a_subnet_survives_a_round_trip(bits: u128, source in 0u8..=128, v4: bool, scope: u8) {
            let ecs = if v4 {
                let source = source % 33;
                let mask = u32::MAX.checked_shl(32 - u32::from(source)).unwrap_or(0);
                Ecs::Subnet { address: Ipv4Addr::from(bits as u32 & mask).into(), source }
            } else {
                let mask = u128::MAX.checked_shl(128 - u32::from(source)).unwrap_or(0);
                Ecs::Subnet { address: Ipv6Addr::from(bits & mask).into(), source }
            };
            let mut out = [0; 20];
            let len = ecs.write(scope, &mut out);
            prop_assert_eq!(out[3], scope);
            out[3] = 0;
            prop_assert_eq!(Ecs::parse(&out[..len]), Some(ecs));
        }

        #[test]
        fn p29_any_octets_are_read_without_harm(data: Vec<u8>, class: u16, ttl: u32) {
            let _ = Edns::parse(class, ttl, &data);
        }
    }
}
