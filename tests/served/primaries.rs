//! Other name servers as primaries of `example.com`, and one that does what they never do, each on a loopback port of
//! the kernel's choice.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{SOON, eventually};

/// The octets 0 to 31, in base64: the secret of the key `xfr`.
pub(super) const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What can be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Nsd,
    Knot,
    Bind,
}

impl Kind {
    fn command(self) -> &'static str {
        match self {
            Self::Nsd => "nsd",
            Self::Knot => "knotd",
            Self::Bind => "named",
        }
    }

    /// Users other than root may not have the directories of daemons in their path.
    fn installed(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let daemons = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
        std::env::split_paths(&path).chain(daemons).map(|dir| dir.join(self.command())).find(|file| file.is_file())
    }

    /// Whether it is there. On a machine of CI it must be; elsewhere the test says that it is left out.
    pub(super) fn is_installed(self) -> bool {
        if self.installed().is_some() {
            return true;
        }
        assert!(std::env::var_os("CI").is_none(), "{} is not installed, and CI needs it", self.command());
        eprintln!("skipped: {} is not installed", self.command());
        false
    }

    /// The configuration: transfers to whoever has the key, NOTIFY to `secondary`.
    fn config(self, dir: &Path, port: u16, secondary: SocketAddr) -> String {
        let (dir, to, to_port) = (dir.display(), secondary.ip(), secondary.port());
        match self {
            Self::Nsd => format!(
                "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  zonesdir: \"{dir}\"\n  database: \"\"\n  \
                 pidfile: \"\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  xfrdir: \"{dir}\"\n  zonelistfile: \"{dir}/zone.list\"\n  \
                 server-count: 1\nremote-control:\n  control-enable: no\n\
                 key:\n  name: \"xfr\"\n  algorithm: hmac-sha256\n  secret: \"{SECRET}\"\n\
                 zone:\n  name: \"example.com\"\n  zonefile: \"zone\"\n  provide-xfr: 127.0.0.1 xfr\n  \
                 notify: {to}@{to_port} xfr\n"
            ),
            Self::Knot => format!(
                "server:\n  rundir: \"{dir}\"\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  \
                 background-workers: 1\ncontrol:\n  listen: \"{dir}/knot.sock\"\n\
                 database:\n  storage: \"{dir}\"\nlog:\n  - target: stderr\n    any: info\n\
                 key:\n  - id: xfr\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
                 remote:\n  - id: secondary\n    address: {to}@{to_port}\n    key: xfr\n\
                 acl:\n  - id: xfr\n    key: xfr\n    action: transfer\n\
                 template:\n  - id: default\n    storage: \"{dir}\"\n    zonefile-sync: -1\n    zonefile-load: difference\n    \
                 journal-content: changes\nzone:\n  - domain: example.com\n    file: zone\n    notify: secondary\n    acl: xfr\n"
            ),
            Self::Bind => format!(
                "key xfr {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\noptions {{\n  directory \"{dir}\";\n  \
                 listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n  pid-file none;\n  lock-file none;\n  \
                 session-keyfile \"{dir}/session.key\";\n  recursion no;\n  notify explicit;\n  notify-delay 0;\n  \
                 also-notify {{ {to} port {to_port} key xfr; }};\n  allow-transfer {{ key xfr; }};\n  empty-zones-enable no;\n  \
                 dnssec-validation no;\n}};\ncontrols {{ }};\n\
                 zone \"example.com\" {{ type primary; file \"zone\"; ixfr-from-differences yes; }};\n"
            ),
        }
    }
}

/// A zone with a serial, timers, and an address of `host`.
pub(super) fn zone(serial: u32, timers: &str, host: &str) -> String {
    format!(
        "$TTL 300\n@ SOA ns1.example.com. hostmaster.example.com. {serial} {timers} 60\n@ NS ns1\nns1 A 192.0.2.53\n\
         host A {host}\nwww A 192.0.2.80\nwww TXT \"of the primary\"\n"
    )
}

/// A primary that runs until this is dropped.
pub(super) struct Primary {
    child: Child,
    kind: Kind,
    directory: TempDir,
}

impl Primary {
    /// Starts it at a port that must be free, with this text of the zone.
    #[track_caller]
    pub(super) fn start(kind: Kind, at: SocketAddr, secondary: SocketAddr, zone: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        // A copy, since a machine's rules of access may bind the installed one to directories of its own.
        let program = dir.join(kind.command());
        fs::copy(kind.installed().expect("it is installed"), &program).unwrap();
        let config = dir.join("config");
        fs::write(&config, kind.config(dir, at.port(), secondary)).unwrap();
        fs::write(dir.join("zone"), zone).unwrap();
        let flags: &[&str] = match kind {
            Kind::Nsd => &["-d"],
            Kind::Knot => &[],
            Kind::Bind => &["-g", "-n", "1"],
        };
        let log = File::create(dir.join("log")).unwrap();
        // Ended with the thread that started it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program).args(flags).arg("-c").arg(&config);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut primary = Self { child: command.spawn().unwrap(), kind, directory };
        eventually(SOON, "the primary answers", || {
            let ended = primary.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} has ended: {ended:?}: {}", kind.command(), primary.log());
            TcpStream::connect(at).ok()
        });
        primary
    }

    /// Gives it another text of the zone.
    pub(super) fn change(&self, zone: &str) {
        let beside = self.directory.path().join("zone.new");
        fs::write(&beside, zone).unwrap();
        fs::rename(beside, self.directory.path().join("zone")).unwrap();
        signal("HUP", self.child.id());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("── log of {} ──\n{}", self.kind.command(), self.log());
        }
        // Some have children of their own, which only the signal that asks for it makes them end.
        signal("TERM", self.child.id());
        let begun = std::time::Instant::now();
        while begun.elapsed() < SOON && self.child.try_wait().ok().flatten().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn signal(name: &str, process: u32) {
    drop(Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status());
}

