//! Everything that a query needs, compiled into one immutable [`Snapshot`] and swapped in as a whole.
//!
//! Comes in: the model, the places, verdicts, drains ([`Inputs`]). Goes out: a table of names, and for each steered
//! name the ready answers by region and type. Two parts with different lives: the [`Plan`] depends on files and
//! databases only, the steered answers on health too, so a flip of health reuses the plan whole, and of the
//! answers all those that did not hear of it. Of the plan, zones that did not change keep their records (`builder`), and
//! questions their maps (`steering`).
//! Invariants: `compile` is pure; whatever the inputs, every outcome has an answer; what is compiled from a snapshot
//! before answers as what is compiled from nothing.

mod arena;
mod builder;
mod classes;
mod companions;
mod compile;
mod layout;
mod list;
mod listeners;
mod nesting;
mod paths;
mod plan;
mod readers;
mod ready;
mod recheck;
mod record;
mod steered;
mod steering;
mod table;
mod variants;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::model::{EndpointId, Model};
use crate::geo::Places;
use crate::health::Verdicts;

pub use companions::{Companion, Companions};
pub use compile::{CompileError, compile};
pub use list::SteeredList;
pub use listeners::Listeners;
pub use plan::{Plan, Steer};
pub use readers::{Reader, Readers};
pub use ready::{Ready, ReadyRef, Records, Turn};
pub use recheck::Place;
pub use record::Cut;
pub use steered::{Asking, Choice, SteeredAnswers, SteeredType};
pub use table::{NameTable, Negative, Node};

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
    /// What names are hashed with: drawn once a process, so that nobody can prepare names that collide.
    pub seed: u64,
}

/// Everything that a query needs, immutable.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with every publication.
    pub generation: u64,
    /// What it was made of, for explaining and for the next one.
    pub inputs: Inputs,
    /// Names, plain answers, maps.
    pub plan: Arc<Plan>,
    /// By the number of the steered name.
    pub steered: SteeredList,
    /// Numbers of the steered names that answer some client with drained endpoints, ascending.
    forced: Arc<[u32]>,
}

impl Snapshot {
    /// Full names of routes that answer some client with drained endpoints, since nothing else is left (G10).
    pub fn forced(&self) -> Vec<String> {
        self.names(|_| true)
    }

    /// Those of [`Self::forced`] where that came upon some client since `before`, a snapshot of the same files.
    pub fn forced_since(&self, before: &Self) -> Vec<String> {
        let is_comparable = Arc::ptr_eq(&self.plan, &before.plan);
        self.names(|number| match before.steered.get(number) {
            Some(before) if is_comparable => self.steered[number].is_forced_further(before),
            _ => true,
        })
    }

    /// Of the forced steered names that `are` so, by their numbers.
    fn names(&self, are: impl Fn(usize) -> bool) -> Vec<String> {
        let numbers = self.forced.iter().map(|&number| number as usize).filter(|&number| are(number));
        let name = |number: usize| self.inputs.model.route(self.plan.steers[number].root).name.clone();
        let mut names: Vec<String> = numbers.map(name).collect();
        names.dedup();
        names
    }
}
