//! What `rhumb.toml` says of encrypted transports, of proxies, and of the limits of connections.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::certificate::Identity;

/// Where encrypted transports listen, each on addresses of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encrypted {
    /// DNS over TLS (RFC 7858).
    pub tls: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484), HTTP/1.1 and HTTP/2.
    pub https: Vec<SocketAddr>,
    /// DNS over QUIC (RFC 9250), UDP.
    pub quic: Vec<SocketAddr>,
    /// DNS over HTTPS, HTTP/3, UDP.
    pub http3: Vec<SocketAddr>,
}

impl Encrypted {
    /// Each transport's key and its addresses.
    pub fn by_key(&self) -> [(&'static str, &[SocketAddr]); 4] {
        [("tls", &self.tls), ("https", &self.https), ("quic", &self.quic), ("http3", &self.http3)]
    }

    /// For a server that is tried out: ports of loopback that need no right.
    pub fn first_try() -> Self {
        let loopback = |port| vec![SocketAddr::from(([127, 0, 0, 1], port))];
        Self { tls: loopback(8853), https: loopback(8443), quic: loopback(8853), http3: loopback(8443) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key().iter().all(|(_, addresses)| addresses.is_empty())
    }
}

/// `[tls]`: what encrypted transports show.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// The files of the certificate and of its key; none of one that the server made for itself.
    pub files: Option<(PathBuf, PathBuf)>,
    /// What they hold. Absent when they cannot be used at a restart of a server that has served before: its encrypted
    /// transports wait for them, and the others do not (reliability 4).
    pub identity: Option<Identity>,
}

/// Who may say by the PROXY protocol whom it speaks for.
pub type Proxies = Vec<IpNet>;

/// Caps and times of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once, of all transports together, each a descriptor but for QUIC's.
    pub total: usize,
    /// Of them, by one IPv4 address or IPv6 /64.
    pub per_client: usize,
    /// How long a connection may be silent between messages (RFC 7766 section 6.2.3). A quarter of it counts when more
    /// than half of `total` are open.
    pub idle: Duration,
    /// From the first octet of a message to its last, and for a reply to be taken.
    pub message: Duration,
    /// For a handshake from its first octet to its last.
    pub handshake: Duration,
    /// Handshakes under way at once.
    pub handshakes: usize,
    /// Requests under way at once on one connection of HTTP/2, HTTP/3 or QUIC.
    pub requests: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 10_000,
            per_client: 100,
            idle: Duration::from_secs(10),
            message: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            handshakes: 1000,
            requests: 100,
        }
    }
}
