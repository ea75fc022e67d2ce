//! Transfers as messages: what is taken, and what is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use proptest::prelude::*;

use super::incoming::{Fault, Held, Incoming, Outcome};
use crate::config::model::Soa;
use crate::config::same;
use crate::wire::rdata::without_case;
use crate::wire::{Name, RecordType, RecordsBuilder, push_record};

const ID: u16 = 0x1234;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn apex() -> Name {
    name("example.com")
}

fn soa(serial: u32) -> Soa {
    Soa { serial, ttl: 60, ..Soa::none() }
}

/// A record as it stands in a message.
type Row = Vec<u8>;

fn record(owner: &str, rtype: RecordType, rdata: &[u8]) -> Row {
    let mut row = Vec::new();
    push_record(&mut row, name(owner).view(), rtype, 1, 60, rdata);
    row
}

fn soa_row(serial: u32) -> Row {
    record("example.com", RecordType::SOA, &soa(serial).data())
}

fn a(owner: &str, octet: u8) -> Row {
    record(owner, RecordType::A, &[octet; 4])
}

fn ns() -> Row {
    record("example.com", RecordType::NS, name("ns.example.net").as_wire())
}

fn message(rows: &[Row]) -> Vec<u8> {
    let mut message = [ID.to_be_bytes(), [0x84, 0]].concat();
    message.extend([0, 0, 0, rows.len() as u8, 0, 0, 0, 0]);
    rows.iter().for_each(|row| message.extend(row));
    message
}

fn held(serial: u32, addresses: &[(&str, u8)]) -> Held {
    let mut records = RecordsBuilder::new().with(&apex(), RecordType::NS, 60, &[name("ns.example.net").as_wire()]);
    for (owner, octet) in addresses {
        records = records.with(&name(owner), RecordType::A, 60, &[[*octet; 4]]);
    }
    Held { soa: soa(serial), records: Arc::new(records.finish()) }
}

/// What messages come to, one after the other; `None`: they are not all.
fn taken(ours: Option<Held>, messages: &[Vec<u8>]) -> Result<Option<Held>, Fault> {
    let mut incoming = Incoming::new(apex(), ID, ours.clone());
    for (at, message) in messages.iter().enumerate() {
        match incoming.message(message)? {
            None => {}
            Some(outcome) => {
                assert_eq!(at + 1, messages.len(), "it ends with the last message");
                return Ok(Some(match outcome {
                    Outcome::New(new) => new.finish(),
                    Outcome::Current => ours.unwrap(),
                }));
            }
        }
    }
    Ok(None)
}

#[test]
fn p26_a_whole_zone_is_taken_in_any_cut_and_only_when_its_end_has_come() {
    let rows = [soa_row(7), ns(), a("b.example.com", 2), a("a.example.com", 1), a("B.example.com", 3), soa_row(7)];
    let whole = taken(None, &[message(&rows)]).unwrap().unwrap();
    assert_eq!((whole.soa.serial, whole.records.len()), (7, 3));
    for at in 1..rows.len() {
        let cut = [message(&rows[..at]), message(&rows[at..])];
        assert_eq!(taken(None, &cut).unwrap().unwrap(), whole, "cut at {at}");
        assert_eq!(taken(None, &cut[..1]), Ok(None), "half of it");
    }
}

#[test]
fn p26_what_is_out_of_place_makes_the_whole_transfer_void() {
    let with = |row: Row| taken(None, &[message(&[soa_row(7), ns(), row, soa_row(7)])]);
    for stray in [
        a("example.org", 1),
        record("www.example.com", RecordType::SOA, &soa(7).data()),
        record("www.example.com", RecordType::TSIG, &[1]),
        record("www.example.com", RecordType::A, &[]),
    ] {
        assert!(matches!(with(stray), Err(Fault::Stray(_))));
    }
    for broken in [soa_row(8), record("www.example.com", RecordType::A, &[1])] {
        assert!(matches!(with(broken), Err(Fault::Broken(_))));
    }
    assert!(matches!(taken(None, &[message(&[soa_row(7), ns(), soa_row(7), ns()])]), Err(Fault::Broken(_))));
    assert!(matches!(taken(None, &[message(&[ns()])]), Err(Fault::Broken(_))));
    assert!(matches!(taken(None, &[message(&[])]), Err(Fault::Broken(_))));
    let mut other = message(&[soa_row(7), ns(), soa_row(7)]);
    other[0] ^= 1;
    assert!(matches!(taken(None, &[other]), Err(Fault::Broken(_))));
    let mut refused = message(&[]);
    refused[3] = 5;
    assert_eq!(taken(None, &[refused]), Err(Fault::Refused(5)));
}

