//! How many transfers run at once: in all, and of one client, so that slow ones keep nobody else waiting.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::clients::{Seat, Seats};

/// Transfers at once; who comes later ends one of who has more than it, or is told to come again.
const AT_ONCE: usize = 32;
/// Of them, to one client.
const TO_ONE: usize = 8;

/// Who is being sent a zone.
#[derive(Debug)]
pub(super) struct Places(Arc<Seats>);

impl Default for Places {
    fn default() -> Self {
        Self(Seats::new(AT_ONCE, TO_ONE))
    }
}

impl Places {
    /// The right to send one zone, until it is dropped or told to close. `None`: there are too many already.
    pub(super) fn take(&self, client: IpAddr) -> Option<Seat> {
        Some(self.0.take_fairly(client, Instant::now())?.seat)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn client(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    #[test]
    fn p24_one_client_leaves_places_to_others_and_gives_its_own_back() {
        let places = Places::default();
        let mut held: Vec<Seat> = (0..TO_ONE).filter_map(|_| places.take(client(1))).collect();
        assert_eq!(held.len(), TO_ONE);
        assert!(places.take(client(1)).is_none());
        held.remove(0);
        assert!(places.take(client(1)).is_some());
        held.clear();
        assert_eq!(places.0.taken(), 0);
    }

    #[test]
    fn p24_when_all_places_are_taken_the_oldest_of_who_has_the_most_is_ended_for_who_has_fewer() {
        let places = Places::default();
        let held: Vec<Seat> =
            (1..=4).flat_map(|n| (0..TO_ONE).map(move |_| n)).filter_map(|n| places.take(client(n))).collect();
        assert_eq!(held.len(), AT_ONCE);
        assert!(places.take(client(1)).is_none(), "it has no fewer");
        let other = places.take(client(9)).unwrap();
        let ended: Vec<usize> = (0..AT_ONCE).filter(|&n| held[n].close.is_cancelled()).collect();
        assert_eq!(ended, [0]);
        assert!(!other.close.is_cancelled());
    }

    #[test]
    fn p24_one_place_each_is_left_to_those_who_have_it() {
        let places = Places::default();
        let held: Vec<Seat> = (0..AT_ONCE as u8).map(|n| places.take(client(n)).unwrap()).collect();
        assert!(places.take(client(99)).is_none());
        assert!(held.iter().all(|seat| !seat.close.is_cancelled()));
    }

    #[test]
    fn p24_one_network_of_ipv6_is_one_client() {
        let places = Places::default();
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let held: Vec<Seat> = (0..AT_ONCE as u16).filter_map(|n| places.take(address(n))).collect();
        assert_eq!(held.len(), TO_ONE);
    }
}
