//! What is answered now, for one region and type.

use crate::wire::RecordType;

/// The shares of one decision: branches that cover all draws in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Never empty; ascending; the last one ends at `u64::MAX`.
    pub branches: Vec<Branch>,
}

/// Draws up to `last`, inclusive, come to `leaf`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Branch {
    /// The last draw of this branch.
    pub last: u64,
    /// What it comes to.
    pub leaf: Leaf,
}

/// What a draw comes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// NODATA, asked for by the route (G4).
    Nodata,
    /// Records.
    Answer(AnswerSet),
    /// The client's network picks (W10).
    Sticky(StickyPick),
}

/// Records in the order of the file, of which some are sent in rotation (S1, M1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnswerSet {
    /// The type, CNAME for every type of a route of CNAMEs.
    pub rtype: RecordType,
    /// Uncompressed data; never empty.
    pub records: Vec<Box<[u8]>>,
    /// At most so many at once: windows of a ring.
    pub take: usize,
}

/// A weighted node with `sticky`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StickyPick {
    /// Route's full name or salt.
    pub salt: String,
    /// Name, weight above zero, what it comes to.
    pub members: Vec<(String, u16, Outcome)>,
}

impl Outcome {
    /// The leaf of a draw, sticky nodes not yet decided.
    pub fn leaf(&self, draw: u64) -> &Leaf {
        let at = self.branches.partition_point(|branch| branch.last < draw);
        &self.branches[at].leaf
    }
}

/// Builds an outcome branch by branch.
#[derive(Debug, Default)]
pub(super) struct Branches(Vec<Branch>);

/// A share of the draws: first and length, up to 2^64.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    first: u128,
    len: u128,
}

impl Share {
    /// All draws.
    pub(super) const ALL: Self = Self { first: 0, len: 1 << 64 };

    /// The part of `weight` after `before` of `total`.
    pub(super) fn part(self, before: u64, weight: u64, total: u64) -> Self {
        let cut = |upto: u64| self.first + self.len * u128::from(upto) / u128::from(total);
        let first = cut(before);
        Self { first, len: cut(before + weight) - first }
    }
}

impl Branches {
    pub(super) fn push(&mut self, share: Share, leaf: Leaf) {
        if share.len == 0 {
            return;
        }
        let last = (share.first + share.len - 1) as u64;
        match self.0.last_mut() {
            Some(before) if before.leaf == leaf => before.last = last,
            _ => self.0.push(Branch { last, leaf }),
        }
    }

    pub(super) fn finish(self) -> Outcome {
        Outcome { branches: self.0 }
    }
}
