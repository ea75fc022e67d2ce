//! Items 19, 21 and 28 over sockets: who asks too fast is told to come again over TCP, or with a cookie; who asks for too
//! much at once, or in another's name, gets no further.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use rhumb::wire::RecordType;

use super::secure::{Http3, Https, Quic, Tls, address, believing, certificate, framed, runtime};
use super::stalled::{counted, first_datagram, query, stream_from};
use super::{SOON, Server, Site, encrypted, eventually, over_tcp};
use crate::harness::{Ask, Reply, zone};

/// The cookie option's code.
const COOKIE: u16 = 10;
const BADCOOKIE: u16 = 23;

fn server(rules: &str) -> Server {
    Site::with_zone(rules, &zone("host = { A = \"192.0.2.7\" }", "")).start()
}

/// A socket of one of loopback's many addresses.
struct Sender(UdpSocket);

impl Sender {
    fn at(address: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    fn ask(&self, ask: &Ask) -> Reply {
        self.0.send(&ask.bytes()).unwrap();
        let mut reply = [0; 4096];
        let len = self.0.recv(&mut reply).expect("a reply");
        Reply::read(&reply[..len])
    }

    /// Of so many queries, one after the other, how many are answered in full. The others are truncated and empty.
    fn answered(&self, queries: usize) -> usize {
        let replies = (0..queries).map(|_| self.ask(&Ask::a("host.example.com.")));
        let full = |reply: Reply| {
            assert_eq!((reply.rcode, reply.tc, reply.answer.len()), (0, reply.tc, usize::from(!reply.tc)));
            !reply.tc
        };
        replies.map(full).filter(|&full| full).count()
    }
}

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.get("/metrics").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("a metric");
    line.parse().expect("a number")
}

/// One query a second, and one at once: whatever the machine's pace, most of many are over the limit.
const STRICT: &str = "[rate_limit]\nrate = 1\nexempt = [\"127.4.0.0/16\"]\n";

#[test]
fn p28_over_the_limit_replies_are_truncated_and_whoever_is_exempt_is_answered() {
    let server = server(STRICT);
    let flood = Sender::at("127.1.0.1", server.dns);
    let answered = flood.answered(1000);
    assert!((2..900).contains(&answered), "{answered} of 1000");
    assert_eq!(metric(&server, "rhumb_rate_limited_total"), 1000 - answered as u64);

    // Another sender, and another way.
    assert_eq!(Sender::at("127.2.0.1", server.dns).answered(1), 1);
    assert_eq!(Sender::at("127.4.0.1", server.dns).answered(1000), 1000);
    for _ in 0..20 {
        assert_eq!(over_tcp(server.dns, &Ask::a("host.example.com.")).only(), "192.0.2.7");
    }
}

#[test]
fn p28_what_is_no_plain_query_is_limited_as_well() {
    const NOTIFY: u8 = 4;
    const MANY: u64 = 100;
    let server = server(STRICT);
    // To transfers the reply is a truncated one; a NOTIFY is dropped, since a reply to it could be taken for its receipt.
    let transfers = Sender::at("127.1.0.9", server.dns);
    let ask = Ask::of("example.com.", RecordType::AXFR);
    let truncated = (0..MANY).filter(|_| transfers.ask(&ask).tc).count();
    assert!(truncated > 50, "{truncated} of {MANY}");
    let before = metric(&server, "rhumb_rate_limited_total");
    assert_eq!(before, truncated as u64);
    let strangers = Sender::at("127.1.0.10", server.dns);
    let mut notify = Ask::of("example.com.", RecordType::SOA).bytes();
    notify[2] = NOTIFY << 3;
    let mut replies = 0;
    for _ in 0..MANY {
        // One after the other, so that none is lost on the way.
        let seen = metric(&server, "rhumb_udp_queries_total");
        strangers.0.send(&notify).unwrap();
        eventually(SOON, "it is read", || (metric(&server, "rhumb_udp_queries_total") > seen).then_some(()));
    }
    strangers.0.set_nonblocking(true).unwrap();
    while strangers.0.recv(&mut [0; 512]).is_ok() {
        replies += 1;
    }
    assert_eq!(metric(&server, "rhumb_rate_limited_total") - before, MANY - replies);
    assert!((1..50).contains(&replies), "{replies} of {MANY}");
}

