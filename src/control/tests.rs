//! The running state over files of its own, without sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::config::Overrides;

const SOON: Duration = Duration::from_secs(30);
const ZONE: &str = r#"
zone = "example.test"
[soa]
serial = 7
[records]
"@" = { NS = "ns.elsewhere.test." }
www = { route = "web" }
[endpoints.one]
A = "192.0.2.1"
site = "left"
[endpoints.two]
A = "192.0.2.2"
[routes.web]
policy = "weighted"
to = [ { endpoint = "one", weight = 90 }, { endpoint = "two", weight = 10 } ]
"#;

struct Place {
    directory: tempfile::TempDir,
    runtime: Runtime,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("zones")).unwrap();
        let place =
            Self { directory, runtime: Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap() };
        place.server("");
        place.write(ZONE);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn server(&self, text: &str) {
        fs::write(self.path("rhumb.toml"), format!("zones = \"zones\"\nstate = \"state\"\n{text}")).unwrap();
    }

    /// As most editors do it.
    fn write(&self, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path("zones/example.test.toml")).unwrap();
    }

    fn options(&self) -> Options {
        Options {
            progress: Default::default(),
            server_file: Some(self.path("rhumb.toml")),
            overrides: Overrides::default(),
            runtime: self.runtime.handle().clone(),
        }
    }

    fn start(&self) -> Control {
        Control::start(self.options()).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Waits for what `is` to become true, looking at each new generation and in between.
    fn until(&self, what: &str, is: impl Fn() -> bool) {
        let begun = std::time::Instant::now();
        while !is() {
            assert!(begun.elapsed() < SOON, "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn weight(control: &Control) -> u16 {
    control.model().routes[0].members[0].weight
}

#[test]
fn an_edit_is_served_soon_after_it_is_saved() {
    let place = Place::new();
    let control = place.start();
    let before = control.snapshot().load().generation;
    place.write(&ZONE.replace("90", "50"));
    place.until("the edit is served", || weight(&control) == 50);
    assert!(control.snapshot().load().generation > before);
    assert!(control.status().last_load.ok);
}

#[test]
fn r5_a_faulty_edit_changes_nothing_and_is_reported_with_its_line_until_it_is_mended() {
    let place = Place::new();
    let control = place.start();
    place.write(&ZONE.replace("weighted", "weigthed"));
    place.until("the fault is noticed", || !control.status().last_load.ok);
    let said = control.status().last_load.diagnostics.join("\n");
    assert!(said.contains("example.test.toml:14:10"), "{said}");
    assert_eq!(control.snapshot().load().generation, 1);
    let error = control.reload(None).unwrap_err();
    assert_eq!(error.force, None);
    place.write(ZONE);
    place.until("the mended file is taken", || control.status().last_load.ok);
    assert_eq!(control.snapshot().load().generation, 1, "what is served is what the file says: nothing to do");
}

#[test]
fn r2_an_emptied_directory_is_held_back_until_it_is_forced() {
    let place = Place::new();
    let control = place.start();
    fs::write(place.path("zones/shared.toml"), "").unwrap();
    fs::remove_file(place.path("zones/example.test.toml")).unwrap();
    place.until("the removal is noticed", || control.status().last_load.force.is_some());
    let number = control.reload(None).unwrap_err().force.unwrap();
    assert_eq!(control.model().zones.len(), 1);
    assert!(control.reload(Some(number + 1)).is_err());
    assert_eq!(control.reload(Some(number)).unwrap().zones, 0);
}

#[test]
fn r4_with_broken_files_the_last_good_configuration_is_served_and_the_mended_one_taken() {
    let place = Place::new();
    place.start().stop();
    place.write("zone = ");
    let control = place.start();
    assert_eq!(weight(&control), 90);
    assert!(control.status().last_load.from_last_good);
    assert_eq!(control.model().zones[0].file, place.path("zones/example.test.toml"));
    place.write(&ZONE.replace("90", "60"));
    place.until("the mended file is taken", || weight(&control) == 60);
    assert!(!control.status().last_load.from_last_good);
}

#[test]
fn r4_a_first_start_with_broken_files_is_refused_with_the_faults() {
    let place = Place::new();
    place.write("zone = ");
    assert!(
        matches!(Control::start(place.options()), Err(StartError::Config { diagnostics, .. }) if !diagnostics.is_empty())
    );
}

#[test]
fn g10_a_drain_takes_effect_at_once_ends_on_time_and_survives_a_restart() {
    let place = Place::new();
    let control = place.start();
    let one = Subject::Endpoint("one".into());
    let drained = control.drain(&one, None, Some("disks".into()), false).unwrap();
    assert_eq!(drained.endpoints, ["example.test/one"]);
    assert_eq!(control.inputs().drained.len(), 1);
    control.stop();

    let control = place.start();
    let drains = control.status().drains;
    assert_eq!((drains.len(), drains[0].reason.as_deref()), (1, Some("disks")));
    assert_eq!(control.inputs().drained.len(), 1);
    control.undrain(&one).unwrap();
    assert!(control.inputs().drained.is_empty());
    assert!(matches!(control.undrain(&one), Err(DrainError::NotDrained(_))));

    control.drain(&Subject::Site("left".into()), Some(Duration::from_secs(1)), None, false).unwrap();
    assert_eq!(control.inputs().drained.len(), 1);
    place.until("the drain ends by itself", || control.inputs().drained.is_empty());
}

#[test]
fn g10_a_drain_that_leaves_a_client_with_nothing_is_refused_unless_forced() {
    let place = Place::new();
    let control = place.start();
    control.drain(&Subject::Endpoint("one".into()), None, None, false).unwrap();
    let two = Subject::Endpoint("example.test/two".into());
    let Err(DrainError::Empties(names)) = control.drain(&two, None, None, false) else { panic!("it was taken") };
    assert_eq!(names.len(), 1);
    assert_eq!(control.inputs().drained.len(), 1);
    let drained = control.drain(&two, None, None, true).unwrap();
    assert_eq!((drained.forced, control.status().forced.len()), (names, 1));
}

#[test]
fn g10_a_drain_is_refused_whichever_clients_it_leaves_with_nothing() {
    let place = Place::new();
    let (above, _) = ZONE.split_once("[routes.web]").unwrap();
    let fenced = "[routes.web]\npolicy = \"geolocation\"\nfence = true\n\
                  to = [ { where = \"net:81.2.69.0/24\", endpoint = \"one\" }, { where = \"default\", endpoint = \"two\" } ]\n";
    place.write(&format!("{above}{fenced}"));
    let control = place.start();
    for endpoint in ["one", "two"] {
        let refused = control.drain(&Subject::Endpoint(endpoint.into()), None, None, false);
        assert!(matches!(refused, Err(DrainError::Empties(_))), "{endpoint}: {refused:?}");
    }
}

#[test]
fn g10_a_drain_that_was_forced_on_some_clients_is_no_leave_to_empty_others() {
    let place = Place::new();
    let (above, _) = ZONE.split_once("[routes.web]").unwrap();
    let fenced = "[routes.web]\npolicy = \"geolocation\"\nfence = true\n\
                  to = [ { where = \"net:81.2.69.0/24\", endpoint = \"one\" }, { where = \"default\", endpoint = \"two\" } ]\n";
    place.write(&format!("{above}{fenced}"));
    let control = place.start();
    let (one, two) = (Subject::Endpoint("one".into()), Subject::Endpoint("two".into()));
    control.drain(&one, None, None, true).unwrap();
    let refused = control.drain(&two, None, None, false);
    assert!(matches!(refused, Err(DrainError::Empties(_))), "{refused:?}");
    let again = control.drain(&one, None, Some("disks".into()), false);
    assert!(again.is_ok_and(|drained| drained.forced.is_empty()), "it leaves nobody with less than before");
}

#[test]
fn unknown_names_are_answered_with_the_nearest_one() {
    let place = Place::new();
    let control = place.start();
    let error = control.drain(&Subject::Site("leftt".into()), None, None, false).unwrap_err();
    let DrainError::Unknown { nearest, .. } = error else { panic!("{error:?}") };
    assert_eq!(nearest.as_deref(), Some("left"));
}

#[test]
fn a_serial_never_goes_below_the_last_one_used() {
    let place = Place::new();
    let control = place.start();
    place.write(&ZONE.replace("serial = 7", "serial = 3").replace("90", "80"));
    place.until("the edit is served", || weight(&control) == 80);
    assert_eq!(control.model().zones[0].soa.serial, 7);
    control.stop();
    assert_eq!(place.start().model().zones[0].soa.serial, 7);
}

#[test]
fn r4_a_state_directory_that_cannot_be_written_is_told_of_and_no_more() {
    let place = Place::new();
    fs::write(place.path("state"), "a file is in the way").unwrap();
    let control = place.start();
    let notes = control.status().notes.join("\n");
    assert!(notes.contains("cannot be written"), "{notes}");
    let drained = control.drain(&Subject::Endpoint("one".into()), None, None, false).unwrap();
    assert!(drained.not_kept.is_some());
}

#[test]
fn r5_a_faulty_zone_alone_keeps_its_form_where_the_unit_is_a_zone() {
    let place = Place::new();
    place.server("reload = \"zone\"\n");
    let other = ZONE.replace("example.test", "other.test");
    fs::write(place.path("zones/other.test.toml"), &other).unwrap();
    let control = place.start();
    place.write(&ZONE.replace("weighted", "weigthed"));
    fs::write(place.path("zones/other.test.toml"), other.replace("192.0.2.2", "192.0.2.9")).unwrap();
    let served = |address: &str| {
        let wanted: std::net::Ipv4Addr = address.parse().unwrap();
        control.model().endpoints.iter().any(|e| e.records.iter().any(|r| *r.rdata[0] == wanted.octets()))
    };
    place.until("the whole zone is taken", || served("192.0.2.9"));
    assert_eq!(control.model().zones.len(), 2);
    assert_eq!(weight(&control), 90);
    let said = control.status().last_load.diagnostics.join("\n");
    assert!(said.contains("not taken") && said.contains("example.test.toml:14"), "{said}");
}

/// A master file that is too large to be kept in memory as well as on disk.
fn large(address: &str) -> String {
    let mut text = format!("@ SOA ns.elsewhere.test. host 7 1 2 3 4\n@ NS ns.elsewhere.test.\nwww A {address}\n");
    while text.len() < crate::config::LARGE {
        text.push_str(&format!("n{} A 192.0.2.3\n", text.len()));
    }
    text
}

#[test]
fn r4_r5_a_large_file_keeps_its_form_although_its_text_is_not_in_memory() {
    let place = Place::new();
    place.server("reload = \"zone\"\n");
    let path = place.path("zones/large.test.zone");
    fs::write(&path, large("192.0.2.1")).unwrap();
    let control = place.start();
    let of_large = |control: &Control| control.sources().iter().find(|source| source.path() == path).cloned().unwrap();
    assert!(of_large(&control).held().is_none());
    // The edit of another zone leaves it, and its text, as they are.
    place.write(&ZONE.replace("90", "80"));
    place.until("the edit is served", || weight(&control) == 80);
    assert!(of_large(&control).held().is_none());
    fs::write(&path, large("no address")).unwrap();
    place.write(&ZONE.replace("90", "70"));
    place.until("the other zone's edit is served", || weight(&control) == 70);
    assert_eq!(control.model().zones.len(), 2);
    let said = control.status().last_load.diagnostics.join("\n");
    assert!(said.contains("not taken") && said.contains("large.test.zone:3"), "{said}");
    control.stop();
    // It was broken when the server ends: the copy is what there is.
    place.server("reload = \"all\"\n");
    let control = place.start();
    assert!(control.status().last_load.from_last_good);
    assert_eq!(control.model().zones.len(), 2);
}

#[test]
fn a_zone_that_an_edit_leaves_alone_is_the_very_same_one_afterwards() {
    let place = Place::new();
    fs::write(place.path("zones/y.test.toml"), ZONE.replace("example.test", "y.test")).unwrap();
    fs::write(place.path("zones/z.test.zone"), "@ SOA ns.elsewhere.test. host 7 1 2 3 4\n@ NS ns.elsewhere.test.\n")
        .unwrap();
    let control = place.start();
    let before = control.model();
    place.write(&ZONE.replace("90", "80"));
    place.until("the edit is served", || weight(&control) == 80);
    let after = control.model();
    let same: Vec<bool> = before.zones.iter().zip(&after.zones).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
    // An edit of a weight leaves even the edited zone's names and records as they were.
    assert_eq!(same, [true, true, true]);
    place.write(&ZONE.replace("www =", "web ="));
    place.until("the name is served", || !Arc::ptr_eq(&control.model().zones[0], &after.zones[0]));
    assert!(Arc::ptr_eq(&control.model().zones[1], &before.zones[1]));
    assert!(Arc::ptr_eq(&control.model().zones[2], &before.zones[2]));
}

#[test]
fn p5_a_zone_that_was_never_whole_is_left_out_where_the_unit_is_a_zone_until_it_is_mended() {
    let place = Place::new();
    place.server("reload = \"zone\"\n");
    let other = ZONE.replace("example.test", "other.test");
    fs::write(place.path("zones/other.test.toml"), other.replace("weighted", "weigthed")).unwrap();
    let control = place.start();
    let unloaded = |control: &Control| control.model().unloaded.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(control.model().zones.len(), 1);
    assert_eq!(unloaded(&control), ["other.test."]);
    assert!(control.status().notes.join("\n").contains("SERVFAIL"), "{:?}", control.status().notes);
    fs::write(place.path("zones/other.test.toml"), &other).unwrap();
    place.until("the mended zone is taken", || control.model().zones.len() == 2);
    assert!(unloaded(&control).is_empty());
    // A zone that comes later and is faulty holds back no other one.
    fs::write(place.path("zones/third.test.toml"), "zone = \"third.test\"\nttl = \"soon\"\n").unwrap();
    place.until("the third zone is left out", || !unloaded(&control).is_empty());
    assert_eq!((control.model().zones.len(), unloaded(&control)), (2, vec!["third.test.".to_owned()]));
}

#[test]
fn r8_a_change_that_panics_costs_itself_and_is_told_of() {
    let place = Place::new();
    let control = place.start();
    assert!(control.ask(|reply| Request::Fail { reply }).is_err());
    control.drain(&Subject::Endpoint("one".into()), None, None, false).unwrap();
    let poisoned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _held = control.shared.checker();
        panic!("with the checker in hand");
    }));
    assert!(poisoned.is_err());
    control.reload(None).unwrap();
    let status = control.status();
    assert_eq!(status.counters["changes_failed"], 1);
    assert!(status.notes.join("\n").contains("could not be worked on"), "{:?}", status.notes);
    let checking = control.shared.checker().is_some();
    control.stop();
    assert!(checking && control.shared.checker().is_none(), "the checker is stopped all the same");
}

