//! A small world of name servers that misbehave as they are told, on addresses of loopback: what no real server does
//! when it is asked to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_proto::rr::{Name as ProtoName, RData, Record, RecordType as ProtoType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::super::exchange::{Asker, Form};
use super::super::judge::{Finding, judge};
use super::super::survey::{Configured, Facts, survey};
use super::super::walk::{Found, Host, Walker};
use crate::wire::Name;

/// The zone that is checked.
pub(super) const ZONE: &str = "a.";
/// Serves the root.
pub(super) const ROOT: &str = "127.0.0.1";
/// Serve the zone.
pub(super) const FIRST: &str = "127.0.0.2";
pub(super) const SECOND: &str = "127.0.0.3";
/// Datagrams within one machine are not lost: those that a script drops are waited for no longer than that.
const ATTEMPT: Duration = Duration::from_millis(100);

/// Owner, type and data.
pub(super) type Text = (&'static str, &'static str, &'static str);

/// What is at the apex and at the servers' names.
const RECORDS: [Text; 5] = [
    (ZONE, "SOA", "7"),
    (ZONE, "NS", "ns1.a."),
    (ZONE, "NS", "ns2.a."),
    ("ns1.a.", "A", FIRST),
    ("ns2.a.", "A", SECOND),
];

/// A query as it came to a server.
pub(super) struct Asked {
    query: Message,
    pub(super) over_tcp: bool,
}

impl Asked {
    pub(super) fn form(&self) -> Form {
        match &self.query.edns {
            None => Form::Plain,
            Some(edns) if edns.option(EdnsCode::Subnet).is_some() => Form::Subnet,
            Some(_) => Form::Edns,
        }
    }

    pub(super) fn is(&self, owner: &str, rtype: &str) -> bool {
        let [query] = &self.query.queries[..] else { return false };
        query.name == ProtoName::from_ascii(owner).unwrap() && query.query_type == rtype.parse::<ProtoType>().unwrap()
    }

    /// Nothing but the question, without an error.
    fn empty(&self) -> Message {
        let mut reply = Message::response(self.query.metadata.id, self.query.metadata.op_code);
        reply.add_queries(self.query.queries.clone());
        reply
    }

    /// What a server of the zone in good order says, client subnet included.
    pub(super) fn answer(&self) -> Message {
        let mut reply = self.empty();
        reply.metadata.authoritative = true;
        reply.add_answers(RECORDS.iter().filter(|(owner, rtype, _)| self.is(owner, rtype)).map(record));
        if let Some(edns) = &self.query.edns {
            let mut ours = Edns::new();
            if let Some(EdnsOption::Subnet(subnet)) = edns.option(EdnsCode::Subnet) {
                ours.options_mut().insert(EdnsOption::Subnet(*subnet));
            }
            reply.set_edns(ours);
        }
        reply
    }

    /// As [`Self::answer`], by a server that knows no client subnets.
    pub(super) fn answer_without_subnet(&self) -> Message {
        let mut reply = self.answer();
        reply.edns = None;
        reply
    }

    /// What a server of the root in good order says.
    pub(super) fn referral(&self) -> Message {
        self.referral_with(&[])
    }

    /// As [`Self::referral`], with more glue.
    pub(super) fn referral_with(&self, glue: &[Text]) -> Message {
        let mut reply = self.empty();
        reply.add_authorities(RECORDS[1..3].iter().map(record));
        reply.add_additionals(RECORDS[3..].iter().chain(glue).map(record));
        reply
    }

    /// An empty reply with a response code.
    pub(super) fn refusal(&self, rcode: ResponseCode) -> Message {
        let mut reply = self.empty();
        reply.metadata.response_code = rcode;
        reply
    }
}

/// A record from its text.
fn record((owner, rtype, data): &Text) -> Record {
    let name = |text: &str| ProtoName::from_ascii(text).unwrap();
    let data = match *rtype {
        "A" => RData::A(A(data.parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(data.parse().unwrap())),
        "NS" => RData::NS(NS(name(data))),
        _ => RData::SOA(SOA::new(name("ns1.a."), name("host.a."), data.parse().unwrap(), 3600, 600, 86400, 60)),
    };
    Record::from_rdata(name(owner), 300, data)
}

/// What a server replies; `None`: nothing.
pub(super) type Script = Arc<dyn Fn(&Asked) -> Option<Message> + Send + Sync>;

pub(super) fn script(says: impl Fn(&Asked) -> Option<Message> + Send + Sync + 'static) -> Script {
    Arc::new(says)
}

/// To whom, in which form and whether over TCP.
type Log = Arc<Mutex<Vec<(IpAddr, Form, bool)>>>;

/// The servers, as long as the runtime lives.
pub(super) struct World {
    asker: Arc<Asker>,
    walker: Walker,
    log: Log,
}

impl World {
    /// One server at each address, all of them on one port.
    pub(super) async fn new(servers: &[(&str, Script)]) -> Self {
        let log = Log::default();
        let (port, bound) = bind(servers).await;
        for ((udp, tcp), (_, script)) in bound.into_iter().zip(servers) {
            tokio::spawn(datagrams(udp, Arc::clone(script), Arc::clone(&log)));
            tokio::spawn(streams(tcp, Arc::clone(script), Arc::clone(&log)));
        }
        let mut asker = Asker::new(Arc::default());
        (asker.port, asker.attempt) = (port, ATTEMPT);
        let asker = Arc::new(asker);
        let root = Host { name: None, address: SocketAddr::new(ROOT.parse().unwrap(), port) };
        Self { walker: Walker::new(Arc::clone(&asker), vec![root]), asker, log }
    }

    /// The forms of what was sent to a server over UDP, once there are so many or no more come.
    pub(super) async fn datagrams_to(&self, server: &str, count: usize) -> Vec<Form> {
        let server: IpAddr = server.parse().unwrap();
        let sent = || -> Vec<Form> {
            let log = self.log.lock().unwrap();
            log.iter().filter(|(to, _, over_tcp)| *to == server && !over_tcp).map(|&(_, form, _)| form).collect()
        };
        let enough = async {
            while sent().len() < count {
                tokio::task::yield_now().await;
            }
        };
        drop(tokio::time::timeout(ATTEMPT, enough).await);
        sent()
    }

    /// The addresses of a name, from the root down.
    pub(super) async fn look_up(&self, name: &str) -> Found {
        self.walker.look_up(&Name::absolute(name).unwrap()).await
    }

    pub(super) async fn facts(&self, configured: Option<Configured>) -> Facts {
        survey(&Name::absolute(ZONE).unwrap(), configured, &self.asker, &self.walker).await.unwrap()
    }

    pub(super) async fn findings(&self, configured: Option<Configured>) -> Vec<Finding> {
        judge(&self.facts(configured).await)
    }
}

async fn bind(servers: &[(&str, Script)]) -> (u16, Vec<(UdpSocket, TcpListener)>) {
    // The port is free at one address for one protocol; others may have it at the rest.
    for _ in 0..100 {
        let port = std::net::UdpSocket::bind((ROOT, 0)).unwrap().local_addr().unwrap().port();
        let mut bound = Vec::new();
        for (address, _) in servers {
            match (UdpSocket::bind((*address, port)).await, TcpListener::bind((*address, port)).await) {
                (Ok(udp), Ok(tcp)) => bound.push((udp, tcp)),
                _ => break,
            }
        }
        if bound.len() == servers.len() {
            return (port, bound);
        }
    }
    unreachable!("no port is free everywhere")
}

fn reply(query: &[u8], address: SocketAddr, over_tcp: bool, script: &Script, log: &Log) -> Option<Vec<u8>> {
    let asked = Asked { query: Message::from_vec(query).ok()?, over_tcp };
    log.lock().unwrap().push((address.ip(), asked.form(), over_tcp));
    script(&asked)?.to_vec().ok()
}

async fn datagrams(socket: UdpSocket, script: Script, log: Log) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await?;
        if let Some(reply) = reply(&buffer[..length], socket.local_addr()?, false, &script, &log) {
            socket.send_to(&reply, peer).await?;
        }
    }
}

async fn streams(listener: TcpListener, script: Script, log: Log) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(one(stream, Arc::clone(&script), Arc::clone(&log)));
    }
}

/// One query; the connection is closed where the script says nothing.
async fn one(mut stream: TcpStream, script: Script, log: Log) -> io::Result<()> {
    let mut query = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut query).await?;
    if let Some(reply) = reply(&query, stream.local_addr()?, true, &script, &log) {
        stream.write_u16(reply.len() as u16).await?;
        stream.write_all(&reply).await?;
    }
    Ok(())
}
