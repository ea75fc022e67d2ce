//! Items 12 and 13: what goes along in the additional section, and what is never worth truncating for.

use rhumb::wire::{Name, RecordType};

use crate::harness::{Ask, Fixture, Reply, Setup};

const ROUTES: &str = r#"
[endpoints.p]
A = ["192.0.2.101", "192.0.2.102"]
AAAA = "2001:db8::101"
[endpoints.s]
A = "192.0.2.103"
[endpoints.q]
A = "192.0.2.104"
[endpoints.c]
CNAME = "cdn.example.net."
[routes.all]
policy = "simple"
to = "p"
[routes.draw]
policy = "weighted"
to = [{ endpoint = "q", weight = 1 }, { endpoint = "s", weight = 1 }]
[routes.place]
policy = "ip"
to = [{ where = "net:81.0.0.0/8", endpoint = "q" }, { where = "default", endpoint = "s" }]
[routes.sticky]
policy = "weighted"
sticky = true
to = [{ endpoint = "p", weight = 1 }, { endpoint = "s", weight = 1 }]
[routes.cdn]
policy = "simple"
to = "c"
"#;

const RECORDS: &str = r#"
ns1 = { A = "192.0.2.1", AAAA = "2001:db8::1", TXT = "not an address" }
mail = { A = ["192.0.2.2", "192.0.2.3"], ttl = "77s" }
box = { MX = ["10 mail", "20 mail.example.net.", "30 nowhere", "40 Mail"] }
none = { MX = "0 ." }
to-box = { CNAME = "box" }
"*.many" = { MX = "10 mail" }
"_sip._tcp" = { SRV = ["0 0 5060 mail", "0 0 5061 ns1", "0 0 0 ."] }
svc = { HTTPS = "1 . alpn=h2", A = "192.0.2.4", AAAA = "2001:db8::4" }
named = { SVCB = ["1 svc alpn=h2", "2 named port=1"], A = "192.0.2.5" }
off = { HTTPS = "0 .", A = "192.0.2.6" }
alias = { HTTPS = "0 svc" }
"*.apps" = { HTTPS = "1 . alpn=h2", A = "192.0.2.7" }
www = { HTTPS = "1 .", route = "all" }
drawn = { HTTPS = "1 .", route = "draw" }
placed = { HTTPS = "1 .", route = "place" }
stuck = { HTTPS = "1 .", route = "sticky" }
cdn = { route = "cdn" }
to-www = { SRV = "0 0 1 www" }
to-placed = { SRV = "0 0 1 placed" }
to-stuck = { SRV = "0 0 1 stuck" }
to-cdn = { SRV = "0 0 1 cdn" }
lab = { NS = "ns.lab" }
"ns.lab" = { A = "192.0.2.8" }
to-lab = { MX = "10 ns.lab" }
to-star = { MX = ["10 a.star", "20 b.a.star", "30 x.host.star", "40 host.star", "50 a.steered", "60 a.lab.star"] }
"*.star" = { A = "192.0.2.9" }
"host.star" = { TXT = "no address" }
"lab.star" = { NS = "ns.example.net." }
"*.steered" = { route = "all" }
dn = { DNAME = "mail" }
to-dn = { MX = "10 x.dn" }
"#;

fn fixture() -> Fixture {
    // The apex of the harness has a name server elsewhere; this zone has one within.
    let apex = "zone = \"example.org\"\n[records]\n\"@\" = { NS = [\"ns1\", \"ns.lab\", \"www\", \"ns.example.com.\"], \
                MX = \"10 ns1\", A = \"192.0.2.50\" }\n";
    let text = format!("{apex}{RECORDS}{ROUTES}");
    Setup::new("", "").file("example.org.toml", &text).build()
}

fn ask(fixture: &Fixture, name: &str, rtype: RecordType) -> Reply {
    let full = if name == "@" { "example.org.".to_owned() } else { format!("{name}.example.org.") };
    fixture.ask(&Ask::of(&full, rtype).payload(1232))
}

/// The additional section: owner, short for names of example.org, and address.
fn along(reply: &Reply) -> Vec<String> {
    let owner = |owner: &Name| owner.to_string().trim_end_matches(".example.org.").to_owned();
    reply.additional.iter().map(|record| format!("{} {}", owner(&record.owner), record.address())).collect()
}

