//! The records of a message, one after the other: for what is more than a query, such as a transfer or an update.
//!
//! Nothing is allocated for a record: it is read into room that the one before used. No count sizes any memory.

use super::message::{HEADER, flag};
use super::rdata::{expand, expand_name};
use super::{NameRef, RecordType};

/// Octets of a record between its owner and its data.
const FIXED: usize = 10;

/// A message that is read from its front.
#[derive(Clone, Debug)]
pub struct Sections<'m> {
    message: &'m [u8],
    at: usize,
}

/// One record, its names written out; room for the next one.
#[derive(Clone, Debug)]
pub struct Entry {
    owner: Vec<u8>,
    /// The type.
    pub rtype: RecordType,
    /// The class.
    pub class: u16,
    /// In seconds; 0 where the topmost bit is set (RFC 2181 section 8).
    pub ttl: u32,
    /// In uncompressed wire form.
    pub rdata: Vec<u8>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { owner: vec![0], rtype: RecordType(0), class: 0, ttl: 0, rdata: Vec::new() }
    }
}

impl Entry {
    /// Whose it is.
    pub fn owner(&self) -> NameRef<'_> {
        NameRef::trusted(&self.owner)
    }
}

/// Appends a record, its names as they are.
pub fn push_record(out: &mut Vec<u8>, owner: NameRef<'_>, rtype: RecordType, class: u16, ttl: u32, rdata: &[u8]) {
    out.extend_from_slice(owner.as_wire());
    out.extend_from_slice(&rtype.0.to_be_bytes());
    out.extend_from_slice(&class.to_be_bytes());
    out.extend_from_slice(&ttl.to_be_bytes());
    // Record data comes out of messages, or was as long when it was read (RFC 1035 section 3.2.1).
    out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    out.extend_from_slice(rdata);
}

impl<'m> Sections<'m> {
    /// Begins behind the header. `None`: there is none.
    pub fn of(message: &'m [u8]) -> Option<Self> {
        (message.len() >= HEADER).then_some(Self { message, at: HEADER })
    }

    /// Records that stand behind each other without a header.
    pub fn rows(octets: &'m [u8]) -> Self {
        Self { message: octets, at: 0 }
    }

    /// Whether nothing follows.
    pub fn is_at_end(&self) -> bool {
        self.at == self.message.len()
    }

    /// The header's ID.
    pub fn id(&self) -> u16 {
        self.word(0)
    }

    /// The header's flags, opcode and response code.
    pub fn bits(&self) -> u16 {
        self.word(2)
    }

    /// The four bits of the opcode.
    pub fn opcode(&self) -> u8 {
        ((self.bits() & flag::OPCODE) >> 11) as u8
    }

    /// How many entries the header says that a section has: 0 is the question's, 3 the additional one.
    pub fn count(&self, section: usize) -> u16 {
        self.word(4 + 2 * section)
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.message[at], self.message[at + 1]])
    }

    /// Reads an entry of the question section: owner, type and class of `entry` are set, and there is no data.
    pub fn question(&mut self, entry: &mut Entry) -> Option<()> {
        entry.owner.clear();
        entry.rdata.clear();
        let at = expand_name(self.message, self.at, &mut entry.owner)?;
        let &[type_hi, type_lo, class_hi, class_lo] = self.message.get(at..)?.first_chunk()?;
        entry.rtype = RecordType(u16::from_be_bytes([type_hi, type_lo]));
        entry.class = u16::from_be_bytes([class_hi, class_lo]);
        entry.ttl = 0;
        self.at = at + 4;
        Some(())
    }

    /// Reads the next record. `None`: it runs over, or its data is none of its type. Data that is empty is passed on:
    /// an update says "any" by it (RFC 2136 section 2.4).
    pub fn record(&mut self, entry: &mut Entry) -> Option<()> {
        entry.owner.clear();
        entry.rdata.clear();
        let at = expand_name(self.message, self.at, &mut entry.owner)?;
        let fixed: &[u8; FIXED] = self.message.get(at..)?.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        entry.rtype = RecordType(word(0));
        entry.class = word(2);
        let ttl = u32::from(word(4)) << 16 | u32::from(word(6));
        entry.ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
        let (data, length) = (at + FIXED, usize::from(word(8)));
        if self.message.len() < data + length {
            return None;
        }
        if length > 0 {
            expand(entry.rtype, self.message, data, data + length, &mut entry.rdata)?;
        }
        self.at = data + length;
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn questions_and_records_are_read_in_turn_until_one_runs_over() {
        let message = b"\x12\x34\xa8\x01\0\x01\0\x02\0\0\0\0\x01a\0\0\x06\0\x01\
            \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0c\
            \xc0\x0c\0\x01\0\x01\xff\0\0\0\0\x05\x01\x02\x03\x04";
        let mut sections = Sections::of(message).unwrap();
        let mut entry = Entry::default();
        assert_eq!((sections.id(), sections.opcode(), sections.count(0), sections.count(1)), (0x1234, 5, 1, 2));
        sections.question(&mut entry).unwrap();
        assert_eq!((entry.owner().to_string(), entry.rtype), ("a.".to_owned(), RecordType::SOA));
        sections.record(&mut entry).unwrap();
        assert_eq!((entry.owner().to_string(), entry.ttl, &entry.rdata[..]), ("a.".into(), 60, &b"\x01b\x01a\0"[..]));
        assert!(sections.record(&mut entry).is_none());
        assert!(Sections::of(&message[..11]).is_none());
    }

    proptest! {
        #[test]
        fn p29_any_message_is_walked_without_harm(message: Vec<u8>) {
            let Some(mut sections) = Sections::of(&message) else { return Ok(()) };
            let mut entry = Entry::default();
            let _ = sections.question(&mut entry);
            while sections.record(&mut entry).is_some() {
                prop_assert!(NameRef::from_wire(entry.owner().as_wire()).is_ok());
            }
        }
    }
}
