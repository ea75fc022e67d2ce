//! Rate limiting of datagrams (protocol 28): how fast each sender, and each network that it is in, may ask before replies
//! are truncated, so that who can be reached there comes again over TCP and who cannot is not flooded through us.
//!
//! Comes in: addresses and the time. Goes out: whether one of its prefixes is over its limit. For each prefix a leaky
//! bucket is kept as one number: when it will have run empty. A query that may pass adds its price to all of them; one that
//! may not adds nothing, so that a flood from one address leaves its neighbours their share. A second's worth fits in.
//!
//! Invariants: no lock, no allocation; a look-up touches one slot a prefix, or two in the same cache line; a slot whose
//! bucket is empty is anybody's. Threads that write at once may lose one another's query, never more.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots: each holds one prefix, 2 MiB together. Only prefixes that are busy at this moment need one.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 18;
/// Ticks in a second: fine enough for the price of a query of the widest prefix.
pub const TICKS: u32 = 16_000_000;
/// How far ahead of now a bucket may run empty: a burst of one second at the permitted rate.
const BURST: u32 = TICKS;
/// Prefixes of an IPv4 address: their lengths, and by how many bits their limit is above that of an address.
const V4: [(u32, u32); 4] = [(32, 0), (24, 4), (20, 6), (18, 7)];
/// Those of an IPv6 address.
const V6: [(u32, u32); 5] = [(128, 0), (64, 1), (56, 2), (48, 4), (32, 6)];
/// An odd number with bits everywhere.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The buckets of all senders; one for all threads.
pub struct Limiter {
    /// A part of the prefix's hash below, above it the tick at which its bucket is empty.
    slots: Box<[AtomicU64; SLOTS]>,
    seed: u64,
}

/// Where a prefix's bucket is, and how full.
#[derive(Clone, Copy, Default)]
struct Bucket {
    slot: usize,
    tag: u32,
    /// Ticks until it is empty.
    level: u32,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter")
    }
}

impl Limiter {
    /// Nobody has asked yet. `seed`: what prefixes are hashed with, unknown to clients.
    pub fn new(seed: u64) -> Self {
        // By way of a list, since an array would pass through the stack.
        let slots: Vec<AtomicU64> = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        let slots = slots.try_into().unwrap_or_else(|_| Box::new([const { AtomicU64::new(0) }; SLOTS]));
        Self { slots, seed }
    }

    /// Counts a query of `sender` at the tick `now`, where a query of one address costs `price` ticks; whether one of the
    /// sender's prefixes is over its limit, in which case nothing is counted. `price` is [`TICKS`] divided by the queries a
    /// second that one address may ask; 0 limits nobody.
    #[inline(always)]
    pub fn is_over(&self, sender: IpAddr, price: u32, now: u32) -> bool {
        match sender {
            _ if price == 0 => false,
            IpAddr::V4(v4) => self.count_v4(v4, price, now),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => self.count_v4(v4, price, now),
                None => self.count_v6(v6, price, now),
            },
        }
    }

    #[inline(always)]
    fn count_v4(&self, sender: Ipv4Addr, price: u32, now: u32) -> bool {
        let address = u64::from(sender.to_bits());
        self.count(V4, |len| fold(self.seed ^ u64::from(len), address >> (32 - len)), price, now)
    }

    #[inline(never)]
    fn count_v6(&self, sender: Ipv6Addr, price: u32, now: u32) -> bool {
        let address = sender.to_bits();
        let hash = |len: u32| {
            let prefix = address >> (128 - len);
            fold(fold(self.seed ^ u64::from(len), (prefix >> 64) as u64), prefix as u64)
        };
        self.count(V6, hash, price, now)
    }

    /// For prefixes of these lengths, `hash` giving the hash of each. Counted loops over arrays, which the compiler lays
    /// out one after the other, where adapters of iterators become calls.
    #[inline(always)]
    fn count<const N: usize>(
        &self,
        prefixes: [(u32, u32); N],
        hash: impl Fn(u32) -> u64,
        price: u32,
        now: u32,
    ) -> bool {
        let mut buckets = [Bucket::default(); N];
        let mut is_over = false;
        for at in 0..N {
            buckets[at] = self.bucket(hash(prefixes[at].0), now);
            is_over |= buckets[at].level > BURST;
        }
        if is_over {
            return true;
        }
        for at in 0..N {
            let (bucket, (_, wider)) = (buckets[at], prefixes[at]);
            let empty = now.wrapping_add(bucket.level).wrapping_add((price >> wider).max(1));
            let entry = u64::from(empty) << 32 | u64::from(bucket.tag);
            self.slots[bucket.slot].store(entry, Ordering::Relaxed);
        }
        false
    }

    #[inline(always)]
    fn bucket(&self, hash: u64, now: u32) -> Bucket {
        let (slot, tag) = ((hash >> (64 - SLOT_BITS)) as usize, hash as u32);
        let entry = self.slots[slot].load(Ordering::Relaxed);
        let level = level(entry, now);
        if entry as u32 == tag || level == 0 {
            return Bucket { slot, tag, level };
        }
        self.beside(slot, tag, now)
    }

    /// The slot is another prefix's that is busy: the one beside it is in the same cache line. If that is taken as well,
    /// its owner's count starts anew, which forgives a prefix that is busy and never blames one that is not.
    #[cold]
    fn beside(&self, slot: usize, tag: u32, now: u32) -> Bucket {
        let slot = slot ^ 1;
        let entry = self.slots[slot].load(Ordering::Relaxed);
        Bucket { slot, tag, level: if entry as u32 == tag { level(entry, now) } else { 0 } }
    }
}

