#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;

use super::super::text::format_rdata;
use super::*;

const HOUR: u32 = 3600;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn read(text: &str) -> (Vec<MasterRecord>, Vec<MasterError>) {
    scan(text.as_bytes(), &name("example.com."), HOUR)
}

/// Records as `line owner ttl type data`.
fn records(text: &str) -> Vec<String> {
    let (records, errors) = read(text);
    assert_eq!(errors, []);
    let show =
        |r: &MasterRecord| format!("{} {} {} {} {}", r.line, r.owner, r.ttl, r.rtype, format_rdata(r.rtype, &r.rdata));
    records.iter().map(show).collect()
}

/// Faults as `line:column message`.
fn faults(text: &str) -> Vec<String> {
    read(text).1.iter().map(|e| format!("{}:{} {}", e.line, e.column, e.message)).collect()
}

#[test]
fn a_zone_like_that_of_rfc_4592_reads_whole() {
    let zone = "\
$ORIGIN example.
$TTL 1h ; the default
@                     SOA   ns hostmaster ( 2026112301 ; serial
                                            1d 2h  ; refresh, retry
                                            4w 5m )
                      NS    ns.example.com.
                3600  NS    ns.example.net.
*.example.      IN    TXT   \"this is a wildcard\"
*               1d12h IN MX 10 host1
sub.*.example.        TXT   this-is-not
host1           IN 60 A     192.0.2.1
_ssh._tcp.host1       SRV   0 0 22 host1

subdel          NS  ( ns.example.com.
)
\tTYPE731 \\# 3 abcdef
\tLOC 42 21 54 N 71 06 18 W -24m 30m
e EUI48 00-00-5e-00-53-2a
u CLASS1 uri 10 1 \"https://example.com/;x\" ; why";
    assert_eq!(
        records(zone),
        [
            "3 example. 3600 SOA ns.example. hostmaster.example. 2026112301 86400 7200 2419200 300",
            "6 example. 3600 NS ns.example.com.",
            "7 example. 3600 NS ns.example.net.",
            "8 *.example. 3600 TXT \"this is a wildcard\"",
            "9 *.example. 129600 MX 10 host1.example.",
            "10 sub.*.example. 3600 TXT \"this-is-not\"",
            "11 host1.example. 60 A 192.0.2.1",
            "12 _ssh._tcp.host1.example. 3600 SRV 0 0 22 host1.example.",
            "14 subdel.example. 3600 NS ns.example.com.",
            "16 subdel.example. 3600 TYPE731 \\# 3 ABCDEF",
            "17 subdel.example. 3600 LOC 42 21 54.000 N 71 6 18.000 W -24m 30m 10000m 10m",
            "18 e.example. 3600 EUI48 00-00-5e-00-53-2a",
            "19 u.example. 3600 URI 10 1 \"https://example.com/;x\"",
        ]
    );
}

#[test]
fn a_ttl_comes_from_the_record_then_the_directive_then_the_last_record() {
    assert_eq!(
        records(
            "a A 192.0.2.1\nb 5 A 192.0.2.1\nc A 192.0.2.1\n$TTL 7\nd A 192.0.2.1\ne 0 A 192.0.2.1\nf A 192.0.2.1\n"
        ),
        [
            "1 a.example.com. 3600 A 192.0.2.1",
            "2 b.example.com. 5 A 192.0.2.1",
            "3 c.example.com. 5 A 192.0.2.1",
            "5 d.example.com. 7 A 192.0.2.1",
            "6 e.example.com. 0 A 192.0.2.1",
            "7 f.example.com. 7 A 192.0.2.1",
        ]
    );
}

#[test]
fn owners_may_look_like_types_classes_and_numbers() {
    assert_eq!(
        records(
            "a A 192.0.2.1\nin in A 192.0.2.1\nMX MX 10 a\n60 60 A 192.0.2.1\n\\$ttl A 192.0.2.1\n\\@ A 192.0.2.1\n"
        ),
        [
            "1 a.example.com. 3600 A 192.0.2.1",
            "2 in.example.com. 3600 A 192.0.2.1",
            "3 MX.example.com. 3600 MX 10 a.example.com.",
            "4 60.example.com. 60 A 192.0.2.1",
            "5 \\$ttl.example.com. 60 A 192.0.2.1",
            "6 \\@.example.com. 60 A 192.0.2.1",
        ]
    );
}

#[test]
fn line_ends_of_every_kind_and_a_byte_order_mark_are_taken() {
    assert_eq!(records("\u{feff}a A 192.0.2.1\r\n\r\n  AAAA ::1\r\n; end").len(), 2);
    assert!(records("").is_empty());
    assert!(records(" \n\t; x\n()\n").is_empty());
}

