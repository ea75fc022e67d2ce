//! Secondary zones: transferred from their primaries, kept on disk, watched by the timers of their SOA and by NOTIFY.
//!
//! In: the model (which zones, from where), the network, the state directory. Out: the content of zones as it changes
//! ([`Offer`]), whether a NOTIFY is taken ([`Follower::notified`]), and what to show of all of it ([`Follower::report`]).
//!
//! Invariants: all or nothing: a transfer that is broken, half, out of its zone or faulty as a zone is not taken, and
//! what was served goes on being served until it expires (RFC 1035 section 3.3.13), and no longer, whatever is waited
//! for; every step has an end, how many transfers there are at a time does not depend on how many zones there are, and
//! no primary has all of them.
//!
//! `incoming`, `differences` and `gathered` are pure: messages to a zone's content; `timers` says when, `pace` how
//! slowly; `client` asks, when `turns` lets it; `store` keeps; `zone` does it for one zone, `follower` for all.

mod client;
mod differences;
mod follower;
mod gathered;
pub mod incoming;
mod pace;
mod signature;
mod store;
mod timers;
mod turns;
mod zone;

#[cfg(test)]
mod tests;

pub use follower::{Counts, Follower, Notified, Report, Restored};
pub use store::Store;
pub use zone::{Offer, Options};
