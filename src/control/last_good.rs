//! The texts of the last configuration that was served, in the state directory, for a start with broken files
//! (reliability 4). Small ones stand together in one file; a large one has a file of its own, named by its digest, so
//! that it is written once and need not be in memory as well.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use super::load::Sources;
use crate::config::{self, Holdings, LARGE, Loaded, Loader, Model, Overrides, Source, regular};
use crate::health::Store;
use crate::pieces;

const DIRECTORY: &str = "last-good";
const FILE: (&str, &str) = ("configuration.json", "rhumb-configuration-2");
/// What the copies of large texts are called behind their digests.
const COPY: &str = "text";

/// What was served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastGood {
    /// The server file, if there was one.
    server_file: Option<PathBuf>,
    /// The directory of zone files.
    pub(super) zones: PathBuf,
    /// Every file.
    sources: Vec<Kept>,
}

/// A file with its text, or with what its text is to be known by: that stands in a copy beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    path: PathBuf,
    text: Option<String>,
    digest: Option<String>,
}

/// Copies large texts into the state directory and lets them go from memory. Where that cannot be, they stay. The
/// copies are on disk for certain after [`LastGood::save`] only.
pub(super) fn deposit(sources: &mut Sources, state: &Path) {
    let directory = state.join(DIRECTORY);
    for source in sources {
        let Some(text) = source.held().filter(|text| text.len() >= LARGE).map(Arc::clone) else { continue };
        let place = copy_of(&directory, source);
        let mut left = source.clone();
        left.leave_in(place.clone());
        // One that is there already is as good, if it is whole.
        if left.text().is_some() || write(&directory, &place, &text).is_ok() {
            *source = left;
        }
    }
}

fn copy_of(directory: &Path, source: &Source) -> PathBuf {
    directory.join(format!("{:032x}.{COPY}", source.digest()))
}

