//! From tokens to wire form, field by field.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::super::{Name, RecordType};
use super::layout::{Field, Layout};
use super::token::unescape;
use super::{MAX_TEXT, TextError, Token, apl, dnssec, historic, keys, loc, parse_period, svcb};
use domain::utils::{base16, base64};

/// How much of a token a message shows, in characters.
const SHOWN: usize = 48;

/// A place among the tokens of one record's data.
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    tokens: &'a [Token],
    first: usize,
    next: usize,
    origin: &'a Name,
}

/// Reads the fields of a row, all tokens of the reader.
pub(super) fn fields(layout: &Layout, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    for &field in layout.fields {
        read(field, reader, out)?;
    }
    match reader.peek() {
        Some(token) => Err(reader.fault(token, "is one too many")),
        None => Ok(()),
    }
}

fn read(field: Field, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    match field {
        Field::U8 => out.push(reader.number()?),
        Field::U16 => out.extend(reader.number::<u16>()?.to_be_bytes()),
        Field::U32 => out.extend(reader.number::<u32>()?.to_be_bytes()),
        Field::U64 => out.extend(reader.number::<u64>()?.to_be_bytes()),
        Field::Period => out.extend(reader.period()?.to_be_bytes()),
        Field::Word8(words) => out.push(reader.number_or(words)?),
        Field::Word16(words) => out.extend(reader.number_or(words)?.to_be_bytes()),
        Field::Ipv4 => out.extend(reader.ipv4()?.octets()),
        Field::Ipv6 => out.extend(reader.ipv6()?.octets()),
        Field::Name => reader.name(out)?,
        Field::Text => reader.text(out)?,
        Field::OptionalText if reader.peek().is_none() => {}
        Field::OptionalText => reader.text(out)?,
        Field::Texts => {
            reader.text(out)?;
            while reader.peek().is_some() {
                reader.text(out)?;
            }
        }
        Field::Tail => {
            let token = reader.token()?;
            reader.unescape(token, out)?;
        }
        Field::Tag => {
            let token = reader.token()?;
            let raw = reader.raw(token);
            if raw.is_empty() || raw.len() > MAX_TEXT || !raw.iter().all(u8::is_ascii_alphanumeric) {
                return Err(reader.fault(token, "is no tag: letters and digits"));
            }
            counted(raw, out);
        }
        Field::Hex => reader.rest_hex(out)?,
        Field::LongHex(least) => {
            let (start, before) = (reader.place(), out.len());
            reader.rest_hex(out)?;
            if out.len() - before < least {
                return Err(TextError::new(start, format!("the hex gives fewer than {least} octets")));
            }
        }
        Field::Base64 => reader.rest_base64(out)?,
        Field::OptionalBase64 if reader.peek().is_none() => {}
        Field::OptionalBase64 => reader.rest_base64(out)?,
        Field::DashBase64 if reader.take_word(b"-") => {}
        Field::DashBase64 => reader.rest_base64(out)?,
        Field::Eui(octets) => reader.groups(octets, 2, '-', out)?,
        Field::Locator => reader.groups(4, 4, ':', out)?,
        Field::Nsap => reader.nsap(out)?,
        Field::Type => out.extend(reader.type_or_number()?.to_be_bytes()),
        Field::Types => dnssec::read_types(reader, out)?,
        Field::Time => out.extend(dnssec::read_time(reader)?.to_be_bytes()),
        Field::Salt => dnssec::read_salt(reader, out)?,
        Field::Hash => dnssec::read_hash(reader, out)?,
        Field::Apl => apl::read(reader, out)?,
        Field::Loc => loc::read(reader, out)?,
        Field::Hip => keys::read_hip(reader, out)?,
        Field::Gateway => keys::read_gateway(reader, out)?,
        Field::Relay => keys::read_relay(reader, out)?,
        Field::Params => svcb::read(reader, out)?,
        Field::Services => historic::read_services(reader, out)?,
        Field::Bits => historic::read_bits(reader, out)?,
        Field::Suffix => historic::read_suffix(reader, out)?,
        Field::Atm => historic::read_atm(reader, out)?,
    }
    Ok(())
}

/// Appends octets behind their number, at most 255.
pub(super) fn counted(octets: &[u8], out: &mut Vec<u8>) {
    out.push(u8::try_from(octets.len()).unwrap_or(u8::MAX));
    out.extend(octets.iter().take(MAX_TEXT));
}

