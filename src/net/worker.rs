//! A worker: one thread that answers all datagrams of its own sockets, which are one at each address. The kernel
//! spreads clients over the workers.
//!
//! A worker with a single socket waits in the call that reads it. One with several waits for all of them together and
//! reads those that are ready, a batch each in turn; it is also told when an address of this machine comes or goes.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use super::aside::Desk;
use super::batch::Batch;
use super::counters::Counters;
use super::poller::Poller;
use super::proxy::{Proxied, Trusted};
use super::service::Service;
use super::udp::Answerer;
use crate::answer::Limiter;
use crate::threads::{self, Usage};

/// How often an idle worker looks whether it should stop.
const NAP: Duration = Duration::from_millis(250);
/// The number of the pipe among the sockets, which are numbered from 0.
const CHANGES: u64 = u64::MAX;

/// One socket of a worker.
#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    socket: Arc<UdpSocket>,
}

impl Port {
    pub(super) fn new(address: SocketAddr, socket: Arc<UdpSocket>) -> Self {
        Self { address, socket }
    }
}

/// What a worker is told while it runs.
#[derive(Debug)]
enum Change {
    Add(Port),
    Remove(SocketAddr),
}

/// Tells a running worker of new and gone sockets.
#[derive(Debug)]
pub(super) struct Teller {
    changes: Sender<Change>,
    bell: PipeWriter,
}

/// Where a worker is told.
#[derive(Debug)]
pub(super) struct Told {
    changes: Receiver<Change>,
    bell: PipeReader,
}

/// The two ends of what a worker is told by.
pub(super) fn telling() -> io::Result<(Teller, Told)> {
    let (to, from) = mpsc::channel();
    let (reader, writer) = io::pipe()?;
    Ok((Teller { changes: to, bell: writer }, Told { changes: from, bell: reader }))
}

impl Teller {
    /// From now on it reads this one too.
    pub(super) fn add(&mut self, port: Port) {
        self.tell(Change::Add(port));
    }

    /// It closes its socket at this address.
    pub(super) fn remove(&mut self, address: SocketAddr) {
        self.tell(Change::Remove(address));
    }

    /// A worker that has ended needs no word.
    fn tell(&mut self, change: Change) {
        let _ = self.changes.send(change);
        let _ = self.bell.write(&[0]);
    }
}

/// What a worker runs with.
pub(super) struct Worker<S> {
    /// At least one.
    pub(super) ports: Vec<Port>,
    /// Present where sockets may come and go.
    pub(super) told: Option<Told>,
    pub(super) cpu: Option<usize>,
    pub(super) proxies: Trusted,
    pub(super) service: Arc<S>,
    /// Where messages go that are no plain queries.
    pub(super) desk: Option<Desk>,
    /// Nobody else adds to it.
    pub(super) counters: Arc<Counters>,
    /// Of all workers together.
    pub(super) limiter: Arc<Limiter>,
    pub(super) stop: Arc<AtomicBool>,
}

impl<S: Service> Worker<S> {
    /// Starts its thread, which runs until `stop` is set and then tells what it has used.
    pub(super) fn spawn(self) -> io::Result<JoinHandle<Usage>> {
        Builder::new().name("udp".into()).spawn(move || {
            if let Some(cpu) = self.cpu
                && let Err(error) = threads::pin_this_thread(cpu)
            {
                tracing::warn!("a worker is not pinned to CPU {cpu}: {error}");
            }
            threads::take_short_turns();
            self.run();
            Usage::of_this_thread()
        })
    }

