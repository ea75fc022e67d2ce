//! What depends on files and databases only: names, plain answers, questions and their maps.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::compile::CompileError;
use super::ready::{Ready, Records};
use super::table::NameTable;
use crate::config::model::{Model, RouteId, Soa, Target};
use crate::geo::Places;
use crate::policy::{Context, Question, Regions};
use crate::wire::{Name, RecordType};
use crate::zone::{Contents, Tree};

/// The longest TTL of a NODATA that a policy makes, in seconds (E6).
const POLICY_NODATA_TTL: u32 = 10;

/// Names, plain answers, questions and their maps.
#[derive(Debug)]
pub struct Plan {
    /// Names of all zones.
    pub table: NameTable,
    /// By the table's numbers.
    pub nodes: Vec<Node>,
    /// By [`Node::zone`].
    pub zones: Vec<ZoneEnds>,
    /// By [`Node::steer`]; one a distinct (route, TTL).
    pub steers: Vec<Steer>,
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

/// What stands at a name.
#[derive(Debug)]
pub struct Node {
    /// Which zone.
    pub zone: u32,
    /// Octets of the name.
    pub name_len: u8,
    /// The child `*`, where there is one.
    pub wildcard: Option<u32>,
    /// Stands alone (RFC 1034 section 3.6.2).
    pub cname: Option<Ready>,
    /// By type, ascending.
    pub rrsets: Box<[Ready]>,
    /// The number of its [`Steer`].
    pub steer: Option<u32>,
    /// A delegation begins here.
    pub cut: Option<Box<Cut>>,
    /// The parent zone's view of an apex that is ours too: DS is asked there (RFC 4035 section 3.1.4.1).
    pub parent_side: Option<Box<Node>>,
}

impl Node {
    /// The RRset of a type.
    pub fn rrset(&self, rtype: RecordType) -> Option<&Ready> {
        self.rrsets.binary_search_by_key(&rtype, |ready| ready.rtype).ok().map(|at| &self.rrsets[at])
    }
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
    /// Which route each node of the question stands for.
    pub routes: Vec<RouteId>,
    /// `None`: it asks nothing.
    pub regions: Option<Arc<Regions>>,
    /// The types that it answers, ascending; CNAME alone for all.
    pub types: Vec<RecordType>,
}

impl Plan {
    /// Builds everything; maps of `previous` whose question, places and context are the same are shared.
    pub fn build(model: &Model, places: &Places, previous: Option<&Plan>) -> Result<Self, CompileError> {
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
        let mut placed: Vec<(Name, Node)> = Vec::new();
        let mut numbers: HashMap<Name, usize> = HashMap::new();
        let mut zones = Vec::new();
        for (zone_number, zone) in model.zones.iter().enumerate() {
            zones.push(ends(&zone.apex, &zone.soa));
            for (name, contents) in Tree::of(zone).names {
                let mut node = node(zone_number as u32, &name, &contents, &mut steering)?;
                if name == zone.apex {
                    node.rrsets = with_soa(node.rrsets, &zone.soa);
                }
                match numbers.get(&name) {
                    None => {
                        numbers.insert(name.clone(), placed.len());
                        placed.push((name, node));
                    }
                    // Two zones meet: the apex wins, and the other side is the parent's.
                    Some(&at) if name == zone.apex => {
                        let parent = std::mem::replace(&mut placed[at].1, node);
                        placed[at].1.parent_side = Some(Box::new(parent));
                    }
                    Some(&at) => {
                        if placed[at].0 == model.zones[placed[at].1.zone as usize].apex {
                            placed[at].1.parent_side = Some(Box::new(node));
                        }
                    }
                }
            }
        }
        let Steering { maps, steers, .. } = steering;
        let limits = &model.server.limits;
        if maps.len() > limits.maps {
            return Err(CompileError::TooManyMaps { maps: maps.len(), limit: limits.maps });
        }
        let size = maps.values().map(|regions| regions.map.size()).sum();
        if size > limits.map_bytes {
            return Err(CompileError::MapsTooLarge { size, limit: limits.map_bytes });
        }
        let wildcards: Vec<(usize, u32)> = placed
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| name.is_wildcard())
            .filter_map(|(number, (name, _))| Some((*numbers.get(&name.parent()?)?, number as u32)))
            .collect();
        for (parent, wildcard) in wildcards {
            placed[parent].1.wildcard = Some(wildcard);
        }
        let table = NameTable::new(placed.iter().map(|(name, _)| name));
        let nodes = placed.into_iter().map(|(_, node)| node).collect();
        Ok(Self { table, nodes, zones, steers, context, maps })
    }
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

fn with_soa(rrsets: Box<[Ready]>, soa: &Soa) -> Box<[Ready]> {
    let mut rrsets = rrsets.into_vec();
    rrsets.push(Ready::new(RecordType::SOA, soa.ttl, &[soa_data(soa)], 1));
    rrsets.sort_by_key(|ready| ready.rtype);
    rrsets.into()
}

fn node(zone: u32, name: &Name, contents: &Contents<'_>, steering: &mut Steering<'_>) -> Result<Node, CompileError> {
    let (mut rrsets, mut cname) = (Vec::new(), None);
    for rrset in &contents.rrsets {
        if rrset.rtype == RecordType::CNAME {
            cname = Some(Ready::of(rrset));
        } else {
            rrsets.push(Ready::of(rrset));
        }
    }
    rrsets.sort_by_key(|ready| ready.rtype);
    let steer = match contents.steered {
        Some(steered) => Some(steering.steer(steered.route, steered.ttl)?),
        None => None,
    };
    let cut = contents.cut.as_ref().map(|cut| {
        Box::new(Cut {
            ns: Ready::of(cut.ns),
            in_domain: Records::of(&cut.in_domain),
            sibling: Records::of(&cut.sibling),
        })
    });
    let name_len = name.as_wire().len() as u8;
    Ok(Node { zone, name_len, wildcard: None, cname, rrsets: rrsets.into(), steer, cut, parent_side: None })
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
        let question = Arc::new(question);
        let regions = self.regions(root, &question)?;
        let number = self.steers.len() as u32;
        self.steers.push(Steer { root, ttl, question, routes, regions, types: types_below(self.model, root) });
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

/// The types of all endpoints that a tree can come to.
fn types_below(model: &Model, root: RouteId) -> Vec<RecordType> {
    let routes = routes_below(model, root).into_iter().map(|id| model.route(id));
    let targets = routes.flat_map(|route| route.members.iter().map(|member| member.target).chain(route.last_resort));
    let endpoints = targets.filter_map(|target| match target {
        Target::Endpoint(id) => Some(model.endpoint(id)),
        Target::Route(_) => None,
    });
    let types: BTreeSet<RecordType> = endpoints.flat_map(|endpoint| endpoint.records.iter().map(|r| r.rtype)).collect();
    if types.contains(&RecordType::CNAME) { vec![RecordType::CNAME] } else { types.into_iter().collect() }
}
