//! The hosts that records point at: what their addresses are goes along with an answer or a referral (protocol 12, 13).

use std::collections::HashSet;

use super::{CUT, GLUE, Names, OWNER, STANDS, Standing, WITHIN, above, is_address, wildcard};
use crate::wire::text::target_name;
use crate::wire::{Name, RecordType, RrsetRef};

/// A host that a record points at.
#[derive(Debug)]
pub enum Host<'z> {
    /// The owner of the record itself.
    Own,
    /// Another name of the zone.
    Other {
        /// As the zone spells it, or where a wildcard gives it addresses as the record does.
        name: Name,
        /// Its A and AAAA; the wildcard's, where that is so.
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
            // What a wildcard's record says of the wildcard itself is not said of the names that it covers.
            let is_own =
                |name: &Name| wildcard(standing.name) == 0 && name.as_wire().eq_ignore_ascii_case(standing.name);
            let other = target.filter(|name| !is_own(name));
            if met.insert(other.clone()) {
                match other {
                    None => hosts.push(Host::Own),
                    Some(name) => hosts.extend(self.host(name, is_ns)),
                }
            }
        }
        hosts
    }

    /// What this zone knows of a host: glue only of a name server, since others are asked for where they live.
    pub(super) fn host(&self, name: Name, is_server: bool) -> Option<Host<'z>> {
        let (number, is_exact) = match self.find(self.hash(name.as_wire()), name.as_wire()) {
            Some(number) => (number, true),
            None => (self.wildcard_of(&name)?, false),
        };
        let entry = self.entries[number as usize];
        let is_ours = entry.flags & (STANDS | CUT | WITHIN | GLUE) == STANDS;
        let shows = entry.flags & OWNER != 0 && (is_ours || is_server && is_exact);
        let owner = shows.then(|| self.zone.records.owner_at(entry.at));
        let addresses: Vec<_> = owner.into_iter().flat_map(|owner| owner.rrsets()).filter(is_address).collect();
        let steered = self.steered_at(number).filter(|_| is_ours);
        if addresses.is_empty() && steered.is_none() {
            return None;
        }
        let spelled = Name::from_wire(self.name(entry)).ok().filter(|_| is_exact);
        Some(Host::Other { name: spelled.unwrap_or(name), addresses, steered })
    }

    /// The entry of the wildcard that answers for a name of this zone that does not exist.
    fn wildcard_of(&self, name: &Name) -> Option<u32> {
        let wire = name.as_wire();
        if !name.is_within(&self.zone.apex) || self.hiding(wire).is_some() {
            return None;
        }
        let apex = wire.len() - self.zone.apex.as_wire().len();
        let above = above(wire, self.zone.apex.as_wire().len()).chain([apex]).map(|skip| &wire[skip..]);
        let exists = |name: &&[u8]| {
            let found = self.find(self.hash(name), name);
            found.is_some_and(|found| self.entries[found as usize].flags & STANDS != 0)
        };
        let encloser = above.into_iter().find(exists)?;
        let star = [b"\x01*", encloser].concat();
        self.find(self.hash(&star), &star)
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
