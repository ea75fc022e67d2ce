//! The latency table: lines of `client,region,milliseconds` (L2).

use std::collections::HashMap;

use super::location::{self, Parsed};
use crate::config::code;
use crate::config::files::Text;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::{LatencyRow, Location};
use crate::config::scalar;

/// Reads all rows; `#` begins a comment, and a first line of column names is passed over.
pub(super) fn rows(findings: &mut Findings, text: &Text) -> Vec<LatencyRow> {
    let mut rows = Vec::new();
    let mut seen: HashMap<(Location, String), Site> = HashMap::new();
    let mut start = 0;
    for line in text.text.split_inclusive('\n') {
        let line_start = start;
        start += line.len();
        let content = line.split('#').next().unwrap_or_default().trim_end();
        if content.trim().is_empty() || (line_start == 0 && content.starts_with("client,")) {
            continue;
        }
        let whole = Site::new(text.id, line_start..line_start + content.len());
        let mut fields = Vec::new();
        let mut at = line_start;
        for field in content.split(',') {
            let trimmed = field.trim();
            let begin = at + (field.len() - field.trim_start().len());
            fields.push(Written::new(trimmed, Site::new(text.id, begin..begin + trimmed.len())));
            at += field.len() + 1;
        }
        let [client, region, milliseconds] = &fields[..] else {
            row_error(
                findings,
                whole,
                format!("expected 3 fields, found {}", fields.len()),
                "expected `client,region,milliseconds`",
            );
            continue;
        };
        let client = client_of(findings, client);
        if region.value.is_empty() {
            row_error(
                findings,
                region.site,
                "the region is empty".to_owned(),
                "expected a label such as `aws:eu-west-1`",
            );
            continue;
        }
        let Some(tenths) = scalar::tenths(milliseconds.value) else {
            row_error(
                findings,
                milliseconds.site,
                format!("`{}` is no latency", milliseconds.value),
                "expected milliseconds such as `11.5`",
            );
            continue;
        };
        let Some(client) = client else { continue };
        if let Some(first) = seen.insert((client, region.value.to_owned()), whole) {
            findings
                .error(whole, code::DUPLICATE_LOCATION, "the same client and region twice")
                .label("given again")
                .related(first, "given before");
            continue;
        }
        rows.push(LatencyRow { client, region: region.value.to_owned(), tenths });
    }
    rows
}

fn row_error(findings: &mut Findings, site: Site, message: String, label: &str) {
    findings.error(site, code::TABLE_ROW, message).label(label);
}

fn client_of(findings: &mut Findings, client: &Written<&str>) -> Option<Location> {
    // A network stands without its kind.
    if !client.value.is_empty() && client.value.bytes().all(|b| b.is_ascii_hexdigit() || b".:/".contains(&b)) {
        let network = location::network(findings, client.site, client.value)?;
        location::warn_long_prefix(findings, network, client.site);
        return Some(Location::Net(network));
    }
    match location::location(findings, &client.clone().map(str::to_owned))? {
        Parsed::One(Location::Default) | Parsed::Place(_) => {
            row_error(
                findings,
                client.site,
                format!("`{}` is no client", client.value),
                "expected a network, `asn:`, `subdivision:`, `country:` or `continent:`",
            );
            None
        }
        Parsed::One(location) => Some(location),
    }
}
