#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::files::Text;
use crate::config::findings::{Findings, Written};
use crate::config::progress::Progress;
use crate::config::spec::{DataSpec, OwnerSpec};
use crate::wire::master::{MasterRecord, scan};

const TTL: u32 = 300;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn apex() -> Name {
    name("example.com")
}

/// What is packed, as records of one RRset each.
type Rrset = (String, RecordType, u32, Vec<Vec<u8>>);

fn unpacked(records: &Records) -> Vec<Rrset> {
    let own = |r: RrsetRef<'_>| (r.owner.to_string(), r.rtype, r.ttl, r.rdata.iter().map(<[u8]>::to_vec).collect());
    records.iter().map(own).collect()
}

fn text(findings: &mut Findings, path: &str, text: String) -> Text {
    Text { id: findings.add_file(path.as_ref()), text: Arc::new(text) }
}

/// The plain way to put a name's records together, told of mixed TTLs: line, TTL, TTL before.
fn plainly(records: &[MasterRecord]) -> (Vec<Rrset>, Vec<(usize, u32, u32)>) {
    let mut names: Vec<(Name, Vec<Rrset>)> = Vec::new();
    let mut mixed = Vec::new();
    for record in records.iter().filter(|r| r.rtype != RecordType::SOA && r.owner.is_within(&apex())) {
        let at = names.iter().position(|(known, _)| *known == record.owner).unwrap_or_else(|| {
            names.push((record.owner.clone(), Vec::new()));
            names.len() - 1
        });
        let owner = names[at].0.to_string();
        let sets = &mut names[at].1;
        let Some(set) = sets.iter_mut().find(|set| set.1 == record.rtype) else {
            sets.push((owner, record.rtype, record.ttl, vec![record.rdata.to_vec()]));
            continue;
        };
        if set.2 != record.ttl {
            mixed.push((record.line, record.ttl, set.2));
            set.2 = set.2.min(record.ttl);
        }
        if !set.3.iter().any(|known| **known == *record.rdata) {
            set.3.push(record.rdata.to_vec());
        }
    }
    (names.into_iter().flat_map(|(_, sets)| sets).collect(), mixed)
}

fn line() -> impl Strategy<Value = String> {
    let owner = proptest::sample::select(vec!["a", "A", "b", "@", "", "*.c", "x.example.org."]);
    let ttl = proptest::sample::select(vec!["", "", "5", "7"]);
    let data = proptest::sample::select(vec!["A 192.0.2.1", "A 192.0.2.2", "TXT x", "NS ns", "SOA a b 1 2 3 4 5"]);
    (owner, ttl, data).prop_map(|(owner, ttl, data)| format!("{owner} {ttl} {data}"))
}

proptest! {
    #[test]
    fn what_stands_apart_is_put_together_as_if_read_record_by_record(
        lines in proptest::collection::vec(line(), 0..40),
    ) {
        let whole = format!("@ 9 NS ns\n{}\n", lines.join("\n"));
        let mut findings = Findings::default();
        let text = text(&mut findings, "x.zone", whole.clone());
        let master = read(&mut findings, &text, &apex(), TTL, 1, &Progress::default());
        let (records, _) = scan(whole.as_bytes(), &apex(), TTL);
        let (expected, mixed) = plainly(&records);
        prop_assert_eq!(unpacked(&master.records), expected);
        let told = findings.finish().0;
        let said: Vec<_> = told.iter().filter(|d| d.code == crate::config::code::MIXED_TTL).map(|d| {
            let line = 1 + whole[..d.span.clone().unwrap().start].matches('\n').count();
            (line, d.label.clone())
        }).collect();
        let expected: Vec<_> =
            mixed.into_iter().map(|(line, here, before)| (line, format!("{here} s here, {before} s before"))).collect();
        prop_assert_eq!(said, expected);
    }
}

