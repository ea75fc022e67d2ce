//! Positions (RFC 1876).
//!
//! All arithmetic is in whole thousandths of a second of arc and whole centimetres, so nothing is rounded on the way
//! there and back.

use super::read::Reader;
use super::write::{Unwritten, Wire, put};
use super::{TextError, Token};

/// The only version there is.
const VERSION: u8 = 0;
/// The equator and the prime meridian.
const MIDDLE: u32 = 1 << 31;
/// Thousandths of a second in a degree.
const DEGREE: u32 = 3_600_000;
const MINUTE: u32 = 60_000;
/// Centimetres by which the reference lies below the spheroid.
const DEPTH: i64 = 10_000_000;
/// Size, horizontal and vertical precision where none are given: 1 m, 10 km, 10 m (section 3).
const DEFAULTS: [u8; 3] = [0x12, 0x16, 0x13];
/// The largest size that a mantissa and an exponent of one digit hold, in centimetres.
const LARGEST: u64 = 9_000_000_000;

/// Reads latitude, longitude, altitude and up to three sizes.
pub(super) fn read(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let latitude = angle(reader, 90, ["N", "S"])?;
    let longitude = angle(reader, 180, ["E", "W"])?;
    let altitude = altitude(reader)?;
    let mut sizes = DEFAULTS;
    for octet in &mut sizes {
        if reader.peek().is_none() {
            break;
        }
        *octet = size(reader)?;
    }
    out.push(VERSION);
    out.extend(sizes);
    out.extend(latitude.to_be_bytes());
    out.extend(longitude.to_be_bytes());
    out.extend(altitude.to_be_bytes());
    Ok(())
}

/// Degrees, perhaps minutes, perhaps seconds, and one of two letters, the positive one first.
fn angle(reader: &mut Reader<'_>, most: u32, letters: [&str; 2]) -> Result<u32, TextError> {
    let first = reader.token()?;
    let mut value = part(reader, first, most, 0)? * DEGREE;
    for (unit, places) in [(MINUTE, 0), (1, 3), (0, 0)] {
        let token = reader.token()?;
        let word = reader.word(token);
        let positive = word.eq_ignore_ascii_case(letters[0]);
        if positive || word.eq_ignore_ascii_case(letters[1]) {
            if value > most * DEGREE {
                return Err(reader.fault(first, &format!("degrees and what follows are more than {most}")));
            }
            return Ok(if positive { MIDDLE + value } else { MIDDLE - value });
        }
        if unit == 0 {
            return Err(reader.fault(token, &format!("stands where {} or {} is expected", letters[0], letters[1])));
        }
        value += part(reader, token, 59, places)? * unit;
    }
    Ok(value)
}

/// Degrees, minutes or seconds, as a whole number of their last place.
fn part(reader: &Reader<'_>, token: Token, most: u32, places: u32) -> Result<u32, TextError> {
    let scale = 10u32.pow(places);
    decimal(reader.word(token), places)
        .and_then(|value| u32::try_from(value).ok())
        .filter(|value| value / scale <= most)
        .ok_or_else(|| {
            let decimals = if places > 0 { format!(", with up to {places} decimals") } else { String::new() };
            reader.fault(token, &format!("is no number from 0 to {most}{decimals}"))
        })
}

fn altitude(reader: &mut Reader<'_>) -> Result<u32, TextError> {
    let token = reader.token()?;
    let word = metres(reader.word(token));
    let (word, sign) = match word.strip_prefix('-') {
        Some(rest) => (rest, -1),
        None => (word.strip_prefix('+').unwrap_or(word), 1),
    };
    decimal(word, 2)
        .and_then(|value| i64::try_from(value).ok())
        .and_then(|value| u32::try_from((sign * value).checked_add(DEPTH)?).ok())
        .ok_or_else(|| reader.fault(token, "is no altitude from -100000.00m to 42849672.95m"))
}

/// A size as a mantissa and a power of ten of centimetres; digits behind the first are dropped.
fn size(reader: &mut Reader<'_>) -> Result<u8, TextError> {
    let token = reader.token()?;
    let mut value = decimal(metres(reader.word(token)), 2)
        .filter(|&value| value <= LARGEST)
        .ok_or_else(|| reader.fault(token, "is no size from 0m to 90000000m"))?;
    let mut exponent = 0;
    while value > 9 {
        value /= 10;
        exponent += 1;
    }
    Ok(u8::try_from(value << 4 | exponent).unwrap_or(u8::MAX))
}

fn metres(word: &str) -> &str {
    word.strip_suffix(['m', 'M']).unwrap_or(word)
}

/// `12.5` as a whole number of its last place; no sign, at most `places` decimals.
fn decimal(word: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > places as usize {
        return None;
    }
    let scale = 10u64.checked_pow(places - u32::try_from(fraction.len()).ok()?)?;
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.parse::<u64>().ok()?.checked_mul(10u64.pow(places))?.checked_add(fraction * scale)
}

/// Writes a position in full.
pub(super) fn write(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    if wire.u8()? != VERSION {
        // What another version holds nobody knows (section 2).
        wire.rest();
        return Err(Unwritten::NoText);
    }
    let sizes: [u8; 3] = wire.array()?;
    let (latitude, longitude, altitude) = (wire.u32()?, wire.u32()?, wire.u32()?);
    write_angle(latitude, 90, ['N', 'S'], out)?;
    out.push(' ');
    write_angle(longitude, 180, ['E', 'W'], out)?;
    let altitude = i64::from(altitude) - DEPTH;
    put(out, format_args!(" {}", if altitude < 0 { "-" } else { "" }));
    write_metres(altitude.unsigned_abs(), out);
    for octet in sizes {
        let (mantissa, exponent) = (octet >> 4, octet & 15);
        if mantissa > 9 || exponent > 9 {
            return Err(Unwritten::Malformed);
        }
        out.push(' ');
        write_metres(u64::from(mantissa) * 10u64.pow(u32::from(exponent)), out);
    }
    // Nothing times a power of ten reads back as nothing times one.
    if sizes.iter().any(|&octet| octet >> 4 == 0 && octet != 0) { Err(Unwritten::NoText) } else { Ok(()) }
}

fn write_angle(value: u32, most: u32, letters: [char; 2], out: &mut String) -> Result<(), Unwritten> {
    let distance = value.abs_diff(MIDDLE);
    if distance > most * DEGREE {
        return Err(Unwritten::Malformed);
    }
    let letter = if value >= MIDDLE { letters[0] } else { letters[1] };
    let (degrees, minutes) = (distance / DEGREE, distance / MINUTE % 60);
    put(out, format_args!("{degrees} {minutes} {}.{:03} {letter}", distance / 1000 % 60, distance % 1000));
    Ok(())
}

fn write_metres(centimetres: u64, out: &mut String) {
    match centimetres % 100 {
        0 => put(out, format_args!("{}m", centimetres / 100)),
        rest => put(out, format_args!("{}.{rest:02}m", centimetres / 100)),
    }
}
