//! E: whose place decides, and for whom the reply may be kept.

use rhumb::wire::RecordType;

use super::{WWW, endpoints, nth};
use crate::harness::{Ask, Fixture, Setup, assert_warning, in_country, load, zone};

/// Germany gets e1, everybody else e2; `alias` is a CNAME, `same` answers everybody alike, `plain` is no route.
const RECORDS: &str = "www = { route = \"web\" }\nalias = { CNAME = \"www\" }\nsame = { route = \"same\" }\nplain = { A = \"192.0.2.99\" }\n\
     gone = { CNAME = \"nowhere\" }\n\"*.wild\" = { route = \"web\" }";

fn text(wheres: &str) -> String {
    format!(
        "{}[routes.web]\npolicy = \"geolocation\"\nto = [{wheres}{{ where = \"default\", endpoint = \"e2\" }}]\n\
         [routes.same]\npolicy = \"weighted\"\nto = [{{ endpoint = \"e1\" }}]\n",
        endpoints(&["e1", "e2"])
    )
}

const DE: &str = "{ where = \"country:DE\", endpoint = \"e1\" }, ";

fn setup(wheres: &str) -> Setup {
    Setup::new(RECORDS, &text(wheres))
        .place("81.2.69.0/24", in_country("DE", None))
        .place("2a02:1234:5678::/48", in_country("DE", None))
}

fn germany() -> Fixture {
    setup(DE).build()
}

fn asked(fixture: &Fixture, subnet: &str) -> (String, u8) {
    let reply = fixture.ask(&Ask::a(WWW).subnet(subnet));
    (reply.only(), reply.scope())
}

#[test]
fn e1_the_option_decides_and_is_echoed_and_without_it_the_sender_does() {
    let fixture = germany();
    let ask = Ask::a(WWW).sender("81.2.69.5");
    assert_eq!(fixture.ask(&ask).only(), nth(1));
    assert_eq!(fixture.ask(&ask.clone().edns()).only(), nth(1));
    assert_eq!(fixture.ask(&ask.subnet("99.1.2.0/24")).only(), nth(2));
    assert_eq!(fixture.ask(&Ask::a(WWW).sender("99.1.2.3").subnet("81.2.69.0/24")).only(), nth(1));
}

#[test]
fn e1_with_prefer_resolver_the_sender_decides_and_the_scope_is_0() {
    let fixture = setup(DE).server("[geoip]\nprefer = \"resolver\"").build();
    let reply = fixture.ask(&Ask::a(WWW).sender("81.2.69.5").subnet("99.1.2.0/24"));
    assert_eq!((reply.only(), reply.scope()), (nth(1), 0));
}

#[test]
fn e2_the_scope_is_the_shortest_prefix_in_which_the_decision_is_constant() {
    let fixture = germany();
    assert_eq!(asked(&fixture, "81.2.69.0/24"), (nth(1), 24));
    assert_eq!(asked(&fixture, "81.2.68.0/24"), (nth(2), 24));
    assert_eq!(asked(&fixture, "81.2.70.0/24"), (nth(2), 23));
    assert_eq!(asked(&fixture, "81.3.0.0/24"), (nth(2), 16));
    assert_eq!(asked(&fixture, "112.0.0.0/24"), (nth(2), 5));
    assert_eq!(asked(&fixture, "2a02:1234:5678:1200::/56"), (nth(1), 48));
    assert_eq!(asked(&fixture, "2a02:1234:5679:1200::/56"), (nth(2), 48));
}

#[test]
fn e2_what_depends_on_nobody_has_scope_0() {
    let fixture = germany();
    for name in ["same.example.com.", "plain.example.com."] {
        for net in ["81.2.69.0/24", "99.1.2.0/24", "2a02:1234::/56"] {
            assert_eq!(fixture.ask(&Ask::a(name).subnet(net)).scope(), 0, "{name} {net}");
        }
    }
}

#[test]
fn e2_a_longer_option_is_cut_to_24_or_56() {
    let fixture = germany();
    assert_eq!(asked(&fixture, "81.2.69.7/32"), (nth(1), 24));
    assert_eq!(asked(&fixture, "2a02:1234:5678:12ff::1/128"), (nth(1), 48));
    let fixture = setup("{ where = \"net:99.1.2.128/25\", endpoint = \"e1\" }, ").build();
    assert_eq!(asked(&fixture, "99.1.2.128/25"), (nth(2), 0));
    assert_eq!(fixture.ask(&Ask::a(WWW).sender("99.1.2.129")).only(), nth(1));
    assert_eq!(fixture.ask(&Ask::a(WWW).sender("99.1.2.127")).only(), nth(2));
}

