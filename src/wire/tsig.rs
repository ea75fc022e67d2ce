//! The TSIG record of a message as it stands there (RFC 8945 section 4.2). What it proves is for others to say.

use super::message::{HEADER, skip_name};
use super::{Expanded, RecordType};

/// Errors that a TSIG record tells (RFC 8945 section 3).
pub mod error {
    /// Nothing is wrong.
    pub const NONE: u16 = 0;
    /// The signature is not what it should be.
    pub const BADSIG: u16 = 16;
    /// No such key, or another algorithm than the key's.
    pub const BADKEY: u16 = 17;
    /// The clocks are too far apart.
    pub const BADTIME: u16 = 18;
    /// The signature was cut shorter than is allowed here.
    pub const BADTRUNC: u16 = 22;
}

/// A TSIG record.
#[derive(Clone, Debug)]
pub struct Tsig<'a> {
    /// Where it begins in the message.
    pub at: usize,
    /// The key's name, in lower case.
    pub key: Expanded,
    /// The algorithm's name, in lower case.
    pub algorithm: Expanded,
    /// When it was signed, seconds since 1970 UTC; 48 bits.
    pub time: u64,
    /// How far from it the reader's clock may be, in seconds.
    pub fudge: u16,
    /// The signature.
    pub mac: &'a [u8],
    /// The message's ID when it was signed.
    pub original_id: u16,
    /// See [`error`].
    pub error: u16,
    /// With BADTIME, the server's clock.
    pub other: &'a [u8],
}

/// Octets of type, class, TTL and data length.
const FIXED: usize = 10;

/// Finds the last record of a message, where that is a TSIG: `Ok(None)` where it is not.
///
/// # Errors
/// The message is no row of whole records, its TSIG is not as it should be, or another record is one (RFC 8945 section
/// 5.2).
pub fn read(message: &[u8]) -> Result<Option<Tsig<'_>>, Malformed> {
    let Some(at) = last_record(message).ok_or(Malformed)? else { return Ok(None) };
    let key = Expanded::read(message, at).ok_or(Malformed)?;
    let fixed: &[u8; FIXED] = message.get(key.end()..).and_then(|rest| rest.first_chunk()).ok_or(Malformed)?;
    if RecordType(u16::from_be_bytes([fixed[0], fixed[1]])) != RecordType::TSIG {
        return Ok(None);
    }
    parse(message, at, key, fixed).map(Some).ok_or(Malformed)
}

/// Not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

fn parse<'a>(message: &'a [u8], at: usize, key: Expanded, fixed: &[u8; FIXED]) -> Option<Tsig<'a>> {
    /// Class ANY and a TTL of 0.
    const CLASS_AND_TTL: [u8; 6] = [0, 255, 0, 0, 0, 0];
    if fixed[2..8] != CLASS_AND_TTL {
        return None;
    }
    let start = key.end() + FIXED;
    let end = start + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
    let algorithm = Expanded::read(message.get(..end)?, start)?;
    let mut rest = message.get(algorithm.end()..end)?;
    let mut take = |len: usize| {
        let (taken, behind) = rest.split_at_checked(len)?;
        rest = behind;
        Some(taken)
    };
    let short = |octets: &[u8]| u16::from_be_bytes([octets[0], octets[1]]);
    let time = take(6)?.iter().fold(0, |time, &octet| time << 8 | u64::from(octet));
    let fudge = short(take(2)?);
    let mac_len = short(take(2)?);
    let mac = take(mac_len.into())?;
    let (original_id, error) = (short(take(2)?), short(take(2)?));
    let other_len = short(take(2)?);
    let other = take(other_len.into())?;
    let (key, algorithm) = (key.lowered(), algorithm.lowered());
    rest.is_empty().then_some(Tsig { at, key, algorithm, time, fudge, mac, original_id, error, other })
}

/// Where the last record of the additional section begins; `None` is a fault, `Some(None)` an empty section. Names are
/// passed over and not followed: that would take as long as whoever sends them wants.
fn last_record(message: &[u8]) -> Option<Option<usize>> {
    let header = message.first_chunk::<HEADER>()?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let mut at = HEADER;
    for _ in 0..count(4) {
        at = skip_name(message, at)? + 4;
    }
    let records = u32::from(count(6)) + u32::from(count(8)) + u32::from(count(10));
    let mut last = at;
    for number in 0..records {
        last = at;
        let fixed = skip_name(message, at)?;
        let rtype = message.get(fixed..fixed + 2)?;
        if number + 1 < records && RecordType(u16::from_be_bytes([rtype[0], rtype[1]])) == RecordType::TSIG {
            return None;
        }
        let len = message.get(fixed + FIXED - 2..fixed + FIXED)?;
        at = fixed + FIXED + usize::from(u16::from_be_bytes([len[0], len[1]]));
        if at > message.len() {
            return None;
        }
    }
    Some((count(10) > 0).then_some(last))
}
