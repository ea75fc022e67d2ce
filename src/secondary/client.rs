//! Asking a primary over TCP: its SOA, then what differs. Every step has an end.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::incoming::{Fault, Held, Incoming, Outcome, Unfinished, rcode_name};
use super::signature::Signed;
use crate::config::model::{Primary, Soa, TsigKey, precedes};
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
) -> Result<News, String> {
    let end = Instant::now() + MOST_TIME;
    let connecting = timeout_at(Instant::now() + PATIENCE, TcpStream::connect(primary.address));
    let stream = connecting.await.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())?;
    // Without it, queries are slower and still right.
    let _ = stream.set_nodelay(true);
    let mut link = Link { stream, key, end };
    let mut id = || draw() as u16;
    if let Some(held) = held {
        let serial = link.serial(apex, id()).await?;
        if serial == held.soa.serial {
            return Ok(News::Current);
        }
        if !precedes(held.soa.serial, serial) {
            return Err(format!("its serial {serial} is before ours, {}", held.soa.serial));
        }
        match link.transfer(apex, id(), Some(held)).await {
            Ok(Outcome::Current) => return Ok(News::Current),
            Ok(Outcome::New(new)) => return Ok(News::New(new)),
            // The whole zone may be had all the same.
            Err(Ended::Taken(Fault::Refused(NOTIMP | FORMERR | REFUSED) | Fault::Differs)) => {}
            Err(ended) => return Err(ended.to_string()),
        }
        // What is left of the differences may still be on its way.
        let again = timeout_at(Instant::now() + PATIENCE, TcpStream::connect(primary.address));
        link.stream = again.await.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())?;
    }
    match link.transfer(apex, id(), None).await.map_err(|ended| ended.to_string())? {
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
}

impl<'k> Link<'k> {
    /// The serial that it has.
    async fn serial(&mut self, apex: &Name, id: u16) -> Result<u32, String> {
        let mut signed = self.send(apex, RecordType::SOA, id, None).await?;
        let message = self.receive(&mut signed).await?;
        signed.end()?;
        let malformed = || "its answer is malformed".to_owned();
        let mut sections = Sections::of(&message).ok_or_else(malformed)?;
        let bits = sections.bits();
        if sections.id() != id || bits & flag::QR == 0 {
            return Err("it answers another question".into());
        }
        if bits & 0xf != 0 {
            return Err(format!("it answers {}", rcode_name(bits & 0xf)));
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
        Err("it does not have the zone".into())
    }

    /// IXFR of what is `held`, or AXFR.
    async fn transfer(&mut self, apex: &Name, id: u16, held: Option<&Held>) -> Result<Outcome, Ended> {
        let rtype = if held.is_some() { RecordType::IXFR } else { RecordType::AXFR };
        let mut signed = self.send(apex, rtype, id, held.map(|held| &held.soa)).await.map_err(Ended::Lost)?;
        let mut incoming = Incoming::new(apex.clone(), id, held.cloned());
        loop {
            let message = self.receive(&mut signed).await.map_err(Ended::Lost)?;
            if let Some(outcome) = incoming.message(&message).map_err(Ended::Taken)? {
                signed.end().map_err(Ended::Lost)?;
                return Ok(outcome);
            }
        }
    }

    /// Asks for a type of the zone; `soa` tells what is held (RFC 1995 section 3).
    async fn send(&mut self, apex: &Name, rtype: RecordType, id: u16, soa: Option<&Soa>) -> Result<Signed, String> {
        let mut message = vec![0; 2];
        message.extend_from_slice(&id.to_be_bytes());
        message.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, u8::from(soa.is_some()), 0, 0]);
        message.extend_from_slice(apex.as_wire());
        message.extend_from_slice(&rtype.0.to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        if let Some(soa) = soa {
            push_record(&mut message, apex.view(), RecordType::SOA, CLASS_IN, 0, &soa.data());
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

const LATE: &str = "it does not answer in time";

fn lost(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends the connection before the end".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