#[test]
fn e2_a_rule_longer_than_24_is_a_warning() {
    let wheres = "{ where = \"net:99.1.2.128/25\", endpoint = \"e1\" }, ";
    assert_warning(&load(&zone(RECORDS, &text(wheres))), &["99.1.2.128/25"]);
}

#[test]
fn e2_a_listed_network_matches_only_what_it_contains() {
    let fixture = setup("{ where = \"net:99.1.4.0/23\", endpoint = \"e1\" }, ").build();
    assert_eq!(asked(&fixture, "99.1.4.0/23"), (nth(1), 23));
    assert_eq!(asked(&fixture, "99.1.5.0/24"), (nth(1), 23));
    // The shorter prefix begins at the same address and is not contained: another decision, no wider than itself.
    let (answer, scope) = asked(&fixture, "99.1.4.0/22");
    assert_eq!(answer, nth(2));
    assert!(scope > 22, "the reply must not cover 99.1.4.0/23: {scope}");
}

#[test]
fn e2_the_operators_networks_replace_the_place_as_a_whole() {
    let fixture = setup(DE)
        .server("[networks]\n\"99.1.0.0/16\" = { country = \"DE\" }\n\"81.2.0.0/16\" = { country = \"FR\" }")
        .build();
    assert_eq!(asked(&fixture, "99.1.77.0/24"), (nth(1), 16));
    assert_eq!(fixture.a(WWW, "81.2.69.0/24"), nth(2));
}

#[test]
fn e2_the_place_of_a_client_that_nothing_knows_can_be_given() {
    let fixture = setup(DE).server("[geoip]\nunknown = \"DE\"").build();
    assert_eq!(fixture.a(WWW, "99.1.2.0/24"), nth(1));
}

#[test]
fn e2_a_chain_has_the_longest_scope_of_its_steered_names() {
    let fixture = germany();
    let reply = fixture.ask(&Ask::a("alias.example.com.").subnet("81.2.69.0/24"));
    assert_eq!((reply.sorted(), reply.scope()), (vec![nth(1)], 24));
    let reply = fixture.ask(&Ask::a("x.wild.example.com.").subnet("81.2.69.0/24"));
    assert_eq!((reply.only(), reply.scope()), (nth(1), 24));
}

#[test]
fn e2_a_chain_of_two_steered_names_has_the_longer_scope_whichever_comes_first() {
    let rest = "[endpoints.fine]\nCNAME = \"wide\"\n[endpoints.coarse]\nCNAME = \"narrow\"\n[endpoints.e1]\nA = \"192.0.2.1\"\n\
                [routes.to-wide]\npolicy = \"geolocation\"\nto = [{ where = \"net:81.2.69.0/24\", endpoint = \"fine\" }, \
                { where = \"default\", endpoint = \"fine\" }]\n\
                [routes.to-narrow]\npolicy = \"geolocation\"\nto = [{ where = \"net:81.0.0.0/8\", endpoint = \"coarse\" }, \
                { where = \"default\", endpoint = \"coarse\" }]\n\
                [routes.wide]\npolicy = \"geolocation\"\nto = [{ where = \"net:81.0.0.0/8\", endpoint = \"e1\" }, \
                { where = \"default\", endpoint = \"e1\" }]\n\
                [routes.narrow]\npolicy = \"geolocation\"\nto = [{ where = \"net:81.2.69.0/24\", endpoint = \"e1\" }, \
                { where = \"default\", endpoint = \"e1\" }]";
    let records = "a = { route = \"to-wide\" }\nb = { route = \"to-narrow\" }\nwide = { route = \"wide\" }\nnarrow = { route = \"narrow\" }";
    let fixture = Setup::new(records, rest).build();
    for name in ["a.example.com.", "b.example.com."] {
        let reply = fixture.ask(&Ask::a(name).subnet("81.2.69.0/24"));
        assert_eq!((reply.answer.len(), reply.scope()), (2, 24), "{name}");
    }
}

