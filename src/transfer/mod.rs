//! What servers say to each other: zones that go out and come in, NOTIFY, UPDATE, and the signatures on them (TSIG).
//!
//! Comes in: the messages that the engine leaves aside ([`crate::answer::is_aside`]), and each new configuration. Goes
//! out: replies, as many as it takes, and word of changes. Invariants: what strangers may ask for is answered at once,
//! without allocation; a message is looked at only after its signature, and a reply to a signed one is signed; nobody
//! waits for anybody else's transfer, and what is being copied does not change meanwhile.

mod counters;
mod delta;
mod edition;
mod export;
mod herald;
mod outgoing;
mod pack;
mod places;
mod reply;
mod request;
mod signed;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::answer::{self, Peer, Query, answer_in_place};
use crate::config::model::TsigKey;
use crate::control::{Control, Notified, SecondaryStatus};
use crate::net::{Aside, Replies, SharedDraw};
use crate::snapshot::Snapshot;
use crate::tsig::{self, Signer};
use crate::update::Update;
use crate::wire::message::{Rcode, flag, opcode};
use crate::wire::{Name, NameRef, tsig as record};

use counters::{Counters, count};
use edition::{Book, Edition};
use herald::Herald;
use outgoing::Kind;
use places::Places;
use reply::To;
use request::{Fault, Request};
use signed::Signed;

/// How long one transfer may take. Each of its messages has to be taken in the time of the stream's limits besides.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Takes up what the engine leaves aside.
#[derive(Debug)]
pub struct Transfers {
    snapshot: Arc<ArcSwap<Snapshot>>,
    control: Control,
    book: Arc<Book>,
    /// Held while the book catches up for those who ask.
    catching_up: tokio::sync::Mutex<()>,
    places: Places,
    counters: Arc<Counters>,
    herald: Arc<Herald>,
    draw: SharedDraw,
}

/// A message whose signature held, or that has none.
struct Proven {
    /// Without the signature, with the ID that it came with.
    message: Vec<u8>,
    /// The key that it was signed with.
    key: Option<Name>,
    signer: Option<Signer>,
}

impl Transfers {
    /// Over the running state.
    pub fn new(control: Control) -> Self {
        let snapshot = control.snapshot();
        let (book, counters) = <(Arc<Book>, Arc<Counters>)>::default();
        let herald = Arc::new(Herald::new(Arc::clone(&book), Arc::clone(&counters)));
        let (catching_up, places, draw) = (tokio::sync::Mutex::default(), Places::default(), SharedDraw::new());
        Self { snapshot, control, book, catching_up, places, counters, herald, draw }
    }

    /// Follows each new configuration, and tells the secondaries of zones that change; runs until `generations` end.
    pub async fn follow(self: Arc<Self>, generations: watch::Receiver<u64>) {
        let (herald, snapshot) = (Arc::clone(&self.herald), Arc::clone(&self.snapshot));
        // Nothing of it holds the service.
        drop(self);
        herald.run(snapshot, generations).await;
    }

    /// What the secondaries have heard, by zone and address.
    pub fn heard(&self) -> Vec<SecondaryStatus> {
        self.herald.heard()
    }

    /// What is counted, each by its name.
    pub fn read_counters(&self) -> Vec<(&'static str, u64)> {
        self.counters.read()
    }

    /// NOTIFY (RFC 1996): of secondary zones their primaries have news.
    fn notified(&self, request: &Request, peer: Peer, key: Option<&Name>) -> Rcode {
        let Ok(apex) = NameRef::from_wire(request.query.name.whole()) else { return Rcode::FormErr };
        match self.control.notified(apex, peer.address.ip().to_canonical(), key) {
            Notified::Taken => Rcode::NoError,
            Notified::Refused | Notified::Unknown => stranger(request, &self.snapshot.load()),
        }
    }

    /// UPDATE (RFC 2136): without a signature nobody may change anything.
    async fn updated(&self, request: &Request, message: &[u8], key: Option<&Name>) -> Rcode {
        let Some(key) = key else { return stranger(request, &self.snapshot.load()) };
        match Update::read(message) {
            Ok(update) => self.control.update(update, key.clone()).await,
            Err(rcode) => rcode,
        }
    }

    /// Whether the zone that is asked for lets in this client. What has changed in the last moments is for
    /// [`Self::current`].
    fn allows(&self, request: &Request, address: IpAddr, key: Option<&Name>) -> bool {
        self.book.find(&request.query.name).is_some_and(|edition| allows(&edition, address, key))
    }

    /// The edition of the zone that is asked for, as of the snapshot or newer. However many ask, one thread makes it, and
    /// none where it is there.
    async fn current(&self, snapshot: &Arc<Snapshot>, request: &Request) -> Option<Arc<Edition>> {
        if !self.book.is_of(snapshot) {
            let _alone = self.catching_up.lock().await;
            if !self.book.is_of(snapshot) {
                let (book, snapshot) = (Arc::clone(&self.book), Arc::clone(snapshot));
                // A panic there leaves the editions as they were.
                let _ = tokio::task::spawn_blocking(move || book.catch_up(&snapshot)).await;
            }
        }
        self.book.find(&request.query.name)
    }

