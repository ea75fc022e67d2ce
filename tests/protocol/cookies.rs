//! Items 19 and 28: cookies, and what who asks too fast is answered.

use super::{MAIL, message, opt, plain, question};
use rhumb::wire::RecordType;

use crate::harness::{Ask, Fixture, Reply, Setup};

const COOKIE: u16 = 10;
const FORMERR: u16 = 1;
const BADCOOKIE: u16 = 23;
const CLIENT: [u8; 8] = *b"rhumbler";

fn cookie(reply: &Reply) -> Option<Vec<u8>> {
    let options = &reply.edns.as_ref()?.options;
    options.iter().find(|(code, _)| *code == COOKIE).map(|(_, data)| data.clone())
}

fn mail() -> Ask {
    Ask::a("mail.example.com.").sender("198.51.100.100")
}

/// A query with this cookie, and the one of its reply.
fn exchange(fixture: &Fixture, ask: Ask, sent: &[u8]) -> Vec<u8> {
    let reply = fixture.ask(&ask.option(COOKIE, sent));
    let whole = cookie(&reply).expect("a cookie");
    assert_eq!((&whole[..8], whole.len()), (&sent[..8], 24));
    whole
}

#[test]
fn p19_a_cookie_is_answered_with_one_that_is_good_from_the_same_address_within_an_hour() {
    let fixture = plain();
    let whole = exchange(&fixture, mail(), &CLIENT);
    let is_good = |ask: Ask| !fixture.ask_over(&ask.option(COOKIE, &whole)).tc_or_bad_cookie();
    let now = mail().seconds;
    assert!(is_good(mail()));
    assert!(is_good(Ask { seconds: now + 3599, ..mail() }));
    assert!(!is_good(Ask { seconds: now + 3601, ..mail() }));
    assert!(!is_good(mail().sender("198.51.100.101")));
}

#[test]
fn p19_lengths_other_than_8_and_16_to_40_are_formerr() {
    let fixture = plain();
    for len in 0..=48usize {
        let reply = fixture.ask(&mail().option(COOKIE, &vec![7; len]));
        let is_whole = len == 8 || (16..=40).contains(&len);
        assert_eq!(reply.rcode, if is_whole { 0 } else { FORMERR }, "{len}");
        assert_eq!(cookie(&reply).is_some(), is_whole);
    }
}

#[test]
fn p19_a_wrong_server_cookie_is_answered_as_if_there_were_none() {
    let reply = plain().ask(&mail().option(COOKIE, &[7; 24]));
    assert_eq!((reply.rcode, reply.answer.len()), (0, 1));
    assert_ne!(cookie(&reply).expect("a cookie")[8..], [7; 16]);
}

#[test]
fn p19_servers_of_one_secret_file_know_each_others_cookies_and_those_of_the_secret_before() {
    let with = |secrets: &str| {
        Setup::new(super::RECORDS, super::ROUTES)
            .file("../secrets", secrets)
            .server("[cookies]\nsecret_file = \"secrets\"\n")
            .build()
    };
    let old = "e5e973e5a6b2a43f48e7dc849e37bfcf\n";
    let new = "445536bcd2513298075a5d379663c962\n";
    let (first, second) = (with(old), with(&format!("{new}{old}")));
    // RFC 9018 appendix A.1.
    let whole = exchange(&first, mail(), &[0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57]);
    assert_eq!(whole[8..], [0x01, 0, 0, 0, 0x5c, 0xf7, 0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80]);
    let is_good = |fixture: &Fixture, whole: &[u8]| !fixture.ask_over(&mail().option(COOKIE, whole)).tc_or_bad_cookie();
    assert!(is_good(&second, &whole));
    let newer = exchange(&second, mail(), &whole);
    assert!(is_good(&second, &newer) && !is_good(&first, &newer));
}

#[test]
fn p19_a_query_without_a_question_gets_a_cookie_and_needs_one() {
    let fixture = plain();
    let option = [&[0, 10, 0, 8], &CLIENT[..]].concat();
    let reply = fixture.send(&message(0, [0, 0, 0, 1], &opt(0, &option)));
    assert_eq!((reply.rcode, reply.question.len(), reply.answer.len()), (0, 0, 0));
    assert_eq!(cookie(&reply).expect("a cookie").len(), 24);
    let none = fixture.send(&message(0, [0; 4], &[]));
    assert_eq!((none.rcode, none.bytes.len()), (FORMERR, 12));
    let bare = fixture.send(&message(0, [0, 0, 0, 1], &opt(0, &[])));
    assert_eq!((bare.rcode, bare.bytes.len()), (FORMERR, 12 + 11), "p17: an OPT, as the query has one");
    let of_no_known_form = fixture.send(&message(0, [0, 0, 0, 1], &opt(1, &option)));
    assert_eq!((of_no_known_form.rcode, of_no_known_form.question.len()), (FORMERR, 0));
}

