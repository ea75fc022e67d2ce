//! Datagrams: one batch read, answered and sent.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::aside::Desk;
use super::batch::{Batch, Sent};
use super::counters::{Counters, add, count};
use super::draw::Draw;
use super::proxy::Proxied;
use super::service::{Hand, Turn};
use crate::answer::{Carrier, Peer, Query, is_aside};

/// A socket that does nothing but fail is asked this seldom.
const PAUSE: Duration = Duration::from_millis(10);

/// What a worker answers with, whichever socket a batch came from.
pub(super) struct Answerer<'a, H> {
    hand: H,
    desk: Option<&'a Desk>,
    counters: &'a Arc<Counters>,
    query: Query,
    draw: Draw,
    /// Where there are proxies.
    proxied: Option<Proxied>,
}

impl<'a, H: Hand> Answerer<'a, H> {
    /// `desk`: where messages go that are no plain queries. `proxied`: who speaks for others, if anybody does.
    pub(super) fn new(hand: H, desk: Option<&'a Desk>, proxied: Option<Proxied>, counters: &'a Arc<Counters>) -> Self {
        Self { hand, desk, counters, query: Query::default(), draw: Draw::new(), proxied }
    }

    /// An idle worker too lets go of what is no longer current.
    pub(super) fn refresh(&mut self) {
        self.hand.turn();
    }

    /// Reads a batch from `socket`, waiting as it is set to, and answers it.
    #[inline]
    pub(super) fn exchange(&mut self, socket: &Arc<UdpSocket>, batch: &mut Batch) {
        let received = batch.receive(socket);
        let turn = self.hand.turn();
        match received {
            Ok(received) => {
                let left = Left { desk: self.desk, socket, counters: self.counters };
                let (query, draw) = (&mut self.query, &mut self.draw);
                match &mut self.proxied {
                    None => answer(batch, received, Batch::sender, &turn, &left, query, draw),
                    Some(proxied) => {
                        proxied.take_headers(batch, received, self.counters);
                        let client = |_: &Batch, at: usize| proxied.client(at);
                        answer(batch, received, client, &turn, &left, query, draw);
                    }
                }
                note(self.counters, received, batch.send(socket));
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                // An ICMP error for an earlier reply: nothing is wrong with the socket.
                ErrorKind::ConnectionRefused => count(&self.counters.udp_errors),
                _ => {
                    count(&self.counters.udp_errors);
                    sleep(PAUSE);
                }
            },
        }
    }
}

/// Answers what was received, `client` having sent each. A panic loses the message that it came of and nothing else: services hold no state that a
/// message changes, and buffers are written over by the next one.
fn answer(
    batch: &mut Batch,
    received: usize,
    client: impl Fn(&Batch, usize) -> Option<IpAddr>,
    turn: &impl Turn,
    left: &Left<'_>,
    query: &mut Query,
    draw: &mut Draw,
) {
    let mut next = 0;
    while next < received {
        let round = catch_unwind(AssertUnwindSafe(|| {
            while next < received {
                let at = next;
                next += 1;
                let reply = client(batch, at).and_then(|address| {
                    let (buffer, len) = batch.message(at);
                    turn.answer(query, buffer, len, Peer { address, carrier: Carrier::Datagram }, draw.next())
                });
                match reply {
                    Some(len) => batch.reply(at, len),
                    None => left.take(batch, at, client(batch, at), turn, draw),
                }
            }
        }));
        if round.is_err() {
            count(&left.counters.panics);
            count(&left.counters.dropped);
        }
    }
}

/// What becomes of datagrams that the engine gives no reply.
struct Left<'a> {
    desk: Option<&'a Desk>,
    socket: &'a Arc<UdpSocket>,
    counters: &'a Arc<Counters>,
}

impl Left<'_> {
    #[cold]
    #[inline(never)]
    fn take(&self, batch: &mut Batch, at: usize, sender: Option<IpAddr>, turn: &impl Turn, draw: &mut Draw) {
        let (buffer, len) = batch.message(at);
        let Some(address) = sender.filter(|_| is_aside(&buffer[..len])) else {
            count(&self.counters.dropped);
            return;
        };
        count(&self.counters.aside);
        let peer = Peer { address, carrier: Carrier::Datagram };
        let Some(desk) = self.desk else {
            match turn.alone(buffer, len, peer, draw.next()) {
                Some(len) => batch.reply(at, len),
                None => count(&self.counters.dropped),
            }
            return;
        };
        match desk.at_once(buffer, len, peer) {
            Some(len) => batch.reply(at, len),
            None => {
                let way = batch.way_back(at);
                desk.take(way, &batch.message(at).0[..len], peer, self.socket, self.counters);
            }
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
