#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::base::name::Name as DomainName;
use domain::base::rdata::ComposeRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};
use hickory_proto::rr::{RData, RecordType as HickoryType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict};
use proptest::prelude::*;

use super::layout::{Field, Layout};
use super::*;

mod oracles;

fn origin() -> Name {
    Name::absolute("example.com.").unwrap()
}

fn rtype(text: &str) -> RecordType {
    text.parse().unwrap()
}

fn parse(kind: &str, text: &str) -> Result<Box<[u8]>, TextError> {
    parse_rdata(rtype(kind), text, &origin())
}

fn fault(kind: &str, text: &str) -> String {
    parse(kind, text).unwrap_err().message
}

fn hex(text: &str) -> Vec<u8> {
    domain::utils::base16::decode_vec(&text.replace(char::is_whitespace, "")).unwrap()
}

const EXAMPLE_COM: &str = "07 6578616d706c65 03 636f6d 00";
const FOO_EXAMPLE_COM: &str = "03 666f6f 07 6578616d706c65 03 636f6d 00";
const FOO_EXAMPLE_ORG: &str = "03 666f6f 07 6578616d706c65 03 6f7267 00";

/// Type, text, and the wire form that the RFCs give or that follows from their diagrams; `~` is example.com.
const KNOWN: &[(&str, &str, &str)] = &[
    ("A", "192.0.2.1", "c0000201"),
    ("AAAA", "2001:db8::1", "20010db8000000000000000000000001"),
    ("NS", "ns1", "03 6e7331 ~"),
    ("CNAME", "@", "~"),
    ("PTR", "www.example.com.", "03 777777 ~"),
    ("DNAME", "example.com.", "~"),
    (
        "SOA",
        "ns1 hostmaster 1 1h 10m 1d 300",
        "036e7331~ 0a686f73746d6173746572~ 00000001 00000e10 00000258 00015180 0000012c",
    ),
    ("MX", "10 mail", "000a 046d61696c ~"),
    ("MX", "0 .", "0000 00"),
    ("SRV", "0 5 5060 sip", "0000 0005 13c4 03736970 ~"),
    ("TXT", "\"a b\" c", "03612062 0163"),
    ("TXT", "\"\\\"\\\\\\065\"", "03 225c41"),
    ("HINFO", "ARM64 \"Lin ux\"", "0541524d3634 064c696e207578"),
    ("RP", "alice people", "05616c696365 ~ 0670656f706c65 ~"),
    ("AFSDB", "1 afs", "0001 03616673 ~"),
    ("KX", "10 kx", "000a 026b78 ~"),
    ("CERT", "PKIX 0 RSASHA256 aGVs bG8=", "0001 0000 08 68656c6c6f"),
    ("NAPTR", "100 50 \"s\" \"http\" \"!x!\\\\y!\" _tcp", "0064 0032 0173 0468747470 06 2178215c7921 045f746370 ~"),
    ("CAA", "0 issue \"ca.example.net; x=1\"", "00 05 6973737565 63612e6578616d706c652e6e65743b20783d31"),
    ("CAA", "128 iodef \"\"", "80 05 696f646566"),
    (
        "DS",
        "60485 5 1 ( 2BB183AF5F22588179A53B0A98631FAD 1A292118 )",
        "ec45 05 01 2bb183af5f22588179a53b0a98631fad1a292118",
    ),
    ("CDS", "0 0 0 00", "0000 00 00 00"),
    ("DNSKEY", "256 3 RSASHA1 aGVsbG8=", "0100 03 05 68656c6c6f"),
    ("CDNSKEY", "0 3 0 AA==", "0000 03 00 00"),
    (
        "RRSIG",
        "A 5 3 1d 20030322173103 20030220173103 2642 example.com. aGk=",
        "0001 05 03 00015180 3e7c9dd7 3e5510d7 0a52 ~ 6869",
    ),
    (
        "NSEC",
        "host A MX RRSIG NSEC TYPE1234",
        "04686f7374 ~ 0006400100000003 041b 0000000000000000000000000000000000000000000000000000 20",
    ),
    (
        "NSEC3",
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG",
        "01 01 000c 04aabbccdd 14174eb2409fe28bcb4887a1836f957f0a8425e27b 0006400000000002",
    ),
    ("NSEC3PARAM", "1 0 0 -", "01 00 0000 00"),
    ("TLSA", "3 1 1 d2abde24 0d7cd3ee", "03 01 01 d2abde240d7cd3ee"),
    ("SMIMEA", "3 0 0 d2ab", "03 00 00 d2ab"),
    ("SSHFP", "2 1 123456789abcdef67890123456789abcdef67890", "02 01 123456789abcdef67890123456789abcdef67890"),
    ("OPENPGPKEY", "aGVsbG8=", "68656c6c6f"),
    ("DHCID", "aGVsbG8=", "68656c6c6f"),
    ("CSYNC", "66 3 A NS AAAA", "00000042 0003 0004 60000008"),
    ("ZONEMD", "2018031500 1 240 62e6cf51b02e54b9b5f967d5", "7848b78c 01 f0 62e6cf51b02e54b9b5f967d5"),
    ("LOC", "42 21 54 N 71 06 18 W -24m 30m", "00 33 16 13 89172dd0 70be15f0 00988d20"),
    ("LOC", "0 N 0 E 0", "00 12 16 13 80000000 80000000 00989680"),
    ("LOC", "42 21 43.952 N 71 5 6.344 W -24m 1m 200m 0.05m", "00 12 24 50 89170690 70bf2dd8 00988d20"),
    (
        "URI",
        "10 1 \"ftp://ftp1.example.com/public\"",
        "000a 0001 6674703a2f2f667470312e6578616d706c652e636f6d2f7075626c6963",
    ),
    ("APL", "1:192.168.32.0/21 !1:192.168.38.0/28", "00011503c0a820 00011c83c0a826"),
    ("APL", "1:224.0.0.0/4 2:FF00:0:0:0:0:0:0:0/8", "00010401e0 00020801ff"),
    ("EUI48", "00-00-5e-00-53-2a", "00005e00532a"),
    ("EUI64", "00-00-5e-ef-10-00-00-2a", "00005eef1000002a"),
    ("NID", "10 14:4fff:ff20:ee64", "000a 00144fffff20ee64"),
    ("L32", "10 10.1.2.0", "000a 0a010200"),
    ("L64", "10 2001:0DB8:1140:1000", "000a 20010db811401000"),
    ("LP", "10 l64", "000a 036c3634 ~"),
    ("IPSECKEY", "10 1 2 192.0.2.38 aGVsbG8=", "0a 01 02 c0000226 68656c6c6f"),
    ("IPSECKEY", "10 0 0 .", "0a 00 00"),
    ("IPSECKEY", "10 3 2 gw aGVsbG8=", "0a 03 02 026777 ~ 68656c6c6f"),
    ("AMTRELAY", "10 1 1 203.0.113.15", "0a 81 cb00710f"),
    ("HIP", "2 2001 aGVsbG8= rvs", "02 02 0005 2001 68656c6c6f 03727673 ~"),
    ("NSAP", "0x47.0005.80", "47000580"),
    ("DSYNC", "CDS NOTIFY 5300 s", "003b 01 14b4 0173 ~"),
    ("WKS", "192.0.2.1 TCP smtp echo 39", "c0000201 06 0100004001"),
    ("WKS", "192.0.2.1 17", "c0000201 11"),
    ("NXT", "host A MX NXT", "04686f7374 ~ 40010002"),
    ("NXT", "host 54", "04686f7374 ~ 00000000000002"),
    ("A6", "0 2001:db8::1", "00 20010db8000000000000000000000001"),
    ("A6", "60 ::f:1:2:3:4 subnet", "3c 0f0001000200030004 067375626e6574 ~"),
    ("A6", "128 host", "80 04686f7374 ~"),
    ("ATMA", "+61.2.0000", "01 363132 30303030"),
    ("ATMA", "39246f.00e7c9c031200010001234.5678.00020030", "00 39246f00e7c9c031200010001234567800020030"),
    ("HTTPS", "0 foo.example.com.", "0000 03666f6f ~"),
    ("TYPE731", "\\# 6 abcd (ef 01 23 45)", "abcdef012345"),
    ("TYPE62347", "\\# 0", ""),
    ("A", "\\# 4 0A000001", "0a000001"),
];

