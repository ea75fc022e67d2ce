//! What honest clients get while others attack: `cargo bench --bench attacks`.
//!
//! A server of its own on loopback, with limits as they are by default but that loopback is not exempt; 20 honest senders that
//! together ask at a fixed rate, one query at a time each and 2 s for a reply; and, one kind at a time, attackers: random
//! names from one address, from thousands of addresses, from made-up ones, connections that say nothing, connections that say an octet now
//! and then, and TLS handshakes that end in nothing. All of it shares the machine's processors, attackers included, so
//! a figure is what is left to the honest beside both. Everything is bounded in count and time: each kind takes
//! `--seconds`, 10 by default.
//!
//! It runs in a network namespace of its own, which needs root, `unshare` and `ip`: replies to made-up addresses leave
//! it for a neighbour who does not exist.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench fails by panicking")]

mod started;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rhumb::net::load::Histogram;
use rustls::pki_types::ServerName;
use socket2::{Domain, Protocol, Socket, Type};
use started::Started;

/// Honest senders, each from an address of its own.
const HONEST: u8 = 20;
/// Queries a second of all of them together.
const RATE: u32 = 2000;
/// How long an honest sender waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// Addresses that a flood comes from.
const FLOODING: usize = 5000;
/// Datagrams a second of a flood at most.
const FLOOD: u32 = 150_000;
/// Connections that say nothing.
const IDLE: usize = 10_000;
/// Connections that say an octet now and then.
const SLOW: usize = 2000;
/// What the program is told that runs in a network of its own.
const APART: &str = "--apart";
/// Threads that shake hands.
const SHAKING: usize = 8;

/// The server under attack, until dropped.
struct Server {
    dns: SocketAddr,
    tls: SocketAddr,
    roots: rustls::RootCertStore,
    _started: Started,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
        std::fs::create_dir(at("zones")).expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(at(name), text).expect("a file");
        write("server.pem", &made.cert.pem());
        write("server.key", &made.signing_key.serialize_pem());
        write(
            "zones/example.com.toml",
            "zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\nhost = { A = \"192.0.2.7\" }\n",
        );
        write(
            "rhumb.toml",
            "zones = \"zones\"\nstate = \"state\"\nworkers = 1\n[listen]\ndns = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\n\
             admin = \"unix:admin.sock\"\n[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n\
             [limits]\nconnections = 12000\n[rate_limit]\nexempt = []\n",
        );
        let started = Started::within(directory.path());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let (dns, tls) = (started.address("dns"), started.address("tls"));
        Self { dns, tls, roots, _started: started, _directory: directory }
    }
}

/// A query for an A record.
fn query(id: u16, host: &str) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend(b"\x01\0\0\x01\0\0\0\0\0\0");
    bytes.push(host.len() as u8);
    bytes.extend(host.as_bytes());
    bytes.extend(b"\x07example\x03com\0\0\x01\0\x01");
    bytes
}

fn sender(address: Ipv4Addr, server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).expect("an address of loopback");
    socket.connect(server).expect("loopback");
    socket
}

/// A connection from one of loopback's addresses.
fn stream(address: Ipv4Addr, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(address.into(), 0).into())?;
    socket.connect_timeout(&server.into(), PATIENCE)?;
    Ok(socket.into())
}

/// The `number`-th address of a network of loopback's.
fn address(network: u8, number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, network, (number / 250) as u8, 1 + (number % 250) as u8)
}

/// What the honest got.
#[derive(Default)]
struct Honest {
    asked: u64,
    full: u64,
    latency: Histogram,
}

/// Asks honestly until `stop`, each sender at its share of the rate.
fn honest(server: SocketAddr, stop: &AtomicBool) -> Honest {
    let apart = Duration::from_secs(1) * u32::from(HONEST) / RATE;
    let one = |number: u8| {
        let socket = sender(Ipv4Addr::new(127, 50, number, 1), server);
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (mut got, mut reply, begun) = (Honest::default(), [0; 512], Instant::now());
        while !stop.load(Ordering::Relaxed) {
            sleep((apart * got.asked as u32).saturating_sub(begun.elapsed()));
            let id = got.asked as u16;
            let sent = Instant::now();
            socket.send(&query(id, "host")).expect("sent");
            got.asked += 1;
            while let Ok(len) = socket.recv(&mut reply) {
                if reply[..2] == id.to_be_bytes() {
                    // Neither truncated nor empty.
                    if len > 12 && reply[2] & 2 == 0 && reply[7] == 1 {
                        got.full += 1;
                        got.latency.record(sent.elapsed().as_nanos() as u64);
                    }
                    break;
                }
            }
        }
        got
    };
    let one = &one;
    thread::scope(|scope| {
        let running: Vec<_> = (0..HONEST).map(|number| scope.spawn(move || one(number))).collect();
        let mut whole = Honest::default();
        for got in running {
            let got = got.join().expect("an honest sender");
            whole.asked += got.asked;
            whole.full += got.full;
            whole.latency.merge(&got.latency);
        }
        whole
    })
}

/// A kind of attack: runs until told to stop, and counts what it did.
type Attack = fn(&Server, &AtomicBool, &AtomicU64);

const ATTACKS: [(&str, &str, Attack); 7] = [
    ("nothing", "", |_, _, _| {}),
    ("random names from one address", "datagrams", |server, stop, done| flood(server, 1, stop, done)),
    ("random names from 5,000 addresses", "datagrams", |server, stop, done| flood(server, FLOODING, stop, done)),
    ("random names from made-up addresses", "datagrams", spoof),
    ("10,000 connections that say nothing", "opened", |server, stop, done| hold(server, IDLE, false, stop, done)),
    ("2,000 connections, an octet each second", "opened", |server, stop, done| hold(server, SLOW, true, stop, done)),
    ("TLS handshakes that end in nothing", "handshakes", shake),
];

