//! What is answered: eligibility, health, the pick, failing open (G3, G4, G10, T1 to T7).

use std::net::IpAddr;

use rhumb::config::model::{
    AllDown, EndpointId, Health, Member, MinHealthy, NoMatch, Policy, Route, RouteId, Status, Target,
};
use rhumb::wire::RecordType;
use rhumb::world::Place;

use super::Facts;
use super::client::Client;
use super::order::{chain, ranked};
use super::sticky;

/// One possible answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `take` consecutive records of the ring, from any start. Data of `rtype`, which is CNAME or the asked type.
    Ring { rtype: RecordType, ring: Vec<Box<[u8]>>, take: usize },
    /// NODATA made by policy.
    Nodata,
}

/// One answer and its part of the draw.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Draws divided by 2^64, the lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    pub answer: Answer,
}

/// All that may be answered.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// In the order of the draw; the whole interval is covered.
    pub leaves: Vec<Leaf>,
    /// The semantics do not say which of several readings holds here: not to be compared.
    pub open: bool,
}

impl Decision {
    /// The answer of a draw; `None` within 2^-40 of a boundary, where rounding may decide.
    pub fn at(&self, draw: u64) -> Option<&Answer> {
        const MARGIN: f64 = 1.0 / (1u64 << 40) as f64;
        let point = draw as f64 / 2f64.powi(64);
        let leaf = self.leaves.iter().find(|leaf| leaf.from <= point && point < leaf.to)?;
        let clear = |boundary: f64| boundary == 0.0 || boundary >= 1.0 || (point - boundary).abs() > MARGIN;
        (clear(leaf.from) && clear(leaf.to)).then_some(&leaf.answer)
    }

    /// Decides for one client and one type.
    pub fn of(facts: &Facts<'_>, root: RouteId, rtype: RecordType, client: Client) -> Self {
        let place = client.place(facts);
        let mut walk = Walk { facts, rtype, client, place, forced: false, decision: Self::default() };
        let whole = (0.0, 1.0);
        match walk.considered(root) {
            Considered::Unmatched(NoMatch::Nodata) => walk.leaf(whole, Answer::Nodata),
            Considered::Unmatched(NoMatch::Next) => walk.decision.open = true,
            Considered::Members(_) if walk.is_healthy(root) => walk.resolve(root, whole),
            Considered::Members(_) => walk.fail_open(root, whole, true),
        }
        walk.decision
    }
}

type Interval = (f64, f64);

enum Considered {
    Members(Vec<usize>),
    Unmatched(NoMatch),
}

struct Walk<'a> {
    facts: &'a Facts<'a>,
    rtype: RecordType,
    client: Client,
    place: Place,
    /// Drains and `status = "down"` are set aside: nothing else is left (G10).
    forced: bool,
    decision: Decision,
}

