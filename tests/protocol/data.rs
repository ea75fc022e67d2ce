//! Items 8, 10 and 12: negative answers, chains, zone cuts.

use rhumb::answer::{Asker, explain};
use rhumb::wire::{Name, RecordType};

use super::plain;
use crate::harness::{Ask, Reply, Setup, assert_loads, assert_warning, load, zone};

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

#[test]
fn p8_nodata_and_nxdomain_carry_the_soa_with_the_lesser_ttl() {
    let fixture = plain();
    let soa = fixture.ask(&Ask::aaaa("mail.example.com.")).assert_nodata().clone();
    assert_eq!((soa.owner.clone(), soa.ttl, soa.soa_minimum()), (name("example.com."), 60, 60));
    let soa = fixture.ask(&Ask::a("nothing.example.com.")).assert_nxdomain().clone();
    assert_eq!((soa.owner.clone(), soa.ttl), (name("example.com."), 60));
    fixture.ask(&Ask::a("deep.below.mail.example.com.")).assert_nxdomain();
}

#[test]
fn p8_the_soas_own_ttl_counts_where_it_is_the_lesser() {
    let text = "zone = \"example.org\"\n[soa]\nttl = \"30s\"\nminimum = \"60s\"\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n";
    let fixture = Setup::new("", "").file("example.org.toml", text).build();
    assert_eq!(fixture.ask(&Ask::a("example.org.")).assert_nodata().ttl, 30);
    assert_eq!(fixture.ask(&Ask::a("x.example.org.")).assert_nxdomain().ttl, 30);
}

#[test]
fn p8_the_soa_itself_keeps_its_own_ttl() {
    let reply = plain().ask(&Ask::of("example.com.", RecordType::SOA));
    assert!(reply.aa);
    assert_eq!((reply.answer.len(), reply.answer[0].soa_minimum()), (1, 60));
    assert!(reply.ttl() >= 60);
}

#[test]
fn p8_empty_non_terminals_are_nodata_and_their_neighbours_are_not() {
    let fixture = plain();
    for ent in ["b.c.example.com.", "c.example.com."] {
        for rtype in [RecordType::A, RecordType::TXT, RecordType::NS] {
            fixture.ask(&Ask::of(ent, rtype)).assert_nodata();
        }
    }
    fixture.ask(&Ask::a("x.c.example.com.")).assert_nxdomain();
    fixture.ask(&Ask::a("x.a.b.c.example.com.")).assert_nxdomain();
    assert_eq!(fixture.ask(&Ask::of("a.b.c.example.com.", RecordType::TXT)).answer.len(), 1);
}

#[test]
fn p10_a_cname_is_followed_inside_the_zone() {
    let fixture = plain();
    let reply = fixture.ask(&Ask::a("first.example.com."));
    let shown: Vec<_> = reply.answer.iter().map(|r| (r.owner.to_string(), r.rtype)).collect();
    let cname = RecordType::CNAME;
    assert_eq!(
        shown,
        [
            ("first.example.com.".into(), cname),
            ("to-mail.example.com.".into(), cname),
            ("mail.example.com.".to_owned(), RecordType::A)
        ]
    );
    assert!(reply.aa && reply.rcode == 0);
    let reply = fixture.ask(&Ask::of("first.example.com.", cname));
    assert_eq!((reply.answer.len(), reply.answer[0].name()), (1, name("to-mail.example.com.")));
}

