//! From what the probes found to what the policies read: inverted, disabled and calculated (H7). Pure.
//!
//! Unchecked is neither up nor down here: a calculated check that its unchecked operands could still turn stays
//! unchecked, so that its inverse does not begin as down (G5).

use std::collections::BTreeSet;

use super::{Verdict, Verdicts};
use crate::config::model::{CheckKind, Model, Probe, ProbeId, Subject};

/// The verdict of every probe of `model`. `raw` is what was found, by probe; missing ones count as unchecked, those
/// of calculated and disabled probes are not read.
pub fn derive(model: &Model, raw: &[Verdict]) -> Verdicts {
    Derived::new(model, raw).verdicts
}

/// Verdicts that follow what is found, at the cost of what hangs on it.
#[derive(Debug, Default)]
pub(super) struct Derived {
    verdicts: Verdicts,
    /// An operand and a calculated probe that reads it, by operand.
    readers: Vec<(usize, usize)>,
    /// By probe, when it is worked out: after all that it reads. Loops are errors of the files; here the one that would
    /// close a loop is taken for unchecked.
    turns: Vec<usize>,
}

impl Derived {
    /// As [`derive`] has it.
    pub(super) fn new(model: &Model, raw: &[Verdict]) -> Self {
        let order = order(model);
        let mut verdicts = vec![Verdict::Unchecked; model.probes.len()];
        let mut turns = vec![0; model.probes.len()];
        for (turn, &at) in order.iter().enumerate() {
            let of = |id: ProbeId| verdicts.get(id.index()).copied().unwrap_or_default();
            verdicts[at] = of_probe(model, &model.probes[at], raw.get(at).copied().unwrap_or_default(), of);
            turns[at] = turn;
        }
        let pairs =
            model.probes.iter().enumerate().flat_map(|(reader, p)| operands(model, p).map(move |o| (o, reader)));
        let mut readers: Vec<(usize, usize)> = pairs.collect();
        readers.sort_unstable();
        readers.dedup();
        Self { verdicts: verdicts.into(), readers, turns }
    }

    /// Takes what was found anew of some probes of the same model.
    pub(super) fn update(&mut self, model: &Model, found: impl IntoIterator<Item = (ProbeId, Verdict)>) {
        let mut due = BTreeSet::new();
        for (id, raw) in found {
            self.settle(model, id.index(), raw, &mut due);
        }
        while let Some((_, at)) = due.pop_first() {
            self.settle(model, at, Verdict::Unchecked, &mut due);
        }
    }

    pub(super) fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Works one probe out; if it comes to something else, those that read it are due.
    fn settle(&mut self, model: &Model, at: usize, raw: Verdict, due: &mut BTreeSet<(usize, usize)>) {
        let (Some(probe), Some(&turn)) = (model.probes.get(at), self.turns.get(at)) else { return };
        let id = ProbeId(at as u32);
        let verdict = of_probe(model, probe, raw, |id| self.verdicts.get(id));
        if verdict == self.verdicts.get(id) {
            return;
        }
        self.verdicts.set(id, verdict);
        let first = self.readers.partition_point(|&(operand, _)| operand < at);
        let readers = self.readers[first..].iter().take_while(|&&(operand, _)| operand == at);
        let later = readers.map(|&(_, reader)| (self.turns[reader], reader)).filter(|&(next, _)| next > turn);
        due.extend(later);
    }
}

/// All probes, each after those that it reads.
fn order(model: &Model) -> Vec<usize> {
    let mut order = Vec::with_capacity(model.probes.len());
    let mut is_placed = vec![false; model.probes.len()];
    let mut begun = is_placed.clone();
    let mut stack = Vec::new();
    for start in 0..model.probes.len() {
        stack.push(start);
        // An explicit stack: operands may be nested as deep as a file is long.
        while let Some(&at) = stack.last() {
            let before = stack.len();
            if !is_placed[at] && !std::mem::replace(&mut begun[at], true) {
                stack.extend(operands(model, &model.probes[at]).filter(|&operand| !begun[operand]));
            }
            if stack.len() == before {
                stack.pop();
                if !std::mem::replace(&mut is_placed[at], true) {
                    order.push(at);
                }
            }
        }
    }
    order
}

