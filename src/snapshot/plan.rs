//! What depends on files and databases only: names, plain answers, questions and their maps.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::builder::{self, Before, Directory};
use super::compile::CompileError;
use super::listeners::Listeners;
use super::steering::{Maps, Numbers, steers};
use super::table::NameTable;
use super::{Inputs, Snapshot};
use crate::config::model::{Cookies, EndpointId, Expiry, ProbeId, RouteId, Zone};
use crate::policy::{Context, Question, Regions};
use crate::wire::RecordType;
use crate::wire::cookie::{Secret, Secrets};

/// Numbers of steered names that may lie waste.
const SLACK: usize = 1 << 10;

/// Names, plain answers, questions and their maps.
#[derive(Debug)]
pub struct Plan {
    /// Names of all zones.
    pub table: NameTable,
    /// By [`Node::steer`](super::Node::steer); one a distinct (route, TTL), and some that no name leads to.
    pub steers: Vec<Steer>,
    /// Which steered names a change of health concerns.
    pub listeners: Listeners,
    /// What every client is judged by.
    pub context: Context,
    /// What cookies are signed with.
    pub cookies: Secrets,
    /// Of secondary zones, by apex in lower case.
    expiries: HashMap<Box<[u8]>, Expiry>,
    maps: Maps,
    numbers: Numbers,
    directory: Directory,
}

/// A tree with the TTL of its answers.
#[derive(Clone, Debug)]
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
    /// Builds everything. Of `previous` the table keeps what did not change, and its maps are shared where `clients` says
    /// that they hold: places and context are the same.
    pub(super) fn build(inputs: &Inputs, previous: Option<&Snapshot>, clients: bool) -> Result<Self, CompileError> {
        let model = &*inputs.model;
        let context = Context::new(model);
        let known = previous.filter(|_| clients).map(|old| &old.plan.maps);
        let kept = previous.filter(|old| !old.plan.is_worn());
        let numbers = Numbers::of(model, kept.map(|old| &old.plan.numbers));
        let (steers, maps) = steers(model, &inputs.places, &context, &numbers, known)?;
        let before =
            kept.map(|old| Before { model: &old.inputs.model, table: &old.plan.table, directory: &old.plan.directory });
        let (table, directory) = builder::build(model, numbers.by_zone(model), inputs.seed, before);
        let listeners = Listeners::new(model, &steers);
        let cookies = match &model.server.cookies {
            Cookies::Off => Secrets::default(),
            Cookies::Drawn => Secrets::new(vec![Secret::derived(inputs.seed)]),
            Cookies::Shared(secrets) => secrets.clone(),
        };
        let expiry_of = |zone: &Arc<Zone>| Some((zone.apex.canonical(), zone.expiry.clone()?));
        let expiries = model.zones.iter().filter_map(expiry_of).collect();
        Ok(Self { table, steers, listeners, context, cookies, expiries, maps, numbers, directory })
    }

    /// When the secondary zone with this apex, in wire form and lower case, is no longer served.
    pub fn expiry(&self, apex: &[u8]) -> Option<&Expiry> {
        self.expiries.get(apex)
    }

    /// Whether so much lies waste that all had better be made anew.
    fn is_worn(&self) -> bool {
        let (free, numbers) = self.numbers.free();
        free > SLACK + numbers / 2 || self.directory.is_worn(&self.table)
    }
}

impl Steer {
    /// What a number that is free stands for: no name leads there.
    pub(super) fn vacant() -> Self {
        Self {
            root: RouteId(0),
            ttl: 0,
            question: Arc::default(),
            nodes: Vec::new(),
            regions: None,
            types: Vec::new(),
            endpoints: BTreeSet::new(),
            probes: BTreeSet::new(),
        }
    }
}
