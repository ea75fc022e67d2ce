//! Specs to the model: names become ids, defaults are filled in, probes are made.
//!
//! Comes in: the units of all files. Goes out: a [`Model`], whole where there was no error, and the places of what is
//! in it for the lints. Invariant: what could not be resolved was told, and whatever depends on it is marked tainted
//! and not judged again.

mod names;
mod places;
mod probes;
mod routes;
mod zones;

use std::sync::Arc;

use super::code;
use super::content::Held;
use super::findings::{Findings, Site};
use super::lint;
use super::model::{
    Check, CheckId, CheckKind, Endpoint, EndpointId, EndpointRecords, Health, LatencyRow, Model, Server,
};
use super::spec::Unit;
use names::{Kind, Names};
use places::Places;
use probes::{CheckHome, Prober};

pub(crate) use routes::RouteSites;
pub(crate) use zones::{SteeredData, SteeredZone};

/// Where the parts of a model were written, by id.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    pub(crate) endpoints: Vec<Site>,
    /// Endpoints whose records were told as faulty.
    pub(crate) tainted_endpoints: Vec<bool>,
    pub(crate) routes: Vec<RouteSites>,
}

/// Resolves all units together. `modified`: when the newest file of each was written, UTC seconds.
pub(crate) fn resolve(
    findings: &mut Findings,
    units: &[Arc<Unit>],
    modified: &[u32],
    broken: &[Arc<String>],
    server: Server,
    latencies: Vec<LatencyRow>,
    held: &mut Held<'_>,
) -> Model {
    twice(findings, units);
    let mut names = Names::collect(findings, units, broken);
    let mut places = Places::new(units);
    places.all(findings, &mut names);
    let mut sites = Sites::default();
    let mut endpoints = endpoints(units, &names, &mut sites);
    let (checks, homes) = checks(units, &names);

    let mut prober = Prober::new(findings, &mut names, &checks, &homes, &endpoints);
    let mut healths = vec![Health::Unchecked; endpoints.len()];
    for (id, (unit, spec)) in each(units, |unit| &unit.endpoints).enumerate() {
        let Some(named) = &spec.check else { continue };
        let Some(check) = names.find(findings, Kind::Check, unit, named) else { continue };
        // Its addresses may be among what was told as faulty.
        if spec.tainted && spec.data.is_empty() {
            continue;
        }
        let endpoint = EndpointId(id as u32);
        healths[id] = prober.health(findings, CheckId(check), Some(endpoint), named.site).unwrap_or_default();
    }
    let routes = routes::routes(findings, units, &mut names, &mut places, &mut prober, &endpoints, &mut sites);
    let probes = std::mem::take(&mut prober.probes);
    for (endpoint, health) in endpoints.iter_mut().zip(healths) {
        endpoint.health = health;
    }
    let mut model = Model { server, endpoints, routes, checks, probes, latencies, ..Model::default() };
    let sound = routes::check_shape(findings, &model, &sites);
    let zones = zones::zones(findings, units, modified, &mut names, &mut model, &sites, held);
    if sound {
        lint::steering(findings, &model, &sites, &zones);
    }
    if findings.count() == 0 {
        // A name that was misspelt elsewhere is no unused one.
        for kind in Kind::ALL {
            for (name, site) in names.unused(kind) {
                findings
                    .warning(site, code::UNUSED, format!("{} `{name}` is never used", kind.noun()))
                    .label("nothing names it");
            }
        }
    }
    model
}

/// Every definition of a kind with the number of its unit, in the order of ids.
fn each<'u, T: 'u>(
    units: &'u [Arc<Unit>],
    of: impl Fn(&'u Unit) -> &'u Vec<T>,
) -> impl Iterator<Item = (usize, &'u T)> {
    units.iter().enumerate().flat_map(move |(index, unit)| of(unit).iter().map(move |spec| (index, spec)))
}

fn twice(findings: &mut Findings, units: &[Arc<Unit>]) {
    let mut first = std::collections::HashMap::new();
    for zone in units.iter().filter_map(|unit| unit.zone.as_ref()) {
        let Some(before) = first.insert(zone.value.clone(), zone.site) else { continue };
        let (here, there) = (findings.path(zone.site.file).clone(), findings.path(before.file).clone());
        findings
            .error(zone.site, code::ZONE_TWICE, format!("the zone `{}` is in two files", zone.value))
            .label(format!("in {}", here.display()))
            .related(before, format!("and in {}", there.display()))
            .help("keep one of the files; a master file can be the `import` of the other");
    }
}

fn endpoints(units: &[Arc<Unit>], names: &Names<'_>, sites: &mut Sites) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for (id, (_, spec)) in each(units, |unit| &unit.endpoints).enumerate() {
        sites.endpoints.push(spec.name.site);
        sites.tainted_endpoints.push(spec.tainted);
        let records = spec.data.iter().map(|data| EndpointRecords {
            rtype: data.rtype.value,
            rdata: data.rdata.iter().map(|rdata| rdata.value.clone()).collect(),
        });
        endpoints.push(Endpoint {
            name: names.full(Kind::Endpoint, id as u32, &spec.name.value),
            records: records.collect(),
            at: spec.at,
            region: spec.region.clone(),
            site: spec.site.clone(),
            status: spec.status,
            health: Health::Unchecked,
        });
    }
    endpoints
}

fn checks(units: &[Arc<Unit>], names: &Names<'_>) -> (Vec<Check>, Vec<CheckHome>) {
    let mut checks = Vec::new();
    let mut homes = Vec::new();
    for (id, (unit, spec)) in each(units, |unit| &unit.checks).enumerate() {
        homes.push(CheckHome {
            unit,
            operands: if matches!(spec.kind, Some(CheckKind::Calculated { .. })) {
                spec.of.clone()
            } else {
                Vec::new()
            },
            site: spec.name.site,
            faulty: spec.kind.is_none(),
        });
        checks.push(Check {
            name: names.full(Kind::Check, id as u32, &spec.name.value),
            // A faulty check keeps its place, so that ids stay in step; there is no model then.
            kind: spec.kind.clone().unwrap_or(CheckKind::Calculated { at_least: 0 }),
            interval: spec.interval,
            timeout: spec.timeout,
            fall: spec.fall,
            rise: spec.rise,
            inverted: spec.inverted,
            disabled: spec.disabled,
            allow_private: spec.allow_private,
            target: spec.target.as_ref().map(|target| target.value.clone()),
            port: spec.port,
        });
    }
    (checks, homes)
}
