//! Start of authority.

use crate::wire::{Name, NameRef};

/// Start of authority (RFC 1035 section 3.3.13). Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Soa {
    /// The record's own TTL.
    pub ttl: u32,
    /// Primary name server.
    pub mname: Name,
    /// Mailbox.
    pub rname: Name,
    /// As given, else the newest modification time of the zone's files.
    pub serial: u32,
    /// Refresh.
    pub refresh: u32,
    /// Retry.
    pub retry: u32,
    /// Expire.
    pub expire: u32,
    /// TTL of negative answers (RFC 2308).
    pub minimum: u32,
}

impl Soa {
    /// Of a file that has none.
    pub(crate) fn none() -> Self {
        let root = Name::root();
        Self { ttl: 0, mname: root.clone(), rname: root, serial: 0, refresh: 0, retry: 0, expire: 0, minimum: 0 }
    }

    /// Reads uncompressed data; `None`: it is no SOA.
    pub fn read(rdata: &[u8], ttl: u32) -> Option<Self> {
        let (mname, rest) = NameRef::split_front(rdata)?;
        let (rname, rest) = NameRef::split_front(rest)?;
        let numbers = rest.first_chunk::<20>()?;
        let number = |index: usize| {
            let at = index * 4;
            u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]])
        };
        Some(Self {
            ttl,
            mname: mname.to_name(),
            rname: rname.to_name(),
            serial: number(0),
            refresh: number(1),
            retry: number(2),
            expire: number(3),
            minimum: number(4),
        })
    }

    /// The data, uncompressed.
    pub fn data(&self) -> Vec<u8> {
        let mut rdata = [self.mname.as_wire(), self.rname.as_wire()].concat();
        for number in [self.serial, self.refresh, self.retry, self.expire, self.minimum] {
            rdata.extend_from_slice(&number.to_be_bytes());
        }
        rdata
    }
}

/// RFC 1982 section 3.2: whether serial `a` is before `b` on the circle; neither of two that are half of it apart is.
pub fn precedes(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p14_rfc_1982_order_goes_round_the_circle() {
        assert!(precedes(1, 2) && !precedes(2, 1) && !precedes(7, 7));
        assert!(precedes(u32::MAX, 0) && !precedes(0, u32::MAX));
        assert!(!precedes(0, 1 << 31) && !precedes(1 << 31, 0));
    }

    #[test]
    fn data_of_an_soa_reads_back() {
        let soa = Soa { ttl: 9, serial: 7, minimum: 60, ..Soa::none() };
        assert_eq!(Soa::read(&soa.data(), 9), Some(soa.clone()));
        assert_eq!(Soa::read(&soa.data()[1..], 9), None);
    }
}
