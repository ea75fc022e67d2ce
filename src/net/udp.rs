//! Datagrams: one thread and one socket an address and worker; the kernel spreads clients over them.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use super::batch::Batch;
use super::counters::{Counters, add, count};
use super::draw::Draw;
use super::service::{Service, Turn, guarded};
use crate::answer::Peer;
use crate::snapshot::Reader;

/// How often an idle worker looks whether it should stop.
const NAP: Duration = Duration::from_millis(250);
/// A socket that does nothing but fail is asked this seldom.
const PAUSE: Duration = Duration::from_millis(10);

/// Starts a worker that runs until `stop` is set.
pub(super) fn spawn<S: Service>(
    socket: UdpSocket,
    service: Arc<S>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    socket.set_read_timeout(Some(NAP))?;
    let wildcard = socket.local_addr()?.ip().is_unspecified();
    Builder::new().name("udp".into()).spawn(move || run(&socket, wildcard, &*service, &counters, &stop))
}

fn run(socket: &UdpSocket, wildcard: bool, service: &impl Service, counters: &Counters, stop: &AtomicBool) {
    let mut draw = Draw::new();
    let mut batch = Batch::new(wildcard);
    let reader = service.reader();
    while !stop.load(Ordering::Relaxed) {
        match batch.receive(socket) {
            Ok(received) => {
                add(&counters.udp_queries, received as u64);
                answer(&mut batch, received, service, &reader, counters, &mut draw);
                let sent = batch.send(socket);
                add(&counters.udp_replies, sent.replies);
                add(&counters.udp_full, sent.full);
                add(&counters.udp_errors, sent.errors);
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    reader.observe(service.turn().generation());
                }
                // An ICMP error for an earlier reply: nothing is wrong with the socket.
                ErrorKind::ConnectionRefused => count(&counters.udp_errors),
                _ => {
                    count(&counters.udp_errors);
                    sleep(PAUSE);
                }
            },
        }
    }
}

fn answer(
    batch: &mut Batch,
    received: usize,
    service: &impl Service,
    reader: &Reader,
    counters: &Counters,
    draw: &mut Draw,
) {
    let turn = service.turn();
    reader.observe(turn.generation());
    for at in 0..received {
        // Nobody can be behind port 0 (protocol 2).
        let Some(from) = batch.sender(at).filter(|from| from.port() != 0) else {
            count(&counters.dropped);
            continue;
        };
        let peer = Peer { address: from.ip(), datagram: true };
        let (buffer, len) = batch.message(at);
        if let Some(len) = guarded(&turn, counters, buffer, len, peer, draw.next()) {
            batch.reply(at, len);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_panic_loses_its_own_packet_only() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let service = |query: &[u8], _: Peer, _: u64, out: &mut [u8]| {
            assert_ne!(query, b"poison");
            out[..query.len()].copy_from_slice(query);
            Some(query.len())
        };
        let (counters, stop) = (Arc::new(Counters::default()), Arc::new(AtomicBool::new(false)));
        let worker = spawn(server, Arc::new(service), Arc::clone(&counters), Arc::clone(&stop)).unwrap();

        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.send_to(b"poison", address).unwrap();
        client.send_to(b"query", address).unwrap();
        let mut reply = [0; 16];
        let (length, from) = client.recv_from(&mut reply).unwrap();
        assert_eq!((&reply[..length], from), (&b"query"[..], address));
        assert_eq!(counters.panics.load(Ordering::Relaxed), 1);

        stop.store(true, Ordering::Relaxed);
        worker.join().unwrap();
    }
}
