//! What is no plain query, where nobody has allowed anything: told so, on datagrams and streams.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{Client, SOON, Site};
use crate::harness::{Ask, zone};

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

/// The reply is the query's header and question with this code, and an OPT where the query has one.
#[track_caller]
fn says(query: &[u8], reply: &[u8], rcode: u8, question: usize, has_opt: bool) {
    assert_eq!((reply[0], reply[1]), (query[0], query[1]));
    assert_eq!(reply[2], query[2] | 0x80, "opcode kept, no AA");
    assert_eq!(reply[3], rcode);
    assert_eq!(reply[4..12], [0, u8::from(question > 0), 0, 0, 0, 0, 0, u8::from(has_opt)]);
    assert_eq!(reply[12..12 + question], query[12..12 + question]);
    assert_eq!(reply.len(), 12 + question + if has_opt { 11 } else { 0 });
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
        (message(0, &ours, IXFR, &[]), NOTIMP, REFUSED, false),
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
