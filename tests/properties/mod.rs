//! Random configurations, worlds and clients: the engine against the plain model, and what must hold of any answer.
//!
//! Comes in: a seed and a size. Goes out: nothing but faults, with the case that shows them. Invariant: a case is a
//! function of its seed, so that a failure comes again.

mod agree;
mod allocation;
mod incremental;
mod invariants;
mod models;

pub use models::{Case, Kind};
