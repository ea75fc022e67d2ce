//! A reply under construction, in the caller's buffer.

use super::extras::Extras;
use super::resolve::RECORD_FIXED;
use crate::snapshot::{ReadyRef, Records, Turn};
use crate::wire::edns::{Ecs, Edns, OUR_PAYLOAD, option};
use crate::wire::message::{HEADER, Query, Rcode, flag};
use crate::wire::{MAX_NAME, RecordType};

/// Octets of a datagram's reply without EDNS (RFC 1035 section 4.2.1).
const PLAIN_PAYLOAD: usize = 512;
/// Octets of an OPT record without options.
const OPT_FIXED: usize = 11;

/// Extended errors that we send (RFC 8914 and the registry).
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub enum ExtendedError {
    /// The zone could not be loaded.
    NotReady = 14,
    /// The sender may not have this.
    Prohibited = 18,
    /// Outside every zone.
    NotAuthoritative = 20,
    /// The zone has expired.
    InvalidData = 24,
    /// NXNAME was asked for.
    InvalidQueryType = 30,
}

/// It does not fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

/// A reply being written: question first, then sections in order, then the OPT.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    out: &'a mut [u8],
    len: usize,
    /// Sections end here; the OPT's room is beyond.
    room: usize,
    question_end: usize,
    counts: [u16; 3],
    bits: u16,
    edns: Option<&'a Edns>,
    scope: u8,
    /// Where the query asks for something rare.
    extras: Option<&'a Extras<'a>>,
    /// How many questions the reply repeats.
    questions: u16,
    error: Option<ExtendedError>,
}

/// Where records go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

impl<'a> Reply<'a> {
    /// Keeps ID, opcode, RD and question of the query that `out` holds. `None` when not even an empty reply fits.
    pub(super) fn begin(
        question: &'a Query,
        datagram: bool,
        extras: Option<&'a Extras<'a>>,
        out: &'a mut [u8],
    ) -> Option<Self> {
        let end = question.question_end();
        let bits = kept_bits(out) | flag::QR;
        let edns = question.edns.as_ref();
        let room = limit(edns, datagram, out.len()).checked_sub(edns.map_or(0, |edns| opt_len(edns, extras)))?;
        if end > room {
            return None;
        }
        Some(Self {
            out,
            len: end,
            room,
            question_end: end,
            counts: [0; 3],
            bits,
            edns,
            scope: 0,
            extras,
            questions: 1,
            error: None,
        })
    }

    /// Where the next record begins.
    pub(super) fn position(&self) -> usize {
        self.len
    }

    /// What has been written from `from` on.
    pub(super) fn written(&self, from: usize) -> &[u8] {
        &self.out[from..self.len]
    }

    /// We answer for this name.
    pub(super) fn authoritative(&mut self) {
        self.bits |= flag::AA;
    }

    /// The scope is the longest of all decisions (E2).
    pub(super) fn widen_scope(&mut self, scope: u8) {
        self.scope = self.scope.max(scope);
    }

    pub(super) fn extended_error(&mut self, error: ExtendedError) {
        self.error = Some(error);
    }

    /// Appends an RRset whose owner stands at `owner` in the message; whole or not at all.
    pub(super) fn push(&mut self, section: Section, ready: ReadyRef<'_>, owner: usize, turn: Turn) -> Result<(), Full> {
        let pointer = 0xc000 | owner as u16;
        let written = ready.write(pointer, turn, &mut self.out[self.len..self.room]).ok_or(Full)?;
        self.len += written;
        self.counts[section as usize] += ready.taken();
        Ok(())
    }

