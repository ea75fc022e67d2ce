//! Zones that hold more than their files say: what is transferred from primaries, what updates have changed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Zone;
use crate::wire::{Name, NameRef, RecordType};

/// A zone whose files are not all of it. What it holds beside them is its [`Content`](crate::config::Content), and
/// [`complete`](crate::config::complete) puts the two together.
#[derive(Clone, Debug, PartialEq)]
pub struct Ground {
    /// What the files alone say. Of a secondary zone, that is what is laid over the primary's records, and the SOA
    /// means nothing.
    pub zone: Zone,
    /// Where the rest comes from.
    pub origin: Origin,
    /// For each steered name, the types that its route answers, ascending.
    pub answered: Vec<Vec<RecordType>>,
}

/// Where the content of a zone comes from that its files do not say.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// From these servers, the first that answers (protocol 26).
    Primaries(Vec<Primary>),
    /// From those who may change it (protocol 27).
    Updates(Vec<Grant>),
}

/// When the content of a secondary zone is no longer served, unless a primary is reached: seconds since 1970 UTC. It moves
/// on while the content stays the same, for all who hold it.
#[derive(Clone, Debug, Default)]
pub struct Expiry(Arc<AtomicU64>);

impl Expiry {
    /// When it is, for now.
    fn at(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Seconds from `now`, seconds since 1970 UTC, until then (RFC 7314 section 3).
    pub fn left(&self, now: u64) -> u32 {
        u32::try_from(self.at().saturating_sub(now)).unwrap_or(u32::MAX)
    }

    /// Moves it.
    pub fn set(&self, at: u64) {
        self.0.store(at, Ordering::Relaxed);
    }
}

/// The same one, whatever it says.
impl PartialEq for Expiry {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A server that a secondary zone is transferred from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Primary {
    /// Where it answers.
    pub address: SocketAddr,
    /// The TSIG key that queries to it are signed with, and its NOTIFY.
    pub key: Option<Name>,
}

/// What the holder of a key may change in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The TSIG key.
    pub key: Name,
    /// At and below these names; empty: in the whole zone.
    pub names: Vec<Name>,
    /// These types; empty: all.
    pub types: Vec<RecordType>,
}

impl Ground {
    /// The primaries of a secondary zone.
    pub fn primaries(&self) -> Option<&[Primary]> {
        match &self.origin {
            Origin::Primaries(primaries) => Some(primaries),
            Origin::Updates(_) => None,
        }
    }

    /// The steered names, and the types that the route of each one answers.
    pub fn answered_names(&self) -> HashMap<NameRef<'_>, &[RecordType]> {
        let names = self.zone.steered.iter().map(|steered| steered.owner.view());
        names.zip(self.answered.iter().map(|types| &types[..])).collect()
    }
}

impl Grant {
    /// Whether it covers records of a type at a name.
    pub fn covers(&self, name: NameRef<'_>, rtype: RecordType) -> bool {
        self.covers_name(name) && (self.types.is_empty() || self.types.contains(&rtype))
    }

    /// Whether it covers some records at a name.
    pub fn covers_name(&self, name: NameRef<'_>) -> bool {
        self.names.is_empty() || self.names.iter().any(|granted| name.is_within(granted.view()))
    }
}