const DATABASE: &str = "[geoip]\ndatabases = [\"places.mmdb\"]\n";

impl Place {
    fn put_database(&self, name: &str) {
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb"), self.path(name)).unwrap();
    }
}

#[test]
fn r4_a_database_that_is_gone_stops_a_first_start_only_and_is_taken_up_when_it_is_back() {
    let place = Place::new();
    place.server(DATABASE);
    assert!(matches!(Control::start(place.options()), Err(StartError::Config { .. })));
    place.put_database("places.mmdb");
    place.start().stop();
    fs::remove_file(place.path("places.mmdb")).unwrap();
    // An edit of the meantime is served: only the database is missing.
    place.write(&ZONE.replace("90", "70"));
    let control = place.start();
    let status = control.status();
    assert_eq!(weight(&control), 70);
    assert!(!status.last_load.ok && !status.last_load.from_last_good);
    assert!(status.notes.join("\n").contains("served without a database"), "{:?}", status.notes);
    place.put_database("places.mmdb");
    place.until("the database is taken", || control.status().last_load.ok && control.status().databases.len() == 1);
    assert!(!control.status().notes.join("\n").contains("served without"), "{:?}", control.status().notes);
}

#[test]
fn r4_broken_files_and_a_database_that_is_gone_leave_the_last_good_configuration() {
    let place = Place::new();
    place.server(DATABASE);
    place.put_database("places.mmdb");
    place.start().stop();
    fs::remove_file(place.path("places.mmdb")).unwrap();
    place.write("zone = ");
    let control = place.start();
    assert_eq!(weight(&control), 90);
    assert!(control.status().last_load.from_last_good);
}

