//! Reading: every file of a load passes through here, so that it is known for rendering, watching and the last good
//! copy. Comes in: paths. Goes out: texts with ids. Invariant: a file is read once a load, and a text that was kept
//! goes before what is on the disk.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use super::code;
use super::findings::{FileId, Findings, Site};

/// Spans are 32 bits wide.
const MOST_BYTES: u64 = u32::MAX as u64;

/// A file's text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) id: FileId,
    pub(crate) text: Rc<str>,
    /// UTC seconds of the last modification.
    pub(crate) modified: u32,
}

/// All files of one load.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    kept: &'a HashMap<PathBuf, String>,
    read: HashMap<PathBuf, Option<Text>>,
    order: Vec<(PathBuf, Rc<str>)>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(kept: &'a HashMap<PathBuf, String>) -> Self {
        Self { kept, read: HashMap::new(), order: Vec::new() }
    }

    /// Reads a file that must be text. A fault is told once, at `named_at` if another file names this one.
    pub(crate) fn read(&mut self, findings: &mut Findings, path: &Path, named_at: Option<Site>) -> Option<Text> {
        if let Some(known) = self.read.get(path) {
            return known.clone();
        }
        let text = self.fetch(findings, path, named_at);
        self.read.insert(path.to_owned(), text.clone());
        text
    }

    /// Whether a file was asked for already.
    pub(crate) fn was_read(&self, path: &Path) -> bool {
        self.read.contains_key(path)
    }

    fn fetch(&mut self, findings: &mut Findings, path: &Path, named_at: Option<Site>) -> Option<Text> {
        let mut fault = |code, message: String, help: &str| {
            let found = match named_at {
                Some(site) => findings.error(site, code, message).label("named here"),
                None => findings.file_error(path.to_owned(), code, message),
            };
            found.help(help);
        };
        let shown = path.display();
        let modified = std::fs::metadata(path).and_then(|meta| {
            if meta.is_dir() { Err(ErrorKind::IsADirectory.into()) } else { Ok((meta.modified().ok(), meta.len())) }
        });
        let bytes = match (self.kept.get(path), &modified) {
            (Some(kept), _) => kept.clone().into_bytes(),
            (None, Ok((_, length))) if *length > MOST_BYTES => {
                fault(code::UNREADABLE, format!("{shown} is larger than 4 GiB"), "split it");
                return None;
            }
            (None, Ok(_)) => match std::fs::read(path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    fault(code::UNREADABLE, format!("cannot read {shown}: {}", cause(&error)), remedy(&error));
                    return None;
                }
            },
            (None, Err(error)) => {
                fault(code::UNREADABLE, format!("cannot read {shown}: {}", cause(error)), remedy(error));
                return None;
            }
        };
        let text: Rc<str> = match String::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes()[..good].iter().filter(|&&b| b == b'\n').count();
                fault(
                    code::NOT_UTF8,
                    format!("{shown} is not UTF-8: line {line} holds other bytes"),
                    "save it as UTF-8, for example with `iconv -f latin1 -t utf-8`",
                );
                return None;
            }
        };
        let seconds =
            modified.ok().and_then(|(time, _)| time?.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs());
        let id = findings.add_file(path.to_owned());
        self.order.push((path.to_owned(), Rc::clone(&text)));
        Some(Text { id, text, modified: u32::try_from(seconds).unwrap_or(u32::MAX) })
    }

    /// Every file that was read, in that order.
    pub(crate) fn into_sources(self) -> Vec<(PathBuf, String)> {
        self.order.into_iter().map(|(path, text)| (path, text.as_ref().to_owned())).collect()
    }
}

/// The zone and shared files of a directory by name: `*.toml` and `*.zone`, hidden ones left out. Kept files belong to
/// it although they may be gone.
pub(crate) fn list_zones(findings: &mut Findings, directory: &Path, kept: &HashMap<PathBuf, String>) -> Vec<PathBuf> {
    let shown = directory.display();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            let (code, help) = match error.kind() {
                ErrorKind::NotFound => (
                    code::NO_ZONES_DIRECTORY,
                    "make it and put one `.toml` file a zone into it, or name another with `zones = …` or `--zones`",
                ),
                ErrorKind::NotADirectory => (
                    code::NO_ZONES_DIRECTORY,
                    "`zones` names the directory that holds the zone files, not a file in it",
                ),
                _ => (code::UNREADABLE, remedy(&error)),
            };
            let message = format!("cannot read the zones directory {shown}: {}", cause(&error));
            findings.file_error(directory.to_owned(), code, message).help(help);
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let hidden = path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
            let ours = path.extension().is_some_and(|extension| extension == "toml" || extension == "zone");
            ours && !hidden
        })
        .collect();
    paths.extend(kept.keys().filter(|path| path.parent() == Some(directory)).cloned());
    paths.sort();
    paths.dedup();
    if paths.is_empty() {
        findings
            .file_error(directory.to_owned(), code::NO_ZONES, format!("the zones directory {shown} holds no zone file"))
            .help("put one `.toml` file a zone into it, such as `example.com.toml`");
    }
    paths
}

fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        ErrorKind::NotADirectory => "it is not a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "let the user that rhumb runs as read it",
        ErrorKind::NotFound => "correct the path, or make the file",
        _ => "check the path and the file system",
    }
}