fn flood(server: &Server, addresses: usize, stop: &AtomicBool, done: &AtomicU64) {
    let senders: Vec<UdpSocket> = (0..addresses).map(|number| sender(address(60, number), server.dns)).collect();
    paced(stop, done, |number| {
        let _ = senders[number as usize % addresses].send(&unknown(number));
    });
}

/// Sends as fast as a flood may, until told to stop.
fn paced(stop: &AtomicBool, done: &AtomicU64, mut send: impl FnMut(u64)) {
    let (begun, mut sent) = (Instant::now(), 0u64);
    loop {
        if sent.is_multiple_of(64) {
            let due = Duration::from_secs_f64(sent as f64 / f64::from(FLOOD));
            sleep(due.saturating_sub(begun.elapsed()));
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        send(sent);
        sent += 1;
    }
    done.store(sent, Ordering::Relaxed);
}

/// Bits that look random, a number's own.
fn scrambled(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A query for a name that is asked for once.
fn unknown(number: u64) -> Vec<u8> {
    query(number as u16, &format!("x{:016x}", scrambled(number)))
}

/// Datagrams whose senders are any of 10.0.0.0/8 and did not send them.
fn spoof(server: &Server, stop: &AtomicBool, done: &AtomicU64) {
    let SocketAddr::V4(to) = server.dns else { panic!("an IPv4 address") };
    // Whoever has a socket of this kind writes the head of each packet.
    const WITH_HEADS: i32 = 255;
    let socket = Socket::new(Domain::IPV4, Type::from(3), Some(Protocol::from(WITH_HEADS))).expect("a raw socket");
    paced(stop, done, |number| {
        let [.., a, b, c, port, _] = scrambled(number).to_be_bytes();
        let query = unknown(number);
        let length = (8 + query.len()) as u16;
        // IPv4, 64 hops, UDP; the system fills in length, number and checksum.
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, a, b, c];
        packet.extend(to.ip().octets());
        packet.extend((0xc000 | u16::from(port)).to_be_bytes());
        packet.extend(to.port().to_be_bytes());
        packet.extend(length.to_be_bytes());
        // No checksum.
        packet.extend([0, 0]);
        packet.extend(query);
        let _ = socket.send_to(&packet, &server.dns.into());
    });
}

/// Goes on in a network of its own: made-up addresses lie behind a neighbour who does not exist.
fn apart(words: &[String]) -> ! {
    const NETWORK: &str = "set -e; ip link set lo up; ip link add away type veth peer name there; \
         ip address add 192.168.9.1/24 dev away; ip link set away up; ip link set there up; \
         ip neighbour add 192.168.9.2 lladdr 02:00:00:00:00:02 dev away; ip route add 10.0.0.0/8 via 192.168.9.2; \
         exec \"$@\"";
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", NETWORK, "sh"]).arg(program).arg(APART).args(words);
    let status = command.status().expect("unshare");
    std::process::exit(status.code().unwrap_or(1));
}

fn hold(server: &Server, many: usize, speaking: bool, stop: &AtomicBool, done: &AtomicU64) {
    let mut open: Vec<TcpStream> = Vec::with_capacity(many);
    for number in 0..many {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        open.extend(stream(address(70, number / 80), server.dns));
    }
    done.store(open.len() as u64, Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        if speaking {
            // A message of 65,535 octets, never to come to its end.
            open.iter_mut().for_each(|stream| drop(stream.write(&[0xff])));
        }
        sleep(Duration::from_secs(1));
    }
}

fn shake(server: &Server, stop: &AtomicBool, done: &AtomicU64) {
    let config = rustls::ClientConfig::builder().with_root_certificates(server.roots.clone()).with_no_client_auth();
    let config = Arc::new(config);
    thread::scope(|scope| {
        for number in 0..SHAKING {
            let config = Arc::clone(&config);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut stream) = stream(address(80, number), server.tls) else { continue };
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let name = ServerName::try_from("localhost").expect("a name");
                    let mut client = rustls::ClientConnection::new(Arc::clone(&config), name).expect("a client");
                    // Its hello, and the first of what comes back.
                    if client.write_tls(&mut stream).is_ok() && stream.read(&mut [0; 4096]).is_ok() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_none_or(|word| word != APART) {
        apart(&words);
    }
    words.remove(0);
    let seconds = match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 10,
        ["--seconds", seconds] => seconds.parse::<u64>().expect("a number").clamp(1, 600),
        _ => panic!("takes nothing, or --seconds N"),
    };
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("the first provider");
    rhumb::net::raise_descriptors().expect("descriptors");
    println!("{RATE} honest queries a second, {seconds} s of each kind of attack");
    println!("{:42} {:>18} {:>9} {:>9} {:>9}", "attack", "done", "answered", "p50 µs", "p99 ms");
    for (title, unit, attack) in ATTACKS {
        let server = Server::start();
        let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
        let got = thread::scope(|scope| {
            scope.spawn(|| attack(&server, &stop, &done));
            scope.spawn(|| {
                sleep(Duration::from_secs(seconds));
                stop.store(true, Ordering::Relaxed);
            });
            honest(server.dns, &stop)
        });
        let done = if unit.is_empty() { String::new() } else { format!("{} {unit}", done.load(Ordering::Relaxed)) };
        println!(
            "{title:42} {done:>18} {:>8.2}% {:>9} {:>9.2}",
            100.0 * got.full as f64 / got.asked.max(1) as f64,
            got.latency.quantile(0.5).as_micros(),
            got.latency.quantile(0.99).as_secs_f64() * 1000.0,
        );
    }
}
