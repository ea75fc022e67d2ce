//! EDNS (RFC 6891): the OPT record of a query, its options, and client subnet (RFC 7871).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cookie::Cookie;

/// The payload size that we offer and never exceed in a datagram (protocol 7).
pub const OUR_PAYLOAD: u16 = 1232;

/// Option codes (IANA "DNS EDNS0 Option Codes").
pub mod option {
    /// RFC 5001.
    pub const NSID: u16 = 3;
    /// RFC 7871.
    pub const ECS: u16 = 8;
    /// RFC 7314.
    pub const EXPIRE: u16 = 9;
    /// RFC 7873.
    pub const COOKIE: u16 = 10;
    /// RFC 7828.
    pub const KEEPALIVE: u16 = 11;
    /// RFC 7830.
    pub const PADDING: u16 = 12;
    /// RFC 8914.
    pub const EDE: u16 = 15;
    /// RFC 9660.
    pub const ZONEVERSION: u16 = 19;
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
    /// What else is asked for.
    pub asked: Asked,
    /// The first cookie option.
    pub cookie: Option<Cookie>,
}

/// What a query asks for by options that few have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Asked(u8);

impl Asked {
    /// The server's name (RFC 5001).
    pub const NSID: Self = Self(1);
    /// How long a secondary may go on with the zone (RFC 7314).
    pub const EXPIRE: Self = Self(2);
    /// How long the stream may be idle (RFC 7828).
    pub const KEEPALIVE: Self = Self(4);
    /// That the reply be padded as the query is (RFC 7830).
    pub const PADDING: Self = Self(8);
    /// The zone's serial (RFC 9660).
    pub const ZONEVERSION: Self = Self(16);
    /// A cookie.
    const COOKIE: Self = Self(32);

    /// Nothing.
    #[inline]
    pub fn is_nothing(self) -> bool {
        self == Self(0)
    }

    /// Whether `what` is asked for.
    pub fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }

    fn add(&mut self, what: Self) {
        self.0 |= what.0;
    }
}

/// A client subnet option of a query (E1–E4), its data kept as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecs {
    /// Family, source, scope, address, in little endian; zeros behind the last octet that was given. The first word
    /// holds all of an IPv4 prefix.
    words: [u64; 3],
    len: u8,
}

/// Octets of the longest client subnet option's data, a whole IPv6 address.
const ECS_MOST: usize = 20;
/// Bits of the first word before a field.
const FAMILY: u32 = 0;
const SOURCE: u32 = 16;
const SCOPE: u32 = 24;
const ADDRESS: u32 = 32;

impl Ecs {
    /// An address of which `source` bits count; the others are taken as zero. At most 32 or 128.
    pub fn subnet(address: IpAddr, source: u8) -> Self {
        let mut data = [0; 24];
        data[2] = source;
        match address {
            IpAddr::V4(v4) => {
                data[1] = 1;
                data[4..8].copy_from_slice(&(v4.to_bits() & !low_bits_v4(source)).to_be_bytes());
            }
            IpAddr::V6(v6) => {
                data[1] = 2;
                data[4..20].copy_from_slice(&(v6.to_bits() & !low_bits_v6(source)).to_be_bytes());
            }
        }
        Self { words: words(data), len: 4 + source.div_ceil(8) }
    }

    /// Reads the option's data, the `len` octets of `buffer` from `at` on. `None` is malformed: family, length, bits
    /// past the prefix, or a scope in a query (E3).
    #[inline(always)]
    pub fn parse(buffer: &[u8], at: usize, len: usize) -> Option<Self> {
        // Most are an IPv4 prefix, read as a whole word: what stands behind them in the buffer is cut off.
        if (4..=8).contains(&len)
            && let Some(word) = buffer.get(at..).and_then(|rest| rest.first_chunk())
        {
            let word = u64::from_le_bytes(*word) & (u64::MAX >> (64 - 8 * len as u32));
            return Self { words: [word, 0, 0], len: len as u8 }.well_formed();
        }
        let data = buffer.get(at..at + len)?;
        let mut whole = [0; 24];
        whole[..ECS_MOST].get_mut(..data.len())?.copy_from_slice(data);
        Self { words: words(whole), len: data.len() as u8 }.well_formed()
    }

