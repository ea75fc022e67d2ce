//! Options of a reply that few queries ask for.

use super::Peer;
use crate::snapshot::Snapshot;
use crate::wire::RecordType;
use crate::wire::cookie::{CLIENT, SERVER};
use crate::wire::edns::{Asked, option};
use crate::wire::message::{CLASS_IN, Query};

use super::Carrier;

/// Octets of an option's code and length.
const HEAD: usize = 4;
/// Encrypted replies are padded to a multiple of this (RFC 8467 section 4.1).
const BLOCK: usize = 468;
/// Octets of the end of a SOA's data: serial, refresh, retry, expire, minimum.
const SOA_END: usize = 20;
/// The kind of zone version that is a serial (RFC 9660 section 7.2).
const SOA_SERIAL: u8 = 0;

/// What the OPT of a reply says beside client subnet and an extended error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras<'a> {
    /// The server's name.
    identity: Option<&'a str>,
    cookie: Option<([u8; CLIENT], [u8; SERVER])>,
    keepalive: Option<u16>,
    /// Seconds.
    expire: Option<u32>,
    /// Labels of the zone's name, and its serial.
    version: Option<(u8, u32)>,
    is_padded: bool,
}

impl<'a> Extras<'a> {
    /// What this query asks for and gets.
    pub(super) fn of(snapshot: &'a Snapshot, query: &Query, peer: &Peer) -> Self {
        let Some(edns) = &query.edns else { return Self::default() };
        let asks = |what| edns.asked.has(what);
        let soa = if asks(Asked::EXPIRE) || asks(Asked::ZONEVERSION) { soa(snapshot, query) } else { None };
        Self {
            identity: snapshot.inputs.model.server.identity.as_deref().filter(|_| asks(Asked::NSID)),
            keepalive: peer.keepalive.filter(|_| asks(Asked::KEEPALIVE)),
            // RFC 7314 section 3: of the zone that the question names; a secondary says what is left.
            expire: soa.filter(|soa| asks(Asked::EXPIRE) && soa.is_apex && query.qtype == RecordType::SOA).map(|soa| {
                let expiry = snapshot.plan.expiry(query.name.whole());
                expiry.map_or(soa.expire, |expiry| expiry.left(peer.seconds.into()))
            }),
            version: soa.filter(|_| asks(Asked::ZONEVERSION)).map(|soa| (soa.labels, soa.serial)),
            is_padded: peer.carrier == Carrier::Encrypted && asks(Asked::PADDING),
            ..Self::cookie_alone(snapshot, query, peer)
        }
    }

    /// What even those get whose reply is to be short.
    pub(super) fn cookie_alone(snapshot: &Snapshot, query: &Query, peer: &Peer) -> Self {
        let cookie = query.edns.as_ref().and_then(|edns| edns.cookie.as_ref()).and_then(|cookie| {
            let server = snapshot.plan.cookies.make(cookie, peer.address.ip(), peer.seconds)?;
            Some((cookie.client, server))
        });
        Self { cookie, ..Self::default() }
    }

    /// Those of a transfer's messages.
    pub(super) fn of_transfer(self) -> Self {
        Self { version: None, is_padded: false, ..self }
    }

    /// Whether there is one for the client.
    pub(super) fn has_cookie(&self) -> bool {
        self.cookie.is_some()
    }

    /// Octets of the options, without what padding fills up.
    pub(super) fn len(&self) -> usize {
        let option = |data: Option<usize>| data.map_or(0, |data| HEAD + data);
        option(self.identity.map(str::len))
            + option(self.cookie.map(|_| CLIENT + SERVER))
            + option(self.keepalive.map(|_| 2))
            + option(self.expire.map(|_| 4))
            + option(self.version.map(|_| 6))
            + option(self.is_padded.then_some(0))
    }

    /// Hands each option to `write`, as code and data; padding last, for which the reply is so long without it, and may
    /// be `most`.
    pub(super) fn each(&self, mut len: usize, most: usize, mut write: impl FnMut(u16, &[u8])) {
        len += self.len();
        if let Some(identity) = self.identity {
            write(option::NSID, identity.as_bytes());
        }
        if let Some((client, server)) = self.cookie {
            let mut whole = [0; CLIENT + SERVER];
            whole[..CLIENT].copy_from_slice(&client);
            whole[CLIENT..].copy_from_slice(&server);
            write(option::COOKIE, &whole);
        }
        if let Some(tenths) = self.keepalive {
            write(option::KEEPALIVE, &tenths.to_be_bytes());
        }
        if let Some(seconds) = self.expire {
            write(option::EXPIRE, &seconds.to_be_bytes());
        }
        if let Some((labels, serial)) = self.version {
            let [a, b, c, d] = serial.to_be_bytes();
            write(option::ZONEVERSION, &[labels, SOA_SERIAL, a, b, c, d]);
        }
        if self.is_padded {
            let padded = len.next_multiple_of(BLOCK).min(most);
            write(option::PADDING, &[0; BLOCK][..padded.saturating_sub(len)]);
        }
    }
}

/// What the SOA of a zone says of it.
#[derive(Clone, Copy)]
struct Soa {
    labels: u8,
    serial: u32,
    expire: u32,
    /// It is the zone that the question names.
    is_apex: bool,
}

/// Of the zone that holds the name asked for; `None` where none does, or it could not be loaded.
fn soa(snapshot: &Snapshot, query: &Query) -> Option<Soa> {
    if query.qclass != CLASS_IN {
        return None;
    }
    let (node, above) = snapshot.plan.table.closest(&query.name)?;
    // DS is the parent's to answer.
    let asks_parent = above == 0 && query.qtype == RecordType::DS;
    let node = node.parent_side().filter(|_| asks_parent).unwrap_or(node);
    if node.is_unloaded() {
        return None;
    }
    let negative = node.negative();
    let end: &[u8; SOA_END] = negative.soa.first_data().last_chunk()?;
    let number = |at: usize| u32::from_be_bytes([end[at], end[at + 1], end[at + 2], end[at + 3]]);
    let name = query.name.whole();
    let above = query.name.octets().checked_sub(negative.apex_len)?;
    let labels = std::iter::successors(Some(above), |&at| {
        let label = usize::from(*name.get(at)?);
        (label > 0).then_some(at + 1 + label)
    });
    Some(Soa { labels: (labels.count() - 1) as u8, serial: number(0), expire: number(12), is_apex: above == 0 })
}
