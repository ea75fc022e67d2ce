//! The engine: query bytes in, reply bytes out. Every transport calls [`answer`] and sends what it writes.
//!
//! Comes in: one snapshot, one message, what the transport knows of the sender, 64 random bits. Goes out: the length of
//! the reply, or nothing for what deserves none. Invariant: no allocation, no lock, no I/O, no clock, no health
//! evaluated; the cost is bounded by the message's length and sixteen links of a chain of
//! CNAMEs and DNAMEs.
//!
//! [`Limiter`] is beside it: who asks too fast for datagrams. Transports keep it, since it changes with each query.

mod ahead;
mod chain;
mod chaos;
mod client;
mod explain;
mod extras;
mod limit;
mod reply;
mod resolve;

use std::net::IpAddr;

use crate::config::model::Prefer;
use crate::snapshot::Snapshot;
use crate::wire::RecordType;
use crate::wire::message::{CLASS_CH, CLASS_IN, Rcode, opcode, opcode_of};

use client::Client;
use extras::Extras;
use reply::{Reply, header_only};
use resolve::{Ending, Resolution};

pub use crate::wire::message::{Query, Reading, is_aside};
pub use ahead::look_ahead;
pub use client::{Address, unwrap_address};
pub use explain::{
    Asker, CandidateTrace, DecisionTrace, ExplainError, Explanation, NodeTrace, PlaceReport, ProbeTrace, explain,
};
pub use limit::{Limiter, Price, Tick};
pub use reply::ExtendedError;

/// What the transport knows of a query.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The sender's address.
    pub address: Address,
    /// How the query came, and so how the reply goes.
    pub carrier: Carrier,
    /// How long the stream may be idle from now on, in tenths of a second: told to who asks (RFC 7828). Streams of their own
    /// have it, and those behind TLS.
    pub keepalive: Option<u16>,
    /// When the query came, in seconds since 1970: cookies are good for an hour.
    pub seconds: u32,
}

impl Peer {
    /// At the beginning of 1970, on no stream that stays.
    pub const fn new(address: IpAddr, carrier: Carrier) -> Self {
        Self { address: Address::new(address), carrier, keepalive: None, seconds: 0 }
    }
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
    let reply = answer_in_place(snapshot, &mut Query::default(), out, query.len(), &peer, draw, || false);
    reply.or_else(|| alone(snapshot, out, query.len(), peer, draw))
}

/// As [`answer`], for a query that fills the first `len` octets of the buffer that the reply is to be written to.
/// `query` is what it is read into: whatever it held does not matter, and one serves for all messages of a thread.
/// `is_over` is asked once of what has no valid cookie and is not left aside: whether its sender asks too fast (protocol
/// 28).
/// `None` drops the query or, where [`is_aside`] says so of it, leaves it to somebody else; the buffer is then as it was.
#[inline(always)]
pub fn answer_in_place(
    snapshot: &Snapshot,
    query: &mut Query,
    buffer: &mut [u8],
    len: usize,
    peer: &Peer,
    draw: u64,
    is_over: impl FnOnce() -> bool,
) -> Option<usize> {
    let reading = read(snapshot, query, buffer, len);
    answer_read(snapshot, query, reading, buffer, peer, draw, is_over)
}

/// The first half of [`answer_in_place`], for who has several messages to answer and [looks ahead](look_ahead) between.
#[inline(always)]
pub fn read(snapshot: &Snapshot, query: &mut Query, buffer: &[u8], len: usize) -> Reading {
    query.read(buffer, len, snapshot.plan.table.seed())
}

/// The second half: `query` is what `buffer` still holds, and `reading` what [reading](read) that came to.
#[inline(always)]
pub fn answer_read(
    snapshot: &Snapshot,
    query: &Query,
    reading: Reading,
    buffer: &mut [u8],
    peer: &Peer,
    draw: u64,
    is_over: impl FnOnce() -> bool,
) -> Option<usize> {
    Asking { snapshot, query, peer, draw }.answer(reading, buffer, is_over)
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
    Asking { snapshot, query: &query, peer: &peer, draw }.answer_any(reading, buffer)
}

