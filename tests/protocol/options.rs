//! Item 20: NSID, keepalive, padding, expiry and the zone's version, to who asks and may have it.

use rhumb::answer::Carrier;
use rhumb::wire::RecordType;

use super::{RECORDS, ROUTES, plain};
use crate::harness::{Ask, Fixture, Reply, Setup};

const NSID: u16 = 3;
const EXPIRE: u16 = 9;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const EDE: u16 = 15;
const ZONEVERSION: u16 = 19;
const FORMERR: u16 = 1;

fn option(reply: &Reply, wanted: u16) -> Option<Vec<u8>> {
    let options = &reply.edns.as_ref()?.options;
    options.iter().find(|(code, _)| *code == wanted).map(|(_, data)| data.clone())
}

/// Beside the usual zone one whose serial and expiry are known, on a server with a name.
fn versioned() -> Fixture {
    let zone = "zone = \"versioned.test\"\n[soa]\nserial = 2026112601\nexpire = \"7d\"\n\
                [records]\n\"@\" = { NS = \"ns.example.net.\", A = \"192.0.2.1\" }\n\
                mail = { A = \"192.0.2.2\" }\n\"*.wild\" = { A = \"192.0.2.3\" }\n";
    Setup::new(RECORDS, ROUTES).file("versioned.toml", zone).server("identity = \"fra1\"\n").build()
}

#[test]
fn p20_nsid_comes_when_asked_and_configured() {
    let named = versioned();
    let ask = Ask::a("mail.example.com.");
    assert_eq!(option(&named.ask(&ask.clone().option(NSID, &[])), NSID), Some(b"fra1".to_vec()));
    assert_eq!(option(&named.ask(&ask.clone().edns()), NSID), None);
    assert_eq!(option(&plain().ask(&ask.option(NSID, &[])), NSID), None);
}

#[test]
fn p20_keepalive_is_told_on_streams_that_have_one_and_never_on_datagrams() {
    let fixture = plain();
    let ask = Ask::a("mail.example.com.").option(KEEPALIVE, &[]);
    let on = |ask: Ask| option(&fixture.ask(&ask), KEEPALIVE);
    assert_eq!(on(Ask { keepalive: Some(100), ..ask.clone().stream() }), Some(vec![0, 100]));
    assert_eq!(on(Ask { keepalive: Some(25), ..ask.clone().encrypted() }), Some(vec![0, 25]));
    assert_eq!(on(ask.clone()), None);
    assert_eq!(on(ask.encrypted()), None, "HTTPS and QUIC have times of their own");
    assert_eq!(on(Ask { keepalive: Some(100), ..Ask::a("mail.example.com.").edns().stream() }), None);
}

#[test]
fn p20_replies_are_padded_to_468_on_encrypted_streams_when_the_query_is() {
    let named = versioned();
    let asks = [
        Ask::a("mail.example.com."),
        Ask::a("mail.example.com.").option(NSID, &[]).option(10, &[7; 8]).subnet("192.0.2.0/24"),
        Ask::a("www.example.org."),
        Ask::of("example.com.", RecordType::SOA),
    ];
    for ask in asks {
        let padded = ask.clone().option(PADDING, &[0; 17]);
        let reply = named.ask(&padded.clone().encrypted());
        assert_eq!(reply.bytes.len() % 468, 0, "{ask:?}");
        assert!(option(&reply, PADDING).is_some_and(|padding| padding.iter().all(|&octet| octet == 0)));
        for carrier in [Carrier::Datagram, Carrier::Stream] {
            assert_eq!(option(&named.ask(&Ask { carrier, ..padded.clone() }), PADDING), None);
        }
        assert_eq!(option(&named.ask(&ask.edns().encrypted()), PADDING), None);
    }
}

#[test]
fn p20_padding_fits_into_the_longest_message() {
    let texts: Vec<String> = (0..255).map(|n| format!("\"{n:03}{}\"", "x".repeat(237))).collect();
    let big = Setup::new(&format!("big = {{ TXT = [{}] }}", texts.join(", ")), "").build();
    let reply = big.ask(&Ask::of("big.example.com.", RecordType::TXT).option(PADDING, &[]).encrypted());
    assert_eq!((reply.tc, reply.answer.len()), (false, 255));
    assert!(reply.bytes.len() > 64_000 && reply.bytes.len() <= 65_535);
}

#[test]
fn p20_expire_comes_with_the_soa_that_it_is_of() {
    let fixture = versioned();
    let ask = Ask::of("versioned.test.", RecordType::SOA).option(EXPIRE, &[]);
    assert_eq!(option(&fixture.ask(&ask), EXPIRE), Some((7 * 86_400u32).to_be_bytes().to_vec()));
    assert_eq!(option(&fixture.ask(&Ask { rtype: 1, ..ask.clone() }), EXPIRE), None);
    assert_eq!(option(&fixture.ask(&Ask { name: "mail.versioned.test.".into(), ..ask }), EXPIRE), None);
}

#[test]
fn p20_the_zones_version_comes_with_every_answer_from_it() {
    let fixture = versioned();
    let expected = [&[2, 0], &2_026_112_601u32.to_be_bytes()[..]].concat();
    let version = |name: &str| option(&fixture.ask(&Ask::a(name).option(ZONEVERSION, &[])), ZONEVERSION);
    for name in ["versioned.test.", "mail.versioned.test.", "nothing.at.all.versioned.test.", "a.wild.versioned.test."]
    {
        assert_eq!(version(name), Some(expected.clone()), "{name}");
    }
    assert_eq!(version("www.example.org."), None);
    // DS at the apex of a zone within is answered by the zone around it, with that one's version.
    let within = "zone = \"sub.versioned.test\"\n[soa]\nserial = 7\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n";
    let around =
        "zone = \"versioned.test\"\n[soa]\nserial = 2026112601\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n";
    let nested = Setup::new(RECORDS, ROUTES).file("around.toml", around).file("within.toml", within).build();
    let of = |rtype| option(&nested.ask(&Ask::of("sub.versioned.test.", rtype).option(ZONEVERSION, &[])), ZONEVERSION);
    assert_eq!(of(RecordType::DS), Some(expected.clone()));
    assert_eq!(of(RecordType::A), Some(vec![3, 0, 0, 0, 0, 7]));
    let filled = fixture.ask(&Ask::a("mail.versioned.test.").option(ZONEVERSION, &expected));
    assert_eq!(filled.rcode, FORMERR);
}

#[test]
fn p20_extended_errors_come_with_refusals_and_never_with_success() {
    let fixture = plain();
    let error = |ask: Ask| option(&fixture.ask(&ask.edns()), EDE);
    assert_eq!(error(Ask::a("www.example.org.")), Some(vec![0, 20]));
    assert_eq!(error(Ask::of("mail.example.com.", RecordType::NXNAME)), Some(vec![0, 30]));
    for name in ["mail.example.com.", "www.example.com.", "nothing.example.com.", "host.lab.example.com."] {
        assert_eq!(error(Ask::a(name)), None, "{name}");
    }
}