/// Ticks until an entry's bucket is empty. Ticks wrap, so one that lies further ahead than a bucket can is long empty.
#[inline]
fn level(entry: u64, now: u32) -> u32 {
    let ahead = ((entry >> 32) as u32).wrapping_sub(now);
    if ahead <= 2 * BURST { ahead } else { 0 }
}

#[inline]
fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const MILLISECOND: u32 = TICKS / 1000;

    fn price(rate: u32) -> u32 {
        TICKS / rate
    }

    /// Of `queries` at once, how many pass.
    fn passing(limiter: &Limiter, senders: impl Iterator<Item = IpAddr>, price: u32, now: u32) -> usize {
        senders.filter(|&sender| !limiter.is_over(sender, price, now)).count()
    }

    fn of(text: &str) -> impl Iterator<Item = IpAddr> {
        std::iter::repeat(text.parse().unwrap())
    }

    #[test]
    fn p28_an_address_gets_its_rate_and_a_second_of_it_at_once() {
        let limiter = Limiter::new(7);
        // Ticks wrap in the fourth second.
        let start = u32::MAX - 3300 * MILLISECOND;
        assert_eq!(passing(&limiter, of("192.0.2.1").take(1000), price(100), start), 101);
        let sender: IpAddr = "192.0.2.1".parse().unwrap();
        let passes = |ms: u32| !limiter.is_over(sender, price(100), start.wrapping_add(ms * MILLISECOND));
        for second in 0..5 {
            let passing = (1..=1000).filter(|ms| passes(1000 * second + ms)).count();
            assert_eq!(passing, 100, "in second {second}");
        }
        assert_eq!(passing(&limiter, of("192.0.2.2").take(50), price(100), start), 50);
    }

    #[test]
    fn p28_a_flood_from_one_address_leaves_its_neighbours_their_share() {
        let limiter = Limiter::new(7);
        assert_eq!(passing(&limiter, of("192.0.2.1").take(100_000), price(100), 0), 101);
        assert_eq!(passing(&limiter, of("192.0.2.2").take(100), price(100), 0), 100);
        assert_eq!(passing(&limiter, of("2001:db8::1").take(100_000), price(100), 0), 101);
        assert_eq!(passing(&limiter, of("2001:db8::2").take(100), price(100), 0), 100);
    }

    #[test]
    fn p28_networks_have_limits_of_their_own() {
        // Each address of a network asks once: nobody is over the limit of an address.
        let v4 = |bits: u32| (0..1u32 << bits).map(|n| IpAddr::from(Ipv4Addr::from_bits(0xc633_0000 | n)));
        assert_eq!(passing(&Limiter::new(7), v4(8), price(10), 0), 161);
        assert_eq!(passing(&Limiter::new(7), v4(12).step_by(4), price(10), 0), 641);
        assert_eq!(passing(&Limiter::new(7), v4(14).step_by(4), price(10), 0), 1281);
        let v6 = |shift: u32, many: u128| {
            let base = "2400::".parse::<Ipv6Addr>().unwrap().to_bits();
            (0..many).map(move |n| IpAddr::from(Ipv6Addr::from_bits(base | n << shift)))
        };
        for (shift, many, expected) in [(0, 250, 21), (64, 250, 41), (72, 250, 161), (80, 5000, 641), (96, 5000, 5000)]
        {
            assert_eq!(passing(&Limiter::new(7), v6(shift, many), price(10), 0), expected, "{shift}");
        }
    }

    #[test]
    fn p28_an_ipv4_address_inside_an_ipv6_one_is_itself() {
        let limiter = Limiter::new(7);
        assert_eq!(passing(&limiter, of("::ffff:192.0.2.1").take(1000), price(100), 0), 101);
        assert!(limiter.is_over("192.0.2.1".parse().unwrap(), price(100), 0));
    }

    #[test]
    fn p28_what_was_counted_long_ago_is_forgotten_even_when_ticks_have_wrapped() {
        for pause in [BURST + MILLISECOND, u32::MAX / 3, u32::MAX - 3 * BURST] {
            let limiter = Limiter::new(7);
            passing(&limiter, of("192.0.2.1").take(1000), price(100), 0);
            assert_eq!(passing(&limiter, of("192.0.2.1").take(1000), price(100), pause + BURST / 50), 101, "{pause}");
        }
    }

    #[test]
    fn p28_millions_of_senders_push_no_busy_one_out_of_its_limit_for_long() {
        let limiter = Limiter::new(7);
        let honest: IpAddr = "198.51.100.1".parse().unwrap();
        let mut refused = 0;
        for n in 0..2_000_000u32 {
            // Anywhere, each once, a million a second.
            let random = Ipv4Addr::from_bits((fold(99, n.into()) >> 32) as u32);
            limiter.is_over(random.into(), price(500), n.wrapping_mul(TICKS / 1_000_000));
            // A hundred a second.
            if n % 10_000 == 0 && limiter.is_over(honest, price(500), n.wrapping_mul(TICKS / 1_000_000)) {
                refused += 1;
            }
        }
        assert_eq!(refused, 0);
    }

    #[test]
    fn p28_a_price_of_nothing_limits_nobody() {
        assert_eq!(passing(&Limiter::new(7), of("192.0.2.1").take(1000), 0, 0), 1000);
    }
}
