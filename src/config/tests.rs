//! Whole loads from files in a temporary directory.

use super::model::*;
use super::*;
use crate::wire::{Name, RecordType};

mod edit;
mod golden;
mod holdings;
mod judged;
mod loader;
mod lowering;
mod mutated;
mod schema;
mod sources;
mod types;

/// A directory with files, loaded without a server file unless there is a `rhumb.toml`.
fn load_files(files: &[(&str, &str)]) -> (tempfile::TempDir, Loaded) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let server = directory.path().join("rhumb.toml");
    if !server.exists() {
        std::fs::write(&server, "zones = \"zones\"\n").unwrap();
    }
    let loaded = load(Some(&server), &Overrides::default());
    (directory, loaded)
}

fn model(files: &[(&str, &str)]) -> Model {
    let (_directory, loaded) = load_files(files);
    let text = render_all(&loaded.diagnostics, &loaded.sources, false);
    loaded.model.unwrap_or_else(|| panic!("{text}"))
}

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

/// The zone of the documentation.
const EXAMPLE: &str = include_str!("tests/example.toml");

#[test]
fn the_documented_zone_loads_as_it_reads() {
    let (_directory, loaded) = load_files(&[("zones/example.com.toml", EXAMPLE)]);
    eprintln!("{}", render_all(&loaded.diagnostics, &loaded.sources, false));
    let model = loaded.model.unwrap();
    let zone = &model.zones[0];
    assert_eq!(zone.apex, name("example.com"));
    assert_eq!(zone.soa.mname, name("ns1.example.com"));
    assert_eq!(zone.soa.minimum, 60);
    assert!(zone.soa.serial > 1_700_000_000, "from the file's time");
    let steered = |owner: &str| zone.steered.iter().find(|s| s.owner == name(owner)).unwrap();
    assert_eq!((steered("www.example.com").ttl, steered("api.example.com").ttl), (30, 10));
    let mail = zone.records.iter().find(|r| r.rtype == RecordType::MX).unwrap();
    assert_eq!(mail.rdata.first().unwrap(), b"\0\x0a\x04mail\x07example\x03com\0");
    assert_eq!(mail.ttl, 300);
    let txt = zone.records.iter().find(|r| r.rtype == RecordType::TXT).unwrap();
    assert_eq!(txt.rdata.first().unwrap(), b"\x0ev=spf1 mx -all");

    let virginia = &model.endpoints[0];
    assert_eq!(virginia.name, "example.com/virginia");
    assert_eq!(virginia.region.as_deref(), Some("aws:us-east-1"));
    let Health::PerAddress(each) = &virginia.health else { panic!("{:?}", virginia.health) };
    assert_eq!(each.len(), 3);
    assert_eq!(model.probe(each[0].1).key, "example.com/https|example.com/virginia|198.51.100.10");

    let web = model.routes.iter().find(|r| r.name == "example.com/web").unwrap();
    assert_eq!(web.policy, Policy::Geolocation);
    assert_eq!(web.members[0].target, Target::Route(RouteId(2)));
    assert_eq!(web.members[1].locations.len(), 2);
    assert_eq!(web.members[3].locations, [Location::Default]);
    let eu = &model.routes[2];
    assert_eq!(eu.members.iter().map(|m| m.weight).collect::<Vec<_>>(), [90, 10]);
}

#[test]
fn ten_times_the_records_take_about_ten_times_as_long() {
    let zone = |count: usize| {
        let mut text = String::from("zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n");
        for i in 0..count {
            let (a, b) = (i / 256 % 256, i % 256);
            text.push_str(&format!("host-{i} = {{ A = \"10.{}.{a}.{b}\", TXT = \"number {i}\" }}\n", i / 65_536));
        }
        text
    };
    let time = |count: usize| {
        let text = zone(count);
        let once = || {
            let start = std::time::Instant::now();
            let loaded = load_files(&[("zones/example.com.toml", &text)]).1;
            assert_eq!(loaded.model.unwrap().zones[0].records.len(), 2 * count + 1);
            start.elapsed()
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    let (small, large) = (time(2_000), time(20_000));
    // A quadratic step would make it a hundred times.
    assert!(large < small * 50, "{small:?} for a tenth, {large:?}");
}

#[test]
fn ten_thousand_faults_are_all_shown() {
    let mut text = String::from("zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n");
    for i in 0..10_000 {
        text.push_str(&format!("host-{i} = {{ A = \"{i}\" }}\n"));
    }
    let (_directory, loaded) = load_files(&[("zones/example.com.toml", &text)]);
    let shown = render_all(&loaded.diagnostics, &loaded.sources, false);
    assert!(shown.contains("10003 | host-9999 = { A = \"9999\" }"));
    assert!(shown.ends_with("\n10000 errors\n"));
}

#[test]
fn a_server_file_and_a_pipe_among_the_zones_that_are_no_files_are_told_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("zones")).unwrap();
    for pipe in ["rhumb.toml", "zones/a.test.zone"] {
        assert!(std::process::Command::new("mkfifo").arg(at(pipe)).status().unwrap().success());
    }
    let overrides = Overrides { zones: Some(at("zones")), ..Overrides::default() };
    for server in [at("rhumb.toml"), "/dev/zero".into()] {
        let loaded = load(Some(&server), &overrides);
        let text = render_all(&loaded.diagnostics, &loaded.sources, false);
        for path in [server, at("zones/a.test.zone")] {
            let told = format!("cannot read {}: it is a device, a pipe or a socket, not a file", path.display());
            assert!(text.contains(&told), "{text}");
        }
    }
}
