//! RFC 2136 section 3 against a plain model of it, and the journal after crashes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;

use super::message::{CLASS_ANY, CLASS_NONE};
use super::*;
use crate::config::model::{Grant, Ground, Origin, RouteId, Soa, Steered, Zone};
use crate::config::{Change, Changes, Content, complete, faults};
use crate::wire::message::{CLASS_IN, Rcode};
use crate::wire::{Name, RecordType, RecordsBuilder};

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn grant(names: &[&str], types: &[RecordType]) -> Grant {
    Grant { key: name("key"), names: names.iter().map(|text| name(text)).collect(), types: types.to_vec() }
}

/// `example.com` with an NS, `a` and `b` with an A, `s` with a route for A, `c` a CNAME.
fn ground(grants: Vec<Grant>) -> Arc<Ground> {
    let records = RecordsBuilder::new()
        .with(&name("example.com"), RecordType::NS, 300, &[name("ns.example.net").as_wire()])
        .with(&name("n0.example.com"), RecordType::A, 60, &[[0; 4]])
        .with(&name("n1.example.com"), RecordType::A, 60, &[[0; 4], [1; 4]])
        .with(&name("n1.example.com"), RecordType::TXT, 60, &[[0]])
        .with(&name("n2.example.com"), RecordType::CNAME, 60, &[name("x").as_wire()]);
    Arc::new(Ground {
        zone: Zone {
            apex: name("example.com"),
            file: "example.com.toml".into(),
            soa: Soa { serial: 5, ..Soa::none() },
            records: records.finish().into(),
            steered: vec![Steered { owner: name("s.example.com"), route: RouteId(0), ttl: 30 }],
            transfer: Default::default(),
            expiry: None,
        },
        origin: Origin::Updates(grants),
        answered: vec![vec![RecordType::A]],
    })
}

fn view() -> View {
    let ground = ground(vec![grant(&[], &[])]);
    let soa = ground.zone.soa.clone();
    View::new(ground, Changes::default(), soa)
}

fn row(owner: &str, rtype: RecordType, class: u16, ttl: u32, rdata: &[u8]) -> Row {
    Row { owner: name(owner), rtype, class, ttl, rdata: rdata.into() }
}

fn update(prerequisites: Vec<Row>, changes: Vec<Row>) -> Update {
    Update { zone: name("example.com"), prerequisites, changes }
}

fn judged(view: &mut View, prerequisites: Vec<Row>, changes: Vec<Row>) -> Result<usize, Rcode> {
    judge(view, &update(prerequisites, changes), &name("KEY")).map(|steps| steps.len())
}

const A: RecordType = RecordType::A;
const TXT: RecordType = RecordType::TXT;
const ANY: RecordType = RecordType::ANY;

#[test]
fn p27_each_prerequisite_has_its_own_code() {
    for (prerequisite, expected) in [
        (row("n0.example.com", ANY, CLASS_ANY, 0, &[]), Ok(0)),
        (row("x.example.com", ANY, CLASS_ANY, 0, &[]), Err(Rcode::NxDomain)),
        (row("n0.example.com", A, CLASS_ANY, 0, &[]), Ok(0)),
        (row("n0.example.com", TXT, CLASS_ANY, 0, &[]), Err(Rcode::NxRrset)),
        (row("x.example.com", ANY, CLASS_NONE, 0, &[]), Ok(0)),
        (row("n0.example.com", ANY, CLASS_NONE, 0, &[]), Err(Rcode::YxDomain)),
        (row("n0.example.com", TXT, CLASS_NONE, 0, &[]), Ok(0)),
        (row("n0.example.com", A, CLASS_NONE, 0, &[]), Err(Rcode::YxRrset)),
        (row("n0.example.com", A, CLASS_IN, 0, &[0; 4]), Ok(0)),
        (row("n0.example.com", A, CLASS_IN, 0, &[9; 4]), Err(Rcode::NxRrset)),
        (row("n1.example.com", A, CLASS_IN, 0, &[0; 4]), Err(Rcode::NxRrset)),
        (row("s.example.com", A, CLASS_NONE, 0, &[]), Err(Rcode::YxRrset)),
        (row("s.example.com", ANY, CLASS_ANY, 0, &[]), Ok(0)),
        (row("example.com", RecordType::SOA, CLASS_ANY, 0, &[]), Ok(0)),
        (row("n0.example.org", ANY, CLASS_ANY, 0, &[]), Err(Rcode::NotZone)),
        (row("n0.example.com", A, CLASS_ANY, 1, &[]), Err(Rcode::FormErr)),
        (row("n0.example.com", A, CLASS_ANY, 0, &[0; 4]), Err(Rcode::FormErr)),
        (row("n0.example.com", ANY, CLASS_NONE, 0, &[0; 4]), Err(Rcode::FormErr)),
        (row("n0.example.com", ANY, CLASS_IN, 0, &[]), Err(Rcode::FormErr)),
        (row("n0.example.com", A, 3, 0, &[0; 4]), Err(Rcode::FormErr)),
    ] {
        assert_eq!(judged(&mut view(), vec![prerequisite.clone()], vec![]), expected, "{prerequisite:?}");
    }
}

