//! What must hold of any answer, said without the plain model's tree walk.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use rhumb::config::model::{EndpointId, Health, ProbeId, RouteId, Target};
use rhumb::health::{Verdict, Verdicts};
use rhumb::snapshot::Place;
use rhumb::wire::RecordType;

use super::{Case, Kind};
use crate::harness::{Ask, Draws, Fixture, Reply};

pub fn ask(case: &Case, draws: &mut Draws) -> Ask {
    let (name, _) = draws.pick(&case.names).clone();
    let mut ask = Ask::a(&name).draw(draws.bits());
    ask.sender = case.sender(draws);
    ask.edns = true;
    ask.subnet = Some(case.subnet(draws));
    ask
}

fn data(reply: &Reply) -> BTreeSet<Vec<u8>> {
    reply.answer.iter().map(|r| r.rdata.clone()).collect()
}

#[test]
fn g4_g6_no_verdicts_ever_empty_an_answer() {
    for seed in 1_000..1_060 {
        let case = Case::new(seed, 6, Kind::Plain);
        let mut draws = Draws::new(seed);
        let fixture = Fixture::compiled(case.inputs.clone());
        for _ in 0..3 {
            let verdicts = Verdicts::from_iter((0..case.inputs.model.probes.len()).map(|_| random_verdict(&mut draws)));
            let fixture = fixture.with(verdicts, BTreeSet::new());
            for _ in 0..6 {
                let ask = ask(&case, &mut draws);
                let reply = fixture.ask(&ask);
                assert_eq!(reply.rcode, 0, "seed {seed}: {ask:?}");
                assert!(!reply.answer.is_empty(), "seed {seed}: {ask:?}\n{}", case.describe());
            }
        }
    }
}

fn random_verdict(draws: &mut Draws) -> Verdict {
    *draws.pick(&[Verdict::Up, Verdict::Down, Verdict::Unchecked, Verdict::Down])
}

#[test]
fn g4_w8_t5_with_every_probe_down_each_draw_answers_as_with_every_probe_up() {
    let mut compared = 0;
    for seed in 2_000..2_120 {
        let case = Case::new(seed, 6, Kind::Plain);
        let model = &case.inputs.model;
        // An endpoint that nothing checks stays up and takes everything, rightly.
        if model.endpoints.iter().any(|e| matches!(e.health, Health::Unchecked)) {
            continue;
        }
        let all = |verdict| Verdicts::from(vec![verdict; model.probes.len()]);
        let up = Fixture::compiled(case.inputs.clone()).with(all(Verdict::Up), BTreeSet::new());
        let down = up.with(all(Verdict::Down), BTreeSet::new());
        let mut draws = Draws::new(seed);
        for _ in 0..20 {
            let ask = ask(&case, &mut draws);
            assert_eq!(data(&up.ask(&ask)), data(&down.ask(&ask)), "seed {seed}: {ask:?}\n{}", case.describe());
            compared += 1;
        }
    }
    assert!(compared >= 200, "too few cases say something: {compared}");
}

#[test]
fn e2_regions_and_so_scopes_do_not_depend_on_health() {
    for seed in 3_000..3_040 {
        let case = Case::new(seed, 6, Kind::Plain);
        let one = Fixture::compiled(case.inputs.clone());
        let mut draws = Draws::new(seed);
        let verdicts = Verdicts::from_iter((0..case.inputs.model.probes.len()).map(|_| random_verdict(&mut draws)));
        let other = one.with(verdicts, BTreeSet::new());
        for _ in 0..20 {
            let ask = ask(&case, &mut draws);
            assert_eq!(one.ask(&ask).scope(), other.ask(&ask).scope(), "seed {seed}: {ask:?}");
        }
    }
}

#[test]
fn e2_no_two_replies_overlap_with_different_decisions() {
    for seed in 4_000..4_060 {
        let case = Case::new(seed, 5, Kind::Any);
        let fixture = Fixture::compiled(case.inputs.clone());
        let mut draws = Draws::new(seed);
        let (name, _) = draws.pick(&case.names).clone();
        // One sender and one draw: what differs then is the decision.
        let mut ask = Ask::of(&name, RecordType::A).draw(draws.bits()).edns();
        ask.sender = IpAddr::from([240, 0, 0, 1]);
        let mut cached: Vec<(IpNet, Ask, BTreeSet<Vec<u8>>)> = Vec::new();
        for _ in 0..40 {
            let (address, source) = case.subnet(&mut draws);
            if source == 0 {
                // E4: the sender decides, and no cache may keep it for others.
                continue;
            }
            ask.subnet = Some((address, source));
            let reply = fixture.ask(&ask);
            let scope = reply.scope();
            if source < scope {
                continue;
            }
            let net = IpNet::new(address, scope).expect("a scope of the family").trunc();
            for (other, earlier, answer) in &cached {
                if net.addr().is_ipv4() == other.addr().is_ipv4() && (net.contains(other) || other.contains(&net)) {
                    assert_eq!(&data(&reply), answer, "seed {seed}: {net} and {other}\n{ask:?}\n{earlier:?}");
                }
            }
            cached.push((net, ask.clone(), data(&reply)));
        }
    }
}

