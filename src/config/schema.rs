//! JSON Schema (draft 7) for editors and the reference for people, both written from the table of keys.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Kind, Section};
use super::walk::expected;
use crate::wire::RecordType;
use crate::wire::text::forms;

/// What editors match durations with; the loader is stricter about the order of units.
const DURATION: &str = "^([0-9]+(ms|s|m|h|d|w))+$";

/// The schema of zone and shared files, as shipped in `zones/zone.schema.json`.
pub fn zone() -> Value {
    document(&keys::ZONE, "rhumb zone or shared file")
}

/// The schema of the server file, as shipped in `zones/rhumb.schema.json`.
pub fn server() -> Value {
    document(&keys::SERVER, "rhumb server file")
}

fn document(section: &Section, title: &str) -> Value {
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    document.insert("title".to_owned(), json!(title));
    document.extend(table(section));
    Value::Object(document)
}

fn table(section: &Section) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("description".to_owned(), json!(section.doc));
    object.insert("type".to_owned(), json!("object"));
    let properties: Map<String, Value> = section.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    object.insert("properties".to_owned(), Value::Object(properties));
    if section.records {
        let types: Vec<_> = RecordType::mnemonics().filter(|name| !matches!(*name, "SOA" | "OPT" | "ANY")).collect();
        let pattern = format!("^({}|TYPE[0-9]+)$", types.join("|"));
        object.insert("patternProperties".to_owned(), json!({ pattern: kind(&keys::RECORD_DATA) }));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
    let required: Vec<_> = section.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn property(key: &Key) -> Value {
    let mut description = key.doc.to_owned();
    if !key.only.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(description, " For {}.", key.only.join(", "));
    }
    if !key.default.is_empty() {
        let _ = write!(description, " Default: {}.", key.default);
    }
    match kind(&key.kind) {
        Value::Object(mut object) => {
            object.insert("description".to_owned(), json!(description));
            Value::Object(object)
        }
        other => other,
    }
}

fn kind(kind_of: &Kind) -> Value {
    match kind_of {
        Kind::Text(_) => json!({ "type": "string" }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Duration => json!({ "type": "string", "pattern": DURATION }),
        Kind::Ttl => json!({ "anyOf": [
            { "type": "string", "pattern": DURATION },
            { "type": "integer", "minimum": 0, "maximum": super::scalar::MAX_TTL },
        ] }),
        Kind::List(element) => {
            json!({ "anyOf": [kind(element), { "type": "array", "items": kind(element) }] })
        }
        Kind::Section(section) => Value::Object(table(section)),
        Kind::Map(_, value) => json!({ "type": "object", "additionalProperties": kind(value) }),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
    }
}

/// Every key of every file as Markdown.
pub fn reference() -> String {
    let mut out = String::from("# Configuration reference\n\nWritten from the table that the parser reads by.\n");
    for (title, top) in [("Server file", &keys::SERVER), ("Zone and shared files", &keys::ZONE)] {
        let _ = writeln!(out, "\n## {title}\n\n{}", top.doc);
        rows(&mut out, top);
        nested(&mut out, top, "");
    }
    types(&mut out);
    out
}

/// How each type's data is written.
fn types(out: &mut String) {
    let _ = writeln!(
        out,
        "\n## Record types\n\nTheir data, as in master files. Any type may be written as octets: \
         `TYPE65280 = '\\# 4 0a000001'` (RFC 3597).\n\n| type | takes | example |\n|---|---|---|"
    );
    for (rtype, takes, example) in forms().filter(|(rtype, ..)| *rtype != RecordType::SOA) {
        let _ = writeln!(out, "| {rtype} | {takes} | `{example}` |");
    }
}

fn nested(out: &mut String, section: &Section, path: &str) {
    for key in section.keys {
        for (below, suffix) in sections(&key.kind) {
            let path = format!("{path}{}{suffix}", key.name);
            let _ = writeln!(out, "\n### `{path}`\n\n{}", below.doc);
            rows(out, below);
            nested(out, below, &format!("{path}."));
        }
    }
}

/// The fixed tables in a kind, with what stands between the key and them.
fn sections(kind: &Kind) -> Vec<(&'static Section, String)> {
    match kind {
        Kind::Section(section) => vec![(section, String::new())],
        Kind::Map(what, kind) => {
            sections(kind).into_iter().map(|(section, rest)| (section, format!(".<{what}>{rest}"))).collect()
        }
        Kind::List(kind) => sections(kind).into_iter().map(|(section, rest)| (section, format!("[]{rest}"))).collect(),
        Kind::Either(kinds) => kinds.iter().flat_map(sections).collect(),
        _ => Vec::new(),
    }
}

fn rows(out: &mut String, section: &Section) {
    let _ = writeln!(out, "\n| key | takes | default | meaning |\n|---|---|---|---|");
    for key in section.keys {
        let only = if key.only.is_empty() { String::new() } else { format!(" For {}.", key.only.join(", ")) };
        let default = match (key.required, key.default) {
            (true, _) => "required".to_owned(),
            (false, "") => String::new(),
            (false, default) => format!("`{default}`"),
        };
        let takes = expected(&key.kind).replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {takes} | {default} | {}{only} |", key.name, key.doc);
    }
    if section.records {
        let _ = writeln!(out, "| a record type | record data, or a list of such | | Records of this type. |");
    }
}
