//! CNAMEs that no zone sees by itself: those that a route answers, and chains that leave a zone and come back. About
//! linear, and nothing at all where there are none.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::dns::{POINTERS, target_of};
use super::tree::Trees;
use crate::config::code;
use crate::config::findings::{Findings, Site};
use crate::config::model::Zone;
use crate::config::resolve::{SteeredData, SteeredZone};
use crate::wire::{NameRef, OwnerRef, RecordType, RecordsIndex};

pub(super) fn lint(findings: &mut Findings, trees: &Trees<'_>, zones: &[SteeredZone<'_>]) {
    let aliases = Aliases::of(trees, zones);
    aliases.pointers(findings);
    aliases.loops(findings);
}

/// What leads from name to name.
struct Aliases<'m> {
    trees: &'m Trees<'m>,
    /// By apex, with the place of its name.
    zones: HashMap<NameRef<'m>, (&'m Zone, Site)>,
    /// Names that a route answers with CNAMEs.
    steered: HashMap<NameRef<'m>, &'m SteeredData<'m>>,
}

impl<'m> Aliases<'m> {
    fn of(trees: &'m Trees<'m>, zones: &'m [SteeredZone<'m>]) -> Self {
        let sites: HashMap<NameRef<'_>, Site> = zones.iter().map(|zone| (zone.apex.view(), zone.site)).collect();
        let placed = |zone: &'m Arc<Zone>| Some((zone.apex.view(), (&**zone, *sites.get(&zone.apex.view())?)));
        let names = zones.iter().flat_map(|zone| &zone.names);
        let is_alias = |steered: &&SteeredData<'_>| trees.below(steered.route).types.contains(&RecordType::CNAME);
        Self {
            trees,
            zones: trees.model.zones.iter().filter_map(placed).collect(),
            steered: names.filter(is_alias).map(|steered| (steered.spec.owner.view(), steered)).collect(),
        }
    }

    /// NS, MX and SRV that point at a name which a route answers with a CNAME (RFC 2181 section 10.3). Each name is told
    /// of once.
    fn pointers(&self, findings: &mut Findings) {
        if self.steered.is_empty() {
            return;
        }
        let mut told = HashSet::new();
        for zone in &self.trees.model.zones {
            for set in zone.records.iter().filter(|set| POINTERS.contains(&set.rtype)) {
                for target in set.rdata.iter().filter_map(|data| target_of(set.rtype, data)) {
                    let Some(steered) = self.steered.get(&target).filter(|_| told.insert(target)) else { continue };
                    findings
                        .warning(
                            steered.site,
                            code::TARGET_IS_CNAME,
                            format!("{} of `{}` points at a name that is answered with a CNAME", set.rtype, set.owner),
                        )
                        .label(format!("`{target}` is a CNAME by this route (RFC 2181 section 10.3)"))
                        .help("name a host that has addresses, or give the route's endpoints addresses");
                }
            }
        }
    }

    /// Chains that come back and are not of one zone's records alone, each told once.
    fn loops(&self, findings: &mut Findings) {
        let mut starts: Vec<NameRef<'m>> = self.leaving().collect();
        let mut steered: Vec<_> = self.steered.values().collect();
        steered.sort_by_key(|steered| steered.site);
        starts.extend(steered.iter().map(|steered| steered.spec.owner.view()));
        let mut indexes = HashMap::new();
        let mut done = HashSet::new();
        for start in starts {
            let Some(path) = self.loop_from(start, &mut done, &mut indexes) else { continue };
            let names: Vec<_> = path.iter().chain(path.first()).map(|name| format!("`{name}`")).collect();
            let site = path.iter().find_map(|name| Some(self.steered.get(name)?.site));
            let Some(site) = site.or_else(|| Some(self.zone_of(path[0])?.1)) else { continue };
            findings
                .warning(site, code::CNAME_LOOP, "CNAMEs lead back to themselves")
                .label(names.join(" → "))
                .help("give one of them data");
        }
    }

    /// Owners of CNAMEs whose targets lie in another zone that is served here.
    fn leaving(&self) -> impl Iterator<Item = NameRef<'m>> {
        let several = self.zones.len() > 1;
        let zones = self.trees.model.zones.iter().filter(move |_| several);
        zones.flat_map(move |zone| {
            let aliases = zone.records.iter().filter(|set| set.rtype == RecordType::CNAME);
            aliases.filter_map(move |set| {
                let target = target_of(set.rtype, set.rdata.first()?)?;
                let (other, _) = self.zone_of(target)?;
                (other.apex != zone.apex).then_some(set.owner)
            })
        })
    }

    /// The zone that answers for a name.
    fn zone_of(&self, name: NameRef<'_>) -> Option<(&'m Zone, Site)> {
        std::iter::successors(Some(name), |name| name.parent()).find_map(|above| self.zones.get(&above).copied())
    }

    /// The names of a loop that this one leads to, unless all of them are known by now.
    fn loop_from(
        &self,
        start: NameRef<'m>,
        done: &mut HashSet<NameRef<'m>>,
        indexes: &mut HashMap<NameRef<'m>, RecordsIndex>,
    ) -> Option<Vec<NameRef<'m>>> {
        // A name, and what it leads to that was not looked at yet.
        let mut path: Vec<(NameRef<'m>, Vec<NameRef<'m>>)> = vec![(start, self.next(start, indexes))];
        let mut found = None;
        while let Some((name, open)) = path.last_mut() {
            let Some(target) = open.pop() else {
                done.insert(*name);
                path.pop();
                continue;
            };
            if let Some(at) = path.iter().position(|(name, _)| *name == target) {
                found.get_or_insert_with(|| path[at..].iter().map(|(name, _)| *name).collect());
            } else if !done.contains(&target) {
                path.push((target, self.next(target, indexes)));
            }
        }
        let found: Vec<NameRef<'m>> = found?;
        let first = self.zone_of(found[0]).map(|(zone, _)| &zone.apex);
        let is_of_one = found
            .iter()
            .all(|name| !self.steered.contains_key(name) && self.zone_of(*name).map(|(zone, _)| &zone.apex) == first);
        (!is_of_one).then_some(found)
    }

    /// What a name leads to.
    fn next(&self, name: NameRef<'m>, indexes: &mut HashMap<NameRef<'m>, RecordsIndex>) -> Vec<NameRef<'m>> {
        if let Some(steered) = self.steered.get(&name) {
            let leaves = self.trees.below(steered.route).leaves.iter().map(|&leaf| self.trees.model.endpoint(leaf));
            let data = leaves.flat_map(|leaf| leaf.records_of(RecordType::CNAME));
            return data.filter_map(|data| target_of(RecordType::CNAME, data)).collect();
        }
        let Some((zone, _)) = self.zone_of(name) else { return Vec::new() };
        let index = indexes.entry(zone.apex.view()).or_insert_with(|| RecordsIndex::of(&zone.records));
        let cname = owner(zone, index, name).and_then(|owner| owner.rrset(RecordType::CNAME));
        cname.and_then(|set| target_of(RecordType::CNAME, set.rdata.first()?)).into_iter().collect()
    }
}

/// The name whose records answer for this one: itself, or the closest wildcard.
fn owner<'m>(zone: &'m Zone, index: &RecordsIndex, name: NameRef<'_>) -> Option<OwnerRef<'m>> {
    let find = |name: NameRef<'_>| index.find(&zone.records, name).map(|number| index.owner(&zone.records, number));
    if let Some(found) = find(name) {
        return Some(found);
    }
    let mut above = name.parent();
    while let Some(name) = above.filter(|name| name.is_within(zone.apex.view())) {
        let star = [b"\x01*", name.as_wire()].concat();
        if let Some(found) = find(NameRef::trusted(&star)) {
            return Some(found);
        }
        if find(name).is_some() {
            return None;
        }
        above = name.parent();
    }
    None
}
