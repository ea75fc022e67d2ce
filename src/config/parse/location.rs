//! Locations of `where`, of places and of the latency table.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::code;
use crate::config::files::Text;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::Location;
use crate::config::suggest::{did_you_mean, nearest};
use crate::world::{self, Continent, CountryCode, SubdivisionCode};

/// A location, or the name of a set of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parsed {
    One(Location),
    Place(String),
}

const KINDS: &[&str] = &["continent", "country", "subdivision", "asn", "net", "place"];

/// Reads `default`, `continent:EU`, `country:DE`, `subdivision:US-CA`, `asn:64500`, `net:192.0.2.0/24`, `place:dach`.
pub(crate) fn location(findings: &mut Findings, written: &Written<String>) -> Option<Parsed> {
    let text = written.value.trim();
    if text == "default" {
        return Some(Parsed::One(Location::Default));
    }
    let Some((kind, value)) = text.split_once(':').filter(|(kind, _)| KINDS.contains(kind)) else {
        let help = text
            .split_once(':')
            .and_then(|(kind, value)| Some(format!("{}:{value}", nearest(kind, KINDS.iter().copied())?)))
            .or_else(|| guess(text))
            .map(|guess| format!("did you mean `{guess}`?"));
        findings
            .error(written.site, code::BAD_LOCATION, format!("`{text}` is no location"))
            .label("expected `default`, or `continent:`, `country:`, `subdivision:`, `asn:`, `net:` or `place:` with a value")
            .maybe_help(help);
        return None;
    };
    let value = value.trim();
    let location = match kind {
        "continent" => continent(findings, written.site, value).map(Location::Continent),
        "country" => country(findings, written.site, value).map(Location::Country),
        "subdivision" => subdivision(findings, written.site, value).map(Location::Subdivision),
        "asn" => asn(findings, written.site, value).map(Location::Asn),
        "net" => network(findings, written.site, value).map(Location::Net),
        _ => return Some(Parsed::Place(value.to_owned())),
    };
    location.map(Parsed::One)
}

/// What a text without its kind probably is.
fn guess(text: &str) -> Option<String> {
    if text.parse::<IpNet>().is_ok() {
        Some(format!("net:{text}"))
    } else if SubdivisionCode::new(text).is_some() {
        Some(format!("subdivision:{text}"))
    } else if CountryCode::new(text).is_some_and(|code| world::country(code).is_some()) {
        Some(format!("country:{text}"))
    } else if Continent::from_code(text).is_some() {
        Some(format!("continent:{text}"))
    } else {
        None
    }
}

fn continent(findings: &mut Findings, site: Site, value: &str) -> Option<Continent> {
    let found = Continent::from_code(value);
    if found.is_none() {
        let codes = Continent::ALL.map(Continent::code);
        findings
            .error(site, code::BAD_LOCATION, format!("no continent `{value}`"))
            .label(format!("expected one of {}", codes.join(", ")))
            .maybe_help(did_you_mean(value, codes));
    }
    found
}

pub(super) fn country(findings: &mut Findings, site: Site, value: &str) -> Option<CountryCode> {
    let found = CountryCode::new(value).filter(|&code| world::country(code).is_some());
    if found.is_none() {
        let capitals = value.to_ascii_uppercase();
        let by_code = CountryCode::new(&capitals).and_then(world::country);
        let by_name = || world::COUNTRIES.iter().find(|country| country.name.eq_ignore_ascii_case(value));
        let usual = match capitals.as_str() {
            "UK" => Some("GB"),
            "EU" => return eu_is_no_country(findings, site),
            _ => None,
        };
        let meant =
            usual.map(str::to_owned).or_else(|| by_code.or_else(by_name).map(|country| country.code.to_string()));
        findings
            .error(site, code::BAD_LOCATION, format!("no country `{value}`"))
            .label("expected two capital letters of ISO 3166-1, such as `DE`")
            .maybe_help(meant.map(|meant| format!("did you mean `{meant}`?")));
    }
    found
}

fn eu_is_no_country(findings: &mut Findings, site: Site) -> Option<CountryCode> {
    findings
        .error(site, code::BAD_LOCATION, "no country `EU`")
        .label("expected two capital letters of ISO 3166-1, such as `DE`")
        .help("`place:EU27` is the European Union, `continent:EU` is Europe");
    None
}

pub(super) fn subdivision(findings: &mut Findings, site: Site, value: &str) -> Option<SubdivisionCode> {
    let Some(found) = SubdivisionCode::new(value) else {
        findings
            .error(site, code::BAD_LOCATION, format!("`{value}` is no subdivision"))
            .label("expected a code of ISO 3166-2, such as `US-CA`");
        return None;
    };
    country(findings, site, found.country().as_str())?;
    // The table is whole for the countries that it has at all.
    let prefix = format!("{}-", found.country());
    let mut known = world::SUBDIVISIONS.iter().map(|s| s.code).filter(|code| code.starts_with(&prefix)).peekable();
    if known.peek().is_some() && world::subdivision(value).is_none() {
        findings
            .error(site, code::BAD_LOCATION, format!("no subdivision `{value}`"))
            .label("expected a code of ISO 3166-2, such as `US-CA`")
            .maybe_help(did_you_mean(value, known));
        return None;
    }
    Some(found)
}

fn asn(findings: &mut Findings, site: Site, value: &str) -> Option<u32> {
    let digits = value.strip_prefix("AS").unwrap_or(value);
    let found = digits.parse().ok();
    if found.is_none() {
        findings
            .error(site, code::BAD_LOCATION, format!("`{value}` is no autonomous system"))
            .label("expected a number such as `64500`");
    }
    found
}

/// Reads a network whose host bits are zero; an address alone is a network of its own.
pub(super) fn network(findings: &mut Findings, site: Site, value: &str) -> Option<IpNet> {
    let parsed = value.parse::<IpNet>().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
    let Some(network) = parsed else {
        findings
            .error(site, code::BAD_NETWORK, format!("`{value}` is no network"))
            .label("expected an address and a prefix length, such as `192.0.2.0/24`");
        return None;
    };
    if network.trunc() != network {
        findings
            .error(site, code::BAD_NETWORK, format!("`{value}` has bits set past its prefix"))
            .label("the address is inside the network, not its beginning")
            .help(format!("write `{}`", network.trunc()));
        return None;
    }
    Some(network)
}

/// The networks of a file, one a line, as `net:` locations with their places.
pub(super) fn network_lines(text: &Text) -> Vec<Written<String>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.text.split_inclusive('\n') {
        let content = line.split('#').next().unwrap_or_default();
        let word = content.trim();
        if !word.is_empty() {
            let at = start + content.find(word).unwrap_or(0);
            found.push(Written::new(format!("net:{word}"), Site::new(text.id, at..at + word.len())));
        }
        start += line.len();
    }
    found
}

/// Tells of networks whose last bits no ECS client can meet (E2).
pub(crate) fn warn_long_prefix(findings: &mut Findings, network: IpNet, site: Site) {
    let (longest, family) = if network.addr().is_ipv4() { (24, "IPv4") } else { (56, "IPv6") };
    if network.prefix_len() > longest {
        findings
            .warning(site, code::LONG_PREFIX, format!("`{network}` is longer than /{longest}"))
            .label("matches only clients that ask without a resolver between")
            .help(format!("{family} clients behind resolvers are told apart to /{longest} only; use a /{longest} if it should serve them"));
    }
}
