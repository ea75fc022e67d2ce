//! Clients that stall, certificates that change: nobody else notices.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::encrypted::site;
use super::secure::{Http3, Https, Quic, Tls, address, believing, certificate, ended, renew, runtime};
use super::{Client, SOON, Server, Site, eventually, over_tcp};
use crate::harness::Ask;

pub(super) fn query() -> Vec<u8> {
    Ask { id: 0, ..Ask::a("host.example.com.") }.bytes()
}

pub(super) fn counted(server: &Server, name: &str) -> u64 {
    server.status()["counters"][name].as_u64().unwrap_or_else(|| panic!("{name} is counted"))
}

/// Waits for the end of a stream that was opened and never got on.
pub(super) fn is_ended(mut stream: TcpStream) {
    stream.set_read_timeout(Some(SOON)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("it is closed: {other:?}"),
    }
}

fn asks_tls(server: &Server, site: &Site) -> std::io::Result<Vec<u8>> {
    Tls::open(address(server, "tls"), believing(certificate(site), &[b"dot"])).try_exchange(&query())
}

/// How many descriptors a process has open.
pub(super) fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

fn allow_descriptors(server: &Server, soft: usize) {
    let (pid, limit) = (format!("--pid={}", server.pid()), format!("--nofile={soft}:"));
    assert!(Command::new("prlimit").args([pid, limit]).status().unwrap().success());
}

#[test]
fn p21_listeners_outlive_a_time_without_descriptors() {
    let site = site("");
    let server = site.start();
    let client = Client::of(server.dns);
    client.exchange(&query()).unwrap();
    let few = descriptors(&server) + 2;
    allow_descriptors(&server, few);
    let streams: Vec<TcpStream> = ["dns", "tls", "https"]
        .iter()
        .cycle()
        .take(12)
        .map(|key| if *key == "dns" { server.dns } else { address(&server, key) })
        .map(|to| TcpStream::connect(to).unwrap())
        .collect();
    eventually(SOON, "all descriptors are taken", || (descriptors(&server) >= few).then_some(()));
    for _ in 0..20 {
        client.exchange(&query()).expect("datagrams need no more of them");
    }
    allow_descriptors(&server, 1000);
    eventually(SOON, "it is told", || (counted(&server, "tcp_accept_errors") > 0).then_some(()));
    drop(streams);
    assert_eq!(over_tcp(server.dns, &Ask::a("host.example.com.")).only(), "192.0.2.7");
    asks_tls(&server, &site).unwrap();
    assert_eq!(Https::open(&server, certificate(&site), "h2").get(&query()).status, 200);
}

#[test]
fn r11_what_is_under_way_is_answered_before_the_end() {
    let site = site("");
    let server = site.start();
    let runtime = runtime();
    let quic = Quic::open(&runtime, address(&server, "quic"), believing(certificate(&site), &[b"doq"]));
    let mut tls = Tls::open(address(&server, "tls"), believing(certificate(&site), &[b"dot"]));
    tls.try_exchange(&query()).unwrap();
    let framed = super::secure::framed(&query());
    let mut stream = runtime.block_on(async {
        let (mut send, receive) = quic.connection.open_bi().await.unwrap();
        send.write_all(&framed[..10]).await.unwrap();
        (send, receive)
    });
    tls.0.write_all(&framed[..10]).unwrap();
    // Both are known to be under way: what was sent later, on other streams, is answered.
    quic.exchange(&query());
    asks_tls(&server, &site).unwrap();
    let at = server.dns;
    server.signal("TERM");
    eventually(SOON, "it listens no more", || TcpStream::connect(at).is_err().then_some(()));
    tls.0.write_all(&framed[10..]).unwrap();
    let mut reply = [0; 2];
    tls.0.read_exact(&mut reply).expect("the reply comes");
    let reply = runtime.block_on(async {
        stream.0.write_all(&framed[10..]).await.unwrap();
        stream.0.finish().unwrap();
        stream.1.read_to_end(1000).await
    });
    assert!(reply.expect("the reply comes").len() > 14);
    assert!(server.stop().success());
}

