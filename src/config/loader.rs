//! Loads, one after the other, that remember what the files of the last one meant.
//!
//! A file that has not changed is neither read nor parsed nor judged again, and its records are the same ones
//! ([`Zone::records`](super::model::Zone::records)). What depends on several files is worked out anew each time: names
//! of routes and endpoints may mean something else when another file changes. A file with a fault is not remembered.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use super::content::{Held, Holdings, Laid};
use super::files::{self, Files, Known};
use super::findings::{Findings, Paths, Site};
use super::model::Server;
use super::parse::{self, Context};
use super::progress::Progress;
use super::source::Source;
use super::spec::Unit;
use super::{Diagnostic, Loaded, Overrides, Wanted, lay_over, resolve, server_file};
use crate::wire::Name;

/// Numbers of files that are gone are given up when there are so many times more of them than files.
const FORGET: usize = 4;

/// Reads configurations and remembers.
#[derive(Debug, Default)]
pub struct Loader {
    progress: Arc<Progress>,
    /// How many threads may read one file; 0 is one a core.
    threads: usize,
    paths: Paths,
    known: HashMap<PathBuf, Known>,
    units: HashMap<PathBuf, Remembered>,
    holdings: Holdings,
    laid: HashMap<Name, Laid>,
}

/// What a file without a fault meant, with what it imports.
#[derive(Debug)]
struct Remembered {
    unit: Arc<Unit>,
    /// All that was read for it, itself first.
    files: Vec<(PathBuf, u128)>,
    found: Vec<(Option<Site>, Diagnostic)>,
}

/// Units with the times of their newest files, UTC seconds.
type Units = Vec<(Arc<Unit>, u32)>;

impl Loader {
    /// Counts how far a load is in `progress`.
    pub fn new(progress: Arc<Progress>) -> Self {
        Self { progress, ..Self::default() }
    }

    /// How many threads may read one large file from now on; 0 is one a core.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// What zones hold beside their files, for this load and those that follow.
    pub fn holdings_mut(&mut self) -> &mut Holdings {
        &mut self.holdings
    }

    /// See [`Self::holdings_mut`].
    pub fn holdings(&self) -> &Holdings {
        &self.holdings
    }

