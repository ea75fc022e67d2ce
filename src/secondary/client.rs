//! Asking a primary over TCP: its SOA, then what differs. Every step has an end.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::incoming::{Fault, Held, Incoming, Outcome, Unfinished};
use super::pace::Pace;
use super::signature::Signed;
use crate::config::model::{Primary, Soa, TsigKey, precedes};
use crate::threads::in_background;
use crate::wire::edns::option;
use crate::wire::message::{CLASS_IN, flag};
use crate::wire::{Entry, Name, RecordType, Sections, push_record};

/// How long a connection, and then each message, may take to come.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a transfer may take in all.
const MOST_TIME: Duration = Duration::from_secs(60 * 60);
/// RFC 1035 section 4.1.1, NOTIMP: a server that knows no IXFR.
const NOTIMP: u16 = 4;
const FORMERR: u16 = 1;
const REFUSED: u16 = 5;

/// What a primary has to say.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing that is not held here.
    Current,
    /// Another form of the zone.
    New(Unfinished),
}

/// What a primary has said.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) news: News,
    /// For how many seconds the primary itself goes on with the zone, if it says so (RFC 7314).
    pub(super) expire: Option<u32>,
}

/// Asks one primary. What is `held` is let go only for what is newer (RFC 1982); without it anything is taken.
///
/// # Errors
/// Why nothing is known now: one clause.
pub(super) async fn ask(
    primary: &Primary,
    key: Option<&TsigKey>,
    apex: &Name,
    held: Option<&Held>,
    mut draw: impl FnMut() -> u64,
) -> Result<Heard, String> {
    let end = Instant::now() + MOST_TIME;
    let mut link = Link { stream: connect(primary).await?, key, end, is_plain: false, expire: None };
    let mut id = || draw() as u16;
    let mut asked = ask_over(&mut link, primary, apex, held, &mut id).await;
    if let Err(Ended::Taken(Fault::Refused(FORMERR | NOTIMP))) = asked {
        // A server that knows no EDNS (RFC 6891 section 7).
        link = Link { stream: connect(primary).await?, is_plain: true, ..link };
        asked = ask_over(&mut link, primary, apex, held, &mut id).await;
    }
    let news = asked.map_err(|ended| ended.to_string())?;
    Ok(Heard { news, expire: link.expire })
}

async fn connect(primary: &Primary) -> Result<TcpStream, String> {
    let connecting = timeout_at(Instant::now() + PATIENCE, TcpStream::connect(primary.address));
    let stream = connecting.await.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())?;
    // Without it, queries are slower and still right.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn ask_over(
    link: &mut Link<'_>,
    primary: &Primary,
    apex: &Name,
    held: Option<&Held>,
    mut id: impl FnMut() -> u16,
) -> Result<News, Ended> {
    if let Some(held) = held {
        let serial = link.serial(apex, id()).await?;
        if serial == held.soa.serial {
            return Ok(News::Current);
        }
        if !precedes(held.soa.serial, serial) {
            return Err(Ended::Lost(format!("its serial {serial} is before ours, {}", held.soa.serial)));
        }
        match link.transfer(apex, id(), Some(held)).await {
            Ok(Outcome::Current) => return Ok(News::Current),
            Ok(Outcome::New(new)) => return Ok(News::New(new)),
            // The whole zone may be had all the same.
            Err(Ended::Taken(Fault::Refused(NOTIMP | FORMERR | REFUSED) | Fault::Differs)) => {}
            Err(ended) => return Err(ended),
        }
        // What is left of the differences may still be on its way.
        link.stream = connect(primary).await.map_err(Ended::Lost)?;
    }
    match link.transfer(apex, id(), None).await? {
        Outcome::Current => Ok(News::Current),
        Outcome::New(new) => Ok(News::New(new)),
    }
}

/// Why a transfer has ended before its end.
enum Ended {
    Lost(String),
    Taken(Fault),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(why) => f.write_str(why),
            Self::Taken(fault) => fault.fmt(f),
        }
    }
}

/// A connection to a primary.
struct Link<'k> {
    stream: TcpStream,
    key: Option<&'k TsigKey>,
    /// Nothing takes longer than this.
    end: Instant,
    /// Queries have no OPT.
    is_plain: bool,
    /// What the last answer said of it.
    expire: Option<u32>,
}

impl<'k> Link<'k> {
    /// The serial that it has.
    async fn serial(&mut self, apex: &Name, id: u16) -> Result<u32, Ended> {
        let mut signed = self.send(apex, RecordType::SOA, id, None).await.map_err(Ended::Lost)?;
        let message = self.receive(&mut signed).await.map_err(Ended::Lost)?;
        signed.end().map_err(Ended::Lost)?;
        self.expire = expire(&message);
        let malformed = || Ended::Lost("its answer is malformed".to_owned());
        let mut sections = Sections::of(&message).ok_or_else(malformed)?;
        let bits = sections.bits();
        if sections.id() != id || bits & flag::QR == 0 {
            return Err(Ended::Lost("it answers another question".into()));
        }
        if bits & 0xf != 0 {
            return Err(Ended::Taken(Fault::Refused(bits & 0xf)));
        }
        let mut entry = Entry::default();
        for _ in 0..sections.count(0) {
            sections.question(&mut entry).ok_or_else(malformed)?;
        }
        for _ in 0..sections.count(1) {
            sections.record(&mut entry).ok_or_else(malformed)?;
            if entry.rtype == RecordType::SOA && entry.owner() == *apex {
                return Soa::read(&entry.rdata, entry.ttl).map(|soa| soa.serial).ok_or_else(malformed);
            }
        }
        Err(Ended::Lost("it does not have the zone".into()))
    }

