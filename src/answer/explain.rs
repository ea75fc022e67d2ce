//! Why a client gets what it gets: the answer, TTL and scope from [`answer`](super::answer) itself, the reasons from
//! the evaluator that compiled them, with a record kept. Where the two differ, that is a fault, and it shows.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType, OpCode, Query as Question};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name as HickoryName, RecordType as HickoryType};
use serde::Serialize;

use super::client::{Address, Client, unwrap_address};
use super::{Carrier, Peer, answer};
use crate::config::model::{EndpointId, Health, Member, Model, Policy, Prefer, Route, Status, Target};
use crate::geo::map::IGNORED;
use crate::health::Verdict;
use crate::policy::{Conditions, Evaluator, Facts, Leaf, Outcome, Step, sticky};
use crate::snapshot::{Snapshot, Steer};
use crate::wire::edns::Ecs;
use crate::wire::text::format_rdata;
use crate::wire::{Lowered, Name, RecordType};
use crate::world::Place;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A sender without a client subnet option.
    Sender(IpAddr),
    /// A resolver that passes on a client's subnet: address and source prefix.
    Subnet(IpAddr, u8),
}

/// Why nothing could be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainError {
    /// The engine drops such a query, or its reply could not be read.
    NoReply,
}

impl fmt::Display for ExplainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server would not reply to this query")
    }
}

impl std::error::Error for ExplainError {}

/// An answer and its reasons.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The name asked.
    pub name: String,
    /// The type asked.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Who asks: an address, or a prefix from a client subnet option.
    pub client: String,
    /// NOERROR, NXDOMAIN, REFUSED, …
    pub status: String,
    /// The answer section in presentation form.
    pub answer: Vec<String>,
    /// Seconds; of the first record, or of the SOA of a negative answer.
    pub ttl: Option<u32>,
    /// The scope that the reply carries; `None` without a client subnet.
    pub scope: Option<u8>,
    /// The random number of this query, in hexadecimal: the same one gives the same answer again.
    pub draw: String,
    /// Each steered name on the way, in the order of the CNAME chain; empty for plain data.
    pub decisions: Vec<DecisionTrace>,
    /// Where the evaluator and the answer differ; never, unless there is a fault in rhumb.
    pub difference: Option<String>,
}

/// One steered name's decision.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionTrace {
    /// The name that is steered.
    pub owner: String,
    /// The root of its tree.
    pub route: String,
    /// `ecs` or `sender`.
    pub decided_by: &'static str,
    /// The network whose place decides.
    pub network: String,
    /// What is known of it.
    pub place: PlaceReport,
    /// The region's number, where clients differ.
    pub region: Option<u16>,
    /// How many regions this question has.
    pub regions: usize,
    /// The nodes met, the root first.
    pub nodes: Vec<NodeTrace>,
    /// What this draw comes to, in presentation form, in the order of the file; several values may rotate.
    pub picked: Vec<String>,
}

/// What is known of a network.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PlaceReport {
    /// Two letters.
    pub continent: Option<String>,
    /// ISO 3166-1.
    pub country: Option<String>,
    /// ISO 3166-2.
    pub subdivision: Option<String>,
    /// Degrees north and east.
    pub at: Option<String>,
    /// Autonomous system number.
    pub asn: Option<u32>,
    /// Listed networks around it, the longest first.
    pub networks: Vec<String>,
}

/// A node of the tree.
#[derive(Clone, Debug, Serialize)]
pub struct NodeTrace {
    /// Its full name.
    pub route: String,
    /// Its policy.
    pub policy: &'static str,
    /// `up`, `failed open`, `last resort`, `forced`.
    pub state: &'static str,
    /// Its members, those that count in the order of the policy, then the others.
    pub candidates: Vec<CandidateTrace>,
}

/// A member of a node.
#[derive(Clone, Debug, Serialize)]
pub struct CandidateTrace {
    /// Its name.
    pub name: String,
    /// `endpoint` or `route`.
    pub kind: &'static str,
    /// What the policy measures: `2179.2 km`, `11.5 ms (country:DE)`, `continent:EU`.
    pub measure: Option<String>,
    /// Where weights count.
    pub weight: Option<u16>,
    /// Whether it is up for this type.
    pub up: bool,
    /// Why it takes no part, if so.
    pub left_out: Option<String>,
    /// What its checks say.
    pub probes: Vec<ProbeTrace>,
}

/// A check's verdict.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeTrace {
    /// The probe's stable key.
    pub key: String,
    /// `up`, `down` or `unchecked`.
    pub verdict: &'static str,
}

