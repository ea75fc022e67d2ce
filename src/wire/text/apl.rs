//! Lists of networks (RFC 3123).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::read::{Reader, counted};
use super::write::{Unwritten, Wire, put};
use super::{TextError, Token};

const IPV4: u16 = 1;
const IPV6: u16 = 2;
/// Marks a network as excluded, in the octet of the length.
const NEGATED: u8 = 0x80;

/// Reads items like `!1:192.0.2.0/24`, none or more (RFC 3123 section 5).
pub(super) fn read(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    while reader.peek().is_some() {
        let token = reader.token()?;
        item(reader, token, out)?;
    }
    Ok(())
}

fn item(reader: &Reader<'_>, token: Token, out: &mut Vec<u8>) -> Result<(), TextError> {
    let word = reader.word(token);
    let (network, negated) = word.strip_prefix('!').map_or((word, 0), |rest| (rest, NEGATED));
    let parsed = network.split_once(':').and_then(|(family, rest)| {
        let (address, length) = rest.split_once('/')?;
        let length: u8 = length.bytes().all(|b| b.is_ascii_digit()).then(|| length.parse().ok())??;
        let (family, octets, longest) = match family {
            "1" => (IPV4, address.parse::<Ipv4Addr>().ok()?.octets().to_vec(), 32),
            "2" => (IPV6, address.parse::<Ipv6Addr>().ok()?.octets().to_vec(), 128),
            _ => return None,
        };
        (length <= longest).then_some((family, length, octets))
    });
    let Some((family, length, mut octets)) = parsed else {
        return Err(reader.fault(token, "is no network with its family in front, 1 for IPv4 and 2 for IPv6"));
    };
    // Zeros at the end are left out (section 4).
    octets.truncate(octets.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1));
    out.extend(family.to_be_bytes());
    out.push(length);
    let at = out.len();
    counted(&octets, out);
    out[at] |= negated;
    Ok(())
}

/// Writes all items to the end of the data.
pub(super) fn write(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let mut text = Ok(());
    let mut blank = "";
    while !wire.is_empty() {
        let family = wire.u16()?;
        let length = wire.u8()?;
        let flags = wire.u8()?;
        let octets = wire.take(usize::from(flags & !NEGATED))?;
        let sign = if flags & NEGATED == 0 { "" } else { "!" };
        let (size, longest) = match family {
            IPV4 => (4, 32),
            IPV6 => (16, 128),
            _ => {
                text = Err(Unwritten::NoText);
                continue;
            }
        };
        if octets.len() > size || length > longest {
            return Err(Unwritten::Malformed);
        }
        if octets.last() == Some(&0) {
            text = Err(Unwritten::NoText);
            continue;
        }
        let mut whole = [0; 16];
        whole[..octets.len()].copy_from_slice(octets);
        if family == IPV4 {
            let address = Ipv4Addr::new(whole[0], whole[1], whole[2], whole[3]);
            put(out, format_args!("{blank}{sign}1:{address}/{length}"));
        } else {
            put(out, format_args!("{blank}{sign}2:{}/{length}", Ipv6Addr::from(whole)));
        }
        blank = " ";
    }
    text
}
