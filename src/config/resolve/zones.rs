//! Records and steered names of each zone.

use std::collections::HashMap;
use std::sync::Arc;

use super::Sites;
use super::names::{Kind, Names};
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::{Model, RouteId, Soa, Steered, Zone};
use crate::config::parse::split_name;
use crate::config::spec::Unit;
use crate::wire::{Name, RecordType, RecordsBuilder};

/// Reply TTL of steered names that say none, in seconds (G7).
const STEERED_TTL: u32 = 30;
const REFRESH: u32 = 7200;
const RETRY: u32 = 1800;
const EXPIRE: u32 = 1_209_600;
/// TTL of negative answers.
const MINIMUM: u32 = 60;

/// The records of one type at one name.
#[derive(Debug)]
pub(crate) struct SetData {
    pub(crate) rtype: RecordType,
    pub(crate) site: Site,
    pub(crate) ttl: u32,
    pub(crate) rdata: Vec<Written<Box<[u8]>>>,
}

/// What one name holds.
#[derive(Debug)]
pub(crate) struct OwnerData {
    pub(crate) name: Name,
    pub(crate) site: Site,
    pub(crate) sets: Vec<SetData>,
    pub(crate) steered: Option<SteeredData>,
    /// Whether a fault was told of it, so that something may be missing.
    pub(crate) tainted: bool,
}

/// A steered name as it was written.
#[derive(Debug)]
pub(crate) struct SteeredData {
    pub(crate) route: RouteId,
    /// Where the route is named.
    pub(crate) site: Site,
    pub(crate) ttl: u32,
    /// Where the TTL is written, if it is.
    pub(crate) ttl_site: Option<Site>,
}

impl OwnerData {
    pub(crate) fn set(&self, rtype: RecordType) -> Option<&SetData> {
        self.sets.iter().find(|set| set.rtype == rtype)
    }
}

/// A zone with the places of its records, for the lints.
#[derive(Debug)]
pub(crate) struct ZoneData {
    pub(crate) apex: Name,
    pub(crate) site: Site,
    pub(crate) owners: Vec<OwnerData>,
    /// By name, whatever its case.
    pub(crate) index: HashMap<Name, usize>,
    /// Whether a fault of the master file hides records.
    pub(crate) partial: bool,
}

impl ZoneData {
    pub(crate) fn owner(&self, name: &Name) -> Option<&OwnerData> {
        self.index.get(name).map(|&index| &self.owners[index])
    }
}

/// Makes the zones of the model and what the lints look at.
pub(super) fn zones(
    findings: &mut Findings,
    units: &[Unit],
    names: &mut Names<'_>,
    model: &mut Model,
    sites: &Sites,
) -> Vec<ZoneData> {
    let mut all = Vec::new();
    for (index, unit) in units.iter().enumerate() {
        let Some(zone) = &unit.zone else { continue };
        let mut data = ZoneData {
            apex: zone.value.clone(),
            site: zone.site,
            owners: Vec::new(),
            index: HashMap::new(),
            partial: unit.partial,
        };
        gather(findings, unit, index, names, sites, &mut data);
        model.zones.push(Arc::new(zone_of(findings, unit, &data)));
        all.push(data);
    }
    all
}

