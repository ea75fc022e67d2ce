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
    /// A name exists that should not (RFC 2136), or one that is too long would come of a DNAME (RFC 6672 section 2.2).
    YxDomain = 6,
    /// An RRset exists that should not (RFC 2136).
    YxRrset = 7,
    /// An RRset does not exist that should (RFC 2136).
    NxRrset = 8,
    /// Not authoritative for the zone (RFC 2136), or not signed as it has to be (RFC 8945).
    NotAuth = 9,
    /// A name is not in the zone (RFC 2136).
    NotZone = 10,
    /// A version of EDNS that is not spoken here.
    BadVers = 16,
    /// No server cookie of ours, under pressure (RFC 7873).
    BadCookie = 23,
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

/// Opcodes (RFC 1035, 1996, 2136).
pub mod opcode {
    /// A question.
    pub const QUERY: u8 = 0;
    /// A zone has changed.
    pub const NOTIFY: u8 = 4;
    /// A zone is to be changed.
    pub const UPDATE: u8 = 5;
}

/// The opcode of the message that these octets begin; [`opcode::QUERY`] where they hold none.
pub fn opcode_of(message: &[u8]) -> u8 {
    message.get(2).map_or(opcode::QUERY, |octet| octet >> 3 & 0xf)
}

/// Octets of an OPT record without options.
const OPT_FIXED: usize = 11;
/// Class IN.
pub const CLASS_IN: u16 = 1;
/// Class CH, in which servers tell of themselves.
pub const CLASS_CH: u16 = 3;

/// A query with one question. Reading writes over all that the one before left, so one is kept for many messages.
#[derive(Clone, Debug)]
pub struct Query {
    /// The name that is asked for.
    pub name: Lowered,
    /// What is asked for.
    pub qtype: RecordType,
    /// The class.
    pub qclass: u16,
    /// EDNS, where the query has it.
    pub edns: Option<Edns>,
}

/// What reading a datagram comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// No reply at all (protocol 2).
    Drop,
    /// The header alone goes back, with this code (protocol 3, 4).
    HeaderOnly(Rcode),
    /// The question goes back with FORMERR, and an OPT where the query has one (protocol 17).
    Malformed,
    /// No question, only a cookie for us (RFC 7873 section 5.4).
    CookieOnly,
    /// No question or several, and an OPT: FORMERR goes back with an OPT alone (protocol 3, 17).
    NoQuestion,
    /// To be answered.
    Query,
    /// No plain query: NOTIFY, UPDATE, or signed with TSIG. Which query it is was not read to the end.
    Aside,
}

impl Default for Query {
    fn default() -> Self {
        Self { name: Lowered::root(0), qtype: RecordType(0), qclass: 0, edns: None }
    }
}

impl Query {
    /// Of class IN, for a type of data, and without EDNS or with the version of it that there is and no option that is
    /// answered but client subnet.
    #[inline]
    pub fn is_ordinary(&self) -> bool {
        let is_usual = self.edns.as_ref().is_none_or(|edns| edns.version == 0 && edns.asked.is_nothing());
        self.qclass == CLASS_IN && !self.qtype.is_meta() && is_usual
    }

    /// AXFR or IXFR of class IN, in a version of EDNS that there is.
    pub fn asks_for_transfer(&self) -> bool {
        let is_known = self.edns.as_ref().is_none_or(|edns| edns.version == 0);
        self.qclass == CLASS_IN && matches!(self.qtype, RecordType::AXFR | RecordType::IXFR) && is_known
    }

    /// Where the question ends in the message.
    #[inline]
    pub fn question_end(&self) -> usize {
        HEADER + self.name.octets() + 4
    }

    /// Reads a message from a stranger that fills the first `len` octets of `buffer`, its name to be hashed with
    /// `seed`. Work is bounded by its length. After [`Reading::Drop`], [`Reading::HeaderOnly`] and
    /// [`Reading::Aside`] the query means nothing.
    #[inline(always)]
    pub fn read(&mut self, buffer: &[u8], len: usize, seed: u64) -> Reading {
        self.edns = None;
        self.name.reseed(seed);
        match self.read_common(buffer, len) {
            Some(()) => Reading::Query,
            None => self.read_any(buffer, len),
        }
    }

