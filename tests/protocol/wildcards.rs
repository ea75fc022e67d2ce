//! Item 9: wildcards by the closest encloser.

use rhumb::wire::{Name, RecordType};

use crate::harness::{Ask, Fixture, Setup, assert_error, load, zone};

/// The zone of RFC 4592 section 2.2.1.
fn rfc4592() -> Fixture {
    let text = r#"
zone = "example"
ttl = "1h"
[records]
"@" = { NS = ["ns.example.com.", "ns.example.net."] }
"*" = { TXT = "this is a wildcard", MX = "10 host1" }
"sub.*" = { TXT = "this is not a wildcard" }
host1 = { A = "192.0.2.1" }
"_ssh._tcp.host1" = { SRV = "0 0 22 host1" }
"_ssh._tcp.host2" = { SRV = "0 0 22 host1" }
subdel = { NS = ["ns.example.com.", "ns.example.net."] }
"#;
    Setup::new("", "").file("example.toml", text).build()
}

fn ask(fixture: &Fixture, name: &str, rtype: RecordType) -> crate::harness::Reply {
    fixture.ask(&Ask::of(name, rtype).payload(1232))
}

#[test]
fn p9_the_table_of_rfc_4592_that_is_synthesized() {
    let fixture = rfc4592();
    let reply = ask(&fixture, "host3.example.", RecordType::MX);
    assert_eq!((reply.answer.len(), reply.aa, reply.rcode), (1, true, 0));
    assert_eq!(reply.answer[0].owner, Name::absolute("host3.example.").unwrap());
    ask(&fixture, "host3.example.", RecordType::A).assert_nodata();
    let reply = ask(&fixture, "foo.bar.example.", RecordType::TXT);
    assert_eq!(reply.answer[0].owner, Name::absolute("foo.bar.example.").unwrap());
    assert_eq!(reply.answer[0].rdata, b"\x12this is a wildcard");
}

#[test]
fn p9_the_table_of_rfc_4592_that_is_not_synthesized() {
    let fixture = rfc4592();
    ask(&fixture, "host1.example.", RecordType::MX).assert_nodata();
    ask(&fixture, "sub.*.example.", RecordType::MX).assert_nodata();
    ask(&fixture, "_telnet._tcp.host1.example.", RecordType::SRV).assert_nxdomain();
    ask(&fixture, "ghost.*.example.", RecordType::MX).assert_nxdomain();
    let reply = ask(&fixture, "host.subdel.example.", RecordType::A);
    assert_eq!((reply.aa, reply.rcode, reply.authority.len()), (false, 0, 2));
    assert!(reply.authority.iter().all(|r| r.rtype == RecordType::NS));
    // An empty non-terminal stands in the way as well.
    ask(&fixture, "host2.example.", RecordType::TXT).assert_nodata();
    ask(&fixture, "x.host2.example.", RecordType::TXT).assert_nxdomain();
}

#[test]
fn p9_the_literal_asterisk_can_be_asked() {
    let fixture = rfc4592();
    let reply = ask(&fixture, "*.example.", RecordType::TXT);
    assert_eq!(reply.answer[0].rdata, b"\x12this is a wildcard");
    let reply = ask(&fixture, "sub.*.example.", RecordType::TXT);
    assert_eq!(reply.answer[0].rdata, b"\x16this is not a wildcard");
}

#[test]
fn p9_any_depth_and_the_nearest_wildcard() {
    let records = "\"*\" = { A = \"192.0.2.1\" }\n\"*.deep\" = { A = \"192.0.2.2\" }\n\"x.deep\" = { TXT = \"x\" }\n\
                   \"*.apps\" = { CNAME = \"host\" }\nhost = { A = \"192.0.2.3\" }";
    let fixture = Setup::new(records, "").build();
    for (name, address) in [
        ("a.example.com.", "192.0.2.1"),
        ("a.b.c.example.com.", "192.0.2.1"),
        ("a.deep.example.com.", "192.0.2.2"),
        ("a.b.deep.example.com.", "192.0.2.2"),
    ] {
        assert_eq!(fixture.ask(&Ask::a(name)).only(), address, "{name}");
    }
    fixture.ask(&Ask::a("x.deep.example.com.")).assert_nodata();
    fixture.ask(&Ask::a("y.x.deep.example.com.")).assert_nxdomain();
    fixture.ask(&Ask::a("deep.example.com.")).assert_nodata();
    let reply = fixture.ask(&Ask::a("one.apps.example.com."));
    assert_eq!((reply.answer.len(), reply.answer[0].rtype), (2, RecordType::CNAME));
    assert_eq!(reply.answer[0].owner, Name::absolute("one.apps.example.com.").unwrap());
}

#[test]
fn p9_an_asterisk_elsewhere_in_a_name_is_a_label_as_any_other() {
    let records = "\"*.*.d\" = { A = \"192.0.2.1\" }\n\"x.*.e\" = { A = \"192.0.2.3\" }";
    let fixture = Setup::new(records, "").build();
    // `*.d` exists as an empty non-terminal, and is the wildcard of `d`.
    for nodata in ["*.d.example.com.", "y.d.example.com.", "z.y.d.example.com.", "*.e.example.com.", "y.e.example.com."]
    {
        fixture.ask(&Ask::a(nodata)).assert_nodata();
    }
    assert_eq!(fixture.ask(&Ask::a("y.*.d.example.com.")).only(), "192.0.2.1");
    fixture.ask(&Ask::a("y.*.e.example.com.")).assert_nxdomain();
}

#[test]
fn p9_a_wildcard_does_not_reach_below_a_cut() {
    let records =
        "\"*\" = { A = \"192.0.2.1\", TXT = \"x\" }\nlab = { NS = \"ns.example.net.\" }\nhost = { MX = \"0 .\" }";
    let fixture = Setup::new(records, "").build();
    let reply = fixture.ask(&Ask::a("any.lab.example.com."));
    assert_eq!((reply.aa, reply.answer.len(), reply.authority[0].rtype), (false, 0, RecordType::NS));
    fixture.ask(&Ask::a("host.example.com.")).assert_nodata();
    fixture.ask(&Ask::a("below.host.example.com.")).assert_nxdomain();
    let reply = fixture.ask(&Ask::of("Any.Example.com.", RecordType::ANY));
    assert_eq!((reply.answer.len(), reply.answer[0].owner.to_string()), (1, "Any.Example.com.".into()));
}

#[test]
fn p9_a_wildcard_may_be_steered() {
    let rest = "[endpoints.p]\nA = \"192.0.2.1\"\n[routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]";
    let fixture = Setup::new("\"*.w\" = { route = \"web\" }\n\"x.w\" = { TXT = \"x\" }", rest).build();
    let reply = fixture.ask(&Ask::a("any.w.example.com."));
    assert_eq!((reply.only(), reply.ttl()), ("192.0.2.1".into(), 30));
    assert_eq!(reply.answer[0].owner, Name::absolute("any.w.example.com.").unwrap());
    fixture.ask(&Ask::a("x.w.example.com.")).assert_nodata();
    fixture.ask(&Ask::aaaa("any.w.example.com.")).assert_nodata();
    fixture.ask(&Ask::a("w.example.com.")).assert_nodata();
}

#[test]
fn p9_a_wildcard_ns_is_refused_at_load() {
    assert_error(&load(&zone("\"*\" = { NS = \"ns.example.net.\" }", "")), &["wildcard", "NS"]);
}
