//! Where it listens, and how soon it answers.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Client, Site, over_tcp};
use crate::harness::{Ask, zone};

fn site() -> Site {
    Site::with_zone("", &zone("host = { A = \"192.0.2.7\" }", ""))
}

#[test]
fn the_first_answer_comes_within_a_second_of_the_start() {
    // Unoptimized code, on a machine that runs other tests beside this one, is not what the bound is for.
    let within = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
    let site = site();
    let begun = Instant::now();
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("host.example.com.")).only(), "192.0.2.7");
    assert!(begun.elapsed() <= within, "{:?}", begun.elapsed());
}

#[test]
fn p7_replies_leave_from_the_address_that_the_query_reached() {
    let server = site().start_with(&["--listen", "0.0.0.0:0"]);
    for reached in ["127.66.1.1", "127.0.0.1", "127.66.1.2"] {
        // A connected socket takes replies from that address alone.
        let address = SocketAddr::new(reached.parse().unwrap(), server.dns.port());
        assert_eq!(Client::of(address).ask(&Ask::a("host.example.com.")).only(), "192.0.2.7", "{reached}");
        assert_eq!(over_tcp(address, &Ask::a("host.example.com.")).only(), "192.0.2.7", "{reached}");
    }
}

#[test]
fn every_address_that_is_given_answers_ipv6_where_the_machine_has_it() {
    let mut flags = vec!["--listen", "127.0.0.1:0", "--listen", "127.66.2.1:0"];
    if UdpSocket::bind("[::1]:0").is_ok() {
        flags.extend(["--listen", "[::1]:0"]);
    }
    let server = site().start_with(&flags);
    let told: Vec<SocketAddr> = server.told["dns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|address| address.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(told.len(), flags.len() / 2);
    for address in told {
        assert_eq!(Client::of(address).ask(&Ask::a("host.example.com.")).only(), "192.0.2.7", "{address}");
        assert_eq!(over_tcp(address, &Ask::a("host.example.com.")).only(), "192.0.2.7", "{address}");
    }
}

#[test]
fn dig_understands_the_answers() {
    let server = site().start();
    let dig = |flags: &[&str]| {
        let (host, port) = (format!("@{}", server.dns.ip()), server.dns.port().to_string());
        Command::new("dig").args([&host, "-p", &port, "host.example.com", "+short"]).args(flags).output()
    };
    for flags in [&["+notcp"][..], &["+tcp"], &["+subnet=81.2.69.0/24"], &["+noedns"]] {
        // Not every machine has it.
        let Ok(output) = dig(flags) else { return };
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "192.0.2.7", "{flags:?}: {output:?}");
    }
}

#[test]
fn nothing_answers_any_more_once_it_has_stopped() {
    let server = site().start();
    let address = server.dns;
    assert_eq!(server.ask(&Ask::a("host.example.com.")).only(), "192.0.2.7");
    assert!(server.stop().success());
    assert!(TcpStream::connect(address).is_err());
    assert!(Client::of(address).exchange(&Ask::a("host.example.com.").bytes()).is_err());
}

#[test]
fn p2_nothing_is_sent_to_port_0() {
    use socket2::{Domain, Protocol, Socket, Type};
    let site = site();
    let server = site.start();
    let other = Site::with_zone("transport = \"hickory\"", &zone("host = { A = \"192.0.2.7\" }", ""));
    let hickory = other.start();
    // Whoever has a socket of this kind writes the head of each packet.
    const WITH_HEADS: i32 = 255;
    let Ok(raw) = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(WITH_HEADS))) else {
        assert!(std::env::var_os("CI").is_none(), "CI may have raw sockets");
        return;
    };
    let query = Ask::a("host.example.com.").bytes();
    for to in [server.dns, hickory.dns] {
        let SocketAddr::V4(v4) = to else { panic!("an IPv4 address") };
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1];
        packet.extend(v4.ip().octets());
        // From port 0, and without a checksum.
        packet.extend([0, 0]);
        packet.extend(v4.port().to_be_bytes());
        packet.extend((8 + query.len() as u16).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(&query);
        raw.send_to(&packet, &to.into()).unwrap();
        // Datagrams keep their order on loopback.
        assert_eq!(Client::of(to).ask(&Ask::a("host.example.com.")).only(), "192.0.2.7");
    }
    let counted = |name: &str| server.status()["counters"][name].as_u64().unwrap();
    assert_eq!((counted("udp_queries"), counted("udp_replies")), (2, 1));
    assert_eq!((counted("udp_errors"), counted("udp_full")), (0, 0), "sending was not even tried");
}
