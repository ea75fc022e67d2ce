//! A zone file or a shared file.

use std::path::Path;
use std::sync::Arc;

use super::{Context, check, definition_name, endpoint, inner_path, location, records, route, toml, transfer};
use super::{ground, master};
use crate::config::code;
use crate::config::files::Text;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::Soa;
use crate::config::pack::{self, ZoneData};
use crate::config::spec::{PlaceSpec, SoaSpec, TransferSpec, Unit};
use crate::config::walk::{self, Fields};
use crate::config::{keys, lint};
use crate::wire::{Name, NameRef, RecordType};

/// TTL of records that carry none, where the zone gives none either, in seconds.
pub(super) const DEFAULT_TTL: u32 = 300;

const REFRESH: u32 = 7200;
const RETRY: u32 = 1800;
const EXPIRE: u32 = 1_209_600;
/// TTL of negative answers.
const MINIMUM: u32 = 60;

/// Keys that mean nothing without a zone.
const ZONE_ONLY: &[&str] = &["ttl", "import", "primary", "update", "soa", "records", "transfer"];

/// Reads one TOML file. `None` after a syntax error.
pub(crate) fn unit(cx: &mut Context<'_, '_>, path: &Path, text: &Text) -> Option<Unit> {
    let table = toml(cx.findings, text)?;
    // The file as a whole has no better place than its first line.
    let top = Site::new(text.id, 0..text.text.lines().next().map_or(0, str::len));
    let fields = walk::open(cx.findings, &keys::ZONE, table.get_ref(), top, None);
    let zone = fields.text("zone").and_then(|zone| match Name::absolute(&zone.value) {
        Ok(name) if !name.is_root() && !name.is_wildcard() => Some(Written::new(name, zone.site)),
        Ok(_) => {
            cx.findings
                .error(zone.site, code::BAD_NAME, format!("`{}` cannot be a zone", zone.value))
                .label("expected a domain name such as `example.com`");
            None
        }
        Err(error) => {
            bad_name(cx.findings, zone.site, &zone.value, &error.to_string());
            None
        }
    });
    let shared = fields.key_site("zone").is_none();
    if shared {
        for key in ZONE_ONLY {
            if let Some(site) = fields.key_site(key) {
                cx.findings
                    .error(site, code::SHARED_KEY, format!("`{key}` needs a zone, and this file has none"))
                    .label("belongs to a zone")
                    .help("add `zone = \"…\"`; a file without it is shared by all zones");
            }
        }
    }
    let origin = zone.as_ref().map_or_else(Name::root, |zone| zone.value.clone());
    let label = zone.as_ref().map(|zone| label_of(&zone.value)).unwrap_or_default();
    let ttl = fields.ttl("ttl").map_or(DEFAULT_TTL, |ttl| ttl.value);
    let mut unit = Unit {
        file: text.id,
        zone,
        label,
        soa: Soa::none(),
        is_serial_of_time: false,
        records: Arc::default(),
        origin: None,
        steered: Vec::new(),
        endpoints: Vec::new(),
        checks: Vec::new(),
        places: Vec::new(),
        routes: Vec::new(),
        transfer: TransferSpec::default(),
    };
    let soa = soa(cx.findings, &fields, &origin);
    if !shared {
        unit.origin = ground::origin(cx.findings, &fields, &origin);
        // The rest of a secondary zone is its primary's to say.
        let mut partial = fields.key_site("primary").is_some();
        let mut master = None;
        if let Some(import) = fields.text("import") {
            let file = inner_path(cx, path, &import);
            match file.and_then(|file| cx.files.read(cx.findings, &file, Some(import.site))) {
                Some(text) => master = Some(master::read(cx, &text, &origin, ttl, false)),
                None => partial = true,
            }
        }
        let before = cx.findings.count();
        let owners = records::owners(cx.findings, &fields, &origin);
        // A faulty owner may have been the apex.
        partial |= fields.key_site("records").is_some() && owners.is_empty() && cx.findings.count() > before;
        let base = master.as_ref().and_then(master::soa_of);
        if let Some(zone) = &unit.zone {
            let data = pack::together((&zone.value, zone.site), ttl, master, &owners, partial);
            lint::dns(cx.findings, &data);
            finish(&mut unit, data, base, &soa, ttl);
        }
    }
    for (name, table) in fields.tables(cx.findings, "endpoints") {
        if definition_name(cx.findings, &name) {
            unit.endpoints.push(endpoint::endpoint(cx.findings, &name, table, &origin));
        }
    }
    for (name, table) in fields.tables(cx.findings, "checks") {
        if definition_name(cx.findings, &name) {
            unit.checks.push(check::check(cx.findings, &name, table));
        }
    }
    places(cx, path, &fields, &mut unit.places);
    for (name, table) in fields.tables(cx.findings, "routes") {
        if definition_name(cx.findings, &name) {
            unit.routes.push(route::route(cx.findings, &name, table));
        }
    }
    unit.transfer = transfer::transfer(cx.findings, &fields);
    Some(unit)
}

