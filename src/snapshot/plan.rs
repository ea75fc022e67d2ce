//! What depends on files and databases only: names, plain answers, questions and their maps.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::compile::CompileError;
use super::listeners::Listeners;
use super::ready::{Ready, Records};
use super::record::Contents;
use super::table::NameTable;
use crate::config::model::{Endpoint, EndpointId, Health, Model, ProbeId, RouteId, Soa, Target};
use crate::geo::Places;
use crate::policy::{Context, Question, Regions};
use crate::wire::{Name, RecordType};
use crate::zone::{Contents as TreeContents, Tree};

/// The longest TTL of a NODATA that a policy makes, in seconds (E6).
const POLICY_NODATA_TTL: u32 = 10;

/// Names, plain answers, questions and their maps.
#[derive(Debug)]
pub struct Plan {
    /// Names of all zones.
    pub table: NameTable,
    /// By [`Node::zone`](super::Node::zone).
    pub zones: Vec<ZoneEnds>,
    /// By [`Node::steer`](super::Node::steer); one a distinct (route, TTL).
    pub steers: Vec<Steer>,
    /// Which steered names a change of health concerns.
    pub listeners: Listeners,
    /// What every client is judged by.
    pub context: Context,
    maps: HashMap<Arc<Question>, Arc<Regions>>,
}

/// A zone's negative answers.
#[derive(Debug)]
pub struct ZoneEnds {
    /// Octets of the apex.
    pub apex_len: u8,
    /// SOA with the negative TTL: min(SOA TTL, MINIMUM) (RFC 2308 section 5).
    pub negative: Ready,
    /// The same, at most ten seconds (E6).
    pub policy_nodata: Ready,
}

/// A delegation.
#[derive(Debug)]
pub struct Cut {
    /// The name servers.
    pub ns: Ready,
    /// All of it, or truncation (RFC 9471).
    pub in_domain: Records,
    /// When it fits.
    pub sibling: Records,
}

/// A tree with the TTL of its answers.
#[derive(Debug)]
pub struct Steer {
    /// The root.
    pub root: RouteId,
    /// Seconds (G7).
    pub ttl: u32,
    /// What it asks of clients.
    pub question: Arc<Question>,
    /// Which node of the question stands for a route, ascending.
    pub nodes: Vec<(RouteId, u32)>,
    /// `None`: it asks nothing.
    pub regions: Option<Arc<Regions>>,
    /// The types that it answers, ascending; CNAME alone for all.
    pub types: Vec<RecordType>,
    /// Every endpoint that it can come to.
    pub endpoints: BTreeSet<EndpointId>,
    /// Every probe that it listens to.
    pub probes: BTreeSet<ProbeId>,
}

impl Plan {
    /// Builds everything; maps of `previous` whose question, places and context are the same are shared.
    pub fn build(model: &Model, places: &Places, seed: u64, previous: Option<&Plan>) -> Result<Self, CompileError> {
        let context = Context::new(model);
        let shared = previous.map(|plan| &plan.maps);
        let mut steering = Steering {
            model,
            places,
            context: &context,
            shared,
            maps: HashMap::new(),
            steers: Vec::new(),
            numbers: HashMap::new(),
        };
        let names = names(model, &mut steering)?;
        let Steering { maps, steers, .. } = steering;
        let limits = &model.server.limits;
        if maps.len() > limits.maps {
            return Err(CompileError::TooManyMaps { maps: maps.len(), limit: limits.maps });
        }
        let size = maps.values().map(|regions| regions.map.size()).sum();
        if size > limits.map_bytes {
            return Err(CompileError::MapsTooLarge { size, limit: limits.map_bytes });
        }
        let zones = model.zones.iter().map(|zone| ends(&zone.apex, &zone.soa)).collect();
        let listeners = Listeners::new(model, &steers);
        Ok(Self { table: NameTable::new(names, seed), zones, steers, listeners, context, maps })
    }
}

