//! STUB. Files to meaning: what was written (with spans) becomes the [`model`].

pub mod diagnostic;
pub mod model;

use std::path::{Path, PathBuf};

pub use diagnostic::{Diagnostic, Severity};
pub use model::Model;

/// What flags say over the server file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `--zones`.
    pub zones: Option<PathBuf>,
    /// `--state`.
    pub state: Option<PathBuf>,
    /// `--listen`, any number.
    pub listen: Vec<std::net::SocketAddr>,
    /// `--admin`.
    pub admin: Option<String>,
    /// `--workers`.
    pub workers: Option<usize>,
    /// `--demo`: checks with `allow_private` are taken as they are; nothing else changes.
    pub demo: bool,
}

/// One load, whole or faulty.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Present when there is no error.
    pub model: Option<Model>,
    /// Errors and warnings in the order of files and positions.
    pub diagnostics: Vec<Diagnostic>,
    /// Every file that was read, with its text: for rendering, watching and the last good copy.
    pub sources: Vec<(PathBuf, String)>,
}

/// Reads the server file (`None`: `./rhumb.toml`, else `/etc/rhumb/rhumb.toml`, else the defaults), then every zone
/// and shared file, and resolves them together. All faults are gathered.
pub fn load(_server_file: Option<&Path>, _overrides: &Overrides) -> Loaded {
    Loaded::default()
}
