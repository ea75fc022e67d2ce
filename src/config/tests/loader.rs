//! Loads that remember the one before.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;

/// A directory of zones and what has been loaded from it.
struct Place {
    directory: tempfile::TempDir,
    loader: Loader,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap(), loader: Loader::default() };
        place.write("rhumb.toml", "zones = \"zones\"\n");
        fs::create_dir(place.directory.path().join("zones")).unwrap();
        files.iter().for_each(|(name, text)| place.write(&format!("zones/{name}"), text));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn load(&mut self) -> Loaded {
        let server = self.path("rhumb.toml");
        let loaded = self.loader.load(Some(&server), &Overrides::default(), &HashMap::new());
        // Whatever is remembered, a load says what a first one says.
        let first = load(Some(&server), &Overrides::default());
        assert_eq!((&loaded.diagnostics, &loaded.model), (&first.diagnostics, &first.model));
        let read = |loaded: &Loaded| -> Vec<_> {
            loaded.sources.iter().map(|source| (source.path().to_owned(), source.digest())).collect()
        };
        assert_eq!(read(&loaded), read(&first));
        loaded
    }

    fn model(&mut self) -> Model {
        let loaded = self.load();
        let text = render_all(&loaded.diagnostics, &loaded.sources, false);
        loaded.model.unwrap_or_else(|| panic!("{text}"))
    }
}

/// Whether the zones at a place of two models have the very same records.
fn same(a: &Model, b: &Model, zone: usize) -> bool {
    Arc::ptr_eq(&a.zones[zone].records, &b.zones[zone].records)
}

fn zone(apex: &str, rest: &str) -> String {
    format!("zone = \"{apex}\"\n[records]\n\"@\" = {{ NS = \"ns.elsewhere.test.\" }}\n{rest}")
}

const STEERED: &str =
    "www = { route = \"r\" }\n[routes.r]\npolicy = \"simple\"\nto = \"e\"\n[endpoints.e]\nA = \"192.0.2.1\"\n";
const MASTER: &str = "@ SOA ns.elsewhere.test. host 7 1 2 3 4\n@ NS ns.elsewhere.test.\nwww A 192.0.2.1\n";

#[test]
fn a_file_that_is_as_it_was_has_the_same_records_whatever_happens_to_others() {
    let mut place = Place::new(&[
        ("a.test.toml", &zone("a.test", STEERED)),
        ("b.test.toml", &zone("b.test", STEERED)),
        ("c.test.zone", MASTER),
    ]);
    let first = place.model();
    let again = place.model();
    assert!((0..3).all(|zone| same(&first, &again, zone)));
    // The routes of the later files get other numbers.
    place.write(
        "zones/a.test.toml",
        &zone(
            "a.test",
            &format!("x = {{ A = \"192.0.2.2\" }}\n{STEERED}[routes.s]\npolicy = \"simple\"\nto = \"e\"\n"),
        ),
    );
    let changed = place.model();
    assert!(!same(&first, &changed, 0) && same(&first, &changed, 1) && same(&first, &changed, 2));
    assert_ne!(first.zones[1].steered, changed.zones[1].steered);
    // A time is no content: the serial of TOML follows it, the records do not.
    let file = fs::File::options().write(true).open(place.path("zones/b.test.toml")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(77)).unwrap();
    let touched = place.model();
    assert!(same(&changed, &touched, 1));
    assert_eq!(touched.zones[1].soa.serial, 77);
}

