//! What the world says of a zone, gathered.
//!
//! Comes in: the zone, and what the configuration says of it. Goes out: [`Facts`]. First the parent's servers are asked
//! for their delegation, then every server at every address that anybody gives for it; what the servers themselves name
//! is asked in a second round. Nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::exchange::{Asker, Data, Form, Question, Reply, Silence};
use super::walk::{Delegation, Found, Host, NOERROR, Step, Walker, step};
use crate::wire::{Name, RecordType};

/// Of the zone's servers, how many are asked for the address of one among them.
const TELLERS: usize = 3;

/// Addresses by the names of servers.
pub(super) type Addresses = BTreeMap<Name, BTreeSet<IpAddr>>;

/// What the configuration says of the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Configured {
    pub(super) servers: BTreeSet<Name>,
    /// Of the servers whose names lie in a zone of the configuration.
    pub(super) addresses: Addresses,
    /// Whether answers depend on who asks.
    pub(super) steers: bool,
}

/// What a server of the parent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Delegation(Delegation),
    /// It serves the zone itself, so that its delegation cannot be seen: the servers that the zone names there.
    Serves(BTreeSet<Name>),
    /// There is no such zone, with the response code.
    Nothing(u16),
    Silent(Silence),
}

/// What a server says of the zone over UDP, and over TCP where it says so (TC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) rcode: u16,
    pub(super) authoritative: bool,
    /// Whether the answer is cut short, and no other was had over TCP.
    pub(super) truncated: bool,
    pub(super) serial: Option<u32>,
    /// Whether a client subnet was echoed.
    pub(super) subnet: bool,
    /// What came of the query with a client subnet, which was the first: the response code.
    pub(super) with_subnet: Result<u16, Silence>,
    /// How it was asked in the end: with all of EDNS that it answers.
    pub(super) form: Form,
    /// From the query over UDP to its reply.
    pub(super) took: Duration,
}

impl Spoken {
    /// Whether the question was understood, whatever the answer is.
    fn is_answer(&self) -> bool {
        self.rcode == NOERROR && !self.truncated
    }

    /// How to ask it other questions.
    fn form(&self) -> Form {
        if self.form == Form::Plain { Form::Plain } else { Form::Edns }
    }

    /// Whether it serves the zone.
    pub(super) fn serves(&self) -> bool {
        self.rcode == NOERROR && self.authoritative && self.serial.is_some()
    }
}

/// One server at one address.
#[derive(Clone, Debug)]
pub(super) struct Probed {
    pub(super) name: Name,
    pub(super) address: IpAddr,
    pub(super) udp: Result<Spoken, Silence>,
    pub(super) tcp: Result<Duration, Silence>,
    /// The zone's servers as it names them; empty if it does not serve the zone.
    pub(super) servers: BTreeSet<Name>,
}

impl Probed {
    pub(super) fn serves(&self) -> bool {
        self.udp.as_ref().is_ok_and(Spoken::serves)
    }
}

/// Everything that was found out.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) zone: Name,
    pub(super) parent: Name,
    pub(super) parents: Vec<(Host, Said)>,
    pub(super) configured: Option<Configured>,
    pub(super) probed: Vec<Probed>,
    /// Addresses that those who know say the servers have: the zone itself for names in it, else the walk.
    pub(super) known: BTreeMap<Name, Found>,
}

impl Facts {
    /// What the parent's servers delegate, all together.
    pub(super) fn delegated(&self) -> Delegation {
        let mut all = Delegation::default();
        for (_, said) in &self.parents {
            if let Said::Delegation(one) = said {
                all.servers.extend(one.servers.iter().cloned());
                for (name, addresses) in &one.glue {
                    all.glue.entry(name.clone()).or_default().extend(addresses);
                }
            }
        }
        all
    }

    /// The servers that the zone names where the parent's servers serve it themselves.
    pub(super) fn hidden(&self) -> BTreeSet<Name> {
        let said = self.parents.iter().filter_map(|(_, said)| match said {
            Said::Serves(servers) => Some(servers),
            _ => None,
        });
        said.flatten().cloned().collect()
    }

    /// The servers that those who serve the zone name.
    pub(super) fn served(&self) -> BTreeSet<Name> {
        self.probed.iter().flat_map(|probed| probed.servers.iter().cloned()).collect()
    }
}

