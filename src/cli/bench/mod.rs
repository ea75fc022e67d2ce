//! `rhumb bench`: what this machine's sockets, the engine and a running server can do.
//!
//! Comes in: the zones as `serve` reads them, or a file of queries; goes out: figures for people or as JSON. Invariants:
//! nothing is sent to another machine; what is compared is measured in the same run, by the same generator.

mod answer;
mod echo;
mod figures;
mod load;
mod questions;

use std::path::Path;

use anyhow::Context;

use super::args::{Bench, Global, Measured};
use super::offline::{self, Target};
use super::output::Output;
use super::{Failure, Outcome};
use crate::config::{self, Overrides, Severity};
use crate::net::load::Queries;
use crate::snapshot::Snapshot;

/// Measures one thing.
pub(crate) fn run(global: &Global, output: &Output, bench: &Bench) -> anyhow::Result<Outcome> {
    match &bench.what {
        Measured::Echo(echo) => echo::run(global, output, echo),
        Measured::Answer(answer) => answer::run(global, output, answer),
        Measured::Load(load) => load::run(output, load),
    }
}

/// The configured zones, compiled, with everything up.
fn snapshot(global: &Global, output: &Output, zones: Option<&Path>) -> anyhow::Result<Snapshot> {
    let target = Target { server_file: global.config.clone(), zones: zones.map(Path::to_owned), ..Target::default() };
    let overrides = Overrides { zones: target.zones, ..global.overrides(None) };
    let loaded = config::load(target.server_file.as_deref(), &overrides);
    let Some(model) = loaded.model else {
        let render = |diagnostic| config::render(diagnostic, &loaded.sources, output.is_stderr_coloured());
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        return Err(Failure::new("the zones to measure have errors")
            .details(errors.map(render).collect())
            .help("`rhumb check` shows warnings as well")
            .into());
    };
    Ok(offline::snapshot(model).map_err(|fault| Failure::new(fault.message))?)
}

/// The queries of a file.
fn queries(path: &Path) -> anyhow::Result<Queries> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let queries = Queries::parse(&text).map_err(|fault| {
        Failure::new(format!("{}: {fault}", path.display())).help("a line is `NAME TYPE [NETWORK/LENGTH]`")
    })?;
    if queries.is_empty() {
        return Err(Failure::new(format!("{}: there is no query in it", path.display())).into());
    }
    Ok(queries)
}
