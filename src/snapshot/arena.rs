//! Records in chunks: written once, each from the beginning of a cache line, then shared by all snapshots that need
//! them. A line's number is that of its chunk and its place there; a record never runs on into another chunk.

use std::ops::Range;
use std::sync::Arc;

/// Octets of a cache line.
const LINE: usize = 64;
/// Bits of a line's number that tell its place in the chunk.
const PLACE_BITS: u32 = 14;
/// Octets of a chunk, a single longer record aside: small beside what a reload may take, large beside its slack.
const CHUNK: usize = LINE << PLACE_BITS;

/// Some records. Copies share them.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// The first line begins `origin` octets in: the allocator decides where a chunk lies.
    octets: Arc<[u8]>,
    origin: usize,
}

impl Chunk {
    /// Takes whole lines, and leaves none.
    fn new(lines: &mut Vec<u8>) -> Self {
        let len = lines.len();
        lines.resize(len + LINE - 1, 0);
        let mut octets: Arc<[u8]> = Arc::from(&lines[..]);
        lines.clear();
        let origin = octets.as_ptr().align_offset(LINE).min(LINE - 1);
        if let Some(octets) = Arc::get_mut(&mut octets) {
            octets.copy_within(..len, origin);
        }
        Self { octets, origin }
    }

    /// Without any record.
    pub(super) fn empty() -> Self {
        Self { octets: Arc::from([]), origin: 0 }
    }

    /// From a line of this chunk on, by its whole number.
    #[inline]
    pub(super) fn at(&self, line: u32) -> &[u8] {
        let place = line & ((1 << PLACE_BITS) - 1);
        &self.octets[self.origin + place as usize * LINE..]
    }

    /// Writes into a record of a chunk that nobody shares yet.
    pub(super) fn patch(&mut self, line: u32, offset: usize, octets: &[u8]) {
        let at = self.octets.len() - self.at(line).len() + offset;
        if let Some(room) = Arc::get_mut(&mut self.octets).and_then(|chunk| chunk.get_mut(at..at + octets.len())) {
            room.copy_from_slice(octets);
        }
    }

    /// How many lines of it have numbers of their own; beyond that it is one long record.
    pub(super) fn lines(&self) -> u32 {
        lines(self.octets.len())
    }

    /// Whether both are one chunk.
    #[cfg(test)]
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.octets, &other.octets)
    }
}

/// The chunk of a line.
#[inline]
pub(super) fn chunk_of(line: u32) -> usize {
    (line >> PLACE_BITS) as usize
}

/// The line of the same place in another chunk.
pub(super) fn line_in(chunk: u32, line: u32) -> u32 {
    chunk << PLACE_BITS | line & ((1 << PLACE_BITS) - 1)
}

/// How many chunks so many lines take at least.
pub(super) fn whole_chunks(lines: usize) -> usize {
    lines.div_ceil(1 << PLACE_BITS)
}

fn lines(octets: usize) -> u32 {
    (octets / LINE).min(1 << PLACE_BITS) as u32
}

/// Lines of one chunk, by their whole numbers.
pub(super) type Run = Range<u32>;

/// How far a [`Writer`] was at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    chunk: usize,
    lines: u32,
}

/// Fills chunks one after the other; they are numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Writer {
    chunks: Vec<Chunk>,
    open: Vec<u8>,
}

impl Writer {
    /// Appends a record and returns its line.
    pub(super) fn push(&mut self, record: &[u8]) -> u32 {
        if !self.open.is_empty() && self.open.len() + record.len() > CHUNK {
            self.seal();
        }
        let line = line_in(self.chunks.len() as u32, lines(self.open.len()));
        self.open.extend_from_slice(record);
        self.open.resize(self.open.len().next_multiple_of(LINE), 0);
        line
    }

    /// Where it is now.
    pub(super) fn mark(&self) -> Mark {
        Mark { chunk: self.chunks.len(), lines: lines(self.open.len()) }
    }

    /// What was written since.
    pub(super) fn runs_since(&self, mark: Mark) -> impl Iterator<Item = Run> {
        let open = (self.chunks.len(), lines(self.open.len()));
        let sealed = self.chunks.iter().map(Chunk::lines).enumerate().skip(mark.chunk);
        let runs = sealed.chain([open]).map(move |(chunk, end)| {
            let start = if chunk == mark.chunk { mark.lines } else { 0 };
            let first = (chunk as u32) << PLACE_BITS;
            first + start..first + end
        });
        runs.filter(|run| !run.is_empty())
    }

    fn seal(&mut self) {
        self.chunks.push(Chunk::new(&mut self.open));
    }

    /// All that was written.
    pub(super) fn finish(mut self) -> Vec<Chunk> {
        if !self.open.is_empty() {
            self.seal();
        }
        self.chunks
    }
}
