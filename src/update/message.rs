//! The sections of an UPDATE (RFC 2136 section 2).

use crate::wire::message::{CLASS_IN, Rcode};
use crate::wire::{Entry, Name, RecordType, Sections};

/// Class ANY (RFC 1035 section 3.2.5): about an RRset or a name.
pub(super) const CLASS_ANY: u16 = 255;
/// Class NONE (RFC 2136 section 1.3): about what is not, or is to be no more.
pub(super) const CLASS_NONE: u16 = 254;

/// What an UPDATE asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The zone.
    pub zone: Name,
    /// What must hold.
    pub prerequisites: Vec<Row>,
    /// What is to be done.
    pub changes: Vec<Row>,
}

/// A record of an UPDATE, which may stand for more than a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub owner: Name,
    /// The type; ANY is all.
    pub rtype: RecordType,
    /// IN, ANY or NONE.
    pub class: u16,
    /// In seconds.
    pub ttl: u32,
    /// Uncompressed; empty where none is given.
    pub rdata: Box<[u8]>,
}

impl Update {
    /// Reads a message whose signature was taken off. What is behind the third section is ignored.
    ///
    /// # Errors
    /// FORMERR: it is no UPDATE. NOTAUTH: it is of another class.
    pub fn read(message: &[u8]) -> Result<Self, Rcode> {
        let mut sections = Sections::of(message).ok_or(Rcode::FormErr)?;
        let mut entry = Entry::default();
        if sections.count(0) != 1 {
            return Err(Rcode::FormErr);
        }
        sections.question(&mut entry).ok_or(Rcode::FormErr)?;
        if entry.rtype != RecordType::SOA {
            return Err(Rcode::FormErr);
        }
        if entry.class != CLASS_IN {
            return Err(Rcode::NotAuth);
        }
        let zone = entry.owner().to_name();
        let mut rows = |count: u16| {
            let mut rows = Vec::new();
            for _ in 0..count {
                sections.record(&mut entry).ok_or(Rcode::FormErr)?;
                rows.push(Row {
                    owner: entry.owner().to_name(),
                    rtype: entry.rtype,
                    class: entry.class,
                    ttl: entry.ttl,
                    rdata: entry.rdata.as_slice().into(),
                });
            }
            Ok(rows)
        };
        let (prerequisites, changes) = (message_count(message, 1), message_count(message, 2));
        Ok(Self { zone, prerequisites: rows(prerequisites)?, changes: rows(changes)? })
    }
}

/// How many records a section has.
fn message_count(message: &[u8], section: usize) -> u16 {
    Sections::of(message).map_or(0, |sections| sections.count(section))
}
