//! UPDATE (RFC 2136): what a message asks for, judged against a zone, and the journal that keeps what was done.
//!
//! In: messages whose signature is known to be good, what a zone holds. Out: a response code, or the steps
//! ([`Change`](crate::config::Change)) to take; and a file that says after a crash all that was ever acknowledged.
//!
//! Invariants: an update is taken whole or not at all; only its own key's grant is changed, and never a name that a route
//! answers; what [`Journal::append`] has returned from is on disk.

mod draft;
mod journal;
mod message;
mod rules;
mod view;

#[cfg(test)]
mod tests;

pub use journal::{Journal, restore};
pub use message::{Row, Update};
pub use rules::judge;
pub use view::View;
