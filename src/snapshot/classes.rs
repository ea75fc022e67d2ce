//! The outcomes of one steered name and type: clients that one evaluation could not tell apart are a class.
//!
//! In: the regions of a map, verdicts and drains. Out: a class for each region, an outcome for each class, and the probes
//! that it was made of. Invariant: classes are numbered in the order of their first regions, so that the same conditions
//! make the same classes, whether all of them were evaluated or only those that a change concerns.

use std::sync::Arc;

use super::paths::Paths;
use super::plan::Steer;
use crate::config::model::{EndpointId, ProbeId};
use crate::policy::{Conditions, Evaluator, Outcome};
use crate::wire::RecordType;

/// By region, which class it is in, and what the classes come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Classes {
    pub(super) by_region: Box<[u16]>,
    pub(super) all: Box<[Arc<Class>]>,
}

/// What clients of one class get now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) outcome: Outcome,
    /// The probes whose verdicts decided it, ascending.
    heard: Box<[ProbeId]>,
    /// Only drained endpoints are left (G10).
    pub(super) forced: bool,
}

/// An outcome has more branches than `limits.variants`.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooManyVariants;

/// What differs in health and drains since a snapshot of the same plan.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Those that went up or down, ascending.
    pub(super) probes: Vec<ProbeId>,
    /// Those that were drained, or no longer are.
    pub(super) endpoints: Vec<EndpointId>,
}

impl Changes {
    fn concern(&self, class: &Class) -> bool {
        // One of the two is short: a flip has one probe, a class seldom more than the depth of its regions.
        if self.probes.len() < class.heard.len() {
            self.probes.iter().any(|probe| class.heard.binary_search(probe).is_ok())
        } else {
            class.heard.iter().any(|probe| self.probes.binary_search(probe).is_ok())
        }
    }
}

impl Classes {
    /// Evaluates all of a steered name and type.
    pub(super) fn of(steer: &Steer, rtype: RecordType, conditions: Conditions<'_>) -> Result<Self, TooManyVariants> {
        let mut making = Making::new(steer, rtype, conditions);
        for region in 0..steer.region_count() {
            let class = making.evaluated(region)?;
            making.by_region.push(class);
        }
        Ok(making.finish())
    }

    /// Evaluates what `changes` concern, which came since `self` was made; `None` if that is nothing.
    pub(super) fn after(
        &self,
        changes: &Changes,
        steer: &Steer,
        rtype: RecordType,
        conditions: Conditions<'_>,
    ) -> Result<Option<Self>, TooManyVariants> {
        // Who is drained is asked at every step, and changes seldom: then nothing is kept.
        let is_drained = changes.endpoints.iter().any(|endpoint| steer.endpoints.contains(endpoint));
        let stale: Vec<bool> = self.all.iter().map(|class| is_drained || changes.concern(class)).collect();
        if !stale.contains(&true) {
            return Ok(None);
        }
        let mut making = Making::new(steer, rtype, conditions);
        let mut kept_as: Vec<Option<u16>> = vec![None; self.all.len()];
        for (region, &before) in (0..).zip(&self.by_region) {
            let before = usize::from(before);
            let class = if stale[before] {
                making.evaluated(region)?
            } else {
                *kept_as[before].get_or_insert_with(|| making.push(Arc::clone(&self.all[before])))
            };
            making.by_region.push(class);
        }
        Ok(Some(making.finish()))
    }

    /// What clients of a region get.
    pub(super) fn of_region(&self, region: u16) -> &Class {
        &self.all[usize::from(self.by_region[usize::from(region)])]
    }
}

/// Classes while they are found, region by region.
pub(super) struct Making<'a> {
    steer: &'a Steer,
    evaluator: Evaluator<'a>,
    paths: Paths,
    by_region: Vec<u16>,
    all: Vec<Arc<Class>>,
}

impl<'a> Making<'a> {
    pub(super) fn new(steer: &'a Steer, rtype: RecordType, conditions: Conditions<'a>) -> Self {
        let by_region = Vec::with_capacity(steer.region_count().into());
        let evaluator = Evaluator::new(conditions, rtype, steer.view(0));
        Self { steer, evaluator, paths: Paths::default(), by_region, all: Vec::new() }
    }

    /// The class of a region: one that was found before, if an evaluation would read the same.
    pub(super) fn evaluated(&mut self, region: u16) -> Result<u16, TooManyVariants> {
        let view = self.steer.view(region);
        if let Some(class) = self.paths.find(&view) {
            return Ok(class);
        }
        self.evaluator.turn_to(view);
        let outcome = self.evaluator.outcome(self.steer.root).ok_or(TooManyVariants)?;
        let (heard, forced) = (self.evaluator.heard().into(), self.evaluator.was_forced());
        let class = self.push(Arc::new(Class { outcome, heard, forced }));
        self.paths.insert(self.evaluator.asked(), class);
        Ok(class)
    }

    /// What a class that was found comes to.
    pub(super) fn class(&self, class: u16) -> &Class {
        &self.all[usize::from(class)]
    }

    fn push(&mut self, class: Arc<Class>) -> u16 {
        self.all.push(class);
        (self.all.len() - 1) as u16
    }

    fn finish(self) -> Classes {
        Classes { by_region: self.by_region.into(), all: self.all.into() }
    }
}
