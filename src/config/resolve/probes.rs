//! What runs: (check, endpoint, address) or (check, target), and calculated checks over them (H6, H7).

mod definition;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::definition::definition;
use super::names::{Kind, Miss, Names};
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::model::{
    Check, CheckId, CheckKind, Endpoint, EndpointId, Health, Probe, ProbeId, ProbeTarget, Subject,
};
use crate::wire::RecordType;
use crate::world;

/// Calculated checks nested deeper than this are an error: the stack is finite.
const DEEPEST: usize = 256;

/// A check with the unit that it belongs to.
pub(super) struct CheckHome {
    pub(super) unit: usize,
    pub(super) operands: Vec<Written<String>>,
    pub(super) site: Site,
    /// Its type could not be read, so that nothing is asked.
    pub(super) faulty: bool,
}

/// What an operand of a calculated check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Operand {
    check: CheckId,
    /// `None`: at the endpoint that the calculated check itself is for.
    endpoint: Option<EndpointId>,
}

/// Makes probes, each once.
pub(super) struct Prober<'m> {
    checks: &'m [Check],
    homes: &'m [CheckHome],
    endpoints: &'m [Endpoint],
    operands: Vec<Vec<Operand>>,
    by_key: HashMap<String, ProbeId>,
    made: HashMap<(CheckId, Option<EndpointId>), Option<Health>>,
    pub(super) probes: Vec<Probe>,
    /// Whether some calculated checks depend on themselves: nothing calculated is made then.
    looped: bool,
}

impl<'m> Prober<'m> {
    pub(super) fn new(
        findings: &mut Findings,
        names: &mut Names<'_>,
        checks: &'m [Check],
        homes: &'m [CheckHome],
        endpoints: &'m [Endpoint],
    ) -> Self {
        let operands = homes
            .iter()
            .map(|home| home.operands.iter().filter_map(|text| operand(findings, names, home.unit, text)).collect())
            .collect();
        let mut prober = Self {
            checks,
            homes,
            endpoints,
            operands,
            by_key: HashMap::new(),
            made: HashMap::new(),
            probes: Vec::new(),
            looped: false,
        };
        prober.find_loops(findings);
        prober
    }

    /// A loop of names is a loop of probes: an operand either stays at the endpoint or names one, so going round twice
    /// meets the same (check, endpoint) again.
    fn find_loops(&mut self, findings: &mut Findings) {
        let mut state = vec![0u8; self.checks.len()];
        for start in 0..self.checks.len() {
            let mut path = Vec::new();
            self.visit(findings, start, &mut state, &mut path);
        }
    }

    fn visit(&mut self, findings: &mut Findings, check: usize, state: &mut [u8], path: &mut Vec<usize>) {
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        if state[check] == DONE {
            return;
        }
        if path.len() == DEEPEST {
            self.looped = true;
            findings
                .error(
                    self.homes[check].site,
                    code::CHECK_LOOP,
                    format!("calculated checks are nested more than {DEEPEST} deep"),
                )
                .label("one too many");
            return;
        }
        if state[check] == OPEN {
            self.looped = true;
            let from = path.iter().position(|&other| other == check).unwrap_or(0);
            let names: Vec<_> =
                path[from..].iter().chain([&check]).map(|&i| format!("`{}`", self.checks[i].name)).collect();
            findings
                .error(self.homes[check].site, code::CHECK_LOOP, "calculated checks depend on themselves")
                .label(names.join(" → "))
                .help("take one of them out of the loop");
            return;
        }
        state[check] = OPEN;
        path.push(check);
        for operand in self.operands[check].clone() {
            self.visit(findings, operand.check.index(), state, path);
        }
        path.pop();
        state[check] = DONE;
    }

