//! Zones within zones: which lies next below which, and what exists for that reason.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::config::model::Model;
use crate::wire::{Name, NameRef};

/// All zones that have zones within them, by number.
#[derive(Debug, Default)]
pub(super) struct Nesting(BTreeMap<u32, Nest>);

/// What lies in one zone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Nest {
    /// Numbers of the zones next below it.
    pub(super) zones: Vec<u32>,
    /// Names between its apex and theirs. They exist whether or not the zone delegates (RFC 8020), but one whose zone
    /// could not be loaded.
    pub(super) between: Vec<Name>,
}

impl Nesting {
    /// Looks at all apexes; `numbers` are those of the zones.
    pub(super) fn of(model: &Model, numbers: &[u32]) -> Self {
        let mut nesting = Self::default();
        let mut depths = [false; 128];
        for zone in &model.zones {
            depths[zone.apex.label_count() & 127] = true;
        }
        // Most sets of zones are flat.
        if depths.iter().filter(|&&is_used| is_used).count() < 2 {
            return nesting;
        }
        let apexes: HashMap<NameRef<'_>, u32> =
            model.zones.iter().zip(numbers).map(|(zone, &number)| (zone.apex.view(), number)).collect();
        let unloaded: HashSet<NameRef<'_>> = model.unloaded.iter().map(Name::view).collect();
        for (zone, &number) in model.zones.iter().zip(numbers) {
            let mut depth = zone.apex.label_count();
            let mut between = Vec::new();
            let mut around = None;
            for above in std::iter::successors(zone.apex.view().parent(), |name| name.parent()) {
                depth -= 1;
                around = if depths[depth & 127] { apexes.get(&above) } else { None };
                if around.is_some() {
                    break;
                }
                between.push(above);
            }
            let Some(&around) = around else { continue };
            let nest = nesting.0.entry(around).or_default();
            nest.zones.push(number);
            let exists = |name: &NameRef<'_>| !unloaded.contains(name);
            nest.between.extend(between.into_iter().filter(exists).map(NameRef::to_name));
        }
        nesting
    }

    /// What lies in a zone; `None` is nothing.
    pub(super) fn within(&self, number: u32) -> Option<&Nest> {
        self.0.get(&number)
    }

    /// Each zone that has others next below it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Nest)> {
        self.0.iter().map(|(&number, nest)| (number, nest))
    }
}
