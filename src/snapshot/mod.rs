//! STUB. Everything that a query needs, compiled.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::model::{EndpointId, Model};
use crate::geo::Places;
use crate::health::Verdicts;

/// What a snapshot is made of.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The configuration.
    pub model: Arc<Model>,
    /// The databases.
    pub places: Arc<Places>,
    /// Health.
    pub verdicts: Verdicts,
    /// Endpoints that a person has drained (G10).
    pub drained: BTreeSet<EndpointId>,
}

/// Everything that a query needs, immutable.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with every publication.
    pub generation: u64,
}

/// Why no snapshot could be made: a limit was passed. One clause, no final stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError(pub String);

/// Pure: the same inputs make the same snapshot. Parts of `previous` whose inputs are unchanged are shared.
pub fn compile(_inputs: &Inputs, _generation: u64, _previous: Option<&Snapshot>) -> Result<Snapshot, CompileError> {
    Err(CompileError("stub".into()))
}
