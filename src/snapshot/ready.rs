//! Records as they go out: finished octets, but for the owner's pointer.

use crate::wire::RecordType;

/// Octets of a record before its data when the owner is a pointer: owner, type, class, TTL, length.
pub(super) const FIXED: usize = 12;
/// Where in that the TTL stands.
const TTL: usize = 6;
/// A pointer to the question's name, right behind the header.
pub(super) const TO_QUESTION: [u8; 2] = [0xc0, 0x0c];

/// An RRset of its own, each record's owner a pointer to the question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    rtype: RecordType,
    octets: Box<[u8]>,
    count: u16,
    take: u16,
    stride: u16,
}

/// In which order the records of an RRset go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The part of 2^32 at which the ring of records is entered.
    pub part: u32,
    /// Whether records that were picked keep the order of the file (protocol 16).
    pub is_fixed: bool,
}

impl Turn {
    /// From the first record on.
    pub const NONE: Self = Self { part: 0, is_fixed: true };
}

/// An RRset to be sent, wherever its octets are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadyRef<'a> {
    /// The type of every record.
    pub rtype: RecordType,
    pub(super) octets: &'a [u8],
    /// How many records there are.
    pub(super) count: u16,
    /// How many of them one answer holds.
    pub(super) take: u16,
    /// Octets of each record where all are of one length, else 0.
    pub(super) stride: u16,
}

impl Ready {
    /// Windows of at most `take` of these records (M1).
    pub fn new(rtype: RecordType, ttl: u32, rdata: &[Box<[u8]>], take: usize) -> Self {
        let mut octets = Vec::with_capacity(rdata.iter().map(|data| FIXED + data.len()).sum());
        for data in rdata {
            octets.extend_from_slice(&TO_QUESTION);
            write_fixed(&mut octets, rtype, ttl, data);
        }
        let len = rdata.first().map_or(0, |data| FIXED + data.len());
        let alike = rdata.iter().all(|data| FIXED + data.len() == len);
        Self {
            rtype,
            octets: octets.into(),
            count: rdata.len() as u16,
            take: take.min(rdata.len()) as u16,
            stride: if alike { u16::try_from(len).unwrap_or(0) } else { 0 },
        }
    }

    /// To be sent.
    pub fn view(&self) -> ReadyRef<'_> {
        let &Self { rtype, ref octets, count, take, stride } = self;
        ReadyRef { rtype, octets, count, take, stride }
    }
}

impl<'a> ReadyRef<'a> {
    /// How many records one answer holds.
    #[inline]
    pub fn taken(&self) -> u16 {
        self.take
    }

    /// Copies the window of the ring that begins at `turn`, asked for where there is a ring, with the question's name for
    /// owner; `None` when it does not fit. Returns the octets written.
    #[inline(always)]
    pub fn write_to_question(&self, turn: impl FnOnce() -> Turn, out: &mut [u8]) -> Option<usize> {
        if self.count != 1 {
            return self.write_window(turn(), out);
        }
        // One record is most of what is asked, and most of these are of one address.
        let place = out.get_mut(..self.octets.len())?;
        match (<&mut [u8; FIXED + 4]>::try_from(&mut *place), <&[u8; FIXED + 4]>::try_from(self.octets)) {
            (Ok(place), Ok(octets)) => *place = *octets,
            _ => place.copy_from_slice(self.octets),
        }
        Some(self.octets.len())
    }

    /// The same with another owner, which a pointer leads to.
    pub fn write(&self, owner: u16, turn: Turn, out: &mut [u8]) -> Option<usize> {
        let len = self.write_to_question(|| turn, out)?;
        let owner = owner.to_be_bytes();
        if owner != TO_QUESTION {
            let mut record = 0;
            while record < len {
                out[record..record + 2].copy_from_slice(&owner);
                record += record_len(&out[record..]);
            }
        }
        Some(len)
    }

    #[inline(never)]
    fn write_window(self, turn: Turn, out: &mut [u8]) -> Option<usize> {
        let (head, tail) = self.window(turn);
        out.get_mut(..head.len())?.copy_from_slice(head);
        out.get_mut(head.len()..head.len() + tail.len())?.copy_from_slice(tail);
        Some(head.len() + tail.len())
    }

    /// Copies the window with the owner written out before each record; otherwise as [`Self::write`].
    pub fn write_named(&self, owner: &[u8], turn: Turn, out: &mut [u8]) -> Option<usize> {
        let (head, tail) = self.window(turn);
        let mut at = 0;
        for mut records in [head, tail] {
            while !records.is_empty() {
                let (record, rest) = records.split_at(record_len(records));
                for part in [owner, &record[TO_QUESTION.len()..]] {
                    out.get_mut(at..at + part.len())?.copy_from_slice(part);
                    at += part.len();
                }
                records = rest;
            }
        }
        Some(at)
    }

