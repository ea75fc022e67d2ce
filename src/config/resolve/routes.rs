//! Routes and their members, unnamed ones included.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::names::{Kind, Names};
use super::places::Places;
use super::probes::Prober;
use super::{Sites, each};
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::{
    CheckId, Endpoint, EndpointId, Health, Location, Member, MinHealthy, Model, Policy, Route, RouteId, Status, Target,
};
use crate::config::spec::{Leads, MemberSpec, RouteSpec, StickySpec, Unit};

/// Routes nested deeper than this are an error (T6).
const MAX_DEPTH: usize = 16;
/// How far a chain of routes is followed to tell of it: the stack is finite.
const DEEPEST_LOOK: usize = 256;
/// Of an unnamed list of endpoints (M3).
const MAX_ANSWERS: usize = 8;

/// Where a route was written.
#[derive(Debug)]
pub(crate) struct RouteSites {
    /// Its name; of an unnamed one, its list of endpoints.
    pub(crate) name: Site,
    /// In the order of [`Route::members`].
    pub(crate) members: Vec<Site>,
    pub(crate) last_resort: Option<Site>,
    /// TTL in seconds, where it has one (G7).
    pub(crate) ttl: Option<Written<u32>>,
    pub(crate) no_match: Option<Site>,
    /// Whether a fault was told that hides members.
    pub(crate) tainted: bool,
}

/// What resolving a route needs at hand.
struct Builder<'b, 'u, 'm> {
    findings: &'b mut Findings,
    names: &'b mut Names<'u>,
    places: &'b mut Places<'u>,
    prober: &'b mut Prober<'m>,
    endpoints: &'b [Endpoint],
    /// (short name, index of the unit) of endpoints and routes.
    endpoint_names: Vec<&'u str>,
    route_names: Vec<&'u str>,
    unnamed: Vec<(Route, RouteSites)>,
    named: u32,
}

/// Resolves all routes. Unnamed ones come after the named ones.
pub(super) fn routes<'u>(
    findings: &mut Findings,
    units: &'u [Arc<Unit>],
    names: &mut Names<'u>,
    places: &mut Places<'u>,
    prober: &mut Prober<'_>,
    endpoints: &[Endpoint],
    sites: &mut Sites,
) -> Vec<Route> {
    let endpoint_names = each(units, |unit| &unit.endpoints).map(|(_, spec)| spec.name.value.as_str()).collect();
    let route_names: Vec<_> = each(units, |unit| &unit.routes).map(|(_, spec)| spec.name.value.as_str()).collect();
    let named = route_names.len() as u32;
    let mut builder =
        Builder { findings, names, places, prober, endpoints, endpoint_names, route_names, unnamed: Vec::new(), named };
    let mut routes = Vec::new();
    for (id, (unit, spec)) in each(units, |unit| &unit.routes).enumerate() {
        let (route, route_sites) = builder.route(id as u32, unit, spec);
        routes.push(route);
        sites.routes.push(route_sites);
    }
    for (route, route_sites) in builder.unnamed {
        routes.push(route);
        sites.routes.push(route_sites);
    }
    routes
}

