//! How many primaries are asked at once: in all, and at one address, so that a slow one keeps only its own zones
//! waiting.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// Primaries that are asked at once.
const AT_ONCE: usize = 128;
/// Of them, at one address: as many transfers as a primary of our own make sends to one.
const TO_ONE: usize = 8;
/// So long a zone waits for the primary that it would rather ask; from then on for any. What that one has sent word of,
/// another may not have yet.
const PREFERENCE: Duration = Duration::from_secs(60);

/// Who is being asked.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// Of addresses that are asked or waited for.
    each: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// The right to ask one primary, until dropped.
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), each: Mutex::default() }
    }

    /// Waits for a turn at one of these addresses, rather the first; with it comes the address's place in the list.
    /// `None`: the list is empty.
    pub(super) async fn any(&self, addresses: &[IpAddr]) -> Option<(usize, Turn)> {
        let mut waits = Vec::with_capacity(addresses.len());
        for (place, &address) in addresses.iter().enumerate() {
            waits.push(Box::pin(async move {
                if place > 0 {
                    sleep(PREFERENCE).await;
                }
                self.at(address).await.map(|turn| (place, turn))
            }));
        }
        if waits.is_empty() {
            return None;
        }
        poll_fn(|context| {
            for wait in &mut waits {
                if let Poll::Ready(turn) = wait.as_mut().poll(context) {
                    return Poll::Ready(turn);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Nobody closes the semaphores, so there is a turn sooner or later. Who waits for an address has no place in all.
    async fn at(&self, address: IpAddr) -> Option<Turn> {
        let own = self.own(address).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _own: own, _all: all })
    }

    fn own(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = each.get(&address) {
            return Arc::clone(own);
        }
        // Who has a permit holds the semaphore too, and so does who waits for one.
        each.retain(|_, own| Arc::strong_count(own) > 1);
        let own = Arc::new(Semaphore::new(TO_ONE));
        each.insert(address, Arc::clone(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    fn address(octet: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, octet])
    }

    async fn taken(turns: &Turns, octet: u8) -> Vec<Turn> {
        let mut taken = Vec::new();
        for _ in 0..TO_ONE {
            taken.push(turns.any(&[address(octet)]).await.unwrap().1);
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn p26_a_primary_that_has_all_its_turns_keeps_no_other_waiting() {
        let turns = Turns::new();
        let mut slow = taken(&turns, 1).await;
        let (one, other) = ([address(1)], [address(2)]);
        // Those who wait for it take nothing from others.
        let mut waiting: Vec<_> = (0..AT_ONCE).map(|_| Box::pin(turns.any(&one))).collect();
        for wait in &mut waiting {
            assert!(timeout(SOON, wait.as_mut()).await.is_err(), "it has no more turns");
        }
        assert!(timeout(SOON, turns.any(&other)).await.is_ok());
        slow.pop();
        assert!(timeout(SOON, waiting.remove(0)).await.is_ok(), "a turn is given back");
        drop((waiting, slow));
        assert!(turns.any(&[address(3)]).await.is_some());
        assert_eq!(turns.each.lock().unwrap().len(), 1, "what nobody uses is forgotten");
        assert!(turns.any(&[]).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn p26_a_zone_waits_for_the_primary_that_it_prefers_and_then_for_any() {
        let turns = Turns::new();
        let mut preferred = taken(&turns, 1).await;
        let both = [address(1), address(2)];
        assert!(timeout(PREFERENCE - SOON, turns.any(&both)).await.is_err());
        let (place, _turn) = turns.any(&both).await.unwrap();
        assert_eq!(place, 1, "it was waited for in vain");
        preferred.pop();
        let (place, _turn) = turns.any(&both).await.unwrap();
        assert_eq!(place, 0);
    }
}
