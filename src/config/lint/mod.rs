//! Judgement of the resolved whole: what is wrong or unwise although every part of it is well written.
//!
//! Comes in: the model and the places of what is in it. Goes out: findings. Invariant: what was told as faulty before
//! is not judged, so that one slip makes one finding.

mod dns;
mod health;
mod steered;
mod tree;
mod types;

use crate::config::findings::Findings;
use crate::config::model::Model;
use crate::config::resolve::{Sites, ZoneData};
use tree::Trees;

/// Judges everything. `sound` says that routes can be followed without end or loop.
pub(crate) fn lint(findings: &mut Findings, model: &Model, sites: &Sites, zones: &[ZoneData], sound: bool) {
    for zone in zones {
        dns::lint(findings, model, zone);
    }
    if !sound {
        return;
    }
    let trees = Trees::new(model, sites, zones);
    steered::lint(findings, &trees, zones);
    types::lint(findings, &trees, zones);
    health::lint(findings, &trees);
}