/// Every name of every zone. Where zones lie within each other the deepest one speaks, and at its apex the next one
/// above it keeps what a parent says: the delegation, and DS.
fn names(model: &Model, steering: &mut Steering<'_>) -> Result<Vec<(Name, Contents)>, CompileError> {
    let apexes: HashMap<&Name, usize> = model.zones.iter().enumerate().map(|(at, zone)| (&zone.apex, at)).collect();
    let mut placed: Vec<(Name, Contents)> = Vec::new();
    let mut numbers: HashMap<Name, usize> = HashMap::new();
    let mut parents: Vec<(Name, Contents)> = Vec::new();
    for (number, zone) in model.zones.iter().enumerate() {
        for (name, tree) in Tree::of(zone).names {
            let mut contents = contents(number as u32, &tree, steering)?;
            let inner = std::iter::successors(Some(name.clone()), Name::parent)
                .take_while(|above| *above != zone.apex)
                .find(|above| apexes.contains_key(above));
            match inner {
                Some(apex) if apex == name => parents.push((name, contents)),
                Some(_) => {}
                None => {
                    if name == zone.apex {
                        contents.rrsets.push(Ready::new(RecordType::SOA, zone.soa.ttl, &[soa_data(&zone.soa)], 1));
                    }
                    numbers.insert(name.clone(), placed.len());
                    placed.push((name, contents));
                }
            }
        }
    }
    for apex in &model.unloaded {
        if !numbers.contains_key(apex) {
            numbers.insert(apex.clone(), placed.len());
            placed.push((apex.clone(), Contents { unloaded: true, ..Contents::default() }));
        }
    }
    // What lies between an apex and the zone around it exists, whether or not that zone delegates (RFC 8020).
    for zone in &model.zones {
        let above: Vec<Name> = std::iter::successors(zone.apex.parent(), Name::parent).collect();
        let around = above.iter().enumerate().find_map(|(depth, name)| Some((depth, *apexes.get(name)?)));
        let Some((depth, number)) = around else { continue };
        for name in &above[..depth] {
            if !numbers.contains_key(name) {
                numbers.insert(name.clone(), placed.len());
                placed.push((name.clone(), Contents { zone: number as u32, ..Contents::default() }));
            }
        }
    }
    for (name, contents) in parents {
        if let Some(&at) = numbers.get(&name) {
            placed[at].1.parent_side = Some(Box::new(contents));
        }
    }
    let wildcards: Vec<Name> = placed.iter().map(|(name, _)| name).filter(|name| name.is_wildcard()).cloned().collect();
    for parent in wildcards.iter().filter_map(Name::parent) {
        if let Some(&at) = numbers.get(&parent) {
            placed[at].1.has_wildcard = true;
        }
    }
    Ok(placed)
}

fn ends(apex: &Name, soa: &Soa) -> ZoneEnds {
    let ttl = soa.ttl.min(soa.minimum);
    let data = [soa_data(soa)];
    ZoneEnds {
        apex_len: apex.as_wire().len() as u8,
        negative: Ready::new(RecordType::SOA, ttl, &data, 1),
        policy_nodata: Ready::new(RecordType::SOA, ttl.min(POLICY_NODATA_TTL), &data, 1),
    }
}

fn soa_data(soa: &Soa) -> Box<[u8]> {
    let mut data = Vec::new();
    data.extend_from_slice(soa.mname.as_wire());
    data.extend_from_slice(soa.rname.as_wire());
    for number in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
        data.extend(number.to_be_bytes());
    }
    data.into()
}

fn contents(zone: u32, tree: &TreeContents<'_>, steering: &mut Steering<'_>) -> Result<Contents, CompileError> {
    let steer = match tree.steered {
        Some(steered) => Some(steering.steer(steered.route, steered.ttl)?),
        None => None,
    };
    let cut = tree.cut.as_ref().map(|cut| Cut {
        ns: Ready::of(cut.ns),
        in_domain: Records::of(&cut.in_domain),
        sibling: Records::of(&cut.sibling),
    });
    let rrsets = tree.rrsets.iter().map(|&rrset| Ready::of(rrset)).collect();
    Ok(Contents { zone, rrsets, steer, cut, ..Contents::default() })
}

