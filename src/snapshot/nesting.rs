//! Zones within zones: which lies next below which, and what exists for that reason. One that could not be loaded lies
//! where it would if it could: nobody else answers for its names (protocol 5).

use std::collections::{BTreeMap, HashMap};

use crate::wire::{Name, NameRef};

/// All zones that have zones within them, by number.
#[derive(Debug, Default)]
pub(super) struct Nesting(BTreeMap<u32, Nest>);

/// What lies in one zone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Nest {
    /// Numbers of the zones next below it.
    pub(super) zones: Vec<u32>,
    /// Names between its apex and theirs. They exist whether or not the zone delegates (RFC 8020).
    pub(super) between: Vec<Name>,
}

impl Nesting {
    /// Looks at the apexes of all zones, loaded or not; `numbers` are theirs.
    pub(super) fn of(apexes: &[&Name], numbers: &[u32]) -> Self {
        let mut nesting = Self::default();
        let mut depths = [false; 128];
        for apex in apexes {
            depths[apex.label_count() & 127] = true;
        }
        // Most sets of zones are flat.
        if depths.iter().filter(|&&is_used| is_used).count() < 2 {
            return nesting;
        }
        let known: HashMap<NameRef<'_>, u32> =
            apexes.iter().zip(numbers).map(|(&apex, &number)| (apex.view(), number)).collect();
        for (&apex, &number) in apexes.iter().zip(numbers) {
            let mut depth = apex.label_count();
            let mut between = Vec::new();
            let mut around = None;
            for above in std::iter::successors(apex.view().parent(), |name| name.parent()) {
                depth -= 1;
                around = if depths[depth & 127] { known.get(&above) } else { None };
                if around.is_some() {
                    break;
                }
                between.push(above);
            }
            let Some(&around) = around else { continue };
            let nest = nesting.0.entry(around).or_default();
            nest.zones.push(number);
            nest.between.extend(between.into_iter().map(NameRef::to_name));
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
