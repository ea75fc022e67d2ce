//! What transports call: bytes in, bytes out.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache, Guard};
use rustls::sign::CertifiedKey;

use super::aside::Aside;
use super::counters::{Counters, count};
use crate::answer::{Peer, Query, Reading, alone, answer_read, is_aside, look_ahead, over, read};
use crate::config::model::RateLimit;
use crate::snapshot::{Reader, Readers, Snapshot};

/// Octets of the length before each message of a stream.
pub(super) const PREFIX: usize = 2;
/// The longest message that the length can tell.
pub(super) const MESSAGE_MAX: usize = u16::MAX as usize;

thread_local! {
    /// Where replies of any length are built before they are copied to what waits with them: a stream that waits holds
    /// no more than it has to say.
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; MESSAGE_MAX]);
}

/// Answers messages; the engine in the server, a closure in tests.
pub trait Service: Send + Sync + 'static {
    /// What answers one message.
    type Turn<'a>: Turn
    where
        Self: 'a;
    /// What answers a worker's batches.
    type Hand<'a>: Hand
    where
        Self: 'a;

    /// Holds still what answers: taken for one message, given back before waiting.
    fn turn(&self) -> Self::Turn<'_>;

    /// For a thread that answers batch after batch.
    fn hand(&self) -> Self::Hand<'_>;

    /// What encrypted transports show now; without it every handshake fails.
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        None
    }

    /// Who takes up the messages that are left aside; where nobody does, [`Turn::alone`] answers them.
    fn aside(&self) -> Option<&Arc<dyn Aside>> {
        None
    }
}

/// A worker's hold on what answers.
pub trait Hand {
    /// What answers one batch.
    type Turn<'a>: Turn
    where
        Self: 'a;

    /// Takes up what is current now. Called once a batch, and by idle workers each time that they wake.
    fn turn(&mut self) -> Self::Turn<'_>;
}

/// Answers the messages of one batch: reads them, looks ahead, and answers one after the other.
pub trait Turn {
    /// Reads the message that fills the first `len` octets of `buffer` into `query`; whatever that held does not matter.
    fn read(&self, query: &mut Query, buffer: &[u8], len: usize) -> Reading {
        let _ = (query, buffer, len);
        Reading::Query
    }

    /// These queries, all of which were read, are answered next.
    fn look_ahead(&self, queries: &[Query]) {
        let _ = queries;
    }

    /// Writes the reply over a message that was read, which fills the first `len` octets of `buffer`, and returns its
    /// length; `None` drops the message or, where [`is_aside`] says so of it, leaves it aside as it was.
    /// `is_over` tells whether the sender asks too fast; streams and what can prove its address are not asked about.
    fn answer(
        &self,
        read: (&Query, Reading),
        buffer: &mut [u8],
        len: usize,
        peer: &Peer,
        draw: u64,
        is_over: impl FnOnce() -> bool,
    ) -> Option<usize>;

    /// How fast datagrams may ask; `None`: as fast as they can.
    #[inline]
    fn rate_limit(&self) -> Option<&RateLimit> {
        None
    }

    /// The same for a message that was left aside and that nobody takes up; `None` drops it.
    fn alone(&self, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
        let _ = (buffer, len, peer, draw);
        None
    }

    /// The reply to a message that is left aside whose sender asks too fast; `None` drops it.
    fn over(&self, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize> {
        let _ = (buffer, len, peer);
        None
    }
}

impl<F> Service for F
where
    F: Fn(&[u8], Peer, u64, &mut [u8]) -> Option<usize> + Send + Sync + 'static,
{
    type Turn<'a> = &'a F;
    type Hand<'a> = &'a F;

    fn turn(&self) -> &F {
        self
    }

    fn hand(&self) -> &F {
        self
    }
}

impl<F> Hand for &F
where
    F: Fn(&[u8], Peer, u64, &mut [u8]) -> Option<usize>,
{
    type Turn<'a>
        = &'a F
    where
        Self: 'a;

    fn turn(&mut self) -> &F {
        self
    }
}

impl<F> Turn for &F
where
    F: Fn(&[u8], Peer, u64, &mut [u8]) -> Option<usize>,
{
    fn answer(
        &self,
        _: (&Query, Reading),
        buffer: &mut [u8],
        len: usize,
        peer: &Peer,
        draw: u64,
        _: impl FnOnce() -> bool,
    ) -> Option<usize> {
        let query = buffer[..len].to_vec();
        self(&query, *peer, draw, buffer)
    }
}

/// The engine over whatever snapshot is current: one load of the pointer a batch.
#[derive(Clone)]
pub struct Engine {
    snapshot: Arc<ArcSwap<Snapshot>>,
    readers: Arc<Readers>,
    aside: Option<Arc<dyn Aside>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("has_aside", &self.aside.is_some()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Over the pointer that the publisher swaps.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { snapshot, readers: Arc::default(), aside: None }
    }

    /// Messages that are no plain queries go there.
    pub fn leaving_aside_to(self, aside: Arc<dyn Aside>) -> Self {
        Self { aside: Some(aside), ..self }
    }

