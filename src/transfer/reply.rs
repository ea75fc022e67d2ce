//! Replies without records: the header, the question, and an OPT where the message has one.

use super::request::Request;
use crate::wire::edns::OUR_PAYLOAD;
use crate::wire::message::{HEADER, Rcode, flag};

/// An OPT without options, but for its payload size, the high bits of the code, and DO.
const OPT: [u8; 11] = [0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0];

/// Octets that any reply without records fits in, and a TSIG record without a signature.
pub(super) const ROOM: usize = 1024;

/// Writes a reply over the message that begins `buffer`; `None` where it does not fit.
pub(super) fn write(buffer: &mut [u8], request: &Request, rcode: Rcode) -> Option<usize> {
    let end = request.query.question_end();
    let mut len = end;
    if let Some(edns) = &request.query.edns {
        let place = buffer.get_mut(end..end + OPT.len())?;
        place.copy_from_slice(&OPT);
        place[3..5].copy_from_slice(&OUR_PAYLOAD.to_be_bytes());
        place[5] = (rcode as u16 >> 4) as u8;
        place[7] = if edns.dnssec_ok { 0x80 } else { 0 };
        len += OPT.len();
    }
    begin(buffer, rcode)?[4..].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(len > end)]);
    Some(len)
}

/// A reply of its own to a message.
pub(super) fn of(message: &[u8], request: &Request, rcode: Rcode) -> Vec<u8> {
    let mut reply = message.to_vec();
    reply.resize(reply.len().max(ROOM), 0);
    // There is room for all of it.
    let len = write(&mut reply, request, rcode).unwrap_or(0);
    reply.truncate(len);
    reply
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
