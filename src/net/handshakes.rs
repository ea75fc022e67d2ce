//! Handshakes under way: no more than a number, and where there are too many, who makes room.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::connections::client_of;

/// All handshakes under way.
#[derive(Debug)]
pub(super) struct Handshakes {
    most: usize,
    table: Mutex<Table>,
}

/// Each method changes it in one step.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    under_way: usize,
    /// Those of a client, and what ends each; by their numbers, which grow.
    by_client: HashMap<IpAddr, Vec<(u64, CancellationToken)>>,
    /// The client with the most comes first; of several, the one with the oldest.
    ranks: BTreeSet<(Reverse<usize>, u64, IpAddr)>,
}

/// One handshake, until dropped.
#[derive(Debug)]
pub(super) struct Handshake {
    all: Arc<Handshakes>,
    client: IpAddr,
    number: u64,
    /// Set when another needs its place.
    pub(super) ended: CancellationToken,
}

impl Handshakes {
    /// `most` at a time, at least one.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), table: Mutex::default() })
    }

    /// One more of a client's. Where there are `most` already, the oldest of the client that has the most ends; true: that
    /// was so. Those who stall take places from themselves before they take any from others.
    pub(super) fn begin(self: &Arc<Self>, address: IpAddr) -> (Handshake, bool) {
        let client = client_of(address);
        let mut table = self.table();
        let is_full = table.under_way >= self.most;
        if is_full {
            table.end_oldest();
        }
        let (number, ended) = (table.next, CancellationToken::new());
        table.next += 1;
        table.under_way += 1;
        table.change(client, |own| own.push((number, ended.clone())));
        (Handshake { all: Arc::clone(self), client, number, ended }, is_full)
    }

    /// Whether more than half of those that may be under way are.
    pub(super) fn is_busy(&self) -> bool {
        self.table().under_way * 2 > self.most
    }

    /// A panic elsewhere leaves the table whole: each method changes it in one step.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn end_oldest(&mut self) {
        let Some(&(_, _, client)) = self.ranks.first() else { return };
        self.change(client, |own| own.remove(0).1.cancel());
        self.under_way -= 1;
    }

    /// Changes what is known of a client, and its rank with it.
    fn change(&mut self, client: IpAddr, change: impl FnOnce(&mut Vec<(u64, CancellationToken)>)) {
        let own = self.by_client.entry(client).or_default();
        let rank = |own: &[(u64, CancellationToken)]| Some((Reverse(own.len()), own.first()?.0, client));
        if let Some(before) = rank(own) {
            self.ranks.remove(&before);
        }
        change(own);
        match rank(own) {
            Some(after) => drop(self.ranks.insert(after)),
            None => drop(self.by_client.remove(&client)),
        }
    }

    fn remove(&mut self, client: IpAddr, number: u64) {
        let Some(own) = self.by_client.get(&client) else { return };
        // One that had to end is gone already.
        let Some(at) = own.iter().position(|(other, _)| *other == number) else { return };
        self.change(client, |own| drop(own.remove(at)));
        self.under_way -= 1;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.table().remove(self.client, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    #[test]
    fn p22_who_has_the_most_handshakes_under_way_makes_room_with_its_oldest() {
        let all = Handshakes::new(4);
        let (honest, _) = all.begin(client(2));
        let mut greedy: Vec<_> = (0..2).map(|_| all.begin(client(1)).0).collect();
        let (last, was_full) = all.begin(client(1));
        greedy.push(last);
        assert!(!was_full);
        let (newcomer, was_full) = all.begin(client(3));
        assert!(was_full && greedy[0].ended.is_cancelled());
        assert!(!honest.ended.is_cancelled() && !newcomer.ended.is_cancelled());
        // It comes back, and takes its own place.
        greedy.push(all.begin(client(1)).0);
        let ended: Vec<bool> = greedy.iter().map(|handshake| handshake.ended.is_cancelled()).collect();
        assert_eq!(ended, [true, true, false, false]);
        assert!(!honest.ended.is_cancelled() && !newcomer.ended.is_cancelled());
    }

    #[test]
    fn p22_of_clients_that_have_as_many_the_oldest_makes_room() {
        let all = Handshakes::new(3);
        let under_way: Vec<_> = (1..=3).map(|n| all.begin(client(n)).0).collect();
        let _newcomer = all.begin(client(4));
        let ended: Vec<bool> = under_way.iter().map(|handshake| handshake.ended.is_cancelled()).collect();
        assert_eq!(ended, [true, false, false]);
    }

    #[test]
    fn what_has_ended_leaves_nothing_behind() {
        let all = Handshakes::new(2);
        let (first, second) = (all.begin(client(1)).0, all.begin(client(1)).0);
        let third = all.begin(client(2)).0;
        assert!(first.ended.is_cancelled() && all.is_busy());
        drop((first, second));
        assert!(!all.is_busy(), "one of two");
        assert!(!all.begin(client(3)).1);
        drop(third);
        let table = all.table();
        assert!(table.under_way == 0 && table.by_client.is_empty() && table.ranks.is_empty());
    }
}