    #[inline(always)]
    fn well_formed(self) -> Option<Self> {
        let source = self.source();
        if self.len < 4 || (self.words[0] >> SCOPE) as u8 != 0 || self.len != 4 + source.div_ceil(8) {
            return None;
        }
        let is_well_formed = match self.family() {
            // "Do not use an address".
            0 => source == 0,
            1 => source <= 32 && self.v4() & low_bits_v4(source) == 0,
            2 => source <= 128 && self.v6() & low_bits_v6(source) == 0,
            _ => false,
        };
        is_well_formed.then_some(self)
    }

    #[inline]
    fn family(&self) -> u16 {
        ((self.words[0] >> FAMILY) as u16).swap_bytes()
    }

    #[inline]
    fn source(&self) -> u8 {
        (self.words[0] >> SOURCE) as u8
    }

    #[inline]
    fn v4(&self) -> u32 {
        ((self.words[0] >> ADDRESS) as u32).swap_bytes()
    }

    #[inline]
    fn v6(&self) -> u128 {
        let [first, second, third] = self.words.map(u128::from);
        (first >> ADDRESS | second << 32 | third << 96).swap_bytes()
    }

    /// The address and how many of its bits count; `None` for family 0.
    #[inline(always)]
    pub fn prefix(&self) -> Option<(IpAddr, u8)> {
        let address = match self.family() {
            1 => Ipv4Addr::from_bits(self.v4()).into(),
            2 => Ipv6Addr::from_bits(self.v6()).into(),
            _ => return None,
        };
        Some((address, self.source()))
    }

    /// As [`Self::prefix`], of IPv4 only.
    #[inline(always)]
    pub fn v4_prefix(&self) -> Option<(Ipv4Addr, u8)> {
        (self.family() == 1).then(|| (Ipv4Addr::from_bits(self.v4()), self.source()))
    }

    /// Octets of the option's data, 4 to 20.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "an option is never empty")]
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// Writes the option's data for a reply with this scope to the front of `out`, which has room for it; octets
    /// behind it, as far as a whole word or 24, may be zeroed.
    #[inline(always)]
    pub fn write(&self, scope: u8, out: &mut [u8]) {
        let first = self.words[0] | u64::from(scope) << SCOPE;
        if self.len <= 8
            && let Some(word) = out.first_chunk_mut()
        {
            *word = first.to_le_bytes();
            return;
        }
        let octets = [first, self.words[1], self.words[2]].map(u64::to_le_bytes);
        out[..self.len()].copy_from_slice(&octets.as_flattened()[..self.len()]);
    }
}

fn words(octets: [u8; 24]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, octets) in words.iter_mut().zip(octets.as_chunks().0) {
        *word = u64::from_le_bytes(*octets);
    }
    words
}

/// The bits of an address past a prefix.
#[inline]
fn low_bits_v4(source: u8) -> u32 {
    u32::MAX.checked_shr(source.into()).unwrap_or(0)
}

#[inline]
fn low_bits_v6(source: u8) -> u128 {
    u128::MAX.checked_shr(source.into()).unwrap_or(0)
}

impl Edns {
    /// Of an OPT record's class and TTL (RFC 6891 section 6.1.3), its options not read.
    #[inline]
    pub fn new(class: u16, [_, version, flags, _]: [u8; 4]) -> Self {
        Self { payload: class, version, dnssec_ok: flags & 0x80 != 0, ecs: None, asked: Asked(0), cookie: None }
    }

