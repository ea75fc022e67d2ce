//! What a load would take away, where that looks like an accident: an empty mount, a cut-off file (reliability 2).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::config::model::{Model, RouteId, Zone};
use crate::wire::{Name, NameRef, RecordType, RecordsIndex};

/// More than half of all zones, and at least so many; or all of them, however few.
const ZONES: usize = 2;
/// More than half of a zone's names, and at least so many.
const NAMES: usize = 10;

/// One line for each thing that `new` removes and should not without a person's word; empty if there is none.
pub(super) fn removals(old: &Model, new: &Model) -> Vec<String> {
    let kept: HashMap<&Name, &Zone> = new.zones.iter().map(|zone| (&zone.apex, &**zone)).collect();
    let mut said = Vec::new();
    let (mut types_before, mut types_after) = (Types::of(old), Types::of(new));
    let gone: Vec<String> =
        old.zones.iter().filter(|zone| !kept.contains_key(&zone.apex)).map(|zone| zone.apex.to_string()).collect();
    let all_gone = !gone.is_empty() && new.zones.is_empty();
    if all_gone || (gone.len() >= ZONES && gone.len() * 2 > old.zones.len()) {
        said.push(format!("{} of {} zones are gone: {}", gone.len(), old.zones.len(), some(&gone)));
    }
    for zone in &old.zones {
        let Some(after) = kept.get(&zone.apex) else { continue };
        let (names, gone) = names_gone(zone, after);
        if gone.len() >= NAMES && gone.len() * 2 > names {
            let mut gone: Vec<Name> = gone.into_iter().map(NameRef::to_name).collect();
            gone.sort();
            let gone: Vec<String> = gone.iter().map(Name::to_string).collect();
            said.push(format!("{} of {names} names of {} are gone: {}", gone.len(), zone.apex, some(&gone)));
        }
        said.extend(emptied(&mut types_before, zone, &mut types_after, after));
    }
    said
}

/// How many names a zone has, and those that it has no more; none where that is plain to see.
fn names_gone<'z>(before: &'z Zone, after: &Zone) -> (usize, Vec<NameRef<'z>>) {
    let same_steered = || {
        let owners = |zone: &'_ Zone| zone.steered.iter().map(|steered| steered.owner.clone()).collect::<Vec<_>>();
        owners(before) == owners(after)
    };
    if Arc::ptr_eq(&before.records, &after.records) && same_steered() {
        return (0, Vec::new());
    }
    let index = RecordsIndex::of(&after.records);
    let steered: HashSet<&Name> = after.steered.iter().map(|steered| &steered.owner).collect();
    let is_gone = |name: &NameRef<'_>| {
        let is_steered = || !steered.is_empty() && steered.contains(&name.to_name());
        index.find(&after.records, *name).is_none() && *name != after.apex && !is_steered()
    };
    let (mut names, mut gone) = (0, Vec::new());
    for name in owners(before) {
        names += 1;
        if is_gone(&name) {
            gone.push(name);
        }
    }
    (names, gone)
}

/// RRsets that a steered name had and has no more, while the name itself is still steered.
fn emptied(old: &mut Types<'_>, before: &Zone, new: &mut Types<'_>, after: &Zone) -> Vec<String> {
    if before.steered.is_empty() {
        return Vec::new();
    }
    let now: HashMap<&Name, RouteId> = after.steered.iter().map(|s| (&s.owner, s.route)).collect();
    let lost = before.steered.iter().filter_map(|steered| {
        let route = *now.get(&steered.owner)?;
        let (had, has) = (old.below(steered.route), new.below(route));
        // A CNAME answers every type.
        let lost: Vec<String> = if has.contains(&RecordType::CNAME) {
            Vec::new()
        } else {
            had.difference(has).map(ToString::to_string).collect()
        };
        (!lost.is_empty())
            .then(|| format!("the steered name {} would have no {} any more", steered.owner, lost.join(", ")))
    });
    lost.collect()
}

/// What the trees of a model answer, each worked out once: many names share a tree.
struct Types<'m> {
    model: &'m Model,
    known: HashMap<RouteId, BTreeSet<RecordType>>,
}

impl<'m> Types<'m> {
    fn of(model: &'m Model) -> Self {
        Self { model, known: HashMap::new() }
    }