/// A TOML owner with an A record; places are made up.
fn owner(zone: Site, text: &str, ttl: Option<u32>, address: u8, route: bool) -> OwnerSpec {
    let site = |at: usize| Site::new(zone.file, at..at + 1);
    let at = usize::from(address) * 10;
    OwnerSpec {
        owner: Written::new(name(text), site(at)),
        ttl: ttl.map(|ttl| Written::new(ttl, site(at + 1))),
        route: route.then(|| Written::new("r".to_owned(), site(at + 2))),
        data: vec![DataSpec {
            rtype: Written::new(RecordType::A, site(at + 3)),
            rdata: vec![Written::new(Box::from([192, 0, 2, address]), site(at + 4))],
        }],
        tainted: false,
    }
}

#[test]
fn toml_is_laid_over_a_master_file_and_every_place_is_kept() {
    let mut findings = Findings::default();
    let zone = Site::new(findings.add_file("x.toml".as_ref()), 0..4);
    let text =
        text(&mut findings, "x.zone", "@ 5 NS ns\nwww 6 A 192.0.2.1  ; one\n  6 TXT t\nz 7 A 192.0.2.9\n".into());
    let master = read(&mut findings, &text, &apex(), TTL, 1, &Progress::default());
    let owners = [
        owner(zone, "new.example.com", None, 3, false),
        owner(zone, "WWW.example.com", None, 2, true),
        owner(zone, "z.example.com", Some(60), 9, false),
    ];
    let data = together((&apex(), zone), TTL, Some(master), &owners, false);
    let address = |last| vec![192, 0, 2, last];
    assert_eq!(
        unpacked(&data.records),
        [
            ("example.com.".into(), RecordType::NS, 5, vec![name("ns.example.com").as_wire().to_vec()]),
            ("www.example.com.".into(), RecordType::A, 6, vec![address(1), address(2)]),
            ("www.example.com.".into(), RecordType::TXT, 6, vec![b"\x01t".to_vec()]),
            ("z.example.com.".into(), RecordType::A, 60, vec![address(9)]),
            ("new.example.com.".into(), RecordType::A, TTL, vec![address(3)]),
        ]
    );
    let place = |site: Site| (site.file, &text.text[site.span()]);
    let www = data.number(name("www.example.com").view()).unwrap();
    let a = data.rrset(www, RecordType::A).unwrap();
    assert_eq!(place(data.owner_site(www)), (text.id, "www 6 A 192.0.2.1  ; one"));
    assert_eq!(data.set_site(a), data.owner_site(www));
    assert_eq!(data.spots.record(a.first + 1), Site::new(zone.file, 24..25));
    assert_eq!(place(data.set_site(data.rrset(www, RecordType::TXT).unwrap())).1, "  6 TXT t");
    let new = data.number(name("new.example.com").view()).unwrap();
    assert_eq!(data.owner_site(new), Site::new(zone.file, 30..31));
    assert_eq!(data.set_site(data.rrset(new, RecordType::A).unwrap()), Site::new(zone.file, 33..34));
    let [steered] = &data.steered[..] else { panic!("{:?}", data.steered) };
    assert_eq!(steered.owner.to_string(), "www.example.com.");
    assert_eq!(steered.sets.iter().map(|(rtype, _)| *rtype).collect::<Vec<_>>(), [RecordType::A, RecordType::TXT]);
    assert!(data.is_steered(name("www.example.com").view()) && !data.is_steered(name("z.example.com").view()));
    assert!(findings.finish().0.is_empty());
}

#[test]
fn a_name_with_very_many_records_keeps_each_once() {
    let mut zone = String::from("@ NS ns.example.net.\n");
    for i in 0..1000 {
        zone.push_str(&format!("many A 10.0.{}.{}\n", i / 2 / 256, i / 2 % 256));
    }
    let mut findings = Findings::default();
    let text = text(&mut findings, "x.zone", zone);
    let master = read(&mut findings, &text, &apex(), TTL, 1, &Progress::default());
    assert_eq!(unpacked(&master.records)[1].3.len(), 500);
}
