//! Requests of DNS over HTTPS, and how long what is answered may be kept.
//!
//! The input: how, and then the target, the content type and the content length of a request, with an octet of ones
//! between; or a message, which a request is made of.

use http::{Method, Request, StatusCode};
use rhumb::net::http::{Asked, asked};
use rhumb::wire::RecordType;
use rhumb::wire::freshness::freshness;

use super::served::served;
use crate::harness::{Ask, Reply};

const PATH: &str = "/dns-query";
/// Bits of how: which method; the request is made of a message.
const METHOD: u8 = 3;
const MESSAGE: u8 = 4;

/// A request asks what a plain reading of RFC 8484 section 4.1 says, or is refused with the status that it says.
pub fn https(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    if how & MESSAGE != 0 {
        let target = format!("{PATH}?dns={}", encoded(rest));
        assert_eq!(target.len(), PATH.len() + 5 + (rest.len() * 4).div_ceil(3));
        if let Ok(head) = Request::get(target).body(()) {
            assert_eq!(asked(&head.into_parts().0, PATH), Ok(Asked::Here(rest.to_vec())));
        }
        kept(rest);
        return;
    }
    let method = [Method::GET, Method::POST, Method::HEAD, Method::PUT][usize::from(how & METHOD)].clone();
    let mut parts = rest.split(|&octet| octet == 0xff);
    let mut request = Request::builder().method(method.clone()).uri(parts.next().unwrap_or_default());
    for name in ["content-type", "content-length"] {
        if let Some(value) = parts.next() {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else { return };
    let head = request.into_parts().0;
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let expected = plain(&method, head.uri.path(), head.uri.query(), header("content-type"), header("content-length"));
    assert_eq!(asked(&head, PATH), expected, "{head:?}");
    if let Ok(Asked::Here(message)) = expected {
        kept(&message);
    }
}

fn plain(
    method: &Method,
    path: &str,
    query: Option<&str>,
    content_type: Option<&str>,
    content_length: Option<&str>,
) -> Result<Asked, StatusCode> {
    if path != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    if method == Method::GET {
        let values: Vec<&str> =
            query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.strip_prefix("dns=")).collect();
        let [value] = values[..] else { return Err(StatusCode::BAD_REQUEST) };
        return decoded(value).map(Asked::Here).ok_or(StatusCode::BAD_REQUEST);
    }
    if method != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let media = content_type.map(|value| value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase());
    if media.as_deref() != Some("application/dns-message") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    match content_length.and_then(|length| length.parse::<u64>().ok()) {
        Some(65_536..) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        _ => Ok(Asked::InBody),
    }
}

/// RFC 4648 section 5, bit by bit; what is left over is zero (section 3.5).
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bits = Vec::new();
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let whole = bits.len() / 8 * 8;
    let is_over = bits[whole..].len() >= 6 || bits[whole..].contains(&1);
    let octet = |bits: &[u8]| bits.iter().fold(0, |octet, bit| octet << 1 | bit);
    (!is_over).then(|| bits[..whole].chunks(8).map(octet).collect())
}

fn encoded(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)).collect();
    let letter = |six: &[u8]| {
        let value = six.iter().fold(0, |value, bit| value << 1 | bit) << (6 - six.len());
        char::from(LETTERS[usize::from(value)])
    };
    bits.chunks(6).map(letter).collect()
}

/// RFC 8484 section 5.1: no longer than the shortest TTL of the answer; a negative one as RFC 2308 section 5 says.
fn kept(message: &[u8]) {
    let ask = Ask { carrier: rhumb::answer::Carrier::Encrypted, ..Ask::a("ignored.") };
    let Some(bytes) = served().raw(message, &ask) else { return };
    let reply = Reply::read(&bytes);
    let is_answer = matches!(reply.bytes[3] & 0xf, 0 | 3) && !reply.tc;
    let is_referral = reply.answer.is_empty();
    let ttls = reply.answer.iter().map(|record| record.ttl);
    let others = reply.authority.iter().filter_map(|record| match record.rtype {
        RecordType::SOA => Some(record.ttl.min(record.soa_minimum())),
        RecordType::NS if is_referral => Some(record.ttl),
        _ => None,
    });
    let expected = ttls.chain(others).min().filter(|_| is_answer).unwrap_or(0);
    assert_eq!(freshness(&bytes), expected, "{reply:?}");
}