/// Asks the snapshot as `asker` with this draw, and says why it answers so.
pub fn explain(
    snapshot: &Snapshot,
    name: &Name,
    rtype: RecordType,
    asker: Asker,
    draw: u64,
) -> Result<Explanation, ExplainError> {
    let reply = ask(snapshot, name, rtype, asker, draw)?;
    let mut explanation = Explanation {
        name: name.to_string(),
        rtype: rtype.to_string(),
        client: match asker {
            Asker::Sender(address) => address.to_string(),
            Asker::Subnet(address, len) => format!("{address}/{len}"),
        },
        status: format!("{:?}", reply.metadata.response_code).to_uppercase(),
        answer: reply.answers.iter().map(ToString::to_string).collect(),
        ttl: reply.answers.first().or(reply.authorities.first()).map(|record| record.ttl),
        scope: scope_of(&reply),
        draw: format!("{draw:016x}"),
        decisions: Vec::new(),
        difference: None,
    };
    let mut owner = name.clone();
    for _ in 0..=16 {
        let Some((steer, target)) = lead(snapshot, &owner, rtype) else { break };
        match (steer, target) {
            (_, Some(target)) => owner = target,
            (Some(number), None) => {
                let (decision, outcome) = decide(snapshot, number, &owner, rtype, asker, draw);
                compare(&mut explanation, &reply, &owner, snapshot.plan.steers[number].ttl, &outcome);
                explanation.decisions.push(decision);
                match outcome {
                    Some((RecordType::CNAME, records)) if rtype != RecordType::CNAME => {
                        let Some(next) = records.first().and_then(|data| Name::from_wire(data).ok()) else { break };
                        owner = next;
                    }
                    _ => break,
                }
            }
            (None, None) => break,
        }
    }
    Ok(explanation)
}

/// What the evaluator comes to: type and data; `None` is NODATA by policy.
type Picked = Option<(RecordType, Vec<Box<[u8]>>)>;

fn ask(snapshot: &Snapshot, name: &Name, rtype: RecordType, asker: Asker, draw: u64) -> Result<Message, ExplainError> {
    let mut query = Message::new(0, MessageType::Query, OpCode::Query);
    let host = HickoryName::from_ascii(name.to_string()).map_err(|_| ExplainError::NoReply)?;
    query.add_query(Question::query(host, HickoryType::from(rtype.0)));
    let address = match asker {
        Asker::Sender(address) => address,
        Asker::Subnet(address, len) => {
            let edns = query.edns.get_or_insert_default();
            edns.set_max_payload(1232);
            edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(cut(address, len), len, 0)));
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).ip()
        }
    };
    let query = query.to_vec().map_err(|_| ExplainError::NoReply)?;
    let mut out = vec![0; usize::from(u16::MAX)];
    let len =
        answer(snapshot, &query, Peer::new(address, Carrier::Stream), draw, &mut out).ok_or(ExplainError::NoReply)?;
    Message::from_vec(&out[..len]).map_err(|_| ExplainError::NoReply)
}

fn cut(address: IpAddr, len: u8) -> IpAddr {
    ipnet::IpNet::new(address, len).map_or(address, |net| net.network())
}

fn scope_of(reply: &Message) -> Option<u8> {
    let options = reply.edns.as_ref()?.options();
    match options.get(hickory_proto::rr::rdata::opt::EdnsCode::Subnet)? {
        EdnsOption::Subnet(subnet) => Some(subnet.scope_prefix()),
        _ => None,
    }
}

/// Where a name leads: the steered name's number, or the next name of a plain CNAME or a DNAME.
fn lead(snapshot: &Snapshot, owner: &Name, rtype: RecordType) -> Option<(Option<usize>, Option<Name>)> {
    let plan = &snapshot.plan;
    let (mut node, above) = plan.table.closest(&Lowered::new(owner.as_wire(), plan.table.seed()))?;
    if node.cut().is_some() {
        return None;
    }
    if let Some(dname) = node.redirect().filter(|_| above > 0) {
        let follows = rtype != RecordType::CNAME && rtype != RecordType::ANY;
        let kept = owner.as_wire().len() - node.name_len();
        let target = [&owner.as_wire()[..kept], dname.first_data()].concat();
        return Some((None, Some(Name::from_wire(&target).ok().filter(|_| follows)?)));
    }
    if above > 0 {
        node = node.wildcard()?;
    }
    match node.cname() {
        Some(_) if rtype != RecordType::ANY && node.rrset(rtype).is_some() => None,
        Some(cname) if rtype != RecordType::CNAME => Some((None, Name::from_wire(cname.first_data()).ok())),
        Some(_) => None,
        None if node.rrset(rtype).is_some() || node.accompanied(rtype).is_some() => None,
        None if rtype == RecordType::ANY && node.first_rrset().is_some() => None,
        None => Some((node.steer(), None)),
    }
}