#[test]
fn p27_each_fault_of_a_change_has_its_own_code_and_nothing_of_the_update_is_done() {
    let good = row("new.example.com", A, CLASS_IN, 60, &[7; 4]);
    let soa = Soa { serial: 99, ..Soa::none() };
    let soa = row("example.com", RecordType::SOA, CLASS_IN, 60, &soa.data());
    for (change, expected) in [
        (row("new.example.org", A, CLASS_IN, 60, &[7; 4]), Rcode::NotZone),
        (row("new.example.com", ANY, CLASS_IN, 60, &[]), Rcode::FormErr),
        (row("new.example.com", RecordType::AXFR, CLASS_ANY, 0, &[]), Rcode::FormErr),
        (row("new.example.com", ANY, CLASS_NONE, 0, &[]), Rcode::FormErr),
        (row("new.example.com", A, CLASS_ANY, 0, &[7; 4]), Rcode::FormErr),
        (row("new.example.com", A, CLASS_ANY, 1, &[]), Rcode::FormErr),
        (row("new.example.com", RecordType::DS, CLASS_IN, 60, &[0, 1, 13, 2, 7]), Rcode::FormErr),
        (row("new.example.com", RecordType::TXT, CLASS_IN, 60, &[2, 7]), Rcode::FormErr),
        (row("new.example.com", A, CLASS_NONE, 1, &[7; 4]), Rcode::FormErr),
        (row("new.example.com", A, CLASS_IN, 60, &[]), Rcode::FormErr),
        (row("new.example.com", A, 3, 60, &[7; 4]), Rcode::FormErr),
        (row("S.example.com", TXT, CLASS_IN, 60, &[0]), Rcode::Refused),
        (row("s.example.com", ANY, CLASS_ANY, 0, &[]), Rcode::Refused),
        (row("*.example.com", RecordType::NS, CLASS_IN, 60, name("x").as_wire()), Rcode::Refused),
        (row("example.com", RecordType::DNAME, CLASS_IN, 60, name("x").as_wire()), Rcode::Refused),
        (row("big.example.com", RecordType(731), CLASS_IN, 60, &[0; 60_001]), Rcode::Refused),
    ] {
        let mut view = view();
        if expected == Rcode::Refused && change.rtype == RecordType(731) {
            // Too much together, not each alone.
            let half = row("big.example.com", RecordType(731), CLASS_IN, 60, &[1; 30_000]);
            let outcome = judged(&mut view, vec![], vec![soa.clone(), good.clone(), half, change]);
            assert_eq!(outcome, Err(expected));
        } else {
            assert_eq!(
                judged(&mut view, vec![], vec![soa.clone(), good.clone(), change.clone()]),
                Err(expected),
                "{change:?}"
            );
        }
        assert!(view.changes().is_empty());
        assert_eq!(view.soa().serial, 5);
    }
}

