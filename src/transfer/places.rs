//! How many transfers run at once: in all, and of one client, so that slow ones keep nobody else waiting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Transfers at once; who comes later is told to come again.
const AT_ONCE: usize = 32;
/// Of them, to one address.
const TO_ONE: usize = 8;

/// Who is being sent a zone.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<IpAddr, usize>>);

/// The right to send one zone, until dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    places: &'a Places,
    client: IpAddr,
}

impl Places {
    /// `None`: there are too many already.
    pub(super) fn take(&self, client: IpAddr) -> Option<Place<'_>> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let own = taken.get(&client).copied().unwrap_or(0);
        if all >= AT_ONCE || own >= TO_ONE {
            return None;
        }
        taken.insert(client, own + 1);
        Some(Place { places: self, client })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p24_one_client_leaves_places_to_others_and_gives_its_own_back() {
        let places = Places::default();
        let client = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut held: Vec<Place<'_>> = (0..TO_ONE).filter_map(|_| places.take(client(1))).collect();
        assert_eq!(held.len(), TO_ONE);
        assert!(places.take(client(1)).is_none());
        for n in 2..=4 {
            held.extend((0..TO_ONE).filter_map(|_| places.take(client(n))));
        }
        assert_eq!(held.len(), AT_ONCE);
        assert!(places.take(client(9)).is_none(), "in all");
        held.remove(0);
        assert!(places.take(client(1)).is_some());
        held.clear();
        assert!(places.taken().is_empty());
    }
}
