//! The messages of a transfer: as many records as fit in each, in their order.

use super::request::Request;
use crate::wire::message::{HEADER, flag};
use crate::wire::{NameRef, RecordType};

/// Octets of a message, unless one record alone has more: pointers reach this far (RFC 1035 section 4.1.4).
const FULL: usize = 1 << 14;
/// Puts records into messages.
#[derive(Debug)]
pub(super) struct Packer {
    /// Header, question, records.
    message: Vec<u8>,
    question_end: usize,
    /// Octets of the question's name, which is the zone's apex.
    apex_len: usize,
    /// Where the apex stands as the last owner spells it: in the question at first.
    apex: usize,
    /// Octets that records may take up to, where there is more than one.
    room: usize,
    /// Octets that a message may have.
    most: usize,
    /// Where the last owner stands.
    owner: std::ops::Range<usize>,
    count: u16,
    opt: Option<Vec<u8>>,
}

/// A record that fits into no message.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLarge;

impl Packer {
    /// For the replies to `request`, whose message begins with `query`. A message has `most` octets and leaves
    /// `signature` of them free; `opt` ends each.
    pub(super) fn new(query: &[u8], request: &Request, opt: Option<Vec<u8>>, most: usize, signature: usize) -> Self {
        let question_end = request.query.question_end();
        let mut message = query[..question_end].to_vec();
        let bits = u16::from_be_bytes([message[2], message[3]]) & (flag::OPCODE | flag::RD) | flag::QR | flag::AA;
        message[2..4].copy_from_slice(&bits.to_be_bytes());
        message[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        let most = most.saturating_sub(signature + opt.as_ref().map_or(0, Vec::len));
        let apex_len = request.query.name.octets();
        Self { message, question_end, apex_len, apex: HEADER, room: most.min(FULL), most, owner: 0..0, count: 0, opt }
    }

    /// Adds a record to the message: `Ok(false)` where it is full, and goes out first.
    ///
    /// # Errors
    /// It fits into no message at all.
    pub(super) fn push(
        &mut self,
        owner: NameRef<'_>,
        rtype: RecordType,
        ttl: u32,
        data: &[u8],
    ) -> Result<bool, TooLarge> {
        let start = self.message.len();
        let written = self.write_owner(owner.as_wire());
        self.message.extend(rtype.0.to_be_bytes());
        self.message.extend([0, 1]);
        self.message.extend(ttl.to_be_bytes());
        self.message.extend((data.len() as u16).to_be_bytes());
        self.message.extend(data);
        let limit = if self.count == 0 { self.most } else { self.room };
        if self.message.len() > limit || self.count == u16::MAX {
            self.message.truncate(start);
            return if self.count == 0 { Err(TooLarge) } else { Ok(false) };
        }
        if let Some((owner, apex)) = written {
            (self.owner, self.apex) = (owner, apex);
        }
        self.count += 1;
        Ok(true)
    }

    /// Writes an owner, its end a pointer to where the zone's name stands in the same spelling (RFC 5936 section 3.4), or
    /// all of it one to the owner before. Returns where it stands if others may point there, and where the zone's name
    /// does then.
    fn write_owner(&mut self, owner: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
        let start = self.message.len();
        let is_theirs = |octets: &[u8]| octets.eq_ignore_ascii_case(&self.message[HEADER..HEADER + self.apex_len]);
        let own = owner.len().checked_sub(self.apex_len).filter(|&own| self.apex_len > 1 && is_theirs(&owner[own..]));
        let Some(own) = own else {
            self.message.extend(owner);
            return None;
        };
        let (labels, apex) = owner.split_at(own);
        let is_spelled_so = *apex == self.message[self.apex..self.apex + self.apex_len];
        if is_spelled_so && !labels.is_empty() && self.message[self.owner.clone()] == *labels {
            let pointer = 0xc000 | self.owner.start as u16;
            self.message.extend(pointer.to_be_bytes());
            return None;
        }
        self.message.extend(labels);
        let written = start..self.message.len();
        if is_spelled_so {
            self.message.extend((0xc000 | self.apex as u16).to_be_bytes());
            return (start < FULL).then_some((written, self.apex));
        }
        self.message.extend(apex);
        (written.end < FULL).then_some((written.clone(), written.end))
    }

    /// Whether the message has no record.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message without records, cut short (protocol 7), its OPT left out as well where even that does not fit.
    pub(super) fn take_truncated(&mut self) -> Vec<u8> {
        self.clear();
        if self.question_end > self.most {
            self.opt = None;
        }
        let mut message = self.take();
        message[2] |= (flag::TC >> 8) as u8;
        message
    }

    /// Leaves what is in the message out.
    pub(super) fn clear(&mut self) {
        self.message.truncate(self.question_end);
        (self.owner, self.apex, self.count) = (0..0, HEADER, 0);
    }

    /// The message with what was added, and begins the next one.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut message = self.message.clone();
        message[6..8].copy_from_slice(&self.count.to_be_bytes());
        if let Some(opt) = &self.opt {
            message.extend(opt);
            message[11] = 1;
        }
        self.clear();
        message
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use hickory_proto::op::Message;

    use super::*;
    use crate::wire::Name;

    fn packer(most: usize) -> Packer {
        let mut query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07Example\0\0\xfc\0\x01".to_vec();
        let request = Request::read(&query, 0).unwrap();
        query.extend(b"behind");
        Packer::new(&query, &request, None, most, 100)
    }

    #[test]
    fn p24_records_go_into_as_many_messages_as_they_need() {
        let mut packer = packer(600);
        let mut messages = Vec::new();
        let owner = |n: u8| Name::absolute(&format!("n{}.example", n / 2)).unwrap();
        for n in 0..100 {
            if !packer.push(owner(n).view(), RecordType::A, 60, &[192, 0, 2, n]).unwrap() {
                messages.push(packer.take());
                assert!(packer.push(owner(n).view(), RecordType::A, 60, &[192, 0, 2, n]).unwrap());
            }
        }
        messages.push(packer.take());
        assert!(messages.len() > 3 && messages.iter().all(|message| message.len() <= 500));
        let mut n = 0;
        for message in &messages {
            let message = Message::from_vec(message).unwrap();
            assert!(message.metadata.authoritative && message.queries.len() == 1);
            for record in message.answers {
                assert_eq!(
                    record.name.to_string(),
                    owner(n).to_string(),
                    "spelled as in the zone, not as in the question"
                );
                assert_eq!(record.data.to_string(), format!("192.0.2.{n}"));
                n += 1;
            }
        }
        assert_eq!(n, 100);
    }

    #[test]
    fn p24_what_has_no_room_for_one_record_is_truncated() {
        let opt = vec![0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        for (most, additionals) in [(159, 11), (135, 0)] {
            let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07Example\0\0\xfb\0\x01".to_vec();
            let request = Request::read(&query, 0).unwrap();
            let mut packer = Packer::new(&query, &request, Some(opt.clone()), most, 100);
            let owner = Name::absolute("example").unwrap();
            assert!(packer.push(owner.view(), RecordType::SOA, 60, &[0; 22]).is_err());
            let message = packer.take_truncated();
            assert_eq!(message.len(), 25 + additionals);
            let message = Message::from_vec(&message).unwrap();
            assert!(message.metadata.truncation && message.answers.is_empty());
        }
    }

    #[test]
    fn p24_a_record_that_is_large_goes_alone_and_one_that_is_too_large_not_at_all() {
        let mut packer = packer(usize::from(u16::MAX));
        let owner = Name::absolute("big.example").unwrap();
        assert!(packer.push(owner.view(), RecordType(731), 60, &[1; 100]).unwrap());
        assert!(!packer.push(owner.view(), RecordType(731), 60, &[2; 40_000]).unwrap());
        packer.take();
        assert!(packer.push(owner.view(), RecordType(731), 60, &[2; 40_000]).unwrap());
        assert!(!packer.push(owner.view(), RecordType(731), 60, &[3; 1]).unwrap(), "past what pointers reach");
        packer.take();
        assert!(packer.push(owner.view(), RecordType(731), 60, &[2; 65_500]).is_err());
    }
}
