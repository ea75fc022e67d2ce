//! Facts to findings: what is wrong, where it was seen, and what to do about it.
//!
//! Pure: no socket, no clock. Each rule is one function, and what a rule has told of is not told again by another.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use super::exchange::{Form, Silence};
use super::survey::{Facts, Probed, Said, Spoken};
use super::walk::{Delegation, Host};
use crate::wire::Name;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Clients are without an answer, or will be with the next fault.
    Error,
    /// Clients are answered, though not by all servers alike.
    Warning,
    /// Something could not be looked at.
    Note,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Stable, for programs.
    pub(super) code: &'static str,
    /// One line, no final stop.
    pub(super) what: String,
    /// The servers where it was seen.
    #[serde(rename = "where")]
    pub(super) at: Vec<String>,
    /// What to do: one line, no final stop.
    pub(super) help: String,
}

/// Everything that is wrong, the worst first.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    delegation(facts, &mut findings);
    servers(facts, &mut findings);
    glue(facts, &mut findings);
    for probed in &facts.probed {
        if !is_contradicted(facts, probed) {
            server(facts, probed, &mut findings);
        }
    }
    serials(facts, &mut findings);
    routes(facts, &mut findings);
    nobody(facts, &mut findings);
    findings.sort_by_key(|finding: &Finding| finding.severity);
    findings
}

fn add(
    findings: &mut Vec<Finding>,
    severity: Severity,
    code: &'static str,
    at: Vec<String>,
    what: String,
    help: impl Into<String>,
) {
    findings.push(Finding { severity, code, what, at, help: help.into() });
}

/// A server of the parent, for people.
fn host(host: &Host) -> String {
    match &host.name {
        Some(name) => format!("{name} ({})", host.address.ip()),
        None => host.address.to_string(),
    }
}

fn place(probed: &Probed) -> String {
    format!("{} ({})", probed.name, probed.address)
}

fn listed<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// What the parent's servers say, each by itself and compared with each other.
fn delegation(facts: &Facts, findings: &mut Vec<Finding>) {
    let (zone, parent) = (&facts.zone, &facts.parent);
    let at = |is: fn(&Said) -> bool| -> Vec<String> {
        facts.parents.iter().filter(|(_, said)| is(said)).map(|(server, _)| host(server)).collect()
    };
    let delegating = at(|said| matches!(said, Said::Delegation(_)));
    let serving = at(|said| matches!(said, Said::Serves(_)));
    let denying = at(|said| matches!(said, Said::Nothing(_)));
    let silent = at(|said| matches!(said, Said::Silent(silence) if *silence != Silence::NoRoute));
    if !denying.is_empty() {
        let what = format!("{parent} does not delegate {zone}");
        let help =
            format!("have {zone} registered with its name servers, or wait until all servers of {parent} know it");
        add(findings, Severity::Error, "not-delegated", denying, what, help);
    }
    if delegating.is_empty() && !serving.is_empty() {
        let what = format!("the servers of {parent} serve {zone} too, so that its delegation cannot be seen");
        add(findings, Severity::Note, "delegation-hidden", serving, what, "nothing, if that is meant");
    }
    if !silent.is_empty() {
        let what = format!("a server of {parent} does not answer");
        add(findings, Severity::Warning, "parent-silent", silent, what, format!("tell the operator of {parent}"));
    }
    let mut said = facts.parents.iter().filter_map(|(server, said)| match said {
        Said::Delegation(delegation) => Some((server, delegation)),
        _ => None,
    });
    if let Some((_, first)) = said.next() {
        let differing: Vec<String> =
            said.filter(|(_, other)| *other != first).map(|(server, _)| host(server)).collect();
        if !differing.is_empty() {
            let what = format!("the servers of {parent} delegate {zone} in different ways");
            let help = "a change may be under way: check again later, and tell the operator if it stays";
            add(findings, Severity::Warning, "parents-differ", differing, what, help);
        }
    }
}

/// The names of the zone's servers: as delegated, as served, as configured.
fn servers(facts: &Facts, findings: &mut Vec<Finding>) {
    let (zone, parent) = (&facts.zone, &facts.parent);
    let (delegated, served) = (facts.delegated().servers, facts.served());
    let seen = |name: &Name| facts.probed.iter().filter(|p| p.servers.contains(name)).map(place).collect::<Vec<_>>();
    if !delegated.is_empty() && !served.is_empty() {
        for name in delegated.difference(&served) {
            let what = format!("{parent} delegates to {name}, which the zone's own NS records do not name");
            let help = format!("add it to the zone's NS records, or take it out at the registrar of {zone}");
            add(findings, Severity::Warning, "ns-differ", vec![parent.to_string()], what, help);
        }
        for name in served.difference(&delegated) {
            let what = format!("the zone's own NS records name {name}, to which {parent} does not delegate");
            let help = format!("add it at the registrar of {zone}, or take it out of the zone's NS records");
            add(findings, Severity::Warning, "ns-differ", seen(name), what, help);
        }
    }
    let serving = || facts.probed.iter().filter(|probed| probed.serves());
    if let Some(first) = serving().next() {
        let differing: Vec<String> = serving().filter(|other| other.servers != first.servers).map(place).collect();
        if !differing.is_empty() {
            let what = format!("servers of {zone} name different servers: {} and others", place(first));
            let help = "let every server load the same version of the zone";
            add(findings, Severity::Warning, "servers-differ", differing, what, help);
        }
    }
    if let Some(configured) = &facts.configured
        && !served.is_empty()
        && configured.servers != served
    {
        let what = format!(
            "the configuration here names {}, and what is served {}",
            listed(&configured.servers),
            listed(&served)
        );
        let help = "put the configuration into service, or mend it";
        add(findings, Severity::Warning, "not-as-configured", Vec::new(), what, help);
    }
}

