#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::config::model::{Grant, Primary, RouteId, Steered};
use proptest::prelude::*;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

/// `owner TYPE octets` of each record.
fn shown(records: &Records) -> Vec<String> {
    let line = |set: RrsetRef<'_>| {
        let data: Vec<_> = set.rdata.iter().map(|data| format!("{data:?}")).collect();
        format!("{} {} {} {}", set.owner, set.ttl, set.rtype, data.join(" "))
    };
    records.iter().map(line).collect()
}

fn ground(records: RecordsBuilder, steered: &[(&str, &[RecordType])], is_secondary: bool) -> Ground {
    let origin = if is_secondary {
        Origin::Primaries(vec![Primary { address: ([192, 0, 2, 1], 53).into(), key: None }])
    } else {
        Origin::Updates(vec![Grant { key: name("k"), names: Vec::new(), types: Vec::new() }])
    };
    let zone = Zone {
        apex: name("example.com"),
        file: "example.com.toml".into(),
        soa: Soa { serial: 5, ..Soa::none() },
        records: records.finish().into(),
        steered: steered.iter().map(|(owner, _)| Steered { owner: name(owner), route: RouteId(0), ttl: 30 }).collect(),
        transfer: Default::default(),
        expiry: None,
    };
    Ground { zone, origin, answered: steered.iter().map(|(_, types)| types.to_vec()).collect() }
}

fn transferred() -> Content {
    let records = RecordsBuilder::new()
        .with(&name("example.com"), RecordType::NS, 300, &[name("ns.example.net").as_wire()])
        .with(&name("Www.example.com"), RecordType::A, 60, &[[1; 4]])
        .with(&name("Www.example.com"), RecordType::TXT, 60, &[[0]])
        .with(&name("Www.example.com"), RecordType::AAAA, 60, &[[1; 16]])
        .with(&name("alias.example.com"), RecordType::CNAME, 60, &[name("www.example.com").as_wire()])
        .with(&name("other.example.com"), RecordType::A, 60, &[[2; 4]]);
    Content::Transferred {
        soa: Soa { serial: 9, ..Soa::none() },
        records: records.finish().into(),
        expiry: Expiry::default(),
    }
}

#[test]
fn p26_routes_take_the_place_of_a_primarys_addresses_and_leave_all_else() {
    let own = RecordsBuilder::new().with(&name("other.example.com"), RecordType::A, 5, &[[2; 4], [3; 4]]).with(
        &name("new.example.com"),
        RecordType::TXT,
        5,
        &[[0]],
    );
    let steered: [(&str, &[RecordType]); 2] =
        [("www.example.com", &[RecordType::A]), ("alias.example.com", &[RecordType::A, RecordType::AAAA])];
    let zone = complete(&ground(own, &steered, true), Some(&transferred())).unwrap();
    assert_eq!(
        shown(&zone.records),
        [
            "example.com. 300 NS [2, 110, 115, 7, 101, 120, 97, 109, 112, 108, 101, 3, 110, 101, 116, 0]",
            "Www.example.com. 60 TXT [0]",
            "other.example.com. 5 A [2, 2, 2, 2] [3, 3, 3, 3]",
            "new.example.com. 5 TXT [0]",
        ]
    );
    assert_eq!((zone.soa.serial, zone.steered.len()), (9, 2));
    assert!(faults(&zone).is_empty());
    let all = complete(
        &ground(RecordsBuilder::new(), &[("www.example.com", &[RecordType::CNAME])], true),
        Some(&transferred()),
    );
    assert!(!shown(&all.unwrap().records).iter().any(|line| line.starts_with("Www")), "a CNAME stands alone");
}

#[test]
fn p26_nothing_laid_over_shares_the_primarys_records_and_nothing_transferred_is_nothing_served() {
    let plain = ground(RecordsBuilder::new(), &[], true);
    let content = transferred();
    let Content::Transferred { records, .. } = &content else { unreachable!() };
    assert!(Arc::ptr_eq(records, &complete(&plain, Some(&content)).unwrap().records));
    assert_eq!(complete(&plain, None), None);
    assert_eq!(complete(&plain, Some(&Content::Updated(Changes::default()))), None);
}

