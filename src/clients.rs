//! Who counts as one client, and who makes room where there is not enough of something for all.
//!
//! [`Seats`] are so many in all. Once all are taken, the client that has the most gives one up, the newcomer's own counted
//! with it: those who take whatever they can get take it from themselves before they take any from others. Connections,
//! handshakes, transfers and the admin API share theirs out so.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One IPv6 client has a whole /64 to call from.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// Seats, so many in all and so many to one client.
#[derive(Debug)]
pub struct Seats {
    most: usize,
    to_one: usize,
    table: Mutex<Table>,
}

/// Each method changes it in one step, and takes time that grows with the logarithm of what is in it.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    taken: HashMap<u64, (IpAddr, Standing)>,
    by_client: HashMap<IpAddr, BTreeMap<Standing, CancellationToken>>,
    /// The client that has the most comes first; of several, the one whose first seat would give way first.
    ranks: BTreeSet<(Reverse<usize>, Standing, IpAddr)>,
}

/// Of one client's seats the first gives way first: of those that are idle the longest idle, then of those that are busy
/// the longest busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    is_busy: bool,
    since: Instant,
    number: u64,
}

/// The right to one, until dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
    /// Set when it has been given up: it counts no longer, and its holder has to come to an end.
    pub close: CancellationToken,
}

/// What a newcomer gets.
#[derive(Debug)]
pub struct Admitted {
    /// Its own.
    pub seat: Seat,
    /// Whether another was told to close for it.
    pub evicted: bool,
}

impl Seats {
    /// `most` in all, at least one, and `to_one` of them to one client.
    pub fn new(most: usize, to_one: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), to_one, table: Mutex::default() })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.table().taken.len()
    }

    /// Whether this client may have one more.
    pub fn has_room(&self, address: IpAddr) -> bool {
        self.table().own(client_of(address)) < self.to_one
    }

    /// One more for a client, whoever has to give one up for it; `close` tells its holder when it is the next. It counts
    /// as busy, since it has yet to be heard. `None`: the client has as many as it may.
    pub fn admit(self: &Arc<Self>, address: IpAddr, now: Instant, close: CancellationToken) -> Option<Admitted> {
        let (client, mut table) = (client_of(address), self.table());
        if table.own(client) >= self.to_one {
            return None;
        }
        let from = table.most_of(client, self.most).map(|(_, from)| from);
        Some(self.seat(&mut table, client, from, now, close))
    }

    /// As [`Seats::admit`], and a client that has as many as it may gives up one of its own.
    pub fn take(self: &Arc<Self>, address: IpAddr, now: Instant) -> Admitted {
        let (client, mut table) = (client_of(address), self.table());
        let from = if table.own(client) >= self.to_one {
            Some(client)
        } else {
            table.most_of(client, self.most).map(|(_, from)| from)
        };
        self.seat(&mut table, client, from, now, CancellationToken::new())
    }

    /// As [`Seats::admit`], but another gives way only to a client that has no more than it afterwards: what is ended
    /// has to be begun again, and nobody gains by ending that of others in turn. `None` also where there is no such.
    pub fn take_fairly(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Admitted> {
        let (client, mut table) = (client_of(address), self.table());
        let own = table.own(client);
        let from = table.most_of(client, self.most);
        if own >= self.to_one || from.is_some_and(|(most, _)| most <= own + 1) {
            return None;
        }
        let from = from.map(|(_, from)| from);
        Some(self.seat(&mut table, client, from, now, CancellationToken::new()))
    }

    /// A seat, after one of `from` was told to close.
    fn seat(
        self: &Arc<Self>,
        table: &mut Table,
        client: IpAddr,
        from: Option<IpAddr>,
        now: Instant,
        close: CancellationToken,
    ) -> Admitted {
        if let Some(from) = from {
            table.end_one(from);
        }
        let number = table.next;
        table.next += 1;
        let standing = Standing { is_busy: true, since: now, number };
        table.taken.insert(number, (client, standing));
        table.change(client, |own| drop(own.insert(standing, close.clone())));
        Admitted { seat: Seat { seats: Arc::clone(self), number, close }, evicted: from.is_some() }
    }

    /// A panic elsewhere leaves the table whole: each method changes it in one step.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn own(&self, client: IpAddr) -> usize {
        self.by_client.get(&client).map_or(0, BTreeMap::len)
    }

    /// Once `all` are taken, who has the most, and how many: the newcomer itself if nobody has more.
    fn most_of(&self, newcomer: IpAddr, all: usize) -> Option<(usize, IpAddr)> {
        let &(Reverse(most), _, client) = self.ranks.first().filter(|_| self.taken.len() >= all)?;
        let is_own = self.own(newcomer) >= most;
        Some((most, if is_own { newcomer } else { client }))
    }

    /// The first of a client's is told to close, and counts no longer.
    fn end_one(&mut self, client: IpAddr) {
        let ended = self.change(client, BTreeMap::pop_first);
        if let Some((standing, close)) = ended {
            self.taken.remove(&standing.number);
            close.cancel();
        }
    }

    /// Changes what is known of a client, and its rank with it.
    fn change<T>(&mut self, client: IpAddr, change: impl FnOnce(&mut BTreeMap<Standing, CancellationToken>) -> T) -> T {
        let own = self.by_client.entry(client).or_default();
        let rank = |own: &BTreeMap<Standing, CancellationToken>| {
            let (first, _) = own.first_key_value()?;
            Some((Reverse(own.len()), *first, client))
        };
        let before = rank(own);
        let done = change(own);
        let after = rank(own);
        if after.is_none() {
            self.by_client.remove(&client);
        }
        if before != after {
            before.map(|before| self.ranks.remove(&before));
            after.map(|after| self.ranks.insert(after));
        }
        done
    }

    fn remove(&mut self, number: u64) {
        // One that was given up is gone already.
        let Some((client, standing)) = self.taken.remove(&number) else { return };
        self.change(client, |own| drop(own.remove(&standing)));
    }

    fn mark(&mut self, number: u64, is_busy: bool, since: Instant) {
        let Some((client, standing)) = self.taken.get_mut(&number) else { return };
        let (client, after) = (*client, Standing { is_busy, since, number });
        let before = std::mem::replace(standing, after);
        self.change(client, |own| {
            if let Some(close) = own.remove(&before) {
                own.insert(after, close);
            }
        });
    }
}

