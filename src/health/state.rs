//! The threshold machine of one probe (H1). Events come in with their time; verdicts come out. No clock, no I/O.
//!
//! Invariant: at most one of the two runs is longer than zero, and the verdict changes only by an event that
//! completes a run.

use std::time::SystemTime;

use super::Verdict;

/// What one run of a probe came to, as far as the verdict is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The subject did what it should.
    Pass,
    /// It did not.
    Fail,
    /// Nothing was learnt of the subject (H13).
    NoResult,
}

/// How many in a row it takes; both count as 1 when they are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Consecutive failures until down.
    pub fall: u32,
    /// Consecutive passes until up.
    pub rise: u32,
}

/// The verdict of one probe and the run that may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    verdict: Verdict,
    since: SystemTime,
    fails: u32,
    passes: u32,
}

impl Machine {
    /// Nothing known yet (G5).
    pub fn new(at: SystemTime) -> Self {
        Self { verdict: Verdict::Unchecked, since: at, fails: 0, passes: 0 }
    }

    /// Goes on from a verdict that was kept (G5). The run before it is not kept.
    pub fn restored(verdict: Verdict, since: SystemTime) -> Self {
        Self { verdict, since, fails: 0, passes: 0 }
    }

    /// Takes one event; the new verdict if it changed.
    ///
    /// While unchecked one pass is enough: the first verdict is wanted soon (G5), and until then the subject counts
    /// as up anyway.
    pub fn record(&mut self, event: Event, at: SystemTime, thresholds: Thresholds) -> Option<Verdict> {
        match event {
            Event::Pass => {
                self.fails = 0;
                self.passes = self.passes.saturating_add(1);
            }
            Event::Fail => {
                self.passes = 0;
                self.fails = self.fails.saturating_add(1);
            }
            Event::NoResult => return None,
        }
        let next = if self.fails >= thresholds.fall.max(1) {
            Verdict::Down
        } else if self.passes >= if self.verdict == Verdict::Unchecked { 1 } else { thresholds.rise.max(1) } {
            Verdict::Up
        } else {
            self.verdict
        };
        if next == self.verdict {
            return None;
        }
        self.verdict = next;
        self.since = at;
        Some(next)
    }

    /// What is held to be true now.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Since when.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Failures in a row, up to now.
    pub fn fails(&self) -> u32 {
        self.fails
    }

    /// Passes in a row, up to now.
    pub fn passes(&self) -> u32 {
        self.passes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn play(machine: &mut Machine, events: &str, thresholds: Thresholds) -> Vec<Verdict> {
        let mut at = UNIX_EPOCH;
        let mut verdicts = Vec::new();
        for letter in events.chars() {
            at += Duration::from_secs(1);
            let event = match letter {
                'P' => Event::Pass,
                'F' => Event::Fail,
                _ => Event::NoResult,
            };
            machine.record(event, at, thresholds);
            verdicts.push(machine.verdict());
        }
        verdicts
    }

    const DEFAULT: Thresholds = Thresholds { fall: 3, rise: 2 };

    #[test]
    fn h1_six_probes_f_f_p_f_f_f_go_down_at_the_sixth() {
        let mut machine = Machine::restored(Verdict::Up, UNIX_EPOCH);
        let verdicts = play(&mut machine, "FFPFFF", DEFAULT);
        assert_eq!(verdicts, [[Verdict::Up; 5].as_slice(), &[Verdict::Down]].concat());
        assert_eq!(machine.since(), UNIX_EPOCH + Duration::from_secs(6));
    }

    #[test]
    fn h1_rise_passes_in_a_row_go_up_again() {
        let mut machine = Machine::restored(Verdict::Down, UNIX_EPOCH);
        let verdicts = play(&mut machine, "PFPP", DEFAULT);
        assert_eq!(verdicts, [Verdict::Down, Verdict::Down, Verdict::Down, Verdict::Up]);
    }

    #[test]
    fn g5_while_unchecked_one_pass_is_up_and_fall_failures_are_down() {
        let mut machine = Machine::new(UNIX_EPOCH);
        assert_eq!(play(&mut machine, "FFP", DEFAULT), [Verdict::Unchecked, Verdict::Unchecked, Verdict::Up]);
        let mut machine = Machine::new(UNIX_EPOCH);
        assert_eq!(play(&mut machine, "FFF", DEFAULT), [Verdict::Unchecked, Verdict::Unchecked, Verdict::Down]);
    }

    #[test]
    fn h13_no_result_neither_counts_nor_breaks_a_run() {
        let mut machine = Machine::restored(Verdict::Up, UNIX_EPOCH);
        assert_eq!(play(&mut machine, "FF---F", DEFAULT).last(), Some(&Verdict::Down));
        let mut machine = Machine::new(UNIX_EPOCH);
        assert_eq!(play(&mut machine, "-----", DEFAULT).last(), Some(&Verdict::Unchecked));
    }

    /// The statement read literally: look back over what was heard so far.
    fn naive(events: &[Event], thresholds: Thresholds) -> Verdict {
        let heard: Vec<Event> = events.iter().copied().filter(|&e| e != Event::NoResult).collect();
        let mut verdict = Verdict::Unchecked;
        for end in 1..=heard.len() {
            let tail = |n: u32, event| n as usize <= end && heard[end - n as usize..end].iter().all(|&e| e == event);
            let rise = if verdict == Verdict::Unchecked { 1 } else { thresholds.rise };
            if tail(thresholds.fall, Event::Fail) {
                verdict = Verdict::Down;
            } else if tail(rise, Event::Pass) {
                verdict = Verdict::Up;
            }
        }
        verdict
    }

    proptest! {
        #[test]
        fn h1_the_machine_agrees_with_a_look_at_the_whole_history(
            events in prop::collection::vec(prop_oneof![Just(Event::Pass), Just(Event::Fail), Just(Event::NoResult)], 0..60),
            fall in 1u32..6,
            rise in 1u32..6,
        ) {
            let thresholds = Thresholds { fall, rise };
            let mut machine = Machine::new(UNIX_EPOCH);
            for end in 0..events.len() {
                let before = machine.verdict();
                let change = machine.record(events[end], UNIX_EPOCH, thresholds);
                prop_assert_eq!(machine.verdict(), naive(&events[..=end], thresholds));
                prop_assert_eq!(change, (machine.verdict() != before).then_some(machine.verdict()));
            }
        }
    }
}
