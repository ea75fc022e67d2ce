//! What a tree asks of a client, apart from what it answers: names whose trees ask the same share one map.

use std::collections::{HashMap, HashSet};

use crate::config::model::{Location, Member, Model, Policy, Route, RouteId, Target};
use crate::world::LatLon;

/// A tree's client-dependent nodes, from the root down. Equal questions have equal regions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Question {
    pub(super) nodes: Vec<Ask>,
}

/// One node. Children are positions in [`Question::nodes`]; those that ask nothing are left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// All members may be reached whoever asks; a sticky pick asks for the client's own network.
    All { children: Vec<usize>, sticky: bool },
    /// Geolocation and ip.
    Chain { rules: Vec<(Location, u16)>, children: Vec<Option<usize>>, last_resort: Option<usize>, fence: bool },
    /// Latency and geoproximity.
    Order { sites: Vec<Site>, children: Vec<usize>, by_latency: bool, tolerance: u32, depth: usize },
}

/// A member of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Site {
    pub(super) at: Option<(u64, u64)>,
    /// Its label in the latency table.
    pub(super) region: Option<String>,
    pub(super) bias: i8,
}

impl Site {
    pub(super) fn at(&self) -> Option<LatLon> {
        self.at.map(|(lat, lon)| LatLon { lat: f64::from_bits(lat), lon: f64::from_bits(lon) })
    }
}

/// How one node matches a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Members whose locations hold the client, the most specific first (GL1, IP1).
    Chain(Vec<u16>),
    /// The first candidates, and for each the members within `tolerance` of it (L3), itself included.
    Order {
        /// At most `depth` members, the best first.
        ranks: Vec<u16>,
        /// One a rank; empty where there is no tolerance.
        groups: Vec<Vec<u16>>,
    },
}

impl Question {
    /// What the tree below `root` asks, and which route each node stands for.
    pub fn of(model: &Model, root: RouteId) -> (Self, Vec<RouteId>) {
        let mut builder =
            Builder { model, depends: HashMap::new(), position: HashMap::new(), nodes: Vec::new(), routes: Vec::new() };
        if builder.depends(root) {
            builder.visit(root);
        }
        let nodes = builder.nodes.into_iter().flatten().collect();
        (Self { nodes }, builder.routes)
    }

    /// Whether every client gets the same.
    pub fn is_trivial(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Networks that the rules list.
    pub fn networks(&self) -> impl Iterator<Item = ipnet::IpNet> + '_ {
        self.nodes
            .iter()
            .flat_map(|node| match node {
                Ask::Chain { rules, .. } => rules.as_slice(),
                _ => &[],
            })
            .filter_map(|(location, _)| match location {
                Location::Net(net) => Some(*net),
                _ => None,
            })
    }

    /// Whether the latency table has a say.
    pub fn asks_latency(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node, Ask::Order { by_latency: true, .. }))
    }

    /// Whether clients of this region can come to a sticky pick, which goes by their own /24 or /56 (W10).
    pub fn reaches_sticky(&self, region: &[u16]) -> bool {
        let mut seen = HashSet::new();
        if !self.nodes.is_empty() {
            self.read(0, &mut region.iter().copied(), &mut vec![None; self.nodes.len()], &mut seen);
        }
        seen.into_iter().any(|node| matches!(self.nodes[node], Ask::All { sticky: true, .. }))
    }

    /// By node, how many members it puts in an order; `None` for nodes of other kinds.
    pub(super) fn orders(&self) -> Vec<Option<usize>> {
        let sites = |node: &Ask| match node {
            Ask::Order { sites, .. } => Some(sites.len()),
            Ask::All { .. } | Ask::Chain { .. } => None,
        };
        self.nodes.iter().map(sites).collect()
    }

    /// Takes a region apart again, one entry a node; `None` for those that its clients cannot reach.
    pub fn matches(&self, region: &[u16]) -> Vec<Option<Match>> {
        let mut matches = vec![None; self.nodes.len()];
        if !self.nodes.is_empty() {
            self.read(0, &mut region.iter().copied(), &mut matches, &mut HashSet::new());
        }
        matches
    }

    fn read(
        &self,
        node: usize,
        key: &mut impl Iterator<Item = u16>,
        matches: &mut Vec<Option<Match>>,
        seen: &mut HashSet<usize>,
    ) {
        fn list(key: &mut impl Iterator<Item = u16>) -> Vec<u16> {
            let len = key.next().unwrap_or(0);
            key.take(len.into()).collect()
        }
        if !seen.insert(node) {
            return;
        }
        match &self.nodes[node] {
            Ask::All { children, .. } => children.iter().for_each(|&child| self.read(child, key, matches, seen)),
            Ask::Chain { children, last_resort, .. } => {
                let chain = list(key);
                matches[node] = Some(Match::Chain(chain.clone()));
                let reached = chain.iter().filter_map(|&member| children[usize::from(member)]).chain(*last_resort);
                reached.for_each(|child| self.read(child, key, matches, seen));
            }
            Ask::Order { sites, children, tolerance, depth, .. } => {
                let ranks: Vec<u16> = key.take(sites.len().min(*depth)).collect();
                let groups = if *tolerance > 0 { ranks.iter().map(|_| list(key)).collect() } else { Vec::new() };
                matches[node] = Some(Match::Order { ranks, groups });
                children.iter().for_each(|&child| self.read(child, key, matches, seen));
            }
        }
    }
}