    /// The health that a check gives an endpoint, or a member that is a route (`None`). `named_at` is where the check
    /// is named; faults are told there. `None` after a fault.
    pub(super) fn health(
        &mut self,
        findings: &mut Findings,
        check: CheckId,
        endpoint: Option<EndpointId>,
        named_at: Site,
    ) -> Option<Health> {
        if let Some(made) = self.made.get(&(check, endpoint)) {
            return made.clone();
        }
        let made = self.make(findings, check, endpoint, named_at);
        self.made.insert((check, endpoint), made.clone());
        made
    }

    fn make(
        &mut self,
        findings: &mut Findings,
        id: CheckId,
        endpoint: Option<EndpointId>,
        named_at: Site,
    ) -> Option<Health> {
        let check = &self.checks[id.index()];
        if self.homes[id.index()].faulty {
            return None;
        }
        if matches!(check.kind, CheckKind::Calculated { .. }) {
            return self.calculated(findings, id, endpoint, named_at);
        }
        if let Some(target) = &check.target {
            if let Ok(address) = target.host.parse() {
                self.refuse_private(findings, id, address, named_at);
            }
            let definition = definition(check, &[]);
            return Some(Health::Whole(self.add(id, endpoint, Subject::Target(target.clone()), definition)));
        }
        let addresses = endpoint.map(|endpoint| addresses(&self.endpoints[endpoint.index()])).unwrap_or_default();
        if addresses.is_empty() {
            let what = match endpoint {
                Some(endpoint) => format!("endpoint `{}` has no address", self.endpoints[endpoint.index()].name),
                None => "a member that is a route has no address".to_owned(),
            };
            findings
                .error(named_at, code::NO_TARGET, format!("check `{}` has nothing to ask", check.name))
                .label(what)
                .related(self.homes[id.index()].site, "this check has no `target`")
                .help("give the check a `target = \"name-or-address\"`");
            return None;
        }
        let definition = definition(check, &[]);
        let mut each = Vec::with_capacity(addresses.len());
        for address in addresses {
            self.refuse_private(findings, id, address, named_at);
            each.push((address, self.add(id, endpoint, Subject::Address(address), definition)));
        }
        Some(Health::PerAddress(each))
    }

    fn calculated(
        &mut self,
        findings: &mut Findings,
        id: CheckId,
        endpoint: Option<EndpointId>,
        named_at: Site,
    ) -> Option<Health> {
        if self.looped {
            return None;
        }
        let operands = self.operands[id.index()].clone();
        let mut parts = Vec::with_capacity(operands.len());
        for operand in &operands {
            let here = operand.endpoint.is_none();
            parts.push((here, self.health(findings, operand.check, operand.endpoint.or(endpoint), named_at)?));
        }
        let per_address = parts.iter().find_map(|(here, health)| match health {
            Health::PerAddress(each) if *here => Some(each.iter().map(|(address, _)| *address).collect::<Vec<_>>()),
            _ => None,
        });
        let Some(addresses) = per_address else {
            return Some(Health::Whole(self.add_calculated(id, endpoint, &parts, None)));
        };
        let each =
            addresses.into_iter().map(|address| (address, self.add_calculated(id, endpoint, &parts, Some(address))));
        Some(Health::PerAddress(each.collect()))
    }

    fn add_calculated(
        &mut self,
        id: CheckId,
        endpoint: Option<EndpointId>,
        parts: &[(bool, Health)],
        at: Option<IpAddr>,
    ) -> ProbeId {
        let probes: Vec<Vec<ProbeId>> = parts
            .iter()
            .map(|(here, health)| match health {
                Health::Unchecked => Vec::new(),
                Health::Whole(probe) => vec![*probe],
                Health::PerAddress(each) => each
                    .iter()
                    // An operand at this endpoint speaks of the same address; one at another of any.
                    .filter(|(address, _)| !*here || at.is_none_or(|at| at == *address))
                    .map(|(_, probe)| *probe)
                    .collect(),
            })
            .collect();
        let below: Vec<u64> = probes.iter().flatten().map(|probe| self.probes[probe.index()].definition).collect();
        let definition = definition(&self.checks[id.index()], &below);
        let subject = at.map_or_else(|| "calculated".to_owned(), |address| address.to_string());
        let key = self.key(id, endpoint, &subject);
        self.intern(
            key,
            Probe { check: id, endpoint, subject: Subject::Calculated(probes), key: String::new(), definition },
        )
    }

