//! The server file.

mod pressure;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{Context, choice, latency, location, place, toml, transports, tsig};
use crate::config::Overrides;
use crate::config::code;
use crate::config::files::Text;
use crate::config::findings::{Findings, Written};
use crate::config::keys;
use crate::config::model::{AdminAddress, LatencyRow, Prefer, ReloadUnit, Server, Transport};
use crate::config::walk::{self, Fields};
use crate::world::{Continent, Place};

/// Every answer to a client that asks for the identity carries it whole, within 1232 octets.
const IDENTITY_OCTETS: usize = 128;

/// Reads the server file over `server`, which holds the defaults. Rows of the latency table come beside it. What flags
/// say is laid over it later; here it says only what may be missing.
pub(crate) fn server(
    cx: &mut Context<'_, '_>,
    path: &Path,
    text: &Text,
    overrides: &Overrides,
    server: &mut Server,
) -> Vec<LatencyRow> {
    let Some(table) = toml(cx.findings, text) else { return Vec::new() };
    let top = crate::config::findings::Site::new(text.id, 0..text.text.lines().next().map_or(0, str::len));
    let fields = walk::open(cx.findings, &keys::SERVER, table.get_ref(), top, None);
    let beside = |named: &Written<String>| path.parent().unwrap_or(Path::new("")).join(&named.value);
    if let Some(zones) = fields.text("zones") {
        server.zones = beside(&zones);
    }
    if let Some(state) = fields.text("state") {
        server.state = beside(&state);
    }
    if let Some(workers) = fields.integer("workers") {
        server.workers = workers.value as usize;
    }
    if let Some(pin) = fields.flag("pin_workers") {
        server.pin_workers = pin.value;
    }
    if let Some(rotate) = fields.flag("rotate") {
        server.rotate = rotate.value;
    }
    if let Some(depth) = fields.integer("depth") {
        server.depth = depth.value as usize;
    }
    for (key, told) in [("identity", &mut server.identity), ("version", &mut server.version)] {
        let Some(text) = fields.text(key) else { continue };
        if !(1..=IDENTITY_OCTETS).contains(&text.value.len()) {
            cx.findings
                .error(text.site, code::OUT_OF_RANGE, format!("`{key}` has a length that no answer should carry"))
                .label(format!("{} octets; expected 1 to {IDENTITY_OCTETS}", text.value.len()));
        }
        *told = Some(text.value);
    }
    if let Some(text) = fields.text("transport") {
        server.transport = choice(&text.value, &[("native", Transport::Native), ("hickory", Transport::Hickory)])
            .unwrap_or(server.transport);
    }
    if let Some(text) = fields.text("reload") {
        server.reload =
            choice(&text.value, &[("all", ReloadUnit::All), ("zone", ReloadUnit::Zone)]).unwrap_or(server.reload);
    }
    listen(cx.findings, &fields, &beside, server);
    transports::tls(cx.findings, &fields, &beside, overrides.without_databases, server);
    if overrides.self_signed.is_none() {
        transports::needs_certificate(cx.findings, &fields, server);
    }
    geoip(cx.findings, &fields, &beside, overrides.without_databases, server);
    limits(cx.findings, &fields, server);
    networks(cx.findings, &fields, server);
    tsig::keys(cx.findings, &fields, &beside, overrides.without_databases, server);
    pressure::rate_limit(cx.findings, &fields, server);
    pressure::cookies(cx.findings, &fields, &beside, overrides.without_databases, server);
    let Some((site, table)) = fields.table("latency") else { return Vec::new() };
    let fields = walk::open(cx.findings, &keys::LATENCY, table, site, None);
    let Some(named) = fields.text("table") else { return Vec::new() };
    match cx.files.read(cx.findings, &beside(&named), Some(named.site)) {
        Some(text) => latency::rows(cx.findings, &text),
        None => Vec::new(),
    }
}

fn listen(
    findings: &mut Findings,
    fields: &Fields<'_, '_>,
    beside: &dyn Fn(&Written<String>) -> PathBuf,
    server: &mut Server,
) {
    let Some((site, table)) = fields.table("listen") else { return };
    let fields = walk::open(findings, &keys::LISTEN, table, site, None);
    if fields.key_site("dns").is_some() {
        server.dns = fields.texts("dns").iter().filter_map(|text| socket(findings, text)).collect();
        server.dns_is_default = false;
    }
    transports::listen(findings, &fields, server);
    for (key, octets) in [("receive_buffer", &mut server.receive_buffer), ("send_buffer", &mut server.send_buffer)] {
        if let Some(number) = fields.integer(key) {
            *octets = number.value as usize;
        }
    }
    if let Some(steer) = fields.flag("steer_by_cpu") {
        server.steer_by_cpu = steer.value;
    }
    if let Some(file) = fields.text("admin_token_file") {
        server.admin_token_file = Some(beside(&file));
    }
    if let Some(text) = fields.text("admin") {
        match text.value.strip_prefix("unix:") {
            Some(path) => server.admin = AdminAddress::Unix(beside(&Written::new(path.to_owned(), text.site))),
            None => {
                let Some(address) = socket(findings, &text) else { return };
                if !address.ip().is_loopback() && server.admin_token_file.is_none() {
                    findings
                        .error(text.site, code::TOKEN_NEEDED, format!("the admin API at `{address}` needs a token"))
                        .label("reachable from other machines")
                        .help("add `admin_token_file = \"…\"`, or listen on `127.0.0.1` or `unix:…`");
                }
                server.admin = AdminAddress::Tcp(address);
            }
        }
    }
}

