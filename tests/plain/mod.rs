//! The semantics once more, slowly and plainly: what the engine must answer.
//!
//! Comes in: a model, the place of any address, verdicts, drains, a route, a type, a client. Goes out: the
//! distribution over answers, the region and the scope. Invariant: nothing of `policy`, `geo`, `snapshot` or
//! `answer` is used, so that a fault there cannot be repeated here.

mod client;
mod decide;
mod order;
mod region;
mod scope;
mod sticky;

use std::collections::BTreeSet;
use std::net::IpAddr;

use rhumb::config::model::{EndpointId, Model};
use rhumb::health::Verdicts;
use rhumb::world::Place;

pub use client::deciding;
pub use decide::{Answer, Decision};
pub use region::Region;
pub use scope::{Map, Scope};

/// Everything but the question.
pub struct Facts<'a> {
    pub model: &'a Model,
    /// What the databases say of an address.
    pub place_of: &'a dyn Fn(IpAddr) -> Place,
    pub verdicts: &'a Verdicts,
    pub drained: &'a BTreeSet<EndpointId>,
}