impl Builder<'_, '_, '_> {
    fn route(&mut self, id: u32, unit: usize, spec: &RouteSpec) -> (Route, RouteSites) {
        let name = self.names.full(Kind::Route, id, &spec.name.value);
        let policy = spec.policy.unwrap_or(Policy::Failover);
        let mut members = Vec::new();
        let mut member_sites = Vec::new();
        let mut locations = HashMap::new();
        let before = self.findings.count();
        let mut tainted = spec.policy.is_none() || spec.tainted;
        for (position, member) in spec.members.iter().enumerate() {
            match self.member(&name, position, unit, policy, member) {
                Some(resolved) => {
                    let resolved =
                        Member { locations: self.locations(unit, policy, member, &mut locations), ..resolved };
                    members.push(resolved);
                    member_sites.push(member.site);
                }
                None => tainted = true,
            }
        }
        if spec.policy.is_some() {
            self.judge(spec, policy, &members, &member_sites, tainted);
        }
        let last_resort = spec.last_resort.as_ref().and_then(|leads| self.last_resort(unit, leads));
        let sticky = spec.sticky.as_ref().map(|sticky| match sticky {
            StickySpec::Own => name.clone(),
            StickySpec::Salt(salt) => salt.clone(),
        });
        let route = Route {
            name,
            policy,
            members,
            min_healthy: spec.min_healthy.as_ref().map_or(MinHealthy::Count(1), |written| written.value),
            last_resort: last_resort.map(|(target, _)| target),
            all_down: spec.all_down,
            no_match: spec.no_match.as_ref().map(|written| written.value),
            fence: spec.fence,
            sticky,
            tolerance: spec.tolerance,
            max_answers: spec.max_answers,
        };
        let sites = RouteSites {
            name: spec.name.site,
            members: member_sites,
            last_resort: last_resort.map(|(_, site)| site),
            ttl: spec.ttl.clone(),
            no_match: spec.no_match.as_ref().map(|written| written.site),
            // A route with one fault is not judged for others that may follow from it.
            tainted: tainted || self.findings.count() > before,
        };
        (route, sites)
    }

    /// Everything of a member but its locations. `None` after a fault.
    fn member(
        &mut self,
        route: &str,
        position: usize,
        unit: usize,
        policy: Policy,
        spec: &MemberSpec,
    ) -> Option<Member> {
        let (name, target) = match spec.leads.as_ref()? {
            Leads::Endpoint(text) => self.endpoint(unit, text)?,
            Leads::Route(text) => self.route_named(unit, text)?,
            Leads::Either(text) => self.either(unit, text)?,
            Leads::Endpoints(texts, site) => self.list(route, position, unit, spec, texts, *site)?,
        };
        if policy == Policy::Multivalue && matches!(target, Target::Route(_)) {
            self.findings
                .error(spec.site, code::MULTIVALUE_ROUTE, "a multivalue route cannot have a route as a member")
                .label("leads to a route")
                .help("name the endpoints themselves");
        }
        // A list of endpoints lies where its first endpoint does.
        let lies_at = match target {
            Target::Endpoint(id) => Some(id),
            Target::Route(id) => self.first_of_unnamed(id),
        };
        let own = lies_at.map(|id| &self.endpoints[id.index()]);
        let at = spec.at.or_else(|| own?.at);
        let region = spec.region.clone().or_else(|| own?.region.clone());
        let needs = match policy {
            Policy::Latency => at.is_none() && region.is_none(),
            Policy::Geoproximity => at.is_none(),
            _ => false,
        };
        if needs {
            let keys = if policy == Policy::Latency { "`at` or `region`" } else { "`at`" };
            let whose = match target {
                Target::Endpoint(_) => "the endpoint or this member",
                Target::Route(_) => "this member",
            };
            self.findings
                .error(spec.site, code::MEMBER_PLACE, format!("nobody knows where `{name}` is"))
                .label(format!("{keys} is missing"))
                .help(format!("give {whose} {keys}"));
        }
        let health = match &spec.check {
            Some(check) if !matches!(spec.leads, Some(Leads::Endpoints(..))) => self.check(unit, check, target),
            _ => Health::Unchecked,
        };
        Some(Member {
            name,
            target,
            weight: spec.weight.value,
            bias: spec.bias,
            at,
            region,
            health,
            status: spec.status,
            follow_health: spec.follow_health,
            locations: Vec::new(),
        })
    }

    fn first_of_unnamed(&self, id: RouteId) -> Option<EndpointId> {
        let index = id.0.checked_sub(self.named)?;
        match self.unnamed.get(index as usize)?.0.members.first()?.target {
            Target::Endpoint(id) => Some(id),
            Target::Route(_) => None,
        }
    }

    fn endpoint(&mut self, unit: usize, text: &Written<String>) -> Option<(String, Target)> {
        let id = self.names.find(self.findings, Kind::Endpoint, unit, text)?;
        Some((self.endpoint_names[id as usize].to_owned(), Target::Endpoint(EndpointId(id))))
    }

    fn route_named(&mut self, unit: usize, text: &Written<String>) -> Option<(String, Target)> {
        let id = self.names.find(self.findings, Kind::Route, unit, text)?;
        Some((self.route_names[id as usize].to_owned(), Target::Route(RouteId(id))))
    }

    /// The short form.
    fn either(&mut self, unit: usize, text: &Written<String>) -> Option<(String, Target)> {
        let endpoint = self.names.look_up(Kind::Endpoint, unit, &text.value);
        let route = self.names.look_up(Kind::Route, unit, &text.value);
        match (endpoint, route) {
            (Ok(_), Ok(_)) => {
                self.findings
                    .error(text.site, code::AMBIGUOUS_NAME, format!("`{}` is an endpoint and a route", text.value))
                    .label("which one?")
                    .help(format!("write `{{ endpoint = \"{0}\" }}` or `{{ route = \"{0}\" }}`", text.value));
                None
            }
            (_, Ok(id)) => Some((self.route_names[id as usize].to_owned(), Target::Route(RouteId(id)))),
            (Ok(id), _) => Some((self.endpoint_names[id as usize].to_owned(), Target::Endpoint(EndpointId(id)))),
            (Err(miss), _) => {
                self.names.tell(self.findings, Kind::Endpoint, unit, text, miss);
                None
            }
        }
    }

    /// `endpoints = [..]`: an unnamed multivalue route. The member's check runs at each of them.
    fn list(
        &mut self,
        route: &str,
        position: usize,
        unit: usize,
        spec: &MemberSpec,
        texts: &[Written<String>],
        site: Site,
    ) -> Option<(String, Target)> {
        let mut members: Vec<Member> = Vec::new();
        let mut sites: Vec<Site> = Vec::new();
        for text in texts {
            let (name, target) = self.endpoint(unit, text)?;
            if let Some(before) = members.iter().position(|member| member.target == target) {
                self.twice(&name, text.site, sites[before]);
                continue;
            }
            let health = spec.check.as_ref().map(|check| self.check(unit, check, target)).unwrap_or_default();
            sites.push(text.site);
            members.push(Member {
                name,
                target,
                weight: 1,
                bias: 0,
                at: None,
                region: None,
                health,
                status: Status::Auto,
                follow_health: true,
                locations: Vec::new(),
            });
        }
        let name = members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join("+");
        let id = RouteId(self.named + self.unnamed.len() as u32);
        let unnamed = Route {
            name: format!("{route}#{}", position + 1),
            policy: Policy::Multivalue,
            members,
            min_healthy: MinHealthy::Count(1),
            last_resort: None,
            all_down: Default::default(),
            no_match: None,
            fence: false,
            sticky: None,
            tolerance: 0,
            max_answers: MAX_ANSWERS,
        };
        let sites =
            RouteSites { name: site, members: sites, last_resort: None, ttl: None, no_match: None, tainted: false };
        self.unnamed.push((unnamed, sites));
        Some((name, Target::Route(id)))
    }

    fn twice(&mut self, name: &str, again: Site, before: Site) {
        self.findings
            .error(again, code::DUPLICATE_MEMBER, format!("`{name}` is a member twice"))
            .label("given again")
            .related(before, "given before")
            .help("leave one of them out");
    }

    fn check(&mut self, unit: usize, named: &Written<String>, target: Target) -> Health {
        let Some(check) = self.names.find(self.findings, Kind::Check, unit, named) else { return Health::Unchecked };
        let endpoint = match target {
            Target::Endpoint(id) => Some(id),
            Target::Route(_) => None,
        };
        self.prober.health(self.findings, CheckId(check), endpoint, named.site).unwrap_or_default()
    }

    fn last_resort(&mut self, unit: usize, leads: &Leads) -> Option<(Target, Site)> {
        match leads {
            Leads::Endpoint(text) => Some((self.endpoint(unit, text)?.1, text.site)),
            Leads::Route(text) | Leads::Either(text) => Some((self.route_named(unit, text)?.1, text.site)),
            Leads::Endpoints(..) => None,
        }
    }

    fn locations(
        &mut self,
        unit: usize,
        policy: Policy,
        spec: &MemberSpec,
        taken: &mut HashMap<Location, (Site, Site)>,
    ) -> Vec<Location> {
        let mut locations = Vec::new();
        for unfolded in self.places.unfold(self.findings, self.names, unit, &spec.locations) {
            let location = unfolded.location;
            if policy == Policy::Ip && !matches!(location, Location::Default | Location::Net(_)) {
                self.findings
                    .error(unfolded.site, code::IP_LOCATION, "an ip route matches networks only")
                    .label("expected `net:…` or `default`")
                    .help("`geolocation` matches networks and everything else");
                continue;
            }
            match taken.get(&location) {
                None => {
                    taken.insert(location, (unfolded.site, spec.site));
                    locations.push(location);
                }
                // Sets of one member may overlap: that changes nothing.
                Some(&(_, member)) if member == spec.site && unfolded.from_set => {}
                Some(&(before, _)) => {
                    self.findings
                        .error(unfolded.site, code::DUPLICATE_LOCATION, format!("`{}` is given twice", show(location)))
                        .label("given again")
                        .related(before, "given before");
                }
            }
        }
        locations
    }

    /// What can be said of a route without looking into other routes.
    fn judge(&mut self, spec: &RouteSpec, policy: Policy, members: &[Member], sites: &[Site], tainted: bool) {
        let matching = matches!(policy, Policy::Geolocation | Policy::Ip);
        let name = &spec.name.value;
        if policy == Policy::Simple && spec.members.len() > 1 {
            self.findings
                .error(
                    spec.to,
                    code::SIMPLE_MEMBERS,
                    format!("simple route `{name}` has {} members", spec.members.len()),
                )
                .label("expected one")
                .help("`multivalue` answers several at once, `failover` the first that is up");
        }
        if !matching {
            let mut seen: HashMap<Target, usize> = HashMap::new();
            let mut named: HashSet<&str> = HashSet::new();
            for (index, member) in members.iter().enumerate() {
                if let Some(before) = seen.insert(member.target, index) {
                    self.twice(&member.name, sites[index], sites[before]);
                } else if !named.insert(&member.name) {
                    self.findings
                        .error(
                            sites[index],
                            code::DUPLICATE_MEMBER,
                            format!("two members are called `{}`", member.name),
                        )
                        .label("called like another member")
                        .help("rename one of what they lead to: members are told apart by name");
                }
            }
        }
        if matching && !tainted {
            for spec in spec.members.iter().filter(|member| member.locations.is_empty()) {
                self.findings
                    .error(spec.site, code::NO_LOCATION, "this member is for no client")
                    .label("`where` is missing")
                    .help("add such as `where = \"continent:EU\"` or `where = \"default\"`");
            }
            let whole = spec.members.iter().all(|member| !member.locations.is_empty());
            let default = members.iter().any(|member| member.locations.contains(&Location::Default));
            if whole && !default && spec.no_match.is_none() && !members.is_empty() {
                self.findings
                    .error(spec.to, code::NO_DEFAULT, format!("route `{name}` has no `default`"))
                    .label("some clients match no member")
                    .help("add a member with `where = \"default\"`, or say `no_match = \"nodata\"` or, below another route, `\"next\"`");
            }
        }
        if let Some(written) = &spec.min_healthy
            && let MinHealthy::Count(count) = written.value
            && count as usize > spec.members.len()
        {
            self.findings
                .error(written.site, code::MIN_HEALTHY, format!("route `{name}` can never have {count} members up"))
                .label(format!("it has {}", spec.members.len()));
        }
    }
}

