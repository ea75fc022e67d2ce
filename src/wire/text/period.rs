//! Lengths of time in seconds, with or without units (`3600`, `1h`, `1d12h`).

/// Reads seconds, or numbers each followed by a unit (`w`, `d`, `h`, `m`, `s`, in any case); `None` for anything else
/// and past 2^32 - 1.
pub fn parse_period(text: &[u8]) -> Option<u32> {
    let mut total = 0u32;
    let mut number: Option<u32> = None;
    let mut units = false;
    for &byte in text {
        if byte.is_ascii_digit() {
            let digit = u32::from(byte - b'0');
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match byte.to_ascii_lowercase() {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
        units = true;
    }
    match number {
        None => units.then_some(total),
        // A bare number behind units would be a guess.
        Some(_) if units => None,
        seconds => seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::parse_period;

    #[test]
    fn periods_are_seconds_or_numbers_with_units() {
        let cases: [(&str, Option<u32>); 14] = [
            ("3600", Some(3600)),
            ("0", Some(0)),
            ("1h", Some(3600)),
            ("1d12h", Some(129_600)),
            ("1W2D3H4M5S", Some(788_645)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("8000w", None),
            ("", None),
            ("h", None),
            ("1h30", None),
            ("1y", None),
            ("-1", None),
            ("+1", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_period(text.as_bytes()), seconds, "{text}");
        }
    }
}