/// RFC 9460 appendix D.2.
const SERVICES: &[(&str, &str, &str)] = &[
    ("1 .", "", "0001 00"),
    ("16 foo.example.com. port=53", FOO_EXAMPLE_COM, "0010 ~ 0003 0002 0035"),
    ("1 foo.example.com. key667=hello", FOO_EXAMPLE_COM, "0001 ~ 029b 0005 68656c6c6f"),
    ("1 foo.example.com. key667=\"hello\\210qoo\"", FOO_EXAMPLE_COM, "0001 ~ 029b 0009 68656c6c6fd2716f6f"),
    (
        "1 foo.example.com. ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
        FOO_EXAMPLE_COM,
        "0001 ~ 0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001",
    ),
    (
        "1 example.com. ipv6hint=\"2001:db8:122:344::192.0.2.33\"",
        EXAMPLE_COM,
        "0001 ~ 0006 0010 20010db80122034400000000c0000221",
    ),
    (
        "16 foo.example.org. (alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1)",
        FOO_EXAMPLE_ORG,
        "0010 ~ 0000 0004 0001 0004 0001 0009 02683205 68332d3139 0004 0004 c0000201",
    ),
    (
        "16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
        FOO_EXAMPLE_ORG,
        "0010 ~ 0001 000c 08665c6f6f2c626172 026832",
    ),
    (
        "16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2",
        FOO_EXAMPLE_ORG,
        "0010 ~ 0001 000c 08665c6f6f2c626172 026832",
    ),
];