/// A location as it is written.
fn show(location: Location) -> String {
    match location {
        Location::Default => "default".to_owned(),
        Location::Continent(continent) => format!("continent:{continent}"),
        Location::Country(country) => format!("country:{country}"),
        Location::Subdivision(subdivision) => format!("subdivision:{subdivision}"),
        Location::Asn(asn) => format!("asn:{asn}"),
        Location::Net(network) => format!("net:{network}"),
    }
}

/// Loops and depth (T6). `false` where routes must not be followed.
pub(super) fn check_shape(findings: &mut Findings, model: &Model, sites: &Sites) -> bool {
    let mut shape = Shape { model, sites, depth: vec![None; model.routes.len()], path: Vec::new(), sound: true };
    for id in 0..model.routes.len() as u32 {
        let depth = shape.visit(findings, RouteId(id));
        if depth == MAX_DEPTH + 1 {
            findings
                .error(
                    sites.routes[id as usize].name,
                    code::ROUTE_DEPTH,
                    format!("routes are nested more than {MAX_DEPTH} deep"),
                )
                .label(format!("{depth} deep from here"));
        }
    }
    shape.sound
}

struct Shape<'m> {
    model: &'m Model,
    sites: &'m Sites,
    depth: Vec<Option<usize>>,
    /// Routes being visited, with the place that leads on.
    path: Vec<(RouteId, Site)>,
    sound: bool,
}

