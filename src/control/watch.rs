//! Which files matter, and word of any change to them. Directories are watched and not files, since editors and
//! package managers replace files by renaming.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

/// How often files are looked at where the system tells nothing.
const POLL: Duration = Duration::from_secs(2);

/// What is of interest; paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interest {
    directories: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
}

impl Interest {
    /// Any file in `directories`, and `files`.
    pub(super) fn new<'a>(
        directories: impl IntoIterator<Item = &'a PathBuf>,
        files: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Self {
        // A path that cannot be made absolute has no current directory to be relative to: it stays as it is.
        let whole = |path: &PathBuf| absolute(path).unwrap_or_else(|_| path.clone());
        Self {
            directories: directories.into_iter().map(whole).collect(),
            files: files.into_iter().map(whole).collect(),
        }
    }

    /// A mounted configuration is switched by a link beside its files
    /// and directories, which are links into it themselves and do not change.
    fn covers(&self, path: &Path) -> bool {
        let name = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
        if name == b"..data" {
            return path.parent().is_some_and(|parent| self.to_watch().contains(parent));
        }
        let inside = path.parent().is_some_and(|parent| self.directories.contains(parent));
        self.files.contains(path) || self.directories.contains(path) || (inside && !is_private(path))
    }

    /// The directories themselves, and those that each directory and file lies in.
    fn to_watch(&self) -> BTreeSet<PathBuf> {
        let parents = self.files.iter().chain(&self.directories).filter_map(|path| path.parent());
        parents.map(Path::to_owned).chain(self.directories.iter().cloned()).collect()
    }
}

/// Hidden files and backups are editors' own affair.
pub(super) fn is_private(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    name.starts_with(b".") || name.ends_with(b"~")
}

/// Tells of changes until dropped.
pub(super) struct Watch {
    watcher: Box<dyn Watcher + Send>,
    interest: Arc<Mutex<Interest>>,
    watched: BTreeMap<PathBuf, Identity>,
    /// Why files are looked at from time to time only, if so.
    polling: Option<String>,
    /// Directories that cannot be watched now, as told.
    unwatched: Option<String>,
}

/// Which directory it is: a path may come to name another one.
type Identity = (u64, u64);

impl Watch {
    /// Calls `tell` at each change of what [`Watch::follow`] names; from a thread of its own.
    pub(super) fn new(tell: impl Fn() + Send + Sync + 'static) -> notify::Result<Self> {
        let interest = Arc::new(Mutex::new(Interest::default()));
        let tell = Arc::new(tell);
        let handler = || {
            let (interest, tell) = (Arc::clone(&interest), Arc::clone(&tell));
            move |event: notify::Result<Event>| {
                if matters(&event, &interest.lock().unwrap_or_else(PoisonError::into_inner)) {
                    tell();
                }
            }
        };
        let mut problem = None;
        let watcher: Box<dyn Watcher + Send> = match RecommendedWatcher::new(handler(), Config::default()) {
            Ok(watcher) => Box::new(watcher),
            Err(error) => {
                problem = Some(format!("files are looked at every {} s: {error}", POLL.as_secs()));
                Box::new(PollWatcher::new(handler(), Config::default().with_poll_interval(POLL))?)
            }
        };
        Ok(Self { watcher, interest, watched: BTreeMap::new(), polling: problem, unwatched: None })
    }

    /// Why changes may be noticed late or only when told, if so.
    pub(super) fn problems(&self) -> Vec<String> {
        self.polling.iter().chain(&self.unwatched).cloned().collect()
    }

    /// Follows this and nothing else from now on. Directories that were replaced, or were not there before, are taken
    /// up: true if there were any, in which case something in them may have changed unnoticed.
    pub(super) fn follow(&mut self, interest: Interest) -> bool {
        let wanted = interest.to_watch();
        *self.interest.lock().unwrap_or_else(PoisonError::into_inner) = interest;
        let mut is_new = false;
        let stale: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|(path, known)| !wanted.contains(*path) || identity(path).as_ref() != Some(known))
            .map(|(path, _)| path.clone())
            .collect();
        for path in stale {
            // A directory that is gone took its watch with it.
            let _ = self.watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        self.unwatched = None;
        for path in wanted {
            let Some(identity) = identity(&path) else { continue };
            if self.watched.contains_key(&path) {
                continue;
            }
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    is_new = true;
                    self.watched.insert(path, identity);
                }
                Err(error) => {
                    let what = path.display();
                    self.unwatched = Some(format!("changes in {what} are noticed late or on reload only: {error}"));
                }
            }
        }
        is_new
    }
}