#[test]
fn p10_what_may_stand_beside_a_cname_is_asked_for_by_its_type() {
    let fixture = Setup::new(
        "signed = { CNAME = \"mail\", KEY = \"512 3 13 aGVsbG8=\", NSEC = \"mail CNAME RRSIG NSEC KEY\", \
         RRSIG = \"CNAME 13 3 60 20300101000000 20291201000000 2371 example.com. aGVsbG8=\" }\n\
         mail = { A = \"192.0.2.5\" }",
        "",
    )
    .build();
    for rtype in [RecordType::KEY, RecordType::NSEC, RecordType::RRSIG] {
        let reply = fixture.ask(&Ask::of("signed.example.com.", rtype));
        assert_eq!((reply.answer.len(), reply.answer[0].rtype, reply.authority.len()), (1, rtype, 0), "{rtype}");
    }
    // What the CNAME leads to has no part in that.
    let routed = Setup::new(
        "to-cdn = { CNAME = \"cdn\", KEY = \"512 3 13 aGVsbG8=\" }\ncdn = { route = \"cdn\" }",
        "[endpoints.far]\nCNAME = \"x.example.net.\"\n[routes.cdn]\npolicy = \"simple\"\nto = \"far\"\n",
    )
    .build();
    for (rtype, decisions) in [(RecordType::KEY, 0), (RecordType::A, 1), (RecordType::CNAME, 0)] {
        let asker = Asker::Sender("192.0.2.77".parse().unwrap());
        let told = explain(&routed.snapshot, &name("to-cdn.example.com."), rtype, asker, 7).unwrap();
        assert_eq!((told.decisions.len(), &told.difference), (decisions, &None), "{rtype}");
    }
    let types = |reply: &Reply| reply.answer.iter().map(|record| record.rtype).collect::<Vec<_>>();
    let reply = fixture.ask(&Ask::a("signed.example.com."));
    assert_eq!(types(&reply), [RecordType::CNAME, RecordType::A]);
    for rtype in [RecordType::CNAME, RecordType::ANY] {
        assert_eq!(types(&fixture.ask(&Ask::of("signed.example.com.", rtype))), [RecordType::CNAME], "{rtype}");
    }
}

#[test]
fn p10_a_cname_leads_into_a_steered_name() {
    let reply = plain().ask(&Ask::a("alias.example.com."));
    assert_eq!(reply.answer.len(), 2);
    assert_eq!((reply.answer[0].ttl, reply.answer[1].ttl), (300, 30));
    assert_eq!(reply.answer[1].owner, name("www.example.com."));
    assert_eq!(reply.addresses()[0].to_string(), "192.0.2.1");
}

#[test]
fn p10_a_chain_that_ends_in_nothing_says_so_with_the_soa() {
    let fixture = plain();
    let reply = fixture.ask(&Ask::a("dangling.example.com."));
    assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (3, 1, 1));
    assert_eq!(reply.authority[0].rtype, RecordType::SOA);
    let reply = fixture.ask(&Ask::of("first.example.com.", RecordType::MX));
    assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (0, 2, 1));
    assert_eq!(reply.authority[0].rtype, RecordType::SOA);
}

#[test]
fn p10_a_chain_that_leaves_our_zones_is_the_cname_alone() {
    let reply = plain().ask(&Ask::a("out.example.com."));
    assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (0, 1, 0));
    assert_eq!(reply.answer[0].name(), name("www.example.net."));
}

#[test]
fn p10_a_chain_goes_on_in_another_zone_of_ours() {
    let other =
        "zone = \"example.net\"\n[records]\n\"@\" = { NS = \"ns1.example.org.\" }\nwww = { A = \"192.0.2.88\" }";
    let fixture = Setup::new(super::RECORDS, super::ROUTES).file("example.net.toml", other).build();
    let reply = fixture.ask(&Ask::a("out.example.com."));
    assert_eq!((reply.answer.len(), reply.addresses()[0].to_string()), (2, "192.0.2.88".into()));
}

#[test]
fn p10_a_loop_is_a_warning_and_is_answered_once() {
    let reply = plain().ask(&Ask::a("loop1.example.com."));
    assert_eq!((reply.rcode, reply.answer.len()), (0, 2));
    assert_ne!(reply.answer[0].owner, reply.answer[1].owner);
    let loaded = load(&zone("a = { CNAME = \"b\" }\nb = { CNAME = \"a\" }", ""));
    assert_warning(&loaded, &["CNAME", "loop"]);
}

#[test]
fn p10_loops_of_one_and_through_a_wildcard_end() {
    let records = "self = { CNAME = \"self\" }\n\"*.w\" = { CNAME = \"x.w\" }\ninto = { CNAME = \"a.w\" }";
    let fixture = Setup::new(records, "").build();
    for (name, links) in [("self", 1), ("x.w", 1), ("a.w", 2), ("into", 3)] {
        let reply = fixture.ask(&Ask::a(&format!("{name}.example.com.")));
        assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (0, links, 0), "{name}");
    }
}

