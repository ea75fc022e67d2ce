//! Single values in text: durations, numbers with units, addresses with ports.

use std::time::Duration;

/// The largest TTL (RFC 2181 section 8).
pub(crate) const MAX_TTL: u64 = (1 << 31) - 1;

const UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Reads `10s`, `5m`, `1h30m`, `250ms`: whole numbers with units, the larger unit first, no spaces. The result is at
/// most a hundred years.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    const MOST: u64 = 100 * 366 * 86_400_000;
    let mut total = 0u64;
    let mut last = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let &(_, millis) = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters])?;
        if millis >= last {
            return None;
        }
        last = millis;
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(millis)?)?;
    }
    (!text.is_empty() && total <= MOST).then(|| Duration::from_millis(total))
}

/// Reads a percentage such as `50%`: 1 to 100.
pub(crate) fn percent(text: &str) -> Option<u8> {
    let number: u8 = text.strip_suffix('%')?.trim_end().parse().ok()?;
    (1..=100).contains(&number).then_some(number)
}

/// Reads an inclusive range of status codes such as `200-399`, or one code.
pub(crate) fn status_range(text: &str) -> Option<(u16, u16)> {
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    let (low, high) = match text.split_once('-') {
        Some((low, high)) => (code(low)?, code(high)?),
        None => (code(text)?, code(text)?),
    };
    (low <= high).then_some((low, high))
}

/// Milliseconds with at most one digit after the point (further ones are dropped), in tenths.
pub(crate) fn tenths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let tenth = u32::from(fraction.as_bytes()[0] - b'0');
    whole.parse::<u32>().ok()?.checked_mul(10)?.checked_add(tenth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units_in_falling_order() {
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for wrong in ["", "10", "s", "1.5s", "30m1h", "1h1h", "10 s", "10x", "-1s", "99999999999999999999s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn g8_latencies_are_read_in_tenths_of_a_millisecond() {
        assert_eq!(tenths("11.5"), Some(115));
        assert_eq!(tenths("11.59"), Some(115));
        assert_eq!(tenths("7"), Some(70));
        for wrong in ["", ".5", "5.", "-1", "1e3", "1.x"] {
            assert_eq!(tenths(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn status_codes_come_alone_or_as_ranges() {
        assert_eq!(status_range("200-399"), Some((200, 399)));
        assert_eq!(status_range("204"), Some((204, 204)));
        assert_eq!(status_range("399-200"), None);
        assert_eq!(status_range("600"), None);
    }
}
