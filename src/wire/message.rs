//! A query, read in place: header, one question, the OPT record. Nothing is copied and nothing is allocated.

use super::RecordType;
use super::edns::Edns;
use super::lowered::Lowered;
use super::name::MAX_LABEL;

/// Octets of a header (RFC 1035 section 4.1.1).
pub const HEADER: usize = 12;

/// Response codes (RFC 1035, 6891).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Rcode {
    /// No error.
    NoError = 0,
    /// Format error.
    FormErr = 1,
    /// Server failure.
    ServFail = 2,
    /// No such name.
    NxDomain = 3,
    /// Not implemented.
    NotImp = 4,
    /// Refused.
    Refused = 5,
    /// A version of EDNS that is not spoken here.
    BadVers = 16,
}

/// Header bits as they stand in the second pair of octets.
pub mod flag {
    /// Response.
    pub const QR: u16 = 0x8000;
    /// Authoritative answer.
    pub const AA: u16 = 0x0400;
    /// Truncated.
    pub const TC: u16 = 0x0200;
    /// Recursion desired.
    pub const RD: u16 = 0x0100;
    /// The four bits of the opcode.
    pub const OPCODE: u16 = 0x7800;
}

/// Class IN.
pub const CLASS_IN: u16 = 1;

/// A well-formed query with one question.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Octets of the question's name in the message, from [`HEADER`]; root label included.
    pub name_len: usize,
    /// What is asked for.
    pub qtype: RecordType,
    /// The class.
    pub qclass: u16,
    /// EDNS, where the query has it.
    pub edns: Option<Edns>,
}

impl Query {
    /// Where the question ends in the message.
    pub fn question_end(&self) -> usize {
        HEADER + self.name_len + 4
    }
}

/// What reading a datagram comes to.
#[derive(Clone, Copy, Debug)]
pub enum Parsed {
    /// No reply at all (protocol 2).
    Drop,
    /// The header alone goes back, with this code (protocol 3, 4).
    HeaderOnly(Rcode),
    /// The question goes back with FORMERR, and an OPT where the query has one (protocol 17).
    Malformed(Query),
    /// To be answered.
    Query(Query),
}

/// The end of the possibly compressed name at `at`; pointers are not followed.
#[inline]
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let label = usize::from(*message.get(at)?);
        match label {
            0 => return Some(at + 1),
            1..=MAX_LABEL => at += 1 + label,
            0xC0..=0xFF => return (at + 2 <= message.len()).then_some(at + 2),
            _ => return None,
        }
    }
}

/// Reads a message from a stranger, and the question's name into `name`. Work is bounded by its length.
#[inline]
pub fn parse(message: &[u8], name: &mut Lowered) -> Parsed {
    let Some(header) = message.first_chunk::<HEADER>() else { return Parsed::Drop };
    let bits = u16::from_be_bytes([header[2], header[3]]);
    if bits & flag::QR != 0 {
        return Parsed::Drop;
    }
    if bits & flag::OPCODE != 0 {
        return Parsed::HeaderOnly(Rcode::NotImp);
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    if count(4) != 1 {
        return Parsed::HeaderOnly(Rcode::FormErr);
    }
    let Some(name_len) = name.read(message, HEADER) else { return Parsed::HeaderOnly(Rcode::FormErr) };
    let Some(&[type_hi, type_lo, class_hi, class_lo]) = message[HEADER + name_len..].first_chunk() else {
        return Parsed::HeaderOnly(Rcode::FormErr);
    };
    let mut query = Query {
        name_len,
        qtype: RecordType(u16::from_be_bytes([type_hi, type_lo])),
        qclass: u16::from_be_bytes([class_hi, class_lo]),
        edns: None,
    };
    let sections = [count(6), count(8), count(10)];
    let at = query.question_end();
    let read = match sections {
        [0, 0, 0] => Some(()),
        // Nearly all that comes.
        [0, 0, 1] => read_record(message, at, Section::Additional, &mut query.edns).map(drop),
        _ => read_records(message, at, sections, &mut query.edns),
    };
    match read {
        Some(()) => Parsed::Query(query),
        None => Parsed::Malformed(query),
    }
}

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Answer,
    Authority,
    Additional,
}

