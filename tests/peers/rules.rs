//! The differences from other servers that are meant, as `differences.toml` lists them.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::facts::{Case, holds};

const LISTED: &str = include_str!("differences.toml");

/// Parts of a reply that can differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    Rcode,
    Aa,
    Opt,
    Question,
    Answer,
    Authority,
    Additional,
}

/// One difference that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) name: String,
    /// The programs that it speaks of.
    peers: Vec<String>,
    /// All parts that may differ by it.
    parts: BTreeSet<Part>,
    /// What has to hold, by the names of `facts`.
    when: Vec<String>,
    /// Where it is decided.
    pub(super) source: String,
    /// How, in our words.
    pub(super) because: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

/// All that are listed.
pub(super) fn listed() -> Vec<Rule> {
    toml::from_str::<File>(LISTED).unwrap().rule
}

impl Rule {
    /// Whether it covers all in which one peer's reply differs from ours.
    pub(super) fn covers(&self, peer: &str, parts: &BTreeSet<Part>, case: &Case<'_>) -> bool {
        self.peers.iter().any(|name| name == peer)
            && parts.is_subset(&self.parts)
            && self.when.iter().all(|fact| holds(fact, case))
    }
}
