//! `rhumb check --live` on a small tree of name servers in a network of the test's own: NSD is the root, a top level and
//! a server that knows no client subnets, rhumb the others. Each zone but the first two has one fault planted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Namespace, SOON, Server, Site, eventually};

const ROOT: &str = "10.53.0.1";
const TOP: &str = "10.53.0.2";
/// Serves what the configuration says.
const OURS: [&str; 2] = ["10.53.0.3", "fd53::3"];
/// Serves the same, where nothing else is planted.
const SECOND: &str = "10.53.0.4";
/// NSD again: it echoes no client subnet, and serves one zone only.
const PLAIN: &str = "10.53.0.5";
/// The second one too, over UDP only.
const CLOSED: &str = "10.53.0.6";
/// Nobody.
const DARK: &str = "10.53.0.7";

/// The zones below `test`, and the address of each one's second server.
const ZONES: [(&str, &str); 11] = [
    ("good", SECOND),
    ("elsewhere", SECOND),
    ("noglue", SECOND),
    ("wrongglue", SECOND),
    ("stale", SECOND),
    ("deaf", PLAIN),
    ("closed", CLOSED),
    ("lame", PLAIN),
    ("referring", TOP),
    ("differing", SECOND),
    ("dark", DARK),
];

/// A zone that steers, with two servers.
fn zone(label: &str, second: &str, serial: u32) -> String {
    let servers = match label {
        "elsewhere" => "[\"ns1.good.test.\", \"ns2.good.test.\"]",
        _ => "[\"ns1\", \"ns2\"]",
    };
    let [v4, v6] = OURS;
    format!(
        "zone = \"{label}.test\"\n[soa]\nserial = {serial}\n[records]\n\"@\" = {{ NS = {servers} }}\n\
         ns1 = {{ A = \"{v4}\", AAAA = \"{v6}\" }}\nns2 = {{ A = \"{second}\" }}\nwww = {{ route = \"r\" }}\n\
         [endpoints.p]\nA = \"192.0.2.1\"\n[routes.r]\npolicy = \"simple\"\nto = [{{ endpoint = \"p\" }}]\n"
    )
}

/// What the top level delegates, faults included.
fn top() -> String {
    let mut text = format!("@ 300 SOA a.nic host 1 3600 600 86400 60\n@ 300 NS a.nic\na.nic 300 A {TOP}\n");
    for (label, second) in ZONES {
        let (names, second) = match label {
            "elsewhere" => (["ns1.good".to_owned(), "ns2.good".to_owned()], second),
            "differing" => ([format!("ns1.{label}"), format!("ns3.{label}")], second),
            "wrongglue" => ([format!("ns1.{label}"), format!("ns2.{label}")], DARK),
            _ => ([format!("ns1.{label}"), format!("ns2.{label}")], second),
        };
        for name in &names {
            text.push_str(&format!("{label} 300 NS {name}\n"));
        }
        if label == "elsewhere" {
            continue;
        }
        if label != "noglue" {
            text.push_str(&format!("{} 300 A {}\n{} 300 AAAA {}\n", names[0], OURS[0], names[0], OURS[1]));
        }
        text.push_str(&format!("{} 300 A {second}\n", names[1]));
    }
    text
}

/// NSD with some zones at one address, until dropped.
struct Nsd {
    child: Child,
    directory: TempDir,
}

