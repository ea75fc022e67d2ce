//! Streams that end badly or do not get on, against the program itself: nobody else notices, and nothing stays behind.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::secure::address;
use super::stalled::{counted, is_ended};
use super::{SOON, Server, Site, encrypted, eventually, over_tcp};
use crate::harness::{Ask, zone};

fn site() -> Site {
    let many: Vec<_> = (0..60).map(|i| format!("\"198.51.100.{i}\"")).collect();
    Site::with_zone("", &zone(&format!("host = {{ A = \"192.0.2.7\" }}\nmany = {{ A = [{}] }}", many.join(", ")), ""))
}

fn framed(name: &str) -> Vec<u8> {
    let query = Ask::a(name).bytes();
    [&u16::try_from(query.len()).unwrap().to_be_bytes()[..], &query].concat()
}

/// Descriptors of the server that are sockets.
fn sockets(server: &Server) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

fn others_are_served(server: SocketAddr) {
    assert_eq!(over_tcp(server, &Ask::a("host.example.com.")).only(), "192.0.2.7");
}

#[test]
fn p21_streams_that_are_reset_in_mid_message_cost_no_other_and_leave_nothing_behind() {
    let site = site();
    let server = site.start();
    let before = sockets(&server);
    let message = framed("host.example.com.");
    for round in 0..60 {
        let mut stream = TcpStream::connect(server.dns).unwrap();
        // Cut anywhere: in the length, in the header, in the name, behind a whole message and a bit of the next.
        let sent = [&message[..], &message[..5]].concat();
        stream.write_all(&sent[..1 + round % (sent.len() - 1)]).unwrap();
        // Closing sends RST instead of FIN.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        if round % 10 == 0 {
            others_are_served(server.dns);
        }
    }
    others_are_served(server.dns);
    eventually(SOON, "every stream is closed", || (sockets(&server) <= before).then_some(()));
    assert_eq!((counted(&server, "panics"), counted(&server, "tcp_accept_errors")), (0, 0));
    let log = server.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn p21_a_client_that_reads_no_replies_is_let_go_in_time_and_costs_no_other() {
    let site = site();
    let server = site.start();
    let mut deaf = TcpStream::connect(server.dns).unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let queries = framed("many.example.com.").repeat(1000);
    // Until neither side's buffers take any more.
    while deaf.write_all(&queries).is_ok() {}
    others_are_served(server.dns);
    eventually(SOON, "it is let go", || (counted(&server, "tcp_late") == 1).then_some(()));
    others_are_served(server.dns);
    // What was sent can be read, and then the stream has ended.
    deaf.set_read_timeout(Some(SOON)).unwrap();
    let mut replies = Vec::new();
    let ended = deaf.read_to_end(&mut replies);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert!(!replies.is_empty());
}

#[test]
fn p21_a_stream_of_one_octet_at_a_time_is_let_go_though_it_never_rests() {
    let site = site();
    let server = site.start();
    let mut slow = TcpStream::connect(server.dns).unwrap();
    slow.set_nodelay(true).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    // A message that is announced to be long.
    slow.write_all(&[0xff, 0xff]).unwrap();
    eventually(SOON, "it is let go", || {
        let written = slow.write_all(&[0]);
        let read = slow.read(&mut [0]);
        let is_waiting = read
            .is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        (written.is_err() || !is_waiting).then_some(())
    });
    assert_eq!(counted(&server, "tcp_late"), 1);
    others_are_served(server.dns);
}

#[test]
fn p21_a_handshake_gives_its_place_up_at_once_when_another_client_needs_it() {
    let site = encrypted::site("[limits]\nconnections = 1\nhandshake = \"1h\"\n");
    let server = site.start();
    let mut slow = TcpStream::connect(address(&server, "tls")).unwrap();
    // The beginning of a record, and no more.
    slow.write_all(&[22, 3, 1, 1]).unwrap();
    eventually(SOON, "it has a place", || (counted(&server, "tcp_connections") == 1).then_some(()));
    others_are_served(server.dns);
    is_ended(slow);
    assert_eq!((counted(&server, "tcp_evicted"), counted(&server, "handshakes_failed")), (1, 0));
}
