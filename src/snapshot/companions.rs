//! What goes along with an RRset in the additional section: addresses of the hosts that it points at (protocol 13).
//!
//! Layout, numbers in little endian, one after the other: a [kind](FIXED); then for an RRset as it is its records u16
//! and octets u32, and the octets, each record with its own owner; for a steered host its number u32, octets of its name
//! u8, and the name; for the owner of the RRset itself nothing.

use super::ready::{Records, write_fixed};
use crate::wire::{NameRef, RrsetRef};

/// An RRset as it is.
const FIXED: u8 = 0;
/// A host that is steered.
const STEERED: u8 = 1;
/// The owner of the RRset that it goes along with.
const OWN: u8 = 2;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion<'a> {
    /// Finished records.
    Fixed(Records<'a>),
    /// The number of a steered name, and the name.
    Steered(usize, &'a [u8]),
    /// Whatever addresses the name has for which the RRset is answered.
    Own,
}

/// Those of one RRset, in order.
#[derive(Clone, Copy, Debug)]
pub struct Companions<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Companions<'a> {
    type Item = Companion<'a>;

    fn next(&mut self) -> Option<Companion<'a>> {
        let (&kind, rest) = self.0.split_first()?;
        let (companion, rest) = match kind {
            FIXED => {
                let (&[count_lo, count_hi, a, b, c, d], rest) = rest.split_first_chunk()?;
                let (octets, rest) = rest.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize)?;
                let count = u16::from_le_bytes([count_lo, count_hi]);
                (Companion::Fixed(Records { octets, count }), rest)
            }
            STEERED => {
                let (&[a, b, c, d, len], rest) = rest.split_first_chunk()?;
                let (name, rest) = rest.split_at_checked(len.into())?;
                (Companion::Steered(u32::from_le_bytes([a, b, c, d]) as usize, name), rest)
            }
            _ => (Companion::Own, rest),
        };
        self.0 = rest;
        Some(companion)
    }
}

/// Writes an RRset as that of a name.
pub(super) fn write_rrset(octets: &mut Vec<u8>, owner: NameRef<'_>, rrset: &RrsetRef<'_>) {
    octets.push(FIXED);
    octets.extend((rrset.rdata.len() as u16).to_le_bytes());
    let len = octets.len();
    octets.extend(0u32.to_le_bytes());
    for data in rrset.rdata.iter() {
        octets.extend_from_slice(owner.as_wire());
        write_fixed(octets, rrset.rtype, rrset.ttl, data);
    }
    let written = (octets.len() - len - 4) as u32;
    octets[len..len + 4].copy_from_slice(&written.to_le_bytes());
}

/// Writes a steered host.
pub(super) fn write_steered(octets: &mut Vec<u8>, number: u32, name: &[u8]) {
    octets.push(STEERED);
    octets.extend(number.to_le_bytes());
    octets.push(name.len() as u8);
    octets.extend_from_slice(name);
}

/// Writes the owner itself.
pub(super) fn write_own(octets: &mut Vec<u8>) {
    octets.push(OWN);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::wire::{Name, RecordType, RecordsBuilder};

    #[test]
    fn p13_what_goes_along_comes_back_as_it_was() {
        let host = Name::absolute("mail.example").unwrap();
        let records = RecordsBuilder::new().with(&host, RecordType::A, 60, &[[192, 0, 2, 1], [192, 0, 2, 2]]).finish();
        let mut octets = Vec::new();
        write_own(&mut octets);
        write_rrset(&mut octets, host.view(), &records.iter().next().unwrap());
        write_steered(&mut octets, 70_000, host.as_wire());
        let found: Vec<_> = Companions(&octets).collect();
        let fixed = found.iter().find_map(|companion| match companion {
            Companion::Fixed(records) => Some(*records),
            _ => None,
        });
        let fixed = fixed.unwrap();
        assert_eq!((fixed.count, fixed.octets.len()), (2, 2 * (host.as_wire().len() + 14)));
        let expected = [Companion::Own, Companion::Fixed(fixed), Companion::Steered(70_000, host.as_wire())];
        assert_eq!(found, expected);
        assert_eq!(Companions(&[]).next(), None);
    }
}
