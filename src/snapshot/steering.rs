//! The steered names of a model: their trees, what those ask of clients, and the maps that answer it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::compile::CompileError;
use super::plan::Steer;
use crate::config::model::{Endpoint, EndpointId, Health, Model, ProbeId, RouteId, Target};
use crate::geo::{Places, parallel};
use crate::policy::{Context, Question, Regions};
use crate::wire::RecordType;

/// Maps by what they answer.
pub(super) type Maps = HashMap<Arc<Question>, Arc<Regions>>;

/// What a number stands for in every snapshot that has it: full name of the route, TTL.
type Key = (String, u32);

/// Which number stands for which tree.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// By (root, TTL) in the model of now.
    now: HashMap<(RouteId, u32), u32>,
    /// By number; `None` is free.
    keys: Vec<Option<Key>>,
}

impl Numbers {
    /// Numbers all trees that zones use. One that `before` has keeps its number, and none that becomes free is used again
    /// at once: equal numbers mean the same tree before and after.
    pub(super) fn of(model: &Model, before: Option<&Self>) -> Self {
        let kept = before.map_or(&[][..], |before| &before.keys);
        let known: HashMap<&Key, u32> =
            kept.iter().zip(0..).filter_map(|(key, number)| Some((key.as_ref()?, number))).collect();
        let mut free = (0..).filter(|&number: &u32| kept.get(number as usize).is_none_or(Option::is_none));
        let mut numbers = Self { now: HashMap::new(), keys: vec![None; kept.len()] };
        for steered in model.zones.iter().flat_map(|zone| &zone.steered) {
            if numbers.now.contains_key(&(steered.route, steered.ttl)) {
                continue;
            }
            let key = (model.route(steered.route).name.clone(), steered.ttl);
            let same = known.get(&key).copied().filter(|&number| numbers.keys[number as usize].is_none());
            // There are more numbers than trees.
            let number = same.or_else(|| free.next()).unwrap_or_default();
            if number as usize >= numbers.keys.len() {
                numbers.keys.resize(number as usize + 1, None);
            }
            numbers.keys[number as usize] = Some(key);
            numbers.now.insert((steered.route, steered.ttl), number);
        }
        numbers
    }

    /// Of the steered names of each zone.
    pub(super) fn by_zone(&self, model: &Model) -> Vec<Box<[u32]>> {
        let number = |route, ttl| self.now.get(&(route, ttl)).copied();
        let zones = model.zones.iter();
        zones.map(|zone| zone.steered.iter().filter_map(|found| number(found.route, found.ttl)).collect()).collect()
    }

    /// Free ones, of all.
    pub(super) fn free(&self) -> (usize, usize) {
        (self.keys.iter().filter(|key| key.is_none()).count(), self.keys.len())
    }
}

/// Every tree by its number, and the maps of all; those in `known` are shared.
pub(super) fn steers(
    model: &Model,
    places: &Places,
    context: &Context,
    numbers: &Numbers,
    known: Option<&Maps>,
) -> Result<(Vec<Steer>, Maps), CompileError> {
    let mut wanted: Vec<((RouteId, u32), u32)> = numbers.now.iter().map(|(&tree, &number)| (tree, number)).collect();
    wanted.sort_unstable();
    let mut steers: Vec<Steer> = numbers.keys.iter().map(|_| Steer::vacant()).collect();
    let mut missing = Missing::default();
    let mut maps = Maps::new();
    let mut last: Option<(RouteId, u32)> = None;
    for ((root, ttl), number) in wanted {
        if let Some((_, same)) = last.filter(|(before, _)| *before == root) {
            steers[number as usize] = Steer { ttl, ..steers[same as usize].clone() };
            continue;
        }
        let (question, routes) = Question::of(model, root);
        let mut nodes: Vec<(RouteId, u32)> = routes.into_iter().zip(0..).collect();
        nodes.sort_unstable();
        let question = Arc::new(question);
        if !question.is_trivial() {
            match known.and_then(|known| known.get_key_value(&question)) {
                Some((question, regions)) => {
                    maps.insert(Arc::clone(question), Arc::clone(regions));
                }
                None => missing.note(&question, root),
            }
        }
        let Below { types, endpoints, probes } = Below::of(model, root);
        steers[number as usize] = Steer { root, ttl, question, nodes, regions: None, types, endpoints, probes };
        last = Some((root, number));
    }
    let limits = &model.server.limits;
    let count = maps.len() + missing.questions.len();
    if count > limits.maps {
        return Err(CompileError::TooManyMaps { maps: count, limit: limits.maps });
    }
    let taken = maps.values().map(|regions| regions.map.size()).sum();
    maps.extend(missing.build(model, places, context, taken)?);
    for steer in &mut steers {
        if let Some((question, regions)) = maps.get_key_value(&steer.question) {
            // Equal questions are kept once.
            (steer.question, steer.regions) = (Arc::clone(question), Some(Arc::clone(regions)));
        }
    }
    Ok((steers, maps))
}

/// Questions without a map, each once, with a route that asks it.
#[derive(Default)]
struct Missing {
    questions: Vec<(Arc<Question>, RouteId)>,
    noted: HashSet<Arc<Question>>,
}

impl Missing {
    fn note(&mut self, question: &Arc<Question>, root: RouteId) {
        if self.noted.insert(Arc::clone(question)) {
            self.questions.push((Arc::clone(question), root));
        }
    }

    /// Builds all maps on all cores, until they take too much together with `taken` octets of others.
    fn build(&self, model: &Model, places: &Places, context: &Context, taken: usize) -> Result<Maps, CompileError> {
        let limits = &model.server.limits;
        let total = AtomicUsize::new(taken);
        let built = parallel::each(&self.questions, |(question, _)| {
            // Maps are begun in order, so that what is here when the limit is passed is enough to pass it again below.
            if total.load(Ordering::Relaxed) > limits.map_bytes {
                return None;
            }
            let regions = Regions::build(question, places, context, limits.regions);
            if let Ok(regions) = &regions {
                total.fetch_add(regions.map.size(), Ordering::Relaxed);
            }
            Some(regions)
        });
        let mut size = taken;
        let mut maps = Maps::new();
        for ((question, root), regions) in self.questions.iter().zip(built) {
            let Some(regions) = regions else {
                size = size.max(total.load(Ordering::Relaxed));
                break;
            };
            let regions = regions.map_err(|_| CompileError::TooManyRegions {
                route: model.route(*root).name.clone(),
                limit: limits.regions,
            })?;
            size += regions.map.size();
            if size > limits.map_bytes {
                break;
            }
            maps.insert(Arc::clone(question), Arc::new(regions));
        }
        if size > limits.map_bytes {
            return Err(CompileError::MapsTooLarge { size, limit: limits.map_bytes });
        }
        Ok(maps)
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
