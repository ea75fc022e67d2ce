//! The search tree of an MMDB file, walked no deeper than one decision needs.
//!
//! Comes in: the tree's bytes. Goes out: for each run of networks the record that stands at its network address, part
//! by part, so that several threads can walk.
//! Every node is reached once in a sound tree; a walk that exceeds a small multiple of that has met a loop or shared
//! branches and stops, so a corrupt file costs bounded time and memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What no look-up ever asks the IPv6 part of a database: leading bits, how many. The IPv4 addresses live at ::/96
/// and show again at ::ffff:0:0/96, and many files repeat them at 2001::/32 (Teredo) and 2002::/16 (6to4).
const IPV4_IN_IPV6: [(u64, u32); 3] = [(0, 56), (0x2001_0000, 32), (0x2002, 16)];

/// Nodes visited for each node of the file before the tree counts as broken; a few files share some branches.
const VISITS_PER_NODE: u64 = 4;
const VISITS_AT_LEAST: u64 = 1 << 16;

/// Octets between the tree and the data, which records count as well.
const SEPARATOR: u32 = 16;

/// Leading zero bits that lead to the IPv4 addresses of an IPv6 tree.
const IPV4_DEPTH: u32 = 96;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// Bits that decide: databases are read per /24 and /56 (E2).
    const fn key_bits(self) -> u32 {
        match self {
            Self::V4 => 24,
            Self::V6 => 56,
        }
    }

    /// The depth that cuts a tree of today into a few hundred parts.
    const fn part_bits(self) -> u32 {
        match self {
            Self::V4 => 8,
            Self::V6 => 16,
        }
    }

    const fn address_bits(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    const fn aliases(self) -> &'static [(u64, u32)] {
        match self {
            Self::V4 => &[],
            Self::V6 => &IPV4_IN_IPV6,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum TreeFault {
    /// More levels than an address has bits.
    TooDeep,
    /// Nodes are reached again and again.
    Shared,
    /// A node lies outside the file.
    Outside,
}

impl fmt::Display for TreeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooDeep => "its search tree is deeper than an address is long",
            Self::Shared => "its search tree runs in circles",
            Self::Outside => "its search tree points outside the file",
        })
    }
}

/// A tree as the file holds it. A record below `nodes` is a node, equal to it is "nothing", above it is data.
pub(super) struct Tree<'a> {
    bytes: &'a [u8],
    nodes: u32,
    /// 24, 28 or 32.
    record_bits: u16,
}

impl<'a> Tree<'a> {
    pub(super) fn new(bytes: &'a [u8], nodes: u32, record_bits: u16) -> Self {
        Self { bytes, nodes, record_bits }
    }

    pub(super) fn nothing(&self) -> u32 {
        self.nodes
    }

    /// The left and the right record of a node.
    #[inline]
    fn children(&self, node: u32) -> Result<[u32; 2], TreeFault> {
        let size = usize::from(self.record_bits) / 4;
        let start = node as usize * size;
        let node = self.bytes.get(start..start + size).ok_or(TreeFault::Outside)?;
        let (left, right) = match *node {
            [a, b, c, d, e, f] => ([0, a, b, c], [0, d, e, f]),
            [a, b, c, high, d, e, f] => ([high >> 4, a, b, c], [high & 0x0f, d, e, f]),
            [a, b, c, d, e, f, g, h] => ([a, b, c, d], [e, f, g, h]),
            _ => return Err(TreeFault::Outside),
        };
        Ok([u32::from_be_bytes(left), u32::from_be_bytes(right)])
    }

    /// The record above all IPv4 addresses of an IPv6 tree.
    pub(super) fn ipv4_root(&self) -> Result<u32, TreeFault> {
        let mut record = 0;
        for _ in 0..IPV4_DEPTH {
            if record >= self.nodes {
                break;
            }
            [record, _] = self.children(record)?;
        }
        Ok(record)
    }

