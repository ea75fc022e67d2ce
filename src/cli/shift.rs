//! `rhumb shift`: one weight in a zone's TOML is set in place.
//!
//! The file is replaced in one step, after its new text was loaded together with all the others and found without
//! errors: a reader sees the old file or the new one, and a server never a faulty one.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::args::{Global, Shift};
use super::output::{Output, Tone};
use super::{Failure, Outcome};
use crate::config::{self, Loaded, Overrides, Severity};

/// Edits the file and shows the lines that changed.
pub(crate) fn run(global: &Global, output: &Output, shift: &Shift) -> anyhow::Result<Outcome> {
    let overrides = Overrides { zones: shift.zones.clone(), ..global.overrides(None) };
    let server_file = global.config.as_deref();
    let loaded = config::load(server_file, &overrides);
    if loaded.model.is_none() {
        return Err(faulty("the files have errors as they are", &loaded, output).into());
    }
    let (path, new) =
        config::edit::set_weight(&loaded, &shift.route, &shift.member, shift.weight).map_err(|why| match why.help {
            Some(help) => Failure::new(why.message).help(help),
            None => Failure::new(why.message),
        })?;
    let read = loaded.sources.iter().find(|source| source.path() == path).and_then(config::Source::text);
    let old = read.as_ref().map(|text| text.as_str()).unwrap_or_default();
    let changes = changes(old, &new);
    if !changes.is_empty() {
        let outcome = config::load_keeping(server_file, &overrides, &HashMap::from([(path.clone(), new.clone())]));
        if outcome.model.is_none() {
            return Err(faulty("the files would have errors afterwards; nothing was changed", &outcome, output).into());
        }
        replace(&path, old, &new)?;
    }
    if output.is_json() {
        output.json(&json!({ "file": path, "changed": !changes.is_empty(), "lines": changes }))?;
    } else {
        output.text(&text(&path, &changes, output))?;
    }
    Ok(Outcome::Done)
}

/// A line of a file, before and after.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Change {
    line: usize,
    before: String,
    after: String,
}

/// Lines that differ. A weight neither adds lines nor takes any away, but for a member that had none and stands in a
/// table of its own: then what follows has moved, and only the line that is new is told.
fn changes(old: &str, new: &str) -> Vec<Change> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - same_before;
    let same_after = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let (before, after) = (&old[same_before..old.len() - same_after], &new[same_before..new.len() - same_after]);
    (0..before.len().max(after.len()))
        .map(|i| Change {
            line: same_before + i + 1,
            before: before.get(i).copied().unwrap_or_default().to_owned(),
            after: after.get(i).copied().unwrap_or_default().to_owned(),
        })
        .collect()
}

fn text(path: &Path, changes: &[Change], output: &Output) -> String {
    let Some(first) = changes.first() else { return format!("{} says so already\n", path.display()) };
    let mut text = format!("{}:{}\n", path.display(), first.line);
    for change in changes {
        if !change.before.is_empty() {
            text.push_str(&format!("{}\n", output.paint(Tone::Bad, format!("- {}", change.before))));
        }
        text.push_str(&format!("{}\n", output.paint(Tone::Good, format!("+ {}", change.after))));
    }
    text
}

fn faulty(cause: &str, loaded: &Loaded, output: &Output) -> Failure {
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    Failure::new(cause).details(config::render_each(errors, &loaded.sources, output.is_coloured()))
}

/// Puts `new` in the file's place, on disk before it is visible. Links are followed, permissions kept.
fn replace(path: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let path = fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?;
    let cannot = || format!("cannot replace {}", path.display());
    let beside = beside(&path);
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(new.as_bytes())?;
        file.sync_all()?;
        // Somebody's editor may have been faster: their words are not to be lost.
        if fs::read(&path)? != old.as_bytes() {
            return Err(std::io::Error::other("it was changed meanwhile; try again"));
        }
        fs::rename(&beside, &path)?;
        match path.parent() {
            Some(directory) => fs::File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    })();
    if written.is_err() {
        // What is left of the attempt; the attempt's own fault is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(cannot)
}

/// A name in the same directory that nobody takes for a zone.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ZONE: &str = r#"# our zone
zone = "a.example"
[records]
"@" = { NS = "ns.other.example." }
www = { route = "eu" }
[endpoints]
fra = { A = "192.0.2.1" }
par = { A = "192.0.2.2" }
[routes.eu]
policy = "weighted"   # shift here
to = [
  { endpoint = "fra", weight = 90 },  # most
  { endpoint = "par", weight = 10 },
]
"#;

    fn zones(text: &str) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.example.toml");
        fs::write(&path, text).unwrap();
        (place, path)
    }

    fn shift(directory: &Path, route: &str, member: &str, weight: u16) -> anyhow::Result<Outcome> {
        let global = Global { format: super::super::args::Format::Json, ..Global::default() };
        let shift = Shift { route: route.into(), member: member.into(), weight, zones: Some(directory.to_owned()) };
        run(&global, &Output::new(&global), &shift)
    }

    #[test]
    fn one_number_changes_and_comments_layout_and_permissions_stay() {
        let (place, path) = zones(ZONE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        shift(place.path(), "eu", "fra", 50).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), ZONE.replace("weight = 90", "weight = 50"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_weight_that_stands_already_leaves_the_file_alone() {
        let (place, path) = zones(ZONE);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        shift(place.path(), "a.example/eu", "par", 10).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn unknown_routes_and_members_and_faulty_files_change_nothing() {
        let (place, path) = zones(ZONE);
        assert!(shift(place.path(), "ue", "fra", 1).is_err());
        assert!(shift(place.path(), "eu", "far", 1).is_err());
        let faulty = format!("{ZONE}\nbogus = 1\n");
        fs::write(&path, &faulty).unwrap();
        assert!(shift(place.path(), "eu", "fra", 1).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), faulty);
    }

    #[test]
    fn a_link_stays_a_link_and_the_file_behind_it_changes() {
        let (place, path) = zones(ZONE);
        let linked = tempfile::tempdir().unwrap();
        let link = linked.path().join("a.example.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        shift(linked.path(), "eu", "par", 20).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert!(fs::read_to_string(place.path().join("a.example.toml")).unwrap().contains("weight = 20"));
    }

    #[test]
    fn a_file_that_somebody_else_changed_meanwhile_is_not_overwritten() {
        let (_place, path) = zones(ZONE);
        let fault = replace(&path, "what was read earlier", "new").unwrap_err();
        assert!(format!("{fault:#}").contains("changed meanwhile"), "{fault:#}");
        assert_eq!(fs::read_to_string(&path).unwrap(), ZONE);
    }

    #[test]
    fn changed_and_added_lines_are_told_with_their_number() {
        let change = |line, before: &str, after: &str| Change { line, before: before.into(), after: after.into() };
        assert_eq!(changes("a\nb\nc", "a\nB\nc"), [change(2, "b", "B")]);
        assert_eq!(changes("a\nc", "a\nb\nc"), [change(2, "", "b")]);
        assert_eq!(changes("a\na", "a\na\na").len(), 1);
        assert!(changes("a", "a").is_empty());
    }
}