    /// Checks the signature, if there is one, and answers where it does not hold.
    async fn proven(
        &self,
        keys: &[TsigKey],
        message: Vec<u8>,
        request: &Request,
        sender: To<'_>,
        replies: &mut dyn Replies,
    ) -> io::Result<Option<Proven>> {
        let tsig = match record::read(&message) {
            Ok(Some(tsig)) => tsig,
            Ok(None) => return Ok(Some(Proven { message, key: None, signer: None })),
            Err(record::Malformed) => {
                replies.send(&sender.reply(&message, request, Rcode::FormErr, None)).await?;
                return Ok(None);
            }
        };
        let mut stripped = tsig::strip(&message, &tsig);
        let id = [message[0], message[1]];
        let fault = match tsig::verify(keys, &stripped, &tsig, unix_now()) {
            Ok(key) => {
                stripped[..2].copy_from_slice(&id);
                let signer = Some(Signer::of_reply(key, tsig.mac));
                return Ok(Some(Proven { message: stripped, key: Some(key.name.clone()), signer }));
            }
            Err(fault) => fault,
        };
        count(&self.counters.tsig_refused);
        stripped[..2].copy_from_slice(&id);
        let reply = match fault {
            tsig::Fault::Malformed => sender.reply(&stripped, request, Rcode::FormErr, None),
            tsig::Fault::Unproven(error) => {
                let mut reply = sender.reply(&stripped, request, Rcode::NotAuth, None);
                let len = reply.len();
                reply.resize(len + reply::ROOM, 0);
                let len = tsig::refuse(&mut reply, len, &tsig::Named::of(&tsig), error).unwrap_or(len);
                reply.truncate(len);
                reply
            }
            tsig::Fault::Proven(error) => {
                let mut reply = sender.reply(&stripped, request, Rcode::NotAuth, None);
                if let Some(key) = tsig::key_of(keys, &tsig) {
                    Signer::of_reply(key, tsig.mac).sign_error(&mut reply, &tsig, error, unix_now());
                }
                reply
            }
        };
        replies.send(&reply).await?;
        Ok(None)
    }

    /// Answers a plain query that was signed.
    fn plain(
        &self,
        snapshot: &Snapshot,
        message: &[u8],
        request: &Request,
        peer: Peer,
        room: usize,
    ) -> Option<Vec<u8>> {
        let mut buffer = message.to_vec();
        buffer.resize(usize::from(u16::MAX), 0);
        let len = answer_in_place(
            snapshot,
            &mut Query::default(),
            &mut buffer,
            message.len(),
            &peer,
            self.draw.next(),
            || false,
        )?;
        let most = if peer.carrier.is_datagram() { request.datagram_room() } else { buffer.len() };
        if len + room > most {
            buffer[..message.len()].copy_from_slice(message);
            let len = To { snapshot, peer }.write(&mut buffer, request, Rcode::NoError, None)?;
            buffer[2] |= (flag::TC >> 8) as u8;
            buffer.truncate(len);
        } else {
            buffer.truncate(len);
        }
        Some(buffer)
    }

    /// AXFR and IXFR.
    async fn transfer(
        &self,
        snapshot: Arc<Snapshot>,
        proven: &Proven,
        request: &Request,
        peer: Peer,
        to: &mut Signed<'_>,
    ) -> io::Result<()> {
        let key = proven.key.as_ref();
        let address = peer.address.ip().to_canonical();
        let is_zone = request.is_zone(&snapshot);
        // Who may not copy it takes no place from those who may.
        let edition = self.current(&snapshot, request).await.filter(|edition| allows(edition, address, key));
        let place = edition.as_ref().and_then(|_| self.places.take(address));
        let (Some(edition), Some(place)) = (&edition, &place) else {
            let rcode = match &edition {
                Some(_) => Rcode::ServFail,
                None if key.is_some() && !is_zone => Rcode::NotAuth,
                None => Rcode::Refused,
            };
            let is_busy = edition.is_some();
            count(if is_busy { &self.counters.transfers_busy } else { &self.counters.transfers_refused });
            let sender = To { snapshot: &snapshot, peer };
            let reply = sender.reply(&proven.message, request, rcode, reply::reason(rcode, is_zone));
            return to.send(reply).await;
        };
        let opt = answer::opt_of_transfer(&snapshot, &request.query, &proven.message, &peer);
        // It may take long, and the snapshot need not.
        drop(snapshot);
        let sending = outgoing::send(edition, &proven.message, request, opt, peer.carrier.is_datagram(), to);
        let sent = tokio::select! {
            sent = timeout(LONGEST, sending) => sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            () = place.close.cancelled() => Err(io::Error::other("another client needed its place")),
        };
        let apex = &edition.zone.apex;
        match sent {
            Ok(kind) => {
                count(match kind {
                    Kind::Whole => &self.counters.transfers_whole,
                    Kind::Changes => &self.counters.transfers_changes,
                    Kind::Serial => &self.counters.transfers_current,
                });
                let serial = edition.zone.soa.serial;
                tracing::debug!("{apex} {serial} went to {address}: {kind:?}");
                Ok(())
            }
            Err(error) => {
                count(&self.counters.transfers_broken);
                tracing::info!("{apex} did not go to {address}: {error}");
                Err(error)
            }
        }
    }
}