#[test]
fn p27_a_key_and_a_cname_stand_beside_each_other_whichever_comes_first() {
    let key = row("c.example.com", RecordType::KEY, CLASS_IN, 60, &[2, 0, 3, 13, 7]);
    let more = row("c.example.com", RecordType::KEY, CLASS_IN, 60, &[2, 0, 3, 13, 8]);
    let mut view = view();
    assert_eq!(judged(&mut view, vec![], vec![key.clone(), more]), Ok(3), "two and the serial");
    let first = Row { owner: name("new.example.com"), ..key };
    let cname = row("new.example.com", RecordType::CNAME, CLASS_IN, 60, name("x").as_wire());
    let text = row("new.example.com", TXT, CLASS_IN, 60, &[1, 65]);
    assert_eq!(judged(&mut view, vec![], vec![first, cname, text]), Ok(3), "and nothing else with them");
}

#[test]
fn p27_a_key_changes_what_it_was_granted_and_no_more() {
    let acme = || grant(&["_acme-challenge.example.com"], &[TXT]);
    let with = |grants: Vec<Grant>, change: Row| {
        let ground = ground(grants);
        let soa = ground.zone.soa.clone();
        judged(&mut View::new(ground, Changes::default(), soa), vec![], vec![change])
    };
    let txt = |owner: &str| row(owner, TXT, CLASS_IN, 60, &[1, 65]);
    assert_eq!(with(vec![acme()], txt("_acme-challenge.example.com")), Ok(2));
    assert_eq!(with(vec![acme()], txt("www._ACME-challenge.example.com")), Ok(2));
    assert_eq!(with(vec![acme()], txt("example.com")), Err(Rcode::Refused));
    assert_eq!(with(vec![acme()], row("_acme-challenge.example.com", A, CLASS_IN, 60, &[1; 4])), Err(Rcode::Refused));
    assert_eq!(with(vec![acme()], row("n1.example.com", ANY, CLASS_ANY, 0, &[])), Err(Rcode::Refused));
    assert_eq!(
        with(vec![grant(&[], &[TXT])], row("n1.example.com", ANY, CLASS_ANY, 0, &[])),
        Err(Rcode::Refused),
        "an A too"
    );
    assert_eq!(with(vec![acme(), grant(&[], &[])], row("n1.example.com", ANY, CLASS_ANY, 0, &[])), Ok(3));
    let stranger = Grant { key: name("other"), names: Vec::new(), types: Vec::new() };
    assert_eq!(with(vec![stranger], txt("x.example.com")), Err(Rcode::Refused));
}

#[test]
fn p27_the_apex_keeps_its_soa_and_a_name_server_and_the_serial_grows() {
    let mut view = view();
    let apex = |rtype, class, rdata: &[u8]| row("example.com", rtype, class, 0, rdata);
    let ns = name("ns.example.net");
    assert_eq!(judged(&mut view, vec![], vec![apex(RecordType::NS, CLASS_NONE, ns.as_wire())]), Ok(0));
    assert_eq!(judged(&mut view, vec![], vec![apex(RecordType::NS, CLASS_ANY, &[])]), Ok(0));
    assert_eq!(judged(&mut view, vec![], vec![apex(RecordType::SOA, CLASS_ANY, &[])]), Ok(0));
    assert_eq!(judged(&mut view, vec![], vec![apex(TXT, CLASS_IN, &[0]), apex(ANY, CLASS_ANY, &[])]), Ok(3));
    assert_eq!(view.soa().serial, 6);
    let soa = |serial| Soa { serial, minimum: 7, ..Soa::none() }.data();
    assert_eq!(judged(&mut view, vec![], vec![apex(RecordType::SOA, CLASS_IN, &soa(6))]), Ok(0), "not later");
    assert_eq!(judged(&mut view, vec![], vec![apex(RecordType::SOA, CLASS_IN, &soa(100))]), Ok(1));
    assert_eq!((view.soa().serial, view.soa().minimum), (100, 7));
    assert_eq!(judged(&mut view, vec![], vec![row("n0.example.com", A, CLASS_IN, 60, &[0; 4])]), Ok(0), "it is there");
    assert_eq!(view.soa().serial, 100, "nothing was changed");
    assert_eq!(judged(&mut view, vec![], vec![row("n0.example.com", A, CLASS_IN, 61, &[0; 4])]), Ok(2), "another TTL");
    assert_eq!(view.soa().serial, 101);
}