/// What a zone comes to when all of its records are known. SOA fields that `spec` does not give are those of `base`, the
/// master file's, else rhumb's own.
pub(super) fn finish(unit: &mut Unit, data: ZoneData, base: Option<Soa>, spec: &SoaSpec, ttl: u32) {
    let apex = &data.apex;
    let first_ns = || {
        let ns = data.rrset(data.number(apex.view())?, RecordType::NS)?.rrset.rdata.first()?;
        Some(NameRef::split_front(ns)?.0.to_name())
    };
    unit.is_serial_of_time = spec.serial.is_none() && base.is_none();
    let base = base.unwrap_or_else(|| Soa {
        ttl,
        mname: first_ns().unwrap_or_else(|| apex.clone()),
        rname: Name::parse("hostmaster", apex).unwrap_or_else(|_| apex.clone()),
        serial: 0,
        refresh: REFRESH,
        retry: RETRY,
        expire: EXPIRE,
        minimum: MINIMUM,
    });
    unit.soa = Soa {
        ttl: spec.ttl.unwrap_or(base.ttl),
        mname: spec.mname.clone().unwrap_or(base.mname),
        rname: spec.rname.clone().unwrap_or(base.rname),
        serial: spec.serial.unwrap_or(base.serial),
        refresh: spec.refresh.unwrap_or(base.refresh),
        retry: spec.retry.unwrap_or(base.retry),
        expire: spec.expire.unwrap_or(base.expire),
        minimum: spec.minimum.unwrap_or(base.minimum),
    };
    unit.records = data.records;
    unit.steered = data.steered;
}

/// How a zone is called before the `/` of a full name.
pub(super) fn label_of(zone: &Name) -> String {
    zone.to_string().trim_end_matches('.').to_ascii_lowercase()
}

pub(super) fn bad_name(findings: &mut Findings, site: Site, text: &str, why: &str) {
    findings.error(site, code::BAD_NAME, format!("`{text}` is no domain name")).label(why);
}

fn soa(findings: &mut Findings, fields: &Fields<'_, '_>, origin: &Name) -> SoaSpec {
    let Some((site, table)) = fields.table("soa") else { return SoaSpec::default() };
    let fields = walk::open(findings, &keys::SOA, table, site, None);
    let mut name = |key| {
        let text = fields.text(key)?;
        Name::parse(&text.value, origin)
            .map_err(|error| bad_name(findings, text.site, &text.value, &error.to_string()))
            .ok()
    };
    let (mname, rname) = (name("mname"), name("rname"));
    SoaSpec {
        ttl: fields.ttl("ttl").map(|ttl| ttl.value),
        mname,
        rname,
        serial: fields.integer("serial").map(|serial| serial.value as u32),
        refresh: fields.ttl("refresh").map(|ttl| ttl.value),
        retry: fields.ttl("retry").map(|ttl| ttl.value),
        expire: fields.ttl("expire").map(|ttl| ttl.value),
        minimum: fields.ttl("minimum").map(|ttl| ttl.value),
    }
}

fn places(cx: &mut Context<'_, '_>, path: &Path, fields: &Fields<'_, '_>, places: &mut Vec<PlaceSpec>) {
    for (name, value) in fields.checked_entries(cx.findings, "places") {
        if !definition_name(cx.findings, &name) {
            continue;
        }
        let locations = match value.get_ref().as_table() {
            Some(table) => {
                let fields = walk::open(cx.findings, &keys::PLACE_FILE, table, name.site, None);
                let Some(named) = fields.text("file") else { continue };
                let Some(file) = inner_path(cx, path, &named) else { continue };
                let Some(text) = cx.files.read(cx.findings, &file, Some(named.site)) else { continue };
                location::network_lines(&text)
            }
            None => walk::elements(value)
                .iter()
                .filter_map(|item| walk::text_of(item, name.site.file))
                .map(|text| text.map(str::to_owned))
                .collect(),
        };
        if locations.is_empty() {
            cx.findings
                .error(name.site, code::NO_DATA, format!("place `{}` holds nothing", name.value))
                .label("expected at least one location");
        }
        places.push(PlaceSpec { name: name.map(str::to_owned), locations });
    }
}
