//! Weighted rendezvous hashing (W10): all servers on all platforms pick alike, and a change of weights moves only the
//! share that it must.
//!
//! A member's score is −log₂(u) ÷ weight, where u is its hash as a fraction of 2⁶⁴; the smallest score wins. With
//! exponentially distributed numerators a member wins with probability weight ÷ sum of weights.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Published and fixed: a secret would make two servers disagree.
const KEY: &[u8; 16] = b"rhumb sticky key";

/// Fractional bits of a logarithm.
const FRACTION: u32 = 40;

/// The octets that stand for a client's network: family 4 and three octets, or family 6 and seven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    octets: [u8; 8],
    len: usize,
}

impl Network {
    /// Cuts an address to its /24 or /56.
    pub fn of(address: IpAddr) -> Self {
        let mut octets = [0; 8];
        let len = match address {
            IpAddr::V4(v4) => {
                octets[0] = 4;
                octets[1..4].copy_from_slice(&v4.octets()[..3]);
                4
            }
            IpAddr::V6(v6) => {
                octets[0] = 6;
                octets[1..8].copy_from_slice(&v6.octets()[..7]);
                8
            }
        };
        Self { octets, len }
    }
}

/// The position of the member that this network gets. `members` are (name, weight above zero); ties go to the first.
pub fn pick<'a>(salt: &str, members: impl Iterator<Item = (&'a str, u16)>, network: Network) -> usize {
    let mut best = (0, u128::MAX, 1u128);
    for (at, (name, weight)) in members.enumerate() {
        let log = u128::from(minus_log2(hash(salt, name, network)));
        let weight = u128::from(weight);
        if best.1 == u128::MAX || log * best.2 < best.1 * weight {
            best = (at, log, weight);
        }
    }
    best.0
}

fn hash(salt: &str, name: &str, network: Network) -> u64 {
    let mut hasher = SipHasher24::new_with_key(KEY);
    hasher.write(salt.as_bytes());
    hasher.write(&[0]);
    hasher.write(name.as_bytes());
    hasher.write(&[0]);
    hasher.write(&network.octets[..network.len]);
    hasher.finish()
}

/// −log₂((h + 1) ÷ 2⁶⁴) with 40 fractional bits, by repeated squaring: integers only, so alike everywhere.
fn minus_log2(h: u64) -> u64 {
    let Some(x) = h.checked_add(1) else { return 0 };
    let exponent = x.ilog2();
    let mut mantissa = x << (63 - exponent);
    let mut log = u64::from(exponent);
    for _ in 0..FRACTION {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let carry = (square >> 64) as u64;
        mantissa = (square >> carry) as u64;
        log = log << 1 | carry;
    }
    (64 << FRACTION) - log
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn w10_logarithms_are_right_to_nine_digits() {
        for h in [0, 1, 2, 1 << 20, (1 << 63) - 1, 0x1234_5678_9abc_def0, u64::MAX - 1] {
            let exact = 64.0 - ((h as f64) + 1.0).log2();
            let ours = minus_log2(h) as f64 / (1u64 << FRACTION) as f64;
            assert!((exact - ours).abs() < 1e-9, "{h}: {exact} {ours}");
        }
        assert_eq!(minus_log2(u64::MAX), 0);
    }

    /// Worked out by another implementation of SipHash-2-4 (its reference vectors agree).
    #[test]
    fn w10_the_hash_is_the_published_one() {
        let v4 = Network::of(Ipv4Addr::new(81, 2, 69, 200).into());
        let v6 = Network::of(IpAddr::from([0x2001, 0xdb8, 0x102, 0x3ff, 0, 0, 0, 9]));
        assert_eq!(hash("web", "a", v4), 0xfd6e_7272_3145_2d1f);
        assert_eq!(hash("web", "a", v6), 0x193d_218a_a761_7ca9);
    }

    #[test]
    fn w10_a_clients_network_is_its_24_or_its_56() {
        let of = |text: &str| text.parse().map(Network::of).ok();
        assert_eq!(of("81.2.69.1"), of("81.2.69.254"));
        assert_ne!(of("81.2.69.1"), of("81.2.68.1"));
        assert_eq!(of("2001:db8:1:200::1"), of("2001:db8:1:2ff::1"));
        assert_ne!(of("2001:db8:1:200::1"), of("2001:db8:1:300::1"));
    }

    fn share(members: &[(&str, u16)], nth: usize) -> (f64, Vec<usize>) {
        let n = 20_000;
        let picks: Vec<usize> = (0..n)
            .map(|i: u32| pick("r", members.iter().copied(), Network::of(Ipv4Addr::from(i << 8).into())))
            .collect();
        (picks.iter().filter(|&&p| p == nth).count() as f64 / f64::from(n), picks)
    }

    #[test]
    fn w10_shares_follow_weights_and_a_change_moves_only_what_it_must() {
        let (before, first) = share(&[("a", 10), ("b", 30)], 0);
        let (after, second) = share(&[("a", 10), ("b", 30), ("c", 40)], 0);
        assert!((before - 0.25).abs() < 0.0125, "{before}");
        assert!((after - 0.125).abs() < 0.0095, "{after}");
        assert!(first.iter().zip(&second).all(|(f, s)| f == s || *s == 2), "only the new member takes");
    }
}
