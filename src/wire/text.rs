//! Record data between presentation form and wire form.
//!
//! In comes one record's data as it stands in a zone's TOML or in a master file, out goes uncompressed wire form, and
//! the other way round. Each type is one row of the table in `layout`: the fields that its data is made of and what to
//! tell someone who wrote something else. `read` and `write` go through a row's fields; shapes that need more than one
//! line have files of their own (`svcb`, `loc`, `apl`, `keys`, `dnssec`, `historic`). `rules` holds what the make-up does
//! not say.
//!
//! Invariant: what [`format_rdata`] writes, [`parse_rdata`] reads back to the same octets.

mod apl;
mod dnssec;
mod historic;
mod keys;
pub(in crate::wire) mod layout;
mod loc;
mod period;
mod read;
mod rules;
mod same;
mod svcb;
pub(crate) mod token;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

use super::{Name, RecordType};
use layout::Layout;
pub use period::parse_period;
pub(crate) use read::{Reader, shown};
pub use rules::rdata_fault;
pub(crate) use same::{is_same_data, one_form};
use token::{Lexer, Token};
use write::Wire;
pub(in crate::wire) use write::{Unwritten, render};

/// The longest record data (RFC 1035 section 3.2.1: RDLENGTH has 16 bits).
const MAX_RDATA: usize = 65_535;
/// The longest character-string (RFC 1035 section 3.3).
const MAX_TEXT: usize = 255;

/// Why a text is no data of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// What was expected or is wrong, as a clause without a final stop.
    pub message: String,
    /// Where in the text, as an offset in octets.
    pub at: usize,
}

impl TextError {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), at }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TextError {}

/// Reads one record's data; relative names take the origin. The result is uncompressed wire form.
///
/// Every type may be written as `\# n hex` (RFC 3597); for a type that is known here the octets must then be well
/// formed. What
/// such data cannot mean is not looked for: see [`rdata_fault`]. TXT and SPF data that does not begin with a quote is one text as it stands, backslashes and blanks included,
/// cut into strings of 255 octets; data that begins with a quote is presentation form. Types that exist in messages
/// only are refused.
pub fn parse_rdata(rtype: RecordType, text: &str, origin: &Name) -> Result<Box<[u8]>, TextError> {
    let mut out = Vec::with_capacity(text.len() + origin.as_wire().len());
    let front = text.trim_start();
    let generic = front.strip_prefix("\\#").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    if matches!(rtype, RecordType::TXT | RecordType::SPF) && !front.starts_with('"') && !generic {
        whole_text(text.as_bytes(), &mut out)?;
    } else {
        let tokens = Lexer::data(text.as_bytes())?;
        parse_tokens(rtype, &mut Reader::new(text.as_bytes(), &tokens, 0, origin), &mut out)?;
    }
    Ok(out.into())
}

/// Reads data whose tokens are known, onto the end of `out`, which is empty.
pub(crate) fn parse_tokens(rtype: RecordType, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let start = reader.place();
    if rtype.is_meta() {
        return Err(TextError::new(start, format!("{rtype} exists in messages only and cannot be stored")));
    }
    let layout = Layout::of(rtype);
    if reader.take_word(b"\\#") {
        generic(reader, out)?;
        if let Some(layout) = layout
            && write::render(layout, out) == Err(Unwritten::Malformed)
        {
            return Err(TextError::new(start, format!("these octets are no {rtype} data; {layout}")));
        }
    } else if let Some(layout) = layout {
        read::fields(layout, reader, out).map_err(|fault| {
            let what = fault.message;
            TextError::new(fault.at, format!("{what}; {layout}"))
        })?;
    } else {
        let message =
            format!("{rtype} has no text form here: write `\\# 4 0a000001`, its length in octets and its hex");
        return Err(TextError::new(start, message));
    }
    if out.len() > MAX_RDATA {
        return Err(TextError::new(start, format!("the data is {} octets long; at most {MAX_RDATA} fit", out.len())));
    }
    Ok(())
}

/// The generic form behind its `\#` (RFC 3597 section 5).
fn generic(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let start = reader.place();
    let length = usize::from(reader.number::<u16>()?);
    if reader.peek().is_some() {
        reader.rest_hex(out)?;
    }
    if out.len() != length {
        let message = format!("`\\# {length}` announces {length} octets; the hex gives {}", out.len());
        return Err(TextError::new(start, message));
    }
    Ok(())
}

/// One text as strings of 255 octets; the empty text is one empty string.
fn whole_text(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
    if text.is_empty() {
        out.push(0);
    }
    for part in text.chunks(MAX_TEXT) {
        out.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(part);
    }
    if out.len() > MAX_RDATA {
        return Err(TextError::new(0, format!("the text is {} octets long; at most 65279 fit", text.len())));
    }
    Ok(())
}

/// Writes one record's data in presentation form; what cannot be decoded comes out as `\# n hex` (RFC 3597).
pub fn format_rdata(rtype: RecordType, rdata: &[u8]) -> String {
    let text = Layout::of(rtype).and_then(|layout| write::render(layout, rdata).ok());
    // No text at all (an empty APL, say) could not be told from no data.
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| {
        let hex = domain::utils::base16::encode_string(rdata);
        if hex.is_empty() { "\\# 0".to_owned() } else { format!("\\# {} {hex}", rdata.len()) }
    })
}

/// Every type that has a text form here, ascending: the type, what its data is made of, and data of a zone that has such.
pub fn forms() -> impl Iterator<Item = (RecordType, &'static str, &'static str)> {
    Layout::all().iter().map(|layout| (layout.rtype, layout.takes(), layout.example()))
}

/// The host that the data points at: of CNAME, DNAME, NS, PTR, MX, SRV, SVCB and HTTPS. `None` for other types and for
/// malformed data. The root is given as it stands: it means "no service" in MX and SRV (RFC 7505, 2782) and the owner
/// itself in SVCB and HTTPS in ServiceMode (RFC 9460 section 2.5).
pub fn target_name(rtype: RecordType, rdata: &[u8]) -> Option<Name> {
    let before = match rtype {
        RecordType::CNAME | RecordType::DNAME | RecordType::NS | RecordType::PTR => 0,
        RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
        RecordType::SRV => 6,
        _ => return None,
    };
    let name = Wire::new(rdata.get(before..)?).name().ok()?;
    Name::from_wire(name).ok()
}