#[test]
fn p26_a_zone_that_is_faulty_as_a_whole_says_why() {
    let records = RecordsBuilder::new()
        .with(&name("www.example.com"), RecordType::CNAME, 60, &[name("a.").as_wire()])
        .with(&name("www.example.com"), RecordType::A, 60, &[[2; 4]]);
    let content =
        Content::Transferred { soa: Soa::none(), records: records.finish().into(), expiry: Expiry::default() };
    let faults = faults(&complete(&ground(RecordsBuilder::new(), &[], true), Some(&content)).unwrap());
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains("CNAME beside other data")), "{faults:?}");
}

fn add(owner: &str, rtype: RecordType, ttl: u32, rdata: &[u8]) -> Change {
    Change::Add { owner: name(owner), rtype, ttl, rdata: rdata.into() }
}

fn remove(owner: &str, rtype: RecordType, rdata: &[u8], hides: bool) -> Change {
    Change::Remove { owner: name(owner), rtype, rdata: rdata.into(), hides }
}

fn files() -> RecordsBuilder {
    RecordsBuilder::new()
        .with(&name("example.com"), RecordType::NS, 300, &[name("ns.example.net").as_wire()])
        .with(&name("a.example.com"), RecordType::A, 60, &[[1; 4], [2; 4]])
        .with(&name("b.example.com"), RecordType::TXT, 60, &[[0]])
}

fn lines(changes: &Changes, ground: &Ground) -> Vec<String> {
    shown(&complete(ground, Some(&Content::Updated(changes.clone()))).unwrap().records)[1..].to_vec()
}

#[test]
fn p27_changes_are_laid_over_the_files_record_by_record() {
    let mut changes = Changes::default();
    for change in [
        add("A.example.com", RecordType::A, 9, &[3; 4]),
        remove("a.example.com", RecordType::A, &[1; 4], true),
        Change::Clear { owner: name("b.example.com"), rtype: RecordType::TXT, hides: true },
        add("c.example.com", RecordType::TXT, 7, &[1, 65]),
        Change::Serial(8),
    ] {
        changes.apply(&change);
    }
    let expected = ["a.example.com. 9 A [2, 2, 2, 2] [3, 3, 3, 3]", "c.example.com. 7 TXT [1, 65]"];
    let ground = ground(files(), &[], false);
    assert_eq!(lines(&changes, &ground), expected);
    let zone = complete(&ground, Some(&Content::Updated(changes.clone()))).unwrap();
    assert_eq!(zone.soa.serial, 8);
    // The files say something else later on: what was not touched follows.
    let edited = files().with(&name("d.example.com"), RecordType::A, 60, &[[7; 4]]);
    assert_eq!(lines(&changes, &self::ground(edited, &[], false)).last().unwrap(), "c.example.com. 7 TXT [1, 65]");
    // The steps that it comes to make the same of nothing.
    let mut again = Changes::default();
    changes.steps().iter().for_each(|step| again.apply(step));
    assert_eq!(again, changes);
}

#[test]
fn p27_what_is_added_and_taken_away_again_leaves_no_trace() {
    let mut changes = Changes::default();
    changes.apply(&add("t.example.com", RecordType::TXT, 60, &[1, 65]));
    changes.apply(&remove("T.example.com", RecordType::TXT, &[1, 65], false));
    assert!(changes.is_empty());
    changes.apply(&remove("a.example.com", RecordType::A, &[1; 4], true));
    changes.apply(&add("a.example.com", RecordType::A, 60, &[1; 4]));
    let ground = ground(files(), &[], false);
    assert_eq!(lines(&changes, &ground)[0], "a.example.com. 60 A [1, 1, 1, 1] [2, 2, 2, 2]");
}

#[test]
fn p27_changes_of_a_name_that_came_to_be_steered_mean_nothing() {
    let mut changes = Changes::default();
    changes.apply(&add("a.example.com", RecordType::TXT, 60, &[0]));
    let ground = ground(files(), &[("a.example.com", &[RecordType::AAAA])], false);
    assert_eq!(lines(&changes, &ground)[0], "a.example.com. 60 A [1, 1, 1, 1] [2, 2, 2, 2]");
    assert!(!lines(&changes, &ground)[1].contains("a.example.com"));
}