#[test]
fn p19_a_valid_cookie_is_exempt_from_the_limit_and_one_is_had_under_it() {
    let server = server(STRICT);
    let sender = Sender::at("127.1.0.2", server.dns);
    let with = |cookie: &[u8]| Ask::a("host.example.com.").option(COOKIE, cookie);
    let cookie = |reply: &Reply| {
        let options = &reply.edns.as_ref().expect("OPT").options;
        options.iter().find(|(code, _)| *code == COOKIE).expect("a cookie").1.clone()
    };
    let told = (0..1000).map(|_| sender.ask(&with(b"rhumbler"))).find(|reply| reply.rcode == BADCOOKIE);
    let told = told.expect("the limit was reached");
    assert_eq!(told.answer.len(), 0);
    let whole = cookie(&told);
    for _ in 0..100 {
        assert_eq!(sender.ask(&with(&whole)).only(), "192.0.2.7");
    }
    // Nobody else has the use of it.
    let other = Sender::at("127.1.0.3", server.dns);
    assert!((0..1000).any(|_| other.ask(&with(&whole)).rcode == BADCOOKIE));
}

#[test]
fn p28_limits_can_be_tried_by_counting_and_be_changed_by_an_edit() {
    let site = Site::with_zone(
        "[rate_limit]\nrate = 1\nexempt = []\nlog_only = true\n",
        &zone("host = { A = \"192.0.2.7\" }", ""),
    );
    let server = site.start();
    let sender = Sender::at("127.1.0.4", server.dns);
    assert_eq!(sender.answered(500), 500);
    assert!(metric(&server, "rhumb_rate_logged_total") > 0);
    assert_eq!(metric(&server, "rhumb_rate_limited_total"), 0);

    let before = server.generation();
    let file = site.path().join("rhumb.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("log_only = true", "log_only = false")).unwrap();
    super::eventually(SOON, "the edit", || (server.generation() > before).then_some(()));
    assert!(sender.answered(1000) < 1000);
}

/// H3_EXCESSIVE_LOAD.
const EXCESSIVE_LOAD: u64 = 0x107;

/// A frame's length, as much as fits in four octets (RFC 9000 section 16).
const ENDLESS: [u8; 4] = [0xbf, 0xff, 0xff, 0xff];

#[test]
fn p21_no_frame_of_http3_makes_the_server_keep_more_than_a_few_requests() {
    let site = encrypted::site("");
    let server = site.start();
    let runtime = runtime();
    let open = || Quic::open(&runtime, address(&server, "http3"), believing(certificate(&site), &[b"h3"]));
    // A control stream with its SETTINGS, and then a frame of a type that nobody knows; a request that is all HEADERS.
    for (is_request, begin) in [(false, &[0u8, 4, 0, 0x21][..]), (true, &[1])] {
        let quic = open();
        let sent = runtime.block_on(async {
            let (mut send, _receive) = if is_request {
                let (send, receive) = quic.connection.open_bi().await.unwrap();
                (send, Some(receive))
            } else {
                (quic.connection.open_uni().await.unwrap(), None)
            };
            send.write_all(&[begin, &ENDLESS].concat()).await.unwrap();
            let mut sent = 0;
            while sent < 8 << 20 && send.write_all(&[0; 1 << 14]).await.is_ok() {
                sent += 1 << 14;
            }
            sent
        });
        assert!(sent < 1 << 20, "{sent} octets were taken of one frame");
        assert_eq!(quic.closed_with(), EXCESSIVE_LOAD);
    }
}

/// Requests of HTTP/2 for one name, whose client has no room for any reply: the preface, SETTINGS with a window of 0, and
/// so many HEADERS (RFC 9113 section 3.4, 6).
fn without_room(requests: u32, message: &[u8]) -> Vec<u8> {
    let path = format!("/dns-query?dns={}", data_encoding::BASE64URL_NOPAD.encode(message));
    let head = [&[0x82, 0x87, 0x01, 9][..], b"localhost", &[0x04, path.len() as u8], path.as_bytes()].concat();
    let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0".to_vec();
    for stream in 0..requests {
        octets.extend([0, 0, head.len() as u8, 1, 5]);
        octets.extend((2 * stream + 1).to_be_bytes());
        octets.extend(&head);
    }
    octets
}

#[test]
fn p21_replies_over_http2_that_nobody_takes_end_their_connection() {
    let site = encrypted::site("[limits]\nmessage = \"1h\"\nidle = \"1h\"\n");
    let huge = format!("\"{}\"", "x".repeat(40_000));
    let zone = format!("zone = \"example.org\"\n[records]\n\"@\" = {{ NS = \"ns.example.net.\", TXT = {huge} }}\n");
    site.write("example.org.toml", &zone);
    let server = site.start();
    let message = Ask { id: 0, ..Ask::of("example.org.", RecordType::TXT) }.bytes();
    let mut greedy = Tls::open(address(&server, "https"), believing(certificate(&site), &[b"h2"]));
    greedy.0.write_all(&without_room(40, &message)).unwrap();
    // The connection ends, whatever was said on it before.
    let mut told = vec![0; 1 << 16];
    while let Ok(1..) = greedy.0.read(&mut told) {}
    assert!(greedy.0.sock.peek(&mut [0]).is_ok_and(|left| left == 0), "it is closed, and not silent");
    assert_eq!(counted(&server, "tcp_late"), 1);
    assert_eq!(Https::open(&server, certificate(&site), "h2").get(&query()).status, 200);
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let site = encrypted::site("");
    let log = site.path().join("log-0");
    assert!(std::process::Command::new("mkfifo").arg(&log).status().unwrap().success());
    // Open for both, it is never at its end, and takes what it has room for.
    let _unread = std::fs::File::options().read(true).write(true).open(&log).unwrap();
    let server = site.start_with(&["--log", "trace"]);
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.dns).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        is_answered(&mut stream);
        let mut tls = Tls::open(address(&server, "tls"), believing(certificate(&site), &[b"dot"]));
        assert_eq!(tls.try_exchange(&query()).unwrap()[3] & 0xf, 0);
    }
}

