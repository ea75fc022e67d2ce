//! The program itself, started on ports of the kernel's choice and asked over UDP and TCP.
//!
//! Comes in: zone files in a temporary directory, endpoints that a test breaks and mends, edits, signals. Goes out:
//! decoded replies, the status, exit codes and what was printed. Invariants: no reply reaches a test without
//! hickory-proto and `domain` having read the same message from it; a test waits for what it wants to see, with a
//! deadline, and never for a time; a server ends with the test that started it, and its log is shown when that fails.

mod namespace;
mod secure;
mod server;
mod web;
mod wire;

mod addresses;
mod asides;
mod bad_input;
mod bench;
mod commands;
mod copies;
mod edits;
mod encrypted;
mod example;
mod failover;
mod hickory;
mod live;
mod notified;
mod policies;
mod pressure;
mod primaries;
mod restart;
mod secondaries;
mod secondary;
mod shares;
mod sockets;
mod stalled;
mod streams;
mod transfers;
mod twins;
mod updates;

pub(crate) use namespace::Namespace;
pub(crate) use server::{Server, Site, eventually, rhumb};
pub(crate) use web::{Mode, Web};
pub(crate) use wire::{Client, Seen, over_tcp};

use std::time::Duration;

/// For what a machine under load may be late with, where no bound is being tested.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Four standard errors of a share `p` in `n` draws.
pub(crate) fn bound(p: f64, n: usize) -> f64 {
    4.0 * (p * (1.0 - p) / n as f64).sqrt()
}
