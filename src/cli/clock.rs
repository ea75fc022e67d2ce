//! Moments and spans in words. The current time is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment as `2026-05-04 03:02:01 UTC`.
pub(crate) fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

/// How long ago a moment was: `12 s ago`, `3 min ago`; what lies ahead is `now`.
pub(crate) fn ago(seconds: u64, now: SystemTime) -> String {
    let passed = since_epoch(now).saturating_sub(seconds);
    if passed == 0 { "now".to_owned() } else { format!("{} ago", span(passed)) }
}

/// How long it is until a moment: `in 29 min`; what has passed is `now`.
pub(crate) fn until(seconds: u64, now: SystemTime) -> String {
    let ahead = seconds.saturating_sub(since_epoch(now));
    if ahead == 0 { "now".to_owned() } else { format!("in {}", span(ahead)) }
}

/// A span in its largest unit, and the next one while the first is small.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => match seconds / 60 % 60 {
            0 => format!("{} h", seconds / 3600),
            minutes => format!("{} h {minutes} min", seconds / 3600),
        },
        _ => match seconds / 3600 % 24 {
            0 => format!("{} d", seconds / 86_400),
            hours => format!("{} d {hours} h", seconds / 86_400),
        },
    }
}

fn since_epoch(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// Year, month and day of a count of days since 1970-01-01, by the Gregorian calendar: whole 400-year cycles (146,097
/// days) first, then years that begin in March, so that the leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    const FROM_0000_03_01_TO_1970_01_01: u64 = 719_468;
    const CYCLE: u64 = 146_097;
    let shifted = days + FROM_0000_03_01_TO_1970_01_01;
    let (cycle, of_cycle) = (shifted / CYCLE, shifted % CYCLE);
    let year_of_cycle = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let (month, carry) = if march_month < 10 { (march_month + 3, 0) } else { (march_month - 9, 1) };
    (cycle * 400 + year_of_cycle + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_of_the_gregorian_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (2_000_000_000, "2033-05-18 03:33:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }

    #[test]
    fn spans_are_short_and_clocks_that_disagree_do_no_harm() {
        let now = UNIX_EPOCH + Duration::from_secs(10_000);
        assert_eq!(ago(9_988, now), "12 s ago");
        assert_eq!(ago(10_005, now), "now");
        assert_eq!(until(10_000 + 1800, now), "in 30 min");
        assert_eq!(until(1, now), "now");
        assert_eq!(span(5400), "1 h 30 min");
        assert_eq!(span(86_400 * 2 + 3600 * 3), "2 d 3 h");
    }
}
