//! Parameters of SVCB and HTTPS (RFC 9460 sections 2.1, 2.2, 7, 8 and appendix A; `docpath` is of RFC 9953).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::read::{Reader, counted};
use super::token::{quote, unescape};
use super::write::{Unwritten, Wire, put};
use super::{MAX_TEXT, TextError, Token};
use domain::utils::base64;

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;
const GROUPS: u16 = 9;
const DOCPATH: u16 = 10;
const PVD: u16 = 11;

/// The keys that have a form of their own (IANA "DNS SVCB Service Parameter Keys"); others are written `key667`.
const KEYS: [(u16, &str); 12] = [
    (MANDATORY, "mandatory"),
    (ALPN, "alpn"),
    (NO_DEFAULT_ALPN, "no-default-alpn"),
    (PORT, "port"),
    (IPV4HINT, "ipv4hint"),
    (ECH, "ech"),
    (IPV6HINT, "ipv6hint"),
    (DOHPATH, "dohpath"),
    (OHTTP, "ohttp"),
    (GROUPS, "tls-supported-groups"),
    (DOCPATH, "docpath"),
    (PVD, "pvd"),
];

fn key_number(text: &str) -> Option<u16> {
    if let Some(&(number, _)) = KEYS.iter().find(|(_, name)| *name == text) {
        return Some(number);
    }
    let digits = text.strip_prefix("key")?;
    let canonical = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
    // 65535 is the invalid key (section 14.3.2).
    canonical.then(|| digits.parse().ok())?.filter(|&number| number != u16::MAX)
}

fn key_text(number: u16) -> String {
    KEYS.iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| format!("key{number}"), |(_, name)| (*name).to_owned())
}

/// Reads parameters to the end, in any order; they are written in ascending order.
pub(super) fn read(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut params: Vec<(u16, Vec<u8>, Token)> = Vec::new();
    let start = reader.place();
    while reader.peek().is_some() {
        let token = reader.token()?;
        let (key, value) = param(reader, token)?;
        params.push((key, value, token));
    }
    params.sort_by_key(|(key, ..)| *key);
    for pair in params.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(reader.fault(pair[1].2, &format!("gives {} again", key_text(pair[1].0))));
        }
    }
    let values: Vec<_> = params.iter().map(|(key, value, _)| (*key, &value[..])).collect();
    check(&values).map_err(|message| TextError::new(start, message))?;
    for (key, value, token) in &params {
        let length = u16::try_from(value.len()).map_err(|_| reader.fault(*token, "is longer than 65535 octets"))?;
        out.extend(key.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(value);
    }
    Ok(())
}

fn param(reader: &Reader<'_>, token: Token) -> Result<(u16, Vec<u8>), TextError> {
    let raw = reader.raw(token);
    let (key, written) = match raw.iter().position(|&b| b == b'=') {
        Some(at) => (&raw[..at], Some(&raw[at + 1..])),
        None => (raw, None),
    };
    if token.quoted {
        return Err(reader.fault(token, "stands in quotes; only the value may, as in `alpn=\"h2,h3\"`"));
    }
    let number = std::str::from_utf8(key).ok().and_then(key_number);
    let number = number.ok_or_else(|| reader.fault(token, "is no parameter: names like alpn and port, or key667"))?;
    let inner = written.map(|value| match value {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    });
    let mut text = Vec::new();
    if !unescape(inner.unwrap_or_default(), &mut text) {
        return Err(reader.fault(token, "holds a `\\` before no number up to 255, or a quote out of place"));
    }
    // A key written by its number takes its value as it goes on the wire (section 2.1).
    let value = if key.starts_with(b"key") { is_sound(number, &text).then_some(text) } else { value(number, &text) };
    match value {
        Some(value) => Ok((number, value)),
        None => {
            Err(reader.fault(token, &format!("has a value that {} cannot have: {}", key_text(number), form(number))))
        }
    }
}

/// What a key's value looks like, for messages.
fn form(key: u16) -> &'static str {
    match key {
        MANDATORY => "it lists keys, as in `mandatory=alpn,port`",
        ALPN => "it lists protocols, as in `alpn=h2,h3`",
        NO_DEFAULT_ALPN | OHTTP | PVD => "it takes none",
        PORT => "it is a number up to 65535, as in `port=8443`",
        IPV4HINT => "it lists IPv4 addresses, as in `ipv4hint=192.0.2.1,192.0.2.2`",
        ECH => "it is base64",
        IPV6HINT => "it lists IPv6 addresses, as in `ipv6hint=2001:db8::1`",
        DOHPATH => "it is a path, as in `dohpath=/dns-query{?dns}`",
        DOCPATH => "it lists the segments of a path, as in `docpath=dns,query`, none for the root",
        GROUPS => "it lists numbers, as in `tls-supported-groups=29,23`",
        _ => "it is text",
    }
}

/// The wire form of a value whose escapes are resolved; `None` if its key cannot have it.
fn value(key: u16, text: &[u8]) -> Option<Vec<u8>> {
    let word = || std::str::from_utf8(text).ok();
    let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u16>().ok())?;
    let mut out = Vec::new();
    match key {
        MANDATORY => {
            let mut keys = word()?.split(',').map(key_number).collect::<Option<Vec<_>>>()?;
            keys.sort_unstable();
            out.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
        }
        DOCPATH if text.is_empty() => {}
        ALPN | DOCPATH => {
            for id in list(text)? {
                if id.is_empty() || id.len() > MAX_TEXT {
                    return None;
                }
                counted(&id, &mut out);
            }
        }
        PORT => out.extend(number(word()?)?.to_be_bytes()),
        IPV4HINT => {
            for address in word()?.split(',') {
                out.extend(address.parse::<Ipv4Addr>().ok()?.octets());
            }
        }
        ECH => out = base64::decode(word()?).ok()?,
        IPV6HINT => {
            for address in word()?.split(',') {
                out.extend(address.parse::<Ipv6Addr>().ok()?.octets());
            }
        }
        GROUPS => {
            for group in word()?.split(',') {
                out.extend(number(group)?.to_be_bytes());
            }
        }
        _ => out.extend_from_slice(text),
    }
    is_sound(key, &out).then_some(out)
}