/// Type to TTL and data.
type Sets = BTreeMap<u16, (u32, Vec<Vec<u8>>)>;

/// Names to what they hold: RFC 2136 section 3.4.2.7 word by word, knowing nothing of layers.
#[derive(Clone, Debug, Default, PartialEq)]
struct Plain(BTreeMap<String, Sets>);

impl Plain {
    fn of(zone: &Zone) -> Self {
        let mut plain = Self::default();
        for set in zone.records.iter() {
            let mut data: Vec<Vec<u8>> = set.rdata.iter().map(<[u8]>::to_vec).collect();
            data.sort();
            plain.0.entry(set.owner.to_string()).or_default().insert(set.rtype.0, (set.ttl, data));
        }
        plain
    }

    fn take(&mut self, row: &Row) {
        let apex = row.owner == name("example.com");
        let owner = row.owner.to_string();
        let sets = self.0.entry(owner.clone()).or_default();
        match row.class {
            CLASS_IN => {
                let is_lone = |one, two| one == 5 && ![5, RecordType::NSEC.0].contains(&two);
                let is_cut_beside_dname = |held| !apex && [[2, 39], [39, 2]].contains(&[held, row.rtype.0]);
                let mut held = sets.keys().copied();
                let other = held
                    .any(|held| is_lone(held, row.rtype.0) || is_lone(row.rtype.0, held) || is_cut_beside_dname(held));
                if !(other || apex && row.rtype.0 == 5) {
                    let (ttl, data) = sets.entry(row.rtype.0).or_default();
                    if [5, 39].contains(&row.rtype.0) {
                        data.clear();
                    }
                    *ttl = row.ttl;
                    if !data.contains(&row.rdata.to_vec()) {
                        data.push(row.rdata.to_vec());
                        data.sort();
                    }
                }
            }
            CLASS_ANY if row.rtype == ANY => sets.retain(|&held, _| apex && held == 2),
            CLASS_ANY => {
                if !(apex && row.rtype.0 == 2) {
                    sets.remove(&row.rtype.0);
                }
            }
            _ => {
                if let Some((_, data)) = sets.get_mut(&row.rtype.0)
                    && !(apex && row.rtype.0 == 2 && data.len() == 1)
                {
                    data.retain(|held| **held != *row.rdata);
                }
                sets.retain(|_, (_, data)| !data.is_empty());
            }
        }
        if self.0.get(&owner).is_some_and(BTreeMap::is_empty) {
            self.0.remove(&owner);
        }
    }
}

fn any_row() -> impl Strategy<Value = Row> {
    let owner = proptest::sample::select(vec![
        "example.com",
        "n0.example.com",
        "n1.example.com",
        "n2.example.com",
        "new.example.com",
    ]);
    let rtype =
        proptest::sample::select(vec![A, TXT, RecordType::NS, RecordType::CNAME, RecordType::DNAME, RecordType::NSEC]);
    (owner, rtype, 0u8..4, 0u8..3, 60u32..62).prop_map(|(owner, rtype, kind, octet, ttl)| {
        // Above a route it is refused.
        let rtype = if owner == "example.com" && rtype == RecordType::DNAME { A } else { rtype };
        let data = match rtype {
            A => vec![octet; 4],
            TXT => vec![1, octet],
            RecordType::NSEC => vec![0, 0, 1, octet + 1],
            _ => vec![1, b'a' + octet, 0],
        };
        match kind {
            0 => row(owner, rtype, CLASS_IN, ttl, &data),
            1 => row(owner, rtype, CLASS_NONE, 0, &data),
            2 => row(owner, rtype, CLASS_ANY, 0, &[]),
            _ => row(owner, ANY, CLASS_ANY, 0, &[]),
        }
    })
}

