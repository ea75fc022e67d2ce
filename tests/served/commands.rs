//! Commands beside `serve`, as programs and persons use them.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{Site, rhumb};
use crate::harness::{Ask, zone};

fn site() -> Site {
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb");
    Site::with_zone(
        &format!("[geoip]\ndatabases = [\"{database}\"]"),
        &zone(
            "near = { route = \"near\", ttl = 7 }\nhost = { A = \"192.0.2.7\" }",
            "[endpoints.w]\nA = \"192.0.2.1\"\nat = \"38.90,-77.01\"\n[endpoints.l]\nA = \"192.0.2.2\"\nat = \"51.50,-0.16\"\n\
             [routes.near]\npolicy = \"geoproximity\"\nto = [\"w\", \"l\"]",
        ),
    )
}

/// The same without places, which are most of the work of a start.
fn plain() -> Site {
    Site::with_zone(
        "",
        &zone(
            "first = { route = \"first\", ttl = 7 }\nhost = { A = \"192.0.2.7\" }",
            "[endpoints.w]\nA = \"192.0.2.1\"\n[endpoints.l]\nA = \"192.0.2.2\"\n\
             [routes.first]\npolicy = \"failover\"\nto = [\"w\", \"l\"]",
        ),
    )
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn check_exits_0_without_errors_and_1_with_them_and_prints_the_same_as_text_and_json() {
    let site = plain();
    let check = |arguments: &[&str]| {
        let all: Vec<&str> = ["--config", "rhumb.toml", "check"].iter().chain(arguments).copied().collect();
        rhumb(site.path(), &all)
    };
    let well = check(&["--format", "json"]);
    assert_eq!((well.status.code(), &json(&well)["errors"], &json(&well)["zones"]), (Some(0), &0.into(), &1.into()));
    assert!(text(&check(&[])).contains("1 zone"));

    let broken = site.read("example.com.toml").replace("policy = \"failover\"", "policy = \"failovr\"");
    site.write("example.com.toml", &broken);
    let faulty = check(&["--format", "json"]);
    assert_eq!((faulty.status.code(), &json(&faulty)["errors"]), (Some(1), &1.into()));
    let fault = &json(&faulty)["diagnostics"][0];
    let line = broken.lines().position(|line| line.contains("failovr")).unwrap() + 1;
    assert_eq!(fault["severity"], "error", "{fault}");
    assert_eq!(fault["line"], line, "{fault}");
    assert!(fault["file"].as_str().unwrap().ends_with("zones/example.com.toml"), "{fault}");
    let said = check(&[]);
    assert_eq!(said.status.code(), Some(1));
    let place = format!("zones/example.com.toml:{line}:");
    assert!(text(&said).contains(&place) && text(&said).contains("failover"), "{}", text(&said));
    assert!(!text(&said).contains('\u{1b}'), "no colours where nobody looks");
}

#[test]
fn explain_tells_what_is_answered_from_the_running_server_and_from_files() {
    let site = site();
    let server = site.start();
    let arguments = ["explain", "near.example.com", "--client", "24.137.64.0/24", "--format", "json"];
    let live = server.rhumb(&arguments);
    let files: Vec<&str> = arguments.iter().chain(&["--at-config", "rhumb.toml"]).copied().collect();
    let offline = rhumb(site.path(), &files);
    let reply = server.ask(&Ask::a("near.example.com.").subnet("24.137.64.0/24"));
    for output in [&live, &offline] {
        assert_eq!(output.status.code(), Some(0));
        let told = json(output);
        assert_eq!(told["difference"], Value::Null);
        assert_eq!(told["answer"].as_array().map(Vec::len), Some(1));
        assert!(told["answer"][0].as_str().unwrap().ends_with(&reply.only()), "{told}");
        assert_eq!(told["ttl"], reply.ttl());
        assert_eq!(told["scope"], reply.scope());
        let decision = &told["decisions"][0];
        assert_eq!((&decision["place"]["country"], &decision["place"]["subdivision"]), (&"CA".into(), &"CA-NL".into()));
        let first = &decision["nodes"][0]["candidates"][0];
        assert_eq!((&first["name"], &first["measure"]), (&"w".into(), &"2179.2 km".into()));
    }
    let words = text(&server.rhumb(&arguments[..4]));
    assert!(words.contains("192.0.2.1") && words.contains("2179.2 km") && words.contains("3735.3 km"), "{words}");
    let plain = json(&server.rhumb(&["explain", "host.example.com", "--client", "192.0.2.0/24", "--format", "json"]));
    assert_eq!((&plain["scope"], plain["decisions"].as_array().map(Vec::len)), (&0.into(), Some(0)));
}

#[test]
fn status_as_json_is_what_the_admin_api_says_and_metrics_count_queries() {
    let site = site();
    let server = site.start();
    server.ask(&Ask::a("host.example.com."));
    super::over_tcp(server.dns, &Ask::a("host.example.com."));
    let shown: Value = serde_json::from_str(&server.done(&["status", "--format", "json"])).unwrap();
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(shown["listening"][0], server.dns.to_string());
    assert_eq!(shown["zones"][0]["apex"], "example.com");
    assert_eq!((&shown["zones"][0]["names"], &shown["zones"][0]["steered"]), (&3.into(), &1.into()));
    assert_eq!((&shown["counters"]["udp_queries"], &shown["counters"]["udp_replies"]), (&1.into(), &1.into()));
    assert_eq!((&shown["counters"]["tcp_queries"], &shown["counters"]["tcp_replies"]), (&1.into(), &1.into()));
    assert!(shown["databases"][0]["file"].as_str().unwrap().ends_with("city.mmdb"), "{}", shown["databases"]);
    let (code, metrics) = server.get("/metrics");
    assert_eq!(code, 200);
    for line in ["rhumb_generation 1", "rhumb_last_load_ok 1", "rhumb_udp_queries_total 1"] {
        assert!(metrics.lines().any(|known| known == line), "{line} in {metrics}");
    }
    assert_eq!(server.told["zones"][0], "example.com");
}

#[test]
fn a_unix_socket_serves_the_admin_api_as_well() {
    let site = plain();
    let server = site.start_with(&["--admin", "unix:admin.sock"]);
    assert_eq!(server.generation(), 1);
    assert!(server.done(&["status"]).contains("example.com"));
    server.done(&["drain", "w"]);
    assert_eq!(server.ask(&Ask::a("first.example.com.")).only(), "192.0.2.2");
}

#[test]
fn asking_a_server_that_does_not_run_ends_with_4_and_says_so() {
    let site = plain();
    // Free a moment ago, and nobody's now.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for command in [&["status"][..], &["reload"], &["drain", "w"], &["explain", "a.example", "--client", "::1"]] {
        let all: Vec<&str> = ["--admin", &free].iter().chain(command).copied().collect();
        let output = rhumb(site.path(), &all);
        assert_eq!(output.status.code(), Some(4), "{command:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(&free), "{command:?}");
    }
}

#[test]
fn shipped_schemas_are_what_the_command_prints() {
    let shipped =
        |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("zones").join(file)).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (of, file) in [("zone", "zone.schema.json"), ("server", "rhumb.schema.json")] {
        let printed = rhumb(here, &["schema", of]);
        assert!(printed.status.success());
        assert_eq!(text(&printed), shipped(file), "`rhumb schema {of} > zones/{file}` writes it anew");
    }
}

#[test]
fn completions_and_man_pages_are_printed_for_every_shell_and_command() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let printed = rhumb(here, &["completions", shell]);
        assert!(printed.status.success() && text(&printed).contains("explain"), "{shell}");
    }
    for (arguments, word) in [(&["man"][..], "rhumb"), (&["man", "explain"], "at\\-config")] {
        let printed = rhumb(here, arguments);
        assert!(printed.status.success() && text(&printed).contains(".TH"), "{arguments:?}");
        assert!(text(&printed).contains(word), "{arguments:?}: {}", text(&printed));
    }
    let place = tempfile::tempdir().unwrap();
    assert!(rhumb(place.path(), &["man", "--all", "."]).status.success());
    assert!(fs::read_dir(place.path()).unwrap().count() > 10, "a page a command");
}
