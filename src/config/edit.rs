//! Edits of zone files that keep comments and layout: text in, text out.

use std::path::PathBuf;

use toml_edit::{DocumentMut, Item, Value};

use super::model::{Policy, Target};
use super::suggest::did_you_mean;
use super::{Diagnostic, Loaded, Severity, bare, code};

/// The new text of the file that defines `route`, with `weight` at its member. `route` is a full name (`zone/route`) or
/// a bare one where that is unique; `member` is the member's name in the route. Nothing is written.
///
/// # Errors
/// The route or member does not exist or has no weight, or the load was faulty.
#[allow(clippy::result_large_err, reason = "asked once a command, and a fault is a Diagnostic everywhere")]
pub fn set_weight(loaded: &Loaded, route: &str, member: &str, weight: u16) -> Result<(PathBuf, String), Diagnostic> {
    let fault = |message: String, help: Option<String>| Diagnostic {
        help,
        ..Diagnostic::general(Severity::Error, code::NO_MEMBER, message)
    };
    let Some(model) = &loaded.model else {
        return Err(fault("the files hold errors".to_owned(), Some("correct them first: `rhumb check`".to_owned())));
    };
    let named = model.routes.iter().filter(|known| !known.name.contains('#'));
    let mut found: Vec<_> = named.clone().filter(|known| known.name == route).collect();
    if found.is_empty() {
        found = named.clone().filter(|known| bare(&known.name) == route).collect();
    }
    let known = match found[..] {
        [known] => known,
        [] => {
            let names: Vec<_> = named.flat_map(|known| [known.name.clone(), bare(&known.name).to_owned()]).collect();
            let help = did_you_mean(route, names.iter().map(String::as_str));
            return Err(fault(format!("unknown route `{route}`"), help));
        }
        _ => {
            let names: Vec<_> = found.iter().map(|known| format!("`{}`", known.name)).collect();
            return Err(fault(
                format!("several zones have a route `{route}`"),
                Some(format!("write {}", names.join(" or "))),
            ));
        }
    };
    if !matches!(known.policy, Policy::Weighted | Policy::Latency) {
        return Err(fault(
            format!("route `{}` has no weights", known.name),
            Some("only weighted and latency routes do".to_owned()),
        ));
    }
    let Some(index) = known.members.iter().position(|candidate| candidate.name == member) else {
        let help = did_you_mean(member, known.members.iter().map(|candidate| candidate.name.as_str()));
        return Err(fault(format!("route `{}` has no member `{member}`", known.name), help));
    };
    let key = match known.members[index].target {
        Target::Endpoint(_) => "endpoint",
        Target::Route(_) => "route",
    };
    let (zone, name) = known.name.rsplit_once('/').unwrap_or(("", &known.name));
    for source in &loaded.sources {
        let path = source.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let Some(Ok(document)) = source.text().map(|text| text.parse::<DocumentMut>()) else { continue };
        let label = document.get("zone").and_then(Item::as_str).unwrap_or_default();
        if !label.trim_end_matches('.').eq_ignore_ascii_case(zone) {
            continue;
        }
        if let Some(new) = edit(document, name, index, key, weight) {
            return Ok((path.to_owned(), new));
        }
    }
    Err(fault(format!("route `{}` stands in no file that was read", known.name), None))
}

/// Sets the weight of the member at `index`; the short form of a member becomes a table with `key`.
fn edit(mut document: DocumentMut, route: &str, index: usize, key: &str, weight: u16) -> Option<String> {
    let to = document.get_mut("routes")?.get_mut(route)?.get_mut("to")?;
    if let Item::ArrayOfTables(tables) = to {
        let table = tables.get_mut(index)?;
        set(table.entry("weight").or_insert(Item::None), weight);
        return Some(document.to_string());
    }
    let member = match to.as_value_mut()? {
        Value::Array(array) => array.get_mut(index)?,
        only => only,
    };
    match member {
        Value::InlineTable(table) => match table.get_mut("weight") {
            Some(value) => replace(value, weight),
            None => {
                // The space before the closing brace belongs to the last value.
                let last = table.iter_mut().last().map(|(_, value)| value);
                let closing = last.and_then(|value| {
                    let suffix = value.decor().suffix().and_then(|suffix| suffix.as_str()).map(str::to_owned);
                    value.decor_mut().set_suffix("");
                    suffix
                });
                let mut value = Value::from(i64::from(weight));
                value.decor_mut().set_prefix(" ");
                value.decor_mut().set_suffix(closing.unwrap_or_default());
                table.insert("weight", value);
            }
        },
        Value::String(name) => {
            let mut table = toml_edit::InlineTable::new();
            table.insert(key, name.value().as_str().into());
            table.insert("weight", i64::from(weight).into());
            let decor = member.decor().clone();
            *member = Value::InlineTable(table);
            *member.decor_mut() = decor;
        }
        _ => return None,
    }
    Some(document.to_string())
}

fn set(item: &mut Item, weight: u16) {
    match item.as_value_mut() {
        Some(value) => replace(value, weight),
        None => *item = toml_edit::value(i64::from(weight)),
    }
}

/// Keeps the space and comments around the old value.
fn replace(value: &mut Value, weight: u16) {
    let decor = value.decor().clone();
    *value = i64::from(weight).into();
    *value.decor_mut() = decor;
}