/// Makes the directory, if it is not there, and keeps others out of it: a server file may have secrets in it, and its
/// copy must not be easier to read.
fn make_private(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

fn write(directory: &Path, place: &Path, text: &str) -> io::Result<()> {
    make_private(directory)?;
    let beside = place.with_extension("new");
    pieces::write(&beside, text.as_bytes())?;
    fs::rename(beside, place)
}

impl LastGood {
    /// Of a model and the files that it was read from.
    pub(super) fn new(server_file: Option<PathBuf>, model: &Model, sources: &Sources) -> Self {
        let kept = |source: &Source| Kept {
            path: source.path().to_owned(),
            text: source.held().map(|text| String::clone(text)),
            digest: source.held().is_none().then(|| format!("{:032x}", source.digest())),
        };
        let sources = sources.iter().map(kept).collect();
        Self { server_file, zones: model.server.zones.clone(), sources }
    }

    /// Blocks until it is on disk. Copies of texts that are no longer meant are removed.
    pub(super) fn save(&self, state: &Path) -> io::Result<()> {
        let directory = state.join(DIRECTORY);
        make_private(&directory)?;
        let copies: HashSet<PathBuf> = self.sources.iter().filter_map(|kept| kept.copy(&directory)).collect();
        for copy in &copies {
            File::open(copy)?.sync_all()?;
        }
        Store::new(&directory).save(FILE, self)?;
        for entry in fs::read_dir(&directory)?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == COPY) && !copies.contains(&path) {
                // It costs room and nothing else.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    /// What was saved last; `None` if nothing was.
    ///
    /// # Errors
    /// It cannot be read, or does not match its checksum: one line.
    pub(super) fn read(state: &Path) -> Result<Option<Self>, String> {
        let read: Self = Store::new(state.join(DIRECTORY))
            .load(FILE, "there is no last good configuration")
            .map_err(|fault| fault.to_string())?;
        Ok((!read.sources.is_empty()).then_some(read))
    }

    /// Loads these texts whatever the files say now. The zone files are laid out in a directory of their own, since
    /// files that were added or that cannot be listed must not matter; paths in the result are the original ones.
    ///
    /// # Errors
    /// They cannot be laid out, or a copy is not what was saved.
    pub(super) fn load(&self, state: &Path, overrides: &Overrides, holdings: &Holdings) -> io::Result<Loaded> {
        let kept_in = state.join(DIRECTORY);
        // Nobody else's: what is laid out there is served. It is removed at the end, since texts are read whole.
        let private = |place: &Path| tempfile::Builder::new().prefix("rhumb-zones-").tempdir_in(place);
        // A state directory that cannot be written is no reason not to serve.
        let place = private(&kept_in).or_else(|_| private(&std::env::temp_dir()))?;
        let directory = place.path().to_owned();
        let mut outside: HashMap<PathBuf, String> = HashMap::new();
        for kept in &self.sources {
            let text = kept.text(&kept_in)?;
            match kept.path.strip_prefix(&self.zones) {
                Ok(inner) => lay_out(&directory.join(inner), &text)?,
                Err(_) => drop(outside.insert(kept.path.clone(), text)),
            }
        }
        let zones = Some(directory.clone());
        let overrides = Overrides { zones, without_databases: true, ..overrides.clone() };
        let mut loader = Loader::default();
        loader.holdings_mut().clone_from(holdings);
        let mut loaded = loader.load(self.server_file.as_deref(), &overrides, &outside);
        let original = |path: &mut PathBuf| {
            if let Ok(inner) = path.strip_prefix(&directory) {
                *path = self.zones.join(inner);
            }
        };
        if let Some(model) = &mut loaded.model {
            model.server.zones.clone_from(&self.zones);
            model.zones.iter_mut().for_each(|zone| original(&mut Arc::make_mut(zone).file));
            model.grounds.iter_mut().for_each(|ground| original(&mut Arc::make_mut(ground).zone.file));
        }
        for source in &mut loaded.sources {
            let mut path = source.path().to_owned();
            original(&mut path);
            source.set_path(path);
        }
        for diagnostic in &mut loaded.diagnostics {
            diagnostic.file.iter_mut().for_each(original);
            diagnostic.related.iter_mut().for_each(|(path, ..)| original(path));
        }
        Ok(loaded)
    }
}

impl Kept {
    /// Where the text stands, if not here.
    fn copy(&self, directory: &Path) -> Option<PathBuf> {
        self.digest.as_ref().map(|digest| directory.join(format!("{digest}.{COPY}")))
    }

    fn text(&self, directory: &Path) -> io::Result<String> {
        if let Some(text) = &self.text {
            return Ok(text.clone());
        }
        let damaged = || io::Error::other(format!("the copy of {} does not match its checksum", self.path.display()));
        let copy = self.copy(directory).ok_or_else(damaged)?;
        let source = Source::new(self.path.clone(), pieces::read_to_string(&copy)?);
        let is_whole = self.digest == Some(format!("{:032x}", source.digest()));
        source.held().filter(|_| is_whole).map(|text| String::clone(text)).ok_or_else(damaged)
    }
}

fn lay_out(copy: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = copy.parent() {
        fs::create_dir_all(parent)?;
    }
    pieces::write(copy, text.as_bytes())?;
    // The serial comes from this time unless it is given; the last one used then counts (config: serial).
    File::options().write(true).open(copy)?.set_modified(UNIX_EPOCH)
}

/// The state directory that a server file names, found without understanding the rest of it, for when the rest is
/// broken.
pub(super) fn state_directory(server_file: Option<&Path>, overrides: &Overrides) -> PathBuf {
    if let Some(state) = &overrides.state {
        return state.clone();
    }
    let named = server_file.and_then(|file| {
        let text = regular::read_to_string(file).ok()?;
        let (table, _) = DeTable::parse_recoverable(&text);
        let value = table.get_ref().get("state")?.get_ref().as_str()?.to_owned();
        Some(file.parent().unwrap_or(Path::new("")).join(value))
    });
    named.unwrap_or_else(|| config::model::Server::default().state)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn small(path: &str, text: &str) -> Kept {
        Kept { path: path.into(), text: Some(text.into()), digest: None }
    }

    /// A zone whose text is as large as those that are copied.
    fn large() -> String {
        format!("; {}\n@ SOA ns.elsewhere.test. host 7 1 2 3 4\n@ NS ns.elsewhere.test.\n", "x".repeat(LARGE))
    }

    #[test]
    fn what_was_kept_is_read_again_and_damage_is_noticed() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(LastGood::read(state.path()), Ok(None));
        let kept =
            LastGood { server_file: None, zones: "zones".into(), sources: vec![small("zones/a.toml", "zone = \"a\"")] };
        kept.save(state.path()).unwrap();
        assert_eq!(LastGood::read(state.path()), Ok(Some(kept)));
        let file = state.path().join(DIRECTORY).join(FILE.0);
        let damaged = fs::read_to_string(&file).unwrap().replace("zones/a", "zones/b");
        fs::write(&file, damaged).unwrap();
        assert!(LastGood::read(state.path()).is_err());
    }

    #[test]
    fn others_are_kept_out_of_what_may_hold_secrets() {
        let state = tempfile::tempdir().unwrap();
        // As it was left by an earlier version.
        let directory = state.path().join(DIRECTORY);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        LastGood::default().save(state.path()).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_state_directory_is_found_in_a_broken_server_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rhumb.toml");
        fs::write(&file, "workers = = 2\nstate = \"kept\"\n[listen]\nstate = \"no\"\n").unwrap();
        let none = Overrides::default();
        assert_eq!(state_directory(Some(&file), &none), directory.path().join("kept"));
        for (text, named) in [
            ("state = \"st\" # beside this file", "st"),
            ("'state' = 'st'\n[listen", "st"),
            ("zones = \"state\"\n\"state\" = \"s#t\"\nworkers = {", "s#t"),
            ("state = \"\"\"s\\u0074\"\"\"\nreload = zone\n", "st"),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(state_directory(Some(&file), &none), directory.path().join(named), "{text}");
        }
        assert_eq!(state_directory(None, &none), PathBuf::from("state"));
        let flag = Overrides { state: Some("flag".into()), ..none };
        assert_eq!(state_directory(Some(&file), &flag), PathBuf::from("flag"));
    }

    #[test]
    fn texts_are_laid_out_where_nobody_else_can_put_any_and_are_gone_afterwards() {
        let state = tempfile::tempdir().unwrap();
        let zone = "zone = \"a.test\"\n[records]\n\"@\" = { NS = \"ns.elsewhere.test.\" }\n";
        let kept = LastGood { server_file: None, zones: "zones".into(), sources: vec![small("zones/a.toml", zone)] };
        kept.save(state.path()).unwrap();
        // What somebody has left in the way is not read.
        fs::create_dir(state.path().join(DIRECTORY).join("zones")).unwrap();
        fs::write(state.path().join(DIRECTORY).join("zones/b.toml"), "zone = ").unwrap();
        let loaded = kept.load(state.path(), &Overrides::default(), &Holdings::default()).unwrap();
        assert_eq!(loaded.model.unwrap().zones[0].file, Path::new("zones/a.toml"));
        let left: Vec<_> =
            fs::read_dir(state.path().join(DIRECTORY)).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("rhumb-zones-")), "{left:?}");
        // Without a directory of its own the system's is used.
        assert!(
            kept.load(Path::new("/dev/null"), &Overrides::default(), &Holdings::default()).unwrap().model.is_some()
        );
    }

    #[test]
    fn a_large_text_is_copied_once_let_go_and_checked_when_it_is_read_again() {
        let state = tempfile::tempdir().unwrap();
        let files = || vec![Source::new("zones/a.test.zone".into(), large()), Source::new("x".into(), "y".into())];
        let mut sources = files();
        deposit(&mut sources, state.path());
        assert!(sources[0].held().is_none() && sources[1].held().is_some());
        assert_eq!(sources[0].text().unwrap().len(), large().len());
        let model = Model {
            server: config::model::Server { zones: "zones".into(), ..Default::default() },
            ..Default::default()
        };
        let kept = LastGood::new(None, &model, &sources);
        kept.save(state.path()).unwrap();
        let kept = LastGood::read(state.path()).unwrap().unwrap();
        let loaded = kept.load(state.path(), &Overrides::default(), &Holdings::default()).unwrap();
        assert_eq!(loaded.model.unwrap().zones[0].soa.serial, 7);
        assert_eq!(loaded.sources[0].path(), Path::new("zones/a.test.zone"));

        // Damage is noticed, and mended by the next one that brings the text.
        let copy = copy_of(&state.path().join(DIRECTORY), &sources[0]);
        fs::write(&copy, large().replace('7', "8")).unwrap();
        assert!(sources[0].text().is_none());
        assert!(
            kept.load(state.path(), &Overrides::default(), &Holdings::default())
                .unwrap_err()
                .to_string()
                .contains("checksum")
        );
        deposit(&mut files(), state.path());
        assert!(sources[0].text().is_some());

        // What is no longer meant goes.
        LastGood { sources: vec![small("x", "y")], ..kept }.save(state.path()).unwrap();
        assert!(!copy.exists());
        // Where nothing can be written, it stays.
        let mut sources = files();
        deposit(&mut sources, Path::new("/dev/null"));
        assert!(sources[0].held().is_some());
    }
}
