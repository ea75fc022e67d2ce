//! The rolling sweep: every outcome is worked out anew, a slice at a time, and compared with what is served.
//!
//! Invariants: a slice takes a fixed time at most, and what it takes is a small part of the time until the next one,
//! whatever is failing; within these bounds a round ends in half a minute, and twice that is what is promised.

use std::time::{Duration, Instant};

use crate::snapshot::{Place, Snapshot};

/// A slice works no longer than this, and one evaluation more: far below what flips of health may wait.
const SLICE: Duration = Duration::from_millis(2);
/// Slices take at most this part of the time: 5 % of one core.
const PART: u32 = 20;
/// What a round takes, where its slices leave the time.
const ROUND: Duration = Duration::from_secs(30);

/// How far the round has come, and when it goes on. Times are arguments.
#[derive(Debug)]
pub(super) struct Sweep {
    place: Place,
    due: Instant,
}

impl Sweep {
    pub(super) fn new(now: Instant) -> Self {
        Self { place: Place::default(), due: now + ROUND / 2 }
    }

    /// When the next slice is to be worked on.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Works on one slice. Numbers of the steered names whose answers are not what they should be.
    pub(super) fn slice(&mut self, snapshot: &Snapshot, mut clock: impl FnMut() -> Instant) -> Vec<u32> {
        let all = snapshot.plan.steers.len();
        if self.place.steer >= all {
            // Another plan, with fewer of them.
            self.place = Place::default();
        }
        let (began, from) = (clock(), self.place.steer);
        // Should it fail, it is not tried again at once.
        self.due = began + ROUND;
        let differing = snapshot.recheck(&mut self.place, || clock() >= began + SLICE);
        let took = clock().saturating_duration_since(began);
        let done = if self.place == Place::default() { all - from } else { self.place.steer - from };
        let fair = ROUND.mul_f64(if all == 0 { 1.0 } else { done as f64 / all as f64 });
        self.due = began + (took * PART).max(fair);
        differing
    }
}

#[cfg(test)]
impl Sweep {
    /// One whose first slice is due.
    pub(super) fn at_once(now: Instant) -> Self {
        Self { due: now, ..Self::new(now) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::config::{Overrides, model::Model};
    use crate::health::Verdict;
    use crate::snapshot::{Inputs, compile};

    const MS: Duration = Duration::from_millis(1);

    /// Many names, each the nearer of two endpoints, the first of which is checked.
    fn model(names: usize) -> Model {
        let place = tempfile::tempdir().unwrap();
        let mut zone = String::from("zone = \"a.test\"\n[records]\n\"@\" = { NS = \"ns.b.test.\" }\n");
        (0..names).for_each(|n| zone += &format!("n{n} = {{ route = \"r{n}\" }}\n"));
        zone += "[checks.c]\ntype = \"tcp\"\nport = 1\n";
        zone += "[endpoints.one]\nA = \"192.0.2.1\"\nat = \"DE\"\ncheck = \"c\"\n";
        zone += "[endpoints.two]\nA = \"192.0.2.2\"\nat = \"JP\"\n";
        (0..names)
            .for_each(|n| zone += &format!("[routes.r{n}]\npolicy = \"geoproximity\"\nto = [\"one\", \"two\"]\n"));
        std::fs::write(place.path().join("a.test.toml"), zone).unwrap();
        let overrides = Overrides { zones: Some(place.path().to_owned()), ..Overrides::default() };
        crate::config::load(None, &overrides).model.unwrap()
    }

    fn snapshot(names: usize) -> Snapshot {
        let inputs = Inputs {
            model: Arc::new(model(names)),
            places: Arc::new(crate::geo::world().unwrap()),
            verdicts: vec![Verdict::Up].into(),
            drained: BTreeSet::new(),
            seed: 0,
        };
        compile(&inputs, 1, None).unwrap()
    }

    /// Slices until the round is over, by a clock that goes on by `step` at each look: how many there were, how long
    /// they worked, and when the round ended.
    fn round(
        sweep: &mut Sweep,
        snapshot: &Snapshot,
        now: &Cell<Instant>,
        step: Duration,
    ) -> (usize, Duration, Instant) {
        let (mut slices, mut worked) = (0, Duration::ZERO);
        loop {
            now.set(now.get().max(sweep.due()));
            let began = now.get();
            let differing = sweep.slice(snapshot, || {
                now.set(now.get() + step);
                now.get()
            });
            assert!(differing.is_empty());
            (slices, worked) = (slices + 1, worked + (now.get() - began));
            assert!(now.get() - began <= SLICE + 3 * step, "a slice ends in time");
            if sweep.place == Place::default() {
                return (slices, worked, sweep.due());
            }
        }
    }

    #[test]
    fn r7_a_round_is_spread_over_its_time_and_takes_no_more_than_its_part_of_it() {
        let snapshot = snapshot(40);
        for (step, least) in [(MS / 1000, 1), (MS / 5, 10), (5 * MS, 40)] {
            let start = Instant::now();
            let (now, mut sweep) = (Cell::new(start), Sweep::at_once(start));
            let (slices, worked, end) = round(&mut sweep, &snapshot, &now, step);
            assert!(slices >= least, "{slices} slices with {step:?}");
            assert!(end - start <= 2 * ROUND, "{:?}", end - start);
            assert!(end - start >= ROUND - MS, "{:?}", end - start);
            assert!(worked * (PART - 1) <= end - start, "{worked:?} of {:?}", end - start);
        }
    }

    #[test]
    fn r7_what_was_missed_is_found_wherever_it_is_and_mended() {
        let up = snapshot(12);
        let inputs = Inputs { verdicts: vec![Verdict::Down].into(), ..up.inputs.clone() };
        let down = compile(&inputs, 2, Some(&up)).unwrap();
        let wrong = down.with_answers_of(&up);
        let now = Cell::new(Instant::now());
        let mut sweep = Sweep::at_once(now.get());
        let mut found = BTreeSet::new();
        loop {
            found.extend(sweep.slice(&wrong, || {
                now.set(now.get() + MS);
                now.get()
            }));
            if sweep.place == Place::default() {
                break;
            }
        }
        assert_eq!(found, (0..12).collect());
        let mended = wrong.mended(&Vec::from_iter(found)).unwrap();
        assert_eq!(mended.steered, down.steered);
        assert_eq!(mended.generation, wrong.generation + 1);
    }
}
