//! Item 11: DNAME.

use rhumb::answer::{Asker, explain};
use rhumb::wire::{Name, RecordType};

use crate::harness::{Ask, Fixture, Reply, Setup, assert_error, assert_loads, assert_warning, load, zone};

const RECORDS: &str = r#"
d = { DNAME = "target", A = "192.0.2.1", TXT = "own", ttl = "77s" }
target = { A = "192.0.2.2" }
"www.target" = { A = "192.0.2.3" }
"steered.target" = { route = "web" }
"alias.target" = { CNAME = "www.target" }
"*.wild.target" = { A = "192.0.2.4" }
to-d = { CNAME = "www.d" }
out = { DNAME = "example.net." }
back = { DNAME = "forth" }
forth = { DNAME = "back" }
grow = { DNAME = "a.grow" }
twice = { DNAME = "d" }
cut = { DNAME = "lab" }
lab = { NS = "ns.example.net." }
"#;

const ROUTES: &str = "[endpoints.p]\nA = \"192.0.2.9\"\n[routes.web]\npolicy = \"simple\"\nto = \"p\"\n";

fn fixture() -> Fixture {
    Setup::new(RECORDS, ROUTES).build()
}

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

/// Owners, short for names of example.com, with types.
fn shown(reply: &Reply) -> Vec<String> {
    let owner = |owner: &Name| owner.to_string().trim_end_matches(".example.com.").to_owned();
    reply.answer.iter().map(|record| format!("{} {}", owner(&record.owner), record.rtype)).collect()
}

#[test]
fn p11_names_below_a_dname_are_led_on_with_a_cname_of_its_ttl() {
    let reply = fixture().ask(&Ask::a("WWW.d.example.com."));
    assert_eq!(shown(&reply), ["d DNAME", "WWW.d CNAME", "WWW.target A"]);
    assert_eq!((reply.rcode, reply.aa, reply.addresses()[0].to_string()), (0, true, "192.0.2.3".into()));
    assert_eq!((reply.answer[0].ttl, reply.answer[1].ttl), (77, 77));
    assert_eq!(
        (reply.answer[0].name(), reply.answer[1].name()),
        (name("target.example.com."), name("www.target.example.com."))
    );
    // The name that was asked goes on octet for octet (RFC 4343 section 4.1).
    assert_eq!(reply.answer[1].rdata[..4], *b"\x03WWW");
}

#[test]
fn p11_the_owner_itself_is_not_led_on() {
    let fixture = fixture();
    let reply = fixture.ask(&Ask::a("d.example.com."));
    assert_eq!((shown(&reply), reply.only()), (vec!["d A".to_owned()], "192.0.2.1".into()));
    let reply = fixture.ask(&Ask::of("d.example.com.", RecordType::DNAME));
    assert_eq!((shown(&reply), reply.answer[0].name()), (vec!["d DNAME".to_owned()], name("target.example.com.")));
    fixture.ask(&Ask::aaaa("d.example.com.")).assert_nodata();
    fixture.ask(&Ask::of("d.example.com.", RecordType::CNAME)).assert_nodata();
}

#[test]
fn p11_what_the_target_says_is_the_end_of_the_answer() {
    let fixture = fixture();
    let reply = fixture.ask(&Ask::a("no.such.d.example.com."));
    assert_eq!((shown(&reply), reply.rcode), (vec!["d DNAME".to_owned(), "no.such.d CNAME".into()], 3));
    assert_eq!((reply.authority.len(), reply.authority[0].rtype), (1, RecordType::SOA));
    let reply = fixture.ask(&Ask::aaaa("www.d.example.com."));
    assert_eq!((reply.rcode, reply.answer.len(), reply.authority[0].rtype), (0, 2, RecordType::SOA));
    let reply = fixture.ask(&Ask::a("any.wild.d.example.com."));
    assert_eq!(shown(&reply), ["d DNAME", "any.wild.d CNAME", "any.wild.target A"]);
    let reply = fixture.ask(&Ask::a("x.cut.example.com."));
    assert_eq!((shown(&reply), reply.rcode), (vec!["cut DNAME".to_owned(), "x.cut CNAME".into()], 0));
    assert!(reply.authority.iter().all(|record| record.rtype == RecordType::NS), "{reply:#?}");
}

#[test]
fn p11_a_dname_leads_into_a_steered_name_and_out_of_our_zones() {
    let fixture = fixture();
    let reply = fixture.ask(&Ask::a("steered.d.example.com.").subnet("81.2.69.0/24"));
    assert_eq!(shown(&reply), ["d DNAME", "steered.d CNAME", "steered.target A"]);
    assert_eq!((reply.answer[2].ttl, reply.addresses()[0].to_string(), reply.scope()), (30, "192.0.2.9".into(), 0));
    let reply = fixture.ask(&Ask::a("a.b.out.example.com."));
    assert_eq!((shown(&reply), reply.rcode), (vec!["out DNAME".to_owned(), "a.b.out CNAME".into()], 0));
    assert_eq!((reply.answer[1].name(), reply.authority.len()), (name("a.b.example.net."), 0));
}

