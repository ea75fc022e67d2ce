//! The one evaluator: a tree, a region and the state of the world make an outcome.
//!
//! A node that is up picks among its members that are up (G3). One that is not, and that its parent does not leave,
//! fails open: its last resort answers if it has one (T7), else it picks as if everything were up (G4, T5). What is
//! drained, or `status = "down"`, takes no part in either (G10) unless nothing else is left.
//!
//! It reads as little as it can, and notes what it reads: of the region ([`Evaluator::asked`]) and of the probes
//! ([`Evaluator::heard`]). Regions that agree in the one have the same outcome, and while the other stays, it stays.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use super::facts::biased_distance;
use super::matches::{Asked, View};
use super::outcome::{AnswerSet, Branches, Leaf, Outcome, Share, StickyPick};
use super::question::member_place;
use crate::config::model::{
    AllDown, EndpointId, Health, Member, MinHealthy, Model, NoMatch, Policy, ProbeId, Route, RouteId, Status, Target,
};
use crate::geo::FastMap;
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
    pub(super) fn is_up(&self, probe: ProbeId) -> bool {
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

/// Evaluates one tree for one type, a region at a time: what it keeps its notes in is used again.
#[derive(Debug)]
pub struct Evaluator<'a> {
    pub(super) conditions: Conditions<'a>,
    pub(super) rtype: RecordType,
    view: View<'a>,
    up: FastMap<(RouteId, bool), bool>,
    eligible: FastMap<(RouteId, bool), bool>,
    /// Members past the ranks of an order's region, once somebody asked for them.
    tails: FastMap<RouteId, Vec<usize>>,
    /// In the order of reading, each once.
    asked: Vec<Asked>,
    /// By route, how many places of its chain or order have been read: always those up to the last one.
    read: FastMap<RouteId, usize>,
    /// Some of them more than once. Reading a verdict changes nothing else.
    heard: RefCell<Vec<ProbeId>>,
    forced: bool,
    steps: Option<Vec<Step>>,
    /// Branches that may still be made; shared trees multiply, so the limit stops them while they are made.
    budget: usize,
}

impl<'a> Evaluator<'a> {
    /// For clients of the region that `view` shows.
    pub fn new(conditions: Conditions<'a>, rtype: RecordType, view: View<'a>) -> Self {
        Self {
            conditions,
            rtype,
            view,
            up: FastMap::default(),
            eligible: FastMap::default(),
            tails: FastMap::default(),
            asked: Vec::new(),
            read: FastMap::default(),
            heard: RefCell::default(),
            forced: false,
            steps: None,
            budget: conditions.model.server.limits.variants,
        }
    }

