//! A reply under construction, in the caller's buffer.

use crate::snapshot::{ReadyRef, Records};
use crate::wire::edns::{Ecs, OUR_PAYLOAD, option};
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
    opt: Option<Opt<'a>>,
}

#[derive(Debug)]
struct Opt<'a> {
    dnssec_ok: bool,
    ecs: Option<Ecs>,
    scope: u8,
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
    pub(super) fn begin(
        question: &Query,
        datagram: bool,
        identity: Option<&'a str>,
        out: &'a mut [u8],
    ) -> Option<Self> {
        let end = question.question_end();
        let bits = u16::from_be_bytes([out[2], out[3]]) & (flag::OPCODE | flag::RD) | flag::QR;
        let limit = match (datagram, question.edns) {
            (false, _) => usize::from(u16::MAX),
            (true, None) => PLAIN_PAYLOAD,
            (true, Some(edns)) => usize::from(edns.payload.min(OUR_PAYLOAD)).max(PLAIN_PAYLOAD),
        };
        let limit = limit.min(out.len());
        let opt = question.edns.map(|edns| Opt {
            dnssec_ok: edns.dnssec_ok,
            ecs: edns.ecs,
            scope: 0,
            identity: identity.filter(|_| edns.nsid),
            error: None,
        });
        let room = limit.checked_sub(opt.as_ref().map_or(0, Opt::len))?;
        if end > room {
            return None;
        }
        Some(Self { out, len: end, room, question_end: end, counts: [0; 3], bits, opt })
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
        if let Some(opt) = &mut self.opt {
            opt.scope = opt.scope.max(scope);
        }
    }

    pub(super) fn extended_error(&mut self, error: ExtendedError) {
        if let Some(opt) = &mut self.opt {
            opt.error = Some(error);
        }
    }

    /// Appends an RRset whose owner stands at `owner` in the message; whole or not at all.
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
    pub(super) fn finish(mut self, rcode: Rcode) -> usize {
        let rcode = rcode as u16;
        if let Some(opt) = self.opt.take() {
            self.len += opt.write((rcode >> 4) as u8, &mut self.out[self.len..]);
            self.counts[Section::Additional as usize] += 1;
        }
        let bits = self.bits | rcode & 0xf;
        self.out[2..4].copy_from_slice(&bits.to_be_bytes());
        self.out[4..6].copy_from_slice(&1u16.to_be_bytes());
        for (section, count) in self.counts.into_iter().enumerate() {
            self.out[6 + 2 * section..8 + 2 * section].copy_from_slice(&count.to_be_bytes());
        }
        self.len
    }
}

impl Opt<'_> {
    /// Octets that it comes to beside records; extended errors go out without any.
    fn len(&self) -> usize {
        let identity = self.identity.map_or(0, |text| 4 + text.len());
        OPT_FIXED + self.ecs.map_or(0, |ecs| 4 + ecs.len()) + identity
    }

    fn write(&self, high_rcode: u8, out: &mut [u8]) -> usize {
        let mut at = OPT_FIXED;
        let mut option = |code: u16, data: &[u8]| {
            out[at..at + 2].copy_from_slice(&code.to_be_bytes());
            out[at + 2..at + 4].copy_from_slice(&(data.len() as u16).to_be_bytes());
            out[at + 4..at + 4 + data.len()].copy_from_slice(data);
            at += 4 + data.len();
        };
        if let Some(ecs) = self.ecs {
            let mut data = [0; 20];
            let len = ecs.write(self.scope, &mut data);
            option(option::ECS, &data[..len]);
        }
        if let Some(identity) = self.identity {
            option(option::NSID, identity.as_bytes());
        }
        if let Some(error) = self.error {
            option(option::EDE, &(error as u16).to_be_bytes());
        }
        let flags: u16 = if self.dnssec_ok { 0x8000 } else { 0 };
        out[..3].copy_from_slice(&[0, 0, 41]);
        out[3..5].copy_from_slice(&OUR_PAYLOAD.to_be_bytes());
        out[5..7].copy_from_slice(&[high_rcode, 0]);
        out[7..9].copy_from_slice(&flags.to_be_bytes());
        out[9..11].copy_from_slice(&((at - OPT_FIXED) as u16).to_be_bytes());
        at
    }
}

/// Makes a query's header the whole reply (protocol 3, 4).
pub(super) fn header_only(buffer: &mut [u8], rcode: Rcode) -> Option<usize> {
    let header = buffer.first_chunk_mut::<HEADER>()?;
    let bits = u16::from_be_bytes([header[2], header[3]]) & (flag::OPCODE | flag::RD) | flag::QR | rcode as u16;
    header[2..4].copy_from_slice(&bits.to_be_bytes());
    header[4..].fill(0);
    Some(HEADER)
}
