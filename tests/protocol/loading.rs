//! Item 14: what a load refuses and what it only says.

use rhumb::config::Severity;
use rhumb::wire::RecordType;

use crate::harness::{Ask, Setup, assert_error, assert_warning, load, load_file, zone};

#[test]
fn p14_cname_with_other_data_or_twice_or_at_the_apex_is_an_error() {
    assert_error(&load(&zone("a = { CNAME = \"b\", A = \"192.0.2.1\" }\nb = { A = \"192.0.2.2\" }", "")), &["CNAME"]);
    assert_error(&load(&zone("a = { CNAME = [\"b\", \"c\"] }", "")), &["CNAME"]);
    let apex = "zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\", CNAME = \"b\" }";
    assert_error(&load(apex), &["CNAME"]);
}

#[test]
fn p14_no_ns_and_data_out_of_the_zone_are_errors() {
    assert_error(&load("zone = \"example.com\"\n[records]\na = { A = \"192.0.2.1\" }"), &["NS"]);
    assert_error(&load(&zone("\"a.example.net.\" = { A = \"192.0.2.1\" }", "")), &["example.net"]);
}

#[test]
fn p14_an_error_has_its_file_and_its_place() {
    let text = zone("a = { CNAME = \"b\", A = \"192.0.2.1\" }", "");
    let loaded = load(&text);
    let error = loaded.diagnostics.iter().find(|d| d.message.contains("CNAME")).expect("the error");
    assert!(error.file.as_ref().is_some_and(|f| f.ends_with("zones/example.com.toml")), "{error:?}");
    let span = error.span.clone().expect("a place in the file");
    let line = text[..span.start].matches('\n').count();
    let written = text[..text.find("a = { CNAME").unwrap()].matches('\n').count();
    assert_eq!(line, written, "{error:?}");
}

#[test]
fn p14_what_is_unwise_is_a_warning() {
    let cases: [(&str, &[&str]); 4] = [
        ("lab = { NS = \"ns1.lab\" }", &["glue"]),
        ("a = { MX = \"10 b\" }\nb = { CNAME = \"c\" }\nc = { A = \"192.0.2.1\" }", &["MX", "CNAME"]),
        ("\"_x._tcp\" = { SRV = \"0 0 1 b\" }\nb = { CNAME = \"c\" }\nc = { A = \"192.0.2.1\" }", &["SRV", "CNAME"]),
        ("lab = { NS = \"ns.example.net.\" }\n\"x.lab\" = { TXT = \"hidden\" }", &["hidden"]),
    ];
    for (records, words) in cases {
        assert_warning(&load(&zone(records, "")), words);
    }
}

#[test]
fn p14_duplicates_go() {
    let fixture = Setup::new("a = { A = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.1\"] }", "").build();
    assert_eq!(fixture.ask(&Ask::a("a.example.com.")).sorted(), ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn p14_a_name_in_two_spellings_is_a_duplicate_too() {
    let records = "a = { MX = [\"10 Mail\", \"10 mail\", \"20 mail\"] }\nb = { TXT = [\"x\", \"X\"] }";
    let fixture = Setup::new(records, "").build();
    assert_eq!(fixture.ask(&Ask::of("a.example.com.", RecordType::MX)).answer.len(), 2);
    assert_eq!(fixture.ask(&Ask::of("b.example.com.", RecordType::TXT)).answer.len(), 2);
}

#[test]
fn p14_a_master_file_is_judged_line_by_line() {
    let master = "$TTL 300\n@ SOA ns.example.net. h 1 2 3 4 5\n@ NS ns.example.net.\n@ CNAME www\nwww A 192.0.2.1\n\
                  www CNAME a\ntwo CNAME a\ntwo CNAME b\n* NS ns.example.net.\nx.example.net. A 192.0.2.2\n";
    let loaded = load_file("example.com.zone", master);
    assert!(loaded.model.is_none());
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let mut told: Vec<_> = errors
        .map(|error| {
            assert!(error.file.as_ref().is_some_and(|file| file.ends_with("zones/example.com.zone")), "{error:?}");
            (1 + master[..error.span.clone().expect("a place").start].matches('\n').count(), error.code)
        })
        .collect();
    told.sort_unstable();
    let expected =
        [(4, "cname-at-apex"), (6, "cname-beside-data"), (8, "cname-twice"), (9, "wildcard-ns"), (10, "out-of-zone")];
    assert_eq!(told, expected);
    for (master, code) in [
        ("@ 60 NS ns.example.net.\n", "no-soa"),
        ("@ 60 SOA ns.example.net. h 1 2 3 4 5\nwww 60 A 192.0.2.1\n", "no-ns"),
    ] {
        let loaded = load_file("example.com.zone", master);
        assert!(loaded.model.is_none() && loaded.diagnostics.iter().any(|found| found.code == code), "{loaded:?}");
    }
}

#[test]
fn p14_one_ttl_an_rrset() {
    let master = "$ORIGIN example.org.\n$TTL 300\n@ IN SOA ns.example.net. h.example.org. 1 2 3 4 5\n@ IN NS ns.example.net.\n\
                  a 60 IN A 192.0.2.1\na 90 IN A 192.0.2.2\na 60 IN TXT \"x\"\n";
    let fixture = Setup::new("", "").file("example.org.zone", master).build();
    let reply = fixture.ask(&Ask::a("a.example.org."));
    assert_eq!(reply.answer.len(), 2);
    assert!([60, 90].contains(&reply.ttl()));
    assert_eq!(fixture.ask(&Ask::of("a.example.org.", RecordType::TXT)).ttl(), 60);
}