/// The reply to a message that [`is_aside`] whose sender asks too fast (protocol 28): a truncated one to a question.
/// `None` drops the message: what changes something, or tells of changes, is sent again, and a reply that says nothing
/// could be taken for one that says it is done.
pub fn over(snapshot: &Snapshot, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize> {
    let mut query = Query::default();
    let reading = query.read_aside(buffer, len, snapshot.plan.table.seed());
    let has_question = matches!(reading, Reading::Query | Reading::Aside | Reading::Malformed);
    if opcode_of(buffer) != opcode::QUERY || !has_question {
        return None;
    }
    Asking { snapshot, query: &query, peer: &peer, draw: 0 }.answer_over(reading, buffer)
}

/// Writes a reply without records over a message that [`is_aside`], whose question and EDNS `query` holds: this code, and
/// in its OPT all that the message asks for there. Returns its length; `None` where it does not fit.
pub fn told(
    snapshot: &Snapshot,
    query: &Query,
    buffer: &mut [u8],
    peer: &Peer,
    rcode: Rcode,
    error: Option<ExtendedError>,
) -> Option<usize> {
    let extras = match rcode {
        Rcode::FormErr => Extras::cookie_alone(snapshot, query, peer),
        _ => Extras::of(snapshot, query, peer),
    };
    let mut reply = Reply::begin(query, peer.carrier.is_datagram(), Some(&extras), buffer)?;
    if let Some(error) = error {
        reply.extended_error(error);
    }
    Some(reply.finish(rcode))
}

/// The OPT of each message of a transfer that `message` asks for, its question and EDNS in `query`: all that is asked for
/// there but padding, of which streams full of records need none, and the zone's version, which the records tell. `None`
/// where there is none.
pub fn opt_of_transfer(snapshot: &Snapshot, query: &Query, message: &[u8], peer: &Peer) -> Option<Vec<u8>> {
    query.edns.as_ref()?;
    let extras = Extras::of(snapshot, query, peer).of_transfer();
    let mut buffer = message.to_vec();
    buffer.resize(usize::from(u16::MAX), 0);
    let len = Reply::begin(query, false, Some(&extras), &mut buffer)?.finish(Rcode::NoError);
    Some(buffer.get(query.question_end()..len)?.to_vec())
}

/// A message that was read, and all that its reply depends on.
#[derive(Clone, Copy)]
struct Asking<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query,
    peer: &'a Peer,
    draw: u64,
}

impl<'a> Asking<'a> {
    /// The second half of [`answer_in_place`]: the reply to what `buffer` holds, which reading came to this.
    #[inline(always)]
    fn answer(self, reading: Reading, buffer: &mut [u8], is_over: impl FnOnce() -> bool) -> Option<usize> {
        match reading {
            Reading::Query => {
                let is_ordinary = self.query.is_ordinary();
                if !is_ordinary && self.query.asks_for_transfer() {
                    return None;
                }
                if (is_ordinary || !self.has_valid_cookie()) && is_over() {
                    return self.answer_over(reading, buffer);
                }
                if is_ordinary && let Some(len) = self.answer_straight(buffer) {
                    return Some(len);
                }
            }
            Reading::Malformed | Reading::CookieOnly | Reading::NoQuestion => {
                if !self.has_valid_cookie() && is_over() {
                    return self.answer_over(reading, buffer);
                }
            }
            Reading::Drop | Reading::Aside => return None,
            Reading::HeaderOnly(rcode) => return header_only(buffer, rcode),
        }
        self.answer_any(reading, buffer)
    }

    /// The reply to what nearly all queries are: ordinary ones for a name that has what is asked for.
    #[inline(always)]
    fn answer_straight(self, buffer: &mut [u8]) -> Option<usize> {
        let resolution = self.resolution();
        let (ready, scope) = resolution.straight(&self.query.name)?;
        reply::single(self.query, self.peer.carrier.is_datagram(), ready, || resolution.turn(), scope, buffer)
    }

    /// The reply to any query, with nothing of it written yet.
    #[inline(never)]
    fn answer_any(self, reading: Reading, buffer: &mut [u8]) -> Option<usize> {
        // What does not exist is asked for more often than any of them, so nothing is done about options that are not there.
        let asks = self.query.edns.as_ref().is_some_and(|edns| !edns.asked.is_nothing());
        let extras = asks.then(|| match reading {
            Reading::Malformed | Reading::NoQuestion => Extras::cookie_alone(self.snapshot, self.query, self.peer),
            _ => Extras::of(self.snapshot, self.query, self.peer),
        });
        let mut reply = Reply::begin(self.query, self.peer.carrier.is_datagram(), extras.as_ref(), buffer)?;
        let rcode = match reading {
            Reading::Malformed => Rcode::FormErr,
            Reading::NoQuestion => {
                reply.without_question();
                Rcode::FormErr
            }
            Reading::CookieOnly => {
                reply.without_question();
                self.of_cookie(extras.is_some_and(|extras| extras.has_cookie()))
            }
            _ if self.query.edns.as_ref().is_some_and(|edns| edns.version > 0) => Rcode::BadVers,
            _ => self.resolve(&mut reply),
        };
        Some(reply.finish(rcode))
    }

