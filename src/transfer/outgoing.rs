//! A zone that goes out: AXFR (RFC 5936) whole, IXFR (RFC 1995) as what has changed where that is known.

use std::io;

use super::Signed;
use super::edition::Edition;
use super::pack::{Packer, TooLarge};
use super::request::Request;
use super::unix_now;
use crate::config::model::{Soa, precedes};
use crate::wire::edns::{Asked, option};
use crate::wire::message::HEADER;
use crate::wire::{Expanded, RecordType, Records};

/// Octets of an OPT before its options.
const OPT_HEAD: usize = 11;

/// What a client that asks for a zone gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All of it.
    Whole,
    /// What has changed.
    Changes,
    /// The SOA alone: it is up to date, or has to ask on a stream.
    Serial,
}

/// Sends the edition, or what leads to it from the client's serial. `query` is the request's message without its
/// signature; `opt` goes with each message.
pub(super) async fn send(
    edition: &Edition,
    query: &[u8],
    request: &Request,
    mut opt: Option<Vec<u8>>,
    is_datagram: bool,
    to: &mut Signed<'_>,
) -> io::Result<Kind> {
    let most = if is_datagram { request.datagram_room() } else { usize::from(u16::MAX) };
    let soa = &edition.zone.soa;
    let expire = edition.zone.expiry.as_ref().map_or(soa.expire, |expiry| expiry.left(unix_now()));
    if let Some(opt) = opt.as_mut().filter(|_| request.query.edns.as_ref().is_some_and(|e| e.asked.has(Asked::EXPIRE)))
    {
        add_expire(opt, expire);
    }
    let mut out = Messages { packer: Packer::new(query, request, opt, most, to.room()), to, edition };
    let serial = (request.query.qtype == RecordType::IXFR).then(|| client_serial(query, request)).flatten();
    let Some(serial) = serial.filter(|_| request.query.qtype == RecordType::IXFR) else {
        if is_datagram {
            return out.serial().await;
        }
        return out.whole().await;
    };
    if !precedes(serial, soa.serial) {
        return out.serial().await;
    }
    let Some(deltas) = edition.since(serial) else {
        return if is_datagram { out.serial().await } else { out.whole().await };
    };
    if is_datagram {
        return out.changes_at_once(deltas).await;
    }
    out.soa(soa).await?;
    for delta in deltas {
        out.soa(&delta.before).await?;
        out.records(&delta.removed).await?;
        out.soa(&delta.after).await?;
        out.records(&delta.added).await?;
    }
    out.soa(soa).await?;
    out.finish(Kind::Changes).await
}

/// Adds how long the zone is good for, in seconds (RFC 7314 section 3).
fn add_expire(opt: &mut Vec<u8>, seconds: u32) {
    opt.extend(option::EXPIRE.to_be_bytes());
    opt.extend([0, 4]);
    opt.extend(seconds.to_be_bytes());
    let length = (opt.len() - OPT_HEAD) as u16;
    opt[OPT_HEAD - 2..OPT_HEAD].copy_from_slice(&length.to_be_bytes());
}

/// The serial of the SOA in an IXFR's authority section.
fn client_serial(query: &[u8], request: &Request) -> Option<u32> {
    let header = query.first_chunk::<HEADER>()?;
    if header[6..8] != [0, 0] || header[8..10] == [0, 0] {
        return None;
    }
    let at = Expanded::read(query, request.query.question_end())?.end();
    let rtype = query.get(at..at + 2)?;
    if RecordType(u16::from_be_bytes([rtype[0], rtype[1]])) != RecordType::SOA {
        return None;
    }
    let rname = Expanded::read(query, at + 10)?.end();
    let serial = Expanded::read(query, rname)?.end();
    query.get(serial..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

struct Messages<'a, 'r> {
    packer: Packer,
    to: &'a mut Signed<'r>,
    edition: &'a Edition,
}

impl Messages<'_, '_> {
    async fn whole(mut self) -> io::Result<Kind> {
        let edition = self.edition;
        self.soa(&edition.zone.soa).await?;
        for rrset in edition.rrsets() {
            for data in rrset.rdata.iter() {
                self.record(rrset.owner, rrset.rtype, rrset.ttl, data).await?;
            }
        }
        self.soa(&edition.zone.soa).await?;
        self.finish(Kind::Whole).await
    }

    async fn serial(mut self) -> io::Result<Kind> {
        self.packer.clear();
        let (apex, soa) = (self.edition.zone.apex.view(), &self.edition.zone.soa);
        if self.packer.push(apex, RecordType::SOA, soa.ttl, &soa.data()).is_err() {
            // A datagram may have less room than that, and asks for a stream then.
            self.to.send(self.packer.take_truncated()).await?;
            return Ok(Kind::Serial);
        }
        self.finish(Kind::Serial).await
    }

    /// In one message, or else the SOA alone (RFC 1995 section 2).
    async fn changes_at_once(mut self, deltas: &[std::sync::Arc<super::delta::Delta>]) -> io::Result<Kind> {
        if self.packs(deltas) { self.finish(Kind::Changes).await } else { self.serial().await }
    }

    /// Whether all of it is in the message now. It ends with the first record that does not fit: there may be very many.
    fn packs(&mut self, deltas: &[std::sync::Arc<super::delta::Delta>]) -> bool {
        let (apex, newest) = (self.edition.zone.apex.view(), &self.edition.zone.soa);
        let packer = &mut self.packer;
        let mut push = |owner, rtype, ttl, data: &[u8]| packer.push(owner, rtype, ttl, data).is_ok_and(|pushed| pushed);
        if !push(apex, RecordType::SOA, newest.ttl, &newest.data()) {
            return false;
        }
        for delta in deltas {
            for (soa, records) in [(&delta.before, &delta.removed), (&delta.after, &delta.added)] {
                if !push(apex, RecordType::SOA, soa.ttl, &soa.data()) {
                    return false;
                }
                for set in records {
                    if !set.rdata.iter().all(|data| push(set.owner, set.rtype, set.ttl, data)) {
                        return false;
                    }
                }
            }
        }
        push(apex, RecordType::SOA, newest.ttl, &newest.data())
    }

    async fn soa(&mut self, soa: &Soa) -> io::Result<()> {
        let apex = self.edition.zone.apex.view();
        self.record(apex, RecordType::SOA, soa.ttl, &soa.data()).await
    }

    async fn records(&mut self, records: &Records) -> io::Result<()> {
        for rrset in records {
            for data in rrset.rdata.iter() {
                self.record(rrset.owner, rrset.rtype, rrset.ttl, data).await?;
            }
        }
        Ok(())
    }

    async fn record(
        &mut self,
        owner: crate::wire::NameRef<'_>,
        rtype: RecordType,
        ttl: u32,
        data: &[u8],
    ) -> io::Result<()> {
        let too_large = |TooLarge| io::Error::other("a record fits into no message");
        if !self.packer.push(owner, rtype, ttl, data).map_err(too_large)? {
            self.to.send(self.packer.take()).await?;
            self.packer.push(owner, rtype, ttl, data).map_err(too_large)?;
        }
        Ok(())
    }

    async fn finish(mut self, kind: Kind) -> io::Result<Kind> {
        if !self.packer.is_empty() {
            self.to.send(self.packer.take()).await?;
        }
        Ok(kind)
    }
}
