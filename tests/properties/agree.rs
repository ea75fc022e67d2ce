//! The engine's bytes against the plain model: records, TTL, scope.

use std::net::IpAddr;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rhumb::config::model::{Model, RouteId, Target};
use rhumb::wire::RecordType;

use super::{Case, Kind};
use crate::harness::{Ask, Draws, Fixture, Reply};
use crate::plain::{Answer, Decision, Facts, Map, Scope, deciding};

const TYPES: [RecordType; 6] =
    [RecordType::A, RecordType::A, RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::MX];

/// Whether an endpoint of the tree has data for this type; `None` when only last resorts have.
fn has_type(model: &Model, root: RouteId, rtype: RecordType) -> Option<bool> {
    fn walk(model: &Model, target: Target, rtype: RecordType, last: bool, found: &mut [bool; 2]) {
        match target {
            Target::Endpoint(id) => {
                let endpoint = model.endpoint(id);
                let has = !endpoint.records_of(rtype).is_empty() || !endpoint.records_of(RecordType::CNAME).is_empty();
                found[usize::from(last)] |= has;
            }
            Target::Route(id) => {
                let route = model.route(id);
                route.members.iter().for_each(|m| walk(model, m.target, rtype, last, found));
                route.last_resort.iter().for_each(|&t| walk(model, t, rtype, true, found));
            }
        }
    }
    let mut found = [false; 2];
    walk(model, Target::Route(root), rtype, false, &mut found);
    match found {
        [true, _] => Some(true),
        [false, true] => None,
        [false, false] => Some(false),
    }
}

/// Asks `queries` questions of one configuration; returns how many were compared. A fault is text.
pub fn compare(case: &Case, draws: &mut Draws, queries: usize) -> Result<usize, String> {
    let fixture = Fixture::compiled(case.inputs.clone());
    let model = &*case.inputs.model;
    let place_of = |address: IpAddr| case.place_of(address);
    let facts = Facts { model, place_of: &place_of, verdicts: &case.inputs.verdicts, drained: &case.inputs.drained };
    let zone = &model.zones[0];
    let runs = case.runs();
    let maps: Vec<Map<'_>> = zone.steered.iter().map(|s| Map::new(&facts, s.route, &runs)).collect();
    let mut compared = 0;
    for _ in 0..queries {
        let (name, index) = draws.pick(&case.names).clone();
        let root = zone.steered[index].route;
        let rtype = *draws.pick(&TYPES);
        let mut ask = Ask::of(&name, rtype).draw(draws.bits());
        ask.sender = case.sender(draws);
        if !draws.one_in(4) {
            ask.edns = true;
            ask.subnet = Some(case.subnet(draws));
        }
        let reply = fixture.ask(&ask);
        let fault = |what: String| {
            let answer: Vec<_> = reply.answer.iter().map(|r| (r.rtype, r.ttl, &r.rdata)).collect();
            let (rcode, ecs) = (reply.rcode, reply.ecs());
            format!("{what}\n{ask:?}\nrcode {rcode} {answer:?} {ecs:?}\n{}", case.describe())
        };
        if reply.rcode != 0 || !reply.aa {
            return Err(fault("not NOERROR with AA".into()));
        }
        let (client, reserved) = deciding(&facts, root, ask.sender, ask.subnet);
        let expected = match has_type(model, root, rtype) {
            None => continue,
            Some(false) => {
                check_nodata(&reply, zone.soa.ttl.min(zone.soa.minimum)).map_err(&fault)?;
                match (ask.subnet, reserved) {
                    (Some((_, source)), true) => Scope::OneOf(0, source),
                    _ => Scope::Is(0),
                }
            }
            Some(true) => {
                let decision = Decision::of(&facts, root, rtype, client);
                if decision.open {
                    continue;
                }
                let Some(answer) = decision.at(ask.draw) else { continue };
                check(answer, &reply, zone.steered[index].ttl, zone.soa.ttl.min(zone.soa.minimum)).map_err(|what| {
                    let place = client.place(&facts);
                    fault(format!("{what}\nfor {client:?} at {place:?}\nexpected {decision:?}"))
                })?;
                match ask.subnet {
                    Some((address, source)) => maps[index].scope(address, source),
                    None => Scope::Is(0),
                }
            }
        };
        if ask.subnet.is_some() && !expected.allows(reply.scope()) {
            return Err(fault(format!("scope {} where {expected:?} is right", reply.scope())));
        }
        compared += 1;
    }
    Ok(compared)
}

fn check_nodata(reply: &Reply, ttl: u32) -> Result<(), String> {
    match &reply.authority[..] {
        [soa] if reply.answer.is_empty() && soa.rtype == RecordType::SOA && soa.ttl == ttl => Ok(()),
        _ => Err(format!("no NODATA with an SOA of TTL {ttl}")),
    }
}

fn check(answer: &Answer, reply: &Reply, ttl: u32, negative_ttl: u32) -> Result<(), String> {
    let (rtype, ring, take) = match answer {
        Answer::Nodata => return check_nodata(reply, negative_ttl.min(10)),
        Answer::Ring { rtype, ring, take } => (*rtype, ring, *take),
    };
    let got: Vec<&[u8]> = reply.answer.iter().map(|r| &r.rdata[..]).collect();
    let is_window = (0..ring.len()).any(|start| {
        got.len() == take && got.iter().enumerate().all(|(i, data)| **data == *ring[(start + i) % ring.len()])
    });
    if !is_window {
        return Err(format!("{got:?} is no window of {take} of {ring:?}"));
    }
    let owner = reply.question[0].0.clone();
    if reply.answer.iter().any(|r| r.rtype != rtype || r.ttl != ttl || r.owner != owner || r.class != 1) {
        return Err(format!("owner, type {rtype} or TTL {ttl} is wrong"));
    }
    Ok(())
}

#[test]
fn the_engine_answers_what_the_plain_model_says() {
    // Fixed, so that a run says the same on every machine.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x72; 32]);
    let config = Config { failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let compared = std::cell::Cell::new(0);
    let result = runner.run(&(1usize..8, proptest::num::u64::ANY), |(size, seed)| {
        let case = Case::new(seed, size, Kind::Any);
        match compare(&case, &mut Draws::new(!seed), 24) {
            Ok(n) => {
                compared.set(compared.get() + n);
                Ok(())
            }
            Err(fault) => Err(proptest::test_runner::TestCaseError::fail(fault)),
        }
    });
    if let Err(fault) = result {
        panic!("{fault}");
    }
    assert!(compared.get() > 256 * 18, "too few cases say something: {}", compared.get());
}

#[test]
fn small_trees_of_fixed_seeds_answer_what_the_plain_model_says() {
    let mut compared = 0;
    for seed in 0..200 {
        let size = 1 + (seed % 3) as usize;
        let case = Case::new(seed, size, Kind::Any);
        let result = compare(&case, &mut Draws::new(seed ^ 0xfeed), 24);
        compared += result.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    }
    assert!(compared > 200 * 18, "too few cases say something: {compared}");
}
