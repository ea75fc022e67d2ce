//! What holds under attack: rate limits and cookies.

use std::path::PathBuf;

use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::keys;
use crate::config::model::{Cookies, Server, Transport};
use crate::config::parse::location;
use crate::config::regular;
use crate::config::walk::{self, Fields};
use crate::wire::cookie::{SECRET, Secret, Secrets};

pub(super) fn rate_limit(findings: &mut Findings, fields: &Fields<'_, '_>, server: &mut Server) {
    let limit = &mut server.rate_limit;
    let Some((site, table)) = fields.table("rate_limit") else { return };
    let fields = walk::open(findings, &keys::RATE_LIMIT, table, site, None);
    if let Some(rate) = fields.integer("rate") {
        limit.rate = u32::try_from(rate.value).ok().filter(|&rate| rate > 0);
    }
    if fields.key_site("exempt").is_some() {
        let networks = fields.texts("exempt");
        limit.exempt = networks.iter().filter_map(|text| location::network(findings, text.site, &text.value)).collect();
    }
    if let Some(log_only) = fields.flag("log_only") {
        limit.log_only = log_only.value;
    }
    if server.transport == Transport::Hickory && limit.rate.is_some() {
        findings
            .warning(site, code::UNUSED, "`[rate_limit]` is not applied with `transport = \"hickory\"`")
            .label("the portable transport answers every datagram in full");
    }
}

/// Secrets are read past the files that a load keeps, so that no copy of them is made. `is_last_good`: what is read was
/// served before, and a secret that has gone since keeps nothing else from being served again; one is drawn then.
pub(super) fn cookies(
    findings: &mut Findings,
    fields: &Fields<'_, '_>,
    beside: &dyn Fn(&Written<String>) -> PathBuf,
    is_last_good: bool,
    server: &mut Server,
) {
    let Some((site, table)) = fields.table("cookies") else { return };
    let fields = walk::open(findings, &keys::COOKIES, table, site, None);
    if let Some(named) = fields.text("secret_file") {
        let path = beside(&named);
        match regular::read_to_string(&path) {
            Ok(text) => server.cookies = Cookies::Shared(secrets(findings, &text, named.site)),
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                let found = match is_last_good {
                    true => findings.warning(named.site, code::COOKIE_SECRET, message),
                    false => findings.error(named.site, code::COOKIE_SECRET, message),
                };
                found.label("named here");
            }
        }
        server.secret_files.push(path);
    }
    if fields.flag("enabled").is_some_and(|enabled| !enabled.value) {
        server.cookies = Cookies::Off;
    }
}

/// One a line. Faults are told where the file is named, since what is told shows the line that it speaks of.
fn secrets(findings: &mut Findings, text: &str, site: Site) -> Secrets {
    let expected = || format!("expected {} hexadecimal digits a line", 2 * SECRET);
    let mut secrets = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        match secret(line) {
            Some(secret) => secrets.push(secret),
            None => {
                let message = format!("line {} of it is no secret", number + 1);
                findings.error(site, code::COOKIE_SECRET, message).label(expected());
            }
        }
    }
    if text.trim().is_empty() {
        findings.error(site, code::COOKIE_SECRET, "the file holds no secret").label(expected());
    }
    Secrets::new(secrets)
}

fn secret(line: &str) -> Option<Secret> {
    let mut octets = [0; SECRET];
    let digits = line.as_bytes();
    if digits.len() != 2 * SECRET {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(digits.as_chunks::<2>().0) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *octet = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(Secret(octets))
}