/// The addresses of servers: as the parent gives them and as those who know do.
fn glue(facts: &Facts, findings: &mut Vec<Finding>) {
    let Delegation { servers, glue } = facts.delegated();
    let parent = &facts.parent;
    for name in &servers {
        let given = glue.get(name).cloned().unwrap_or_default();
        let known = authoritative(facts, name);
        let unanswered = unanswered(facts, name);
        let at = vec![parent.to_string()];
        if given.is_empty() && name.is_within(&facts.zone) {
            let what = format!("{parent} gives no address for {name}, which nobody can find without one");
            let have = if known.is_empty() { "its addresses".to_owned() } else { listed(&known) };
            add(findings, Severity::Error, "missing-glue", at, what, format!("give {have} to the registrar as glue"));
            continue;
        }
        if known.is_empty() && given.is_empty() {
            no_address(facts, name, findings);
            continue;
        }
        if !unanswered.is_empty() {
            let what = format!("nobody answers for {unanswered} of {name}: not compared with the glue");
            let help = "see that the servers of that name answer for both A and AAAA: resolvers ask for both";
            add(findings, Severity::Note, "address-unknown", vec![name.to_string()], what, help);
        }
        if known.is_empty() || given.is_empty() {
            continue;
        }
        let is_told = |address: &&IpAddr| !may_be_missing(facts, name, **address);
        let wrong: Vec<_> = given.difference(&known).filter(is_told).collect();
        let lacking: Vec<_> = known.difference(&given).filter(is_told).collect();
        if !wrong.is_empty() {
            let what = format!("{parent} gives {} for {name}, whose address is {}", listed(wrong), listed(&known));
            let help = "correct the glue at the registrar, or the address in the zone";
            add(findings, Severity::Error, "wrong-glue", at, what, help);
        } else if !lacking.is_empty() {
            let what = format!("{parent} does not give {} for {name}", listed(lacking));
            let help = "add the address at the registrar as glue, or take it out of the zone";
            add(findings, Severity::Warning, "partial-glue", at, what, help);
        }
    }
    // Where the parent's servers serve the zone, no delegation is seen and so no glue either.
    for name in facts.hidden().difference(&servers) {
        if authoritative(facts, name).is_empty() {
            no_address(facts, name, findings);
        }
    }
}

/// A server that nobody can find.
fn no_address(facts: &Facts, name: &Name, findings: &mut Vec<Finding>) {
    let unanswered = unanswered(facts, name);
    let why = if unanswered.is_empty() { "" } else { " that is found: nobody answers for " };
    let what = format!("{name} has no address{why}{unanswered}");
    let help = "give it an A or AAAA record, or take it out of the NS records and the delegation";
    add(findings, Severity::Error, "no-address", vec![facts.parent.to_string()], what, help);
}

/// The types of address that nobody answered for.
fn unanswered(facts: &Facts, name: &Name) -> String {
    facts.known.get(name).map(|found| listed(&found.unanswered)).unwrap_or_default()
}

/// The addresses of a server as those say who know: what is served goes before what is configured here.
fn authoritative(facts: &Facts, name: &Name) -> BTreeSet<IpAddr> {
    let served = facts.known.get(name).map(|found| &found.addresses).filter(|served| !served.is_empty());
    let configured = || facts.configured.as_ref()?.addresses.get(name);
    served.or_else(configured).cloned().unwrap_or_default()
}

/// Whether an address may be the server's though nobody says so: its type was not answered.
fn may_be_missing(facts: &Facts, name: &Name, address: IpAddr) -> bool {
    facts.known.get(name).is_some_and(|found| found.may_miss(address))
}

/// Whether an address stands in the glue alone, against those who know: it has been told as wrong.
fn is_contradicted(facts: &Facts, probed: &Probed) -> bool {
    let known = authoritative(facts, &probed.name);
    !known.is_empty() && !known.contains(&probed.address) && !may_be_missing(facts, &probed.name, probed.address)
}

