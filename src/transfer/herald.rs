//! Word of changes to the servers that copy our zones: NOTIFY (RFC 1996), again and again until it is heard. A task
//! each zone and server says when; `post` sends for all of them.

mod post;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::counters::{Counters, count};
use super::edition::{Book, Edition, Editions};
use super::unix_now;
use crate::config::model::{Notified, TsigKey};
use crate::control::SecondaryStatus;
use crate::snapshot::Snapshot;
use crate::tsig::Signer;
use crate::wire::message::{CLASS_IN, Rcode, flag, opcode, opcode_of};
use crate::wire::{Name, RecordType, tsig};

use post::Post;

/// From one attempt to the next; the last wait is for the last one's reply (RFC 1996 section 3.6).
const WAITS: [u64; 8] = [1, 2, 4, 8, 15, 30, 60, 60];

/// Who tells the secondaries, and what came of it.
#[derive(Debug)]
pub(super) struct Herald {
    book: Arc<Book>,
    counters: Arc<Counters>,
    post: Post,
    heard: Mutex<HashMap<(Name, SocketAddr), (u32, String)>>,
}

impl Herald {
    pub(super) fn new(book: Arc<Book>, counters: Arc<Counters>) -> Self {
        Self { book, counters, post: Post::new(), heard: Mutex::default() }
    }

    /// What each secondary has heard, by zone and address.
    pub(super) fn heard(&self) -> Vec<SecondaryStatus> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = heard.iter().collect();
        all.sort_by_key(|(secondary, _)| *secondary);
        let one = |((apex, to), (serial, state)): (&(Name, SocketAddr), &(u32, String))| SecondaryStatus {
            zone: apex.to_string().trim_end_matches('.').to_owned(),
            address: to.to_string(),
            serial: *serial,
            state: state.clone(),
        };
        all.into_iter().map(one).collect()
    }

    /// Follows the generations, makes the editions of each, and tells of those that are new. At the start everybody is
    /// told: nobody knows what they have heard before.
    pub(super) async fn run(self: Arc<Self>, snapshot: Arc<ArcSwap<Snapshot>>, mut generations: watch::Receiver<u64>) {
        let mut told: HashMap<(Name, SocketAddr), (u32, tokio::task::AbortHandle)> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut seen: Option<Arc<Editions>> = None;
        loop {
            if seen.is_some() && generations.changed().await.is_err() {
                return;
            }
            while tasks.try_join_next().is_some() {}
            let (book, current) = (Arc::clone(&self.book), snapshot.load_full());
            let keys = current.inputs.model.server.keys.clone();
            // A panic there leaves the editions as they were.
            let _ = tokio::task::spawn_blocking(move || book.catch_up(&current)).await;
            let editions = self.book.editions();
            // Health makes most generations, and nothing that anybody copies.
            if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &editions)) {
                continue;
            }
            let all =
                editions.values().flat_map(|edition| edition.zone.transfer.notify.iter().map(move |to| (edition, to)));
            let wanted: HashMap<(Name, SocketAddr), (&Arc<Edition>, &Notified)> =
                all.map(|(edition, to)| ((edition.zone.apex.clone(), to.to), (edition, to))).collect();
            // Who is no longer to be told is not, and a newer serial takes the place of an older one.
            told.retain(|secondary, (serial, task)| {
                let stays = wanted.get(secondary).is_some_and(|(edition, _)| edition.zone.soa.serial == *serial);
                if !stays {
                    task.abort();
                }
                stays
            });
            self.keep(|secondary| wanted.contains_key(secondary));
            for (secondary, (edition, to)) in wanted {
                if told.contains_key(&secondary) {
                    continue;
                }
                let serial = edition.zone.soa.serial;
                let (herald, edition, to) = (Arc::clone(&self), Arc::clone(edition), to.clone());
                let key = to.key.as_ref().and_then(|name| keys.iter().find(|key| key.name == *name)).cloned();
                let task = tasks.spawn(async move { herald.tell(&edition, &to, key.as_ref()).await });
                told.insert(secondary, (serial, task));
            }
            seen = Some(editions);
        }
    }

    fn keep(&self, is_wanted: impl Fn(&(Name, SocketAddr)) -> bool) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).retain(|secondary, _| is_wanted(secondary));
    }

    fn note(&self, edition: &Edition, to: SocketAddr, state: &str) {
        let said = (edition.zone.soa.serial, state.to_owned());
        let key = (edition.zone.apex.clone(), to);
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(key, said);
    }

    async fn tell(&self, edition: &Edition, to: &Notified, key: Option<&TsigKey>) {
        self.note(edition, to.to, "waiting");
        let (apex, serial) = (&edition.zone.apex, edition.zone.soa.serial);
        let mut last = String::new();
        for wait in WAITS {
            self.post.turn(to.to).await;
            let until = Instant::now() + Duration::from_secs(wait);
            count(&self.counters.notifies_sent);
            match timeout_at(until, self.attempt(edition, to, key)).await {
                Ok(Ok(())) => {
                    count(&self.counters.notifies_heard);
                    tracing::debug!("{} has heard of {apex} {serial}", to.to);
                    return self.note(edition, to.to, "heard");
                }
                Ok(Err(Unheard::Now(why))) => {
                    last = why;
                    sleep_until(until).await;
                }
                Ok(Err(Unheard::Ever(why))) => {
                    last = why;
                    break;
                }
                Err(_) => last = "no reply".to_owned(),
            }
        }
        count(&self.counters.notifies_lost);
        tracing::warn!("{} did not hear of {apex} {serial}: {last}; it learns of it by the zone's refresh time", to.to);
        self.note(edition, to.to, &format!("not heard: {last}"));
    }

    /// One message and its reply.
    async fn attempt(&self, edition: &Edition, to: &Notified, key: Option<&TsigKey>) -> Result<(), Unheard> {
        let mut replies = self.post.replies(to.to);
        let id = replies.id();
        let mut message = message(edition, id);
        let mut checker = key.map(|key| {
            let mut signer = Signer::of_request(key);
            signer.sign(&mut message, unix_now());
            signer.into_checker()
        });
        self.post.send(&message, to.to).await?;
        while let Some(reply) = replies.next().await {
            let reply = &reply[..];
            if !is_reply(reply, id) {
                continue;
            }
            if let Some(checker) = &mut checker {
                let signed = tsig::read(reply).ok().flatten();
                match checker.check(reply, signed.as_ref(), unix_now()) {
                    Ok(()) => {}
                    // Anybody can send such a reply: the right one may come yet, unless the server says why not.
                    Err(_) if signed.as_ref().is_none_or(|signed| signed.error == tsig::error::NONE) => continue,
                    Err(_) => return Err(Unheard::Now("it does not take our signature".to_owned())),
                }
            }
            return said(reply[3] & 0xf);
        }
        Err(Unheard::Now("no reply".to_owned()))
    }
}

