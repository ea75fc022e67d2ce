//! Types that nobody adds any more and that old master files hold: WKS (RFC 1035 section 3.4.2), NXT (RFC 2535 section
//! 5.2), A6 (RFC 2874 section 3.1), ATMA (ATM Forum AF-DANS-0152.000).

use std::net::Ipv6Addr;

use super::super::RecordType;
use super::TextError;
use super::read::Reader;
use super::write::{Unwritten, Wire, put};
use domain::utils::base16;

/// Protocols that may be written by name (IANA "Protocol Numbers").
const PROTOCOLS: &[(&str, u8)] = &[("ICMP", 1), ("TCP", 6), ("UDP", 17)];
/// Services that may be written by name (IANA "Service Name and Transport Protocol Port Number Registry").
const SERVICES: &[(&str, u16)] = &[
    ("echo", 7),
    ("discard", 9),
    ("daytime", 13),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("nameserver", 42),
    ("domain", 53),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("nntp", 119),
    ("ntp", 123),
    ("imap", 143),
    ("snmp", 161),
    ("https", 443),
];
/// Octets of a bitmap of NXT: types from 128 on have none (RFC 2535 section 5.2).
const NXT_OCTETS: usize = 16;
/// Octets of an ATM address that is no telephone number.
const AESA: usize = 20;
/// How an ATM address begins on the wire.
const ATM_AESA: u8 = 0;
const ATM_E164: u8 = 1;

/// Sets a bit, counted from the top of the first octet.
fn set(bits: &mut Vec<u8>, number: u16) {
    let at = usize::from(number) / 8;
    if bits.len() <= at {
        bits.resize(at + 1, 0);
    }
    bits[at] |= 0x80 >> (number & 7);
}

/// The bits that are set, ascending.
fn numbers(bits: &[u8]) -> impl Iterator<Item = u16> {
    let all = bits.iter().zip((0..=u16::MAX).step_by(8));
    all.flat_map(|(octet, first)| (0..8).filter(move |bit| octet & (0x80 >> bit) != 0).map(move |bit| first + bit))
}

/// Reads a protocol and services, none or more.
pub(super) fn read_services(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    out.push(reader.number_or(PROTOCOLS)?);
    let mut bits = Vec::new();
    while reader.peek().is_some() {
        set(&mut bits, reader.number_or(SERVICES)?);
    }
    out.extend(bits);
    Ok(())
}

/// Writes a protocol and services.
pub(super) fn write_services(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    put(out, wire.u8()?);
    let bits = wire.rest();
    if bits.len() > 1 << 13 {
        return Err(Unwritten::Malformed);
    }
    numbers(bits).for_each(|port| put(out, format_args!(" {port}")));
    // Zeros at the end are lost in text.
    if bits.last() == Some(&0) { Err(Unwritten::NoText) } else { Ok(()) }
}

/// Reads types to the end, none or more.
pub(super) fn read_bits(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut bits = Vec::new();
    while let Some(token) = reader.peek() {
        match reader.type_or_number()? {
            number @ 1..=127 => set(&mut bits, number),
            _ => return Err(reader.fault(token, "has no place in NXT, which knows types 1 to 127")),
        }
    }
    out.extend(bits);
    Ok(())
}

/// Writes types to the end.
pub(super) fn write_bits(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let bits = wire.rest();
    if bits.first().is_some_and(|first| first & 0x80 != 0) || bits.len() > NXT_OCTETS {
        // The top bit says that the rest is of another form.
        return Err(Unwritten::NoText);
    }
    let types: Vec<_> = numbers(bits).map(|number| RecordType(number).to_string()).collect();
    out.push_str(&types.join(" "));
    if bits.last() == Some(&0) { Err(Unwritten::NoText) } else { Ok(()) }
}

/// Octets of an address suffix behind so many bits.
fn suffix_octets(prefix: u8) -> usize {
    usize::from(128 - prefix).div_ceil(8)
}

/// The bits of an address that a suffix holds.
fn suffix_mask(prefix: u8) -> u128 {
    u128::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

/// Reads the bits of the prefix, the rest of the address where there is one, and whose the prefix is.
pub(super) fn read_suffix(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let Some(token) = reader.peek() else { return reader.number::<u8>().map(drop) };
    let prefix: u8 = reader.number()?;
    if prefix > 128 {
        return Err(reader.fault(token, "is no number from 0 to 128"));
    }
    out.push(prefix);
    if prefix < 128 {
        let suffix = reader.ipv6()?.to_bits() & suffix_mask(prefix);
        out.extend(&suffix.to_be_bytes()[16 - suffix_octets(prefix)..]);
    }
    if prefix > 0 { reader.name(out) } else { Ok(()) }
}

/// Writes the same.
pub(super) fn write_suffix(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let prefix = wire.u8()?;
    if prefix > 128 {
        return Err(Unwritten::Malformed);
    }
    put(out, prefix);
    let suffix = wire.take(suffix_octets(prefix))?;
    let address = suffix.iter().fold(0, |address, &octet| address << 8 | u128::from(octet));
    if prefix < 128 {
        put(out, format_args!(" {}", Ipv6Addr::from(address)));
    }
    if prefix > 0 {
        put(out, format_args!(" {}", wire.name_text()?));
    }
    // Bits of the prefix are no part of the text.
    if address & !suffix_mask(prefix) == 0 { Ok(()) } else { Err(Unwritten::NoText) }
}

/// Reads a telephone number behind `+`, or twenty octets of hex; dots may stand between.
pub(super) fn read_atm(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = reader.token()?;
    let word = reader.word(token).replace('.', "");
    if let Some(digits) = word.strip_prefix('+') {
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(reader.fault(token, "is no telephone number: digits behind a `+`"));
        }
        out.push(ATM_E164);
        out.extend_from_slice(digits.as_bytes());
        return Ok(());
    }
    let octets = base16::decode_vec(&word).ok().filter(|octets| octets.len() == AESA);
    out.push(ATM_AESA);
    out.extend(octets.ok_or_else(|| reader.fault(token, "is neither `+` and digits nor 20 octets of hex"))?);
    Ok(())
}

/// Writes the same.
pub(super) fn write_atm(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    match (wire.u8()?, wire.rest()) {
        (ATM_E164, digits @ [_, ..]) if digits.iter().all(u8::is_ascii_digit) => {
            out.push('+');
            out.extend(digits.iter().copied().map(char::from));
            Ok(())
        }
        (ATM_AESA, octets) if octets.len() == AESA => {
            out.push_str(&base16::encode_string(octets));
            Ok(())
        }
        (ATM_E164 | ATM_AESA, _) => Err(Unwritten::Malformed),
        _ => Err(Unwritten::NoText),
    }
}
