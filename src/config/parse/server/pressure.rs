//! What holds under attack: rate limits and cookies.

use std::path::PathBuf;

use crate::config::code;
use crate::config::findings::{Findings, Written};
use crate::config::keys;
use crate::config::model::{Cookies, RateLimit};
use crate::config::parse::{Context, location};
use crate::config::walk::{self, Fields};
use crate::wire::cookie::{SECRET, Secret, Secrets};

pub(super) fn rate_limit(findings: &mut Findings, fields: &Fields<'_, '_>, limit: &mut RateLimit) {
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
}

pub(super) fn cookies(
    cx: &mut Context<'_, '_>,
    fields: &Fields<'_, '_>,
    beside: &dyn Fn(&Written<String>) -> PathBuf,
    cookies: &mut Cookies,
) {
    let Some((site, table)) = fields.table("cookies") else { return };
    let fields = walk::open(cx.findings, &keys::COOKIES, table, site, None);
    if let Some(named) = fields.text("secret_file")
        && let Some(text) = cx.files.read(cx.findings, &beside(&named), Some(named.site))
    {
        let lines = text.text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let mut secrets = Vec::new();
        for (number, line) in lines {
            match secret(line) {
                Some(secret) => secrets.push(secret),
                // Told where the file is named, since what is told shows the line that it speaks of.
                None => {
                    cx.findings
                        .error(named.site, code::COOKIE_SECRET, format!("line {} of it is no secret", number + 1))
                        .label(format!("expected {} hexadecimal digits a line", 2 * SECRET));
                }
            }
        }
        if text.text.trim().is_empty() {
            cx.findings
                .error(named.site, code::COOKIE_SECRET, "the file holds no secret")
                .label(format!("expected {} hexadecimal digits a line", 2 * SECRET));
        }
        *cookies = Cookies::Shared(Secrets::new(secrets));
    }
    if fields.flag("enabled").is_some_and(|enabled| !enabled.value) {
        *cookies = Cookies::Off;
    }
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