proptest! {
    #[test]
    fn p27_updates_make_of_a_zone_what_the_rfc_says(
        updates in proptest::collection::vec(proptest::collection::vec(any_row(), 1..5), 1..8),
    ) {
        let mut view = view();
        let mut plain = Plain::of(&view.ground().zone);
        let mut all = Changes::default();
        let mut serial = view.soa().serial;
        for changes in updates {
            let before = plain.clone();
            changes.iter().for_each(|row| plain.take(row));
            let steps = judge(&mut view, &update(vec![], changes.clone()), &name("key")).unwrap();
            prop_assert_eq!(steps.is_empty(), view.soa().serial == serial, "the serial grows with each change");
            prop_assert!(!steps.is_empty() || before == plain);
            serial = view.soa().serial;
            steps.iter().for_each(|step| all.apply(step));
            prop_assert_eq!(&all, view.changes());
            // Beside other things it shows what the layers come to.
            let zone = complete(view.ground(), Some(&Content::Updated(all.clone()))).unwrap();
            prop_assert_eq!(Plain::of(&zone), plain.clone(), "after {:?}", changes);
            prop_assert_eq!(zone.soa.serial, serial);
            prop_assert_eq!(faults(&zone), Vec::<String>::new(), "a later load takes it");
            // The journal written anew says the same.
            let mut again = Changes::default();
            all.steps().iter().for_each(|step| again.apply(step));
            prop_assert_eq!(&again, &all);
        }
    }
}

/// Rows of two names that hold many records, which their files and the rows spell in several ways.
fn any_row_of_many() -> impl Strategy<Value = Row> {
    let rtypes = [A, RecordType::MX, RecordType::HTTPS, RecordType::CNAME, RecordType::DNAME, RecordType::WKS];
    let rtype = proptest::sample::select(rtypes.to_vec());
    (any::<bool>(), rtype, 0u8..60, 0u8..25, any::<bool>(), 60u32..62).prop_map(
        |(is_first, rtype, kind, host, is_upper, ttl)| {
            let owner = if is_first { "m0.example.com" } else { "M1.example.com" };
            let label = if is_upper { b'A' + host } else { b'a' + host };
            let data = match rtype {
                A => vec![192, 0, 2, host],
                RecordType::WKS => vec![192, 0, 2, host / 4, 6, label],
                RecordType::CNAME | RecordType::DNAME => vec![1, label, 0],
                _ => vec![0, 1, 1, label, 0],
            };
            match kind {
                0 => row(owner, ANY, CLASS_ANY, 0, &[]),
                1..3 => row(owner, rtype, CLASS_ANY, 0, &[]),
                3..25 => row(owner, rtype, CLASS_NONE, 0, &data),
                _ => row(owner, rtype, CLASS_IN, ttl, &data),
            }
        },
    )
}

/// As [`view`], with a name of many records: one of each spelling of HTTPS data, as DNSSEC tells them apart.
fn view_of_many() -> View {
    let plain = ground(vec![grant(&[], &[])]);
    let mut records = RecordsBuilder::new();
    let spellings = |label: u8| [label, label.to_ascii_uppercase()].map(|label| vec![0, 1, 1, label, 0]);
    let https: Vec<_> = (b'a'..b'k').flat_map(spellings).collect();
    let addresses: Vec<_> = (0..20).map(|host| vec![192, 0, 2, host]).collect();
    let services: Vec<_> = (0..8).map(|host| vec![192, 0, 2, host / 4, 6, b'a' + host]).collect();
    for (rtype, data) in [(A, addresses), (RecordType::HTTPS, https), (RecordType::WKS, services)] {
        records = records.with(&name("m0.example.com"), rtype, 9, &data);
    }
    let zone = Zone { records: records.finish().into(), ..plain.zone.clone() };
    let soa = zone.soa.clone();
    View::new(Arc::new(Ground { zone, ..(*plain).clone() }), Changes::default(), soa)
}

