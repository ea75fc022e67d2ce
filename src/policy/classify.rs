//! A question asked of very many clients.
//!
//! A database of cities has more than a hundred thousand distinct places, and each map asks all of them, so this asks
//! by look-up what can be looked up, allocates nothing for a place, and orders members by what is cheap to compute:
//! straight lines through the Earth. Only where two members are so close that whole metres, or tenths of a
//! millisecond, might be equal are these computed, and then they decide (G8).

use std::cmp::Ordering;
use std::collections::HashMap;

use super::facts::{Context, Facts, biased_distance, estimated_latency};
use super::question::{Ask, Question, Site};
use crate::config::model::Location;
use crate::geo::FastMap;
use crate::world::{CHORD_SQUARED_APART, Direction, LatLon, NEARLY_M, distance_m};

/// A question made ready.
pub(super) struct Classifier<'a> {
    nodes: Vec<Node<'a>>,
    desk: Desk,
}

enum Node<'a> {
    All(&'a [usize]),
    Chain(Chain<'a>),
    Order(Order<'a>),
}

struct Chain<'a> {
    /// In listed order.
    members: FastMap<Location, Vec<u16>>,
    children: &'a [Option<usize>],
    last_resort: Option<usize>,
    fence: bool,
}

struct Order<'a> {
    sites: Vec<Place<'a>>,
    children: &'a [usize],
    measure: Measure,
    tolerance: u32,
    depth: usize,
}

/// Where a member is.
struct Place<'a> {
    site: &'a Site,
    at: Option<(LatLon, Direction)>,
}

/// What members are ordered by.
enum Measure {
    Distance,
    BiasedDistance,
    /// Tenths of a millisecond to each member, by client.
    Latency(FastMap<Location, Vec<Option<u32>>>),
}

/// What is in hand while one place is asked.
#[derive(Default)]
struct Desk {
    /// By node: whether it was asked.
    seen: Vec<bool>,
    /// Of the node that is being asked, by member.
    candidates: Vec<Candidate>,
    measured: Vec<Option<u32>>,
    ranks: Vec<u16>,
}

/// How far a member is, at least and at most, on a scale of the node's own.
#[derive(Clone, Copy)]
struct Candidate {
    low: f64,
    high: f64,
    /// Tenths of a millisecond or biased millimetres, once known; `u64::MAX` where nothing is known.
    exact: Option<u64>,
}

impl<'a> Classifier<'a> {
    pub(super) fn new(question: &'a Question, context: &'a Context) -> Self {
        let nodes: Vec<Node<'a>> = question.nodes.iter().map(|ask| Node::new(ask, context)).collect();
        let desk = Desk { seen: vec![false; nodes.len()], ..Desk::default() };
        Self { nodes, desk }
    }

    /// Writes a client's region: the matches of all nodes that it can reach, in the order of reaching them.
    pub(super) fn region(&mut self, facts: &Facts<'_>, key: &mut Vec<u16>) {
        key.clear();
        self.desk.seen.fill(false);
        if !self.nodes.is_empty() {
            ask(&self.nodes, 0, facts, &mut self.desk, key);
        }
    }
}

fn ask(nodes: &[Node<'_>], node: usize, facts: &Facts<'_>, desk: &mut Desk, key: &mut Vec<u16>) {
    if std::mem::replace(&mut desk.seen[node], true) {
        return;
    }
    match &nodes[node] {
        Node::All(children) => children.iter().for_each(|&child| ask(nodes, child, facts, desk, key)),
        Node::Chain(chain) => {
            let length = key.len();
            key.push(0);
            chain.matches(facts, key);
            let members = length + 1..key.len();
            key[length] = members.len() as u16;
            for at in members {
                if let Some(child) = chain.children[usize::from(key[at])] {
                    ask(nodes, child, facts, desk, key);
                }
            }
            chain.last_resort.into_iter().for_each(|child| ask(nodes, child, facts, desk, key));
        }
        Node::Order(order) => {
            order.rank(facts, desk, key);
            order.children.iter().for_each(|&child| ask(nodes, child, facts, desk, key));
        }
    }
}

impl<'a> Node<'a> {
    fn new(ask: &'a Ask, context: &'a Context) -> Self {
        match ask {
            Ask::All { children, .. } => Self::All(children),
            Ask::Chain { rules, children, last_resort, fence } => {
                let mut members: FastMap<Location, Vec<u16>> = FastMap::default();
                rules.iter().for_each(|&(location, member)| members.entry(location).or_default().push(member));
                Self::Chain(Chain { members, children, last_resort: *last_resort, fence: *fence })
            }
            Ask::Order { sites, children, by_latency, tolerance, depth } => {
                let measure = match by_latency {
                    true => Measure::Latency(latencies(sites, context)),
                    false if sites.iter().all(|site| site.bias == 0) => Measure::Distance,
                    false => Measure::BiasedDistance,
                };
                let place = |site: &'a Site| Place { site, at: site.at().map(|at| (at, Direction::of(at))) };
                let sites = sites.iter().map(place).collect();
                Self::Order(Order { sites, children, measure, tolerance: *tolerance, depth: *depth })
            }
        }
    }
}

/// The rows of the latency table that speak of these members.
fn latencies(sites: &[Site], context: &Context) -> FastMap<Location, Vec<Option<u32>>> {
    let mut labels: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, site) in sites.iter().enumerate() {
        site.region.iter().for_each(|region| labels.entry(region).or_default().push(at));
    }
    let mut rows: FastMap<Location, Vec<Option<u32>>> = FastMap::default();
    for ((client, region), &tenths) in &context.latencies {
        for &at in labels.get(region.as_str()).into_iter().flatten() {
            rows.entry(*client).or_insert_with(|| vec![None; sites.len()])[at] = Some(tenths);
        }
    }
    rows
}

