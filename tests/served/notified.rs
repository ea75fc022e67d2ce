//! NOTIFY as a secondary sees it: by octets.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use rhumb::config::model::{Secret, TsigAlgorithm, TsigKey};
use rhumb::tsig::{Signer, strip, verify};
use rhumb::wire::{Name, tsig};

use super::stalled::descriptors;
use super::transfers::SECRET;
use super::{SOON, Server, Site, eventually, over_tcp};
use crate::harness::{Ask, zone};

/// A secondary that is told, and a server that tells it.
fn told(with_key: bool) -> (UdpSocket, Site, Server) {
    let secondary = UdpSocket::bind("127.0.0.1:0").unwrap();
    secondary.set_read_timeout(Some(SOON)).unwrap();
    let to = secondary.local_addr().unwrap();
    let key = if with_key { ", key = \"xfr\"" } else { "" };
    let site = Site::with_zone(
        "[keys.xfr]\nsecret_file = \"xfr.secret\"\n",
        &zone("host = { A = \"192.0.2.1\" }", &format!("[transfer]\nnotify = [{{ to = \"{to}\"{key} }}]\n")),
    );
    std::fs::write(site.path().join("xfr.secret"), SECRET).unwrap();
    let server = site.start();
    (secondary, site, server)
}

fn receive(secondary: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 4096];
    let (length, from) = secondary.recv_from(&mut buffer).expect("a NOTIFY");
    (buffer[..length].to_vec(), from)
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// The name up to its root, type and class.
fn question(message: &[u8]) -> &[u8] {
    let root = message[12..].iter().position(|&octet| octet == 0).unwrap();
    &message[12..12 + root + 5]
}

