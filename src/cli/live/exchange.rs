//! One question to one server.
//!
//! Comes in: an address, a name, a type. Goes out: a reply that belongs to the question, or why there is none. Every
//! exchange has a deadline, few run at once, and all of them together are counted and bounded.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name as ProtoName, RData, Record as ProtoRecord, RecordType as ProtoType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::wire::edns::OUR_PAYLOAD;
use crate::wire::{Name, RecordType};

/// Where name servers listen.
const PORT: u16 = 53;
/// Exchanges under way at once: a check is no load test.
const AT_ONCE: usize = 16;
/// Exchanges of one check. A tree of names that never ends is somebody's trap.
const MOST: usize = 1000;
/// Datagrams may be lost: so many are sent, each waited for so long.
const ATTEMPTS: usize = 3;
const ATTEMPT: Duration = Duration::from_millis(1500);
/// For a connection, the question and the whole reply.
const STREAM: Duration = Duration::from_secs(4);
/// The subnet that is sent to see whether it is echoed: for documentation, and so nobody's (RFC 5737).
const SUBNET: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::new(198, 51, 100, 0)), 24);

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) rtype: RecordType,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Without EDNS.
    Plain,
    /// With EDNS.
    Edns,
    /// With EDNS and a client subnet.
    Subnet,
}

/// A reply to the question.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) rcode: u16,
    pub(super) authoritative: bool,
    pub(super) truncated: bool,
    pub(super) answer: Vec<Record>,
    pub(super) authority: Vec<Record>,
    pub(super) additional: Vec<Record>,
    /// Whether a client subnet came back.
    pub(super) subnet: bool,
    pub(super) took: Duration,
}

/// One record, as far as it matters here.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) owner: Name,
    pub(super) data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Server(Name),
    Address(IpAddr),
    /// The serial of an SOA.
    Serial(u32),
    Other,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// This machine has no way there: nothing is known of the server.
    NoRoute,
    /// Nothing came in time.
    Late,
    /// The system's word, such as a refused connection.
    Failed(String),
    /// Something came that is no reply to the question.
    Malformed(String),
    /// Too many questions have been asked.
    Exhausted,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("this machine has no route to it"),
            Self::Late => f.write_str("no reply in time"),
            Self::Failed(cause) => f.write_str(cause),
            Self::Malformed(cause) => write!(f, "the reply is malformed: {cause}"),
            Self::Exhausted => write!(f, "not asked: {MOST} questions have been asked already"),
        }
    }
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported => {
                Self::NoRoute
            }
            io::ErrorKind::ConnectionRefused => Self::Failed("port 53 is closed".to_owned()),
            io::ErrorKind::UnexpectedEof => Self::Failed("the stream was closed before a reply came".to_owned()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Asks.
#[derive(Debug)]
pub(super) struct Asker {
    seats: Semaphore,
    asked: Arc<AtomicUsize>,
    /// The port of every server that is named by another.
    pub(super) port: u16,
    /// How long each datagram is waited for.
    pub(super) attempt: Duration,
}

impl Asker {
    /// Counts the exchanges in `asked`.
    pub(super) fn new(asked: Arc<AtomicUsize>) -> Self {
        Self { seats: Semaphore::new(AT_ONCE), asked, port: PORT, attempt: ATTEMPT }
    }

    /// Over UDP, and over TCP when that reply was truncated.
    pub(super) async fn ask(&self, to: SocketAddr, question: &Question, form: Form) -> Result<Reply, Silence> {
        let reply = self.udp(to, question, form).await?;
        if reply.truncated { self.tcp(to, question, form).await } else { Ok(reply) }
    }

    /// Over UDP.
    pub(super) async fn udp(&self, to: SocketAddr, question: &Question, form: Form) -> Result<Reply, Silence> {
        let _seat = self.seat().await?;
        let mut last = Silence::Late;
        for _ in 0..ATTEMPTS {
            match timeout(self.attempt, datagram(to, question, form)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(Silence::NoRoute)) => return Err(Silence::NoRoute),
                Ok(Err(silence)) => last = silence,
                Err(_) => {}
            }
        }
        Err(last)
    }

    /// Over TCP, on a connection of its own.
    pub(super) async fn tcp(&self, to: SocketAddr, question: &Question, form: Form) -> Result<Reply, Silence> {
        let _seat = self.seat().await?;
        timeout(STREAM, stream(to, question, form)).await.unwrap_or(Err(Silence::Late))
    }

    async fn seat(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Silence> {
        let seat = self.seats.acquire().await.map_err(|_| Silence::Exhausted)?;
        if self.asked.fetch_add(1, Ordering::Relaxed) >= MOST { Err(Silence::Exhausted) } else { Ok(seat) }
    }
}

async fn datagram(to: SocketAddr, question: &Question, form: Form) -> Result<Reply, Silence> {
    let (id, query) = message(question, form)?;
    let any: SocketAddr =
        if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Connected: the kernel passes on only what comes from there, and tells when the port is closed.
    socket.connect(to).await?;
    let sent = Instant::now();
    socket.send(&query).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What has another ID or question is a stray or a forgery: the reply may still come.
        if buffer.get(..2) == Some(&id.to_be_bytes())
            && let Some(reply) = read(&buffer[..length], question, sent.elapsed())?
        {
            return Ok(reply);
        }
    }
}

