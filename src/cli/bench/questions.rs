//! Questions that the served zones answer, by kind; the same on every run.

use std::net::{IpAddr, Ipv4Addr};

use crate::answer::{Carrier, Peer, Query, answer_in_place};
use crate::config::Model;
use crate::net::load::Queries;
use crate::snapshot::Snapshot;
use crate::wire::{Name, RecordType};

/// Owners of one kind at most: enough that no cache holds them all.
const OWNERS: usize = 200_000;
/// Networks that are routed: from 1.0.0.0/24 to 223.255.255.0/24.
const NETWORKS: std::ops::Range<u64> = 0x1_0000..0xe0_0000;
/// Octets of a buffer for a reply.
pub(super) const ROOM: usize = 2048;
/// How a reply is looked at: its code's octet, and the two of how many answers it has.
const RCODE: usize = 3;
const ANSWERS: std::ops::Range<usize> = 6..8;
const NXDOMAIN: u8 = 3;
/// Attempts to find a name that there is not.
const TRIES: u64 = 16;

/// What to ask about: owner and type of what the engine answers with records.
#[derive(Debug, Default)]
pub(super) struct Questions {
    plain: Vec<(Name, RecordType)>,
    /// Without their asterisk.
    wildcards: Vec<(Name, RecordType)>,
    steered: Vec<(Name, RecordType)>,
    /// Zones where a name that nobody wrote does not exist.
    apexes: Vec<Name>,
}

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name with plain records.
    Plain,
    /// A name that a plain wildcard covers.
    Wildcard,
    /// A name that does not exist.
    Missing,
    /// A steered name, with a client subnet.
    Steered,
}

/// Where a client may stand who asks the engine itself.
pub(super) const PEER: Peer = Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Carrier::Datagram);

impl Questions {
    /// Those of all zones; each was asked once.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let model: &Model = &snapshot.inputs.model;
        let mut questions = Self::default();
        let all: usize = model.zones.iter().map(|zone| zone.records.len()).sum();
        let records = model.zones.iter().flat_map(|zone| zone.records.iter());
        for rrset in records.step_by(all.div_ceil(OWNERS).max(1)) {
            questions.add_plain(snapshot, &rrset.owner.to_name(), rrset.rtype);
        }
        for steered in model.zones.iter().flat_map(|zone| &zone.steered).filter(|s| !s.owner.is_wildcard()) {
            // Which types an endpoint has is known to the engine as well as to anybody.
            let types = [RecordType::A, RecordType::AAAA, RecordType::CNAME];
            let rtype = types.into_iter().find(|&rtype| is_answered(snapshot, &steered.owner, rtype));
            questions.steered.extend(rtype.map(|rtype| (steered.owner.clone(), rtype)));
        }
        questions.apexes = model
            .zones
            .iter()
            .map(|zone| zone.apex.clone())
            .filter(|apex| {
                let missing = (0..TRIES).find_map(|n| below(spread(n), apex));
                missing.is_some_and(|name| reply(snapshot, &name, RecordType::A)[RCODE] & 15 == NXDOMAIN)
            })
            .collect();
        questions
    }

    fn add_plain(&mut self, snapshot: &Snapshot, owner: &Name, rtype: RecordType) {
        if !owner.is_wildcard() {
            if is_answered(snapshot, owner, rtype) {
                self.plain.push((owner.clone(), rtype));
            }
            return;
        }
        let Some(parent) = owner.parent() else { return };
        if below(spread(0), &parent).is_some_and(|name| is_answered(snapshot, &name, rtype)) {
            self.wildcards.push((parent, rtype));
        }
    }

    /// `count` queries of a kind drawn from all that there are; `None` if the zones have none of the kind.
    pub(super) fn draw(&self, kind: Kind, count: usize) -> Option<Queries> {
        let mut queries = Queries::default();
        for number in 0..count as u64 {
            // Far apart, so that no two kinds draw in step.
            let random = spread(number ^ ((kind as u64) << 56));
            let (pick, rest) = (random as u32 as usize, random >> 32);
            match kind {
                Kind::Plain => {
                    let (name, rtype) = self.plain.get(pick % self.plain.len().max(1))?;
                    queries.push(name, *rtype, None);
                }
                Kind::Wildcard => {
                    let (parent, rtype) = self.wildcards.get(pick % self.wildcards.len().max(1))?;
                    queries.push(&below(random, parent)?, *rtype, None);
                }
                Kind::Missing => {
                    let apex = self.apexes.get(pick % self.apexes.len().max(1))?;
                    queries.push(&below(random, apex)?, RecordType::A, None);
                }
                Kind::Steered => {
                    let (name, rtype) = self.steered.get(pick % self.steered.len().max(1))?;
                    let network = NETWORKS.start + rest % (NETWORKS.end - NETWORKS.start);
                    let network = Ipv4Addr::from_bits((network as u32) << 8);
                    queries.push(name, *rtype, Some((network.into(), 24)));
                }
            }
        }
        Some(queries).filter(|queries| !queries.is_empty())
    }
}

/// A name below another that nobody would write; `None` if it would be too long.
fn below(number: u64, parent: &Name) -> Option<Name> {
    Name::parse(&format!("x{number:016x}"), parent).ok()
}

fn is_answered(snapshot: &Snapshot, name: &Name, rtype: RecordType) -> bool {
    let reply = reply(snapshot, name, rtype);
    reply[RCODE] & 15 == 0 && reply[ANSWERS] != [0, 0]
}

/// What the engine says; its first octets matter.
fn reply(snapshot: &Snapshot, name: &Name, rtype: RecordType) -> [u8; ROOM] {
    let mut queries = Queries::default();
    queries.push(name, rtype, None);
    let mut buffer = [0; ROOM];
    for query in queries.iter() {
        buffer[..query.len()].copy_from_slice(query);
        if answer_in_place(snapshot, &mut Query::default(), &mut buffer, query.len(), &PEER, 0, || false).is_none() {
            buffer[ANSWERS].fill(0);
        }
    }
    buffer
}

/// Splitmix64: even enough to spread questions, and the same on every run.
pub(super) fn spread(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
