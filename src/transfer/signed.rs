//! Where the replies to one message go: signed, if the message was.

use std::io;

use super::unix_now;
use crate::net::Replies;
use crate::tsig::Signer;

/// The way back, and what replies are signed with.
pub(super) struct Signed<'a> {
    replies: &'a mut dyn Replies,
    signer: Option<Signer>,
}

impl<'a> Signed<'a> {
    /// `signer` of a request that was signed.
    pub(super) fn new(replies: &'a mut dyn Replies, signer: Option<Signer>) -> Self {
        Self { replies, signer }
    }

    /// Octets of a message that its signature takes.
    pub(super) fn room(&self) -> usize {
        self.signer.as_ref().map_or(0, Signer::room)
    }

    /// Sends one more reply.
    pub(super) async fn send(&mut self, mut message: Vec<u8>) -> io::Result<()> {
        if let Some(signer) = &mut self.signer {
            signer.sign(&mut message, unix_now());
        }
        self.replies.send(&message).await
    }
}
