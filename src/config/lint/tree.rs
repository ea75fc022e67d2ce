//! What the lints ask of trees of routes.

use std::collections::{BTreeSet, HashSet};

use crate::config::findings::Site;
use crate::config::model::{EndpointId, Health, Location, Member, MinHealthy, Model, Policy, Route, RouteId, Target};
use crate::config::resolve::{Sites, SteeredZone};
use crate::wire::RecordType;
use crate::world;

/// All routes with what lies below them. Routes form no loop here.
pub(super) struct Trees<'m> {
    pub(super) model: &'m Model,
    pub(super) sites: &'m Sites,
    /// Routes that answer a name by themselves.
    pub(super) roots: HashSet<RouteId>,
    /// Routes that another one leads to.
    pub(super) inner: HashSet<RouteId>,
    /// Labels that the latency table has.
    pub(super) measured: HashSet<&'m str>,
    below: Vec<Below>,
}

/// What lies below a route, last resorts included.
#[derive(Clone, Default)]
pub(super) struct Below {
    /// Each once, in the order of the file.
    pub(super) leaves: Vec<EndpointId>,
    /// Types of all leaves.
    pub(super) types: BTreeSet<RecordType>,
    /// Whether a fault hides something.
    pub(super) tainted: bool,
    /// Whether the route is up whatever happens.
    never_down: bool,
}

impl<'m> Trees<'m> {
    pub(super) fn new(model: &'m Model, sites: &'m Sites, zones: &[SteeredZone<'_>]) -> Self {
        let roots = zones.iter().flat_map(|zone| &zone.names).map(|steered| steered.route);
        let targets = model
            .routes
            .iter()
            .flat_map(|route| route.members.iter().map(|member| member.target).chain(route.last_resort));
        let inner = targets.filter_map(|target| match target {
            Target::Route(id) => Some(id),
            Target::Endpoint(_) => None,
        });
        let mut trees = Self {
            model,
            sites,
            roots: roots.collect(),
            inner: inner.collect(),
            measured: model.latencies.iter().map(|row| row.region.as_str()).collect(),
            below: Vec::new(),
        };
        let mut below: Vec<Option<Below>> = vec![None; model.routes.len()];
        for id in 0..model.routes.len() as u32 {
            trees.collect(RouteId(id), &mut below);
        }
        trees.below = below.into_iter().map(Option::unwrap_or_default).collect();
        trees
    }

    fn collect(&self, id: RouteId, done: &mut Vec<Option<Below>>) {
        if done[id.index()].is_some() {
            return;
        }
        let route = self.model.route(id);
        let mut below = Below { tainted: self.sites.routes[id.index()].tainted, ..Below::default() };
        let mut seen = HashSet::new();
        for target in route.members.iter().map(|member| member.target).chain(route.last_resort) {
            let leaves = match target {
                Target::Endpoint(endpoint) => {
                    below.tainted |= self.sites.tainted_endpoints[endpoint.index()];
                    below.types.extend(self.model.endpoint(endpoint).records.iter().map(|records| records.rtype));
                    vec![endpoint]
                }
                Target::Route(inner) => {
                    self.collect(inner, done);
                    let inner = done[inner.index()].clone().unwrap_or_default();
                    below.tainted |= inner.tainted;
                    below.types.extend(inner.types);
                    inner.leaves
                }
            };
            below.leaves.extend(leaves.into_iter().filter(|leaf| seen.insert(*leaf)));
        }
        below.never_down = self.stays_up(route, done);
        done[id.index()] = Some(below);
    }

    /// Whether a route is up whatever happens; all routes below it are done.
    fn stays_up(&self, route: &Route, done: &[Option<Below>]) -> bool {
        let route_stays_up = |id: RouteId| done[id.index()].as_ref().is_some_and(|below| below.never_down);
        let up = route.members.iter().filter(|member| self.member_stays_up(member, &route_stays_up)).count();
        match (route.policy, route.min_healthy) {
            (Policy::Geolocation | Policy::Ip, _) => up == route.members.len(),
            (_, MinHealthy::Count(count)) => up >= count as usize,
            (_, MinHealthy::Percent(percent)) => up * 100 >= usize::from(percent) * route.members.len(),
        }
    }

    fn member_stays_up(&self, member: &Member, route_stays_up: &dyn Fn(RouteId) -> bool) -> bool {
        member.health == Health::Unchecked
            && match member.target {
                Target::Endpoint(id) => self.model.endpoint(id).health == Health::Unchecked,
                Target::Route(id) => route_stays_up(id),
            }
    }

    pub(super) fn below(&self, id: RouteId) -> &Below {
        &self.below[id.index()]
    }

    /// The endpoints that a target leads to.
    pub(super) fn leaves(&self, target: Target) -> Vec<EndpointId> {
        match target {
            Target::Endpoint(id) => vec![id],
            Target::Route(id) => self.below(id).leaves.clone(),
        }
    }

    /// The types that a target has somewhere.
    pub(super) fn types(&self, target: Target) -> BTreeSet<RecordType> {
        match target {
            Target::Endpoint(id) => self.model.endpoint(id).records.iter().map(|records| records.rtype).collect(),
            Target::Route(id) => self.below(id).types.clone(),
        }
    }

    pub(super) fn name(&self, target: Target) -> &str {
        match target {
            Target::Endpoint(id) => &self.model.endpoint(id).name,
            Target::Route(id) => &self.model.route(id).name,
        }
    }

    /// Routes with their ids and the places of their members, tainted ones left out.
    pub(super) fn sound_routes(&self) -> impl Iterator<Item = (RouteId, &'m Route, &'m [Site])> {
        let pairs = self.model.routes.iter().zip(&self.sites.routes).enumerate();
        pairs
            .filter(|(_, (_, sites))| !sites.tainted)
            .map(|(id, (route, sites))| (RouteId(id as u32), route, &sites.members[..]))
    }

    /// Whether a member is up whatever happens. A person's word (`follow_health`, `status`) is not counted: it was
    /// given on purpose.
    pub(super) fn never_down(&self, member: &Member) -> bool {
        self.member_stays_up(member, &|id| self.below(id).never_down)
    }
}

/// Whether every client that `inner` matches is matched by `outer` too, less specifically.
pub(super) fn covers(outer: Location, inner: Location) -> bool {
    match (outer, inner) {
        (Location::Default, inner) => inner != Location::Default,
        (Location::Net(outer), Location::Net(inner)) => outer != inner && outer.contains(&inner),
        (Location::Country(country), Location::Subdivision(subdivision)) => subdivision.country() == country,
        (Location::Continent(continent), Location::Country(country)) => {
            world::country(country).is_some_and(|known| known.continent == continent)
        }
        (Location::Continent(continent), Location::Subdivision(subdivision)) => {
            world::country(subdivision.country()).is_some_and(|known| known.continent == continent)
        }
        _ => false,
    }
}