fn operands<'a>(model: &'a Model, probe: &'a Probe) -> impl Iterator<Item = usize> + 'a {
    let lists: &[Vec<ProbeId>] = match &probe.subject {
        Subject::Calculated(lists) => lists,
        Subject::Address(_) | Subject::Target(_) => &[],
    };
    lists.iter().flatten().map(|id| id.index()).filter(|&index| index < model.probes.len())
}

fn of_probe(model: &Model, probe: &Probe, raw: Verdict, of: impl Fn(ProbeId) -> Verdict) -> Verdict {
    let Some(check) = model.checks.get(probe.check.index()) else { return Verdict::Unchecked };
    if check.disabled {
        return Verdict::Up;
    }
    let plain = match (&probe.subject, &check.kind) {
        (Subject::Calculated(lists), CheckKind::Calculated { at_least }) => calculate(lists, *at_least, of),
        _ => raw,
    };
    match (check.inverted, plain) {
        (true, Verdict::Up) => Verdict::Down,
        (true, Verdict::Down) => Verdict::Up,
        (_, plain) => plain,
    }
}

fn calculate(lists: &[Vec<ProbeId>], at_least: u32, of: impl Fn(ProbeId) -> Verdict) -> Verdict {
    let surely_up = lists.iter().filter(|list| list.iter().any(|&id| of(id) == Verdict::Up)).count();
    let perhaps_up = lists.iter().filter(|list| list.iter().any(|&id| of(id).is_up())).count();
    let enough = |count: usize| u32::try_from(count).unwrap_or(u32::MAX) >= at_least;
    if enough(surely_up) {
        Verdict::Up
    } else if enough(perhaps_up) {
        Verdict::Unchecked
    } else {
        Verdict::Down
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::health::sample;

    use Verdict::{Down, Unchecked, Up};

    /// Two plain probes, then calculated ones over the given operands.
    fn calculated(at_least: u32, lists: &[&[u32]]) -> Model {
        let mut model = Model::default();
        let plain = sample::tcp_check("plain");
        sample::add_target(&mut model, plain.clone(), "a.example");
        sample::add_target(&mut model, plain, "b.example");
        let lists = lists.iter().map(|list| list.iter().copied().map(ProbeId).collect()).collect();
        sample::add_calculated(&mut model, at_least, lists);
        model
    }

    fn last(model: &Model, raw: &[Verdict]) -> Verdict {
        derive(model, raw).iter().last().unwrap_or_default()
    }

    #[test]
    fn h7_calculated_is_up_while_at_least_n_operands_are() {
        let model = calculated(2, &[&[0], &[1]]);
        assert_eq!(last(&model, &[Up, Up]), Up);
        assert_eq!(last(&model, &[Up, Down]), Down);
        assert_eq!(last(&model, &[Up, Unchecked]), Unchecked);
    }

    #[test]
    fn h7_an_operand_is_up_while_any_of_its_probes_is() {
        let model = calculated(1, &[&[0, 1]]);
        assert_eq!(last(&model, &[Down, Up]), Up);
        assert_eq!(last(&model, &[Down, Down]), Down);
    }

    #[test]
    fn h7_at_least_zero_is_always_up_and_above_the_count_always_down() {
        assert_eq!(last(&calculated(0, &[&[0], &[1]]), &[Down, Down]), Up);
        assert_eq!(last(&calculated(0, &[]), &[]), Up);
        assert_eq!(last(&calculated(3, &[&[0], &[1]]), &[Up, Up]), Down);
    }

    #[test]
    fn h7_inverted_flips_and_leaves_unchecked_alone() {
        let mut model = Model::default();
        let mut check = sample::tcp_check("plain");
        check.inverted = true;
        sample::add_target(&mut model, check, "a.example");
        assert_eq!(last(&model, &[Up]), Down);
        assert_eq!(last(&model, &[Down]), Up);
        assert_eq!(last(&model, &[Unchecked]), Unchecked);
    }

    #[test]
    fn h7_the_inverse_of_a_calculated_check_does_not_begin_as_down() {
        let mut model = calculated(1, &[&[0]]);
        let check = model.probes[2].check.index();
        model.checks[check].inverted = true;
        assert_eq!(last(&model, &[Unchecked, Up]), Unchecked);
        assert_eq!(last(&model, &[Up, Up]), Down);
    }

    #[test]
    fn h7_disabled_is_up_even_when_inverted() {
        let mut model = Model::default();
        let mut check = sample::tcp_check("plain");
        check.disabled = true;
        check.inverted = true;
        sample::add_target(&mut model, check, "a.example");
        for raw in [Up, Down, Unchecked] {
            assert_eq!(last(&model, &[raw]), Up, "{raw}");
        }
    }

    #[test]
    fn h7_calculated_checks_nest_to_any_depth_in_any_order() {
        let mut model = calculated(1, &[&[0]]);
        for below in 2..20_000 {
            sample::add_calculated(&mut model, 1, vec![vec![ProbeId(below)]]);
        }
        assert_eq!(last(&model, &[Down, Up]), Down);
        assert_eq!(last(&model, &[Up, Up]), Up);
        model.probes.reverse();
        let count = model.probes.len() as u32;
        for probe in &mut model.probes {
            if let Subject::Calculated(lists) = &mut probe.subject {
                lists.iter_mut().flatten().for_each(|id| id.0 = count - 1 - id.0);
            }
        }
        let mut raw = vec![Up; count as usize];
        raw[count as usize - 1] = Down;
        assert_eq!(derive(&model, &raw).get(ProbeId(0)), Down);
    }

    #[test]
    fn a_loop_of_calculated_checks_ends_and_is_unchecked() {
        let mut model = Model::default();
        sample::add_calculated(&mut model, 1, vec![vec![ProbeId(1)]]);
        sample::add_calculated(&mut model, 1, vec![vec![ProbeId(0)]]);
        assert_eq!(derive(&model, &[]), Verdicts::from(vec![Unchecked, Unchecked]));
    }

    proptest! {
        #[test]
        fn h7_what_is_worked_out_step_by_step_is_what_all_of_it_comes_to(
            plain in 1usize..6,
            above in prop::collection::vec((0u32..4, prop::collection::vec(any::<prop::sample::Index>(), 0..5), any::<bool>()), 0..12),
            found in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3), 0..20),
        ) {
            let mut model = Model::default();
            for number in 0..plain {
                let mut check = sample::tcp_check("plain");
                check.inverted = number % 2 == 1;
                sample::add_target(&mut model, check, &format!("{number}.example"));
            }
            for (at_least, operands, inverted) in above {
                let count = model.probes.len();
                let lists = operands.iter().map(|operand| vec![ProbeId(operand.index(count) as u32)]).collect();
                let id = sample::add_calculated(&mut model, at_least, lists);
                let check = model.probes[id.index()].check.index();
                model.checks[check].inverted = inverted;
            }
            let mut raw = vec![Unchecked; plain];
            let mut derived = Derived::new(&model, &raw);
            for some in found.chunks(2) {
                let some: Vec<_> = some.iter().map(|(at, verdict)| (at.index(plain), [Up, Down, Unchecked][*verdict])).collect();
                some.iter().for_each(|&(at, verdict)| raw[at] = verdict);
                derived.update(&model, some.into_iter().map(|(at, verdict)| (ProbeId(at as u32), verdict)));
                prop_assert_eq!(derived.verdicts(), &derive(&model, &raw));
            }
        }
    }
}
