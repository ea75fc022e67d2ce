//! Datagrams: one thread and one socket an address and worker; the kernel spreads clients over them.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use super::batch::{Batch, Sent};
use super::counters::{Counters, add, count};
use super::draw::Draw;
use super::service::{Hand, Service, Turn};
use crate::answer::{Peer, Query};

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
    let mut hand = service.hand();
    let mut query = Query::default();
    while !stop.load(Ordering::Relaxed) {
        let received = batch.receive(socket);
        // An idle worker too lets go of what is no longer current.
        let turn = hand.turn();
        match received {
            Ok(received) => {
                answer(&mut batch, received, &turn, counters, &mut query, &mut draw);
                note(counters, received, batch.send(socket));
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
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

/// Answers what was received. A panic loses the message that it came of and nothing else: services hold no state that a
/// message changes, and buffers are written over by the next one.
fn answer(
    batch: &mut Batch,
    received: usize,
    turn: &impl Turn,
    counters: &Counters,
    query: &mut Query,
    draw: &mut Draw,
) {
    let mut next = 0;
    while next < received {
        let round = catch_unwind(AssertUnwindSafe(|| {
            while next < received {
                let at = next;
                next += 1;
                let reply = batch.sender(at).and_then(|address| {
                    let (buffer, len) = batch.message(at);
                    turn.answer(query, buffer, len, Peer { address, datagram: true }, draw.next())
                });
                match reply {
                    Some(len) => batch.reply(at, len),
                    None => count(&counters.dropped),
                }
            }
        }));
        if round.is_err() {
            count(&counters.panics);
            count(&counters.dropped);
        }
    }
}

fn note(counters: &Counters, received: usize, sent: Sent) {
    add(&counters.udp_queries, received as u64);
    add(&counters.udp_replies, sent.replies);
    if sent.full + sent.errors > 0 {
        add(&counters.udp_full, sent.full);
        add(&counters.udp_errors, sent.errors);
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
