//! Messages that the engine leaves aside: NOTIFY, UPDATE, transfers, and what is signed with TSIG. They may wait, work
//! and have several replies, so on datagrams they leave the worker that read them.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::batch::WayBack;
use super::counters::{Counters, count};
use crate::answer::Peer;

/// Datagrams that are worked on at once; more are dropped, and their senders ask again.
const AT_ONCE: usize = 64;

/// Answers what [`is_aside`](crate::answer::is_aside) says so of.
#[async_trait::async_trait]
pub trait Aside: Send + Sync + 'static {
    /// The reply, over the message that fills the first `len` octets of `buffer`, where it can be told without waiting
    /// and without allocation; the rest is for [`Aside::answer`], the buffer left as it was. Called on the threads that
    /// read datagrams: what strangers may ask for belongs here.
    fn at_once(&self, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize>;

    /// Answers a message with any number of replies on a stream, and at most one on a datagram.
    ///
    /// # Errors
    /// A reply could not be sent: the stream is of no more use.
    async fn answer(&self, message: Vec<u8>, peer: Peer, replies: &mut dyn Replies) -> io::Result<()>;
}

/// Where replies go.
#[async_trait::async_trait]
pub trait Replies: Send {
    /// Sends a whole message of at most 65,535 octets.
    ///
    /// # Errors
    /// The client is gone, or does not take it in time.
    async fn send(&mut self, message: &[u8]) -> io::Result<()>;
}

/// Where a worker puts what it leaves aside.
#[derive(Clone)]
pub(super) struct Desk {
    aside: Arc<dyn Aside>,
    runtime: Handle,
    places: Arc<Semaphore>,
}

impl Desk {
    /// Works on `runtime`.
    pub(super) fn new(aside: Arc<dyn Aside>, runtime: Handle) -> Self {
        Self { aside, runtime, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// See [`Aside::at_once`].
    pub(super) fn at_once(&self, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize> {
        self.aside.at_once(buffer, len, peer)
    }

    /// Takes a datagram, if there is a place.
    pub(super) fn take(
        &self,
        way: WayBack,
        message: &[u8],
        peer: Peer,
        socket: &Arc<UdpSocket>,
        counters: &Arc<Counters>,
    ) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            count(&counters.aside_full);
            return;
        };
        let (aside, message) = (Arc::clone(&self.aside), message.to_vec());
        let mut reply = Datagram { socket: Arc::clone(socket), way, counters: Arc::clone(counters) };
        self.runtime.spawn(async move {
            if let Err(error) = aside.answer(message, peer, &mut reply).await {
                tracing::debug!("a datagram was not answered: {error}");
            }
            drop(place);
        });
    }
}

/// The sender of one datagram.
struct Datagram {
    socket: Arc<UdpSocket>,
    way: WayBack,
    counters: Arc<Counters>,
}

#[async_trait::async_trait]
impl Replies for Datagram {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.way.send(&self.socket, message)?;
        count(&self.counters.aside_replies);
        Ok(())
    }
}
