//! What is held to be true of each probe, and what persons have switched.

use std::collections::BTreeMap;

use crate::config::model::ProbeId;

/// What health says of one probe (G5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Verdict {
    /// No verdict yet: counts as up.
    #[default]
    Unchecked,
    /// Up.
    Up,
    /// Down.
    Down,
}

impl Verdict {
    /// Whether it counts as up.
    pub fn is_up(self) -> bool {
        self != Self::Down
    }
}

/// One verdict a probe of a model, calculated and inverted ones worked out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Verdicts(pub Vec<Verdict>);

impl Verdicts {
    /// The verdict of a probe; unchecked where there is none.
    pub fn get(&self, probe: ProbeId) -> Verdict {
        self.0.get(probe.index()).copied().unwrap_or_default()
    }
}

/// Endpoints that persons have drained, by full name (G10).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Switches {
    /// By `zone/endpoint`.
    pub drained: BTreeMap<String, Drain>,
}

/// One drain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Drain {
    /// Seconds since 1970 UTC; `None` until undrained.
    pub until: Option<u64>,
    /// Why, in a person's words.
    pub reason: Option<String>,
}