/// One server at one address.
fn server(facts: &Facts, probed: &Probed, findings: &mut Vec<Finding>) {
    let (zone, at, name) = (&facts.zone, vec![place(probed)], &probed.name);
    match (&probed.udp, &probed.tcp) {
        (Err(Silence::NoRoute), _) => {}
        (Err(silence), Err(_)) => {
            let what = format!("{name} cannot be reached at {}: {silence}", probed.address);
            let help = "start the server there, let port 53 through for UDP and TCP, or correct the address";
            add(findings, Severity::Error, "unreachable", at, what, help);
        }
        (Err(silence), Ok(_)) => {
            let what = format!("{name} answers over TCP and not over UDP: {silence}");
            add(findings, Severity::Error, "no-udp", at, what, "let UDP port 53 through in both directions");
        }
        (Ok(spoken), tcp) => {
            if let Err(silence) = tcp {
                let what = format!("{name} answers over UDP and not over TCP: {silence}");
                let help = "let TCP port 53 through: answers that do not fit a datagram need it";
                add(findings, Severity::Error, "no-tcp", at.clone(), what, help);
            }
            if !spoken.serves() {
                // What it would say over TCP is not known, and that there is no TCP has been told.
                if spoken.truncated && tcp.is_err() {
                    return;
                }
                let what = format!("{name} does not serve {zone}: {}", lameness(spoken));
                let help = format!("let it load {zone}, or take it out of the NS records and the delegation");
                return add(findings, Severity::Error, "lame", at, what, help);
            }
            extensions(facts, name, spoken, at, findings);
        }
    }
}

/// What a server that serves the zone understands of EDNS.
fn extensions(facts: &Facts, name: &Name, spoken: &Spoken, at: Vec<String>, findings: &mut Vec<Finding>) {
    match spoken.form {
        Form::Plain => {
            let what = format!("{name} does not answer queries with EDNS");
            let help = "replace the server, or let its firewall pass EDNS through";
            add(findings, Severity::Warning, "no-edns", at, what, help);
        }
        // Whether or not the zone steers: a resolver that sends client subnets sends them to every server.
        Form::Edns => {
            let how = match spoken.with_subnet {
                Ok(0) => "truncates its answers to queries with a client subnet".to_owned(),
                Ok(rcode) => format!("refuses queries with a client subnet ({})", response_code(rcode)),
                Err(_) => "does not answer queries with a client subnet".to_owned(),
            };
            let what = format!("{name} {how}, though it answers those without");
            let help = "let it ignore the option or understand it (RFC 7871): some resolvers send it to every server";
            add(findings, Severity::Warning, "no-subnet", at, what, help);
        }
        // Of a zone that is not configured here nobody knows whether it steers, and most do not.
        Form::Subnet if !spoken.subnet && facts.configured.as_ref().is_some_and(|configured| configured.steers) => {
            let what = format!("{name} does not echo the client subnet, so its clients are placed by their resolver");
            let help = "let every server of a zone that steers understand client subnets (RFC 7871)";
            add(findings, Severity::Warning, "no-subnet", at, what, help);
        }
        Form::Subnet => {}
    }
}

fn lameness(spoken: &Spoken) -> String {
    match spoken.rcode {
        0 if spoken.truncated => "its answer is truncated, over TCP too".to_owned(),
        0 if !spoken.authoritative => "its answer is not authoritative".to_owned(),
        0 => "it has no SOA record for it".to_owned(),
        other => response_code(other),
    }
}

fn response_code(rcode: u16) -> String {
    match rcode {
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        9 => "NOTAUTH".to_owned(),
        other => format!("response code {other}"),
    }
}

/// Servers whose serial is behind another's.
fn serials(facts: &Facts, findings: &mut Vec<Finding>) {
    let serial = |probed: &Probed| probed.udp.as_ref().ok().filter(|spoken| spoken.serves())?.serial;
    let all: Vec<u32> = facts.probed.iter().filter_map(serial).collect();
    let Some(newest) = all.into_iter().reduce(|a, b| if is_newer(b, a) { b } else { a }) else { return };
    for probed in &facts.probed {
        if let Some(serial) = serial(probed)
            && serial != newest
        {
            let what = format!("{} has serial {serial}, and another server {newest}", probed.name);
            let help = "see why it has not loaded the newest version of the zone; a change may be under way";
            add(findings, Severity::Warning, "stale-serial", vec![place(probed)], what, help);
        }
    }
}

/// Serial arithmetic (RFC 1982 section 3.2).
fn is_newer(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// That no server was asked is a fault, whatever the reason: it says nothing good of the zone.
fn nobody(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.probed.is_empty() && findings.iter().all(|finding| finding.severity != Severity::Error) {
        let what = format!("no server of {} was asked, for no address of any is known", facts.zone);
        let help = "see that its NS records name servers with addresses, and that the servers of its parent answer";
        add(findings, Severity::Error, "no-servers", vec![facts.parent.to_string()], what, help);
    }
}

/// What could not be looked at from here.
fn routes(facts: &Facts, findings: &mut Vec<Finding>) {
    let unseen: Vec<String> =
        facts.probed.iter().filter(|probed| probed.udp == Err(Silence::NoRoute)).map(place).collect();
    if !unseen.is_empty() {
        let everything = unseen.len() == facts.probed.len();
        let severity = if everything { Severity::Error } else { Severity::Note };
        let what = "this machine has no route there".to_owned();
        add(findings, severity, "no-route", unseen, what, "check from a machine that has IPv4 and IPv6");
    }
}

#[cfg(test)]
mod tests;