    fn run(mut self) {
        if self.told.is_none() && self.ports.len() == 1 {
            let Some(port) = self.ports.pop() else { return };
            return self.alone(&port);
        }
        if let Err(error) = self.together() {
            tracing::error!("a UDP worker has ended: {error}");
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn alone(&self, port: &Port) {
        if let Err(error) = port.socket.set_read_timeout(Some(NAP)) {
            tracing::error!("a UDP worker cannot wait: {error}");
            return;
        }
        let mut answerer = Answerer::new(
            self.service.hand(),
            self.desk.as_ref(),
            Proxied::new(&self.proxies),
            &self.counters,
            &self.limiter,
        );
        let mut batch = Batch::new(port.address.ip().is_unspecified());
        while !self.is_stopped() {
            answerer.exchange(&port.socket, &mut batch);
        }
    }

    fn together(mut self) -> io::Result<()> {
        let mut answerer = Answerer::new(
            self.service.hand(),
            self.desk.as_ref(),
            Proxied::new(&self.proxies),
            &self.counters,
            &self.limiter,
        );
        let (mut bound, mut wildcard) = (Batch::new(false), Batch::new(true));
        let mut poller = Poller::new()?;
        let mut told = self.told.take();
        if let Some(told) = &told {
            poller.add(&told.bell, CHANGES)?;
        }
        let mut ports: Vec<Option<Port>> = Vec::new();
        for port in std::mem::take(&mut self.ports) {
            watch(&poller, &mut ports, port)?;
        }
        while !self.stop.load(Ordering::Relaxed) {
            let ready = match poller.wait(NAP) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::debug!("a wait failed: {error}");
                    sleep(NAP);
                    0
                }
            };
            if ready == 0 {
                answerer.refresh();
            }
            for at in 0..ready {
                let number = poller.number(at);
                if number == CHANGES {
                    told.iter_mut().for_each(|told| told.take(&poller, &mut ports));
                } else if let Some(Some(port)) = ports.get(number as usize) {
                    let batch = if port.address.ip().is_unspecified() { &mut wildcard } else { &mut bound };
                    answerer.exchange(&port.socket, batch);
                }
            }
        }
        Ok(())
    }
}

impl Told {
    /// Does what it says.
    fn take(&mut self, poller: &Poller, ports: &mut Vec<Option<Port>>) {
        // One octet a change; what is left rings again.
        let _ = self.bell.read(&mut [0; 64]);
        while let Ok(change) = self.changes.try_recv() {
            match change {
                Change::Add(port) => {
                    let address = port.address;
                    if let Err(error) = watch(poller, ports, port) {
                        tracing::warn!("{address}: its socket cannot be read: {error}");
                    }
                }
                Change::Remove(address) => {
                    for port in ports.iter_mut() {
                        port.take_if(|port| port.address == address);
                    }
                }
            }
        }
    }
}

