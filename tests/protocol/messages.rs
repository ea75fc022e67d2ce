//! Items 1 to 6: headers, questions, classes and types.

use rhumb::wire::{Name, RecordType};

use super::{MAIL, message, opt, plain, question};
use crate::harness::{Ask, Draws, Fixture, Reply, Setup};

const FORMERR: u16 = 1;
const SERVFAIL: u16 = 2;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;

fn reply(fixture: &Fixture, query: &[u8]) -> Option<Vec<u8>> {
    fixture.raw(query, &Ask::a("ignored."))
}

/// Twelve octets, nothing counted.
#[track_caller]
fn assert_header_only(fixture: &Fixture, query: &[u8], rcode: u16) {
    let bytes = reply(fixture, query).expect("a reply");
    assert_eq!((bytes.len(), &bytes[4..]), (12, &[0; 8][..]), "{query:?}");
    assert_eq!(Reply::read(&bytes).rcode, rcode, "{query:?}");
    assert_eq!(bytes[..2], query[..2]);
}

#[test]
fn p1_the_question_comes_back_byte_for_byte_and_names_match_without_case() {
    let fixture = plain();
    let query = message(0x0100, [1, 0, 0, 0], &question(&[b"mAiL", b"eXample", b"COM"]));
    let bytes = reply(&fixture, &query).expect("a reply");
    assert_eq!(bytes[..2], query[..2]);
    assert_eq!(bytes[12..query.len()], query[12..]);
    let reply = Reply::read(&bytes);
    assert_eq!(reply.only(), "192.0.2.25");
    // An owner by pointer shows the case of the question.
    assert_eq!(reply.answer[0].owner.to_string(), "mAiL.eXample.COM.");
}

#[test]
fn p1_flags_are_as_due() {
    let fixture = plain();
    // RD, AD, CD, Z and RA of the query; AA is ours.
    for (sent, rd) in [(0x0100, true), (0x0000, false), (0x01f0, true), (0x0470, false)] {
        let reply = fixture.send(&message(sent, [1, 0, 0, 0], &question(&MAIL)));
        assert_eq!((reply.aa, reply.tc, reply.rd), (true, false, rd), "{sent:04x}");
        assert_eq!((reply.ra, reply.z, reply.ad, reply.cd), (false, false, false, false), "{sent:04x}");
        assert_eq!(reply.opcode, 0);
    }
}

#[test]
fn p2_replies_and_fragments_are_dropped_and_a_truncated_query_is_none() {
    let fixture = plain();
    let whole = message(0x0100, [1, 0, 0, 0], &question(&MAIL));
    for opcode in 0..16u16 {
        let query = message(0x8000 | opcode << 11, [1, 0, 0, 0], &question(&MAIL));
        assert_eq!(reply(&fixture, &query), None, "opcode {opcode}");
    }
    for length in 0..12 {
        assert_eq!(reply(&fixture, &whole[..length]), None, "{length} octets");
    }
    assert_eq!(fixture.send(&message(0x0200, [1, 0, 0, 0], &question(&MAIL))).only(), "192.0.2.25");
}

#[test]
fn p3_an_unknown_opcode_is_notimp_with_the_opcode_and_a_header_only() {
    let fixture = plain();
    for opcode in [1u16, 2, 3, 6, 7, 15] {
        let query = message(opcode << 11, [1, 0, 0, 0], &question(&MAIL));
        assert_header_only(&fixture, &query, NOTIMP);
        assert_eq!(u16::from(fixture.send(&query).opcode), opcode);
    }
}

#[test]
fn p3_one_question_is_asked_at_a_time() {
    let fixture = plain();
    let two = [question(&MAIL), question(&MAIL)].concat();
    assert_eq!(fixture.send(&message(0, [2, 0, 0, 0], &two)).rcode, FORMERR);
    assert_eq!(fixture.send(&message(0, [0, 0, 0, 0], &[])).rcode, FORMERR);
    assert_eq!(fixture.send(&message(0, [0, 0, 0, 1], &opt(0, &[]))).rcode, FORMERR);
    assert_eq!(fixture.send(&message(0, [0, 0, 0, 0], &question(&MAIL))).rcode, FORMERR);
}

