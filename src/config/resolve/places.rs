//! Locations and sets of them, unfolded.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::{Kind, Names};
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::Location;
use crate::config::parse::location::{Parsed, location, warn_long_prefix};
use crate::config::spec::Unit;
use crate::world::{CountryCode, EEA, EU27};

/// Places nested deeper than this are an error: the stack is finite.
const DEEPEST: usize = 64;

/// One location, where the reader finds it, and whether it stands there itself or comes from a set.
#[derive(Clone, Debug)]
pub(super) struct Unfolded {
    pub(super) location: Location,
    pub(super) site: Site,
    pub(super) from_set: bool,
}

/// Unfolds `place:` sets; each set is read once.
pub(super) struct Places<'u> {
    units: &'u [Arc<Unit>],
    /// (unit, index in it) by id.
    homes: Vec<(usize, usize)>,
    done: HashMap<u32, Vec<Location>>,
    open: Vec<u32>,
}

impl<'u> Places<'u> {
    pub(super) fn new(units: &'u [Arc<Unit>]) -> Self {
        let homes =
            units.iter().enumerate().flat_map(|(u, unit)| (0..unit.places.len()).map(move |p| (u, p))).collect();
        Self { units, homes, done: HashMap::new(), open: Vec::new() }
    }

    /// What a list of `where` means.
    pub(super) fn unfold(
        &mut self,
        findings: &mut Findings,
        names: &mut Names<'_>,
        unit: usize,
        written: &[Written<String>],
    ) -> Vec<Unfolded> {
        let mut all = Vec::new();
        for text in written {
            match location(findings, text) {
                Some(Parsed::One(location)) => {
                    if let Location::Net(network) = location {
                        warn_long_prefix(findings, network, text.site);
                    }
                    all.push(Unfolded { location, site: text.site, from_set: false });
                }
                Some(Parsed::Place(name)) => {
                    let set = self.set(findings, names, unit, &Written::new(name, text.site));
                    all.extend(set.into_iter().map(|location| Unfolded { location, site: text.site, from_set: true }));
                }
                None => {}
            }
        }
        all
    }

    fn set(
        &mut self,
        findings: &mut Findings,
        names: &mut Names<'_>,
        unit: usize,
        name: &Written<String>,
    ) -> Vec<Location> {
        let countries = |codes: &[CountryCode]| codes.iter().map(|&code| Location::Country(code)).collect();
        match name.value.as_str() {
            "EU27" => return countries(EU27),
            "EEA" => return countries(EEA),
            _ => {}
        }
        let Some(id) = names.find(findings, Kind::Place, unit, name) else { return Vec::new() };
        self.of(findings, names, id, name.site)
    }

    /// The locations of a place, for `named_at` to blame for a loop.
    pub(super) fn of(
        &mut self,
        findings: &mut Findings,
        names: &mut Names<'_>,
        id: u32,
        named_at: Site,
    ) -> Vec<Location> {
        if let Some(done) = self.done.get(&id) {
            return done.clone();
        }
        let (home, index) = self.homes[id as usize];
        let units = self.units;
        let spec = &units[home].places[index];
        if self.open.contains(&id) {
            findings
                .error(named_at, code::PLACE_LOOP, format!("place `{}` contains itself", spec.name.value))
                .label("leads back to it")
                .related(spec.name.site, "defined here");
            return Vec::new();
        }
        if self.open.len() == DEEPEST {
            findings
                .error(named_at, code::PLACE_LOOP, format!("places are nested more than {DEEPEST} deep"))
                .label("one too many");
            return Vec::new();
        }
        self.open.push(id);
        let mut locations: Vec<Location> = Vec::new();
        for unfolded in self.unfold(findings, names, home, &spec.locations) {
            if unfolded.location == Location::Default {
                findings
                    .error(unfolded.site, code::BAD_LOCATION, "`default` is no location of a place")
                    .label("matches every client")
                    .help("write it at the member");
            } else {
                locations.push(unfolded.location);
            }
        }
        let mut seen = std::collections::HashSet::new();
        locations.retain(|location| seen.insert(*location));
        self.open.pop();
        self.done.insert(id, locations.clone());
        locations
    }

    /// Unfolds every place, so that faults in unused ones show too.
    pub(super) fn all(&mut self, findings: &mut Findings, names: &mut Names<'_>) {
        for id in 0..self.homes.len() as u32 {
            let site = names.site(Kind::Place, id);
            self.of(findings, names, id, site);
        }
    }
}
