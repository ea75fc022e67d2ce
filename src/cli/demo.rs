//! `rhumb demo`: breaks and mends the regions of a running `rhumb serve --demo`.

use super::args::{Demo, Global};
use super::{Failure, Outcome};

/// Tells the running demo what to do.
pub(crate) fn run(_global: &Global, _demo: &Demo) -> anyhow::Result<Outcome> {
    Err(Failure::new("the demo is not built into this binary").into())
}
