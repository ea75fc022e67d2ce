//! The messages of a transfer: as many records as fit in each, in their order.

use super::request::Request;
use crate::wire::edns::{Asked, OUR_PAYLOAD, option};
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
    /// `signature` of them free. `expire` is told to those who ask for it, in seconds (RFC 7314 section 3).
    pub(super) fn new(query: &[u8], request: &Request, expire: u32, most: usize, signature: usize) -> Self {
        let question_end = request.query.question_end();
        let mut message = query[..question_end].to_vec();
        let bits = u16::from_be_bytes([message[2], message[3]]) & (flag::OPCODE | flag::RD) | flag::QR | flag::AA;
        message[2..4].copy_from_slice(&bits.to_be_bytes());
        message[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        let opt = request.query.edns.as_ref().map(|edns| {
            let [high, low] = OUR_PAYLOAD.to_be_bytes();
            let mut opt = vec![0, 0, 41, high, low, 0, 0, if edns.dnssec_ok { 0x80 } else { 0 }, 0, 0, 0];
            if edns.asked.has(Asked::EXPIRE) {
                opt[10] = 8;
                opt.extend([0, option::EXPIRE as u8, 0, 4]);
                opt.extend(expire.to_be_bytes());
            }
            opt
        });
        let most = most.saturating_sub(signature + opt.as_ref().map_or(0, Vec::len));
        let apex_len = request.query.name.octets();
        Self { message, question_end, apex_len, room: most.min(FULL), most, owner: 0..0, count: 0, opt }
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
        if let Some(written) = written {
            self.owner = written;
        }
        self.count += 1;
        Ok(true)
    }

    /// Writes an owner, its end a pointer to the question where that is the same, or all of it one to the owner before.
    /// Returns where it stands if others may point there.
    fn write_owner(&mut self, owner: &[u8]) -> Option<std::ops::Range<usize>> {
        let start = self.message.len();
        let own = owner.len().checked_sub(self.apex_len);
        let (apex, own) = match own {
            Some(own) if owner[own..].eq_ignore_ascii_case(&self.message[HEADER..HEADER + self.apex_len]) => {
                (true, own)
            }
            _ => (false, owner.len()),
        };
        let has_pointer = apex && self.apex_len > 1;
        let labels = if has_pointer { &owner[..own] } else { owner };
        if !labels.is_empty() && has_pointer && self.message[self.owner.clone()] == *labels {
            let pointer = 0xc000 | self.owner.start as u16;
            self.message.extend(pointer.to_be_bytes());
            return None;
        }
        self.message.extend(labels);
        let written = start..self.message.len();
        if has_pointer {
            self.message.extend((0xc000 | HEADER as u16).to_be_bytes());
        }
        (has_pointer && start < FULL).then_some(written)
    }

    /// Whether the message has no record.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Leaves what is in the message out.
    pub(super) fn clear(&mut self) {
        self.message.truncate(self.question_end);
        (self.owner, self.count) = (0..0, 0);
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
        Packer::new(&query, &request, 0, most, 100)
    }

    #[test]
    fn p20_a_transfer_tells_how_long_its_zone_is_good_where_that_is_asked() {
        let told = |options: &[u8]| {
            let opt = [&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, options.len() as u8], options].concat();
            let query = [&b"\x12\x34\0\0\0\x01\0\0\0\0\0\x01\x07example\0\0\xfc\0\x01"[..], &opt].concat();
            let request = Request::read(&query, 0).unwrap();
            let mut packer = Packer::new(&query, &request, 77, 600, 100);
            let owner = Name::absolute("example").unwrap();
            packer.push(owner.view(), RecordType::A, 60, &[192, 0, 2, 1]).unwrap();
            let message = packer.take();
            // Both read it; hickory has no form for this option's data.
            assert!(Message::from_vec(&message).unwrap().edns.is_some());
            let message = domain::base::Message::from_octets(message).unwrap();
            let opt = message.opt().unwrap();
            let options = opt.opt().iter::<domain::base::opt::UnknownOptData<_>>().map(Result::unwrap);
            options.map(|option| (option.code().to_int(), option.data().to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(told(&[0, 9, 0, 0]), [(9u16, vec![0, 0, 0, 77])]);
        assert!(told(&[]).is_empty());
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
                assert_eq!(record.name.to_string().to_lowercase(), owner(n).to_string());
                assert_eq!(record.data.to_string(), format!("192.0.2.{n}"));
                n += 1;
            }
        }
        assert_eq!(n, 100);
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
