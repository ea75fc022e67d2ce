//! Rate limiting of datagrams (protocol 28): how fast each sender, and each network that it is in, may ask before replies
//! are truncated, so that who can be reached there comes again over TCP and who cannot is not flooded through us.
//!
//! Comes in: addresses and the time. Goes out: whether one of its prefixes is over its limit. For each prefix a leaky
//! bucket is kept as one number: when it will have run empty. A query adds its price to one after the other, from the
//! address outward to the widest, until one is over its limit, which gets nothing added: a flood from one address leaves its
//! neighbours their share. A second's worth fits in.
//!
//! Invariants: no lock, no allocation; a look-up touches one slot a prefix, or two in the same cache line; a slot whose
//! bucket is empty is anybody's. Threads that write at once may lose one another's query, never more.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use super::client::Address;

/// Slots: each holds one prefix, 2 MiB together. Only prefixes that are busy at this moment need one.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 18;
/// A moment's lowest bits, which are zero: in a slot the prefix's tag stands there.
const TAG: u64 = (1 << TAG_BITS) - 1;
const TAG_BITS: u32 = 16;
/// A second of moments, which are in parts of 2^-32 of it above the tag, so that they wrap after 18 hours.
const SECOND: u64 = 1 << (32 + TAG_BITS);
/// How far ahead of now a bucket may run empty: a burst of one second at the permitted rate.
const FULL: u64 = SECOND | TAG;
/// Further ahead none can lie: it is one that has long run empty, before moments wrapped.
const FAR: u64 = (2 * SECOND) | TAG;
/// Prefixes of an IPv4 address: their lengths, and by how many bits their limit is above that of an address.
const V4: [(u32, u32); 4] = [(32, 0), (24, 4), (20, 6), (18, 7)];
/// Those of an IPv6 address.
const V6: [(u32, u32); 5] = [(128, 0), (64, 1), (56, 2), (48, 4), (32, 6)];
/// By how many bits the highest limit is above that of an address.
const WIDEST: u32 = 7;
/// An odd number with bits everywhere.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A moment as the limiter counts time: only differences mean anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick(u64);

impl Tick {
    /// So many seconds and nanoseconds, below 1,000,000,000, after some moment that is always the same.
    #[inline]
    pub fn new(seconds: u64, nanoseconds: u32) -> Self {
        let part = (u64::from(nanoseconds) << 32) / 1_000_000_000;
        Self(seconds.wrapping_mul(SECOND).wrapping_add(part << TAG_BITS))
    }
}

/// What a query of one address adds to its bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Price(u64);

impl Price {
    /// Where one address may ask `rate` queries a second, 1 to 1,000,000: to 2 % at the highest rates.
    #[inline]
    pub fn of_rate(rate: u32) -> Self {
        // What is cut off leaves the price of the widest prefix whole, and tags alone.
        let part = (u32::MAX / rate.max(1)) >> WIDEST;
        Self(u64::from(part.max(1)) << (WIDEST + TAG_BITS))
    }
}

/// The buckets of all senders; one for all threads.
pub struct Limiter {
    /// A part of the prefix's hash below, above it the moment at which its bucket is empty.
    slots: Box<[AtomicU64; SLOTS]>,
    seed: u64,
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

    /// Counts a query of `sender` at the moment `now`; whether one of the sender's prefixes is over its limit.
    #[inline(always)]
    pub fn is_over(&self, sender: Address, price: Price, now: Tick) -> bool {
        match sender.as_v4() {
            Some(v4) => self.is_over_v4(v4, price, now),
            None => self.is_over_v6(sender.as_v6(), price, now),
        }
    }

    #[inline(never)]
    fn is_over_v4(&self, sender: Ipv4Addr, price: Price, now: Tick) -> bool {
        // The bit above makes prefixes of two lengths two numbers.
        let address = u64::from(sender.to_bits()) | 1 << 32;
        // A loop that the compiler would not lay out: one after the other, each with what it needs.
        let charge = |at: usize| {
            let (len, above) = V4[at];
            self.charge((fold(self.seed, address >> (32 - len)), price.0 >> above), now)
        };
        charge(0) || charge(1) || charge(2) || charge(3)
    }