async fn stream(to: SocketAddr, question: &Question, form: Form) -> Result<Reply, Silence> {
    let (id, query) = message(question, form)?;
    let begun = Instant::now();
    let mut stream = TcpStream::connect(to).await?;
    let mut framed = u16::try_from(query.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    framed.extend(query);
    stream.write_all(&framed).await?;
    let mut buffer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut buffer).await?;
    let is_ours = buffer.get(..2) == Some(&id.to_be_bytes());
    let reply = if is_ours { read(&buffer, question, begun.elapsed())? } else { None };
    reply.ok_or_else(|| Silence::Malformed("it belongs to another question".to_owned()))
}

/// A query without the wish for recursion, as resolvers send it, and its ID.
fn message(question: &Question, form: Form) -> Result<(u16, Vec<u8>), Silence> {
    let malformed = |error: &dyn fmt::Display| Silence::Malformed(error.to_string());
    let name = ProtoName::from_labels(question.name.labels()).map_err(|error| malformed(&error))?;
    let mut message = Message::query();
    message.add_query(Query::query(name, ProtoType::from(question.rtype.0)));
    if form != Form::Plain {
        let mut edns = Edns::new();
        edns.set_max_payload(OUR_PAYLOAD);
        if form == Form::Subnet {
            edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(SUBNET.0, SUBNET.1, 0)));
        }
        message.set_edns(edns);
    }
    let bytes = message.to_vec().map_err(|error| malformed(&error))?;
    Ok((message.metadata.id, bytes))
}

/// `None`: no reply to this question.
fn read(bytes: &[u8], question: &Question, took: Duration) -> Result<Option<Reply>, Silence> {
    let message = Message::from_vec(bytes).map_err(|error| Silence::Malformed(error.to_string()))?;
    let rcode = u16::from(message.metadata.response_code);
    let echoed = match &message.queries[..] {
        [query] => u16::from(query.query_type) == question.rtype.0 && name(&query.name)? == question.name,
        // A server that cannot read the query may leave the question out.
        [] => rcode != 0,
        _ => false,
    };
    if message.metadata.message_type != MessageType::Response || !echoed {
        return Ok(None);
    }
    let records = |records: &[ProtoRecord]| records.iter().map(record).collect::<Result<Vec<_>, _>>();
    let is_subnet = |option: &EdnsOption| matches!(option, EdnsOption::Subnet(_));
    Ok(Some(Reply {
        rcode,
        authoritative: message.metadata.authoritative,
        truncated: message.metadata.truncation,
        answer: records(&message.answers)?,
        authority: records(&message.authorities)?,
        additional: records(&message.additionals)?,
        subnet: message.edns.is_some_and(|edns| edns.options().as_ref().iter().any(|(_, option)| is_subnet(option))),
        took,
    }))
}

fn record(record: &ProtoRecord) -> Result<Record, Silence> {
    let data = match &record.data {
        RData::NS(server) => Data::Server(name(&server.0)?),
        RData::A(address) => Data::Address(address.0.into()),
        RData::AAAA(address) => Data::Address(address.0.into()),
        RData::SOA(soa) => Data::Serial(soa.serial),
        _ => Data::Other,
    };
    Ok(Record { owner: name(&record.name)?, data })
}

fn name(name: &ProtoName) -> Result<Name, Silence> {
    let mut wire = Vec::with_capacity(name.len());
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Name::from_wire(&wire).map_err(|error| Silence::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn question() -> Question {
        Question { name: Name::absolute("Example.com").unwrap(), rtype: RecordType::SOA }
    }

    #[test]
    fn a_reply_belongs_to_its_question_or_is_none() {
        let (_, mut bytes) = message(&question(), Form::Subnet).unwrap();
        assert!(read(&bytes, &question(), Duration::ZERO).unwrap().is_none(), "a query is no reply");
        bytes[2] |= 0x84;
        let reply = read(&bytes, &question(), Duration::ZERO).unwrap().unwrap();
        assert!(reply.subnet && reply.authoritative && reply.answer.is_empty());
        let other = Question { rtype: RecordType::NS, ..question() };
        assert!(read(&bytes, &other, Duration::ZERO).unwrap().is_none());
        assert!(read(&bytes[..20], &question(), Duration::ZERO).is_err());
    }

    #[tokio::test]
    async fn a_closed_port_is_told_from_a_silent_one() {
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let asker = Asker::new(Arc::default());
        let silence = asker.udp(closed, &question(), Form::Plain).await.unwrap_err();
        assert_eq!(silence.to_string(), "port 53 is closed");
        assert!(asker.tcp(closed, &question(), Form::Plain).await.is_err());
    }

    #[tokio::test]
    async fn questions_are_bounded() {
        let asker = Asker::new(Arc::new(AtomicUsize::new(MOST)));
        let nowhere = "127.0.0.1:9".parse().unwrap();
        assert_eq!(asker.udp(nowhere, &question(), Form::Plain).await.unwrap_err(), Silence::Exhausted);
    }
}