#[test]
fn p27_the_serial_is_the_later_of_files_and_updates() {
    let soa = |serial| Soa { serial, ..Soa::none() };
    let mut changes = Changes::default();
    changes.apply(&Change::Serial(7));
    assert_eq!(changes.soa_over(&soa(5)).serial, 7);
    assert_eq!(changes.soa_over(&soa(8)).serial, 8);
    assert_eq!(changes.soa_over(&soa(u32::MAX)).serial, 7, "round the circle");
}

/// What was changed of one RRset, each record compared with each.
#[derive(Default)]
struct PlainSet {
    is_cleared: bool,
    removed: Vec<Vec<u8>>,
    added: Vec<Vec<u8>>,
    ttl: Option<u32>,
}

impl PlainSet {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Add { rtype, ttl, rdata, .. } => {
                self.ttl = Some(*ttl);
                self.removed.retain(|removed| !same(*rtype, removed, rdata));
                if !self.added.iter().any(|added| same(*rtype, added, rdata)) {
                    self.added.push(rdata.to_vec());
                }
            }
            Change::Remove { rtype, rdata, hides, .. } => {
                self.added.retain(|added| !same(*rtype, added, rdata));
                if *hides && !self.is_cleared && !self.removed.iter().any(|removed| same(*rtype, removed, rdata)) {
                    self.removed.push(rdata.to_vec());
                }
                if self.added.is_empty() && (self.is_cleared || self.removed.is_empty()) {
                    self.ttl = None;
                }
            }
            Change::Clear { hides, .. } => {
                *self = Self { is_cleared: *hides || self.is_cleared, ..Self::default() };
            }
            Change::Soa(_) | Change::Serial(_) => {}
        }
    }

    fn over(&self, rtype: RecordType, ttl: u32, files: &[Vec<u8>]) -> Option<(u32, Vec<Vec<u8>>)> {
        let hides = |data: &Vec<u8>| self.is_cleared || self.removed.iter().any(|removed| same(rtype, removed, data));
        let mut held: Vec<Vec<u8>> = files.iter().filter(|data| !hides(data)).cloned().collect();
        for added in &self.added {
            if !held.iter().any(|data| same(rtype, data, added)) {
                held.push(added.clone());
            }
        }
        (!held.is_empty()).then(|| (self.ttl.unwrap_or(ttl), held))
    }
}

/// Data of MX and of HTTPS alike: three octets, and a host that is spelled in two ways.
fn any_host() -> impl Strategy<Value = Vec<u8>> {
    (0u8..25, any::<bool>())
        .prop_map(|(host, is_upper)| vec![0, 1, 1, if is_upper { b'A' + host } else { b'a' + host }, 0])
}

proptest! {
    #[test]
    fn p27_layers_are_what_comparing_each_record_with_each_would_make_of_them(
        rtype in proptest::sample::select(vec![RecordType::MX, RecordType::HTTPS, RecordType(731)]),
        // The files may have one record in two spellings.
        files in proptest::collection::vec(any_host(), 0..30),
        steps in proptest::collection::vec((0u8..40, any_host(), any::<bool>(), 60u32..62), 0..90),
    ) {
        let owner = name("many.example.com");
        let records = match &files[..] {
            [] => RecordsBuilder::new(),
            _ => RecordsBuilder::new().with(&owner, rtype, 9, &files),
        };
        let records = records.finish();
        let (mut changes, mut plain) = (Changes::default(), PlainSet::default());
        for (kind, rdata, hides, ttl) in steps {
            let (owner, rdata) = (owner.clone(), rdata.into());
            let change = match kind {
                0 => Change::Clear { owner, rtype, hides },
                1..20 => Change::Remove { owner, rtype, rdata, hides },
                _ => Change::Add { owner, rtype, ttl, rdata },
            };
            changes.apply(&change);
            plain.apply(&change);
            let laid = changes.sets_over(owner_of(&change), records.iter());
            let laid = laid.first().map(|set| (set.ttl, set.data.iter().map(|data| data.to_vec()).collect()));
            prop_assert_eq!(laid, plain.over(rtype, 9, &files));
        }
        let mut again = Changes::default();
        changes.steps().iter().for_each(|step| again.apply(step));
        prop_assert_eq!(again, changes);
    }
}

fn owner_of(change: &Change) -> NameRef<'_> {
    match change {
        Change::Add { owner, .. } | Change::Remove { owner, .. } | Change::Clear { owner, .. } => owner.view(),
        Change::Soa(_) | Change::Serial(_) => unreachable!(),
    }
}