/// A list whose items hold `,` and `\` behind a `\` (appendix A.1).
fn list(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = vec![Vec::new()];
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b',' => items.push(Vec::new()),
            b'\\' => {
                let escaped = bytes.next().filter(|b| matches!(b, b',' | b'\\'))?;
                items.last_mut()?.push(*escaped);
            }
            _ => items.last_mut()?.push(byte),
        }
    }
    Some(items)
}

/// Whether octets have the shape of a key's value.
fn is_sound(key: u16, value: &[u8]) -> bool {
    match key {
        MANDATORY => {
            let (keys, rest) = value.as_chunks::<2>();
            !keys.is_empty() && rest.is_empty() && keys[0] != [0, 0] && keys.is_sorted_by(|a, b| a < b)
        }
        ALPN | DOCPATH => {
            let mut wire = Wire::new(value);
            while !wire.is_empty() {
                if wire.counted().map_or(true, <[u8]>::is_empty) {
                    return false;
                }
            }
            key == DOCPATH || !value.is_empty()
        }
        NO_DEFAULT_ALPN | OHTTP | PVD => value.is_empty(),
        PORT => value.len() == 2,
        IPV4HINT => !value.is_empty() && value.len().is_multiple_of(4),
        IPV6HINT => !value.is_empty() && value.len().is_multiple_of(16),
        GROUPS => !value.is_empty() && value.len().is_multiple_of(2),
        ECH => !value.is_empty(),
        DOHPATH => !value.is_empty() && std::str::from_utf8(value).is_ok(),
        _ => true,
    }
}

/// What parameters, in ascending order, must hold together: mandatory ones are there (section 8), and no-default-alpn goes with alpn
/// (section 7.1.1).
fn check(params: &[(u16, &[u8])]) -> Result<(), String> {
    let has = |key: u16| params.binary_search_by_key(&key, |&(other, _)| other).is_ok();
    if let Some((MANDATORY, value)) = params.first() {
        for &key in value.as_chunks::<2>().0 {
            let key = u16::from_be_bytes(key);
            if !has(key) {
                return Err(format!("mandatory names {0}, but there is no {0}", key_text(key)));
            }
        }
    }
    if has(NO_DEFAULT_ALPN) && !has(ALPN) {
        return Err("no-default-alpn needs alpn beside it".to_owned());
    }
    Ok(())
}

/// The value of `dohpath` among well-formed parameters.
pub(super) fn dohpath<'a>(mut params: Wire<'a>) -> Option<&'a [u8]> {
    while !params.is_empty() {
        let key = params.u16().ok()?;
        let length = params.u16().ok()?;
        let value = params.take(usize::from(length)).ok()?;
        if key == DOHPATH {
            return Some(value);
        }
    }
    None
}

/// Writes parameters to the end of the data.
pub(super) fn write(wire: &mut Wire<'_>, out: &mut String) -> Result<(), Unwritten> {
    let mut params = Vec::new();
    let mut blank = "";
    while !wire.is_empty() {
        let key = wire.u16()?;
        let length = wire.u16()?;
        let value = wire.take(usize::from(length))?;
        let ascends = params.last().is_none_or(|&(last, _)| last < key);
        if !ascends || key == u16::MAX || !is_sound(key, value) {
            return Err(Unwritten::Malformed);
        }
        put(out, format_args!("{blank}{}", key_text(key)));
        write_value(key, value, out);
        params.push((key, value));
        blank = " ";
    }
    check(&params).map_err(|_| Unwritten::Malformed)
}

/// Writes a sound value and its `=`.
fn write_value(key: u16, value: &[u8], out: &mut String) {
    if value.is_empty() {
        return;
    }
    out.push('=');
    let pairs = || value.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
    let joined = |items: Vec<String>| items.join(",");
    match key {
        MANDATORY => out.push_str(&joined(pairs().map(key_text).collect())),
        PORT | GROUPS => out.push_str(&joined(pairs().map(|number| number.to_string()).collect())),
        IPV4HINT => {
            let addresses = value.as_chunks::<4>().0.iter();
            out.push_str(&joined(addresses.map(|octets| Ipv4Addr::from(*octets).to_string()).collect()));
        }
        IPV6HINT => {
            let addresses = value.as_chunks::<16>().0.iter();
            out.push_str(&joined(addresses.map(|octets| Ipv6Addr::from(*octets).to_string()).collect()));
        }
        ECH => out.push_str(&base64::encode_string(value)),
        ALPN | DOCPATH => {
            let mut text = Vec::new();
            let mut ids = Wire::new(value);
            while let Ok(id) = ids.counted() {
                if !text.is_empty() {
                    text.push(b',');
                }
                for &byte in id {
                    if matches!(byte, b',' | b'\\') {
                        text.push(b'\\');
                    }
                    text.push(byte);
                }
            }
            quote(&text, out);
        }
        _ => quote(value, out),
    }
}
