//! STUB. The engine: bytes in, bytes out.

use std::net::IpAddr;

use crate::snapshot::Snapshot;

/// What the transport knows of a query.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The sender's address, IPv4-mapped ones unwrapped by the engine (E7).
    pub address: IpAddr,
    /// Whether replies are limited to a datagram.
    pub datagram: bool,
}

/// Writes the reply to `query` into `out` and returns its length; `None` drops the query. `draw` is 64 uniformly
/// random bits. `out` holds at least 512 octets (65,535 for streams); neither allocates nor blocks nor fails.
pub fn answer(_snapshot: &Snapshot, _query: &[u8], _peer: Peer, _draw: u64, _out: &mut [u8]) -> Option<usize> {
    None
}