/// The header and question of a message with QR set and this code.
fn reply(message: &[u8], rcode: u8) -> Vec<u8> {
    let mut reply = [&message[..12], question(message)].concat();
    reply[2] |= 0x80;
    reply[3] = rcode;
    reply[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    reply
}

fn state(server: &Server) -> String {
    let status = server.status();
    status["secondaries"][0]["state"].as_str().unwrap_or_default().to_owned()
}

fn serial(server: &Server) -> u32 {
    server.status()["zones"][0]["serial"].as_u64().unwrap() as u32
}

#[test]
fn p24_a_notify_names_the_zone_and_its_serial_and_comes_again_until_it_is_answered() {
    let (secondary, site, server) = told(false);
    let (first, from) = receive(&secondary);
    let opcode_and_aa = 4 << 3 | 0x04;
    assert_eq!(first[2..12], [opcode_and_aa, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(first[12..29], *b"\x07example\x03com\0\0\x06\0\x01");
    // The SOA: a pointer, type and class, TTL, length; the serial stands before the last four numbers.
    assert_eq!(first[29..35], [0xc0, 12, 0, 6, 0, 1]);
    let at = first.len() - 20;
    assert_eq!(first[at..at + 4], serial(&server).to_be_bytes());
    assert_eq!(state(&server), "waiting");
    // Neither another's ID nor a query is an answer.
    let mut forged = reply(&first, 0);
    forged[0] ^= 1;
    secondary.send_to(&forged, from).unwrap();
    secondary.send_to(&first, from).unwrap();
    let (second, from) = receive(&secondary);
    assert_eq!(second[2..], first[2..]);
    assert_ne!(second[..2], first[..2], "an ID of its own");
    // A refusal is none either; it is told of when the last attempt has failed.
    secondary.send_to(&reply(&second, 5), from).unwrap();
    let (third, from) = receive(&secondary);
    secondary.send_to(&reply(&third, 0), from).unwrap();
    eventually(SOON, "it has heard", || (state(&server) == "heard").then_some(()));
    let counted = server.status()["counters"].clone();
    assert_eq!((&counted["notifies_sent"], &counted["notifies_heard"]), (&3.into(), &1.into()));

    // Once it has heard it is left alone until there is news.
    let before = serial(&server);
    site.replace("example.com.toml", &site.read("example.com.toml").replace("192.0.2.1", "192.0.2.2"));
    let (news, _) = receive(&secondary);
    let at = news.len() - 20;
    assert_eq!(news[at..at + 4], serial(&server).to_be_bytes());
    assert_ne!(serial(&server), before);
    assert_eq!(state(&server), "waiting");
}

#[test]
fn p25_a_signed_notify_is_answered_signed_or_not_at_all() {
    let (secondary, _site, server) = told(true);
    let name = Name::absolute("xfr").unwrap();
    let key = TsigKey { name, algorithm: TsigAlgorithm::Sha256, secret: Secret::new((0..32).collect()) };
    let (first, from) = receive(&secondary);
    let request = tsig::read(&first).unwrap().expect("a signature");
    let checked = verify(std::slice::from_ref(&key), &strip(&first, &request), &request, now());
    assert!(checked.is_ok(), "{checked:?}");
    // Unsigned, and signed with another key: both as if nothing had come.
    secondary.send_to(&reply(&first, 0), from).unwrap();
    let wrong = TsigKey { secret: Secret::new(vec![9; 32]), ..key.clone() };
    let mut forged = reply(&first, 0);
    Signer::of_reply(&wrong, request.mac).sign(&mut forged, now());
    secondary.send_to(&forged, from).unwrap();
    let (second, from) = receive(&secondary);
    assert_eq!(state(&server), "waiting");
    let request = tsig::read(&second).unwrap().unwrap();
    let mut right = reply(&second, 0);
    Signer::of_reply(&key, request.mac).sign(&mut right, now());
    secondary.send_to(&right, from).unwrap();
    eventually(SOON, "it has heard", || (state(&server) == "heard").then_some(()));
    secondary.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(secondary.recv(&mut [0; 512]).is_err(), "nothing more to say");
}

#[test]
fn p24_a_secondary_that_knows_no_notify_is_not_told_again() {
    let (secondary, _site, server) = told(false);
    let (first, from) = receive(&secondary);
    secondary.send_to(&reply(&first, 4), from).unwrap();
    eventually(SOON, "it is left alone", || (state(&server) == "not heard: it says NOTIMP").then_some(()));
    let counted = server.status()["counters"].clone();
    assert_eq!((&counted["notifies_sent"], &counted["notifies_lost"]), (&1.into(), &1.into()));
}

#[test]
fn p24_a_silent_secondary_of_many_zones_takes_no_descriptors_and_keeps_no_other_waiting() {
    const ZONES: usize = 400;
    let (silent, live) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let [quiet, to] = [&silent, &live].map(|socket| socket.local_addr().unwrap().to_string());
    live.set_nonblocking(true).unwrap();
    let text = zone("host = { A = \"192.0.2.1\" }", &format!("[transfer]\nnotify = [\"{quiet}\", \"{to}\"]\n"));
    let site = Site::new("");
    for number in 0..ZONES {
        site.write(&format!("z{number}.toml"), &text.replace("example.com", &format!("z{number}.example")));
    }
    let server = site.start();
    let are = |address: &str, state: &str| {
        let status = server.status();
        let all = status["secondaries"].as_array().unwrap();
        all.iter().filter(|secondary| secondary["address"] == address && secondary["state"] == state).count()
    };
    eventually(SOON, "it has heard of all", || {
        let mut message = [0; 4096];
        while let Ok((length, from)) = live.recv_from(&mut message) {
            live.send_to(&reply(&message[..length], 0), from).unwrap();
        }
        (are(&to, "heard") == ZONES).then_some(())
    });
    assert_eq!(are(&quiet, "waiting"), ZONES);
    let open = descriptors(&server);
    assert!(open < ZONES / 2, "{open} descriptors");
    assert_eq!(over_tcp(server.dns, &Ask::a("host.z7.example.")).only(), "192.0.2.1");
}
