//! What every theme needs: zones in a temporary directory, queries as bytes, replies read by two foreign parsers.
//!
//! Comes in: TOML, verdicts, drains, places. Goes out: decoded replies. Invariant: no reply reaches a test
//! without hickory-proto and `domain` having read the same message from it.

mod ask;
mod draws;
mod fixture;
mod geography;
mod reply;

pub use ask::Ask;
pub use draws::Draws;
pub use fixture::{Fixture, Setup, assert_error, assert_loads, assert_warning, load, load_file, shared_and_zone, zone};
pub use geography::{in_country, in_subdivision, paint, with_asn};
pub use reply::Reply;