impl Shape<'_> {
    /// How deep a route goes: 1 with endpoints only.
    fn visit(&mut self, findings: &mut Findings, id: RouteId) -> usize {
        if let Some(depth) = self.depth[id.index()] {
            return depth;
        }
        if let Some(from) = self.path.iter().position(|(open, _)| *open == id) {
            self.tell_loop(findings, id, from);
            return 0;
        }
        if self.path.len() > DEEPEST_LOOK {
            self.sound = false;
            return 0;
        }
        let route = self.model.route(id);
        let sites = &self.sites.routes[id.index()];
        let targets = route.members.iter().map(|member| member.target).zip(sites.members.iter().copied());
        let last = route.last_resort.zip(sites.last_resort);
        let mut deepest = 0;
        for (target, site) in targets.chain(last) {
            if let Target::Route(below) = target {
                self.path.push((id, site));
                deepest = deepest.max(self.visit(findings, below));
                self.path.pop();
            }
        }
        self.depth[id.index()] = Some(deepest + 1);
        if deepest + 1 > MAX_DEPTH {
            self.sound = false;
        }
        deepest + 1
    }

    fn tell_loop(&mut self, findings: &mut Findings, id: RouteId, from: usize) {
        self.sound = false;
        let steps = &self.path[from..];
        let names: Vec<_> = steps
            .iter()
            .map(|(route, _)| *route)
            .chain([id])
            .map(|route| format!("`{}`", self.model.route(route).name))
            .collect();
        let Some((first, rest)) = steps.split_first() else { return };
        let mut found = findings
            .error(first.1, code::ROUTE_LOOP, format!("routes lead back to themselves: {}", names.join(" → ")))
            .label(format!("leads from {} to {}", names[0], names[1]));
        for (step, (_, site)) in rest.iter().enumerate() {
            found = found.related(*site, format!("leads from {} to {}", names[step + 1], names[step + 2]));
        }
        found.help("take one of these members out");
    }
}