    /// Workers report which snapshots they use.
    pub fn reporting_to(self, readers: Arc<Readers>) -> Self {
        Self { readers, ..self }
    }
}

impl Service for Engine {
    type Turn<'a> = Held<Guard<Arc<Snapshot>>>;
    type Hand<'a> = EngineHand<'a>;

    fn turn(&self) -> Held<Guard<Arc<Snapshot>>> {
        Held(self.snapshot.load())
    }

    fn hand(&self) -> EngineHand<'_> {
        EngineHand { cache: Cache::new(&self.snapshot), reader: self.readers.join() }
    }

    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.snapshot.load();
        let identity = snapshot.inputs.model.server.tls.as_ref()?.identity.as_ref()?;
        Some(Arc::clone(identity.certified()))
    }

    fn aside(&self) -> Option<&Arc<dyn Aside>> {
        self.aside.as_ref()
    }
}

/// A worker's snapshot: as long as it is the current one, a batch costs one look at the pointer. The publisher hears of
/// each newer one once the one before it is let go.
#[derive(Debug)]
pub struct EngineHand<'a> {
    cache: Cache<&'a ArcSwap<Snapshot>, Arc<Snapshot>>,
    reader: Reader,
}

impl Hand for EngineHand<'_> {
    type Turn<'a>
        = Held<&'a Snapshot>
    where
        Self: 'a;

    #[inline(always)]
    fn turn(&mut self) -> Held<&Snapshot> {
        let snapshot = self.cache.load();
        self.reader.observe(snapshot.generation);
        Held(snapshot)
    }
}

/// A snapshot that answers, however it is held.
#[derive(Debug)]
pub struct Held<S>(S);

impl<S: Deref<Target: Borrow<Snapshot>>> Held<S> {
    #[inline(always)]
    fn snapshot(&self) -> &Snapshot {
        self.0.deref().borrow()
    }
}

impl<S: Deref<Target: Borrow<Snapshot>>> Turn for Held<S> {
    #[inline(always)]
    fn read(&self, query: &mut Query, buffer: &[u8], len: usize) -> Reading {
        read(self.snapshot(), query, buffer, len)
    }

    fn look_ahead(&self, queries: &[Query]) {
        look_ahead(self.snapshot(), queries);
    }

    #[inline(always)]
    fn answer(
        &self,
        (query, reading): (&Query, Reading),
        buffer: &mut [u8],
        _: usize,
        peer: &Peer,
        draw: u64,
        is_over: impl FnOnce() -> bool,
    ) -> Option<usize> {
        answer_read(self.snapshot(), query, reading, buffer, peer, draw, is_over)
    }

    #[inline]
    fn rate_limit(&self) -> Option<&RateLimit> {
        Some(&self.snapshot().inputs.model.server.rate_limit)
    }

    fn alone(&self, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
        alone(self.snapshot(), buffer, len, peer, draw)
    }

    fn over(&self, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize> {
        over(self.snapshot(), buffer, len, peer)
    }
}

/// What became of a message on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome<T> {
    /// The reply, or its length.
    Reply(T),
    /// It is no plain query: [`Service::aside`] takes it up.
    Aside,
    /// There is no reply.
    Dropped,
}

/// Answers a query into `out`. A panic loses this message and nothing else: services hold no state that a message
/// changes, and the buffer is overwritten by the next one. A query that is longer than `out` is dropped.
pub(super) fn guarded(
    service: &impl Service,
    counters: &Counters,
    query: &[u8],
    peer: Peer,
    draw: u64,
    out: &mut [u8],
) -> Outcome<usize> {
    let Some(place) = out.get_mut(..query.len()) else { return Outcome::Dropped };
    place.copy_from_slice(query);
    let turn = service.turn();
    let answered = catch_unwind(AssertUnwindSafe(|| {
        let mut room = Query::default();
        let reading = turn.read(&mut room, out, query.len());
        match turn.answer((&room, reading), out, query.len(), &peer, draw, || false) {
            Some(len) => Outcome::Reply(len),
            None if !is_aside(query) => Outcome::Dropped,
            None if service.aside().is_some() => Outcome::Aside,
            None => turn.alone(out, query.len(), peer, draw).map_or(Outcome::Dropped, Outcome::Reply),
        }
    }));
    let outcome = answered.unwrap_or_else(|_| {
        count(&counters.panics);
        Outcome::Dropped
    });
    match outcome {
        Outcome::Reply(_) => {}
        Outcome::Aside => count(&counters.aside),
        Outcome::Dropped => count(&counters.dropped),
    }
    outcome
}

/// The reply to a message of a stream behind its length, as it goes over the wire.
pub(super) fn framed_reply(
    service: &impl Service,
    counters: &Counters,
    query: &[u8],
    peer: Peer,
    draw: u64,
) -> Outcome<Vec<u8>> {
    ROOM.with_borrow_mut(|room| match guarded(service, counters, query, peer, draw, room) {
        Outcome::Reply(length) => room.get(..length).and_then(framed).map_or(Outcome::Dropped, Outcome::Reply),
        Outcome::Aside => Outcome::Aside,
        Outcome::Dropped => Outcome::Dropped,
    })
}

/// A message behind its length; `None` for one that is longer than the length can tell.
pub(super) fn framed(message: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok()?;
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.extend(length.to_be_bytes());
    framed.extend(message);
    Some(framed)
}