/// What is told to those who may change nothing.
fn stranger(request: &Request, snapshot: &Snapshot) -> Rcode {
    if request.is_zone(snapshot) { Rcode::Refused } else { Rcode::NotAuth }
}

fn allows(edition: &Edition, address: IpAddr, key: Option<&Name>) -> bool {
    edition.zone.transfer.to.iter().any(|allowed| allowed.allows(address, key))
}

#[async_trait::async_trait]
impl Aside for Transfers {
    fn at_once(&self, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize> {
        let snapshot = self.snapshot.load();
        let request = match Request::read(&buffer[..len], snapshot.plan.table.seed()) {
            Ok(request) => request,
            Err(Fault::Drop) => return None,
            Err(Fault::HeaderOnly(rcode)) => return reply::header_only(buffer, rcode),
        };
        let sender = To { snapshot: &snapshot, peer };
        if request.is_signed {
            let Ok(tsig) = record::read(&buffer[..len]) else {
                return sender.write(buffer, &request, Rcode::FormErr, None);
            };
            let tsig = tsig?;
            if tsig::key_of(&snapshot.inputs.model.server.keys, &tsig).is_some() {
                return None;
            }
            count(&self.counters.tsig_refused);
            let named = tsig::Named::of(&tsig);
            let end = sender.write(buffer, &request, Rcode::NotAuth, None)?;
            // Names may have been compressed, and nobody is sent more for them than came.
            let most = len.max(end).min(request.datagram_room());
            return Some(tsig::refuse(&mut buffer[..most], end, &named, record::error::BADKEY).unwrap_or(end));
        }
        let address = peer.address.ip().to_canonical();
        let rcode = match request.opcode {
            opcode::NOTIFY | opcode::UPDATE if request.fault().is_some() => request.fault()?,
            opcode::NOTIFY if request.is_zone(&snapshot) && self.control.is_primary(address) => return None,
            opcode::NOTIFY | opcode::UPDATE => stranger(&request, &snapshot),
            _ if request.is_whole_by(peer) || !self.allows(&request, address, None) => {
                count(&self.counters.transfers_refused);
                return answer::alone(&snapshot, buffer, len, peer, 0);
            }
            _ => return None,
        };
        let error = reply::reason(rcode, request.is_zone(&snapshot));
        sender.write(buffer, &request, rcode, error)
    }

    async fn answer(&self, message: Vec<u8>, peer: Peer, replies: &mut dyn Replies) -> io::Result<()> {
        let snapshot = self.snapshot.load_full();
        let request = match Request::read(&message, snapshot.plan.table.seed()) {
            Ok(request) => request,
            Err(Fault::Drop) => return Ok(()),
            Err(Fault::HeaderOnly(rcode)) => return replies.send(&reply::header(&message, rcode)).await,
        };
        let keys = &snapshot.inputs.model.server.keys;
        let sender = To { snapshot: &snapshot, peer };
        let Some(mut proven) = self.proven(keys, message, &request, sender, replies).await? else { return Ok(()) };
        let mut to = Signed::new(replies, proven.signer.take());
        let rcode = match request.opcode {
            _ if request.fault().is_some() => request.fault().unwrap_or(Rcode::FormErr),
            opcode::NOTIFY => self.notified(&request, peer, proven.key.as_ref()),
            opcode::UPDATE => {
                // It may wait, and the snapshot need not.
                drop(snapshot);
                self.updated(&request, &proven.message, proven.key.as_ref()).await
            }
            _ if !request.query.asks_for_transfer() => {
                let reply = self.plain(&snapshot, &proven.message, &request, peer, to.room());
                return match reply {
                    Some(reply) => to.send(reply).await,
                    None => Ok(()),
                };
            }
            _ if request.is_whole_by(peer) => Rcode::NotImp,
            _ => return self.transfer(snapshot, &proven, &request, peer, &mut to).await,
        };
        let reply = {
            let snapshot = self.snapshot.load();
            let error = reply::reason(rcode, request.is_zone(&snapshot));
            To { snapshot: &snapshot, peer }.reply(&proven.message, &request, rcode, error)
        };
        to.send(reply).await
    }
}

/// Seconds since 1970 UTC.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
