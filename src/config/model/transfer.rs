//! Who may copy a zone, who is told of its changes, and the keys that servers sign with.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::wire::Name;

/// `[transfer]` of a zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transfer {
    /// Who may copy the zone: one entry that holds is enough.
    pub to: Vec<Allowed>,
    /// Who is told when it changes.
    pub notify: Vec<Notified>,
}

impl Transfer {
    /// Whether it lets in anybody at all, or has somebody told.
    pub fn is_of_use(&self) -> bool {
        !self.to.is_empty() || !self.notify.is_empty()
    }
}

/// Who may copy a zone; all that is given must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    /// Where they ask from.
    pub from: Option<IpNet>,
    /// The key that they sign with.
    pub key: Option<Name>,
}

impl Allowed {
    /// Whether it lets in who asks from an address, IPv4 inside IPv6 unwrapped, with this key.
    pub fn allows(&self, address: IpAddr, key: Option<&Name>) -> bool {
        self.from.is_none_or(|net| net.contains(&address)) && self.key.as_ref().is_none_or(|own| Some(own) == key)
    }
}

/// A server that is told when a zone changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Notified {
    /// Where it listens.
    pub to: SocketAddr,
    /// The key that it is told with.
    pub key: Option<Name>,
}

/// A TSIG key (RFC 8945).
#[derive(Clone, Debug, PartialEq)]
pub struct TsigKey {
    /// Its name, as both sides write it.
    pub name: Name,
    /// How it signs.
    pub algorithm: TsigAlgorithm,
    /// What it signs with.
    pub secret: Secret,
}

/// How a key signs: SHA-256 and stronger (RFC 8945 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// hmac-sha256.
    Sha256,
    /// hmac-sha384.
    Sha384,
    /// hmac-sha512.
    Sha512,
}

impl TsigAlgorithm {
    /// The name that stands for it in messages, in wire form.
    pub fn name(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"\x0bhmac-sha256\0",
            Self::Sha384 => b"\x0bhmac-sha384\0",
            Self::Sha512 => b"\x0bhmac-sha512\0",
        }
    }
}

/// Octets that no log and no message may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Of these octets.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }

    /// To sign with.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
