//! `[checks.NAME]`.

use std::net::IpAddr;
use std::time::Duration;

use toml::de::DeTable;

use super::zone::bad_name;
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::keys;
use crate::config::model::{CheckKind, ProbeTarget};
use crate::config::scalar;
use crate::config::spec::CheckSpec;
use crate::config::walk::{self, Fields};
use crate::wire::{Name, RecordType};

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);
const FALL: u32 = 3;
const RISE: u32 = 2;
/// Statuses that pass (H2).
const PASSING: (u16, u16) = (200, 399);
/// NOERROR.
const RCODE_NOERROR: u16 = 0;
/// More probes a second than this of one address would be a flood.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn check(findings: &mut Findings, name: &Written<&str>, table: &DeTable<'_>) -> CheckSpec {
    let variant =
        table.get("type").and_then(|value| value.get_ref().as_str()).filter(|t| keys::CHECK_TYPES.contains(t));
    let fields = walk::open(findings, &keys::CHECK, table, name.site, variant);
    let interval = fields.duration("interval");
    let timeout = fields.duration("timeout");
    let (every, within) =
        (interval.as_ref().map_or(INTERVAL, |i| i.value), timeout.as_ref().map_or(TIMEOUT, |t| t.value));
    if let Some(short) = interval.as_ref().filter(|interval| interval.value < SHORTEST_INTERVAL) {
        findings.error(short.site, code::OUT_OF_RANGE, "`interval` is too short").label("expected at least `100ms`");
    }
    if within.is_zero()
        && let Some(zero) = &timeout
    {
        findings.error(zero.site, code::OUT_OF_RANGE, "`timeout` is zero").label("expected at least `1ms`");
    }
    if within >= every {
        let site = timeout.or(interval).map_or(name.site, |written| written.site);
        findings
            .error(site, code::TIMEOUT, format!("check `{}`: the timeout is not below the interval", name.value))
            .label(format!("timeout {within:?}, interval {every:?}"))
            .help("one probe must end before the next begins");
    }
    let whole = |key, default: u32| fields.integer(key).map_or(default, |written| written.value as u32);
    let flag = |key| fields.flag(key).is_some_and(|written| written.value);
    let kind = variant.and_then(|variant| kind(findings, &fields, variant, name));
    CheckSpec {
        name: name.clone().map(str::to_owned),
        kind,
        interval: every,
        timeout: within,
        fall: whole("fall", FALL),
        rise: whole("rise", RISE),
        inverted: flag("inverted"),
        disabled: flag("disabled"),
        allow_private: flag("allow_private"),
        target: fields.text("target").and_then(|text| target(findings, &text)),
        port: fields.integer("port").map(|written| written.value as u16),
        of: fields.texts("of"),
    }
}

fn kind(findings: &mut Findings, fields: &Fields<'_, '_>, variant: &str, name: &Written<&str>) -> Option<CheckKind> {
    let text = |key| fields.text(key).map(|written| written.value);
    let expect = Expect::read(findings, fields, variant);
    let verify = fields.flag("verify").is_none_or(|written| written.value);
    Some(match variant {
        "http" | "https" => CheckKind::Http {
            tls: variant == "https",
            host: text("host"),
            path: path(findings, fields),
            method: text("method").unwrap_or_else(|| "GET".to_owned()),
            headers: headers(findings, fields),
            status: if expect.status.is_empty() { vec![PASSING] } else { expect.status },
            body: expect.body,
            verify,
        },
        "tcp" => {
            needs_port(findings, fields, variant, name);
            CheckKind::Tcp { send: text("send"), expect: expect.body }
        }
        "tls" => {
            needs_port(findings, fields, variant, name);
            CheckKind::Tls { host: text("host"), verify }
        }
        "dns" => CheckKind::Dns {
            qname: qname(findings, fields, name)?,
            qtype: qtype(findings, fields)?,
            rcodes: if expect.rcodes.is_empty() { [RCODE_NOERROR].into() } else { expect.rcodes.into_iter().collect() },
            answers: expect.answers,
        },
        _ => {
            let of = fields.texts("of");
            if of.is_empty() {
                missing(findings, fields.site, name, "of", "the checks that it counts, such as `of = [\"http\"]`");
            }
            let all = of.len() as u32;
            CheckKind::Calculated { at_least: fields.integer("at_least").map_or(all, |written| written.value as u32) }
        }
    })
}

fn missing(findings: &mut Findings, site: Site, name: &Written<&str>, key: &str, what: &str) {
    findings
        .error(site, code::MISSING_KEY, format!("check `{}` needs `{key}`", name.value))
        .label(format!("`{key}` is missing"))
        .help(format!("add `{key}`: {what}"));
}

fn needs_port(findings: &mut Findings, fields: &Fields<'_, '_>, variant: &str, name: &Written<&str>) {
    let in_target =
        fields.text("target").is_some_and(|text| split_port(&text.value).is_some_and(|(_, port)| port.is_some()));
    if fields.key_site("port").is_none() && !in_target {
        missing(findings, fields.site, name, "port", &format!("`{variant}` has no default"));
    }
}