fn known() -> Vec<(RecordType, &'static str, Vec<u8>)> {
    let plain = KNOWN.iter().map(|(kind, text, wire)| (rtype(kind), *text, hex(&wire.replace('~', EXAMPLE_COM))));
    let services = SERVICES.iter().flat_map(|(text, name, wire)| {
        let wire = hex(&wire.replace('~', name));
        [(RecordType::SVCB, *text, wire.clone()), (RecordType::HTTPS, *text, wire)]
    });
    plain.chain(services).collect()
}

#[test]
fn p15_known_texts_give_the_octets_of_the_rfcs_and_survive_a_round_trip() {
    for (kind, text, wire) in known() {
        let read = parse_rdata(kind, text, &origin());
        assert_eq!(read.as_deref(), Ok(&wire[..]), "{kind} {text}");
        let written = format_rdata(kind, &wire);
        let again = parse_rdata(kind, &written, &Name::root());
        assert_eq!(again.as_deref(), Ok(&wire[..]), "{kind} {written}");
        assert!(Layout::of(kind).is_none() || !written.starts_with("\\#"), "{kind} {written}");
    }
}

#[test]
fn every_example_of_the_table_reads_as_it_says() {
    assert!(Layout::all().is_sorted_by(|a, b| a.rtype < b.rtype));
    for layout in Layout::all() {
        let wire = parse_rdata(layout.rtype, layout.example(), &origin());
        let wire = wire.unwrap_or_else(|error| panic!("{error}"));
        let written = format_rdata(layout.rtype, &wire);
        assert_eq!(parse_rdata(layout.rtype, &written, &Name::root()), Ok(wire), "{written}");
        assert!(!layout.rtype.is_meta());
    }
}