#[test]
fn p10_a_chain_may_end_in_a_policys_nodata() {
    let rest = "[endpoints.p]\nA = \"192.0.2.1\"\n[routes.web]\npolicy = \"ip\"\nno_match = \"nodata\"\n\
                to = [{ where = \"net:81.0.0.0/8\", endpoint = \"p\" }]";
    let fixture = Setup::new("www = { route = \"web\" }\nalias = { CNAME = \"www\" }", rest).build();
    let reply = fixture.ask(&Ask::a("alias.example.com.").subnet("99.1.2.0/24"));
    assert_eq!((reply.rcode, reply.answer.len(), reply.authority[0].rtype), (0, 1, RecordType::SOA));
    assert!(reply.scope() > 0, "others are answered otherwise");
    let reply = fixture.ask(&Ask::a("alias.example.com.").subnet("81.1.2.0/24"));
    assert_eq!((reply.answer.len(), reply.addresses().len()), (2, 1));
}

#[test]
fn p10_at_most_sixteen_steps_are_taken() {
    let chain = |n: usize| {
        let mut records: String = (1..n).map(|i| format!("c{i} = {{ CNAME = \"c{}\" }}\n", i + 1)).collect();
        records += &format!("c{n} = {{ CNAME = \"end\" }}\nend = {{ A = \"192.0.2.7\" }}\n");
        Setup::new(&records, "").build().ask(&Ask::a("c1.example.com.").payload(1232))
    };
    let reply = chain(16);
    assert_eq!((reply.answer.len(), reply.addresses().len(), reply.rcode), (17, 1, 0));
    for long in [17, 20] {
        let reply = chain(long);
        assert!(reply.answer.iter().all(|record| record.rtype == RecordType::CNAME), "{reply:#?}");
        assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (0, 16, 0), "{long}");
    }
}

#[test]
fn p12_at_and_below_a_cut_everything_is_a_referral_with_glue() {
    let fixture = plain();
    for ask in [
        Ask::a("host.lab.example.com."),
        Ask::a("lab.example.com."),
        Ask::of("lab.example.com.", RecordType::NS),
        Ask::a("a.b.lab.example.com."),
        Ask::a("ns1.lab.example.com."),
    ] {
        let reply = fixture.ask(&ask);
        assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (0, false, 0), "{ask:?}");
        assert_eq!(reply.authority.len(), 2);
        assert!(reply.authority.iter().all(|r| r.rtype == RecordType::NS && r.owner == name("lab.example.com.")));
        assert_eq!(reply.additional.len(), 1, "the in-domain glue: {reply:#?}");
        assert_eq!(reply.additional[0].owner, name("ns1.lab.example.com."));
        assert_eq!(reply.additional[0].address().to_string(), "192.0.2.61");
    }
}

#[test]
fn p12_ds_at_the_cut_is_answered_by_us() {
    let fixture = plain();
    fixture.ask(&Ask::of("lab.example.com.", RecordType::DS)).assert_nodata();
    let reply = fixture.ask(&Ask::of("x.lab.example.com.", RecordType::DS));
    assert_eq!((reply.aa, reply.authority[0].rtype), (false, RecordType::NS));
}

#[test]
fn p12_ds_at_the_cut_is_there_for_those_who_ask_and_all_else_is_referred() {
    let ds = "12345 13 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE49FD46E6C4B45C55D4AC69CB";
    let records = format!("lab = {{ NS = \"ns.example.net.\", DS = \"{ds}\" }}");
    let fixture = Setup::new(&records, "").build();
    let reply = fixture.ask(&Ask::of("lab.example.com.", RecordType::DS));
    assert_eq!((reply.aa, reply.answer.len(), reply.authority.len()), (true, 1, 0));
    for rtype in [RecordType::ANY, RecordType::CNAME, RecordType::SOA, RecordType::NSEC, RecordType::TXT] {
        let reply = fixture.ask(&Ask::of("lab.example.com.", rtype));
        assert_eq!((reply.aa, reply.answer.len(), reply.authority.len()), (false, 0, 1), "{rtype}");
        assert_eq!(reply.authority[0].rtype, RecordType::NS);
    }
    // Below a cut a name server's address is the child's to answer, even where it is known here.
    let glue = "lab = { NS = \"ns.lab\" }\n\"ns.lab\" = { A = \"192.0.2.7\" }\n\"*\" = { A = \"192.0.2.8\" }";
    let fixture = Setup::new(glue, "").build();
    for name in ["ns.lab.example.com.", "other.lab.example.com.", "lab.example.com."] {
        assert!(fixture.ask(&Ask::a(name)).answer.is_empty(), "{name}");
    }
    assert_eq!(fixture.ask(&Ask::a("else.example.com.")).only(), "192.0.2.8");
}