    /// Nearly all that comes: a query with one question, and nothing behind it but an OPT, if that. `None`: any other
    /// message.
    #[inline(always)]
    fn read_common(&mut self, buffer: &[u8], len: usize) -> Option<()> {
        /// One question, no answer, no authority, one additional record.
        const ONE_AND_ONE: u64 = 1 << 48 | 1;
        let header = buffer.first_chunk::<HEADER>()?;
        let counts = u64::from_be_bytes(*header.last_chunk()?);
        if len < HEADER || header[2] & ((flag::QR | flag::OPCODE) >> 8) as u8 != 0 || counts | 1 != ONE_AND_ONE {
            return None;
        }
        let question_end = HEADER + self.name.read(buffer, HEADER, len)? + 4;
        self.read_type(buffer, question_end)?;
        if counts != ONE_AND_ONE {
            return (question_end <= len).then_some(());
        }
        let opt: &[u8; OPT_FIXED] = buffer.get(question_end..)?.first_chunk()?;
        let &[0, 0, 41, size_hi, size_lo, high, version, flags, zero, len_hi, len_lo] = opt else { return None };
        let options = question_end + OPT_FIXED;
        let end = options + usize::from(u16::from_be_bytes([len_hi, len_lo]));
        if end > len {
            return None;
        }
        let edns = self.edns.insert(Edns::new(u16::from_be_bytes([size_hi, size_lo]), [high, version, flags, zero]));
        edns.read_options(buffer, options, end)
    }

    /// Type and class, the last four octets of the question.
    #[inline(always)]
    fn read_type(&mut self, buffer: &[u8], question_end: usize) -> Option<()> {
        let &[type_hi, type_lo, class_hi, class_lo] = buffer.get(question_end - 4..)?.first_chunk()?;
        self.qtype = RecordType(u16::from_be_bytes([type_hi, type_lo]));
        self.qclass = u16::from_be_bytes([class_hi, class_lo]);
        Some(())
    }

    /// Any message.
    #[inline(never)]
    fn read_any(&mut self, buffer: &[u8], len: usize) -> Reading {
        self.edns = None;
        let Some(message) = buffer.get(..len) else { return Reading::Drop };
        let Some(header) = message.first_chunk::<HEADER>() else { return Reading::Drop };
        let bits = u16::from_be_bytes([header[2], header[3]]);
        if bits & flag::QR != 0 {
            return Reading::Drop;
        }
        match opcode_of(message) {
            opcode::QUERY => self.read_parts(buffer, len, header),
            opcode::NOTIFY | opcode::UPDATE => Reading::Aside,
            _ => Reading::HeaderOnly(Rcode::NotImp),
        }
    }

    /// Reads a message that [`is_aside`]: as [`Self::read`], whatever the opcode. [`Reading::Aside`] is then what is
    /// signed, its question and EDNS read like those of [`Reading::Query`].
    pub fn read_aside(&mut self, buffer: &[u8], len: usize, seed: u64) -> Reading {
        self.edns = None;
        self.name.reseed(seed);
        let header = buffer.get(..len).and_then(|message| message.first_chunk::<HEADER>());
        header.map_or(Reading::Drop, |header| self.read_parts(buffer, len, header))
    }

