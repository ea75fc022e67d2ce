//! The shipped schema files are what the code would write. `RHUMB_BLESS=1` writes them.

use std::path::Path;

use crate::config::schema;

fn assert_shipped(name: &str, value: &serde_json::Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones").join(name);
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("RHUMB_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == text, "{name} is stale: run with RHUMB_BLESS=1");
}

#[test]
fn the_shipped_schema_of_zone_files_is_up_to_date() {
    assert_shipped("zone.schema.json", &schema::zone());
}

#[test]
fn the_shipped_schema_of_the_server_file_is_up_to_date() {
    assert_shipped("rhumb.schema.json", &schema::server());
}

#[test]
fn the_reference_names_every_key_of_every_table() {
    let text = schema::reference();
    for part in ["### `routes.<name>.to[]`", "| `follow_health` |", "### `checks.<name>.expect`", "| `unknown` |"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}