    /// Reads the record's options, the octets `at..end` of `buffer`, which are within it. `None` is FORMERR
    /// (protocol 17): an option runs over, or a client subnet is malformed (E3). Options are not read above version 0,
    /// whose form nobody knows.
    #[inline(always)]
    pub fn read_options(&mut self, buffer: &[u8], mut at: usize, end: usize) -> Option<()> {
        if self.version > 0 {
            return Some(());
        }
        while at < end {
            let &[code_hi, code_lo, len_hi, len_lo] = buffer.get(at..)?.first_chunk()?;
            let len = usize::from(u16::from_be_bytes([len_hi, len_lo]));
            at += 4;
            if at + len > end {
                return None;
            }
            match u16::from_be_bytes([code_hi, code_lo]) {
                // The first one counts (protocol 18), a malformed second one is still malformed.
                option::ECS => {
                    let ecs = Ecs::parse(buffer, at, len)?;
                    self.ecs.get_or_insert(ecs);
                }
                code => self.read_rare(code, buffer.get(at..at + len)?)?,
            }
            at += len;
        }
        Some(())
    }

    /// Reads an option other than client subnet. `None` is FORMERR.
    #[inline(never)]
    fn read_rare(&mut self, code: u16, data: &[u8]) -> Option<()> {
        match code {
            option::NSID => self.asked.add(Asked::NSID),
            option::EXPIRE => self.asked.add(Asked::EXPIRE),
            option::KEEPALIVE => self.asked.add(Asked::KEEPALIVE),
            option::PADDING => self.asked.add(Asked::PADDING),
            option::ZONEVERSION if data.is_empty() => self.asked.add(Asked::ZONEVERSION),
            // RFC 9660 section 3.1: a query's is empty.
            option::ZONEVERSION => return None,
            option::COOKIE => {
                // The first one counts (RFC 7873 section 5.2), a malformed second one is still malformed.
                let cookie = Cookie::parse(data)?;
                self.cookie.get_or_insert(cookie);
                self.asked.add(Asked::COOKIE);
            }
            _ => {}
        }
        Some(())
    }

    /// Forgets what options said.
    pub(super) fn forget_options(&mut self) {
        (self.ecs, self.asked, self.cookie) = (None, Asked(0), None);
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
            assert_eq!(Ecs::parse(data, 0, data.len()), None, "{data:?}");
        }
        assert_eq!(Ecs::parse(&[0, 0, 0, 0], 0, 4).unwrap().prefix(), None);
        let good = Ecs::parse(&[9, 0, 1, 20, 0, 1, 2, 0xf0, 9, 9], 1, 7).unwrap();
        assert_eq!(good.prefix(), Some(("1.2.240.0".parse().unwrap(), 20)));
    }

    proptest! {
        #[test]
        fn e1_a_subnet_survives_a_round_trip(bits: u128, source in 0u8..=128, v4: bool, scope: u8) {
            let (address, source): (IpAddr, u8) = if v4 {
                (Ipv4Addr::from(bits as u32).into(), source % 33)
            } else {
                (Ipv6Addr::from(bits).into(), source)
            };
            let ecs = Ecs::subnet(address, source);
            let mut out = [0; 24];
            ecs.write(scope, &mut out);
            prop_assert_eq!(out[3], scope);
            let mut tight = vec![0; ecs.len()];
            ecs.write(scope, &mut tight);
            prop_assert_eq!(&tight, &out[..ecs.len()]);
            out[3] = 0;
            // Whatever stands behind the option is no part of it.
            let behind = [&out[..ecs.len()], &[0xff; 9]].concat();
            prop_assert_eq!(Ecs::parse(&behind, 0, ecs.len()), Some(ecs));
            prop_assert_eq!(Ecs::parse(&out[..ecs.len()], 0, ecs.len()), Some(ecs));
            let prefix = ipnet::IpNet::new(address, source).unwrap();
            prop_assert_eq!(ecs.prefix(), Some((prefix.network(), source)));
        }

        #[test]
        fn p29_any_octets_are_read_without_harm(data: Vec<u8>, class: u16, ttl: [u8; 4]) {
            let _ = Edns::new(class, ttl).read_options(&data, 0, data.len());
        }
    }
}