/// Our own reading is no change. Errors and overflows may hide one.
fn matters(event: &notify::Result<Event>, interest: &Interest) -> bool {
    match event {
        Err(_) => true,
        Ok(event) if event.need_rescan() => true,
        Ok(event) => {
            !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| interest.covers(path))
        }
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).ok()?;
    meta.is_dir().then(|| (meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.is_dir().then_some((0, 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn following(directory: &Path, files: &[PathBuf]) -> (Watch, mpsc::Receiver<()>) {
        let (sender, told) = mpsc::channel();
        let mut watch = Watch::new(move || _ = sender.send(())).unwrap();
        assert!(watch.follow(Interest::new([&directory.to_owned()], files)));
        (watch, told)
    }

    fn settle(told: &mpsc::Receiver<()>) {
        while told.recv_timeout(Duration::from_millis(200)).is_ok() {}
    }

    #[test]
    fn a_file_that_an_editor_renames_into_place_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let zones = directory.path().join("zones");
        fs::create_dir(&zones).unwrap();
        fs::write(zones.join("a.toml"), "one").unwrap();
        let (_watch, told) = following(&zones, &[]);
        settle(&told);
        let elsewhere = directory.path().join("new");
        fs::write(&elsewhere, "two").unwrap();
        fs::rename(&elsewhere, zones.join("a.toml")).unwrap();
        told.recv_timeout(SOON).unwrap();
    }

    #[test]
    fn a_directory_that_is_replaced_is_noticed_and_followed_again() {
        let directory = tempfile::tempdir().unwrap();
        let zones = directory.path().join("zones");
        fs::create_dir(&zones).unwrap();
        let (mut watch, told) = following(&zones, &[]);
        settle(&told);
        fs::rename(&zones, directory.path().join("old")).unwrap();
        fs::create_dir(&zones).unwrap();
        told.recv_timeout(SOON).unwrap();
        assert!(watch.follow(Interest::new([&zones], &[])));
        settle(&told);
        fs::write(zones.join("b.toml"), "new").unwrap();
        told.recv_timeout(SOON).unwrap();
    }

    /// A system without watches to spare, until it has some.
    #[derive(Debug)]
    struct Spent(Arc<std::sync::atomic::AtomicBool>);

    impl Watcher for Spent {
        fn new<F: notify::EventHandler>(_: F, _: Config) -> notify::Result<Self> {
            Ok(Self(Arc::default()))
        }

        fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
            let is_spent = self.0.load(std::sync::atomic::Ordering::Relaxed);
            if is_spent { Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)) } else { Ok(()) }
        }

        fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
            Ok(())
        }

        fn kind() -> notify::WatcherKind {
            notify::WatcherKind::NullWatcher
        }
    }

    #[test]
    fn a_directory_that_cannot_be_watched_is_told_of_until_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let spent = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let mut watch = Watch::new(|| {}).unwrap();
        watch.watcher = Box::new(Spent(Arc::clone(&spent)));
        let interest = || Interest::new([&directory.path().to_owned()], &[]);
        assert!(!watch.follow(interest()));
        let told = watch.problems();
        assert!(told.len() == 1 && told[0].contains("are noticed late"), "{told:?}");
        spent.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(watch.follow(interest()));
        assert!(watch.problems().is_empty());
    }

    #[test]
    fn hidden_files_and_other_files_of_a_shared_directory_do_not_matter() {
        let interest = Interest::new([&PathBuf::from("/z")], [&PathBuf::from("/etc/rhumb.toml")]);
        let covers = |path: &str| interest.covers(Path::new(path));
        assert!(covers("/z/a.toml") && covers("/z") && covers("/etc/rhumb.toml") && covers("/z/..data"));
        assert!(covers("/etc/..data") && covers("/..data"), "beside a file and beside a directory");
        assert!(!covers("/etc/..2026") && !covers("/usr/..data"));
        assert!(!covers("/z/.a.toml.swp") && !covers("/z/a.toml~") && !covers("/etc/passwd"));
    }
}
