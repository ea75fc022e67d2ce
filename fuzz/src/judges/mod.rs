//! What must hold of any input, one file a kind of input.
//!
//! Comes in: octets from anywhere. Goes out: nothing; a judge panics where a rule is broken. Invariant: a judge says what
//! the rules say in words of its own or of a foreign parser, and asks the code under test for nothing but its outcome.

mod cookie;
mod database;
mod ecs;
mod engine;
mod https;
mod laid;
mod message;
mod plain;
mod proxy;
mod records;
mod served;
mod signed;
mod toml;
mod transfer;
mod update;
mod zone_text;

pub use cookie::cookie;
pub use database::database;
pub use ecs::ecs;
pub use engine::engine;
pub use https::https;
pub use message::message;
pub use proxy::proxy;
pub use records::records;
pub use signed::signed;
pub use toml::{server_toml, zone_toml};
pub use transfer::transfer;
pub use update::update;
pub use zone_text::{rdata, zone_text};

/// A fuzz target's name, the directory of its seeds, and its judge.
pub type Target = (&'static str, &'static str, fn(&[u8]));

/// Every fuzz target.
pub const TARGETS: [Target; 15] = [
    ("message", "messages", message),
    ("engine", "messages", engine),
    ("records", "records", records),
    ("ecs", "ecs", ecs),
    ("zone_text", "zone_text", zone_text),
    ("rdata", "rdata", rdata),
    ("zone_toml", "zone_toml", zone_toml),
    ("server_toml", "server_toml", server_toml),
    ("database", "database", database),
    ("cookie", "cookie", cookie),
    ("proxy", "proxy", proxy),
    ("https", "https", https),
    ("tsig", "tsig", signed),
    ("update", "update", update),
    ("transfer", "transfer", transfer),
];
