//! Reading: every file of a load passes through here, so that it is known for rendering, watching and the last good
//! copy. Comes in: paths. Goes out: texts with ids. Invariant: a file is read once a load, and a text that was kept
//! goes before what is on the disk. A file that is as it was in the load before is not read at all.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::code;
use super::findings::{FileId, Findings, Site};
use super::progress::Progress;
use super::regular;
use super::source::Source;
use crate::pieces;

/// Spans are 32 bits wide.
const MOST_BYTES: u64 = u32::MAX as u64;
/// A file may change twice within the grain of its file system's clock, the second time unseen. Only what was older
/// than this when it was read is known by its stamp; 2 s is the coarsest grain in use.
const GRAIN: Duration = Duration::from_secs(2);

/// A file's text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) id: FileId,
    pub(crate) text: Arc<String>,
}

/// What is known of a file without its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) id: FileId,
    pub(crate) digest: u128,
    /// UTC seconds of the last modification.
    pub(crate) modified: u32,
}

/// A file as an earlier load found it.
#[derive(Debug)]
pub(crate) struct Known {
    stamp: Stamp,
    /// Whether an equal stamp means an equal text.
    is_settled: bool,
    source: Source,
}

impl Known {
    pub(crate) fn source_mut(&mut self) -> &mut Source {
        &mut self.source
    }
}

/// What tells one form of a file from another without reading it. The time of change is the system's own and cannot
/// be set back, unlike that of modification.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    changed: (i64, i64),
    length: u64,
    file: (u64, u64),
}

impl Stamp {
    fn of(meta: &std::fs::Metadata) -> Self {
        #[cfg(unix)]
        let (changed, file) = {
            use std::os::unix::fs::MetadataExt;
            ((meta.ctime(), meta.ctime_nsec()), (meta.dev(), meta.ino()))
        };
        #[cfg(not(unix))]
        let (changed, file) = ((0, 0), (0, 0));
        Self { modified: meta.modified().ok(), changed, length: meta.len(), file }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let changed = Duration::from_secs(self.changed.0.try_into().unwrap_or(0));
        let last = self.modified.unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH + changed);
        now.duration_since(last).is_ok_and(|age| age > GRAIN)
    }

    fn seconds(&self) -> u32 {
        let since = self.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
    }
}

/// Why a file cannot be read.
struct Fault {
    code: &'static str,
    message: String,
    help: &'static str,
}