/// Why an attempt has not been heard.
enum Unheard {
    /// Another one may be.
    Now(String),
    /// None will be.
    Ever(String),
}

impl From<io::Error> for Unheard {
    fn from(error: io::Error) -> Self {
        Self::Now(error.to_string())
    }
}

/// What a reply's code means. One that does not know NOTIFY is not asked again (RFC 1996 section 3.12).
fn said(rcode: u8) -> Result<(), Unheard> {
    let why = || format!("it says {}", RCODES.get(usize::from(rcode)).unwrap_or(&"no"));
    match rcode {
        NOERROR => Ok(()),
        NOTIMP => Err(Unheard::Ever(why())),
        _ => Err(Unheard::Now(why())),
    }
}

const NOERROR: u8 = Rcode::NoError as u8;
const NOTIMP: u8 = Rcode::NotImp as u8;
/// Response codes by number.
const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
];

fn is_reply(reply: &[u8], id: u16) -> bool {
    reply.len() >= crate::wire::message::HEADER
        && reply[..2] == id.to_be_bytes()
        && reply[2] & (flag::QR >> 8) as u8 != 0
        && opcode_of(reply) == opcode::NOTIFY
}

/// The zone's name as the question, its SOA as a hint (RFC 1996 section 3.7).
fn message(edition: &Edition, id: u16) -> Vec<u8> {
    let soa = &edition.zone.soa;
    let data = soa.data();
    let [type_high, type_low] = RecordType::SOA.0.to_be_bytes();
    let [class_high, class_low] = CLASS_IN.to_be_bytes();
    let mut message = id.to_be_bytes().to_vec();
    message.extend([opcode::NOTIFY << 3 | (flag::AA >> 8) as u8, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend(edition.zone.apex.as_wire());
    message.extend([type_high, type_low, class_high, class_low]);
    // The owner is the question's name.
    message.extend([0xc0, 12, type_high, type_low, class_high, class_low]);
    message.extend(soa.ttl.to_be_bytes());
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    message
}
