//! NOTIFY messages under way and the replies to them: one socket an address family, however many messages there are.
//!
//! Invariants: a reply goes to whoever waits for its ID from where it comes from (RFC 1996 section 3.6), and to nobody
//! else; no server is sent more than one message each [`APART`], and one that is silent keeps no other waiting.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, mpsc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::net::SharedDraw;

/// From one message to a server to the next: 100 a second.
const APART: Duration = Duration::from_millis(10);
/// No reply is longer.
const LONGEST: usize = 1232;
/// Replies to one message that may wait to be looked at: all but one of them are forged or doubled.
const REPLIES: usize = 4;
/// After a failure to read, of memory for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Where a reply comes from, and its ID. An address's scope is no part of it, since who is told may be written without.
type Key = (IpAddr, u16, u16);
type Awaited = Mutex<HashMap<Key, mpsc::Sender<Vec<u8>>>>;
/// When the next message may be sent. Who is given up while waiting for it costs the others nothing.
type Gate = AsyncMutex<Instant>;

/// Sends messages, and hands out the replies.
#[derive(Debug)]
pub(super) struct Post {
    v4: OnceCell<Line>,
    v6: OnceCell<Line>,
    awaited: Arc<Awaited>,
    /// Of servers that were sent something lately.
    gates: Mutex<HashMap<SocketAddr, Arc<Gate>>>,
    draw: SharedDraw,
}

/// A socket, and who reads it.
#[derive(Debug)]
struct Line {
    socket: Arc<UdpSocket>,
    _reader: AbortOnDropHandle<()>,
}

/// The replies to one message, until dropped.
#[derive(Debug)]
pub(super) struct Replies<'a> {
    awaited: &'a Awaited,
    key: Key,
    receiver: mpsc::Receiver<Vec<u8>>,
}

impl Post {
    pub(super) fn new() -> Self {
        Self {
            v4: OnceCell::new(),
            v6: OnceCell::new(),
            awaited: Arc::default(),
            gates: Mutex::default(),
            draw: SharedDraw::new(),
        }
    }

    /// Waits until this server may be sent a message.
    pub(super) async fn turn(&self, to: SocketAddr) {
        let gate = self.gate(to);
        let mut next = gate.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + APART;
    }

    fn gate(&self, to: SocketAddr) -> Arc<Gate> {
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get(&to) {
            return Arc::clone(gate);
        }
        gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        let gate = Arc::new(Gate::new(Instant::now()));
        gates.insert(to, Arc::clone(&gate));
        gate
    }

    /// Waits for replies to a message to this server, which is to have the ID that comes with them.
    pub(super) fn replies(&self, from: SocketAddr) -> Replies<'_> {
        let (sender, receiver) = mpsc::channel(REPLIES);
        let mut awaited = lock(&self.awaited);
        // One is free: no message waits for longer than a minute, in which there are 6,000 turns.
        let key = loop {
            let key = (from.ip(), from.port(), self.draw.next() as u16);
            if !awaited.contains_key(&key) {
                break key;
            }
        };
        awaited.insert(key, sender);
        Replies { awaited: &self.awaited, key, receiver }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// There is no socket, or no way to the server.
    pub(super) async fn send(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        let (line, any): (_, IpAddr) = match to {
            SocketAddr::V4(_) => (&self.v4, Ipv4Addr::UNSPECIFIED.into()),
            SocketAddr::V6(_) => (&self.v6, Ipv6Addr::UNSPECIFIED.into()),
        };
        let line = line.get_or_try_init(|| Line::open(any, Arc::clone(&self.awaited))).await?;
        line.socket.send_to(message, to).await?;
        Ok(())
    }
}

impl Line {
    async fn open(any: IpAddr, awaited: Arc<Awaited>) -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind((any, 0)).await?);
        let reader = tokio::spawn(read(Arc::clone(&socket), awaited));
        Ok(Self { socket, _reader: AbortOnDropHandle::new(reader) })
    }
}

/// Hands out what comes, for ever.
async fn read(socket: Arc<UdpSocket>, awaited: Arc<Awaited>) {
    let mut buffer = [0; LONGEST];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => hand_out(&awaited, &buffer[..length], from),
            Err(error) => {
                tracing::debug!("no replies to NOTIFY are read for a moment: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

fn hand_out(awaited: &Awaited, reply: &[u8], from: SocketAddr) {
    let Some(&id) = reply.first_chunk::<2>() else { return };
    let key = (from.ip(), from.port(), u16::from_be_bytes(id));
    if let Some(waiting) = lock(awaited).get(&key) {
        // If there are too many, the message is sent again.
        let _ = waiting.try_send(reply.to_vec());
    }
}

impl Replies<'_> {
    /// What the message's ID has to be.
    pub(super) fn id(&self) -> u16 {
        self.key.2
    }

    /// Waits for the next one. It may be anybody's who writes the server's address on it.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        self.receiver.recv().await
    }
}

impl Drop for Replies<'_> {
    fn drop(&mut self) {
        lock(self.awaited).remove(&self.key);
    }
}

/// Whoever panicked with it in their hands left it whole: single entries are put in and taken out.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// What a server is sent, and where it comes from.
    async fn received(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 512];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        (buffer[..length].to_vec(), from)
    }

    #[tokio::test]
    async fn p24_each_reply_comes_to_who_waits_for_its_id_from_its_server() {
        let post = Post::new();
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let (mut first, mut second) = (post.replies(to), post.replies(to));
        assert_ne!(first.id(), second.id());
        let with = |replies: &Replies<'_>, octet: u8| [&replies.id().to_be_bytes()[..], &[octet]].concat();
        post.send(&with(&first, 0), to).await.unwrap();
        post.send(&with(&second, 0), to).await.unwrap();
        let (message, from) = received(&server).await;
        assert_eq!((message, from), (with(&first, 0), received(&server).await.1), "both from one socket");
        // A stranger's, one of an octet, and the second one's before the first one's.
        stranger.send_to(&with(&first, 9), from).await.unwrap();
        server.send_to(&[0], from).await.unwrap();
        server.send_to(&with(&second, 2), from).await.unwrap();
        server.send_to(&with(&first, 1), from).await.unwrap();
        assert_eq!(first.next().await.unwrap(), with(&first, 1));
        assert_eq!(second.next().await.unwrap(), with(&second, 2));
        drop((first, second));
        assert!(lock(&post.awaited).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn p24_messages_to_one_server_are_apart_and_no_other_waits_for_them() {
        let (post, begun) = (Post::new(), Instant::now());
        let [one, other] = [1, 2].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        for _ in 0..=100 {
            post.turn(one).await;
        }
        assert!(begun.elapsed() >= APART * 100);
        let begun = Instant::now();
        post.turn(other).await;
        assert!(begun.elapsed() < APART);
        assert_eq!(lock(&post.gates).len(), 1, "what nobody uses is forgotten");
    }
}
