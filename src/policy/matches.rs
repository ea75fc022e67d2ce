//! What each region of a map means, laid out so that an evaluation reads no more of it than it needs.
//!
//! In: a question, and the regions as it wrote them. Out: for a region, a node and a place the member that comes there.
//! Invariant: what one evaluation has read decides what it comes to, so that regions which agree in that are one class.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::question::{Match, Question};
use crate::config::model::RouteId;

/// The node cannot be reached by clients of the region.
const UNREACHED: u32 = u32::MAX;
/// Places of this kind and above are the groups of a rank and no members.
const GROUPS: u32 = 1 << 16;
/// Read where a chain has ended.
const END: u32 = u32::MAX;

/// All regions of one map.
#[derive(Debug, Default)]
pub struct Matches {
    nodes: usize,
    /// By region and node, where its entry begins; [`UNREACHED`] where there is none.
    starts: Box<[u32]>,
    /// How many members there are, the members, and in orders with a tolerance a group's number for each.
    entries: Box<[u32]>,
    groups: Box<[Box<[u16]>]>,
    /// By node, whether it puts members in an order; others have chains, or ask for nothing.
    is_order: Box<[bool]>,
    /// By node and first member, all members by their distance from it. Worked out when first needed: it is seldom that
    /// all are down that a region names.
    tails: Box<[OnceLock<Box<[u16]>>]>,
    /// By node, where its tails begin.
    tail_starts: Box<[u32]>,
}

/// One thing that an evaluation has read of a region, and what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    node: u32,
    place: u32,
    found: u32,
}

impl Matches {
    /// Takes apart the regions of `question`.
    pub(super) fn new<'k>(question: &Question, regions: impl Iterator<Item = &'k [u16]>) -> Self {
        let (mut starts, mut entries) = (Vec::new(), Vec::new());
        let mut numbers: HashMap<Vec<u16>, u32> = HashMap::new();
        let mut groups_found: Vec<Box<[u16]>> = Vec::new();
        let widths = question.orders();
        for region in regions {
            for found in question.matches(region) {
                let (members, groups) = match found {
                    None => {
                        starts.push(UNREACHED);
                        continue;
                    }
                    Some(Match::Chain(chain)) => (chain, Vec::new()),
                    Some(Match::Order { ranks, groups }) => (ranks, groups),
                };
                starts.push(entries.len() as u32);
                entries.push(members.len() as u32);
                entries.extend(members.iter().map(|&member| u32::from(member)));
                for group in groups {
                    let next = groups_found.len() as u32;
                    entries.push(*numbers.entry(group).or_insert_with_key(|group| {
                        groups_found.push(group.as_slice().into());
                        next
                    }));
                }
            }
        }
        let tail_starts: Box<[u32]> = widths
            .iter()
            .scan(0, |at, width| Some(std::mem::replace(at, *at + width.unwrap_or_default() as u32)))
            .collect();
        let tails = widths.iter().flatten().sum::<usize>();
        Self {
            nodes: widths.len(),
            starts: starts.into(),
            entries: entries.into(),
            groups: groups_found.into(),
            is_order: widths.iter().map(Option::is_some).collect(),
            tails: (0..tails).map(|_| OnceLock::new()).collect(),
            tail_starts,
        }
    }

    /// The entry of a node that clients of the region can reach: how many members, and what follows them.
    fn entry(&self, region: u16, node: u32) -> Option<(usize, &[u32])> {
        let start = *self.starts.get(usize::from(region) * self.nodes + node as usize)?;
        let (&count, rest) = self.entries.get(start as usize..)?.split_first()?;
        Some((count as usize, rest))
    }

    /// What a later evaluation would find where an earlier one has read.
    fn found(&self, region: u16, node: u32, place: u32) -> u32 {
        let Some((count, rest)) = self.entry(region, node) else { return END };
        match place.checked_sub(GROUPS) {
            None if (place as usize) < count => rest[place as usize],
            None => END,
            Some(rank) => rest.get(count + rank as usize).copied().unwrap_or(END),
        }
    }
}

/// One region as a tree sees it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    matches: Option<&'a Matches>,
    region: u16,
    nodes: &'a [(RouteId, u32)],
}

impl<'a> View<'a> {
    /// `nodes` says which node of the question a route is, ascending; without `matches` nothing is asked of clients.
    pub fn new(matches: Option<&'a Matches>, region: u16, nodes: &'a [(RouteId, u32)]) -> Self {
        Self { matches, region, nodes }
    }

    /// The node that stands for a route, if it asks something of these clients.
    pub(super) fn node(&self, route: RouteId) -> Option<u32> {
        let at = self.nodes.binary_search_by_key(&route, |&(id, _)| id).ok()?;
        let node = self.nodes[at].1;
        self.matches?.entry(self.region, node).map(|_| node)
    }

    /// The member at a place of a node's chain or order.
    pub(super) fn member(&self, node: u32, place: usize) -> Asked {
        let place = place as u32;
        Asked { node, place, found: self.matches.map_or(END, |matches| matches.found(self.region, node, place)) }
    }

    /// The group of the member at a rank of a node's order.
    pub(super) fn group(&self, node: u32, rank: usize) -> Asked {
        self.member(node, GROUPS as usize + rank)
    }

    /// How many members an order's regions name; `None` for chains, which may be of any length.
    pub(super) fn ranks(&self, node: u32) -> Option<usize> {
        let matches = self.matches?;
        if !matches.is_order[node as usize] {
            return None;
        }
        matches.entry(self.region, node).map(|(count, _)| count)
    }

    /// The members of a group that was found.
    pub(super) fn group_members(&self, group: Asked) -> &'a [u16] {
        self.matches.and_then(|matches| matches.groups.get(group.found as usize)).map_or(&[], |group| group)
    }

    /// All members of an order by their distance from `first`, as `measure` finds it.
    pub(super) fn tail(&self, node: u32, first: usize, measure: impl FnOnce() -> Box<[u16]>) -> &'a [u16] {
        let Some(matches) = self.matches else { return &[] };
        let at = matches.tail_starts[node as usize] as usize + first;
        matches.tails.get(at).map_or(&[], |tail| tail.get_or_init(measure))
    }

    /// What this region has where another one was asked.
    pub fn finds(&self, asked: &Asked) -> Asked {
        let found = self.matches.map_or(END, |matches| matches.found(self.region, asked.node, asked.place));
        Asked { found, ..*asked }
    }
}

impl Asked {
    /// The member found; `None` where a chain has ended.
    pub(super) fn member(self) -> Option<usize> {
        (self.found != END).then_some(self.found as usize)
    }

    /// Whether both are about the same thing, whatever they found.
    pub fn is_about(&self, other: &Self) -> bool {
        (self.node, self.place) == (other.node, other.place)
    }

    /// What was found, as a number.
    pub fn found(&self) -> u32 {
        self.found
    }
}
