//! Random configurations, built as the resolved model: trees of all eight policies and a world to ask from.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rhumb::config::model::{
    AllDown, Check, CheckId, CheckKind, Endpoint, EndpointId, EndpointRecords, Health, LatencyRow, Location, Member,
    MinHealthy, Model, NoMatch, Policy, Prefer, Probe, ProbeId, Route, RouteId, Server, Soa, Status, Steered, Subject,
    Target, Transfer, Zone,
};
use rhumb::health::{Verdict, Verdicts};
use rhumb::snapshot::Inputs;
use rhumb::wire::{Name, RecordType, RecordsBuilder};
use rhumb::world::{Continent, CountryCode, LatLon, Place, SubdivisionCode};

use crate::harness::{Draws, in_country, in_subdivision, paint, with_asn};

/// Which configurations are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything that the semantics know.
    Any,
    /// No answer may be empty, nothing is said by persons, one member is enough, all have an A: G4 holds to the letter.
    Plain,
}

/// One configuration in one world.
#[derive(Debug)]
pub struct Case {
    pub inputs: Inputs,
    /// What `inputs.places` was painted from.
    pub painted: Vec<(IpNet, Place)>,
    /// (owner to ask, its index in `steered`).
    pub names: Vec<(String, usize)>,
}

impl Case {
    pub fn place_of(&self, address: IpAddr) -> Place {
        self.painted
            .iter()
            .filter(|(net, _)| net.contains(&address))
            .max_by_key(|(net, _)| net.prefix_len())
            .map_or_else(Place::default, |&(_, place)| place)
    }

    pub fn runs(&self) -> Vec<IpNet> {
        self.painted.iter().map(|&(net, _)| net).collect()
    }

    /// The case in a form that a person can read.
    pub fn describe(&self) -> String {
        let model = &self.inputs.model;
        let mut text = String::new();
        let server = &model.server;
        let _ = writeln!(text, "depth {} unknown {:?} prefer {:?}", server.depth, server.unknown, server.prefer);
        for (net, place) in &server.networks {
            let _ = writeln!(text, "own {net}: {place:?}");
        }
        for (net, place) in &self.painted {
            let _ = writeln!(text, "database {net}: {place:?}");
        }
        for row in &model.latencies {
            let _ = writeln!(text, "latency {:?} {} {}", row.client, row.region, row.tenths);
        }
        for (index, e) in model.endpoints.iter().enumerate() {
            let types: Vec<_> = e.records.iter().map(|r| (r.rtype, r.rdata.len())).collect();
            let drained = self.inputs.drained.contains(&EndpointId(index as u32));
            let health = self.health_of(&e.health);
            let _ = writeln!(
                text,
                "{} {types:?} at {:?} region {:?} {:?} {health} drained {drained}",
                e.name, e.at, e.region, e.status
            );
        }
        for r in &model.routes {
            let _ = writeln!(
                text,
                "{} {:?} {:?} last {:?} {:?} {:?} fence {} sticky {:?} tolerance {} max {}",
                r.name,
                r.policy,
                r.min_healthy,
                r.last_resort,
                r.all_down,
                r.no_match,
                r.fence,
                r.sticky,
                r.tolerance,
                r.max_answers
            );
            for m in &r.members {
                let health = self.health_of(&m.health);
                let _ = writeln!(
                    text,
                    "    {} w{} b{} at {:?} region {:?} {health} {:?} follow {} {:?}",
                    m.name, m.weight, m.bias, m.at, m.region, m.status, m.follow_health, m.locations
                );
            }
        }
        let _ = writeln!(text, "{:?}", model.zones[0].steered);
        text
    }

    fn health_of(&self, health: &Health) -> String {
        let of = |probe: &ProbeId| self.inputs.verdicts.get(*probe);
        match health {
            Health::Unchecked => "unchecked".into(),
            Health::Whole(probe) => format!("whole {:?}", of(probe)),
            Health::PerAddress(all) => format!("{:?}", all.iter().map(|(a, p)| (a, of(p))).collect::<Vec<_>>()),
        }
    }

