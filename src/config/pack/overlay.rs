//! A zone's TOML laid over its master file, if it has one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::group::{Group, Ttl};
use super::{Master, Placed, Spot, Spots, Writer, ZoneData};
use crate::config::findings::Site;
use crate::config::spec::{OwnerSpec, SteeredSpec};
use crate::wire::{Name, NameRef, Records, RecordsIndex};

/// Puts what several spellings or files say of a name together. `ttl` serves for records of TOML that have none;
/// `partial` says that a fault hides records.
pub(crate) fn together(
    (apex, site): (&Name, Site),
    ttl: u32,
    master: Option<Master>,
    owners: &[OwnerSpec],
    partial: bool,
) -> ZoneData {
    let partial = partial || master.as_ref().is_some_and(|master| master.partial);
    let mut laid = Laid { site, ttl, steered: Vec::new(), tainted: HashSet::new() };
    let (records, index, spots) = match master {
        Some(Master { records, index, spots, .. }) if owners.is_empty() => (records, index, spots),
        master => {
            let (records, spots) = overlay(&mut laid, master, owners);
            let index = RecordsIndex::of(&records);
            (records, index, spots)
        }
    };
    let Laid { steered, tainted, .. } = laid;
    let steered_names = steered.iter().map(|steered| steered.owner.clone()).collect();
    let records = Arc::new(records);
    ZoneData {
        apex: apex.clone(),
        site,
        records,
        index,
        spots,
        steered,
        steered_names,
        tainted,
        partial,
        foreign: false,
    }
}

/// What is gathered of names beside their records.
struct Laid {
    /// Where the zone is named.
    site: Site,
    /// Of records that say none, in seconds.
    ttl: u32,
    steered: Vec<SteeredSpec>,
    tainted: HashSet<Name>,
}

/// Names of the master file first, then those that TOML alone has.
fn overlay(laid: &mut Laid, master: Option<Master>, owners: &[OwnerSpec]) -> (Records, Spots) {
    // Each name's first table, and the later ones of those that have several.
    let mut firsts: HashMap<NameRef<'_>, usize> = HashMap::with_capacity(owners.len());
    let mut later: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut is_done = vec![false; owners.len()];
    for (number, owner) in owners.iter().enumerate() {
        let first = *firsts.entry(owner.owner.value.view()).or_insert(number);
        if first != number {
            later.entry(first).or_default().push(number);
            is_done[number] = true;
        }
    }
    let specs = |first: usize| {
        let later = later.get(&first).into_iter().flatten().copied();
        std::iter::once(first).chain(later).map(|number| &owners[number])
    };
    let mut writer = Writer::default();
    let mut group = Group::default();
    if let Some(Master { records, index, mut spots, .. }) = master {
        let text = spots.take_master();
        spots.set_files(Some(laid.site.file), text.clone());
        writer.spots.set_files(Some(laid.site.file), text);
        for (number, owner) in records.owners().enumerate() {
            let mut next = index.first_record(number);
            let placed = owner.rrsets().map(|rrset| {
                let first = next;
                next += rrset.rdata.len();
                Placed { rrset, first }
            });
            let Some(&first) = firsts.get(&owner.name) else {
                placed.for_each(|placed| writer.copy(placed, &spots));
                continue;
            };
            is_done[first] = true;
            group.clear();
            for Placed { rrset, first } in placed {
                for (data, number) in rrset.rdata.iter().zip(first..) {
                    group.add(rrset.rtype, Ttl::Given(rrset.ttl), data, spots.get(number), None);
                }
            }
            laid.lay(owner.name, specs(first), &mut group, &writer.spots);
            writer.group(owner.name, Some(spots.owner(index.first_record(number))), &group);
        }
    } else {
        writer.spots.set_files(Some(laid.site.file), None);
    }
    for (number, owner) in owners.iter().enumerate().filter(|(number, _)| !is_done[*number]) {
        group.clear();
        let name = owner.owner.value.view();
        laid.lay(name, specs(number), &mut group, &writer.spots);
        writer.group(name, Some(owner.owner.site), &group);
    }
    (writer.records.finish(), writer.spots)
}

impl Laid {
    /// Adds what TOML says of a name to what the master file says.
    fn lay<'o>(
        &mut self,
        name: NameRef<'_>,
        specs: impl Iterator<Item = &'o OwnerSpec>,
        group: &mut Group,
        spots: &Spots,
    ) {
        let mut routes = Vec::new();
        for spec in specs {
            let ttl = spec.ttl.as_ref().map_or(Ttl::Default(self.ttl), |ttl| Ttl::Own(ttl.value));
            for data in &spec.data {
                for rdata in &data.rdata {
                    group.add(data.rtype.value, ttl, &rdata.value, Spot::of(rdata.site), Some(data.rtype.site));
                }
            }
            if spec.tainted {
                self.tainted.insert(spec.owner.value.clone());
            }
            routes.extend(spec.route.clone().map(|route| (route, spec.ttl.clone())));
        }
        if routes.is_empty() {
            return;
        }
        let sets = group.sets().iter().enumerate().map(|(number, set)| {
            let first = || group.data(number).next().map(|(_, spot)| spots.site(spot));
            (set.rtype, set.site.or_else(first).unwrap_or(self.site))
        });
        self.steered.push(SteeredSpec { owner: name.to_name(), sets: sets.collect(), routes });
    }
}