/// An address that is free for UDP and TCP now.
pub(super) fn free_address() -> SocketAddr {
    loop {
        let stream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = stream.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// From one drop to the next: soon enough for each to be in time.
const DROP: Duration = Duration::from_secs(5);
/// Seconds for which a zone of a [`Dripping`] may be served without it.
const EXPIRE: u32 = 4;
/// Types in the low octet.
const A: u8 = 1;
const NS: u8 = 2;
const SOA: u8 = 6;

/// A primary of whatever zone it is asked for. Its transfers come at once, or a record at a time for as long as it
/// likes. A zone with serial n has 192.0.2.n as the address of `host`, and is to be asked for each second.
pub(super) struct Dripping {
    address: SocketAddr,
    script: Arc<Script>,
}

struct Script {
    scene: Mutex<Scene>,
    changed: Condvar,
}

struct Scene {
    serial: u8,
    drips: bool,
    /// Transfers that were begun, and those that drip now.
    begun: usize,
    dripping: usize,
}

impl Dripping {
    /// Starts with serial 1 at this address of the loopback interface.
    pub(super) fn start(ip: Ipv4Addr, drips: bool) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let scene = Mutex::new(Scene { serial: 1, drips, begun: 0, dripping: 0 });
        let script = Arc::new(Script { scene, changed: Condvar::new() });
        let dripping = Self { address: listener.local_addr().unwrap(), script: Arc::clone(&script) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = Arc::clone(&script);
                // Who asks may go at any time.
                thread::spawn(move || drop(script.converse(stream)));
            }
        });
        dripping
    }

    /// The file of a zone that comes from it.
    pub(super) fn zone(&self, apex: &str) -> String {
        format!("zone = \"{apex}\"\nprimary = \"{}\"\n", self.address)
    }

    /// There is a new serial, and its transfers drip. How many transfers were begun before.
    pub(super) fn drip(&self) -> usize {
        let mut scene = self.script.scene();
        scene.serial += 1;
        scene.drips = true;
        scene.begun
    }

    /// All transfers go on to their end.
    pub(super) fn flow(&self) {
        self.script.scene().drips = false;
        self.script.changed.notify_all();
    }

    /// How many transfers were begun, and how many drip now.
    pub(super) fn transfers(&self) -> (usize, usize) {
        let scene = self.script.scene();
        (scene.begun, scene.dripping)
    }
}

impl Script {
    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap()
    }

    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query)?;
            // The header, the name up to its root, type and class.
            let end = 12 + query[12..].iter().position(|&octet| octet == 0).unwrap() + 5;
            let (question, rtype) = (&query[..end], query[end - 3]);
            let (serial, drips) = {
                let mut scene = self.scene();
                scene.begun += usize::from(rtype != SOA);
                scene.dripping += usize::from(rtype != SOA && scene.drips);
                (scene.serial, scene.drips)
            };
            let times = [serial.into(), 1, 1, EXPIRE, 60].map(u32::to_be_bytes).concat();
            let soa = record("", SOA, &[&b"\x01a\0\x01b\0"[..], &times[..]].concat());
            let ns = record("", NS, b"\x02ns\x07example\x03net\0");
            let host = record("host", A, &[192, 0, 2, serial]);
            if rtype == SOA {
                send(&mut stream, question, &[soa])?;
            } else if drips {
                let sent = self.drip(&mut stream, question, &[soa.clone(), ns, host]);
                self.scene().dripping -= 1;
                sent?;
                send(&mut stream, question, &[soa])?;
            } else {
                send(&mut stream, question, &[soa.clone(), ns, host, soa])?;
            }
        }
    }

    /// These records, and then one now and then.
    fn drip(&self, stream: &mut TcpStream, question: &[u8], first: &[Vec<u8>]) -> io::Result<()> {
        send(stream, question, first)?;
        let mut number = 0;
        loop {
            let (scene, waited) = self.changed.wait_timeout_while(self.scene(), DROP, |scene| scene.drips).unwrap();
            drop(scene);
            if !waited.timed_out() {
                return Ok(());
            }
            send(stream, question, &[record(&format!("drop{number}"), A, &[192, 0, 2, 1])])?;
            number += 1;
        }
    }
}

/// A record of a name of one label below the zone's, or of the zone itself, which is the question.
fn record(label: &str, rtype: u8, data: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    if !label.is_empty() {
        record.push(label.len() as u8);
        record.extend(label.as_bytes());
    }
    record.extend([0xc0, 12, 0, rtype, 0, 1, 0, 0, 0, 60]);
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

/// Answers a query, of which there are the header and the question, with one message.
fn send(stream: &mut TcpStream, question: &[u8], records: &[Vec<u8>]) -> io::Result<()> {
    let header = [0x84, 0, 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
    let message = [&question[..2], &header[..], &question[12..], &records.concat()[..]].concat();
    stream.write_all(&[&(message.len() as u16).to_be_bytes()[..], &message[..]].concat())
}