    /// `size` is the most routes that there may be.
    pub fn new(seed: u64, size: usize, kind: Kind) -> Self {
        Maker { draws: Draws::new(seed), kind, model: Model::default() }.case(size.max(1))
    }

    /// A client subnet of any length: often where something changes, seldom anywhere, reserved networks included.
    pub fn subnet(&self, draws: &mut Draws) -> (IpAddr, u8) {
        if draws.one_in(12) {
            return self.six_to_four(draws);
        }
        let address = self.address(draws);
        let most = if address.is_ipv4() { 32 } else { 128 };
        let usual = if address.is_ipv4() { 24 } else { 56 };
        let source = match draws.below(4) {
            0 => draws.below(most + 1),
            1 => draws.below(usual + 1),
            _ => usual,
        };
        let net = IpNet::new(address, source as u8).expect("a length of the family").trunc();
        (net.addr(), net.prefix_len())
    }

    /// E7: an IPv4 network inside of a 6to4 one.
    fn six_to_four(&self, draws: &mut Draws) -> (IpAddr, u8) {
        let bits = (0x2002_u128 << 112) | (u128::from(self.wrapped(draws).to_bits()) << 80);
        let source = if draws.one_in(2) { 40 } else { 17 + draws.below(40) };
        let net = IpNet::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), source as u8).expect("a length of the family");
        (net.trunc().addr(), net.prefix_len())
    }

    pub fn address(&self, draws: &mut Draws) -> IpAddr {
        match draws.below(10) {
            0 => IpAddr::V4(Ipv4Addr::from_bits(draws.bits() as u32)),
            1 => IpAddr::V6(Ipv6Addr::from_bits((u128::from(draws.bits()) << 64) | u128::from(draws.bits()))),
            2 => {
                (*draws.pick(&["10.1.2.3", "192.0.2.77", "127.0.0.1", "169.254.3.4", "2001:db8::5", "fe80::1", "::1"]))
                    .parse()
                    .expect("an address")
            }
            3 => IpAddr::V4(self.wrapped(draws)),
            n => network(draws, n < 7).addr(),
        }
    }

    fn wrapped(&self, draws: &mut Draws) -> Ipv4Addr {
        match network(draws, true).addr() {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => unreachable!("IPv4 was asked for"),
        }
    }

    pub fn sender(&self, draws: &mut Draws) -> IpAddr {
        let bits = u128::from(self.wrapped(draws).to_bits());
        match draws.below(8) {
            0 => IpAddr::V6(Ipv6Addr::from_bits((0xffff << 32) | bits)),
            1 => IpAddr::V6(Ipv6Addr::from_bits((0x0064_ff9b_u128 << 96) | bits)),
            2 => IpAddr::V6(Ipv6Addr::from_bits((0x2002_u128 << 112) | (bits << 80) | 7)),
            3 => IpAddr::V6(Ipv6Addr::from_bits((0x2001_0000_u128 << 96) | (bits ^ 0xffff_ffff))),
            _ => self.address(draws),
        }
    }
}

/// A network in the small part of the world where rules and places are.
fn network(draws: &mut Draws, v4: bool) -> IpNet {
    let bits = draws.bits();
    if v4 {
        // Few distinct bits, so that networks nest and clients meet them.
        let address = (20 << 24) | ((bits as u32) & 0x0181_8300) | ((bits >> 40) as u32 & 0x81);
        IpNet::new(
            IpAddr::V4(Ipv4Addr::from_bits(address)),
            *draws.pick(&[7, 8, 9, 12, 16, 17, 20, 23, 24, 24, 25, 32]),
        )
    } else {
        let address = (0x2600_u128 << 112) | (u128::from(bits & 0x0101_8100_8100_8300) << 48);
        IpNet::new(IpAddr::V6(Ipv6Addr::from_bits(address)), *draws.pick(&[16, 20, 32, 33, 40, 48, 55, 56, 56, 64]))
    }
    .expect("a length of the family")
    .trunc()
}

