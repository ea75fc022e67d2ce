//! Zone files and server files in TOML, from their text to the answers that they come to.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rhumb::config::{Loaded, Loader, Overrides, Severity, render_all, render_json, render_lines};
use rhumb::geo::Places;
use rhumb::health::Verdicts;
use rhumb::snapshot::{Inputs, compile};
use tempfile::TempDir;

use crate::harness::{Ask, Fixture, Reply};

const SERVER: &str = "zones = \"zones\"\nstate = \"state\"\n";
const ZONE: &str = "zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns1.example.net.\" }\n";
/// Of the names of a zone, how many are asked.
const ASKED: usize = 8;

/// A zone file loads or says why not; what loads answers.
pub fn zone_toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    load(SERVER, text);
}

/// So does a server file.
pub fn server_toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    load(text, ZONE);
}

/// A directory with no file in it: the texts are given from memory.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("zones")).expect("a directory");
        directory
    });
    directory.path()
}

fn load(server: &str, zone: &str) {
    let (server_file, zone_file) = (directory().join("rhumb.toml"), directory().join("zones/example.com.toml"));
    let kept: HashMap<PathBuf, String> =
        [(server_file.clone(), server.to_owned()), (zone_file, zone.to_owned())].into_iter().collect();
    let mut loader = Loader::default();
    let first = loader.load(Some(&server_file), &Overrides::default(), &kept);
    told(&first);
    let again = loader.load(Some(&server_file), &Overrides::default(), &kept);
    assert_eq!(render_lines(&again.diagnostics, &again.sources), render_lines(&first.diagnostics, &first.sources));
    assert_eq!(again.model.is_some(), first.model.is_some());
    let Some(model) = first.model else { return };
    let probes = model.probes.len();
    let inputs = Inputs {
        verdicts: Verdicts::from(vec![Default::default(); probes]),
        model: Arc::new(model),
        places: Arc::new(Places::default()),
        drained: BTreeSet::new(),
        seed: 0,
    };
    // A limit may be passed; that is told and nothing is served.
    let Ok(snapshot) = compile(&inputs, 1, None) else { return };
    answers(&Fixture { inputs, snapshot });
}

/// A refused load has an error, a taken one has none; each fault can be shown in every form.
fn told(loaded: &Loaded) {
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    assert_eq!(loaded.model.is_some(), errors == 0, "{:?}", loaded.diagnostics);
    for diagnostic in &loaded.diagnostics {
        assert!(!diagnostic.message.is_empty() && !diagnostic.code.is_empty(), "{diagnostic:?}");
        assert!(!diagnostic.message.contains(char::is_control), "{diagnostic:?}");
    }
    for colour in [false, true] {
        let text = render_all(&loaded.diagnostics, &loaded.sources, colour);
        assert_eq!(text.is_empty(), loaded.diagnostics.is_empty());
    }
    let listed = render_json(&loaded.diagnostics, &loaded.sources);
    assert_eq!(listed.as_array().map(Vec::len), Some(loaded.diagnostics.len()));
}

/// Names of each zone are asked; two parsers read the replies, and a steered name has an answer.
fn answers(fixture: &Fixture) {
    let model = &fixture.inputs.model;
    for zone in &model.zones {
        let steered = zone.steered.iter().map(|steered| &steered.owner);
        let names = [&zone.apex].into_iter().chain(steered).chain([&zone.soa.mname]);
        for name in names.take(ASKED) {
            for rtype in [1, 28, 6, 2, 16, 255] {
                // Written as bytes: hickory's own reading of odd names is not what is judged.
                let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
                query.extend(name.as_wire());
                query.extend([0, rtype, 0, 1]);
                for ask in [Ask::a("ignored."), Ask::a("ignored.").stream()] {
                    let reply = Reply::read(&fixture.raw(&query, &ask).expect("a reply"));
                    assert!([0, 2, 3, 5].contains(&reply.rcode), "{reply:?}");
                }
            }
        }
    }
}
