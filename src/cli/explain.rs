//! `rhumb explain`: what one client is answered, and why.

use super::args::{Explain, Global};
use super::connection::Connection;
use super::output::Output;
use super::{Failure, Outcome};
use crate::admin::Question;
use crate::wire::Name;

/// Asks the running server, or the files.
pub(crate) fn run(global: &Global, output: &Output, explain: &Explain) -> anyhow::Result<Outcome> {
    let name =
        Name::absolute(&explain.name).map_err(|why| Failure::new(format!("`{}` is no name: {why}", explain.name)))?;
    let question = Question { name, rtype: explain.rtype, client: explain.client };
    let told: serde_json::Value = Connection::new(global, &explain.access)?
        .with_remedy("start it with `rhumb serve`, or use --at-config DIR to explain from files")
        .get(&question.path())?;
    output.json(&told)?;
    Ok(Outcome::Done)
}
