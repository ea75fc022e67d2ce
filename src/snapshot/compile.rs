//! Inputs to snapshot.

use std::fmt;
use std::sync::Arc;

use super::plan::{Plan, Steer};
use super::steered::SteeredAnswers;
use super::{Inputs, Snapshot};
use crate::config::model::{EndpointId, ProbeId};
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
            let reusable = previous.filter(same_clients).map(|old| &*old.plan);
            Arc::new(Plan::build(model, &inputs.places, inputs.seed, reusable)?)
        }
    };
    let up = inputs.verdicts.up();
    let conditions = Conditions { model, up: &up, drained: &inputs.drained };
    let before = previous.filter(|old| Arc::ptr_eq(&old.plan, &plan)).map(|old| (old, Changes::between(old, inputs)));
    let mut steered = Vec::with_capacity(plan.steers.len());
    for (number, steer) in plan.steers.iter().enumerate() {
        let same = before.as_ref().filter(|(_, changes)| !changes.concern(steer));
        steered.push(match same {
            Some((old, _)) => old.steered[number].clone(),
            None => Arc::new(SteeredAnswers::evaluate(steer, conditions)?),
        });
    }
    Ok(Snapshot { generation, inputs: inputs.clone(), plan, steered })
}

/// What differs in health and drains since a snapshot of the same plan.
struct Changes {
    probes: Vec<ProbeId>,
    endpoints: Vec<EndpointId>,
}

impl Changes {
    fn between(old: &Snapshot, inputs: &Inputs) -> Self {
        let ids = (0..inputs.model.probes.len()).map(|id| ProbeId(id as u32));
        let flipped = |&id: &ProbeId| old.inputs.verdicts.get(id).is_up() != inputs.verdicts.get(id).is_up();
        Self {
            probes: ids.filter(flipped).collect(),
            endpoints: old.inputs.drained.symmetric_difference(&inputs.drained).copied().collect(),
        }
    }

    fn concern(&self, steer: &Steer) -> bool {
        self.probes.iter().any(|probe| steer.probes.contains(probe))
            || self.endpoints.iter().any(|endpoint| steer.endpoints.contains(endpoint))
    }
}