#[test]
fn r5_what_a_refused_load_names_is_waited_for() {
    let place = Place::new();
    let control = place.start();
    // Neither is in a directory that was of any interest before.
    for directory in ["a", "b"] {
        fs::create_dir(place.path(directory)).unwrap();
    }
    fs::write(
        place.path("rhumb.toml"),
        "zones = \"b/zones\"\nstate = \"state\"\n[geoip]\ndatabases = [\"a/places.mmdb\"]\n",
    )
    .unwrap();
    place.until("the load is refused", || !control.status().last_load.ok);
    place.put_database("a/places.mmdb");
    place.until("it is tried again", || {
        let said = control.status().last_load.diagnostics.join("\n");
        !said.contains("places.mmdb") && said.contains("b/zones")
    });
    fs::create_dir(place.path("b/zones")).unwrap();
    fs::write(place.path("b/zones/example.test.toml"), ZONE.replace("90", "40")).unwrap();
    place.until("the load is taken", || weight(&control) == 40);
}

#[test]
fn files_that_a_mounted_configuration_switches_by_a_link_are_followed() {
    let place = Place::new();
    let data = |name: &str, weight: &str| {
        fs::create_dir_all(place.path(name).join("zones")).unwrap();
        let server = "zones = \"zones\"\nstate = \"state\"\n";
        fs::write(place.path(name).join("rhumb.toml"), format!("{server}# {weight}\n")).unwrap();
        fs::write(place.path(name).join("zones/example.test.toml"), ZONE.replace("90", weight)).unwrap();
    };
    let link = |to: &str, from: &str| {
        std::os::unix::fs::symlink(to, place.path("link")).unwrap();
        fs::rename(place.path("link"), place.path(from)).unwrap();
    };
    fs::remove_dir_all(place.path("zones")).unwrap();
    fs::remove_file(place.path("rhumb.toml")).unwrap();
    data("..one", "90");
    data("..two", "30");
    link("..one", "..data");
    link("..data/zones", "zones");
    link("..data/rhumb.toml", "rhumb.toml");
    let control = place.start();
    assert_eq!(weight(&control), 90);
    link("..two", "..data");
    place.until("the other configuration is served", || weight(&control) == 30);
}

