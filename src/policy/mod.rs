//! The eight policies and the tree that they make, as pure functions.
//!
//! Comes in: the model, a client's place and listed networks, verdicts. Goes out: first a *region* (what the tree asks
//! of a client, answered; it does not depend on health), then for each region and type an *outcome* (what is answered
//! now). Invariant: a region and the verdicts decide an outcome completely; nothing here knows of sockets or clocks.

mod classify;
mod evaluate;
mod facts;
mod leaf;
mod matches;
mod outcome;
mod question;
mod regions;
pub mod sticky;

pub use evaluate::{Conditions, Evaluator, Step, StepMember};
pub use facts::{Context, Facts};
pub use matches::{Asked, Matches, View};
pub use outcome::{AnswerSet, Branch, Leaf, Outcome, StickyPick};
pub use question::{Match, Question};
pub use regions::{Regions, TooManyRegions};