#[test]
fn p19_without_a_question_a_server_cookie_that_is_not_good_is_told_of() {
    let fixture = plain();
    let asked = |cookie: &[u8]| {
        let option = [&[0, 10, 0, cookie.len() as u8], cookie].concat();
        fixture.send(&message(0, [0, 0, 0, 1], &opt(0, &option)))
    };
    // RFC 7873 section 5.4; lengths that are not ours too.
    for server in [8, 16, 32] {
        let reply = asked(&[&CLIENT[..], &vec![7; server]].concat());
        assert_eq!((reply.rcode, reply.question.len()), (BADCOOKIE, 0), "{server}");
        assert_eq!(cookie(&reply).expect("a cookie").len(), 24);
    }
}

#[test]
fn p19_a_query_without_a_question_is_told_nothing_of_what_another_client_asked() {
    let fixture = plain();
    // With ZONEVERSION and EXPIRE, which are of the zone that is asked for.
    let options = [&[0, 10, 0, 8][..], &CLIENT, &[0, 19, 0, 0, 0, 9, 0, 0]].concat();
    let bare = message(0, [0, 0, 0, 1], &opt(0, &options));
    let others = Ask::of("example.com.", RecordType::SOA).bytes();
    let replies = fixture.raw_in_turn(&[&others, &bare]);
    assert_eq!(replies[1], fixture.raw_in_turn(&[&bare])[0]);
    assert_eq!(Reply::read(&replies[1]).edns.expect("OPT").options.len(), 1, "the cookie");
}

#[test]
fn p19_cookies_can_be_off() {
    let off = Setup::new(super::RECORDS, super::ROUTES).server("[cookies]\nenabled = false\n").build();
    let option = [&[0, 10, 0, 8], &CLIENT[..]].concat();
    let bare = off.send(&message(0, [0, 0, 0, 1], &opt(0, &option)));
    assert_eq!((bare.rcode, bare.bytes.len()), (FORMERR, 12 + 11), "a message without a question");
    let reply = off.ask(&mail().option(COOKIE, &CLIENT));
    assert_eq!((reply.rcode, reply.answer.len(), cookie(&reply)), (0, 1, None));
}

#[test]
fn p28_who_asks_too_fast_is_told_to_come_again_over_tcp_whatever_the_answer() {
    let fixture = plain();
    for name in ["mail.example.com.", "www.example.com.", "nothing.example.com.", "host.lab.example.com.", "x.org."] {
        for ask in [Ask::a(name), Ask::a(name).edns(), Ask::a(name).subnet("192.0.2.0/24")] {
            let reply = fixture.ask_over(&ask);
            let records = [&reply.answer, &reply.authority].map(Vec::len);
            assert_eq!((reply.rcode, reply.tc, reply.aa, records), (0, true, false, [0, 0]), "{ask:?}");
            assert!(reply.bytes.len() <= ask.bytes().len());
        }
    }
}

#[test]
fn p19_under_pressure_who_has_a_client_cookie_only_is_told_the_servers_and_nothing_else() {
    let fixture = plain();
    for sent in [CLIENT.to_vec(), vec![7; 24]] {
        let reply = fixture.ask_over(&mail().option(COOKIE, &sent));
        assert_eq!((reply.rcode, reply.tc, reply.answer.len()), (BADCOOKIE, false, 0));
        let whole = cookie(&reply).expect("a cookie");
        let again = fixture.ask_over(&mail().option(COOKIE, &whole));
        assert_eq!((again.rcode, again.tc, again.answer.len()), (0, false, 1));
    }
}

#[test]
fn p28_malformed_queries_are_not_answered_with_more_than_they_are() {
    let malformed = message(0, [1, 0, 0, 2], &[question(&MAIL), opt(0, &[]), opt(0, &[])].concat());
    assert!(plain().send(&malformed).bytes.len() <= malformed.len());
}

#[test]
fn p28_over_the_limit_and_malformed_nothing_comes_along_but_the_cookie() {
    const NSID: u16 = 3;
    const EXPIRE: u16 = 9;
    const ZONEVERSION: u16 = 19;
    let named =
        Setup::new(super::RECORDS, super::ROUTES).server(&format!("identity = \"{}\"\n", "n".repeat(100))).build();
    let greedy =
        Ask::of("example.com.", RecordType::SOA).option(NSID, &[]).option(EXPIRE, &[]).option(ZONEVERSION, &[]);
    let reply = named.ask_over(&greedy);
    assert!(reply.tc && reply.bytes.len() <= greedy.bytes().len(), "{reply:#?}");
    let reply = named.ask_over(&greedy.clone().option(COOKIE, &CLIENT));
    assert_eq!((reply.rcode, reply.edns.as_ref().expect("OPT").options.len()), (BADCOOKIE, 1));
    // One record more is announced than there is.
    let mut malformed = greedy.bytes();
    malformed[11] += 1;
    let reply = named.send(&malformed);
    assert_eq!((reply.rcode, reply.edns.as_ref().expect("OPT").options.len()), (FORMERR, 0));
    assert!(reply.bytes.len() <= malformed.len());
    for asked in [malformed, message(0, [0, 0, 0, 1], &opt(0, &[&[0, 10, 0, 8], &CLIENT[..]].concat()))] {
        let reply = named.raw_over(&asked);
        assert!([0, BADCOOKIE].contains(&reply.rcode) && (reply.tc || reply.rcode == BADCOOKIE), "{reply:#?}");
    }
}
