//! What transports call: bytes in, bytes out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::counters::{Counters, count};
use crate::answer::{Peer, answer_in_place};
use crate::snapshot::{Reader, Readers, Snapshot};

/// Answers messages; the engine in the server, a closure in tests.
pub trait Service: Send + Sync + 'static {
    /// What answers one batch of messages.
    type Turn<'a>: Turn
    where
        Self: 'a;

    /// Holds still what answers: taken once a batch, given back before waiting.
    fn turn(&self) -> Self::Turn<'_>;

    /// Where a worker reports the [`Turn::generation`] of each of its turns, once it has given the one before it back.
    fn reader(&self) -> Reader {
        Reader::default()
    }
}

/// Answers the messages of one batch.
pub trait Turn {
    /// Writes the reply over the query that fills the first `len` octets of `buffer` and returns its length; `None`
    /// drops the query.
    fn answer(&self, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize>;

    /// Which generation answers, where there are several.
    fn generation(&self) -> u64 {
        0
    }
}

impl<F> Service for F
where
    F: Fn(&[u8], Peer, u64, &mut [u8]) -> Option<usize> + Send + Sync + 'static,
{
    type Turn<'a> = &'a F;

    fn turn(&self) -> &F {
        self
    }
}

impl<F> Turn for &F
where
    F: Fn(&[u8], Peer, u64, &mut [u8]) -> Option<usize>,
{
    fn answer(&self, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
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

    fn turn(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    fn reader(&self) -> Reader {
        self.readers.join()
    }
}

impl Turn for Guard<Arc<Snapshot>> {
    fn answer(&self, buffer: &mut [u8], len: usize, peer: Peer, draw: u64) -> Option<usize> {
        answer_in_place(self, buffer, len, peer, draw)
    }

    fn generation(&self) -> u64 {
        self.generation
    }
}

/// A panic loses this message and nothing else. Services hold no state that a message changes, and the buffer is
/// overwritten by the next one.
pub(super) fn guarded(
    turn: &impl Turn,
    counters: &Counters,
    buffer: &mut [u8],
    len: usize,
    peer: Peer,
    draw: u64,
) -> Option<usize> {
    let reply = catch_unwind(AssertUnwindSafe(|| turn.answer(buffer, len, peer, draw)));
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
    guarded(&service.turn(), counters, out, query.len(), peer, draw)
}
