//! Finished answers one behind the other, each with its head before it.
//!
//! Layout, numbers in little endian: octets u32, records u16, records of one answer u16, stride u16, type u16; then the
//! octets. A variant begins at a multiple of four, and lies in one cache line if it is no longer than that.

use super::ready::ReadyRef;
use crate::wire::RecordType;

/// Octets before a variant's own.
const HEAD: usize = 12;
/// Places are counted in words of so many octets.
const WORD: usize = 4;
/// Octets of a cache line.
const LINE: usize = 64;

/// Finished answers, found by their places.
#[derive(Debug, Default)]
pub(super) struct Variants {
    octets: Vec<u8>,
    /// Where the first cache line begins.
    origin: usize,
}

impl Variants {
    /// Appends one; its place.
    pub(super) fn push(&mut self, ready: ReadyRef<'_>) -> u32 {
        let len = HEAD + ready.octets.len();
        let used = self.octets.len() % LINE;
        if used + len.min(LINE) > LINE {
            self.octets.resize(self.octets.len().next_multiple_of(LINE), 0);
        }
        let place = self.octets.len() / WORD;
        self.octets.extend((ready.octets.len() as u32).to_le_bytes());
        for number in [ready.count, ready.take, ready.stride, ready.rtype.0] {
            self.octets.extend(number.to_le_bytes());
        }
        self.octets.extend_from_slice(ready.octets);
        self.octets.resize(self.octets.len().next_multiple_of(WORD), 0);
        place as u32
    }

    /// All of it in its final place in memory.
    pub(super) fn packed(self) -> Self {
        if self.octets.is_empty() {
            return self;
        }
        let mut octets: Vec<u8> = Vec::with_capacity(self.octets.len() + LINE);
        // Where the memory cannot tell its alignment, none is needed for being right.
        let origin = octets.as_ptr().align_offset(LINE).min(LINE);
        octets.resize(origin, 0);
        octets.extend_from_slice(&self.octets);
        Self { octets, origin }
    }

    /// The one at a place.
    #[inline(always)]
    pub(super) fn get(&self, place: usize) -> ReadyRef<'_> {
        let at = self.origin + place * WORD;
        let (head, rest) = self.octets[at..].split_at(HEAD);
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        ReadyRef {
            rtype: RecordType(short(10)),
            octets: &rest[..len],
            count: short(4),
            take: short(6),
            stride: short(8),
        }
    }
}

impl PartialEq for Variants {
    fn eq(&self, other: &Self) -> bool {
        self.octets[self.origin..] == other.octets[other.origin..]
    }
}

impl Eq for Variants {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Ready;

    #[test]
    fn variants_come_back_as_they_were_and_short_ones_lie_in_one_line() {
        let ready: Vec<Ready> = (0..40)
            .map(|n: u8| {
                let data: Vec<Box<[u8]>> =
                    (0..1 + n % 3).map(|at| vec![at; 4 * usize::from(n % 5 + 1)].into()).collect();
                Ready::new(RecordType(u16::from(n)), 60, &data, 2)
            })
            .collect();
        let mut variants = Variants::default();
        let places: Vec<u32> = ready.iter().map(|ready| variants.push(ready.view())).collect();
        let variants = variants.packed();
        for (place, ready) in places.into_iter().zip(&ready) {
            let (place, view) = (place as usize, ready.view());
            assert_eq!(variants.get(place), view);
            let len = HEAD + view.octets.len();
            let first = variants.octets[variants.origin + place * WORD..].as_ptr() as usize;
            assert!(len > LINE || first / LINE == (first + len - 1) / LINE);
        }
    }
}
