//! Sockets. Comes in: bytes from clients; goes out: what a [`Service`] makes of them.
//!
//! [`bind`] takes every address or says why it cannot; [`Bound::serve`] answers on them until [`Serving::stop`].
//! Datagrams are read by threads of their own, streams by tasks; [`Hickory`] is the portable transport and the entry
//! for those who run hickory-server.
//!
//! Invariants: every transport hands the client's own bytes to the service and sends the service's bytes; a panic,
//! a fault of one client or an error of the system costs one message or one stream, never a listener; replies leave
//! from the address that was asked (protocol 7). The crate's only unsafe code is below this module.

mod batch;
mod bind;
mod connections;
mod counters;
mod draw;
mod hickory;
mod holder;
mod service;
mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

pub use bind::{BindError, Bound, bind};
pub use connections::Limits;
pub use counters::Counters;
pub use hickory::Hickory;
pub use service::{Engine, EngineHand, Hand, Service, Turn};

use crate::config::model::Transport;
use connections::Connections;

/// Octets that hickory-server keeps for a stream's replies.
const HICKORY_REPLIES: usize = 64;

/// Sockets that answer; dropping it stops them as [`Serving::stop`] does, without waiting.
#[derive(Debug)]
pub struct Serving {
    addresses: Vec<SocketAddr>,
    counters: Arc<Counters>,
    stop_threads: Arc<AtomicBool>,
    stop_tasks: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    tasks: Vec<Task<()>>,
}

impl Bound {
    /// Begins to answer. Must be called within a tokio runtime, which runs the streams.
    ///
    /// # Errors
    /// The system refuses a thread or a socket.
    pub fn serve<S: Service>(self, service: S, transport: Transport, limits: Limits) -> io::Result<Serving> {
        let mut serving = Serving {
            addresses: self.addresses(),
            counters: Arc::default(),
            stop_threads: Arc::default(),
            stop_tasks: CancellationToken::new(),
            threads: Vec::new(),
            tasks: Vec::new(),
        };
        let service = Arc::new(service);
        match transport {
            Transport::Native => serving.native(self, &service, limits)?,
            Transport::Hickory => serving.hickory(self, service, limits)?,
        }
        Ok(serving)
    }
}

impl Serving {
    fn native<S: Service>(&mut self, bound: Bound, service: &Arc<S>, limits: Limits) -> io::Result<()> {
        let connections = Connections::new(limits);
        for pair in bound.pairs {
            for socket in pair.udp {
                let (counters, stop) = (Arc::clone(&self.counters), Arc::clone(&self.stop_threads));
                self.threads.push(udp::spawn(socket, Arc::clone(service), counters, stop)?);
            }
            let listener = TcpListener::from_std(pair.tcp)?;
            self.tasks.push(tokio::spawn(tcp::listen(
                listener,
                Arc::clone(service),
                Arc::clone(&self.counters),
                Arc::clone(&connections),
                self.stop_tasks.clone(),
            )));
        }
        Ok(())
    }

    fn hickory<S: Service>(&mut self, bound: Bound, service: Arc<S>, limits: Limits) -> io::Result<()> {
        let handler = Hickory::counting(service, Arc::clone(&self.counters));
        let mut server = hickory_server::Server::new(handler);
        for pair in bound.pairs {
            for socket in pair.udp {
                socket.set_nonblocking(true)?;
                server.register_socket(UdpSocket::from_std(socket)?);
            }
            server.register_listener(TcpListener::from_std(pair.tcp)?, limits.idle, HICKORY_REPLIES);
        }
        let stop = self.stop_tasks.clone();
        self.tasks.push(tokio::spawn(async move {
            let ended = tokio::select! {
                ended = server.block_until_done() => ended,
                () = stop.cancelled() => Ok(()),
            };
            match ended {
                Ok(()) => drop(server.shutdown_gracefully().await),
                Err(error) => tracing::error!("the hickory transport ended: {error}"),
            }
        }));
        Ok(())
    }

    /// The addresses that answer, UDP and TCP each.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What was counted so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Stops answering, and returns when every thread and listener has ended: within half a second.
    pub async fn stop(mut self) {
        self.tell();
        for task in std::mem::take(&mut self.tasks) {
            // A task that panicked has ended as well.
            let _ = task.await;
        }
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| drop(thread.join())));
        let _ = joined.await;
    }

    fn tell(&self) {
        self.stop_threads.store(true, Ordering::Relaxed);
        self.stop_tasks.cancel();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;
    use crate::answer::Peer;

    /// A query for `a.example.` A, without EDNS.
    const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";

    /// Answers every query with the same question and REFUSED.
    fn refuse(query: &[u8], _: Peer, _: u64, out: &mut [u8]) -> Option<usize> {
        out[..query.len()].copy_from_slice(query);
        out[2] |= 0x80;
        out[3] = 5;
        Some(query.len())
    }

    async fn is_answered(transport: Transport) {
        let bound = bind(&[([127, 0, 0, 1], 0).into()], 2, false).unwrap();
        let serving = bound.serve(refuse, transport, Limits::default()).unwrap();
        let server = serving.addresses()[0];
        let expected = [b"\x12\x34\x81\x05", &QUERY[4..]].concat();

        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(server).await.unwrap();
        client.send(QUERY).await.unwrap();
        let mut reply = [0; 512];
        let length = timeout(Duration::from_secs(5), client.recv(&mut reply)).await.unwrap().unwrap();
        assert_eq!(&reply[..length], expected);

        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(&[&[0, QUERY.len() as u8], QUERY].concat()).await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut reply = vec![0; length.into()];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply, expected);

        serving.stop().await;
        assert!(bind(&[server], 1, false).is_ok(), "the address is free again");
    }

    #[tokio::test]
    async fn both_protocols_are_answered_by_our_own_loops() {
        is_answered(Transport::Native).await;
    }

    #[tokio::test]
    async fn p23_hickorys_listeners_send_the_same_message() {
        is_answered(Transport::Hickory).await;
    }
}
