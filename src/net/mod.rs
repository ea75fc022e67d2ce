//! Sockets. Comes in: bytes from clients; goes out: what a [`Service`] makes of them.
//!
//! [`bind`] takes every address or says why it cannot; [`Bound::serve`] answers on them until [`Serving::stop`].
//! Datagrams are read by workers, a thread each with a socket of its own at every address; streams by tasks, encrypted
//! ones (TLS, HTTPS, QUIC, HTTP/3) like the others.
//! Listening on all addresses of the machine, each has sockets of its own beside the wildcard's, and their coming and
//! going is followed. [`Hickory`] is the portable transport and the entry for those who run
//! hickory-server. [`load`] is the other side: a generator of queries for measuring.
//!
//! Invariants: every transport hands the client's own bytes to the service and sends the service's bytes; a panic,
//! a fault of one client or an error of the system costs one message or one stream, never a listener; replies leave
//! from the address that was asked (protocol 7). Unsafe code is below this module and in [`crate::threads`] only.

pub mod http;
pub mod load;
pub mod proxy;

mod accept;
mod aside;
mod batch;
mod bind;
mod clock;
mod connections;
mod counters;
mod datagram;
mod descriptors;
mod draw;
mod drops;
mod follow;
mod hickory;
mod holder;
mod http3;
mod https;
mod local;
mod memory;
mod metered;
mod poller;
mod pulse;
mod quic;
mod service;
mod taken;
mod tcp;
mod tls;
mod udp;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinHandle as Task;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use aside::{Aside, Replies};
pub use bind::{BindError, Bound, bind};
pub use connections::Limits;
pub use counters::{Counters, Totals};
pub use datagram::Options;
pub use descriptors::raise_descriptors;
pub(crate) use draw::SharedDraw;
pub use hickory::Hickory;
pub use memory::return_large_memory;
pub use service::{Engine, EngineHand, Hand, Held, Service, Turn};

use crate::answer::Limiter;
use crate::config::model::Transport;
use crate::threads::Usage;
use accept::Door;
use accept::Speech::Plain;
use aside::Desk;
use bind::Encrypted;
use descriptors::descriptors;
use draw::Draw;
use proxy::Trusted;
use worker::{Port, Worker};

/// Octets that hickory-server keeps for a stream's replies.
const HICKORY_REPLIES: usize = 64;

/// Sockets that answer; dropping it stops them as [`Serving::stop`] does, without waiting.
#[derive(Debug)]
pub struct Serving {
    addresses: Vec<SocketAddr>,
    encrypted: Vec<(&'static str, SocketAddr)>,
    totals: Arc<Totals>,
    stop_threads: Arc<AtomicBool>,
    stop_tasks: CancellationToken,
    threads: Vec<JoinHandle<Usage>>,
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
            encrypted: self.encrypted().to_vec(),
            totals: Arc::default(),
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
        let Bound { pairs, encrypted, options, .. } = bound;
        let mut ports: Vec<Vec<Port>> = (0..options.workers.max(1)).map(|_| Vec::new()).collect();
        let mut deal = |address: SocketAddr, sockets: Vec<std::net::UdpSocket>| {
            for (ports, socket) in ports.iter_mut().zip(sockets) {
                let socket = Arc::new(socket);
                self.totals.drops.watch(&socket);
                ports.push(Port::new(address, socket));
            }
        };
        let trusted = Trusted::new(&options.proxies);
        let door = Door::new(
            Arc::clone(service),
            self.totals.block(),
            within_descriptors(limits),
            trusted.clone(),
            &encrypted.path,
            self.stop_tasks.clone(),
        );
        let mut wildcards = Vec::new();
        for pair in pairs {
            deal(pair.address, pair.udp);
            if let Some((wildcard, own)) = pair.wildcard {
                own.into_iter().for_each(|(address, sockets)| deal(address, sockets));
                wildcards.push(wildcard);
            }
            self.tasks.push(tokio::spawn(accept::listen(TcpListener::from_std(pair.tcp)?, Plain, Arc::clone(&door))));
        }
        self.open_encrypted(encrypted, &door)?;
        self.tasks.push(tokio::spawn(door.close()));
        let desk = service.aside().map(|aside| Desk::new(Arc::clone(aside), Handle::current()));
        let limiter = Arc::new(Limiter::new(Draw::new().next()));
        let mut tellers = Vec::new();
        for (number, ports) in ports.into_iter().enumerate() {
            let mut told = None;
            if !wildcards.is_empty() {
                let (teller, end) = worker::telling()?;
                tellers.push(teller);
                told = Some(end);
            }
            let (service, limiter) = (Arc::clone(service), Arc::clone(&limiter));
            let (counters, stop) = (self.totals.block(), Arc::clone(&self.stop_threads));
            let (cpu, desk) = (options.cpu_of(number), desk.clone());
            let proxies = trusted.clone();
            self.threads.push(Worker { ports, told, cpu, proxies, service, desk, counters, limiter, stop }.spawn()?);
        }
        if !wildcards.is_empty() {
            let (totals, stop) = (Arc::clone(&self.totals), self.stop_tasks.clone());
            self.tasks.push(tokio::spawn(follow::follow(wildcards, options, tellers, totals, stop)));
        }
        Ok(())
    }