#[test]
fn p26_differences_are_applied_in_order_and_only_to_what_they_are_of() {
    let ours = held(5, &[("a.example.com", 1), ("b.example.com", 2)]);
    let rows = [
        soa_row(7),
        soa_row(5),
        a("A.example.com", 1),
        soa_row(6),
        a("c.example.com", 3),
        soa_row(6),
        a("c.example.com", 3),
        a("b.example.com", 2),
        soa_row(7),
        a("b.example.com", 9),
        soa_row(7),
    ];
    for at in 1..rows.len() {
        let cut = [message(&rows[..at]), message(&rows[at..])];
        let new = taken(Some(ours.clone()), &cut).unwrap().unwrap();
        assert_eq!(new, held(7, &[("b.example.com", 9)]), "cut at {at}");
    }
    for (at, wrong) in
        [(2, a("x.example.com", 1)), (2, a("a.example.com", 7)), (4, a("b.example.com", 2)), (5, soa_row(9))]
    {
        let mut rows = rows.clone();
        rows[at] = wrong;
        assert_eq!(taken(Some(ours.clone()), &[message(&rows)]), Err(Fault::Differs), "at {at}");
    }
    let again = [soa_row(7), soa_row(5), soa_row(7), a("a.example.com", 1), soa_row(7)];
    assert_eq!(taken(Some(ours.clone()), &[message(&again)]), Err(Fault::Differs), "what is there is not added");
    // The whole zone in the place of differences (RFC 1995 section 4).
    let whole = taken(Some(ours.clone()), &[message(&[soa_row(7), ns(), soa_row(7)])]).unwrap().unwrap();
    assert_eq!(whole, held(7, &[]));
    // One SOA that is not newer: nothing to do (RFC 1982 says what is newer).
    for serial in [5, 4, 5u32.wrapping_sub(1 << 30)] {
        assert_eq!(taken(Some(ours.clone()), &[message(&[soa_row(serial)])]).unwrap().unwrap(), ours);
    }
}

#[test]
fn p26_differences_of_one_name_with_tens_of_thousands_of_records_are_taken() {
    let many: Vec<Row> =
        (0..40_000u32).map(|number| record("n.example.com", RecordType::A, &number.to_be_bytes())).collect();
    let whole = |rows: &[Row]| {
        let mut message = message(rows);
        message[6..8].copy_from_slice(&(rows.len() as u16).to_be_bytes());
        message
    };
    let mut messages = vec![whole(&[soa_row(6), soa_row(5), soa_row(6)])];
    messages.extend(many.chunks(4000).map(whole));
    messages.push(whole(&[soa_row(6)]));
    let new = taken(Some(held(5, &[])), &messages).unwrap().unwrap();
    assert_eq!(new.records.iter().map(|set| set.rdata.len()).sum::<usize>(), 40_001);
    let mut messages = vec![whole(&[soa_row(7), soa_row(6)])];
    messages.extend(many.chunks(4000).map(whole));
    messages.push(whole(&[soa_row(7), soa_row(7)]));
    assert_eq!(taken(Some(new), &messages).unwrap().unwrap(), held(7, &[]));
}

