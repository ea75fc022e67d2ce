//! From the root down, as a resolver goes: referral by referral.
//!
//! Comes in: the roots. Goes out: the servers of a zone's parent, and addresses of names. Invariant: each step is to a
//! zone strictly below, and names that are met on the way are looked up to a small depth, so every walk ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use super::exchange::{Asker, Data, Form, Question, Reply};
use crate::wire::{Name, RecordType};

/// Of name servers whose names must be looked up for a name server's name, and so on.
const DEPTH: usize = 4;
/// Of one zone's servers, how many are looked up and asked on the way.
const SERVERS: usize = 13;
/// Response codes.
pub(super) const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;

/// A server of a zone on the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    /// `None` for a root that was given by its address.
    pub(super) name: Option<Name>,
    pub(super) address: SocketAddr,
}

/// A zone and the servers that are asked for it.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) zone: Name,
    pub(super) hosts: Vec<Host>,
}

/// The addresses of a name, as far as they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Of A and AAAA, what nobody answered for: there may be more addresses of that kind.
    pub(super) unanswered: BTreeSet<RecordType>,
}

impl Found {
    /// Takes up what a server says, or that none does.
    pub(super) fn add(&mut self, name: &Name, rtype: RecordType, reply: Option<&Reply>) {
        match reply {
            Some(reply) => self.addresses.extend(addresses_in(reply, name)),
            None => drop(self.unanswered.insert(rtype)),
        }
    }

    /// Whether an address could be one of those that were not found.
    pub(super) fn may_miss(&self, address: IpAddr) -> bool {
        self.unanswered.contains(if address.is_ipv4() { &RecordType::A } else { &RecordType::AAAA })
    }
}

/// What a delegation says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delegation {
    pub(super) servers: BTreeSet<Name>,
    /// Addresses that came with it.
    pub(super) glue: BTreeMap<Name, BTreeSet<IpAddr>>,
}

/// What a reply comes to, for one who walks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Others serve the name: the zone that it is in, and its servers.
    Referral(Name, Delegation),
    /// The server answers itself; there is no such data if the reply has none.
    Answer,
    /// The server is of no use.
    Useless,
}

