//! Who has streams open: caps in all and per client, and which idle one goes when room is needed.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use crate::config::model::ConnectionLimits as Limits;

/// All open streams.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    /// Ends them all.
    stop: CancellationToken,
    table: Mutex<Table>,
}

/// Each method changes it in one step.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
    /// Those that are idle, the one that has been for longest first.
    idle: BTreeSet<(Instant, u64)>,
    by_client: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Entry {
    client: IpAddr,
    idle_since: Option<Instant>,
    close: CancellationToken,
}

/// What became of a new stream.
#[derive(Debug)]
pub(super) enum Admission {
    /// It may talk; another that was idle may have been told to close.
    Admitted { seat: Seat, evicted: bool },
    /// It may not.
    Refused,
}

/// The right of one stream to be open, until dropped.
#[derive(Debug)]
pub(super) struct Seat {
    connections: Arc<Connections>,
    id: u64,
    /// Set when the stream should close once it has nothing to do: others need its place, or all are to end.
    pub(super) close: CancellationToken,
}

impl Connections {
    /// `stop` tells all of them to close.
    pub(super) fn new(limits: Limits, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { limits, stop, table: Mutex::default() })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a new stream of this client would be admitted.
    pub(super) fn has_room(&self, address: IpAddr) -> bool {
        self.table().has_room(client_of(address), &self.limits)
    }

    /// Decides on a new stream. When all seats are taken, the one that has been idle longest gives its up.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, now: Instant) -> Admission {
        let client = client_of(address);
        let mut table = self.table();
        if !table.has_room(client, &self.limits) {
            return Admission::Refused;
        }
        let is_full = table.open.len() >= self.limits.total;
        let longest = table.idle.first().filter(|_| is_full).map(|&(_, id)| id);
        if let Some(entry) = longest.and_then(|id| table.remove(id)) {
            entry.close.cancel();
        }
        let id = table.next;
        table.next += 1;
        let close = self.stop.child_token();
        table.open.insert(id, Entry { client, idle_since: Some(now), close: close.clone() });
        table.idle.insert((now, id));
        *table.by_client.entry(client).or_insert(0) += 1;
        Admission::Admitted { seat: Seat { connections: Arc::clone(self), id, close }, evicted: is_full }
    }

    /// How long a stream may be silent now.
    pub(super) fn idle(&self) -> Duration {
        let open = self.table().open.len();
        if open * 2 > self.limits.total { self.limits.idle / 4 } else { self.limits.idle }
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.table().open.len()
    }

    /// A panic elsewhere leaves the table whole: each method changes it in one step.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn has_room(&self, client: IpAddr, limits: &Limits) -> bool {
        let own = self.by_client.get(&client).copied().unwrap_or(0);
        own < limits.per_client && (self.open.len() < limits.total || !self.idle.is_empty())
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        if let Some(since) = entry.idle_since {
            self.idle.remove(&(since, id));
        }
        if let Some(count) = self.by_client.get_mut(&entry.client) {
            *count -= 1;
            if *count == 0 {
                self.by_client.remove(&entry.client);
            }
        }
        Some(entry)
    }

    fn mark(&mut self, id: u64, idle_since: Option<Instant>) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.idle_since, idle_since);
        if let Some(since) = before {
            self.idle.remove(&(since, id));
        }
        if let Some(since) = idle_since {
            self.idle.insert((since, id));
        }
    }
}

impl Seat {
    /// Says whether the stream waits for a message since `idle_since`, or is at work on one.
    pub(super) fn mark(&self, idle_since: Option<Instant>) {
        self.connections.table().mark(self.id, idle_since);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.table().remove(self.id);
    }
}

/// One IPv6 client has a whole /64 to call from.
pub(super) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    fn limits(total: usize, per_client: usize) -> Limits {
        Limits { total, per_client, ..Limits::default() }
    }

    fn admit(connections: &Arc<Connections>, client: [u8; 4], now: Instant) -> Seat {
        match connections.admit(client.into(), now) {
            Admission::Admitted { seat, .. } => seat,
            Admission::Refused => panic!("{client:?} was refused"),
        }
    }

    #[test]
    fn p21_one_client_cannot_take_every_seat() {
        let connections = Connections::new(limits(10, 2), CancellationToken::new());
        let now = Instant::now();
        let _first = admit(&connections, [192, 0, 2, 1], now);
        let second = admit(&connections, [192, 0, 2, 1], now);
        assert!(matches!(connections.admit([192, 0, 2, 1].into(), now), Admission::Refused));
        admit(&connections, [192, 0, 2, 2], now);
        drop(second);
        admit(&connections, [192, 0, 2, 1], now);
    }

    #[test]
    fn p21_the_longest_idle_gives_way_and_the_busy_do_not() {
        let connections = Connections::new(limits(3, 3), CancellationToken::new());
        let now = Instant::now();
        let busy = admit(&connections, [192, 0, 2, 1], now);
        busy.mark(None);
        let idle = admit(&connections, [192, 0, 2, 2], now + Duration::from_secs(1));
        let fresh = admit(&connections, [192, 0, 2, 3], now + Duration::from_secs(2));
        let newcomer = admit(&connections, [192, 0, 2, 4], now + Duration::from_secs(3));
        assert!(idle.close.is_cancelled());
        assert!(!busy.close.is_cancelled() && !fresh.close.is_cancelled() && !newcomer.close.is_cancelled());
        drop(idle);
        assert_eq!(connections.open(), 3);
    }

    #[test]
    fn p21_when_all_are_busy_the_newcomer_is_refused() {
        let connections = Connections::new(limits(1, 1), CancellationToken::new());
        let only = admit(&connections, [192, 0, 2, 1], Instant::now());
        assert!(connections.has_room([192, 0, 2, 2].into()) && !connections.has_room([192, 0, 2, 1].into()));
        only.mark(None);
        assert!(!connections.has_room([192, 0, 2, 2].into()));
        assert!(matches!(connections.admit([192, 0, 2, 2].into(), Instant::now()), Admission::Refused));
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_a_mapped_address_is_ipv4() {
        let v6 = |text: &str| text.parse::<Ipv6Addr>().map(|a| client_of(a.into()));
        assert_eq!(v6("2001:db8:1:2:aaaa::1"), v6("2001:db8:1:2:bbbb::2"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
        assert_eq!(v6("::ffff:192.0.2.1"), Ok(IpAddr::from([192, 0, 2, 1])));
    }
}
