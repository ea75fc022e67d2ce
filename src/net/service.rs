//! What transports call: bytes in, bytes out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache, Guard};

use super::counters::{Counters, count};
use crate::answer::{Peer, Query, answer_in_place};
use crate::snapshot::{Reader, Readers, Snapshot};

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

/// Answers the messages of one batch.
pub trait Turn {
    /// Writes the reply over the query that fills the first `len` octets of `buffer` and returns its length; `None`
    /// drops the query. `query` is room to read it into.
    fn answer(&self, query: &mut Query, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize>;
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
    fn answer(&self, _: &mut Query, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
        let query = buffer[..len].to_vec();
        self(&query, peer, draw, buffer)
    }
}

/// The engine over whatever snapshot is current: one load of the pointer a batch.
#[derive(Clone, Debug)]
pub struct Engine {
    snapshot: Arc<ArcSwap<Snapshot>>,
    readers: Arc<Readers>,
}

impl Engine {
    /// Over the pointer that the publisher swaps.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { snapshot, readers: Arc::default() }
    }

    /// Workers report which snapshots they use.
    pub fn reporting_to(self, readers: Arc<Readers>) -> Self {
        Self { readers, ..self }
    }
}

impl Service for Engine {
    type Turn<'a> = Guard<Arc<Snapshot>>;
    type Hand<'a> = EngineHand<'a>;

    fn turn(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    fn hand(&self) -> EngineHand<'_> {
        EngineHand { cache: Cache::new(&self.snapshot), reader: self.readers.join() }
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
        = &'a Snapshot
    where
        Self: 'a;

    #[inline]
    fn turn(&mut self) -> &Snapshot {
        let snapshot = self.cache.load();
        self.reader.observe(snapshot.generation);
        snapshot
    }
}

impl Turn for &Snapshot {
    #[inline]
    fn answer(&self, query: &mut Query, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
        answer_in_place(self, query, buffer, len, peer, draw)
    }
}

impl Turn for Guard<Arc<Snapshot>> {
    #[inline]
    fn answer(&self, query: &mut Query, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
        answer_in_place(self, query, buffer, len, peer, draw)
    }
}

/// A panic loses this message and nothing else. Services hold no state that a message changes, and the buffer is
/// overwritten by the next one.
#[inline]
pub(super) fn guarded(
    turn: &impl Turn,
    counters: &Counters,
    query: &mut Query,
    buffer: &mut [u8],
    len: usize,
    peer: Peer,
    draw: u64,
) -> Option<usize> {
    let reply = catch_unwind(AssertUnwindSafe(|| turn.answer(query, buffer, len, peer, draw)));
    let reply = reply.unwrap_or_else(|_| {
        count(&counters.panics);
        None
    });
    if reply.is_none() {
        count(&counters.dropped);
    }
    reply
}

/// As [`guarded`], for a query that stands apart from `out`. One that is longer than `out` is dropped.
pub(super) fn guarded_apart(
    service: &impl Service,
    counters: &Counters,
    query: &[u8],
    peer: Peer,
    draw: u64,
    out: &mut [u8],
) -> Option<usize> {
    out.get_mut(..query.len())?.copy_from_slice(query);
    guarded(&service.turn(), counters, &mut Query::default(), out, query.len(), peer, draw)
}