#[test]
fn hickory_reads_and_writes_the_same_octets() {
    let mut seen = BTreeSet::new();
    for (kind, text, wire) in known() {
        let length = Restrict::new(u16::try_from(wire.len()).unwrap());
        let Ok(data) = RData::read(&mut BinDecoder::new(&wire), HickoryType::from(kind.0), length) else { continue };
        if matches!(data, RData::Unknown { .. }) {
            continue;
        }
        let mut theirs = Vec::new();
        let mut encoder = BinEncoder::new(&mut theirs);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        data.emit(&mut encoder).unwrap();
        assert_eq!(theirs, wire, "{kind} {text}");
        seen.insert(kind.to_string());
    }
    for kind in ["A", "AAAA", "MX", "SRV", "CAA", "SVCB", "HTTPS", "NAPTR", "TLSA", "SMIMEA", "SSHFP", "SOA", "CERT"] {
        assert!(seen.contains(kind), "{kind} of {seen:?}");
    }
}

/// What the crate `domain` makes of a text; nothing where it does not know the type or refuses the text.
fn by_domain(kind: RecordType, text: &str) -> Option<Vec<u8>> {
    let mut file = Zonefile::new();
    file.set_origin(DomainName::from_octets(Bytes::copy_from_slice(origin().as_wire())).unwrap());
    file.extend_from_slice(format!("x 60 IN {kind} {text}\n").as_bytes());
    let Ok(Some(Entry::Record(record))) = file.next_entry() else { return None };
    let mut wire = Vec::new();
    record.data().compose_rdata(&mut wire).ok()?;
    Some(wire)
}

#[test]
fn domain_makes_the_same_octets_of_what_it_reads() {
    let mut seen = BTreeSet::new();
    let examples = Layout::all().iter().map(|layout| (layout.rtype, layout.example()));
    for (kind, text) in examples.chain(known().into_iter().map(|(kind, text, _)| (kind, text))) {
        // There `@` in the data is a label, against RFC 1035 section 5.1.
        let Some(theirs) = by_domain(kind, text).filter(|_| text != "@") else { continue };
        assert_eq!(parse_rdata(kind, text, &origin()).as_deref(), Ok(&theirs[..]), "{kind} {text}");
        seen.insert(kind.to_string());
    }
    for kind in ["A", "AAAA", "MX", "SRV", "SVCB", "HTTPS", "NAPTR", "DS", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "TLSA"] {
        assert!(seen.contains(kind), "{kind} of {seen:?}");
    }
}

#[test]
fn a_bare_text_is_one_text_cut_into_strings() {
    assert_eq!(*parse("TXT", "v=spf1 mx -all").unwrap(), *b"\x0ev=spf1 mx -all");
    assert_eq!(*parse("SPF", "a; \\ \"b\"").unwrap(), *b"\x08a; \\ \"b\"");
    assert_eq!(*parse("TXT", "").unwrap(), [0]);
    let long = parse("TXT", &"x".repeat(300)).unwrap();
    assert_eq!((long.len(), long[0], long[256]), (302, 255, 45));
    assert_eq!(*parse("TXT", " \"a\" \"b\"").unwrap(), *b"\x01a\x01b");
    assert_eq!(*parse("TXT", "\\# 2 0161").unwrap(), *b"\x01a");
    assert!(parse("TXT", &"x".repeat(70_000)).is_err());
}