    #[inline(never)]
    fn is_over_v6(&self, sender: Ipv6Addr, price: Price, now: Tick) -> bool {
        V6.into_iter().any(|(len, above)| {
            let prefix = sender.to_bits() >> (128 - len);
            let hash = fold(fold(self.seed ^ u64::from(len), (prefix >> 64) as u64), prefix as u64);
            self.charge((hash, price.0 >> above), now)
        })
    }

    /// Adds to the bucket of the prefix with this hash; whether it is over its limit, and nothing was added.
    #[inline(always)]
    fn charge(&self, (hash, price): (u64, u64), Tick(now): Tick) -> bool {
        let slot = &self.slots[(hash >> (64 - SLOT_BITS)) as usize];
        let entry = slot.load(Ordering::Relaxed);
        let ahead = entry.wrapping_sub(now);
        if ahead > FAR {
            slot.store((now | hash & TAG).wrapping_add(price), Ordering::Relaxed);
            return false;
        }
        if (entry ^ hash) & TAG != 0 {
            return self.charge_beside((hash, price), now);
        }
        if ahead > FULL {
            return true;
        }
        slot.store(entry.wrapping_add(price), Ordering::Relaxed);
        false
    }

    /// The slot is another prefix's that is busy: the one beside it is in the same cache line. If that is taken as well,
    /// its owner's count starts anew, which forgives a prefix that is busy and never blames one that is not.
    #[cold]
    fn charge_beside(&self, (hash, price): (u64, u64), now: u64) -> bool {
        let slot = &self.slots[(hash >> (64 - SLOT_BITS)) as usize ^ 1];
        let entry = slot.load(Ordering::Relaxed);
        let ahead = entry.wrapping_sub(now);
        let is_own = ahead <= FAR && (entry ^ hash) & TAG == 0;
        if is_own && ahead > FULL {
            return true;
        }
        let before = if is_own { entry } else { now | hash & TAG };
        slot.store(before.wrapping_add(price), Ordering::Relaxed);
        false
    }
}

