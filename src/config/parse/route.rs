//! `[routes.NAME]` and its members.

use toml::de::{DeTable, DeValue};

use super::endpoint::status;
use super::{choice, place};
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::keys;
use crate::config::model::Status;
use crate::config::model::{AllDown, MinHealthy, NoMatch, Policy};
use crate::config::scalar;
use crate::config::spec::{Leads, MemberSpec, RouteSpec, StickySpec};
use crate::config::walk::{self, Fields, Value};

/// M3.
const MAX_ANSWERS: usize = 8;

const NAMED: &[(&str, Policy)] = &[
    ("simple", Policy::Simple),
    ("weighted", Policy::Weighted),
    ("failover", Policy::Failover),
    ("multivalue", Policy::Multivalue),
    ("latency", Policy::Latency),
    ("geolocation", Policy::Geolocation),
    ("geoproximity", Policy::Geoproximity),
    ("ip", Policy::Ip),
];

pub(super) fn route(findings: &mut Findings, name: &Written<&str>, table: &DeTable<'_>) -> RouteSpec {
    let variant = table.get("policy").and_then(|value| value.get_ref().as_str()).filter(|p| keys::POLICIES.contains(p));
    let before = findings.count();
    let fields = walk::open(findings, &keys::ROUTE, table, name.site, variant);
    let to = fields.value("to");
    let mut members = Vec::new();
    for value in to.map_or(&[][..], |(value, _)| walk::elements(value)) {
        members.push(member(findings, value, name.site, variant));
    }
    if members.is_empty()
        && let Some((_, site)) = to
    {
        findings
            .error(site, code::NO_DATA, format!("route `{}` has no members", name.value))
            .label("expected at least one member");
    }
    let no_match = fields.text("no_match").and_then(|text| {
        let value = choice(&text.value, &[("nodata", NoMatch::Nodata), ("next", NoMatch::Next)])?;
        Some(Written::new(value, text.site))
    });
    let all_down = fields
        .text("all_down")
        .and_then(|text| choice(&text.value, &[("all", AllDown::All), ("nodata", AllDown::Nodata)]));
    let min_healthy = min_healthy(findings, &fields);
    let last_resort = last_resort(findings, &fields);
    RouteSpec {
        name: name.clone().map(str::to_owned),
        policy: variant.and_then(|variant| choice(variant, NAMED)),
        to: fields.key_site("to").unwrap_or(name.site),
        members,
        ttl: fields.ttl("ttl"),
        max_answers: fields.integer("max_answers").map_or(MAX_ANSWERS, |written| written.value as usize),
        min_healthy,
        last_resort,
        all_down: all_down.unwrap_or_default(),
        no_match,
        fence: fields.flag("fence").is_some_and(|written| written.value),
        sticky: sticky(&fields),
        tolerance: fields
            .duration("tolerance")
            .map_or(0, |written| u32::try_from(written.value.as_millis() * 10).unwrap_or(u32::MAX)),
        tainted: findings.count() > before,
    }
}

fn min_healthy(findings: &mut Findings, fields: &Fields<'_, '_>) -> Option<Written<MinHealthy>> {
    if let Some(count) = fields.integer("min_healthy") {
        return Some(count.map(|count| MinHealthy::Count(count as u32)));
    }
    let text = fields.text("min_healthy")?;
    let Some(percent) = scalar::percent(&text.value) else {
        findings
            .error(text.site, code::UNKNOWN_VALUE, format!("`{}` is no count of members", text.value))
            .label("expected an integer, or `1%` to `100%`");
        return None;
    };
    Some(Written::new(MinHealthy::Percent(percent), text.site))
}

fn sticky(fields: &Fields<'_, '_>) -> Option<StickySpec> {
    match fields.flag("sticky") {
        Some(flag) => flag.value.then_some(StickySpec::Own),
        None => fields.text("sticky").map(|salt| StickySpec::Salt(salt.value)),
    }
}

fn last_resort(findings: &mut Findings, fields: &Fields<'_, '_>) -> Option<Leads> {
    let (site, table) = fields.table("last_resort")?;
    let fields = walk::open(findings, &keys::LAST_RESORT, table, site, None);
    match (fields.text("endpoint"), fields.text("route")) {
        (Some(endpoint), None) => Some(Leads::Endpoint(endpoint)),
        (None, Some(route)) => Some(Leads::Route(route)),
        (None, None) if !table.is_empty() && table.len() > fields_count(&fields) => None,
        _ => {
            findings
                .error(site, code::MEMBER_TARGET, "`last_resort` needs an `endpoint` or a `route`")
                .label("expected exactly one of them");
            None
        }
    }
}

/// How many of the keys that lead somewhere were read without a fault.
fn fields_count(fields: &Fields<'_, '_>) -> usize {
    ["endpoint", "route"].iter().filter(|key| fields.key_site(key).is_some()).count()
}

fn member(findings: &mut Findings, value: &Value<'_>, route: Site, variant: Option<&str>) -> MemberSpec {
    let site = Site::new(route.file, value.span());
    let mut spec = MemberSpec {
        site,
        leads: None,
        locations: Vec::new(),
        weight: Written::new(1, site),
        bias: 0,
        at: None,
        region: None,
        check: None,
        status: Status::Auto,
        follow_health: true,
    };
    let table = match value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::String(name) => {
            spec.leads = Some(Leads::Either(Written::new(name.as_ref().to_owned(), site)));
            return spec;
        }
        _ => return spec,
    };
    let fields = walk::open(findings, &keys::MEMBER, table, site, variant);
    spec.leads = leads(findings, &fields, table);
    spec.locations = fields.texts("where");
    if let Some(weight) = fields.integer("weight") {
        spec.weight = weight.map(|weight| weight as u16);
    }
    spec.bias = fields.integer("bias").map_or(0, |bias| bias.value as i8);
    let at = fields.text("at").and_then(|at| place::coordinates(findings, &at));
    spec.region = fields.text("region").map(|region| region.value).or_else(|| at.as_ref()?.1.clone());
    spec.at = at.map(|(at, _)| at);
    spec.check = fields.text("check");
    spec.status = status(&fields);
    spec.follow_health = fields.flag("follow_health").is_none_or(|flag| flag.value);
    spec
}

fn leads(findings: &mut Findings, fields: &Fields<'_, '_>, table: &DeTable<'_>) -> Option<Leads> {
    let endpoint = fields.text("endpoint");
    let endpoints = fields.value("endpoints");
    let route = fields.text("route");
    match (endpoint, endpoints, route) {
        (Some(endpoint), None, None) => Some(Leads::Endpoint(endpoint)),
        (None, None, Some(route)) => Some(Leads::Route(route)),
        (None, Some((value, site)), None) => {
            let names = fields.texts("endpoints");
            if names.is_empty() && value.get_ref().is_array() {
                findings.error(site, code::NO_DATA, "`endpoints` is empty").label("expected at least one endpoint");
                return None;
            }
            Some(Leads::Endpoints(names, site))
        }
        (None, None, None) => {
            // A faulty target was told already.
            if !["endpoint", "endpoints", "route"].iter().any(|key| table.contains_key(*key)) {
                findings
                    .error(fields.site, code::MEMBER_TARGET, "this member leads nowhere")
                    .label("expected `endpoint`, `endpoints` or `route`");
            }
            None
        }
        _ => {
            findings
                .error(fields.site, code::MEMBER_TARGET, "this member leads to several things")
                .label("expected one of `endpoint`, `endpoints` and `route`")
                .help("several endpoints are `endpoints = [\"…\", \"…\"]`");
            None
        }
    }
}