/// Adds a socket to those that are waited for, in the first free place.
fn watch(poller: &Poller, ports: &mut Vec<Option<Port>>, port: Port) -> io::Result<()> {
    port.socket.set_nonblocking(true)?;
    let place = ports.iter().position(Option::is_none).unwrap_or(ports.len());
    poller.add(&*port.socket, place as u64)?;
    if place == ports.len() {
        ports.push(None);
    }
    ports[place] = Some(port);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::super::counters::Totals;
    use super::super::service::{Hand, Turn};
    use super::*;
    use crate::answer::{Peer, Query, Reading};

    /// A worker that echoes, and panics at `poison`.
    struct Running {
        totals: Arc<Totals>,
        stop: Arc<AtomicBool>,
        thread: Option<JoinHandle<Usage>>,
    }

    impl Running {
        fn new(sockets: Vec<UdpSocket>, told: Option<Told>) -> Self {
            let service = |query: &[u8], _: Peer, _: u64, out: &mut [u8]| {
                assert_ne!(query, b"poison");
                out[..query.len()].copy_from_slice(query);
                Some(query.len())
            };
            Self::answering(service, sockets, told)
        }

        fn answering(service: impl Service, sockets: Vec<UdpSocket>, told: Option<Told>) -> Self {
            let (totals, stop) = (Arc::<Totals>::default(), Arc::new(AtomicBool::new(false)));
            let ports = sockets.into_iter().map(port).collect();
            let (counters, service) = (totals.block(), Arc::new(service));
            let worker = Worker {
                ports,
                told,
                cpu: None,
                proxies: Trusted::default(),
                service,
                desk: None,
                counters,
                limiter: Arc::new(Limiter::new(0)),
                stop: Arc::clone(&stop),
            };
            Self { thread: Some(worker.spawn().unwrap()), totals, stop }
        }

        /// What was counted up to its end: a reply may arrive before it is counted.
        fn counted(self) -> Arc<Totals> {
            Arc::clone(&self.totals)
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.stop.store(true, Ordering::Relaxed);
            self.thread.take().unwrap().join().unwrap();
        }
    }

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    fn port(socket: UdpSocket) -> Port {
        Port::new(socket.local_addr().unwrap(), Arc::new(socket))
    }

    fn is_echoed(client: &UdpSocket, address: SocketAddr) {
        client.send_to(b"query", address).unwrap();
        let mut reply = [0; 16];
        let (length, from) = client.recv_from(&mut reply).unwrap();
        assert_eq!((&reply[..length], from), (&b"query"[..], address));
    }

    #[test]
    fn a_panic_loses_its_own_packet_only() {
        let (server, client) = (socket(), socket());
        let address = server.local_addr().unwrap();
        let running = Running::new(vec![server], None);
        client.send_to(b"poison", address).unwrap();
        is_echoed(&client, address);
        let counted = running.counted();
        assert_eq!((counted.get("panics"), counted.get("udp_replies")), (1, 1));
    }

    /// Panics at each step: at what it cannot read, when it looks ahead, and at `poison`; echoes the rest.
    #[derive(Clone, Copy)]
    struct Brittle;

    impl Service for Brittle {
        type Turn<'a> = Self;
        type Hand<'a> = Self;

        fn turn(&self) -> Self {
            Self
        }

        fn hand(&self) -> Self {
            Self
        }
    }

    impl Hand for Brittle {
        type Turn<'a> = Self;

        fn turn(&mut self) -> Self {
            Self
        }
    }

    impl Turn for Brittle {
        fn read(&self, _: &mut Query, buffer: &[u8], len: usize) -> Reading {
            assert_ne!(&buffer[..len], b"illegible");
            Reading::Query
        }

        fn look_ahead(&self, queries: &[Query]) {
            panic!("{} queries ahead", queries.len());
        }

        fn answer(
            &self,
            (_, reading): (&Query, Reading),
            buffer: &mut [u8],
            len: usize,
            _: &Peer,
            _: u64,
            _: impl FnOnce() -> bool,
        ) -> Option<usize> {
            assert_ne!(&buffer[..len], b"poison");
            (reading == Reading::Query).then_some(len)
        }
    }

    #[test]
    fn so_it_does_in_every_pass_over_a_batch() {
        let (server, client) = (socket(), socket());
        let address = server.local_addr().unwrap();
        // All are there before anybody reads: one batch.
        for message in [&b"one"[..], b"illegible", b"two", b"poison", b"illegible", b"three"] {
            client.send_to(message, address).unwrap();
        }
        let running = Running::answering(Brittle, vec![server], None);
        for expected in [&b"one"[..], b"two", b"three"] {
            let mut reply = [0; 16];
            let length = client.recv(&mut reply).unwrap();
            assert_eq!(&reply[..length], expected);
        }
        let counted = running.counted();
        assert_eq!((counted.get("panics"), counted.get("udp_replies"), counted.get("dropped")), (4, 3, 3));
    }

    #[test]
    fn one_thread_answers_all_of_its_sockets() {
        let (servers, client) = (vec![socket(), socket(), socket()], socket());
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.local_addr().unwrap()).collect();
        let running = Running::new(servers, None);
        for _ in 0..3 {
            addresses.iter().for_each(|&address| is_echoed(&client, address));
        }
        assert_eq!(running.counted().get("udp_queries"), 9);
    }

    #[test]
    fn sockets_come_and_go_while_others_are_answered() {
        let (server, client) = (socket(), socket());
        let first = server.local_addr().unwrap();
        let (mut teller, told) = telling().unwrap();
        let _running = Running::new(vec![server], Some(told));
        is_echoed(&client, first);
        for _ in 0..3 {
            let more = socket();
            let address = more.local_addr().unwrap();
            teller.add(port(more));
            is_echoed(&client, address);
            is_echoed(&client, first);
            teller.remove(address);
            // Closed once it can be bound again by somebody who shares with nobody.
            let begun = std::time::Instant::now();
            while UdpSocket::bind(address).is_err() {
                assert!(begun.elapsed() < Duration::from_secs(5), "{address} is still held");
                std::thread::yield_now();
            }
        }
        is_echoed(&client, first);
    }
}