#[test]
fn p22_handshakes_that_stall_are_ended_in_time_and_cost_no_other() {
    let site = site("[limits]\nhandshake = \"1s\"\n");
    let server = site.start();
    let stalled: Vec<TcpStream> = ["tls", "https", "tls"]
        .iter()
        .map(|key| {
            let mut stream = TcpStream::connect(address(&server, key)).unwrap();
            // The beginning of a record, and no more.
            stream.write_all(&[22, 3, 1, 1]).unwrap();
            stream
        })
        .collect();
    assert_eq!(asks_tls(&server, &site).unwrap()[3] & 0xf, 0);
    assert_eq!(Https::open(&server, certificate(&site), "h2").get(&query()).status, 200);
    stalled.into_iter().for_each(is_ended);
    assert_eq!(counted(&server, "handshakes_failed"), 3);
}

#[test]
fn p22_who_stalls_handshakes_makes_room_for_others() {
    const PROXY: &str = "127.77.1.1";
    let site = site("[limits]\nhandshake = \"30s\"\nhandshakes = 4\n");
    let text = fs::read_to_string(site.path().join("rhumb.toml")).unwrap();
    let listed = text.replace("[listen]\n", "[listen]\nproxy_from = [\"127.77.1.0/24\"]\n");
    fs::write(site.path().join("rhumb.toml"), listed).unwrap();
    let server = site.start();
    let runtime = runtime();
    let stall = |n: usize| stream_from(["127.77.3.1", "127.77.3.2"][n % 2], address(&server, "tls"));
    let mut stalled: Vec<TcpStream> = (0..4).map(stall).collect();
    for n in 0..12 {
        stalled.push(stall(n));
        assert_eq!(asks_tls(&server, &site).unwrap()[3] & 0xf, 0, "never one that gets on");
    }
    eventually(SOON, "all but four have ended", || (counted(&server, "handshakes_evicted") >= 12).then_some(()));
    assert_eq!(Https::open(&server, certificate(&site), "h2").get(&query()).status, 200);
    let quic = Quic::open(&runtime, address(&server, "quic"), believing(certificate(&site), &[b"doq"]));
    assert_eq!(quic.exchange(&query())[3] & 0xf, 0);
    // Proxies are not strangers, and wait for none.
    let mut stream = stream_from(PROXY, server.dns);
    let framed = [&(query().len() as u16).to_be_bytes(), &query()[..]].concat();
    stream.write_all(&[proxy_header([192, 0, 2, 7]), framed].concat()).unwrap();
    let mut reply = [0; 14];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[5] & 0xf, 0);
}

/// The first datagram that a client of QUIC sends, caught on its way.
pub(super) fn first_datagram(runtime: &Arc<tokio::runtime::Runtime>, site: &Site, protocol: &'static [u8]) -> Vec<u8> {
    let catcher = UdpSocket::bind("127.0.0.1:0").unwrap();
    catcher.set_read_timeout(Some(SOON)).unwrap();
    let (at, config) = (catcher.local_addr().unwrap(), believing(certificate(site), &[protocol]));
    let runtime = Arc::clone(runtime);
    let client = thread::spawn(move || drop(Quic::try_open(&runtime, at, config)));
    let mut datagram = vec![0; 4096];
    let (length, from) = catcher.recv_from(&mut datagram).unwrap();
    datagram.truncate(length);
    // It is told that nobody speaks its version, so that it ends: Version Negotiation (RFC 9000 section 17.2.1).
    let (to, rest) = (usize::from(datagram[5]), &datagram[6..]);
    let (client_id, server_id) = (&rest[to + 1..][..usize::from(rest[to])], &rest[..to]);
    let lengths = [client_id.len() as u8, server_id.len() as u8];
    let version = [&[0x80, 0, 0, 0, 0, lengths[0]], client_id, &[lengths[1]], server_id, &[0x1a, 0x2a, 0x3a, 0x4a]];
    catcher.send_to(&version.concat(), from).unwrap();
    client.join().unwrap();
    datagram
}