    /// The data, which records point into.
    pub(super) fn data(&self) -> &'a [u8] {
        let tree = self.nodes as usize * usize::from(self.record_bits) / 4;
        self.bytes.get(tree + SEPARATOR as usize..).unwrap_or_default()
    }

    /// Where in the data a record points; `None` for one that is no data.
    #[inline]
    pub(super) fn offset(&self, record: u32) -> Option<u32> {
        record.checked_sub(self.nodes)?.checked_sub(SEPARATOR)
    }

    /// How much may be visited in all before the tree counts as broken.
    pub(super) fn visits(&self) -> Visits {
        Visits(AtomicU64::new(VISITS_AT_LEAST + VISITS_PER_NODE * u64::from(self.nodes)))
    }

    /// What is below `root`, in order, in parts that can be walked each on its own.
    pub(super) fn parts(&self, root: u32, family: Family, visits: &Visits) -> Result<Vec<Part>, TreeFault> {
        let depth = family.part_bits();
        let level = self.level(Part { family, record: root, depth: 0, start: 0 }, depth, visits)?;
        Ok(level.into_iter().map(|(start, record)| Part { family, record, depth, start }).collect())
    }

    /// (first /24 or /56 number, record) of all that is in a part, in ascending order and without gaps, and so are the
    /// parts that follow each other. No record is a node.
    pub(super) fn walk(&self, part: Part, visits: &Visits) -> Result<Vec<(u64, u32)>, TreeFault> {
        let mut level = self.level(part, part.family.key_bits(), visits)?;
        self.descend(part.family, &mut level, visits)?;
        Ok(level)
    }

    /// The records at a depth, and those of shorter prefixes that are data. Level by level and not branch by branch:
    /// the nodes of a level do not wait for each other, and nearly every one is a look into cold memory.
    fn level(&self, part: Part, until: u32, visits: &Visits) -> Result<Vec<(u64, u32)>, TreeFault> {
        let (bits, aliases) = (part.family.key_bits(), part.family.aliases());
        let mut level = vec![(part.start, part.record)];
        let mut next = Vec::new();
        for depth in part.depth.. {
            for &(prefix, _) in aliases.iter().filter(|&&(_, len)| len == depth) {
                if let Ok(at) = level.binary_search_by_key(&(prefix << (bits - depth)), |&(start, _)| start) {
                    level[at].1 = self.nothing();
                }
            }
            // Data around an alias is halved like a node, until the alias stands alone.
            let around = |start: u64| {
                aliases.iter().any(|&(alias, len)| len > depth && alias >> (len - depth) == start >> (bits - depth))
            };
            if depth == until {
                break;
            }
            next.clear();
            next.reserve(level.len() * 2);
            let half = 1 << (bits - depth - 1);
            for &(start, record) in &level {
                if record < self.nodes {
                    let [left, right] = self.children(record)?;
                    next.extend([(start, left), (start + half, right)]);
                } else if around(start) {
                    next.extend([(start, record), (start + half, record)]);
                } else {
                    next.push((start, record));
                }
            }
            let halved = next.len() - level.len();
            if halved == 0 {
                break;
            }
            visits.take(halved)?;
            std::mem::swap(&mut level, &mut next);
        }
        Ok(level)
    }

    /// Within one /24 or /56 only the network address is asked (E2): every node gives way to what is at its left end.
    fn descend(&self, family: Family, level: &mut [(u64, u32)], visits: &Visits) -> Result<(), TreeFault> {
        let mut open: Vec<usize> = (0..level.len()).filter(|&at| level[at].1 < self.nodes).collect();
        for _ in family.key_bits()..family.address_bits() {
            visits.take(open.len())?;
            for &at in &open {
                [level[at].1, _] = self.children(level[at].1)?;
            }
            open.retain(|&at| level[at].1 < self.nodes);
        }
        if open.is_empty() { Ok(()) } else { Err(TreeFault::TooDeep) }
    }
}

/// A budget that several threads share.
pub(super) struct Visits(AtomicU64);

