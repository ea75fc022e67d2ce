//! What a reload shares with the table before, and what it gives back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::table::Node;
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

/// The same beside zones that could not be loaded.
fn lacking(zones: impl IntoIterator<Item = Arc<Zone>>, unloaded: &[&str]) -> Model {
    Model { unloaded: unloaded.iter().map(|apex| name(apex)).collect(), ..model(zones) }
}

/// A zone without names beside its apex.
fn bare(apex: &str) -> Arc<Zone> {
    Arc::new(Zone { apex: name(apex), ..Zone::clone(&zone(0, 0, 0)) })
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

    /// Whether the closest name to the one asked is the apex of a zone that could not be loaded, and how many labels are
    /// above it.
    fn closest(&self, asked: &str) -> (bool, usize) {
        let (node, above) = self.table.closest(&Lowered::new(name(asked).as_wire(), SEED)).unwrap();
        (node.is_unloaded(), above)
    }

    /// What the zone around it says at an apex.
    fn parent_side(&self, apex: &str) -> Option<Node<'_>> {
        self.table.exact(&Lowered::new(name(apex).as_wire(), SEED)).unwrap().parent_side()
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

#[test]
fn p5_nothing_of_the_zone_around_it_stands_in_a_zone_that_could_not_be_loaded() {
    // The first has data in the zone around it, the second a name below it, the third nothing.
    let mut around = Zone::clone(&zone(0, 3, 1));
    let mut records = RecordsBuilder::new();
    for owner in ["_x.below.z0.test", "n0.z0.test", "n1.z0.test", "x.n1.z0.test"] {
        records.push(name(owner).view(), RecordType::A, 60, [&[1; 4][..]]);
    }
    around.records = records.finish().into();
    let unloaded = ["n1.z0.test", "below.z0.test", "void.z0.test"];
    let made = Made::of(lacking([Arc::new(around)], &unloaded), None);
    for apex in unloaded {
        for (below, labels) in [("", 0), ("x.", 1), ("_x.", 1), ("a.b.", 2)] {
            assert_eq!(made.closest(&format!("{below}{apex}")), (true, labels), "{below}{apex}");
        }
        assert!(made.parent_side(apex).is_some_and(|node| !node.is_unloaded()), "{apex}");
    }
    assert_eq!(made.parent_side("n1.z0.test").unwrap().first_rrset().unwrap().first_data()[0], 1);
    assert!(made.parent_side("void.z0.test").unwrap().first_rrset().is_none());
    assert_eq!((made.octet("n0.z0.test"), made.closest("n2.z0.test")), (Some(1), (false, 1)));
    assert_eq!(made.table.len(), 2 + unloaded.len());
}

#[test]
fn p5_the_deepest_zone_that_is_known_has_a_name_whether_it_was_loaded_or_not() {
    let unloaded = ["n1.z0.test", "b.n1.z0.test", "N1.z0.test", "z0.test"];
    let made = Made::of(lacking([zone(0, 3, 1), bare("g.x.n1.z0.test")], &unloaded), None);
    assert_eq!(made.octet("n0.z0.test"), Some(1), "what another file makes a zone of is one");
    assert_eq!(made.closest("a.b.n1.z0.test"), (true, 1));
    assert_eq!(made.closest("x.n1.z0.test"), (true, 1), "it is not there for the sake of the zone below it");
    assert_eq!(made.closest("a.g.x.n1.z0.test"), (false, 1));
    // What would be asked of a zone that could not be loaded, nobody else knows.
    for apex in ["g.x.n1.z0.test", "b.n1.z0.test"] {
        assert!(made.parent_side(apex).is_some_and(|node| node.is_unloaded()), "{apex}");
    }
    assert!(made.parent_side("n1.z0.test").is_some_and(|node| !node.is_unloaded()));
    assert_eq!(made.table.len(), 3 + 2 + 1);
}

#[test]
fn p5_a_zone_that_is_mended_or_lost_keeps_its_number_and_leaves_the_one_around_it_as_it_was() {
    let around = zone(0, 3, 1);
    let lost = || lacking([Arc::clone(&around)], &["n1.z0.test"]);
    let first = Made::of(lost(), None);
    let mended = Made::of(model([Arc::clone(&around), bare("n1.z0.test")]), Some(&first));
    let again = Made::of(lost(), Some(&mended));
    let forgotten = Made::of(model([around]), Some(&again));
    assert_eq!([&first, &mended, &again].map(|made| made.closest("x.n1.z0.test")), [(true, 1), (false, 1), (true, 1)]);
    for made in [&first, &mended, &again] {
        assert_eq!(made.place("n1.z0.test").0, first.place("n1.z0.test").0);
        assert!(made.place("z0.test").1.is_shared_with(first.place("z0.test").1));
        assert_eq!(made.parent_side("n1.z0.test").unwrap().first_rrset().unwrap().first_data()[0], 1);
        assert_eq!(made.table.len(), 4);
    }
    assert_eq!((forgotten.octet("n1.z0.test"), forgotten.table.len()), (Some(1), 4));
}