#[inline(always)]
fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn ms(milliseconds: u64) -> Tick {
        Tick::new(milliseconds / 1000, (milliseconds % 1000 * 1_000_000) as u32)
    }

    const START: Tick = Tick(0);

    /// Of `queries` at once, how many pass.
    fn passing(limiter: &Limiter, senders: impl Iterator<Item = IpAddr>, rate: u32, now: Tick) -> usize {
        senders.filter(|&sender| !limiter.is_over(Address::new(sender), Price::of_rate(rate), now)).count()
    }

    fn address(text: &str) -> Address {
        Address::new(text.parse().unwrap())
    }

    fn of(text: &str) -> impl Iterator<Item = IpAddr> {
        std::iter::repeat(text.parse().unwrap())
    }

    #[test]
    fn p28_moments_go_by_evenly_and_wrap() {
        let after = |tick: Tick| tick.0.wrapping_sub(START.0) as f64 / SECOND as f64;
        for milliseconds in [0, 1, 999, 1000, 1500, 65_535_999] {
            assert!((after(ms(milliseconds)) - milliseconds as f64 / 1000.0).abs() < 1e-9, "{milliseconds}");
        }
        assert_eq!(ms(65_536_000), START);
    }

    #[test]
    fn p28_a_price_is_a_part_of_a_second() {
        for rate in 1..=1_000_000_u32 {
            let Price(price) = Price::of_rate(rate);
            let exact = SECOND as f64 / f64::from(rate);
            assert!((price as f64 / exact - 1.0).abs() < 0.03, "{rate}");
            assert!(V4.into_iter().chain(V6).all(|(_, above)| price >> above & TAG == 0), "{rate}");
        }
    }

    #[test]
    fn p28_an_address_gets_its_rate_and_a_second_of_it_at_once() {
        let limiter = Limiter::new(7);
        // Moments wrap in the fourth second.
        let start = (1 << 16) * 1000 - 3300;
        assert_eq!(passing(&limiter, of("192.0.2.1").take(1000), 100, ms(start)), 101);
        let sender = address("192.0.2.1");
        let passes = |after: u64| !limiter.is_over(sender, Price::of_rate(100), ms(start + after));
        for second in 0..5 {
            let passing = (1..=1000).filter(|after| passes(1000 * second + after)).count();
            assert_eq!(passing, 100, "in second {second}");
        }
        assert_eq!(passing(&limiter, of("192.0.2.2").take(50), 100, ms(start)), 50);
    }

    #[test]
    fn p28_a_flood_from_one_address_leaves_its_neighbours_their_share() {
        let limiter = Limiter::new(7);
        assert_eq!(passing(&limiter, of("192.0.2.1").take(100_000), 100, START), 101);
        assert_eq!(passing(&limiter, of("192.0.2.2").take(100), 100, START), 100);
        assert_eq!(passing(&limiter, of("2001:db8::1").take(100_000), 100, START), 101);
        assert_eq!(passing(&limiter, of("2001:db8::2").take(100), 100, START), 100);
    }

    #[test]
    fn p28_networks_have_limits_of_their_own() {
        // Each address of a network asks once: nobody is over the limit of an address.
        let v4 = |bits: u32| (0..1u32 << bits).map(|n| IpAddr::from(Ipv4Addr::from_bits(0xc633_0000 | n)));
        assert_eq!(passing(&Limiter::new(7), v4(8), 10, START), 161);
        assert_eq!(passing(&Limiter::new(7), v4(12).step_by(4), 10, START), 641);
        assert_eq!(passing(&Limiter::new(7), v4(14).step_by(4), 10, START), 1281);
        let v6 = |shift: u32, many: u128| {
            let base = "2400::".parse::<Ipv6Addr>().unwrap().to_bits();
            (0..many).map(move |n| IpAddr::from(Ipv6Addr::from_bits(base | n << shift)))
        };
        for (shift, many, expected) in [(0, 250, 21), (64, 250, 41), (72, 250, 161), (80, 5000, 641), (96, 5000, 5000)]
        {
            assert_eq!(passing(&Limiter::new(7), v6(shift, many), 10, START), expected, "{shift}");
        }
    }

    #[test]
    fn p28_an_ipv4_address_inside_an_ipv6_one_is_itself() {
        let limiter = Limiter::new(7);
        assert_eq!(passing(&limiter, of("::ffff:192.0.2.1").take(1000), 100, START), 101);
        assert!(limiter.is_over(address("192.0.2.1"), Price::of_rate(100), START));
    }

    #[test]
    fn p28_what_was_counted_long_ago_is_forgotten_even_when_moments_have_wrapped() {
        for pause in [1001, 20_000_000, 65_532_000] {
            let limiter = Limiter::new(7);
            passing(&limiter, of("192.0.2.1").take(1000), 100, START);
            assert_eq!(passing(&limiter, of("192.0.2.1").take(1000), 100, ms(pause + 20)), 101, "{pause}");
        }
    }

    #[test]
    fn p28_millions_of_senders_push_no_busy_one_out_of_its_limit_for_long() {
        let limiter = Limiter::new(7);
        let honest = address("198.51.100.1");
        let mut refused = 0;
        for n in 0..2_000_000_u64 {
            // Anywhere, each once, a million a second.
            let now = Tick::new(n / 1_000_000, (n % 1_000_000 * 1000) as u32);
            let random = Ipv4Addr::from_bits((fold(99, n) >> 32) as u32);
            limiter.is_over(Address::new(random.into()), Price::of_rate(500), now);
            // A hundred a second.
            if n % 10_000 == 0 && limiter.is_over(honest, Price::of_rate(500), now) {
                refused += 1;
            }
        }
        assert_eq!(refused, 0);
    }
}
