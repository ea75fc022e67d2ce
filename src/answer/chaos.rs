//! What a server tells of itself: TXT of class CH (protocol 30; RFC 4892).

use super::reply::{Reply, Section};
use crate::config::model::Server;
use crate::wire::RecordType;
use crate::wire::message::{CLASS_CH, HEADER, Query, Rcode};

/// Octets of a record with one text, but for the text: owner, type, class, TTL, length, length of the text.
const FIXED: usize = 13;
/// Octets of a text at most, one more than its length can say.
const TEXT: usize = 256;

/// Answers a question of class CH: the configured text, or REFUSED.
pub(super) fn answer(server: &Server, query: &Query, reply: &mut Reply<'_>) -> Rcode {
    let told = match query.name.whole() {
        b"\x07version\x04bind\0" | b"\x07version\x06server\0" => &server.version,
        b"\x08hostname\x04bind\0" | b"\x02id\x06server\0" => &server.identity,
        _ => &None,
    };
    let Some(text) = told.as_deref().filter(|text| text.len() < TEXT) else { return Rcode::Refused };
    if query.qtype != RecordType::TXT && query.qtype != RecordType::ANY {
        return Rcode::Refused;
    }
    let [type_hi, type_lo] = RecordType::TXT.0.to_be_bytes();
    let [class_hi, class_lo] = CLASS_CH.to_be_bytes();
    let len = text.len() as u8;
    let [data_hi, data_lo] = (u16::from(len) + 1).to_be_bytes();
    let mut record = [0; FIXED + TEXT];
    record[..FIXED].copy_from_slice(&[
        0xc0,
        HEADER as u8,
        type_hi,
        type_lo,
        class_hi,
        class_lo,
        0,
        0,
        0,
        0,
        data_hi,
        data_lo,
        len,
    ]);
    record[FIXED..FIXED + text.len()].copy_from_slice(text.as_bytes());
    match reply.push_record(Section::Answer, &record[..FIXED + text.len()]) {
        Ok(()) => reply.authoritative(),
        Err(_) => reply.truncate(),
    }
    Rcode::NoError
}
