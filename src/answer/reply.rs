//! A reply under construction, in the caller's buffer.

use crate::snapshot::{ReadyRef, Records};
use crate::wire::edns::{Edns, OUR_PAYLOAD, option};
use crate::wire::message::{HEADER, Query, Rcode, flag};

/// Octets of a datagram's reply without EDNS (RFC 1035 section 4.2.1).
const PLAIN_PAYLOAD: usize = 512;
/// Octets of an OPT record without options.
const OPT_FIXED: usize = 11;

/// Extended errors that we send (RFC 8914 and the registry).
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub(super) enum ExtendedError {
    /// The zone could not be loaded.
    NotReady = 14,
    /// Outside every zone.
    NotAuthoritative = 20,
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
    /// Where the query asks for it.
    identity: Option<&'a str>,
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
    #[inline]
    pub(super) fn begin(
        question: &'a Query,
        datagram: bool,
        identity: Option<&'a str>,
        out: &'a mut [u8],
    ) -> Option<Self> {
        let end = question.question_end();
        let bits = u16::from_be_bytes([out[2], out[3]]) & (flag::OPCODE | flag::RD) | flag::QR;
        let edns = question.edns.as_ref();
        let limit = match (datagram, edns) {
            (false, _) => usize::from(u16::MAX),
            (true, None) => PLAIN_PAYLOAD,
            (true, Some(edns)) => usize::from(edns.payload.min(OUR_PAYLOAD)).max(PLAIN_PAYLOAD),
        };
        let identity = identity.filter(|_| edns.is_some_and(|edns| edns.nsid));
        let room = limit.min(out.len()).checked_sub(edns.map_or(0, |edns| opt_len(edns, identity)))?;
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
            identity,
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
    #[inline]
    pub(super) fn push(&mut self, section: Section, ready: ReadyRef<'_>, owner: usize, turn: u32) -> Result<(), Full> {
        let pointer = 0xc000 | owner as u16;
        let written = ready.write(pointer, turn, &mut self.out[self.len..self.room]).ok_or(Full)?;
        self.len += written;
        self.counts[section as usize] += ready.taken();
        Ok(())
    }

    /// Appends records that carry their owners; whole or not at all.
    pub(super) fn push_records(&mut self, section: Section, records: &Records<'_>) -> Result<(), Full> {
        let end = self.len + records.octets.len();
        let place = self.out[..self.room].get_mut(self.len..end).ok_or(Full)?;
        place.copy_from_slice(&records.octets);
        self.len = end;
        self.counts[section as usize] += records.count;
        Ok(())
    }

    /// Empties all sections and says so (protocol 7).
    pub(super) fn truncate(mut self) -> usize {
        self.len = self.question_end;
        self.counts = [0; 3];
        self.bits |= flag::TC;
        self.finish(Rcode::NoError)
    }

    /// Writes OPT and header; returns the whole length.
    #[inline]
    pub(super) fn finish(mut self, rcode: Rcode) -> usize {
        let rcode = rcode as u16;
        if let Some(edns) = self.edns {
            self.write_opt(edns, (rcode >> 4) as u8);
            self.counts[Section::Additional as usize] += 1;
        }
        let [answer, authority, additional] = self.counts.map(u16::to_be_bytes);
        let bits = (self.bits | rcode & 0xf).to_be_bytes();
        if let Some(place) = self.out.get_mut(2..).and_then(|rest| rest.first_chunk_mut()) {
            *place = [
                bits[0],
                bits[1],
                0,
                1,
                answer[0],
                answer[1],
                authority[0],
                authority[1],
                additional[0],
                additional[1],
            ];
        }
        self.len
    }

    /// Appends the OPT, for which room was kept.
    #[inline]
    fn write_opt(&mut self, edns: &Edns, high_rcode: u8) {
        let flags = if edns.dnssec_ok { 0x80 } else { 0 };
        let [size_hi, size_lo] = OUR_PAYLOAD.to_be_bytes();
        let start = self.len;
        let fixed = [0, 0, 41, size_hi, size_lo, high_rcode, 0, flags, 0, 0, 0];
        self.put(&fixed);
        if let Some(ecs) = edns.ecs {
            let [code_hi, code_lo] = option::ECS.to_be_bytes();
            self.put(&[code_hi, code_lo, 0, ecs.len() as u8]);
            let data = ecs.with_scope(self.scope);
            let end = self.len + ecs.len();
            // Whole words where there is room for them: what stands behind the option is written later or not sent.
            match self.out.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
                Some(place) => *place = data,
                None => self.out[self.len..end].copy_from_slice(&data[..ecs.len()]),
            }
            self.len = end;
        }
        if self.identity.is_some() || self.error.is_some() {
            self.write_rare_options();
        }
        let len = (self.len - start - OPT_FIXED) as u16;
        self.out[start + OPT_FIXED - 2..start + OPT_FIXED].copy_from_slice(&len.to_be_bytes());
    }

    #[inline(never)]
    fn write_rare_options(&mut self) {
        if let Some(identity) = self.identity {
            self.option(option::NSID, identity.as_bytes());
        }
        // Extended errors go out without any record, so there is room.
        if let Some(error) = self.error {
            self.option(option::EDE, &(error as u16).to_be_bytes());
        }
    }

    fn option(&mut self, code: u16, data: &[u8]) {
        self.put(&code.to_be_bytes());
        self.put(&(data.len() as u16).to_be_bytes());
        self.out[self.len..self.len + data.len()].copy_from_slice(data);
        self.len += data.len();
    }

    #[inline]
    fn put<const N: usize>(&mut self, octets: &[u8; N]) {
        self.out[self.len..self.len + N].copy_from_slice(octets);
        self.len += N;
    }
}

/// Octets of the OPT beside records; extended errors go out without any.
#[inline]
fn opt_len(edns: &Edns, identity: Option<&str>) -> usize {
    OPT_FIXED + edns.ecs.as_ref().map_or(0, |ecs| 4 + ecs.len()) + identity.map_or(0, |text| 4 + text.len())
}

/// Makes a query's header the whole reply (protocol 3, 4).
pub(super) fn header_only(buffer: &mut [u8], rcode: Rcode) -> Option<usize> {
    let header = buffer.first_chunk_mut::<HEADER>()?;
    let bits = u16::from_be_bytes([header[2], header[3]]) & (flag::OPCODE | flag::RD) | flag::QR | rcode as u16;
    header[2..4].copy_from_slice(&bits.to_be_bytes());
    header[4..].fill(0);
    Some(HEADER)
}