proptest! {
    #[test]
    fn p26_differences_make_what_the_whole_zone_is(
        before in proptest::collection::btree_set((0u8..6, 0u8..4), 0..12),
        after in proptest::collection::btree_set((0u8..6, 0u8..4), 0..12),
    ) {
        let row = |&(owner, octet): &(u8, u8)| a(&format!("n{owner}.example.com"), octet);
        let zone = |serial: u32, records: &std::collections::BTreeSet<(u8, u8)>| {
            let mut rows = vec![soa_row(serial), ns()];
            rows.extend(records.iter().map(row));
            rows.push(soa_row(serial));
            taken(None, &[message(&rows)]).unwrap().unwrap()
        };
        let ours = zone(1, &before);
        let mut rows = vec![soa_row(2), soa_row(1)];
        rows.extend(before.difference(&after).map(row));
        rows.push(soa_row(2));
        rows.extend(after.difference(&before).map(row));
        rows.push(soa_row(2));
        let new = taken(Some(ours), &[message(&rows)]).unwrap().unwrap();
        let sorted = |held: &Held| {
            let mut all: Vec<_> = held.records.iter().flat_map(|set| {
                set.rdata.iter().map(move |data| (set.owner.to_string(), set.rtype, data.to_vec())).collect::<Vec<_>>()
            }).collect();
            all.sort();
            all
        };
        prop_assert_eq!(sorted(&new), sorted(&zone(2, &after)));
    }

    #[test]
    fn p26_differences_are_what_comparing_each_record_with_each_would_make_of_them(
        rtype in proptest::sample::select(vec![RecordType::MX, RecordType::HTTPS, RecordType(731)]),
        before in proptest::collection::btree_set((0u8..25, any::<bool>()), 1..50),
        removed in proptest::collection::vec(any::<bool>(), 50),
        added in proptest::collection::vec((0u8..25, any::<bool>()), 0..40),
        strays in 0usize..3,
    ) {
        let data = |&(host, is_upper): &(u8, bool)| [0, 1, 1, if is_upper { b'A' + host } else { b'a' + host }, 0];
        let row = |data: &[u8; 5]| record("m.example.com", rtype, data);
        let mut rows = vec![soa_row(1), ns()];
        rows.extend(before.iter().map(|host| row(&data(host))));
        rows.push(soa_row(1));
        let ours = taken(None, &[message(&rows)]).unwrap().unwrap();
        let of = |held: &Held| -> Vec<Vec<u8>> {
            let set = held.records.iter().find(|set| set.rtype == rtype);
            let mut all: Vec<_> = set.iter().flat_map(|set| set.rdata.iter()).map(<[u8]>::to_vec).collect();
            all.sort();
            all
        };
        let (mut held, mut fits) = (of(&ours), true);
        let (mut rows, all) = (vec![soa_row(2), soa_row(1)], held.clone());
        // Some that do not fit, where there are strays.
        let again = all.iter().take(strays);
        let removed = all.iter().zip(removed).filter(|(_, is_removed)| *is_removed).map(|(data, _)| data);
        for data in removed.chain(again) {
            rows.push(row(&<[u8; 5]>::try_from(&data[..]).unwrap()));
            match held.iter().position(|known| same(rtype, known, data)) {
                Some(at) => drop(held.remove(at)),
                None => fits = false,
            }
        }
        rows.push(soa_row(2));
        for host in &added {
            let is_there = held.iter().any(|known| same(rtype, known, &data(host)));
            if !is_there || strays > 0 {
                fits &= !is_there;
                rows.push(row(&data(host)));
                held.push(data(host).to_vec());
            }
        }
        rows.push(soa_row(2));
        match taken(Some(ours), &[message(&rows)]) {
            Ok(new) => {
                prop_assert!(fits);
                let forms = |all: &[Vec<u8>]| {
                    let mut forms: Vec<_> = all.iter().map(|data| without_case(rtype, data).into_owned()).collect();
                    forms.sort();
                    forms
                };
                prop_assert_eq!(forms(&of(&new.unwrap())), forms(&held));
            }
            Err(fault) => prop_assert!(!fits && fault == Fault::Differs),
        }
    }

    #[test]
    fn p29_any_message_of_a_primary_is_taken_without_harm(tail: Vec<u8>, count in 0u8..9) {
        let mut message = message(&[]);
        message[7] = count;
        message.extend(tail);
        let _ = Incoming::new(apex(), ID, None).message(&message);
    }
}
