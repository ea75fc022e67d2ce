//! Zones that are transferred from servers that others wrote.

use std::net::{Ipv4Addr, SocketAddr};

use rhumb::wire::RecordType;

use super::primaries::{Dripping, Kind, Primary, SECRET, free_address, zone};
use super::{SOON, Server, Site, eventually};
use crate::harness::Ask;

const SERVFAIL: u16 = 2;
const NOERROR: u16 = 0;
/// The code of the option (RFC 7314 section 2).
const EXPIRE: u16 = 9;
/// No timer of these asks again while a test runs.
const QUIET: &str = "3600 3600 86400";

const ROUTE: &str = "[records]\nwww = { route = \"web\" }\nlocal = { TXT = \"of this server\" }\n\
                     [endpoints.a]\nA = \"192.0.2.99\"\n[routes.web]\npolicy = \"simple\"\nto = \"a\"\n";

/// A secondary of `example.com` at this primary, with a route laid over it.
fn site(primary: SocketAddr) -> Site {
    let keys = format!("[keys.xfr]\nsecret = \"{SECRET}\"\n");
    let zone = format!("zone = \"example.com\"\nprimary = {{ address = \"{primary}\", key = \"xfr\" }}\n{ROUTE}");
    Site::with_zone(&keys, &zone)
}

/// The address of a name, if it has one.
fn a(server: &Server, name: &str) -> Option<String> {
    let reply = server.ask(&Ask::a(name));
    (reply.rcode == NOERROR).then(|| reply.only())
}

/// Texts of one string each.
pub(super) fn texts(server: &Server, name: &str) -> Vec<String> {
    let reply = server.ask(&Ask::of(name, RecordType::TXT));
    let mut texts: Vec<String> =
        reply.answer.iter().map(|record| String::from_utf8(record.rdata[1..].to_vec()).unwrap()).collect();
    texts.sort();
    texts
}

#[track_caller]
fn until(server: &Server, host: &str) {
    eventually(SOON, &format!("host has {host}"), || {
        (a(server, "host.example.com").as_deref() == Some(host)).then_some(())
    });
}

fn secondary(server: &Server) -> serde_json::Value {
    server.status()["secondary_zones"][0].clone()
}

/// What is told follows what is served.
#[track_caller]
fn has_serial(server: &Server, serial: u32) {
    eventually(SOON, &format!("serial {serial} and no failure"), || {
        let told = secondary(server);
        (told["serial"] == serial && told["last_failure"].is_null()).then_some(())
    });
}

/// A primary's zone comes in when it begins, changes when it says so, and stays when both have gone.
fn follows(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    let at = free_address();
    let site = site(at);
    let server = site.start();
    let reply = server.ask(&Ask::a("host.example.com").edns());
    assert_eq!((reply.rcode, reply.extended_error()), (SERVFAIL, Some(14)), "p5: nothing was transferred yet");
    assert_eq!(secondary(&server)["serial"], serde_json::Value::Null);

    let primary = Primary::start(kind, at, server.dns, &zone(7, QUIET, "192.0.2.10"));
    until(&server, "192.0.2.10");
    assert_eq!(a(&server, "www.example.com").as_deref(), Some("192.0.2.99"), "the route goes before the primary");
    assert_eq!(texts(&server, "www.example.com"), ["of the primary"]);
    assert_eq!(texts(&server, "local.example.com"), ["of this server"]);
    has_serial(&server, 7);

    primary.change(&zone(8, QUIET, "192.0.2.11"));
    until(&server, "192.0.2.11");
    has_serial(&server, 8);
    let told = secondary(&server);
    assert!(told["expires"].as_u64() > told["last_check"].as_u64());
    assert!(server.status()["counters"]["secondary_notifies"].as_u64() > Some(0));
    assert!(server.done(&["status"]).contains("example.com"));

    drop(primary);
    server.kill();
    let server = site.start();
    assert_eq!(a(&server, "host.example.com").as_deref(), Some("192.0.2.11"), "from the disk");
    assert_eq!(a(&server, "www.example.com").as_deref(), Some("192.0.2.99"));
}

#[test]
fn p26_a_secondary_of_nsd_follows_it_by_notify_and_serves_without_it() {
    follows(Kind::Nsd);
}

#[test]
fn p26_a_secondary_of_knot_follows_it_by_notify_and_serves_without_it() {
    follows(Kind::Knot);
}

