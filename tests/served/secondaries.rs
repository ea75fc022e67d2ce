//! Name servers that others wrote as secondaries of ours: told of a change, they have it soon, signed and whole.
//!
//! Where one of them is missing its test says so and passes; with `CI` in the environment it fails.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rhumb::wire::RecordType;

use super::transfers::SECRET;
use super::{Client, SOON, Server, Site, eventually};
use crate::harness::{Ask, zone};

/// A change is to be there so soon. Unoptimized code, on a machine that runs other tests beside this one, is not what
/// the bound is for.
const WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });

const RECORDS: &str = r#"
ns1 = { A = "192.0.2.53", AAAA = "2001:db8::53" }
mail = { A = "192.0.2.25" }
"@" = { NS = "ns1", MX = "10 mail", TXT = "v=spf1 mx -all" }
lab = { NS = "ns1.lab" }
"ns1.lab" = { A = "192.0.2.61" }
"*.w" = { TXT = "wild" }
sub = { DNAME = "elsewhere.example.net." }
"_sip._tcp" = { SRV = "10 5 5060 mail" }
svc = { HTTPS = "1 . alpn=h2" }
odd = { TYPE731 = '\# 3 010203' }
www = { route = "web" }
"#;

const ROUTES: &str =
    "[endpoints.p]\nA = \"192.0.2.1\"\nAAAA = \"2001:db8::1\"\n[routes.web]\npolicy = \"weighted\"\nto = [\"p\"]\n";

/// Whether the program is there.
fn has(program: &str) -> bool {
    let has = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn();
    match has {
        Ok(mut child) => {
            // What it says of itself does not matter.
            let _ = child.kill();
            let _ = child.wait();
            true
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{program}: {error}");
            eprintln!("{program} is not installed: not tried");
            false
        }
    }
}

/// A port of the loopback address that nothing listens on, neither datagrams nor streams.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Another's server, which ends with the test.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    /// `configure` writes the configuration and gives the command.
    fn start(port: u16, command: &mut Command, log: &Path) -> Self {
        let log = fs::File::create(log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SIGTERM, so that it takes its own children along.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begun.elapsed() > Duration::from_secs(10) {
                let _ = self.child.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.wait();
    }
}

/// The serial that a server says, if it answers.
fn serial(server: SocketAddr) -> Option<u32> {
    let ask = Ask::of("example.com.", RecordType::SOA);
    let reply = Client::of(server).timeout(Duration::from_millis(200)).exchange(&ask.bytes()).ok()?;
    let message = hickory_proto::op::Message::from_vec(&reply).ok()?;
    let soa = message.answers.first()?.data.to_string();
    soa.split_whitespace().nth(2)?.parse().ok()
}

/// The whole zone as a server hands it out, sorted and in lower case.
fn copy(server: SocketAddr) -> Vec<String> {
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let done = Command::new("dig")
        .args([&at, "-p", &port, "-y", &format!("hmac-sha256:xfr:{SECRET}")])
        .args(["+onesoa", "+nocrypto", "+nostats", "+nocmd", "+noidnout", "example.com", "AXFR"])
        .output()
        .expect("dig is installed");
    let text = String::from_utf8(done.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty() && !line.contains("TSIG"));
    let mut records: Vec<String> =
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()).collect();
    records.sort();
    records
}

/// A server whose zone the secondary at `port` may copy and is told of.
fn primary(port: u16) -> (Site, Server) {
    let transfer = format!(
        "[transfer]\nto = [{{ from = \"127.0.0.1\", key = \"xfr\" }}]\n\
         notify = [{{ to = \"127.0.0.1:{port}\", key = \"xfr\" }}]\n"
    );
    let text = zone("", "").replace("\"@\" = { NS = \"ns1.example.net.\" }\n", RECORDS);
    let site = Site::with_zone("[keys.xfr]\nsecret_file = \"xfr.secret\"\n", &format!("{text}{ROUTES}{transfer}"));
    fs::write(site.path().join("xfr.secret"), SECRET).unwrap();
    let server = site.start();
    (site, server)
}

