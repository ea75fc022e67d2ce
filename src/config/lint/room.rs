//! What a message has room for (protocol 7).

use crate::wire::RrsetRef;

/// Octets of a record before its data: owner as a pointer, type, class, TTL and length.
pub(crate) const RECORD: usize = 12;
/// Header, the question with the longest name, and OPT.
const FRAME: usize = 12 + 255 + 4 + 11;
/// Octets of records that the longest message holds beside these. An RRset that takes more fits in no answer.
pub(crate) const ROOM: usize = 65_535 - FRAME;

/// The octets of an RRset in an answer.
pub(super) fn taken(rrset: RrsetRef<'_>) -> usize {
    rrset.rdata.iter().map(|data| RECORD + data.len()).sum()
}
