//! Items 17 and 18: OPT and the client subnet on every kind of reply.

use rhumb::wire::RecordType;

use super::{MAIL, message, opt, plain, question};
use crate::harness::{Ask, Fixture, Setup};

const FORMERR: u16 = 1;
const BADVERS: u16 = 16;

fn with_opt(flags: u16, opt: &[u8]) -> Vec<u8> {
    message(flags, [1, 0, 0, 1], &[question(&MAIL), opt.to_vec()].concat())
}

/// One question for each kind of reply, with the response code that is due.
fn kinds() -> Vec<(Ask, u16)> {
    let mut chaos = Ask::of("version.bind.", RecordType::TXT);
    chaos.class = 3;
    vec![
        (Ask::a("mail.example.com."), 0),
        (Ask::a("www.example.com."), 0),
        (Ask::a("alias.example.com."), 0),
        (Ask::a("out.example.com."), 0),
        (Ask::aaaa("mail.example.com."), 0),
        (Ask::a("c.example.com."), 0),
        (Ask::a("nothing.example.com."), 3),
        (Ask::a("dangling.example.com."), 3),
        (Ask::a("host.lab.example.com."), 0),
        (Ask::of("example.com.", RecordType::ANY), 0),
        (Ask::a("www.example.org."), 5),
        (chaos, 5),
        (Ask::of("example.com.", RecordType::AXFR), 4),
        (Ask::of("mail.example.com.", RecordType::NXNAME), 1),
        (Ask::of("mail.example.com.", RecordType::TSIG), 1),
    ]
}

#[test]
fn p17_opt_comes_back_if_and_only_if_it_was_sent() {
    let fixture = plain();
    for (ask, rcode) in kinds() {
        let reply = fixture.ask(&ask);
        assert_eq!((reply.rcode, reply.edns.is_none()), (rcode, true), "{ask:?}");
        let reply = fixture.ask(&ask.clone().edns());
        assert_eq!(reply.rcode, rcode, "{ask:?}");
        let edns = reply.edns.expect("OPT");
        assert_eq!(edns.version, 0);
        assert!(edns.payload >= 512);
    }
}

#[test]
fn p17_opt_comes_back_with_formerr_and_with_tc() {
    let set = (0..6).map(|i| format!("\"{i}{}\"", "x".repeat(200))).collect::<Vec<_>>().join(", ");
    let fixture = Setup::new(&format!("big = {{ TXT = [{set}] }}"), "").build();
    let reply = fixture.ask(&Ask::of("big.example.com.", RecordType::TXT).payload(600));
    assert!(reply.tc && reply.edns.is_some());
    let two = [question(&MAIL), question(&MAIL), opt(0, &[])].concat();
    let reply = plain().send(&message(0, [2, 0, 0, 1], &two));
    assert_eq!((reply.rcode, reply.question.len(), reply.edns.is_some()), (FORMERR, 0, true));
}

#[test]
fn p17_a_version_above_0_is_badvers_without_data() {
    let fixture = plain();
    for version in [1, 77, 255] {
        let reply = fixture.send(&with_opt(0, &opt(version, &[])));
        assert_eq!((reply.rcode, reply.answer.len(), reply.authority.len()), (BADVERS, 0, 0));
        assert_eq!(reply.edns.expect("OPT").version, 0);
        assert!(!reply.aa);
    }
}

#[test]
fn p17_a_wrong_opt_is_formerr() {
    let fixture = plain();
    let mut cases = vec![
        // Two of them.
        message(0, [1, 0, 0, 2], &[question(&MAIL), opt(0, &[]), opt(0, &[])].concat()),
        // In the answer and in the authority section.
        message(0, [1, 1, 0, 0], &[question(&MAIL), opt(0, &[])].concat()),
        message(0, [1, 0, 1, 0], &[question(&MAIL), opt(0, &[])].concat()),
    ];
    // An owner other than the root.
    let mut owned = vec![1, b'a'];
    owned.extend(opt(0, &[]));
    cases.push(with_opt(0, &owned));
    // Options that run over: a header cut short, a length past the end.
    cases.push(with_opt(0, &opt(0, &[0, 3, 0])));
    cases.push(with_opt(0, &opt(0, &[0, 3, 0, 9, 1, 2])));
    // A record that runs over the message.
    let mut over = opt(0, &[]);
    *over.last_mut().unwrap() = 9;
    cases.push(with_opt(0, &over));
    for query in cases {
        let reply = fixture.send(&query);
        assert_eq!((reply.rcode, reply.answer.len()), (FORMERR, 0), "{query:?}");
    }
}