fn decide(
    snapshot: &Snapshot,
    number: usize,
    owner: &Name,
    rtype: RecordType,
    asker: Asker,
    draw: u64,
) -> (DecisionTrace, Picked) {
    let (inputs, plan) = (&snapshot.inputs, &snapshot.plan);
    let model = &*inputs.model;
    let steer = &plan.steers[number];
    let prefers_sender = model.server.prefer == Prefer::Resolver;
    let (mut address, mut len, mut decided_by) = match asker {
        Asker::Subnet(address, len) if len > 0 && !prefers_sender => (address, len, "ecs"),
        Asker::Subnet(..) => (Ipv4Addr::UNSPECIFIED.into(), 32, "sender"),
        Asker::Sender(address) => (unwrap_address(address), 128, "sender"),
    };
    let mut region = 0;
    let mut network = sticky::Network::of(address);
    if let Some(regions) = &steer.regions {
        let ecs = matches!(decided_by, "ecs").then(|| Ecs::subnet(address, len));
        if ecs.is_some() && regions.map.client(address, len).region == IGNORED {
            (address, len, decided_by) = (Ipv4Addr::UNSPECIFIED.into(), 128, "sender");
        }
        let sender = if ecs.is_some() { Ipv4Addr::UNSPECIFIED.into() } else { address };
        let decision = Client::new(ecs.as_ref(), Address::new(sender), prefers_sender).decide(&regions.map);
        (region, network) = (decision.region, sticky::Network::of(decision.decided_by));
    }
    let is_subnet = decided_by == "ecs";
    if let (true, IpAddr::V6(_), IpAddr::V4(inside)) = (is_subnet, address, unwrap_address(address))
        && let Some(within) = len.checked_sub(16)
    {
        (address, len) = (inside.into(), within.min(32));
    }
    let widest = if address.is_ipv4() { 24 } else { 56 };
    let counted = if is_subnet { len.min(widest) } else { len };
    let listed = steer.regions.as_ref().map(|regions| &regions.listed);
    let empty = crate::geo::Listed::default();
    let facts =
        Facts::of_client(&plan.context, &inputs.places, listed.unwrap_or(&empty), cut(address, counted), counted);

    let up = inputs.verdicts.up();
    let conditions = Conditions { model, up: &up, drained: &inputs.drained };
    let asked = match *steer.types {
        [RecordType::CNAME] => RecordType::CNAME,
        // The engine answers ANY with one type (RFC 8482).
        [first, ..] if rtype == RecordType::ANY => first,
        _ => rtype,
    };
    let mut evaluator = Evaluator::new(conditions, asked, steer.view(region)).traced();
    // The snapshot was compiled, so every outcome is within the limit.
    let outcome = evaluator.outcome(steer.root);
    let steps = evaluator.into_steps();
    let picked = outcome.and_then(|outcome| picked(&outcome, draw, network));
    let text = picked.as_ref().map_or(Vec::new(), |(rtype, records)| {
        records.iter().map(|data| format!("{rtype} {}", format_rdata(*rtype, data))).collect()
    });
    let trace = DecisionTrace {
        owner: owner.to_string(),
        route: model.route(steer.root).name.clone(),
        decided_by,
        network: if is_subnet { format!("{}/{counted}", cut(address, counted)) } else { address.to_string() },
        place: report(&facts.place, &facts),
        region: steer.map().map(|_| region),
        regions: steer.regions.as_ref().map_or(1, |regions| regions.count()),
        nodes: steps.iter().map(|step| node(snapshot, step, &facts, asked)).collect(),
        picked: text,
    };
    (trace, if steer_answers(steer, asked) { picked } else { None })
}

fn steer_answers(steer: &Steer, rtype: RecordType) -> bool {
    steer.types.contains(&rtype)
}

fn picked(outcome: &Outcome, draw: u64, network: sticky::Network) -> Picked {
    match outcome.leaf(draw) {
        Leaf::Nodata => None,
        Leaf::Answer(answer) => Some((answer.rtype, answer.records.clone())),
        Leaf::Sticky(pick) => {
            let members = pick.members.iter().map(|(name, weight, _)| (name.as_str(), *weight));
            let at = sticky::pick(&pick.salt, members, network);
            picked(&pick.members[at].2, draw, network)
        }
    }
}

/// The answer's records of this owner must be among what the evaluator says, and of its TTL.
fn compare(explanation: &mut Explanation, reply: &Message, owner: &Name, ttl: u32, picked: &Picked) {
    let told: BTreeSet<String> = match picked {
        Some((rtype, records)) => {
            records.iter().map(|data| format!("{rtype} {}", format_rdata(*rtype, data))).collect()
        }
        None => BTreeSet::new(),
    };
    let sent: Vec<(u32, String)> = reply
        .answers
        .iter()
        .filter(|record| Name::absolute(&record.name.to_ascii()).is_ok_and(|name| name == *owner))
        .filter_map(|record| {
            let data = hickory_proto::serialize::binary::BinEncodable::to_bytes(&record.data).ok()?;
            let rtype = RecordType(record.record_type().into());
            Some((record.ttl, format!("{rtype} {}", format_rdata(rtype, &data))))
        })
        .collect();
    let agrees = sent.is_empty() == told.is_empty()
        && sent.iter().all(|(sent_ttl, data)| *sent_ttl == ttl && told.contains(data));
    if !agrees {
        let sent: Vec<&str> = sent.iter().map(|(_, data)| data.as_str()).collect();
        explanation.difference =
            Some(format!("{owner}: the reply holds [{}], the evaluator says {told:?} with TTL {ttl}", sent.join(", ")));
    }
}

