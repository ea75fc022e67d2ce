//! Where the admin API is, as flags and clients write it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::model::AdminAddress;

/// Begins the address of a Unix socket.
const UNIX: &str = "unix:";

/// An [`AdminAddress`] that is read and written as text: `127.0.0.1:8053`, `[::1]:8053`, `unix:/run/rhumb/admin.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub AdminAddress);

impl Address {
    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        match &self.0 {
            AdminAddress::Tcp(address) => address.ip().to_canonical().is_loopback(),
            AdminAddress::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// The error says what was expected, in one clause.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "an admin address is ADDRESS:PORT or unix:/PATH".to_owned();
        if let Some(path) = text.strip_prefix(UNIX) {
            return if path.is_empty() { Err(expected()) } else { Ok(Self(AdminAddress::Unix(PathBuf::from(path)))) };
        }
        // `localhost` is an address of this machine by definition (RFC 6761 section 6.3): nothing is looked up.
        let numeric =
            text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        numeric.parse::<SocketAddr>().map(|address| Self(AdminAddress::Tcp(address))).map_err(|_| expected())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            AdminAddress::Tcp(address) => address.fmt(f),
            AdminAddress::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn addresses_round_trip() {
        for text in ["127.0.0.1:8053", "[::1]:8053", "unix:/run/rhumb/admin.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("localhost:8053".parse::<Address>().unwrap().to_string(), "127.0.0.1:8053");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "unix:", "8053", "127.0.0.1", "rhumb.example:8053"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_loopback_and_unix_sockets_are_local() {
        let is_local = |text: &str| text.parse::<Address>().unwrap().is_local();
        assert!(
            is_local("127.0.0.53:1") && is_local("[::1]:1") && is_local("unix:/x") && is_local("[::ffff:127.0.0.1]:1")
        );
        assert!(!is_local("0.0.0.0:1") && !is_local("[::]:1") && !is_local("192.0.2.1:1"));
    }
}