/// Asks the world.
///
/// # Errors
/// The walk from the root does not reach the zone's parent.
pub(super) async fn survey(
    zone: &Name,
    configured: Option<Configured>,
    asker: &Arc<Asker>,
    walker: &Walker,
) -> Result<Facts, String> {
    let parent = walker.parent(zone).await?;
    let parents = ask_parents(zone, &parent.zone, parent.hosts, asker).await;
    let mut facts = Facts {
        zone: zone.clone(),
        parent: parent.zone,
        parents,
        configured,
        probed: Vec::new(),
        known: BTreeMap::new(),
    };

    let mut names = facts.delegated().servers;
    names.extend(facts.hidden());
    names.extend(facts.configured.iter().flat_map(|configured| configured.servers.iter().cloned()));
    // What the servers name is new in the second round, and the addresses that they give in the third.
    for _ in 0..3 {
        look_up(&mut facts, &names, asker, walker).await;
        let before = facts.probed.len();
        probe(&mut facts, &names, asker).await;
        let served = facts.served();
        if facts.probed.len() == before && served.is_subset(&names) {
            break;
        }
        names.extend(served);
    }
    facts.probed.sort_by(|a, b| (&a.name, a.address).cmp(&(&b.name, b.address)));
    Ok(facts)
}

async fn ask_parents(zone: &Name, parent: &Name, hosts: Vec<Host>, asker: &Arc<Asker>) -> Vec<(Host, Said)> {
    let mut asked = JoinSet::new();
    for host in hosts {
        let (asker, parent) = (Arc::clone(asker), parent.clone());
        let question = Question { name: zone.clone(), rtype: RecordType::NS };
        asked.spawn(async move {
            let said = match asker.ask(host.address, &question, Form::Edns).await {
                Err(silence) => Said::Silent(silence),
                Ok(reply) => match step(&reply, &question, &parent) {
                    Step::Referral(owner, delegation) if owner == question.name => Said::Delegation(delegation),
                    Step::Answer => match servers_in(&reply, &question.name) {
                        servers if servers.is_empty() => Said::Nothing(reply.rcode),
                        servers => Said::Serves(servers),
                    },
                    Step::Referral(..) | Step::Useless => Said::Nothing(reply.rcode),
                },
            };
            (host, said)
        });
    }
    let mut parents = asked.join_all().await;
    parents.sort_by(|(a, _), (b, _)| a.cmp(b));
    parents
}

/// The servers that the answer names for the zone.
fn servers_in(reply: &Reply, zone: &Name) -> BTreeSet<Name> {
    let of_zone = reply.answer.iter().filter(|record| record.owner == *zone);
    of_zone.filter_map(|record| if let Data::Server(name) = &record.data { Some(name.clone()) } else { None }).collect()
}

/// Finds the addresses of servers that are not known yet.
async fn look_up(facts: &mut Facts, names: &BTreeSet<Name>, asker: &Arc<Asker>, walker: &Walker) {
    let serving = facts.probed.iter().filter(|probed| probed.serves());
    let serving = serving
        .filter_map(|probed| Some((SocketAddr::new(probed.address, asker.port), probed.udp.as_ref().ok()?.form())));
    let parents = facts.parents.iter().filter(|(_, said)| matches!(said, Said::Serves(_)));
    let within: Vec<_> = serving.chain(parents.map(|(host, _)| (host.address, Form::Edns))).collect();
    for name in names {
        if facts.known.get(name).is_some_and(|known| !known.addresses.is_empty()) {
            continue;
        }
        let found = if name.is_within(&facts.zone) {
            look_up_within(name, &facts.zone, &within, asker, walker).await
        } else {
            walker.look_up(name).await
        };
        facts.known.insert(name.clone(), found);
    }
}

/// The addresses of a name in the zone, of servers that serve it; nothing if there are none.
async fn look_up_within(
    name: &Name,
    zone: &Name,
    servers: &[(SocketAddr, Form)],
    asker: &Arc<Asker>,
    walker: &Walker,
) -> Found {
    let mut found = Found::default();
    if servers.is_empty() {
        return found;
    }
    for rtype in [RecordType::A, RecordType::AAAA] {
        let question = Question { name: name.clone(), rtype };
        let mut asked = JoinSet::new();
        // All at once: some servers drop what they have no record for, and each of those costs its whole time.
        for &(server, form) in servers.iter().take(TELLERS) {
            let (asker, question) = (Arc::clone(asker), question.clone());
            asked.spawn(async move { asker.ask(server, &question, form).await });
        }
        let mut answer = None;
        while let (None, Some(said)) = (&answer, asked.join_next().await) {
            let Ok(Ok(reply)) = said else { continue };
            match step(&reply, &question, zone) {
                Step::Answer => answer = Some(reply),
                // It lies in a zone below this one.
                Step::Referral(..) => return walker.look_up(name).await,
                Step::Useless => {}
            }
        }
        found.add(name, rtype, answer.as_ref());
    }
    found
}

