//! Replies without records: the header, the question, and an OPT where the message has one.

use super::request::Request;
use crate::answer::{ExtendedError, Peer, told};
use crate::snapshot::Snapshot;
use crate::wire::message::{HEADER, Rcode, flag};

/// Octets that any reply without records fits in, and a TSIG record without a signature.
pub(super) const ROOM: usize = 1024;

/// Who is answered, and as of when.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) peer: Peer,
}

impl To<'_> {
    /// Writes a reply over the message that begins `buffer`; `None` where it does not fit.
    pub(super) fn write(
        self,
        buffer: &mut [u8],
        request: &Request,
        rcode: Rcode,
        error: Option<ExtendedError>,
    ) -> Option<usize> {
        told(self.snapshot, &request.query, buffer, &self.peer, rcode, error)
    }

    /// A reply of its own to a message.
    pub(super) fn reply(
        self,
        message: &[u8],
        request: &Request,
        rcode: Rcode,
        error: Option<ExtendedError>,
    ) -> Vec<u8> {
        let mut reply = message.to_vec();
        reply.resize(reply.len().max(ROOM), 0);
        // There is room for all of it.
        let len = self.write(&mut reply, request, rcode, error).unwrap_or(0);
        reply.truncate(len);
        reply
    }
}

/// What goes with a refusal (RFC 8914): the zone is not ours, or not for this sender.
pub(super) fn reason(rcode: Rcode, is_zone: bool) -> Option<ExtendedError> {
    match rcode {
        Rcode::Refused if is_zone => Some(ExtendedError::Prohibited),
        Rcode::Refused | Rcode::NotAuth => Some(ExtendedError::NotAuthoritative),
        _ => None,
    }
}

/// Writes the reply to what is no message.
pub(super) fn header_only(buffer: &mut [u8], rcode: Rcode) -> Option<usize> {
    begin(buffer, rcode)?[4..].fill(0);
    Some(HEADER)
}

/// The same, of its own.
pub(super) fn header(message: &[u8], rcode: Rcode) -> Vec<u8> {
    let mut reply = message[..HEADER.min(message.len())].to_vec();
    let len = header_only(&mut reply, rcode).unwrap_or(0);
    reply.truncate(len);
    reply
}

/// Makes the header a reply's, and leaves its counts as they are. ID, opcode and RD are kept.
fn begin(buffer: &mut [u8], rcode: Rcode) -> Option<&mut [u8; HEADER]> {
    let header = buffer.first_chunk_mut::<HEADER>()?;
    let bits = u16::from_be_bytes([header[2], header[3]]) & (flag::OPCODE | flag::RD) | flag::QR | rcode as u16 & 0xf;
    header[2..4].copy_from_slice(&bits.to_be_bytes());
    Some(header)
}