/// Walks the three record sections for the OPT. `None` is FORMERR; an OPT seen before the fault is kept.
#[inline(never)]
fn read_records(message: &[u8], mut at: usize, counts: [u16; 3], edns: &mut Option<Edns>) -> Option<()> {
    for (section, count) in [Section::Answer, Section::Authority, Section::Additional].into_iter().zip(counts) {
        for _ in 0..count {
            at = read_record(message, at, section, edns)?;
        }
    }
    Some(())
}

/// Where the record that begins at `owner` ends; an OPT is read.
#[inline]
fn read_record(message: &[u8], owner: usize, section: Section, edns: &mut Option<Edns>) -> Option<usize> {
    let at = skip_name(message, owner)?;
    let fixed: &[u8; 10] = message.get(at..)?.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
    let data = at + 10;
    if data + len > message.len() {
        return None;
    }
    if RecordType(u16::from_be_bytes([fixed[0], fixed[1]])) == RecordType::OPT {
        let class = u16::from_be_bytes([fixed[2], fixed[3]]);
        let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        let seen_before = edns.is_some();
        if !seen_before {
            // So that FORMERR has an OPT too.
            *edns = Some(Edns { payload: class, dnssec_ok: ttl & 0x8000 != 0, ..Edns::default() });
        }
        if section != Section::Additional || seen_before || message[owner] != 0 {
            return None;
        }
        *edns = Some(Edns::parse(class, ttl, message, data, len)?);
    }
    Some(data + len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(message: &[u8]) -> Parsed {
        super::parse(message, &mut Lowered::root(0))
    }

    /// A query for `a.` A with these counts and this after the question.
    fn message(counts: [u16; 4], tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 1, 0];
        bytes.extend(counts.iter().flat_map(|c| c.to_be_bytes()));
        bytes.extend(b"\x01a\x00\x00\x01\x00\x01");
        bytes.extend(tail);
        bytes
    }

    const OPT: &[u8] = &[0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0];

    #[test]
    fn a_plain_query_is_read() {
        let Parsed::Query(query) = parse(&message([1, 0, 0, 0], b"")) else { panic!() };
        assert_eq!((query.name_len, query.qtype, query.qclass), (3, RecordType::A, 1));
        assert_eq!(query.edns, None);
    }

    #[test]
    fn p2_responses_and_fragments_are_dropped() {
        let mut response = message([1, 0, 0, 0], b"");
        response[2] |= 0x80;
        assert!(matches!(parse(&response), Parsed::Drop));
        assert!(matches!(parse(&response[..11]), Parsed::Drop));
    }

    #[test]
    fn p4_counts_larger_than_the_data_are_malformed() {
        assert!(matches!(parse(&message([1, 0, 0, 65535], b"")), Parsed::Malformed(_)));
        assert!(matches!(parse(&message([1, 65535, 65535, 65535], OPT)), Parsed::Malformed(_)));
    }

    #[test]
    fn p17_an_opt_must_be_alone_at_the_root_and_in_additional() {
        let Parsed::Query(query) = parse(&message([1, 0, 0, 1], OPT)) else { panic!() };
        assert!(query.edns.unwrap().dnssec_ok);
        assert!(
            matches!(parse(&message([1, 0, 0, 2], &[OPT, OPT].concat())), Parsed::Malformed(q) if q.edns.is_some())
        );
        assert!(matches!(parse(&message([1, 1, 0, 0], OPT)), Parsed::Malformed(_)));
        assert!(matches!(parse(&message([1, 0, 0, 1], &[b"\x01x", OPT].concat())), Parsed::Malformed(_)));
        let running_over = &[0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 5, 0, 8, 0, 9, 1];
        assert!(matches!(parse(&message([1, 0, 0, 1], running_over)), Parsed::Malformed(q) if q.edns.is_some()));
    }

    proptest! {
        #[test]
        fn p29_any_octets_are_read_without_harm(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn p29_any_tail_after_a_question_is_read_without_harm(tail: Vec<u8>, counts: [u16; 3]) {
            let _ = parse(&message([1, counts[0], counts[1], counts[2]], &tail));
        }
    }
}
