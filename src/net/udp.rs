//! Datagrams: one batch read, answered and sent.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::aside::Desk;
use super::batch::{Batch, Sent};
use super::clock::Moment;
use super::counters::{Counters, add, count};
use super::draw::Draw;
use super::proxy::Proxied;
use super::service::{Hand, Turn};
use crate::answer::{Carrier, Limiter, Peer, Query, TICKS, is_aside};
use crate::config::model::RateLimit;

/// A socket that does nothing but fail is asked this seldom.
const PAUSE: Duration = Duration::from_millis(10);

/// What a worker answers with, whichever socket a batch came from.
pub(super) struct Answerer<'a, H> {
    hand: H,
    desk: Option<&'a Desk>,
    counters: &'a Arc<Counters>,
    limiter: &'a Limiter,
    query: Query,
    draw: Draw,
    /// Where there are proxies.
    proxied: Option<Proxied>,
}

impl<'a, H: Hand> Answerer<'a, H> {
    /// `desk`: where messages go that are no plain queries. `proxied`: who speaks for others, if anybody does.
    pub(super) fn new(
        hand: H,
        desk: Option<&'a Desk>,
        proxied: Option<Proxied>,
        counters: &'a Arc<Counters>,
        limiter: &'a Limiter,
    ) -> Self {
        Self { hand, desk, counters, limiter, query: Query::default(), draw: Draw::new(), proxied }
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
                let limit = Limit::new(turn.rate_limit(), self.limiter, self.counters);
                let left = Left { desk: self.desk, socket, counters: self.counters, now: limit.now };
                let (query, draw) = (&mut self.query, &mut self.draw);
                match &mut self.proxied {
                    None => answer(batch, received, Batch::sender, &turn, &left, limit, query, draw),
                    Some(proxied) => {
                        proxied.take_headers(batch, received, self.counters);
                        let client = |_: &Batch, at: usize| proxied.client(at);
                        answer(batch, received, client, &turn, &left, limit, query, draw);
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

/// Answers what was received, `client` having sent each. A panic loses the message that it came of and nothing else:
/// services hold no state that a message changes, and buffers are written over by the next one.
#[allow(clippy::too_many_arguments, reason = "they are a worker's parts, of which a batch needs most at once")]
fn answer(
    batch: &mut Batch,
    received: usize,
    client: impl Fn(&Batch, usize) -> Option<IpAddr>,
    turn: &impl Turn,
    left: &Left<'_>,
    limit: Limit<'_>,
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
                    let peer =
                        Peer { address, carrier: Carrier::Datagram, keepalive: None, seconds: limit.now.seconds };
                    turn.answer(query, buffer, len, peer, draw.next(), || limit.is_over(address))
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
    now: Moment,
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
        let peer = Peer { seconds: self.now.seconds, ..Peer::new(address, Carrier::Datagram) };
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

/// The rate limit of a batch.
#[derive(Clone, Copy)]
struct Limit<'a> {
    rules: Option<&'a RateLimit>,
    /// Ticks that a query costs; 0 without a limit.
    price: u32,
    now: Moment,
    limiter: &'a Limiter,
    counters: &'a Counters,
}

impl<'a> Limit<'a> {
    #[inline]
    fn new(rules: Option<&'a RateLimit>, limiter: &'a Limiter, counters: &'a Counters) -> Self {
        let price = rules.and_then(|rules| rules.rate).map_or(0, |rate| TICKS / rate.clamp(1, TICKS));
        Self { rules, price, now: Moment::now(), limiter, counters }
    }

    #[inline]
    fn is_over(&self, sender: IpAddr) -> bool {
        self.limiter.is_over(sender, self.price, self.now.ticks) && self.applies(sender)
    }

    /// Whether a sender that asks too fast is to be limited.
    #[cold]
    fn applies(&self, sender: IpAddr) -> bool {
        let Some(rules) = self.rules else { return false };
        let sender = sender.to_canonical();
        if rules.exempt.iter().any(|network| network.contains(&sender)) {
            return false;
        }
        add(if rules.log_only { &self.counters.rate_logged } else { &self.counters.rate_limited }, 1);
        !rules.log_only
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