    /// Appends to the answer the CNAME that a DNAME makes of the name at `owner`, of which the first `kept` octets stay,
    /// with the DNAME's TTL (RFC 6672 section 3.1). Whether there is such a name: it may be too long.
    pub(super) fn push_redirected(&mut self, owner: usize, kept: usize, dname: ReadyRef<'_>) -> Result<bool, Full> {
        let target = dname.first_data();
        let len = kept + target.len();
        if len > MAX_NAME {
            return Ok(false);
        }
        let data = self.len + RECORD_FIXED;
        if data + len > self.room {
            return Err(Full);
        }
        let [pointer_hi, pointer_lo] = (0xc000 | owner as u16).to_be_bytes();
        let [type_hi, type_lo] = RecordType::CNAME.0.to_be_bytes();
        let [len_hi, len_lo] = (len as u16).to_be_bytes();
        let [a, b, c, d] = dname.ttl().to_be_bytes();
        self.out[self.len..data]
            .copy_from_slice(&[pointer_hi, pointer_lo, type_hi, type_lo, 0, 1, a, b, c, d, len_hi, len_lo]);
        self.out.copy_within(owner..owner + kept, data);
        self.out[data + kept..data + len].copy_from_slice(target);
        self.len = data + len;
        self.counts[Section::Answer as usize] += 1;
        Ok(true)
    }

    /// Appends records that carry their owners; whole or not at all.
    pub(super) fn push_records(&mut self, section: Section, records: &Records<'_>) -> Result<(), Full> {
        let end = self.len + records.octets.len();
        let place = self.out[..self.room].get_mut(self.len..end).ok_or(Full)?;
        place.copy_from_slice(records.octets);
        self.len = end;
        self.counts[section as usize] += records.count;
        Ok(())
    }

    /// Appends an RRset whose owner is written out; whole or not at all.
    pub(super) fn push_named(
        &mut self,
        section: Section,
        ready: ReadyRef<'_>,
        owner: &[u8],
        turn: Turn,
    ) -> Result<(), Full> {
        self.len += ready.write_named(owner, turn, &mut self.out[self.len..self.room]).ok_or(Full)?;
        self.counts[section as usize] += ready.taken();
        Ok(())
    }

    /// Appends one record that is whole; or nothing.
    pub(super) fn push_record(&mut self, section: Section, record: &[u8]) -> Result<(), Full> {
        self.push_records(section, &Records { octets: record, count: 1 })
    }

    /// The query has no question, and nothing is written yet.
    pub(super) fn without_question(&mut self) {
        (self.questions, self.question_end, self.len) = (0, HEADER, HEADER);
    }

    /// Empties all sections and says so (protocol 7).
    pub(super) fn truncate(&mut self) {
        self.len = self.question_end;
        self.counts = [0; 3];
        self.bits |= flag::TC;
    }

    /// Writes OPT and header; returns the whole length.
    pub(super) fn finish(&mut self, rcode: Rcode) -> usize {
        let rcode = rcode as u16;
        if let Some(edns) = self.edns {
            let start = self.len;
            self.len = write_opt(edns, (rcode >> 4) as u8, self.scope, start, self.out);
            if self.extras.is_some() || self.error.is_some() {
                self.write_rare_options(start);
            }
            self.counts[Section::Additional as usize] += 1;
        }
        write_header(self.bits | rcode & 0xf, self.questions, self.counts, self.out);
        self.len
    }

    /// Appends what is seldom asked for to the OPT that begins at `opt`.
    fn write_rare_options(&mut self, opt: usize) {
        // Extended errors go out without any record, so there is room.
        if let Some(error) = self.error {
            self.option(option::EDE, &(error as u16).to_be_bytes());
        }
        if let Some(extras) = self.extras {
            let most = self.out.len().min(usize::from(u16::MAX));
            extras.each(self.len, most, |code, data| self.option(code, data));
        }
        let len = (self.len - opt - OPT_FIXED) as u16;
        self.out[opt + OPT_FIXED - 2..opt + OPT_FIXED].copy_from_slice(&len.to_be_bytes());
    }

    fn option(&mut self, code: u16, data: &[u8]) {
        for part in [&code.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data] {
            self.out[self.len..self.len + part.len()].copy_from_slice(part);
            self.len += part.len();
        }
    }
}

/// The whole reply where nothing rare is asked for and one RRset of the name that is asked for answers it; `None`, and
/// nothing written, when it does not fit.
#[inline(always)]
pub(super) fn single(
    question: &Query,
    datagram: bool,
    ready: ReadyRef<'_>,
    turn: impl FnOnce() -> Turn,
    scope: u8,
    out: &mut [u8],
) -> Option<usize> {
    let start = question.question_end();
    let edns = question.edns.as_ref();
    let room = limit(edns, datagram, out.len()).checked_sub(edns.map_or(0, |edns| opt_len(edns, None)))?;
    let mut end = start + ready.write_to_question(turn, out.get_mut(start..room)?)?;
    if let Some(edns) = edns {
        end = write_opt(edns, 0, scope, end, out);
    }
    let bits = kept_bits(out) | flag::QR | flag::AA;
    write_header(bits, 1, [ready.taken(), 0, edns.is_some().into()], out);
    Some(end)
}

