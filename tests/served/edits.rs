//! Edits of the files while they are served.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rhumb::wire::RecordType;

use super::{Client, SOON, Server, Site, bound, eventually};
use crate::harness::{Ask, zone};

/// How soon after saving an edit shows.
const SHOWS: Duration = Duration::from_secs(2);
/// In one look at the shares; 90/10 is ten standard errors from 50/50.
const DRAWS: usize = 1_000;

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";

/// One name shared by two endpoints without checks.
fn split(a: u32, b: u32) -> String {
    zone(
        "w = { route = \"w\", ttl = 5 }",
        &format!(
            "[endpoints.a]\nA = \"{A}\"\n[endpoints.b]\nA = \"{B}\"\n\n[routes.w]   # shifted now and then\n\
             policy = \"weighted\"\nto = [\n  {{ endpoint = \"a\", weight = {a} }},   # the old one\n  \
             {{ endpoint = \"b\", weight = {b} }},\n]\n"
        ),
    )
}

/// The share of the second endpoint.
#[track_caller]
fn share(server: &Server) -> f64 {
    let counts: BTreeMap<String, usize> = Client::of(server.dns).counts(&Ask::a("w.example.com."), DRAWS);
    assert_eq!(counts.get(A).unwrap_or(&0) + counts.get(B).unwrap_or(&0), DRAWS, "{counts:?}");
    *counts.get(B).unwrap_or(&0) as f64 / DRAWS as f64
}

#[track_caller]
fn shows(server: &Server, p: f64, within: Duration) {
    eventually(within, &format!("a share of {p}"), || ((share(server) - p).abs() <= bound(p, DRAWS)).then_some(()));
}

#[test]
fn a_weight_that_is_edited_shows_in_the_shares_within_two_seconds_however_it_is_saved() {
    let site = Site::with_zone("", &split(90, 10));
    let server = site.start();
    shows(&server, 0.1, SHOWS);
    site.write("example.com.toml", &split(50, 50));
    shows(&server, 0.5, SHOWS);
    site.replace("example.com.toml", &split(90, 10));
    shows(&server, 0.1, SHOWS);
    fs::remove_file(site.file("example.com.toml")).unwrap();
    site.write("example.com.toml", &split(50, 50));
    shows(&server, 0.5, SHOWS);
}