impl<'a> Reader<'a> {
    /// Over the tokens of `text` from a given one on.
    pub(crate) fn new(text: &'a [u8], tokens: &'a [Token], next: usize, origin: &'a Name) -> Self {
        Self { text, tokens, first: next, next, origin }
    }

    /// The next token, not taken.
    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).copied()
    }

    /// Takes a token.
    pub(super) fn token(&mut self) -> Result<Token, TextError> {
        let token = self.peek().ok_or_else(|| {
            let what = if self.next == self.first { "there is no data" } else { "the data ends too early" };
            TextError::new(self.place(), what)
        })?;
        self.next += 1;
        Ok(token)
    }

    /// Takes the next token if it is this word, unquoted.
    pub(super) fn take_word(&mut self, word: &[u8]) -> bool {
        let found = self.peek().is_some_and(|token| !token.quoted && self.raw(token) == word);
        self.next += usize::from(found);
        found
    }

    /// Where the next token begins, else where the last one ends.
    pub(super) fn place(&self) -> usize {
        match self.peek() {
            Some(token) => token.start,
            None => self.tokens.last().map_or(self.text.len(), |token| token.end),
        }
    }

    /// A token as written, its escapes kept.
    pub(super) fn raw(&self, token: Token) -> &'a [u8] {
        &self.text[token.start..token.end]
    }

    /// A token that should be plain text; octets that are no UTF-8 make it match nothing.
    pub(super) fn word(&self, token: Token) -> &'a str {
        std::str::from_utf8(self.raw(token)).unwrap_or("\u{fffd}")
    }

    /// Says that a token is something.
    pub(super) fn fault(&self, token: Token, is: &str) -> TextError {
        TextError::new(token.start, format!("`{}` {is}", shown(self.raw(token))))
    }

    /// A number that its type can hold.
    pub(super) fn number<N: Number>(&mut self) -> Result<N, TextError> {
        self.number_or(&[])
    }

    /// A number, or one of the words that stand for one.
    pub(super) fn number_or<N: Number>(&mut self, words: &[(&str, N)]) -> Result<N, TextError> {
        let token = self.token()?;
        let word = self.word(token);
        if let Some(&(_, number)) = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) {
            return Ok(number);
        }
        // The parsers of the standard library take a sign as well.
        if word.bytes().all(|b| b.is_ascii_digit())
            && let Ok(number) = word.parse()
        {
            return Ok(number);
        }
        Err(self.fault(token, &format!("is no number from 0 to {}", N::TOP)))
    }

    pub(super) fn period(&mut self) -> Result<u32, TextError> {
        let token = self.token()?;
        parse_period(self.raw(token))
            .ok_or_else(|| self.fault(token, "is no time: seconds, or numbers with w, d, h, m, s as in `1d12h`"))
    }

    pub(super) fn ipv4(&mut self) -> Result<Ipv4Addr, TextError> {
        let token = self.token()?;
        if let Some(address) = plain_ipv4(self.raw(token)) {
            return Ok(address);
        }
        self.word(token).parse().map_err(|_| match self.word(token).parse::<Ipv6Addr>() {
            Ok(_) => self.fault(token, "is an IPv6 address"),
            Err(_) => self.fault(token, "is no IPv4 address"),
        })
    }

    pub(super) fn ipv6(&mut self) -> Result<Ipv6Addr, TextError> {
        let token = self.token()?;
        self.word(token).parse().map_err(|_| match self.word(token).parse::<Ipv4Addr>() {
            Ok(_) => self.fault(token, "is an IPv4 address"),
            Err(_) => self.fault(token, "is no IPv6 address"),
        })
    }

    /// A name, made absolute.
    pub(super) fn name(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.token()?;
        Name::append(self.raw(token), self.origin, out)
            .map_err(|error| self.fault(token, &format!("is no name: {error}")))
    }

    /// Appends what a token stands for.
    pub(super) fn unescape(&self, token: Token, out: &mut Vec<u8>) -> Result<(), TextError> {
        if unescape(self.raw(token), out) {
            return Ok(());
        }
        Err(self.fault(token, "holds a `\\` before no number up to 255, or a quote that should be `\\\"`"))
    }

    /// A character-string.
    pub(super) fn text(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.token()?;
        let length = out.len();
        out.push(0);
        self.unescape(token, out)?;
        let octets = out.len() - length - 1;
        out[length] = u8::try_from(octets).map_err(|_| {
            self.fault(token, &format!("is {octets} octets long; a string holds up to {MAX_TEXT}: write several"))
        })?;
        Ok(())
    }

    /// Tokens to the end, joined: hex and base64 may be broken anywhere.
    fn rest(&mut self) -> Result<(Token, String), TextError> {
        let first = self.token()?;
        let mut joined = self.word(first).to_owned();
        while let Some(token) = self.peek() {
            self.next += 1;
            joined.push_str(self.word(token));
        }
        Ok((first, joined))
    }

    pub(super) fn rest_hex(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let (first, joined) = self.rest()?;
        out.extend(base16::decode_vec(&joined).map_err(|_| self.fault(first, "is no hex of whole octets"))?);
        Ok(())
    }

    pub(super) fn rest_base64(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let (first, joined) = self.rest()?;
        out.extend(self.base64(first, &joined)?);
        Ok(())
    }

    /// Base64 that stands at a token.
    pub(super) fn base64(&self, token: Token, text: &str) -> Result<Vec<u8>, TextError> {
        base64::decode(text).map_err(|_| self.fault(token, "is no base64 with its padding"))
    }

    /// `count` groups of `digits` hex digits.
    fn groups(&mut self, count: usize, digits: usize, joint: char, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.token()?;
        let word = self.word(token);
        let groups = || word.split(joint);
        // A locator's groups may drop zeros in front (RFC 6742 section 2.1.2); an EUI's may not.
        let short = if joint == ':' { 1 } else { digits };
        let sound =
            |group: &str| (short..=digits).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_hexdigit());
        if groups().count() != count || !groups().all(sound) {
            return Err(self.fault(token, &format!("is not {count} groups of {digits} hex digits joined by `{joint}`")));
        }
        for group in groups() {
            let value = u16::from_str_radix(group, 16).unwrap_or(0).to_be_bytes();
            out.extend(&value[2 - digits / 2..]);
        }
        Ok(())
    }

    fn nsap(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.token()?;
        let digits = self.word(token).strip_prefix("0x").or_else(|| self.word(token).strip_prefix("0X"));
        let octets = digits.and_then(|digits| base16::decode_vec(&digits.replace('.', "")).ok());
        out.extend(octets.filter(|o| !o.is_empty()).ok_or_else(|| self.fault(token, "is not `0x` and hex"))?);
        Ok(())
    }

    /// A mnemonic, `TYPE731`, or the number alone, as BIND writes unknown ones in signatures and NXT.
    pub(super) fn type_or_number(&mut self) -> Result<u16, TextError> {
        let token = self.peek();
        match self.record_type() {
            Ok(rtype) => Ok(rtype.0),
            Err(fault) => {
                let word = token.map(|token| self.word(token)).unwrap_or_default();
                let is_number = word.bytes().all(|digit| digit.is_ascii_digit());
                word.parse().ok().filter(|_| is_number).ok_or(fault)
            }
        }
    }

    /// A mnemonic or `TYPE731`.
    pub(super) fn record_type(&mut self) -> Result<RecordType, TextError> {
        let token = self.token()?;
        self.word(token).parse().map_err(|()| self.fault(token, "is no record type"))
    }
}

