//! `[transfer]` of a zone.

use std::net::{IpAddr, SocketAddr};

use super::location;
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::keys;
use crate::config::spec::TransferSpec;
use crate::config::walk::{self, Fields};

/// Where name servers listen.
const PORT: u16 = 53;

pub(super) fn transfer(findings: &mut Findings, fields: &Fields<'_, '_>) -> TransferSpec {
    let mut spec = TransferSpec::default();
    let Some((site, table)) = fields.table("transfer") else { return spec };
    let fields = walk::open(findings, &keys::TRANSFER, table, site, None);
    for (text, entry) in entries(&fields, "to") {
        match (text, entry) {
            (Some(text), _) => {
                if let Some(net) = location::network(findings, text.site, &text.value) {
                    spec.to.push((Some(net), None));
                }
            }
            (None, Some((site, table))) => {
                let fields = walk::open(findings, &keys::TRANSFER_TO, table, site, None);
                let (from, key) = (fields.text("from"), fields.text("key"));
                if from.is_none() && key.is_none() {
                    findings
                        .error(site, code::OPEN_TRANSFER, "this entry lets everybody copy the zone")
                        .label("neither `from` nor `key`")
                        .help("if that is meant, say so: `to = [\"0.0.0.0/0\", \"::/0\"]`");
                    continue;
                }
                let net = from.as_ref().map(|from| location::network(findings, from.site, &from.value));
                if net != Some(None) {
                    spec.to.push((net.flatten(), key));
                }
            }
            (None, None) => {}
        }
    }
    for (text, entry) in entries(&fields, "notify") {
        let (to, key) = match (text, entry) {
            (Some(text), _) => (Some(text), None),
            (None, Some((site, table))) => {
                let fields = walk::open(findings, &keys::TRANSFER_NOTIFY, table, site, None);
                (fields.text("to"), fields.text("key"))
            }
            (None, None) => continue,
        };
        if let Some(address) = to.and_then(|to| server(findings, &to)) {
            spec.notify.push((address, key));
        }
    }
    spec
}

/// A text, or a table and where it stands.
type Entry<'a, 'i> = (Option<Written<String>>, Option<(Site, &'a ::toml::de::DeTable<'i>)>);

fn entries<'a, 'i>(fields: &Fields<'a, 'i>, key: &str) -> Vec<Entry<'a, 'i>> {
    let Some((value, _)) = fields.value(key) else { return Vec::new() };
    let file = fields.site.file;
    let entry = |value: &'a walk::Value<'i>| {
        let text = walk::text_of(value, file).map(|text| text.map(str::to_owned));
        (text, value.get_ref().as_table().map(|table| (Site::new(file, value.span()), table)))
    };
    walk::elements(value).iter().map(entry).collect()
}

/// An address with or without a port.
pub(super) fn server(findings: &mut Findings, text: &Written<String>) -> Option<SocketAddr> {
    let with_port = text.value.parse().ok();
    let found = with_port.or_else(|| Some(SocketAddr::new(text.value.parse::<IpAddr>().ok()?, PORT)));
    if found.is_none() {
        findings
            .error(text.site, code::BAD_ADDRESS, format!("`{}` is no address of a server", text.value))
            .label("expected such as `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`");
    }
    found
}