#[test]
fn e2_a_chain_of_steered_cnames_that_ends_in_nothing_keeps_its_scope() {
    let rest = "[endpoints.p]\nCNAME = \"missing\"\n[endpoints.s]\nCNAME = \"empty\"\n[routes.web]\npolicy = \"geolocation\"\n\
                to = [{ where = \"country:DE\", endpoint = \"p\" }, { where = \"default\", endpoint = \"s\" }]";
    let fixture = Setup::new("www = { route = \"web\" }\nempty = { TXT = \"x\" }", rest)
        .place("81.2.69.0/24", in_country("DE", None))
        .build();
    let reply = fixture.ask(&Ask::a(WWW).subnet("81.2.69.0/24"));
    assert_eq!((reply.rcode, reply.answer.len(), reply.scope()), (3, 1, 24));
    let reply = fixture.ask(&Ask::a(WWW).subnet("81.2.68.0/24"));
    assert_eq!((reply.rcode, reply.answer.len(), reply.scope()), (0, 1, 24));
    assert_eq!(reply.authority[0].rtype, RecordType::SOA);
}

/// The query with this client subnet data in its OPT record.
fn with_subnet(data: &[u8]) -> Vec<u8> {
    let mut query = Ask::a(WWW).edns().bytes();
    let length = u16::try_from(data.len() + 4).unwrap();
    let end = query.len();
    assert_eq!(query[end - 2..], [0, 0], "an OPT record without options comes last");
    query[end - 2..].copy_from_slice(&length.to_be_bytes());
    query.extend([0, 8]);
    query.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    query.extend(data);
    query
}

#[test]
fn e3_a_malformed_option_is_formerr() {
    let fixture = germany();
    let wrong: [&[u8]; 10] = [
        &[],
        &[0, 1, 24],
        &[0, 3, 24, 0, 81, 2, 69],
        &[0, 1, 33, 0, 81, 2, 69, 0, 0],
        &[0, 2, 129, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 1, 24, 0, 81, 2],
        &[0, 1, 24, 0, 81, 2, 69, 0],
        &[0, 1, 23, 0, 81, 2, 69],
        &[0, 1, 24, 1, 81, 2, 69],
        &[0, 0, 8, 0, 81],
    ];
    for data in wrong {
        let reply = fixture.send(&with_subnet(data));
        assert_eq!((reply.rcode, reply.answer.len()), (1, 0), "{data:?}");
        assert!(reply.edns.is_some());
    }
    assert_eq!(fixture.send(&with_subnet(&[0, 1, 24, 0, 81, 2, 69])).only(), nth(1));
}

#[test]
fn e3_family_0_with_source_0_is_echoed() {
    let reply = germany().send(&with_subnet(&[0, 0, 0, 0]));
    assert_eq!(reply.only(), nth(2));
    let ecs = reply.ecs().expect("an echo");
    assert_eq!((ecs.family, ecs.source, ecs.scope, ecs.address.len()), (0, 0, 0, 0));
}

#[test]
fn e4_source_0_is_decided_by_the_sender_with_scope_0() {
    let fixture = germany();
    let reply = fixture.ask(&Ask::a(WWW).sender("81.2.69.5").subnet("0.0.0.0/0"));
    assert_eq!((reply.only(), reply.scope()), (nth(1), 0));
    let reply = fixture.ask(&Ask::a(WWW).sender("81.2.69.5").subnet("::/0"));
    assert_eq!((reply.only(), reply.scope()), (nth(1), 0));
}

const NOBODYS: [&str; 15] = [
    "127.255.0.0/24",
    "10.254.2.0/24",
    "172.16.5.0/24",
    "172.31.255.0/24",
    "192.168.7.0/24",
    "169.254.1.0/24",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "10.0.0.0/8",
    "::1/128",
    "fd00:1:2::/56",
    "fe80::/64",
    "febf::/64",
    "2001:db8:1::/48",
];

#[test]
fn e5_networks_of_nobody_are_decided_by_the_sender_and_kept_no_wider_than_asked() {
    let fixture = germany();
    for net in NOBODYS {
        let reply = fixture.ask(&Ask::a(WWW).sender("81.2.69.5").subnet(net));
        let source = net.split_once('/').unwrap().1.parse().unwrap();
        assert_eq!((reply.only(), reply.scope()), (nth(1), source), "{net}");
    }
}