#[test]
fn every_fault_is_told_at_its_place_and_the_rest_is_read() {
    let zone = "\
$INCLUDE other.zone
$GENERATE 1-9 a$ A 192.0.2.$
$TTL soon
$ORIGIN a..b
$FOO
  A 192.0.2.1
a CH TXT x
b 300 A 2001:db8::1
c MX (
   10
   mail extra )
d A
ö.e AAAA ::1 x
f 99999999999 A 192.0.2.1
g 2147483648 A 192.0.2.1
h NOTYPE x
i ANY
j OPT x
k TXT \"open
l TXT ) x
m..n A 192.0.2.1
  A 192.0.2.2
n IN IN A 192.0.2.1
o DS 1 2 3 xyz
p TYPE731 \\# 2 00
ok A 192.0.2.3
q A ( 192.0.2.1
";
    let (records, _) = read(zone);
    let found: Vec<_> = records.iter().map(|r| (r.line, r.owner.to_string())).collect();
    assert_eq!(found, [(22, "example.com.".to_owned()), (26, "ok.example.com.".to_owned())]);
    let expected = [
        "1:1 `$INCLUDE` is refused: zone text cannot read other files",
        "2:1 `$GENERATE` is refused: write the records out",
        "3:6 `soon` is no TTL: seconds, or numbers with w, d, h, m, s as in `1d12h`",
        "4:9 `a..b` is no name: a label is empty",
        "5:1 `$FOO` is no directive; there are $ORIGIN and $TTL",
        "6:3 there is no owner yet that this line could repeat",
        "7:3 `CH` is another class; records are of class IN",
        "8:9 `2001:db8::1` is an IPv6 address; A takes IPv4: `192.0.2.1`",
        "11:9 `extra` is one too many; MX takes a preference and a host: `10 mail`",
        "12:4 there is no data; A takes IPv4: `192.0.2.1`",
        "13:14 `x` is one too many; AAAA takes IPv6: `2001:db8::1`",
        "14:3 `99999999999` is no TTL: seconds, or numbers with w, d, h, m, s as in `1d12h`",
        "15:3 `2147483648` is too long; a TTL is at most 2147483647",
        "16:3 `NOTYPE` is no record type; one that has no name here is written `TYPE731`",
        "17:3 `ANY` is another class; records are of class IN",
        "18:3 `OPT` exists in messages only and cannot be stored",
        "19:7 the quote is not closed on its line",
        "20:7 `)` closes nothing",
        "21:1 `m..n` is no name: a label is empty",
        "23:6 `IN` gives the class again",
    ];
    let told = faults(zone);
    assert_eq!(told[..expected.len()], expected);
    let places: Vec<_> = told[expected.len()..].iter().map(|f| f.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["24:12", "25:14", "27:5"]);
}

#[test]
fn huge_tokens_are_cut_in_messages() {
    let told = faults(&format!("a A {}\n", "ö".repeat(100_000)));
    assert!(told[0].len() < 200 && told[0].contains("ö…"), "{}", told[0]);
}

#[test]
fn faults_by_the_thousand_take_time_in_proportion() {
    let zone = "a A (\n".repeat(20_000) + &"b \"\n".repeat(20_000);
    assert_eq!(read(&zone).1.len(), 20_000);
}

proptest! {
    #[test]
    fn no_file_panics(text in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "([a-z@]{0,3}|\\$TTL|\\$ORIGIN|[0-9]{1,3}h?| |\t|\n|\"|\\(|\\)|;|\\\\|IN|A|MX|TXT|SOA|192\\.0\\.2\\.1|\\\\#){0,60}".prop_map(String::into_bytes),
    ]) {
        let (_, errors) = scan(&text, &name("example.com."), HOUR);
        let lines = 1 + text.iter().filter(|&&b| b == b'\n').count();
        for error in errors {
            prop_assert!((1..=lines).contains(&error.line) && error.column >= 1);
        }
    }

    #[test]
    fn what_is_written_reads_back(
        labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..10), 1..5),
        text in prop::collection::vec(any::<u8>(), 0..100),
        ttl in 0u32..=MAX_TTL,
    ) {
        let mut wire: Vec<u8> = Vec::new();
        for label in &labels {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend(label);
        }
        wire.push(0);
        let owner = Name::from_wire(&wire).unwrap();
        let mut rdata = vec![u8::try_from(text.len()).unwrap()];
        rdata.extend(&text);
        let file = format!("{owner} {ttl} IN TXT {}\n", format_rdata(RecordType::TXT, &rdata));
        let (records, errors) = scan(file.as_bytes(), &Name::root(), HOUR);
        prop_assert_eq!(errors, []);
        prop_assert_eq!(records.len(), 1);
        prop_assert_eq!(records[0].owner.as_wire(), &wire[..]);
        prop_assert_eq!((records[0].ttl, &records[0].rdata[..]), (ttl, &rdata[..]));
    }
}