/// Points on a coarse grid, so that ties happen.
fn point(draws: &mut Draws) -> LatLon {
    LatLon { lat: draws.below(13) as f64 * 10.0 - 60.0, lon: draws.below(25) as f64 * 15.0 - 180.0 }
}

fn somewhere(draws: &mut Draws) -> Place {
    let at = point(draws);
    let at = (!draws.one_in(4)).then_some((at.lat, at.lon));
    let asn = [64_500, 64_501, 64_502][draws.below(3)];
    match draws.below(10) {
        0 => in_subdivision("US-CA", at),
        1 => in_subdivision("US-NY", at),
        2 => in_country("US", at),
        3 => in_country("CA", at),
        4 => with_asn(in_subdivision("DE-BE", at), asn),
        5 => with_asn(in_country("DE", at), asn),
        6 => in_country("JP", at),
        7 => Place { asn: Some(asn), ..Place::default() },
        8 => Place { continent: Some(Continent::Africa), ..Place::default() },
        _ => Place::default(),
    }
}

fn location(draws: &mut Draws, ip: bool) -> Location {
    let v4 = draws.one_in(2);
    if ip {
        return Location::Net(network(draws, v4));
    }
    match draws.below(8) {
        0 | 1 => Location::Net(network(draws, v4)),
        2 => Location::Asn(64_500 + draws.below(3) as u32),
        3 => Location::Subdivision(
            SubdivisionCode::new(["US-CA", "US-NY", "DE-BE"][draws.below(3)]).expect("a subdivision"),
        ),
        4 | 5 => Location::Country(CountryCode::new(["US", "CA", "DE", "JP"][draws.below(4)]).expect("a country")),
        _ => Location::Continent(*draws.pick(&[
            Continent::Europe,
            Continent::NorthAmerica,
            Continent::Asia,
            Continent::Africa,
        ])),
    }
}

struct Maker {
    draws: Draws,
    kind: Kind,
    model: Model,
}

impl Maker {
    fn any(&self) -> bool {
        self.kind == Kind::Any
    }

    fn case(mut self, size: usize) -> Case {
        let painted: Vec<(IpNet, Place)> = {
            let mut nets = BTreeSet::new();
            for _ in 0..self.draws.below(14) {
                let v4 = self.draws.one_in(2);
                let net = network(&mut self.draws, v4);
                if net.prefix_len() <= if v4 { 24 } else { 56 } {
                    nets.insert(net);
                }
            }
            nets.into_iter().map(|net| (net, somewhere(&mut self.draws))).collect()
        };
        self.server();
        self.checks();
        let cnames = self.any() && self.draws.one_in(6);
        for index in 0..2 + self.draws.below(8) {
            self.endpoint(index, cnames);
        }
        let routes = 1 + self.draws.below(size);
        for index in 0..routes {
            self.route(index, routes, cnames);
        }
        self.latencies();
        let names = self.zone();
        let worst = *self.draws.pick(&[0, 0, 2, 5, 9, 10]);
        let verdicts: Verdicts = (0..self.model.probes.len())
            .map(|_| match self.draws.below(10) {
                n if n < worst => Verdict::Down,
                9 => Verdict::Unchecked,
                _ => Verdict::Up,
            })
            .collect();
        let mut drained = BTreeSet::new();
        if self.any() && self.draws.one_in(3) {
            let part = 1 + self.draws.below(4);
            drained.extend((0..self.model.endpoints.len() as u32).filter(|_| self.draws.one_in(part)).map(EndpointId));
        }
        let places = Arc::new(paint(&painted));
        let inputs = Inputs { model: Arc::new(self.model), places, verdicts, drained, seed: 0x5eed };
        Case { inputs, painted, names }
    }

