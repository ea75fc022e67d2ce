//! What zones hold that their files do not say, and how the two are put together.
//!
//! Comes in: the [`Ground`] that files give, and the [`Content`] that was transferred or that updates have made. Goes
//! out: the zone as it is served. Invariants: pure; a zone that content adds nothing to shares the records of what it
//! was made of; what a route answers is never taken from content.

mod changes;
mod held;
mod rdata_set;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::findings::{Findings, Site, Written};
use super::lint;
use super::model::{Expiry, Ground, Origin, Soa, Zone};
use super::pack::ZoneData;
use super::spec::SteeredSpec;
use crate::wire::rdata::without_case;
use crate::wire::{Name, NameRef, RecordType, Records, RecordsBuilder, RrsetRef};

pub use changes::{Change, Changes, LaidSet};
pub(crate) use changes::{NameChanges, SetChange};
pub(crate) use held::{Held, Laid};
pub(crate) use rdata_set::RdataSet;

/// What a zone holds beside its files.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The primary's zone.
    Transferred {
        /// Its SOA.
        soa: Soa,
        /// All else; one entry an (owner, type).
        records: Arc<Records>,
        /// Until when it is good.
        expiry: Expiry,
    },
    /// What updates have changed.
    Updated(Changes),
}

/// The content of all zones. A secondary zone without any is not served (protocol 5).
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    transferred: HashMap<Name, Arc<Content>>,
    updated: HashMap<Name, Arc<Content>>,
    /// Zones whose content was given up.
    expired: HashSet<Name>,
}

impl Holdings {
    /// What a zone holds beside its files.
    pub fn of(&self, ground: &Ground) -> Option<&Arc<Content>> {
        let kind = if ground.primaries().is_some() { &self.transferred } else { &self.updated };
        kind.get(&ground.zone.apex)
    }

    /// Takes the content of a zone, in the place of what it held of that kind.
    pub fn insert(&mut self, apex: Name, content: Arc<Content>) {
        self.expired.remove(&apex);
        match &*content {
            Content::Transferred { .. } => self.transferred.insert(apex, content),
            Content::Updated(_) => self.updated.insert(apex, content),
        };
    }

    /// Gives up what was transferred of a zone.
    pub fn expire(&mut self, apex: &Name) {
        self.transferred.remove(apex);
        self.expired.insert(apex.clone());
    }

    /// Whether the content of a zone was given up.
    pub fn is_expired(&self, apex: &Name) -> bool {
        self.expired.contains(apex)
    }
}

/// Types that lead to an address: a route answers for them.
const ADDRESSES: [RecordType; 3] = [RecordType::A, RecordType::AAAA, RecordType::CNAME];

/// The zone that is served; `None` where there is nothing to serve yet, or any more.
///
/// A secondary zone has the primary's records and SOA; records of its own file are added to them. At a steered name the
/// primary's addresses and CNAME give way to the route, and so does whatever else the route answers; where that is a
/// CNAME, everything does. Updates are laid over the files, but for steered names, where they mean nothing.
pub fn complete(ground: &Ground, content: Option<&Content>) -> Option<Zone> {
    let soa = soa(ground, content)?;
    Some(Zone { soa, records: records(ground, content), expiry: expiry(content), ..ground.zone.clone() })
}

/// Until when the zone that is served is good.
fn expiry(content: Option<&Content>) -> Option<Expiry> {
    match content {
        Some(Content::Transferred { expiry, .. }) => Some(expiry.clone()),
        _ => None,
    }
}

/// The SOA of the zone that is served.
fn soa(ground: &Ground, content: Option<&Content>) -> Option<Soa> {
    match (&ground.origin, content) {
        (Origin::Primaries(_), Some(Content::Transferred { soa, .. })) => Some(soa.clone()),
        (Origin::Primaries(_), _) => None,
        (Origin::Updates(_), Some(Content::Updated(changes))) => Some(changes.soa_over(&ground.zone.soa)),
        (Origin::Updates(_), _) => Some(ground.zone.soa.clone()),
    }
}

/// The plain records of the zone that is served.
fn records(ground: &Ground, content: Option<&Content>) -> Arc<Records> {
    match (&ground.origin, content) {
        (Origin::Primaries(_), Some(Content::Transferred { records, .. })) => over_primary(ground, records),
        (Origin::Updates(_), Some(Content::Updated(changes))) => updated(ground, changes),
        _ => Arc::clone(&ground.zone.records),
    }
}

/// Why a zone that was put together cannot be served: the errors of its plain DNS, a line each.
pub fn faults(zone: &Zone) -> Vec<String> {
    let mut findings = Findings::default();
    let site = Site::new(findings.add_file(&zone.file), 0..0);
    judge(&mut findings, zone, site, &[]);
    let errors = findings.finish().0.into_iter().filter(|found| found.severity == super::Severity::Error);
    errors.map(|found| found.message).collect()
}

