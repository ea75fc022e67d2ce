//! Whether a connection that has many requests under way is at work, and how long it has not been.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::connections::{Connections, Seat};

/// One connection's.
#[derive(Debug)]
pub(super) struct Pulse {
    connections: Arc<Connections>,
    seat: Seat,
    state: Mutex<State>,
    /// Told when the last request has ended.
    rest: Notify,
}

#[derive(Debug)]
struct State {
    requests: usize,
    /// When the last one ended.
    since: Instant,
}

/// A request that is under way, until dropped.
#[derive(Debug)]
pub(super) struct Beat(Arc<Pulse>);

impl Pulse {
    /// Of a connection that was just opened.
    pub(super) fn new(connections: Arc<Connections>, seat: Seat) -> Arc<Self> {
        let state = Mutex::new(State { requests: 0, since: Instant::now() });
        Arc::new(Self { connections, seat, state, rest: Notify::new() })
    }

    pub(super) fn begin(self: &Arc<Self>) -> Beat {
        let mut state = self.state();
        state.requests += 1;
        if state.requests == 1 {
            self.seat.mark_busy(Instant::now());
        }
        Beat(Arc::clone(self))
    }

    /// Returns once no request has been under way for as long as a connection may be silent, or it is told to close.
    pub(super) async fn stops(&self) {
        tokio::select! {
            () = self.is_silent() => {}
            () = self.seat.close.cancelled() => {}
        }
    }

    /// Returns once no request is under way.
    pub(super) async fn rests(&self) {
        loop {
            let told = self.rest.notified();
            if self.state().requests == 0 {
                return;
            }
            told.await;
        }
    }

    async fn is_silent(&self) {
        loop {
            let (now, idle) = (Instant::now(), self.connections.idle());
            let end = {
                let state = self.state();
                let end = state.since + idle;
                if state.requests > 0 {
                    // When it ends, its connection may be silent for that long.
                    now + idle
                } else if end <= now {
                    return;
                } else {
                    end
                }
            };
            sleep_until(end).await;
        }
    }

    /// A panic elsewhere leaves a count whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        if state.requests == 0 {
            let now = Instant::now();
            state.since = now;
            self.0.seat.mark_idle(now);
            self.0.rest.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::super::connections::Limits;
    use super::*;

    fn pulse(limits: Limits) -> (Arc<Connections>, Arc<Pulse>) {
        let connections = Connections::new(limits, CancellationToken::new());
        let seat = admit(&connections, 1);
        (Arc::clone(&connections), Pulse::new(connections, seat))
    }

    fn admit(connections: &Connections, client: u8) -> Seat {
        connections.admit([192, 0, 2, client].into(), Instant::now()).unwrap().seat
    }

    #[tokio::test(start_paused = true)]
    async fn p22_a_connection_with_a_request_under_way_is_not_silent() {
        let (_, pulse) = pulse(Limits::default());
        let begun = Instant::now();
        let (first, second) = (pulse.begin(), pulse.begin());
        let stops = tokio::spawn({
            let pulse = Arc::clone(&pulse);
            async move { pulse.stops().await }
        });
        tokio::time::advance(Duration::from_secs(60)).await;
        drop(first);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!stops.is_finished());
        assert!(tokio::time::timeout(Duration::from_secs(1), pulse.rests()).await.is_err());
        drop(second);
        pulse.rests().await;
        assert!(stops.await.is_ok());
        assert!(begun.elapsed() >= Duration::from_secs(130), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn p21_one_that_is_silent_gives_way_before_one_at_work() {
        let (connections, pulse) = pulse(Limits { total: 2, ..Limits::default() });
        let other = admit(&connections, 2);
        let beat = pulse.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        other.mark_idle(Instant::now());
        let third = admit(&connections, 3);
        assert!(other.close.is_cancelled() && !pulse.seat.close.is_cancelled());
        drop(beat);
        let _fourth = admit(&connections, 4);
        assert!(pulse.seat.close.is_cancelled() && !third.close.is_cancelled());
        let begun = Instant::now();
        pulse.stops().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
