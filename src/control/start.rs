//! From nothing to the first snapshot.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, available_parallelism};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::content::Contents;
use super::debounce::Debounce;
use super::last_good::{self, LastGood};
use super::load::{self, Reading, Sources};
use super::publisher::{
    self, Awaited, FILES_MOST, FILES_QUIET, Publisher, Request, Shared, VERDICTS_MOST, VERDICTS_QUIET, compiled,
    unix_now,
};
use super::report::{self, Counters, Facts};
use super::retired::Retired;
use super::serial::{self, Used};
use super::sweep::Sweep;
use super::updates::Updated;
use super::watch::Watch;
use super::{Current, LoadStatus, Options, StartError};
use crate::config::model::ReloadUnit;
use crate::config::{self, Content, Holdings, Loader, Model, Overrides};
use crate::geo::{self, DatabaseInfo, Places};
use crate::health::{self, Checker, Store, Switches};
use crate::secondary::{self, Follower, Restored};
use crate::snapshot::Inputs;
use crate::threads::{Second, go_second};
use crate::update;

pub(super) const SERIALS: (&str, &str) = ("serials.json", "rhumb-serials-2");

/// What is served first, and what a person should know of it.
#[derive(Debug)]
pub(super) struct First {
    pub(super) model: Model,
    sources: Sources,
    digest: u64,
    /// Of files that were refused in favour of the last good configuration.
    refused: Option<u64>,
    /// What those files depend on.
    awaited: Option<Awaited>,
    last_load: LoadStatus,
    notes: Vec<String>,
}

/// Publishes the first snapshot and starts the publisher.
pub(super) fn start(
    options: Options,
    mut loader: Loader,
    first: First,
    kept: KeptContent,
) -> Result<(Arc<Shared>, mpsc::Sender<Request>), StartError> {
    let First { mut model, mut sources, digest, refused, awaited, last_load, mut notes } = first;
    notes.extend(kept.faults);
    let store = Store::new(&model.server.state);
    last_good::deposit(&mut sources, store.directory());
    loader.adopt(&sources);
    // From now on somebody is served meanwhile.
    loader.set_threads(available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)));
    let sources = Arc::new(sources);
    let mut serials: Used = store.load(SERIALS, "serials are those of the files").unwrap_or_else(|fault| {
        notes.push(fault.to_string());
        Used::default()
    });
    let mut contents = Contents::default();
    serial::settle(&mut model, &[], &mut serials, &mut contents);
    let mut switches = store.load_switches().unwrap_or_else(|fault| {
        notes.push(fault.to_string());
        Switches::default()
    });
    switches.expire(unix_now());

    let served_before = LastGood::read(&model.server.state).is_ok_and(|kept| kept.is_some());
    let stamps = load::stamps(&load::followed(&model.server));
    let (places, databases) = places(&model.server.databases, served_before, &mut notes)?;
    warn_of_stale(&databases);
    let model = Arc::new(model);
    let checking = health::Options::system(Some(model.server.state.clone()));
    let checker = Checker::start_apart(checking, Arc::clone(&model))
        .map_err(|error| StartError::Other(format!("the system refuses a thread: {error}")))?;
    // Before the verdicts are read: one that changes while the first snapshot is compiled would be told to nobody.
    let changes = checker.subscribe();
    let switches = Arc::new(switches);
    let drained = Publisher::drained(&model, &switches);
    let inputs = Inputs {
        model: Arc::clone(&model),
        places: Arc::new(places),
        verdicts: checker.verdicts(),
        drained,
        // The keys of a hasher come from the system's generator.
        seed: RandomState::new().build_hasher().finish(),
    };
    let snapshot = compiled(&inputs, 1, None).map_err(StartError::Other)?;

    // What is large takes longer to be on disk than a start should: the publisher sees to that.
    let is_kept = sources.iter().all(|source| source.held().is_some());
    if is_kept {
        keep(&options, &model, &sources, &store, &serials, &mut notes);
    }
    let forced = snapshot.forced();
    let files = publisher::to_follow(&sources, &model.server.zones);
    let current = Current { generation: 1, inputs, sources, since: unix_now() };
    let (sender, requests) = mpsc::channel();
    let follower = follower(&options, &model, kept.restored, sender.clone());
    let facts = Facts { last_load, forced, switches: Arc::clone(&switches), databases, notes };
    let shared = Arc::new(Shared {
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        readers: Arc::default(),
        current: ArcSwap::from_pointee(current),
        facts: ArcSwap::from_pointee(facts),
        generations: watch::Sender::new(1),
        listening: ArcSwap::default(),
        counters: Counters::default(),
        checker: Mutex::new(Some(checker)),
        follower,
        started: unix_now(),
    });

    let mut publisher = Publisher {
        shared: Arc::clone(&shared),
        watch: watch(&shared, &sender),
        options,
        loader,
        is_kept,
        read: files,
        requests,
        updated: Updated::new(model.server.state.clone()),
        backlog: VecDeque::new(),
        store,
        next_expiry: switches.next_expiry(),
        switches,
        serials,
        contents,
        digest,
        refused,
        held: None,
        holds: 0,
        stamps,
        awaited,
        seen: Vec::new(),
        unwatched: Vec::new(),
        files: Debounce::new(FILES_QUIET, FILES_MOST),
        verdicts: Debounce::new(VERDICTS_QUIET, VERDICTS_MOST),
        retired: Retired::default(),
        sweep: Sweep::new(Instant::now()),
    };
    // What changed between the reading and this is found by the first, needless reading that it leads to.
    publisher.follow_files();
    forward(&publisher.options, changes, sender.clone());
    thread::Builder::new()
        .name("publisher".into())
        .spawn(move || {
            go_second(Second::Soon);
            publisher.run();
        })
        .map_err(|error| StartError::Other(format!("the system refuses a thread: {error}")))?;
    Ok((shared, sender))
}

