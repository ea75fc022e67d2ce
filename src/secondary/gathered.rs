//! Records in the order in which somebody sends them, put together to a zone's.

use std::cmp::Ordering;

use crate::wire::text::one_form;
use crate::wire::{Entry, NameRef, RecordType, Records, RecordsBuilder};

/// Records as they came.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    octets: Vec<u8>,
    rows: Vec<Row>,
}

/// Where one record stands.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Its owner; the data follows it.
    at: u32,
    owner: u8,
    rtype: RecordType,
    ttl: u32,
    data: u16,
}

impl Gathered {
    /// Takes a record. `None`: there is no room for more.
    pub(super) fn push(&mut self, entry: &Entry) -> Option<()> {
        let at = u32::try_from(self.octets.len()).ok()?;
        let owner = entry.owner().as_wire();
        self.octets.extend_from_slice(owner);
        self.octets.extend_from_slice(&entry.rdata);
        self.rows.push(Row {
            at,
            owner: u8::try_from(owner.len()).ok()?,
            rtype: entry.rtype,
            ttl: entry.ttl,
            data: u16::try_from(entry.rdata.len()).ok()?,
        });
        Some(())
    }

    /// All of them, each once, by owner and type. An RRset has one TTL, the lowest of its records (RFC 2181
    /// section 5.2).
    pub(super) fn finish(mut self) -> Records {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by(|a, b| compare(self.owner(a), self.owner(b)).then(a.rtype.cmp(&b.rtype)));
        let mut builder = RecordsBuilder::new();
        for owner in rows.chunk_by(|a, b| compare(self.owner(a), self.owner(b)).is_eq()) {
            for set in owner.chunk_by(|a, b| a.rtype == b.rtype) {
                let ttl = set.iter().map(|row| row.ttl).min().unwrap_or_default();
                let mut data: Vec<&[u8]> = Vec::with_capacity(set.len());
                let mut known = std::collections::HashSet::new();
                data.extend(
                    set.iter().map(|row| self.data(row)).filter(|data| known.insert(one_form(set[0].rtype, data))),
                );
                builder.push(self.owner(&set[0]), set[0].rtype, ttl, data.iter().copied());
            }
        }
        builder.finish()
    }

    fn owner(&self, row: &Row) -> NameRef<'_> {
        let at = row.at as usize;
        NameRef::trusted(&self.octets[at..at + usize::from(row.owner)])
    }

    fn data(&self, row: &Row) -> &[u8] {
        let at = row.at as usize + usize::from(row.owner);
        &self.octets[at..at + usize::from(row.data)]
    }
}

/// Any order in which equal names are equal whatever their case.
fn compare(a: NameRef<'_>, b: NameRef<'_>) -> Ordering {
    let (a, b) = (a.as_wire(), b.as_wire());
    // Most names that are compared are of one run, and spelled alike.
    if a == b {
        Ordering::Equal
    } else {
        a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
    }
}
