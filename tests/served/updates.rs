//! Updates by clients that others wrote, and through crashes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rhumb::config::model::{Secret, TsigAlgorithm, TsigKey};
use rhumb::tsig::Signer;
use rhumb::wire::{Name, RecordType, push_record};

use super::primaries::SECRET;
use super::secondary::texts;
use super::{SOON, Server, Site, eventually, over_tcp};
use crate::harness::{Ask, zone};

const RECORDS: &str = "plain = { A = \"192.0.2.7\" }\nwww = { route = \"web\" }\n";
const ROUTE: &str = "[endpoints.a]\nA = \"192.0.2.99\"\n[routes.web]\npolicy = \"simple\"\nto = \"a\"\n[transfer]\nto = \"127.0.0.1\"\n[update]\nkeys = [\"upd\", { key = \"acme\", names = [\"_acme-challenge\"], types = [\"TXT\"] }]\n";

fn site() -> Site {
    let keys = format!("[keys.upd]\nsecret = \"{SECRET}\"\n[keys.acme]\nsecret = \"{SECRET}\"\n");
    Site::with_zone(&keys, &zone(RECORDS, ROUTE))
}

fn serial(server: &Server) -> u64 {
    server.status()["zones"][0]["serial"].as_u64().unwrap()
}

/// Runs `nsupdate` with these commands between `zone` and `send`; what it says if it fails.
fn nsupdate(server: &Server, key: &str, commands: &str) -> Result<(), String> {
    let mut command = Command::new("nsupdate");
    command.args(["-t", "20", "-y", &format!("hmac-sha256:{key}:{SECRET}")]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nsupdate is there");
    let text = format!("server {} {}\nzone example.com\n{commands}\nsend\n", server.dns.ip(), server.dns.port());
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

/// What dig prints.
fn dig(server: &Server, arguments: &[&str]) -> String {
    let (at, port) = (format!("@{}", server.dns.ip()), server.dns.port().to_string());
    let done = Command::new("dig").args([&at, "-p", &port, "+time=20", "+tries=1"]).args(arguments).output();
    String::from_utf8(done.expect("dig is there").stdout).unwrap()
}

#[test]
fn p27_nsupdate_adds_and_takes_away_and_it_is_live_at_once() {
    let site = site();
    let server = site.start();
    let before = serial(&server);
    nsupdate(&server, "upd", "update add new.example.com 60 TXT one\nupdate add new.example.com 60 TXT two").unwrap();
    assert_eq!(texts(&server, "new.example.com"), ["one", "two"]);
    assert_eq!(serial(&server), before + 1);
    // Those who copy the zone get the difference.
    let difference = dig(&server, &["example.com", &format!("IXFR={before}")]);
    assert!(difference.contains("\"one\"") && !difference.contains("plain"), "{difference}");
    nsupdate(&server, "upd", "prereq yxrrset new.example.com TXT\nupdate delete new.example.com TXT one").unwrap();
    assert_eq!(texts(&server, "new.example.com"), ["two"]);
    nsupdate(&server, "upd", "update delete plain.example.com A").unwrap();
    server.ask(&Ask::a("plain.example.com")).assert_nxdomain();
    assert_eq!(serial(&server), before + 3);

    for (commands, code) in [
        ("prereq nxdomain new.example.com\nupdate add x.example.com 60 A 192.0.2.1", "YXDOMAIN"),
        ("prereq yxdomain none.example.com\nupdate add x.example.com 60 A 192.0.2.1", "NXDOMAIN"),
        ("prereq nxrrset new.example.com TXT\nupdate add x.example.com 60 A 192.0.2.1", "YXRRSET"),
        ("prereq yxrrset new.example.com A\nupdate add x.example.com 60 A 192.0.2.1", "NXRRSET"),
        ("update add www.example.com 60 TXT steered", "REFUSED"),
        ("update add x.example.org 60 A 192.0.2.1", "NOTZONE"),
    ] {
        let said = nsupdate(&server, "upd", commands).expect_err(code);
        assert!(said.contains(code), "{code}: {said}");
    }
    server.ask(&Ask::a("x.example.com")).assert_nxdomain();
    assert_eq!(server.ask(&Ask::a("www.example.com")).only(), "192.0.2.99");
    let counters = &server.status()["counters"];
    assert_eq!((&counters["updates_taken"], &counters["updates_refused"]), (&3.into(), &6.into()));

    // The files are edited below it: what no update has touched follows, and the serial goes on.
    let edited = zone(&format!("{RECORDS}more = {{ A = \"192.0.2.8\" }}\n"), ROUTE);
    site.replace("example.com.toml", &edited);
    eventually(SOON, "the edit is live", || (server.ask(&Ask::a("more.example.com")).answer.len() == 1).then_some(()));
    assert_eq!(texts(&server, "new.example.com"), ["two"]);
    server.ask(&Ask::a("plain.example.com")).assert_nxdomain();
    assert!(serial(&server) > before + 3);

    nsupdate(&server, "upd", "update add new.example.com 60 TXT three").unwrap();
    let last = serial(&server);
    server.kill();
    let server = site.start();
    assert_eq!(texts(&server, "new.example.com"), ["three", "two"]);
    server.ask(&Ask::a("plain.example.com")).assert_nxdomain();
    assert!(serial(&server) >= last, "{} after {last}", serial(&server));
}

#[test]
fn p27_no_update_makes_a_zone_that_a_later_start_would_not_take_or_takes_a_route_away() {
    let records = format!("{RECORDS}\"deep.below\" = {{ route = \"web\" }}\n");
    let site = site();
    site.replace("example.com.toml", &zone(&records, ROUTE));
    let server = site.start();
    // What contradicts itself is left out (RFC 6672 section 2.3, RFC 2136 section 3.4.2.2).
    nsupdate(
        &server,
        "upd",
        "update add cut.example.com 60 NS ns.other.test.\nupdate add cut.example.com 60 DNAME other.test.",
    )
    .unwrap();
    nsupdate(
        &server,
        "upd",
        "update add led.example.com 60 DNAME other.test.\nupdate add led.example.com 60 NS ns.other.test.",
    )
    .unwrap();
    nsupdate(
        &server,
        "upd",
        "update add 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.com 60 NSEC3 1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A\n\
         update add 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.com 60 CNAME other.test.",
    )
    .unwrap();
    server.done(&["reload"]);
    for commands in [
        "update add below.example.com 60 NS ns.other.test.",
        "update add below.example.com 60 DNAME other.test.",
        "update add example.com 60 DNAME other.test.",
    ] {
        let said = nsupdate(&server, "upd", commands).expect_err(commands);
        assert!(said.contains("REFUSED"), "{commands}: {said}");
    }
    assert_eq!(server.ask(&Ask::a("deep.below.example.com")).only(), "192.0.2.99");
    server.kill();
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("deep.below.example.com")).only(), "192.0.2.99");
    assert!(dig(&server, &["+norec", "x.led.example.com", "A"]).contains("DNAME\tother.test."));
    let referred = dig(&server, &["+norec", "cut.example.com", "A"]);
    assert!(referred.contains("NS\tns.other.test.") && !referred.contains("DNAME"), "{referred}");
}