#[test]
fn p11_it_goes_on_in_another_zone_of_ours() {
    let other =
        "zone = \"example.net\"\n[records]\n\"@\" = { NS = \"ns.example.org.\" }\n\"a.b\" = { A = \"192.0.2.88\" }";
    let fixture = Setup::new(RECORDS, ROUTES).file("example.net.toml", other).build();
    let reply = fixture.ask(&Ask::a("a.b.out.example.com."));
    assert_eq!((reply.answer.len(), reply.addresses()[0].to_string()), (3, "192.0.2.88".into()));
}

#[test]
fn p11_dnames_and_cnames_are_links_of_one_chain() {
    let fixture = fixture();
    let reply = fixture.ask(&Ask::a("to-d.example.com."));
    assert_eq!(shown(&reply), ["to-d CNAME", "d DNAME", "www.d CNAME", "www.target A"]);
    let reply = fixture.ask(&Ask::a("alias.twice.example.com."));
    let links = ["twice DNAME", "alias.twice CNAME", "d DNAME", "alias.d CNAME", "alias.target CNAME", "www.target A"];
    assert_eq!(shown(&reply), links);
    let mut records: String = (1..=16).map(|i| format!("c{i} = {{ DNAME = \"c{}\" }}\n", i + 1)).collect();
    records += "\"x.c16\" = { TXT = \"hidden\" }\n\"x.c17\" = { A = \"192.0.2.7\" }\nc0 = { CNAME = \"x.c1\" }\n";
    let fixture = Setup::new(&records, "").build();
    let reply = fixture.ask(&Ask::a("x.c1.example.com.").stream());
    assert_eq!((reply.rcode, reply.answer.len(), reply.addresses().len()), (0, 33, 1), "sixteen links");
    let reply = fixture.ask(&Ask::a("c0.example.com.").stream());
    assert_eq!((reply.rcode, reply.answer.len(), reply.addresses().len()), (0, 31, 0), "seventeen");
}

#[test]
fn p11_loops_end() {
    let fixture = fixture();
    let reply = fixture.ask(&Ask::a("x.back.example.com."));
    assert_eq!((reply.rcode, reply.authority.len()), (0, 0));
    assert_eq!(shown(&reply), ["back DNAME", "x.back CNAME", "forth DNAME", "x.forth CNAME"]);
    let reply = fixture.ask(&Ask::a("x.grow.example.com.").stream());
    let dnames = reply.answer.iter().filter(|record| record.rtype == RecordType::DNAME).count();
    assert_eq!((reply.rcode, reply.answer.len(), dnames), (0, 17, 1), "the DNAME once, and a link each");
}

#[test]
fn p11_a_name_that_grows_too_long_is_yxdomain_with_the_dname() {
    let target = "t".repeat(40);
    let records = format!("d = {{ DNAME = \"{target}\" }}\n\"*.{target}\" = {{ A = \"192.0.2.5\" }}");
    let fixture = Setup::new(&records, "").build();
    // 255 octets less those of the target, in three labels of 49 letters and a last one.
    let last = 255 - (1 + 40 + 13) - 3 * 50 - 1;
    let before = format!("{}.", "a".repeat(49)).repeat(3);
    let ask = |last: usize| fixture.ask(&Ask::a(&format!("{before}{}.d.example.com.", "b".repeat(last))).payload(1232));
    let reply = ask(last);
    assert_eq!((reply.rcode, reply.answer.len(), reply.answer[1].rdata.len()), (0, 3, 255), "{reply:#?}");
    let reply = ask(last + 1);
    assert_eq!((reply.rcode, reply.aa, shown(&reply)), (6, true, vec!["d DNAME".to_owned()]));
    assert!(reply.authority.is_empty());
}

#[test]
fn p11_the_reasons_of_a_name_below_a_dname_are_those_of_where_it_leads() {
    let fixture = fixture();
    let explained = |text: &str, rtype| {
        let asker = Asker::Sender("192.0.2.77".parse().unwrap());
        explain(&fixture.snapshot, &name(text), rtype, asker, 7).unwrap()
    };
    let steered = explained("steered.d.example.com.", RecordType::A);
    let owners: Vec<_> = steered.decisions.iter().map(|decision| &decision.owner[..]).collect();
    assert_eq!((owners, &steered.difference), (vec!["steered.target.example.com."], &None));
    assert_eq!(steered.answer.len(), 3);
    for (text, rtype) in [("www.d.example.com.", RecordType::A), ("steered.d.example.com.", RecordType::CNAME)] {
        let plain = explained(text, rtype);
        assert!(plain.decisions.is_empty() && plain.difference.is_none(), "{text} {plain:?}");
    }
}

