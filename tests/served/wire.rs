//! Queries over sockets, and replies that both parsers have read.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::SOON;
use crate::harness::{Ask, Reply};

/// Queries under way at once: enough to keep a server busy, few enough for any socket's buffer.
const WINDOW: usize = 64;

/// Every distinct reply, its ID aside, read by both parsers once.
#[derive(Default)]
pub(crate) struct Seen(HashMap<Vec<u8>, Reply>);

impl Seen {
    /// The reply that these octets are.
    #[track_caller]
    pub(crate) fn read(&mut self, bytes: &[u8]) -> &Reply {
        self.0.entry(bytes[2..].to_vec()).or_insert_with(|| Reply::read(bytes))
    }
}

/// A UDP socket that asks one server.
pub(crate) struct Client(UdpSocket);

impl Client {
    pub(crate) fn of(server: SocketAddr) -> Self {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    pub(crate) fn timeout(self, patience: Duration) -> Self {
        self.0.set_read_timeout(Some(patience)).unwrap();
        self
    }

    /// One query, one reply, as octets.
    pub(crate) fn exchange(&self, query: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut reply = vec![0; 4096];
        self.0.send(query)?;
        let length = self.0.recv(&mut reply)?;
        reply.truncate(length);
        Ok(reply)
    }

    #[track_caller]
    pub(crate) fn ask(&self, ask: &Ask) -> Reply {
        let reply = Reply::read(&self.exchange(&ask.bytes()).expect("a reply"));
        belongs(&reply, ask);
        reply
    }

    /// Many queries, some at once; the replies in the order of the queries, whose IDs are given here.
    #[track_caller]
    pub(crate) fn exchange_all(&self, queries: &mut [Vec<u8>]) -> Vec<Vec<u8>> {
        let mut replies = Vec::with_capacity(queries.len());
        for window in queries.chunks_mut(WINDOW) {
            for (id, query) in window.iter_mut().enumerate() {
                query[..2].copy_from_slice(&(id as u16).to_be_bytes());
                self.0.send(query).unwrap();
            }
            let mut arrived = vec![Vec::new(); window.len()];
            for _ in 0..window.len() {
                let mut reply = vec![0; 4096];
                let length = self.0.recv(&mut reply).expect("a reply to each query");
                reply.truncate(length);
                let id = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
                assert!(arrived[id].is_empty(), "one reply to a query");
                arrived[id] = reply;
            }
            replies.append(&mut arrived);
        }
        replies
    }

    /// How often each answer came in `n` queries; the addresses of an answer are sorted and joined.
    #[track_caller]
    pub(crate) fn counts(&self, ask: &Ask, n: usize) -> BTreeMap<String, usize> {
        let mut seen = Seen::default();
        let mut counts = BTreeMap::new();
        for reply in self.exchange_all(&mut vec![ask.bytes(); n]) {
            *counts.entry(seen.read(&reply).sorted().join(" ")).or_default() += 1;
        }
        counts
    }
}

/// Asks over TCP, on a connection of its own.
#[track_caller]
pub(crate) fn over_tcp(server: SocketAddr, ask: &Ask) -> Reply {
    let query = ask.bytes();
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut message = (query.len() as u16).to_be_bytes().to_vec();
    message.extend_from_slice(&query);
    stream.write_all(&message).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    let reply = Reply::read(&reply);
    belongs(&reply, ask);
    reply
}

#[track_caller]
fn belongs(reply: &Reply, ask: &Ask) {
    assert_eq!(reply.id, ask.id);
    assert_eq!(reply.edns.is_some(), ask.edns, "p17: OPT if and only if asked with OPT");
    assert_eq!(
        reply.ecs().map(|ecs| ecs.source),
        ask.subnet.map(|(_, length)| length),
        "e1: echoed if and only if sent"
    );
}
