//! Items 1 to 7 and 17 at their edges, by bytes: every flag on every kind of reply, every length of a query, every octet
//! of a name.

use rhumb::wire::RecordType;

use super::{MAIL, RECORDS, ROUTES, message, opt, plain, question};
use crate::harness::{Ask, Fixture, Reply, Setup};

const FORMERR: u16 = 1;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;

fn raw(fixture: &Fixture, query: &[u8]) -> Option<Vec<u8>> {
    fixture.raw(query, &Ask::a("ignored."))
}

/// A question of another type than A.
fn of_type(labels: &[&[u8]], rtype: u16) -> Vec<u8> {
    let mut bytes = question(labels);
    let at = bytes.len() - 4;
    bytes[at..at + 2].copy_from_slice(&rtype.to_be_bytes());
    bytes
}

#[test]
fn p1_every_kind_of_reply_has_its_flags_as_due_whatever_the_query_had() {
    let big = format!(
        "big = {{ TXT = [{}] }}",
        (0..6).map(|i| format!("\"{i}{}\"", "x".repeat(200))).collect::<Vec<_>>().join(", ")
    );
    let fixture = Setup::new(&format!("{RECORDS}\n{big}"), ROUTES).build();
    let named = |name: &'static [u8]| question(&[name, b"example", b"com"]);
    let version_1 = [question(&MAIL), opt(1, &[])].concat();
    let two = [question(&MAIL), question(&MAIL)].concat();
    // Opcode, counts, what follows the header; AA and TC that are due, and the lower four bits of the response code.
    let cases = [
        (0, [1, 0, 0, 0], question(&MAIL), (true, false, 0)),
        (0, [1, 0, 0, 0], named(b"none"), (true, false, 3)),
        (0, [1, 0, 0, 0], of_type(&MAIL, 15), (true, false, 0)),
        (0, [1, 0, 0, 0], named(b"lab"), (false, false, 0)),
        (0, [1, 0, 0, 0], of_type(&[b"big", b"example", b"com"], 16), (true, true, 0)),
        (0, [1, 0, 0, 0], question(&[b"elsewhere"]), (false, false, 5)),
        (0, [1, 0, 0, 0], of_type(&MAIL, 128), (false, false, 1)),
        (0, [2, 0, 0, 0], two, (false, false, 1)),
        (0, [1, 0, 0, 1], version_1, (false, false, 0)),
        (0, [1, 0, 0, 0], vec![0xc0, 12, 0, 1, 0, 1], (false, false, 1)),
        (15, [1, 0, 0, 0], question(&MAIL), (false, false, 4)),
    ];
    for (opcode, counts, rest, (aa, tc, rcode)) in cases {
        // AA, TC, RA, Z, AD and CD have no place in a query; RD is told back.
        for flags in [0x0000, 0x0100, 0x06f0, 0x07f0] {
            let bytes = raw(&fixture, &message(opcode << 11 | flags, counts, &rest)).expect("a reply");
            let due = 0x8000 | opcode << 11 | u16::from(aa) << 10 | u16::from(tc) << 9 | flags & 0x0100 | rcode;
            assert_eq!(u16::from_be_bytes([bytes[2], bytes[3]]), due, "{opcode} {flags:04x} {rest:?}");
            assert_eq!(bytes[..2], [0xab, 0xcd]);
        }
    }
}

#[test]
fn p1_letters_of_ascii_alone_match_in_either_case() {
    // Octets that differ as the cases of a letter do, and are none.
    let records = r#"
'\091x' = { A = "192.0.2.1" }
'\064x' = { A = "192.0.2.2" }
'\195x' = { A = "192.0.2.3" }
'q\000' = { A = "192.0.2.4" }
"#;
    let fixture = Setup::new(records, "").build();
    let ask = |label: &[u8]| fixture.send(&message(0, [1, 0, 0, 0], &question(&[label, b"EXAMPLE", b"com"])));
    for (label, address) in
        [(&b"[X"[..], "192.0.2.1"), (b"@x", "192.0.2.2"), (b"\xc3x", "192.0.2.3"), (b"Q\0", "192.0.2.4")]
    {
        assert_eq!(ask(label).only(), address);
    }
    for label in [&b"{x"[..], b"`x", b"\xe3x", b"q ", b"q"] {
        ask(label).assert_nxdomain();
    }
}

