//! What a copy holds, record for record: of zones at random, by what has changed in them, of large ones, and while
//! others take their time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use socket2::{Domain, Socket, Type};

use super::secure::{EVERYWHERE, address, renew};
use super::transfers::SECRET;
use super::{Client, SOON, Server, Site, eventually};
use crate::harness::{Ask, Draws, zone};

const TO_US: &str = "[transfer]\nto = [\"127.0.0.0/8\"]\n";
const SOA: u8 = 6;
const IXFR: u8 = 251;
const AXFR: u8 = 252;

/// A question for `example.com`, with the SOA of a serial in authority where one is given.
fn question(rtype: u8, serial: Option<u32>) -> Vec<u8> {
    let mut octets = vec![0x31, 0x07, 0, 0, 0, 1, 0, 0, 0, u8::from(serial.is_some()), 0, 0];
    octets.extend(b"\x07example\x03com\0\0");
    octets.extend([rtype, 0, 1]);
    if let Some(serial) = serial {
        octets.extend([0xc0, 12, 0, SOA, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0]);
        octets.extend(serial.to_be_bytes());
        octets.extend([0; 16]);
    }
    octets
}

fn send(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(&[&(message.len() as u16).to_be_bytes(), message].concat()).unwrap();
}

fn receive(stream: &mut TcpStream) -> Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    Message::from_vec(&message).unwrap()
}

fn serial_of(record: &Record) -> Option<u32> {
    let is_soa = record.record_type() == hickory_proto::rr::RecordType::SOA;
    is_soa.then(|| record.data.to_string().split_whitespace().nth(2).unwrap().parse().unwrap())
}

/// All records of a reply, in their order.
fn records(server: SocketAddr, rtype: u8, serial: Option<u32>) -> Vec<Record> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    send(&mut stream, &question(rtype, serial));
    let mut all: Vec<Record> = Vec::new();
    loop {
        let message = receive(&mut stream);
        assert_eq!(u16::from(message.metadata.response_code), 0, "{message:?}");
        assert!(message.metadata.authoritative);
        all.extend(message.answers);
        let first = serial_of(&all[0]).expect("the SOA first");
        // What has changed names the new serial three times, a whole zone twice; one record alone is the third answer.
        let is_incremental = all.get(1).is_some_and(|second| serial_of(second).is_some_and(|old| old != first));
        let times = if is_incremental { 3 } else { 2 };
        let is_over = all.iter().filter(|record| serial_of(record) == Some(first)).count() == times;
        if is_over || (rtype == IXFR && all.len() == 1) {
            assert!(serial_of(all.last().unwrap()) == Some(first), "the SOA last");
            return all;
        }
    }
}

/// A record as it is compared: its TTL counts, its owner's case does not.
fn line(record: &Record) -> String {
    format!("{} {} {} {}", record.name.to_string().to_lowercase(), record.ttl, record.record_type(), record.data)
}

/// A zone without its SOA, and the serial.
type Copy = (BTreeSet<String>, u32);

fn whole(server: SocketAddr) -> Copy {
    let records = records(server, AXFR, None);
    let lines: Vec<String> = records[1..records.len() - 1].iter().map(line).collect();
    let set: BTreeSet<String> = lines.iter().cloned().collect();
    assert_eq!(set.len(), lines.len(), "no record comes twice");
    (set, serial_of(&records[0]).unwrap())
}

/// Does to a copy what a reply says has changed.
fn apply((mut copy, mut serial): Copy, reply: &[Record]) -> Copy {
    let new = serial_of(&reply[0]).unwrap();
    if reply.len() == 1 {
        assert_eq!(new, serial);
        return (copy, serial);
    }
    if serial_of(&reply[1]).is_none() {
        return (reply[1..reply.len() - 1].iter().map(line).collect(), new);
    }
    let mut removing = false;
    for record in &reply[1..reply.len() - 1] {
        match serial_of(record) {
            Some(of) => {
                removing = !removing;
                if removing {
                    assert_eq!(of, serial, "each change begins where the one before ended");
                } else {
                    serial = of;
                }
            }
            None if removing => assert!(copy.remove(&line(record)), "not there: {}", line(record)),
            None => assert!(copy.insert(line(record)), "there already: {}", line(record)),
        }
    }
    assert_eq!(serial, new);
    (copy, serial)
}

