//! Arrows go down only: each path in `src` that begins with `crate::` or `super::` is followed to its module.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Each module and the modules that it may name, itself aside.
const LAYERS: &[(&str, &[&str])] = &[
    ("threads", &[]),
    ("pieces", &[]),
    ("clients", &[]),
    ("world", &[]),
    ("wire", &[]),
    ("config", &["pieces", "world", "wire"]),
    ("geo", &["config", "threads", "world", "wire"]),
    ("health", &["config", "pieces", "threads", "world", "wire"]),
    ("zone", &["config", "threads", "world", "wire"]),
    ("policy", &["geo", "config", "world", "wire"]),
    ("tsig", &["config", "wire"]),
    ("secondary", &["tsig", "config", "pieces", "threads", "world", "wire"]),
    ("update", &["config", "pieces", "world", "wire"]),
    ("snapshot", &["policy", "zone", "health", "geo", "config", "world", "wire"]),
    ("answer", &["snapshot", "policy", "zone", "health", "geo", "config", "world", "wire"]),
    (
        "net",
        &["answer", "snapshot", "policy", "zone", "health", "geo", "config", "clients", "threads", "world", "wire"],
    ),
    (
        "control",
        &[
            "answer",
            "snapshot",
            "policy",
            "zone",
            "health",
            "secondary",
            "update",
            "geo",
            "config",
            "pieces",
            "threads",
            "world",
            "wire",
        ],
    ),
    (
        "transfer",
        &[
            "control", "net", "answer", "snapshot", "update", "policy", "zone", "health", "geo", "tsig", "config",
            "clients", "threads", "world", "wire",
        ],
    ),
    (
        "admin",
        &["control", "answer", "snapshot", "policy", "zone", "health", "geo", "config", "clients", "world", "wire"],
    ),
    (
        "cli",
        &[
            "admin", "transfer", "control", "net", "answer", "snapshot", "policy", "zone", "health", "geo", "config",
            "threads", "world", "wire",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `src/geo/map.rs` is `["geo", "map"]`.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(module.last().map(|s| &s[..]), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// Gathers what a file names at the top level of the crate.
struct Paths {
    module: Vec<String>,
    named: BTreeSet<String>,
}

impl Paths {
    /// Follows the leading `crate`, `self` and `super` of a path.
    fn follow(&mut self, segments: &[String]) {
        let mut at = self.module.clone();
        let mut rest = segments;
        match rest.first().map(|s| &s[..]) {
            Some("crate" | "rhumb") => {
                at.clear();
                rest = &rest[1..];
            }
            Some("self") => rest = &rest[1..],
            Some("super") => {}
            _ => return,
        }
        while rest.first().is_some_and(|s| s == "super") {
            at.pop();
            rest = &rest[1..];
        }
        at.extend(rest.iter().cloned());
        if let Some(top) = at.first() {
            self.named.insert(top.clone());
        }
    }

    fn follow_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.follow_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.follow(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.follow(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.follow(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.follow_tree(before, tree)),
        }
    }

    /// Paths inside of a macro's tokens, where syn sees no syntax.
    fn follow_tokens(&mut self, tokens: &str) {
        let text: String = tokens.split_whitespace().collect();
        for lead in ["crate::", "super::"] {
            for (at, _) in text.match_indices(lead) {
                let is_start = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
                if is_start {
                    let path: String =
                        text[at..].chars().take_while(|&c| c.is_alphanumeric() || c == '_' || c == ':').collect();
                    let segments: Vec<String> = path.split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect();
                    self.follow(&segments);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.follow_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.follow(&segments);
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // Inside of a module `super` is one step longer.
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(super)` and `pub(in crate::…)` name who may look down, not what is looked at.
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.follow_tokens(&mac.tokens.to_string());
        visit::visit_macro(self, mac);
    }
}

fn named_in(module: Vec<String>, source: &str) -> BTreeSet<String> {
    let file = syn::parse_file(source).expect("it compiles, so it parses");
    let mut paths = Paths { module, named: BTreeSet::new() };
    paths.visit_file(&file);
    paths.named
}

/// What a module names although it lies above or beside.
fn upward(module: &[String], named: &BTreeSet<String>) -> Vec<String> {
    let Some(top) = module.first() else { return Vec::new() };
    let allowed = LAYERS.iter().find(|(name, _)| name == top).map(|(_, allowed)| *allowed);
    named
        .iter()
        .filter(|name| *name != top && LAYERS.iter().any(|(layer, _)| layer == name))
        .filter(|name| !allowed.is_some_and(|allowed| allowed.contains(&&name[..])))
        .cloned()
        .collect()
}

#[test]
fn arrows_go_down_only() {
    let mut faults = Vec::new();
    let files = files(&root().join("src"));
    assert!(files.len() > 10, "the sources are there");
    for file in files {
        let module = module_of(&file);
        let named = named_in(module.clone(), &fs::read_to_string(&file).unwrap());
        for name in upward(&module, &named) {
            faults.push(format!("{} names `{name}`", file.display()));
        }
    }
    assert!(faults.is_empty(), "arrows that go up:\n{}", faults.join("\n"));
}

#[test]
fn every_module_has_its_layer_and_every_arrow_of_the_table_goes_down() {
    let layers: BTreeSet<String> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for module in top_level() {
        assert!(layers.contains(&module), "`{module}` has no layer");
    }
    for (position, (name, allowed)) in LAYERS.iter().enumerate() {
        for below in *allowed {
            let lower = LAYERS.iter().position(|(layer, _)| layer == below).expect("a layer");
            assert!(lower < position, "`{name}` → `{below}`");
        }
    }
}

fn top_level() -> BTreeSet<String> {
    files(&root().join("src")).iter().filter_map(|file| module_of(file).into_iter().next()).collect()
}

#[test]
fn architecture_md_names_every_top_level_module() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for module in top_level() {
        let named = [format!("`{module}`"), format!("{module}/"), format!("`{module}/`")];
        assert!(named.iter().any(|form| text.contains(form)), "`{module}` is not named in ARCHITECTURE.md");
    }
}

#[test]
fn an_arrow_that_goes_up_is_seen_however_it_is_written() {
    let module = || vec!["geo".to_owned(), "map".to_owned()];
    let cases = [
        "use crate::snapshot::Snapshot;",
        "use crate::{config, snapshot::{self, Inputs}};",
        "use super::super::snapshot::*;",
        "pub use crate::snapshot as other;",
        "fn f() { let _ = crate::snapshot::compile; }",
        "fn f(_: &crate::snapshot::Snapshot) {}",
        "mod inner { use super::super::super::snapshot::Inputs; }",
        "fn f() { assert!(crate::snapshot::is()); }",
        "impl crate::snapshot::T for X {}",
    ];
    for source in cases {
        assert_eq!(upward(&module(), &named_in(module(), source)), ["snapshot"], "{source}");
    }
    for source in
        ["use crate::config::Model;", "use super::places::Places;", "use snapshot::Foreign;", "pub(crate) fn f() {}"]
    {
        assert!(upward(&module(), &named_in(module(), source)).is_empty(), "{source}");
    }
}
