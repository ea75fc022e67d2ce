//! Fuzz targets are one line each: octets in, a judge that panics where something is wrong. The judges stand in
//! `judges`, the decoded reply in the harness of the integration tests; the tests replay `seeds` through the same code.

#[path = "../../tests/harness/mod.rs"]
pub mod harness;
pub mod judges;
