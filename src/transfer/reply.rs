//! Replies without records: the header, the question, and an OPT where the message has one.

use super::request::{Fault, Request};
use crate::wire::edns::OUR_PAYLOAD;
use crate::wire::message::{HEADER, Rcode, flag};

/// An OPT without options, but for its payload size, the high bits of the code, and DO.
const OPT: [u8; 11] = [0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0];

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

/// Writes the reply to what is no message.
pub(super) fn fault(buffer: &mut [u8], fault: Fault) -> Option<usize> {
    match fault {
        Fault::Drop => None,
        Fault::HeaderOnly(rcode) => {
            begin(buffer, rcode)?[4..].fill(0);
            Some(HEADER)
        }
    }
}

/// Makes the header a reply's, and leaves its counts as they are. ID, opcode and RD are kept.
fn begin(buffer: &mut [u8], rcode: Rcode) -> Option<&mut [u8; HEADER]> {
    let header = buffer.first_chunk_mut::<HEADER>()?;
    let bits = u16::from_be_bytes([header[2], header[3]]) & (flag::OPCODE | flag::RD) | flag::QR | rcode as u16 & 0xf;
    header[2..4].copy_from_slice(&bits.to_be_bytes());
    Some(header)
}