/// Octets that a reply may have in a buffer of so many.
#[inline(always)]
fn limit(edns: Option<&Edns>, datagram: bool, buffer: usize) -> usize {
    let limit = match (datagram, edns) {
        (false, _) => usize::from(u16::MAX),
        (true, None) => PLAIN_PAYLOAD,
        (true, Some(edns)) => usize::from(edns.payload.min(OUR_PAYLOAD)).max(PLAIN_PAYLOAD),
    };
    limit.min(buffer)
}

/// What a reply keeps of its query's flags.
#[inline(always)]
fn kept_bits(query: &[u8]) -> u16 {
    u16::from_be_bytes([query[2], query[3]]) & (flag::OPCODE | flag::RD)
}

/// Writes flags and counts: of questions, and of records in each section.
#[inline(always)]
fn write_header(bits: u16, questions: u16, [answer, authority, additional]: [u16; 3], out: &mut [u8]) {
    let Some(header) = out.first_chunk_mut::<HEADER>() else { return };
    // The first word's ID stays.
    let word =
        |a: u16, b: u16, c: u16, d: u16| u64::from(a) << 48 | u64::from(b) << 32 | u64::from(c) << 16 | u64::from(d);
    let id = u16::from_be_bytes([header[0], header[1]]);
    header[..8].copy_from_slice(&word(id, bits, questions, answer).to_be_bytes());
    let rest = u32::from(authority) << 16 | u32::from(additional);
    header[8..].copy_from_slice(&rest.to_be_bytes());
}

/// Writes the OPT, for which room was kept, with the query's client subnet at `start`; where it ends.
#[inline(always)]
fn write_opt(edns: &Edns, high_rcode: u8, scope: u8, start: usize, out: &mut [u8]) -> usize {
    const ECS_HEAD: usize = OPT_FIXED + 4;
    let flags = if edns.dnssec_ok { 0x80 } else { 0 };
    let [size_hi, size_lo] = OUR_PAYLOAD.to_be_bytes();
    let ecs_len = edns.ecs.as_ref().map_or(0, Ecs::len);
    let options = if edns.ecs.is_some() { 4 + ecs_len } else { 0 };
    let [code_hi, code_lo] = option::ECS.to_be_bytes();
    // With the head of a client subnet option behind it, written over where there is none.
    let head: [u8; ECS_HEAD] =
        [0, 0, 41, size_hi, size_lo, high_rcode, 0, flags, 0, 0, options as u8, code_hi, code_lo, 0, ecs_len as u8];
    match out.get_mut(start..).and_then(|rest| rest.first_chunk_mut()) {
        Some(place) => *place = head,
        None => out[start..start + OPT_FIXED].copy_from_slice(&head[..OPT_FIXED]),
    }
    if let Some(ecs) = &edns.ecs {
        ecs.write(scope, &mut out[start + ECS_HEAD..]);
    }
    start + OPT_FIXED + options
}

/// Octets of the OPT beside records; extended errors go out without any.
#[inline]
fn opt_len(edns: &Edns, extras: Option<&Extras<'_>>) -> usize {
    OPT_FIXED + edns.ecs.as_ref().map_or(0, |ecs| 4 + ecs.len()) + extras.map_or(0, Extras::len)
}

/// Makes a query's header the whole reply (protocol 3, 4).
pub(super) fn header_only(buffer: &mut [u8], rcode: Rcode) -> Option<usize> {
    let header = buffer.first_chunk_mut::<HEADER>()?;
    let bits = u16::from_be_bytes([header[2], header[3]]) & (flag::OPCODE | flag::RD) | flag::QR | rcode as u16;
    header[2..4].copy_from_slice(&bits.to_be_bytes());
    header[4..].fill(0);
    Some(HEADER)
}
