//! Which definition a name means: the own zone's first, then the shared files', then the only one of that name; a full
//! name is `zone/name`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::spec::Unit;
use crate::config::suggest::did_you_mean;

/// What a name is a name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Endpoint,
    Route,
    Check,
    Place,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Endpoint, Self::Route, Self::Check, Self::Place];

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Route => "route",
            Self::Check => "check",
            Self::Place => "place",
        }
    }

    /// With its article.
    fn one(self) -> &'static str {
        match self {
            Self::Endpoint => "an endpoint",
            Self::Route => "a route",
            Self::Check => "a check",
            Self::Place => "a place",
        }
    }

    fn unknown(self) -> &'static str {
        match self {
            Self::Endpoint => code::UNKNOWN_ENDPOINT,
            Self::Route => code::UNKNOWN_ROUTE,
            Self::Check => code::UNKNOWN_CHECK,
            Self::Place => code::UNKNOWN_PLACE,
        }
    }

    /// The names that a unit defines, in order.
    pub(crate) fn of(self, unit: &Unit) -> Vec<&Written<String>> {
        match self {
            Self::Endpoint => unit.endpoints.iter().map(|spec| &spec.name).collect(),
            Self::Route => unit.routes.iter().map(|spec| &spec.name).collect(),
            Self::Check => unit.checks.iter().map(|spec| &spec.name).collect(),
            Self::Place => unit.places.iter().map(|spec| &spec.name).collect(),
        }
    }
}

/// How many names a help line holds.
const MOST_EXAMPLES: usize = 8;

/// Sets that rhumb has itself.
pub(crate) const BUILT_IN_PLACES: [&str; 2] = ["EU27", "EEA"];

#[derive(Debug)]
struct Definition<'u> {
    name: &'u str,
    unit: usize,
    site: Site,
    used: bool,
}