    /// What stands behind the header.
    fn read_parts(&mut self, buffer: &[u8], len: usize, header: &[u8; HEADER]) -> Reading {
        let message = &buffer[..len];
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if count(4) != 1 {
            // Nothing of what was read before: it is another client's.
            self.name.read(&[0], 0, 1);
            (self.qtype, self.qclass) = (RecordType(0), 0);
            let Some(at) = skip_questions(message, count(4)) else { return Reading::HeaderOnly(Rcode::FormErr) };
            let records = self.read_records(buffer, len, at, [count(6), count(8), count(10)]);
            let is_alone = count(4) == 0 && records.is_some();
            return match &self.edns {
                Some(edns) if is_alone && edns.cookie.is_some() => Reading::CookieOnly,
                Some(_) => Reading::NoQuestion,
                None => Reading::HeaderOnly(Rcode::FormErr),
            };
        }
        let Some(name_len) = self.name.read(buffer, HEADER, len) else {
            return Reading::HeaderOnly(Rcode::FormErr);
        };
        let question_end = HEADER + name_len + 4;
        if self.read_type(message, question_end).is_none() {
            return Reading::HeaderOnly(Rcode::FormErr);
        }
        match self.read_records(buffer, len, question_end, [count(6), count(8), count(10)]) {
            Some(true) => Reading::Aside,
            Some(false) => Reading::Query,
            None => Reading::Malformed,
        }
    }

    /// Walks the three record sections for the OPT, and tells whether the last record is a TSIG. `None` is FORMERR; an
    /// OPT seen before the fault is kept.
    fn read_records(&mut self, buffer: &[u8], len: usize, mut at: usize, counts: [u16; 3]) -> Option<bool> {
        let mut signed = false;
        for (section, count) in [Section::Answer, Section::Authority, Section::Additional].into_iter().zip(counts) {
            for _ in 0..count {
                // A TSIG is the last record of all (RFC 8945 section 5.1).
                if signed {
                    return None;
                }
                let (end, rtype) = self.read_record(buffer, len, at, section)?;
                signed = rtype == RecordType::TSIG;
                if signed && section != Section::Additional {
                    return None;
                }
                at = end;
            }
        }
        Some(signed)
    }

    /// Where the record that begins at `owner` ends, and its type; an OPT is read.
    fn read_record(
        &mut self,
        buffer: &[u8],
        len: usize,
        owner: usize,
        section: Section,
    ) -> Option<(usize, RecordType)> {
        let message = buffer.get(..len)?;
        let at = skip_name(message, owner)?;
        let fixed: &[u8; 10] = message.get(at..)?.first_chunk()?;
        let data = at + 10;
        let end = data + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        if end > len {
            return None;
        }
        let rtype = RecordType(u16::from_be_bytes([fixed[0], fixed[1]]));
        if rtype == RecordType::OPT {
            let seen_before = self.edns.is_some();
            // A faulty OPT is kept as well, so that FORMERR has one too.
            let edns = self.edns.get_or_insert_with(|| {
                Edns::new(u16::from_be_bytes([fixed[2], fixed[3]]), [fixed[4], fixed[5], fixed[6], fixed[7]])
            });
            if section != Section::Additional || seen_before || message[owner] != 0 {
                return None;
            }
            if edns.read_options(buffer, data, end).is_none() {
                // What was read of them is not echoed.
                edns.forget_options();
                return None;
            }
        }
        Some((end, rtype))
    }
}

/// Whether the engine leaves this message to somebody else: NOTIFY, UPDATE, a question for a transfer, or whatever is
/// signed with TSIG.
pub fn is_aside(message: &[u8]) -> bool {
    let mut query = Query::default();
    match query.read(message, message.len(), 0) {
        Reading::Aside => true,
        Reading::Query => query.asks_for_transfer(),
        Reading::Drop | Reading::HeaderOnly(_) | Reading::Malformed | Reading::CookieOnly | Reading::NoQuestion => {
            false
        }
    }
}

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Answer,
    Authority,
    Additional,
}

/// The end of so many questions.
fn skip_questions(message: &[u8], count: u16) -> Option<usize> {
    let end = (0..count).try_fold(HEADER, |at, _| Some(skip_name(message, at)? + 4))?;
    (end <= message.len()).then_some(end)
}