#[test]
fn p4_a_question_that_is_no_name_is_formerr_with_a_header_only() {
    let fixture = plain();
    let long_label = question(&[&[b'a'; 64]]);
    let long_name = question(&[&[b'a'; 63], &[b'b'; 63], &[b'c'; 63], &[b'd'; 63]]);
    let cases: [&[u8]; 10] = [
        &[],
        &[4, b'm', b'a'],
        &[4, b'm', b'a', b'i', b'l'],
        &[0, 0, 1, 0],
        &[4, b'm', b'a', b'i', b'l', 0, 0],
        &long_label,
        &long_name,
        // Reserved label types.
        &[0x41, 1, 0, 0, 1, 0, 1],
        &[0x80, 1, 0, 0, 1, 0, 1],
        // Pointers: to the header, to itself.
        &[4, b'm', b'a', b'i', b'l', 0xc0, 0, 0, 1, 0, 1],
    ];
    for case in cases {
        assert_header_only(&fixture, &message(0, [1, 0, 0, 0], case), FORMERR);
    }
    assert_header_only(&fixture, &message(0, [1, 0, 0, 0], &[0xc0, 12, 0, 1, 0, 1]), FORMERR);
}

#[test]
fn p4_a_name_of_255_octets_is_a_name() {
    let labels: [&[u8]; 4] = [&[b'a'; 63], &[b'b'; 63], &[b'c'; 63], &[b'd'; 61]];
    assert_eq!(plain().send(&message(0, [1, 0, 0, 0], &question(&labels))).rcode, REFUSED);
}

#[test]
fn p4_counts_larger_than_the_data_are_formerr() {
    let fixture = plain();
    for counts in [[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1, 65_535, 65_535, 65_535]] {
        assert_eq!(fixture.send(&message(0, counts, &question(&MAIL))).rcode, FORMERR, "{counts:?}");
    }
    let with_opt = [question(&MAIL), opt(0, &[])].concat();
    assert_eq!(fixture.send(&message(0, [1, 0, 0, 2], &with_opt)).rcode, FORMERR);
}

#[test]
fn p4_trailing_octets_and_records_of_other_sections_are_ignored() {
    let fixture = plain();
    let trailing = [question(&MAIL), vec![1, 2, 3, 4, 5]].concat();
    assert_eq!(fixture.send(&message(0, [1, 0, 0, 0], &trailing)).only(), "192.0.2.25");
    // A record with a pointer to the question as its owner.
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 1];
    for counts in [[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]] {
        let query = message(0, counts, &[question(&MAIL), record.to_vec()].concat());
        let reply = fixture.send(&query);
        assert_eq!(reply.only(), "192.0.2.25", "{counts:?}");
        assert!(reply.additional.is_empty() && reply.authority.is_empty());
    }
    let cut = &record[..14];
    assert_eq!(fixture.send(&message(0, [1, 1, 0, 0], &[question(&MAIL), cut.to_vec()].concat())).rcode, FORMERR);
}

#[test]
fn p4_whatever_comes_in_what_goes_out_is_a_message() {
    let fixture = plain();
    let mut draws = Draws::new(44);
    let seeds: Vec<Vec<u8>> = [
        Ask::a("www.example.com.").subnet("81.2.69.0/24"),
        Ask::a("first.example.com.").edns(),
        Ask::aaaa("nowhere.c.example.com."),
        Ask::a("host.lab.example.com.").subnet("2a02::/32"),
    ]
    .iter()
    .map(Ask::bytes)
    .collect();
    let mut answered = 0;
    for _ in 0..6_000 {
        let mut query = draws.pick(&seeds).clone();
        for _ in 0..1 + draws.below(4) {
            let at = draws.below(query.len());
            match draws.below(4) {
                0 => query[at] = draws.bits() as u8,
                1 => query[at] ^= 1 << draws.below(8),
                2 => query.truncate(at.max(1)),
                _ => query.insert(at, draws.bits() as u8),
            }
        }
        if let Some(bytes) = reply(&fixture, &query) {
            let reply = Reply::read(&bytes);
            assert_eq!(bytes[..2], query[..2]);
            assert!(bytes.len() <= 1232);
            answered += usize::from(reply.rcode == 0);
        }
    }
    assert!(answered > 200, "some mutations leave a query: {answered}");
}