/// What zones held beside their files when the server last ran.
#[derive(Debug)]
pub(super) struct KeptContent {
    restored: Restored,
    /// A line for each file that cannot be used.
    faults: Vec<String>,
}

/// Reads the content of zones for the loads that follow. Where it is kept is known before the files are understood.
pub(super) fn content(options: &Options, loader: &mut Loader) -> KeptContent {
    let file = config::server_file(options.server_file.as_deref());
    let state = last_good::state_directory(file.as_deref(), &options.overrides);
    let (restored, mut faults) = secondary::Store::new(&state).restore(loader.holdings_mut());
    let (updated, damaged) = update::restore(&state);
    faults.extend(damaged);
    for (apex, changes) in updated {
        loader.holdings_mut().insert(apex, Arc::new(Content::Updated(changes)));
    }
    for fault in &faults {
        tracing::error!("{fault}");
    }
    KeptContent { restored, faults }
}

fn follower(options: &Options, model: &Model, restored: Restored, sender: mpsc::Sender<Request>) -> Follower {
    let following = secondary::Options {
        store: secondary::Store::new(&model.server.state),
        // After the publisher has gone nobody takes anything, and the offer's end is told by dropping it.
        offer: Box::new(move |offer| drop(sender.send(Request::Offer(offer)))),
        seed: RandomState::new().build_hasher().finish(),
    };
    Follower::start(&options.runtime, following, restored, model)
}

/// The files, or where they are faulty the last good configuration.
pub(super) fn first(options: &Options, loader: &mut Loader) -> Result<First, StartError> {
    let file = config::server_file(options.server_file.as_deref());
    let reading = load::read(loader, options.server_file.as_deref(), &options.overrides, ReloadUnit::All, None);
    let Reading { model, diagnostics, sources, digest, wanted } = reading;
    let lines = config::render_lines(&diagnostics, &sources);
    let said = diagnostics.iter().zip(&lines).map(|(d, line)| format!("{}: {line}", d.severity)).collect();
    let last_load =
        LoadStatus { ok: model.is_some(), from_last_good: false, when: unix_now(), force: None, diagnostics: said };
    if let Some(model) = model {
        for line in &lines {
            tracing::warn!("{line}");
        }
        return Ok(First { model, sources, digest, refused: None, awaited: None, last_load, notes: Vec::new() });
    }
    let refusal = || StartError::Config { diagnostics: diagnostics.clone(), sources: sources.clone() };
    let state = last_good::state_directory(file.as_deref(), &options.overrides);
    let (kept, has_served) = last_good(&state);
    let unit = wanted.reload;
    let awaited = Some(Awaited { read: publisher::to_follow(&sources, &wanted.zones), wanted });
    // The files themselves, if databases are all that is missing.
    let whole = kept.as_ref().and_then(|_| without_databases(options, loader));
    if let Some(Reading { model: Some(model), sources, digest, .. }) = whole {
        tell(&lines);
        return Ok(First { model, sources, digest, refused: Some(digest), awaited, last_load, notes: Vec::new() });
    }
    let is_of_these = |kept: &LastGood| options.overrides.zones.as_ref().is_none_or(|zones| *zones == kept.zones);
    // Another directory than the one that was asked for would be a surprise and no rescue.
    let kept = kept.filter(is_of_these);
    let kept_form = kept.as_ref().and_then(|kept| kept_form(kept, &state, &options.overrides, loader.holdings()));
    if let Some((model, kept)) = kept_form {
        tell(&lines);
        let note = format!("the files have errors: the last good configuration is served, kept in {}", state.display());
        tracing::error!("{note}");
        // No text has this digest, so that the files are taken as soon as they are whole.
        return Ok(First {
            model,
            sources: kept,
            digest: !digest,
            refused: Some(digest),
            awaited,
            last_load: LoadStatus { from_last_good: true, ..last_load },
            notes: vec![note],
        });
    }
    // A server that has served before serves what it can, whatever became of what it kept.
    if has_served || unit == ReloadUnit::Zone {
        let (none, unit) = (Sources::new(), ReloadUnit::Zone);
        let rest = load::read(loader, options.server_file.as_deref(), &options.overrides, unit, Some(&none));
        if let Reading { model: Some(model), sources, digest, .. } = rest {
            tell(&lines);
            let note = "faulty zones are left out: asked for them, the server says SERVFAIL".to_owned();
            return Ok(First { model, sources, digest, refused: Some(digest), awaited, last_load, notes: vec![note] });
        }
    }
    Err(refusal())
}

