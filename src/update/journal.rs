//! What updates have done, on disk before anybody is told so.
//!
//! A file a zone: a line with what it is and the zone's apex, then one entry for each update: its length, its checksum,
//! its steps. An entry is written and synced before the update is acknowledged; a crash in the middle leaves a tail that
//! is no whole entry, which was acknowledged to nobody and is cut off. When the file has grown well past what it comes
//! to, it is written anew as one entry: beside its place, synced and renamed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use super::message::{CLASS_ANY, CLASS_NONE};
use crate::config::model::Soa;
use crate::config::{Change, Changes};
use crate::pieces;
use crate::wire::message::CLASS_IN;
use crate::wire::{Entry, Name, RecordType, Sections, file_name, push_record};

const DIRECTORY: &str = "updates";
const KIND: &str = "rhumb-updates-1";
const EXTENSION: &str = "journal";
/// Octets before the steps of an entry: their length, and the front of their SHA-256.
const HEAD: usize = 4 + SUM;
const SUM: usize = 16;
/// A journal below this size is never written anew, in octets.
const SMALL: u64 = 1 << 16;
/// It is written anew when it is so many times as large as it need be.
const GROWN: u64 = 4;
/// All that updates of a zone may come to, in octets.
const MOST: u64 = 1 << 28;
/// A step that hides what the files say is marked by this in the place of a TTL.
const HIDES: u32 = 1;

/// The journal of one zone, open for more.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    apex: Name,
    file: File,
    /// Octets of whole entries and what stands before them.
    length: u64,
    /// What they came to when the file was last written anew.
    least: u64,
}

/// Reads all journals of a state directory: what was changed of each zone, and a line for each file that is damaged.
pub fn restore(state: &Path) -> (HashMap<Name, Changes>, Vec<String>) {
    let directory = state.join(DIRECTORY);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
        Err(error) => return (HashMap::new(), vec![format!("{}: {error}", directory.display())]),
    };
    let (mut all, mut faults) = (HashMap::new(), Vec::new());
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        match read(&path) {
            Ok(found) => {
                if let Some(cut) = found.cut {
                    faults.push(format!("{}: {cut}", path.display()));
                }
                all.insert(found.apex, found.changes);
            }
            Err(fault) => faults.push(format!("{}: {fault}; its updates are not served", path.display())),
        }
    }
    (all, faults)
}

/// What a journal says.
struct Found {
    apex: Name,
    changes: Changes,
    /// Octets of what is whole.
    length: u64,
    /// Whole entries that nothing can be made of, or that follow a damaged one: one clause.
    cut: Option<String>,
}

fn read(path: &Path) -> Result<Found, String> {
    let octets = fs::read(path).map_err(|error| error.to_string())?;
    let end = octets.iter().position(|&octet| octet == b'\n').ok_or("it is cut short")?;
    let head = std::str::from_utf8(&octets[..end]).unwrap_or_default();
    let apex = head.strip_prefix(KIND).ok_or("it is not of this version")?;
    let apex = Name::absolute(apex.trim()).map_err(|error| error.to_string())?;
    let mut at = end + 1;
    let mut changes = Changes::default();
    let mut is_strange = false;
    while let Some((body, next)) = entry(&octets, at) {
        let Some(steps) = decode(body) else {
            is_strange = true;
            break;
        };
        steps.iter().for_each(|step| changes.apply(step));
        at = next;
    }
    // A torn entry is the last one. One that is followed by a whole one was damaged later.
    let is_damaged = is_strange || (at + 1..octets.len()).any(|at| entry(&octets, at).is_some());
    let cut = is_damaged.then(|| format!("the entry at octet {at} is damaged; it and what follows is not served"));
    Ok(Found { apex, changes, length: at as u64, cut })
}

/// The steps of the entry at an offset, and where the next one begins.
fn entry(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let head: &[u8; HEAD] = octets.get(at..)?.first_chunk()?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let end = at.checked_add(HEAD)?.checked_add(length)?;
    let body = octets.get(at + HEAD..end)?;
    (sum(body) == head[4..]).then_some((body, end))
}

fn sum(body: &[u8]) -> [u8; SUM] {
    let whole = digest(&SHA256, body);
    let mut sum = [0; SUM];
    sum.copy_from_slice(&whole.as_ref()[..SUM]);
    sum
}

fn framed(steps: &[Change]) -> io::Result<Vec<u8>> {
    let body = encode(steps);
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("an entry takes more than 4 GiB"))?;
    Ok([&length.to_be_bytes(), &sum(&body)[..], &body].concat())
}

