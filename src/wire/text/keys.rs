//! Data whose parts depend on one another: IPSECKEY (RFC 4025), HIP (RFC 8005), AMTRELAY (RFC 8777).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::TextError;
use super::read::Reader;
use super::write::{Unwritten, Wire, put};
use domain::utils::{base16, base64};

/// No gateway, relay or key; of gateways and relays the numbers are the same in RFC 4025 section 2.3 and RFC 8777
/// section 4.2.3.
const NONE: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 2;
const NAME: u8 = 3;
/// The discovery bit of AMTRELAY, above the type.
const DISCOVERY: u8 = 0x80;

fn read_end(kind: u8, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    match kind {
        IPV4 => out.extend(reader.ipv4()?.octets()),
        IPV6 => out.extend(reader.ipv6()?.octets()),
        NAME => reader.name(out)?,
        _ => {
            let token = reader.token()?;
            if reader.raw(token) != b"." {
                return Err(reader.fault(token, "is not the `.` that type 0 wants"));
            }
        }
    }
    Ok(())
}

fn read_kind(reader: &mut Reader<'_>) -> Result<u8, TextError> {
    let Some(token) = reader.peek() else { return reader.number() };
    match reader.number()? {
        kind @ NONE..=NAME => Ok(kind),
        _ => Err(reader.fault(token, "is no type: 0 none, 1 IPv4, 2 IPv6, 3 a name")),
    }
}

fn write_end(kind: u8, wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    match kind {
        NONE => out.push('.'),
        IPV4 => put(out, Ipv4Addr::from(wire.array::<4>()?)),
        IPV6 => put(out, Ipv6Addr::from(wire.array::<16>()?)),
        NAME => out.push_str(&wire.name_text()?),
        _ => {
            wire.rest();
            return Err(Unwritten::NoText);
        }
    }
    Ok(())
}

/// Reads what follows the precedence of IPSECKEY; algorithm 0 is that of no key (RFC 4025 section 2.4).
pub(super) fn read_gateway(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let kind = read_kind(reader)?;
    out.push(kind);
    let algorithm: u8 = reader.number()?;
    out.push(algorithm);
    read_end(kind, reader, out)?;
    let key = reader.peek();
    let before = out.len();
    if algorithm != NONE || key.is_some() {
        reader.rest_base64(out)?;
    }
    match key.filter(|_| algorithm != NONE && out.len() == before) {
        // Quoted, nothing is a word as well.
        Some(empty) => Err(reader.fault(empty, "is no key")),
        None => Ok(()),
    }
}

/// Writes what follows the precedence of IPSECKEY.
pub(super) fn write_gateway(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let (kind, algorithm) = (wire.u8()?, wire.u8()?);
    put(out, format_args!("{kind} {algorithm} "));
    write_end(kind, wire, out)?;
    if algorithm != NONE && wire.is_empty() {
        return Err(Unwritten::Malformed);
    }
    if !wire.is_empty() {
        put(out, format_args!(" {}", base64::encode_string(wire.rest())));
    }
    Ok(())
}

/// Reads what follows the precedence of AMTRELAY.
pub(super) fn read_relay(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let discovery = match reader.token()? {
        token if reader.raw(token) == b"0" => 0,
        token if reader.raw(token) == b"1" => DISCOVERY,
        token => return Err(reader.fault(token, "is neither 0 nor 1")),
    };
    let kind = read_kind(reader)?;
    out.push(discovery | kind);
    read_end(kind, reader, out)
}

/// Writes what follows the precedence of AMTRELAY.
pub(super) fn write_relay(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let octet = wire.u8()?;
    let kind = octet & !DISCOVERY;
    put(out, format_args!("{} {kind} ", octet >> 7));
    write_end(kind, wire, out)
}

/// Reads an algorithm, a tag, a key and servers; on the wire the lengths come first (RFC 8005 section 5).
pub(super) fn read_hip(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let algorithm: u8 = reader.number()?;
    let token = reader.token()?;
    let tag = base16::decode_vec(reader.word(token)).ok().filter(|tag| !tag.is_empty());
    let tag = tag.ok_or_else(|| reader.fault(token, "is no hex of whole octets"))?;
    let tag_length = u8::try_from(tag.len()).map_err(|_| reader.fault(token, "is longer than 255 octets"))?;
    let token = reader.token()?;
    let key = reader.base64(token, reader.word(token))?;
    let key_length = u16::try_from(key.len()).map_err(|_| reader.fault(token, "is longer than 65535 octets"))?;
    out.extend([tag_length, algorithm]);
    out.extend(key_length.to_be_bytes());
    out.extend(tag);
    out.extend(key);
    while reader.peek().is_some() {
        reader.name(out)?;
    }
    Ok(())
}

/// Writes an algorithm, a tag, a key and servers.
pub(super) fn write_hip(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let tag_length = wire.u8()?;
    let algorithm = wire.u8()?;
    let key_length = wire.u16()?;
    let tag = wire.take(usize::from(tag_length))?;
    let key = wire.take(usize::from(key_length))?;
    put(out, format_args!("{algorithm} {} {}", base16::encode_string(tag), base64::encode_string(key)));
    while !wire.is_empty() {
        put(out, format_args!(" {}", wire.name_text()?));
    }
    if tag.is_empty() || key.is_empty() { Err(Unwritten::NoText) } else { Ok(()) }
}
