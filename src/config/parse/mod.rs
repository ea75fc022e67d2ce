//! Files to what they say: TOML text becomes a [`Unit`] or the server's settings, no name looked up yet.
//!
//! Comes in: texts. Goes out: specs with the place of each value, and findings. Invariant: a file with a TOML syntax
//! error yields its syntax errors and nothing else, since whatever else could be said of it would be a guess.

mod check;
mod endpoint;
mod ground;
mod latency;
pub(crate) mod location;
mod master;
mod place;
mod records;
mod route;
mod server;
mod transfer;
mod transports;
mod tsig;
mod zone;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(crate) use master::plain_zone;
pub(crate) use server::server;
pub(crate) use zone::unit;

use crate::config::code;
use crate::config::files::{Files, Text};
use crate::config::findings::{Findings, Site, Written};
use crate::config::progress::Progress;

/// What parsing needs beside the text.
pub(crate) struct Context<'c, 'k> {
    pub(crate) findings: &'c mut Findings,
    pub(crate) files: &'c mut Files<'k>,
    /// How many threads may read one file.
    pub(crate) threads: usize,
    pub(crate) progress: &'c Progress,
    /// The directory of zone files, which imports must not leave.
    pub(crate) zones: PathBuf,
}

/// Parses TOML; `None` after a syntax error, which is told once.
pub(crate) fn toml<'t>(findings: &mut Findings, text: &'t Text) -> Option<toml::Spanned<DeTable<'t>>> {
    let (table, errors) = DeTable::parse_recoverable(&text.text);
    if errors.is_empty() {
        return Some(table);
    }
    let mut told_line = None;
    let mut repeated_table = false;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let start = span.start.min(text.text.len());
        let line_start = text.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let duplicate = error.message().contains("duplicate key");
        // What follows on a line is mostly an echo, and so are the keys of a table that was given before.
        if told_line == Some(line_start) || (duplicate && repeated_table) {
            continue;
        }
        told_line = Some(line_start);
        let label = if duplicate { "given before" } else { "not TOML" };
        findings
            .error(Site::new(text.id, span), code::SYNTAX, error.message().to_owned())
            .label(label)
            .help("nothing else of this file was checked");
        repeated_table |= duplicate && text.text[line_start..].trim_start().starts_with('[');
        // Everything after an unclosed bracket or quote is read wrongly.
        if ["unclosed", "string"].iter().any(|word| error.message().contains(word)) {
            break;
        }
    }
    None
}

/// A path that a zone file names: relative to that file, inside the directory of zone files.
fn inner_path(cx: &mut Context<'_, '_>, file: &Path, named: &Written<String>) -> Option<PathBuf> {
    let path = Path::new(&named.value);
    let plain =
        path.components().all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    let joined = file.parent().unwrap_or(Path::new("")).join(path);
    // A link may lead out although the path does not.
    let leaves = match (joined.canonicalize(), cx.zones.canonicalize()) {
        (Ok(real), Ok(zones)) => !real.starts_with(zones),
        _ => false,
    };
    if plain && !leaves && !named.value.is_empty() {
        return Some(joined);
    }
    cx.findings
        .error(named.site, code::IMPORT_PATH, format!("`{}` leaves the directory of zone files", named.value))
        .label("expected a path below this file's directory, without `..`")
        .help("put the file beside this one, or link the directory");
    None
}

/// Whether a text can name an endpoint, a check, a place or a route: full names and operands are cut at `/`, `#` and
/// `.`, and verdicts are kept under keys cut at `|`.
fn definition_name(findings: &mut Findings, name: &Written<&str>) -> bool {
    let good = !name.value.is_empty()
        && name.value.len() <= 63
        && name.value.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    if !good {
        findings
            .error(name.site, code::BAD_NAME, format!("`{}` cannot name a definition", name.value))
            .label("expected 1 to 63 letters, digits, `-` and `_`");
    }
    good
}

/// The one of several named values that a checked text is; the first where the text is none of them.
fn choice<T: Copy>(text: &str, named: &[(&str, T)]) -> Option<T> {
    named.iter().find(|(name, _)| *name == text).map(|&(_, value)| value)
}
