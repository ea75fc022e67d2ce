//! Zones of the model, their steered names looked up.

use std::sync::Arc;

use super::Sites;
use super::names::{Kind, Names};
use crate::config::code;
use crate::config::content::Held;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::{Allowed, Ground, Model, Notified, RouteId, Soa, Steered, Transfer, TsigKey, Zone};
use crate::config::spec::{OriginSpec, SteeredSpec, TransferSpec, Unit};
use crate::config::suggest::did_you_mean;
use crate::wire::Name;

/// Reply TTL of steered names that say none, in seconds (G7).
const STEERED_TTL: u32 = 30;

/// A steered name as it was written.
#[derive(Debug)]
pub(crate) struct SteeredData<'u> {
    pub(crate) spec: &'u SteeredSpec,
    pub(crate) route: RouteId,
    /// Where the route is named.
    pub(crate) site: Site,
    pub(crate) ttl: u32,
    /// Where the TTL is written, if it is.
    pub(crate) ttl_site: Option<Site>,
}

/// The steered names of a zone, for the lints.
#[derive(Debug)]
pub(crate) struct SteeredZone<'u> {
    pub(crate) apex: &'u Name,
    /// Where that is written.
    pub(crate) site: Site,
    pub(crate) names: Vec<SteeredData<'u>>,
}

/// Makes the zones of the model and what the lints look at. `modified`: when the newest file of each unit was written.
pub(super) fn zones<'u>(
    findings: &mut Findings,
    units: &'u [Arc<Unit>],
    modified: &[u32],
    names: &mut Names<'_>,
    model: &mut Model,
    sites: &Sites,
    held: &mut Held<'_>,
) -> Vec<SteeredZone<'u>> {
    let mut all = Vec::new();
    for (index, (unit, &modified)) in units.iter().zip(modified).enumerate() {
        let Some(named) = &unit.zone else { continue };
        let steered: Vec<_> =
            unit.steered.iter().filter_map(|spec| look_up(findings, spec, index, names, sites)).collect();
        let of_model =
            |data: &SteeredData<'_>| Steered { owner: data.spec.owner.clone(), route: data.route, ttl: data.ttl };
        let serial = if unit.is_serial_of_time { modified } else { unit.soa.serial };
        let zone = Zone {
            apex: named.value.clone(),
            file: findings.path(unit.file).clone(),
            soa: Soa { serial, ..unit.soa.clone() },
            records: Arc::clone(&unit.records),
            steered: steered.iter().map(of_model).collect(),
            transfer: transfer(findings, &unit.transfer, &model.server.keys),
            expiry: None,
        };
        match &unit.origin {
            None => model.zones.push(Arc::new(zone)),
            Some(OriginSpec { origin, site, keys }) => {
                for key in keys {
                    let text = key.value.to_string();
                    tsig_key(findings, key.site, text.trim_end_matches('.'), &model.server.keys);
                }
                let answered = zone.steered.iter().map(|steered| model.types_below(steered.route));
                let answered = answered.map(|types| types.into_iter().collect()).collect();
                let ground = Arc::new(Ground { zone, origin: origin.clone(), answered });
                let routes: Vec<_> = steered.iter().map(|steered| steered.site).collect();
                match held.complete(findings, &ground, *site, &routes) {
                    Some(zone) => model.zones.push(Arc::new(zone)),
                    None => {
                        let apex = &ground.zone.apex;
                        model.unloaded.push(apex.clone());
                        model.expired.extend(held.holdings.is_expired(apex).then(|| apex.clone()));
                    }
                }
                model.grounds.push(ground);
            }
        }
        all.push(SteeredZone { apex: &named.value, site: named.site, names: steered });
    }
    all
}

/// Who may copy a zone and who is told, their keys looked up.
fn transfer(findings: &mut Findings, spec: &TransferSpec, keys: &[TsigKey]) -> Transfer {
    let mut key = |named: &Option<Written<String>>| match named {
        None => Some(None),
        Some(named) => tsig_key(findings, named.site, &named.value, keys).map(Some),
    };
    Transfer {
        to: spec.to.iter().filter_map(|(from, named)| Some(Allowed { from: *from, key: key(named)? })).collect(),
        notify: spec.notify.iter().filter_map(|(to, named)| Some(Notified { to: *to, key: key(named)? })).collect(),
    }
}

/// The name of a key that there is.
fn tsig_key(findings: &mut Findings, site: Site, named: &str, keys: &[TsigKey]) -> Option<Name> {
    let found = keys.iter().find(|key| Name::absolute(named).is_ok_and(|name| name == key.name));
    if found.is_none() {
        let known: Vec<String> = keys.iter().map(|key| key.name.to_string().trim_end_matches('.').to_owned()).collect();
        findings
            .error(site, code::UNKNOWN_TSIG_KEY, format!("no key `{named}`"))
            .label("not among `[keys]` of the server file")
            .maybe_help(did_you_mean(named, known.iter().map(String::as_str)));
    }
    found.map(|key| key.name.clone())
}

/// The route that answers a name.
fn look_up<'u>(
    findings: &mut Findings,
    spec: &'u SteeredSpec,
    unit: usize,
    names: &mut Names<'_>,
    sites: &Sites,
) -> Option<SteeredData<'u>> {
    let mut found: Option<SteeredData<'u>> = None;
    for (named, ttl) in &spec.routes {
        let Some(route) = names.find(findings, Kind::Route, unit, named) else { continue };
        if let Some(before) = &found {
            findings
                .error(named.site, code::STEERED_TWICE, format!("`{}` has two routes", spec.owner))
                .label("given again")
                .related(before.site, "given before");
            continue;
        }
        let own = ttl.as_ref().or(sites.routes[route as usize].ttl.as_ref());
        found = Some(SteeredData {
            spec,
            route: RouteId(route),
            site: named.site,
            ttl: own.map_or(STEERED_TTL, |ttl| ttl.value),
            ttl_site: own.map(|ttl| ttl.site),
        });
    }
    found
}
