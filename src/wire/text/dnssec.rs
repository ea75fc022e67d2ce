//! Parts of DNSSEC records: moments, bitmaps of types, salts and hashes (RFC 4034, RFC 5155).

use super::super::RecordType;
use super::read::{Reader, counted};
use super::write::{Unwritten, Wire, put};
use super::{MAX_TEXT, TextError};
use domain::utils::{base16, base32};

const DAY: u32 = 86_400;
/// The most octets of a window of a bitmap: 256 types.
const WINDOW: usize = 32;

/// Reads `YYYYMMDDHHmmSS` in UTC, or seconds since 1970 (RFC 4034 section 3.2).
pub(super) fn read_time(reader: &mut Reader<'_>) -> Result<u32, TextError> {
    let Some(token) = reader.peek() else { return reader.number() };
    if reader.raw(token).len() != 14 {
        return reader.number();
    }
    reader.token()?;
    calendar(reader.raw(token)).ok_or_else(|| reader.fault(token, "is no time as in `20300131235959`, up to 2106"))
}

fn calendar(digits: &[u8]) -> Option<u32> {
    let part = |from: usize, to: usize| {
        digits[from..to]
            .iter()
            .try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
    };
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let sound = (1970..=2106).contains(&year) && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !sound || day == 0 || day > month_days(year, month) {
        return None;
    }
    let days =
        (1970..year).map(year_days).sum::<u32>() + (1..month).map(|m| month_days(year, m)).sum::<u32>() + day - 1;
    days.checked_mul(DAY)?.checked_add(hour * 3600 + minute * 60 + second)
}

fn is_leap(year: u32) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn year_days(year: u32) -> u32 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Writes seconds since 1970 as `YYYYMMDDHHmmSS`.
pub(super) fn write_time(seconds: u32, out: &mut String) {
    let (mut days, rest) = (seconds / DAY, seconds % DAY);
    let mut year = 1970;
    while days >= year_days(year) {
        days -= year_days(year);
        year += 1;
    }
    let mut month = 1;
    while days >= month_days(year, month) {
        days -= month_days(year, month);
        month += 1;
    }
    let day = days + 1;
    put(out, format_args!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", rest / 3600, rest / 60 % 60, rest % 60));
}

/// Reads types to the end, none or more, in any order.
pub(super) fn read_types(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut types = Vec::new();
    while reader.peek().is_some() {
        types.push(reader.record_type()?.0);
    }
    types.sort_unstable();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; WINDOW];
        let mut octets = Vec::new();
        for number in window {
            bits[usize::from(number & 0xff) / 8] |= 0x80 >> (number & 7);
            octets.clear();
            octets.extend_from_slice(&bits[..=usize::from(number & 0xff) / 8]);
        }
        out.extend(window.first().map(|number| (number >> 8).to_be_bytes()[1]));
        counted(&octets, out);
    }
    Ok(())
}

/// Writes types to the end of the data.
pub(super) fn write_types(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let mut least = 0;
    let mut blank = "";
    while !wire.is_empty() {
        let window = u16::from(wire.u8()?);
        let bits = wire.counted()?;
        if window < least || bits.len() > WINDOW || bits.last().is_none_or(|&last| last == 0) {
            return Err(Unwritten::Malformed);
        }
        least = window + 1;
        for low in 0..=255u16 {
            if bits.get(usize::from(low) / 8).is_some_and(|octet| octet & (0x80 >> (low & 7)) != 0) {
                put(out, format_args!("{blank}{}", RecordType(window << 8 | low)));
                blank = " ";
            }
        }
    }
    Ok(())
}

/// Reads hex, or `-` for no octets.
pub(super) fn read_salt(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = reader.token()?;
    let salt = match reader.word(token) {
        "-" => Some(Vec::new()),
        word => base16::decode_vec(word).ok().filter(|salt| !salt.is_empty() && salt.len() <= MAX_TEXT),
    };
    counted(&salt.ok_or_else(|| reader.fault(token, "is no salt: up to 255 octets of hex, or `-`"))?, out);
    Ok(())
}

/// Writes a salt.
pub(super) fn write_salt(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    match wire.counted()? {
        [] => out.push('-'),
        salt => out.push_str(&base16::encode_string(salt)),
    }
    Ok(())
}

/// Reads base32 with the extended hex alphabet, without padding.
pub(super) fn read_hash(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = reader.token()?;
    let hash: Option<Vec<u8>> = base32::decode_hex(reader.word(token)).ok();
    let hash = hash.filter(|hash| !hash.is_empty() && hash.len() <= MAX_TEXT);
    counted(&hash.ok_or_else(|| reader.fault(token, "is no hash in base32 with the hex alphabet"))?, out);
    Ok(())
}

/// Writes a hash.
pub(super) fn write_hash(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    match wire.counted()? {
        [] => Err(Unwritten::Malformed),
        hash => {
            out.push_str(&base32::encode_string_hex(hash).to_ascii_lowercase());
            Ok(())
        }
    }
}
