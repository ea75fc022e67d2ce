//! The files of a load, with their texts for as long as those are wanted.

use std::fmt;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::pieces;

/// A text from this size on is not kept in memory once a copy of it is on disk, in octets.
pub const LARGE: usize = 1 << 20;

/// A file that was read.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    digest: u128,
    text: Place,
}

#[derive(Clone)]
enum Place {
    Memory(Arc<String>),
    Copy(PathBuf),
}

impl Source {
    /// A file's text.
    pub fn new(path: PathBuf, text: String) -> Self {
        let text = Arc::new(text);
        Self { path, digest: digest(&text), text: Place::Memory(text) }
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says where the text comes from, whatever was read.
    pub fn set_path(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Of the text: equal digests mean equal texts. Not secret and not keyed: it tells damage and edits, no forgery.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The text; `None` when its copy is gone or damaged. A large one is read anew for each call.
    pub fn text(&self) -> Option<Arc<String>> {
        match &self.text {
            Place::Memory(text) => Some(Arc::clone(text)),
            Place::Copy(copy) => {
                let text = pieces::read_to_string(copy).ok()?;
                (digest(&text) == self.digest).then(|| text.into())
            }
        }
    }

    /// The text if it is in memory.
    pub fn held(&self) -> Option<&Arc<String>> {
        match &self.text {
            Place::Memory(text) => Some(text),
            Place::Copy(_) => None,
        }
    }

    /// Lets the text go: `copy` holds it.
    pub fn leave_in(&mut self, copy: PathBuf) {
        self.text = Place::Copy(copy);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// See [`Source::digest`].
pub(crate) fn digest(text: &str) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    hasher.finish128().as_u128()
}
