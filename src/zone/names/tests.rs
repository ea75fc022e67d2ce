#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::config::model::{RouteId, Soa, Steered, Transfer};
use crate::wire::RecordsBuilder;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn zone(records: &[(&str, RecordType, &[u8])], steered: &[&str]) -> Zone {
    let soa =
        Soa { ttl: 1, mname: name("."), rname: name("."), serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 };
    let mut packed = RecordsBuilder::new();
    for &(owner, rtype, rdata) in records {
        packed.push(name(owner).view(), rtype, 60, [rdata]);
    }
    let steered = steered.iter().map(|owner| Steered { owner: name(owner), route: RouteId(0), ttl: 30 });
    Zone {
        apex: name("example"),
        file: "example.toml".into(),
        soa,
        records: packed.finish().into(),
        steered: steered.collect(),
        transfer: Transfer::default(),
        expiry: None,
    }
}

/// Names that can be found, in no order, those of zones within in brackets.
fn found(names: &Names<'_>) -> Vec<String> {
    let standing = names.entries().filter_map(|number| names.standing(number));
    let mut found: Vec<String> = standing
        .map(|standing| {
            let name = Name::from_wire(standing.name).unwrap();
            if standing.within.is_some() { format!("({name})") } else { name.to_string() }
        })
        .collect();
    found.sort();
    found
}

#[test]
fn p12_data_below_a_cut_is_glue_and_names_between_exist() {
    let zone = zone(
        &[
            ("example", RecordType::NS, name("ns.example").as_wire()),
            ("ns.example", RecordType::A, &[1; 4]),
            ("a.b.c.Example", RecordType::A, &[2; 4]),
            ("sub.example", RecordType::NS, name("ns.sub.example").as_wire()),
            ("sub.example", RecordType::DS, &[0; 36]),
            ("sub.example", RecordType::TXT, &[0]),
            ("ns.sub.example", RecordType::A, &[3; 4]),
            ("elsewhere", RecordType::A, &[4; 4]),
        ],
        &["x.y.example", "z.sub.example", "ns.example"],
    );
    let names = Names::of(&zone, Within::default(), 7);
    let expected = [
        "a.b.c.Example.",
        "b.c.Example.",
        "c.Example.",
        "example.",
        "ns.example.",
        "sub.example.",
        "x.y.example.",
        "y.example.",
    ];
    assert_eq!(found(&names), expected);
    let of = |text: &str| {
        let found = names.find(names.hash(name(text).as_wire()), name(text).as_wire());
        names.standing(found.unwrap() as usize).unwrap()
    };
    let cut = names.cut(&of("sub.example")).unwrap();
    assert_eq!((cut.in_domain.len(), cut.sibling.len()), (1, 0));
    assert_eq!(of("SUB.example").rrsets().count(), 1, "DS alone is ours at the cut");
    assert_eq!(
        (of("ns.example").steered, of("x.y.example").steered, of("y.example").steered),
        (Some(2), Some(0), None)
    );
    assert!(names.cut(&of("ns.example")).is_none() && of("example").is_apex);
}

#[test]
fn p11_names_below_a_dname_are_not_here_and_are_no_glue() {
    let (dname, ns, below) = (name("elsewhere"), name("ns.example"), name("ns.d.example"));
    let inner = name("a.b.d.example");
    let records: &[(&str, RecordType, &[u8])] = &[
        ("example", RecordType::NS, ns.as_wire()),
        ("ns.example", RecordType::A, &[1; 4]),
        ("d.example", RecordType::A, &[2; 4]),
        ("d.example", RecordType::DNAME, dname.as_wire()),
        ("ns.d.example", RecordType::A, &[3; 4]),
        ("x.y.d.example", RecordType::NS, dname.as_wire()),
        ("sub.example", RecordType::NS, below.as_wire()),
        // Below a cut a DNAME is not ours.
        ("e.sub.example", RecordType::DNAME, dname.as_wire()),
    ];
    let zone_of = |records: &[(&str, RecordType, &[u8])]| zone(records, &["s.d.example"]);
    let (plain, between) = (zone_of(records), [name("b.d.example")]);
    let apexes = [&inner];
    let within = Within { apexes: &apexes, between: &between };
    let names = Names::of(&plain, within, 7);
    assert_eq!(found(&names), ["d.example.", "example.", "ns.example.", "sub.example."]);
    let of = |text: &str| {
        let found = names.find(names.hash(name(text).as_wire()), name(text).as_wire());
        names.standing(found.unwrap() as usize).unwrap()
    };
    assert!(of("D.example").is_redirect && !of("sub.example").is_redirect && !of("example").is_redirect);
    assert_eq!(of("d.example").rrsets().count(), 2);
    let cut = names.cut(&of("sub.example")).unwrap();
    assert!(cut.in_domain.is_empty() && cut.sibling.is_empty(), "a name below a DNAME has no address here");
    let mut all = records.to_vec();
    all.insert(1, ("example", RecordType::DNAME, dname.as_wire()));
    let all = zone_of(&all);
    let names = Names::of(&all, within, 7);
    assert_eq!(found(&names), ["example."]);
    assert!(names.standing(0).unwrap().is_redirect);
}

#[test]
fn p12_names_between_a_cut_and_a_zone_below_it_are_the_cuts() {
    let zone = zone(&[("sub.example", RecordType::NS, name("ns.elsewhere").as_wire())], &[]);
    let (inner, between) = (name("a.b.sub.example"), [name("sub.example"), name("b.sub.example")]);
    let within = Within { apexes: &[&inner], between: &between };
    let names = Names::of(&zone, within, 7);
    assert_eq!(found(&names), ["example.", "sub.example."]);
}

#[test]
fn a_zone_within_takes_its_names_and_leaves_those_above_it() {
    let zone = zone(
        &[
            ("a.b.example", RecordType::NS, name("ns.elsewhere").as_wire()),
            ("www.a.b.example", RecordType::A, &[1; 4]),
            ("*.example", RecordType::A, &[2; 4]),
        ],
        &[],
    );
    let (inner, other, between) = (name("a.b.example"), name("c.example"), [name("b.example")]);
    let within = Within { apexes: &[&inner, &other], between: &between };
    let names = Names::of(&zone, within, 7);
    assert_eq!(found(&names), ["(a.b.example.)", "(c.example.)", "*.example.", "b.example.", "example."]);
    let tied = names.wildcards().iter().map(|&(parent, child)| {
        let name = |entry: u32| Name::from_wire(names.standing(entry as usize).unwrap().name).unwrap().to_string();
        (name(parent), name(child))
    });
    assert_eq!(tied.collect::<Vec<_>>(), [("example.".to_owned(), "*.example.".to_owned())]);
}
