//! What a load needs to know of content, and what it remembers of having put zones together.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Content, Holdings, expiry, judge, records, soa};
use crate::config::code;
use crate::config::findings::{Findings, Site};
use crate::config::model::{Ground, Zone};
use crate::config::{Diagnostic, Severity};
use crate::wire::{Name, RecordType, Records};

/// The content of all zones, and what was put together of it before.
pub(crate) struct Held<'h> {
    pub(crate) holdings: &'h Holdings,
    pub(crate) before: HashMap<Name, Laid>,
    pub(crate) laid: HashMap<Name, Laid>,
}

/// A zone that was put together, and what it was made of.
#[derive(Debug)]
pub(crate) struct Laid {
    content: Arc<Content>,
    files: Arc<Records>,
    answered: Vec<(Name, Vec<RecordType>)>,
    sites: Vec<Site>,
    records: Arc<Records>,
    found: Vec<(Option<Site>, Diagnostic)>,
}

impl Held<'_> {
    /// The zone that is served, if any; its plain DNS is judged unless the files have errors. `site` stands for all that
    /// its files do not say, `routes` is where each steered name names its route.
    pub(crate) fn complete(
        &mut self,
        findings: &mut Findings,
        ground: &Ground,
        site: Site,
        routes: &[Site],
    ) -> Option<Zone> {
        let content = self.holdings.of(ground);
        let soa = soa(ground, content.map(|content| &**content))?;
        let Some(content) = content else { return Some(ground.zone.clone()) };
        let answered: Vec<_> =
            ground.zone.steered.iter().map(|steered| steered.owner.clone()).zip(ground.answered.clone()).collect();
        let sites = [&[site], routes].concat();
        let is_same = |laid: &Laid| {
            Arc::ptr_eq(&laid.content, content)
                && Arc::ptr_eq(&laid.files, &ground.zone.records)
                && laid.answered == answered
                && laid.sites == sites
        };
        if let Some(laid) = self.before.remove(&ground.zone.apex).filter(is_same) {
            findings.repeat(&laid.found);
            let records = Arc::clone(&laid.records);
            let zone = Zone { soa, records, expiry: expiry(Some(content)), ..ground.zone.clone() };
            self.laid.insert(zone.apex.clone(), laid);
            return Some(zone);
        }
        let records = records(ground, Some(content));
        let zone = Zone { soa, records, expiry: expiry(Some(content)), ..ground.zone.clone() };
        if findings.count() == 0 {
            let mark = findings.mark();
            judge(findings, &zone, site, routes);
            // What is unwise in records that others wrote is theirs to hear, but not what hides a route or fits in no
            // answer.
            let of_route = |found: &Diagnostic| {
                found.code == code::HIDDEN_DATA && routes.iter().any(|route| found.span == Some(route.span()))
            };
            let is_told = |found: &Diagnostic| {
                found.severity == Severity::Error || found.code == code::BIG_RRSET || of_route(found)
            };
            findings.retain_since(mark, is_told);
            let (content, files) = (Arc::clone(content), Arc::clone(&ground.zone.records));
            let (records, found) = (Arc::clone(&zone.records), findings.since(mark));
            self.laid.insert(zone.apex.clone(), Laid { content, files, answered, sites, records, found });
        }
        Some(zone)
    }
}
