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
use crate::net::{Aside, Replies};
use crate::snapshot::Snapshot;
use crate::wire::message::{Rcode, opcode};

use request::Request;

/// Takes up what the engine leaves aside.
#[derive(Debug)]
pub struct Transfers {
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl Transfers {
    /// Over the pointer that the publisher swaps.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { snapshot }
    }

    /// NOTIFY (RFC 1996): of our zones nobody else has any news.
    fn notified(&self, snapshot: &Snapshot, request: &Request) -> Rcode {
        if request.is_apex(snapshot) { Rcode::Refused } else { Rcode::NotAuth }
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
            opcode::NOTIFY => self.notified(&snapshot, &request),
            opcode::UPDATE => self.updated(&snapshot, &request),
            _ => return answer::alone(&snapshot, buffer, len, peer, 0),
        };
        reply::write(buffer, &request, rcode)
    }

    async fn answer(&self, mut message: Vec<u8>, peer: Peer, replies: &mut dyn Replies) -> io::Result<()> {
        let len = message.len();
        message.resize(usize::from(u16::MAX), 0);
        match self.at_once(&mut message, len, peer) {
            Some(len) => replies.send(&message[..len]).await,
            None => Ok(()),
        }
    }
}
