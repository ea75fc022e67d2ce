//! A fleet: many routes of every policy over many endpoints, the same for the same numbers on every machine.
//!
//! Comes in: a [`Fleet`]. Goes out: a directory with `rhumb.toml`, `zones/` and questions in the load generator's
//! format, a line each: `name TYPE [subnet]`.
//!
//! A third of the routes are nested three deep: geolocation, then latency or geoproximity, then a leaf. The others go
//! through all eight policies in turn. Routes ask their clients one of `maps` questions: those of one kind that have
//! the same *variant* have members at the same places and so share a map. Endpoint 0 is a member of every route.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// The zone with the steered names.
const APEX: &str = "fleet.example";
/// Zones with more plain names than this have them in a master file, as people would.
const TYPED_NAMES: usize = 1_000;
/// Lines of each file of questions.
const QUESTIONS: usize = 100_000;
/// Names of every this many endpoints are drained together.
const SITE: usize = 100;

const CONTINENTS: [&str; 6] = ["EU", "NA", "AS", "SA", "AF", "OC"];
const COUNTRIES: [&str; 40] = [
    "US", "DE", "FR", "GB", "NL", "PL", "ES", "IT", "SE", "NO", "FI", "CZ", "AT", "CH", "RO", "GR", "TR", "UA", "RU",
    "JP", "KR", "CN", "IN", "ID", "TH", "VN", "PH", "MY", "SG", "AU", "NZ", "BR", "AR", "CL", "CO", "MX", "CA", "ZA",
    "EG", "NG",
];
/// Where endpoints stand: near these, so that sites are where people are.
const TOWNS: [(f64, f64); 20] = [
    (50.1, 8.7),
    (51.5, -0.1),
    (48.9, 2.4),
    (59.3, 18.1),
    (40.4, -3.7),
    (52.2, 21.0),
    (39.0, -77.5),
    (45.8, -119.7),
    (37.4, -121.9),
    (32.8, -96.8),
    (43.7, -79.4),
    (-23.6, -46.6),
    (35.7, 139.7),
    (37.6, 127.0),
    (1.3, 103.8),
    (19.1, 72.9),
    (22.3, 114.2),
    (-33.9, 151.2),
    (-26.2, 28.0),
    (25.2, 55.3),
];

/// How endpoints are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// Not at all.
    None,
    /// HTTP at the endpoint's own address.
    Http,
    /// HTTPS, any certificate.
    Https,
}

/// What the fleet is like.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// Steered names, each with a tree of its own.
    pub(crate) routes: usize,
    /// All of them together; the first is in every route.
    pub(crate) endpoints: usize,
    /// Distinct questions of clients, where there are routes enough to ask them.
    pub(crate) maps: usize,
    /// One has the steered names; the others plain ones.
    pub(crate) zones: usize,
    /// Plain names, spread evenly over the zones.
    pub(crate) names: usize,
    /// Decides everything that is left open.
    pub(crate) seed: u64,
    /// How endpoints are checked. With checks they have addresses of their own in 127.64.0.0/10, so that one listener
    /// on all addresses is all of them.
    pub(crate) checks: Checks,
    /// Where living endpoints listen; the dead are asked one port above it.
    pub(crate) port: u16,
    /// How many in a hundred endpoints are dead.
    pub(crate) dead: usize,
    /// Whether one result makes a verdict, and the first endpoint is asked each second.
    pub(crate) hasty: bool,
    /// AAAA beside A.
    pub(crate) dual: bool,
    /// City database; without one the world that is built in.
    pub(crate) database: Option<PathBuf>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            routes: 1_000,
            endpoints: 10_000,
            maps: 100,
            zones: 1,
            names: 10_000,
            seed: 1,
            checks: Checks::None,
            port: 18_080,
            dead: 50,
            hasty: false,
            dual: false,
            database: None,
        }
    }
}

/// What a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nested,
    Latency,
    Geolocation,
    Geoproximity,
    Ip,
    Simple,
    Weighted,
    Failover,
    Multivalue,
}