#[test]
fn p27_a_serial_that_goes_round_the_circle_is_served_as_given() {
    let server = site().start();
    let mut last = serial(&server) as u32;
    // Two steps of the longest stride end behind where they began (RFC 1982 section 7).
    for stride in [i32::MAX as u32, i32::MAX as u32, 2] {
        let next = last.wrapping_add(stride);
        let soa =
            format!("update add example.com 60 SOA ns1.example.net. hostmaster.example.com. {next} 3600 600 86400 60");
        nsupdate(&server, "upd", &soa).unwrap();
        assert_eq!(dig(&server, &["+short", "example.com", "SOA"]).split(' ').nth(2), Some(&*next.to_string()));
        last = next;
    }
}

#[test]
fn p27_a_key_may_change_what_it_was_given_and_strangers_nothing() {
    let server = site().start();
    nsupdate(&server, "acme", "update add _acme-challenge.example.com 60 TXT token").unwrap();
    assert_eq!(texts(&server, "_acme-challenge.example.com"), ["token"]);
    let said = nsupdate(&server, "acme", "update add other.example.com 60 TXT token").unwrap_err();
    assert!(said.contains("REFUSED"), "{said}");
    let said = nsupdate(&server, "nobody", "update add other.example.com 60 TXT token").unwrap_err();
    assert!(said.contains("NOTAUTH") || said.contains("BADKEY"), "{said}");
    server.ask(&Ask::a("other.example.com")).assert_nxdomain();
}

/// A Python that has the certificate tool's plug-in.
fn certbot() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/certbot/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there, and CI needs it", python.display());
    eprintln!("skipped: {} is not there; .ci/run makes it", python.display());
    None
}