#[test]
fn p5_outside_every_zone_is_refused_without_aa_or_referral() {
    let fixture = plain();
    for name in ["example.net.", "com.", ".", "aexample.com.", "www.example.org."] {
        let reply = fixture.ask(&Ask::a(name).edns());
        assert_eq!((reply.rcode, reply.aa), (REFUSED, false), "{name}");
        assert!(reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty());
        assert_eq!(reply.extended_error(), Some(20), "{name}");
        assert_eq!(reply.question.len(), 1);
    }
}

/// These zones, and others of ours that could not be loaded.
fn lacking(setup: &Setup, unloaded: &[&str]) -> Fixture {
    let mut inputs = setup.inputs();
    let mut model = (*inputs.model).clone();
    model.unloaded = unloaded.iter().map(|apex| Name::absolute(apex).unwrap()).collect();
    inputs.model = model.into();
    Fixture::compiled(inputs)
}

#[track_caller]
fn assert_not_loaded(fixture: &Fixture, ask: Ask) {
    let reply = fixture.ask(&ask.edns());
    assert_eq!((reply.rcode, reply.aa, reply.extended_error()), (SERVFAIL, false, Some(14)), "{reply:#?}");
    assert!(reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty(), "{reply:#?}");
}

#[test]
fn p5_a_zone_that_is_known_but_not_loaded_is_servfail() {
    let fixture = lacking(&Setup::new("www = { A = \"192.0.2.1\" }", ""), &["broken.test"]);
    for name in ["broken.test.", "www.broken.test."] {
        assert_not_loaded(&fixture, Ask::a(name));
    }
    assert_eq!(fixture.ask(&Ask::a("www.example.com.")).only(), "192.0.2.1");
    assert_eq!(fixture.ask(&Ask::a("test.").edns()).rcode, REFUSED);
}

/// What a zone says at and below the apexes of zones within it, and what leads there.
const AROUND: &str = r#"
"_x.below" = { TXT = "of the parent" }
data = { A = "192.0.2.1", MX = "10 ns1.cut" }
"www.data" = { A = "192.0.2.2" }
cut = { NS = "ns1.cut", DS = "12345 13 2 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
"ns1.cut" = { A = "192.0.2.3" }
"*.wild" = { A = "192.0.2.4" }
"away" = { DNAME = "data" }
to-data = { CNAME = "www.data" }
mail = { MX = ["10 data", "20 ns1.cut"] }
"#;

/// Apexes within it where it has data, names below, a delegation, a wildcard or a DNAME above, and nothing.
const LACKING: [&str; 6] = [
    "data.example.com",
    "below.example.com",
    "cut.example.com",
    "sub.wild.example.com",
    "sub.away.example.com",
    "void.example.com",
];

#[test]
fn p5_no_zone_around_answers_for_a_zone_that_is_not_loaded() {
    let fixture = lacking(&Setup::new(AROUND, ""), &LACKING);
    let types = [RecordType::A, RecordType::NS, RecordType::SOA, RecordType::TXT, RecordType::MX, RecordType::ANY];
    for apex in LACKING {
        for below in ["", "www.", "_x.", "ns1.", "a.b."] {
            for rtype in types {
                assert_not_loaded(&fixture, Ask::of(&format!("{below}{apex}."), rtype));
            }
        }
        assert_not_loaded(&fixture, Ask::of(&format!("www.{apex}."), RecordType::DS));
    }
    assert_eq!(fixture.ask(&Ask::a("any.wild.example.com.")).only(), "192.0.2.4");
    fixture.ask(&Ask::a("none.example.com.")).assert_nxdomain();
}

#[test]
fn p5_ds_of_a_zone_that_is_not_loaded_is_the_parents_to_answer() {
    let fixture = lacking(&Setup::new(AROUND, ""), &LACKING);
    let reply = fixture.ask(&Ask::of("cut.example.com.", RecordType::DS));
    assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (0, true, 1), "{reply:#?}");
    assert_eq!(reply.answer[0].rtype, RecordType::DS);
    for apex in ["data.example.com.", "below.example.com.", "void.example.com."] {
        let reply = fixture.ask(&Ask::of(apex, RecordType::DS));
        assert_eq!(reply.assert_nodata().owner, Name::absolute("example.com.").unwrap(), "{apex}");
    }
}

