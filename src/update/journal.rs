//! What updates have done, on disk before anybody is told so.
//!
//! A file a zone: a line with what it is, the zone's apex and how many octets of entries the file began with; then one
//! entry for each update: its length, its checksum, its steps. An entry is written and synced before the update is
//! acknowledged; a crash in the middle leaves a tail that is shorter than its length says, which was acknowledged to
//! nobody and is cut off. Whatever else is no whole entry was damaged later. When the file has grown well past what it
//! comes to, it is written anew as one entry: beside its place, synced and renamed, so that this one is never torn.

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
/// Octets that may be summed to find a whole entry behind one that is not: what a crash leaves needs fewer.
const SOUGHT: usize = 1 << 28;

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

/// The name of a zone's file.
fn place(apex: &Name) -> String {
    format!("{}.{EXTENSION}", file_name(apex))
}

/// What a journal says.
struct Found {
    apex: Name,
    changes: Changes,
    /// Octets of what is whole.
    length: u64,
    /// What was damaged and is no tail that a crash has left: one clause.
    cut: Option<String>,
}

fn read(path: &Path) -> Result<Found, String> {
    let octets = pieces::read(path).map_err(|error| error.to_string())?;
    let start = 1 + octets.iter().position(|&octet| octet == b'\n').ok_or("it is cut short")?;
    let line = std::str::from_utf8(&octets[..start]).unwrap_or_default();
    let mut words = line.strip_prefix(KIND).ok_or("it is not of this version")?.split_whitespace();
    let apex = Name::absolute(words.next().ok_or("it names no zone")?).map_err(|error| error.to_string())?;
    if path.file_name().is_none_or(|name| name != &*place(&apex)) {
        return Err(format!("it names the zone {apex}"));
    }
    // The first servers that wrote journals did not say it.
    let first: usize = words.next().map_or(Ok(0), |word| word.parse().map_err(|_| "its first line is damaged"))?;
    let mut at = start;
    let mut changes = Changes::default();
    let mut is_strange = false;
    while let Some((body, next)) = entry(&octets, at) {
        let is_as_said = at > start || first == 0 || next == start + first;
        let Some(steps) = decode(body).filter(|_| is_as_said) else {
            is_strange = true;
            break;
        };
        steps.iter().for_each(|step| changes.apply(step));
        at = next;
    }
    let is_first_whole = at - start >= first;
    let is_damaged = is_strange || !is_first_whole || !is_torn(&octets, at);
    let cut = is_damaged.then(|| format!("the entry at octet {at} is damaged; it and what follows is not served"));
    Ok(Found { apex, changes, length: at as u64, cut })
}

/// Whether all that is behind this offset is what a crash can leave of entries that were being written: nothing, less
/// than the first of them says that it is, or room that was never written to.
fn is_torn(octets: &[u8], at: usize) -> bool {
    let tail = &octets[at..];
    if tail.iter().all(|&octet| octet == 0) {
        return true;
    }
    if tail.first_chunk::<HEAD>().is_some_and(|head| body_length(head) <= tail.len() - HEAD) {
        return false;
    }
    // The damage may be in the length.
    let mut sought = 0;
    for at in at + 1..octets.len() {
        let Some(body) = claimed(octets, at).filter(|(_, body)| begins(body)).map(|(_, body)| body) else { continue };
        sought += body.len();
        if sought > SOUGHT || entry(octets, at).is_some() {
            return false;
        }
    }
    true
}

/// Whether octets begin as steps do.
fn begins(body: &[u8]) -> bool {
    let mut first = Entry::default();
    Sections::rows(body).record(&mut first).is_some() && [CLASS_IN, CLASS_NONE, CLASS_ANY].contains(&first.class)
}

fn body_length(head: &[u8; HEAD]) -> usize {
    u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize
}

/// The sum and the steps of an entry at an offset, if that is one.
fn claimed(octets: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let head: &[u8; HEAD] = octets.get(at..)?.first_chunk()?;
    let body = octets.get(at + HEAD..)?.get(..body_length(head))?;
    Some((&octets[at + 4..at + HEAD], body))
}

/// The steps of the entry at an offset, and where the next one begins.
fn entry(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (summed, body) = claimed(octets, at)?;
    (sum(body) == *summed).then_some((body, at + HEAD + body.len()))
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
    /// Opens the journal of a zone, made if there is none; a torn tail is cut off.
    ///
    /// # Errors
    /// It cannot be read or written, or whole entries of it cannot be understood: those are left for a person to see.
    pub fn open(state: &Path, apex: &Name) -> io::Result<Self> {
        let directory = state.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        let path = directory.join(place(apex));
        if !path.try_exists()? {
            let (file, length) = begin(&path, apex, &[])?;
            return Ok(Self { path, apex: apex.clone(), file, length, least: length });
        }
        let Found { changes, length, cut, .. } = read(&path).map_err(io::Error::other)?;
        if let Some(cut) = cut {
            return Err(io::Error::other(cut));
        }
        let least = anew(apex, &changes.steps())?.len() as u64;
        let mut file = File::options().write(true).open(&path)?;
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { path, apex: apex.clone(), file, length, least })
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
        let (file, length) = begin(&self.path, &self.apex, &all.steps())?;
        (self.file, self.length, self.least) = (file, length, length);
        Ok(())
    }
}

/// A journal of one entry, or of none.
fn anew(apex: &Name, steps: &[Change]) -> io::Result<Vec<u8>> {
    let entry = if steps.is_empty() { Vec::new() } else { framed(steps)? };
    Ok([format!("{KIND} {apex} {}\n", entry.len()).as_bytes(), &entry].concat())
}

/// Writes a journal anew: the file, at its end, and its length.
fn begin(path: &Path, apex: &Name, steps: &[Change]) -> io::Result<(File, u64)> {
    let octets = anew(apex, steps)?;
    if octets.len() as u64 > MOST {
        return Err(io::Error::other("the updates of this zone take more than 256 MiB"));
    }
    // Whatever can fail for want of a descriptor does so before the rename.
    let directory = path.parent().map(File::open).transpose()?;
    let beside = path.with_extension("new");
    let mut new = File::create(&beside)?;
    pieces::write_all(&mut new, &octets)?;
    new.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(directory) = directory {
        // Without this the rename itself may be lost with the power.
        directory.sync_all()?;
    }
    Ok((new, octets.len() as u64))
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