struct Builder<'a> {
    model: &'a Model,
    depends: HashMap<RouteId, bool>,
    position: HashMap<RouteId, usize>,
    nodes: Vec<Option<Ask>>,
    routes: Vec<RouteId>,
}

impl Builder<'_> {
    /// Whether anything at or below a route asks of the client.
    fn depends(&mut self, id: RouteId) -> bool {
        if let Some(&known) = self.depends.get(&id) {
            return known;
        }
        let route = self.model.route(id);
        let asks = match route.policy {
            Policy::Geolocation | Policy::Ip => {
                route.members.iter().flat_map(|member| &member.locations).any(|location| *location != Location::Default)
            }
            Policy::Latency | Policy::Geoproximity => route.members.len() > 1,
            _ => is_sticky(route),
        };
        let targets: Vec<Target> = route.members.iter().map(|member| member.target).chain(route.last_resort).collect();
        let depends =
            asks || targets.into_iter().any(|target| matches!(target, Target::Route(below) if self.depends(below)));
        self.depends.insert(id, depends);
        depends
    }

    /// The position of a target that asks something; `None` for others.
    fn visit_target(&mut self, target: Target) -> Option<usize> {
        match target {
            Target::Route(id) if self.depends(id) => Some(self.visit(id)),
            _ => None,
        }
    }

    fn visit(&mut self, id: RouteId) -> usize {
        if let Some(&position) = self.position.get(&id) {
            return position;
        }
        let position = self.nodes.len();
        self.position.insert(id, position);
        self.nodes.push(None);
        self.routes.push(id);
        let route = self.model.route(id);
        let children: Vec<Option<usize>> =
            route.members.iter().map(|member| self.visit_target(member.target)).collect();
        let last_resort = route.last_resort.and_then(|target| self.visit_target(target));
        let present = || children.iter().copied().flatten().chain(last_resort).collect();
        self.nodes[position] = Some(match route.policy {
            Policy::Geolocation | Policy::Ip => {
                let rules = route.members.iter().enumerate();
                let rules =
                    rules.flat_map(|(at, member)| member.locations.iter().map(move |&location| (location, at as u16)));
                Ask::Chain { rules: rules.collect(), children, last_resort, fence: route.fence }
            }
            Policy::Latency | Policy::Geoproximity => Ask::Order {
                sites: route.members.iter().map(|member| site(self.model, member)).collect(),
                children: present(),
                by_latency: route.policy == Policy::Latency,
                tolerance: route.tolerance,
                depth: self.model.server.depth,
            },
            _ => Ask::All { children: present(), sticky: is_sticky(route) },
        });
        position
    }
}

/// Whether a node picks by the client's own network.
fn is_sticky(route: &Route) -> bool {
    route.policy == Policy::Weighted && route.sticky.is_some() && route.members.len() > 1
}

fn site(model: &Model, member: &Member) -> Site {
    Site {
        at: member_place(model, member).map(LatLon::bits),
        region: member_region(model, member).map(str::to_owned),
        bias: member.bias,
    }
}

/// A member's place: its own, else its endpoint's.
pub(super) fn member_place(model: &Model, member: &Member) -> Option<LatLon> {
    member.at.or(match member.target {
        Target::Endpoint(id) => model.endpoint(id).at,
        Target::Route(_) => None,
    })
}

/// A member's label in the latency table: its own, else its endpoint's.
pub(super) fn member_region<'a>(model: &'a Model, member: &'a Member) -> Option<&'a str> {
    member.region.as_deref().or(match member.target {
        Target::Endpoint(id) => model.endpoint(id).region.as_deref(),
        Target::Route(_) => None,
    })
}