#[test]
fn p12_a_chain_that_meets_a_cut_ends_with_the_referral() {
    let records = format!("{}\nover = {{ CNAME = \"host.lab\" }}", super::RECORDS);
    let reply = Setup::new(&records, super::ROUTES).build().ask(&Ask::a("over.example.com."));
    assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (0, true, 1));
    let cut: Vec<_> = reply.authority.iter().map(|r| (r.rtype, r.owner.clone())).collect();
    assert_eq!(cut, vec![(RecordType::NS, name("lab.example.com.")); 2]);
    assert_eq!(reply.additional.len(), 1, "the in-domain glue: {reply:#?}");
}

#[test]
fn p10_a_wildcard_that_leads_to_a_name_of_its_own_shows_the_loop_once() {
    let reply = Setup::new("\"*.w\" = { CNAME = \"t.w\" }", "").build().ask(&Ask::a("a.w.example.com."));
    let owners: Vec<_> = reply.answer.iter().map(|r| r.owner.to_string()).collect();
    assert_eq!((reply.rcode, owners), (0, vec!["a.w.example.com.".to_owned(), "t.w.example.com.".to_owned()]));
}

#[test]
fn p15_an_unknown_type_is_kept_as_it_is() {
    let reply = plain().ask(&Ask::of("odd.example.com.", RecordType(731)));
    assert_eq!(reply.answer[0].rdata, [1, 2, 3]);
    assert_loads(&load(&zone("odd = { TYPE65280 = '\\# 0' }", "")));
}

#[test]
fn p8_names_between_a_zone_and_a_zone_within_it_exist() {
    let inner =
        "zone = \"k.j.example.com\"\n[records]\n\"@\" = { NS = \"ns1.example.com.\" }\nwww = { A = \"192.0.2.9\" }\n";
    let fixture = Setup::new("www = { A = \"192.0.2.8\" }", "").file("inner.toml", inner).build();
    fixture.ask(&Ask::a("j.example.com.")).assert_nodata();
    assert_eq!(fixture.ask(&Ask::a("www.k.j.example.com.")).only(), "192.0.2.9");
    let soa = fixture.ask(&Ask::a("none.k.j.example.com.")).assert_nxdomain().clone();
    assert_eq!(soa.owner, name("k.j.example.com."));
    let soa = fixture.ask(&Ask::a("none.j.example.com.")).assert_nxdomain().clone();
    assert_eq!(soa.owner, name("example.com."));
}

#[test]
fn p12_where_zones_lie_within_each_other_ds_is_asked_above_the_cut() {
    let records = "sub = { NS = \"ns.sub\", DS = \"12345 13 2 \
                   49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE49FD46E6C4B45C55D4AC69CB\" }\n\"ns.sub\" = { A = \"192.0.2.7\" }";
    let inner = "zone = \"sub.example.com\"\n[records]\n\"@\" = { NS = \"ns\" }\nns = { A = \"192.0.2.7\" }\n";
    let fixture = Setup::new(records, "").file("inner.toml", inner).build();
    let reply = fixture.ask(&Ask::of("sub.example.com.", RecordType::DS));
    assert!(reply.aa);
    assert_eq!(reply.answer.len(), 1);
    let reply = fixture.ask(&Ask::of("sub.example.com.", RecordType::NS));
    assert!(reply.aa, "the inner zone speaks for itself");
    assert_eq!(reply.answer.len(), 1);
}

#[test]
fn p12_ds_of_a_zone_within_is_denied_by_the_zone_around_it_without_a_delegation_too() {
    let inner = "zone = \"sub.example.com\"\n[records]\n\"@\" = { NS = \"ns1.example.com.\" }\n";
    let fixture = Setup::new("", "").file("inner.toml", inner).build();
    let reply = fixture.ask(&Ask::of("sub.example.com.", RecordType::DS));
    assert_eq!(reply.assert_nodata().owner, name("example.com."));
    let reply = fixture.ask(&Ask::of("sub.example.com.", RecordType::TXT));
    assert_eq!(reply.assert_nodata().owner, name("sub.example.com."));
}
