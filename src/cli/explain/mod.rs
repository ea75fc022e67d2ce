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
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == config::Severity::Error);
        return Err(Failure::new(format!("the files in {} have errors", path.display()))
            .details(config::render_each(errors, &loaded.sources, output.is_coloured()))
            .help("`rhumb check` shows warnings as well")
            .into());
    };
    let snapshot = offline::snapshot(model).map_err(|fault| Failure::new(fault.message))?;
    let explained = Explained::of(&snapshot, question).map_err(Failure::new)?;
    Ok(serde_json::to_value(explained)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::args::{Access, Format};
    use super::*;
    use crate::wire::RecordType;

    const ZONE: &str = r#"zone = "a.example"
[records]
"@" = { NS = "ns.other.example." }
www = { route = "near" }
[endpoints]
fra = { A = "192.0.2.1", at = "aws:eu-central-1" }
vir = { A = "192.0.2.2", at = "aws:us-east-1" }
[routes.near]
policy = "geoproximity"
to = ["vir", "fra"]
"#;

    fn explain(zone: &str) -> (tempfile::TempDir, Explain) {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a.example.toml"), zone).unwrap();
        let explain = Explain {
            name: "www.a.example".into(),
            rtype: RecordType::A,
            client: "88.198.0.0/24".parse().unwrap(),
            at_config: Some(place.path().to_owned()),
            access: Access::default(),
        };
        (place, explain)
    }

    #[test]
    fn files_are_explained_without_a_server_and_answer_and_reasons_agree() {
        let (place, explain) = explain(ZONE);
        let global = Global { format: Format::Json, ..Global::default() };
        let output = Output::new(&global);
        assert_eq!(run(&global, &output, &explain).unwrap(), Outcome::Done);

        let question =
            Question { name: Name::absolute("www.a.example").unwrap(), rtype: RecordType::A, client: explain.client };
        let told = from_files(&global, &output, &question, place.path()).unwrap();
        assert!(told["answer"][0].as_str().unwrap().ends_with("192.0.2.1"), "{told}");
        assert_eq!(told["decisions"][0]["nodes"][0]["candidates"][0]["name"], "fra");
        assert!(!told["sources"]["88.198.0.0/24"].as_array().unwrap().is_empty(), "{told}");
    }

    #[test]
    fn files_with_errors_are_not_explained() {
        let (_place, explain) = explain(&ZONE.replace("\"vir\", \"fra\"", "\"vir\", \"far\""));
        let global = Global::default();
        assert!(run(&global, &Output::new(&global), &explain).unwrap_err().to_string().contains("have errors"));
    }
}
