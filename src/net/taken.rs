//! Replies of HTTP that their clients have not taken yet: how many octets a connection may have of them, and for how
//! long.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Octets of replies that wait for their client on one connection: some hundreds of the usual size, some of the longest.
const UNTAKEN_MAX: usize = 1 << 20;

/// One connection's.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    state: Mutex<State>,
    /// Told when there are too many octets.
    full: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    octets: usize,
    /// Since when each waits.
    waiting: BTreeSet<(Instant, u64)>,
}

/// A reply that waits, until dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    all: Arc<Untaken>,
    key: (Instant, u64),
    octets: usize,
}

/// A response's body that waits until it is taken.
#[derive(Debug)]
pub(super) struct Reply {
    body: Full<Bytes>,
    _waiting: Waiting,
}

impl Untaken {
    /// One more reply.
    pub(super) fn wait(self: &Arc<Self>, octets: usize) -> Waiting {
        let mut state = self.state();
        let key = (Instant::now(), state.next);
        state.next += 1;
        state.octets += octets;
        state.waiting.insert(key);
        if state.octets > UNTAKEN_MAX {
            self.full.notify_one();
        }
        drop(state);
        Waiting { all: Arc::clone(self), key, octets }
    }

    /// The same, for a body.
    pub(super) fn reply(self: &Arc<Self>, body: Bytes) -> Reply {
        let waiting = self.wait(body.len());
        Reply { body: Full::new(body), _waiting: waiting }
    }

    /// Returns once a reply has waited for longer than `patience`, or too many wait.
    pub(super) async fn is_too_much(&self, patience: Duration) {
        loop {
            let oldest = self.state().waiting.first().map(|&(since, _)| since);
            let now = Instant::now();
            let due = oldest.unwrap_or(now) + patience;
            if due <= now {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.full.notified() => return,
            }
        }
    }

    /// A panic elsewhere leaves it whole: each change is one step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.all.state();
        state.octets -= self.octets;
        state.waiting.remove(&self.key);
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn p21_a_reply_may_wait_for_so_long_and_no_longer() {
        let untaken = Arc::new(Untaken::default());
        for _ in 0..10 {
            let waiting = untaken.wait(100);
            assert!(timeout(PATIENCE / 2, untaken.is_too_much(PATIENCE)).await.is_err());
            drop(waiting);
        }
        let _waiting = untaken.wait(100);
        assert!(timeout(PATIENCE * 2, untaken.is_too_much(PATIENCE)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn p21_so_many_octets_may_wait_and_no_more() {
        let untaken = Arc::new(Untaken::default());
        let mut waiting: Vec<Waiting> = (0..16).map(|_| untaken.wait(UNTAKEN_MAX / 16)).collect();
        assert!(timeout(PATIENCE / 2, untaken.is_too_much(PATIENCE)).await.is_err());
        waiting.pop();
        waiting.push(untaken.wait(UNTAKEN_MAX / 16 + 1));
        assert!(timeout(PATIENCE / 4, untaken.is_too_much(PATIENCE)).await.is_ok());
        drop(waiting);
        assert_eq!(untaken.state().octets, 0);
    }
}
