//! The search tree of an MMDB file, walked no deeper than one decision needs.
//!
//! Comes in: the tree's bytes. Goes out: for each run of networks the record that stands at its network address.
//! Every node is reached once in a sound tree; a walk that exceeds a small multiple of that has met a loop or shared
//! branches and stops, so a corrupt file costs bounded time and memory.

use std::fmt;

/// What no look-up ever asks the IPv6 part of a database: leading bits, how many. The IPv4 addresses live at ::/96
/// and show again at ::ffff:0:0/96, and many files repeat them at 2001::/32 (Teredo) and 2002::/16 (6to4).
const IPV4_IN_IPV6: [(u64, u32); 3] = [(0, 56), (0x2001_0000, 32), (0x2002, 16)];

/// Nodes visited for each node of the file before the tree counts as broken; a few files share some branches.
const VISITS_PER_NODE: u64 = 4;
const VISITS_AT_LEAST: u64 = 1 << 16;

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

    fn child(&self, node: u32, right: bool) -> Result<u32, TreeFault> {
        let size = usize::from(self.record_bits) / 4;
        let start = node as usize * size;
        let node = self.bytes.get(start..start + size).ok_or(TreeFault::Outside)?;
        let record = match (node, right) {
            (&[a, b, c, _, _, _], false) => [0, a, b, c],
            (&[_, _, _, a, b, c], true) => [0, a, b, c],
            (&[a, b, c, high, _, _, _], false) => [high >> 4, a, b, c],
            (&[_, _, _, high, a, b, c], true) => [high & 0x0f, a, b, c],
            (&[a, b, c, d, _, _, _, _], false) => [a, b, c, d],
            (&[_, _, _, _, a, b, c, d], true) => [a, b, c, d],
            _ => return Err(TreeFault::Outside),
        };
        Ok(u32::from_be_bytes(record))
    }

    /// The record above all IPv4 addresses of an IPv6 tree.
    pub(super) fn ipv4_root(&self) -> Result<u32, TreeFault> {
        let mut record = 0;
        for _ in 0..IPV4_DEPTH {
            if record >= self.nodes {
                break;
            }
            record = self.child(record, false)?;
        }
        Ok(record)
    }

    /// Calls `emit(first /24 or /56 number, record)` in ascending order, from 0 on and without gaps.
    pub(super) fn walk<E: From<TreeFault>>(
        &self,
        root: u32,
        family: Family,
        emit: impl FnMut(u64, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let visits = VISITS_AT_LEAST + VISITS_PER_NODE * u64::from(self.nodes);
        Walk { tree: self, family, visits, emit }.visit(root, 0, 0)
    }
}

struct Walk<'a, F> {
    tree: &'a Tree<'a>,
    family: Family,
    visits: u64,
    emit: F,
}

impl<E: From<TreeFault>, F: FnMut(u64, u32) -> Result<(), E>> Walk<'_, F> {
    fn visit(&mut self, record: u32, depth: u32, prefix: u64) -> Result<(), E> {
        let bits = self.family.key_bits();
        let aliases = self.family.aliases();
        if aliases.contains(&(prefix, depth)) {
            return (self.emit)(prefix << (bits - depth), self.tree.nothing());
        }
        let leaf = record >= self.tree.nodes;
        if depth == bits {
            let record = self.at_network_address(record)?;
            return (self.emit)(prefix, record);
        }
        let holds_alias = || aliases.iter().any(|&(alias, len)| len > depth && alias >> (len - depth) == prefix);
        if leaf && !holds_alias() {
            return (self.emit)(prefix << (bits - depth), record);
        }
        self.count()?;
        for right in [false, true] {
            let child = if leaf { record } else { self.tree.child(record, right)? };
            self.visit(child, depth + 1, prefix << 1 | u64::from(right))?;
        }
        Ok(())
    }

    /// Within one /24 or /56 only the network address is asked (E2).
    fn at_network_address(&mut self, mut record: u32) -> Result<u32, E> {
        for _ in self.family.key_bits()..self.family.address_bits() {
            if record >= self.tree.nodes {
                return Ok(record);
            }
            self.count()?;
            record = self.tree.child(record, false)?;
        }
        if record < self.tree.nodes { Err(TreeFault::TooDeep.into()) } else { Ok(record) }
    }

    fn count(&mut self) -> Result<(), TreeFault> {
        self.visits = self.visits.checked_sub(1).ok_or(TreeFault::Shared)?;
        Ok(())
    }
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
        let mut runs = Vec::new();
        Tree::new(&bytes, nodes.len() as u32, 24).walk(0, family, |start, record| {
            runs.push((start, record));
            Ok::<_, TreeFault>(())
        })?;
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
            assert_eq!((tree.child(0, false), tree.child(0, true)), (Ok(left), Ok(right)));
            assert_eq!(tree.child(1, false), Err(TreeFault::Outside));
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
        assert_eq!(runs(&[(0, 0)], Family::V4), Err(TreeFault::TooDeep));
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
