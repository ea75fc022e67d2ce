//! Working out anew what is served, a piece at a time: a change that was missed shows itself, and is mended.

use std::collections::HashSet;
use std::sync::Arc;

use super::Snapshot;
use super::classes::Making;
use super::compile::CompileError;
use super::steered::SteeredAnswers;
use crate::policy::Conditions;

/// How far a round over all steered names has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of the steered name.
    pub steer: usize,
    rtype: usize,
    region: u16,
}

impl Snapshot {
    /// Evaluates anew from `place` on, and moves it, until `enough` says so or the round is over, in which case `place`
    /// is at the beginning again. Numbers of the steered names whose answers are not what they should be; such a name is
    /// not looked at further. Something is evaluated in any case.
    pub fn recheck(&self, place: &mut Place, mut enough: impl FnMut() -> bool) -> Vec<u32> {
        let up = self.inputs.verdicts.up();
        let conditions = Conditions { model: &self.inputs.model, up: &up, drained: &self.inputs.drained };
        let mut differing = Vec::new();
        while let Some(steer) = self.plan.steers.get(place.steer) {
            let answers = &self.steered[place.steer];
            while let Some(&rtype) = steer.types.get(place.rtype) {
                let mut making = Making::new(steer, rtype, conditions);
                let mut agreed = HashSet::new();
                while place.region < steer.region_count() {
                    let region = place.region;
                    let class = making.evaluated(region).ok();
                    let served = answers.served(place.rtype, region);
                    let is_new = agreed.insert((class, served));
                    place.region += 1;
                    let expected = class.map(|class| making.class(class));
                    if is_new && !expected.is_some_and(|class| answers.agree(place.rtype, region, class, steer.ttl)) {
                        differing.push(place.steer as u32);
                        (place.region, place.rtype) = (steer.region_count(), steer.types.len());
                    }
                    if is_new && enough() {
                        return differing;
                    }
                }
                (place.rtype, place.region) = (place.rtype + 1, 0);
            }
            *place = Place { steer: place.steer + 1, ..Place::default() };
            if enough() {
                break;
            }
        }
        if place.steer >= self.plan.steers.len() {
            *place = Place::default();
        }
        differing
    }

    /// The same with fresh answers for some steered names.
    ///
    /// # Errors
    /// A limit is passed.
    pub fn mended(&self, numbers: &[u32]) -> Result<Self, CompileError> {
        let up = self.inputs.verdicts.up();
        let conditions = Conditions { model: &self.inputs.model, up: &up, drained: &self.inputs.drained };
        let mut fresh = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let answers = SteeredAnswers::evaluate(&self.plan.steers[number as usize], conditions)?;
            fresh.push((number, Arc::new(answers)));
        }
        let mut steered = self.steered.clone();
        steered.replace(fresh);
        let forced = (0..).zip(steered.iter()).filter(|(_, answers)| answers.forced).map(|(number, _)| number);
        let forced = forced.collect();
        Ok(Self {
            generation: self.generation + 1,
            inputs: self.inputs.clone(),
            plan: Arc::clone(&self.plan),
            steered,
            forced,
        })
    }
}

#[cfg(test)]
impl Snapshot {
    /// The answers of another snapshot of the same plan, as a change that was missed leaves them.
    pub(crate) fn with_answers_of(&self, other: &Self) -> Self {
        Self {
            generation: self.generation,
            inputs: self.inputs.clone(),
            plan: Arc::clone(&self.plan),
            steered: other.steered.clone(),
            forced: Arc::clone(&other.forced),
        }
    }
}
