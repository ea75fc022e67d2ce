//! Master files, imported below a zone's TOML or served plain.

use std::collections::HashMap;
use std::path::Path;

use super::zone::{DEFAULT_TTL, bad_name, label_of};
use crate::config::code;
use crate::config::files::Text;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::Soa;
use crate::config::spec::{DataSpec, OwnerSpec, SoaSpec, Unit};
use crate::wire::{Name, RecordType, master};

/// A `.zone` file with no TOML beside it. Its zone is the owner of its SOA, else the file's name.
pub(crate) fn plain_zone(findings: &mut Findings, path: &Path, text: &Text) -> Option<Unit> {
    let top = Site::new(text.id, 0..text.text.lines().next().map_or(0, str::len));
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let origin = match Name::absolute(stem) {
        Ok(origin) if !origin.is_root() => origin,
        Ok(_) => return None,
        Err(error) => {
            bad_name(findings, top, stem, &format!("the file's name is the zone's name: {error}"));
            return None;
        }
    };
    let mut unit = Unit {
        file: text.id,
        label: label_of(&origin),
        zone: Some(Written::new(origin.clone(), top)),
        ttl: DEFAULT_TTL,
        soa: SoaSpec::default(),
        modified: text.modified,
        owners: Vec::new(),
        endpoints: Vec::new(),
        checks: Vec::new(),
        places: Vec::new(),
        routes: Vec::new(),
        partial: false,
        plain: true,
        master_soa: None,
    };
    add(findings, &mut unit, text, &origin);
    if unit.master_soa.is_none() && !unit.partial {
        findings
            .error(top, code::NO_SOA, format!("the zone `{origin}` has no SOA record"))
            .label("expected a SOA record at the apex")
            .help("a master file without one can be the `import` of a TOML zone, which makes its own");
    }
    Some(unit)
}

/// Adds a master file's records to a unit.
pub(super) fn add(findings: &mut Findings, unit: &mut Unit, text: &Text, origin: &Name) {
    let before = findings.count();
    let (records, errors) = master::scan(text.text.as_bytes(), origin, unit.ttl);
    let lines = Lines::new(text);
    for error in &errors {
        findings.error(lines.column(error.line, error.column), code::MASTER_FILE, error.message.clone()).label("here");
    }
    let mut owners: HashMap<Name, usize> = HashMap::new();
    for record in records {
        let site = lines.line(record.line);
        if record.rtype == RecordType::SOA {
            soa(findings, unit, &record, site, origin);
            continue;
        }
        if !record.owner.is_within(origin) {
            findings
                .error(site, code::OUT_OF_ZONE, format!("`{}` is not in the zone `{origin}`", record.owner))
                .label("out of zone");
            continue;
        }
        let index = *owners.entry(record.owner.clone()).or_insert_with(|| {
            unit.owners.push(OwnerSpec {
                owner: Written::new(record.owner.clone(), site),
                ttl: None,
                route: None,
                data: Vec::new(),
                tainted: false,
            });
            unit.owners.len() - 1
        });
        unit.owners[index].data.push(DataSpec {
            rtype: Written::new(record.rtype, site),
            ttl: Some(record.ttl),
            rdata: vec![Written::new(record.rdata, site)],
        });
    }
    unit.partial |= findings.count() > before;
}

fn soa(findings: &mut Findings, unit: &mut Unit, record: &master::MasterRecord, site: Site, origin: &Name) {
    if record.owner != *origin {
        findings
            .error(site, code::OUT_OF_ZONE, format!("the SOA of `{}` is not at the apex `{origin}`", record.owner))
            .label("out of place")
            .maybe_help(
                unit.plain.then(|| format!("the file's name is the zone's name: call it `{}zone`", record.owner)),
            );
        return;
    }
    unit.master_soa = read_soa(&record.rdata, record.ttl);
}

/// Uncompressed SOA data (RFC 1035 section 3.3.13).
fn read_soa(rdata: &[u8], ttl: u32) -> Option<Soa> {
    let (mname, rest) = split_name(rdata)?;
    let (rname, rest) = split_name(rest)?;
    let number = |index: usize| {
        let bytes = rest.get(index * 4..index * 4 + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    Some(Soa {
        ttl,
        mname,
        rname,
        serial: number(0)?,
        refresh: number(1)?,
        retry: number(2)?,
        expire: number(3)?,
        minimum: number(4)?,
    })
}

/// The name at the front of uncompressed data, and what follows it.
pub(crate) fn split_name(rdata: &[u8]) -> Option<(Name, &[u8])> {
    let mut at = 0;
    loop {
        let length = usize::from(*rdata.get(at)?);
        at += 1 + length;
        if length == 0 {
            let (name, rest) = rdata.split_at(at);
            return Some((Name::from_wire(name).ok()?, rest));
        }
    }
}

/// Where lines begin.
struct Lines<'t> {
    text: &'t Text,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t Text) -> Self {
        let after = text.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// A whole line, from 1.
    fn line(&self, line: usize) -> Site {
        self.column(line, 1)
    }

    /// A line from a column on, both from 1.
    fn column(&self, line: usize, column: usize) -> Site {
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.text.len());
        let rest = &self.text.text[start..];
        let content = rest.lines().next().unwrap_or_default();
        let skip: usize = content.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let end = content.trim_end().len().max(skip);
        Site::new(self.text.id, start + skip..start + end)
    }
}
