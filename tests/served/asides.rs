//! What is no plain query, where nobody has allowed anything: told so, on datagrams and streams.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{Client, SOON, Site};
use crate::harness::{Ask, Reply, zone};

const FORMERR: u8 = 1;
const NOTIMP: u8 = 4;
const REFUSED: u8 = 5;
const NOTAUTH: u8 = 9;

const NOTIFY: u8 = 4;
const UPDATE: u8 = 5;
const SOA: u8 = 6;
const IXFR: u8 = 251;
const AXFR: u8 = 252;

/// A message with one question of class IN and these octets behind it, as one record more if there are any.
fn message(opcode: u8, name: &[&str], rtype: u8, behind: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x5a, 0xa5, opcode << 3, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(!behind.is_empty())];
    for label in name {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, rtype, 0, 1]);
    octets.extend(behind);
    octets
}

/// Replies to messages sent at once on one stream, as many as there are messages.
fn on_a_stream(server: SocketAddr, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    for message in messages {
        stream.write_all(&[&(message.len() as u16).to_be_bytes(), &message[..]].concat()).unwrap();
    }
    let mut read = || {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).unwrap();
        reply
    };
    messages.iter().map(|_| read()).collect()
}

/// The reply is the query's header and question with this code, and where the query has an OPT another one, with an
/// extended error where something is refused: that it is prohibited, or that we are not authoritative.
#[track_caller]
fn says(query: &[u8], reply: &[u8], rcode: u8, question: usize, has_opt: bool) {
    assert_eq!((reply[0], reply[1]), (query[0], query[1]));
    assert_eq!(reply[2], query[2] | 0x80, "opcode kept, no AA");
    assert_eq!(reply[3], rcode);
    assert_eq!(reply[4..12], [0, u8::from(question > 0), 0, 0, 0, 0, 0, u8::from(has_opt)]);
    assert_eq!(reply[12..12 + question], query[12..12 + question]);
    let error: &[u8] = match rcode {
        REFUSED => &[0, 15, 0, 2, 0, 18],
        NOTAUTH => &[0, 15, 0, 2, 0, 20],
        _ => &[],
    };
    assert_eq!(reply.len(), 12 + question + if has_opt { 11 + error.len() } else { 0 });
    assert!(!has_opt || reply.ends_with(error));
}

#[test]
fn p24_what_nobody_has_allowed_is_refused_on_datagrams_and_streams() {
    let server = Site::with_zone("", &zone("host = { A = \"192.0.2.7\" }", "")).start();
    let ours = ["example", "com"];
    let opt: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    let cut: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 9];
    // Message, code on a datagram, code on a stream, whether there is an OPT.
    let cases = [
        (message(NOTIFY, &ours, SOA, &[]), REFUSED, REFUSED, false),
        (message(NOTIFY, &ours, SOA, opt), REFUSED, REFUSED, true),
        (message(NOTIFY, &["host", "example", "com"], SOA, &[]), NOTAUTH, NOTAUTH, false),
        (message(NOTIFY, &["example", "net"], SOA, &[]), NOTAUTH, NOTAUTH, false),
        (message(UPDATE, &ours, SOA, &[]), REFUSED, REFUSED, false),
        (message(UPDATE, &["example", "net"], SOA, opt), NOTAUTH, NOTAUTH, true),
        (message(UPDATE, &ours, SOA, cut), FORMERR, FORMERR, false),
        (message(0, &ours, AXFR, &[]), NOTIMP, REFUSED, false),
        (message(0, &ours, AXFR, opt), NOTIMP, REFUSED, true),
        (message(0, &["example", "net"], AXFR, &[]), NOTIMP, REFUSED, false),
        (message(0, &ours, IXFR, &[]), REFUSED, REFUSED, false),
        (message(0, &ours, IXFR, opt), REFUSED, REFUSED, true),
    ];
    let messages: Vec<Vec<u8>> = cases.iter().map(|(message, ..)| message.clone()).collect();
    let streamed = on_a_stream(server.dns, &messages);
    let client = Client::of(server.dns);
    for ((message, on_datagram, on_stream, has_opt), streamed) in cases.iter().zip(&streamed) {
        let question = message.iter().skip(12).position(|&octet| octet == 0).unwrap() + 5;
        says(message, &client.exchange(message).unwrap(), *on_datagram, question, *has_opt);
        says(message, streamed, *on_stream, question, *has_opt);
    }
    assert_eq!(server.ask(&Ask::a("host.example.com.")).only(), "192.0.2.7");
    assert_eq!(server.status()["counters"]["aside"], 2 * cases.len());
}