#[test]
fn p26_a_secondary_of_bind_follows_it_by_notify_and_serves_without_it() {
    follows(Kind::Bind);
}

#[test]
fn p26_a_zone_expires_without_its_primary_and_comes_back_with_it() {
    if !Kind::Nsd.is_installed() {
        return;
    }
    let at = free_address();
    let site = site(at);
    let server = site.start();
    let primary = Primary::start(Kind::Nsd, at, server.dns, &zone(7, "1 1 3", "192.0.2.10"));
    until(&server, "192.0.2.10");
    drop(primary);
    let reply = eventually(SOON, "the zone has expired", || {
        let reply = server.ask(&Ask::a("host.example.com").edns());
        (reply.rcode == SERVFAIL).then_some(reply)
    });
    assert_eq!(reply.extended_error(), Some(24), "what is known is too old (RFC 8914 section 4.25)");
    assert_eq!(server.ask(&Ask::a("www.example.com")).rcode, SERVFAIL, "a route is part of its zone");
    assert!(secondary(&server)["last_failure"].is_string());
    // A primary that was set up anew may begin with a lower serial: what has expired binds nobody.
    let _primary = Primary::start(Kind::Nsd, at, server.dns, &zone(3, QUIET, "192.0.2.12"));
    until(&server, "192.0.2.12");
}

#[test]
fn p26_a_faulty_zone_of_a_primary_is_not_taken_and_the_old_one_stays() {
    if !Kind::Nsd.is_installed() {
        return;
    }
    let at = free_address();
    let site = site(at);
    let server = site.start();
    let primary = Primary::start(Kind::Nsd, at, server.dns, &zone(7, QUIET, "192.0.2.10"));
    until(&server, "192.0.2.10");
    // NSD serves it; at a wildcard nobody can delegate.
    let faulty = format!("{}*.sub NS ns1\n", zone(8, QUIET, "192.0.2.11"));
    primary.change(&faulty);
    let why = eventually(SOON, "it is refused", || {
        secondary(&server)["last_failure"].as_str().filter(|why| why.contains("not sound")).map(str::to_owned)
    });
    assert!(why.contains("wildcard"), "{why}");
    assert_eq!(a(&server, "host.example.com").as_deref(), Some("192.0.2.10"));
    primary.change(&zone(9, QUIET, "192.0.2.12"));
    until(&server, "192.0.2.12");
    eventually(SOON, "nothing is wrong any more", || secondary(&server)["last_failure"].is_null().then_some(()));
}

#[test]
fn p26_a_zone_signed_with_another_key_is_not_taken() {
    if !Kind::Nsd.is_installed() {
        return;
    }
    let at = free_address();
    let site = site(at);
    let wrong = "[keys.xfr]\nsecret = \"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\"\n";
    let server_file = format!("zones = \"zones\"\nstate = \"state\"\nworkers = 1\n{wrong}");
    std::fs::write(site.path().join("rhumb.toml"), server_file).unwrap();
    let server = site.start();
    let _primary = Primary::start(Kind::Nsd, at, server.dns, &zone(7, QUIET, "192.0.2.10"));
    let why = eventually(SOON, "it is refused", || {
        secondary(&server)["last_failure"].as_str().filter(|why| !why.contains("refused (os")).map(str::to_owned)
    });
    assert!(!why.is_empty());
    assert_eq!(server.ask(&Ask::a("host.example.com")).rcode, SERVFAIL, "{why}");
}

#[test]
fn p20_p26_a_secondary_tells_what_is_left_of_its_time_and_takes_no_more_than_its_primary_has() {
    if !Kind::Nsd.is_installed() {
        return;
    }
    let at = free_address();
    let first = Site::with_zone(
        &format!("[keys.xfr]\nsecret = \"{SECRET}\"\n"),
        &format!(
            "zone = \"example.com\"\nprimary = {{ address = \"{at}\", key = \"xfr\" }}\n\
             [transfer]\nto = [{{ from = \"127.0.0.0/8\", key = \"xfr\" }}]\n"
        ),
    )
    .start();
    let primary = Primary::start(Kind::Nsd, at, first.dns, &zone(7, QUIET, "192.0.2.10"));
    has_serial(&first, 7);
    let left = |server: &Server| {
        let reply = server.ask(&Ask::of("example.com", RecordType::SOA).option(EXPIRE, &[]));
        let options = &reply.edns.as_ref().unwrap().options;
        let data = options.iter().find(|(code, _)| *code == EXPIRE).map(|(_, data)| data.clone()).unwrap();
        u32::from_be_bytes(data.try_into().unwrap())
    };
    drop(primary);
    let before = eventually(SOON, "time goes by", || Some(left(&first)).filter(|&left| left < 86_399));
    assert!(before > 86_000);
    let second = site(first.dns).start();
    has_serial(&second, 7);
    assert!(left(&second) <= before, "{} of {before}", left(&second));
    assert!(left(&second) > before - 600);
}

