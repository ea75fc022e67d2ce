//! rhumb: an authoritative DNS server that steers.

pub mod admin;
pub mod answer;
pub mod cli;
pub mod config;
pub mod control;
pub mod geo;
pub mod health;
pub mod net;
pub mod policy;
pub mod snapshot;
pub mod wire;
pub mod world;
pub mod zone;