#[test]
fn p22_a_stalled_handshake_of_quic_holds_up_nobody() {
    let site = site("[limits]\nhandshake = \"1s\"\n");
    let server = site.start();
    let runtime = runtime();
    for (key, protocol) in [("quic", &b"doq"[..]), ("http3", b"h3")] {
        let datagram = first_datagram(&runtime, &site, protocol);
        let stalled: Vec<UdpSocket> = (0..5).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for socket in &stalled {
            socket.send_to(&datagram, address(&server, key)).unwrap();
        }
        // It answered, and waits.
        let socket = &stalled[0];
        socket.set_read_timeout(Some(SOON)).unwrap();
        assert!(socket.recv(&mut [0; 2048]).unwrap() > 0);
        if key == "quic" {
            let quic = Quic::open(&runtime, address(&server, key), believing(certificate(&site), &[protocol]));
            assert_eq!(quic.exchange(&query())[3] & 0xf, 0);
        } else {
            let mut client = Http3::open(&runtime, address(&server, key), certificate(&site));
            assert_eq!(client.get(&query()).status, 200);
        }
    }
    eventually(SOON, "they are given up", || (counted(&server, "handshakes_failed") >= 2).then_some(()));
}

#[test]
fn p22_a_body_that_stalls_is_refused_in_time_and_costs_no_other() {
    let site = site("[limits]\nmessage = \"1s\"\n");
    let server = site.start();
    let mut slow = Tls::open(address(&server, "https"), believing(certificate(&site), &[b"http/1.1"]));
    let head = "POST /dns-query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dns-message\r\nContent-Length: 40\r\n\r\n";
    slow.0.write_all(head.as_bytes()).unwrap();
    slow.0.write_all(&query()[..10]).unwrap();
    let client = Https::open(&server, certificate(&site), "h2");
    assert_eq!(client.post(&query()).status, 200);
    let mut said = Vec::new();
    // Whether it says goodbye or not, it ends.
    let _ = slow.0.read_to_end(&mut said);
    assert!(said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
    assert_eq!(client.post(&query()).status, 200);
    assert_eq!(counted(&server, "tcp_late"), 1);
}

#[test]
fn p22_connections_that_are_silent_are_closed_and_streams_that_stall_are_cancelled() {
    let site = site("[limits]\nidle = \"1s\"\nmessage = \"500ms\"\n");
    let server = site.start();
    let runtime = runtime();
    for (key, protocol) in [("tls", &b"dot"[..]), ("https", b"h2"), ("https", b"http/1.1")] {
        let mut silent = Tls::open(address(&server, key), believing(certificate(&site), &[protocol]));
        silent.0.flush().unwrap();
        let mut all = Vec::new();
        match silent.0.read_to_end(&mut all) {
            Ok(_) => {}
            // Who speaks no HTTP at all is not told goodbye.
            Err(error) if key == "https" && error.kind() == ErrorKind::UnexpectedEof => {}
            Err(error) => panic!("{key}: it is closed in order: {error}"),
        }
    }
    let quic = Quic::open(&runtime, address(&server, "quic"), believing(certificate(&site), &[b"doq"]));
    runtime.block_on(async {
        let (mut send, mut receive) = quic.connection.open_bi().await.unwrap();
        send.write_all(&[0, 40, 0, 0]).await.unwrap();
        match receive.read_to_end(100).await {
            // DOQ_REQUEST_CANCELLED.
            Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => assert_eq!(code.into_inner(), 3),
            other => panic!("the stream is reset: {other:?}"),
        }
    });
    assert_eq!(quic.exchange(&query())[3] & 0xf, 0, "the connection goes on");
    eventually(SOON, "a silent connection of QUIC is closed", || quic.connection.close_reason());
}

#[test]
fn p22_a_new_certificate_is_shown_without_a_restart_and_without_a_failure() {
    let site = site("");
    let server = Arc::new(site.start());
    let old = certificate(&site);
    let mut before = Tls::open(address(&server, "tls"), believing(old.clone(), &[b"dot"]));
    before.try_exchange(&query()).unwrap();
    renew(&site);
    let new = certificate(&site);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let both = |protocols: &[&[u8]]| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(old.clone()).unwrap();
        roots.add(new.clone()).unwrap();
        let mut config = believing(old.clone(), protocols);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
        config.dangerous().set_certificate_verifier(verifier.build().unwrap());
        config
    };
    let (at, config) = (address(&server, "tls"), both(&[b"dot"]));
    let load = thread::spawn({
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        move || {
            while !stop.load(Ordering::Relaxed) {
                Tls::open(at, config.clone()).try_exchange(&query()).expect("no handshake fails meanwhile");
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let shows_new = |key: &str, protocol: &[u8]| {
        Tls::open(address(&server, key), believing(new.clone(), &[protocol])).0.flush().is_ok()
    };
    eventually(SOON, "the new one is shown", || shows_new("tls", b"dot").then_some(()));
    assert!(shows_new("https", b"h2"));
    let runtime = runtime();
    for (key, protocol) in [("quic", &b"doq"[..]), ("http3", b"h3")] {
        let config = believing(new.clone(), &[protocol]);
        assert!(Quic::try_open(&runtime, address(&server, key), config).is_ok(), "{key}");
    }
    assert!(asks_tls(&server, &site).is_ok());
    before.try_exchange(&query()).expect("what was open before goes on");
    let so_far = done.load(Ordering::Relaxed);
    eventually(SOON, "the load goes on", || (done.load(Ordering::Relaxed) > so_far + 3).then_some(()));
    stop.store(true, Ordering::Relaxed);
    load.join().unwrap();
}

#[test]
fn r5_a_certificate_that_cannot_be_used_is_told_of_and_the_old_one_is_shown() {
    let site = site("");
    let server = site.start();
    let (old, whole) = (certificate(&site), fs::read_to_string(site.path().join("tls.pem")).unwrap());
    let shows_old = || Tls::open(address(&server, "tls"), believing(old.clone(), &[b"dot"])).try_exchange(&query());
    // Of another key.
    let (other, _) = ended();
    fs::write(site.path().join("tls.pem"), other).unwrap();
    let refused = eventually(SOON, "the load is refused", || {
        let status = server.status();
        (status["last_load"]["ok"] == false).then_some(status)
    });
    let said = refused["last_load"]["diagnostics"].to_string();
    assert!(said.contains("tls.pem") && said.contains("key.pem") && said.contains("rhumb.toml:"), "{said}");
    assert!(server.log().contains("tls.pem"));
    assert!(server.get("/metrics").1.contains("\nrhumb_last_load_ok 0\n"));
    let reloaded = server.rhumb(&["reload"]);
    assert_eq!(reloaded.status.code(), Some(1));
    shows_old().unwrap();
    // A restart with it serves what does not need it, and says so.
    fs::write(site.path().join("tls.pem"), "nothing").unwrap();
    assert!(server.stop().success());
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("host.example.com.")).only(), "192.0.2.7");
    let status = server.status();
    assert!(status["certificate"]["ends"].is_null(), "{status}");
    assert!(status["notes"].to_string().contains("certificate"), "{status}");
    fs::write(site.path().join("tls.pem"), whole).unwrap();
    eventually(SOON, "the mended one is shown", || asks_tls(&server, &site).ok());
}

#[test]
fn p22_a_certificate_that_has_ended_is_served_with_a_warning() {
    let site = site("");
    let (chain, key) = ended();
    fs::write(site.path().join("tls.pem"), chain).unwrap();
    fs::write(site.path().join("key.pem"), key).unwrap();
    let server = site.start();
    let status = server.status();
    assert!(status["last_load"]["diagnostics"].to_string().contains("has ended"), "{status}");
    assert!(status["notes"].to_string().contains("has ended"), "{status}");
    // 2001-01-01.
    assert!(server.get("/metrics").1.contains("\nrhumb_certificate_end_time_seconds 978307200\n"));
}

/// A header of the PROXY protocol for a client of IPv4.
fn proxy_header(client: [u8; 4]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &client[..], &[127, 0, 0, 1, 0x30, 0x39, 0, 53]].concat()
}

/// A stream from an address of one's own.
pub(super) fn stream_from(from: &str, to: SocketAddr) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

#[test]
fn p23_the_client_that_a_listed_proxy_names_is_the_client_and_nobody_else_is_believed() {
    const PROXY: &str = "127.77.1.1";
    let site = site("");
    let text = fs::read_to_string(site.path().join("rhumb.toml")).unwrap();
    let listed = text.replace("[listen]\n", "[listen]\nproxy_from = [\"127.77.1.0/24\"]\n");
    fs::write(site.path().join("rhumb.toml"), listed).unwrap();
    let server = site.start();
    let near = Ask { id: 0, ..Ask::a("near.example.com.") };
    let (american, european) = ([24, 137, 64, 9], [5, 23, 64, 9]);
    let expected = |subnet: &str| server.ask(&near.clone().subnet(subnet)).only();
    let (west, east) = (expected("24.137.64.0/24"), expected("5.23.64.0/24"));
    assert_ne!(west, east, "the two are told apart");
    let address_in = |reply: &[u8]| crate::harness::Reply::read(reply).only();

    let udp = UdpSocket::bind((PROXY, 0)).unwrap();
    udp.set_read_timeout(Some(SOON)).unwrap();
    let mut reply = [0; 2048];
    for (client, expected) in [(american, &west), (european, &east)] {
        // Without a header, and with half of one: nothing comes back, and nothing of the next one is lost.
        udp.send_to(&near.bytes(), server.dns).unwrap();
        udp.send_to(&proxy_header(client)[..20], server.dns).unwrap();
        udp.send_to(&[proxy_header(client), near.bytes()].concat(), server.dns).unwrap();
        let length = udp.recv(&mut reply).unwrap();
        assert_eq!(address_in(&reply[..length]), *expected);

        let mut stream = stream_from(PROXY, server.dns);
        let framed = [&(near.bytes().len() as u16).to_be_bytes(), &near.bytes()[..]].concat();
        stream.write_all(&[proxy_header(client), framed].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(address_in(&answer), *expected);

        let mut stream = stream_from(PROXY, address(&server, "tls"));
        stream.write_all(&proxy_header(client)).unwrap();
        let mut tls = Tls::over(stream, believing(certificate(&site), &[b"dot"]));
        assert_eq!(address_in(&tls.try_exchange(&near.bytes()).unwrap()), *expected);

        let mut stream = stream_from(PROXY, address(&server, "https"));
        stream.write_all(&proxy_header(client)).unwrap();
        let mut https = Tls::over(stream, believing(certificate(&site), &[b"http/1.1"]));
        assert_eq!(address_in(&https.post(&near.bytes())), *expected);
    }
    // LOCAL: the proxy asks for itself.
    let local = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", &near.bytes()[..]].concat();
    udp.send_to(&local, server.dns).unwrap();
    assert!(udp.recv(&mut reply).unwrap() > 12);
    assert_eq!(counted(&server, "proxy_faults"), 4);

    let mut stream = stream_from(PROXY, server.dns);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    is_ended(stream);
    // A stranger's header is no DNS, and its queries are its own.
    let stranger = UdpSocket::bind("127.77.2.1:0").unwrap();
    stranger.set_read_timeout(Some(SOON)).unwrap();
    stranger.send_to(&[proxy_header(american), near.bytes()].concat(), server.dns).unwrap();
    let length = stranger.recv(&mut reply).unwrap();
    // Its signature reads as an opcode that there is not.
    assert_eq!((length, reply[3] & 0xf), (12, 4));
    stranger.send_to(&near.bytes(), server.dns).unwrap();
    assert!(stranger.recv(&mut reply).unwrap() > 12);
}
