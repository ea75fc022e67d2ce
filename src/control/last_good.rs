//! The texts of the last configuration that was served, in the state directory, for a start with broken files
//! (reliability 4).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use super::load::Sources;
use crate::config::{self, Loaded, Model, Overrides};
use crate::health::Store;

const DIRECTORY: &str = "last-good";
const FILE: (&str, &str) = ("configuration.json", "rhumb-configuration-1");

/// What was served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastGood {
    /// The server file, if there was one.
    server_file: Option<PathBuf>,
    /// The directory of zone files.
    pub(super) zones: PathBuf,
    /// Every file with its text.
    sources: Sources,
}

impl LastGood {
    /// Of a model and the texts that it was read from.
    pub(super) fn new(server_file: Option<PathBuf>, model: &Model, sources: &Sources) -> Self {
        Self { server_file, zones: model.server.zones.clone(), sources: sources.clone() }
    }

    /// Blocks until it is on disk.
    pub(super) fn save(&self, state: &Path) -> io::Result<()> {
        Store::new(state.join(DIRECTORY)).save(FILE, self)
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
    pub(super) fn load(&self, state: &Path, overrides: &Overrides) -> io::Result<Loaded> {
        // Nobody else's: what is laid out there is served. It is removed at the end, since texts are read whole.
        let private = |place: &Path| tempfile::Builder::new().prefix("rhumb-zones-").tempdir_in(place);
        // A state directory that cannot be written is no reason not to serve.
        let place = private(&state.join(DIRECTORY)).or_else(|_| private(&std::env::temp_dir()))?;
        let directory = place.path().to_owned();
        self.lay_out(&directory)?;
        let outside = |path: &&(PathBuf, String)| !path.0.starts_with(&self.zones);
        let kept: HashMap<PathBuf, String> = self.sources.iter().filter(outside).cloned().collect();
        let zones = Some(directory.clone());
        let overrides = Overrides { zones, without_databases: true, ..overrides.clone() };
        let mut loaded = config::load_keeping(self.server_file.as_deref(), &overrides, &kept);
        let original = |path: &mut PathBuf| {
            if let Ok(inner) = path.strip_prefix(&directory) {
                *path = self.zones.join(inner);
            }
        };
        if let Some(model) = &mut loaded.model {
            model.server.zones.clone_from(&self.zones);
            model.zones.iter_mut().for_each(|zone| original(&mut Arc::make_mut(zone).file));
        }
        loaded.sources.iter_mut().for_each(|(path, _)| original(path));
        for diagnostic in &mut loaded.diagnostics {
            diagnostic.file.iter_mut().for_each(original);
            diagnostic.related.iter_mut().for_each(|(path, ..)| original(path));
        }
        Ok(loaded)
    }

    fn lay_out(&self, directory: &Path) -> io::Result<()> {
        for (path, text) in &self.sources {
            let Ok(inner) = path.strip_prefix(&self.zones) else { continue };
            let copy = directory.join(inner);
            if let Some(parent) = copy.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&copy, text)?;
            // The serial comes from this time unless it is given; the last one used then counts (config: serial).
            File::options().write(true).open(&copy)?.set_modified(UNIX_EPOCH)?;
        }
        Ok(())
    }
}

/// The state directory that a server file names, found without understanding the rest of it, for when the rest is
/// broken.
pub(super) fn state_directory(server_file: Option<&Path>, overrides: &Overrides) -> PathBuf {
    if let Some(state) = &overrides.state {
        return state.clone();
    }
    let named = server_file.and_then(|file| {
        let text = fs::read_to_string(file).ok()?;
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

    #[test]
    fn what_was_kept_is_read_again_and_damage_is_noticed() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(LastGood::read(state.path()), Ok(None));
        let kept = LastGood {
            server_file: None,
            zones: "zones".into(),
            sources: vec![("zones/a.toml".into(), "zone = \"a\"".into())],
        };
        kept.save(state.path()).unwrap();
        assert_eq!(LastGood::read(state.path()), Ok(Some(kept)));
        let file = state.path().join(DIRECTORY).join(FILE.0);
        let damaged = fs::read_to_string(&file).unwrap().replace("zones/a", "zones/b");
        fs::write(&file, damaged).unwrap();
        assert!(LastGood::read(state.path()).is_err());
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
        let kept =
            LastGood { server_file: None, zones: "zones".into(), sources: vec![("zones/a.toml".into(), zone.into())] };
        kept.save(state.path()).unwrap();
        // What somebody has left in the way is not read.
        fs::create_dir(state.path().join(DIRECTORY).join("zones")).unwrap();
        fs::write(state.path().join(DIRECTORY).join("zones/b.toml"), "zone = ").unwrap();
        let loaded = kept.load(state.path(), &Overrides::default()).unwrap();
        assert_eq!(loaded.model.unwrap().zones[0].file, Path::new("zones/a.toml"));
        let left: Vec<_> =
            fs::read_dir(state.path().join(DIRECTORY)).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("rhumb-zones-")), "{left:?}");
        // Without a directory of its own the system's is used.
        assert!(kept.load(Path::new("/dev/null"), &Overrides::default()).unwrap().model.is_some());
    }
}
