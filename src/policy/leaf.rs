//! The leaves of a tree: what an endpoint answers now, and whether it is up.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::evaluate::Evaluator;
use crate::config::model::{Endpoint, EndpointId, Health, Member, Status};
use crate::wire::RecordType;

/// The endpoint's own list where nothing is left out of it.
pub(super) type Records<'a> = Cow<'a, [Box<[u8]>]>;

impl<'a> Evaluator<'a> {
    /// The type of an endpoint's answer: a CNAME answers every type (G9).
    pub(super) fn answer_type(&self, id: EndpointId) -> RecordType {
        let endpoint = self.conditions.model.endpoint(id);
        if endpoint.records_of(RecordType::CNAME).is_empty() { self.rtype } else { RecordType::CNAME }
    }

    pub(super) fn all_records(&self, endpoint: &'a Endpoint) -> &'a [Box<[u8]>] {
        match endpoint.records_of(RecordType::CNAME) {
            [] => endpoint.records_of(self.rtype),
            cname => cname,
        }
    }

    /// What a leaf answers once it is chosen: its up records, else all of them.
    pub(super) fn answer_records(&self, id: EndpointId, member: Option<&Member>) -> Records<'a> {
        match self.up_records(id, member) {
            up if up.is_empty() => self.all_records(self.conditions.model.endpoint(id)).into(),
            up => up,
        }
    }

    /// An endpoint's records of the asked type whose addresses are up; none while it is withdrawn.
    pub(super) fn up_records(&self, id: EndpointId, member: Option<&Member>) -> Records<'a> {
        if self.is_withdrawn(id) || member.is_some_and(|member| member.status == Status::Down) {
            return Records::default();
        }
        let endpoint = self.conditions.model.endpoint(id);
        let records = self.all_records(endpoint);
        let word_is_up = endpoint.status == Status::Up || member.is_some_and(|member| member.status == Status::Up);
        if word_is_up {
            return records.into();
        }
        let beside = member.map_or(&Health::Unchecked, |member| &member.health);
        let address_up = |address| self.holds_at(&endpoint.health, address) && self.holds_at(beside, address);
        match self.answer_type(id) {
            RecordType::A | RecordType::AAAA => {
                let record_up = |record: &[u8]| address(record).is_none_or(address_up);
                if records.iter().all(|record| record_up(record)) {
                    return records.into();
                }
                records.iter().filter(|record| record_up(record)).cloned().collect()
            }
            _ => {
                let mut addresses = [RecordType::A, RecordType::AAAA]
                    .into_iter()
                    .flat_map(|rtype| endpoint.records_of(rtype))
                    .filter_map(|record| address(record))
                    .peekable();
                let whole = || self.holds_whole(&endpoint.health) && self.holds_whole(beside);
                let up = if addresses.peek().is_some() { addresses.any(address_up) } else { whole() };
                if up { records.into() } else { Records::default() }
            }
        }
    }

    fn holds_at(&self, health: &Health, address: IpAddr) -> bool {
        match health {
            Health::Unchecked => true,
            Health::Whole(probe) => self.hears(*probe),
            Health::PerAddress(probes) => {
                probes.iter().find(|(probed, _)| *probed == address).is_none_or(|(_, probe)| self.hears(*probe))
            }
        }
    }

    fn holds_whole(&self, health: &Health) -> bool {
        match health {
            Health::Unchecked | Health::PerAddress(_) => true,
            Health::Whole(probe) => self.hears(*probe),
        }
    }
}

/// The address in an A or AAAA record's data.
fn address(rdata: &[u8]) -> Option<IpAddr> {
    match rdata.len() {
        4 => rdata.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        16 => rdata.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
        _ => None,
    }
}
