//! Datagrams: one batch read, answered and sent.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::sleep;
use std::time::Duration;

use super::batch::{Batch, Sent};
use super::counters::{Counters, add, count};
use super::draw::Draw;
use super::service::{Hand, Turn};
use crate::answer::{Carrier, Peer, Query};

/// A socket that does nothing but fail is asked this seldom.
const PAUSE: Duration = Duration::from_millis(10);

/// What a worker answers with, whichever socket a batch came from.
pub(super) struct Answerer<'a, H> {
    hand: H,
    counters: &'a Counters,
    query: Query,
    draw: Draw,
}

impl<'a, H: Hand> Answerer<'a, H> {
    pub(super) fn new(hand: H, counters: &'a Counters) -> Self {
        Self { hand, counters, query: Query::default(), draw: Draw::new() }
    }

    /// An idle worker too lets go of what is no longer current.
    pub(super) fn refresh(&mut self) {
        self.hand.turn();
    }

    /// Reads a batch from `socket`, waiting as it is set to, and answers it.
    #[inline]
    pub(super) fn exchange(&mut self, socket: &UdpSocket, batch: &mut Batch) {
        let received = batch.receive(socket);
        let turn = self.hand.turn();
        match received {
            Ok(received) => {
                answer(batch, received, &turn, self.counters, &mut self.query, &mut self.draw);
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
                    turn.answer(query, buffer, len, Peer { address, carrier: Carrier::Datagram }, draw.next())
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
