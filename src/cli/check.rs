//! `rhumb check`: everything is read as `serve` would read it, and every fault is printed; or the world is asked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::{Check, Global};
use super::offline::{self, Target};
use super::output::{Output, Tone};
use super::waiting::Waiting;
use super::{Failure, Outcome, live};
use crate::config::{self, Diagnostic, Loaded, Loader, Model, Overrides, Progress, Severity, code};

/// Prints the faults of a server file, a directory of zones, one zone file, or of what `serve` would read.
pub(crate) fn run(global: &Global, output: &Output, check: &Check) -> anyhow::Result<Outcome> {
    let target = match &check.path {
        None => Target { server_file: global.config.clone(), ..Target::default() },
        Some(path) => Target::of(path, global.config.clone())?,
    };
    let overrides = Overrides { zones: target.zones.clone(), ..global.overrides(None) };
    let progress = Arc::new(Progress::default());
    let waiting = Waiting::for_load(&progress);
    let mut loaded = Loader::new(progress).load(target.server_file.as_deref(), &overrides, &HashMap::new());
    if let Some(zone) = &check.live.zone {
        drop(waiting);
        let model = if is_absent(&loaded, global, check) { None } else { Some(whole(loaded, output)?) };
        return live::run(output, zone, &check.live, model.as_ref());
    }
    let zones = loaded.model.as_ref().map(|model| model.zones.len());
    if let Some(model) = loaded.model.take() {
        // Only what loads can be compiled, and only what compiles can be served.
        if let Err(fault) = offline::snapshot(model) {
            loaded.diagnostics.push(*fault);
        }
    }
    drop(waiting);
    if let Some(file) = &target.only {
        loaded.diagnostics.retain(|diagnostic| concerns(diagnostic, file));
    }
    let count = |severity| loaded.diagnostics.iter().filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if output.is_json() {
        let diagnostics = config::render_json(&loaded.diagnostics, &loaded.sources);
        output.json(&json!({ "errors": errors, "warnings": warnings, "zones": zones, "diagnostics": diagnostics }))?;
    } else {
        output.text(&text(&loaded, output, errors, warnings, zones))?;
    }
    Ok(if errors == 0 { Outcome::Done } else { Outcome::Faulty })
}

/// Whether there is no configuration, and none was named: the world can be asked without.
fn is_absent(loaded: &Loaded, global: &Global, check: &Check) -> bool {
    let absent = [code::NO_ZONES_DIRECTORY, code::NO_ZONES];
    let mut errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).peekable();
    let is_named = check.path.is_some() || global.config.is_some();
    !is_named && errors.peek().is_some() && errors.all(|error| absent.contains(&error.code))
}

/// The model of a load without errors.
fn whole(loaded: Loaded, output: &Output) -> Result<Model, Failure> {
    let Loaded { model, diagnostics, sources, .. } = loaded;
    model.ok_or_else(|| {
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error);
        Failure::new("the configuration has errors, so that the world cannot be compared with it")
            .details(config::render_each(errors, &sources, output.is_stderr_coloured()))
            .help("mend it first: `rhumb check` shows warnings as well")
    })
}

/// Whether a fault stands in a file, is related to something there, or stands in no file at all.
fn concerns(diagnostic: &Diagnostic, file: &Path) -> bool {
    let is_it = |other: &Path| other == file || std::fs::canonicalize(other).is_ok_and(|other| other == file);
    diagnostic.file.as_deref().is_none_or(is_it) || diagnostic.related.iter().any(|(other, _, _)| is_it(other))
}

/// The faults, and a last line that sums up.
fn text(loaded: &Loaded, output: &Output, errors: usize, warnings: usize, zones: Option<usize>) -> String {
    let rendered = config::render_each(&loaded.diagnostics, &loaded.sources, output.is_coloured());
    let mut text: String = rendered.into_iter().map(|diagnostic| diagnostic + "\n").collect();
    let (tone, verdict) = match (errors, warnings) {
        (0, 0) => (Tone::Good, "no faults".to_owned()),
        (0, _) => (Tone::Wary, counted(warnings, "warning")),
        (_, 0) => (Tone::Bad, counted(errors, "error")),
        _ => (Tone::Bad, format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))),
    };
    let read = counted(loaded.sources.len(), "file");
    let zones = zones.map_or_else(String::new, |zones| format!(", {}", counted(zones, "zone")));
    text.push_str(&format!("{}: {read} read{zones}\n", output.paint(tone, verdict)));
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(place.path().join(name), text).unwrap();
        }
        place
    }

    fn outcome(path: &Path) -> anyhow::Result<Outcome> {
        let global = Global { format: super::super::args::Format::Json, ..Global::default() };
        run(&global, &Output::new(&global), &Check { path: Some(path.to_owned()), ..Check::default() })
    }

    const GOOD: &str = "zone = \"a.example\"\n[records]\n\"@\" = { NS = \"ns.other.example.\" }\n";

    #[test]
    fn errors_are_an_outcome_and_warnings_are_none() {
        let good = directory(&[("a.example.toml", GOOD)]);
        assert_eq!(outcome(good.path()).unwrap(), Outcome::Done);
        let bad = directory(&[("a.example.toml", "zone = \"a.example\"\nzoen = 1\n")]);
        assert_eq!(outcome(bad.path()).unwrap(), Outcome::Faulty);
    }

    #[test]
    fn a_fault_in_another_file_is_not_counted_against_the_one_that_was_named() {
        let place = directory(&[("a.example.toml", GOOD), ("b.example.toml", "zone = \"b.example\"\nzoen = 1\n")]);
        assert_eq!(outcome(&place.path().join("a.example.toml")).unwrap(), Outcome::Done);
        assert_eq!(outcome(&place.path().join("b.example.toml")).unwrap(), Outcome::Faulty);
    }

    #[test]
    fn a_database_that_is_none_is_a_fault_of_the_configuration() {
        let place =
            directory(&[("rhumb.toml", "zones = \"z\"\n[geoip]\ndatabases = [\"no.mmdb\"]\n"), ("no.mmdb", "x")]);
        std::fs::create_dir(place.path().join("z")).unwrap();
        std::fs::write(place.path().join("z/a.example.toml"), GOOD).unwrap();
        assert_eq!(outcome(&place.path().join("rhumb.toml")).unwrap(), Outcome::Faulty);
    }

    #[test]
    fn the_last_line_sums_up_in_the_right_number() {
        let global = Global { color: super::super::args::Color::Never, ..Global::default() };
        let text = text(&Loaded::default(), &Output::new(&global), 1, 2, None);
        assert_eq!(text, "1 error, 2 warnings: 0 files read\n");
    }
}