#[test]
fn p21_requests_of_http3_that_cannot_be_read_end_their_connection_and_others_may_go_on_for_ever() {
    let site = encrypted::site("");
    let server = site.start();
    let runtime = runtime();
    let quic = Quic::open(&runtime, address(&server, "http3"), believing(certificate(&site), &[b"h3"]));
    let opened = runtime.block_on(async {
        let mut opened = 0;
        while opened < 5000
            && let Ok((mut send, _)) = quic.connection.open_bi().await
        {
            let _ = send.finish();
            opened += 1;
        }
        opened
    });
    assert!(opened < 5000);
    assert_eq!(quic.closed_with(), EXCESSIVE_LOAD);

    let mut client = Http3::open(&runtime, address(&server, "http3"), certificate(&site));
    let message = ("content-type", "application/dns-message");
    for _ in 0..20 {
        // No message, and long: what was held of it is let go with its response.
        assert_eq!(client.send("POST", "/dns-query", &[message], vec![0xff; 60_000]).status, 400);
    }
    assert_eq!(client.get(&query()).status, 200);
}

/// One query over a stream, and its reply.
fn is_answered(stream: &mut TcpStream) {
    stream.write_all(&framed(&query())).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a reply");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[3] & 0xf, 0);
}

#[test]
fn p21_initials_in_the_name_of_others_cost_nobody_a_connection() {
    const NAMED: &str = "127.77.4.1";
    let site = encrypted::site("[limits]\nconnections = 6\nconnections_per_client = 2\nidle = \"1h\"\n");
    let server = site.start();
    let runtime = runtime();
    let quic_from = |from: &str| {
        let config = believing(certificate(&site), &[b"doq"]);
        Quic::try_open_from(from, &runtime, address(&server, "quic"), config)
    };
    let mut idle = stream_from("127.77.4.2", server.dns);
    is_answered(&mut idle);
    // Nobody reads what comes back.
    let forge = |from: &str| {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.send_to(&first_datagram(&runtime, &site, b"doq"), address(&server, "quic")).unwrap();
        socket
    };
    let _forged: Vec<_> = (0..4).flat_map(|i| [forge(NAMED), forge(&format!("127.77.5.{i}"))]).collect();
    // The server has read them: what came to the same socket later is answered.
    let fence = quic_from("127.77.4.3").unwrap();
    fence.exchange(&query());
    let mut named = stream_from(NAMED, server.dns);
    is_answered(&mut named);
    let second = quic_from(NAMED).expect("its second one");
    second.exchange(&query());
    is_answered(&mut idle);
    assert_eq!((counted(&server, "tcp_evicted"), counted(&server, "tcp_refused")), (0, 0));
    // The share itself holds, for who has shown that it is there.
    quic_from(NAMED).map(drop).unwrap_err();
    is_answered(&mut named);
}
