//! Addresses that come and go while the server listens on all of them, in a network namespace of the test's own.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use super::{Namespace, SOON, Server, Site, eventually};
use crate::harness::zone;

/// A namespace with one more interface.
fn namespace(purpose: &str) -> Option<Namespace> {
    let namespace = Namespace::new(purpose)?;
    namespace.ip("link add more type veth peer name end");
    namespace.ip("link set more up");
    namespace.ip("link set end up");
    Some(namespace)
}

/// The A address that dig gets from `server`; dig takes replies from the address that it asked and from no other.
fn dig(namespace: &Namespace, server: SocketAddr, flags: &[&str]) -> String {
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let output = namespace.dig(&[&[&at, "-p", &port, "host.example.com", "+short", "+tries=1"], flags].concat());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// How many UDP sockets the server has at exactly this address.
fn sockets(server: &Server, address: SocketAddr) -> usize {
    let (table, ip) = match address.ip() {
        IpAddr::V4(ip) => ("udp", format!("{:08X}", u32::from_ne_bytes(ip.octets()))),
        IpAddr::V6(ip) => {
            let words = ip.octets();
            let words = words.as_chunks::<4>().0.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word)));
            ("udp6", words.collect())
        }
    };
    let local = format!("{ip}:{:04X}", address.port());
    let table = fs::read_to_string(format!("/proc/{}/net/{table}", server.pid())).unwrap();
    table.lines().filter(|line| line.split_whitespace().nth(1) == Some(&local)).count()
}

#[test]
fn p7_an_address_that_comes_has_sockets_of_its_own_and_one_that_goes_is_not_missed() {
    let Some(namespace) = namespace("addresses") else { return };
    namespace.ip("address add 192.0.2.1/24 dev more");
    let site = Site::with_zone("", &zone("host = { A = \"192.0.2.7\" }", ""));
    // A port of the kernel's choice would not be the same for both families.
    let flags = ["--listen", "0.0.0.0:53", "--listen", "[::]:53", "--workers", "2", "--admin", "unix:admin.sock"];
    let server = site.start_in(namespace.name(), &flags);
    let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 53);

    // Known at the start: bound before the first query.
    for ip in ["192.0.2.1", "127.0.0.1", "::1"] {
        assert_eq!(sockets(&server, at(ip)), 2, "{ip}: one a worker");
        assert_eq!(dig(&namespace, at(ip), &[]), "192.0.2.7", "{ip}");
    }
    assert_eq!((sockets(&server, at("0.0.0.0")), sockets(&server, at("::"))), (2, 2));
    // Never bound: the wildcard answers, from where it was asked.
    assert_eq!(dig(&namespace, at("127.66.5.4"), &[]), "192.0.2.7");

    for (ip, prefix) in [("192.0.2.99", "24"), ("2001:db8::99", "64")] {
        let extra = if ip.contains(':') { " nodad" } else { "" };
        namespace.ip(&format!("address add {ip}/{prefix} dev more{extra}"));
        // At once by the wildcard or a moment later by its own socket: nobody can tell.
        assert_eq!(dig(&namespace, at(ip), &[]), "192.0.2.7", "{ip}");
        eventually(SOON, "it has sockets of its own", || (sockets(&server, at(ip)) == 2).then_some(()));
        for _ in 0..8 {
            // Each dig is another client, so that both workers have their turn.
            assert_eq!(dig(&namespace, at(ip), &[]), "192.0.2.7", "{ip}");
        }
        assert_eq!(dig(&namespace, at(ip), &["+tcp"]), "192.0.2.7", "{ip}");
        namespace.ip(&format!("address delete {ip}/{prefix} dev more"));
        eventually(SOON, "they are closed", || (sockets(&server, at(ip)) == 0).then_some(()));
        assert_eq!(dig(&namespace, at("192.0.2.1"), &[]), "192.0.2.7");
        // It comes back as if it had never gone.
        namespace.ip(&format!("address add {ip}/{prefix} dev more{extra}"));
        eventually(SOON, "it has sockets again", || (sockets(&server, at(ip)) == 2).then_some(()));
        assert_eq!(dig(&namespace, at(ip), &[]), "192.0.2.7", "{ip}");
    }
    // One that has to be found unique first can be bound only then, of which the kernel sends word.
    namespace.ip("address add 2001:db8::77/64 dev more");
    eventually(SOON, "it has sockets of its own", || (sockets(&server, at("2001:db8::77")) == 2).then_some(()));
    assert_eq!(dig(&namespace, at("2001:db8::77"), &[]), "192.0.2.7");

    let log = server.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR") && !log.contains("socket"), "{log}");
}

#[test]
fn p7_a_reply_that_its_interface_cannot_send_whole_leaves_in_fragments_and_no_other_does() {
    let Some(namespace) = namespace("fragments") else { return };
    let text =
        format!("\"{}\" \"{}\" \"{}\" \"{}\"", "a".repeat(250), "b".repeat(250), "c".repeat(250), "d".repeat(250));
    let site = Site::with_zone("", &zone(&format!("host = {{ A = \"192.0.2.7\", TXT = '{text}' }}"), ""));
    let _server = site.start_in(namespace.name(), &["--listen", "127.0.0.1:53", "--admin", "unix:admin.sock"]);
    let at: SocketAddr = "127.0.0.1:53".parse().unwrap();
    let asked = ["+bufsize=1232", "+ignore", "-t", "TXT"];
    let in_fragments = || {
        let counters = namespace.command("cat").arg("/proc/net/snmp").output().unwrap().stdout;
        let counters = String::from_utf8(counters).unwrap();
        let lines: Vec<Vec<&str>> =
            counters.lines().filter(|line| line.starts_with("Ip:")).map(|line| line.split(' ').collect()).collect();
        let place = lines[0].iter().position(|name| *name == "FragCreates").unwrap();
        lines[1][place].parse::<u64>().unwrap()
    };
    assert!(dig(&namespace, at, &asked).contains(&"d".repeat(250)));
    assert_eq!(in_fragments(), 0);
    namespace.ip("link set lo mtu 900");
    assert!(dig(&namespace, at, &asked).contains(&"d".repeat(250)), "whole, though not in one piece");
    assert_eq!(in_fragments(), 2);
    assert_eq!(dig(&namespace, at, &[]), "192.0.2.7");
    assert_eq!(in_fragments(), 2);
}
