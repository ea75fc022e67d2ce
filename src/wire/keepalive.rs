//! Whether a query carries the keepalive option (RFC 7828), which some transports forbid.

use super::RecordType;
use super::freshness::behind_name;
use super::message::HEADER;

const KEEPALIVE: u16 = 11;
/// Type, class, TTL and the length of the data behind an owner.
const FIXED: usize = 10;

/// Whether one of the message's OPT records has it. False for what cannot be read that far.
pub fn asks_keepalive(message: &[u8]) -> bool {
    is_asked(message).unwrap_or(false)
}

fn is_asked(message: &[u8]) -> Option<bool> {
    let header = message.first_chunk::<HEADER>()?;
    let counts = [4, 6, 8, 10].map(|at| u32::from(u16::from_be_bytes([header[at], header[at + 1]])));
    let mut at = HEADER;
    for _ in 0..counts[0] {
        at = behind_name(message, at)? + 4;
    }
    for _ in 0..counts[1] + counts[2] + counts[3] {
        at = behind_name(message, at)?;
        let fixed = message.get(at..)?.first_chunk::<FIXED>()?;
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        at += FIXED;
        let data = message.get(at..at + length)?;
        at += length;
        if fixed[..2] == RecordType::OPT.0.to_be_bytes() && has_option(data) {
            return Some(true);
        }
    }
    Some(false)
}

fn has_option(mut data: &[u8]) -> bool {
    while let Some(([code_high, code_low, high, low], rest)) = data.split_first_chunk() {
        if u16::from_be_bytes([*code_high, *code_low]) == KEEPALIVE {
            return true;
        }
        data = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(options: &[u8]) -> Vec<u8> {
        let length = (options.len() as u16).to_be_bytes();
        let head = b"\0\0\x01\0\0\x01\0\0\0\0\0\x01\x01a\x07example\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0";
        [head, &length[..], options].concat()
    }

    #[test]
    fn p22_the_keepalive_option_is_found_behind_others_and_nowhere_else() {
        assert!(asks_keepalive(&query(b"\0\x0b\0\0")));
        assert!(asks_keepalive(&query(b"\0\x03\0\0\0\x0c\0\x02\0\x0b\0\x0b\0\x02\0\x64")));
        assert!(!asks_keepalive(&query(b"\0\x0c\0\x04\0\x0b\0\0")));
        assert!(!asks_keepalive(&query(b"")));
        let whole = query(b"\0\x0b\0\0");
        assert!((0..whole.len()).all(|cut| !asks_keepalive(&whole[..cut])));
    }
}