proptest! {
    #[test]
    fn p27_an_update_of_many_rows_comes_to_what_one_after_the_other_comes_to(
        rows in proptest::collection::vec(any_row_of_many(), 1..150),
    ) {
        let key = name("key");
        let (mut at_once, mut each) = (view_of_many(), view_of_many());
        let mut steps = judge(&mut at_once, &update(vec![], rows.clone()), &key).unwrap();
        let mut expected = Vec::new();
        for row in rows {
            expected.extend(judge(&mut each, &update(vec![], vec![row]), &key).unwrap());
        }
        for steps in [&mut steps, &mut expected] {
            steps.retain(|step| !matches!(step, Change::Serial(_)));
        }
        prop_assert_eq!(steps, expected);
        prop_assert_eq!(at_once.laid().1.unwrap().records, each.laid().1.unwrap().records);
    }

    #[test]
    fn p27_a_prerequisite_of_records_holds_for_these_and_no_others(
        hosts in proptest::collection::btree_set(0u8..20, 0..20),
        wanted in proptest::collection::vec((0u8..20, any::<bool>()), 1..30),
        is_as_held: bool,
    ) {
        let data = |host: u8, is_upper: bool| [0, 1, 1, if is_upper { b'A' + host } else { b'a' + host }, 0];
        let rows = |class, ttl, hosts: &[(u8, bool)]| -> Vec<Row> {
            let row = |&(host, is_upper): &_| row("m.example.com", RecordType::MX, class, ttl, &data(host, is_upper));
            hosts.iter().map(row).collect()
        };
        let mut wanted = wanted;
        if is_as_held {
            wanted.retain(|(host, _)| hosts.contains(host));
            wanted.extend(hosts.iter().map(|&host| (host, true)));
        }
        let held: Vec<(u8, bool)> = hosts.iter().map(|&host| (host, false)).collect();
        let mut view = view();
        judged(&mut view, vec![], rows(CLASS_IN, 60, &held)).unwrap();
        let holds = hosts.iter().all(|host| wanted.iter().any(|(other, _)| host == other))
            && wanted.iter().all(|(host, _)| hosts.contains(host));
        let expected = if holds || wanted.is_empty() { Ok(0) } else { Err(Rcode::NxRrset) };
        prop_assert_eq!(judged(&mut view, rows(CLASS_IN, 0, &wanted), vec![]), expected);
    }
}

#[test]
fn p27_a_message_full_of_rows_for_one_name_is_taken() {
    let rows = |class, ttl| -> Vec<Row> {
        (0..3000u32).map(|number| row("many.example.com", A, class, ttl, &number.to_be_bytes())).collect()
    };
    let mut view = view();
    assert_eq!(judged(&mut view, vec![], rows(CLASS_IN, 60)), Ok(3001));
    assert_eq!(judged(&mut view, rows(CLASS_IN, 0), rows(CLASS_IN, 60)), Ok(0), "they are there");
    assert_eq!(judged(&mut view, rows(CLASS_IN, 0), rows(CLASS_NONE, 0)), Ok(3001));
    let types: Vec<Row> =
        (0..4000).map(|number| row("types.example.com", RecordType(1000 + number), CLASS_IN, 60, &[])).collect();
    assert_eq!(judged(&mut view, vec![], types.clone()), Ok(4001));
    let any = vec![row("types.example.com", ANY, CLASS_ANY, 0, &[]); 4000];
    let prerequisites = types.into_iter().map(|row| Row { class: CLASS_ANY, ttl: 0, ..row }).collect();
    assert_eq!(judged(&mut view, prerequisites, any), Ok(4001));
    assert_eq!(view.changes().steps().len(), 1, "the serial");
}

