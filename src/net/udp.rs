//! Datagrams: one batch read, answered and sent.

use std::array;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::aside::Desk;
use super::batch::{BATCH, Batch, Sent};
use super::clock::Moment;
use super::counters::{Counters, add, count};
use super::draw::Draw;
use super::proxy::Proxied;
use super::service::{Hand, Turn};
use crate::answer::{Address, Carrier, Limiter, Peer, Price, Query, Reading, is_aside};

/// A socket that does nothing but fail is asked this seldom.
const PAUSE: Duration = Duration::from_millis(10);

/// What a worker answers with, whichever socket a batch came from.
pub(super) struct Answerer<'a, H> {
    hand: H,
    place: Place<'a>,
    tools: Tools,
    /// Where there are proxies.
    proxied: Option<Proxied>,
}

/// What a worker shares with others.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Where messages go that are no plain queries.
    desk: Option<&'a Desk>,
    counters: &'a Arc<Counters>,
    limiter: &'a Limiter,
}

/// What a batch is answered with.
struct Tools {
    queries: Box<[Query; BATCH]>,
    /// What reading each message came to, and who sent it; `None` for what is nobody's.
    messages: Box<[(Reading, Option<Address>); BATCH]>,
    draw: Draw,
    /// Of a query at this rate.
    price: (Option<u32>, Option<Price>),
}

impl Tools {
    fn new() -> Self {
        Self {
            queries: Box::new(array::from_fn(|_| Query::default())),
            messages: Box::new([(Reading::Drop, None); BATCH]),
            draw: Draw::new(),
            price: (None, None),
        }
    }

    /// What a query costs, worked out anew when the rate has changed.
    #[inline]
    fn price(&mut self, rate: Option<u32>) -> Option<Price> {
        if self.price.0 != rate {
            self.price = (rate, rate.map(Price::of_rate));
        }
        self.price.1
    }
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
        Self { hand, place: Place { desk, counters, limiter }, tools: Tools::new(), proxied }
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
                let price = self.tools.price(turn.rate_limit().and_then(|rules| rules.rate));
                let round = Round { place: &self.place, socket, turn, price, now: Moment::now() };
                match &mut self.proxied {
                    None => round.answer(batch, received, Batch::sender, &mut self.tools),
                    Some(proxied) => round.answer_proxied(batch, received, proxied, &mut self.tools),
                }
                note(self.place.counters, received, batch.send(socket));
            }
            Err(error) => self.place.note_error(&error),
        }
    }
}

impl Place<'_> {
    #[cold]
    fn note_error(&self, error: &io::Error) {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
            // An ICMP error for an earlier reply: nothing is wrong with the socket.
            ErrorKind::ConnectionRefused => count(&self.counters.udp_errors),
            _ => {
                count(&self.counters.udp_errors);
                sleep(PAUSE);
            }
        }
    }
}

/// What all messages of a batch are answered by.
struct Round<'r, T> {
    place: &'r Place<'r>,
    socket: &'r Arc<UdpSocket>,
    turn: T,
    /// Of a query; `None` without a limit.
    price: Option<Price>,
    now: Moment,
}