impl Chain<'_> {
    /// Adds members by their most specific match, the most specific first, each once.
    fn matches(&self, facts: &Facts<'_>, key: &mut Vec<u16>) {
        let from = key.len();
        for location in facts.locations().chain([Location::Default]) {
            for &member in self.members.get(&location).into_iter().flatten() {
                if !key[from..].contains(&member) {
                    key.push(member);
                }
            }
        }
        if self.fence {
            key.truncate(from + 1);
        }
    }
}

impl Order<'_> {
    /// Adds the first `depth` members, and with a tolerance for each rank who is within it of the rank's own.
    fn rank(&self, facts: &Facts<'_>, desk: &mut Desk, key: &mut Vec<u16>) {
        self.estimate(facts, desk);
        let Desk { candidates, ranks, .. } = desk;
        ranks.clear();
        for member in 0..self.sites.len() as u16 {
            let mut at = ranks.len();
            while at > 0 && self.compare(member, ranks[at - 1], facts, candidates) == Ordering::Less {
                at -= 1;
            }
            if at < self.depth {
                ranks.truncate(self.depth - 1);
                ranks.insert(at, member);
            }
        }
        key.extend_from_slice(ranks);
        if self.tolerance == 0 {
            return;
        }
        for (rank, &own) in ranks.iter().enumerate() {
            let length = key.len();
            key.push(0);
            let limit = self.exact(own, facts, candidates).saturating_add(self.tolerance.into());
            for member in (0..self.sites.len() as u16).filter(|member| !ranks[..rank].contains(member)) {
                let measure = self.exact(member, facts, candidates);
                if member == own || measure != u64::MAX && measure <= limit {
                    key.push(member);
                }
            }
            key[length] = (key.len() - length - 1) as u16;
        }
    }

    /// Puts on the desk what can be had cheaply of every member.
    fn estimate(&self, facts: &Facts<'_>, desk: &mut Desk) {
        let from = facts.place.at.map(Direction::of);
        let Desk { candidates, measured, .. } = desk;
        candidates.clear();
        let sites = self.sites.iter().map(|site| (site, from.zip(site.at.map(|(_, direction)| direction))));
        match &self.measure {
            Measure::Distance => candidates.extend(sites.map(|(_, ends)| match ends {
                Some((from, to)) => Candidate::around(from.chord_squared(&to), CHORD_SQUARED_APART / 2.0),
                None => Candidate::UNKNOWN,
            })),
            Measure::BiasedDistance => candidates.extend(sites.map(|(place, ends)| match ends {
                Some((from, to)) => Candidate::biased(from.metres(&to), place.site.bias),
                None => Candidate::UNKNOWN,
            })),
            Measure::Latency(rows) => {
                measured.clear();
                measured.resize(self.sites.len(), None);
                for row in facts.locations().filter_map(|location| rows.get(&location)) {
                    measured.iter_mut().zip(row).for_each(|(known, row)| *known = known.or(*row));
                }
                candidates.extend(sites.zip(measured).map(|((_, ends), measured)| match (measured, ends) {
                    (Some(tenths), _) => Candidate::known(u64::from(*tenths)),
                    (None, Some((from, to))) => Candidate::estimated(from.metres(&to)),
                    (None, None) => Candidate::UNKNOWN,
                }));
            }
        }
    }

    /// Which of two members comes first: the nearer one, else the one listed first.
    fn compare(&self, a: u16, b: u16, facts: &Facts<'_>, candidates: &mut [Candidate]) -> Ordering {
        let (first, second) = (candidates[usize::from(a)], candidates[usize::from(b)]);
        if first.high < second.low {
            Ordering::Less
        } else if second.high < first.low {
            Ordering::Greater
        } else {
            self.exact(a, facts, candidates).cmp(&self.exact(b, facts, candidates)).then(a.cmp(&b))
        }
    }

    /// Tenths of a millisecond or biased millimetres; `u64::MAX` where nothing is known.
    fn exact(&self, member: u16, facts: &Facts<'_>, candidates: &mut [Candidate]) -> u64 {
        let place = &self.sites[usize::from(member)];
        let measure = || {
            let metres = facts.place.at.zip(place.at).map(|(from, (to, _))| distance_m(from, to));
            metres.map_or(u64::MAX, |metres| match self.measure {
                Measure::Latency(_) => estimated_latency(metres).into(),
                Measure::Distance | Measure::BiasedDistance => biased_distance(metres, place.site.bias),
            })
        };
        *candidates[usize::from(member)].exact.get_or_insert_with(measure)
    }
}

impl Candidate {
    /// Behind all others.
    const UNKNOWN: Self = Self { low: f64::INFINITY, high: f64::INFINITY, exact: Some(u64::MAX) };

    fn around(value: f64, half: f64) -> Self {
        Self { low: value - half, high: value + half, exact: None }
    }

    fn known(exact: u64) -> Self {
        Self { low: exact as f64, high: exact as f64, exact: Some(exact) }
    }

    /// In metres. What [`biased_distance`] cuts off, less than a millimetre, is within what [`NEARLY_M`] leaves.
    fn biased(metres: f64, bias: i8) -> Self {
        let bias = f64::from(bias);
        let factor = if bias >= 0.0 { (100.0 - bias) / 100.0 } else { 100.0 / (100.0 + bias) };
        Self::around(metres * factor, NEARLY_M * factor)
    }

    /// In tenths of a millisecond, which are known where both ends agree.
    fn estimated(metres: f64) -> Self {
        let [low, high] =
            [metres - NEARLY_M, metres + NEARLY_M].map(|metres| estimated_latency(metres.max(0.0) as u32));
        if low == high { Self::known(low.into()) } else { Self { low: low.into(), high: high.into(), exact: None } }
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