/// Gathers the distinct trees and questions.
struct Steering<'a> {
    model: &'a Model,
    places: &'a Places,
    context: &'a Context,
    shared: Option<&'a HashMap<Arc<Question>, Arc<Regions>>>,
    maps: HashMap<Arc<Question>, Arc<Regions>>,
    steers: Vec<Steer>,
    numbers: HashMap<(RouteId, u32), u32>,
}

impl Steering<'_> {
    fn steer(&mut self, root: RouteId, ttl: u32) -> Result<u32, CompileError> {
        if let Some(&number) = self.numbers.get(&(root, ttl)) {
            return Ok(number);
        }
        let (question, routes) = Question::of(self.model, root);
        let mut nodes: Vec<(RouteId, u32)> = routes.into_iter().zip(0..).collect();
        nodes.sort_unstable();
        let question = Arc::new(question);
        let regions = self.regions(root, &question)?;
        let number = self.steers.len() as u32;
        let below = Below::of(self.model, root);
        self.steers.push(Steer {
            root,
            ttl,
            question,
            nodes,
            regions,
            types: below.types,
            endpoints: below.endpoints,
            probes: below.probes,
        });
        self.numbers.insert((root, ttl), number);
        Ok(number)
    }

    fn regions(&mut self, root: RouteId, question: &Arc<Question>) -> Result<Option<Arc<Regions>>, CompileError> {
        if question.is_trivial() {
            return Ok(None);
        }
        let known = self.maps.get(question).or_else(|| self.shared?.get(question));
        let regions = match known {
            Some(known) => known.clone(),
            None => {
                let limits = &self.model.server.limits;
                let built = Regions::build(question, self.places, self.context, limits.regions);
                let route = &self.model.route(root).name;
                Arc::new(
                    built.map_err(|_| CompileError::TooManyRegions { route: route.clone(), limit: limits.regions })?,
                )
            }
        };
        self.maps.insert(question.clone(), regions.clone());
        Ok(Some(regions))
    }
}

/// Every route of a tree, the root first.
fn routes_below(model: &Model, root: RouteId) -> Vec<RouteId> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&id) = found.get(next) {
        next += 1;
        let route = model.route(id);
        for target in route.members.iter().map(|member| member.target).chain(route.last_resort) {
            match target {
                Target::Route(below) if !found.contains(&below) => found.push(below),
                _ => {}
            }
        }
    }
    found
}

/// What a tree can come to, and what it listens to.
#[derive(Default)]
struct Below {
    types: Vec<RecordType>,
    endpoints: BTreeSet<EndpointId>,
    probes: BTreeSet<ProbeId>,
}

impl Below {
    fn of(model: &Model, root: RouteId) -> Self {
        let mut below = Self::default();
        for route in routes_below(model, root).into_iter().map(|id| model.route(id)) {
            for member in &route.members {
                below.listen(&member.health);
            }
            for target in route.members.iter().map(|member| member.target).chain(route.last_resort) {
                if let Target::Endpoint(id) = target {
                    below.endpoints.insert(id);
                }
            }
        }
        let endpoints: Vec<&Endpoint> = below.endpoints.iter().map(|&id| model.endpoint(id)).collect();
        for endpoint in &endpoints {
            below.listen(&endpoint.health);
        }
        let types: BTreeSet<RecordType> =
            endpoints.iter().flat_map(|endpoint| endpoint.records.iter().map(|r| r.rtype)).collect();
        below.types =
            if types.contains(&RecordType::CNAME) { vec![RecordType::CNAME] } else { types.into_iter().collect() };
        below
    }

    fn listen(&mut self, health: &Health) {
        match health {
            Health::Unchecked => {}
            Health::Whole(probe) => {
                self.probes.insert(*probe);
            }
            Health::PerAddress(probes) => self.probes.extend(probes.iter().map(|&(_, probe)| probe)),
        }
    }
}
