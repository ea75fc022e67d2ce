//! From wire form to text, field by field. Nothing in the octets is trusted.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::{Name, RecordType};
use super::layout::{Field, Layout};
use super::token::quote;
use super::{apl, dnssec, historic, keys, loc, svcb};
use domain::utils::{base16, base64};

/// Why octets have no text of their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Unwritten {
    /// They are no data of the type.
    Malformed,
    /// They are, but no text reads back to them.
    NoText,
}

/// Octets that are taken from the front.
pub(super) struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many octets are left.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes so many octets.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Unwritten> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Unwritten::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Takes so many octets, as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unwritten> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unwritten::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Takes all that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Takes all that is left, if that is anything.
    fn some_rest(&mut self) -> Result<&'a [u8], Unwritten> {
        if self.is_empty() { Err(Unwritten::NoText) } else { Ok(self.rest()) }
    }

    pub(super) fn u8(&mut self) -> Result<u8, Unwritten> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Unwritten> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Unwritten> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes octets behind their number.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Unwritten> {
        let count = self.u8()?;
        self.take(usize::from(count))
    }

    /// Takes an uncompressed name.
    pub(super) fn name(&mut self) -> Result<&'a [u8], Unwritten> {
        let mut length = 0;
        loop {
            let label = usize::from(*self.0.get(length).ok_or(Unwritten::Malformed)?);
            length += 1 + label;
            if label == 0 {
                break;
            }
            if label > super::super::name::MAX_LABEL || length >= super::super::name::MAX_NAME {
                return Err(Unwritten::Malformed);
            }
        }
        self.take(length)
    }

    /// Takes a name and writes it.
    pub(super) fn name_text(&mut self) -> Result<String, Unwritten> {
        let name = Name::from_wire(self.name()?).map_err(|_| Unwritten::Malformed)?;
        Ok(name.to_string())
    }
}

/// Writes all octets by a row's fields, blanks between them.
pub(in crate::wire) fn render(layout: &Layout, rdata: &[u8]) -> Result<String, Unwritten> {
    let mut wire = Wire::new(rdata);
    let mut out = String::with_capacity(rdata.len() * 2);
    // Octets may lack a text and be malformed behind that: the latter is worse and must be told.
    let mut text = Ok(());
    for &field in layout.fields {
        if !out.is_empty() {
            out.push(' ');
        }
        match write(field, &mut wire, &mut out) {
            Err(Unwritten::NoText) => text = Err(Unwritten::NoText),
            written => written?,
        }
    }
    if !wire.is_empty() {
        return Err(Unwritten::Malformed);
    }
    text?;
    out.truncate(out.trim_end_matches(' ').len());
    Ok(out)
}

fn write(field: Field, wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    match field {
        Field::U8 | Field::Word8(_) => put(out, wire.u8()?),
        Field::U16 | Field::Word16(_) => put(out, wire.u16()?),
        Field::U32 | Field::Period => put(out, wire.u32()?),
        Field::U64 => put(out, u64::from_be_bytes(wire.array()?)),
        Field::Ipv4 => put(out, Ipv4Addr::from(wire.array::<4>()?)),
        Field::Ipv6 => put(out, Ipv6Addr::from(wire.array::<16>()?)),
        Field::Name => out.push_str(&wire.name_text()?),
        Field::Text => quote(wire.counted()?, out),
        Field::OptionalText if wire.is_empty() => {}
        Field::OptionalText => quote(wire.counted()?, out),
        Field::Texts => {
            quote(wire.counted()?, out);
            while !wire.is_empty() {
                out.push(' ');
                quote(wire.counted()?, out);
            }
        }
        Field::Tail => quote(wire.rest(), out),
        Field::Tag => {
            let tag = wire.counted()?;
            if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
                return Err(Unwritten::Malformed);
            }
            out.extend(tag.iter().copied().map(char::from));
        }
        Field::Hex => out.push_str(&base16::encode_string(wire.some_rest()?)),
        Field::LongHex(least) => {
            let octets = wire.rest();
            if octets.len() < least {
                return Err(Unwritten::Malformed);
            }
            out.push_str(&base16::encode_string(octets));
        }
        Field::Base64 => out.push_str(&base64::encode_string(wire.some_rest()?)),
        Field::OptionalBase64 => out.push_str(&base64::encode_string(wire.rest())),
        Field::DashBase64 if wire.is_empty() => out.push('-'),
        Field::DashBase64 => out.push_str(&base64::encode_string(wire.rest())),
        Field::Eui(octets) => {
            for (i, octet) in wire.take(octets)?.iter().enumerate() {
                put(out, format_args!("{}{octet:02x}", if i == 0 { "" } else { "-" }));
            }
        }
        Field::Locator => {
            let groups = [wire.u16()?, wire.u16()?, wire.u16()?, wire.u16()?];
            put(out, format_args!("{:04x}:{:04x}:{:04x}:{:04x}", groups[0], groups[1], groups[2], groups[3]));
        }
        Field::Nsap => {
            out.push_str("0x");
            out.push_str(&base16::encode_string(wire.some_rest()?));
        }
        Field::Type => put(out, RecordType(wire.u16()?)),
        Field::Types => dnssec::write_types(wire, out)?,
        Field::Time => dnssec::write_time(wire.u32()?, out),
        Field::Salt => dnssec::write_salt(wire, out)?,
        Field::Hash => dnssec::write_hash(wire, out)?,
        Field::Apl => apl::write(wire, out)?,
        Field::Loc => loc::write(wire, out)?,
        Field::Hip => keys::write_hip(wire, out)?,
        Field::Gateway => keys::write_gateway(wire, out)?,
        Field::Relay => keys::write_relay(wire, out)?,
        Field::Params => svcb::write(wire, out)?,
        Field::Services => historic::write_services(wire, out)?,
        Field::Bits => historic::write_bits(wire, out)?,
        Field::Suffix => historic::write_suffix(wire, out)?,
        Field::Atm => historic::write_atm(wire, out)?,
    }
    Ok(())
}

/// Appends what displays itself.
pub(super) fn put(out: &mut String, shown: impl std::fmt::Display) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{shown}");
}