/// Values by owner and type.
type Content = BTreeMap<(String, &'static str), BTreeSet<String>>;

const OWNERS: [&str; 12] =
    ["@", "a", "b", "C", "d.e", "*.e", "f.g.h", "sub", "ns.sub", "x_y", "very-long-label-of-some-sort", "0"];

fn change(draws: &mut Draws, content: &mut Content) {
    for _ in 0..1 + draws.below(6) {
        let owner = (*draws.pick(&OWNERS)).to_owned();
        let rtype = *draws.pick(&["A", "AAAA", "TXT", "MX"]);
        let number = draws.below(20);
        let value = match rtype {
            "A" => format!("192.0.2.{number}"),
            "AAAA" => format!("2001:db8::{:x}", number + 1),
            "MX" => format!("{number} mail.example.net."),
            _ => format!("text {number}"),
        };
        let key = (owner, rtype);
        if draws.one_in(3) {
            content.remove(&key);
        } else {
            content.entry(key).or_default().insert(value);
        }
    }
}

/// The zone file of some content, and what a copy of it is.
fn written(content: &Content, ttl: u32) -> (String, BTreeSet<String>) {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    owners.entry("@").or_default().push("NS = \"ns1.example.net.\"".into());
    owners.entry("sub").or_default().push("NS = \"ns.sub\"".into());
    let mut expected: BTreeSet<String> = BTreeSet::new();
    expected.insert(format!("example.com. {ttl} NS ns1.example.net."));
    expected.insert(format!("sub.example.com. {ttl} NS ns.sub.example.com."));
    for ((owner, rtype), values) in content {
        let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        let shown: Vec<String> = match *rtype {
            // A text with a space in it would be two.
            "TXT" => values.iter().map(|value| format!("'\"{value}\"'")).collect(),
            _ => quoted,
        };
        owners.entry(owner).or_default().push(format!("{rtype} = [{}]", shown.join(", ")));
        let name =
            if owner == "@" { "example.com.".to_owned() } else { format!("{}.example.com.", owner.to_lowercase()) };
        expected.extend(values.iter().map(|value| format!("{name} {ttl} {rtype} {}", value.trim_matches('"'))));
    }
    let lines: Vec<String> =
        owners.iter().map(|(owner, parts)| format!("\"{owner}\" = {{ {} }}", parts.join(", "))).collect();
    let text = zone("", TO_US)
        .replace("ttl = \"5m\"", &format!("ttl = {ttl}"))
        .replace("\"@\" = { NS = \"ns1.example.net.\" }\n", &(lines.join("\n") + "\n"));
    (text, expected)
}

#[test]
fn p24_copies_of_random_zones_are_exact_and_so_is_what_has_changed_in_them() {
    let seed = 0x5eed;
    let mut draws = Draws::new(seed);
    let mut content = Content::new();
    change(&mut draws, &mut content);
    let (text, expected) = written(&content, 300);
    let site = Site::with_zone("", &text);
    let server = site.start();
    let first = whole(server.dns);
    assert_eq!(first.0, expected);
    let mut followed = first.clone();
    for round in 0..12 {
        change(&mut draws, &mut content);
        // A change of the TTL concerns every record.
        let (text, expected) = written(&content, if round == 7 { 60 } else { 300 });
        site.replace("example.com.toml", &text);
        let copy = eventually(SOON, &format!("seed {seed}, round {round}: the change"), || {
            Some(whole(server.dns)).filter(|copy| copy.0 == expected)
        });
        let reply = records(server.dns, IXFR, Some(followed.1));
        followed = apply(followed, &reply);
        assert_eq!(followed, copy, "seed {seed}, round {round}: one change after the other");
        let at_once = apply(first.clone(), &records(server.dns, IXFR, Some(first.1)));
        assert_eq!(at_once, copy, "seed {seed}, round {round}: all changes at once");
    }
    let status = server.status();
    assert!(status["counters"]["transfers_changes"].as_u64() > Some(10), "{status}");
    // By datagram what fits, and else the serial alone.
    let by_datagram = |serial: u32, question: Vec<u8>| {
        let reply = Client::of(server.dns).exchange(&question).unwrap();
        assert!(reply.len() <= 512, "no EDNS, {} octets", reply.len());
        let reply = Message::from_vec(&reply).unwrap();
        assert!(!reply.metadata.truncation && serial_of(&reply.answers[0]) == Some(followed.1), "{serial}: {reply:?}");
        reply.answers
    };
    let (last, all) = (followed.1, first.1);
    assert_eq!(by_datagram(last, question(IXFR, Some(last))).len(), 1, "up to date");
    assert_eq!(by_datagram(all, question(IXFR, Some(all))).len(), 1, "too much");
    content.entry(("new".into(), "A")).or_default().insert("192.0.2.77".into());
    let (text, expected) = written(&content, 300);
    site.replace("example.com.toml", &text);
    followed = eventually(SOON, "the last change", || Some(whole(server.dns)).filter(|copy| copy.0 == expected));
    let reply = Client::of(server.dns).exchange(&question(IXFR, Some(last))).unwrap();
    let reply = Message::from_vec(&reply).unwrap().answers;
    assert_eq!(reply.len(), 5, "SOA, SOA before, SOA after, the address, SOA: {reply:?}");
    assert_eq!(serial_of(&reply[1]), Some(last));
    // Others read the copy as we do.
    let file = site.path().join("copied.zone");
    let text: Vec<String> = records(server.dns, AXFR, None)
        .iter()
        .rev()
        .skip(1)
        .rev()
        .map(|record| format!("{} {} IN {} {}", record.name, record.ttl, record.record_type(), quoted(record)))
        .collect();
    std::fs::write(&file, text.join("\n") + "\n").unwrap();
    let read = Command::new("named-compilezone").args(["-i", "local", "-o", "-", "example.com"]).arg(&file).output();
    let Ok(read) = read else {
        assert!(std::env::var_os("CI").is_none(), "named-compilezone is not there");
        return;
    };
    let lines = String::from_utf8(read.stdout).unwrap();
    let found = lines.lines().filter(|line| line.contains("example.com.") && !line.contains(" SOA")).count();
    assert_eq!(found, followed.0.len(), "{lines}{}", String::from_utf8_lossy(&read.stderr));
}

/// Data as a zone file has it.
fn quoted(record: &Record) -> String {
    let data = record.data.to_string();
    if record.record_type() == hickory_proto::rr::RecordType::TXT { format!("\"{data}\"") } else { data }
}

/// Texts in a zone that is larger than what the system keeps of a stream.
const MANY: usize = 60_000;

fn large(server: &str) -> Site {
    let site = Site::with_zone(
        &format!("[keys.xfr]\nsecret_file = \"xfr.secret\"\n{server}"),
        &zone("", &TO_US.replace("[\"127", "[{ key = \"xfr\" }, \"127"))
            .replace("ttl = \"5m\"", "ttl = \"5m\"\nimport = \"many.zone\""),
    );
    std::fs::write(site.path().join("xfr.secret"), SECRET).unwrap();
    let filler = "x".repeat(200);
    let lines: Vec<String> = (0..MANY).map(|n| format!("t{n} TXT \"{n} {filler}\"")).collect();
    let head = "@ SOA ns1.example.net. host 7 7200 1800 1209600 60\n";
    site.write("many.zone", &(head.to_owned() + &lines.join("\n") + "\n"));
    site
}

#[test]
fn p25_a_large_zone_comes_in_many_messages_each_of_them_signed_and_over_tls_too() {
    let site = large(EVERYWHERE);
    renew(&site);
    let server = site.start();
    let signed = ["-y", &format!("hmac-sha256:xfr:{SECRET}")].map(str::to_owned);
    let copied = |program: &str, at: SocketAddr, flags: &[&str]| {
        let (host, port) = (format!("@{}", at.ip()), at.port().to_string());
        let done = Command::new(program)
            .args([&host, "-p", &port])
            .args(&signed)
            .args(flags)
            .args(["example.com", "AXFR"])
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let text = String::from_utf8(done.stdout).unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let records = text.lines().filter(|line| line.contains("\tTXT\t")).count();
        let tail: String = text.lines().rev().take(12).collect::<Vec<_>>().join("\n");
        assert!(!text.contains("Couldn't verify") && !said.contains("failed"), "{tail}{said}");
        (records, tail)
    };
    let (records, tail) = copied("dig", server.dns, &[]);
    assert_eq!(records, MANY, "{tail}");
    let messages = tail.split("messages ").nth(1).and_then(|rest| rest.split(',').next()?.parse::<usize>().ok());
    assert!(messages > Some(500), "{tail}");
    let authority = format!("+tls-ca={}", site.path().join("tls.pem").display());
    for (at, flags) in
        [(server.dns, vec![]), (address(&server, "tls"), vec!["+tls", &authority, "+tls-hostname=localhost"])]
    {
        let (records, tail) = copied("kdig", at, &flags);
        assert_eq!(records, MANY, "{flags:?}: {tail}");
    }
}

/// A client that asks for the zone and takes hardly anything of it.
fn slow(server: SocketAddr) -> TcpStream {
    slow_from([127, 0, 0, 1], server)
}

fn slow_from(client: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(&SocketAddr::from((client, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    send(&mut stream, &question(AXFR, None));
    // Its transfer has begun.
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    stream
}

/// A client at another address of this machine.
fn from(client: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((client, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn counter(server: &Server, name: &str) -> u64 {
    server.status()["counters"][name].as_u64().unwrap()
}

#[test]
fn p24_slow_secondaries_cost_no_other_and_are_given_up() {
    const SERVFAIL: u16 = 2;
    let site = large("");
    let server = site.start();
    let mut stalled: Vec<TcpStream> = (0..8).map(|_| slow(server.dns)).collect();
    // One more of the same client has to come again; another client and every query are served.
    let mut ninth = TcpStream::connect(server.dns).unwrap();
    ninth.set_read_timeout(Some(SOON)).unwrap();
    send(&mut ninth, &question(AXFR, None));
    assert_eq!(u16::from(receive(&mut ninth).metadata.response_code), SERVFAIL);
    let mut other = from([127, 0, 0, 2], server.dns);
    send(&mut other, &question(AXFR, None));
    let first = receive(&mut other);
    assert!(u16::from(first.metadata.response_code) == 0 && serial_of(&first.answers[0]).is_some());
    let mut taken = first.answers.len();
    while taken < MANY + 3 {
        taken += receive(&mut other).answers.len();
    }
    assert_eq!(server.ask(&Ask::of("t7.example.com.", rhumb::wire::RecordType::TXT)).rcode, 0);
    assert_eq!(counter(&server, "transfers_busy"), 1);
    eventually(SOON, "all that take nothing are given up", || {
        (counter(&server, "transfers_broken") == 8).then_some(())
    });
    // What the system had taken may still come, and then the end.
    let mut rest = stalled.remove(0);
    rest.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut buffer = vec![0; 1 << 16];
    let mut octets = 0;
    while let Ok(read @ 1..) = rest.read(&mut buffer) {
        octets += read;
    }
    assert!(octets < MANY * 200);
}

#[test]
fn p24_stalled_transfers_of_some_clients_make_room_for_another() {
    let site = large("[limits]\nmessage = \"1m\"\n");
    let server = site.start();
    let mut stalled: Vec<TcpStream> =
        (1..=4).flat_map(|n| (0..8).map(move |_| n)).map(|n| slow_from([127, 77, 8, n], server.dns)).collect();
    let zone = records(server.dns, AXFR, None);
    assert!(zone.len() > MANY, "{}", zone.len());
    assert_eq!((counter(&server, "transfers_busy"), counter(&server, "transfers_broken")), (0, 1));
    // The first of the first is closed in the middle.
    let mut rest = stalled.remove(0);
    let mut octets = 0;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = rest.read(&mut buffer) {
        octets += read;
    }
    assert!(octets < MANY * 200);
    // They have seven, eight, eight and eight: it is nobody's turn but a place's that is free.
    let mut again = from([127, 77, 8, 2], server.dns);
    send(&mut again, &question(AXFR, None));
    assert_eq!(u16::from(receive(&mut again).metadata.response_code), 2, "who has eight may have no more");
}

/// A client at another address that asks for the zone again and again and reads nothing, until the server waits for it.
fn deaf(client: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind(&SocketAddr::from((client, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut asks = question(AXFR, None);
    asks[11] = 1;
    // NSID, which makes replies long.
    asks.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0]);
    let framed = [&(asks.len() as u16).to_be_bytes(), &asks[..]].concat().repeat(50);
    while stream.write_all(&framed).is_ok() {}
    stream
}

#[test]
fn p24_strangers_who_are_refused_keep_no_place_from_those_who_are_not() {
    let server = format!("identity = \"{}\"\n[limits]\nmessage = \"1m\"\n", "x".repeat(128));
    let zone = zone("host = { A = \"192.0.2.7\" }", &TO_US.replace("127.0.0.0/8", "127.0.0.1"));
    let site = Site::with_zone(&server, &zone);
    let server = site.start();
    // One each: from those who have more than it, an honest one would take a place.
    let clients = (0..40u8).map(|n| [127, 77, 5, 1 + n]);
    let strangers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = clients.map(|client| scope.spawn(move || deaf(client, server.dns))).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(counter(&server, "transfers_refused") > 40);
    for _ in 0..8 {
        assert!(records(server.dns, AXFR, None).len() > 2);
    }
    assert_eq!(counter(&server, "transfers_busy"), 0);
    drop(strangers);
}
