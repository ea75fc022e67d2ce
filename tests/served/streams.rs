//! Streams that end badly or do not get on, against the program itself: nobody else notices, and nothing stays behind.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::secure::address;
use super::stalled::{counted, is_ended, stream_from};
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

/// Holds connections from an address, a message always begun on each, and comes back whenever one is closed.
fn stall_on(from: &str, server: SocketAddr, connections: usize, stop: &AtomicBool) {
    let begin = || {
        let mut stream = stream_from(from, server);
        stream.set_nonblocking(true).unwrap();
        // Half of a length.
        let _ = stream.write_all(&[0]);
        stream
    };
    let mut streams: Vec<TcpStream> = (0..connections).map(|_| begin()).collect();
    while !stop.load(Ordering::Relaxed) {
        for stream in &mut streams {
            // The end of a message of no octets, and half of the next one's length.
            let is_closed = stream.write_all(&[0, 0]).is_err() || matches!(stream.read(&mut [0; 8]), Ok(0));
            if is_closed {
                *stream = begin();
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Tells when a test is over, be it by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn p21_messages_that_are_always_begun_keep_nobody_out() {
    let limits = "[limits]\nconnections = 4\nconnections_per_client = 2\nmessage = \"500ms\"\nidle = \"1m\"\n";
    let site = Site::with_zone(limits, &zone("host = { A = \"192.0.2.7\" }", ""));
    let server = site.start();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&stop);
        for from in ["127.77.5.1", "127.77.6.2", "127.77.7.3"] {
            let (stop, at) = (&stop, server.dns);
            scope.spawn(move || stall_on(from, at, 2, stop));
        }
        eventually(SOON, "all places are taken", || (counted(&server, "tcp_evicted") > 0).then_some(()));
        for _ in 0..30 {
            assert_eq!(over_tcp(server.dns, &Ask::a("host.example.com.")).only(), "192.0.2.7");
        }
        // Who has one keeps it from those who have more.
        let mut kept = TcpStream::connect(server.dns).unwrap();
        kept.set_read_timeout(Some(SOON)).unwrap();
        let before = counted(&server, "tcp_evicted");
        eventually(SOON, "they get on", || (counted(&server, "tcp_evicted") > before + 6).then_some(()));
        kept.write_all(&framed("host.example.com.")).unwrap();
        assert!(kept.read(&mut [0; 512]).is_ok_and(|length| length > 2));
    });
    assert_eq!(counted(&server, "tcp_refused"), 0);
}