#[test]
fn faults_say_what_was_read_and_what_is_expected() {
    assert_eq!(fault("A", "2001:db8::1"), "`2001:db8::1` is an IPv6 address; A takes IPv4: `192.0.2.1`");
    assert_eq!(fault("AAAA", "192.0.2.1"), "`192.0.2.1` is an IPv4 address; AAAA takes IPv6: `2001:db8::1`");
    assert_eq!(fault("A", "www"), "`www` is no IPv4 address; A takes IPv4: `192.0.2.1`");
    assert_eq!(fault("MX", "mail"), "`mail` is no number from 0 to 65535; MX takes a preference and a host: `10 mail`");
    assert_eq!(fault("MX", "10"), "the data ends too early; MX takes a preference and a host: `10 mail`");
    assert_eq!(fault("MX", " "), "there is no data; MX takes a preference and a host: `10 mail`");
    assert_eq!(fault("NS", "a b"), "`b` is one too many; NS takes a host: `ns1`");
    assert!(fault("NS", "a..b").starts_with("`a..b` is no name: a label is empty; "));
    assert_eq!(
        fault("TYPE731", "x"),
        "TYPE731 has no text form here: write `\\# 4 0a000001`, its length in octets and its hex"
    );
    assert_eq!(fault("A", "\\# 3 0a0000"), "these octets are no A data; A takes IPv4: `192.0.2.1`");
    assert_eq!(fault("A", "\\# 5 0a000001"), "`\\# 5` announces 5 octets; the hex gives 4");
    assert_eq!(fault("CAA", "0 issue ca.net; x"), "a `;` begins a comment: quote the text, or write `\\;`");
    assert!(fault("TXT", &format!("\"{}\"", "x".repeat(256))).contains("256 octets long; a string holds up to 255"));
    for (text, at) in [("10 a b", 5), ("10", 2), ("x y", 0), ("10 \"a", 3), ("10 (a", 3)] {
        assert_eq!(parse("MX", text).unwrap_err().at, at, "{text}");
    }
}

#[test]
fn types_of_messages_are_refused_in_every_form() {
    for kind in ["OPT", "TSIG", "TKEY", "ANY", "AXFR", "IXFR", "MAILB", "NXNAME", "TYPE250"] {
        assert!(fault(kind, "\\# 1 00").ends_with("exists in messages only and cannot be stored"), "{kind}");
    }
}

#[test]
fn data_that_no_type_takes_is_refused() {
    let wrong = [
        ("MX", "65536 a"),
        ("MX", "+1 a"),
        ("SRV", "0 5 a"),
        ("LOC", "91 N 0 E 0"),
        ("LOC", "90 0 0.001 N 0 E 0"),
        ("LOC", "1 60 N 0 E 0"),
        ("LOC", "1.5 N 0 E 0"),
        ("LOC", "1 2 3.0001 N 0 E 0"),
        ("LOC", "1 2 3 4 N 0 E 0"),
        ("LOC", "1 N 1 E -100000.01"),
        ("LOC", "1 N 1 E 92233720368547758.07"),
        ("LOC", "1 N 1 E 0 90000001"),
        ("EUI48", "00-00-5e-00-53"),
        ("EUI48", "00:00:5e:00:53:2a"),
        ("EUI48", "0-0-5e-0-53-2a"),
        ("CAA", "0 is-sue x"),
        ("CAA", "0 issue"),
        ("DS", "1 2 3 abc"),
        ("DNSKEY", "256 3 5 a"),
        ("RRSIG", "A 5 3 60 20030230000000 20030220173103 1 . aGk="),
        ("NSEC", "host FOO"),
        ("IPSECKEY", "10 4 2 x aGk="),
        ("IPSECKEY", "10 0 2 ."),
        ("IPSECKEY", "10 0 2 . \"\""),
        ("AMTRELAY", "10 2 1 192.0.2.1"),
        ("APL", "1:192.0.2.0/33"),
        ("APL", "3:192.0.2.0/24"),
        ("HINFO", "one"),
        ("TXT", "\"a\\256\""),
        ("TXT", "\"a\" k=\"v w\""),
        ("URI", "10 1"),
        ("NID", "1 2:3:4"),
        ("WKS", "192.0.2.1 6 nonsense"),
        ("WKS", "192.0.2.1 256"),
        ("NXT", "host TYPE128"),
        ("A6", "129 ::1 x"),
        ("A6", "64 ::1"),
        ("A6", "0 ::1 x"),
        ("ATMA", "+61a"),
        ("ATMA", "4700"),
    ];
    for (kind, text) in wrong {
        assert!(parse(kind, text).is_err(), "{kind} {text}");
    }
}