#[test]
fn p18_p20_what_is_refused_has_all_that_its_opt_asks_for() {
    let server = Site::with_zone("identity = \"fra1\"\n", &zone("host = { A = \"192.0.2.7\" }", "")).start();
    let ecs: &[u8] = &[0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2];
    let options = [ecs, &[0, 3, 0, 0, 0, 10, 0, 8], b"rhumbler"].concat();
    let opt = [&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, options.len() as u8][..], &options].concat();
    for (opcode, rtype) in [(NOTIFY, SOA), (UPDATE, SOA), (0, AXFR)] {
        let message = message(opcode, &["example", "com"], rtype, &opt);
        let mut replies = on_a_stream(server.dns, std::slice::from_ref(&message));
        if opcode != 0 {
            replies.push(Client::of(server.dns).exchange(&message).unwrap());
        }
        for reply in replies {
            assert_eq!(reply[3], REFUSED, "{opcode}");
            let options = Reply::read(&reply).edns.expect("OPT").options;
            let data = |code: u16| options.iter().find(|(other, _)| *other == code).map(|(_, data)| &data[..]);
            assert_eq!(data(8), Some(&ecs[4..]), "the client subnet, with the scope 0");
            assert_eq!(data(3), Some(&b"fra1"[..]));
            assert_eq!(data(15), Some(&[0, 18][..]));
            assert_eq!(data(10).map(|data| (&data[..8], data.len())), Some((&b"rhumbler"[..], 24)));
        }
    }
}

#[test]
fn p18_p20_what_is_copied_comes_with_all_that_its_opt_asks_for() {
    let zone = zone("host = { A = \"192.0.2.7\" }", "[transfer]\nto = [\"127.0.0.1\"]\n");
    let server = Site::with_zone("identity = \"fra1\"\n", &zone).start();
    let ecs: &[u8] = &[0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2];
    // NSID, EXPIRE, keepalive, a cookie.
    let options = [ecs, &[0, 3, 0, 0, 0, 9, 0, 0, 0, 11, 0, 0, 0, 10, 0, 8], b"rhumbler"].concat();
    let opt = [&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, options.len() as u8][..], &options].concat();
    let whole = message(0, &["example", "com"], AXFR, &opt);
    let mut serial = message(0, &["example", "com"], IXFR, &opt);
    serial[9] = 1;
    let soa = [&[0xc0, 12, 0, SOA, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0][..], &[0xff; 4], &[0; 16]].concat();
    let end = serial.len() - opt.len();
    serial.splice(end..end, soa);
    let streamed = on_a_stream(server.dns, &[whole]).remove(0);
    let in_a_datagram = Client::of(server.dns).exchange(&serial).unwrap();
    for (reply, has_keepalive) in [(streamed, true), (in_a_datagram, false)] {
        let reply = Reply::read(&reply);
        assert!(reply.rcode == 0 && !reply.answer.is_empty());
        let options = reply.edns.expect("OPT").options;
        let data = |code: u16| options.iter().find(|(other, _)| *other == code).map(|(_, data)| &data[..]);
        assert_eq!(data(8), Some(&ecs[4..]), "the client subnet, with the scope 0");
        assert_eq!(data(3), Some(&b"fra1"[..]));
        assert_eq!(data(9).map(<[u8]>::len), Some(4));
        assert_eq!(data(11).is_some(), has_keepalive);
        assert_eq!(data(10).map(|data| (&data[..8], data.len())), Some((&b"rhumbler"[..], 24)));
    }
}

#[test]
fn p29_strangers_take_nobodys_place_and_are_sent_no_more_than_they_send() {
    let server = Site::with_zone("", &zone("host = { A = \"192.0.2.7\" }", "")).start();
    let client = Client::of(server.dns);
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)];
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    // A signature with a key that nobody has, whose names are the question's by two octets each; and one whose TTL is 1.
    let tail = [0; 16];
    let signed = |ttl: u8| {
        let head = [0xc0, 12, 0, 250, 0, 255, 0, 0, 0, ttl, 0, 18, 0xc0, 12];
        message(0, &long, 1, &[&head[..], &tail].concat())
    };
    for (message, rcode) in [
        (signed(0), NOTAUTH),
        (signed(1), FORMERR),
        (message(NOTIFY, &["example", "com"], SOA, &[]), REFUSED),
        (message(UPDATE, &["example", "com"], SOA, &[]), REFUSED),
    ] {
        let reply = client.exchange(&message).unwrap();
        assert_eq!(reply[3] & 15, rcode);
        assert!(reply.len() <= message.len(), "{} for {}", reply.len(), message.len());
    }
    assert_eq!(server.status()["counters"]["aside_replies"], 0, "all of it on the threads that read datagrams");
}