    /// As [`load`](super::load) and [`load_keeping`](super::load_keeping), doing only what the last load has not done.
    pub fn load(&mut self, named: Option<&Path>, overrides: &Overrides, kept: &HashMap<PathBuf, String>) -> Loaded {
        let mut findings = Findings::new(std::mem::take(&mut self.paths));
        let mut server = Server::default();
        let mut latencies = Vec::new();
        let threads = match self.threads {
            0 => available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let mut files = Files::new(kept, &mut self.known, &self.progress);
        let mut cx = Context {
            findings: &mut findings,
            files: &mut files,
            threads,
            progress: &self.progress,
            zones: PathBuf::new(),
        };
        if let Some(path) = server_file(named)
            && let Some(text) = cx.files.read(cx.findings, &path, None)
        {
            latencies = parse::server(&mut cx, &path, &text, overrides, &mut server);
        }
        lay_over(cx.findings, overrides, &mut server);
        let shown = server.tls.iter().filter_map(|tls| tls.files.clone());
        let wanted = Wanted {
            zones: server.zones.clone(),
            databases: server.databases.clone(),
            certificates: shown.flat_map(|(certificate, key)| [certificate, key]).collect(),
            reload: server.reload,
        };

        cx.zones.clone_from(&server.zones);
        let paths = files::list_zones(cx.findings, &server.zones, kept);
        let (mut units, broken) = all(&mut cx, paths, &mut self.units);
        units.sort_by(|(a, _), (b, _)| findings.path(a.file).cmp(findings.path(b.file)));
        let (units, modified): (Vec<_>, Vec<_>) = units.into_iter().unzip();

        let before = std::mem::take(&mut self.laid);
        let mut held = Held { holdings: &self.holdings, before, laid: HashMap::new() };
        let model = resolve::resolve(&mut findings, &units, &modified, &broken, server, latencies, &mut held);
        self.laid = held.laid;
        let model = (findings.count() == 0).then_some(model);
        let sources = files.into_sources();
        let (diagnostics, paths) = findings.finish();
        self.paths = paths;
        self.forget();
        Loaded { model, diagnostics, sources, wanted }
    }

    /// Takes over where texts are now that were let go ([`Source::leave_in`]).
    pub fn adopt(&mut self, sources: &[Source]) {
        for source in sources {
            if let Some(known) = self.known.get_mut(source.path()).map(Known::source_mut)
                && known.digest() == source.digest()
            {
                known.clone_from(source);
            }
        }
    }

    fn forget(&mut self) {
        let known = &self.known;
        self.units.retain(|path, _| known.contains_key(path));
        if self.paths.len() > FORGET * (self.known.len() + FORGET) {
            self.units.clear();
            self.paths = Paths::default();
        }
    }
}

/// Every zone and shared file as a unit, and the texts of files that are no TOML.
fn all(
    cx: &mut Context<'_, '_>,
    paths: Vec<PathBuf>,
    remembered: &mut HashMap<PathBuf, Remembered>,
) -> (Units, Vec<Arc<String>>) {
    let mut units = Units::new();
    let mut broken = Vec::new();
    let (zone_files, toml_files): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| path.extension().is_some_and(|extension| extension == "zone"));
    // TOML files are read first: what they import is not served as a zone of its own.
    let beside: HashSet<_> = toml_files.iter().map(|path| path.with_extension("zone")).collect();
    for path in &toml_files {
        if let Some(unit) = recall(cx, path, remembered) {
            units.push(unit);
            continue;
        }
        let mut text = None;
        let unit = read(cx, path, remembered, |cx, path| {
            let read = cx.files.read(cx.findings, path, None)?;
            let unit = parse::unit(cx, path, &read);
            cx.progress.read(0, read.text.len());
            text = unit.is_none().then_some(read.text);
            unit
        });
        units.extend(unit);
        broken.extend(text);
    }
    for path in &zone_files {
        if beside.contains(path) || cx.files.was_read(path) || cx.files.is_withheld(path) {
            continue;
        }
        if let Some(unit) = recall(cx, path, remembered) {
            units.push(unit);
            continue;
        }
        units.extend(read(cx, path, remembered, |cx, path| {
            let text = cx.files.read(cx.findings, path, None)?;
            parse::plain_zone(cx, path, &text)
        }));
    }
    (units, broken)
}

/// The unit of a file that is, with all that it imports, as it was.
fn recall(
    cx: &mut Context<'_, '_>,
    path: &Path,
    remembered: &HashMap<PathBuf, Remembered>,
) -> Option<(Arc<Unit>, u32)> {
    let Remembered { unit, files, found } = remembered.get(path)?;
    let mut modified = 0;
    for (path, digest) in files {
        let seen = cx.files.probe(cx.findings, path).filter(|seen| seen.digest == *digest)?;
        modified = modified.max(seen.modified);
    }
    cx.findings.repeat(found);
    Some((Arc::clone(unit), modified))
}

/// Parses a file, and remembers what it means if it has no fault.
fn read(
    cx: &mut Context<'_, '_>,
    path: &Path,
    remembered: &mut HashMap<PathBuf, Remembered>,
    parse: impl FnOnce(&mut Context<'_, '_>, &Path) -> Option<Unit>,
) -> Option<(Arc<Unit>, u32)> {
    let (mark, errors) = (cx.findings.mark(), cx.findings.count());
    cx.files.begin();
    let unit = Arc::new(parse(cx, path)?);
    let files = cx.files.asked();
    let times = files.iter().filter_map(|(path, _)| cx.files.probe(cx.findings, path)).map(|seen| seen.modified);
    let modified = times.max().unwrap_or(0);
    if cx.findings.count() == errors {
        let found = cx.findings.since(mark);
        remembered.insert(path.to_owned(), Remembered { unit: Arc::clone(&unit), files, found });
    }
    Some((unit, modified))
}