impl Nsd {
    #[track_caller]
    fn start(namespace: &Namespace, program: &Path, address: &str, zones: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        // A copy, since a machine's rules of access may bind the installed one to directories of its own.
        fs::copy(program, at("nsd")).unwrap();
        let mut config = format!(
            "server:\n ip-address: {address}@53\n username: \"\"\n database: \"\"\n zonesdir: \"{}\"\n pidfile: \"{}\"\n \
             xfrdfile: \"{}\"\n zonelistfile: \"{}\"\n server-count: 1\nremote-control:\n control-enable: no\n",
            directory.path().display(),
            at("pid"),
            at("xfrd"),
            at("zonelist")
        );
        for (number, (apex, text)) in zones.iter().enumerate() {
            fs::write(at(&format!("zone{number}")), text).unwrap();
            config.push_str(&format!("zone:\n name: \"{apex}\"\n zonefile: \"zone{number}\"\n"));
        }
        fs::write(at("config"), config).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let mut command = namespace.command("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(at("nsd")).args(["-d", "-c", &at("config")]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let started = Self { child: command.spawn().unwrap(), directory };
        for (apex, _) in zones {
            let ask = [&format!("@{address}")[..], apex, "SOA", "+short", "+norecurse", "+tries=1", "+time=1"];
            eventually(SOON, &format!("NSD serves {apex}: {}", started.log()), || {
                let said = namespace.dig(&ask);
                (said.status.success() && !said.stdout.is_empty()).then_some(())
            });
        }
        started
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        // It has children of its own, which only the signal that asks for it makes them end.
        drop(Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status());
        drop(self.child.wait());
    }
}

/// All of the world.
struct World {
    namespace: Namespace,
    ours: Site,
    _running: (Vec<Nsd>, [Server; 2]),
}

fn nsd() -> Option<PathBuf> {
    let found =
        ["/usr/sbin/nsd", "/usr/local/sbin/nsd", "/sbin/nsd"].map(PathBuf::from).into_iter().find(|p| p.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs NSD");
        eprintln!("skipped: NSD is not installed");
    }
    found
}

impl World {
    /// `None` where this machine lacks what it takes.
    fn new() -> Option<Self> {
        let program = nsd()?;
        let namespace = Namespace::new("live")?;
        for address in [ROOT, TOP, OURS[0], SECOND, PLAIN, CLOSED, DARK] {
            namespace.ip(&format!("address add {address}/32 dev lo"));
        }
        namespace.ip(&format!("address add {}/128 dev lo nodad", OURS[1]));
        // The rule for addresses of this machine comes first of all, unless it is put behind another.
        namespace.ip("rule add pref 100 lookup local");
        namespace.ip("rule delete pref 0");
        namespace.ip(&format!("rule add pref 10 to {CLOSED} ipproto tcp dport 53 unreachable"));

        let root = format!(
            ". 300 SOA a.root host 1 3600 600 86400 60\n. 300 NS a.root\na.root 300 A {ROOT}\n\
                            test 300 NS a.nic.test\na.nic.test 300 A {TOP}\n"
        );
        let [v4, v6] = OURS;
        let deaf = format!(
            "@ 300 SOA ns1 host 7 3600 600 86400 60\n@ 300 NS ns1\n@ 300 NS ns2\nns1 300 A {v4}\n\
                            ns1 300 AAAA {v6}\nns2 300 A {PLAIN}\n"
        );
        let hidden = deaf.replace(PLAIN, SECOND);
        let servers = vec![
            Nsd::start(&namespace, &program, ROOT, &[(".", &root)]),
            Nsd::start(&namespace, &program, TOP, &[("test", &top()), ("hidden.test", &hidden)]),
            Nsd::start(&namespace, &program, PLAIN, &[("deaf.test", &deaf)]),
        ];
        let (ours, second) = (Site::new(""), Site::new(""));
        for (label, address) in ZONES {
            let file = format!("{label}.test.toml");
            ours.write(&file, &zone(label, address, 7));
            second.write(&file, &zone(label, address, if label == "stale" { 6 } else { 7 }));
        }
        for site in [&ours, &second] {
            for label in ["unknown", "hidden"] {
                site.write(&format!("{label}.test.toml"), &zone(label, SECOND, 7));
            }
        }
        let at = |address: &str| std::net::SocketAddr::new(address.parse().unwrap(), 53).to_string();
        let listen = |addresses: [&str; 2]| {
            let [one, other] = addresses.map(at);
            ["--listen", &one, "--listen", &other, "--admin", "unix:admin.sock"].map(str::to_owned)
        };
        let start = |site: &Site, addresses| {
            let flags = listen(addresses);
            site.start_in(namespace.name(), &flags.each_ref().map(|flag| &flag[..]))
        };
        let running = [start(&ours, OURS), start(&second, [SECOND, CLOSED])];
        Some(Self { namespace, ours, _running: (servers, running) })
    }