    /// IXFR of what is `held`, or AXFR.
    async fn transfer(&mut self, apex: &Name, id: u16, held: Option<&Held>) -> Result<Outcome, Ended> {
        let rtype = if held.is_some() { RecordType::IXFR } else { RecordType::AXFR };
        let mut signed = self.send(apex, rtype, id, held.map(|held| &held.soa)).await.map_err(Ended::Lost)?;
        let mut incoming = Incoming::new(apex.clone(), id, held.cloned());
        let mut pace = Pace::default();
        self.expire = None;
        loop {
            let message = self.receive(&mut signed).await.map_err(Ended::Lost)?;
            self.expire = self.expire.or_else(|| expire(&message));
            let octets = message.len();
            let outcome;
            (incoming, outcome) = take(incoming, message).await?;
            if let Some(outcome) = outcome {
                signed.end().map_err(Ended::Lost)?;
                return Ok(outcome);
            }
            if !pace.is_kept(octets, Instant::now()) {
                return Err(Ended::Lost(SLOW.to_owned()));
            }
        }
    }

    /// Asks for a type of the zone; `soa` tells what is held (RFC 1995 section 3).
    async fn send(&mut self, apex: &Name, rtype: RecordType, id: u16, soa: Option<&Soa>) -> Result<Signed, String> {
        let mut message = vec![0; 2];
        message.extend_from_slice(&id.to_be_bytes());
        message.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, u8::from(soa.is_some()), 0, u8::from(!self.is_plain)]);
        message.extend_from_slice(apex.as_wire());
        message.extend_from_slice(&rtype.0.to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        if let Some(soa) = soa {
            push_record(&mut message, apex.view(), RecordType::SOA, CLASS_IN, 0, &soa.data());
        }
        if !self.is_plain {
            message.extend_from_slice(&OPT);
        }
        let mut query = message.split_off(2);
        let signed = Signed::query(self.key, &mut query);
        let length = u16::try_from(query.len()).map_err(|_| "the query is too long".to_owned())?;
        message[..2].copy_from_slice(&length.to_be_bytes());
        message.extend_from_slice(&query);
        let sending = timeout_at(self.deadline(), self.stream.write_all(&message));
        sending.await.map_err(|_| LATE.to_owned())?.map_err(|error| lost(&error))?;
        Ok(signed)
    }

    async fn receive(&mut self, signed: &mut Signed) -> Result<Vec<u8>, String> {
        let deadline = self.deadline();
        let reading = timeout_at(deadline, async {
            let length = self.stream.read_u16().await?;
            let mut message = vec![0; length.into()];
            self.stream.read_exact(&mut message).await?;
            Ok(message)
        });
        let mut message = reading.await.map_err(|_| LATE.to_owned())?.map_err(|error| lost(&error))?;
        signed.check(&mut message)?;
        Ok(message)
    }

    fn deadline(&self) -> Instant {
        self.end.min(Instant::now() + PATIENCE)
    }
}

/// Takes a message of a transfer. The first one of differences needs all names of what is held, and each one all records of
/// the names that it is of: others on this thread do not wait for that.
async fn take(mut incoming: Incoming, message: Vec<u8>) -> Result<(Incoming, Option<Outcome>), Ended> {
    if !incoming.may_be_differences() {
        let outcome = incoming.message(&message).map_err(Ended::Taken)?;
        return Ok((incoming, outcome));
    }
    let taking = move || incoming.message(&message).map(|outcome| (incoming, outcome));
    let taken = spawn_blocking(|| in_background(taking)).await;
    taken.map_err(|_| Ended::Lost("its answer could not be taken".to_owned()))?.map_err(Ended::Taken)
}

/// An OPT that asks for EXPIRE (RFC 7314 section 2): the root, the type, what datagrams might have, no flags, four octets
/// of an option without data.
const OPT: [u8; 15] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 4, 0, option::EXPIRE as u8, 0, 0];

/// What the OPT of an answer says of EXPIRE.
fn expire(message: &[u8]) -> Option<u32> {
    let mut sections = Sections::of(message)?;
    let mut entry = Entry::default();
    for _ in 0..sections.count(0) {
        sections.question(&mut entry)?;
    }
    let before = u32::from(sections.count(1)) + u32::from(sections.count(2));
    for number in 0..before + u32::from(sections.count(3)) {
        sections.record(&mut entry)?;
        if number >= before && entry.rtype == RecordType::OPT {
            let mut rest = &entry.rdata[..];
            while let Some((&[a, b, c, d], behind)) = rest.split_first_chunk() {
                let (data, behind) = behind.split_at_checked(u16::from_be_bytes([c, d]).into())?;
                if u16::from_be_bytes([a, b]) == option::EXPIRE {
                    return data.try_into().ok().map(u32::from_be_bytes);
                }
                rest = behind;
            }
        }
    }
    None
}

const LATE: &str = "it does not answer in time";
const SLOW: &str = "it sends the zone too slowly";

fn lost(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends the connection before the end".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