#[test]
fn p13_name_servers_of_the_apex_come_with_their_addresses() {
    let reply = ask(&fixture(), "@", RecordType::NS);
    assert_eq!((reply.aa, reply.answer.len(), reply.authority.len()), (true, 4, 0));
    let mut along = along(&reply);
    along.sort();
    let expected = [
        "ns.lab 192.0.2.8",
        "ns1 192.0.2.1",
        "ns1 2001:db8::1",
        "www 192.0.2.101",
        "www 192.0.2.102",
        "www 2001:db8::101",
    ];
    assert_eq!(along, expected);
    assert!(
        reply
            .additional
            .iter()
            .all(|record| record.ttl == if record.owner.to_string().starts_with("www") { 30 } else { 300 })
    );
}

#[test]
fn p13_mx_and_srv_come_with_the_addresses_that_this_zone_has() {
    let fixture = fixture();
    let reply = ask(&fixture, "box", RecordType::MX);
    assert_eq!((reply.answer.len(), along(&reply)), (4, vec!["mail 192.0.2.2".to_owned(), "mail 192.0.2.3".into()]));
    assert!(reply.additional.iter().all(|record| record.ttl == 77));
    let reply = ask(&fixture, "_sip._tcp", RecordType::SRV);
    assert_eq!(along(&reply), ["mail 192.0.2.2", "mail 192.0.2.3", "ns1 192.0.2.1", "ns1 2001:db8::1"]);
    assert_eq!(along(&ask(&fixture, "to-box", RecordType::MX)), ["mail 192.0.2.2", "mail 192.0.2.3"]);
    assert_eq!(along(&ask(&fixture, "x.many", RecordType::MX)), ["mail 192.0.2.2", "mail 192.0.2.3"]);
    assert_eq!(along(&ask(&fixture, "@", RecordType::MX)), ["ns1 192.0.2.1", "ns1 2001:db8::1"]);
}

#[test]
fn p13_a_host_may_have_its_addresses_from_a_wildcard() {
    let along = along(&ask(&fixture(), "to-star", RecordType::MX));
    let steered = ["192.0.2.101", "192.0.2.102", "2001:db8::101"].map(|address| format!("a.steered {address}"));
    assert_eq!(along, [&["a.star 192.0.2.9".to_owned(), "b.a.star 192.0.2.9".to_owned()], &steered[..]].concat());
}

#[test]
fn p13_what_this_zone_does_not_answer_for_does_not_go_along() {
    let fixture = fixture();
    for name in ["none", "to-lab", "to-dn"] {
        let reply = ask(&fixture, name, RecordType::MX);
        assert_eq!((reply.answer.len(), along(&reply).len()), (1, 0), "{name}");
    }
    // Nor where it was not asked for: other types, ANY.
    assert!(ask(&fixture, "box", RecordType::A).additional.is_empty());
    let any = ask(&fixture, "box", RecordType::ANY);
    assert_eq!((any.answer.len(), any.additional.len()), (4, 0));
}

#[test]
fn p13_svcb_and_https_come_with_the_addresses_of_targets_and_owners() {
    let fixture = fixture();
    assert_eq!(along(&ask(&fixture, "svc", RecordType::HTTPS)), ["svc 192.0.2.4", "svc 2001:db8::4"]);
    assert_eq!(
        along(&ask(&fixture, "named", RecordType::SVCB)),
        ["svc 192.0.2.4", "svc 2001:db8::4", "named 192.0.2.5"]
    );
    assert_eq!(along(&ask(&fixture, "alias", RecordType::HTTPS)), ["svc 192.0.2.4", "svc 2001:db8::4"]);
    assert_eq!(along(&ask(&fixture, "x.apps", RecordType::HTTPS)), ["x.apps 192.0.2.7"]);
    let off = ask(&fixture, "off", RecordType::HTTPS);
    assert_eq!((off.answer.len(), along(&off).len()), (1, 0), "an alias of the root is no service");
    // The other types of such names are what they were.
    assert_eq!(ask(&fixture, "svc", RecordType::A).only(), "192.0.2.4");
    ask(&fixture, "svc", RecordType::TXT).assert_nodata();
    ask(&fixture, "svc", RecordType::SVCB).assert_nodata();
}

