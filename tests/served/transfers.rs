//! Zones that other servers and people copy: what they get, signed and not, and who gets nothing.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use rhumb::config::model::{Secret, TsigAlgorithm, TsigKey};
use rhumb::tsig::Signer;
use rhumb::wire::{Name, tsig};

use super::{Client, SOON, Server, Site, eventually};
use crate::harness::zone;

/// The octets 0 to 31, in base64.
pub(super) const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The octets 1 to 32.
const WRONG: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const KEYS: &str = "[keys.xfr]\nsecret_file = \"xfr.secret\"\n[keys.long]\nalgorithm = \"hmac-sha512\"\n\
                    secret = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";
const TRANSFER: &str = "[transfer]\nto = [\"127.0.0.1\", { key = \"xfr\" }]\n";
const SIGNED_ONLY: &str = "[transfer]\nto = [{ key = \"xfr\" }, { from = \"192.0.2.0/24\", key = \"long\" }]\n";

const RECORDS: &str = r#"
ns1 = { A = "192.0.2.53" }
lab = { NS = "ns1.lab" }
"ns1.lab" = { A = "192.0.2.61" }
"*.w" = { TXT = "wild" }
www = { route = "web" }
api = { route = "heavy" }
many = { route = "many" }
down = { route = "chain" }
near = { route = "where" }
"#;

const ROUTES: &str = r#"
[endpoints.a]
A = "192.0.2.1"
AAAA = "2001:db8::1"
at = "DE"
[endpoints.b]
A = "192.0.2.2"
AAAA = "2001:db8::2"
at = "US"
[routes.web]
policy = "simple"
to = ["a"]
[routes.heavy]
policy = "weighted"
sticky = true
to = [{ endpoint = "a", weight = 10 }, { route = "inner", weight = 80 }, { endpoint = "b", weight = 10 }]
[routes.inner]
policy = "weighted"
to = [{ endpoint = "a", weight = 49 }, { endpoint = "b", weight = 51 }]
[routes.many]
policy = "multivalue"
max_answers = 1
to = ["a", "b"]
[routes.chain]
policy = "failover"
to = [{ endpoint = "b", status = "down" }, { endpoint = "a" }]
[routes.where]
policy = "geolocation"
to = [{ where = "country:DE", endpoint = "a" }, { where = "default", endpoint = "b" }]
"#;

/// A server of `example.com` with these lines of `[transfer]`, and keys.
fn site(transfer: &str) -> Site {
    let site = Site::with_zone(KEYS, &zone(RECORDS, &format!("{ROUTES}{transfer}")));
    std::fs::write(site.path().join("xfr.secret"), format!("{SECRET}\n")).unwrap();
    site
}

/// What dig prints.
#[track_caller]
fn dig(server: &Server, arguments: &[&str]) -> String {
    let (at, port) = (format!("@{}", server.dns.ip()), server.dns.port().to_string());
    let mut command = Command::new("dig");
    command.args([&at, "-p", &port, "+time=20", "+tries=1", "+onesoa", "+norec"]).args(arguments);
    let done = command.output().expect("dig is installed");
    String::from_utf8(done.stdout).unwrap()
}

/// Records, each as owner, type and data.
fn records(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    let record = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} {} {}", words[0], words[3], words[4..].join(" "))
    };
    lines.map(record).filter(|record| !record.contains(" TSIG ")).collect()
}

fn all() -> BTreeSet<String> {
    [
        "example.com. NS ns1.example.net.",
        "ns1.example.com. A 192.0.2.53",
        "lab.example.com. NS ns1.lab.example.com.",
        "ns1.lab.example.com. A 192.0.2.61",
        "*.w.example.com. TXT \"wild\"",
        "www.example.com. A 192.0.2.1",
        "www.example.com. AAAA 2001:db8::1",
        "api.example.com. A 192.0.2.2",
        "api.example.com. AAAA 2001:db8::2",
        "many.example.com. A 192.0.2.1",
        "many.example.com. A 192.0.2.2",
        "many.example.com. AAAA 2001:db8::1",
        "many.example.com. AAAA 2001:db8::2",
        "down.example.com. A 192.0.2.1",
        "down.example.com. AAAA 2001:db8::1",
        "near.example.com. A 192.0.2.2",
        "near.example.com. AAAA 2001:db8::2",
    ]
    .map(str::to_owned)
    .into()
}

