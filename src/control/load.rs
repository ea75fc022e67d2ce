//! One reading of the files: a candidate for being served, or its faults.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use siphasher::sip::SipHasher24;

use crate::config::model::{ReloadUnit, Server};
use crate::config::{self, Diagnostic, Loaded, Loader, Model, Overrides, Severity, Source, Wanted};
use crate::wire::Name;

/// Files with their texts.
pub(super) type Sources = Vec<Source>;

/// What one reading brought.
#[derive(Debug)]
pub(super) struct Reading {
    /// Present when there is no error.
    pub(super) model: Option<Model>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) sources: Sources,
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
pub(super) fn read(
    loader: &mut Loader,
    file: Option<&Path>,
    overrides: &Overrides,
    unit: ReloadUnit,
    served: Option<&Sources>,
) -> Reading {
    let first = loader.load(file, overrides, &HashMap::new());
    let digest = digest(&first.sources);
    let served = served.filter(|_| unit == ReloadUnit::Zone && first.model.is_none());
    let Some(served) = served else { return reading(first, digest) };
    match hold_back(loader, file, overrides, &first, served) {
        Some(held) => reading(held, digest),
        None => reading(first, digest),
    }
}

fn reading(loaded: Loaded, digest: u64) -> Reading {
    let Loaded { model, diagnostics, sources, wanted } = loaded;
    Reading { model, diagnostics, sources, digest, wanted }
}

/// Puts the served form in the place of faulty files, and then of those that are faulty because of that, until the
/// rest is whole. A zone's file that was never served is left out, its zone unloaded (protocol 5). `None` when a fault
/// lies in no file, or in another one that was never served.
fn hold_back(
    loader: &mut Loader,
    file: Option<&Path>,
    overrides: &Overrides,
    first: &Loaded,
    served: &Sources,
) -> Option<Loaded> {
    let served: HashMap<&Path, &Source> = served.iter().map(|source| (source.path(), source)).collect();
    let mut kept: HashMap<PathBuf, String> = HashMap::new();
    let mut faults: Vec<Diagnostic> = first.diagnostics.iter().filter(|d| is_error(d)).cloned().collect();
    let mut found = faults.clone();
    let mut unloaded = Vec::new();
    loop {
        let faulty: HashSet<PathBuf> = found.iter().map(|fault| fault.file.clone()).collect::<Option<_>>()?;
        let before = kept.len();
        for path in faulty {
            let text = served.get(&*path).and_then(|source| source.text()).filter(|text| !text.is_empty());
            if let Some(text) = text {
                kept.insert(path, String::clone(&text));
                continue;
            }
            for zone in zones_of(&path, &first.sources)? {
                unloaded.push(zone.apex);
                kept.extend(zone.files.into_iter().map(|file| (file, String::new())));
            }
        }
        if kept.len() == before {
            return None;
        }
        let mut loaded = loader.load(file, overrides, &kept);
        if let Some(model) = &mut loaded.model {
            model.unloaded.extend(unloaded);
            let lines = config::render_lines(&faults, &first.sources);
            for (fault, line) in faults.iter_mut().zip(lines) {
                fault.severity = Severity::Warning;
                fault.help =
                    Some("until it is mended its last good form is served, or SERVFAIL where there is none".into());
                // The spans are of the text on disk, which is not the one that is served.
                fault.message = format!("not taken: {line}");
                fault.span = None;
            }
            loaded.diagnostics.splice(0..0, faults);
            return Some(loaded);
        }
        found = loaded.diagnostics.into_iter().filter(is_error).collect();
    }
}

/// A zone, and the files that say what it is.
struct Withheld {
    apex: Name,
    files: Vec<PathBuf>,
}

/// The zones that a faulty file is about, if that can still be read: its own, or those whose files import it.
fn zones_of(path: &Path, sources: &Sources) -> Option<Vec<Withheld>> {
    let is_toml = |path: &Path| path.extension().is_some_and(|extension| extension == "toml");
    if is_toml(path) {
        let source = sources.iter().find(|source| source.path() == path)?;
        return Some(vec![withheld(source)?]);
    }
    let tomls = sources.iter().filter(|source| is_toml(source.path())).filter_map(withheld);
    let importers: Vec<Withheld> = tomls.filter(|zone| zone.files.iter().any(|file| file == path)).collect();
    if !importers.is_empty() {
        return Some(importers);
    }
    // A master file that is served as it stands.
    let stem = path.file_stem().filter(|_| path.extension().is_some_and(|extension| extension == "zone"))?;
    let apex = Name::absolute(stem.to_str()?).ok()?;
    Some(vec![Withheld { apex, files: vec![path.to_owned()] }])
}

/// What a zone's TOML says of that, where it says it.
fn withheld(source: &Source) -> Option<Withheld> {
    let text = source.text()?;
    let (table, _) = toml::de::DeTable::parse_recoverable(&text);
    let value = |key: &str| table.get_ref().get(key).and_then(|value| value.get_ref().as_str());
    let apex = Name::absolute(value("zone")?).ok()?;
    let beside = source.path().parent().unwrap_or(Path::new(""));
    let import = value("import").map(|import| beside.join(import));
    Some(Withheld { apex, files: std::iter::once(source.path().to_owned()).chain(import).collect() })
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

fn digest(sources: &Sources) -> u64 {
    let mut hasher = SipHasher24::new();
    for source in sources {
        let path = source.path().as_os_str().as_encoded_bytes();
        hasher.write_u64(path.len() as u64);
        hasher.write(path);
        hasher.write_u128(source.digest());
    }
    hasher.finish()
}

/// Files that a server file names and that are no text of the configuration: databases, and the secrets of keys.
pub(super) fn followed(server: &Server) -> Vec<PathBuf> {
    server.databases.iter().chain(&server.secret_files).cloned().collect()
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
    fn digests_tell_paths_and_texts_apart() {
        let one = |path: &str, text: &str| digest(&vec![Source::new(path.into(), text.into())]);
        assert_eq!(one("a", "b"), one("a", "b"));
        assert_ne!(one("a", "b"), one("ab", ""));
        assert_ne!(one("a", "b"), one("a", "c"));
    }
}