#[test]
fn p4_a_query_cut_short_anywhere_is_dropped_or_formerr_and_never_answered() {
    let fixture = plain();
    let query = Ask::a("www.example.com.").subnet("81.2.69.0/24").bytes();
    let question_end = 12 + 17 + 4;
    for length in 0..query.len() {
        let reply = raw(&fixture, &query[..length]);
        match length {
            0..12 => assert_eq!(reply, None, "{length}"),
            _ => {
                let bytes = reply.unwrap_or_else(|| panic!("a reply to {length} octets"));
                let reply = Reply::read(&bytes);
                assert_eq!((reply.rcode, reply.answer.len()), (FORMERR, 0), "{length}");
                // What was read of a question comes back; half of one does not.
                assert_eq!(reply.question.len(), usize::from(length >= question_end), "{length}");
                assert!(bytes.len() <= query.len() + 11, "no larger than the query and an OPT: {length}");
            }
        }
    }
    assert_eq!(fixture.send(&query).rcode, 0);
}

#[test]
fn p4_a_name_of_127_labels_is_a_name_and_one_more_octet_is_none() {
    let fixture = Setup::new("\"*\" = { A = \"192.0.2.1\" }", "").build();
    // 121 labels of one letter and `example.com.`: 242 + 13 octets.
    let mut labels: Vec<&[u8]> = vec![b"a"; 121];
    labels.extend([&b"example"[..], b"com"]);
    assert_eq!(fixture.send(&message(0, [1, 0, 0, 0], &question(&labels))).only(), "192.0.2.1");
    labels[0] = b"ab";
    assert_eq!(fixture.send(&message(0, [1, 0, 0, 0], &question(&labels))).rcode, FORMERR);
    let most: Vec<&[u8]> = vec![b"a"; 127];
    assert_eq!(fixture.send(&message(0, [1, 0, 0, 0], &question(&most))).rcode, REFUSED);
}

#[test]
fn p6_the_classes_of_updates_and_of_any_are_refused_as_others_are() {
    for class in [0u16, 254, 255, 65_535] {
        let mut ask = Ask::a("mail.example.com.").edns();
        ask.class = class;
        let reply = plain().ask(&ask);
        assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (REFUSED, false, 0), "{class}");
    }
}

#[test]
fn p6_signatures_that_nobody_has_are_nodata() {
    for name in ["example.com.", "mail.example.com.", "www.example.com."] {
        plain().ask(&Ask::of(name, RecordType::RRSIG)).assert_nodata();
    }
}

#[test]
fn p7_any_payload_that_a_client_may_name_keeps_the_reply_within_512_and_1232() {
    let set = |n: usize| (0..n).map(|i| format!("\"{i:02}{}\"", "x".repeat(50))).collect::<Vec<_>>().join(", ");
    let records: String = (1..25).map(|n| format!("t{n} = {{ TXT = [{}] }}\n", set(n))).collect();
    let fixture = Setup::new(&records, "").build();
    for payload in [0u16, 1, 511, 512, 513, 700, 1231, 1232, 1233, 4096, 65_535] {
        let limit = usize::from(payload.clamp(512, 1232));
        for n in 1..25 {
            let ask = Ask::of(&format!("t{n}.example.com."), RecordType::TXT).payload(payload);
            let whole = fixture.ask(&ask.clone().stream());
            assert_eq!(whole.answer.len(), n);
            let reply = fixture.ask(&ask);
            assert_eq!(reply.tc, whole.bytes.len() > limit, "{payload}: {} octets", whole.bytes.len());
            assert_eq!(reply.answer.len(), if reply.tc { 0 } else { n });
        }
    }
}

#[test]
fn p17_what_an_opt_may_hold_beside_its_version_changes_no_answer() {
    let fixture = plain();
    let options: [&[u8]; 5] = [
        &[],
        // One without data, many, one of the highest code, padding.
        &[0xff, 0xfe, 0, 0],
        &[0xfd, 0xe9, 0, 0, 0xfd, 0xea, 0, 1, 7, 0xfd, 0xe9, 0, 0],
        &[0xff, 0xff, 0, 2, 0, 0],
        &[0, 12, 0, 3, 0, 0, 0],
    ];
    for options in options {
        // An upper part of a response code, which a query has none of (RFC 6891 section 6.1.3).
        for extended in [0u8, 1, 0xff] {
            let mut record = opt(0, options);
            record[5] = extended;
            let reply = fixture.send(&message(0, [1, 0, 0, 1], &[question(&MAIL), record].concat()));
            assert_eq!((reply.rcode, reply.only()), (0, "192.0.2.25".to_owned()), "{options:?}");
            assert_eq!(reply.edns.expect("OPT").version, 0);
        }
    }
    // A version that is not known counts before what the question is about.
    for labels in [&[&b"elsewhere"[..]][..], &[b"none", b"example", b"com"], &[b"lab", b"example", b"com"]] {
        let reply = fixture.send(&message(0, [1, 0, 0, 1], &[question(labels), opt(7, &[])].concat()));
        assert_eq!((reply.rcode, reply.aa, reply.answer.len(), reply.authority.len()), (BADVERS, false, 0, 0));
    }
}
