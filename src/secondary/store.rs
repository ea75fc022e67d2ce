//! Transferred zones on disk, so that they are served when the server starts and the primary is gone.
//!
//! A file a zone: a line with what it is and the SHA-256 of the rest, then its records in wire form, the SOA first. It is
//! written whole beside its place, synced and renamed: a reader meets the old content or the new one, never a part. Its
//! time of modification says when the zone was last known to be current.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};

use super::gathered::Gathered;
use super::incoming::Held;
use crate::config::model::Soa;
use crate::pieces;
use crate::wire::message::CLASS_IN;
use crate::wire::{Entry, Name, RecordType, Sections, file_name, push_record};

const KIND: &str = "rhumb-secondary-1";
const EXTENSION: &str = "zone";
/// The directory of transferred zones. It is made when first written to.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// A zone that was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) apex: Name,
    pub(crate) held: Held,
    /// When it was last known to be current, seconds since 1970 UTC.
    pub(crate) checked: u64,
}

impl Store {
    /// Below the state directory.
    pub fn new(state: &Path) -> Self {
        Self { directory: state.join("secondary") }
    }

    /// All zones that were kept, and a line for each file that cannot be used.
    pub(crate) fn read_all(&self) -> (Vec<Kept>, Vec<String>) {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
            Err(error) => return (Vec::new(), vec![format!("{}: {error}", self.directory.display())]),
        };
        let (mut kept, mut faults) = (Vec::new(), Vec::new());
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if is_hidden || path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            match read(&path) {
                Ok(zone) => kept.push(zone),
                Err(fault) => faults.push(format!("{}: {fault}; the zone is transferred anew", path.display())),
            }
        }
        (kept, faults)
    }

    /// Blocks until the zone is on disk, known to be current at `checked` (seconds since 1970 UTC).
    pub(super) fn save(&self, apex: &Name, held: &Held, checked: u64) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let mut body = Vec::with_capacity(held.records.size() * 2);
        push_record(&mut body, apex.view(), RecordType::SOA, CLASS_IN, held.soa.ttl, &held.soa.data());
        for set in held.records.iter() {
            for data in set.rdata.iter() {
                push_record(&mut body, set.owner, set.rtype, CLASS_IN, set.ttl, data);
            }
        }
        let place = self.place(apex);
        let beside = place.with_extension("new");
        let mut new = File::create(&beside)?;
        writeln!(new, "{KIND} {}", checksum(&body))?;
        pieces::write_all(&mut new, &body)?;
        new.set_modified(UNIX_EPOCH + Duration::from_secs(checked))?;
        new.sync_all()?;
        drop(new);
        fs::rename(&beside, &place)?;
        // Without this the rename itself may be lost with the power.
        File::open(&self.directory)?.sync_all()
    }

    /// Notes that what is kept was current at `checked`. Lost with the power, it costs a transfer at most.
    pub(super) fn touch(&self, apex: &Name, checked: u64) -> io::Result<()> {
        File::options().write(true).open(self.place(apex))?.set_modified(UNIX_EPOCH + Duration::from_secs(checked))
    }

    fn place(&self, apex: &Name) -> PathBuf {
        self.directory.join(format!("{}.{EXTENSION}", file_name(apex)))
    }
}

fn read(path: &Path) -> Result<Kept, String> {
    let octets = pieces::read(path).map_err(|error| error.to_string())?;
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).map_err(|error| error.to_string())?;
    let end = octets.iter().position(|&octet| octet == b'\n').ok_or("it is cut short")?;
    let (head, body) = (&octets[..end], &octets[end + 1..]);
    let head = std::str::from_utf8(head).unwrap_or_default();
    let sum = head.strip_prefix(KIND).map(str::trim_start).ok_or("it is not of this version")?;
    if sum != checksum(body) {
        return Err("it does not match its checksum".into());
    }
    let mut rows = Sections::rows(body);
    let mut entry = Entry::default();
    let mut next = |entry: &mut Entry| rows.record(entry).map(|()| rows.is_at_end()).ok_or("it is not understood");
    let mut is_last = next(&mut entry)?;
    let soa = Some(&entry).filter(|entry| entry.rtype == RecordType::SOA);
    let soa = soa.and_then(|entry| Soa::read(&entry.rdata, entry.ttl)).ok_or("it has no SOA")?;
    let apex = entry.owner().to_name();
    let mut gathered = Gathered::default();
    while !is_last {
        is_last = next(&mut entry)?;
        gathered.push(&entry).ok_or("it is too large")?;
    }
    let checked = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // A clock that was set back since must not keep a zone for ever.
    let checked = checked.min(unix_now());
    Ok(Kept { apex, held: Held { soa, records: gathered.finish().into() }, checked })
}

/// Seconds since 1970 UTC; 0 before.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn checksum(octets: &[u8]) -> String {
    digest(&SHA256, octets).as_ref().iter().fold(String::new(), |mut text, octet| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::wire::RecordsBuilder;

    fn name(text: &str) -> Name {
        Name::absolute(text).unwrap()
    }

    fn held(serial: u32) -> Held {
        let records = RecordsBuilder::new()
            .with(&name("www.example.com"), RecordType::A, 60, &[[192, 0, 2, 1], [192, 0, 2, 2]])
            .with(&name("Example.com"), RecordType::NS, 300, &[name("ns.example.net").as_wire()])
            .finish();
        Held { soa: Soa { serial, ..Soa::none() }, records: records.into() }
    }

    #[test]
    fn p26_what_was_kept_is_read_again_with_its_age() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        assert!(store.read_all().0.is_empty());
        store.save(&name("Example.com"), &held(7), 1_000).unwrap();
        store.touch(&name("example.COM"), 2_000).unwrap();
        let (kept, faults) = store.read_all();
        assert_eq!((kept.len(), faults.len()), (1, 0));
        assert_eq!((kept[0].apex.to_string(), kept[0].checked), ("Example.com.".to_owned(), 2_000));
        assert_eq!(kept[0].held, held(7));
    }

    #[test]
    fn p26_a_damaged_file_is_told_of_and_not_used_and_a_half_written_one_is_nobodys() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        store.save(&name("example.com"), &held(7), 1_000).unwrap();
        let place = store.place(&name("example.com"));
        let whole = fs::read(&place).unwrap();
        fs::write(place.with_extension("new"), &whole[..20]).unwrap();
        for damaged in [&whole[..whole.len() - 1], &[&whole[..], b"x"].concat(), b"rhumb-secondary-2 ab\n", b""] {
            fs::write(&place, damaged).unwrap();
            let (kept, faults) = store.read_all();
            assert!(kept.is_empty() && faults.len() == 1, "{faults:?}");
        }
    }
}
