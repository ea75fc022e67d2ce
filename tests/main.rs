//! The one integration binary: statements, protocol items, properties against a plain model, and the house's rules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on should say so and stop"
)]

mod corpus;
mod harness;
mod house;
#[path = "../fuzz/src/judges/mod.rs"]
mod judges;
mod peers;
mod plain;
mod properties;
mod protocol;
mod scenarios;
mod served;
mod statements;