impl Journal {
    /// Opens the journal of a zone, made if there is none; a torn tail is cut off. `changes` is what it comes to, as
    /// [`restore`] has read it.
    ///
    /// # Errors
    /// It cannot be read or written, or whole entries of it cannot be understood: those are left for a person to see.
    pub fn open(state: &Path, apex: &Name) -> io::Result<Self> {
        let directory = state.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        let path = directory.join(format!("{}.{EXTENSION}", file_name(apex)));
        let length = match path.try_exists()? {
            true => {
                let found = read(&path).map_err(io::Error::other)?;
                if let Some(cut) = found.cut {
                    return Err(io::Error::other(cut));
                }
                found.length
            }
            false => begin(&path, apex, &[])?,
        };
        let mut file = File::options().write(true).open(&path)?;
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { path, apex: apex.clone(), file, length, least: length })
    }

    /// Writes the steps of updates, an entry each; they are on disk when this returns. `all` is what everything comes to
    /// with them.
    ///
    /// # Errors
    /// They are not, and the journal is as it was.
    pub fn append(&mut self, updates: &[Vec<Change>], all: &Changes) -> io::Result<()> {
        let mut entry = Vec::new();
        for steps in updates {
            entry.extend(framed(steps)?);
        }
        let after = self.length + entry.len() as u64;
        if after > SMALL.max(self.least * GROWN) {
            return self.begin_anew(all);
        }
        let written = self.file.write_all(&entry).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What was written of it must not stand before the next one.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::End(0))?;
            return Err(error);
        }
        self.length = after;
        Ok(())
    }

    fn begin_anew(&mut self, all: &Changes) -> io::Result<()> {
        let length = begin(&self.path, &self.apex, &all.steps())?;
        let mut file = File::options().write(true).open(&self.path)?;
        file.seek(SeekFrom::End(0))?;
        (self.file, self.length, self.least) = (file, length, length);
        Ok(())
    }
}

/// Writes a journal of one entry, or of none; its length.
fn begin(path: &Path, apex: &Name, steps: &[Change]) -> io::Result<u64> {
    let mut octets = format!("{KIND} {apex}\n").into_bytes();
    if !steps.is_empty() {
        octets.extend(framed(steps)?);
    }
    if octets.len() as u64 > MOST {
        return Err(io::Error::other("the updates of this zone take more than 256 MiB"));
    }
    let beside = path.with_extension("new");
    let mut new = File::create(&beside)?;
    pieces::write_all(&mut new, &octets)?;
    new.sync_all()?;
    drop(new);
    fs::rename(&beside, path)?;
    if let Some(directory) = path.parent() {
        // Without this the rename itself may be lost with the power.
        File::open(directory)?.sync_all()?;
    }
    Ok(octets.len() as u64)
}

/// Steps as records, in the manner of an UPDATE: class IN adds, NONE removes a record, ANY an RRset. An SOA of class IN is
/// the zone's, one of class ANY gives its serial alone.
fn encode(steps: &[Change]) -> Vec<u8> {
    let mut out = Vec::new();
    let root = Name::root();
    for step in steps {
        match step {
            Change::Add { owner, rtype, ttl, rdata } => {
                push_record(&mut out, owner.view(), *rtype, CLASS_IN, *ttl, rdata);
            }
            Change::Remove { owner, rtype, rdata, hides } => {
                push_record(&mut out, owner.view(), *rtype, CLASS_NONE, u32::from(*hides), rdata);
            }
            Change::Clear { owner, rtype, hides } => {
                push_record(&mut out, owner.view(), *rtype, CLASS_ANY, u32::from(*hides), &[]);
            }
            Change::Soa(soa) => {
                push_record(&mut out, root.view(), RecordType::SOA, CLASS_IN, soa.ttl, &soa.data());
            }
            Change::Serial(serial) => {
                let soa = Soa { serial: *serial, ..Soa::none() };
                push_record(&mut out, root.view(), RecordType::SOA, CLASS_ANY, 0, &soa.data());
            }
        }
    }
    out
}

/// `None`: these are no steps.
fn decode(body: &[u8]) -> Option<Vec<Change>> {
    let mut rows = Sections::rows(body);
    let mut entry = Entry::default();
    let mut steps = Vec::new();
    while !rows.is_at_end() {
        rows.record(&mut entry)?;
        let (owner, rtype, rdata) = (entry.owner().to_name(), entry.rtype, entry.rdata.as_slice());
        let hides = entry.ttl == HIDES;
        steps.push(match (entry.class, rtype) {
            (CLASS_IN, RecordType::SOA) => Change::Soa(Soa::read(rdata, entry.ttl)?),
            (CLASS_ANY, RecordType::SOA) => Change::Serial(Soa::read(rdata, 0)?.serial),
            (CLASS_IN, _) => Change::Add { owner, rtype, ttl: entry.ttl, rdata: rdata.into() },
            (CLASS_NONE, _) => Change::Remove { owner, rtype, rdata: rdata.into(), hides },
            (CLASS_ANY, _) => Change::Clear { owner, rtype, hides },
            _ => return None,
        });
    }
    Some(steps)
}