#[test]
fn what_a_file_imports_belongs_to_it() {
    let mut place = Place::new(&[
        ("a.test.toml", "zone = \"a.test\"\nimport = \"base.zone\"\n[places.p]\nfile = \"nets.txt\"\n"),
        ("base.zone", MASTER),
        ("nets.txt", "192.0.2.0/24\n"),
        ("b.test.toml", &zone("b.test", STEERED)),
    ]);
    let first = place.model();
    place.write("zones/base.zone", &MASTER.replace("www", "web"));
    let second = place.model();
    assert!(!same(&first, &second, 0) && same(&first, &second, 1));
    assert!(second.zones[0].records.iter().any(|set| set.owner == name("web.a.test")));
    // A list that breaks is told where it is wrong, and so is a file that goes.
    place.write("zones/nets.txt", "192.0.2.1/24\n");
    assert_eq!(place.load().diagnostics[0].code, code::BAD_NETWORK);
    fs::remove_file(place.path("zones/base.zone")).unwrap();
    assert!(place.load().diagnostics.iter().any(|told| told.code == code::UNREADABLE && told.label == "named here"));
    place.write("zones/base.zone", MASTER);
    place.write("zones/nets.txt", "192.0.2.0/24\n");
    assert_eq!(place.model().zones.len(), 2);
}

#[test]
fn faults_and_warnings_are_told_in_every_load_and_in_the_order_of_files() {
    let glue = "lab = { NS = \"ns.lab\" }\n";
    let mut place = Place::new(&[("b.test.toml", &zone("b.test", glue)), ("c.test.toml", &zone("c.test", glue))]);
    let first = place.load();
    assert_eq!(first.diagnostics.len(), 2);
    assert_eq!(place.load().diagnostics, first.diagnostics);
    // A file that comes later in time and first in order.
    place.write("zones/a.test.toml", &zone("a.test", glue));
    let files = |loaded: &Loaded| -> Vec<String> {
        let names = loaded.diagnostics.iter().filter_map(|told| told.file.as_ref()?.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    assert_eq!(files(&place.load()), ["a.test.toml", "b.test.toml", "c.test.toml"]);
    place.write("zones/b.test.toml", "zone = ");
    assert_eq!(files(&place.load()), ["a.test.toml", "b.test.toml", "c.test.toml"]);
    fs::remove_file(place.path("zones/b.test.toml")).unwrap();
    assert_eq!(files(&place.load()), ["a.test.toml", "c.test.toml"]);
}

#[test]
fn a_route_of_another_file_is_looked_up_anew() {
    let mut place = Place::new(&[
        ("a.test.toml", &zone("a.test", "www = { route = \"r\" }\n")),
        ("shared.toml", &STEERED.replace("www = { route = \"r\" }\n", "")),
    ]);
    assert_eq!(place.model().zones[0].steered.len(), 1);
    place.write("zones/shared.toml", "");
    assert_eq!(place.load().diagnostics[0].code, code::UNKNOWN_ROUTE);
}

#[test]
fn files_that_come_and_go_are_forgotten() {
    let mut place = Place::new(&[("a.test.toml", &zone("a.test", ""))]);
    let first = place.model();
    for i in 0..100 {
        let passing = format!("zones/t{i}.test.toml");
        place.write(&passing, &zone(&format!("t{i}.test"), ""));
        assert_eq!(place.model().zones.len(), 2);
        fs::remove_file(place.path(&passing)).unwrap();
    }
    assert_eq!(place.model().zones[0].records, first.zones[0].records);
}

#[test]
fn a_text_that_was_let_go_is_read_again_when_it_is_wanted() {
    let mut place = Place::new(&[("a.test.zone", MASTER)]);
    let mut sources = place.load().sources;
    let copy = place.path("copy");
    fs::write(&copy, MASTER).unwrap();
    let zone =
        sources.iter_mut().find(|source| source.path() == place.directory.path().join("zones/a.test.zone")).unwrap();
    zone.leave_in(copy.clone());
    assert!(zone.held().is_none());
    assert_eq!(zone.text().unwrap().as_str(), MASTER);
    let zone = zone.clone();
    place.loader.adopt(&sources);
    // What is faulty beside it wants nothing of it; what is imported anew does.
    assert!(place.load().model.is_some());
    place.write("zones/b.test.toml", "zone = \"b.test\"\nimport = \"a.test.zone\"\n");
    assert_eq!(place.model().zones.len(), 1, "an imported file is no zone of its own");
    fs::write(&copy, "damaged").unwrap();
    assert!(zone.text().is_none());
    assert_eq!(zone.path().file_name(), Some(Path::new("a.test.zone").as_os_str()));
}