/// Kinds of routes that are not nested, in turn.
const FLAT: [Kind; 8] = [
    Kind::Geoproximity,
    Kind::Weighted,
    Kind::Latency,
    Kind::Failover,
    Kind::Geolocation,
    Kind::Multivalue,
    Kind::Ip,
    Kind::Simple,
];

impl Kind {
    fn of(route: usize) -> Self {
        match route % 3 {
            0 => Self::Nested,
            rest => FLAT[(route / 3 * 2 + rest - 1) % FLAT.len()],
        }
    }

    fn asks(self) -> bool {
        matches!(self, Self::Nested | Self::Latency | Self::Geolocation | Self::Geoproximity | Self::Ip)
    }
}

/// Splitmix64.
struct Draws(u64);

impl Draws {
    /// Independent for each `what` of a seed.
    fn new(seed: u64, what: u64) -> Self {
        Self(seed ^ what.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Near one of the towns, in degrees.
    fn site(&mut self) -> (f64, f64) {
        let (lat, lon) = TOWNS[self.below(TOWNS.len())];
        let mut off = || self.below(400) as f64 / 100.0 - 2.0;
        (lat + off(), lon + off())
    }
}

/// One route's members: endpoint numbers and, for those that ask, places.
struct Members {
    kind: Kind,
    variant: usize,
    own: Vec<usize>,
}

impl Fleet {
    /// The full names of the steered names.
    pub(crate) fn steered_name(&self, route: usize) -> String {
        format!("s{route}.{APEX}")
    }

    /// The full names of the steered names whose answer for a client is one endpoint, the first or another one that is
    /// nearer while it is up.
    pub(crate) fn steered_by_distance(&self) -> impl Iterator<Item = String> {
        (0..self.routes).filter(|&route| Kind::of(route) == Kind::Geoproximity).map(|route| self.steered_name(route))
    }

    /// Writes everything below `dir`, which need not exist.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let zones = dir.join("zones");
        fs::create_dir_all(&zones)?;
        fs::create_dir_all(dir.join("state"))?;
        fs::write(dir.join("rhumb.toml"), self.server_file())?;
        fs::write(zones.join("shared.toml"), self.shared_file())?;
        for zone in 0..self.zones.max(1) {
            self.write_zone(&zones, zone)?;
        }
        self.write_questions(dir)
    }

    fn server_file(&self) -> String {
        let mut text = String::from("zones = \"zones\"\nstate = \"state\"\n");
        if let Some(database) = &self.database {
            let _ = writeln!(text, "[geoip]\ndatabases = [{:?}]", database.display().to_string());
        }
        text
    }

    /// How many variants a kind has; together they are `maps`.
    fn variants(&self, kind: Kind) -> usize {
        let flat = (self.maps / 8).max(1);
        match kind {
            Kind::Nested => self.maps.saturating_sub(4 * flat).max(1),
            _ => flat,
        }
    }

    /// Routes that ask have members of one number, so that variants are shared; the others share the rest.
    fn members(&self) -> Vec<Members> {
        let each = (self.endpoints.saturating_sub(1) / self.routes.max(1)).max(1);
        let takes_rest = |kind: Kind| matches!(kind, Kind::Weighted | Kind::Failover | Kind::Multivalue);
        let asking = (0..self.routes).filter(|&route| Kind::of(route).asks()).count();
        let takers = (0..self.routes).filter(|&route| takes_rest(Kind::of(route))).count();
        let rest = self.endpoints.saturating_sub(1 + asking * each);
        let mut next = 1;
        let mut taken = 0;
        let mut of_kind = [0usize; 9];
        (0..self.routes)
            .map(|route| {
                let kind = Kind::of(route);
                let count = if kind.asks() {
                    each
                } else if takes_rest(kind) {
                    taken += 1;
                    rest * taken / takers - rest * (taken - 1) / takers
                } else {
                    0
                };
                let own = (next..next + count).map(|endpoint| endpoint.min(self.endpoints.saturating_sub(1))).collect();
                next += count;
                let turn = &mut of_kind[kind as usize];
                let variant = *turn % self.variants(kind);
                *turn += 1;
                Members { kind, variant, own }
            })
            .collect()
    }

    fn shared_file(&self) -> String {
        let members = self.members();
        let mut sites: Vec<(f64, f64)> =
            (0..self.endpoints).map(|endpoint| Draws::new(self.seed, endpoint as u64).site()).collect();
        for route in members.iter().filter(|route| route.kind.asks()) {
            let mut draws = self.draws(route);
            route.own.iter().for_each(|&endpoint| sites[endpoint] = draws.site());
        }
        let mut text = self.checks();
        for (endpoint, (lat, lon)) in sites.into_iter().enumerate() {
            let _ = writeln!(text, "[endpoints.e{endpoint}]\nA = \"{}\"", self.address(endpoint));
            if self.dual {
                let _ = writeln!(text, "AAAA = \"fd00::{:x}:{:x}\"", endpoint >> 16, endpoint & 0xffff);
            }
            let _ = writeln!(text, "at = \"{lat:.2},{lon:.2}\"\nsite = \"site{}\"", endpoint / SITE);
            if self.checks != Checks::None {
                let is_dead = (endpoint * 37) % 100 < self.dead;
                let check = match endpoint {
                    0 if self.hasty => "first",
                    _ if is_dead => "dead",
                    _ => "alive",
                };
                let _ = writeln!(text, "check = \"{check}\"");
            }
        }
        for (number, route) in members.iter().enumerate() {
            self.route(number, route, &mut text);
        }
        text
    }

    fn checks(&self) -> String {
        let kind = match self.checks {
            Checks::None => return String::new(),
            Checks::Http => "type = \"http\"",
            Checks::Https => "type = \"https\"\nverify = false",
        };
        let mut text = String::new();
        let hasty = if self.hasty { "fall = 1\nrise = 1\n" } else { "" };
        let checks = [("alive", self.port, 10), ("dead", self.port + 1, 10), ("first", self.port, 1)];
        for (name, port, interval) in checks.into_iter().take(if self.hasty { 3 } else { 2 }) {
            let _ = writeln!(
                text,
                "[checks.{name}]\n{kind}\nport = {port}\ninterval = \"{interval}s\"\ntimeout = \"{}\"\n\
                 allow_private = true\n{hasty}",
                if interval > 2 { "2s" } else { "500ms" }
            );
        }
        text
    }

    /// Of the endpoint; unique.
    pub(crate) fn address(&self, endpoint: usize) -> Ipv4Addr {
        let base = if self.checks == Checks::None { 0x0a00_0000 } else { 0x7f40_0000 };
        Ipv4Addr::from(base + endpoint as u32 + 1)
    }

    /// The same for all routes of a kind and variant.
    fn draws(&self, route: &Members) -> Draws {
        Draws::new(self.seed, 1 << 40 | (route.kind as u64) << 32 | route.variant as u64)
    }

    fn route(&self, number: usize, route: &Members, text: &mut String) {
        let mut draws = self.draws(route);
        draws.bits();
        let own = || route.own.iter().map(|&endpoint| format!("{{ endpoint = \"e{endpoint}\" }}"));
        let name = format!("r{number}");
        let everywhere = "{ endpoint = \"e0\" }".to_owned();
        match route.kind {
            Kind::Simple => put(text, &name, "simple", "", &[everywhere]),
            Kind::Failover => put(text, &name, "failover", "", &own().chain([everywhere]).collect::<Vec<_>>()),
            Kind::Multivalue => put(text, &name, "multivalue", "", &own().chain([everywhere]).collect::<Vec<_>>()),
            Kind::Weighted => {
                let keys = if number.is_multiple_of(2) { "min_healthy = 1" } else { "min_healthy = 1\nsticky = true" };
                put(text, &name, "weighted", keys, &self.weighted(number, &route.own));
            }
            Kind::Geoproximity => {
                let members: Vec<String> = own().chain([everywhere]).collect();
                put(text, &name, "geoproximity", "", &members);
            }
            Kind::Latency => {
                let keys = if route.variant.is_multiple_of(2) { "" } else { "tolerance = \"10ms\"" };
                put(text, &name, "latency", keys, &own().chain([everywhere]).collect::<Vec<_>>());
            }
            Kind::Geolocation => {
                let members = places(&mut draws, &route.own);
                put(text, &name, "geolocation", "", &members);
            }
            Kind::Ip => put(text, &name, "ip", "", &networks(&mut draws, &route.own)),
            Kind::Nested => self.nested(number, route, &mut draws, text),
        }
    }

    fn weighted(&self, number: usize, own: &[usize]) -> Vec<String> {
        let mut draws = Draws::new(self.seed, 2 << 40 | number as u64);
        let all = own.iter().chain([&0]);
        all.map(|endpoint| format!("{{ endpoint = \"e{endpoint}\", weight = {} }}", 1 + draws.below(100))).collect()
    }

    /// Geolocation over latency or geoproximity over a leaf.
    fn nested(&self, number: usize, route: &Members, draws: &mut Draws, text: &mut String) {
        let (near, leaf) = route.own.split_at(route.own.len().div_ceil(2));
        let (name, inner, pool) = (format!("r{number}"), format!("r{number}-near"), format!("r{number}-pool"));
        let continents = 2 + draws.below(3);
        let mut here: Vec<String> =
            CONTINENTS[..continents].iter().map(|continent| format!("\"continent:{continent}\"")).collect();
        let country = COUNTRIES[draws.below(COUNTRIES.len())];
        here.dedup();
        put(
            text,
            &name,
            "geolocation",
            "",
            &[
                format!("{{ where = [{}], route = \"{inner}\" }}", here.join(", ")),
                format!("{{ where = \"country:{country}\", endpoint = \"e{}\" }}", near[0]),
                format!("{{ where = \"default\", route = \"{pool}\" }}"),
            ],
        );
        let (lat, lon) = draws.site();
        let members: Vec<String> = near
            .iter()
            .map(|endpoint| format!("{{ endpoint = \"e{endpoint}\" }}"))
            .chain([format!("{{ route = \"{pool}\", at = \"{lat:.2},{lon:.2}\" }}")])
            .chain(["{ endpoint = \"e0\" }".to_owned()])
            .collect();
        put(text, &inner, if route.variant.is_multiple_of(2) { "geoproximity" } else { "latency" }, "", &members);
        let plain: Vec<String> =
            leaf.iter().chain([&0]).map(|endpoint| format!("{{ endpoint = \"e{endpoint}\" }}")).collect();
        match route.variant % 3 {
            0 => put(text, &pool, "weighted", "min_healthy = 1", &self.weighted(number, leaf)),
            1 => put(text, &pool, "failover", "", &plain),
            _ => put(text, &pool, "multivalue", "", &plain),
        }
    }

    fn write_zone(&self, zones: &Path, zone: usize) -> io::Result<()> {
        let count = self.zones.max(1);
        let apex = self.apex(zone);
        let names = self.names * (zone + 1) / count - self.names * zone / count;
        let imports = names > TYPED_NAMES;
        let mut text = format!("zone = \"{apex}\"\n");
        if imports {
            let _ = writeln!(text, "import = \"{apex}.zone\"");
            let mut file = BufWriter::new(File::create(zones.join(format!("{apex}.zone")))?);
            writeln!(file, "$ORIGIN {apex}.\n$TTL 300")?;
            for name in 0..names {
                writeln!(file, "h{name} A {}", plain_address(zone, name))?;
            }
            file.flush()?;
        }
        text.push_str("[records]\n\"@\" = { NS = \"ns.example.net.\" }\n");
        if !imports {
            for name in 0..names {
                let _ = writeln!(text, "h{name} = {{ A = \"{}\" }}", plain_address(zone, name));
            }
        }
        if zone == 0 {
            for route in 0..self.routes {
                let _ = writeln!(text, "s{route} = {{ route = \"r{route}\" }}");
            }
        }
        fs::write(zones.join(format!("{apex}.toml")), text)
    }

    fn apex(&self, zone: usize) -> String {
        if zone == 0 { APEX.to_owned() } else { format!("z{zone}.example") }
    }

    /// Steered names from random networks, plain names that are there, names that are not.
    fn write_questions(&self, dir: &Path) -> io::Result<()> {
        let mut draws = Draws::new(self.seed, 3 << 40);
        let zones = self.zones.max(1);
        let file = |name: &str| File::create(dir.join(name)).map(BufWriter::new);
        let (mut steered, mut hits, mut misses) = (file("steered.q")?, file("hits.q")?, file("misses.q")?);
        for _ in 0..QUESTIONS {
            let network = Ipv4Addr::from(anywhere(draws.bits()));
            writeln!(steered, "{} A {network}/24", self.steered_name(draws.below(self.routes.max(1))))?;
            let zone = draws.below(zones);
            let names = self.names * (zone + 1) / zones - self.names * zone / zones;
            if names > 0 {
                writeln!(hits, "h{}.{} A", draws.below(names), self.apex(zone))?;
            }
            writeln!(misses, "{:012x}.{} A", draws.bits() >> 16, self.apex(zone))?;
        }
        [steered, hits, misses].iter_mut().try_for_each(|file| file.flush())
    }
}

/// A /24 of the unicast space, outside 0/8, 10/8 and 127/8.
fn anywhere(random: u64) -> u32 {
    let first = match 1 + (random >> 40) as u32 % 221 {
        10 => 222,
        127 => 223,
        other => other,
    };
    first << 24 | random as u32 & 0x00ff_ff00
}

fn plain_address(zone: usize, name: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0b00_0000 + ((zone * 7919 + name) as u32 & 0x00ff_ffff))
}

