//! What servers say to each other: zones that go out and come in, NOTIFY, UPDATE, and the signatures on them (TSIG).
//!
//! Comes in: the messages that the engine leaves aside ([`crate::answer::is_aside`]). Goes out: their replies, as many as
//! it takes. Invariants: what strangers may ask for is answered at once, without allocation; a message is looked at
//! only after its signature, and a reply to a signed one is signed; nobody waits for anybody else's transfer.

mod reply;
mod request;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::answer::{self, Peer};
use crate::control::{Control, Notified};
use crate::net::{Aside, Replies};
use crate::snapshot::Snapshot;
use crate::wire::NameRef;
use crate::wire::message::{Rcode, opcode};

use request::Request;

/// Takes up what the engine leaves aside.
#[derive(Debug)]
pub struct Transfers {
    snapshot: Arc<ArcSwap<Snapshot>>,
    control: Control,
}

impl Transfers {
    /// Over the running state.
    pub fn new(control: Control) -> Self {
        Self { snapshot: control.snapshot(), control }
    }

    /// NOTIFY (RFC 1996): of secondary zones their primaries have news.
    fn notified(&self, request: &Request, peer: Peer) -> Rcode {
        let Ok(apex) = NameRef::from_wire(request.query.name.whole()) else { return Rcode::FormErr };
        match self.control.notified(apex, peer.address, None) {
            Notified::Taken => Rcode::NoError,
            Notified::Refused | Notified::Unknown => Rcode::Refused,
        }
    }

    /// The reply to what [`Aside::at_once`] leaves, where it is due at once all the same.
    fn later(&self, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize> {
        let seed = self.snapshot.load().plan.table.seed();
        let request = Request::read(&buffer[..len], seed).ok()?;
        let rcode = match request.opcode {
            opcode::NOTIFY => self.notified(&request, peer),
            _ => return None,
        };
        reply::write(buffer, &request, rcode)
    }

    /// UPDATE (RFC 2136).
    fn updated(&self, snapshot: &Snapshot, request: &Request) -> Rcode {
        if request.is_apex(snapshot) { Rcode::Refused } else { Rcode::NotAuth }
    }
}

#[async_trait::async_trait]
impl Aside for Transfers {
    fn at_once(&self, buffer: &mut [u8], len: usize, peer: Peer) -> Option<usize> {
        let snapshot = self.snapshot.load();
        let request = match Request::read(&buffer[..len], snapshot.plan.table.seed()) {
            Ok(request) => request,
            Err(fault) => return reply::fault(buffer, fault),
        };
        let rcode = match request.opcode {
            opcode::NOTIFY | opcode::UPDATE if request.fault().is_some() => request.fault()?,
            opcode::NOTIFY if request.is_zone(&snapshot) => return None,
            opcode::NOTIFY => Rcode::NotAuth,
            opcode::UPDATE => self.updated(&snapshot, &request),
            _ => return answer::alone(&snapshot, buffer, len, peer, 0),
        };
        reply::write(buffer, &request, rcode)
    }

    async fn answer(&self, mut message: Vec<u8>, peer: Peer, replies: &mut dyn Replies) -> io::Result<()> {
        let len = message.len();
        message.resize(usize::from(u16::MAX), 0);
        match self.at_once(&mut message, len, peer).or_else(|| self.later(&mut message, len, peer)) {
            Some(len) => replies.send(&message[..len]).await,
            None => Ok(()),
        }
    }
}
