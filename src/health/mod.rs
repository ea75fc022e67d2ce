//! Whether endpoints are up: probes, thresholds, verdicts, and what persons have switched.
//!
//! In: the model (which probes there are, and how they ask), the network, the state directory. Out: one verdict a
//! probe ([`Checker::verdicts`]), a notice when one changes ([`Checker::subscribe`]), and what to show of them
//! ([`Checker::report`]).
//!
//! Invariants: health is background state, and nothing here waits for a query or makes one wait (G1); a verdict
//! changes only by a run of results (H1), never by a fault of this machine (H13) or a reload that leaves the check as
//! it was (G5).
//!
//! [`state`] and [`derive()`] are pure; `schedule` says when, `gate` how many at a time, `runner` does it, [`probe`]
//! asks, `resolve` finds the addresses of names, `table` knows all probes, [`store`] and `keeper` keep.

mod checker;
mod derive;
mod gate;
mod keeper;
pub mod probe;
mod report;
mod resolve;
mod runner;
#[cfg(test)]
mod sample;
mod schedule;
pub mod state;
pub mod store;
mod table;
mod verdict;
mod verdicts;

pub use checker::{Checker, Options};
pub use derive::derive;
pub use report::{Counts, ProbeReport};
pub use resolve::{Resolve, SystemResolver};
pub use store::{Store, StoreFault};
pub use verdict::{Drain, Switches, Verdict};
pub use verdicts::Verdicts;
