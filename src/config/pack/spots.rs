//! Where records are written.

use std::collections::HashMap;

use crate::config::files::Text;
use crate::config::findings::{FileId, Site};

/// Where one record is written: octets of the TOML file; or, where `end` is 0, the line of the master file that begins
/// at `start`. Its end is looked up when somebody asks, which hardly anybody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    start: u32,
    end: u32,
}

impl Spot {
    /// The line of a master file that begins here. Files over 4 GiB are refused when they are read.
    pub(crate) fn line(start: usize) -> Self {
        Self { start: start as u32, end: 0 }
    }

    /// A place in the TOML file, which is not empty.
    pub(crate) fn of(site: Site) -> Self {
        Self { start: site.start, end: site.end }
    }
}

/// Where each record is written, by how many stand before it.
#[derive(Debug, Default)]
pub(crate) struct Spots {
    data: Vec<Spot>,
    /// Where owners and types are written that do not stand on the line of their first record, by its number.
    owners: HashMap<usize, Site>,
    sets: HashMap<usize, Site>,
    toml: Option<FileId>,
    master: Option<Text>,
    /// Where all of them are told to stand, if they have no places of their own.
    one: Option<Site>,
}

impl Spots {
    /// Of records that are written in no file.
    pub(super) fn all_at(site: Site) -> Self {
        Self { one: Some(site), ..Self::default() }
    }

    /// Says which files the spots are of.
    pub(super) fn set_files(&mut self, toml: Option<FileId>, master: Option<Text>) {
        (self.toml, self.master) = (toml, master);
    }

    pub(super) fn take_master(&mut self) -> Option<Text> {
        self.master.take()
    }

    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    pub(super) fn push(&mut self, spot: Spot) {
        self.data.push(spot);
    }

    pub(super) fn get(&self, number: usize) -> Spot {
        self.data[number]
    }

    pub(super) fn name_owner(&mut self, first: usize, site: Site) {
        self.owners.insert(first, site);
    }

    pub(super) fn name_set(&mut self, first: usize, site: Site) {
        self.sets.insert(first, site);
    }

    /// Of a master file's records only: they need no names.
    pub(super) fn append(&mut self, other: Self) {
        if self.data.is_empty() {
            self.data = other.data;
        } else {
            self.data.reserve_exact(other.data.len());
            self.data.extend_from_slice(&other.data);
        }
    }

    /// Where a record is written.
    pub(crate) fn record(&self, number: usize) -> Site {
        self.one.unwrap_or_else(|| self.site(self.data[number]))
    }

    /// Where the type of an RRset is written.
    pub(crate) fn set(&self, first: usize) -> Site {
        self.sets.get(&first).copied().unwrap_or_else(|| self.record(first))
    }

    /// Where an owner is written.
    pub(crate) fn owner(&self, first: usize) -> Site {
        self.owners.get(&first).copied().unwrap_or_else(|| self.set(first))
    }

    pub(super) fn site(&self, spot: Spot) -> Site {
        let whole = spot.start as usize..spot.end as usize;
        match (&self.master, spot.end) {
            (Some(master), 0) => line(master, spot.start as usize),
            _ => Site::new(self.toml.unwrap_or(FileId(0)), whole),
        }
    }
}

/// The line that begins at an offset, the blanks at its end left out.
fn line(text: &Text, start: usize) -> Site {
    // A byte order mark belongs to the first line.
    let start = if text.text[..start] == *"\u{feff}" { 0 } else { start };
    let rest = text.text.get(start..).unwrap_or_default();
    let content = rest.lines().next().unwrap_or_default();
    Site::new(text.id, start..start + content.trim_end().len())
}