#[test]
fn p15_services_with_faulty_parameters_are_refused() {
    let wrong = [
        "1 foo key123=abc key123=def",
        "1 foo mandatory",
        "1 foo alpn",
        "1 foo port",
        "1 foo ipv4hint",
        "1 foo ipv6hint",
        "1 foo no-default-alpn=abc alpn=h2",
        "1 foo no-default-alpn",
        "1 foo mandatory=key123",
        "1 foo mandatory=mandatory",
        "1 foo mandatory=key123,key123 key123=abc",
        "1 foo port=65536",
        "1 foo port=1,2",
        "1 foo ipv4hint=2001:db8::1",
        "1 foo alpn=h2,,h3",
        "1 foo alpn=h\\\\2",
        "1 foo key065=a",
        "1 foo key65535=a",
        "1 foo nonsense=a",
        "1 foo \"alpn=h2\"",
        "1 foo key1=h2",
        "1 foo ech=!",
        "1 foo docpath=a,,b",
        "1 foo pvd=1",
    ];
    for text in wrong {
        assert!(parse("SVCB", text).is_err(), "{text}");
    }
    assert!(fault("HTTPS", "1 . port=1 alpn=h2 port=2").starts_with("`port=2` gives port again; "));
    assert!(fault("HTTPS", "1 . mandatory=port").contains("mandatory names port, but there is no port"));
    assert_eq!(parse("SVCB", "1 . key1=\\002h2"), parse("SVCB", "1 . alpn=h2"));
    let shuffled = parse("SVCB", "1 . port=1 mandatory=port,alpn no-default-alpn alpn=\"h2\"").unwrap();
    assert_eq!(*shuffled, hex("0001 00 0000 0004 0001 0003 0001 0003 026832 0002 0000 0003 0002 0001"));
}

#[test]
fn targets_are_found_behind_what_stands_before_them() {
    let cases = [
        ("CNAME", "www", Some("www.example.com.")),
        ("NS", "ns1", Some("ns1.example.com.")),
        ("PTR", "p.", Some("p.")),
        ("DNAME", "d.", Some("d.")),
        ("MX", "10 mail", Some("mail.example.com.")),
        ("SRV", "1 2 3 sip.", Some("sip.")),
        ("SVCB", "1 svc.example. port=1", Some("svc.example.")),
        ("HTTPS", "1 .", Some(".")),
        ("A", "192.0.2.1", None),
    ];
    for (kind, text, target) in cases {
        let found = target_name(rtype(kind), &parse(kind, text).unwrap());
        assert_eq!(found, target.map(|name| Name::absolute(name).unwrap()), "{kind}");
    }
    assert_eq!(target_name(RecordType::MX, b"\0"), None);
    assert_eq!(target_name(RecordType::MX, b"\0\x01\x05ab"), None);
    assert_eq!(target_name(RecordType::NS, b"\xc0\x0c"), None);
}

/// Takes octets from a tape, zeros when it has run out.
struct Tape<'a>(&'a [u8]);