/// The end of the possibly compressed name at `at`; pointers are not followed.
#[inline]
pub(super) fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a message comes to, and the query in it.
    fn parse(message: &[u8]) -> (Reading, Query) {
        let mut query = Query::default();
        let reading = query.read(message, message.len(), 0);
        // Whatever stands behind a message in its buffer is no part of it.
        let roomy = [message, &[1; 300]].concat();
        let mut again = Query::default();
        assert_eq!(again.read(&roomy, message.len(), 0), reading);
        assert_eq!((again.edns, again.qtype, again.qclass), (query.edns, query.qtype, query.qclass));
        (reading, query)
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
        let (reading, query) = parse(&message([1, 0, 0, 0], b""));
        assert_eq!(reading, Reading::Query);
        assert_eq!((query.name.octets(), query.qtype, query.qclass), (3, RecordType::A, 1));
        assert_eq!(query.edns, None);
    }

    #[test]
    fn p2_responses_and_fragments_are_dropped() {
        let mut response = message([1, 0, 0, 0], b"");
        response[2] |= 0x80;
        assert_eq!(parse(&response).0, Reading::Drop);
        assert_eq!(parse(&response[..11]).0, Reading::Drop);
    }

    #[test]
    fn p4_counts_larger_than_the_data_are_malformed() {
        assert_eq!(parse(&message([1, 0, 0, 65535], b"")).0, Reading::Malformed);
        assert_eq!(parse(&message([1, 65535, 65535, 65535], OPT)).0, Reading::Malformed);
    }

    #[test]
    fn p17_an_opt_must_be_alone_at_the_root_and_in_additional() {
        let malformed = |(reading, query): (Reading, Query)| reading == Reading::Malformed && query.edns.is_some();
        let (reading, query) = parse(&message([1, 0, 0, 1], OPT));
        assert_eq!(reading, Reading::Query);
        assert!(query.edns.unwrap().dnssec_ok);
        assert!(malformed(parse(&message([1, 0, 0, 2], &[OPT, OPT].concat()))));
        assert!(malformed(parse(&message([1, 1, 0, 0], OPT))));
        assert!(malformed(parse(&message([1, 0, 0, 1], &[b"\x01x", OPT].concat()))));
        let running_over = &[0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 5, 0, 8, 0, 9, 1];
        assert!(malformed(parse(&message([1, 0, 0, 1], running_over))));
    }

    const TSIG: &[u8] = &[1, b'k', 0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 1, 0];

    #[test]
    fn p25_a_tsig_is_the_last_record_and_in_additional() {
        assert_eq!(parse(&message([1, 0, 0, 1], TSIG)).0, Reading::Aside);
        assert_eq!(parse(&message([1, 0, 0, 2], &[OPT, TSIG].concat())).0, Reading::Aside);
        assert_eq!(parse(&message([1, 0, 0, 2], &[TSIG, OPT].concat())).0, Reading::Malformed);
        assert_eq!(parse(&message([1, 0, 0, 2], &[TSIG, TSIG].concat())).0, Reading::Malformed);
        assert_eq!(parse(&message([1, 1, 0, 0], TSIG)).0, Reading::Malformed);
    }

    #[test]
    fn p24_what_is_no_plain_query_is_left_aside() {
        let of_type = |rtype: u8, counts| {
            let mut bytes = message(counts, b"");
            bytes[16] = rtype;
            bytes
        };
        for (rtype, is) in [(251, true), (252, true), (1, false), (255, false)] {
            assert_eq!(is_aside(&of_type(rtype, [1, 0, 0, 0])), is, "{rtype}");
        }
        for (opcode, is) in [(0, false), (1, false), (2, false), (4, true), (5, true), (6, false)] {
            let mut bytes = message([1, 0, 0, 0], b"");
            bytes[2] |= opcode << 3;
            assert_eq!(is_aside(&bytes), is, "{opcode}");
        }
        assert!(!is_aside(&of_type(252, [1, 0, 0, 1])), "malformed");
    }

    #[test]
    fn p17_a_query_is_read_over_the_one_before() {
        let mut query = Query::default();
        let first = message([1, 0, 0, 1], OPT);
        query.read(&first, first.len(), 0);
        let second = message([1, 0, 0, 0], b"");
        assert_eq!(query.read(&second, second.len(), 0), Reading::Query);
        assert_eq!(query.edns, None);
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