/// That these are all the records, behind the SOA.
#[track_caller]
fn is_whole(text: &str) {
    let mut records = records(text);
    assert!(records.remove(0).contains("SOA"), "{text}");
    assert_eq!(records.len(), all().len(), "{text}");
    assert_eq!(records.into_iter().collect::<BTreeSet<_>>(), all());
}

fn signed(secret: &str) -> String {
    format!("hmac-sha256:xfr:{secret}")
}

#[test]
fn p24_a_whole_zone_goes_to_who_may_have_it_with_steered_names_as_plain_ones() {
    let server = site(TRANSFER).start();
    is_whole(&dig(&server, &["example.com", "AXFR"]));
    let kdig = Command::new("kdig")
        .args([
            &format!("@{}", server.dns.ip()),
            "-p",
            &server.dns.port().to_string(),
            "example.com",
            "AXFR",
            "+nocrypto",
        ])
        .output()
        .expect("kdig is installed");
    let text = String::from_utf8(kdig.stdout).unwrap();
    let found: BTreeSet<String> = records(&text).into_iter().filter(|record| !record.contains(" SOA ")).collect();
    assert_eq!(found, all(), "{text}");
    assert_eq!(records(&text).iter().filter(|record| record.contains(" SOA ")).count(), 2, "SOA first and last");
    assert_eq!(server.status()["counters"]["transfers_whole"], 2);
}