/// Walks, and remembers the zones that it has passed.
#[derive(Debug)]
pub(super) struct Walker {
    asker: Arc<Asker>,
    roots: Vec<Host>,
    passed: Mutex<HashMap<Name, Cut>>,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Walker {
    pub(super) fn new(asker: Arc<Asker>, roots: Vec<Host>) -> Self {
        Self { asker, roots, passed: Mutex::default() }
    }

    /// The zone above `zone` and its servers.
    ///
    /// # Errors
    /// No server of a zone on the way is of any use: which zone, and what they said.
    pub(super) async fn parent(&self, zone: &Name) -> Result<Cut, String> {
        let question = Question { name: zone.clone(), rtype: RecordType::NS };
        self.descend(&question, Some(zone), DEPTH).await.map(|(cut, _)| cut)
    }

    /// The addresses of a name, of both families.
    pub(super) fn addresses<'a>(&'a self, name: &'a Name, depth: usize) -> Boxed<'a, Found> {
        Box::pin(async move {
            let mut found = Found::default();
            for rtype in [RecordType::A, RecordType::AAAA] {
                let question = Question { name: name.clone(), rtype };
                let reply = self.descend(&question, None, depth).await.ok().and_then(|(_, reply)| reply);
                found.add(name, rtype, reply.as_ref());
            }
            found
        })
    }

    /// As [`Self::addresses`], for a name that nobody has waited for yet.
    pub(super) async fn look_up(&self, name: &Name) -> Found {
        self.addresses(name, DEPTH).await
    }

    /// Down to the zone whose servers answer, or to the one that delegates `stop`; with the answer.
    async fn descend(
        &self,
        question: &Question,
        stop: Option<&Name>,
        depth: usize,
    ) -> Result<(Cut, Option<Reply>), String> {
        let mut cut = self.nearest(&question.name, stop);
        loop {
            let (step, reply) = self.ask_any(&cut, question).await?;
            let Step::Referral(zone, delegation) = step else { return Ok((cut, Some(reply))) };
            if stop == Some(&zone) {
                return Ok((cut, None));
            }
            let hosts = self.hosts(&delegation, depth).await;
            if hosts.is_empty() {
                return Err(format!("no server of {zone} has an address"));
            }
            cut = Cut { zone: zone.clone(), hosts };
            self.passed.lock().unwrap_or_else(PoisonError::into_inner).insert(zone, cut.clone());
        }
    }

    /// The deepest zone above a name that has been passed; else the root.
    fn nearest(&self, name: &Name, stop: Option<&Name>) -> Cut {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = std::iter::successors(Some(name.clone()), Name::parent)
            .filter(|zone| stop != Some(zone))
            .find_map(|zone| passed.get(&zone).cloned());
        known.unwrap_or_else(|| Cut { zone: Name::root(), hosts: self.roots.clone() })
    }

    /// The first useful reply.
    async fn ask_any(&self, cut: &Cut, question: &Question) -> Result<(Step, Reply), String> {
        let mut said = Vec::new();
        for host in cut.hosts.iter().take(SERVERS) {
            match self.asker.ask(host.address, question, Form::Edns).await {
                Ok(reply) => match step(&reply, question, &cut.zone) {
                    Step::Useless => said.push(format!("{}: response code {}", host.address, reply.rcode)),
                    step => return Ok((step, reply)),
                },
                Err(silence) => said.push(format!("{}: {silence}", host.address)),
            }
        }
        Err(format!("no server of {} is of use ({})", cut.zone, said.join("; ")))
    }

    /// Where a delegation leads: by its glue, and without any by looking names up.
    pub(super) async fn hosts(&self, delegation: &Delegation, depth: usize) -> Vec<Host> {
        let host = |name: &Name, address: &IpAddr| Host {
            name: Some(name.clone()),
            address: SocketAddr::new(*address, self.asker.port),
        };
        let glued = delegation.glue.iter().flat_map(|(name, all)| all.iter().map(move |address| host(name, address)));
        let mut hosts: Vec<Host> = glued.collect();
        if let Some(depth) = depth.checked_sub(1)
            && hosts.is_empty()
        {
            for name in delegation.servers.iter().take(SERVERS) {
                hosts.extend(self.addresses(name, depth).await.addresses.iter().map(|address| host(name, address)));
                if !hosts.is_empty() {
                    break;
                }
            }
        }
        // Most machines have a way to every IPv4 address and many to no other.
        hosts.sort_by_key(|host| host.address.is_ipv6());
        hosts
    }
}

/// What a reply of a server of `cut` comes to.
pub(super) fn step(reply: &Reply, question: &Question, cut: &Name) -> Step {
    if let Some((zone, delegation)) = referral(reply, question, cut) {
        return Step::Referral(zone, delegation);
    }
    if reply.authoritative && [NOERROR, NXDOMAIN].contains(&reply.rcode) { Step::Answer } else { Step::Useless }
}

/// The zone below `cut` that a reply refers to, if it does. Some servers set AA on referrals too, so that it says
/// nothing here; an SOA record is what tells that there is no such data (RFC 2308 section 2.2).
fn referral(reply: &Reply, question: &Question, cut: &Name) -> Option<(Name, Delegation)> {
    let denies = reply.authority.iter().any(|record| matches!(record.data, Data::Serial(_)));
    if reply.rcode != NOERROR || !reply.answer.is_empty() || denies {
        return None;
    }
    let named = reply.authority.iter().filter_map(|record| match &record.data {
        Data::Server(server) => Some((&record.owner, server)),
        _ => None,
    });
    let down: Vec<_> =
        named.filter(|(owner, _)| owner.is_within(cut) && *owner != cut && question.name.is_within(owner)).collect();
    let &(zone, _) = down.first()?;
    let servers: BTreeSet<Name> =
        down.iter().filter(|(owner, _)| *owner == zone).map(|&(_, server)| server.clone()).collect();
    let mut glue: BTreeMap<Name, BTreeSet<IpAddr>> = BTreeMap::new();
    for record in &reply.additional {
        // Of no use, or a lie: a server speaks for names in its own zone only.
        if let Data::Address(address) = record.data
            && servers.contains(&record.owner)
            && record.owner.is_within(cut)
        {
            glue.entry(record.owner.clone()).or_default().insert(address);
        }
    }
    Some((zone.clone(), Delegation { servers, glue }))
}

/// The addresses of a name in the answer.
fn addresses_in(reply: &Reply, name: &Name) -> BTreeSet<IpAddr> {
    let of_name = reply.answer.iter().filter(|record| record.owner == *name);
    of_name.filter_map(|record| if let Data::Address(address) = record.data { Some(address) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::exchange::Record;
    use super::*;

    fn name(text: &str) -> Name {
        Name::absolute(text).unwrap()
    }

    fn referral(owner: &str, server: &str, glue: &str) -> Reply {
        Reply {
            rcode: 0,
            authoritative: false,
            truncated: false,
            answer: Vec::new(),
            authority: vec![Record { owner: name(owner), data: Data::Server(name(server)) }],
            additional: vec![Record { owner: name(glue), data: Data::Address([192, 0, 2, 1].into()) }],
            subnet: false,
            took: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn a_referral_leads_down_and_its_glue_is_believed_within_the_zone_that_gave_it() {
        let question = Question { name: name("www.a.test"), rtype: RecordType::A };
        let step_of = |owner: &str, server: &str| step(&referral(owner, server, server), &question, &name("test"));
        let Step::Referral(zone, delegation) = step_of("a.test", "ns.a.test") else { unreachable!() };
        assert_eq!((zone, delegation.glue.len()), (name("a.test"), 1));
        let Step::Referral(_, delegation) = step_of("a.test", "ns.elsewhere") else { unreachable!() };
        assert_eq!((delegation.servers.len(), delegation.glue.len()), (1, 0));
        for owner in ["test", ".", "b.test"] {
            assert_eq!(step_of(owner, "ns.a.test"), Step::Useless, "{owner}");
        }
    }

    #[test]
    fn a_referral_is_told_by_what_it_holds_and_not_by_the_bit_of_authority() {
        let question = Question { name: name("www.a.test"), rtype: RecordType::A };
        for authoritative in [false, true] {
            let reply = Reply { authoritative, ..referral("a.test", "ns.a.test", "ns.a.test") };
            let Step::Referral(zone, _) = step(&reply, &question, &name("test")) else { unreachable!() };
            assert_eq!(zone, name("a.test"));
            // No such data, or no such referral: the server's word if it has authority.
            let own = if authoritative { Step::Answer } else { Step::Useless };
            assert_eq!(step(&reply, &question, &name("a.test")), own);
            let mut denial = reply.clone();
            denial.authority.push(Record { owner: name("a.test"), data: Data::Serial(1) });
            assert_eq!(step(&denial, &question, &name("test")), own);
            let nowhere = Reply { rcode: NXDOMAIN, ..reply };
            assert_eq!(step(&nowhere, &question, &name("test")), own);
        }
    }

    #[test]
    fn an_answer_without_authority_is_of_no_use() {
        let question = Question { name: name("a.test"), rtype: RecordType::NS };
        let mut reply = referral("a.test", "ns.a.test", "ns.a.test");
        reply.answer = std::mem::take(&mut reply.authority);
        assert_eq!(step(&reply, &question, &name("test")), Step::Useless);
        reply.authoritative = true;
        assert_eq!(step(&reply, &question, &name("test")), Step::Answer);
        reply.rcode = 5;
        assert_eq!(step(&reply, &question, &name("test")), Step::Useless);
    }
}