pub(super) fn socket(findings: &mut Findings, text: &Written<String>) -> Option<SocketAddr> {
    let found = text.value.parse().ok();
    if found.is_none() {
        let help = text.value.parse::<IpAddr>().ok().map(|address| {
            let with_port = SocketAddr::new(address, 53);
            format!("a port is missing: `{with_port}`?")
        });
        findings
            .error(text.site, code::BAD_ADDRESS, format!("`{}` is no address with a port", text.value))
            .label("expected such as `0.0.0.0:53` or `[::]:53`")
            .maybe_help(help);
    }
    found
}

fn geoip(
    findings: &mut Findings,
    fields: &Fields<'_, '_>,
    beside: &dyn Fn(&Written<String>) -> PathBuf,
    without_databases: bool,
    server: &mut Server,
) {
    let Some((site, table)) = fields.table("geoip") else { return };
    let fields = walk::open(findings, &keys::GEOIP, table, site, None);
    for named in fields.texts("databases") {
        let path = beside(&named);
        if !path.exists() {
            let message = format!("cannot read {}: it does not exist", path.display());
            let found = match without_databases {
                true => findings.warning(named.site, code::UNREADABLE, message),
                false => findings.error(named.site, code::UNREADABLE, message),
            };
            found.label("named here").help("correct the path, or leave the line out: country data is built in");
        }
        server.databases.push(path);
    }
    if let Some(text) = fields.text("prefer") {
        server.prefer =
            choice(&text.value, &[("ecs", Prefer::Ecs), ("resolver", Prefer::Resolver)]).unwrap_or(server.prefer);
    }
    if let Some(text) = fields.text("unknown") {
        server.unknown = place::client(findings, &text);
    }
}

fn limits(findings: &mut Findings, fields: &Fields<'_, '_>, server: &mut Server) {
    let Some((site, table)) = fields.table("limits") else { return };
    let fields = walk::open(findings, &keys::LIMITS, table, site, None);
    transports::limits(&fields, server);
    let limits = &mut server.limits;
    for (key, limit) in [
        ("regions", &mut limits.regions),
        ("maps", &mut limits.maps),
        ("map_bytes", &mut limits.map_bytes),
        ("variants", &mut limits.variants),
    ] {
        if let Some(number) = fields.integer(key) {
            *limit = usize::try_from(number.value).unwrap_or(usize::MAX);
        }
    }
}

fn networks(findings: &mut Findings, fields: &Fields<'_, '_>, server: &mut Server) {
    let mut sites = std::collections::HashMap::new();
    for (key, table) in fields.tables(findings, "networks") {
        let network = location::network(findings, key.site, key.value);
        let fields = walk::open(findings, &keys::NETWORK, table, key.site, None);
        let place = network_place(findings, &fields);
        let Some(network) = network else { continue };
        if let Some(first) = sites.insert(network, key.site) {
            findings
                .error(key.site, code::DUPLICATE_LOCATION, format!("`{network}` is given twice"))
                .label("given again")
                .related(first, "given before");
            continue;
        }
        location::warn_long_prefix(findings, network, key.site);
        server.networks.push((network, place));
    }
}

fn network_place(findings: &mut Findings, fields: &Fields<'_, '_>) -> Place {
    let country = fields.text("country").and_then(|text| location::country(findings, text.site, &text.value));
    let subdivision = fields
        .text("subdivision")
        .and_then(|text| Some((location::subdivision(findings, text.site, &text.value)?, text)));
    if let (Some(country), Some((subdivision, text))) = (country, &subdivision)
        && subdivision.country() != country
    {
        findings
            .error(text.site, code::BAD_PLACE, format!("`{subdivision}` is not in `{country}`"))
            .label("a subdivision of another country");
    }
    let subdivision = subdivision.map(|(subdivision, _)| subdivision);
    let country = country.or_else(|| subdivision.map(|subdivision| subdivision.country()));
    let mut place = country.and_then(|country| place::of(country, subdivision)).unwrap_or_default();
    if let Some(text) = fields.text("continent") {
        let named = Continent::from_code(&text.value);
        if country.is_some() && place.continent != named {
            findings
                .error(text.site, code::BAD_PLACE, "the continent is not the country's")
                .label("the continent comes from the country")
                .help("leave `continent` out");
        }
        place.continent = place.continent.or(named);
    }
    if let Some(at) = fields.text("at").and_then(|text| place::coordinates(findings, &text)) {
        place.at = Some(at.0);
    }
    place.asn = fields.integer("asn").map(|asn| asn.value as u32);
    place
}