#[test]
fn p5_a_zone_that_was_not_transferred_yet_or_has_expired_is_not_answered_from_the_zone_around_it() {
    let around = "sub = { NS = \"host.sub\" }\n\"host.sub\" = { A = \"192.0.2.9\" }\n\"x.sub\" = { A = \"192.0.2.9\" }";
    let primary = Dripping::start(Ipv4Addr::new(127, 77, 3, 4), true);
    let site = Site::with_zone("", &crate::harness::zone(around, ""));
    site.write("sub.example.com.toml", &primary.zone("sub.example.com"));
    let server = site.start();
    let assert_servfail = |error: u16| {
        for name in ["sub.example.com", "host.sub.example.com", "x.sub.example.com"] {
            let reply = server.ask(&Ask::a(name).edns());
            assert_eq!((reply.rcode, reply.aa, reply.extended_error()), (SERVFAIL, false, Some(error)), "{name}");
            assert!(reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty());
        }
    };
    assert_servfail(14);
    primary.flow();
    have(&server, &["sub.example.com".to_owned()], "192.0.2.1");
    primary.drip();
    eventually(SOON, "it has expired", || a(&server, "host.sub.example.com").is_none().then_some(()));
    assert_servfail(24);
}

/// Zones that are asked for at one address at a time.
const TURNS: usize = 8;

/// Waits until the host of each zone has this address.
#[track_caller]
fn have(server: &Server, apexes: &[String], host: &str) {
    for apex in apexes {
        eventually(SOON, &format!("{apex} has {host}"), || {
            (a(server, &format!("host.{apex}")).as_deref() == Some(host)).then_some(())
        });
    }
}

fn apexes(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("z{number}.example")).collect()
}

#[test]
fn p26_a_primary_that_sends_its_zones_in_drops_keeps_no_zone_of_another_waiting() {
    let slow = Dripping::start(Ipv4Addr::new(127, 77, 3, 1), true);
    let site = Site::new("");
    for apex in apexes(60) {
        site.write(&format!("{apex}.toml"), &slow.zone(&apex));
    }
    let server = site.start();
    eventually(SOON, "it has all its turns", || (slow.transfers().1 >= TURNS).then_some(()));
    let quick = Dripping::start(Ipv4Addr::new(127, 77, 3, 2), false);
    site.replace("quick.example.toml", &quick.zone("quick.example"));
    have(&server, &["quick.example".to_owned()], "192.0.2.1");
}

#[test]
fn p26_a_transfer_that_comes_in_drops_is_given_up() {
    let slow = Dripping::start(Ipv4Addr::LOCALHOST, true);
    let server = Site::with_zone("", &slow.zone("example.com")).start();
    eventually(SOON, "it is given up", || {
        secondary(&server)["last_failure"].as_str().filter(|why| why.contains("too slowly")).map(str::to_owned)
    });
    slow.flow();
    until(&server, "192.0.2.1");
}

#[test]
fn p26_a_zone_expires_on_time_while_it_waits_or_is_sent_in_drops_and_comes_back_at_the_end() {
    let primary = Dripping::start(Ipv4Addr::new(127, 77, 3, 3), false);
    let (site, apexes) = (Site::new(""), apexes(TURNS + 2));
    for apex in &apexes {
        site.write(&format!("{apex}.toml"), &primary.zone(apex));
    }
    let server = site.start();
    have(&server, &apexes, "192.0.2.1");
    let before = primary.drip();
    for apex in &apexes {
        let reply = eventually(SOON, &format!("{apex} has expired"), || {
            let reply = server.ask(&Ask::a(&format!("host.{apex}")).edns());
            (reply.rcode == SERVFAIL).then_some(reply)
        });
        assert_eq!(reply.extended_error(), Some(24), "{apex}");
    }
    let (begun, dripping) = primary.transfers();
    assert_eq!((begun - before, dripping), (TURNS, TURNS), "no transfer has ended, and the others wait");
    primary.flow();
    have(&server, &apexes, "192.0.2.2");
}
