//! W10: the weighted rendezvous hash, as DECIDED in the semantics and with nothing clever.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use super::client::Client;

/// −log2 of (h + 1) / 2^64 with 40 fractional bits.
pub fn score(h: u64) -> u64 {
    let value = u128::from(h) + 1;
    let whole = 127 - value.leading_zeros();
    let mut mantissa = if whole >= 63 { value >> (whole - 63) } else { value << (63 - whole) };
    let mut fraction = 0u64;
    for _ in 0..40 {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (64 << 40) - ((u64::from(whole) << 40) | fraction)
}

/// Which of (member's name, weight) this client network draws.
pub fn pick(salt: &str, candidates: &[(&str, u16)], client: Client) -> usize {
    let all_zero = candidates.iter().all(|&(_, weight)| weight == 0);
    let mut best: Option<(usize, u64, u64)> = None;
    for (index, &(name, weight)) in candidates.iter().enumerate() {
        let weight = match (all_zero, weight) {
            (true, _) => 1,
            (false, 0) => continue,
            (false, weight) => u64::from(weight),
        };
        let mut hasher = SipHasher24::new_with_key(b"rhumb sticky key");
        hasher.write(salt.as_bytes());
        hasher.write(&[0]);
        hasher.write(name.as_bytes());
        hasher.write(&[0]);
        match client.reading_point() {
            IpAddr::V4(v4) => {
                hasher.write(&[4]);
                hasher.write(&v4.octets()[..3]);
            }
            IpAddr::V6(v6) => {
                hasher.write(&[6]);
                hasher.write(&v6.octets()[..7]);
            }
        }
        let mine = score(hasher.finish());
        let wins = best.is_none_or(|(_, theirs, their_weight)| {
            u128::from(mine) * u128::from(their_weight) < u128::from(theirs) * u128::from(weight)
        });
        if wins {
            best = Some((index, mine, weight));
        }
    }
    best.expect("at least one candidate").0
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn w10_the_score_of_a_half_is_one_and_of_the_whole_is_nothing() {
        assert_eq!(score(u64::MAX), 0);
        assert_eq!(score((1 << 63) - 1), 1 << 40);
        assert_eq!(score(0), 64 << 40);
        let three_quarters = score(3 << 62);
        assert!((three_quarters as f64 / (1u64 << 40) as f64 - 0.415_037_499).abs() < 1e-9);
    }
}
