//! Edit after edit: what is compiled from the snapshot before answers as what is compiled from nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhumb::answer::{Carrier, Peer, answer};
use rhumb::config::model::{
    AllDown, Endpoint, EndpointId, EndpointRecords, Health, Member, MinHealthy, Model, Policy, Route, RouteId, Server,
    Soa, Status, Steered, Target, Transfer, Zone,
};
use rhumb::health::Verdicts;
use rhumb::snapshot::{Inputs, Snapshot, compile};
use rhumb::wire::{Name, NameRef, RecordType, Records, RecordsBuilder};

use crate::harness::{Ask, Draws, paint};

/// Apexes that zones come and go at: within each other at every distance.
const APEXES: [&str; 9] =
    ["test.", "a.test.", "b.test.", "b.a.test.", "a.b.a.test.", "b.b.b.b.test.", "other.", "a.a.other.", "b.test2."];
const LABELS: [&str; 3] = ["a", "b", "*"];
const ROUTES: usize = 6;

/// What there is at one time.
#[derive(Clone, Default)]
struct World {
    zones: BTreeMap<usize, Spec>,
    unloaded: BTreeSet<usize>,
    /// Numbers of routes that there are, in the order of their ids.
    routes: Vec<usize>,
    /// An octet of every endpoint's address.
    endpoints: u8,
}

/// One zone; its content is kept, as a load keeps that of an unchanged file.
#[derive(Clone)]
struct Spec {
    records: Arc<Records>,
    serial: u32,
    /// (owner, number of the route, TTL).
    steered: Vec<(Name, usize, u32)>,
}

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

/// All names that are asked: up to three labels below each apex, and above them.
fn asked() -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for apex in APEXES {
        let mut level = vec![apex.to_owned()];
        for _ in 0..3 {
            names.extend(level.iter().map(|text| name(text)));
            level = level.iter().flat_map(|text| LABELS.map(|label| format!("{label}.{text}"))).collect();
        }
        names.extend(level.iter().map(|text| name(text)));
    }
    names
}

fn below(draws: &mut Draws, apex: &str) -> Name {
    let depth = draws.below(4);
    let labels: String = (0..depth).map(|_| format!("{}.", draws.pick(&LABELS))).collect();
    let text = format!("{labels}{apex}");
    // The spelling of a name is no part of it.
    name(&if draws.one_in(8) { text.to_uppercase() } else { text })
}

fn records(draws: &mut Draws, apex: &str) -> Arc<Records> {
    let mut owners: BTreeMap<Name, BTreeMap<u16, Vec<Vec<u8>>>> = BTreeMap::new();
    let top = name(apex);
    for _ in 0..draws.below(14) {
        let owner = below(draws, apex);
        let wild = owner.is_wildcard();
        let elsewhere = *draws.pick(&APEXES);
        let host = below(draws, elsewhere).as_wire().to_vec();
        let (rtype, data) = match draws.below(12) {
            0 | 1 if !wild => (RecordType::NS, host),
            2 => (RecordType::CNAME, host),
            3 => (RecordType::DS, vec![draws.bits() as u8; 36]),
            4 => (RecordType::TXT, vec![1, draws.bits() as u8]),
            5 => (RecordType::AAAA, vec![draws.bits() as u8; 16]),
            6 if draws.one_in(2) => (RecordType::DNAME, host),
            7 => (RecordType::MX, [&[0, draws.bits() as u8][..], &host].concat()),
            8 => (RecordType::HTTPS, [&[0, 1][..], if draws.one_in(2) { &host } else { &[0] }].concat()),
            _ => (RecordType::A, vec![draws.bits() as u8; 4]),
        };
        if rtype == RecordType::CNAME && owner == top {
            continue;
        }
        owners.entry(owner).or_default().entry(rtype.0).or_default().push(data);
    }
    let mut packed = RecordsBuilder::new();
    for (owner, types) in owners {
        for (rtype, data) in types {
            packed.push(owner.view(), RecordType(rtype), 60, data.iter().map(|data| &data[..]));
        }
    }
    Arc::new(packed.finish())
}

fn steered(draws: &mut Draws, apex: &str) -> Vec<(Name, usize, u32)> {
    let mut owners = BTreeMap::new();
    for _ in 0..draws.below(4) {
        owners.insert(below(draws, apex), (draws.below(ROUTES), 30 + draws.below(2) as u32));
    }
    owners.into_iter().map(|(owner, (route, ttl))| (owner, route, ttl)).collect()
}

