//! The plain model judges the engine, so it may share nothing with it but types.

use std::fs;
use std::path::Path;

/// Types of the configuration, of places, of verdicts and of record types.
const SHARED: [&str; 4] = ["rhumb::config::model", "rhumb::world", "rhumb::health", "rhumb::wire"];

#[test]
fn the_plain_model_uses_types_of_the_engine_and_nothing_else_of_it() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plain");
    let mut seen = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        for (at, _) in source.match_indices("rhumb::") {
            seen += 1;
            let named = &source[at..];
            assert!(SHARED.iter().any(|allowed| named.starts_with(allowed)), "{}: {:.60}", path.display(), named);
        }
        assert!(!source.contains("distance_m"), "{}: it has a haversine of its own", path.display());
        assert!(!source.contains("crate::harness"), "{}: it stands alone", path.display());
    }
    assert!(seen > 5, "the plain model is there");
}