    fn open_encrypted<S: Service>(&mut self, encrypted: Encrypted, door: &Arc<Door<S>>) -> io::Result<()> {
        let acceptor =
            |protocols| Ok::<_, io::Error>(TlsAcceptor::from(Arc::new(tls::config(&door.service, protocols)?)));
        let (dot, https) = (accept::Speech::Tls(acceptor(tls::DOT)?), accept::Speech::Https(acceptor(tls::HTTPS)?));
        for (listeners, speech) in [(encrypted.tls, dot), (encrypted.https, https)] {
            for listener in listeners {
                let listener = TcpListener::from_std(listener)?;
                self.tasks.push(tokio::spawn(accept::listen(listener, speech.clone(), Arc::clone(door))));
            }
        }
        for (sockets, speech) in [(encrypted.quic, quic::Speech::Doq), (encrypted.http3, quic::Speech::Http3)] {
            for socket in sockets {
                let endpoint = quic::endpoint(socket, speech, &door.service, door.limits())?;
                self.tasks.push(tokio::spawn(quic::listen(endpoint, speech, Arc::clone(door))));
            }
        }
        Ok(())
    }

    fn hickory<S: Service>(&mut self, bound: Bound, service: Arc<S>, limits: Limits) -> io::Result<()> {
        let handler = Hickory::counting(service, self.totals.block());
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

    /// Each encrypted transport, by its key in `[listen]`, with an address.
    pub fn encrypted(&self) -> &[(&'static str, SocketAddr)] {
        &self.encrypted
    }

    /// What is counted.
    pub fn counters(&self) -> Arc<Totals> {
        Arc::clone(&self.totals)
    }

    /// Stops answering, and returns when every thread, listener and connection has ended: within some seconds, which
    /// connections have to end what they are at. What the threads that answer datagrams have used since they began is told.
    pub async fn stop(mut self) -> Usage {
        self.tell();
        for task in std::mem::take(&mut self.tasks) {
            // A task that panicked has ended as well.
            let _ = task.await;
        }
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(|| {
            let mut used = Usage::default();
            threads.into_iter().filter_map(|thread| thread.join().ok()).for_each(|usage| used += usage);
            used
        });
        joined.await.unwrap_or_default()
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

/// Connections leave descriptors to files and probes.
fn within_descriptors(limits: Limits) -> Limits {
    let most = descriptors() / 4 * 3;
    if limits.total > most {
        tracing::warn!(
            "{most} connections are the most at once, since the process has only {} descriptors",
            descriptors()
        );
    }
    Limits { total: limits.total.min(most), ..limits }
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
        let bound = bind(&[([127, 0, 0, 1], 0).into()], &Options::with_workers(2), false).unwrap();
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
        assert!(bind(&[server], &Options::default(), false).is_ok(), "the address is free again");
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
