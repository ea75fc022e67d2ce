//! Steered names as plain records, for servers that cannot steer: the answer to a client whose place nobody knows, with
//! everything up, weighted nodes by their heaviest member, multivalue in full (protocol 24).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::config::model::{Model, Policy, Zone};
use crate::policy::{Conditions, Evaluator, Leaf};
use crate::snapshot::{Plan, Steer};
use crate::wire::{Lowered, RecordType, Records, RecordsBuilder};

/// In a range that is reserved for ever (RFC 1112 section 4): in no database, and in no network but the widest.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(240, 0, 0, 1));

/// A model in which everything decides as it does for an export.
#[derive(Debug)]
pub(super) struct Exporter {
    model: Model,
}

impl Exporter {
    /// From what is served.
    pub(super) fn new(model: &Model) -> Self {
        let mut model = Model { zones: Vec::new(), ..model.clone() };
        for route in &mut model.routes {
            if route.policy == Policy::Weighted {
                // The heaviest that can be taken, the first of equals.
                route.policy = Policy::Failover;
                route.members.sort_by_key(|member| std::cmp::Reverse(member.weight));
            }
            route.sticky = None;
            route.tolerance = 0;
        }
        Self { model }
    }

    /// The records of a zone's steered names, in their order.
    pub(super) fn steered(&self, zone: &Zone, plan: &Plan) -> Records {
        let mut records = RecordsBuilder::new();
        for steered in &zone.steered {
            let name = Lowered::new(steered.owner.as_wire(), plan.table.seed());
            // What lies below a cut is not there to be answered.
            let number = plan.table.exact(&name).and_then(|node| node.steer());
            let Some(steer) = number.and_then(|number| plan.steers.get(number)) else { continue };
            for &rtype in &steer.types {
                if let Some((rtype, data)) = self.answer(steer, rtype) {
                    records.push(steered.owner.view(), rtype, steered.ttl, data.iter().map(|data| &**data));
                }
            }
        }
        records.finish()
    }

    fn answer(&self, steer: &Steer, rtype: RecordType) -> Option<(RecordType, Vec<Box<[u8]>>)> {
        let drained = BTreeSet::new();
        let conditions = Conditions { model: &self.model, up: &[], drained: &drained };
        let region = steer.map().map_or(0, |map| map.sender(NOWHERE));
        let outcome = Evaluator::new(conditions, rtype, steer.view(region)).outcome(steer.root)?;
        match outcome.leaf(0) {
            Leaf::Answer(answer) if !answer.records.is_empty() => Some((answer.rtype, answer.records.to_vec())),
            _ => None,
        }
    }
}
