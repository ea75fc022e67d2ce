//! What transports call: bytes in, bytes out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::counters::{Counters, count};
use crate::answer::{Peer, answer};
use crate::snapshot::Snapshot;

/// Answers messages; the engine in the server, a closure in tests.
pub trait Service: Send + Sync + 'static {
    /// Writes the reply to `query` into `out` and returns its length; `None` drops the query.
    fn answer(&self, query: &[u8], peer: Peer, draw: u64, out: &mut [u8]) -> Option<usize>;
}

impl<F> Service for F
where
    F: Fn(&[u8], Peer, u64, &mut [u8]) -> Option<usize> + Send + Sync + 'static,
{
    fn answer(&self, query: &[u8], peer: Peer, draw: u64, out: &mut [u8]) -> Option<usize> {
        self(query, peer, draw, out)
    }
}

/// The engine over whatever snapshot is current: one load of the pointer a message.
#[derive(Clone, Debug)]
pub struct Engine {
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl Engine {
    /// Over the pointer that the publisher swaps.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { snapshot }
    }
}

impl Service for Engine {
    fn answer(&self, query: &[u8], peer: Peer, draw: u64, out: &mut [u8]) -> Option<usize> {
        answer(&self.snapshot.load(), query, peer, draw, out)
    }
}

/// A panic loses this message and nothing else. Services hold no state that a message changes, and `out` is
/// overwritten by the next one.
pub(super) fn guarded(
    service: &impl Service,
    counters: &Counters,
    query: &[u8],
    peer: Peer,
    draw: u64,
    out: &mut [u8],
) -> Option<usize> {
    let reply = catch_unwind(AssertUnwindSafe(|| service.answer(query, peer, draw, out)));
    let reply = reply.unwrap_or_else(|_| {
        count(&counters.panics);
        None
    });
    if reply.is_none() {
        count(&counters.dropped);
    }
    reply
}
