//! DNS over HTTPS (RFC 8484), whichever HTTP brings it: what a request asks, and what is answered.

use std::io;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode, request};

use super::aside::Replies;
use super::counters::Counters;
use super::service::{MESSAGE_MAX, Outcome, PREFIX, Service, framed_reply};
use crate::answer::Peer;
use crate::wire::freshness::freshness;

const DNS_MESSAGE: &str = "application/dns-message";
/// The variable of a GET (RFC 8484 section 4.1).
const VARIABLE: &str = "dns=";

/// Where the message of a request is.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// In the path of a GET.
    Here(Vec<u8>),
    /// In the body of a POST.
    InBody,
}

/// What a request asks, by its head.
///
/// # Errors
/// The status that refuses it.
pub fn asked(head: &request::Parts, path: &str) -> Result<Asked, StatusCode> {
    if head.uri.path() != path {
        return Err(StatusCode::NOT_FOUND);
    }
    match head.method {
        Method::GET => {
            let variables = head.uri.query().unwrap_or_default().split('&');
            let mut messages = variables.filter_map(|variable| variable.strip_prefix(VARIABLE));
            let (Some(message), None) = (messages.next(), messages.next()) else { return Err(StatusCode::BAD_REQUEST) };
            // Padding is left out (RFC 8484 section 6), and taken from those that do not.
            let message = BASE64URL_NOPAD.decode(message.trim_end_matches('=').as_bytes());
            message.map(Asked::Here).map_err(|_| StatusCode::BAD_REQUEST)
        }
        Method::POST => {
            let of_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let is_message = of_type.is_some_and(|value| {
                value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(DNS_MESSAGE)
            });
            if !is_message {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            if length.is_some_and(|length| length > MESSAGE_MAX as u64) {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            Ok(Asked::InBody)
        }
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// The response to a message, which has one reply or is refused: transfers in several messages are for streams. What
/// the engine drops is no message.
pub(super) async fn respond(
    service: &impl Service,
    counters: &Counters,
    message: &[u8],
    peer: Peer,
    draw: u64,
) -> Response<Bytes> {
    match framed_reply(service, counters, message, peer, draw) {
        Outcome::Reply(framed) => answer(Bytes::from(framed).slice(PREFIX..)),
        Outcome::Aside => {
            let Some(aside) = service.aside() else { return refusal(StatusCode::NOT_IMPLEMENTED) };
            let mut only = Only(None);
            match (aside.answer(message.to_vec(), peer, &mut only).await, only.0) {
                (Ok(()), Some(reply)) => answer(reply),
                (Ok(()), None) => refusal(StatusCode::BAD_REQUEST),
                (Err(_), _) => refusal(StatusCode::NOT_IMPLEMENTED),
            }
        }
        Outcome::Dropped => refusal(StatusCode::BAD_REQUEST),
    }
}

/// The one reply that a response has room for.
struct Only(Option<Bytes>);

#[async_trait::async_trait]
impl Replies for Only {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self.0.replace(Bytes::copy_from_slice(message)) {
            None => Ok(()),
            Some(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Answers depend on who asks, so that nobody may keep one for others.
fn answer(reply: Bytes) -> Response<Bytes> {
    let cached = format!("private, max-age={}", freshness(&reply));
    let mut response = Response::new(reply);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(DNS_MESSAGE));
    if let Ok(cached) = HeaderValue::from_str(&cached) {
        headers.insert(CACHE_CONTROL, cached);
    }
    response
}

/// A response without a message.
pub(super) fn refusal(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use http::Request;

    use super::*;

    fn asks(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Asked, StatusCode> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        asked(&request.body(()).unwrap().into_parts().0, "/dns-query")
    }

    const POSTED: (&str, &str) = ("content-type", DNS_MESSAGE);

    #[test]
    fn p22_a_get_brings_its_message_in_the_variable_dns() {
        // The first example of RFC 8484 section 4.1.1.
        let asked = asks("GET", "/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB", &[]).unwrap();
        let expected = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01";
        assert_eq!(asked, Asked::Here(expected.to_vec()));
        assert_eq!(asks("GET", "/dns-query?x=1&dns=_-8&y", &[]), Ok(Asked::Here(vec![0xff, 0xef])));
        assert_eq!(asks("GET", "/dns-query?dns=_-8=", &[]), Ok(Asked::Here(vec![0xff, 0xef])));
    }

    #[test]
    fn p22_what_is_wrong_with_a_request_is_told_by_its_status() {
        for (method, uri, headers, status) in [
            ("GET", "/", &[][..], 404),
            ("GET", "/dns-query/", &[], 404),
            ("GET", "/dns-query", &[], 400),
            ("GET", "/dns-query?dns=AAA&dns=AAA", &[], 400),
            ("GET", "/dns-query?dns=+/8", &[], 400),
            ("GET", "/dns-query?dns=A", &[], 400),
            ("PUT", "/dns-query", &[POSTED], 405),
            ("HEAD", "/dns-query?dns=AAAA", &[], 405),
            ("POST", "/dns-query", &[], 415),
            ("POST", "/dns-query", &[("content-type", "application/dns-json")], 415),
            ("POST", "/dns-query", &[POSTED, ("content-length", "65536")], 413),
        ] {
            assert_eq!(asks(method, uri, headers).unwrap_err().as_u16(), status, "{method} {uri} {headers:?}");
        }
        assert_eq!(asks("POST", "/dns-query", &[POSTED, ("content-length", "65535")]), Ok(Asked::InBody));
        assert_eq!(asks("POST", "/dns-query", &[("content-type", "Application/DNS-Message; x=y")]), Ok(Asked::InBody));
        assert_eq!(refusal(StatusCode::METHOD_NOT_ALLOWED).headers()[ALLOW], "GET, POST");
    }
}