#[test]
fn p13_steered_targets_go_along_only_where_all_clients_are_answered_alike() {
    let fixture = fixture();
    let all = ["www 192.0.2.101", "www 192.0.2.102", "www 2001:db8::101"];
    assert_eq!(along(&ask(&fixture, "www", RecordType::HTTPS)), all);
    assert_eq!(along(&ask(&fixture, "to-www", RecordType::SRV)), all);
    for name in ["to-placed", "to-stuck", "to-cdn"] {
        assert_eq!(along(&ask(&fixture, name, RecordType::SRV)).len(), 0, "{name}");
    }
    for name in ["placed", "stuck"] {
        let full = format!("{name}.example.org.");
        let reply = fixture.ask(&Ask::of(&full, RecordType::HTTPS).subnet("81.2.69.0/24"));
        assert_eq!((reply.answer.len(), along(&reply).len(), reply.scope()), (1, 0, 0), "{name}");
    }
    // A draw is no client: either endpoint may go along.
    let mut draws = crate::harness::Draws::new(13);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let reply = fixture.ask(&Ask::of("drawn.example.org.", RecordType::HTTPS).draw(draws.bits()));
        let mut along = along(&reply);
        along.sort();
        seen.insert(along);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [["drawn 192.0.2.103"], ["drawn 192.0.2.104"]]);
}

#[test]
fn p13_health_decides_what_of_a_steered_target_goes_along() {
    let checked = "[checks.c]\ntype = \"tcp\"\nport = 1\nallow_private = true\n[endpoints.p]\nA = \"192.0.2.1\"\ncheck = \"c\"\n\
                   [endpoints.s]\nA = \"192.0.2.2\"\n[routes.web]\npolicy = \"failover\"\nto = [\"p\", \"s\"]\n";
    let setup = || Setup::new("www = { HTTPS = \"1 .\", route = \"web\" }", checked);
    for (fixture, address) in [(setup().build(), "192.0.2.1"), (setup().down(&["p"]).build(), "192.0.2.2")] {
        let reply = fixture.ask(&Ask::of("www.example.com.", RecordType::HTTPS));
        assert_eq!(reply.additional.iter().map(|record| record.address().to_string()).collect::<Vec<_>>(), [address]);
    }
}

#[test]
fn p13_additional_data_never_truncates_and_a_stream_has_room_for_all() {
    let hosts =
        (0..60).map(|i| format!("h{i} = {{ A = \"192.0.2.{i}\", AAAA = \"2001:db8::{i}\" }}\n")).collect::<String>();
    let list = (0..60).map(|i| format!("\"{i} h{i}\"")).collect::<Vec<_>>();
    let few = list[..8].join(", ");
    let records = format!("{hosts}few = {{ MX = [{few}] }}\nall = {{ MX = [{}] }}", list.join(", "));
    let fixture = Setup::new(&records, "").build();
    let ask = |name: &str| Ask::of(&format!("{name}.example.com."), RecordType::MX);
    let reply = fixture.ask(&ask("few"));
    assert_eq!((reply.tc, reply.answer.len()), (false, 8));
    assert!((1..16).contains(&reply.additional.len()), "{} fit", reply.additional.len());
    assert_eq!(fixture.ask(&ask("few").payload(1232)).additional.len(), 16);
    assert!(fixture.ask(&ask("all").payload(1232)).tc);
    let reply = fixture.ask(&ask("all").stream());
    assert_eq!((reply.tc, reply.answer.len(), reply.additional.len()), (false, 60, 120));
}

#[test]
fn p12_glue_within_the_delegation_is_whole_or_the_reply_is_truncated() {
    let servers = |n: usize| (0..n).map(|i| format!("\"ns{i}.lab\"")).collect::<Vec<_>>().join(", ");
    let glue = (0..40)
        .map(|i| format!("\"ns{i}.lab\" = {{ A = \"192.0.2.{i}\", AAAA = \"2001:db8::{i}\" }}\n"))
        .collect::<String>();
    let fixture_of = |n| Setup::new(&format!("lab = {{ NS = [{}] }}\n{glue}", servers(n)), "").build();
    let ask = Ask::a("x.lab.example.com.");
    let reply = fixture_of(4).ask(&ask);
    assert_eq!((reply.tc, reply.authority.len(), reply.additional.len()), (false, 4, 8));
    let fixture = fixture_of(8);
    let reply = fixture.ask(&ask);
    assert!(reply.tc && reply.authority.is_empty() && reply.additional.is_empty());
    assert_eq!((reply.rcode, reply.aa), (0, false));
    let reply = fixture.ask(&ask.clone().payload(1232));
    assert_eq!((reply.tc, reply.authority.len(), reply.additional.len()), (false, 8, 16));
    assert!(fixture_of(40).ask(&ask.clone().payload(1232)).tc);
    let reply = fixture_of(40).ask(&ask.stream());
    assert_eq!((reply.tc, reply.authority.len(), reply.additional.len()), (false, 40, 80), "a stream has room");
}