/// Judges the plain DNS of a zone that was put together; what it holds is told at one place. `routes`: where each steered
/// name names its route.
fn judge(findings: &mut Findings, zone: &Zone, site: Site, routes: &[Site]) {
    let routes = routes.iter().copied().map(Some).chain(std::iter::repeat(None));
    let steered = zone.steered.iter().zip(routes).map(|(steered, route)| SteeredSpec {
        owner: steered.owner.clone(),
        sets: Vec::new(),
        routes: route.map(|site| (Written::new(String::new(), site), None)).into_iter().collect(),
    });
    lint::dns(findings, &ZoneData::of_one_place(&zone.apex, Arc::clone(&zone.records), steered.collect(), site));
}

/// Whether two records of a type are the same (RFC 2136 section 1.1.1).
pub(crate) fn same(rtype: RecordType, a: &[u8], b: &[u8]) -> bool {
    // What differs in more than case does not need to be taken apart.
    a == b || (a.eq_ignore_ascii_case(b) && without_case(rtype, a) == without_case(rtype, b))
}

fn over_primary(ground: &Ground, primary: &Arc<Records>) -> Arc<Records> {
    let own = &ground.zone.records;
    let mut touched: BTreeMap<Box<[u8]>, (NameRef<'_>, Vec<RrsetRef<'_>>)> = BTreeMap::new();
    for steered in &ground.zone.steered {
        touched.insert(steered.owner.canonical(), (steered.owner.view(), Vec::new()));
    }
    for owner in own.owners() {
        let key = owner.name.as_wire().to_ascii_lowercase().into();
        touched.entry(key).or_insert((owner.name, Vec::new())).1 = owner.rrsets().collect();
    }
    if touched.is_empty() {
        return Arc::clone(primary);
    }
    let names = touched.iter().map(|(key, (name, own))| (&**key, (*name, own))).collect();
    let answered = ground.answered_names();
    rebuild(primary, &names, |(name, own): (NameRef<'_>, &Vec<RrsetRef<'_>>), below| {
        let answered = answered.get(&name).copied();
        let gives_way = |rtype: RecordType| {
            answered.is_some_and(|types| {
                ADDRESSES.contains(&rtype) || types.contains(&rtype) || types == [RecordType::CNAME]
            })
        };
        let mut sets: Vec<LaidSet<'_>> =
            below.iter().filter(|set| !gives_way(set.rtype)).map(|&set| LaidSet::of(set)).collect();
        for rrset in own {
            match sets.iter_mut().find(|set| set.rtype == rrset.rtype) {
                Some(set) => {
                    set.ttl = rrset.ttl;
                    let form = |data| without_case(rrset.rtype, data);
                    let mut known: HashSet<_> = set.data.iter().copied().map(form).collect();
                    set.data.extend(rrset.rdata.iter().filter(|data| known.insert(form(data))));
                }
                None => sets.push(LaidSet::of(*rrset)),
            }
        }
        sets
    })
}

fn updated(ground: &Ground, changes: &Changes) -> Arc<Records> {
    let answered = ground.answered_names();
    let names = changes.names().iter();
    let names = names.filter(|(_, name)| !answered.contains_key(&name.owner.view()));
    let names: BTreeMap<&[u8], _> = names.map(|(key, name)| (&**key, (name.owner.view(), name))).collect();
    if names.is_empty() {
        return Arc::clone(&ground.zone.records);
    }
    rebuild(&ground.zone.records, &names, |(_, name), below| name.over(below.iter().copied()))
}

/// The records of `below`, but for some names, by owner in lower case, where they are what `sets` says. Those that
/// `below` lacks come behind.
pub(crate) fn rebuild<'a, T: Copy>(
    below: &'a Records,
    names: &BTreeMap<&[u8], (NameRef<'a>, T)>,
    sets: impl Fn((NameRef<'a>, T), &[RrsetRef<'a>]) -> Vec<LaidSet<'a>>,
) -> Arc<Records> {
    let mut builder = RecordsBuilder::new();
    let mut met: Vec<&[u8]> = Vec::with_capacity(names.len());
    let mut key = Vec::new();
    let mut held = Vec::new();
    let push = |builder: &mut RecordsBuilder, owner: NameRef<'_>, sets: Vec<LaidSet<'_>>| {
        for set in sets {
            builder.push(owner, set.rtype, set.ttl, set.data.iter().copied());
        }
    };
    for owner in below.owners() {
        key.clear();
        key.extend_from_slice(owner.name.as_wire());
        key.make_ascii_lowercase();
        match names.get_key_value(&key[..]) {
            None => owner.rrsets().for_each(|set| builder.push(owner.name, set.rtype, set.ttl, set.rdata.iter())),
            Some((&known, &entry)) => {
                met.push(known);
                held.clear();
                held.extend(owner.rrsets());
                push(&mut builder, owner.name, sets(entry, &held));
            }
        }
    }
    met.sort_unstable();
    for (known, &entry) in names {
        if met.binary_search(known).is_err() {
            push(&mut builder, entry.0, sets(entry, &[]));
        }
    }
    Arc::new(builder.finish())
}
