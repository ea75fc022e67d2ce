//! `rhumb serve`.

use super::args::{Global, Serve};
use super::{Failure, Outcome};

/// Serves until told to stop.
pub(crate) fn run(_global: &Global, _serve: &Serve) -> anyhow::Result<Outcome> {
    Err(Failure::new("serving is not built into this binary").into())
}
