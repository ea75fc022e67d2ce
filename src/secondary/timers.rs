//! When a secondary zone asks its primary again, and when it is too old to be served (RFC 1035 section 3.3.13). Time and
//! randomness are arguments.

use std::time::Duration;

use crate::config::model::Soa;

/// From one failure to the next attempt while there is no SOA that says it: at first, and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const MOST_RETRY: Duration = Duration::from_secs(600);
/// No primary is asked more often for the sake of its timers, nor less often.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// The wait after a success: what is left of `refresh`, the last tenth of which is left to chance (`draw`), so that
/// zones that were begun together do not stay together.
pub(super) fn refresh(soa: &Soa, draw: u64) -> Duration {
    jittered(seconds(soa.refresh), draw)
}

/// The wait after so many failures in a row, the first of which is 1.
pub(super) fn retry(soa: Option<&Soa>, failures: u32, draw: u64) -> Duration {
    let plain = match soa {
        // Never longer than what is asked for when all is well.
        Some(soa) => seconds(soa.retry).min(seconds(soa.refresh)),
        None => FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MOST_RETRY),
    };
    jittered(plain, draw)
}

/// When a zone that was last known to be current at `checked` is no longer served; both in seconds since 1970 UTC.
pub(crate) fn expiry(soa: &Soa, checked: u64) -> u64 {
    checked.saturating_add(u64::from(soa.expire.max(1)))
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into()).clamp(LEAST, MOST)
}

/// Nine to ten tenths.
fn jittered(plain: Duration, draw: u64) -> Duration {
    let tenth = plain / 10;
    let part = (draw >> 32) as u32;
    plain - tenth.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soa(refresh: u32, retry: u32, expire: u32) -> Soa {
        Soa { refresh, retry, expire, ..Soa::none() }
    }

    #[test]
    fn p26_waits_are_those_of_the_soa_less_a_tenth_at_most() {
        let soa = soa(3600, 600, 86_400);
        assert_eq!(refresh(&soa, 0), Duration::from_secs(3600));
        assert_eq!(refresh(&soa, u64::MAX), Duration::from_secs(3240));
        assert_eq!(retry(Some(&soa), 7, 0), Duration::from_secs(600));
        assert_eq!(expiry(&soa, 1000), 87_400);
    }

    #[test]
    fn p26_timers_that_would_ask_all_the_time_or_never_are_bounded() {
        assert_eq!(refresh(&soa(0, 0, 0), 0), LEAST);
        assert_eq!(refresh(&soa(u32::MAX, 0, 0), 0), MOST);
        assert_eq!(retry(Some(&soa(10, 600, 0)), 1, 0), Duration::from_secs(10));
        assert_eq!(expiry(&soa(0, 0, 0), 5), 6);
    }

    #[test]
    fn p26_without_an_soa_attempts_become_rarer_up_to_a_bound() {
        let waits: Vec<u64> = [1, 2, 3, 40].iter().map(|&failures| retry(None, failures, 0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 600]);
    }
}
