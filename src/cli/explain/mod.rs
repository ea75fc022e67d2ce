//! `rhumb explain`: what one client is answered, and why; from the running server, or from files.

mod tree;

use std::path::Path;

use serde::Deserialize;

use super::args::{Explain, Global};
use super::connection::Connection;
use super::offline::{self, Target};
use super::output::Output;
use super::{Failure, Outcome};
use crate::admin::{Explained, Question};
use crate::config;
use crate::wire::Name;

/// Explains one answer; a difference between the answer and its reasons is an outcome of its own.
pub(crate) fn run(global: &Global, output: &Output, explain: &Explain) -> anyhow::Result<Outcome> {
    let name = Name::absolute(&explain.name)
        .map_err(|why| Failure::new(format!("`{}` is no name: {why}", explain.name)).help("such as www.example.com"))?;
    let question = Question { name, rtype: explain.rtype, client: explain.client };
    let told = match &explain.at_config {
        Some(path) => from_files(global, output, &question, path)?,
        None => Connection::new(global, &explain.access)?
            .with_remedy("start it with `rhumb serve`, or use --at-config DIR to explain from files")
            .get(&question.path())?,
    };
    let seen = tree::Seen::deserialize(&told)?;
    if output.is_json() {
        output.json(&told)?;
    } else {
        output.text(&tree::render(&seen, output, std::time::SystemTime::now()))?;
    }
    Ok(if seen.difference.is_some() { Outcome::Differs } else { Outcome::Done })
}

/// Everything counts as up, since nothing has been checked.
fn from_files(global: &Global, output: &Output, question: &Question, path: &Path) -> anyhow::Result<serde_json::Value> {
    let target = Target::of(path, global.config.clone())?;
    let overrides = config::Overrides { zones: target.zones, ..global.overrides(None) };
    let loaded = config::load(target.server_file.as_deref(), &overrides);
    let Some(model) = loaded.model else {
        let render = |diagnostic| config::render(diagnostic, &loaded.sources, output.is_coloured());
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == config::Severity::Error);
        return Err(Failure::new(format!("the files in {} have errors", path.display()))
            .details(errors.map(render).collect())
            .help("`rhumb check` shows warnings as well")
            .into());
    };
    let snapshot = offline::snapshot(model).map_err(|fault| Failure::new(fault.message))?;
    let explained = Explained::of(&snapshot, question).map_err(Failure::new)?;
    Ok(serde_json::to_value(explained)?)
}