/// The secondary gets the zone, and each change of it, soon after it is told.
fn follows(site: &Site, server: &Server, peer: &Peer, log: &Path) {
    let ours = || serial(server.dns).expect("our serial");
    let said = || fs::read_to_string(log).unwrap_or_default();
    let first = ours();
    let begun = Instant::now();
    while serial(peer.address) != Some(first) {
        assert!(begun.elapsed() < SOON, "it never had the zone:\n{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(copy(peer.address), copy(server.dns), "{}", said());
    let mut before = first;
    for change in 0..3 {
        let text = site.read("example.com.toml");
        let text = match change {
            0 => {
                text.replace("mail = { A = \"192.0.2.25\" }", "mail = { A = \"192.0.2.26\" }\nnew = { TXT = \"new\" }")
            }
            1 => text.replace("new = { TXT = \"new\" }\n", ""),
            _ => text.replace("A = \"192.0.2.1\"", "A = [\"192.0.2.1\", \"192.0.2.2\"]"),
        };
        site.replace("example.com.toml", &text);
        let now = eventually(SOON, "our serial after the change", || Some(ours()).filter(|&now| now != before));
        let begun = Instant::now();
        while serial(peer.address) != Some(now) {
            assert!(begun.elapsed() < WITHIN, "it has not {now} after {before}:\n{}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
        before = now;
        assert_eq!(copy(peer.address), copy(server.dns), "after change {change}: {}", said());
    }
    let status = server.status();
    assert!(status["counters"]["transfers_changes"].as_u64() >= Some(3), "by what has changed: {status}");
    eventually(SOON, "it says that it heard", || {
        let secondary = server.status()["secondaries"][0].clone();
        (secondary["state"] == "heard" && secondary["serial"] == before).then_some(())
    });
}

fn key(quoted: bool) -> String {
    if quoted { format!("\"{SECRET}\"") } else { SECRET.to_owned() }
}

#[test]
fn p24_nsd_follows_us_with_signed_transfers() {
    if !has("nsd") {
        return;
    }
    let port = free_port();
    let (site, server) = primary(port);
    let (home, ours) = (site.path().join("nsd"), server.dns.port());
    fs::create_dir(&home).unwrap();
    let (directory, key) = (home.display(), key(true));
    let config = format!(
        "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  zonesdir: \"{directory}\"\n  \
         database: \"\"\n  pidfile: \"{directory}/pid\"\n  xfrdfile: \"{directory}/xfrd\"\n  xfrdir: \"{directory}\"\n  \
         zonelistfile: \"{directory}/list\"\n  server-count: 1\n  xfrd-reload-timeout: 0\n  verbosity: 2\n\
         remote-control:\n  control-enable: no\n\
         key:\n  name: \"xfr\"\n  algorithm: hmac-sha256\n  secret: {key}\n\
         zone:\n  name: \"example.com\"\n  zonefile: \"copy.zone\"\n  request-xfr: 127.0.0.1@{ours} xfr\n  \
         allow-notify: 127.0.0.1 xfr\n  provide-xfr: 127.0.0.1 xfr\n"
    );
    fs::write(home.join("nsd.conf"), config).unwrap();
    let log = home.join("log");
    let peer = Peer::start(port, Command::new("nsd").arg("-d").arg("-c").arg(home.join("nsd.conf")), &log);
    follows(&site, &server, &peer, &log);
}

#[test]
fn p24_knot_follows_us_with_signed_transfers() {
    if !has("knotd") {
        return;
    }
    let port = free_port();
    let (site, server) = primary(port);
    let (home, ours) = (site.path().join("knot"), server.dns.port());
    fs::create_dir(&home).unwrap();
    let (directory, key) = (home.display(), key(false));
    let config = format!(
        "server:\n    listen: 127.0.0.1@{port}\n    rundir: \"{directory}\"\n    udp-workers: 1\n    tcp-workers: 1\n    \
         background-workers: 1\ndatabase:\n    storage: \"{directory}\"\n    journal-db-max-size: 16M\n    \
         timer-db-max-size: 8M\n    kasp-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
         log:\n  - target: stderr\n    any: info\n\
         key:\n  - id: xfr\n    algorithm: hmac-sha256\n    secret: {key}\n\
         remote:\n  - id: primary\n    address: 127.0.0.1@{ours}\n    key: xfr\n\
         acl:\n  - id: both\n    address: 127.0.0.1\n    key: xfr\n    action: [notify, transfer]\n\
         zone:\n  - domain: example.com\n    storage: \"{directory}\"\n    file: copy.zone\n    master: primary\n    \
         acl: both\n"
    );
    fs::write(home.join("knot.conf"), config).unwrap();
    let log = home.join("log");
    let peer = Peer::start(port, Command::new("knotd").arg("-c").arg(home.join("knot.conf")), &log);
    follows(&site, &server, &peer, &log);
}

#[test]
fn p24_bind_follows_us_with_signed_transfers() {
    if !has("named") {
        return;
    }
    let port = free_port();
    let (site, server) = primary(port);
    let (home, ours) = (site.path().join("bind"), server.dns.port());
    fs::create_dir(&home).unwrap();
    let (directory, key) = (home.display(), key(true));
    let config = format!(
        "options {{ directory \"{directory}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; \
         pid-file \"{directory}/pid\"; session-keyfile \"{directory}/session\"; recursion no; notify no; \
         dnssec-validation no; allow-transfer {{ key xfr; }}; }};\ncontrols {{ }};\n\
         key xfr {{ algorithm hmac-sha256; secret {key}; }};\n\
         zone \"example.com\" {{ type secondary; primaries {{ 127.0.0.1 port {ours} key xfr; }}; \
         allow-notify {{ key xfr; }}; file \"copy.zone\"; masterfile-format text; }};\n"
    );
    fs::write(home.join("named.conf"), config).unwrap();
    let log = home.join("log");
    let mut command = Command::new("named");
    command.args(["-g", "-n", "1", "-c"]).arg(home.join("named.conf"));
    let peer = Peer::start(port, &mut command, &log);
    follows(&site, &server, &peer, &log);
}

#[test]
fn p24_zone_checkers_find_nothing_in_what_is_copied() {
    let (site, server) = primary(free_port());
    let text = copy(server.dns).join("\n") + "\n";
    let file = site.path().join("copied.zone");
    fs::write(&file, &text).unwrap();
    for (program, arguments) in [
        ("nsd-checkzone", &["example.com"][..]),
        ("kzonecheck", &["-o", "example.com"]),
        ("named-checkzone", &["example.com"]),
    ] {
        if !has(program) {
            continue;
        }
        let checked = Command::new(program).args(arguments).arg(&file).output().unwrap();
        let said = [checked.stdout, checked.stderr].concat();
        assert!(checked.status.success(), "{program}: {}\n{text}", String::from_utf8_lossy(&said));
    }
}