#[test]
fn p27_a_certificate_tool_places_its_token_and_takes_it_away() {
    let Some(python) = certbot() else { return };
    let server = site().start();
    let run = |call: &str| {
        let script = format!(
            "import dns.tsig\nfrom certbot_dns_rfc2136._internal.dns_rfc2136 import _RFC2136Client\n\
             client = _RFC2136Client('{}', {}, 'acme', '{SECRET}', dns.tsig.HMAC_SHA256, False)\nclient.{call}\n",
            server.dns.ip(),
            server.dns.port()
        );
        let done = Command::new(&python).args(["-c", &script]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run("add_txt_record('_acme-challenge.example.com', 'token', 60)");
    run("add_txt_record('_acme-challenge.example.com', 'second', 60)");
    assert_eq!(texts(&server, "_acme-challenge.example.com"), ["second", "token"]);
    run("del_txt_record('_acme-challenge.example.com', 'token')");
    run("del_txt_record('_acme-challenge.example.com', 'second')");
    server.ask(&Ask::of("_acme-challenge.example.com", RecordType::TXT)).assert_nxdomain();
}

/// An UPDATE that adds a text, signed.
fn adding(owner: &str, text: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x28, 0, 0, 1, 0, 0, 0, 1, 0, 0];
    message.extend(Name::absolute("example.com").unwrap().as_wire());
    message.extend([0, 6, 0, 1]);
    let rdata = [&[text.len() as u8], text.as_bytes()].concat();
    push_record(&mut message, Name::absolute(owner).unwrap().view(), RecordType::TXT, 1, 60, &rdata);
    let key = TsigKey {
        name: Name::absolute("upd").unwrap(),
        algorithm: TsigAlgorithm::Sha256,
        secret: Secret::new((0..32).collect()),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Signer::of_request(&key).sign(&mut message, now);
    message
}

/// The response code; `None`: the server has gone.
fn answered(stream: &mut TcpStream, message: &[u8]) -> Option<u8> {
    stream.write_all(&[&(message.len() as u16).to_be_bytes(), message].concat()).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).ok()?;
    Some(reply[3] & 0xf)
}

/// Adds one text after the other until the server has gone; which of them were acknowledged, as `acknowledged` counts.
fn add_until_gone(server: SocketAddr, round: usize, acknowledged: &AtomicUsize) -> Vec<String> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut done = Vec::new();
    for number in 0.. {
        let text = format!("{round}-{number}");
        match answered(&mut stream, &adding(&format!("n{}.example.com", number % 3), &text)) {
            Some(0) => done.push(text),
            Some(rcode) => panic!("code {rcode}"),
            None => break,
        }
        acknowledged.store(done.len(), Ordering::SeqCst);
    }
    done
}

#[test]
fn p27_r10_no_update_that_was_acknowledged_is_lost_by_kill_9() {
    const ROUNDS: usize = 6;
    let site = site();
    let mut expected: Vec<String> = Vec::new();
    for round in 0..=ROUNDS {
        let server = site.start();
        let mut held: Vec<String> = (0..3).flat_map(|n| texts(&server, &format!("n{n}.example.com"))).collect();
        held.sort();
        for text in &expected {
            assert!(held.binary_search(text).is_ok(), "round {round}: {text} was acknowledged and is lost: {held:?}");
        }
        // One that was under way when the server died may be there.
        assert!(held.len() <= expected.len() + round, "round {round}: {held:?}");
        if round == ROUNDS {
            break;
        }
        let (at, acknowledged) = (server.dns, AtomicUsize::new(0));
        let done = std::thread::scope(|scope| {
            let adding = scope.spawn(|| add_until_gone(at, round, &acknowledged));
            eventually(SOON, "some are acknowledged", || (acknowledged.load(Ordering::SeqCst) > round).then_some(()));
            server.kill();
            adding.join().unwrap()
        });
        assert!(!done.is_empty());
        expected.extend(done);
    }
}

/// A small file system of its own at a directory, until dropped.
struct Small(PathBuf);

impl Small {
    /// `None` where this machine lets us mount nothing, which a machine of CI must do.
    fn at(directory: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&directory).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=128k", "rhumb-test"]).arg(&directory).output();
        let is_mounted = mounted.is_ok_and(|done| done.status.success());
        assert!(is_mounted || std::env::var_os("CI").is_none(), "CI mounts a file system");
        is_mounted.then_some(Self(directory))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: the server may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn p27_r4_an_update_that_the_disk_has_no_room_for_is_refused_and_nothing_acknowledged_is_lost() {
    let site = site();
    let state = site.path().join("state");
    let Some(_small) = Small::at(state.clone()) else { return };
    let mut server = site.start();
    let add = |server: &Server, number: usize| {
        let mut stream = TcpStream::connect(server.dns).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let text = format!("{number:03}{}", "x".repeat(200));
        (answered(&mut stream, &adding("full.example.com", &text)).expect("a reply"), text)
    };
    let (rcode, first) = add(&server, 0);
    assert_eq!(rcode, 0);
    // More than a datagram holds.
    let held = |server: &Server| {
        let reply = over_tcp(server.dns, &Ask::of("full.example.com", RecordType::TXT));
        let mut texts: Vec<String> =
            reply.answer.iter().map(|record| String::from_utf8(record.rdata[1..].to_vec()).unwrap()).collect();
        texts.sort();
        texts
    };
    let ballast = state.join("ballast");
    let filled = std::fs::write(&ballast, vec![0; 1 << 20]);
    assert!(filled.is_err(), "the disk is full");
    let mut acknowledged = vec![first];
    // What is left of the last page may do for a few.
    let refused = (1..100).find(|&number| {
        let (rcode, text) = add(&server, number);
        assert!([0, 2].contains(&rcode), "done, or SERVFAIL: {rcode}");
        if rcode == 0 {
            acknowledged.push(text);
        }
        rcode != 0
    });
    let refused = refused.expect("there is no room at some time");
    assert_eq!(held(&server), acknowledged, "what was refused is not served");
    server.kill();
    server = site.start();
    assert_eq!(held(&server), acknowledged, "with no room at the start either");
    std::fs::remove_file(&ballast).unwrap();
    let (rcode, text) = add(&server, refused);
    assert_eq!(rcode, 0, "there is room again");
    acknowledged.push(text);
    assert_eq!(held(&server), acknowledged);
}
