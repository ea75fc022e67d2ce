//! What differs between two contents of a zone: what IXFR tells (RFC 1995).

use std::collections::HashSet;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::edition::Edition;
use crate::config::model::Soa;
use crate::wire::{RecordType, Records, RecordsBuilder, RrsetRef};

/// From one serial to the next.
#[derive(Debug)]
pub(super) struct Delta {
    /// The SOA before.
    pub(super) before: Soa,
    /// The SOA after.
    pub(super) after: Soa,
    /// Gone.
    pub(super) removed: Records,
    /// New.
    pub(super) added: Records,
}

impl Delta {
    /// Between two editions of one zone.
    pub(super) fn between(old: &Edition, new: &Edition) -> Self {
        let (was, is) = (marks(old, new), marks(new, old));
        Self {
            before: old.zone.soa.clone(),
            after: new.zone.soa.clone(),
            removed: without(old, new, &is),
            added: without(new, old, &was),
        }
    }

    /// How much it takes, in octets.
    pub(super) fn size(&self) -> usize {
        self.removed.size() + self.added.size() + size_of::<Self>()
    }
}

/// What of an edition may differ from the other: parts that are the very same ones do not.
fn parts<'a>(edition: &'a Edition, other: &Edition) -> impl Iterator<Item = RrsetRef<'a>> {
    let plain = !std::sync::Arc::ptr_eq(&edition.zone.records, &other.zone.records);
    // A name may go from one part to the other, so that both are looked at where one differs.
    let steered = plain || edition.steered != other.steered;
    edition.zone.records.iter().filter(move |_| plain).chain(edition.steered.iter().filter(move |_| steered))
}

/// The marks of the records, which tell them apart.
fn marks(edition: &Edition, other: &Edition) -> HashSet<u128> {
    parts(edition, other).flat_map(|rrset| rrset.rdata.iter().map(move |data| mark(&rrset, data))).collect()
}

/// The records of an edition that have none of these marks.
fn without(edition: &Edition, other: &Edition, marks: &HashSet<u128>) -> Records {
    let mut records = RecordsBuilder::new();
    for rrset in parts(edition, other) {
        let left: Vec<&[u8]> = rrset.rdata.iter().filter(|data| !marks.contains(&mark(&rrset, data))).collect();
        if !left.is_empty() {
            records.push(rrset.owner, rrset.rtype, rrset.ttl, left);
        }
    }
    records.finish()
}

fn mark(rrset: &RrsetRef<'_>, data: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new();
    rrset.owner.as_wire().iter().for_each(|octet| hasher.write_u8(octet.to_ascii_lowercase()));
    let RecordType(rtype) = rrset.rtype;
    hasher.write_u16(rtype);
    hasher.write_u32(rrset.ttl);
    hasher.write(data);
    hasher.finish128().as_u128()
}
