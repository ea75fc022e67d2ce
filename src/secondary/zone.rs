//! One secondary zone: kept current, and given up in time.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use siphasher::sip::SipHasher24;
use tokio::sync::{Mutex as AsyncMutex, Notify, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{self, News};
use super::incoming::Held;
use super::store::{Store, unix_now};
use super::timers::{expiry, refresh, retry};
use super::turns::Turns;
use crate::config::Content;
use crate::config::model::{Expiry, Primary, Soa, TsigKey};
use crate::threads::in_background;
use crate::wire::Name;

/// From one question that a NOTIFY leads to, to the next.
const BETWEEN_NOTIFIES: Duration = Duration::from_secs(1);

/// New content of a zone, or the end of it, for whoever serves it.
#[derive(Debug)]
pub struct Offer {
    /// The zone.
    pub apex: Name,
    /// `None`: it has expired.
    pub content: Option<Arc<Content>>,
    /// Whether it is taken: why not, in one clause.
    pub reply: oneshot::Sender<Result<(), String>>,
}

/// What the zones are followed with.
pub struct Options {
    /// Where zones are kept.
    pub store: Store,
    /// Takes what is offered; called from tasks, and must not wait.
    pub offer: Box<dyn Fn(Offer) + Send + Sync>,
    /// Decides the jitter; another one each start.
    pub seed: u64,
}

/// What all tasks share.
pub(super) struct Shared {
    options: Options,
    turns: Turns,
    pub(super) tally: Tally,
    draws: AtomicU64,
    /// Of the model that was applied last.
    pub(super) keys: Mutex<Arc<[TsigKey]>>,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) checks: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) transfers: AtomicU64,
    pub(super) notifies: AtomicU64,
    pub(super) expired: AtomicU64,
}

/// One zone, as its task and others see it.
pub(super) struct Zone {
    pub(super) apex: Name,
    pub(super) state: Mutex<State>,
    /// A primary says that there is news.
    pub(super) news: Notify,
    /// Something else is held.
    replaced: Notify,
    /// One offer of the zone at a time, so that the last one counts: held until what it makes of `state` is there.
    offering: AsyncMutex<()>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) held: Option<Held>,
    /// When what is held was known to be current: where a primary says how long it goes on itself, as it knew it.
    pub(super) checked: Option<u64>,
    /// What follows of the two, for those who answer.
    pub(super) expiry: Expiry,
    pub(super) primary: Option<usize>,
    pub(super) failure: Option<(u64, String)>,
    failures: u32,
    /// The primary that sent the last NOTIFY: it is asked first.
    pub(super) notifier: Option<usize>,
}

pub(super) fn content(held: &Held, expiry: &Expiry) -> Arc<Content> {
    let (soa, records) = (held.soa.clone(), Arc::clone(&held.records));
    Arc::new(Content::Transferred { soa, records, expiry: expiry.clone() })
}

impl Zone {
    pub(super) fn new(apex: Name, state: State) -> Self {
        let (news, replaced) = (Notify::new(), Notify::new());
        Self { apex, state: Mutex::new(state), news, replaced, offering: AsyncMutex::new(()) }
    }
}

impl State {
    /// When what is held is no longer served, in seconds since 1970 UTC.
    pub(super) fn expires(&self) -> Option<u64> {
        self.held.as_ref().zip(self.checked).map(|(held, checked)| expiry(&held.soa, checked))
    }
}

/// Whoever panicked with it in their hands left it whole: single values are put in and taken out.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let (tally, draws, keys) = (Tally::default(), AtomicU64::new(0), Mutex::new(Arc::new([]) as Arc<[TsigKey]>));
        Self { options, turns: Turns::new(), tally, draws, keys }
    }

    /// Bits that nobody outside can tell before.
    fn draw(&self) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.options.seed, 0x5eed);
        hasher.write_u64(self.draws.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }

    /// Hands content over, and waits until it is served or refused.
    async fn offer(&self, apex: &Name, content: Option<Arc<Content>>) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        (self.options.offer)(Offer { apex: apex.clone(), content, reply });
        answer.await.unwrap_or_else(|_| Err("the server is stopping".into()))
    }
}

/// Follows one zone for ever. Its time goes by whatever else is waited for, a turn or the end of a transfer.
pub(super) async fn follow(shared: Arc<Shared>, zone: Arc<Zone>, primaries: Vec<Primary>) {
    tokio::join!(keep_current(&shared, &zone, &primaries), expire_in_time(&shared, &zone));
}

/// Asks the primaries by the timers and when one sends word, for ever.
async fn keep_current(shared: &Shared, zone: &Zone, primaries: &[Primary]) {
    let mut wait = first_wait(shared, zone);
    loop {
        let due = Instant::now() + wait;
        let is_notified = tokio::select! {
            () = sleep_until(due) => false,
            () = zone.news.notified() => true,
        };
        let is_good = check(shared, zone, primaries).await;
        wait = {
            let state = lock(&zone.state);
            let soa = state.held.as_ref().map(|held| &held.soa);
            match soa {
                Some(soa) if is_good => refresh(soa, shared.draw()),
                _ => retry(soa, state.failures, shared.draw()),
            }
        };
        if is_notified {
            // What comes meanwhile is seen to after it.
            sleep(BETWEEN_NOTIFIES.min(wait)).await;
        }
    }
}

/// A zone that was kept waits for the rest of its time; the others begin at once.
fn first_wait(shared: &Shared, zone: &Zone) -> Duration {
    let state = lock(&zone.state);
    let Some((held, checked)) = state.held.as_ref().zip(state.checked) else { return Duration::ZERO };
    let age = Duration::from_secs(unix_now().saturating_sub(checked));
    refresh(&held.soa, shared.draw()).saturating_sub(age)
}