#[test]
fn p27_a_key_without_any_grant_learns_nothing_of_what_a_zone_holds() {
    let other = name("other");
    for class in [CLASS_ANY, CLASS_NONE] {
        let prerequisites = vec![row("n0.example.com", TXT, class, 0, &[]), row("n0.example.com", A, class, 0, &[])];
        assert_eq!(judge(&mut view(), &update(prerequisites, vec![]), &other), Err(Rcode::Refused));
    }
}

#[test]
fn p27_the_ttl_that_an_update_gave_stays_when_the_record_goes_that_it_came_with() {
    let mut view = view();
    let new = |class, ttl| row("n1.example.com", A, class, ttl, &[7; 4]);
    assert_eq!(judged(&mut view, vec![], vec![new(CLASS_IN, 90), new(CLASS_NONE, 0)]), Ok(4), "with the TTL again");
    let zone = view.laid().1.unwrap();
    let set = zone.records.iter().find(|set| set.owner == name("n1.example.com") && set.rtype == A).unwrap();
    assert_eq!((set.ttl, set.rdata.iter().collect::<Vec<_>>()), (90, vec![&[0; 4][..], &[1; 4]]));
}

#[test]
fn p27_the_ttl_of_what_is_left_outlives_a_journal_that_is_written_anew() {
    let (owner, own) = (|| name("t.example.com"), |octet: u8| Box::from([1, octet]));
    let all = of([vec![
        Change::Remove { owner: owner(), rtype: TXT, rdata: own(1), hides: true },
        Change::Remove { owner: owner(), rtype: TXT, rdata: own(2), hides: true },
        Change::Add { owner: owner(), rtype: TXT, ttl: 60, rdata: own(3) },
        Change::Remove { owner: owner(), rtype: TXT, rdata: own(3), hides: false },
    ]]);
    assert_eq!(of([all.steps()]), all);
    assert!(format!("{all:?}").contains("Some(60)"), "{all:?}");
    let none = of([vec![
        Change::Clear { owner: owner(), rtype: TXT, hides: true },
        Change::Add { owner: owner(), rtype: TXT, ttl: 60, rdata: own(3) },
        Change::Remove { owner: owner(), rtype: TXT, rdata: own(3), hides: false },
    ]]);
    assert_eq!(of([none.steps()]), none);
}

fn step(octet: u8) -> Vec<Change> {
    let add = Change::Add { owner: name("t.example.com"), rtype: TXT, ttl: 60, rdata: Box::from([1, octet]) };
    vec![add, Change::Serial(u32::from(octet))]
}

fn of(steps: impl IntoIterator<Item = Vec<Change>>) -> Changes {
    let mut changes = Changes::default();
    steps.into_iter().flatten().for_each(|step| changes.apply(&step));
    changes
}

#[test]
fn p27_a_journal_with_a_torn_tail_says_what_was_whole_and_goes_on_there() {
    let state = tempfile::tempdir().unwrap();
    let apex = name("example.com");
    let mut journal = Journal::open(state.path(), &apex).unwrap();
    let mut ends = Vec::new();
    let path = state.path().join("updates/example.com.journal");
    for octet in 1..=3 {
        journal.append(&[step(octet)], &of((1..=octet).map(step))).unwrap();
        ends.push(fs::metadata(&path).unwrap().len() as usize);
    }
    let whole = fs::read(&path).unwrap();
    for cut in ends[0]..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let entries = ends.iter().filter(|&&end| end <= cut).count() as u8;
        let (all, faults) = restore(state.path());
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(all[&apex], of((1..=entries).map(step)), "cut at {cut}");
        // What follows is not lost behind the rest of what was torn.
        let mut journal = Journal::open(state.path(), &apex).unwrap();
        journal.append(&[step(9)], &of((1..=entries).chain([9]).map(step))).unwrap();
        assert_eq!(restore(state.path()).0[&apex], of((1..=entries).chain([9]).map(step)), "cut at {cut}");
    }
}

