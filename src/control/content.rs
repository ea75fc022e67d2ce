//! What a zone holds, as one number: what other servers copy of it, its serial aside.
//!
//! Of steered names that is what their routes and endpoints say, whatever health says of them now.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::config::Model;
use crate::config::model::{EndpointId, Member, Policy, RouteId, Target, Zone};
use crate::wire::{Name, Records};

/// Digests of zones; those of records that stay the same ones are known.
#[derive(Debug, Default)]
pub(super) struct Contents(HashMap<Name, (Arc<Records>, u128)>);

impl Contents {
    /// The digest of each zone, in their order.
    pub(super) fn of(&mut self, model: &Model) -> Vec<u128> {
        let mut known = std::mem::take(&mut self.0);
        let mut trees = Trees { model, clients: None, routes: vec![None; model.routes.len()] };
        let mut digests = Vec::with_capacity(model.zones.len());
        for zone in &model.zones {
            let plain = match known.remove(&zone.apex) {
                Some((records, digest)) if Arc::ptr_eq(&records, &zone.records) => digest,
                _ => plain(&zone.records),
            };
            self.0.insert(zone.apex.clone(), (Arc::clone(&zone.records), plain));
            digests.push(whole(zone, plain, &mut trees));
        }
        digests
    }
}

/// The order of records is no content.
fn plain(records: &Records) -> u128 {
    let mut sum = 0u128;
    for rrset in records {
        for data in rrset.rdata.iter() {
            let mut hasher = SipHasher24::new();
            hasher.write(&rrset.owner.as_wire().to_ascii_lowercase());
            hasher.write_u16(rrset.rtype.0);
            hasher.write_u32(rrset.ttl);
            hasher.write(data);
            sum = sum.wrapping_add(hasher.finish128().as_u128());
        }
    }
    sum
}

fn whole(zone: &Zone, plain: u128, trees: &mut Trees<'_>) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write_u128(plain);
    let mut soa = zone.soa.clone();
    soa.serial = 0;
    hasher.write_u32(soa.ttl);
    hasher.write(&soa.data());
    for steered in &zone.steered {
        hasher.write(&steered.owner.canonical());
        hasher.write_u32(steered.ttl);
        hasher.write_u128(trees.route(steered.route));
    }
    if !zone.steered.is_empty() {
        hasher.write_u128(trees.clients());
    }
    hasher.finish128().as_u128()
}

/// What routes say, each worked out once.
struct Trees<'m> {
    model: &'m Model,
    /// Of what is known of clients without a place.
    clients: Option<u128>,
    routes: Vec<Option<u128>>,
}

impl Trees<'_> {
    fn clients(&mut self) -> u128 {
        let model = self.model;
        *self.clients.get_or_insert_with(|| {
            let server = &model.server;
            digest(&format!("{:?}{:?}{:?}", server.unknown, server.networks, model.latencies))
        })
    }

    /// Ids are those of one load, so that nothing of them is written.
    fn route(&mut self, id: RouteId) -> u128 {
        if let Some(known) = self.routes[id.index()] {
            return known;
        }
        let model = self.model;
        let route = model.route(id);
        let mut text = format!("{:?}{:?}{:?}{:?}", route.policy, route.all_down, route.no_match, route.fence);
        let mut members: Vec<&Member> = route.members.iter().collect();
        if route.policy == Policy::Weighted {
            // Others get the heaviest: how much heavier it is, they never learn.
            members.sort_by_key(|member| Reverse(member.weight));
        }
        for member in members {
            let said = (member.bias, member.at, &member.region, member.status, &member.locations);
            text.push_str(&format!("{said:?}{:x}", self.target(member.target)));
        }
        if let Some(target) = route.last_resort {
            text.push_str(&format!("last{:x}", self.target(target)));
        }
        let digest = digest(&text);
        self.routes[id.index()] = Some(digest);
        digest
    }

    fn target(&mut self, target: Target) -> u128 {
        match target {
            Target::Route(id) => self.route(id),
            Target::Endpoint(id) => self.endpoint(id),
        }
    }

    fn endpoint(&self, id: EndpointId) -> u128 {
        let endpoint = self.model.endpoint(id);
        digest(&format!("{:?}{:?}{:?}{:?}", endpoint.records, endpoint.at, endpoint.region, endpoint.status))
    }
}

fn digest(text: &str) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(text.as_bytes());
    hasher.finish128().as_u128()
}