#[test]
fn p11_what_does_not_fit_is_truncated_whole() {
    let [x, y] = ["x", "y"].map(|letter| letter.repeat(250));
    let text = format!("d = {{ DNAME = \"target\" }}\n\"www.target\" = {{ TXT = [\"{x}\", \"{y}\"] }}");
    let reply = Setup::new(&text, "").build().ask(&Ask::of("www.d.example.com.", RecordType::TXT));
    assert!(reply.tc && reply.answer.is_empty() && reply.aa);
}

#[test]
fn p11_a_cname_is_what_a_question_for_it_gets() {
    let fixture = fixture();
    for rtype in [RecordType::CNAME, RecordType::ANY] {
        let reply = fixture.ask(&Ask::of("www.d.example.com.", rtype));
        assert_eq!((shown(&reply), reply.rcode), (vec!["d DNAME".to_owned(), "www.d CNAME".into()], 0), "{rtype}");
    }
    // DS is no exception: below a DNAME there is no cut.
    let reply = fixture.ask(&Ask::of("www.d.example.com.", RecordType::DS));
    assert_eq!((reply.answer.len(), reply.authority[0].rtype), (2, RecordType::SOA));
}

#[test]
fn p11_data_below_is_hidden_and_a_dname_at_the_apex_hides_all() {
    let text = zone(
        "d = { DNAME = \"t\" }\n\"x.d\" = { A = \"192.0.2.1\" }\n\"*.d\" = { route = \"web\" }\n\"x.t\" = { A = \"192.0.2.2\" }",
        ROUTES,
    );
    assert_warning(&load(&text), &["hidden", "DNAME"]);
    let fixture = Setup::new("", "").file("example.com.toml", &text).build();
    assert_eq!(fixture.ask(&Ask::a("x.d.example.com.")).addresses()[0].to_string(), "192.0.2.2");
    assert_eq!(fixture.ask(&Ask::a("y.d.example.com.")).rcode, 3);
    let apex = "zone = \"example.org\"\n[records]\n\"@\" = { NS = \"ns.example.net.\", DNAME = \"example.com.\", MX = \"0 .\" }\n\
                www = { A = \"192.0.2.3\" }";
    let fixture = Setup::new("www = { A = \"192.0.2.4\" }", "").file("example.org.toml", apex).build();
    let reply = fixture.ask(&Ask::a("www.example.org."));
    assert_eq!(
        (reply.answer[0].owner.clone(), reply.addresses()[0].to_string()),
        (name("example.org."), "192.0.2.4".into())
    );
    for rtype in [RecordType::SOA, RecordType::NS, RecordType::MX, RecordType::DNAME] {
        assert_eq!(fixture.ask(&Ask::of("example.org.", rtype)).answer[0].rtype, rtype);
    }
}

#[test]
fn p11_a_zone_of_ours_below_a_dname_speaks_for_itself() {
    let inner = "zone = \"z.y.d.example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\", A = \"192.0.2.6\" }\n";
    let fixture = Setup::new(RECORDS, ROUTES).file("inner.toml", inner).build();
    assert_eq!(fixture.ask(&Ask::a("z.y.d.example.com.")).only(), "192.0.2.6");
    // What lies between is led on.
    assert_eq!(shown(&fixture.ask(&Ask::a("y.d.example.com."))), ["d DNAME", "y.d CNAME"]);
}

#[test]
fn p11_at_a_wildcard_a_dname_is_data_and_a_warning() {
    let text = "\"*.w\" = { DNAME = \"target\" }\ntarget = { A = \"192.0.2.2\" }\n\"x.target\" = { A = \"192.0.2.3\" }";
    assert_warning(&load(&zone(text, "")), &["wildcard", "DNAME"]);
    let fixture = Setup::new(text, "").build();
    fixture.ask(&Ask::a("a.w.example.com.")).assert_nodata();
    fixture.ask(&Ask::a("b.a.w.example.com.")).assert_nodata();
    let reply = fixture.ask(&Ask::of("a.w.example.com.", RecordType::DNAME));
    assert_eq!(shown(&reply), ["a.w DNAME"]);
    assert_eq!(shown(&fixture.ask(&Ask::a("x.*.w.example.com."))), ["*.w DNAME", "x.*.w CNAME", "x.target A"]);
}

#[test]
fn p11_what_may_not_stand_beside_a_dname_is_an_error() {
    assert_error(&load(&zone("d = { DNAME = [\"a.example.net.\", \"b.example.net.\"] }", "")), &["several DNAMEs"]);
    assert_error(&load(&zone("d = { DNAME = \"a.\", CNAME = \"b.\" }", "")), &["CNAME", "beside"]);
    assert_error(&load(&zone("d = { DNAME = \"a.\", NS = \"b.\" }", "")), &["DNAME", "delegated"]);
    let cname = "[endpoints.c]\nCNAME = \"a.\"\n[routes.web]\npolicy = \"simple\"\nto = \"c\"";
    assert_error(&load(&zone("d = { DNAME = \"a.\", route = \"web\" }", cname)), &["CNAME"]);
    assert_loads(&load(&zone("d = { DNAME = \"a.\", route = \"web\" }", ROUTES)));
}