fn tell(faults: &[String]) {
    for fault in faults {
        tracing::error!("{fault}");
    }
}

/// What was kept, if it can be read, and whether anything was.
fn last_good(state: &Path) -> (Option<LastGood>, bool) {
    match LastGood::read(state) {
        Ok(kept) => {
            let has_served = kept.is_some();
            (kept, has_served)
        }
        Err(fault) => {
            tracing::error!("{fault}");
            (None, true)
        }
    }
}

fn without_databases(options: &Options, loader: &mut Loader) -> Option<Reading> {
    let overrides = Overrides { without_databases: true, ..options.overrides.clone() };
    let reading = load::read(loader, options.server_file.as_deref(), &overrides, ReloadUnit::All, None);
    reading.model.is_some().then_some(reading)
}

fn kept_form(kept: &LastGood, state: &Path, overrides: &Overrides, holdings: &Holdings) -> Option<(Model, Sources)> {
    match kept.load(state, overrides, holdings) {
        Ok(loaded) => loaded.model.map(|model| (model, loaded.sources)),
        Err(error) => {
            tracing::error!("the last good configuration cannot be laid out: {error}");
            None
        }
    }
}

/// A database that fails stops a first start, and costs only itself where this server has served before: clients that
/// it alone knows are then placed by the others.
fn places(
    files: &[PathBuf],
    served_before: bool,
    notes: &mut Vec<String>,
) -> Result<(Places, Vec<DatabaseInfo>), StartError> {
    let mut usable = files.to_vec();
    loop {
        let error = match geo::load(&usable) {
            Ok(loaded) => return Ok(loaded),
            Err(error) => error,
        };
        let before = usable.len();
        usable.retain(|file| Some(file) != error.path.as_ref());
        if !served_before || usable.len() == before {
            return Err(StartError::Other(error.to_string()));
        }
        tracing::error!("{error}");
        notes.push(format!("served without a database: {error}"));
    }
}

/// Those that the operator can replace; `status` tells of all.
pub(super) fn warn_of_stale(databases: &[DatabaseInfo]) {
    let theirs: Vec<DatabaseInfo> = databases.iter().filter(|info| info.path.is_some()).cloned().collect();
    for line in report::stale(&theirs, SystemTime::now()) {
        tracing::warn!("{line}");
    }
}

/// Writes down what a later start needs. A state directory that cannot be written is told of and no more.
pub(super) fn keep(
    options: &Options,
    model: &Model,
    sources: &Sources,
    store: &Store,
    serials: &Used,
    notes: &mut Vec<String>,
) {
    const UNWRITTEN: &str = "the state directory";
    notes.retain(|note| !note.starts_with(UNWRITTEN));
    let file = config::server_file(options.server_file.as_deref());
    let kept = LastGood::new(file, model, sources).save(store.directory());
    if let Err(error) = kept.and_then(|()| store.save(SERIALS, serials)) {
        let note = format!(
            "{UNWRITTEN} {} cannot be written ({error}): drains and verdicts are lost at a restart",
            store.directory().display()
        );
        tracing::warn!("{note}");
        notes.push(note);
    }
}

fn watch(shared: &Shared, sender: &mpsc::Sender<Request>) -> Option<Watch> {
    let sender = sender.clone();
    // After the publisher has gone there is nobody to tell.
    let tell = move || drop(sender.send(Request::FilesChanged));
    match Watch::new(tell) {
        Ok(watch) => Some(watch),
        Err(error) => {
            let problem = format!("most files are read on `rhumb reload` only: {error}");
            tracing::warn!("{problem}");
            let mut facts = Facts::clone(&shared.facts.load());
            facts.notes.push(problem);
            shared.facts.store(Arc::new(facts));
            None
        }
    }
}

fn forward(options: &Options, mut changes: watch::Receiver<u64>, sender: mpsc::Sender<Request>) {
    options.runtime.spawn(async move {
        while changes.changed().await.is_ok() {
            if sender.send(Request::VerdictsChanged).is_err() {
                return;
            }
        }
    });
}
