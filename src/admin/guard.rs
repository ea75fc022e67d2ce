//! Who is let in: the rules that stand before every request.
//!
//! A page in somebody's browser can make that browser send requests to loopback, and by rebinding a name of its own
//! to 127.0.0.1 it could read the replies. Both show: such a request carries a Host that is not ours, or an Origin
//! that is not. A Unix socket is out of a browser's reach and guarded by its permissions.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};

use super::refusal::Refusal;
use super::token::Token;

/// Who sent a request, as far as the socket tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A TCP connection from there.
    Tcp(SocketAddr),
    /// A process of this user, as the kernel says.
    Unix {
        /// The user's number, where the system tells it.
        uid: Option<u32>,
    },
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid: Some(uid) } => write!(f, "uid {uid}"),
            Self::Unix { uid: None } => f.write_str("unix socket"),
        }
    }
}

/// What a request is held against.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// The TCP address that is bound; `None` for a Unix socket.
    pub(super) bound: Option<SocketAddr>,
    /// Asked of every TCP client when set.
    pub(super) token: Option<Token>,
}

impl Guard {
    /// Lets a request pass or says why not.
    pub(super) fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        self.admit_host(headers)?;
        self.admit_origin(headers)?;
        self.admit_token(headers)?;
        let changes = method != Method::GET && method != Method::HEAD;
        if changes && !is_json(headers) {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a change is sent as JSON",
                "send the header `Content-Type: application/json`",
            ));
        }
        Ok(())
    }

    fn admit_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(bound) = self.bound else { return Ok(()) };
        let host = single(headers, &HOST).and_then(|value| value.to_str().ok());
        if host.is_some_and(|host| is_ours(host, bound)) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "the Host header is not an address of this server",
            format!("ask for http://{bound}/ itself and not through another name"),
        ))
    }

    fn admit_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if !headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let text = |name| single(headers, name).and_then(|value| value.to_str().ok());
        let is_own = self.bound.is_some()
            && text(&ORIGIN)
                .and_then(|origin| origin.strip_prefix("http://"))
                .zip(text(&HOST))
                .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host));
        if is_own {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "the request comes from another site",
            "pages of other sites are not served",
        ))
    }

    fn admit_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let (Some(_), Some(token)) = (self.bound, &self.token) else { return Ok(()) };
        if single(headers, &AUTHORIZATION).is_some_and(|value| token.is_carried_by(value.as_bytes())) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "the admin token is missing or wrong",
            "give the server's token file with --token-file, or send `Authorization: Bearer TOKEN`",
        ))
    }
}

/// A header's value, if it is given exactly once: two of them may be read differently by two readers.
fn single<'a>(headers: &'a HeaderMap, name: &axum::http::HeaderName) -> Option<&'a axum::http::HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_json(headers: &HeaderMap) -> bool {
    single(headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    })
}

/// Whether a Host header names this server: by `localhost` or by address, never by a name that somebody else's DNS
/// could turn to us. A port, if given, has to be ours.
fn is_ours(host: &str, bound: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && (!name.contains(':') || name.ends_with(']')) => (name, Some(port)),
        _ => (host, None),
    };
    // Without a port a client means 80 (RFC 9110 section 4.2.1); some leave it out all the same, and it proves nothing.
    if port.is_some_and(|port| port.parse() != Ok(bound.port())) {
        return false;
    }
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let literal = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    literal.parse::<IpAddr>().is_ok_and(|address| {
        let (address, bound) = (address.to_canonical(), bound.ip().to_canonical());
        address.is_loopback() || address == bound || (bound.is_unspecified() && !address.is_unspecified())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use axum::http::HeaderName;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123";

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn on(bound: &str, token: Option<&str>) -> Guard {
        Guard { bound: Some(bound.parse().unwrap()), token: token.map(|t| Token::new(t).unwrap()) }
    }

    fn status(guard: &Guard, method: &Method, list: &[(HeaderName, &str)]) -> u16 {
        guard.admit(method, &headers(list)).map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    #[test]
    fn a_host_that_somebody_elses_dns_can_turn_to_us_is_refused() {
        let guard = on("127.0.0.1:8053", None);
        for ours in ["127.0.0.1:8053", "localhost:8053", "LOCALHOST", "[::1]:8053", "127.0.0.1"] {
            assert_eq!(status(&guard, &Method::GET, &[(HOST, ours)]), 200, "{ours}");
        }
        for others in ["rebound.example:8053", "127.0.0.1:80", "localhost.example", "192.0.2.1:8053", "", "[::1"] {
            assert_eq!(status(&guard, &Method::GET, &[(HOST, others)]), 403, "{others}");
        }
        assert_eq!(status(&guard, &Method::GET, &[]), 403, "no Host");
        assert_eq!(status(&guard, &Method::GET, &[(HOST, "localhost"), (HOST, "localhost")]), 403, "two of them");
    }

    #[test]
    fn a_server_on_every_address_is_asked_for_by_any_address_and_no_name() {
        let guard = on("0.0.0.0:8053", None);
        assert_eq!(status(&guard, &Method::GET, &[(HOST, "192.0.2.1:8053")]), 200);
        assert_eq!(status(&guard, &Method::GET, &[(HOST, "rebound.example:8053")]), 403);
    }

    #[test]
    fn any_origin_but_our_own_is_refused() {
        let guard = on("127.0.0.1:8053", None);
        let with = |origin| status(&guard, &Method::GET, &[(HOST, "127.0.0.1:8053"), (ORIGIN, origin)]);
        assert_eq!(with("http://127.0.0.1:8053"), 200);
        for other in
            ["http://evil.example", "null", "https://127.0.0.1:8053", "http://localhost:8053", "http://127.0.0.1"]
        {
            assert_eq!(with(other), 403, "{other}");
        }
        let unix = Guard { bound: None, token: None };
        assert_eq!(status(&unix, &Method::GET, &[(ORIGIN, "http://rhumb")]), 403, "no page lives on a Unix socket");
        assert_eq!(status(&unix, &Method::GET, &[]), 200);
    }

    #[test]
    fn a_set_token_is_asked_of_readers_too() {
        let guard = on("192.0.2.1:8053", Some(SECRET));
        let host = (HOST, "192.0.2.1:8053");
        assert_eq!(status(&guard, &Method::GET, std::slice::from_ref(&host)), 401);
        let right = format!("Bearer {SECRET}");
        assert_eq!(status(&guard, &Method::GET, &[host.clone(), (AUTHORIZATION, &right)]), 200);
        assert_eq!(status(&guard, &Method::GET, &[host, (AUTHORIZATION, "Bearer 0123456789abcdef0124")]), 401);
    }

    #[test]
    fn a_change_that_a_form_could_send_is_refused() {
        let guard = on("127.0.0.1:8053", None);
        let host = (HOST, "127.0.0.1:8053");
        assert_eq!(status(&guard, &Method::POST, &[host.clone(), (CONTENT_TYPE, "text/plain")]), 415);
        assert_eq!(status(&guard, &Method::POST, std::slice::from_ref(&host)), 415);
        assert_eq!(status(&guard, &Method::POST, &[host, (CONTENT_TYPE, "application/json; charset=utf-8")]), 200);
    }
}