impl Tape<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next()).collect()
    }

    fn counted(&mut self, least: usize, out: &mut Vec<u8>) {
        let count = least + usize::from(self.next() % 20);
        out.push(u8::try_from(count).unwrap());
        out.extend(self.take(count));
    }

    fn name(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.next() % 4 {
            self.counted(1, out);
        }
        out.push(0);
    }

    fn end(&mut self, kind: u8, out: &mut Vec<u8>) {
        match kind {
            1 => out.extend(self.take(4)),
            2 => out.extend(self.take(16)),
            3 => self.name(out),
            _ => {}
        }
    }

    /// Octets that are well-formed data of a field.
    fn field(&mut self, field: Field, out: &mut Vec<u8>) {
        let some = 1 + usize::from(self.next() % 30);
        match field {
            Field::U8 | Field::Word8(_) => out.push(self.next()),
            Field::U16 | Field::Word16(_) | Field::Type => out.extend(self.take(2)),
            Field::U32 | Field::Period | Field::Time | Field::Ipv4 => out.extend(self.take(4)),
            Field::U64 | Field::Locator => out.extend(self.take(8)),
            Field::Ipv6 => out.extend(self.take(16)),
            Field::Eui(octets) => out.extend(self.take(octets)),
            Field::Name => self.name(out),
            Field::Text | Field::Salt => self.counted(0, out),
            Field::OptionalText => {
                if some > 15 {
                    self.counted(0, out);
                }
            }
            Field::Texts => (0..some % 4 + 1).for_each(|_| self.counted(0, out)),
            Field::Tail => out.extend(self.take(some - 1)),
            Field::Tag => out.extend(b"\x05issue"),
            Field::Hex | Field::Base64 | Field::OptionalBase64 | Field::DashBase64 | Field::Nsap => {
                out.extend(self.take(some));
            }
            Field::LongHex(least) => out.extend(self.take(least + some)),
            Field::Hash => self.counted(1, out),
            Field::Types => {
                for window in 0..some % 3 {
                    let mut bits = self.take(some);
                    bits.push(1);
                    out.extend([u8::try_from(window * 7).unwrap(), u8::try_from(bits.len()).unwrap()]);
                    out.extend(bits);
                }
            }
            Field::Apl => {
                for _ in 0..some % 3 + 1 {
                    let mut octets = self.take(some % 4);
                    octets.push(1);
                    out.extend([0, 1 + self.next() % 2, self.next() % 33]);
                    out.push(u8::try_from(octets.len()).unwrap() | (self.next() & 0x80));
                    out.extend(octets);
                }
            }
            Field::Loc => {
                out.push(0);
                out.extend((0..3).map(|_| ((1 + self.next() % 9) << 4) | (self.next() % 10)).collect::<Vec<_>>());
                for most in [324_000_000, 648_000_000] {
                    let value = u32::from_be_bytes(self.take(4).try_into().unwrap());
                    out.extend(((1u32 << 31) - most + value % (2 * most + 1)).to_be_bytes());
                }
                out.extend(self.take(4));
            }
            Field::Hip => {
                out.extend([u8::try_from(some).unwrap(), self.next(), 0, u8::try_from(some).unwrap()]);
                out.extend(self.take(2 * some));
                (0..some % 3).for_each(|_| self.name(out));
            }
            Field::Gateway => {
                let (kind, algorithm) = (self.next() % 4, self.next());
                out.extend([kind, algorithm]);
                self.end(kind, out);
                // Algorithm 0 may do without a key.
                out.extend(self.take(some - usize::from(algorithm == 0)));
            }
            Field::Services => {
                out.push(self.next());
                let mut bits = self.take(some - 1);
                bits.push(1);
                out.extend(bits);
            }
            Field::Bits => {
                let mut bits = self.take(some % 15);
                bits.push(1);
                bits[0] &= 0x7f;
                out.extend(bits);
            }
            Field::Suffix => {
                let prefix = self.next() % 129;
                out.push(prefix);
                let octets = usize::from(128 - prefix).div_ceil(8);
                let mut suffix = self.take(octets);
                if let Some(first) = suffix.first_mut() {
                    *first &= 0xff >> (prefix % 8);
                }
                out.extend(suffix);
                if prefix > 0 {
                    self.name(out);
                }
            }
            Field::Atm => {
                if some > 15 {
                    out.push(1);
                    out.extend(self.take(some).iter().map(|octet| b'0' + octet % 10));
                } else {
                    out.push(0);
                    out.extend(self.take(20));
                }
            }
            Field::Relay => {
                let kind = self.next() % 4;
                out.push(kind | (self.next() & 0x80));
                self.end(kind, out);
            }
            Field::Params => {
                let mut param = |key: u16, value: Vec<u8>| {
                    out.extend(key.to_be_bytes());
                    out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
                    out.extend(value);
                };
                if some > 10 {
                    param(0, vec![0, 1, 0, 3]);
                }
                let mut ids = Vec::new();
                (0..=some % 3).for_each(|_| self.counted(1, &mut ids));
                param(1, ids);
                param(3, self.take(2));
                param(4, self.take(4 * (some % 3 + 1)));
                param(6, self.take(16 * (some % 2 + 1)));
                if some % 3 == 0 {
                    let mut path = Vec::new();
                    (0..some % 4).for_each(|_| self.counted(1, &mut path));
                    param(10, path);
                }
                param(11, Vec::new());
                param(600, self.take(some - 1));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn well_formed_data_of_every_type_survives_a_round_trip(tape in prop::collection::vec(any::<u8>(), 0..400)) {
        for layout in Layout::all() {
            let mut wire = Vec::new();
            let mut tape = Tape(&tape);
            layout.fields.iter().for_each(|&field| tape.field(field, &mut wire));
            let text = format_rdata(layout.rtype, &wire);
            prop_assert!(!text.starts_with("\\#"), "{} {text}", layout.rtype);
            let read = parse_rdata(layout.rtype, &text, &origin());
            let _ = rdata_fault(layout.rtype, &wire);
            prop_assert_eq!(read.as_deref(), Ok(&wire[..]), "{} {}", layout.rtype, text);
            // There `docpath` has no form of its own.
            if let Some(theirs) = by_domain(layout.rtype, &text).filter(|_| !text.contains("docpath")) {
                prop_assert_eq!(&theirs, &wire, "domain reads {} {}", layout.rtype, text);
            }
        }
    }

    #[test]
    fn whatever_octets_come_are_written_and_what_is_read_back_is_the_same(
        wire in prop::collection::vec(prop_oneof![Just(0u8), 0u8..8, any::<u8>()], 0..80),
        unknown in 300u16..30_000,
    ) {
        for kind in Layout::all().iter().map(|layout| layout.rtype) {
            let text = format_rdata(kind, &wire);
            match parse_rdata(kind, &text, &origin()) {
                Ok(read) => prop_assert_eq!(&read[..], &wire[..], "{} {}", kind, text),
                Err(_) => prop_assert!(text.starts_with("\\#"), "{kind} {text}"),
            }
            target_name(kind, &wire);
            let _ = rdata_fault(kind, &wire);
        }
        let text = format_rdata(RecordType(unknown), &wire);
        let read = parse_rdata(RecordType(unknown), &text, &origin());
        prop_assert_eq!(read.as_deref(), Ok(&wire[..]));
    }

    #[test]
    fn no_text_panics_and_what_is_read_is_stable(
        text in prop_oneof![
            any::<String>(),
            "[ -~\\t\\n]{0,40}",
            "(([0-9]{1,5}|[a-z]{1,4}\\.?|\"[a-z ]*\"|\\\\#|[0-9a-f]{2,6}|[NSEW]|-|[a-z]{3,5}=[a-z0-9,.:]{0,6}|[(;)]) ){0,8}",
        ],
    ) {
        for kind in Layout::all().iter().map(|layout| layout.rtype).chain([RecordType(731)]) {
            if let Ok(wire) = parse_rdata(kind, &text, &origin()) {
                let written = format_rdata(kind, &wire);
                let again = parse_rdata(kind, &written, &Name::root());
                prop_assert_eq!(again.as_deref(), Ok(&wire[..]), "{} {} {}", kind, text, written);
            }
        }
    }
}