#[test]
fn p5_what_leads_into_a_zone_that_is_not_loaded_ends_there_and_brings_nothing_along() {
    let fixture = lacking(&Setup::new(AROUND, ""), &LACKING);
    for (name, links) in [("to-data.example.com.", 1), ("www.away.example.com.", 2)] {
        let reply = fixture.ask(&Ask::a(name));
        assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (0, true, links), "{reply:#?}");
        assert!(reply.addresses().is_empty() && reply.authority.is_empty(), "{reply:#?}");
    }
    let reply = fixture.ask(&Ask::of("mail.example.com.", RecordType::MX));
    assert_eq!((reply.answer.len(), reply.additional.len()), (2, 0), "{reply:#?}");
}

#[test]
fn p5_a_zone_within_one_that_is_not_loaded_answers_for_itself() {
    let inner = "zone = \"g.x.data.example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\", A = \"192.0.2.6\" }\n";
    let fixture = lacking(&Setup::new(AROUND, "").file("inner.toml", inner), &LACKING);
    assert_eq!(fixture.ask(&Ask::a("g.x.data.example.com.")).only(), "192.0.2.6");
    let reply = fixture.ask(&Ask::a("none.g.x.data.example.com."));
    assert_eq!(reply.assert_nxdomain().owner, Name::absolute("g.x.data.example.com.").unwrap());
    for name in ["x.data.example.com.", "y.x.data.example.com."] {
        assert_not_loaded(&fixture, Ask::a(name));
    }
    // Its parent would have to say, also of its version (RFC 9660).
    let ds = Ask::of("g.x.data.example.com.", RecordType::DS);
    assert_not_loaded(&fixture, ds.clone());
    assert_not_loaded(&fixture, ds.option(19, &[]));
}

#[test]
fn p6_other_classes_are_refused() {
    let fixture = plain();
    for class in [3u16, 4, 2, 77] {
        let mut ask = Ask::a("mail.example.com.");
        ask.class = class;
        let reply = fixture.ask(&ask);
        assert_eq!((reply.rcode, reply.answer.len()), (REFUSED, 0), "class {class}");
    }
    let mut ask = Ask::of("version.bind.", RecordType::TXT);
    ask.class = 3;
    assert_eq!(fixture.ask(&ask).rcode, REFUSED);
}

#[test]
fn p6_types_that_are_no_questions_are_formerr() {
    let fixture = plain();
    for rtype in [RecordType::OPT, RecordType::TSIG, RecordType::TKEY] {
        assert_eq!(fixture.ask(&Ask::of("mail.example.com.", rtype)).rcode, FORMERR, "{rtype}");
    }
    let reply = fixture.ask(&Ask::of("mail.example.com.", RecordType::NXNAME).edns());
    assert_eq!((reply.rcode, reply.extended_error()), (FORMERR, Some(30)));
}

#[test]
fn p6_transfers_over_datagrams_are_not_implemented() {
    let reply = plain().ask(&Ask::of("example.com.", RecordType::AXFR));
    assert_eq!((reply.rcode, reply.answer.len()), (NOTIMP, 0));
    for (name, error) in [("example.com.", 18), ("example.net.", 20)] {
        let reply = plain().ask(&Ask::of(name, RecordType::IXFR).edns());
        assert_eq!(
            (reply.rcode, reply.extended_error()),
            (REFUSED, Some(error)),
            "RFC 1995 section 2 allows datagrams"
        );
    }
}

#[test]
fn p6_types_that_nobody_has_are_nodata() {
    for rtype in [0, 65_535, 60_000, 731] {
        plain().ask(&Ask::of("mail.example.com.", RecordType(rtype))).assert_nodata();
    }
}

#[test]
fn p6_any_is_answered_with_one_rrset() {
    let fixture = plain();
    for name in ["example.com.", "ns1.example.com.", "www.example.com."] {
        let reply = fixture.ask(&Ask::of(name, RecordType::ANY));
        assert_eq!(reply.rcode, 0);
        let first = reply.answer.first().unwrap_or_else(|| panic!("an RRset of {name}"));
        assert!(reply.answer.iter().all(|r| r.rtype == first.rtype && r.owner == first.owner), "{name}: {reply:#?}");
    }
    fixture.ask(&Ask::of("missing.example.com.", RecordType::ANY)).assert_nxdomain();
    fixture.ask(&Ask::of("c.example.com.", RecordType::ANY)).assert_nodata();
}
