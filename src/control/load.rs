//! One reading of the files: a candidate for being served, or its faults.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use siphasher::sip::SipHasher24;

use crate::config::model::ReloadUnit;
use crate::config::{self, Diagnostic, Loaded, Model, Overrides, Severity, Wanted};
use crate::wire::Name;

/// Files with their texts.
pub(super) type Sources = Vec<(PathBuf, String)>;

/// What one reading brought.
#[derive(Debug)]
pub(super) struct Reading {
    /// Present when there is no error.
    pub(super) model: Option<Model>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) sources: Arc<Sources>,
    /// Of the texts and their paths: equal digests mean that nothing was edited.
    pub(super) digest: u64,
    /// What else it depends on.
    pub(super) wanted: Wanted,
}

/// Every place where a server file may appear.
pub(super) fn server_files(given: Option<&Path>) -> Vec<PathBuf> {
    given.map_or_else(|| config::SERVER_FILES.iter().map(PathBuf::from).collect(), |given| vec![given.to_owned()])
}

/// Reads everything. With `reload = "zone"` (`unit`), faulty files are replaced by their `served` form where they have
/// one, and their errors become warnings.
pub(super) fn read(file: Option<&Path>, overrides: &Overrides, unit: ReloadUnit, served: Option<&Sources>) -> Reading {
    let first = config::load(file, overrides);
    let digest = digest(&first.sources);
    let served = served.filter(|_| unit == ReloadUnit::Zone && first.model.is_none());
    let Some(served) = served else { return reading(first, digest) };
    hold_back(file, overrides, &first, served).map_or_else(|| reading(first, digest), |held| reading(held, digest))
}

fn reading(loaded: Loaded, digest: u64) -> Reading {
    let Loaded { model, diagnostics, sources, wanted } = loaded;
    Reading { model, diagnostics, sources: Arc::new(sources), digest, wanted }
}

/// Puts the served form in the place of faulty files, and then of those that are faulty because of that, until the
/// rest is whole. A zone's file that was never served is left out, its zone unloaded (protocol 5). `None` when a fault
/// lies in no file, or in another one that was never served.
fn hold_back(file: Option<&Path>, overrides: &Overrides, first: &Loaded, served: &Sources) -> Option<Loaded> {
    let served: HashMap<&PathBuf, &String> = served.iter().map(|(path, text)| (path, text)).collect();
    let mut kept: HashMap<PathBuf, String> = HashMap::new();
    let mut faults: Vec<Diagnostic> = first.diagnostics.iter().filter(|d| is_error(d)).cloned().collect();
    let mut found = faults.clone();
    let mut unloaded = Vec::new();
    loop {
        let faulty: HashSet<PathBuf> = found.iter().map(|fault| fault.file.clone()).collect::<Option<_>>()?;
        let before = kept.len();
        for path in faulty {
            let text = match served.get(&path).filter(|text| !text.is_empty()) {
                Some(text) => (*text).clone(),
                None => {
                    unloaded.push(zone_of(&path, &first.sources)?);
                    String::new()
                }
            };
            kept.insert(path, text);
        }
        if kept.len() == before {
            return None;
        }
        let mut loaded = config::load_keeping(file, overrides, &kept);
        if let Some(model) = &mut loaded.model {
            model.unloaded = unloaded;
            for fault in &mut faults {
                fault.severity = Severity::Warning;
                fault.help =
                    Some("until it is mended its last good form is served, or SERVFAIL where there is none".into());
                // The spans are of the text on disk, which is not the one that is served.
                fault.message = format!("not taken: {}", line(fault, &first.sources));
                fault.span = None;
            }
            loaded.diagnostics.splice(0..0, faults);
            return Some(loaded);
        }
        found = loaded.diagnostics.into_iter().filter(is_error).collect();
    }
}

/// The zone that a faulty file is about, if it can still be read.
fn zone_of(path: &Path, sources: &Sources) -> Option<Name> {
    let (_, text) = sources.iter().find(|(source, _)| source == path)?;
    let (table, _) = toml::de::DeTable::parse_recoverable(text);
    Name::absolute(table.get_ref().get("zone")?.get_ref().as_str()?).ok()
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

fn digest(sources: &Sources) -> u64 {
    let mut hasher = SipHasher24::new();
    for (path, text) in sources {
        for part in [path.as_os_str().as_encoded_bytes(), text.as_bytes()] {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
    }
    hasher.finish()
}

/// `file:line:column: message (label); help`, with what of it there is.
pub(super) fn line(diagnostic: &Diagnostic, sources: &[(PathBuf, String)]) -> String {
    let mut said = String::new();
    if let Some(file) = &diagnostic.file {
        said.push_str(&file.display().to_string());
        let text = sources.iter().find(|(path, _)| path == file).map(|(_, text)| text);
        if let (Some(span), Some(text)) = (&diagnostic.span, text) {
            let before = text.get(..span.start).unwrap_or(text);
            let row = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            said.push_str(&format!(":{row}:{column}"));
        }
        said.push_str(": ");
    }
    said.push_str(&diagnostic.message);
    if !diagnostic.label.is_empty() {
        said.push_str(&format!(" ({})", diagnostic.label));
    }
    if let Some(help) = &diagnostic.help {
        said.push_str(&format!("; {help}"));
    }
    said
}

/// What tells one form of a file from another without reading it.
pub(super) type Stamp = (PathBuf, Option<(SystemTime, u64)>);

/// The stamps of files that are too large, or too often looked at, to be read for comparing.
pub(super) fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    paths.iter().map(|path| (path.clone(), stamp(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_file_row_and_column_in_characters() {
        let text = "zone = \"a\"\n# café\nü = xyz\n".to_owned();
        let at = text.find("xyz").unwrap_or(0);
        let sources = vec![(PathBuf::from("zones/a.toml"), text)];
        let mut fault = Diagnostic::general(Severity::Error, "unknown-key", "no key of this name");
        fault.file = Some("zones/a.toml".into());
        fault.span = Some(at..at + 3);
        fault.help = Some("perhaps `zone`".into());
        assert_eq!(line(&fault, &sources), "zones/a.toml:3:5: no key of this name; perhaps `zone`");
    }

    #[test]
    fn digests_tell_paths_and_texts_apart() {
        let one = |path: &str, text: &str| digest(&vec![(path.into(), text.into())]);
        assert_eq!(one("a", "b"), one("a", "b"));
        assert_ne!(one("a", "b"), one("ab", ""));
        assert_ne!(one("a", "b"), one("a", "c"));
    }
}