    fn server(&mut self) {
        let mut server = Server { depth: 1 + self.draws.below(4), ..Server::default() };
        let mut nets = BTreeSet::new();
        for _ in 0..self.draws.below(4).saturating_sub(1) {
            let v4 = self.draws.one_in(2);
            nets.insert(network(&mut self.draws, v4));
        }
        // Whether an operator's own network of no place at all is "known" is left open.
        let known = |draws: &mut Draws| Some(somewhere(draws)).filter(|place| !place.is_unknown());
        server.networks = nets.into_iter().filter_map(|net| Some((net, known(&mut self.draws)?))).collect();
        if self.draws.one_in(5) {
            server.unknown = Some(in_subdivision("US-NY", Some((40.0, -75.0))));
        }
        if self.draws.one_in(10) {
            server.prefer = Prefer::Resolver;
        }
        self.model.server = server;
    }

    fn checks(&mut self) {
        self.model.checks.push(Check {
            name: "example.com/c".into(),
            kind: CheckKind::Tcp { send: None, expect: None },
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
            inverted: false,
            disabled: false,
            allow_private: false,
            target: None,
            port: Some(80),
        });
    }

    fn probe(&mut self, endpoint: Option<EndpointId>, address: Option<IpAddr>) -> ProbeId {
        let id = ProbeId(self.model.probes.len() as u32);
        self.model.probes.push(Probe {
            check: CheckId(0),
            endpoint,
            subject: Subject::Address(address.unwrap_or(IpAddr::from([20, 0, 0, 1]))),
            key: format!("c|{}", id.0),
            definition: 1,
        });
        id
    }

    fn health(&mut self, endpoint: Option<EndpointId>, addresses: &[IpAddr]) -> Health {
        match self.draws.below(4) {
            0 => Health::Unchecked,
            1 => Health::Whole(self.probe(endpoint, None)),
            _ if addresses.is_empty() => Health::Whole(self.probe(endpoint, None)),
            _ => {
                let per_address = addresses.iter().map(|&a| (a, self.probe(endpoint, Some(a)))).collect();
                Health::PerAddress(per_address)
            }
        }
    }

    fn status(&mut self) -> Status {
        match self.draws.below(if self.any() { 14 } else { 1 }) {
            1 => Status::Up,
            2 => Status::Down,
            _ => Status::Auto,
        }
    }

    fn endpoint(&mut self, index: usize, cname: bool) {
        let mut records = Vec::new();
        if cname {
            let target = Name::absolute(&format!("t{index}.example.net.")).expect("a name");
            records.push(EndpointRecords { rtype: RecordType::CNAME, rdata: vec![target.as_wire().into()] });
        } else {
            let mut of = |rtype, rdata| records.push(EndpointRecords { rtype, rdata });
            let many = 1 + self.draws.below(3);
            let shared = self.draws.one_in(8);
            if self.kind == Kind::Plain || !self.draws.one_in(6) {
                let mut data: Vec<Box<[u8]>> = (0..many).map(|n| Box::from([45, index as u8, 0, n as u8])).collect();
                if shared {
                    // The same address at several endpoints: a ring drops what it has already.
                    data.push(Box::from([45, 255, 0, 1]));
                }
                of(RecordType::A, data);
            }
            if !self.draws.one_in(3) {
                let data = (0..many).map(|n| {
                    let mut octets = [0u8; 16];
                    octets[..2].copy_from_slice(&[0x26, 0x07]);
                    octets[7] = index as u8;
                    octets[15] = n as u8;
                    Box::from(octets)
                });
                of(RecordType::AAAA, data.collect());
            }
            if self.draws.one_in(3) {
                of(RecordType::TXT, vec![Box::from([1, b'a' + index as u8])]);
            }
            if records.is_empty() {
                records.push(EndpointRecords { rtype: RecordType::A, rdata: vec![Box::from([45, index as u8, 0, 9])] });
            }
        }
        let addresses: Vec<IpAddr> =
            records.iter().flat_map(|set| set.rdata.iter().filter_map(|data| address(set.rtype, data))).collect();
        let id = EndpointId(index as u32);
        let health = self.health(Some(id), &addresses);
        let at = (!self.draws.one_in(6)).then(|| point(&mut self.draws));
        let region = self.draws.one_in(2).then(|| format!("r{}", self.draws.below(3)));
        let status = self.status();
        let name = format!("example.com/e{index}");
        self.model.endpoints.push(Endpoint { name, records, at, region, site: None, status, health });
    }

