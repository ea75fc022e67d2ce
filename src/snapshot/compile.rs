//! Inputs to snapshot.

use std::fmt;
use std::sync::Arc;

use super::classes::Changes;
use super::list::SteeredList;
use super::plan::Plan;
use super::steered::SteeredAnswers;
use super::{Inputs, Snapshot};
use crate::config::model::ProbeId;
use crate::policy::Conditions;

/// Why no snapshot could be made: a limit of `rhumb.toml` was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// A question splits clients too finely.
    TooManyRegions {
        /// The root route.
        route: String,
        /// `limits.regions`.
        limit: usize,
    },
    /// An outcome has too many different answers.
    TooManyVariants {
        /// The root route.
        route: String,
        /// `limits.variants`.
        limit: usize,
    },
    /// Too many distinct questions.
    TooManyMaps {
        /// How many there are.
        maps: usize,
        /// `limits.maps`.
        limit: usize,
    },
    /// The maps take too much memory.
    MapsTooLarge {
        /// Octets.
        size: usize,
        /// `limits.map_bytes`.
        limit: usize,
    },
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRegions { route, limit } => {
                write!(f, "route `{route}` splits its clients into more than {limit} regions (limits.regions)")
            }
            Self::TooManyVariants { route, limit } => {
                write!(f, "route `{route}` has more than {limit} different answers in one region (limits.variants)")
            }
            Self::TooManyMaps { maps, limit } => {
                write!(f, "routes ask {maps} different questions of their clients, more than {limit} (limits.maps)")
            }
            Self::MapsTooLarge { size, limit } => {
                write!(f, "geo maps take {size} bytes, more than {limit} (limits.map_bytes)")
            }
        }
    }
}

impl std::error::Error for CompileError {}

/// Pure: the same inputs make the same snapshot. Parts of `previous` whose inputs are unchanged are shared.
pub fn compile(inputs: &Inputs, generation: u64, previous: Option<&Snapshot>) -> Result<Snapshot, CompileError> {
    let model = &*inputs.model;
    let plan = match previous {
        Some(old)
            if Arc::ptr_eq(&old.inputs.model, &inputs.model) && Arc::ptr_eq(&old.inputs.places, &inputs.places) =>
        {
            old.plan.clone()
        }
        _ => {
            let same_clients = |old: &&Snapshot| {
                let (before, now) = (&old.inputs.model, model);
                Arc::ptr_eq(&old.inputs.places, &inputs.places)
                    && before.server.networks == now.server.networks
                    && before.server.unknown == now.server.unknown
                    && before.latencies == now.latencies
            };
            Arc::new(Plan::build(inputs, previous, previous.as_ref().is_some_and(same_clients))?)
        }
    };
    let up = inputs.verdicts.up();
    let conditions = Conditions { model, up: &up, drained: &inputs.drained };
    let (steered, forced) = match previous.filter(|old| Arc::ptr_eq(&old.plan, &plan)) {
        Some(old) => after(old, &changes(old, inputs), conditions)?,
        None => all(&plan, conditions)?,
    };
    Ok(Snapshot { generation, inputs: inputs.clone(), plan, steered, forced })
}

/// Answers by the number of the steered name, and the numbers of those that are forced.
type Answers = (SteeredList, Arc<[u32]>);

fn all(plan: &Plan, conditions: Conditions<'_>) -> Result<Answers, CompileError> {
    let answers = plan.steers.iter().map(|steer| SteeredAnswers::evaluate(steer, conditions).map(Arc::new));
    let steered: SteeredList = answers.collect::<Result<_, _>>()?;
    let forced = (0..).zip(steered.iter()).filter(|(_, answers)| answers.forced).map(|(number, _)| number).collect();
    Ok((steered, forced))
}

/// What `changes` concern is evaluated again; the rest is shared with `old`, which has the same plan.
fn after(old: &Snapshot, changes: &Changes, conditions: Conditions<'_>) -> Result<Answers, CompileError> {
    let listeners = &old.plan.listeners;
    let of_probes = changes.probes.iter().map(|&probe| listeners.of_probe(probe));
    let of_endpoints = changes.endpoints.iter().map(|&endpoint| listeners.of_endpoint(endpoint));
    let mut concerned: Vec<u32> = of_probes.chain(of_endpoints).flatten().copied().collect();
    concerned.sort_unstable();
    concerned.dedup();
    let mut others = Vec::new();
    for number in concerned {
        let (steer, before) = (&old.plan.steers[number as usize], &old.steered[number as usize]);
        if let Some(answers) = before.after(changes, steer, conditions)? {
            others.push((number, Arc::new(answers)));
        }
    }
    let is_other = |number: u32| others.binary_search_by_key(&number, |&(number, _)| number).is_ok();
    let stay_forced = old.forced.iter().copied().filter(|&number| !is_other(number));
    let now_forced = others.iter().filter(|(_, answers)| answers.forced).map(|&(number, _)| number);
    let mut forced: Vec<u32> = stay_forced.chain(now_forced).collect();
    forced.sort_unstable();
    let mut steered = old.steered.clone();
    steered.replace(others);
    Ok((steered, forced.into()))
}

/// What differs since a snapshot of the same model.
fn changes(old: &Snapshot, inputs: &Inputs) -> Changes {
    let (before, now) = (&old.inputs.verdicts, &inputs.verdicts);
    let flipped = |&id: &ProbeId| before.get(id).is_up() != now.get(id).is_up();
    Changes {
        probes: before.differing(now).filter(flipped).collect(),
        endpoints: old.inputs.drained.symmetric_difference(&inputs.drained).copied().collect(),
    }
}