#[test]
fn g8_the_same_inputs_answer_the_same_bytes() {
    for seed in 5_000..5_020 {
        let case = Case::new(seed, 6, Kind::Any);
        let (one, two) = (Fixture::compiled(case.inputs.clone()), Fixture::compiled(case.inputs.clone()));
        // A snapshot made from an earlier one shares its parts and must not differ.
        let three = two.with(case.inputs.verdicts.clone(), case.inputs.drained.clone());
        let mut draws = Draws::new(seed);
        for _ in 0..20 {
            let ask = ask(&case, &mut draws);
            let query = ask.bytes();
            let reply = one.raw(&query, &ask);
            assert!(reply.is_some());
            assert_eq!(reply, two.raw(&query, &ask), "seed {seed}: {ask:?}");
            assert_eq!(reply, three.raw(&query, &ask), "seed {seed}: {ask:?}");
        }
    }
}

#[test]
fn g10_no_drained_endpoint_is_answered_while_another_one_is_there() {
    for seed in 6_000..6_060 {
        let case = Case::new(seed, 6, Kind::Plain);
        let mut draws = Draws::new(seed);
        let model = &case.inputs.model;
        let root = model.route(RouteId(0));
        // Where any other member can stand in: endpoints alone, and every client sees them all.
        let drained = EndpointId(draws.below(model.endpoints.len()) as u32);
        let is_flat = root.members.iter().all(|m| matches!(m.target, Target::Endpoint(_)) && m.locations.is_empty());
        if !is_flat || root.members.len() < 2 {
            continue;
        }
        let fixture =
            Fixture::compiled(case.inputs.clone()).with(case.inputs.verdicts.clone(), BTreeSet::from([drained]));
        let own: BTreeSet<Vec<u8>> = model
            .endpoint(drained)
            .records_of(RecordType::A)
            .iter()
            .filter(|data| data[1] != 255)
            .map(|data| data.to_vec())
            .collect();
        for _ in 0..20 {
            let mut ask = ask(&case, &mut draws);
            ask.name = "s0.example.com.".into();
            assert!(data(&fixture.ask(&ask)).is_disjoint(&own), "seed {seed}: {ask:?}");
        }
    }
}

#[test]
fn g1_a_flip_of_health_recompiles_what_depends_on_it_and_nothing_is_missed() {
    for seed in 6_000..6_080 {
        let case = Case::new(seed, 6, Kind::Any);
        let mut draws = Draws::new(seed);
        let mut fixture = Fixture::compiled(case.inputs.clone());
        for _ in 0..10 {
            let mut verdicts = fixture.inputs.verdicts.clone();
            if !verdicts.is_empty() {
                for _ in 0..1 + draws.below(3) {
                    let flipped = ProbeId(draws.below(verdicts.len()) as u32);
                    verdicts.set(flipped, random_verdict(&mut draws));
                }
            }
            let mut drained = fixture.inputs.drained.clone();
            if draws.one_in(5) {
                let endpoint = EndpointId(draws.below(case.inputs.model.endpoints.len()) as u32);
                if !drained.remove(&endpoint) {
                    drained.insert(endpoint);
                }
            }
            fixture = fixture.with(verdicts, drained);
            let fresh = Fixture::compiled(fixture.inputs.clone());
            assert_eq!(fixture.snapshot.steered, fresh.snapshot.steered, "seed {seed}");
            assert_eq!(fixture.snapshot.forced(), fresh.snapshot.forced(), "seed {seed}");
            let ask = ask(&case, &mut draws);
            assert_eq!(fixture.raw(&ask.bytes(), &ask), fresh.raw(&ask.bytes(), &ask), "seed {seed}: {ask:?}");
        }
    }
}

#[test]
fn g1_what_nothing_has_changed_is_shared_with_the_snapshot_before() {
    for seed in 6_000..6_020 {
        let case = Case::new(seed, 6, Kind::Any);
        let one = Fixture::compiled(case.inputs.clone());
        let two = one.with(case.inputs.verdicts.clone(), case.inputs.drained.clone());
        for (one, two) in one.snapshot.steered.iter().zip(two.snapshot.steered.iter()) {
            assert!(std::sync::Arc::ptr_eq(one, two), "seed {seed}");
        }
    }
}

#[test]
fn r7_a_sweep_finds_what_differs_and_nothing_else() {
    let mut planted = 0;
    for seed in 6_100..6_160 {
        let case = Case::new(seed, 6, Kind::Any);
        let mut draws = Draws::new(seed);
        let mut snapshot = Fixture::compiled(case.inputs.clone()).snapshot;
        let verdicts = Verdicts::from_iter((0..case.inputs.model.probes.len()).map(|_| random_verdict(&mut draws)));
        let right = Fixture::compiled(case.inputs.clone()).with(verdicts.clone(), BTreeSet::new()).snapshot;
        // As if these changes had been missed.
        (snapshot.inputs.verdicts, snapshot.inputs.drained) = (verdicts, BTreeSet::new());
        let (mut found, mut place) = (BTreeSet::new(), Place::default());
        loop {
            // Slices of any length come to the same.
            found.extend(snapshot.recheck(&mut place, || draws.one_in(2)));
            if place == Place::default() {
                break;
            }
        }
        let differing: BTreeSet<u32> = (0..)
            .zip(snapshot.steered.iter().zip(right.steered.iter()))
            .filter(|(_, (served, right))| served != right)
            .map(|(number, _)| number)
            .collect();
        assert_eq!(found, differing, "seed {seed}");
        planted += found.len();
    }
    assert!(planted >= 40, "too few cases say something: {planted}");
}