/// All files of one load.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    kept: &'a HashMap<PathBuf, String>,
    known: &'a mut HashMap<PathBuf, Known>,
    progress: &'a Progress,
    looked: HashMap<PathBuf, Option<(Seen, Source)>>,
    order: Vec<PathBuf>,
    /// Since [`Self::begin`].
    asked: Vec<PathBuf>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(
        kept: &'a HashMap<PathBuf, String>,
        known: &'a mut HashMap<PathBuf, Known>,
        progress: &'a Progress,
    ) -> Self {
        Self { kept, known, progress, looked: HashMap::new(), order: Vec::new(), asked: Vec::new() }
    }

    /// Reads a file that must be text. A fault is told once, at `named_at` if another file names this one.
    pub(crate) fn read(&mut self, findings: &mut Findings, path: &Path, named_at: Option<Site>) -> Option<Text> {
        self.asked.push(path.to_owned());
        if let Some(known) = self.looked.get(path) {
            let (seen, source) = known.as_ref()?;
            if let Some(text) = source.held() {
                return Some(Text { id: seen.id, text: Arc::clone(text) });
            }
        }
        let fetched = self.fetch(path, true);
        let (seen, source) = self.note(findings, path, named_at, fetched)?;
        Some(Text { id: seen.id, text: Arc::clone(source.held()?) })
    }

    /// What is known of a file, which is read only if it may have changed. One that cannot be read is left for
    /// [`Self::read`] to tell of.
    pub(crate) fn probe(&mut self, findings: &mut Findings, path: &Path) -> Option<Seen> {
        if let Some(known) = self.looked.get(path) {
            return known.as_ref().map(|(seen, _)| *seen);
        }
        let fetched = self.fetch(path, false).ok()?;
        self.note(findings, path, None, Ok(fetched)).map(|(seen, _)| *seen)
    }

    /// Whether a file was asked for already.
    /// Whether nothing is to be known of a file: it is kept, and as nothing.
    pub(crate) fn is_withheld(&self, path: &Path) -> bool {
        self.kept.get(path).is_some_and(String::is_empty)
    }

    pub(crate) fn was_read(&self, path: &Path) -> bool {
        self.looked.contains_key(path)
    }

    /// Begins a part of the load, for [`Self::asked`].
    pub(crate) fn begin(&mut self) {
        self.asked.clear();
    }

    /// The files that were read since [`Self::begin`], with their digests.
    pub(crate) fn asked(&self) -> Vec<(PathBuf, u128)> {
        let digest = |path: &PathBuf| Some((path.clone(), self.looked.get(path)?.as_ref()?.0.digest));
        self.asked.iter().filter_map(digest).collect()
    }

    fn note(
        &mut self,
        findings: &mut Findings,
        path: &Path,
        named_at: Option<Site>,
        fetched: Result<(u32, Source), Fault>,
    ) -> Option<&(Seen, Source)> {
        let noted = match fetched {
            Ok((modified, source)) => {
                if !self.looked.contains_key(path) {
                    self.order.push(path.to_owned());
                }
                let seen = Seen { id: findings.add_file(path), digest: source.digest(), modified };
                Some((seen, source))
            }
            Err(Fault { code, message, help }) => {
                let found = match named_at {
                    Some(site) => findings.error(site, code, message).label("named here"),
                    None => findings.file_error(path.to_owned(), code, message),
                };
                found.help(help);
                None
            }
        };
        let entry = self.looked.entry(path.to_owned()).insert_entry(noted);
        entry.into_mut().as_ref()
    }

    /// A file's time and its source: the one of before if that is certainly the same and need not be `in_memory`.
    fn fetch(&mut self, path: &Path, in_memory: bool) -> Result<(u32, Source), Fault> {
        let shown = path.display();
        let stamp = std::fs::metadata(path).and_then(|meta| regular::admit(&meta).map(|()| Stamp::of(&meta)));
        if let Some(kept) = self.kept.get(path) {
            let modified = stamp.map_or(0, |stamp| stamp.seconds());
            return Ok((modified, Source::new(path.to_owned(), kept.clone())));
        }
        let unreadable = |error: &std::io::Error| Fault {
            code: code::UNREADABLE,
            message: format!("cannot read {shown}: {}", cause(error)),
            help: remedy(error),
        };
        let stamp = stamp.map_err(|error| unreadable(&error))?;
        if stamp.length > MOST_BYTES {
            let message = format!("{shown} is larger than 4 GiB");
            return Err(Fault { code: code::UNREADABLE, message, help: "split it" });
        }
        let is_same =
            |known: &&Known| known.is_settled && known.stamp == stamp && (!in_memory || known.source.held().is_some());
        if let Some(known) = self.known.get(path).filter(is_same) {
            return Ok((stamp.seconds(), known.source.clone()));
        }
        let now = SystemTime::now();
        let bytes = pieces::read(path).map_err(|error| unreadable(&error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + memchr::memchr_iter(b'\n', &error.as_bytes()[..error.utf8_error().valid_up_to()]).count();
            Fault {
                code: code::NOT_UTF8,
                message: format!("{shown} is not UTF-8: line {line} holds other bytes"),
                help: "save it as UTF-8, for example with `iconv -f latin1 -t utf-8`",
            }
        })?;
        self.progress.expect(text.len());
        let source = Source::new(path.to_owned(), text);
        let (modified, is_settled) = (stamp.seconds(), stamp.is_settled(now));
        self.known.insert(path.to_owned(), Known { stamp, is_settled, source: source.clone() });
        Ok((modified, source))
    }

    /// Every file that was read, in that order. What was known of others is forgotten.
    pub(crate) fn into_sources(self) -> Vec<Source> {
        let Self { looked, order, known, .. } = self;
        known.retain(|path, _| looked.contains_key(path));
        order.into_iter().filter_map(|path| Some(looked.get(&path)?.as_ref()?.1.clone())).collect()
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
            is_ours(path) && !hidden
        })
        .collect();
    paths.extend(kept.keys().filter(|path| path.parent() == Some(directory) && is_ours(path)).cloned());
    paths.sort();
    paths.dedup();
    if paths.is_empty() {
        findings
            .file_error(directory.to_owned(), code::NO_ZONES, format!("the zones directory {shown} holds no zone file"))
            .help("put one `.toml` file a zone into it, such as `example.com.toml`");
    }
    paths
}

fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml" || extension == "zone")
}

pub(super) fn cause(error: &std::io::Error) -> String {
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
        ErrorKind::InvalidInput => "name a file; a device may have no end, and a pipe may wait for ever",
        _ => "check the path and the file system",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_says_nothing_of_a_file_that_was_just_written() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let stamp =
            |modified, changed| Stamp { modified: Some(at(modified)), changed: (changed, 0), length: 1, file: (1, 2) };
        assert!(stamp(100, 100).is_settled(at(103)));
        assert!(!stamp(100, 100).is_settled(at(101)));
        assert!(!stamp(50, 100).is_settled(at(101)), "a time of modification can be set");
        assert!(!stamp(200, 100).is_settled(at(103)), "a clock was set back");
        assert_ne!(stamp(50, 100), stamp(50, 101));
        assert_eq!(stamp(u64::from(u32::MAX) + 9, 0).seconds(), u32::MAX);
    }
}