/// All definitions. Ids count up in the order of units and of definitions in them.
#[derive(Debug)]
pub(crate) struct Names<'u> {
    labels: Vec<&'u str>,
    /// Zones by label.
    units: HashMap<&'u str, usize>,
    /// Ids in ascending order, and so in the order of units.
    by_name: [HashMap<&'u str, Vec<u32>>; 4],
    /// The shared ones of `by_name`.
    shared: [HashMap<&'u str, u32>; 4],
    definitions: [Vec<Definition<'u>>; 4],
    /// Texts of files that could not be parsed: what they mention may be what they define.
    broken: &'u [Arc<String>],
}

/// Why a name means nothing.
pub(crate) enum Miss {
    Unknown,
    Ambiguous(Vec<String>),
}

impl<'u> Names<'u> {
    pub(crate) fn collect(findings: &mut Findings, units: &'u [Arc<Unit>], broken: &'u [Arc<String>]) -> Self {
        let mut names = Self {
            labels: units.iter().map(|unit| unit.label.as_str()).collect(),
            // Of a zone in two files the first counts.
            units: units.iter().enumerate().rev().map(|(index, unit)| (unit.label.as_str(), index)).collect(),
            by_name: Default::default(),
            shared: Default::default(),
            definitions: Default::default(),
            broken,
        };
        for kind in Kind::ALL {
            for (index, unit) in units.iter().enumerate() {
                for name in kind.of(unit) {
                    let definitions = &mut names.definitions[kind as usize];
                    let id = definitions.len() as u32;
                    definitions.push(Definition { name: &name.value, unit: index, site: name.site, used: false });
                    names.by_name[kind as usize].entry(&name.value).or_default().push(id);
                    if unit.label.is_empty() {
                        names.shared[kind as usize].entry(&name.value).or_insert(id);
                    }
                }
            }
            names.clashes(findings, kind);
        }
        names
    }

    /// Two shared definitions of a name, and a zone's of a shared one.
    fn clashes(&self, findings: &mut Findings, kind: Kind) {
        for (name, ids) in &self.by_name[kind as usize] {
            let definition = |id: u32| &self.definitions[kind as usize][id as usize];
            let is_shared = |id: u32| self.labels[definition(id).unit].is_empty();
            let shared = self.shared[kind as usize].get(name).copied();
            for &id in ids.iter().filter(|&&id| Some(id) != shared) {
                let site = definition(id).site;
                let Some(shared) = shared else { break };
                let (code, message) = if is_shared(id) {
                    (code::NAME_TWICE, format!("{} `{name}` is defined in two shared files", kind.noun()))
                } else {
                    (code::SHADOWED_NAME, format!("{} `{name}` shadows the shared one", kind.noun()))
                };
                findings
                    .error(site, code, message)
                    .label("defined again")
                    .related(definition(shared).site, "shared definition")
                    .help("rename one of them");
            }
            if kind == Kind::Place && BUILT_IN_PLACES.contains(name) {
                for &id in ids {
                    findings
                        .error(definition(id).site, code::SHADOWED_NAME, format!("place `{name}` is built in"))
                        .label("defined again")
                        .help("rename it");
                }
            }
        }
    }

    pub(crate) fn site(&self, kind: Kind, id: u32) -> Site {
        self.definitions[kind as usize][id as usize].site
    }

    /// How a definition is called outside its zone.
    pub(crate) fn full(&self, kind: Kind, id: u32, name: &str) -> String {
        match self.labels[self.definitions[kind as usize][id as usize].unit] {
            "" => name.to_owned(),
            label => format!("{label}/{name}"),
        }
    }

    /// What `text` means in a unit. Nothing is told of a miss.
    pub(crate) fn look_up(&mut self, kind: Kind, unit: usize, text: &str) -> Result<u32, Miss> {
        let definitions = &self.definitions[kind as usize];
        let (label, name) = match text.rsplit_once('/') {
            Some((label, name)) => (Some(label.trim_end_matches('.').to_ascii_lowercase()), name),
            None => (None, text),
        };
        let ids = self.by_name[kind as usize].get(name).map_or(&[][..], Vec::as_slice);
        // Thousands of zones may use one name, so it is not searched one by one.
        let of_unit = |unit: usize| {
            let found = ids.binary_search_by_key(&unit, |&id| definitions[id as usize].unit);
            found.ok().map(|position| ids[position])
        };
        let found = match label {
            Some(label) => self.units.get(label.as_str()).and_then(|&unit| of_unit(unit)),
            None => of_unit(unit).or_else(|| self.shared[kind as usize].get(name).copied()).or(match ids {
                [only] => Some(*only),
                _ => None,
            }),
        };
        match found {
            Some(id) => {
                self.definitions[kind as usize][id as usize].used = true;
                Ok(id)
            }
            None if ids.len() > 1 && !text.contains('/') => {
                Err(Miss::Ambiguous(ids.iter().take(MOST_EXAMPLES).map(|&id| self.full(kind, id, name)).collect()))
            }
            None => Err(Miss::Unknown),
        }
    }

    /// What `text` means in a unit; a miss is told.
    pub(crate) fn find(
        &mut self,
        findings: &mut Findings,
        kind: Kind,
        unit: usize,
        text: &Written<String>,
    ) -> Option<u32> {
        match self.look_up(kind, unit, &text.value) {
            Ok(id) => Some(id),
            Err(miss) => {
                self.tell(findings, kind, unit, text, miss);
                None
            }
        }
    }

    pub(crate) fn tell(&self, findings: &mut Findings, kind: Kind, unit: usize, text: &Written<String>, miss: Miss) {
        let noun = kind.noun();
        match miss {
            Miss::Ambiguous(full) => {
                findings
                    .error(
                        text.site,
                        code::AMBIGUOUS_NAME,
                        format!("several zones have {} `{}`", kind.one(), text.value),
                    )
                    .label("which one?")
                    .help(format!(
                        "write {}",
                        full.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
                    ));
            }
            Miss::Unknown => {
                let bare = crate::config::bare(&text.value);
                if self.broken.iter().any(|file| file.contains(bare)) {
                    return;
                }
                findings
                    .error(text.site, kind.unknown(), format!("unknown {noun} `{}`", text.value))
                    .label(format!("no {noun} of this name"))
                    .maybe_help(self.suggest(kind, unit, &text.value));
            }
        }
    }

    fn suggest(&self, kind: Kind, unit: usize, text: &str) -> Option<String> {
        // Names of other kinds are a likely slip: `route = "frankfurt"`.
        for other in Kind::ALL.into_iter().filter(|&other| other != kind) {
            let ids = self.by_name[other as usize].get(text).map_or(&[][..], Vec::as_slice);
            if ids.iter().any(|&id| self.definitions[other as usize][id as usize].unit == unit) {
                return Some(format!("`{text}` is the name of {}", other.one()));
            }
        }
        let visible = |id: &u32| {
            let home = self.definitions[kind as usize][*id as usize].unit;
            home == unit || self.labels[home].is_empty()
        };
        let mut near: Vec<&str> = self.by_name[kind as usize]
            .iter()
            .filter(|(_, ids)| ids.iter().any(visible))
            .map(|(name, _)| *name)
            .collect();
        if kind == Kind::Place {
            near.extend(BUILT_IN_PLACES);
        }
        near.sort_unstable();
        if let Some(help) = did_you_mean(text, near.iter().copied()) {
            return Some(help);
        }
        if text.contains('/') {
            let every = self.by_name[kind as usize].iter();
            let mut full: Vec<String> =
                every.flat_map(|(name, ids)| ids.iter().map(|&id| self.full(kind, id, name))).collect();
            full.sort_unstable();
            return did_you_mean(text, full.iter().map(String::as_str));
        }
        match near.len() {
            0 => Some(format!("no {} is defined here", kind.noun())),
            1..=MOST_EXAMPLES => Some(format!("known are {}", near.join(", "))),
            _ => None,
        }
    }

    /// Definitions that no look-up found.
    pub(crate) fn unused(&self, kind: Kind) -> impl Iterator<Item = (&'u str, Site)> + '_ {
        let unused = self.definitions[kind as usize].iter().filter(|definition| !definition.used);
        unused.map(|definition| (definition.name, definition.site))
    }
}
