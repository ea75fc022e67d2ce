//! All secondary zones of a model, a task each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::store::{Kept, Store, unix_now};
use super::timers::expiry;
use super::zone::{Options, Shared, State, Zone, content, count, follow, lock};
use crate::config::Holdings;
use crate::config::model::{Expiry, Model, Primary};
use crate::wire::{Name, NameRef};

/// Whether a NOTIFY is taken (RFC 1996).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notified {
    /// The primary is asked at once.
    Taken,
    /// It comes from somebody else.
    Refused,
    /// There is no secondary zone of this name.
    Unknown,
}

/// What is known of one secondary zone. Times are in seconds since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its apex.
    pub apex: String,
    /// The serial that is held; `None` if nothing is, or it has expired.
    pub serial: Option<u32>,
    /// When it was last known to be current.
    pub checked: Option<u64>,
    /// The primary that said so.
    pub primary: Option<String>,
    /// When it is no longer served, unless a primary is reached.
    pub expires: Option<u64>,
    /// What went wrong since then, and when.
    pub failure: Option<(u64, String)>,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Primaries that were asked.
    pub checks: u64,
    /// Checks that failed.
    pub failures: u64,
    /// Transfers that were taken.
    pub transfers: u64,
    /// NOTIFY messages that were taken.
    pub notifies: u64,
    /// Zones that expired.
    pub expired: u64,
}

/// Follows the secondary zones of a model, until it is dropped.
pub struct Follower {
    runtime: Handle,
    shared: Arc<Shared>,
    zones: Mutex<BTreeMap<Name, Followed>>,
    /// The addresses of all primaries.
    primaries: ArcSwap<HashSet<IpAddr>>,
}

/// One zone that is followed.
struct Followed {
    primaries: Vec<Primary>,
    zone: Arc<Zone>,
    task: AbortHandle,
}

/// Zones that were on disk when the server started.
#[derive(Debug, Default)]
pub struct Restored(HashMap<Name, (Kept, Expiry)>);

impl Store {
    /// Reads all zones that are kept and young enough to be served: their content goes into `holdings`. A line for each
    /// file that cannot be used.
    pub fn restore(&self, holdings: &mut Holdings) -> (Restored, Vec<String>) {
        let (kept, faults) = self.read_all();
        let now = unix_now();
        let mut restored = HashMap::new();
        for kept in kept {
            let at = expiry(&kept.held.soa, kept.checked);
            if at > now {
                let expiry = Expiry::default();
                expiry.set(at);
                holdings.insert(kept.apex.clone(), content(&kept.held, &expiry));
                restored.insert(kept.apex.clone(), (kept, expiry));
            } else {
                holdings.expire(&kept.apex);
            }
        }
        (Restored(restored), faults)
    }
}

impl Follower {
    /// Begins to follow on `runtime`, with what was `restored` from the disk. May be called from any thread.
    pub fn start(runtime: &Handle, options: Options, restored: Restored, model: &Model) -> Self {
        let follower = Self {
            runtime: runtime.clone(),
            shared: Arc::new(Shared::new(options)),
            zones: Mutex::default(),
            primaries: ArcSwap::default(),
        };
        follower.follow(model, restored);
        follower
    }

    /// Takes up a new model: zones whose primaries are as before go on, new ones begin at once, the others end. What a
    /// zone held before its primaries changed stands until they say otherwise.
    pub fn apply(&self, model: &Model) {
        self.follow(model, Restored::default());
    }

    fn follow(&self, model: &Model, Restored(mut restored): Restored) {
        *lock(&self.shared.keys) = model.server.keys.as_slice().into();
        let mut zones = lock(&self.zones);
        let mut before = std::mem::take(&mut *zones);
        for ground in &model.grounds {
            let Some(primaries) = ground.primaries() else { continue };
            let apex = ground.zone.apex.clone();
            let known = before.remove(&apex);
            if let Some(known) = known.as_ref().filter(|known| known.primaries == primaries) {
                zones.insert(apex, known.again());
                continue;
            }
            let mut state = State::default();
            if let Some(known) = known {
                known.task.abort();
                let mut old = lock(&known.zone.state);
                (state.held, state.checked, state.expiry) = (old.held.take(), old.checked, old.expiry.clone());
            } else if let Some((kept, expiry)) = restored.remove(&apex) {
                (state.held, state.checked, state.expiry) = (Some(kept.held), Some(kept.checked), expiry);
            }
            let zone = Arc::new(Zone::new(apex.clone(), state));
            let task = follow(Arc::clone(&self.shared), Arc::clone(&zone), primaries.to_vec());
            let task = self.runtime.spawn(task).abort_handle();
            zones.insert(apex, Followed { primaries: primaries.to_vec(), zone, task });
        }
        before.into_values().for_each(|gone| gone.task.abort());
        let primaries = model.grounds.iter().filter_map(|ground| ground.primaries()).flatten();
        self.primaries.store(Arc::new(primaries.map(|primary| primary.address.ip().to_canonical()).collect()));
    }

    /// Whether some zone is transferred from a server with this address. Waits for nobody.
    pub fn is_primary(&self, address: IpAddr) -> bool {
        self.primaries.load().contains(&address.to_canonical())
    }

    /// A NOTIFY has come for a zone, from an address and perhaps signed with a key.
    pub fn notified(&self, apex: NameRef<'_>, from: IpAddr, key: Option<&Name>) -> Notified {
        let zones = lock(&self.zones);
        let Some(followed) = zones.get(&apex.to_name()) else { return Notified::Unknown };
        let is_theirs = |primary: &Primary| {
            primary.address.ip().to_canonical() == from.to_canonical() || key.is_some() && primary.key.as_ref() == key
        };
        let Some(primary) = followed.primaries.iter().position(is_theirs) else { return Notified::Refused };
        count(&self.shared.tally.notifies);
        lock(&followed.zone.state).notifier = Some(primary);
        followed.zone.news.notify_one();
        Notified::Taken
    }

    /// Every zone, by name.
    pub fn report(&self) -> Vec<Report> {
        lock(&self.zones).values().map(Followed::report).collect()
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        let tally = &self.shared.tally;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            checks: read(&tally.checks),
            failures: read(&tally.failures),
            transfers: read(&tally.transfers),
            notifies: read(&tally.notifies),
            expired: read(&tally.expired),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        lock(&self.zones).values().for_each(|zone| zone.task.abort());
    }
}

impl Followed {
    fn again(&self) -> Self {
        Self { primaries: self.primaries.clone(), zone: Arc::clone(&self.zone), task: self.task.clone() }
    }

    fn report(&self) -> Report {
        let state = lock(&self.zone.state);
        let held = state.held.as_ref();
        let primary = state.primary.and_then(|primary| self.primaries.get(primary));
        Report {
            apex: self.zone.apex.to_string().trim_end_matches('.').to_owned(),
            serial: held.map(|held| held.soa.serial),
            checked: state.checked,
            primary: primary.map(|primary| primary.address.to_string()),
            expires: state.expires(),
            failure: state.failure.clone(),
        }
    }
}