/// Asks every server at every address that has not been asked.
async fn probe(facts: &mut Facts, names: &BTreeSet<Name>, asker: &Arc<Asker>) {
    let glue = facts.delegated().glue;
    let configured = facts.configured.as_ref().map(|configured| &configured.addresses);
    let mut asked = JoinSet::new();
    for name in names {
        let found = facts.known.get(name).map(|found| &found.addresses);
        let given = [Some(&glue), configured].into_iter().flatten().filter_map(|source| source.get(name));
        let addresses: BTreeSet<IpAddr> = found.into_iter().chain(given).flatten().copied().collect();
        for address in addresses {
            if !facts.probed.iter().any(|probed| probed.name == *name && probed.address == address) {
                asked.spawn(probe_one(facts.zone.clone(), name.clone(), address, Arc::clone(asker)));
            }
        }
    }
    facts.probed.extend(asked.join_all().await);
}

async fn probe_one(zone: Name, name: Name, address: IpAddr, asker: Arc<Asker>) -> Probed {
    let to = SocketAddr::new(address, asker.port);
    let question = |rtype| Question { name: zone.clone(), rtype };
    let (soa, ns) = (question(RecordType::SOA), question(RecordType::NS));
    let (udp, tcp) = tokio::join!(over_udp(&asker, to, &soa), asker.tcp(to, &soa, Form::Edns));
    let tcp = match (&udp, tcp) {
        (Ok(spoken), Err(_)) if spoken.form() == Form::Plain => asker.tcp(to, &soa, Form::Plain).await,
        (_, tcp) => tcp,
    };
    let mut servers = BTreeSet::new();
    if let Ok(spoken) = &udp
        && spoken.serves()
        && let Ok(reply) = asker.ask(to, &ns, spoken.form()).await
    {
        servers = servers_in(&reply, &zone);
    }
    Probed { name, address, udp, tcp: tcp.map(|reply| reply.took), servers }
}

/// With a client subnet first. Where that gets no answer, with EDNS alone and without it: both at once, so that a silent
/// server is waited for twice and not three times.
async fn over_udp(asker: &Asker, to: SocketAddr, soa: &Question) -> Result<Spoken, Silence> {
    let subnet = in_form(asker, to, soa, Form::Subnet).await;
    match &subnet {
        Ok(spoken) if spoken.is_answer() => return subnet,
        Err(Silence::NoRoute) => return subnet,
        _ => {}
    }
    let (edns, plain) = tokio::join!(in_form(asker, to, soa, Form::Edns), in_form(asker, to, soa, Form::Plain));
    let with_subnet = subnet.as_ref().map(|spoken| spoken.rcode).map_err(Clone::clone);
    let answer = [&edns, &plain].into_iter().flatten().find(|spoken| spoken.is_answer()).cloned();
    let said = answer.map_or_else(|| plain.or(edns).or(subnet), Ok);
    said.map(|spoken| Spoken { with_subnet, ..spoken })
}

/// In one form. A truncated reply may be an empty one, from servers that want clients to come over TCP: all of them, or
/// those that ask too often.
async fn in_form(asker: &Asker, to: SocketAddr, soa: &Question, form: Form) -> Result<Spoken, Silence> {
    let datagram = asker.udp(to, soa, form).await?;
    let stream = if datagram.truncated { asker.tcp(to, soa, form).await.ok() } else { None };
    let reply = stream.as_ref().unwrap_or(&datagram);
    Ok(Spoken {
        rcode: reply.rcode,
        authoritative: reply.authoritative,
        truncated: reply.truncated,
        serial: reply.answer.iter().find_map(|record| match record.data {
            Data::Serial(serial) if record.owner == soa.name => Some(serial),
            _ => None,
        }),
        subnet: reply.subnet,
        with_subnet: Ok(reply.rcode),
        form,
        took: datagram.took,
    })
}