    fn below(&mut self, root: RouteId) -> &BTreeSet<RecordType> {
        self.known.entry(root).or_insert_with(|| self.model.types_below(root))
    }
}

/// Distinct owner names of a zone: those that hold records, then those that a route alone answers.
pub(super) fn owners(zone: &Zone) -> impl Iterator<Item = NameRef<'_>> {
    let steered = zone.steered.iter().map(|steered| steered.owner.view());
    let mut others: HashSet<NameRef<'_>> = steered.chain([zone.apex.view()]).collect();
    for owner in zone.records.owners() {
        if others.is_empty() {
            break;
        }
        others.remove(&owner.name);
    }
    zone.records.owners().map(|owner| owner.name).chain(others)
}

/// How many distinct owner names a zone has.
pub(super) fn owner_count(zone: &Zone) -> usize {
    match &zone.steered[..] {
        // The apex has NS records at least.
        [] => zone.records.owner_count().max(1),
        _ => owners(zone).count(),
    }
}

fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::fs;

    use super::*;
    use crate::config::model::Target;
    use crate::config::{self, Overrides};

    /// A model of one file a zone.
    fn model(zones: &[(&str, &str)]) -> Model {
        let directory = tempfile::tempdir().unwrap();
        for (apex, text) in zones {
            let head = format!("zone = \"{apex}\"\n[records]\n\"@\" = {{ NS = \"ns.elsewhere.test.\" }}\n");
            fs::write(directory.path().join(format!("{apex}.toml")), head + text).unwrap();
        }
        // Shared and empty, so that the directory is never empty.
        fs::write(directory.path().join("shared.toml"), "").unwrap();
        let overrides = Overrides { zones: Some(directory.path().into()), ..Overrides::default() };
        let server = directory.path().join("rhumb.cfg");
        fs::write(&server, "").unwrap();
        let loaded = config::load(Some(&server), &overrides);
        loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    fn names(count: usize) -> String {
        (0..count).map(|i| format!("n{i} = {{ A = \"192.0.2.1\" }}\n")).collect()
    }

    const BOTH: &str =
        "www = { route = \"r\" }\n[routes.r]\npolicy = \"simple\"\nto = \"e\"\n[endpoints.e]\nA = \"192.0.2.1\"\n";

    #[test]
    fn r2_more_than_half_of_the_zones_and_two_are_held_back() {
        let old = model(&[("a.test", ""), ("b.test", ""), ("c.test", "")]);
        assert!(removals(&old, &model(&[("a.test", ""), ("b.test", "")])).is_empty());
        let said = removals(&old, &model(&[("a.test", "")]));
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("2 of 3 zones are gone: b.test"), "{said:?}");
        assert_eq!(removals(&model(&[("a.test", "")]), &model(&[])).len(), 1);
    }

    #[test]
    fn r2_more_than_half_of_the_names_and_ten_are_held_back() {
        let with = |count| model(&[("a.test", &names(count))]);
        assert!(removals(&with(17), &with(8)).is_empty(), "nine are gone");
        assert!(removals(&with(30), &with(16)).is_empty(), "less than half is gone");
        assert_eq!(removals(&with(18), &with(8)).len(), 1, "ten of nineteen are gone");
    }

    #[test]
    fn r2_a_steered_name_that_loses_a_type_is_held_back() {
        let old = model(&[("a.test", &format!("{BOTH}AAAA = \"2001:db8::1\"\n"))]);
        let said = removals(&old, &model(&[("a.test", BOTH)]));
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("no AAAA any more"), "{said:?}");
        assert!(removals(&old, &old).is_empty());
    }

    #[test]
    fn r2_trees_that_share_branches_at_every_level_are_walked_once() {
        const LEVELS: usize = 40;
        let mut model = model(&[("a.test", BOTH)]);
        // Below each level the next one, twice: as many ways as 2 to the power of the levels.
        let leaf = model.routes[0].clone();
        for level in 1..=LEVELS as u32 {
            let mut route = leaf.clone();
            route.members = vec![leaf.members[0].clone(), leaf.members[0].clone()];
            route.members.iter_mut().for_each(|member| member.target = Target::Route(RouteId(level - 1)));
            model.routes.push(route);
        }
        assert_eq!(model.types_below(RouteId(LEVELS as u32)), BTreeSet::from([RecordType::A]));
    }
}
