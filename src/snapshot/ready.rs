//! Records as they go out: finished octets, but for the owner's pointer.

use crate::config::model::Rrset;
use crate::wire::{Name, RecordType};

/// Octets of a record before its data when the owner is a pointer: owner, type, class, TTL, length.
const FIXED: usize = 12;
/// A pointer to the question's name, right behind the header.
const TO_QUESTION: [u8; 2] = [0xc0, 0x0c];

/// An RRset, each record's owner a pointer to the question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    /// The type of every record.
    pub rtype: RecordType,
    octets: Box<[u8]>,
    /// Where each record begins, and the end.
    starts: Box<[u32]>,
    take: u16,
}

impl Ready {
    /// All records of an RRset.
    pub fn of(rrset: &Rrset) -> Self {
        Self::new(rrset.rtype, rrset.ttl, &rrset.rdata, rrset.rdata.len())
    }

    /// Windows of at most `take` of these records (M1).
    pub fn new(rtype: RecordType, ttl: u32, rdata: &[Box<[u8]>], take: usize) -> Self {
        let mut octets = Vec::new();
        let mut starts = vec![0];
        for data in rdata {
            octets.extend(TO_QUESTION);
            octets.extend(rtype.0.to_be_bytes());
            octets.extend(1u16.to_be_bytes());
            octets.extend(ttl.to_be_bytes());
            octets.extend((data.len() as u16).to_be_bytes());
            octets.extend_from_slice(data);
            starts.push(octets.len() as u32);
        }
        Self { rtype, octets: octets.into(), starts: starts.into(), take: take.min(rdata.len()) as u16 }
    }

    /// How many records one answer holds.
    pub fn count(&self) -> u16 {
        self.take
    }

    /// Copies the window that begins at the `turn`-th part of 2^32 of the ring; `None` when it does not fit. Returns
    /// the octets written.
    pub fn write(&self, owner: u16, turn: u32, out: &mut [u8]) -> Option<usize> {
        let all = self.starts.len() - 1;
        let first = ((u64::from(turn) * all as u64) >> 32) as usize;
        let end = first + usize::from(self.take);
        let at = |record: usize| self.starts[record] as usize;
        let head = &self.octets[at(first)..at(end.min(all))];
        let tail = &self.octets[..at(end.saturating_sub(all))];
        out.get_mut(..head.len())?.copy_from_slice(head);
        out.get_mut(head.len()..head.len() + tail.len())?.copy_from_slice(tail);
        let len = head.len() + tail.len();
        let owner = owner.to_be_bytes();
        if owner != TO_QUESTION {
            let mut record = 0;
            while record < len {
                out[record..record + 2].copy_from_slice(&owner);
                let data = usize::from(u16::from_be_bytes([out[record + 10], out[record + 11]]));
                record += FIXED + data;
            }
        }
        Some(len)
    }

    /// The data of the first record: a CNAME's target.
    pub fn first_data(&self) -> &[u8] {
        &self.octets[FIXED..self.starts[1] as usize]
    }
}

/// Records with owners of their own, written out in full: glue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Finished octets.
    pub octets: Box<[u8]>,
    /// How many records.
    pub count: u16,
}

impl Records {
    /// All records of these RRsets.
    pub fn of(rrsets: &[&Rrset]) -> Self {
        let mut octets = Vec::new();
        let mut count = 0;
        for rrset in rrsets {
            for data in &rrset.rdata {
                octets.extend_from_slice(Name::as_wire(&rrset.owner));
                octets.extend(rrset.rtype.0.to_be_bytes());
                octets.extend(1u16.to_be_bytes());
                octets.extend(rrset.ttl.to_be_bytes());
                octets.extend((data.len() as u16).to_be_bytes());
                octets.extend_from_slice(data);
                count += 1;
            }
        }
        Self { octets: octets.into(), count }
    }
}