fn path(findings: &mut Findings, fields: &Fields<'_, '_>) -> String {
    let Some(path) = fields.text("path") else { return "/".to_owned() };
    if !path.value.starts_with('/') || path.value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        findings
            .error(path.site, code::UNKNOWN_VALUE, format!("`{}` is no path", path.value))
            .label("expected `/` at its beginning, and no spaces")
            .maybe_help((!path.value.starts_with('/')).then(|| format!("write `/{}`", path.value)));
    }
    path.value
}

fn headers(findings: &mut Findings, fields: &Fields<'_, '_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, value) in fields.checked_entries(findings, "headers") {
        let Some(text) = walk::text_of(value, name.site.file) else { continue };
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.value.is_empty() || !name.value.chars().all(token) {
            findings
                .error(name.site, code::BAD_NAME, format!("`{}` is no header", name.value))
                .label("expected letters, digits and hyphens");
        } else if text.value.chars().any(char::is_control) {
            findings
                .error(
                    text.site,
                    code::UNKNOWN_VALUE,
                    format!("the value of `{}` holds control characters", name.value),
                )
                .label("a header is one line");
        } else {
            headers.push((name.value.to_owned(), text.value.to_owned()));
        }
    }
    headers
}

fn qname(findings: &mut Findings, fields: &Fields<'_, '_>, name: &Written<&str>) -> Option<Name> {
    let Some(text) = fields.text("qname") else {
        missing(findings, fields.site, name, "qname", "the name to ask for");
        return None;
    };
    Name::absolute(&text.value).map_err(|error| bad_name(findings, text.site, &text.value, &error.to_string())).ok()
}

fn qtype(findings: &mut Findings, fields: &Fields<'_, '_>) -> Option<RecordType> {
    let Some(text) = fields.text("qtype") else { return Some(RecordType::A) };
    let found = text.value.parse().ok();
    if found.is_none() {
        findings
            .error(text.site, code::UNKNOWN_VALUE, format!("`{}` is no record type", text.value))
            .label("expected a record type such as `A`")
            .maybe_help(crate::config::suggest::did_you_mean(&text.value, RecordType::mnemonics()));
    }
    found
}

#[derive(Default)]
struct Expect {
    status: Vec<(u16, u16)>,
    body: Option<String>,
    rcodes: Vec<u16>,
    answers: Vec<String>,
}

impl Expect {
    fn read(findings: &mut Findings, fields: &Fields<'_, '_>, variant: &str) -> Self {
        let Some((site, table)) = fields.table("expect") else {
            // The short form is what must occur.
            let text = fields.text("expect").map(|written| written.value);
            return if variant == "dns" {
                Self { answers: text.into_iter().collect(), ..Self::default() }
            } else {
                Self { body: text, ..Self::default() }
            };
        };
        let fields = walk::open(findings, &keys::EXPECT, table, site, Some(variant));
        let mut status = Vec::new();
        if let Some((value, _)) = fields.value("status") {
            for item in walk::elements(value) {
                let text = match (item.get_ref().as_str(), item.get_ref().as_integer()) {
                    (Some(text), _) => text.to_owned(),
                    (None, number) => number.map(|number| number.as_str().to_owned()).unwrap_or_default(),
                };
                match scalar::status_range(&text) {
                    Some(range) => status.push(range),
                    None => {
                        findings
                            .error(
                                Site::new(site.file, item.span()),
                                code::UNKNOWN_VALUE,
                                format!("`{text}` is no status"),
                            )
                            .label("expected a status code or a range such as `200-399`");
                    }
                }
            }
        }
        let number = |text: &str| keys::RCODES.iter().position(|name| *name == text).map(|position| position as u16);
        Self {
            status,
            body: fields.text("body").map(|written| written.value),
            rcodes: fields.texts("rcode").iter().filter_map(|written| number(&written.value)).collect(),
            answers: fields.texts("answer").into_iter().map(|written| written.value).collect(),
        }
    }
}

fn target(findings: &mut Findings, text: &Written<String>) -> Option<Written<ProbeTarget>> {
    let parsed = split_port(&text.value).filter(|(host, _)| {
        host.parse::<IpAddr>().is_ok()
            || (Name::absolute(host).is_ok_and(|name| !name.is_root()) && !host.contains([':', '/', ' ']))
    });
    let Some((host, port)) = parsed else {
        findings
            .error(text.site, code::BAD_ADDRESS, format!("`{}` is no target", text.value))
            .label("expected a host name or an address, with or without `:port`")
            .maybe_help(
                text.value.contains("//").then(|| "a URL's path goes into `path`, its host into `target`".to_owned()),
            );
        return None;
    };
    Some(Written::new(ProbeTarget { host: host.to_owned(), port }, text.site))
}

/// Cuts `host:port`, `[v6]:port`, `v6`, `host`.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let port = |digits: &str| digits.parse::<u16>().ok().filter(|&port| port != 0);
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(digits) => Some((host, Some(port(digits)?))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match text.rsplit_once(':') {
        Some((host, digits)) if !host.contains(':') => Some((host, Some(port(digits)?))),
        _ => Some((text, None)),
    }
}
