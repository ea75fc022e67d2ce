//! Master files, imported below a zone's TOML or served plain.

use std::path::Path;
use std::sync::Arc;

use super::Context;
use super::zone::{DEFAULT_TTL, bad_name, finish, label_of};
use crate::config::code;
use crate::config::files::Text;
use crate::config::findings::{Site, Written};
use crate::config::lint;
use crate::config::model::Soa;
use crate::config::pack::{self, Master};
use crate::config::spec::{SoaSpec, Unit};
use crate::wire::Name;

/// A `.zone` file with no TOML beside it. Its zone is the owner of its SOA, else the file's name.
pub(crate) fn plain_zone(cx: &mut Context<'_, '_>, path: &Path, text: &Text) -> Option<Unit> {
    let top = Site::new(text.id, 0..text.text.lines().next().map_or(0, str::len));
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let origin = match Name::absolute(stem) {
        Ok(origin) if !origin.is_root() => origin,
        Ok(_) => return None,
        Err(error) => {
            bad_name(cx.findings, top, stem, &format!("the file's name is the zone's name: {error}"));
            return None;
        }
    };
    let master = read(cx, text, &origin, DEFAULT_TTL, true);
    let soa = soa_of(&master);
    if soa.is_none() && !master.partial {
        cx.findings
            .error(top, code::NO_SOA, format!("the zone `{origin}` has no SOA record"))
            .label("expected a SOA record at the apex")
            .help("a master file without one can be the `import` of a TOML zone, which makes its own");
    }
    let data = pack::together((&origin, top), DEFAULT_TTL, Some(master), &[], false);
    lint::dns(cx.findings, &data);
    let mut unit = Unit {
        file: text.id,
        label: label_of(&origin),
        zone: Some(Written::new(origin, top)),
        soa: Soa::none(),
        is_serial_of_time: false,
        records: Arc::default(),
        origin: None,
        steered: Vec::new(),
        endpoints: Vec::new(),
        checks: Vec::new(),
        places: Vec::new(),
        routes: Vec::new(),
        transfer: Default::default(),
    };
    finish(&mut unit, data, soa, &SoaSpec::default(), DEFAULT_TTL);
    Some(unit)
}

/// Reads a master file of the zone `origin`; `is_plain` where it is served as it stands.
pub(super) fn read(cx: &mut Context<'_, '_>, text: &Text, origin: &Name, ttl: u32, is_plain: bool) -> Master {
    let mut master = pack::read(cx.findings, text, origin, ttl, cx.threads, cx.progress);
    master.partial |= !master.stray_soa.is_empty();
    for (owner, site) in &master.stray_soa {
        cx.findings
            .error(*site, code::OUT_OF_ZONE, format!("the SOA of `{owner}` is not at the apex `{origin}`"))
            .label("out of place")
            .maybe_help(is_plain.then(|| format!("the file's name is the zone's name: call it `{owner}zone`")));
    }
    master
}

/// What a master file's SOA record says.
pub(super) fn soa_of(master: &Master) -> Option<Soa> {
    let (data, ttl) = master.soa.as_ref()?;
    Soa::read(data, *ttl)
}
