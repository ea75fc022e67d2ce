//! The one evaluator: a tree, a region and the state of the world make an outcome.
//!
//! A node that is up picks among its members that are up (G3). One that is not, and that its parent does not leave,
//! fails open: its last resort answers if it has one (T7), else it picks as if everything were up (G4, T5). What is
//! drained, or `status = "down"`, takes no part in either (G10) unless nothing else is left.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::facts::biased_distance;
use super::outcome::{AnswerSet, Branches, Leaf, Outcome, Share, StickyPick};
use super::question::{Match, member_place};
use crate::config::model::{
    AllDown, Endpoint, EndpointId, Health, Member, MinHealthy, Model, NoMatch, Policy, ProbeId, Route, RouteId, Status,
    Target,
};
use crate::wire::RecordType;
use crate::world::distance_m;

/// The state of the world that an outcome depends on.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// What there is.
    pub model: &'a Model,
    /// By probe, whether it counts as up; those past the end do.
    pub up: &'a [bool],
    /// What persons have drained.
    pub drained: &'a BTreeSet<EndpointId>,
}

impl Conditions<'_> {
    fn is_up(&self, probe: ProbeId) -> bool {
        self.up.get(probe.index()).copied().unwrap_or(true)
    }
}

/// One node met on the way to an outcome, for explaining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which node.
    pub route: RouteId,
    /// Whether it failed open.
    pub failed_open: bool,
    /// Whether drained members were let in, since nothing else is left.
    pub forced: bool,
    /// The members that count for this client, in the order of the policy.
    pub members: Vec<StepMember>,
    /// Its last resort answered.
    pub last_resort: bool,
}

/// One member of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepMember {
    /// Its position in the route.
    pub member: usize,
    /// Has the type and is not drained.
    pub eligible: bool,
    /// Is up for this type.
    pub up: bool,
}

/// Evaluates one tree for one region and one type.
#[derive(Debug)]
pub struct Evaluator<'a> {
    conditions: Conditions<'a>,
    rtype: RecordType,
    matches: HashMap<RouteId, Match>,
    up: HashMap<(RouteId, bool), bool>,
    eligible: HashMap<(RouteId, bool), bool>,
    forced: bool,
    steps: Option<Vec<Step>>,
    /// Branches that may still be made; shared trees multiply, so the limit stops them while they are made.
    budget: usize,
}

impl<'a> Evaluator<'a> {
    /// `matches` are those of the tree's client-dependent nodes for this region.
    pub fn new(conditions: Conditions<'a>, rtype: RecordType, matches: HashMap<RouteId, Match>) -> Self {
        let budget = conditions.model.server.limits.variants;
        Self {
            conditions,
            rtype,
            matches,
            up: HashMap::new(),
            eligible: HashMap::new(),
            forced: false,
            steps: None,
            budget,
        }
    }

    /// Keeps a record of every node met.
    pub fn traced(mut self) -> Self {
        self.steps = Some(Vec::new());
        self
    }

    /// What this tree answers now; `None` when that has more branches than `limits.variants`.
    pub fn outcome(&mut self, root: RouteId) -> Option<Outcome> {
        let mut branches = Branches::default();
        self.resolve(root, true, false, Share::ALL, &mut branches);
        (self.budget > 0).then(|| branches.finish())
    }

    /// Ends a branch, as long as the budget lasts.
    fn end(&mut self, share: Share, leaf: Leaf, out: &mut Branches) {
        self.budget = self.budget.saturating_sub(1);
        out.push(share, leaf);
    }

    /// Whether the outcome needs drained members, for nothing else is left (G10).
    pub fn was_forced(&self) -> bool {
        self.forced
    }

    /// The nodes met, the root first.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }

    fn route(&self, id: RouteId) -> &'a Route {
        self.conditions.model.route(id)
    }

    /// Answers a node whatever its state. `stop`: no parent can go on instead.
    fn resolve(&mut self, id: RouteId, stop: bool, forced: bool, share: Share, out: &mut Branches) {
        if self.budget == 0 {
            return;
        }
        let route = self.route(id);
        let considered = self.considered(id);
        if considered.is_empty() && route.no_match == Some(NoMatch::Nodata) {
            self.record(id, false, false, forced);
            return self.end(share, Leaf::Nodata, out);
        }
        if self.holds(id, forced) {
            let up: Vec<usize> =
                considered.iter().copied().filter(|&at| self.member_up(&route.members[at], forced)).collect();
            if !up.is_empty() {
                self.record(id, false, false, forced);
                return self.pick(id, &up, false, forced, share, out);
            }
        }
        self.fail_open(id, stop, forced, share, out);
    }

    fn fail_open(&mut self, id: RouteId, stop: bool, forced: bool, share: Share, out: &mut Branches) {
        let route = self.route(id);
        if let Some(target) = route.last_resort.filter(|&target| self.target_eligible(target, forced)) {
            self.record(id, true, true, forced);
            return self.follow(target, None, false, forced, share, out);
        }
        if stop && route.all_down == AllDown::Nodata {
            self.record(id, true, false, forced);
            return self.end(share, Leaf::Nodata, out);
        }
        let considered = self.considered(id);
        let all: Vec<usize> =
            considered.iter().copied().filter(|&at| self.member_eligible(&route.members[at], forced)).collect();
        if all.is_empty() {
            if forced {
                // No member has the type at all: a load that could come here is refused (G6).
                return self.end(share, Leaf::Nodata, out);
            }
            self.forced = true;
            return self.fail_open(id, stop, true, share, out);
        }
        self.record(id, true, false, forced);
        self.pick(id, &all, true, forced, share, out);
    }

    /// Keeps what is known of a node, where somebody wants to know.
    fn record(&mut self, route: RouteId, failed_open: bool, last_resort: bool, forced: bool) {
        if self.steps.is_none() {
            return;
        }
        let members = &self.route(route).members;
        let members = self.considered(route).into_iter().map(|at| StepMember {
            member: at,
            eligible: self.member_eligible(&members[at], forced),
            up: self.member_up(&members[at], forced),
        });
        let members = members.collect();
        if let Some(steps) = &mut self.steps {
            steps.push(Step { route, failed_open, forced, members, last_resort });
        }
    }

    /// Lets the policy choose among `candidates`, which are in the policy's order and not empty. `open`: as if
    /// everything were up.
    fn pick(&mut self, id: RouteId, candidates: &[usize], open: bool, forced: bool, share: Share, out: &mut Branches) {
        let route = self.route(id);
        match route.policy {
            Policy::Multivalue => {
                let mut records: Vec<Box<[u8]>> = Vec::new();
                for &at in candidates {
                    let Target::Endpoint(id) = route.members[at].target else { continue };
                    let own = if open {
                        self.all_records(self.conditions.model.endpoint(id)).to_vec()
                    } else {
                        self.answer_records(id, Some(&route.members[at]))
                    };
                    for record in own {
                        if !records.contains(&record) {
                            records.push(record);
                        }
                    }
                }
                self.end(share, answer(self.rtype, records, route.max_answers), out);
            }
            Policy::Weighted => match &route.sticky {
                None => self.split(route, candidates, open, forced, share, out),
                Some(salt) => {
                    let members = with_weights(route, candidates)
                        .into_iter()
                        .map(|(at, weight)| {
                            let mut branches = Branches::default();
                            self.go(&route.members[at], open, forced, Share::ALL, &mut branches);
                            (route.members[at].name.clone(), weight, branches.finish())
                        })
                        .collect();
                    self.end(share, Leaf::Sticky(StickyPick { salt: salt.clone(), members }), out);
                }
            },
            Policy::Latency if route.tolerance > 0 => {
                let first = candidates[0];
                let group: Vec<usize> = match self.matches.get(&id) {
                    Some(Match::Order { ranks, groups }) => {
                        let rank = ranks.iter().position(|&at| usize::from(at) == first);
                        let group = rank.and_then(|rank| groups.get(rank)).map_or(&[][..], Vec::as_slice);
                        group.iter().map(|&at| usize::from(at)).filter(|at| candidates.contains(at)).collect()
                    }
                    _ => Vec::new(),
                };
                if group.is_empty() {
                    self.go(&route.members[first], open, forced, share, out);
                } else {
                    self.split(route, &group, open, forced, share, out);
                }
            }
            _ => self.go(&route.members[candidates[0]], open, forced, share, out),
        }
    }

    /// Shares by weight in listed order (W1–W7).
    fn split(
        &mut self,
        route: &'a Route,
        candidates: &[usize],
        open: bool,
        forced: bool,
        share: Share,
        out: &mut Branches,
    ) {
        let weights = with_weights(route, candidates);
        let total = weights.iter().map(|&(_, weight)| u64::from(weight)).sum();
        let mut before = 0;
        for (at, weight) in weights {
            self.go(&route.members[at], open, forced, share.part(before, weight.into(), total), out);
            before += u64::from(weight);
        }
    }

    /// `open`: a node below that is not up was let in by a parent that fails open; else the climb ends at it.
    fn go(&mut self, member: &'a Member, open: bool, forced: bool, share: Share, out: &mut Branches) {
        self.follow(member.target, Some(member), !open, forced, share, out);
    }

    fn follow(
        &mut self,
        target: Target,
        member: Option<&'a Member>,
        stop: bool,
        forced: bool,
        share: Share,
        out: &mut Branches,
    ) {
        match target {
            Target::Route(id) => self.resolve(id, stop, forced, share, out),
            Target::Endpoint(id) => {
                let records = self.answer_records(id, member);
                let (rtype, take) = (self.answer_type(id), records.len());
                self.end(share, answer(rtype, records, take), out);
            }
        }
    }

    /// The members that count for this client, in the order that the policy prefers them.
    fn considered(&self, id: RouteId) -> Vec<usize> {
        let route = self.route(id);
        let listed = 0..route.members.len();
        match (route.policy, self.matches.get(&id)) {
            (Policy::Geolocation | Policy::Ip, Some(Match::Chain(chain))) => {
                chain.iter().map(|&at| usize::from(at)).collect()
            }
            // It asks nothing of the client: every member is a default.
            (Policy::Geolocation | Policy::Ip, _) => listed.take(if route.fence { 1 } else { usize::MAX }).collect(),
            (Policy::Latency | Policy::Geoproximity, Some(Match::Order { ranks, .. })) => {
                let ranks: Vec<usize> = ranks.iter().map(|&at| usize::from(at)).collect();
                let tail = self.tail(route, &ranks);
                ranks.into_iter().chain(tail).collect()
            }
            _ => listed.collect(),
        }
    }

    /// Candidates past the region's depth: by distance from the first one's own place (architecture: Region).
    fn tail(&self, route: &Route, ranks: &[usize]) -> Vec<usize> {
        let place = |at: usize| member_place(self.conditions.model, &route.members[at]);
        let from = ranks.first().and_then(|&first| place(first));
        let mut tail: Vec<(u64, usize)> = (0..route.members.len())
            .filter(|at| !ranks.contains(at))
            .map(|at| {
                let metres = from.zip(place(at)).map(|(from, to)| distance_m(from, to));
                let bias = if route.policy == Policy::Geoproximity { route.members[at].bias } else { 0 };
                (metres.map_or(u64::MAX, |metres| biased_distance(metres, bias)), at)
            })
            .collect();
        tail.sort_unstable();
        tail.into_iter().map(|(_, at)| at).collect()
    }

    fn is_fenced_match(&self, id: RouteId) -> bool {
        self.route(id).fence && !self.considered(id).is_empty()
    }

    fn route_eligible(&mut self, id: RouteId, forced: bool) -> bool {
        if let Some(&known) = self.eligible.get(&(id, forced)) {
            return known;
        }
        let route = self.route(id);
        let considered = self.considered(id);
        let eligible = if considered.is_empty() {
            route.no_match == Some(NoMatch::Nodata)
        } else {
            route.fence || considered.iter().any(|&at| self.member_eligible(&route.members[at], forced))
        };
        self.eligible.insert((id, forced), eligible);
        eligible
    }

    fn member_eligible(&mut self, member: &Member, forced: bool) -> bool {
        (forced || member.status != Status::Down) && self.target_eligible(member.target, forced)
    }

    fn target_eligible(&mut self, target: Target, forced: bool) -> bool {
        match target {
            Target::Endpoint(id) => {
                (forced || !self.is_withdrawn(id)) && !self.all_records(self.conditions.model.endpoint(id)).is_empty()
            }
            Target::Route(id) => self.route_eligible(id, forced),
        }
    }

    /// Drained, or `status = "down"`.
    fn is_withdrawn(&self, id: EndpointId) -> bool {
        self.conditions.drained.contains(&id) || self.conditions.model.endpoint(id).status == Status::Down
    }

    /// Whether a node counts as up for its parent.
    fn route_up(&mut self, id: RouteId, forced: bool) -> bool {
        let no_match = self.considered(id).is_empty();
        if no_match {
            return self.route(id).no_match == Some(NoMatch::Nodata);
        }
        self.is_fenced_match(id) || self.holds(id, forced)
    }

    /// Whether enough of a node's members are up (T1).
    fn holds(&mut self, id: RouteId, forced: bool) -> bool {
        if let Some(&known) = self.up.get(&(id, forced)) {
            return known;
        }
        let route = self.route(id);
        let (mut up, mut all) = ((0u64, 0u64), (0u64, 0u64));
        for at in self.considered(id) {
            let member = &route.members[at];
            if !self.member_eligible(member, forced) {
                continue;
            }
            let weight = u64::from(member.weight);
            all = (all.0 + 1, all.1 + weight);
            if self.member_up(member, forced) {
                up = (up.0 + 1, up.1 + weight);
            }
        }
        let holds = match route.min_healthy {
            MinHealthy::Count(least) => up.0 >= u64::from(least) && up.0 > 0,
            MinHealthy::Percent(least) if route.policy == Policy::Weighted && all.1 > 0 => {
                up.0 > 0 && up.1 * 100 >= all.1 * u64::from(least)
            }
            MinHealthy::Percent(least) => up.0 > 0 && up.0 * 100 >= all.0 * u64::from(least),
        };
        self.up.insert((id, forced), holds);
        holds
    }

    fn member_up(&mut self, member: &Member, forced: bool) -> bool {
        if !self.member_eligible(member, forced) || member.status == Status::Down {
            return false;
        }
        if !member.follow_health {
            return true;
        }
        match member.target {
            Target::Endpoint(id) => !self.up_records(id, Some(member)).is_empty(),
            Target::Route(_) if member.status == Status::Up => true,
            Target::Route(id) => {
                let own = match &member.health {
                    Health::Whole(probe) => self.conditions.is_up(*probe),
                    Health::Unchecked | Health::PerAddress(_) => true,
                };
                own && self.route_up(id, forced)
            }
        }
    }

    /// The type of an endpoint's answer: a CNAME answers every type (G9).
    fn answer_type(&self, id: EndpointId) -> RecordType {
        let endpoint = self.conditions.model.endpoint(id);
        if endpoint.records_of(RecordType::CNAME).is_empty() { self.rtype } else { RecordType::CNAME }
    }

    fn all_records(&self, endpoint: &'a Endpoint) -> &'a [Box<[u8]>] {
        match endpoint.records_of(RecordType::CNAME) {
            [] => endpoint.records_of(self.rtype),
            cname => cname,
        }
    }

    /// What a leaf answers once it is chosen: its up records, else all of them.
    fn answer_records(&self, id: EndpointId, member: Option<&Member>) -> Vec<Box<[u8]>> {
        match self.up_records(id, member) {
            up if up.is_empty() => self.all_records(self.conditions.model.endpoint(id)).to_vec(),
            up => up,
        }
    }

    /// An endpoint's records of the asked type whose addresses are up; none while it is withdrawn.
    fn up_records(&self, id: EndpointId, member: Option<&Member>) -> Vec<Box<[u8]>> {
        if self.is_withdrawn(id) || member.is_some_and(|member| member.status == Status::Down) {
            return Vec::new();
        }
        let endpoint = self.conditions.model.endpoint(id);
        let records = self.all_records(endpoint);
        let word_is_up = endpoint.status == Status::Up || member.is_some_and(|member| member.status == Status::Up);
        if word_is_up {
            return records.to_vec();
        }
        let beside = member.map_or(&Health::Unchecked, |member| &member.health);
        let address_up = |address| self.holds_at(&endpoint.health, address) && self.holds_at(beside, address);
        match self.answer_type(id) {
            RecordType::A | RecordType::AAAA => {
                records.iter().filter(|record| address(record).is_none_or(address_up)).cloned().collect()
            }
            _ => {
                let mut addresses = [RecordType::A, RecordType::AAAA]
                    .into_iter()
                    .flat_map(|rtype| endpoint.records_of(rtype))
                    .filter_map(|record| address(record))
                    .peekable();
                let whole = || self.holds_whole(&endpoint.health) && self.holds_whole(beside);
                let up = if addresses.peek().is_some() { addresses.any(address_up) } else { whole() };
                if up { records.to_vec() } else { Vec::new() }
            }
        }
    }

    fn holds_at(&self, health: &Health, address: IpAddr) -> bool {
        match health {
            Health::Unchecked => true,
            Health::Whole(probe) => self.conditions.is_up(*probe),
            Health::PerAddress(probes) => probes
                .iter()
                .find(|(probed, _)| *probed == address)
                .is_none_or(|(_, probe)| self.conditions.is_up(*probe)),
        }
    }

    fn holds_whole(&self, health: &Health) -> bool {
        match health {
            Health::Unchecked | Health::PerAddress(_) => true,
            Health::Whole(probe) => self.conditions.is_up(*probe),
        }
    }
}

/// A leaf of these records. There are none only where no member has the type, which a load refuses (G6).
fn answer(rtype: RecordType, records: Vec<Box<[u8]>>, take: usize) -> Leaf {
    if records.is_empty() { Leaf::Nodata } else { Leaf::Answer(AnswerSet { rtype, records, take }) }
}

/// The address in an A or AAAA record's data.
fn address(rdata: &[u8]) -> Option<IpAddr> {
    match rdata.len() {
        4 => rdata.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        16 => rdata.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
        _ => None,
    }
}

/// Candidates that have a weight; if none has one, all of them alike (W4, W7). In listed order.
fn with_weights(route: &Route, candidates: &[usize]) -> Vec<(usize, u16)> {
    let mut weighted: Vec<(usize, u16)> =
        candidates.iter().map(|&at| (at, route.members[at].weight)).filter(|&(_, weight)| weight > 0).collect();
    if weighted.is_empty() {
        weighted = candidates.iter().map(|&at| (at, 1)).collect();
    }
    weighted.sort_unstable();
    weighted
}