    fn target(&mut self, index: usize, routes: usize, leaf: bool) -> Target {
        if index + 1 < routes && !leaf && !self.draws.one_in(3) {
            Target::Route(RouteId((index + 1 + self.draws.below(routes - index - 1)) as u32))
        } else {
            Target::Endpoint(EndpointId(self.draws.below(self.model.endpoints.len()) as u32))
        }
    }

    fn route(&mut self, index: usize, routes: usize, cnames: bool) {
        const POLICIES: [Policy; 8] = [
            Policy::Weighted,
            Policy::Failover,
            Policy::Latency,
            Policy::Geolocation,
            Policy::Geoproximity,
            Policy::Ip,
            Policy::Simple,
            Policy::Multivalue,
        ];
        let policy = POLICIES[self.draws.below(if cnames { 7 } else { 8 })];
        let is_geo = matches!(policy, Policy::Geolocation | Policy::Ip);
        let many = if policy == Policy::Simple { 1 } else { 1 + self.draws.below(6) };
        let mut members: Vec<Member> = Vec::new();
        let mut used = BTreeSet::new();
        for _ in 0..many {
            let target = self.target(index, routes, policy == Policy::Multivalue);
            if members.iter().any(|m| m.target == target) {
                continue;
            }
            let member = self.member(target, policy);
            members.push(member);
        }
        if is_geo {
            for member in &mut members {
                for _ in 0..1 + self.draws.below(3) {
                    let location = location(&mut self.draws, policy == Policy::Ip);
                    if used.insert(format!("{location:?}")) {
                        member.locations.push(location);
                    }
                }
            }
        }
        let no_match = if !is_geo {
            None
        } else if self.kind == Kind::Plain || !self.draws.one_in(4) {
            let last = self.draws.below(members.len());
            members[last].locations.push(Location::Default);
            None
        } else if index < 2 || self.draws.one_in(2) {
            Some(NoMatch::Nodata)
        } else {
            Some(NoMatch::Next)
        };
        // A location that another member had first leaves a member without any.
        let mut members: Vec<Member> = members.into_iter().filter(|m| !is_geo || !m.locations.is_empty()).collect();
        if members.is_empty() {
            let target = self.target(index, routes, policy == Policy::Multivalue);
            let mut member = self.member(target, policy);
            member.locations = vec![location(&mut self.draws, true)];
            members.push(member);
        }
        let fence = self.any() && policy == Policy::Geolocation && self.draws.one_in(3);
        let min_healthy = match self.draws.below(if self.any() { 6 } else { 1 }) {
            1 => MinHealthy::Count(2),
            2 => MinHealthy::Percent(*self.draws.pick(&[34, 50, 67, 100])),
            _ => MinHealthy::Count(1),
        };
        let last_resort = (self.any() && self.draws.one_in(5)).then(|| self.target(index, routes, false));
        let name = format!("example.com/r{index}");
        // Whether one member alone may be sticky, and so have a scope, is left open.
        let may_stick = policy == Policy::Weighted && members.len() > 1;
        let sticky = (may_stick && self.draws.one_in(3)).then(|| name.clone());
        self.model.routes.push(Route {
            sticky,
            name,
            policy,
            members,
            min_healthy,
            last_resort,
            // Below the root it must be without effect; whether a fence or a last resort makes it count is left open.
            all_down: if self.any() && !fence && self.draws.one_in(10) { AllDown::Nodata } else { AllDown::All },
            no_match,
            fence,
            tolerance: if policy == Policy::Latency && self.draws.one_in(2) { self.draws.below(800) as u32 } else { 0 },
            max_answers: 1 + self.draws.below(10),
        });
    }