fn report(place: &Place, facts: &Facts<'_>) -> PlaceReport {
    PlaceReport {
        continent: place.continent.map(|code| code.to_string()),
        country: place.country.map(|code| code.to_string()),
        subdivision: place.subdivision.map(|code| code.to_string()),
        at: place.at.map(|at| at.to_string()),
        asn: place.asn,
        networks: facts.nets.iter().map(ToString::to_string).collect(),
    }
}

fn node(snapshot: &Snapshot, step: &Step, facts: &Facts<'_>, rtype: RecordType) -> NodeTrace {
    let model = &*snapshot.inputs.model;
    let route = model.route(step.route);
    let state = match (step.forced, step.last_resort, step.failed_open) {
        (true, ..) => "forced",
        (_, true, _) => "last resort",
        (_, _, true) => "failed open",
        _ => "up",
    };
    let mut candidates: Vec<CandidateTrace> = Vec::new();
    for counted in &step.members {
        let member = &route.members[counted.member];
        let left_out = if !counted.eligible {
            Some(why_not_eligible(snapshot, member, rtype))
        } else {
            (!counted.up && !step.failed_open).then(|| "down".to_owned())
        };
        candidates.push(candidate(snapshot, route, member, facts, counted.up, left_out));
    }
    for (at, member) in route.members.iter().enumerate() {
        if !step.members.iter().any(|counted| counted.member == at) {
            candidates.push(candidate(
                snapshot,
                route,
                member,
                facts,
                false,
                Some("does not match this client".into()),
            ));
        }
    }
    NodeTrace { route: route.name.clone(), policy: policy_name(route.policy), state, candidates }
}

fn candidate(
    snapshot: &Snapshot,
    route: &Route,
    member: &Member,
    facts: &Facts<'_>,
    up: bool,
    left_out: Option<String>,
) -> CandidateTrace {
    let model = &*snapshot.inputs.model;
    let own = match member.target {
        Target::Endpoint(id) => probes(snapshot, &model.endpoint(id).health),
        Target::Route(_) => Vec::new(),
    };
    let weighs = route.policy == Policy::Weighted || route.policy == Policy::Latency && route.tolerance > 0;
    CandidateTrace {
        name: member.name.clone(),
        kind: match member.target {
            Target::Endpoint(_) => "endpoint",
            Target::Route(_) => "route",
        },
        measure: facts.measure(model, route, member),
        weight: weighs.then_some(member.weight),
        up,
        left_out,
        probes: own.into_iter().chain(probes(snapshot, &member.health)).collect(),
    }
}

fn why_not_eligible(snapshot: &Snapshot, member: &Member, rtype: RecordType) -> String {
    let model: &Model = &snapshot.inputs.model;
    let endpoint = |id: EndpointId| {
        if snapshot.inputs.drained.contains(&id) {
            "drained".to_owned()
        } else if model.endpoint(id).status == Status::Down {
            "status = \"down\"".to_owned()
        } else {
            format!("has no {rtype}")
        }
    };
    match member.target {
        _ if member.status == Status::Down => "status = \"down\"".to_owned(),
        Target::Endpoint(id) => endpoint(id),
        Target::Route(_) => "nothing below it takes part".to_owned(),
    }
}

fn probes(snapshot: &Snapshot, health: &Health) -> Vec<ProbeTrace> {
    let ids = match health {
        Health::Unchecked => Vec::new(),
        Health::PerAddress(probes) => probes.iter().map(|&(_, probe)| probe).collect(),
        Health::Whole(probe) => vec![*probe],
    };
    let trace = |id| ProbeTrace {
        key: snapshot.inputs.model.probe(id).key.clone(),
        verdict: match snapshot.inputs.verdicts.get(id) {
            Verdict::Unchecked => "unchecked",
            Verdict::Up => "up",
            Verdict::Down => "down",
        },
    };
    ids.into_iter().map(trace).collect()
}

/// As it is written in a zone file.
fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Simple => "simple",
        Policy::Weighted => "weighted",
        Policy::Failover => "failover",
        Policy::Multivalue => "multivalue",
        Policy::Latency => "latency",
        Policy::Geolocation => "geolocation",
        Policy::Geoproximity => "geoproximity",
        Policy::Ip => "ip",
    }
}
