//! Where more of a zone comes from than its files say: primaries, or those who may update it.

use std::net::{IpAddr, SocketAddr};

use super::zone::bad_name;
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::keys;
use crate::config::model::{Grant, Origin, Primary};
use crate::config::spec::OriginSpec;
use crate::config::suggest::did_you_mean;
use crate::config::walk::{self, Fields};
use crate::wire::{Name, RecordType};

/// The port of DNS.
const PORT: u16 = 53;
/// Keys that mean nothing in a zone that a primary has.
const NOT_SECONDARY: [(&str, &str); 3] = [
    ("import", "the zone comes from its primary"),
    ("soa", "the primary's SOA is served"),
    ("update", "changes go to the primary"),
];

/// What `primary` and `[update]` of a zone say.
pub(super) fn origin(findings: &mut Findings, fields: &Fields<'_, '_>, zone: &Name) -> Option<OriginSpec> {
    let Some(site) = fields.key_site("primary") else { return updates(findings, fields, zone) };
    for (key, why) in NOT_SECONDARY {
        if let Some(beside) = fields.key_site(key) {
            findings
                .error(beside, code::SECONDARY_KEY, format!("`{key}` means nothing in a secondary zone"))
                .label(why)
                .related(site, "this makes it a secondary zone")
                .help("leave one of them out");
        }
    }
    let (value, _) = fields.value("primary")?;
    let mut named = Vec::new();
    let mut primaries: Vec<Primary> = Vec::new();
    for element in walk::elements(value) {
        let primary = match element.get_ref().as_table() {
            Some(table) => {
                let here = Site::new(site.file, element.span());
                let fields = walk::open(findings, &keys::PRIMARY, table, here, None);
                let key = key_name(findings, fields.text("key"));
                let address = fields.text("address").and_then(|text| address(findings, &text));
                named.extend(key.clone());
                address.map(|address| Primary { address, key: key.map(|key| key.value) })
            }
            None => walk::text_of(element, site.file)
                .and_then(|text| address(findings, &text.map(str::to_owned)))
                .map(|address| Primary { address, key: None }),
        };
        primaries.extend(primary.filter(|primary| !primaries.contains(primary)));
    }
    if walk::elements(value).is_empty() {
        nothing(findings, site, "`primary` names no server", "expected at least one address");
    }
    Some(OriginSpec { origin: Origin::Primaries(primaries), site, keys: named })
}

fn updates(findings: &mut Findings, fields: &Fields<'_, '_>, zone: &Name) -> Option<OriginSpec> {
    let (site, table) = fields.table("update")?;
    let fields = walk::open(findings, &keys::UPDATE, table, site, None);
    let (value, _) = fields.value("keys")?;
    let mut named = Vec::new();
    let mut grants = Vec::new();
    for element in walk::elements(value) {
        let Some(table) = element.get_ref().as_table() else {
            let text = walk::text_of(element, site.file).map(|text| text.map(str::to_owned));
            let Some(key) = key_name(findings, text) else { continue };
            named.push(key.clone());
            grants.push(Grant { key: key.value, names: Vec::new(), types: Vec::new() });
            continue;
        };
        let here = Site::new(site.file, element.span());
        let fields = walk::open(findings, &keys::GRANT, table, here, None);
        let names = fields.texts("names").iter().filter_map(|text| inner_name(findings, text, zone)).collect();
        let types = fields.texts("types").iter().filter_map(|text| record_type(findings, text)).collect();
        let Some(key) = key_name(findings, fields.text("key")) else { continue };
        named.push(key.clone());
        grants.push(Grant { key: key.value, names, types });
    }
    if walk::elements(value).is_empty() {
        nothing(findings, site, "`[update]` names no key", "expected at least one key");
    }
    Some(OriginSpec { origin: Origin::Updates(grants), site, keys: named })
}

fn nothing(findings: &mut Findings, site: Site, message: &str, label: &str) {
    findings.error(site, code::NO_DATA, message).label(label);
}

fn key_name(findings: &mut Findings, text: Option<Written<String>>) -> Option<Written<Name>> {
    let text = text?;
    match Name::absolute(&text.value) {
        Ok(name) => Some(Written::new(name, text.site)),
        Err(error) => {
            bad_name(findings, text.site, &text.value, &error.to_string());
            None
        }
    }
}

fn inner_name(findings: &mut Findings, text: &Written<String>, zone: &Name) -> Option<Name> {
    match Name::parse(&text.value, zone) {
        Ok(name) if name.is_within(zone) => Some(name),
        Ok(_) => {
            findings
                .error(text.site, code::OUT_OF_ZONE, format!("`{}` is not in the zone `{zone}`", text.value))
                .label("out of zone");
            None
        }
        Err(error) => {
            bad_name(findings, text.site, &text.value, &error.to_string());
            None
        }
    }
}

fn record_type(findings: &mut Findings, text: &Written<String>) -> Option<RecordType> {
    let is_stored = |name: &str| name.parse().is_ok_and(|rtype: RecordType| !rtype.is_meta());
    let found = text.value.parse().ok().filter(|_| is_stored(&text.value));
    if found.is_none() {
        findings
            .error(text.site, code::UNKNOWN_VALUE, format!("`{}` is no record type", text.value))
            .label("expected such as `TXT` or `TYPE731`")
            .maybe_help(did_you_mean(&text.value, RecordType::mnemonics().filter(|name| is_stored(name))));
    }
    found
}

fn address(findings: &mut Findings, text: &Written<String>) -> Option<SocketAddr> {
    let with_port = text.value.parse().ok();
    let found = with_port.or_else(|| Some(SocketAddr::new(text.value.parse::<IpAddr>().ok()?, PORT)));
    if found.is_none_or(|address| address.port() == 0) {
        findings
            .error(text.site, code::BAD_ADDRESS, format!("`{}` is no address of a server", text.value))
            .label("expected such as `192.0.2.1:53` or `[2001:db8::1]:53`")
            .help("names are not looked up: where a zone comes from must not depend on another server");
        return None;
    }
    found
}
