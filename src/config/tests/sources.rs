//! Where texts come from: server file, imports, plain zones, kept texts, faults of files.

use std::collections::HashMap;

use super::*;
use crate::world::LatLon;

const SERVER: &str = r#"
zones = "zones"
state = "/var/lib/rhumb"
workers = 2
pin_workers = true
transport = "hickory"
reload = "zone"
identity = "one"
depth = 3
[listen]
dns = ["0.0.0.0:53", "[::]:53"]
admin = "unix:admin.sock"
receive_buffer = 1048576
send_buffer = 65536
steer_by_cpu = true
[geoip]
prefer = "resolver"
unknown = "US-NY"
[latency]
table = "latency.csv"
[networks]
"10.20.0.0/16" = { country = "DE", at = "50.11,8.68", asn = 64500 }
"10.30.0.0/16" = { subdivision = "US-VA" }
[limits]
maps = 7
"#;

const PLAIN: &str = "zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n";

#[test]
fn every_key_of_the_server_file_reaches_the_model() {
    let (directory, loaded) = load_files(&[
        ("rhumb.toml", SERVER),
        ("latency.csv", "client,region,milliseconds\n203.0.113.0/24,aws:eu-west-1,11.5\ncontinent:EU,x,7\n"),
        ("zones/example.com.toml", PLAIN),
    ]);
    assert_eq!(loaded.diagnostics, []);
    let model = loaded.model.unwrap();
    let server = &model.server;
    assert_eq!(server.zones, directory.path().join("zones"));
    assert_eq!(server.state, std::path::Path::new("/var/lib/rhumb"));
    assert_eq!((server.workers, server.depth, server.identity.as_deref()), (2, 3, Some("one")));
    assert_eq!(
        (server.transport, server.reload, server.prefer),
        (Transport::Hickory, ReloadUnit::Zone, Prefer::Resolver)
    );
    assert_eq!((server.dns.len(), server.dns_is_default), (2, false));
    assert_eq!(server.admin, AdminAddress::Unix(directory.path().join("admin.sock")));
    assert_eq!(server.limits, Limits { maps: 7, ..Limits::default() });
    assert_eq!((server.receive_buffer, server.send_buffer), (1_048_576, 65_536));
    assert!(server.pin_workers && server.steer_by_cpu);
    assert_eq!(server.unknown.unwrap().subdivision.unwrap().as_str(), "US-NY");
    let (network, place) = &server.networks[0];
    assert_eq!(
        (network.to_string().as_str(), place.at, place.asn),
        ("10.20.0.0/16", LatLon::new(50.11, 8.68), Some(64_500))
    );
    assert_eq!(place.continent.unwrap().code(), "EU");
    assert_eq!(server.networks[1].1.country.unwrap().as_str(), "US");
    assert_eq!(model.latencies.iter().map(|row| row.tenths).collect::<Vec<_>>(), [115, 70]);
}

#[test]
fn flags_go_before_the_server_file() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("example.com.toml"), PLAIN).unwrap();
    let server = directory.path().join("rhumb.conf");
    std::fs::write(&server, SERVER.replace("latency.csv", "/dev/null")).unwrap();
    let overrides = Overrides {
        zones: Some(directory.path().to_owned()),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        admin: Some("127.0.0.1:1".into()),
        workers: Some(1),
        ..Overrides::default()
    };
    let model = load(Some(&server), &overrides).model.unwrap();
    assert_eq!((model.server.dns[0].port(), model.server.workers), (0, 1));
    assert_eq!(model.server.admin, AdminAddress::Tcp("127.0.0.1:1".parse().unwrap()));
    let open = Overrides { admin: Some("0.0.0.0:1".into()), ..overrides };
    assert_eq!(load(Some(&server), &open).diagnostics[0].code, code::TOKEN_NEEDED);
}

#[test]
fn a_server_file_that_was_named_and_is_missing_is_a_fault() {
    let loaded = load(Some(Path::new("/nonexistent/rhumb.toml")), &Overrides::default());
    assert!(loaded.model.is_none());
    assert_eq!(loaded.diagnostics[0].code, code::UNREADABLE);
}

const MASTER: &str = "$TTL 600\n@ SOA ns.example.net. host 7 1 2 3 4\n@ NS ns.example.net.\nwww A 192.0.2.1\n";

#[test]
fn a_master_file_is_served_plain_or_as_the_base_of_a_toml_zone() {
    let model = model(&[
        (
            "zones/example.com.toml",
            "zone = \"example.com\"\nimport = \"base/example.com.zone\"\n[soa]\nminimum = \"9s\"\n[records]\nwww = { A = \"192.0.2.2\" }\nx = { A = \"192.0.2.3\" }\n",
        ),
        ("zones/base/example.com.zone", MASTER),
        ("zones/example.org.zone", MASTER),
        ("zones/example.com.zone", "never read: a TOML file of this name is beside it"),
    ]);
    let names: Vec<_> = model.zones.iter().map(|zone| zone.apex.to_string()).collect();
    assert_eq!(names, ["example.com.", "example.org."]);
    let (com, org) = (&model.zones[0], &model.zones[1]);
    assert_eq!((com.soa.serial, com.soa.minimum, org.soa.minimum), (7, 9, 4));
    let www = com.records.iter().find(|set| set.owner == name("www.example.com")).unwrap();
    assert_eq!((www.rdata.len(), www.ttl), (2, 600), "records are added to the imported ones");
    assert_eq!(org.records.len(), 2, "NS and A; the SOA is not among them");
}

#[test]
fn a_kept_text_stands_for_its_file() {
    let (directory, faulty) = load_files(&[("zones/example.com.toml", "zone = ")]);
    assert!(faulty.model.is_none());
    let kept = HashMap::from([(directory.path().join("zones/example.com.toml"), PLAIN.to_owned())]);
    let loaded = load_keeping(Some(&directory.path().join("rhumb.toml")), &Overrides::default(), &kept);
    assert_eq!(loaded.model.unwrap().zones[0].apex, name("example.com"));
    std::fs::remove_file(directory.path().join("zones/example.com.toml")).unwrap();
    let loaded = load_keeping(Some(&directory.path().join("rhumb.toml")), &Overrides::default(), &kept);
    assert!(loaded.model.is_some(), "{:?}", loaded.diagnostics);
}

#[test]
fn all_files_that_were_read_are_among_the_sources() {
    let (_directory, loaded) = load_files(&[
        ("rhumb.toml", SERVER),
        ("latency.csv", ""),
        ("zones/example.com.toml", &PLAIN.replace("[rec", "import = \"a.zone\"\n[rec")),
        ("zones/a.zone", "www A 192.0.2.1\n"),
    ]);
    let mut names: Vec<_> =
        loaded.sources.iter().map(|source| source.path().file_name().unwrap().to_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a.zone", "example.com.toml", "latency.csv", "rhumb.toml"]);
    assert!(loaded.model.is_some(), "{:?}", loaded.diagnostics);
}
