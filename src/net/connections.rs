//! Who has connections open, and who makes room when there are as many as may be.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use crate::clients::Seat;
use crate::clients::{Admitted, Seats};
pub use crate::config::model::ConnectionLimits as Limits;

/// All open connections, of every transport.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    seats: Arc<Seats>,
    /// Ends them all.
    stop: CancellationToken,
}

impl Connections {
    /// `stop` tells all of them to close.
    pub(super) fn new(limits: Limits, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { seats: Seats::new(limits.total, limits.per_client), limits, stop })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a new connection of this client would be admitted.
    pub(super) fn has_room(&self, address: IpAddr) -> bool {
        self.seats.has_room(address)
    }

    /// Decides on a new connection; `None`: its client has as many as it may. Its seat is told to close when others need
    /// it, or when all are to end. A message that is not whole protects none: whoever has the most makes room, be it
    /// between messages or not.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> Option<Admitted> {
        self.seats.admit(address, now, self.stop.child_token())
    }

    /// How long a connection may be silent now.
    pub(super) fn idle(&self) -> Duration {
        let is_busy = self.seats.taken() * 2 > self.limits.total;
        if is_busy { self.limits.idle / 4 } else { self.limits.idle }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn admit(connections: &Connections, client: [u8; 4], now: Instant) -> Seat {
        connections.admit(client.into(), now).unwrap().seat
    }

    #[test]
    fn p21_one_client_cannot_take_every_seat() {
        let limits = Limits { total: 10, per_client: 2, ..Limits::default() };
        let connections = Connections::new(limits, CancellationToken::new());
        let now = Instant::now();
        let _first = admit(&connections, [192, 0, 2, 1], now);
        let second = admit(&connections, [192, 0, 2, 1], now);
        assert!(connections.admit([192, 0, 2, 1].into(), now).is_none());
        admit(&connections, [192, 0, 2, 2], now);
        drop(second);
        admit(&connections, [192, 0, 2, 1], now);
    }

    #[test]
    fn p21_the_longest_idle_gives_way_before_the_busy() {
        let limits = Limits { total: 3, per_client: 3, ..Limits::default() };
        let connections = Connections::new(limits, CancellationToken::new());
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let busy = admit(&connections, [192, 0, 2, 1], now);
        let (idle, fresh) = (admit(&connections, [192, 0, 2, 2], now), admit(&connections, [192, 0, 2, 3], now));
        idle.mark_idle(after(1));
        fresh.mark_idle(after(2));
        let newcomer = admit(&connections, [192, 0, 2, 4], after(3));
        assert!(idle.close.is_cancelled());
        assert!(!busy.close.is_cancelled() && !fresh.close.is_cancelled() && !newcomer.close.is_cancelled());
        drop(idle);
        assert_eq!(connections.seats.taken(), 3);
    }

    #[test]
    fn p21_a_newcomer_is_admitted_though_all_are_busy() {
        let limits = Limits { total: 1, per_client: 1, ..Limits::default() };
        let connections = Connections::new(limits, CancellationToken::new());
        let now = Instant::now();
        let only = admit(&connections, [192, 0, 2, 1], now);
        only.mark_busy(now);
        assert!(connections.has_room([192, 0, 2, 2].into()) && !connections.has_room([192, 0, 2, 1].into()));
        let newcomer = connections.admit([192, 0, 2, 2].into(), now).unwrap();
        assert!(newcomer.evicted && only.close.is_cancelled() && !newcomer.seat.close.is_cancelled());
    }

    #[test]
    fn p21_clients_who_are_always_at_a_message_keep_nobody_out() {
        let limits = Limits { total: 100, per_client: 10, ..Limits::default() };
        let connections = Connections::new(limits, CancellationToken::new());
        let mut now = Instant::now();
        let mut held: Vec<(u8, Seat)> = Vec::new();
        let mut honest = Vec::new();
        for n in 0..20 {
            // Who was told to close comes back at once, and begins another message before the last has its end.
            for client in 0..10 {
                held.retain(|(_, seat)| !seat.close.is_cancelled());
                for _ in held.iter().filter(|(own, _)| *own == client).count()..10 {
                    now += Duration::from_millis(1);
                    held.push((client, admit(&connections, [198, 51, 100, client], now)));
                }
            }
            held.iter().for_each(|(_, seat)| seat.mark_busy(now));
            now += Duration::from_secs(1);
            let seat = admit(&connections, [192, 0, 2, n], now);
            seat.mark_idle(now);
            honest.push(seat);
        }
        assert!(honest.iter().all(|seat| !seat.close.is_cancelled()), "each has one, and they have more");
    }
}
