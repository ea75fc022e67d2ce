//! Why a database is refused, for the person who put it there.

use std::fmt;
use std::path::{Path, PathBuf};

/// A database that cannot be used: which one, why, and what to do, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoError {
    /// The file; `None` is the database embedded in the binary.
    pub path: Option<PathBuf>,
    /// What is wrong, a clause without a final stop.
    pub cause: String,
    /// What to do about it, a clause without a final stop.
    pub remedy: &'static str,
}

impl GeoError {
    pub(super) fn at(path: &Path, cause: impl fmt::Display, remedy: &'static str) -> Self {
        Self { path: Some(path.into()), cause: one_line(&cause.to_string()), remedy }
    }

    pub(super) fn embedded(cause: impl fmt::Display) -> Self {
        Self { path: None, cause: one_line(&cause.to_string()), remedy: "the binary is damaged: install it again" }
    }
}

/// Text from a damaged file may hold anything; a log line must stay one line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl fmt::Display for GeoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "geo database {}: {}; {}", path.display(), self.cause, self.remedy),
            None => write!(f, "embedded geo database: {}; {}", self.cause, self.remedy),
        }
    }
}

impl std::error::Error for GeoError {}