#[test]
fn a_server_file_that_is_edited_behind_a_link_is_noticed_all_the_same() {
    let place = Place::new();
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::rename(place.path("rhumb.toml"), place.path("elsewhere/real.toml")).unwrap();
    std::os::unix::fs::symlink("elsewhere/real.toml", place.path("rhumb.toml")).unwrap();
    let control = place.start();
    assert_eq!(control.model().server.depth, crate::config::model::Server::default().depth);
    // No directory that is watched changes by this.
    fs::write(place.path("elsewhere/real.toml"), "zones = \"zones\"\nstate = \"state\"\ndepth = 9\n").unwrap();
    place.until("the edit is served", || control.model().server.depth == 9);
}

#[test]
fn r7_a_change_that_was_missed_is_found_counted_and_mended() {
    let place = Place::new();
    let checked = "[checks.off]\ntype = \"tcp\"\nport = 1\ndisabled = true\n[endpoints.one]\ncheck = \"off\"";
    place.write(&ZONE.replace("[endpoints.one]", checked));
    let control = place.start();
    let right = control.snapshot().load_full();
    let verdicts = crate::health::Verdicts::from(vec![crate::health::Verdict::Down; control.model().probes.len()]);
    control.ask(|reply| Request::Plant { verdicts, reply }).unwrap();
    place.until("it is counted", || control.status().counters["changes_missed"] == 1);
    place.until("it is mended", || control.snapshot().load().steered == right.steered);
    assert!(control.snapshot().load().generation > right.generation + 1);
}

#[test]
fn a_replaced_snapshot_is_freed_once_the_last_reader_has_gone_on() {
    let place = Place::new();
    let control = place.start();
    let reader = control.readers().join();
    let first = Arc::downgrade(&control.snapshot().load_full());
    reader.observe(1);
    place.write(&ZONE.replace("90", "50"));
    place.until("the edit is served", || weight(&control) == 50);
    assert!(control.reload(None).is_ok(), "a step later");
    assert_eq!(first.strong_count(), 1, "the reader may still use it");
    reader.observe(2);
    place.until("it is freed", || first.strong_count() == 0);
}
