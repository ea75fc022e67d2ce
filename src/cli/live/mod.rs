//! `rhumb check --live`: a zone as the world sees it.
//!
//! [`walk`] goes from the root down to the zone's parent, [`survey`] asks the parent and every server of the zone over
//! [`exchange`], [`judge`] says what is wrong, [`report`] prints it. Invariant: nothing but questions is sent, few at
//! once, each with a deadline; and the whole has one too.

mod exchange;
mod judge;
mod report;
mod roots;
mod survey;
mod walk;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::args::LiveArgs;
use super::output::Output;
use super::waiting::Waiting;
use super::{Failure, Outcome};
use crate::config::{Model, model::Zone};
use crate::wire::{Name, RecordType, RrsetRef};

pub(crate) use roots::parse as parse_root;

use exchange::Asker;
use judge::Severity;
use survey::{Addresses, Configured};
use walk::Walker;

/// A tree where everything is silent is given up on.
const DEADLINE: Duration = Duration::from_secs(90);

/// Asks the world about a zone and prints what is wrong. `model` is the configuration here, if there is one.
///
/// # Errors
/// The zone is no name or the root, there is no way from the root to the zone's parent, or no end in time.
pub(crate) fn run(output: &Output, zone: &str, flags: &LiveArgs, model: Option<&Model>) -> anyhow::Result<Outcome> {
    let zone = Name::absolute(zone)
        .map_err(|why| Failure::new(format!("`{zone}` is no name: {why}")).help("such as example.com"))?;
    if zone.is_root() {
        return Err(Failure::new("the root has no parent to be checked against").into());
    }
    let configured = model.and_then(|model| configured(model, &zone));
    if configured.is_none() && !output.is_json() {
        output.note(&format!("{zone} is not in the configuration here: its servers are compared with each other"));
    }
    let roots = roots::roots(flags)?;
    let asked = Arc::new(AtomicUsize::new(0));
    let waiting = Waiting::for_replies(&asked);
    let asker = Arc::new(Asker::new(asked));
    let walker = Walker::new(Arc::clone(&asker), roots);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let surveyed = runtime
        .block_on(async { tokio::time::timeout(DEADLINE, survey::survey(&zone, configured, &asker, &walker)).await });
    drop(waiting);
    let facts = surveyed
        .map_err(|_| Failure::new(format!("no end after {} s: too much is silent", DEADLINE.as_secs())))?
        .map_err(|why| {
            Failure::new(format!("no way from the root to {zone}: {why}"))
                .help("see that this machine can send to port 53, or name a root with --root or --hints")
        })?;
    let findings = judge::judge(&facts);
    if output.is_json() {
        output.json(&report::json(&facts, &findings))?;
    } else {
        output.text(&report::text(&facts, &findings, output))?;
    }
    Ok(if report::count(&findings, Severity::Error) == 0 { Outcome::Done } else { Outcome::Faulty })
}

/// What the configuration says of a zone's servers.
fn configured(model: &Model, apex: &Name) -> Option<Configured> {
    let zone = model.zones.iter().find(|zone| zone.apex == *apex)?;
    let is = |rrset: &RrsetRef<'_>, name: &Name| rrset.owner.as_wire().eq_ignore_ascii_case(name.as_wire());
    let names = zone.records.iter().find(|rrset| rrset.rtype == RecordType::NS && is(rrset, apex));
    let servers: BTreeSet<Name> =
        names.iter().flat_map(|rrset| rrset.rdata.iter()).filter_map(|data| Name::from_wire(data).ok()).collect();
    let mut addresses = Addresses::new();
    let holds_any = |zone: &&Arc<Zone>| servers.iter().any(|server| server.is_within(&zone.apex));
    for rrset in model.zones.iter().filter(holds_any).flat_map(|zone| zone.records.iter()) {
        for server in servers.iter().filter(|server| is(&rrset, server)) {
            let given = rrset.rdata.iter().filter_map(|data| address(rrset.rtype, data));
            addresses.entry(server.clone()).or_default().extend(given);
        }
    }
    Some(Configured { servers, addresses, steers: !zone.steered.is_empty() })
}

/// The address in the data of an A or AAAA record.
fn address(rtype: RecordType, data: &[u8]) -> Option<IpAddr> {
    match rtype {
        RecordType::A => Some(<[u8; 4]>::try_from(data).ok()?.into()),
        RecordType::AAAA => Some(<[u8; 16]>::try_from(data).ok()?.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