fn put(text: &mut String, name: &str, policy: &str, keys: &str, members: &[String]) {
    let _ = writeln!(text, "[routes.{name}]\npolicy = \"{policy}\"\nto = [{}]", members.join(", "));
    if !keys.is_empty() {
        let _ = writeln!(text, "{keys}");
    }
}

/// Geolocation members: countries first, then AS numbers; endpoint 0 has the rest.
fn places(draws: &mut Draws, own: &[usize]) -> Vec<String> {
    let mut used = BTreeSet::new();
    let mut members = Vec::with_capacity(own.len() + 1);
    for &endpoint in own {
        let mut here = Vec::new();
        for _ in 0..2 {
            let country = COUNTRIES[draws.below(COUNTRIES.len())];
            let place = if used.insert(country.to_owned()) {
                format!("\"country:{country}\"")
            } else {
                let asn = loop {
                    let asn = 1_000 + draws.below(60_000);
                    if used.insert(asn.to_string()) {
                        break asn;
                    }
                };
                format!("\"asn:{asn}\"")
            };
            here.push(place);
        }
        members.push(format!("{{ where = [{}], endpoint = \"e{endpoint}\" }}", here.join(", ")));
    }
    members.push("{ where = \"default\", endpoint = \"e0\" }".to_owned());
    members
}

/// Members of an `ip` route: three networks each; endpoint 0 has the rest.
fn networks(draws: &mut Draws, own: &[usize]) -> Vec<String> {
    let mut used = BTreeSet::new();
    let mut members = Vec::with_capacity(own.len() + 1);
    for &endpoint in own {
        let mut here = Vec::new();
        while here.len() < 3 {
            let len = 8 + draws.below(17) as u32;
            let net = anywhere(draws.bits()) & (u32::MAX << (32 - len));
            if used.insert((net, len)) {
                here.push(format!("\"net:{}/{len}\"", Ipv4Addr::from(net)));
            }
        }
        members.push(format!("{{ where = [{}], endpoint = \"e{endpoint}\" }}", here.join(", ")));
    }
    members.push("{ where = \"default\", endpoint = \"e0\" }".to_owned());
    members
}