#[test]
fn p12_glue_of_siblings_goes_along_when_it_fits_and_is_left_out_when_not() {
    let siblings = |n: usize| {
        let servers = (0..n).map(|i| format!("\"ns{i}.sib\"")).collect::<Vec<_>>().join(", ");
        let hosts = (0..n).map(|i| format!("\"ns{i}.sib\" = {{ A = \"192.0.2.{i}\" }}\n")).collect::<String>();
        let records = format!(
            "lab = {{ NS = [\"ns.lab\", {servers}] }}\n\"ns.lab\" = {{ A = \"192.0.2.99\" }}\n\
                               sib = {{ NS = \"ns0.sib\" }}\n{hosts}"
        );
        Setup::new(&records, "").build()
    };
    let ask = Ask::a("x.lab.example.com.");
    let reply = siblings(3).ask(&ask);
    assert_eq!((reply.tc, reply.authority.len(), reply.additional.len()), (false, 4, 4));
    let reply = siblings(10).ask(&ask);
    assert_eq!((reply.tc, reply.authority.len()), (false, 11));
    assert!((2..11).contains(&reply.additional.len()), "as many as fit: {}", reply.additional.len());
    assert_eq!(reply.additional[0].address().to_string(), "192.0.2.99", "what lies within the delegation is there");
    assert_eq!(siblings(10).ask(&ask.payload(1232)).additional.len(), 11);
}

#[test]
fn p12_a_sibling_may_be_steered_or_covered_by_a_wildcard() {
    let records = "lab = { NS = [\"a.star\", \"www\", \"placed\"] }\n\"*.star\" = { A = \"192.0.2.9\" }\n\
                   www = { route = \"all\" }\nplaced = { route = \"place\" }";
    let reply = Setup::new(records, ROUTES).build().ask(&Ask::a("x.lab.example.com.").payload(1232));
    let along: Vec<_> = reply.additional.iter().map(|r| format!("{} {}", r.owner, r.address())).collect();
    let www = ["192.0.2.101", "192.0.2.102", "2001:db8::101"].map(|address| format!("www.example.com. {address}"));
    assert_eq!(along, [&["a.star.example.com. 192.0.2.9".to_owned()], &www[..]].concat());
}

#[test]
fn p12_names_between_a_cut_and_a_zone_of_ours_below_it_are_referred() {
    let inner = "zone = \"a.b.lab.example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\", A = \"192.0.2.9\" }\n";
    let fixture = Setup::new("lab = { NS = \"ns.example.net.\" }", "").file("inner.toml", inner).build();
    for name in ["b.lab.example.com.", "lab.example.com.", "x.b.lab.example.com."] {
        let reply = fixture.ask(&Ask::a(name));
        assert_eq!((reply.aa, reply.authority[0].rtype), (false, RecordType::NS), "{name}");
    }
    assert_eq!(fixture.ask(&Ask::a("a.b.lab.example.com.")).only(), "192.0.2.9");
}

#[test]
fn p13_a_wildcard_that_names_itself_names_no_name_that_it_covers() {
    let records = "\"*.w\" = { MX = \"10 *.w\", A = \"192.0.2.9\" }";
    let fixture = Setup::new(records, "").build();
    for name in ["x.w.example.com.", "*.w.example.com."] {
        let reply = fixture.ask(&Ask::of(name, RecordType::MX).payload(1232));
        let owners: Vec<_> = reply.additional.iter().map(|record| record.owner.to_string()).collect();
        assert_eq!(owners, ["*.w.example.com."], "{name}");
    }
}