impl Seat {
    /// Says that its holder has nothing to do.
    pub fn mark_idle(&self, since: Instant) {
        self.seats.table().mark(self.number, false, since);
    }

    /// Says that its holder is at something that began then.
    pub fn mark_busy(&self, since: Instant) {
        self.seats.table().mark(self.number, true, since);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.table().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use super::*;

    fn client(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    /// Seats, and a clock that ticks with every step.
    struct Hall {
        seats: Arc<Seats>,
        now: Instant,
    }

    impl Hall {
        fn new(most: usize, to_one: usize) -> Self {
            Self { seats: Seats::new(most, to_one), now: Instant::now() }
        }

        fn tick(&mut self) -> Instant {
            self.now += Duration::from_millis(1);
            self.now
        }

        fn admit(&mut self, n: u8) -> Seat {
            let now = self.tick();
            self.seats.admit(client(n), now, CancellationToken::new()).unwrap().seat
        }

        fn idle(&mut self, n: u8) -> Seat {
            let seat = self.admit(n);
            seat.mark_idle(self.tick());
            seat
        }

        fn fairly(&mut self, n: u8) -> Option<Seat> {
            let now = self.tick();
            self.seats.take_fairly(client(n), now).map(|admitted| admitted.seat)
        }
    }

    fn ended<'a>(seats: impl IntoIterator<Item = &'a Seat>) -> Vec<bool> {
        seats.into_iter().map(|seat| seat.close.is_cancelled()).collect()
    }

    #[test]
    fn p21_who_has_the_most_makes_room_with_its_longest_idle_though_others_are_idle_for_longer() {
        let mut hall = Hall::new(4, 4);
        let honest = hall.idle(1);
        let greedy = [hall.admit(2), hall.idle(2), hall.idle(2)];
        let newcomer = hall.admit(3);
        assert_eq!(ended(&greedy), [false, true, false]);
        assert_eq!(ended([&honest, &newcomer]), [false, false]);
    }

    #[test]
    fn p21_where_all_are_busy_the_longest_busy_of_who_has_the_most_makes_room() {
        let mut hall = Hall::new(4, 4);
        let honest = hall.admit(1);
        let greedy = [hall.admit(2), hall.admit(2), hall.admit(2)];
        greedy[0].mark_busy(hall.tick());
        let newcomer = hall.admit(3);
        assert_eq!(ended(&greedy), [false, true, false]);
        assert_eq!(ended([&honest, &newcomer]), [false, false]);
        // It comes back, and takes its own place.
        let again = hall.admit(2);
        assert_eq!(ended(greedy.iter().chain([&again])), [false, true, true, false]);
        assert_eq!(ended([&honest, &newcomer]), [false, false]);
    }

    #[test]
    fn p21_of_clients_that_have_as_many_those_with_idle_ones_make_room_first_and_then_the_longest_busy() {
        let mut hall = Hall::new(3, 1);
        let busy = [hall.admit(1), hall.admit(2)];
        busy[0].mark_busy(hall.tick());
        let idle = hall.idle(3);
        let third = hall.admit(4);
        assert_eq!(ended([&busy[0], &busy[1], &idle]), [false, false, true]);
        let fourth = hall.admit(5);
        assert_eq!(ended([&busy[0], &busy[1], &third, &fourth]), [false, true, false, false]);
    }

    #[test]
    fn p21_a_newcomer_is_heard_before_it_makes_room() {
        let mut hall = Hall::new(2, 1);
        let (first, second) = (hall.admit(1), hall.idle(2));
        let third = hall.admit(3);
        assert_eq!(ended([&first, &second, &third]), [false, true, false]);
    }

    #[test]
    fn p21_nobody_takes_a_second_seat_from_one_that_has_no_more() {
        let mut hall = Hall::new(2, 2);
        let (other, first) = (hall.idle(1), hall.admit(2));
        let second = hall.admit(2);
        assert_eq!(ended([&other, &first, &second]), [false, true, false]);
    }

    #[test]
    fn p21_a_client_that_has_as_many_as_it_may_is_refused_and_costs_no_other() {
        let mut hall = Hall::new(3, 2);
        let all = [hall.idle(1), hall.idle(2), hall.admit(2)];
        assert!(hall.seats.has_room(client(3)) && hall.seats.has_room(client(1)) && !hall.seats.has_room(client(2)));
        assert!(hall.seats.admit(client(2), hall.now, CancellationToken::new()).is_none());
        assert_eq!(ended(&all), [false; 3]);
    }

    #[test]
    fn one_that_takes_more_than_it_may_takes_it_from_itself() {
        let mut hall = Hall::new(4, 2);
        let other = hall.idle(1);
        let seats = Arc::clone(&hall.seats);
        let own: Vec<Seat> = (0..3).map(|_| seats.take(client(2), hall.tick()).seat).collect();
        assert_eq!(ended(own.iter().chain([&other])), [true, false, false, false]);
        assert_eq!(hall.seats.taken(), 3);
    }

    #[test]
    fn p24_where_fairness_counts_a_place_is_taken_only_from_who_then_has_as_many() {
        let mut hall = Hall::new(4, 4);
        let mut greedy: Vec<Seat> = (0..4).map(|_| hall.fairly(1).unwrap()).collect();
        assert!(hall.fairly(1).is_none());
        let second = [hall.fairly(2).unwrap(), hall.fairly(2).unwrap()];
        assert_eq!(ended(&greedy), [true, true, false, false]);
        // One for a third, from the longest busy; then there is none that has more than two.
        let third = hall.fairly(3).unwrap();
        assert_eq!(ended(&greedy), [true, true, true, false]);
        assert!(hall.fairly(1).is_none() && hall.fairly(3).is_none());
        assert_eq!(ended(second.iter().chain([&third])), [false; 3]);
        greedy.pop();
        assert!(hall.fairly(3).is_some(), "a free one is anybody's");
    }

    #[test]
    fn what_has_ended_leaves_nothing_behind() {
        let mut hall = Hall::new(2, 2);
        let (first, second) = (hall.admit(1), hall.idle(1));
        let third = hall.admit(2);
        assert_eq!(ended([&first, &second, &third]), [false, true, false]);
        second.mark_idle(hall.tick());
        assert_eq!(hall.seats.taken(), 2);
        drop((first, second, third));
        let table = hall.seats.table();
        assert!(table.taken.is_empty() && table.by_client.is_empty() && table.ranks.is_empty());
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_a_mapped_address_is_ipv4() {
        let v6 = |text: &str| text.parse::<Ipv6Addr>().map(|a| client_of(a.into()));
        assert_eq!(v6("2001:db8:1:2:aaaa::1"), v6("2001:db8:1:2:bbbb::2"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
        assert_eq!(v6("::ffff:192.0.2.1"), Ok(IpAddr::from([192, 0, 2, 1])));
    }
}
