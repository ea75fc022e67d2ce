//! What a reload shares with the table before, and what it gives back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::config::model::Transfer;
use crate::wire::{RecordType, RecordsBuilder};

const SEED: u64 = 7;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

/// `z<number>.test` with so many names, each with this octet as its address.
fn zone(number: usize, names: usize, octet: u8) -> Arc<Zone> {
    let soa =
        Soa { ttl: 1, mname: name("."), rname: name("."), serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 };
    let mut records = RecordsBuilder::new();
    for n in 0..names {
        records.push(name(&format!("n{n}.z{number}.test")).view(), RecordType::A, 60, [&[octet; 4][..]]);
    }
    Arc::new(Zone {
        apex: name(&format!("z{number}.test")),
        file: format!("{number}.toml").into(),
        soa,
        records: records.finish().into(),
        steered: Vec::new(),
        transfer: Transfer::default(),
        expiry: None,
    })
}

fn model(zones: impl IntoIterator<Item = Arc<Zone>>) -> Model {
    Model { zones: zones.into_iter().collect(), ..Model::default() }
}

struct Made {
    model: Model,
    table: NameTable,
    directory: Directory,
}

impl Made {
    fn of(model: Model, before: Option<&Self>) -> Self {
        let steers = model.zones.iter().map(|_| Box::default()).collect();
        let before = before.map(|made| Before { model: &made.model, table: &made.table, directory: &made.directory });
        let (table, directory) = build(&model, steers, SEED, before);
        Self { model, table, directory }
    }

    /// The zone's number, and the chunk of its apex.
    fn place(&self, apex: &str) -> (u32, &Chunk) {
        let number = self.table.zone_of(&name(apex)).unwrap();
        let built = self.directory.zones[number as usize].as_ref().unwrap();
        (number, &self.table.chunks[chunk_of(built.runs[0].start)])
    }

    fn octet(&self, asked: &str) -> Option<u8> {
        let lowered = Lowered::new(name(asked).as_wire(), SEED);
        let (node, above) = self.table.closest(&lowered)?;
        (above == 0).then(|| node.first_rrset().unwrap().first_data()[0])
    }

    fn worn(&self) -> bool {
        self.directory.is_worn(&self.table)
    }
}

#[test]
fn an_unchanged_zone_keeps_its_number_and_shares_its_records() {
    let large = zone(0, 40_000, 1);
    let first = Made::of(model([zone(1, 10, 1), Arc::clone(&large), zone(2, 10, 1)]), None);
    // The same records in another zone, as a load makes it that finds the file unchanged.
    let large = Arc::new(Zone::clone(&large));
    let second = Made::of(model([large, zone(2, 10, 2), zone(3, 10, 3)]), Some(&first));
    let ((before, old), (after, new)) = (first.place("z0.test"), second.place("z0.test"));
    assert_eq!(before, after);
    assert!(old.is_shared_with(new));
    assert_eq!(first.place("z2.test").0, second.place("z2.test").0);
    assert_ne!(first.place("z1.test").0, second.place("z3.test").0, "a number that became free waits for a step");
    let octets = ["n39999.z0.test", "n9.z2.test", "n9.z3.test", "n9.z1.test"].map(|name| second.octet(name));
    assert_eq!(octets, [Some(1), Some(2), Some(3), None]);
    assert_eq!(second.table.len(), 40_001 + 11 + 11);
    let third = Made::of(model([zone(4, 1, 4)]), Some(&second));
    assert_eq!(third.place("z4.test").0, first.place("z1.test").0);
}

#[test]
fn a_zone_that_changes_again_and_again_takes_no_more_room() {
    let still = zone(0, 2_000, 1);
    let mut made = Made::of(model([Arc::clone(&still), zone(1, 3_000, 0)]), None);
    let mut chunks = 0;
    for octet in 1..20 {
        made = Made::of(model([Arc::clone(&still), zone(1, 3_000, octet)]), Some(&made));
        assert_eq!((made.octet("n7.z1.test"), made.octet("n7.z0.test")), (Some(octet), Some(1)));
        chunks = made.table.chunks.len().max(chunks);
    }
    assert!(chunks <= 3, "{chunks}");
    assert!(!made.worn());
}

#[test]
fn much_waste_is_noticed_and_gone_when_all_is_laid_out_anew() {
    const ZONES: usize = 150;
    let all = |octet: u8| (0..ZONES).map(move |n| zone(n, 1_000, if n % 2 == 0 { 0 } else { octet }));
    let first = Made::of(model(all(0)), None);
    assert!(!first.worn());
    // Each chunk holds zones of both kinds.
    let second = Made::of(model(all(1)), Some(&first));
    assert!(second.worn());
    let third = Made::of(model(all(1)), None);
    assert!(!third.worn());
    assert!(third.table.chunks.len() < second.table.chunks.len());
}
