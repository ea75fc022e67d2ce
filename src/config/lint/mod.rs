//! Judgement of the resolved whole: what is wrong or unwise although every part of it is well written.
//!
//! Comes in: the model and the places of what is in it. Goes out: findings. Invariant: what was told as faulty before
//! is not judged, so that one slip makes one finding.

mod aliases;
mod dns;
mod health;
mod room;
mod steered;
mod tree;
mod types;

use crate::config::findings::Findings;
use crate::config::model::Model;
use crate::config::pack::ZoneData;
use crate::config::resolve::{Sites, SteeredZone};
pub(crate) use dns::BESIDE_CNAME;
pub(crate) use room::{RECORD, ROOM};
use tree::Trees;

/// Judges the plain DNS of one zone, which depends on nothing outside its files.
pub(crate) fn dns(findings: &mut Findings, zone: &ZoneData) {
    dns::lint(findings, zone);
}

/// Judges everything else. Routes can be followed without end or loop.
pub(crate) fn steering(findings: &mut Findings, model: &Model, sites: &Sites, zones: &[SteeredZone<'_>]) {
    let trees = Trees::new(model, sites, zones);
    steered::lint(findings, &trees, zones);
    types::lint(findings, &trees, zones);
    health::lint(findings, &trees);
    aliases::lint(findings, &trees, zones);
}