/// All that a scan of parts hands out, in order.
fn scan_at(text: &str, cuts: &[usize]) -> (Vec<MasterRecord>, Vec<MasterError>) {
    let own = |sink: &mut Vec<(usize, MasterRecord)>, r: MasterRecordRef<'_>| {
        let (owner, ttl, rtype) = (r.owner.to_name(), r.ttl, r.rtype);
        sink.push((r.at, MasterRecord { owner, ttl, rtype, rdata: r.rdata.into(), line: 0 }));
    };
    let (sinks, errors) = parts::scan_cut(text.as_bytes(), &name("example.com."), HOUR, cuts, Vec::new, own);
    let line = |(at, record): (usize, MasterRecord)| {
        let line = 1 + text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
        MasterRecord { line, ..record }
    };
    (sinks.into_iter().flatten().map(line).collect(), errors)
}

#[test]
fn a_part_that_was_guessed_wrongly_is_read_again() {
    for text in [
        // The cut is within parentheses, and so is what looks like a directive.
        "a A 192.0.2.1\nb TXT ( \"x\"\n$TTL \"5\"\nc )\nd A 192.0.2.2\n",
        // The last TTL and the last owner go on behind the cut.
        "a 5 A 192.0.2.1\nb A 192.0.2.2\n  A 192.0.2.3\nc A 192.0.2.4\n",
        // The line that begins with an owner cannot be read.
        "a A 192.0.2.1\nb \"x\n  A 192.0.2.2\n",
        "$ORIGIN x.\n$TTL 7\na A 192.0.2.1\n$ORIGIN y.\nb A 192.0.2.1\n\n;\nc A 1\n",
    ] {
        for first in 0..text.len() {
            for second in first..text.len() {
                assert_eq!(scan_at(text, &[first, second]), read(text), "{text:?} cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn a_large_file_is_cut_where_an_owner_begins_and_no_part_is_read_twice() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let mut text = String::from("$TTL 60\n");
    for i in 0..40_000 {
        text.push_str(&format!("n{i} A 192.0.2.1\n  TXT \"number {i}\"\n"));
    }
    let made = AtomicUsize::new(0);
    let count = || {
        made.fetch_add(1, Ordering::Relaxed);
        0
    };
    let (sinks, errors) = scan_parts(text.as_bytes(), &name("example.com."), HOUR, 4, count, |sink, record| {
        assert_eq!(record.ttl, 60);
        *sink += 1;
    });
    assert_eq!((errors.len(), sinks.iter().sum::<usize>(), made.into_inner()), (0, 80_000, 4));
    assert!(sinks.iter().all(|part| (15_000..25_000).contains(part)), "{sinks:?}");
}

/// Lines that mean something, or nothing, to the lines around them.
fn line() -> impl Strategy<Value = String> {
    let sound = [
        "a A 192.0.2.1",
        "b 7 A 192.0.2.2",
        "\tTXT \"x;y\"",
        "  9 MX 1 m",
        "$ORIGIN sub",
        "$ORIGIN example.org.",
        "$TTL 5",
    ];
    let faulty = ["c A x", "d TXT ( one", "two )", "e TXT \"open", "$NOT 1", "..", "; a comment ( \"", "", ")"];
    proptest::sample::select([&sound[..], &sound[..], &faulty[..]].concat()).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn parts_read_at_once_say_what_the_whole_says(
        lines in proptest::collection::vec(line(), 0..30),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
        at_lines in any::<bool>(),
    ) {
        let text = lines.join("\n");
        let starts: Vec<usize> = (0..=text.len()).filter(|&at| at == 0 || text.as_bytes()[at - 1] == b'\n').collect();
        let place = |cut: proptest::sample::Index| {
            if at_lines { starts[cut.index(starts.len())] } else { cut.index(text.len() + 1) }
        };
        let mut cuts: Vec<usize> = cuts.into_iter().map(place).collect();
        cuts.sort_unstable();
        prop_assert_eq!(scan_at(&text, &cuts), read(&text));
    }
}