#[test]
fn p24_who_may_not_have_it_gets_nothing() {
    let server = site(SIGNED_ONLY).start();
    for arguments in [
        &["example.com", "AXFR"][..],
        &["example.com", "IXFR=1"],
        // The right key from the wrong address, and a zone that is not here.
        &["-y", "hmac-sha512:long:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "example.com", "AXFR"],
        &["-y", &signed(SECRET), "example.net", "AXFR"],
        &["-y", &signed(WRONG), "example.com", "AXFR"],
        &["-y", &format!("hmac-sha256:other:{SECRET}"), "example.com", "AXFR"],
        &["-y", &format!("hmac-sha512:xfr:{SECRET}"), "example.com", "AXFR"],
    ] {
        let text = dig(&server, arguments);
        assert!(records(&text).is_empty() && text.contains("Transfer failed"), "{arguments:?}: {text}");
    }
    is_whole(&dig(&server, &["-y", &signed(SECRET), "example.com", "AXFR"]));
    let status = server.status();
    assert_eq!((&status["counters"]["tsig_refused"], &status["counters"]["transfers_whole"]), (&3.into(), &1.into()));
}

#[test]
fn p25_secrets_are_in_no_log_and_in_no_status() {
    let server = site(SIGNED_ONLY).start_with(&["--log", "rhumb=trace"]);
    is_whole(&dig(&server, &["-y", &signed(SECRET), "example.com", "AXFR"]));
    dig(&server, &["-y", &signed(WRONG), "example.com", "AXFR"]);
    let said = format!("{}{}", server.log(), server.status());
    assert!(!said.contains(&SECRET[..12]) && said.len() > 100);
}

#[test]
fn r4_a_secret_that_has_gone_stops_no_restart_and_lets_nobody_in() {
    let site = site(SIGNED_ONLY);
    let server = site.start();
    is_whole(&dig(&server, &["-y", &signed(SECRET), "example.com", "AXFR"]));
    // While it serves, what it has stays.
    std::fs::remove_file(site.path().join("xfr.secret")).unwrap();
    assert!(!server.rhumb(&["reload"]).status.success());
    is_whole(&dig(&server, &["-y", &signed(SECRET), "example.com", "AXFR"]));
    assert!(server.stop().success());
    let server = site.start();
    assert!(dig(&server, &["www.example.com", "A"]).contains("192.0.2.1"));
    let text = dig(&server, &["-y", &signed(SECRET), "example.com", "AXFR"]);
    assert!(records(&text).is_empty() && text.contains("Transfer failed"), "{text}");
    // Once it is back, it counts without a restart.
    std::fs::write(site.path().join("xfr.secret"), SECRET).unwrap();
    eventually(SOON, "the secret is taken", || {
        dig(&server, &["-y", &signed(SECRET), "example.com", "AXFR"]).contains("192.0.2.53").then_some(())
    });
}

#[test]
fn p25_a_plain_query_that_is_signed_is_answered_signed() {
    let server = site(TRANSFER).start();
    for transport in ["+notcp", "+tcp"] {
        let text = dig(&server, &["-y", &signed(SECRET), transport, "www.example.com", "A"]);
        assert!(text.contains("192.0.2.1") && text.contains("TSIG") && text.contains("NOERROR"), "{text}");
        assert!(!text.contains("Couldn't verify") && !text.contains("WARNING"), "{text}");
        let text = dig(&server, &["-y", &format!("hmac-sha256:other:{SECRET}"), transport, "www.example.com", "A"]);
        assert!(text.contains("NOTAUTH") && text.contains("BADKEY") && !text.contains("192.0.2.1"), "{text}");
        let text = dig(&server, &["-y", &signed(WRONG), transport, "www.example.com", "A"]);
        assert!(text.contains("NOTAUTH") && text.contains("BADSIG") && !text.contains("192.0.2.1"), "{text}");
    }
}

/// One message on a stream of its own, and the replies until the stream is silent for the question's sake.
fn over_tcp(server: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&[&(message.len() as u16).to_be_bytes(), message].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    reply
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn p25_every_fault_of_a_signature_is_told_as_the_rfc_says() {
    const FORMERR: u8 = 1;
    const NOTAUTH: u8 = 9;
    let server = site(TRANSFER).start();
    let name = Name::absolute("xfr").unwrap();
    let key = TsigKey { name, algorithm: TsigAlgorithm::Sha256, secret: Secret::new((0..32).collect()) };
    let query = b"\x77\x11\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01".to_vec();
    let signed = |at: u64| {
        let mut message = query.clone();
        Signer::of_request(&key).sign(&mut message, at);
        message
    };
    // From the record's end: other length, error, ID are 6 octets, then 32 of the MAC and 2 of its length.
    let cut = |to: usize| {
        let mut message = signed(now());
        let (end, mac) = (message.len(), message.len() - 6 - 32);
        message.drain(mac + to..end - 6);
        message[mac - 1] = to as u8;
        let data_len = mac - 2 - 8 - 13 - 2;
        message[data_len + 1] -= 32 - to as u8;
        message
    };
    let altered = {
        let mut message = signed(now());
        message[13] ^= 0x20;
        message
    };
    let unknown = {
        let mut message = signed(now());
        let at = tsig::read(&message).unwrap().unwrap().at;
        message[at + 1] = b'y';
        message
    };
    // Message, code, error in the record, whether it is signed.
    type Case<'a> = (&'a str, Vec<u8>, u8, Option<u16>, bool);
    let cases: [Case<'_>; 8] = [
        ("sound", signed(now()), 0, Some(tsig::error::NONE), true),
        ("early", signed(now() - 1000), NOTAUTH, Some(tsig::error::BADTIME), true),
        ("late", signed(now() + 1000), NOTAUTH, Some(tsig::error::BADTIME), true),
        ("cut", cut(20), NOTAUTH, Some(tsig::error::BADTRUNC), true),
        ("cut too short", cut(12), FORMERR, None, false),
        ("altered", altered, NOTAUTH, Some(tsig::error::BADSIG), false),
        ("unknown", unknown, NOTAUTH, Some(tsig::error::BADKEY), false),
        ("not last", [signed(now()), vec![0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]].concat(), FORMERR, None, false),
    ];
    for (what, mut message, rcode, error, is_signed) in cases {
        if what == "not last" {
            message[11] = 2;
        }
        for reply in [over_tcp(server.dns, &message), Client::of(server.dns).exchange(&message).unwrap()] {
            assert_eq!((&reply[..2], reply[2] & 0x80, reply[3] & 15), (&message[..2], 0x80, rcode), "{what}");
            let record = tsig::read(&reply).unwrap();
            assert_eq!(record.as_ref().map(|record| record.error), error, "{what}");
            let Some(record) = record else { continue };
            assert_eq!(!record.mac.is_empty(), is_signed, "{what}");
            assert_eq!(record.key.as_wire(), &message[tsig::read(&message).unwrap().unwrap().at..][..5], "{what}");
            let request = tsig::read(&message).unwrap().unwrap();
            if record.error == tsig::error::BADTIME {
                assert_eq!(record.time, request.time, "the client's time, so that it can check the reply");
                let ours = record.other.iter().fold(0, |time, &octet| time << 8 | u64::from(octet));
                assert!(record.other.len() == 6 && now().abs_diff(ours) < 60);
            }
            if is_signed {
                // Its signature covers the request's; the answer to a sound query is an answer.
                let mut again = reply[..record.at].to_vec();
                again[11] -= 1;
                let mut checker = Signer::of_reply(&key, request.mac);
                checker.sign_error(&mut again, &request, record.error, now());
                let expected = tsig::read(&again).unwrap().unwrap();
                if record.error == tsig::error::BADTRUNC && expected.time == record.time {
                    assert_eq!(expected.mac, record.mac, "{what}");
                }
            }
        }
    }
}

#[test]
fn p24_p25_who_signs_is_refused_a_zone_that_lets_in_nobody_and_told_that_another_is_not_ours() {
    const REFUSED: u8 = 5;
    const NOTAUTH: u8 = 9;
    let server = site("").start();
    let name = Name::absolute("xfr").unwrap();
    let key = TsigKey { name, algorithm: TsigAlgorithm::Sha256, secret: Secret::new((0..32).collect()) };
    for (zone, rcode) in [(b"\x07example\x03com\0", REFUSED), (b"\x07example\x03org\0", NOTAUTH)] {
        let mut message = [&b"\x77\x11\0\0\0\x01\0\0\0\0\0\0"[..], zone, b"\0\xfc\0\x01"].concat();
        Signer::of_request(&key).sign(&mut message, now());
        let reply = over_tcp(server.dns, &message);
        assert_eq!((&reply[..2], reply[3] & 15), (&message[..2], rcode));
        assert!(!tsig::read(&reply).unwrap().expect("a signature").mac.is_empty());
    }
    assert_eq!(server.status()["counters"]["transfers_refused"], 2);
}

#[test]
fn p24_changes_go_to_who_has_the_serial_before_and_the_whole_zone_to_others() {
    let site = site(TRANSFER);
    let server = site.start();
    let serial = |server: &Server| {
        let soa = dig(server, &["+short", "example.com", "SOA"]);
        soa.split_whitespace().nth(2).and_then(|serial| serial.parse::<u32>().ok()).expect("a serial")
    };
    // Whoever copies it first makes the server look at it.
    is_whole(&dig(&server, &["example.com", "AXFR"]));
    let first = serial(&server);
    let mut before = first;
    for (n, change) in [("192.0.2.1\"", "192.0.2.91\""), ("weight = 51", "weight = 1")].into_iter().enumerate() {
        let text = site.read("example.com.toml").replacen(change.0, change.1, 1);
        site.replace("example.com.toml", &text);
        eventually(SOON, "a greater serial", || (serial(&server) > before).then_some(()));
        let after = serial(&server);
        let text = dig(&server, &[&format!("IXFR={before}"), "example.com"]);
        let records = records(&text);
        let owners: BTreeSet<&str> = records.iter().filter_map(|record| record.split_whitespace().next()).collect();
        if n == 0 {
            assert!(records.len() < 16 && owners.contains("www.example.com."), "{text}");
            assert!(!owners.contains("ns1.example.com.") && text.contains("192.0.2.91"), "{text}");
        } else {
            assert!(owners.contains("api.example.com.") && !owners.contains("www.example.com."), "{text}");
        }
        // Over UDP as well, where it fits.
        let by_datagram = dig(&server, &["+notcp", "+bufsize=1232", &format!("IXFR={before}"), "example.com"]);
        assert!(by_datagram.contains("example.com."), "{by_datagram}");
        assert_eq!(self::records(&dig(&server, &[&format!("IXFR={after}"), "example.com"])).len(), 1, "up to date");
        before = after;
    }
    let both = dig(&server, &[&format!("IXFR={first}"), "example.com"]);
    assert!(both.contains("192.0.2.91") && !both.contains("ns1.example.com."), "{both}");
    let unknown = dig(&server, &[&format!("IXFR={}", first - 1), "example.com"]);
    assert!(unknown.contains("ns1.example.com."), "the whole zone: {unknown}");
    let signed = dig(&server, &["-y", &signed(SECRET), &format!("IXFR={first}"), "example.com"]);
    assert!(signed.contains("192.0.2.91") && !signed.contains("Couldn't verify"), "{signed}");
}
