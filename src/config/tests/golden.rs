//! Faulty inputs and what is said of them: `tests/golden/config/NAME.input` and `NAME.expected`. An input holds several
//! files, each after a line `#=== path`, with `latin1` behind the path for a file that is not UTF-8, or `-> TARGET` for a link.
//! `RHUMB_BLESS=1` writes the expectations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{Overrides, code, load, render_all};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config")
}

fn inputs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "input")).collect();
    inputs.sort();
    inputs
}

/// What a load of an input says, with paths as if the input's directory were the current one.
fn said(input: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(input).unwrap();
    std::fs::write(directory.path().join("rhumb.toml"), "zones = \"zones\"\n").unwrap();
    for part in text.split("#=== ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap();
        let mut words = head.split_whitespace();
        let path = directory.path().join(words.next().unwrap());
        let how = words.next();
        let bytes = match how {
            Some("latin1") => body.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
            _ => body.as_bytes().to_vec(),
        };
        if head.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match (how, words.next()) {
                (Some("->"), Some(target)) => std::os::unix::fs::symlink(target, path).unwrap(),
                _ => std::fs::write(path, bytes).unwrap(),
            }
        }
    }
    let loaded = load(Some(&directory.path().join("rhumb.toml")), &Overrides::default());
    let text = render_all(&loaded.diagnostics, &loaded.sources, false);
    text.replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn every_faulty_input_is_told_as_expected() {
    let mut stale = Vec::new();
    for input in inputs() {
        let said = said(&input);
        let path = input.with_extension("expected");
        if std::env::var_os("RHUMB_BLESS").is_some() {
            std::fs::write(&path, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if expected != said {
            stale.push(format!("{}:\nexpected\n{expected}\nsaid\n{said}", path.display()));
        }
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

#[test]
fn every_code_has_an_input_that_shows_it() {
    let mut seen = BTreeSet::new();
    for input in inputs() {
        let text = std::fs::read_to_string(input.with_extension("expected")).unwrap_or_default();
        for line in text.lines() {
            let found = line.strip_prefix("error[").or_else(|| line.strip_prefix("warning["));
            seen.extend(found.and_then(|rest| rest.split(']').next()).map(str::to_owned));
        }
    }
    // Edits are no loads; their test names this one.
    seen.insert(code::NO_MEMBER.to_owned());
    let missing: Vec<_> = code::ALL.iter().map(|(code, _)| *code).filter(|code| !seen.contains(*code)).collect();
    assert!(missing.is_empty(), "without an input: {missing:?}");
    assert!(inputs().len() >= 40);
}
