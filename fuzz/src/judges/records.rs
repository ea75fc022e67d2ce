//! Messages of more than a question: signed ones, transfers, updates.

use domain::base::Message;
use domain::base::iana::Rtype;
use domain::rdata::tsig::Tsig as ForeignTsig;
use rhumb::update::Update;
use rhumb::wire::{Entry, NameRef, RecordType, Sections, push_record, tsig};

use super::plain::{self, Plain};

/// Records come out whole and can be put together again; a signature is found where the plain reader finds it and says
/// what a foreign parser says; an update has as many rows as its header announces.
pub fn records(data: &[u8]) {
    walk(data);
    signature(data);
    update(data);
}

fn walk(data: &[u8]) {
    let Some(mut sections) = Sections::of(data) else {
        assert!(data.len() < 12);
        return;
    };
    let mut entry = Entry::default();
    for _ in 0..sections.count(0) {
        if sections.question(&mut entry).is_none() {
            return;
        }
        assert!(NameRef::from_wire(entry.owner().as_wire()).is_ok());
    }
    let count: u32 = (1..4).map(|section| u32::from(sections.count(section))).sum();
    for _ in 0..count {
        if sections.record(&mut entry).is_none() {
            return;
        }
        assert!(NameRef::from_wire(entry.owner().as_wire()).is_ok());
        assert!(entry.ttl <= i32::MAX as u32);
        if entry.rdata.len() <= usize::from(u16::MAX) {
            again(&entry);
        }
    }
}

/// What was written out is read back as it is.
fn again(entry: &Entry) {
    let mut out = Vec::new();
    push_record(&mut out, entry.owner(), entry.rtype, entry.class, entry.ttl, &entry.rdata);
    let (mut rows, mut read) = (Sections::rows(&out), Entry::default());
    rows.record(&mut read).unwrap_or_else(|| panic!("it is read back: {entry:?}"));
    assert!(rows.is_at_end());
    assert_eq!(read.owner().as_wire(), entry.owner().as_wire());
    assert_eq!((read.rtype, read.class, read.ttl, &read.rdata), (entry.rtype, entry.class, entry.ttl, &entry.rdata));
}

fn signature(data: &[u8]) {
    let found = tsig::read(data);
    if let Plain::Question(asked) = plain::read(data)
        && asked.well_formed
    {
        // Names that lead in circles are a fault to who follows them, and a malformed signature is none.
        assert!(asked.signed || !matches!(found, Ok(Some(_))), "{asked:?}");
        assert!(!asked.signed || !matches!(found, Ok(None)), "{asked:?}");
    }
    let Ok(Some(ours)) = found else { return };
    let message = Message::from_octets(data).expect("a header");
    let last = message.additional().expect("whole sections").last().expect("a record").expect("a whole record");
    assert_eq!(last.rtype(), Rtype::TSIG);
    let theirs = last.to_record::<ForeignTsig<_, _>>().expect("domain reads it").expect("it is a TSIG");
    let theirs = theirs.data();
    assert_eq!((ours.mac, ours.other), (*theirs.mac(), *theirs.other()));
    assert_eq!((ours.fudge, ours.original_id), (theirs.fudge(), theirs.original_id()));
    assert_eq!((ours.time, ours.error), (u64::from(theirs.time_signed()), theirs.error().to_int()));
    assert!(ours.at < data.len());
}

fn update(data: &[u8]) {
    let Ok(update) = Update::read(data) else { return };
    let sections = Sections::of(data).expect("it was read");
    assert_eq!(sections.count(0), 1);
    let rows = [update.prerequisites, update.changes];
    for (section, rows) in rows.iter().enumerate() {
        assert_eq!(rows.len(), usize::from(sections.count(1 + section)));
        for row in rows {
            assert!(row.rtype != RecordType::SOA || row.rdata.is_empty() || row.rdata.len() > 21, "{row:?}");
        }
    }
}