    /// The two runs of records that the window is made of.
    fn window(&self, turn: Turn) -> (&'a [u8], &'a [u8]) {
        let all = usize::from(self.count);
        let first = ((u64::from(turn.part) * all as u64) >> 32) as usize;
        let end = first + usize::from(self.take);
        let from = self.start(first);
        if end <= all {
            return (&self.octets[from..self.start(end)], &[]);
        }
        let (head, tail) = (&self.octets[from..], &self.octets[..self.start(end - all)]);
        if turn.is_fixed { (tail, head) } else { (head, tail) }
    }

    /// Where a record begins, or where the last one ends.
    fn start(&self, record: usize) -> usize {
        match self.stride {
            0 => (0..record).fold(0, |at, _| at + record_len(&self.octets[at..])),
            stride => record * usize::from(stride),
        }
    }

    /// The data of the first record: a CNAME's target. Nothing where there is no record.
    pub fn first_data(&self) -> &'a [u8] {
        if self.octets.is_empty() { &[] } else { &self.octets[FIXED..record_len(self.octets)] }
    }

    /// Seconds, of every record.
    pub fn ttl(&self) -> u32 {
        let octets = self.octets.get(TTL..).and_then(|rest| rest.first_chunk());
        octets.map_or(0, |octets| u32::from_be_bytes(*octets))
    }
}

/// The octets of the record that these begin with; its owner is a pointer.
fn record_len(octets: &[u8]) -> usize {
    FIXED + usize::from(u16::from_be_bytes([octets[FIXED - 2], octets[FIXED - 1]]))
}

/// All of a record but its owner.
pub(super) fn write_fixed(octets: &mut Vec<u8>, rtype: RecordType, ttl: u32, data: &[u8]) {
    octets.extend_from_slice(&rtype.0.to_be_bytes());
    octets.extend_from_slice(&1u16.to_be_bytes());
    octets.extend_from_slice(&ttl.to_be_bytes());
    octets.extend_from_slice(&(data.len() as u16).to_be_bytes());
    octets.extend_from_slice(data);
}

/// Records with owners of their own, written out in full: glue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records<'a> {
    /// Finished octets.
    pub octets: &'a [u8],
    /// How many records.
    pub count: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last octet of each record of the window that `turn` begins.
    fn window(lengths: &[usize], take: usize, part: u32) -> Vec<u8> {
        turned(lengths, take, Turn { part, is_fixed: false })
    }

    fn turned(lengths: &[usize], take: usize, turn: Turn) -> Vec<u8> {
        let data: Vec<Box<[u8]>> =
            lengths.iter().enumerate().map(|(at, &len)| vec![at as u8; len].into_boxed_slice()).collect();
        let ready = Ready::new(RecordType::TXT, 60, &data, take);
        let mut out = [0; 4096];
        let Some(len) = ready.view().write(0xc123, turn, &mut out) else { return Vec::new() };
        let mut found = Vec::new();
        let mut at = 0;
        while at < len {
            assert_eq!(out[at..at + 2], [0xc1, 0x23]);
            at += record_len(&out[at..]);
            found.push(out[at - 1]);
        }
        found
    }

    #[test]
    fn m1_windows_of_a_ring_begin_anywhere_and_wrap() {
        let third = 1u32 << 31 | 1;
        for lengths in [[4, 4, 4, 4], [1, 2, 3, 300]] {
            assert_eq!(window(&lengths, 4, 0), [0, 1, 2, 3]);
            assert_eq!(window(&lengths, 4, third), [2, 3, 0, 1]);
            assert_eq!(window(&lengths, 3, third), [2, 3, 0]);
            assert_eq!(window(&lengths, 2, u32::MAX), [3, 0]);
        }
        assert_eq!(window(&[7], 1, u32::MAX), [0]);
    }

    #[test]
    fn p16_in_a_fixed_order_the_same_records_are_picked_and_go_as_in_the_file() {
        for lengths in [[4, 4, 4, 4], [1, 2, 3, 300]] {
            for part in [0, 1 << 30, 1 << 31, 3 << 30, u32::MAX] {
                let fixed = Turn { part, is_fixed: true };
                assert_eq!(turned(&lengths, 4, fixed), [0, 1, 2, 3]);
                let mut picked = window(&lengths, 3, part);
                picked.sort_unstable();
                assert_eq!(turned(&lengths, 3, fixed), picked);
            }
        }
    }

    #[test]
    fn p13_records_with_their_owner_written_out_are_whole_or_not_there() {
        let data: Vec<Box<[u8]>> = vec![vec![1; 4].into(), vec![2; 4].into()];
        let ready = Ready::new(RecordType::A, 60, &data, 2);
        let mut out = [0; 64];
        let owner = b"\x01a\x00";
        let len = ready.view().write_named(owner, Turn::NONE, &mut out).unwrap_or_default();
        assert_eq!(len, 2 * (owner.len() + 14));
        assert_eq!((&out[..3], out[16], &out[17..20], out[33]), (&owner[..], 1, &owner[..], 2));
        assert_eq!(ready.view().write_named(owner, Turn::NONE, &mut out[..33]), None);
    }
}
