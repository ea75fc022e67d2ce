//! Loads of zones that hold more than their files say.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::wire::RecordsBuilder;

/// A zone's file and a loader that knows what the zone holds.
struct Place {
    directory: tempfile::TempDir,
    loader: Loader,
}

impl Place {
    fn new(zone: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("zones")).unwrap();
        let server = "zones = \"zones\"\n[keys.k]\nsecret = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";
        std::fs::write(directory.path().join("rhumb.toml"), server).unwrap();
        let place = Self { directory, loader: Loader::default() };
        std::fs::write(place.file(), zone).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("zones/example.com.toml")
    }

    fn load(&mut self) -> Loaded {
        let server = self.directory.path().join("rhumb.toml");
        self.loader.load(Some(&server), &Overrides::default(), &HashMap::new())
    }

    fn holds(&mut self, content: Content) {
        self.loader.holdings_mut().insert(name("example.com"), Arc::new(content));
    }
}

const UPDATED: &str =
    "zone = \"example.com\"\n[update]\nkeys = \"k\"\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n";
const SECONDARY: &str = "zone = \"example.com\"\nprimary = \"192.0.2.1\"\n[records]\n\
    \"www.sub\" = { route = \"r\" }\n[endpoints.e]\nA = \"192.0.2.9\"\n[routes.r]\npolicy = \"simple\"\nto = \"e\"\n";

fn added() -> Content {
    let mut changes = Changes::default();
    let rdata = Box::from([1, b'x']);
    changes.apply(&Change::Add { owner: name("t.example.com"), rtype: RecordType::TXT, ttl: 60, rdata });
    Content::Updated(changes)
}

/// With a delegation of `sub`, or without.
fn transferred(is_cut: bool) -> Content {
    let ns = name("ns.example.net");
    let mut records = RecordsBuilder::new().with(&name("example.com"), RecordType::NS, 60, &[ns.as_wire()]);
    if is_cut {
        records = records.with(&name("sub.example.com"), RecordType::NS, 60, &[ns.as_wire()]);
    }
    Content::Transferred {
        soa: Soa { serial: 7, ..Soa::none() },
        records: records.finish().into(),
        expiry: Expiry::default(),
    }
}

fn codes(loaded: &Loaded) -> Vec<&str> {
    loaded.diagnostics.iter().map(|found| found.code).collect()
}

#[test]
fn p27_an_edit_that_contradicts_what_updates_have_added_is_refused() {
    let mut place = Place::new(UPDATED);
    place.holds(added());
    let loaded = place.load();
    let zone = &loaded.model.unwrap().zones[0];
    assert_eq!(zone.records.len(), 2, "{:?}", zone.records);
    std::fs::write(place.file(), format!("{UPDATED}t = {{ CNAME = \"elsewhere.example.\" }}\n")).unwrap();
    let loaded = place.load();
    assert!(loaded.model.is_none());
    assert_eq!(codes(&loaded), [code::CNAME_BESIDE_DATA]);
    assert!(loaded.diagnostics[0].message.contains("t.example.com"), "{:?}", loaded.diagnostics);
}

#[test]
fn p26_a_zone_is_put_together_once_for_all_loads_that_leave_it_as_it_was() {
    for (zone, content) in [(UPDATED, added()), (SECONDARY, transferred(false))] {
        let mut place = Place::new(zone);
        place.holds(content);
        let (before, after) = (place.load().model.unwrap(), place.load().model.unwrap());
        assert!(Arc::ptr_eq(&before.zones[0].records, &after.zones[0].records));
        assert_eq!(before, after);
    }
}

#[test]
fn p26_a_secondary_zone_is_there_with_its_content_and_a_route_that_nobody_can_reach_is_told_of() {
    let mut place = Place::new(SECONDARY);
    let nothing = place.load().model.unwrap();
    assert_eq!((nothing.zones.len(), &nothing.unloaded[..], nothing.expired.len()), (0, &[name("example.com")][..], 0));
    place.holds(transferred(true));
    // What is said is said again, although nothing is worked out again.
    for _ in 0..2 {
        let loaded = place.load();
        assert_eq!(codes(&loaded), [code::HIDDEN_DATA]);
        assert!(render_all(&loaded.diagnostics, &loaded.sources, false).contains("route = \"r\""));
        assert_eq!(loaded.model.unwrap().zones[0].soa.serial, 7);
    }
    place.loader.holdings_mut().expire(&name("example.com"));
    let expired = place.load().model.unwrap();
    assert_eq!((expired.zones.len(), &expired.expired), (0, &expired.unloaded));
}

#[test]
fn p14_a_zone_that_others_wrote_is_there_with_records_that_fit_in_no_message() {
    let Content::Transferred { soa, expiry, .. } = transferred(false) else { unreachable!() };
    let ns = name("ns.example.net");
    let addresses: Vec<[u8; 4]> = (0..6_000u32).map(u32::to_be_bytes).collect();
    let records = RecordsBuilder::new().with(&name("example.com"), RecordType::NS, 60, &[ns.as_wire()]).with(
        &name("many.example.com"),
        RecordType::A,
        60,
        &addresses,
    );
    let mut place = Place::new(SECONDARY);
    place.holds(Content::Transferred { soa, records: records.finish().into(), expiry });
    // What is said is said again, although nothing is worked out again.
    for _ in 0..2 {
        let loaded = place.load();
        assert_eq!(codes(&loaded), [code::BIG_RRSET]);
        assert_eq!(loaded.diagnostics[0].severity, Severity::Warning);
        let zone = &loaded.model.unwrap().zones[0];
        assert_eq!(zone.records.len(), 2);
        assert_eq!(faults(zone), [""; 0], "a transfer is taken");
    }
}
