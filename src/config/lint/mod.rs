//! Judgement of the resolved whole: what is wrong or unwise although every part of it is well written.

use super::findings::Findings;
use super::model::Model;
use super::resolve::{Sites, ZoneData};

/// Judges everything. `sound` says that routes can be followed without end or loop.
pub(crate) fn lint(_findings: &mut Findings, _model: &Model, _sites: &Sites, _zones: &[ZoneData], _sound: bool) {}