    fn key(&self, check: CheckId, endpoint: Option<EndpointId>, subject: &str) -> String {
        let endpoint = endpoint.map_or("", |endpoint| &self.endpoints[endpoint.index()].name);
        format!("{}|{endpoint}|{subject}", self.checks[check.index()].name)
    }

    fn add(&mut self, check: CheckId, endpoint: Option<EndpointId>, subject: Subject, definition: u64) -> ProbeId {
        let text = match &subject {
            Subject::Address(address) => address.to_string(),
            Subject::Target(ProbeTarget { host, port: Some(port) }) => format!("{host}:{port}"),
            Subject::Target(ProbeTarget { host, port: None }) => host.clone(),
            Subject::Calculated(_) => "calculated".to_owned(),
        };
        let key = self.key(check, endpoint, &text);
        self.intern(key, Probe { check, endpoint, subject, key: String::new(), definition })
    }

    fn intern(&mut self, key: String, probe: Probe) -> ProbeId {
        let next = ProbeId(self.probes.len() as u32);
        let id = *self.by_key.entry(key.clone()).or_insert(next);
        if id == next {
            self.probes.push(Probe { key, ..probe });
        }
        id
    }

    /// H12.
    fn refuse_private(&self, findings: &mut Findings, id: CheckId, address: IpAddr, named_at: Site) {
        let check = &self.checks[id.index()];
        let Some(what) = world::inward(address).filter(|_| !check.allow_private) else { return };
        findings
            .error(named_at, code::PRIVATE_ADDRESS, format!("check `{}` would ask {address}, {what}", check.name))
            .label("refused")
            .related(self.homes[id.index()].site, "this check has no `allow_private`")
            .help("if that is meant, set `allow_private = true` on the check");
    }
}

fn operand(findings: &mut Findings, names: &mut Names<'_>, unit: usize, text: &Written<String>) -> Option<Operand> {
    let check = |id| Operand { check: CheckId(id), endpoint: None };
    // A zone's name has dots too; definitions have none.
    let slash = text.value.rfind('/').map_or(0, |at| at + 1);
    let Some(dot) = text.value[slash..].find('.').map(|at| slash + at) else {
        return names.find(findings, Kind::Check, unit, text).map(check);
    };
    let endpoint = Written::new(text.value[..dot].to_owned(), text.site);
    let of = Written::new(text.value[dot + 1..].to_owned(), text.site);
    let endpoint = names.find(findings, Kind::Endpoint, unit, &endpoint);
    let found = match names.look_up(Kind::Check, unit, &of.value) {
        // The check may belong to the endpoint's zone.
        Err(Miss::Unknown) if slash > 0 => {
            let full = Written::new(format!("{}{}", &text.value[..slash], of.value), text.site);
            names.find(findings, Kind::Check, unit, &full)
        }
        Err(miss) => {
            names.tell(findings, Kind::Check, unit, &of, miss);
            None
        }
        Ok(id) => Some(id),
    };
    Some(Operand { check: CheckId(found?), endpoint: Some(EndpointId(endpoint?)) })
}

/// An endpoint's A and AAAA addresses, in the order of the file.
fn addresses(endpoint: &Endpoint) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for records in &endpoint.records {
        for rdata in &records.rdata {
            match records.rtype {
                RecordType::A => {
                    addresses.extend(<[u8; 4]>::try_from(&rdata[..]).map(|b| IpAddr::from(Ipv4Addr::from(b))))
                }
                RecordType::AAAA => {
                    addresses.extend(<[u8; 16]>::try_from(&rdata[..]).map(|b| IpAddr::from(Ipv6Addr::from(b))));
                }
                _ => {}
            }
        }
    }
    addresses
}