    /// Goes on to another region, and forgets the one before.
    pub fn turn_to(&mut self, view: View<'a>) {
        self.view = view;
        self.up.clear();
        self.eligible.clear();
        self.tails.clear();
        self.asked.clear();
        self.read.clear();
        self.heard.get_mut().clear();
        self.forced = false;
        self.steps = self.steps.take().map(|_| Vec::new());
        self.budget = self.conditions.model.server.limits.variants;
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

    /// What it has read of the region, in the order of reading: with the verdicts of now, all that agree in it have the
    /// same outcome.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// The probes whose verdicts it has read, ascending: while they stay, and nobody drains anything, so does the outcome.
    pub fn heard(&mut self) -> &[ProbeId] {
        let heard = self.heard.get_mut();
        heard.sort_unstable();
        heard.dedup();
        heard
    }

    /// The verdict of a probe, which the outcome depends on from now on.
    pub(super) fn hears(&self, probe: ProbeId) -> bool {
        self.heard.borrow_mut().push(probe);
        self.conditions.is_up(probe)
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
        if route.no_match == Some(NoMatch::Nodata) && self.is_empty(id) {
            self.record(id, false, false, forced);
            return self.end(share, Leaf::Nodata, out);
        }
        if self.holds(id, forced) {
            let up = self.candidates(id, |this, member| this.member_up(member, forced));
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
        let all = self.candidates(id, |this, member| this.member_eligible(member, forced));
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

    /// Lets the policy choose among its `candidates`, of which there is one at least. `open`: as if everything were up.
    fn pick(&mut self, id: RouteId, candidates: &[usize], open: bool, forced: bool, share: Share, out: &mut Branches) {
        let route = self.route(id);
        match route.policy {
            Policy::Multivalue => {
                let (mut records, mut seen) = (Vec::new(), HashSet::new());
                for &at in candidates {
                    let Target::Endpoint(id) = route.members[at].target else { continue };
                    let own = if open {
                        self.all_records(self.conditions.model.endpoint(id)).into()
                    } else {
                        self.answer_records(id, Some(&route.members[at]))
                    };
                    for record in own.iter() {
                        if seen.insert(record.clone()) {
                            records.push(record.clone());
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
            // Alone it has everything, and as many branches as any other.
            Policy::Latency if candidates.len() > 1 => self.split(route, candidates, open, forced, share, out),
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
                let records = self.answer_records(id, member).into_owned();
                let (rtype, take) = (self.answer_type(id), records.len());
                self.end(share, answer(rtype, records, take), out);
            }
        }
    }

    /// The members that the policy picks among, of those that count for this client and fit: the first one, or where
    /// several have a share, all of them in listed order.
    fn candidates(&mut self, id: RouteId, fits: impl Fn(&mut Self, &'a Member) -> bool) -> Vec<usize> {
        let route = self.route(id);
        let listed = 0..route.members.len();
        match route.policy {
            Policy::Weighted | Policy::Multivalue => listed.filter(|&at| fits(self, &route.members[at])).collect(),
            _ => {
                let Some((place, first)) = self.first(id, &fits) else { return Vec::new() };
                let shares = route.policy == Policy::Latency && route.tolerance > 0;
                let group = if shares { self.group(id, place) } else { &[] };
                let group: Vec<usize> =
                    group.iter().map(|&at| usize::from(at)).filter(|&at| fits(self, &route.members[at])).collect();
                if group.is_empty() { vec![first] } else { group }
            }
        }
    }

    /// The first member that fits, in the order that the policy prefers: its place there, and which it is.
    fn first(&mut self, id: RouteId, fits: impl Fn(&mut Self, &'a Member) -> bool) -> Option<(usize, usize)> {
        let route = self.route(id);
        let mut place = 0;
        loop {
            let at = self.nth(id, place)?;
            if fits(self, &route.members[at]) {
                return Some((place, at));
            }
            place += 1;
        }
    }

    /// The members that count for this client, in the order that the policy prefers them.
    fn considered(&mut self, id: RouteId) -> Vec<usize> {
        (0..).map_while(|place| self.nth(id, place)).collect()
    }

    /// Whether no member counts for this client: of chains alone it is the client that decides which do.
    fn is_empty(&mut self, id: RouteId) -> bool {
        let route = self.route(id);
        if is_chain(route) { self.nth(id, 0).is_none() } else { route.members.is_empty() }
    }

    /// Whether any of the members that count fits. Where all of them do count nothing is asked of the client.
    fn any(&mut self, id: RouteId, fits: impl Fn(&mut Self, &'a Member) -> bool) -> bool {
        let route = self.route(id);
        if is_chain(route) {
            self.first(id, fits).is_some()
        } else {
            route.members.iter().any(|member| fits(self, member))
        }
    }

    /// The member at a place of that order.
    fn nth(&mut self, id: RouteId, place: usize) -> Option<usize> {
        let route = self.route(id);
        let listed = Some(place).filter(|&at| at < route.members.len());
        match route.policy {
            Policy::Geolocation | Policy::Ip => match self.view.node(id) {
                Some(node) => self.read(id, node, place).member(),
                // It asks nothing of the client: every member is a default.
                None => listed.filter(|&at| at < if route.fence { 1 } else { usize::MAX }),
            },
            Policy::Latency | Policy::Geoproximity => match self.view.node(id) {
                Some(node) => {
                    let ranks = self.view.ranks(node).unwrap_or_default();
                    if place < ranks {
                        return self.read(id, node, place).member();
                    }
                    self.tail(id, node, ranks).get(place - ranks).copied()
                }
                None => listed,
            },
            _ => listed,
        }
    }

    /// Reads a place of a chain or an order, and notes it the first time. Places are read from the first one on.
    fn read(&mut self, id: RouteId, node: u32, place: usize) -> Asked {
        let asked = self.view.member(node, place);
        let read = self.read.entry(id).or_default();
        if place >= *read {
            *read = place + 1;
            self.asked.push(asked);
        }
        asked
    }

    /// Those within `tolerance` of the member at a rank, itself included (L3); none past the region's depth.
    fn group(&mut self, id: RouteId, rank: usize) -> &'a [u16] {
        let Some(node) = self.view.node(id).filter(|&node| self.view.ranks(node).is_some_and(|ranks| rank < ranks))
        else {
            return &[];
        };
        let asked = self.view.group(node, rank);
        if !self.asked.contains(&asked) {
            self.asked.push(asked);
        }
        self.view.group_members(asked)
    }

    /// Candidates past the region's depth: by distance from the first one's own place (architecture: Region).
    fn tail(&mut self, id: RouteId, node: u32, ranks: usize) -> &[usize] {
        if !self.tails.contains_key(&id) {
            let ranks: Vec<usize> = (0..ranks).filter_map(|place| self.read(id, node, place).member()).collect();
            let route = self.route(id);
            let model = self.conditions.model;
            let measure = |first| self.view.tail(node, first, || by_distance(model, route, first));
            let all = ranks.first().map_or(&[][..], |&first| measure(first));
            let tail = all.iter().map(|&at| usize::from(at)).filter(|at| !ranks.contains(at)).collect();
            self.tails.insert(id, tail);
        }
        self.tails.get(&id).map_or(&[], Vec::as_slice)
    }

    fn is_fenced_match(&mut self, id: RouteId) -> bool {
        self.route(id).fence && !self.is_empty(id)
    }

    fn route_eligible(&mut self, id: RouteId, forced: bool) -> bool {
        if let Some(&known) = self.eligible.get(&(id, forced)) {
            return known;
        }
        let route = self.route(id);
        let eligible = if self.is_empty(id) {
            route.no_match == Some(NoMatch::Nodata)
        } else {
            route.fence || self.any(id, |this, member| this.member_eligible(member, forced))
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
    pub(super) fn is_withdrawn(&self, id: EndpointId) -> bool {
        self.conditions.drained.contains(&id) || self.conditions.model.endpoint(id).status == Status::Down
    }

    /// Whether a node counts as up for its parent.
    fn route_up(&mut self, id: RouteId, forced: bool) -> bool {
        if self.is_empty(id) {
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
        let holds = match route.min_healthy {
            // What it looks for is what the pick will look for, and more need not be read.
            MinHealthy::Count(0 | 1) => self.first(id, |this, member| this.member_up(member, forced)).is_some(),
            least => self.holds_enough(id, least, forced),
        };
        self.up.insert((id, forced), holds);
        holds
    }

    fn holds_enough(&mut self, id: RouteId, least: MinHealthy, forced: bool) -> bool {
        let route = self.route(id);
        let (mut up, mut all) = ((0u64, 0u64), (0u64, 0u64));
        let counted = if is_chain(route) { self.considered(id) } else { (0..route.members.len()).collect() };
        for at in counted {
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
        match least {
            MinHealthy::Count(least) => up.0 >= u64::from(least) && up.0 > 0,
            MinHealthy::Percent(least) if route.policy == Policy::Weighted && all.1 > 0 => {
                up.0 > 0 && up.1 * 100 >= all.1 * u64::from(least)
            }
            MinHealthy::Percent(least) => up.0 > 0 && up.0 * 100 >= all.0 * u64::from(least),
        }
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
                    Health::Whole(probe) => self.hears(*probe),
                    Health::Unchecked | Health::PerAddress(_) => true,
                };
                own && self.route_up(id, forced)
            }
        }
    }
}

/// A leaf of these records. There are none only where no member has the type, which a load refuses (G6).
fn answer(rtype: RecordType, records: Vec<Box<[u8]>>, take: usize) -> Leaf {
    if records.is_empty() { Leaf::Nodata } else { Leaf::Answer(AnswerSet { rtype, records, take }) }
}

/// Whether the client decides which members count.
fn is_chain(route: &Route) -> bool {
    matches!(route.policy, Policy::Geolocation | Policy::Ip)
}

/// Members of an order by their biased distance from the first one's own place.
fn by_distance(model: &Model, route: &Route, first: usize) -> Box<[u16]> {
    let place = |at: usize| member_place(model, &route.members[at]);
    let from = place(first);
    let mut tail: Vec<(u64, usize)> = (0..route.members.len())
        .map(|at| {
            let metres = from.zip(place(at)).map(|(from, to)| distance_m(from, to));
            let bias = if route.policy == Policy::Geoproximity { route.members[at].bias } else { 0 };
            (metres.map_or(u64::MAX, |metres| biased_distance(metres, bias)), at)
        })
        .collect();
    tail.sort_unstable();
    tail.into_iter().map(|(_, at)| at as u16).collect()
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
