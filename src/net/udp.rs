//! Datagrams: one thread and one socket an address and worker; the kernel spreads clients over them.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use super::counters::{Counters, count};
use super::draw::Draw;
use super::pktinfo;
use super::service::{Service, guarded};
use crate::answer::Peer;

/// Longer queries are cut, which makes them malformed: the largest that clients send are under 1,300 octets.
const QUERY_ROOM: usize = 4096;
/// No reply is longer than 1,232 octets (protocol 7); what is beyond is slack.
const REPLY_ROOM: usize = 4096;
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
    Builder::new().name("udp".into()).spawn(move || run(&socket, &*service, &counters, &stop))
}

fn run(socket: &UdpSocket, service: &impl Service, counters: &Counters, stop: &AtomicBool) {
    let mut draw = Draw::new();
    let mut query = [0; QUERY_ROOM];
    let mut reply = [0; REPLY_ROOM];
    while !stop.load(Ordering::Relaxed) {
        let (length, from, local) = match pktinfo::receive(socket, &mut query) {
            Ok(received) => received,
            Err(error) => {
                match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    // An ICMP error for an earlier reply: nothing is wrong with the socket.
                    ErrorKind::ConnectionRefused => count(&counters.udp_errors),
                    _ => {
                        count(&counters.udp_errors);
                        sleep(PAUSE);
                    }
                }
                continue;
            }
        };
        count(&counters.udp_queries);
        // Nobody can be behind port 0 (protocol 2).
        if from.port() == 0 {
            count(&counters.dropped);
            continue;
        }
        let peer = Peer { address: from.ip(), datagram: true };
        let Some(length) = guarded(service, counters, &query[..length], peer, draw.next(), &mut reply) else {
            continue;
        };
        match pktinfo::send(socket, &reply[..length.min(REPLY_ROOM)], from, local) {
            Ok(()) => count(&counters.udp_replies),
            Err(_) => count(&counters.udp_errors),
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
