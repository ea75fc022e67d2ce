//! What `rhumb.toml` says of the server itself, with its defaults.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::TsigKey;
use super::transports::{ConnectionLimits, Encrypted, Proxies, Tls};
use crate::wire::cookie::Secrets;
use crate::world::Place;

/// `rhumb.toml`, with flags laid over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// The directory of zone files.
    pub zones: PathBuf,
    /// The directory of verdicts, switches and the last good configuration.
    pub state: PathBuf,
    /// UDP workers; 0 is one a core.
    pub workers: usize,
    /// Whether each worker stays on one processor.
    pub pin_workers: bool,
    /// Whether a datagram goes to the worker of the processor that received it.
    pub steer_by_cpu: bool,
    /// Octets of each UDP socket's receive buffer.
    pub receive_buffer: usize,
    /// Octets of each UDP socket's send buffer.
    pub send_buffer: usize,
    /// UDP and TCP addresses. Flags and file say them; the default is `127.0.0.1:5300` and `[::1]:5300`.
    pub dns: Vec<SocketAddr>,
    /// Whether `dns` is the built-in default, where a machine without IPv6 is served on IPv4 with a note.
    pub dns_is_default: bool,
    /// Where encrypted transports listen.
    pub encrypted: Encrypted,
    /// The path at which HTTPS is asked, beginning with `/`.
    pub https_path: String,
    /// Networks that speak for others by the PROXY protocol, and do so always.
    pub proxy_from: Proxies,
    /// What encrypted transports show.
    pub tls: Option<Tls>,
    /// Caps and times of connections.
    pub connections: ConnectionLimits,
    /// Where the admin API listens.
    pub admin: AdminAddress,
    /// The file that holds the admin token, for addresses other than loopback.
    pub admin_token_file: Option<PathBuf>,
    /// Which sockets answer.
    pub transport: Transport,
    /// Geo databases; earlier ones win field by field. The embedded world database comes after them all.
    pub databases: Vec<PathBuf>,
    /// Who decides the client's place (E1).
    pub prefer: Prefer,
    /// The place of a client that nothing knows.
    pub unknown: Option<Place>,
    /// The operator's own places, before any database; the longest prefix wins.
    pub networks: Vec<(IpNet, Place)>,
    /// Limits checked when a snapshot is compiled.
    pub limits: Limits,
    /// Whether a faulty file holds back all files or its own zone only.
    pub reload: ReloadUnit,
    /// Candidates of a latency or geoproximity node that make a region (architecture: Region); 1 to 16.
    pub depth: usize,
    /// Whether the records of an RRset change places from answer to answer (protocol 16).
    pub rotate: bool,
    /// Configured text for NSID, `id.server` and `hostname.bind`, if any.
    pub identity: Option<String>,
    /// TSIG keys.
    pub keys: Vec<TsigKey>,
    /// The files that their secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// Configured text for `version.bind` and `version.server`, if any.
    pub version: Option<String>,
    /// How fast datagrams may ask.
    pub rate_limit: RateLimit,
    /// What cookies are signed with.
    pub cookies: Cookies,
}

impl Default for Server {
    fn default() -> Self {
        let port = 5300;
        Self {
            zones: "zones".into(),
            state: "state".into(),
            workers: 0,
            pin_workers: false,
            steer_by_cpu: false,
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            dns: vec![SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))],
            dns_is_default: true,
            encrypted: Encrypted::default(),
            https_path: "/dns-query".into(),
            proxy_from: Proxies::new(),
            tls: None,
            connections: ConnectionLimits::default(),
            admin: AdminAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 8053))),
            admin_token_file: None,
            transport: Transport::Native,
            databases: Vec::new(),
            prefer: Prefer::Ecs,
            unknown: None,
            networks: Vec::new(),
            limits: Limits::default(),
            reload: ReloadUnit::All,
            depth: 4,
            rotate: true,
            identity: None,
            keys: Vec::new(),
            secret_files: Vec::new(),
            version: None,
            rate_limit: RateLimit::default(),
            cookies: Cookies::Drawn,
        }
    }
}

/// Where the admin API listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// A TCP address; loopback unless a token is set.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Which sockets answer queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// rhumb's own loops.
    Native,
    /// hickory-server's listeners, the portable transport.
    Hickory,
}

/// `rate_limit` (protocol 28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Queries a second that one address may ask, 1 to 1,000,000; `None` limits nobody.
    pub rate: Option<u32>,
    /// Who is never limited.
    pub exempt: Vec<IpNet>,
    /// Count what would be limited, and answer it.
    pub log_only: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        let v6 = Ipv6Net::from(Ipv6Addr::LOCALHOST);
        Self { rate: Some(500), exempt: vec![v4.into(), v6.into()], log_only: false }
    }
}

/// `cookies` (protocol 19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// There are none.
    Off,
    /// Signed with a secret that is drawn at each start.
    Drawn,
    /// Signed with secrets that servers share.
    Shared(Secrets),
}

/// `geoip.prefer` (E1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The client subnet option decides where there is one.
    Ecs,
    /// The sender decides always.
    Resolver,
}

/// `reload` in the server file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReloadUnit {
    /// All files or none.
    #[default]
    All,
    /// A zone and the shared files that it names.
    Zone,
}

/// Upper bounds of what one snapshot may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Regions of one map, at most 65,535.
    pub regions: usize,
    /// Geo maps.
    pub maps: usize,
    /// Bytes of all maps together.
    pub map_bytes: usize,
    /// Variants of one outcome.
    pub variants: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { regions: 65_534, maps: 256, map_bytes: 1 << 30, variants: 4096 }
    }
}