    fn resolve(&self, reply: &mut Reply<'_>) -> Rcode {
        if let Some(rcode) = self.refused_outright(reply) {
            return rcode;
        }
        match self.resolution().run(&self.query.name, reply) {
            Ending::Done(rcode) => rcode,
            Ending::Full => {
                reply.truncate();
                Rcode::NoError
            }
            Ending::Expired => {
                reply.extended_error(ExtendedError::InvalidData);
                Rcode::ServFail
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
    }

    /// The reply to who asks too fast: come again over TCP, or with the cookie that is in it (RFC 7873 section 5.2.3).
    /// Of all that its OPT asks for it has the cookie alone.
    #[cold]
    fn answer_over(self, reading: Reading, buffer: &mut [u8]) -> Option<usize> {
        let extras = Extras::cookie_alone(self.snapshot, self.query, self.peer);
        let mut reply = Reply::begin(self.query, true, Some(&extras), buffer)?;
        if matches!(reading, Reading::CookieOnly | Reading::NoQuestion) {
            reply.without_question();
        }
        if extras.has_cookie() {
            return Some(reply.finish(Rcode::BadCookie));
        }
        reply.truncate();
        Some(reply.finish(Rcode::NoError))
    }

    #[inline(never)]
    fn has_valid_cookie(self) -> bool {
        let cookie = self.query.edns.as_ref().and_then(|edns| edns.cookie.as_ref());
        let is_valid = |cookie| self.snapshot.plan.cookies.accept(cookie, self.peer.address.ip(), self.peer.seconds);
        cookie.is_some_and(is_valid)
    }

    /// What is said to who sends a cookie and no question (RFC 7873 section 5.4): that its server cookie is not ours, or
    /// not any more. To a server that speaks no cookies it is a message without a question.
    fn of_cookie(self, is_spoken: bool) -> Rcode {
        let cookie = self.query.edns.as_ref().and_then(|edns| edns.cookie.as_ref());
        match cookie.is_some_and(|cookie| cookie.has_server()) {
            _ if !is_spoken => Rcode::FormErr,
            true if !self.has_valid_cookie() => Rcode::BadCookie,
            _ => Rcode::NoError,
        }
    }

    #[inline(always)]
    fn resolution(&self) -> Resolution<'a> {
        let ecs = self.query.edns.as_ref().and_then(|edns| edns.ecs.as_ref());
        let prefers_sender = self.snapshot.inputs.model.server.prefer == Prefer::Resolver;
        let client = Client::new(ecs, self.peer.address, prefers_sender);
        Resolution::new(self.snapshot, self.query.qtype, client, self.draw)
    }

    /// Questions that no zone's content can answer (protocol 6).
    fn refused_outright(&self, reply: &mut Reply<'_>) -> Option<Rcode> {
        match self.query.qtype {
            RecordType::OPT | RecordType::TSIG | RecordType::TKEY => Some(Rcode::FormErr),
            RecordType::NXNAME => {
                reply.extended_error(ExtendedError::InvalidQueryType);
                Some(Rcode::FormErr)
            }
            _ if self.query.qclass == CLASS_CH => {
                Some(chaos::answer(&self.snapshot.inputs.model.server, self.query, reply))
            }
            _ if self.query.qclass != CLASS_IN => Some(Rcode::Refused),
            RecordType::AXFR if self.peer.carrier.is_datagram() => Some(Rcode::NotImp),
            RecordType::AXFR | RecordType::IXFR => {
                let is_ours = self.snapshot.plan.table.is_zone(&self.query.name);
                reply.extended_error(if is_ours { ExtendedError::Prohibited } else { ExtendedError::NotAuthoritative });
                Some(Rcode::Refused)
            }
            _ => None,
        }
    }
}