#[test]
fn p27_a_journal_that_was_damaged_in_its_middle_is_told_of_and_not_written_over() {
    let state = tempfile::tempdir().unwrap();
    let apex = name("example.com");
    let mut journal = Journal::open(state.path(), &apex).unwrap();
    (1..=3).for_each(|octet| journal.append(&[step(octet)], &of((1..=octet).map(step))).unwrap());
    let path = state.path().join("updates/example.com.journal");
    let mut damaged = fs::read(&path).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let (all, faults) = restore(state.path());
    assert_eq!((all[&apex].clone(), faults.len()), (of([step(1)]), 1));
    assert!(Journal::open(state.path(), &apex).is_err());
    assert_eq!(fs::read(&path).unwrap(), damaged);
    fs::write(&path, "something else\n").unwrap();
    assert!(restore(state.path()).0.is_empty() && Journal::open(state.path(), &apex).is_err());
}

#[test]
fn p27_whatever_is_damaged_in_a_journal_is_told_of() {
    let state = tempfile::tempdir().unwrap();
    let apex = name("example.com");
    let path = state.path().join("updates/example.com.journal");
    let mut journal = Journal::open(state.path(), &apex).unwrap();
    // Of more than a small journal's size, so that it is written anew: one entry, and then one more.
    let long = |owner: u32| Change::Add {
        owner: name(&format!("n{owner}.example.com")),
        rtype: TXT,
        ttl: 60,
        rdata: [0; 200].into(),
    };
    let many: Vec<Change> = (0..400).map(long).collect();
    journal.append(std::slice::from_ref(&many), &of([many.clone()])).unwrap();
    let first = fs::metadata(&path).unwrap().len() as usize;
    journal.append(&[step(1)], &of([many.clone(), step(1)])).unwrap();
    let whole = fs::read(&path).unwrap();
    let start = 1 + whole.iter().position(|&octet| octet == b'\n').unwrap();
    assert_eq!(restore(state.path()).1, Vec::<String>::new());
    // The length of the last one apart, behind which nothing would show it.
    for at in (0..start + 300).chain(first - 9..first).chain(first + 4..whole.len()) {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        fs::write(&path, &damaged).unwrap();
        let (all, faults) = restore(state.path());
        assert_eq!(faults.len(), 1, "octet {at} of {first}, {}", whole.len());
        let known = if at < first { Changes::default() } else { of([many.clone()]) };
        assert_eq!(all.get(&apex).cloned().unwrap_or_default(), known, "octet {at}");
        assert!(Journal::open(state.path(), &apex).is_err(), "octet {at}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "it is left for a person to see");
    }
    // What was written anew is never torn, and room that was never written to is.
    fs::write(&path, &whole[..first - 1]).unwrap();
    assert_eq!(restore(state.path()).1.len(), 1);
    fs::write(&path, [&whole[..], &[0; 4096]].concat()).unwrap();
    assert_eq!(restore(state.path()), (std::iter::once((apex.clone(), of([many, step(1)]))).collect(), Vec::new()));
    drop(Journal::open(state.path(), &apex).unwrap());
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn p27_a_journal_that_has_grown_is_written_anew_and_says_the_same() {
    let state = tempfile::tempdir().unwrap();
    let apex = name("example.com");
    let mut journal = Journal::open(state.path(), &apex).unwrap();
    let mut all = Changes::default();
    let mut largest = 0;
    let path = state.path().join("updates/example.com.journal");
    let long = |octet: u8| -> Box<[u8]> { [&[200][..], &[octet; 200]].concat().into() };
    for turn in 0..600u32 {
        let (owner, octet) = (name("t.example.com"), turn as u8);
        let steps = vec![
            Change::Add { owner: owner.clone(), rtype: TXT, ttl: 60, rdata: long(octet) },
            Change::Remove { owner, rtype: TXT, rdata: long(octet.wrapping_sub(1)), hides: false },
            Change::Serial(turn),
        ];
        steps.iter().for_each(|step| all.apply(step));
        journal.append(&[steps], &all).unwrap();
        largest = largest.max(fs::metadata(&path).unwrap().len());
    }
    assert!(largest > 60_000 && largest <= 1 << 16, "{largest}");
    assert_eq!(restore(state.path()).0[&apex], all);
}
