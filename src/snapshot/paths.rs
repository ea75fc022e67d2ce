//! What evaluations have read, as a tree: a region that agrees with an earlier one in all that was read of it needs no
//! evaluation of its own.
//!
//! Invariant: an evaluation is deterministic, so that what it asks next depends on what it has found and on nothing else.

use crate::policy::{Asked, View};

/// The evaluations of one steered name and type under the conditions of one moment.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// The first one is the root.
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    /// What is asked, and by what was found, ascending, the step after it.
    Asks(Asked, Vec<(u32, u32)>),
    Ends(u16),
}

impl Paths {
    /// The class in which an evaluation of this region would end, if one has gone that way before.
    pub(super) fn find(&self, view: &View<'_>) -> Option<u16> {
        let mut step = self.steps.first()?;
        loop {
            match step {
                Step::Ends(class) => return Some(*class),
                Step::Asks(asked, next) => {
                    let found = view.finds(asked).found();
                    let at = next.binary_search_by_key(&found, |&(found, _)| found).ok()?;
                    step = &self.steps[next[at].1 as usize];
                }
            }
        }
    }

    /// Notes an evaluation: what it asked, in that order, and its class.
    pub(super) fn insert(&mut self, asked: &[Asked], class: u16) {
        let step = |asked: Option<&Asked>| match asked {
            Some(&asked) => Step::Asks(asked, Vec::new()),
            None => Step::Ends(class),
        };
        if self.steps.is_empty() {
            self.steps.push(step(asked.first()));
        }
        let mut at = 0;
        for (number, now) in asked.iter().enumerate() {
            let fresh = self.steps.len() as u32;
            let Step::Asks(before, next) = &mut self.steps[at] else { return };
            debug_assert!(before.is_about(now), "an evaluation asked another thing where one had found the same");
            at = match next.binary_search_by_key(&now.found(), |&(found, _)| found) {
                Ok(known) => next[known].1 as usize,
                Err(place) => {
                    next.insert(place, (now.found(), fresh));
                    self.steps.push(step(asked.get(number + 1)));
                    fresh as usize
                }
            };
        }
    }
}