impl Visits {
    fn take(&self, count: usize) -> Result<(), TreeFault> {
        let less = |left: u64| left.checked_sub(count as u64);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).map(|_| ()).map_err(|_| TreeFault::Shared)
    }
}

/// A subtree: the record of a prefix, whose length and first key are these.
#[derive(Clone, Copy)]
pub(super) struct Part {
    family: Family,
    record: u32,
    depth: u32,
    start: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    /// Nodes of 24-bit records.
    fn bytes(nodes: &[(u32, u32)]) -> Vec<u8> {
        nodes.iter().flat_map(|&(l, r)| [l, r]).flat_map(|v| v.to_be_bytes()[1..].to_vec()).collect()
    }

    fn runs(nodes: &[(u32, u32)], family: Family) -> Result<Vec<(u64, u32)>, TreeFault> {
        let bytes = bytes(nodes);
        let tree = Tree::new(&bytes, nodes.len() as u32, 24);
        let visits = tree.visits();
        let mut runs = Vec::new();
        for part in tree.parts(0, family, &visits)? {
            runs.extend(tree.walk(part, &visits)?);
        }
        Ok(runs)
    }

    #[test]
    fn records_of_24_28_and_32_bits_are_read_from_either_side() {
        let nodes: [&[u8]; 3] = [
            &[0x01, 0x02, 0x03, 0x04, 0x05, 0x06],
            &[0x01, 0x02, 0x03, 0xab, 0x04, 0x05, 0x06],
            &[0x0a, 0x01, 0x02, 0x03, 0x0b, 0x04, 0x05, 0x06],
        ];
        let expected = [(0x0001_0203, 0x0004_0506), (0x0a01_0203, 0x0b04_0506), (0x0a01_0203, 0x0b04_0506)];
        for (node, (left, right)) in nodes.into_iter().zip(expected) {
            let tree = Tree::new(node, 1, node.len() as u16 * 4);
            assert_eq!(tree.children(0), Ok([left, right]));
            assert_eq!(tree.children(1), Err(TreeFault::Outside));
        }
    }

    #[test]
    fn e2_inside_a_24_the_record_at_the_network_address_counts() {
        // 25 levels of left children; at /25 the two halves differ.
        let mut nodes: Vec<(u32, u32)> = (0..24).map(|i| (i + 1, 25)).collect();
        nodes.push((100, 200));
        let runs = runs(&nodes, Family::V4).unwrap();
        assert_eq!(runs[0], (0, 100));
        assert!(runs[1..].iter().all(|&(_, record)| record == 25));
    }

    #[test]
    fn a_tree_that_leads_back_to_itself_is_refused() {
        assert_eq!(runs(&[(0, 0)], Family::V4), Err(TreeFault::Shared));
        assert_eq!(runs(&[(0, 5), (0, 0)], Family::V4), Err(TreeFault::TooDeep));
    }

    #[test]
    fn shared_branches_stop_before_they_multiply() {
        let nodes: Vec<(u32, u32)> = (0..56).map(|i| (i + 1, i + 1)).chain([(57, 57)]).collect();
        assert_eq!(runs(&nodes, Family::V6), Err(TreeFault::Shared));
    }

    #[test]
    fn ipv4_in_ipv6_is_cut_out_of_whatever_covers_it() {
        let runs = runs(&[(7, 9)], Family::V6).unwrap();
        let at = |key: u64| runs[runs.partition_point(|&(start, _)| start <= key) - 1].1;
        assert_eq!(at(0), 1, "::/56");
        assert_eq!(at(1), 7, "0:0:0:100::");
        assert_eq!(at(0x2001_0000 << 24), 1, "2001::");
        assert_eq!(at(0x2001_0001 << 24), 7, "2001:1::");
        assert_eq!(at(0x2002_ffff << 24), 1, "2002:ffff::");
        assert_eq!(at(0x2003 << 40), 7, "2003::");
        assert_eq!(at(0x8000 << 40), 9, "8000::");
    }
}