#[test]
fn e5_unless_a_rule_or_the_operators_networks_name_them() {
    let fixture = setup("{ where = \"net:10.1.0.0/16\", endpoint = \"e1\" }, ").build();
    assert_eq!(asked(&fixture, "10.1.2.0/24"), (nth(1), 16));
    assert_eq!(asked(&fixture, "10.2.2.0/24"), (nth(2), 24));
    let fixture = setup(DE).server("[networks]\n\"10.20.0.0/16\" = { country = \"DE\" }").build();
    assert_eq!(asked(&fixture, "10.20.2.0/24"), (nth(1), 16));
    let fixture = setup(DE).place("192.168.0.0/16", in_country("DE", None)).build();
    assert_eq!(asked(&fixture, "192.168.2.0/24"), (nth(1), 16));
}

#[test]
fn e5_nobodys_networks_bound_the_scope_of_their_neighbours() {
    // 10.0.0.0/8 is decided by each sender: a reply that covers it would be wrong for some.
    let (_, scope) = asked(&germany(), "11.1.2.0/24");
    assert_eq!(scope, 8);
    // A prefix that begins at such an address and reaches beyond is no network of nobody's.
    let fixture = germany();
    let reply = fixture.ask(&Ask::a(WWW).sender("81.2.69.5").subnet("::/6"));
    assert_eq!(reply.only(), nth(2));
    assert!(reply.scope() > 6, "{}", reply.scope());
}

#[test]
fn e6_negative_answers_of_names_that_depend_on_nobody_have_scope_0() {
    let fixture = germany();
    for ask in [
        Ask::a("missing.example.com."),
        Ask::aaaa("plain.example.com."),
        Ask::of(WWW, RecordType::MX),
        Ask::a("gone.example.com."),
    ] {
        let reply = fixture.ask(&ask.subnet("81.2.69.0/24"));
        assert_eq!(reply.scope(), 0);
        assert_eq!(reply.authority[0].rtype, RecordType::SOA);
        assert_eq!(reply.authority[0].ttl, 60);
    }
}

#[test]
fn e7_a_senders_ipv4_address_inside_ipv6_is_the_one_looked_up() {
    let fixture = germany();
    let wrapped = [
        "::ffff:81.2.69.5",
        "64:ff9b::81.2.69.5",
        "2002:5102:4505::1",
        // Teredo keeps the address with its bits flipped.
        "2001:0:4136:e378:8000:63bf:aefd:bafa",
    ];
    for sender in wrapped {
        assert_eq!(fixture.ask(&Ask::a(WWW).sender(sender)).only(), nth(1), "{sender}");
    }
    for sender in
        ["::ffff:99.1.2.3", "64:ff9b::99.1.2.3", "2002:6301:203::1", "64:ff9c::81.2.69.5", "64:ff9b:1::81.2.69.5"]
    {
        assert_eq!(fixture.ask(&Ask::a(WWW).sender(sender)).only(), nth(2), "{sender}");
    }
}

#[test]
fn e7_in_the_option_only_6to4_is_unwrapped() {
    let fixture = germany();
    assert_eq!(asked(&fixture, "2002:5102:4500::/40"), (nth(1), 40));
    assert_eq!(asked(&fixture, "2002:5102:4505::/48"), (nth(1), 40));
    assert_eq!(asked(&fixture, "2002:5103::/40"), (nth(2), 32));
    assert_eq!(fixture.a(WWW, "64:ff9b::5102:4500/120"), nth(2));
}

#[test]
fn e8_a_source_shorter_than_the_decision_needs_gets_the_longer_scope() {
    let fixture = germany();
    assert_eq!(asked(&fixture, "81.2.69.0/24"), (nth(1), 24));
    // Read at 81.2.0.0, and constant up to 81.2.64.0.
    assert_eq!(asked(&fixture, "81.2.0.0/16"), (nth(2), 18));
    assert_eq!(asked(&fixture, "2a02:1234:5678::/40"), (nth(2), 42));
    let fixture = setup(DE).place("81.2.0.0/24", in_country("DE", None)).build();
    assert_eq!(asked(&fixture, "81.2.0.0/16"), (nth(1), 24));
}
