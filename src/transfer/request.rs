//! A message that was left aside, its question read.

use crate::answer::{Peer, Query};
use crate::snapshot::Snapshot;
use crate::wire::RecordType;
use crate::wire::edns::OUR_PAYLOAD;
use crate::wire::message::{Rcode, Reading, opcode_of};

/// Octets of a datagram's reply without EDNS (RFC 1035 section 4.2.1).
const PLAIN_PAYLOAD: u16 = 512;

/// A message that is no plain query.
#[derive(Debug)]
pub(super) struct Request {
    /// What it asks for.
    pub(super) opcode: u8,
    /// Its question, which is the zone in NOTIFY and UPDATE, and its EDNS.
    pub(super) query: Query,
    /// What stands behind the question is no row of records.
    pub(super) is_malformed: bool,
    /// Its last record is a TSIG.
    pub(super) is_signed: bool,
}

/// Why a message cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no reply.
    Drop,
    /// The header alone goes back.
    HeaderOnly(Rcode),
}

impl Request {
    /// Reads it; names are hashed with `seed`.
    pub(super) fn read(message: &[u8], seed: u64) -> Result<Self, Fault> {
        let mut query = Query::default();
        match query.read_aside(message, message.len(), seed) {
            reading @ (Reading::Query | Reading::Aside | Reading::Malformed) => {
                let (is_malformed, is_signed) = (reading == Reading::Malformed, reading == Reading::Aside);
                Ok(Self { opcode: opcode_of(message), query, is_malformed, is_signed })
            }
            Reading::HeaderOnly(rcode) => Err(Fault::HeaderOnly(rcode)),
            // It names no zone.
            Reading::CookieOnly | Reading::NoQuestion => Err(Fault::HeaderOnly(Rcode::FormErr)),
            Reading::Drop => Err(Fault::Drop),
        }
    }

    /// What is wrong with it before it is looked at what it asks for (protocol 4, 17).
    pub(super) fn fault(&self) -> Option<Rcode> {
        match &self.query.edns {
            _ if self.is_malformed => Some(Rcode::FormErr),
            Some(edns) if edns.version > 0 => Some(Rcode::BadVers),
            _ => None,
        }
    }

    /// Whether its question names a zone of ours, served or not.
    pub(super) fn is_zone(&self, snapshot: &Snapshot) -> bool {
        snapshot.plan.table.is_zone(&self.query.name)
    }

    /// Whether it asks by a datagram for what goes on streams only (protocol 6).
    pub(super) fn is_whole_by(&self, peer: Peer) -> bool {
        self.query.qtype == RecordType::AXFR && peer.carrier.is_datagram()
    }

    /// Octets that a reply by datagram may have (protocol 7).
    pub(super) fn datagram_room(&self) -> usize {
        let payload = self.query.edns.as_ref().map_or(PLAIN_PAYLOAD, |edns| edns.payload.min(OUR_PAYLOAD));
        usize::from(payload.max(PLAIN_PAYLOAD))
    }
}