/// Unsigned numbers.
pub(super) trait Number: Copy + FromStr {
    /// The highest.
    const TOP: u64;
}

impl Number for u8 {
    const TOP: u64 = u8::MAX as u64;
}

impl Number for u16 {
    const TOP: u64 = u16::MAX as u64;
}

impl Number for u32 {
    const TOP: u64 = u32::MAX as u64;
}

impl Number for u64 {
    const TOP: u64 = u64::MAX;
}

/// Four numbers without zeros in front: what nearly every address is, and most of a large zone.
fn plain_ipv4(raw: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut rest = raw;
    for (at, octet) in octets.iter_mut().enumerate() {
        let mut value = 0u32;
        let mut digits = 0;
        while let [digit @ b'0'..=b'9', behind @ ..] = rest {
            if digits == 3 || (value == 0 && digits > 0) {
                return None;
            }
            value = value * 10 + u32::from(digit - b'0');
            digits += 1;
            rest = behind;
        }
        if digits == 0 {
            return None;
        }
        *octet = u8::try_from(value).ok()?;
        rest = match (rest, at) {
            ([b'.', behind @ ..], 0..=2) => behind,
            ([], 3) => rest,
            _ => return None,
        };
    }
    Some(octets.into())
}

/// Octets for a message: cut short, what is no text replaced.
pub(crate) fn shown(raw: &[u8]) -> String {
    // A character takes up to four octets; what is cut in its middle is cut off with the rest.
    let text = String::from_utf8_lossy(&raw[..raw.len().min(SHOWN * 4)]);
    let mut short: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > SHOWN {
        short.push('…');
    }
    short
}