    fn check(&self, directory: &Path, arguments: &[&str]) -> Output {
        let mut command = self.namespace.command(env!("CARGO_BIN_EXE_rhumb"));
        command.args(["check", "--root", ROOT]).args(arguments).env("NO_COLOR", "1").current_dir(directory);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Code and place of each finding, and the exit code.
    #[track_caller]
    fn findings(&self, zone: &str) -> (Vec<(String, String)>, Option<i32>) {
        let output = self.check(self.ours.path(), &["--live", zone, "--config", "rhumb.toml", "--format", "json"]);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{zone}: {error}: {out}{err}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = told["findings"].as_array().unwrap();
        let found = findings.iter().map(|finding| (text(&finding["code"]), text(&finding["where"][0]))).collect();
        for finding in findings {
            assert!(!text(&finding["what"]).is_empty() && !text(&finding["help"]).is_empty(), "{finding}");
        }
        (found, output.status.code())
    }
}

#[test]
fn the_world_is_compared_with_the_configuration_and_each_planted_fault_is_found() {
    let Some(world) = World::new() else { return };
    let second = |zone: &str, address: &str| format!("ns2.{zone}.test. ({address})");
    type Expected<'a> = (&'a str, &'a [(&'a str, String)], i32);
    let expected: [Expected<'_>; 12] = [
        ("good", &[], 0),
        ("elsewhere", &[], 0),
        ("noglue", &[("missing-glue", "test.".into())], 1),
        ("wrongglue", &[("wrong-glue", "test.".into())], 1),
        ("stale", &[("stale-serial", second("stale", SECOND))], 0),
        ("deaf", &[("no-subnet", second("deaf", PLAIN))], 0),
        ("closed", &[("no-tcp", second("closed", CLOSED))], 1),
        ("lame", &[("lame", second("lame", PLAIN))], 1),
        ("referring", &[("lame", second("referring", TOP))], 1),
        ("differing", &[("ns-differ", "test.".into()), ("ns-differ", "ns1.differing.test. (10.53.0.3)".into())], 0),
        ("dark", &[("unreachable", second("dark", DARK))], 1),
        ("unknown", &[("not-delegated", format!("a.nic.test. ({TOP})"))], 1),
    ];
    for (zone, findings, code) in expected {
        let expected: Vec<_> = findings.iter().map(|(code, at)| ((*code).to_owned(), at.clone())).collect();
        assert_eq!(world.findings(&format!("{zone}.test")), (expected, Some(code)), "{zone}");
    }

    // For people: every server with what it said, each finding with where and what to do, and a sum.
    let output = world.check(world.ours.path(), &["--live", "closed.test", "--config", "rhumb.toml"]);
    let text = String::from_utf8_lossy(&output.stdout);
    for words in ["closed.test. below test.", "serial 7", "no tcp", "error[no-tcp]", "at: ns2.", "do: ", "1 error:"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Without a configuration the servers are compared with each other.
    let nowhere = tempfile::tempdir().unwrap();
    let output = world.check(nowhere.path(), &["--live", "good.test"]);
    let (text, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("no faults"), "{text}{notes}");
    assert!(notes.contains("not in the configuration here"), "{notes}");
    // Nothing says here that this zone steers, and so that its servers need client subnets.
    let output = world.check(nowhere.path(), &["--live", "deaf.test"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no faults") && !text.contains("no-subnet"), "{text}");
    // A server of the parent that serves the zone too tells its servers, though not their delegation.
    let output = world.check(nowhere.path(), &["--live", "hidden.test"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("note[delegation-hidden]") && text.contains("no faults: 3 addresses asked"), "{text}");
    // From hints, as a resolver has them.
    let hints = nowhere.path().join("named.root");
    fs::write(&hints, format!(". NS a.root.\na.root. A {ROOT}\n")).unwrap();
    let mut command = world.namespace.command(env!("CARGO_BIN_EXE_rhumb"));
    command.args(["check", "--live", "good.test", "--hints"]).arg(&hints).current_dir(nowhere.path());
    assert!(command.output().unwrap().status.success());
    // A root that is silent is no finding about the zone.
    let mut command = world.namespace.command(env!("CARGO_BIN_EXE_rhumb"));
    command.args(["check", "--live", "good.test", "--root", DARK]).current_dir(nowhere.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("no way from the root") && said.contains("--hints"), "{said}");
}
