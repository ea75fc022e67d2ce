//! A message that was left aside, its question read.

use crate::answer::Query;
use crate::snapshot::Snapshot;
use crate::wire::message::{Rcode, Reading, opcode_of};

/// A message that is no plain query.
#[derive(Debug)]
pub(super) struct Request {
    /// What it asks for.
    pub(super) opcode: u8,
    /// Its question, which is the zone in NOTIFY and UPDATE, and its EDNS.
    pub(super) query: Query,
    /// What stands behind the question is no row of records.
    pub(super) is_malformed: bool,
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
                Ok(Self { opcode: opcode_of(message), query, is_malformed: reading == Reading::Malformed })
            }
            Reading::HeaderOnly(rcode) => Err(Fault::HeaderOnly(rcode)),
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
        snapshot.plan.table.exact(&self.query.name).is_some_and(|node| node.is_apex() || node.is_unloaded())
    }

    /// Whether its question names a zone that is served here.
    pub(super) fn is_apex(&self, snapshot: &Snapshot) -> bool {
        snapshot.plan.table.exact(&self.query.name).is_some_and(|node| node.is_apex())
    }
}