impl<T: Turn> Round<'_, T> {
    /// Answers what was received, `client` having sent each. A panic loses the message that it came of and nothing else:
    /// services hold no state that a message changes, and buffers are written over by the next one.
    #[inline(always)]
    fn answer(
        &self,
        batch: &mut Batch,
        received: usize,
        client: impl Fn(&Batch, usize) -> Option<Address>,
        tools: &mut Tools,
    ) {
        let (mut read, mut has_looked, mut next) = (0, false, 0);
        while next < received {
            let round = catch_unwind(AssertUnwindSafe(|| {
                if received == 1 {
                    // Nothing is kept from one pass to the next.
                    next = 1;
                    let message = self.read_one(batch, 0, &client, tools);
                    self.answer_one(batch, 0, message, tools);
                    return;
                }
                while read < received {
                    let at = read;
                    read += 1;
                    // Should reading panic, this is what it came to.
                    tools.messages[at] = (Reading::Drop, None);
                    tools.messages[at] = self.read_one(batch, at, &client, tools);
                }
                if !has_looked {
                    has_looked = true;
                    self.turn.look_ahead(&tools.queries[..received]);
                }
                while next < received {
                    let at = next;
                    next += 1;
                    self.answer_one(batch, at, tools.messages[at], tools);
                }
            }));
            if round.is_err() {
                count(&self.place.counters.panics);
                // What could not be read is dropped when its turn comes.
                if next > 0 {
                    count(&self.place.counters.dropped);
                }
            }
        }
    }

    /// What reading the `at`-th message comes to, and who sent it.
    #[inline(always)]
    fn read_one(
        &self,
        batch: &mut Batch,
        at: usize,
        client: impl Fn(&Batch, usize) -> Option<Address>,
        tools: &mut Tools,
    ) -> (Reading, Option<Address>) {
        let (buffer, len) = batch.message(at);
        let reading = self.turn.read(&mut tools.queries[at], buffer, len);
        (reading, client(batch, at))
    }

    #[inline(always)]
    fn answer_one(
        &self,
        batch: &mut Batch,
        at: usize,
        (reading, sender): (Reading, Option<Address>),
        tools: &mut Tools,
    ) {
        // No closure, which would become a function of its own.
        let reply = match sender {
            Some(address) => {
                let peer = self.peer(address);
                let (buffer, len) = batch.message(at);
                let read = (&tools.queries[at], reading);
                self.turn.answer(read, buffer, len, &peer, tools.draw.next(), || self.is_over(address))
            }
            None => None,
        };
        match reply {
            Some(len) => batch.reply(at, len),
            None => self.leave(batch, at, sender, &mut tools.draw),
        }
    }

    /// The same where some of it came by way of proxies.
    #[cold]
    #[inline(never)]
    fn answer_proxied(&self, batch: &mut Batch, received: usize, proxied: &mut Proxied, tools: &mut Tools) {
        proxied.take_headers(batch, received, self.place.counters);
        self.answer(batch, received, |_, at| proxied.client(at), tools);
    }

    #[inline]
    fn peer(&self, address: Address) -> Peer {
        Peer { address, carrier: Carrier::Datagram, keepalive: None, seconds: self.now.seconds }
    }

    /// What becomes of a datagram that the engine gives no reply.
    #[cold]
    #[inline(never)]
    fn leave(&self, batch: &mut Batch, at: usize, sender: Option<Address>, draw: &mut Draw) {
        let Place { desk, counters, .. } = *self.place;
        let (buffer, len) = batch.message(at);
        let Some(address) = sender.filter(|_| is_aside(&buffer[..len])) else {
            count(&counters.dropped);
            return;
        };
        let peer = self.peer(address);
        if self.is_over(address) {
            if let Some(len) = self.turn.over(buffer, len, peer) {
                batch.reply(at, len);
            }
            return;
        }
        count(&counters.aside);
        let Some(desk) = desk else {
            match self.turn.alone(buffer, len, peer, draw.next()) {
                Some(len) => batch.reply(at, len),
                None => count(&counters.dropped),
            }
            return;
        };
        match desk.at_once(buffer, len, peer) {
            Some(len) => batch.reply(at, len),
            None => {
                let way = batch.way_back(at);
                desk.take(way, &batch.message(at).0[..len], peer, self.socket, counters);
            }
        }
    }

    /// Whether the sender asks too fast.
    #[inline(always)]
    fn is_over(&self, sender: Address) -> bool {
        self.price.is_some_and(|price| self.place.limiter.is_over(sender, price, self.now.tick)) && self.limits(sender)
    }

    /// Whether a sender that asks too fast is to be limited.
    #[cold]
    fn limits(&self, sender: Address) -> bool {
        let Some(rules) = self.turn.rate_limit() else { return false };
        let sender = sender.ip();
        if rules.exempt.iter().any(|network| network.contains(&sender)) {
            return false;
        }
        let counters = self.place.counters;
        add(if rules.log_only { &counters.rate_logged } else { &counters.rate_limited }, 1);
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