#[test]
fn p17_unknown_options_and_flags_are_ignored_and_do_is_copied() {
    let fixture = plain();
    let reply = fixture.send(&with_opt(0, &opt(0, &[0xfd, 0xe9, 0, 2, 1, 2])));
    assert_eq!(reply.only(), "192.0.2.25");
    let edns = reply.edns.expect("OPT");
    assert!(edns.options.is_empty(), "{edns:?}");
    for (flags, dnssec_ok) in [([0u8, 0u8], false), ([0x80, 0], true), ([0x7f, 0xff], false), ([0xff, 0xff], true)] {
        let mut record = opt(0, &[]);
        record[7..9].copy_from_slice(&flags);
        let reply = fixture.send(&with_opt(0, &record));
        assert_eq!(reply.edns.clone().expect("OPT").dnssec_ok, dnssec_ok);
        assert_eq!(reply.bytes[reply.bytes.len() - 4..][..2], if dnssec_ok { [0x80, 0] } else { [0, 0] });
    }
}

#[test]
fn p17_opt_need_not_come_first_in_additional() {
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 1].to_vec();
    for order in [[record.clone(), opt(0, &[])], [opt(0, &[]), record]] {
        let query = message(0, [1, 0, 0, 2], &[question(&MAIL), order.concat()].concat());
        let reply = plain().send(&query);
        assert_eq!(reply.only(), "192.0.2.25");
        assert!(reply.edns.is_some());
    }
}

#[test]
fn p18_the_client_subnet_is_echoed_on_every_kind_of_reply() {
    let fixture = plain();
    for (ask, rcode) in kinds() {
        for net in ["81.2.69.0/24", "2a02:1200::/28", "81.2.64.0/18"] {
            // The fixture compares family, source and address.
            let reply = fixture.ask(&ask.clone().subnet(net));
            assert_eq!((reply.rcode, reply.scope()), (rcode, 0), "{ask:?} {net}");
        }
    }
}

#[test]
fn p18_the_client_subnet_is_echoed_with_tc() {
    let set = (0..6).map(|i| format!("\"{i}{}\"", "x".repeat(200))).collect::<Vec<_>>().join(", ");
    let fixture = Setup::new(&format!("big = {{ TXT = [{set}] }}"), "").build();
    let reply = fixture.ask(&Ask::of("big.example.com.", RecordType::TXT).subnet("81.2.69.0/24"));
    assert!(reply.tc && reply.ecs().is_some());
}

/// Two networks that are answered differently.
fn steered() -> Fixture {
    let rest = "[endpoints.p]\nA = \"192.0.2.1\"\n[endpoints.s]\nA = \"192.0.2.2\"\n[routes.web]\npolicy = \"ip\"\n\
                to = [{ where = \"net:81.0.0.0/8\", endpoint = \"p\" }, { where = \"default\", endpoint = \"s\" }]";
    Setup::new("www = { route = \"web\" }", rest).build()
}

#[test]
fn p18_of_two_options_the_first_counts() {
    let fixture = steered();
    let subnet = |net: u8| [0, 8, 0, 5, 0, 1, 8, 0, net];
    let www = question(&[b"www", b"example", b"com"]);
    for (first, second, address) in [(81, 99, "192.0.2.1"), (99, 81, "192.0.2.2")] {
        let options = [subnet(first), subnet(second)].concat();
        let reply = fixture.send(&message(0, [1, 0, 0, 1], &[www.clone(), opt(0, &options)].concat()));
        assert_eq!(reply.only(), address);
        let ecs = reply.ecs().expect("an echo");
        assert_eq!((ecs.source, ecs.address), (8, vec![first]));
        assert_eq!(reply.edns.expect("OPT").options.len(), 1);
    }
}

#[test]
fn p18_without_the_option_none_comes_back() {
    let reply = steered().ask(&Ask::a("www.example.com.").edns());
    assert_eq!(reply.ecs(), None);
}