impl World {
    /// One edit, as a person might make it.
    fn edit(&mut self, draws: &mut Draws) {
        let at = draws.below(APEXES.len());
        match draws.below(10) {
            0..=3 => {
                let spec = Spec { records: records(draws, APEXES[at]), serial: 1, steered: steered(draws, APEXES[at]) };
                self.zones.insert(at, spec);
                self.unloaded.remove(&at);
            }
            4 => drop(self.zones.remove(&at)),
            5 => {
                self.zones.remove(&at);
                self.unloaded.insert(at);
            }
            6 => drop(self.unloaded.pop_first()),
            7 => {
                for spec in self.zones.values_mut().take(1 + draws.below(2)) {
                    spec.serial += 1;
                }
            }
            8 => {
                if let Some(spec) = self.zones.get_mut(&at) {
                    spec.steered = steered(draws, APEXES[at]);
                }
            }
            _ => {
                // Ids move whenever any file changes.
                let (one, other) = (draws.below(ROUTES), draws.below(ROUTES));
                self.routes.swap(one, other);
                self.endpoints = self.endpoints.wrapping_add(1);
            }
        }
    }

    fn model(&self) -> Model {
        let endpoints = self.routes.iter().map(|route| Endpoint {
            name: format!("e{route}"),
            records: vec![EndpointRecords {
                rtype: RecordType::A,
                rdata: vec![[10, self.endpoints, 0, *route as u8].into()],
            }],
            at: None,
            region: None,
            site: None,
            status: Status::Auto,
            health: Health::Unchecked,
        });
        let routes = self.routes.iter().enumerate().map(|(id, route)| Route {
            name: format!("r{route}"),
            policy: Policy::Simple,
            members: vec![Member {
                name: format!("e{route}"),
                target: Target::Endpoint(EndpointId(id as u32)),
                weight: 1,
                bias: 0,
                at: None,
                region: None,
                health: Health::Unchecked,
                status: Status::Auto,
                follow_health: true,
                locations: Vec::new(),
            }],
            min_healthy: MinHealthy::Count(1),
            last_resort: None,
            all_down: AllDown::All,
            no_match: None,
            fence: false,
            sticky: None,
            tolerance: 0,
            max_answers: 8,
        });
        let id = |wanted: usize| {
            RouteId(self.routes.iter().position(|&route| route == wanted).expect("all routes are there") as u32)
        };
        let zones = self.zones.iter().map(|(&at, spec)| {
            let soa = Soa {
                ttl: 100,
                mname: name("ns."),
                rname: name("host."),
                serial: spec.serial,
                refresh: 1,
                retry: 1,
                expire: 1,
                minimum: 50,
            };
            let steered = spec.steered.iter().map(|&(ref owner, route, ttl)| Steered {
                owner: owner.clone(),
                route: id(route),
                ttl,
            });
            Arc::new(Zone {
                apex: name(APEXES[at]),
                file: format!("{at}.toml").into(),
                soa,
                records: Arc::clone(&spec.records),
                steered: steered.collect(),
                transfer: Transfer::default(),
                expiry: None,
            })
        });
        Model {
            server: Server::default(),
            zones: zones.collect(),
            unloaded: self.unloaded.iter().map(|&at| name(APEXES[at])).collect(),
            endpoints: endpoints.collect(),
            routes: routes.collect(),
            ..Model::default()
        }
    }
}

fn reply(snapshot: &Snapshot, query: &[u8], draw: u64) -> Vec<u8> {
    let mut out = vec![0; 4096];
    let peer = Peer::new([240, 0, 0, 1].into(), Carrier::Datagram);
    let len = answer(snapshot, query, peer, draw, &mut out).expect("a reply");
    out.truncate(len);
    out
}

#[test]
fn an_edited_snapshot_answers_as_one_compiled_from_nothing() {
    let types = [1, 2, 5, 15, 28, 43, 65, 255].map(RecordType);
    let names = asked();
    let queries: Vec<(NameRef<'_>, RecordType, Vec<u8>)> = names
        .iter()
        .flat_map(|name| types.map(|rtype| (name.view(), rtype, Ask::of(&name.to_string(), rtype).bytes())))
        .collect();
    let places = Arc::new(paint(&[]));
    for seed in 11_000..11_060 {
        let mut draws = Draws::new(seed);
        let mut world = World { routes: (0..ROUTES).collect(), ..World::default() };
        let mut before: Option<Snapshot> = None;
        for step in 0..8 {
            for _ in 0..1 + draws.below(3) {
                world.edit(&mut draws);
            }
            let inputs = Inputs {
                model: Arc::new(world.model()),
                places: Arc::clone(&places),
                verdicts: Verdicts::default(),
                drained: BTreeSet::new(),
                seed: 0x5eed,
            };
            let edited = compile(&inputs, step + 2, before.as_ref()).expect("within limits");
            let fresh = compile(&inputs, 1, None).expect("within limits");
            assert_eq!(edited.plan.table.len(), fresh.plan.table.len(), "seed {seed}, step {step}");
            for (name, rtype, query) in &queries {
                let draw = draws.bits();
                let (edited, fresh) = (reply(&edited, query, draw), reply(&fresh, query, draw));
                assert_eq!(edited, fresh, "seed {seed}, step {step}: {name} {rtype}");
            }
            before = Some(edited);
        }
    }
}
