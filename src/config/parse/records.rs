//! Owners and record data.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::zone::bad_name;
use crate::config::code;
use crate::config::findings::{FileId, Findings, Written};
use crate::config::keys;
use crate::config::pack;
use crate::config::spec::{DataSpec, OwnerSpec};
use crate::config::walk::{self, Fields, Value};
use crate::wire::{Name, RecordType, text};

pub(super) fn owners(findings: &mut Findings, fields: &Fields<'_, '_>, origin: &Name) -> Vec<OwnerSpec> {
    let mut owners = Vec::new();
    for (key, table) in fields.tables(findings, "records") {
        let owner = match Name::parse(key.value, origin) {
            Ok(owner) => owner,
            Err(error) => {
                bad_name(findings, key.site, key.value, &error.to_string());
                continue;
            }
        };
        if !owner.is_within(origin) {
            findings
                .error(key.site, code::OUT_OF_ZONE, format!("`{}` is not in the zone `{origin}`", key.value))
                .label("out of zone")
                .maybe_help(
                    key.value.ends_with('.').then(|| "names without a final dot are relative to the zone".to_owned()),
                );
            continue;
        }
        let before = findings.count();
        let fields = walk::open(findings, &keys::OWNER, table, key.site, None);
        let data = data(findings, &fields.records, origin);
        let route = fields.text("route");
        if data.is_empty() && route.is_none() && table.is_empty() {
            findings
                .error(key.site, code::NO_DATA, format!("`{}` holds nothing", key.value))
                .label("expected record types or `route`");
        }
        owners.push(OwnerSpec {
            owner: Written::new(owner, key.site),
            ttl: fields.ttl("ttl"),
            route,
            data,
            tainted: findings.count() > before,
        });
    }
    owners
}

/// The records of an owner or an endpoint.
pub(super) fn data(
    findings: &mut Findings,
    records: &[(Written<RecordType>, &Value<'_>)],
    origin: &Name,
) -> Vec<DataSpec> {
    let mut data = Vec::with_capacity(records.len());
    for (rtype, value) in records {
        if refused(findings, rtype) {
            continue;
        }
        let values = walk::elements(value);
        if values.is_empty() {
            findings
                .error(rtype.site, code::NO_DATA, format!("`{}` holds no record", rtype.value))
                .label("expected at least one value");
        }
        let mut rdata: Vec<Written<Box<[u8]>>> = Vec::with_capacity(values.len());
        for value in values {
            if let Some(one) = rdata_of(findings, rtype.value, value, rtype.site.file, origin)
                // Duplicates go (RFC 2181 section 5).
                && !rdata.iter().any(|other| other.value == one.value)
            {
                rdata.push(one);
            }
        }
        if !rdata.is_empty() {
            data.push(DataSpec { rtype: rtype.clone(), rdata });
        }
    }
    data
}

/// Types that no one writes: questions, pseudo-records, and what rhumb makes itself.
fn refused(findings: &mut Findings, rtype: &Written<RecordType>) -> bool {
    let help = match rtype.value {
        RecordType::SOA => "write it as `[soa]`",
        RecordType(0) | RecordType::OPT | RecordType(128..=255) => "it is no type of records in a zone",
        _ => return false,
    };
    findings
        .error(rtype.site, code::REFUSED_TYPE, format!("`{}` cannot be written here", rtype.value))
        .label("refused")
        .help(help);
    true
}

fn rdata_of(
    findings: &mut Findings,
    rtype: RecordType,
    value: &Value<'_>,
    file: FileId,
    origin: &Name,
) -> Option<Written<Box<[u8]>>> {
    let written = walk::text_of(value, file)?;
    let text = written.value.trim();
    match rtype {
        RecordType::A if text.parse::<Ipv6Addr>().is_ok() => {
            return wrong_family(findings, &written, "IPv6", "A", "AAAA");
        }
        RecordType::AAAA if text.parse::<Ipv4Addr>().is_ok() => {
            return wrong_family(findings, &written, "IPv4", "AAAA", "A");
        }
        _ => {}
    }
    // A text without quotes is taken as it stands, blanks around it included.
    let is_bare = matches!(rtype, RecordType::TXT | RecordType::SPF) && !text.starts_with('"');
    let whole = if is_bare { written.value } else { text };
    let bytes = text::parse_rdata(rtype, whole, origin).map_err(|error| error.message);
    match bytes {
        Ok(bytes) => {
            if let Some(fault) = text::rdata_fault(rtype, &bytes) {
                pack::unusable(findings, written.site, rtype, &fault);
            }
            Some(Written::new(bytes, written.site))
        }
        Err(message) => {
            findings.error(written.site, code::BAD_RECORD, format!("`{text}` is no {rtype} record")).label(message);
            None
        }
    }
}

fn wrong_family<T>(
    findings: &mut Findings,
    written: &Written<&str>,
    family: &str,
    rtype: &str,
    right: &str,
) -> Option<T> {
    findings
        .error(written.site, code::WRONG_FAMILY, format!("`{}` is an {family} address in {rtype}", written.value))
        .label("wrong family")
        .help(format!("write it as `{right}`"));
    None
}
