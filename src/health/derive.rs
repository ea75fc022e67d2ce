//! From what the probes found to what the policies read: inverted, disabled and calculated (H7). Pure.
//!
//! Unchecked is neither up nor down here: a calculated check that its unchecked operands could still turn stays
//! unchecked, so that its inverse does not begin as down (G5).

use super::{Verdict, Verdicts};
use crate::config::model::{CheckKind, Model, Probe, ProbeId, Subject};

/// The verdict of every probe of `model`. `raw` is what was found, by probe; missing ones count as unchecked, those
/// of calculated and disabled probes are not read.
pub fn derive(model: &Model, raw: &[Verdict]) -> Verdicts {
    let mut derived: Vec<Option<Verdict>> = vec![None; model.probes.len()];
    let mut begun = vec![false; model.probes.len()];
    let mut stack = Vec::new();
    for start in 0..model.probes.len() {
        stack.push(start);
        // An explicit stack: operands may be nested as deep as a file is long.
        while let Some(&at) = stack.last() {
            if derived[at].is_some() {
                stack.pop();
                continue;
            }
            let probe = &model.probes[at];
            let before = stack.len();
            if !std::mem::replace(&mut begun[at], true) {
                stack.extend(operands(model, probe).filter(|&operand| derived[operand].is_none() && !begun[operand]));
            }
            if stack.len() == before {
                derived[at] = Some(of_probe(model, probe, raw.get(at).copied().unwrap_or_default(), &derived));
                stack.pop();
            }
        }
    }
    Verdicts(derived.into_iter().map(Option::unwrap_or_default).collect())
}

fn operands<'a>(model: &'a Model, probe: &'a Probe) -> impl Iterator<Item = usize> + 'a {
    let lists: &[Vec<ProbeId>] = match &probe.subject {
        Subject::Calculated(lists) => lists,
        Subject::Address(_) | Subject::Target(_) => &[],
    };
    lists.iter().flatten().map(|id| id.index()).filter(|&index| index < model.probes.len())
}

fn of_probe(model: &Model, probe: &Probe, raw: Verdict, derived: &[Option<Verdict>]) -> Verdict {
    let Some(check) = model.checks.get(probe.check.index()) else { return Verdict::Unchecked };
    if check.disabled {
        return Verdict::Up;
    }
    let plain = match (&probe.subject, &check.kind) {
        (Subject::Calculated(lists), CheckKind::Calculated { at_least }) => calculate(lists, *at_least, derived),
        _ => raw,
    };
    match (check.inverted, plain) {
        (true, Verdict::Up) => Verdict::Down,
        (true, Verdict::Down) => Verdict::Up,
        (_, plain) => plain,
    }
}

fn calculate(lists: &[Vec<ProbeId>], at_least: u32, derived: &[Option<Verdict>]) -> Verdict {
    let of = |id: &ProbeId| derived.get(id.index()).copied().flatten().unwrap_or_default();
    let surely_up = lists.iter().filter(|list| list.iter().any(|id| of(id) == Verdict::Up)).count();
    let perhaps_up = lists.iter().filter(|list| list.iter().any(|id| of(id).is_up())).count();
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
        derive(model, raw).0.last().copied().unwrap_or_default()
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
        assert_eq!(derive(&model, &[]).0, [Unchecked, Unchecked]);
    }
}