/// Puts what several spellings or files say of a name together.
fn gather(
    findings: &mut Findings,
    unit: &Unit,
    unit_index: usize,
    names: &mut Names<'_>,
    sites: &Sites,
    zone: &mut ZoneData,
) {
    for spec in &unit.owners {
        let index = *zone.index.entry(spec.owner.value.clone()).or_insert_with(|| {
            zone.owners.push(OwnerData {
                name: spec.owner.value.clone(),
                site: spec.owner.site,
                sets: Vec::with_capacity(spec.data.len()),
                steered: None,
                tainted: false,
            });
            zone.owners.len() - 1
        });
        let owner = &mut zone.owners[index];
        owner.tainted |= spec.tainted;
        for data in &spec.data {
            let given = spec.ttl.as_ref().map(|ttl| ttl.value).or(data.ttl);
            let Some(set) = owner.sets.iter_mut().find(|set| set.rtype == data.rtype.value) else {
                owner.sets.push(SetData {
                    rtype: data.rtype.value,
                    site: data.rtype.site,
                    ttl: given.unwrap_or(unit.ttl),
                    rdata: data.rdata.clone(),
                });
                continue;
            };
            // One TTL an RRset (RFC 2181 section 5.2): the name's own in TOML, else the lowest.
            match (&spec.ttl, data.ttl) {
                (Some(own), _) => set.ttl = own.value,
                (None, Some(ttl)) if ttl != set.ttl => {
                    findings
                        .warning(
                            data.rtype.site,
                            code::MIXED_TTL,
                            format!("the {} records of `{}` have different TTLs", set.rtype, owner.name),
                        )
                        .label(format!("{ttl} s here, {} s before", set.ttl))
                        .help("the lowest is used for all of them");
                    set.ttl = set.ttl.min(ttl);
                }
                _ => {}
            }
            for rdata in &data.rdata {
                if !set.rdata.iter().any(|other| other.value == rdata.value) {
                    set.rdata.push(rdata.clone());
                }
            }
        }
        let Some(named) = &spec.route else { continue };
        let Some(route) = names.find(findings, Kind::Route, unit_index, named) else { continue };
        if let Some(before) = &owner.steered {
            findings
                .error(named.site, code::STEERED_TWICE, format!("`{}` has two routes", owner.name))
                .label("given again")
                .related(before.site, "given before");
            continue;
        }
        let own = spec.ttl.as_ref().or(sites.routes[route as usize].ttl.as_ref());
        owner.steered = Some(SteeredData {
            route: RouteId(route),
            site: named.site,
            ttl: own.map_or(STEERED_TTL, |ttl| ttl.value),
            ttl_site: own.map(|ttl| ttl.site),
        });
    }
}

fn zone_of(findings: &Findings, unit: &Unit, data: &ZoneData) -> Zone {
    let mut records = RecordsBuilder::new();
    for owner in &data.owners {
        for set in &owner.sets {
            records.push(owner.name.view(), set.rtype, set.ttl, set.rdata.iter().map(|rdata| &*rdata.value));
        }
    }
    let steered = data.owners.iter().filter_map(|owner| {
        let steered = owner.steered.as_ref()?;
        Some(Steered { owner: owner.name.clone(), route: steered.route, ttl: steered.ttl })
    });
    Zone {
        apex: data.apex.clone(),
        file: findings.path(unit.file).clone(),
        soa: soa(unit, data),
        records: Arc::new(records.finish()),
        steered: steered.collect(),
    }
}

fn soa(unit: &Unit, data: &ZoneData) -> Soa {
    let apex = &data.apex;
    let first_ns = || {
        let ns = data.owner(apex)?.set(RecordType::NS)?.rdata.first()?;
        Some(split_name(&ns.value)?.0)
    };
    let base = unit.master_soa.clone().unwrap_or_else(|| Soa {
        ttl: unit.ttl,
        mname: first_ns().unwrap_or_else(|| apex.clone()),
        rname: Name::parse("hostmaster", apex).unwrap_or_else(|_| apex.clone()),
        serial: unit.modified,
        refresh: REFRESH,
        retry: RETRY,
        expire: EXPIRE,
        minimum: MINIMUM,
    });
    let spec = &unit.soa;
    Soa {
        ttl: spec.ttl.unwrap_or(base.ttl),
        mname: spec.mname.clone().unwrap_or(base.mname),
        rname: spec.rname.clone().unwrap_or(base.rname),
        serial: spec.serial.unwrap_or(base.serial),
        refresh: spec.refresh.unwrap_or(base.refresh),
        retry: spec.retry.unwrap_or(base.retry),
        expire: spec.expire.unwrap_or(base.expire),
        minimum: spec.minimum.unwrap_or(base.minimum),
    }
}
