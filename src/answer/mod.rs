//! The engine: query bytes in, reply bytes out. Every transport calls [`answer`] and sends what it writes.
//!
//! Comes in: one snapshot, one message, what the transport knows of the sender, 64 random bits. Goes out: the length of
//! the reply, or nothing for what deserves none. Invariant: no allocation, no lock, no I/O, no clock, no health
//! evaluated; the cost is bounded by the message's length and sixteen links of a chain of
//! CNAMEs and DNAMEs.

mod chain;
mod client;
mod explain;
mod reply;
mod resolve;

use std::net::IpAddr;

use crate::config::model::Prefer;
use crate::snapshot::Snapshot;
use crate::wire::RecordType;
use crate::wire::message::{CLASS_IN, Rcode, Reading, opcode, opcode_of};

use client::Client;
use reply::{ExtendedError, Reply, header_only};
use resolve::{Ending, Resolution};

pub use crate::wire::message::{Query, is_aside};
pub use client::unwrap_address;
pub use explain::{
    Asker, CandidateTrace, DecisionTrace, ExplainError, Explanation, NodeTrace, PlaceReport, ProbeTrace, explain,
};

/// What the transport knows of a query.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The sender's address as the socket gives it; IPv4 inside IPv6 is unwrapped here (E7).
    pub address: IpAddr,
    /// How the query came, and so how the reply goes.
    pub carrier: Carrier,
}

/// What carries a query and its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// UDP: a reply is limited in size (protocol 7), and its sender may be forged.
    Datagram,
    /// TCP.
    Stream,
    /// TLS, HTTPS or QUIC.
    Encrypted,
}

impl Carrier {
    /// Whether a reply is limited to a datagram.
    #[inline]
    pub fn is_datagram(self) -> bool {
        self == Self::Datagram
    }
}

/// Writes the reply to `query` into `out` and returns its length; `None` drops the query. `draw` is 64 uniformly
/// random bits; with 0 records keep the order of the file. `out` holds at least 1232 octets, 65,535 for streams.
/// A query that is longer than `out` is dropped. What [`answer_in_place`] leaves aside is answered [`alone`].
pub fn answer(snapshot: &Snapshot, query: &[u8], peer: Peer, draw: u64, out: &mut [u8]) -> Option<usize> {
    out.get_mut(..query.len())?.copy_from_slice(query);
    let reply = answer_in_place(snapshot, &mut Query::default(), out, query.len(), peer, draw);
    reply.or_else(|| alone(snapshot, out, query.len(), peer, draw))
}

/// As [`answer`], for a query that fills the first `len` octets of the buffer that the reply is to be written to.
/// `query` is what it is read into: whatever it held does not matter, and one serves for all messages of a thread.
/// `None` drops the query or, where [`is_aside`] says so of it, leaves it to somebody else; the buffer is then as it was.
#[inline(always)]
pub fn answer_in_place(
    snapshot: &Snapshot,
    query: &mut Query,
    buffer: &mut [u8],
    len: usize,
    peer: Peer,
    draw: u64,
) -> Option<usize> {
    let reading = query.read(buffer, len, snapshot.plan.table.seed());
    answer_read(snapshot, query, reading, buffer, peer, draw)
}

/// The second half of [`answer_in_place`]: the reply to a query that was read from `buffer`, with what that came to.
#[inline(always)]
fn answer_read(
    snapshot: &Snapshot,
    query: &Query,
    reading: Reading,
    buffer: &mut [u8],
    peer: Peer,
    draw: u64,
) -> Option<usize> {
    match reading {
        Reading::Query if query.is_ordinary() => {
            let mut reply = Reply::begin(query, peer.carrier.is_datagram(), None, buffer)?;
            if resolution(snapshot, query, peer, draw).straight(&query.name, &mut reply).is_some() {
                return Some(reply.finish(Rcode::NoError));
            }
        }
        Reading::Query if query.asks_for_transfer() => return None,
        Reading::Query | Reading::Malformed => {}
        Reading::Drop | Reading::Aside => return None,
        Reading::HeaderOnly(rcode) => return header_only(buffer, rcode),
    }
    answer_any(snapshot, query, reading, buffer, peer, draw)
}

/// The reply to a message that [`is_aside`] and that nobody takes up: no transfers are given, nothing is changed, and
/// what is signed is answered as if it were not. `None` drops the message.
#[inline(never)]
pub fn alone(snapshot: &Snapshot, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
    let mut query = Query::default();
    let reading = match query.read(buffer, len, snapshot.plan.table.seed()) {
        Reading::Aside if opcode_of(buffer) != opcode::QUERY => return header_only(buffer, Rcode::NotImp),
        Reading::Aside => Reading::Query,
        Reading::Query if query.asks_for_transfer() => Reading::Query,
        _ => return None,
    };
    answer_any(snapshot, &query, reading, buffer, peer, draw)
}

/// The reply to any query, with nothing of it written yet.
#[inline(never)]
fn answer_any(
    snapshot: &Snapshot,
    query: &Query,
    reading: Reading,
    buffer: &mut [u8],
    peer: Peer,
    draw: u64,
) -> Option<usize> {
    let identity = snapshot.inputs.model.server.identity.as_deref();
    let mut reply = Reply::begin(query, peer.carrier.is_datagram(), identity, buffer)?;
    let rcode = if reading == Reading::Malformed {
        Rcode::FormErr
    } else if query.edns.as_ref().is_some_and(|edns| edns.version > 0) {
        Rcode::BadVers
    } else if let Some(rcode) = refused_outright(query, peer, &mut reply) {
        rcode
    } else {
        match resolution(snapshot, query, peer, draw).run(&query.name, &mut reply) {
            Ending::Done(rcode) => rcode,
            Ending::Full => {
                reply.truncate();
                Rcode::NoError
            }
            Ending::NotLoaded => {
                reply.extended_error(ExtendedError::NotReady);
                Rcode::ServFail
            }
            Ending::NotOurs => {
                reply.extended_error(ExtendedError::NotAuthoritative);
                Rcode::Refused
            }
        }
    };
    Some(reply.finish(rcode))
}

#[inline(always)]
fn resolution<'a>(snapshot: &'a Snapshot, query: &'a Query, peer: Peer, draw: u64) -> Resolution<'a> {
    let ecs = query.edns.as_ref().and_then(|edns| edns.ecs.as_ref());
    let client = Client::new(ecs, peer.address, snapshot.inputs.model.server.prefer == Prefer::Resolver);
    Resolution::new(snapshot, query.qtype, client, draw)
}

/// Questions that no zone's content can answer (protocol 6).
fn refused_outright(question: &Query, peer: Peer, reply: &mut Reply<'_>) -> Option<Rcode> {
    match question.qtype {
        _ if question.qclass != CLASS_IN => Some(Rcode::Refused),
        RecordType::OPT | RecordType::TSIG | RecordType::TKEY => Some(Rcode::FormErr),
        RecordType::NXNAME => {
            reply.extended_error(ExtendedError::InvalidQueryType);
            Some(Rcode::FormErr)
        }
        RecordType::AXFR | RecordType::IXFR if peer.carrier.is_datagram() => Some(Rcode::NotImp),
        RecordType::AXFR | RecordType::IXFR => Some(Rcode::Refused),
        _ => None,
    }
}
