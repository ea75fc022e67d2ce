//! `rhumb shift`.
use super::Outcome;
use super::args::{Global, Shift};
use super::output::Output;
pub(crate) fn run(_global: &Global, _output: &Output, _shift: &Shift) -> anyhow::Result<Outcome> {
    Ok(Outcome::Faulty)
}