/// Gives the zone up whenever it expires, at that moment; for ever.
async fn expire_in_time(shared: &Shared, zone: &Zone) {
    loop {
        let expires = lock(&zone.state).expires();
        let Some(expires) = expires else {
            zone.replaced.notified().await;
            continue;
        };
        let left = Duration::from_secs(expires.saturating_sub(unix_now()));
        if left.is_zero() {
            expire(shared, zone).await;
            continue;
        }
        tokio::select! {
            // In steps of a minute at most, since the system's clock may be set.
            () = sleep(left.min(Duration::from_secs(60))) => {}
            () = zone.replaced.notified() => {}
        }
    }
}

async fn expire(shared: &Shared, zone: &Zone) {
    let _offering = zone.offering.lock().await;
    let serial = {
        let mut state = lock(&zone.state);
        // A transfer may have come to its end meanwhile.
        if state.expires().is_none_or(|expires| expires > unix_now()) {
            return;
        }
        state.held.take().map(|held| held.soa.serial)
    };
    count(&shared.tally.expired);
    tracing::error!(
        "the secondary zone {} has expired with serial {}: it is answered with SERVFAIL until a primary is reached",
        zone.apex,
        serial.unwrap_or_default()
    );
    // A server that is stopping serves nothing.
    let _ = shared.offer(&zone.apex, None).await;
}

/// Asks the primaries, the one that sent word first, until one has the zone; true: it is current now.
async fn check(shared: &Shared, zone: &Zone, primaries: &[Primary]) -> bool {
    let first = {
        let mut state = lock(&zone.state);
        state.notifier.take().or(state.primary).unwrap_or(0)
    };
    let mut left: Vec<usize> = (0..primaries.len()).map(|number| (first + number) % primaries.len()).collect();
    let mut why = Vec::new();
    loop {
        let addresses: Vec<IpAddr> = left.iter().map(|&at| primaries[at].address.ip().to_canonical()).collect();
        let Some((place, _turn)) = shared.turns.any(&addresses).await else { break };
        let at = left.remove(place);
        count(&shared.tally.checks);
        match check_one(shared, zone, &primaries[at]).await {
            Ok(()) => {
                let mut state = lock(&zone.state);
                (state.primary, state.failure, state.failures) = (Some(at), None, 0);
                return true;
            }
            Err(fault) => {
                count(&shared.tally.failures);
                why.push(format!("{}: {fault}", primaries[at].address));
            }
        }
    }
    let why = why.join("; ");
    let mut state = lock(&zone.state);
    if state.failure.as_ref().is_none_or(|(_, before)| *before != why) {
        tracing::warn!("the secondary zone {} was not brought up to date: {why}", zone.apex);
    }
    state.failure = Some((unix_now(), why));
    state.failures = state.failures.saturating_add(1);
    false
}

async fn check_one(shared: &Shared, zone: &Zone, primary: &Primary) -> Result<(), String> {
    let held = lock(&zone.state).held.clone();
    let keys = Arc::clone(&lock(&shared.keys));
    let key = primary.key.as_ref().map(|name| {
        let key = keys.iter().find(|key| key.name == *name);
        key.ok_or_else(|| format!("there is no key {name}"))
    });
    let heard = client::ask(primary, key.transpose()?, &zone.apex, held.as_ref(), || shared.draw()).await?;
    let now = unix_now();
    // RFC 7314 section 4: what a primary knows from somebody else is not young because we have just heard it.
    let known = |soa: &Soa| {
        let left = heard.expire.unwrap_or(soa.expire).min(soa.expire);
        now.saturating_sub(u64::from(soa.expire - left))
    };
    let store = shared.options.store.clone();
    let apex = zone.apex.clone();
    let new = match heard.news {
        News::New(new) => spawn_blocking(move || in_background(|| new.finish()))
            .await
            .map_err(|_| "the zone could not be put together")?,
        News::Current => {
            let checked = {
                let mut state = lock(&zone.state);
                let checked = state.held.as_ref().map(|held| known(&held.soa).max(state.checked.unwrap_or(0)));
                if let Some((held, checked)) = state.held.as_ref().zip(checked) {
                    state.expiry.set(expiry(&held.soa, checked));
                    state.checked = Some(checked);
                }
                checked
            };
            match (checked, held) {
                // It has expired since the primary was asked, and is brought back.
                (None, Some(held)) => held,
                (None, None) => return Ok(()),
                (Some(checked), _) => {
                    // Without it the zone is older after a restart than it is.
                    let _ = spawn_blocking(move || store.touch(&apex, checked)).await;
                    return Ok(());
                }
            }
        }
    };
    let checked = known(&new.soa);
    let at = expiry(&new.soa, checked);
    {
        let _offering = zone.offering.lock().await;
        // One for all that the zone ever holds: who still has the content of before is told of it too.
        let until = {
            let state = lock(&zone.state);
            if state.held.is_none() {
                state.expiry.set(at);
            }
            state.expiry.clone()
        };
        shared.offer(&zone.apex, Some(content(&new, &until))).await?;
        until.set(at);
        let mut state = lock(&zone.state);
        (state.held, state.checked) = (Some(new.clone()), Some(checked));
    }
    zone.replaced.notify_one();
    count(&shared.tally.transfers);
    tracing::info!("the secondary zone {} has serial {} from {}", zone.apex, new.soa.serial, primary.address);
    let saved = spawn_blocking(move || in_background(|| store.save(&apex, &new, checked))).await;
    if let Ok(Err(error)) = saved {
        tracing::warn!("the secondary zone {} is not on disk: {error}; a restart transfers it anew", zone.apex);
    }
    Ok(())
}