#[test]
fn a_faulty_edit_changes_nothing_and_is_reported_with_file_and_line_until_it_is_mended() {
    let site = Site::with_zone("", &split(90, 10));
    let server = site.start();
    let before = server.generation();
    let text = split(50, 50).replace("endpoint = \"b\"", "endpoint = \"bb\"");
    let line = text.lines().position(|line| line.contains("\"bb\"")).unwrap() + 1;
    let place = format!("zones/example.com.toml:{line}:");
    site.write("example.com.toml", &text);
    let said = eventually(SOON, "the fault is told", || {
        let load = server.status()["last_load"].clone();
        (load["ok"] == false).then(|| load["diagnostics"].to_string())
    });
    assert!(said.contains(&place) && said.contains("bb"), "{said}");
    assert!(server.log().contains(&place), "the log says where");
    assert_eq!(server.generation(), before);
    shows(&server, 0.1, SHOWS);
    let refused = server.rhumb(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    let printed = String::from_utf8(refused.stderr).unwrap();
    assert!(printed.contains("example.com.toml") && printed.contains("bb"), "{printed}");
    let shown = server.done(&["status"]);
    assert!(shown.contains(&place), "{shown}");

    site.replace("example.com.toml", &split(50, 50));
    shows(&server, 0.5, SHOWS);
    assert_eq!(server.status()["last_load"]["ok"], true);
}

#[test]
fn p5_a_faulty_zone_within_one_that_is_served_is_servfail_until_it_is_mended() {
    const NOT_READY: Option<u16> = Some(14);
    let around = "\"_x.below\" = { TXT = \"x\" }\ndata = { A = \"192.0.2.3\" }\n\
                  cut = { NS = \"ns1.cut\" }\n\"ns1.cut\" = { A = \"192.0.2.4\" }";
    let site = Site::with_zone("reload = \"zone\"", &zone(around, ""));
    let mended = |apex: &str| {
        format!(
            "zone = \"{apex}\"\nttl = \"5m\"\n[records]\n\
             \"@\" = {{ NS = \"ns1.example.net.\", A = \"{A}\" }}\nwww = {{ A = \"{B}\" }}\n"
        )
    };
    let apexes = ["below", "data", "cut", "void", "in.cut"].map(|label| format!("{label}.example.com"));
    let (inner, faulty) = apexes.split_last().unwrap();
    for apex in faulty {
        site.write(&format!("{apex}.toml"), &mended(apex).replace("5m", "soon"));
    }
    site.write("inner.toml", &mended(inner));
    let server = site.start();
    for apex in faulty {
        for below in ["", "www.", "_x.", "ns1."] {
            let reply = server.ask(&Ask::a(&format!("{below}{apex}.")).edns());
            assert_eq!((reply.rcode, reply.aa, reply.extended_error()), (2, false, NOT_READY), "{below}{apex}");
            assert!(reply.answer.is_empty() && reply.authority.is_empty(), "{reply:#?}");
        }
        let ds = server.ask(&Ask::of(&format!("{apex}."), RecordType::DS));
        assert_eq!(ds.assert_nodata().owner.to_string(), "example.com.", "the parent's to answer");
    }
    assert_eq!(server.ask(&Ask::a(&format!("www.{inner}."))).only(), B, "it answers for itself");
    for apex in faulty {
        site.replace(&format!("{apex}.toml"), &mended(apex));
    }
    for apex in faulty {
        eventually(SOON, &format!("{apex} answers"), || {
            let reply = server.ask(&Ask::a(&format!("www.{apex}.")));
            (reply.rcode == 0).then(|| assert_eq!((reply.aa, reply.only()), (true, B.to_owned()), "{apex}"))
        });
        assert_eq!(server.ask(&Ask::a(&format!("{apex}."))).only(), A);
        server.ask(&Ask::a(&format!("_x.{apex}."))).assert_nxdomain();
    }
}

/// A line of `/proc/PID/status` in kibibytes.
fn resident(server: &Server) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

/// One of the zone's forms during many edits: enough records that a snapshot that stayed would show.
fn large(weight: u32) -> String {
    let hosts: String = (0..250).map(|host| format!("host{host} = {{ TXT = \"{}\" }}\n", "x".repeat(200))).collect();
    split(weight, 50).replace("w = { route", &format!("{hosts}w = {{ route"))
}

#[test]
fn two_hundred_edits_in_a_row_leave_descriptors_and_memory_as_they_were() {
    const EDITS: u32 = 200;
    /// Replaced snapshots are kept for three seconds on purpose: past these, as many are let go as come.
    const WARM: Duration = Duration::from_secs(4);
    /// From edit to edit, so that a machine that becomes quicker does not keep more of them at once.
    const PACE: Duration = Duration::from_millis(50);
    /// What an allocator may keep: less than half of what 200 snapshots that stayed would take.
    const GROWTH_KIB: u64 = 14 * 1024;
    let site = Site::with_zone("", &large(1));
    let server = site.start();
    let begun = Instant::now();
    let mut edit = 0;
    let mut change = || {
        edit += 1;
        site.replace("example.com.toml", &large(edit % 50 + 1));
        // As soon as it is taken, the next: by command, since the watcher gathers edits that follow so closely.
        server.post("/reload");
        std::thread::sleep((PACE * edit).saturating_sub(begun.elapsed()));
    };
    while begun.elapsed() < WARM {
        change();
    }
    let (fds, kib, generation) = (descriptors(&server), resident(&server), server.generation());
    (0..EDITS).for_each(|_| change());
    assert_eq!(server.generation(), generation + u64::from(EDITS), "every edit was taken");
    let grown = resident(&server).saturating_sub(kib);
    assert!(grown <= GROWTH_KIB, "{grown} KiB more than the {kib} KiB before");
    // The connection of the last look may still be on its way out.
    eventually(SOON, &format!("no more than {fds} descriptors"), || (descriptors(&server) <= fds).then_some(()));
}

fn other_zone(apex: &str) -> String {
    split(1, 1).replace("example.com", apex)
}

#[test]
fn a_zone_file_that_is_added_is_served_and_one_that_is_removed_is_not() {
    let site = Site::with_zone("", &split(1, 1));
    let server = site.start();
    let ask = Ask::a("w.example.net.");
    assert_eq!(server.ask(&ask).rcode, 5, "refused: nobody's zone yet");
    site.write("example.net.toml", &other_zone("example.net"));
    eventually(SHOWS, "the new zone is served", || (server.ask(&ask).rcode == 0).then_some(()));
    site.write("plain.example.zone", "@ 300 IN SOA ns.example.net. me.example.net. 1 7200 1800 1209600 60\n@ 300 IN NS ns.example.net.\nhost 300 IN A 192.0.2.7\n");
    eventually(SHOWS, "a plain zone is served", || {
        (server.ask(&Ask::a("host.plain.example.")).sorted() == ["192.0.2.7"]).then_some(())
    });
    fs::remove_file(site.file("example.net.toml")).unwrap();
    eventually(SHOWS, "the zone is served no more", || (server.ask(&ask).rcode == 5).then_some(()));
    assert_eq!(server.ask(&Ask::a("w.example.com.")).rcode, 0, "the others are");
}

#[test]
fn an_edit_that_removes_most_zones_is_held_back_until_it_is_forced() {
    let site = Site::with_zone("", &split(1, 1));
    for apex in ["one.example", "two.example"] {
        site.write(&format!("{apex}.toml"), &other_zone(apex));
    }
    let server = site.start();
    for apex in ["one.example", "two.example"] {
        fs::remove_file(site.file(&format!("{apex}.toml"))).unwrap();
    }
    let number = eventually(SOON, "the load is held back", || server.status()["last_load"]["force"].as_u64());
    assert_eq!(server.ask(&Ask::a("w.one.example.")).rcode, 0, "what was served is served");
    assert!(server.log().contains(&format!("rhumb reload --force {number}")), "the log says what to type");
    let refused = server.rhumb(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains(&format!("rhumb reload --force {number}")));
    assert_eq!(server.rhumb(&["reload", "--force", "4711"]).status.code(), Some(1), "another number takes nothing");
    server.done(&["reload", "--force", &number.to_string()]);
    assert_eq!(server.ask(&Ask::a("w.one.example.")).rcode, 5);
    assert_eq!(server.ask(&Ask::a("w.example.com.")).rcode, 0);
}

#[test]
fn shift_edits_one_number_and_the_server_takes_it_up() {
    let site = Site::with_zone("", &split(90, 10));
    let server = site.start();
    shows(&server, 0.1, SHOWS);
    server.done(&["shift", "w", "b", "90"]);
    assert_eq!(site.read("example.com.toml"), split(90, 90), "comments and layout stay");
    shows(&server, 0.5, SHOWS);
    let unknown = server.rhumb(&["shift", "w", "c", "1"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(site.read("example.com.toml"), split(90, 90), "a shift that cannot be made changes nothing");
}

#[test]
fn a_hangup_and_a_reload_by_command_read_the_files_again() {
    let site = Site::with_zone("", &split(90, 10));
    let server = site.start();
    let before = server.generation();
    assert!(server.done(&["reload"]).contains("nothing changed"));
    assert_eq!(server.generation(), before);
    site.write("example.com.toml", &split(50, 50));
    server.done(&["reload"]);
    assert!((share(&server) - 0.5).abs() <= bound(0.5, DRAWS), "a reload that is done shows at once");
    let loads = server.status()["counters"]["loads_taken"].as_u64().unwrap();
    server.signal("HUP");
    eventually(SOON, "SIGHUP reads the files", || {
        (server.status()["counters"]["loads_taken"].as_u64().unwrap() > loads).then_some(())
    });
    let is_written = |line: &str| line.contains("SIGHUP") && line.contains("change taken");
    eventually(SOON, "the audit log has it", || server.log().lines().any(is_written).then_some(()));
}

#[test]
fn a_geo_database_that_is_replaced_moves_clients_and_a_corrupt_one_changes_nothing() {
    let fixture = |name: &str| fs::read(format!("{}/geoip-fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let site = Site::with_zone(
        "[geoip]\ndatabases = [\"places.mmdb\"]",
        &zone(
            "n = { route = \"n\", ttl = 5 }",
            "[endpoints.w]\nA = \"192.0.2.1\"\nat = \"aws:us-east-1\"\n[endpoints.l]\nA = \"192.0.2.2\"\nat = \"aws:eu-west-2\"\n\
             [routes.n]\npolicy = \"geoproximity\"\nto = [\"w\", \"l\"]\n",
        ),
    );
    let put = |bytes: &[u8]| {
        fs::write(site.path().join("new.mmdb"), bytes).unwrap();
        fs::rename(site.path().join("new.mmdb"), site.path().join("places.mmdb")).unwrap();
    };
    put(&fixture("city.mmdb"));
    let server = site.start();
    // A network in Ireland by one database and in California by the other.
    let answer = || server.a("n.example.com.", "185.60.216.0/24");
    assert_eq!(answer(), B);
    put(&fixture("flat.mmdb"));
    eventually(SOON, "the new database decides", || (answer() == A).then_some(()));
    put(b"no database at all");
    eventually(SOON, "the fault is told", || (server.status()["last_load"]["ok"] == false).then_some(()));
    assert!(server.status()["last_load"]["diagnostics"].to_string().contains("places.mmdb"));
    assert_eq!(answer(), A);
    put(&fixture("city.mmdb"));
    eventually(SOON, "a whole one is taken again", || (answer() == B).then_some(()));
}
