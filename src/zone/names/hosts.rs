//! The hosts that records point at: what their addresses are goes along with an answer (protocol 13).

use std::collections::HashSet;

use super::{CUT, GLUE, Names, OWNER, STANDS, Standing, WITHIN};
use crate::wire::text::target_name;
use crate::wire::{Name, RecordType, RrsetRef};

/// A host that a record points at.
#[derive(Debug)]
pub enum Host<'z> {
    /// The owner of the record itself.
    Own,
    /// Another name of the zone.
    Other {
        /// Its A and AAAA.
        addresses: Vec<RrsetRef<'z>>,
        /// Position in [`Zone::steered`](crate::config::model::Zone::steered).
        steered: Option<usize>,
    },
}

impl<'z> Names<'z> {
    /// The hosts of this zone that an RRset of a standing name points at, each once. Of NS only those of the apex are of
    /// interest; other NS are a cut's.
    pub fn hosts(&self, standing: &Standing<'z>, rrset: &RrsetRef<'z>) -> Vec<Host<'z>> {
        let is_ns = match rrset.rtype {
            RecordType::NS => true,
            RecordType::MX | RecordType::SRV | RecordType::SVCB | RecordType::HTTPS => false,
            _ => return Vec::new(),
        };
        let mut hosts = Vec::new();
        let mut met = HashSet::new();
        for target in rrset.rdata.iter().filter_map(|data| target_of(rrset.rtype, data)) {
            let host = match target {
                None => Host::Own,
                Some(name) if name.as_wire().eq_ignore_ascii_case(standing.name) => Host::Own,
                Some(name) => match self.host(&name, is_ns) {
                    Some(host) => host,
                    None => continue,
                },
            };
            let key = match &host {
                Host::Own => None,
                Host::Other { addresses, steered } => Some((addresses.first().map(|rrset| rrset.owner), *steered)),
            };
            if met.insert(key) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// What this zone knows of a host: glue only of a name server, since others are asked for where they live.
    fn host(&self, name: &Name, is_server: bool) -> Option<Host<'z>> {
        let number = self.find(self.hash(name.as_wire()), name.as_wire())?;
        let entry = self.entries[number as usize];
        let is_ours = entry.flags & (STANDS | CUT | WITHIN | GLUE) == STANDS;
        let shows = entry.flags & OWNER != 0 && (is_ours || is_server);
        let is_address = |rrset: &RrsetRef<'_>| matches!(rrset.rtype, RecordType::A | RecordType::AAAA);
        let owner = shows.then(|| self.zone.records.owner_at(entry.at));
        let addresses: Vec<_> = owner.into_iter().flat_map(|owner| owner.rrsets()).filter(is_address).collect();
        let steered = self.steered_at(number).filter(|_| is_ours);
        (!addresses.is_empty() || steered.is_some()).then_some(Host::Other { addresses, steered })
    }
}

/// Where a record points; `Some(None)` is its own owner, which SVCB and HTTPS write as the root (RFC 9460 section
/// 2.5.2). The root means no host in MX, SRV and where SVCB and HTTPS are an alias.
fn target_of(rtype: RecordType, data: &[u8]) -> Option<Option<Name>> {
    let name = target_name(rtype, data)?;
    if !name.is_root() {
        return Some(Some(name));
    }
    let is_service = matches!(rtype, RecordType::SVCB | RecordType::HTTPS) && data[..2] != [0, 0];
    is_service.then_some(None)
}
