//! All that one name holds, while it is gathered.

use std::collections::HashSet;
use std::ops::Range;

use super::Spot;
use crate::config::findings::Site;
use crate::wire::RecordType;
use crate::wire::text::{is_same_data, one_form};

/// From so many records on, a set remembers them all instead of looking through them for each new one.
const MANY: usize = 64;

/// The RRsets of a name. Used again and again, so that a name costs no allocation.
#[derive(Debug, Default)]
pub(super) struct Group {
    sets: Vec<Set>,
    data: Vec<Data>,
    octets: Vec<u8>,
    /// Records of sets that have many, in the form that all their spellings share.
    seen: HashSet<(RecordType, Box<[u8]>)>,
}

#[derive(Debug)]
pub(super) struct Set {
    pub(super) rtype: RecordType,
    pub(super) ttl: u32,
    /// Where the type is written, if not on the line of the first record.
    pub(super) site: Option<Site>,
    pub(super) count: usize,
}

#[derive(Debug)]
struct Data {
    set: usize,
    octets: Range<usize>,
    spot: Spot,
}

/// Who says a TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ttl {
    /// The name, in TOML: for whatever it holds.
    Own(u32),
    /// The record itself, in a master file.
    Given(u32),
    /// The zone, where nobody else does.
    Default(u32),
}

impl Ttl {
    fn seconds(self) -> u32 {
        match self {
            Self::Own(ttl) | Self::Given(ttl) | Self::Default(ttl) => ttl,
        }
    }
}

/// A record whose TTL differs from that of its set; the lower one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mixed {
    pub(super) before: u32,
    pub(super) here: u32,
}

impl Group {
    pub(super) fn clear(&mut self) {
        self.sets.clear();
        self.data.clear();
        self.octets.clear();
        if !self.seen.is_empty() {
            self.seen.clear();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    pub(super) fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The records of a set.
    pub(super) fn data(&self, set: usize) -> impl Iterator<Item = (&[u8], Spot)> {
        let of_set = self.data.iter().filter(move |data| data.set == set);
        of_set.map(|data| (&self.octets[data.octets.clone()], data.spot))
    }

    /// Adds a record. Duplicates go (RFC 2181 section 5), and an RRset has one TTL (section 5.2): the name's own in
    /// TOML, else the lowest.
    pub(super) fn add(
        &mut self,
        rtype: RecordType,
        ttl: Ttl,
        data: &[u8],
        spot: Spot,
        site: Option<Site>,
    ) -> Option<Mixed> {
        let number = match self.sets.iter().position(|set| set.rtype == rtype) {
            Some(number) => number,
            None => {
                self.sets.push(Set { rtype, ttl: ttl.seconds(), site, count: 0 });
                self.sets.len() - 1
            }
        };
        let set = &mut self.sets[number];
        let before = set.ttl;
        let mixed = match ttl {
            Ttl::Own(own) => {
                set.ttl = own;
                None
            }
            Ttl::Given(here) if here != before => {
                set.ttl = before.min(here);
                // Each signature has the TTL of what it signs (RFC 4034 section 3), and so there is nothing to mend.
                let is_signature = matches!(rtype, RecordType::RRSIG | RecordType::SIG);
                (!is_signature).then_some(Mixed { before, here })
            }
            _ => None,
        };
        if !self.is_known(number, data) {
            let start = self.octets.len();
            self.octets.extend_from_slice(data);
            self.data.push(Data { set: number, octets: start..self.octets.len(), spot });
            self.sets[number].count += 1;
            self.remember(number);
        }
        mixed
    }

    /// Whether adding a record of a master file would take more than to put it down: it is there already, or its TTL is
    /// another than that of its set.
    pub(super) fn clashes(&mut self, rtype: RecordType, ttl: u32, data: &[u8]) -> bool {
        let found = self.sets.iter().position(|set| set.rtype == rtype);
        found.is_some_and(|number| self.sets[number].ttl != ttl || self.is_known(number, data))
    }

    fn is_known(&self, number: usize, data: &[u8]) -> bool {
        let Set { rtype, count, .. } = self.sets[number];
        if count < MANY {
            return self.data(number).any(|(known, _)| is_same_data(rtype, known, data));
        }
        self.seen.contains(&(rtype, one_form(rtype, data).into()))
    }

    /// Sees to it that the record that was added last is known.
    fn remember(&mut self, number: usize) {
        let Set { rtype, count, .. } = self.sets[number];
        if count == MANY {
            let all: Vec<_> = self.data(number).map(|(data, _)| (rtype, one_form(rtype, data).into())).collect();
            self.seen.extend(all);
        } else if count > MANY {
            let last = self.data.last().map(|data| &self.octets[data.octets.clone()]);
            self.seen.extend(last.map(|last| (rtype, one_form(rtype, last).into())));
        }
    }
}