    fn member(&mut self, target: Target, policy: Policy) -> Member {
        let (name, addresses, endpoint) = match target {
            Target::Route(id) => (format!("r{}", id.0), Vec::new(), None),
            Target::Endpoint(id) => {
                let records = &self.model.endpoints[id.index()].records;
                let addresses = records
                    .iter()
                    .flat_map(|set| set.rdata.iter().filter_map(|data| address(set.rtype, data)))
                    .collect();
                (format!("e{}", id.0), addresses, Some(id))
            }
        };
        let is_route = endpoint.is_none();
        let health = if self.draws.one_in(5) { self.health(endpoint, &addresses) } else { Health::Unchecked };
        Member {
            name,
            target,
            weight: *self.draws.pick(&[0, 1, 1, 1, 2, 3, 10, 255, 65_535]),
            bias: if policy == Policy::Geoproximity { *self.draws.pick(&[0, 0, 0, -99, -30, 20, 50, 99]) } else { 0 },
            at: (is_route || self.draws.one_in(5)).then(|| point(&mut self.draws)),
            region: self.draws.one_in(4).then(|| format!("r{}", self.draws.below(3))),
            health,
            status: self.status(),
            follow_health: !(self.any() && self.draws.one_in(10)),
            locations: Vec::new(),
        }
    }

    fn latencies(&mut self) {
        let mut seen = BTreeSet::new();
        for _ in 0..self.draws.below(8) {
            let client = location(&mut self.draws, false);
            let region = format!("r{}", self.draws.below(3));
            if seen.insert(format!("{client:?}{region}")) {
                let tenths = self.draws.below(12) as u32 * 100;
                self.model.latencies.push(LatencyRow { client, region, tenths });
            }
        }
    }

    fn zone(&mut self) -> Vec<(String, usize)> {
        let name = |text: &str| Name::absolute(text).expect("a name");
        let ttl = 1 + self.draws.below(300) as u32;
        let mut steered = vec![Steered { owner: name("s0.example.com."), route: RouteId(0), ttl }];
        let mut names = vec![("s0.example.com.".to_owned(), 0)];
        if self.model.routes.len() > 1 && self.draws.one_in(2) {
            steered.push(Steered { owner: name("*.w.example.com."), route: RouteId(1), ttl: ttl + 1 });
            names.push(("any.deep.w.example.com.".to_owned(), 1));
        }
        let ns = name("ns.example.net.");
        self.model.zones.push(Arc::new(Zone {
            apex: name("example.com."),
            file: "example.com.toml".into(),
            soa: Soa {
                ttl: *self.draws.pick(&[5, 60, 300]),
                mname: ns.clone(),
                rname: name("hostmaster.example.com."),
                serial: 1,
                refresh: 7200,
                retry: 3600,
                expire: 1_209_600,
                minimum: *self.draws.pick(&[4, 60, 300]),
            },
            records: RecordsBuilder::new()
                .with(&name("example.com."), RecordType::NS, 300, &[ns.as_wire()])
                .finish()
                .into(),
            steered,
            transfer: Transfer::default(),
            expiry: None,
        }));
        names
    }
}

fn address(rtype: RecordType, data: &[u8]) -> Option<IpAddr> {
    match rtype {
        RecordType::A => Some(IpAddr::from(<[u8; 4]>::try_from(data).ok()?)),
        RecordType::AAAA => Some(IpAddr::from(<[u8; 16]>::try_from(data).ok()?)),
        _ => None,
    }
}