impl<'a> Walk<'a> {
    fn route(&self, id: RouteId) -> &'a Route {
        self.facts.model.route(id)
    }

    fn leaf(&mut self, (from, to): Interval, answer: Answer) {
        self.decision.leaves.push(Leaf { from, to, answer });
    }

    /// The members that exist for this client.
    fn considered(&self, id: RouteId) -> Considered {
        let route = self.route(id);
        if !matches!(route.policy, Policy::Geolocation | Policy::Ip) {
            return Considered::Members((0..route.members.len()).collect());
        }
        let mut matched = chain(route, self.client, &self.place);
        if matched.is_empty() {
            return Considered::Unmatched(route.no_match.unwrap_or(NoMatch::Next));
        }
        if route.fence {
            matched.truncate(1);
        }
        Considered::Members(matched)
    }

    fn data(&self, id: EndpointId) -> (RecordType, &'a [Box<[u8]>]) {
        let endpoint = self.facts.model.endpoint(id);
        match endpoint.records_of(RecordType::CNAME) {
            [] => (self.rtype, endpoint.records_of(self.rtype)),
            cname => (RecordType::CNAME, cname),
        }
    }

    fn is_out(&self, id: EndpointId) -> bool {
        self.facts.drained.contains(&id) || self.facts.model.endpoint(id).status == Status::Down
    }

    fn is_eligible(&self, target: Target) -> bool {
        match target {
            Target::Endpoint(id) => !self.data(id).1.is_empty() && (self.forced || !self.is_out(id)),
            Target::Route(id) => match self.considered(id) {
                Considered::Unmatched(no_match) => no_match == NoMatch::Nodata,
                Considered::Members(_) if self.route(id).fence => true,
                Considered::Members(members) => members.iter().any(|&m| self.is_eligible_member(self.member(id, m))),
            },
        }
    }

    fn member(&self, route: RouteId, index: usize) -> &'a Member {
        &self.route(route).members[index]
    }

    fn is_eligible_member(&self, member: &Member) -> bool {
        (self.forced || member.status != Status::Down) && self.is_eligible(member.target)
    }

    /// The eligible members in order of the list or of the chain.
    fn eligible(&self, id: RouteId) -> Vec<usize> {
        match self.considered(id) {
            Considered::Unmatched(_) => Vec::new(),
            Considered::Members(members) => {
                members.into_iter().filter(|&m| self.is_eligible_member(self.member(id, m))).collect()
            }
        }
    }

    fn holds(&self, health: &Health, address: IpAddr) -> bool {
        match health {
            Health::Unchecked => true,
            Health::Whole(probe) => self.facts.verdicts.get(*probe).is_up(),
            Health::PerAddress(all) => {
                all.iter().filter(|(a, _)| *a == address).all(|&(_, probe)| self.facts.verdicts.get(probe).is_up())
            }
        }
    }

    /// The records of an endpoint that are up, seen through a member or on its own (last resort).
    fn up_records(&self, id: EndpointId, member: Option<&Member>) -> Vec<Box<[u8]>> {
        if self.is_out(id) || member.is_some_and(|m| m.status == Status::Down) {
            return Vec::new();
        }
        self.healthy_records(id, member)
    }

    /// What health alone says of an endpoint's records.
    fn healthy_records(&self, id: EndpointId, member: Option<&Member>) -> Vec<Box<[u8]>> {
        let endpoint = self.facts.model.endpoint(id);
        let (rtype, records) = self.data(id);
        if endpoint.status == Status::Up || member.is_some_and(|m| m.status == Status::Up) {
            return records.to_vec();
        }
        let unchecked = Health::Unchecked;
        let beside = member.map_or(&unchecked, |m| &m.health);
        let is_up = |address: IpAddr| self.holds(&endpoint.health, address) && self.holds(beside, address);
        if rtype == RecordType::A || rtype == RecordType::AAAA {
            return records.iter().filter(|data| is_up(address(data))).cloned().collect();
        }
        let addresses: Vec<IpAddr> = [RecordType::A, RecordType::AAAA]
            .iter()
            .flat_map(|&t| endpoint.records_of(t))
            .map(|data| address(data))
            .collect();
        // Without an address only a check with a target can say anything.
        let nobody = IpAddr::from([0, 0, 0, 0]);
        let any = if addresses.is_empty() { is_up(nobody) } else { addresses.into_iter().any(is_up) };
        if any { records.to_vec() } else { Vec::new() }
    }

    /// Whether the parent counts this eligible member as up.
    fn is_up(&self, member: &Member) -> bool {
        if !member.follow_health {
            return true;
        }
        match member.target {
            Target::Endpoint(id) => !self.up_records(id, Some(member)).is_empty(),
            Target::Route(_) if member.status == Status::Up => true,
            Target::Route(_) if member.status == Status::Down => false,
            Target::Route(id) => {
                let whole = match &member.health {
                    Health::Whole(probe) => self.facts.verdicts.get(*probe).is_up(),
                    Health::Unchecked | Health::PerAddress(_) => true,
                };
                whole && (self.route(id).fence || self.is_healthy(id))
            }
        }
    }

    /// T1: enough members are up. A fence does not count here.
    fn is_healthy(&self, id: RouteId) -> bool {
        let route = self.route(id);
        if let Considered::Unmatched(no_match) = self.considered(id) {
            return no_match == NoMatch::Nodata;
        }
        let eligible = self.eligible(id);
        let up: Vec<usize> = eligible.iter().copied().filter(|&m| self.is_up(&route.members[m])).collect();
        match route.min_healthy {
            MinHealthy::Count(count) => up.len() as u64 >= u64::from(count),
            MinHealthy::Percent(percent) => {
                let by_weight =
                    route.policy == Policy::Weighted && eligible.iter().any(|&m| route.members[m].weight > 0);
                let sum = |members: &[usize]| -> u64 {
                    members.iter().map(|&m| if by_weight { u64::from(route.members[m].weight) } else { 1 }).sum()
                };
                !eligible.is_empty() && sum(&up) * 100 >= sum(&eligible) * u64::from(percent)
            }
        }
    }

    /// A node that is up picks among what is up.
    fn resolve(&mut self, id: RouteId, interval: Interval) {
        let route = self.route(id);
        if let Considered::Unmatched(_) = self.considered(id) {
            return self.leaf(interval, Answer::Nodata);
        }
        let up: Vec<usize> = self.eligible(id).into_iter().filter(|&m| self.is_up(&route.members[m])).collect();
        if up.is_empty() {
            // Only a count of 0 comes here.
            return self.fail_open(id, interval, true);
        }
        if route.policy == Policy::Multivalue {
            return self.ring(id, &up, interval, false);
        }
        for (member, part) in self.pick(id, &up, interval) {
            let member = &route.members[member];
            match member.target {
                Target::Endpoint(endpoint) => self.endpoint(endpoint, Some(member), part),
                Target::Route(below) if self.is_healthy(below) => self.resolve(below, part),
                Target::Route(below) => {
                    // Whether a person's `status = "up"` stops the climb, as a fence does, is left open.
                    let by_a_persons_word = member.follow_health && !self.route(below).fence;
                    self.decision.open |= by_a_persons_word && self.route(below).all_down == AllDown::Nodata;
                    self.fail_open(below, part, true);
                }
            }
        }
    }

    /// As if everything were up. `stop` is whether the climb ended at this node.
    fn fail_open(&mut self, id: RouteId, interval: Interval, stop: bool) {
        let route = self.route(id);
        if let Some(target) = route.last_resort.filter(|&t| self.is_eligible(t)) {
            return match target {
                Target::Endpoint(endpoint) => self.endpoint(endpoint, None, interval),
                Target::Route(below) if self.is_healthy(below) => self.resolve(below, interval),
                Target::Route(below) => self.fail_open(below, interval, false),
            };
        }
        let members = self.eligible(id);
        if members.is_empty() {
            if self.forced {
                // No endpoint of this tree has the type: a load error.
                self.decision.open = true;
                return;
            }
            // Whether NODATA goes before what a person has forced is left open.
            self.decision.open |= route.all_down == AllDown::Nodata;
            self.forced = true;
            // Whether a person's other words still count among the drained is left open.
            let insisted = |m: &Member| m.status == Status::Up || !m.follow_health;
            self.decision.open |= self.facts.model.endpoints.iter().any(|e| e.status == Status::Up)
                || self.facts.model.routes.iter().any(|r| r.members.iter().any(insisted));
            self.fail_open(id, interval, stop);
            self.forced = false;
            return;
        }
        if stop && route.all_down == AllDown::Nodata {
            return self.leaf(interval, Answer::Nodata);
        }
        if route.policy == Policy::Multivalue {
            return self.ring(id, &members, interval, true);
        }
        for (member, part) in self.pick(id, &members, interval) {
            let member = &route.members[member];
            match member.target {
                Target::Endpoint(endpoint) => self.endpoint(endpoint, Some(member), part),
                Target::Route(below) if self.is_healthy(below) => self.resolve(below, part),
                Target::Route(below) => {
                    // Whether a branch that is never left (T2) ends the climb also on this way is left open.
                    self.decision.open |= !member.follow_health && self.route(below).all_down == AllDown::Nodata;
                    self.fail_open(below, part, false);
                }
            }
        }
    }

    fn endpoint(&mut self, id: EndpointId, member: Option<&Member>, interval: Interval) {
        let (rtype, all) = self.data(id);
        let mut ring = self.up_records(id, member);
        if self.forced {
            // Whether health still tells the addresses of a drained endpoint apart is left open.
            let healthy = self.healthy_records(id, member).len();
            self.decision.open |= healthy != 0 && healthy != all.len();
        }
        if ring.is_empty() {
            ring = all.to_vec();
        }
        let take = ring.len();
        self.leaf(interval, Answer::Ring { rtype, ring, take });
    }

    fn ring(&mut self, id: RouteId, members: &[usize], interval: Interval, everything: bool) {
        let route = self.route(id);
        let mut ring: Vec<Box<[u8]>> = Vec::new();
        for &member in members {
            let member = &route.members[member];
            let Target::Endpoint(endpoint) = member.target else { continue };
            let mut records = if everything { Vec::new() } else { self.up_records(endpoint, Some(member)) };
            if everything || (records.is_empty() && !member.follow_health) {
                records = self.data(endpoint).1.to_vec();
            }
            for record in records {
                if !ring.contains(&record) {
                    ring.push(record);
                }
            }
        }
        let take = ring.len().min(route.max_answers);
        self.leaf(interval, Answer::Ring { rtype: self.rtype, ring, take });
    }

    /// The policy's choice among candidates: each with its part of the interval.
    fn pick(&self, id: RouteId, candidates: &[usize], interval: Interval) -> Vec<(usize, Interval)> {
        let route = self.route(id);
        let first = |order: &[usize]| order.iter().copied().find(|m| candidates.contains(m)).expect("a candidate");
        match route.policy {
            Policy::Weighted => match &route.sticky {
                Some(salt) => {
                    let named: Vec<(&str, u16)> =
                        candidates.iter().map(|&m| (&route.members[m].name[..], route.members[m].weight)).collect();
                    vec![(candidates[sticky::pick(salt, &named, self.client)], interval)]
                }
                None => shares(route, candidates, interval),
            },
            Policy::Latency | Policy::Geoproximity => {
                let ranked = ranked(self.facts, route, self.client, &self.place);
                let best = first(&ranked.order);
                let rank = ranked.order.iter().position(|&m| m == best).expect("it is ranked");
                match ranked.groups.get(rank) {
                    Some(group) => {
                        let group: Vec<usize> = group.iter().copied().filter(|m| candidates.contains(m)).collect();
                        shares(route, &group, interval)
                    }
                    None => vec![(best, interval)],
                }
            }
            // The candidates of a chain keep the chain's order.
            Policy::Simple | Policy::Failover | Policy::Geolocation | Policy::Ip | Policy::Multivalue => {
                vec![(candidates[0], interval)]
            }
        }
    }
}

/// Splits an interval by weight in the order of the list; the zero-weight ones only when there is nothing else.
fn shares(route: &Route, candidates: &[usize], (from, to): Interval) -> Vec<(usize, Interval)> {
    let all_zero = candidates.iter().all(|&m| route.members[m].weight == 0);
    let weight = |m: usize| if all_zero { 1.0 } else { f64::from(route.members[m].weight) };
    let total: f64 = candidates.iter().map(|&m| weight(m)).sum();
    let mut below = 0.0;
    let mut parts = Vec::new();
    for &candidate in candidates {
        let start = from + (to - from) * (below / total);
        below += weight(candidate);
        let end = if below == total { to } else { from + (to - from) * (below / total) };
        if weight(candidate) > 0.0 {
            parts.push((candidate, (start, end)));
        }
    }
    parts
}

fn address(data: &[u8]) -> IpAddr {
    match data.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(data).expect("four octets")),
        _ => IpAddr::from(<[u8; 16]>::try_from(data).expect("sixteen octets")),
    }
}
