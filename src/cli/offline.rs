//! From files to a snapshot without a server: for `check` and `explain --at-config`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use crate::config::{Diagnostic, Model, Severity, regular};
use crate::geo;
use crate::health::Verdicts;
use crate::snapshot::{Inputs, Snapshot, compile};

/// What a path on the command line means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// The server file to read, if not the usual ones.
    pub(crate) server_file: Option<PathBuf>,
    /// The directory of zones, if not the server file's.
    pub(crate) zones: Option<PathBuf>,
    /// Only faults that touch this file are of interest; canonical.
    pub(crate) only: Option<PathBuf>,
}

/// Keys that stand at the top of a server file and never of a zone file or shared file.
const SERVER_KEYS: [&str; 8] = ["zones", "state", "workers", "listen", "geoip", "latency", "networks", "reload"];

impl Target {
    /// A directory is one of zones, a file a server file or a zone file by what it holds; `server_file` is the one
    /// that goes with zones.
    ///
    /// # Errors
    /// There is no such path, or it cannot be read.
    pub(crate) fn of(path: &Path, server_file: Option<PathBuf>) -> Result<Self, Failure> {
        let failure = |fault: std::io::Error| Failure::new(format!("{}: {fault}", path.display()));
        let canonical = std::fs::canonicalize(path).map_err(failure)?;
        if canonical.is_dir() {
            return Ok(Self { server_file, zones: Some(path.to_owned()), only: None });
        }
        let text = regular::read(path).map_err(failure)?;
        if is_server_file(path, &String::from_utf8_lossy(&text)) {
            return Ok(Self { server_file: Some(path.to_owned()), ..Self::default() });
        }
        let around = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self { server_file, zones: Some(around), only: Some(canonical) })
    }
}

fn is_server_file(path: &Path, text: &str) -> bool {
    if path.file_name().is_some_and(|name| name == "rhumb.toml") {
        return true;
    }
    let Ok(table) = toml::from_str::<toml::Table>(text) else { return false };
    !table.contains_key("zone") && SERVER_KEYS.iter().any(|key| table.contains_key(*key))
}

/// Reads the databases and compiles, with nothing checked and nothing drained.
///
/// # Errors
/// A database that is none, or a limit that was passed.
pub(crate) fn snapshot(model: Model) -> Result<Snapshot, Box<Diagnostic>> {
    let fault = |code, message: String| Box::new(Diagnostic::general(Severity::Error, code, message));
    let (places, _) = geo::load(&model.server.databases).map_err(|why| fault("geo-database", why.to_string()))?;
    let inputs = Inputs {
        verdicts: Verdicts::from(vec![Default::default(); model.probes.len()]),
        model: Arc::new(model),
        places: Arc::new(places),
        drained: BTreeSet::new(),
        seed: 0,
    };
    compile(&inputs, 0, None).map_err(|why| fault("too-large", why.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_path_is_known_by_what_it_holds() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let of = |path: &Path| Target::of(path, None).unwrap();

        assert_eq!(of(place.path()).zones.as_deref(), Some(place.path()));
        let server = write("edge.toml", "zones = \"z\"\n[listen]\n");
        assert_eq!(of(&server).server_file, Some(server));
        let faulty = write("rhumb.toml", "[listen");
        assert_eq!(of(&faulty).server_file, Some(faulty));
        for (name, text) in [
            ("a.toml", "zone = \"a\"\n[networks]\n"),
            ("shared.toml", "[endpoints.x]\nA = \"192.0.2.1\"\n"),
            ("b.zone", "$ORIGIN b.\n"),
            ("c.toml", "[listen"),
        ] {
            let file = write(name, text);
            let target = of(&file);
            assert_eq!(target.zones.as_deref(), Some(place.path()), "{name}");
            assert_eq!(target.only, Some(std::fs::canonicalize(file).unwrap()), "{name}");
        }
        assert!(Target::of(&place.path().join("absent"), None).unwrap_err().to_string().contains("absent"));
    }
}
