//! The verdicts of all probes, as they go from the checker to the compiler.
//!
//! Invariant: every chunk but the last is full. Copies share their chunks until one of them is changed, so that taking
//! the verdicts of ten thousand probes copies one pointer, and two that came of each other are compared by what was
//! changed since.

use std::sync::Arc;

use super::Verdict;
use crate::config::model::ProbeId;

/// Probes of one chunk: small enough to copy for one flip, large enough that the list of chunks is short.
const CHUNK: usize = 256;

/// One verdict a probe of a model, calculated and inverted ones worked out.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    chunks: Arc<[Arc<[Verdict]>]>,
}

impl Verdicts {
    /// How many probes there are.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The verdict of a probe; unchecked where there is none.
    pub fn get(&self, probe: ProbeId) -> Verdict {
        let chunk = self.chunks.get(probe.index() / CHUNK);
        chunk.and_then(|chunk| chunk.get(probe.index() % CHUNK)).copied().unwrap_or_default()
    }

    /// Changes the verdict of a probe, here and in no copy; a probe that there is not has none to change. Costs a copy of
    /// the probe's chunk when it is shared.
    pub fn set(&mut self, probe: ProbeId, verdict: Verdict) {
        if probe.index() >= self.len() || self.get(probe) == verdict {
            return;
        }
        let chunk = &mut Arc::make_mut(&mut self.chunks)[probe.index() / CHUNK];
        Arc::make_mut(chunk)[probe.index() % CHUNK] = verdict;
    }

    /// In the order of the probes.
    pub fn iter(&self) -> impl Iterator<Item = Verdict> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.iter().copied())
    }

    /// All of them, in the order of the probes.
    pub fn to_vec(&self) -> Vec<Verdict> {
        self.iter().collect()
    }

    /// By probe, whether it counts as up.
    pub fn up(&self) -> Vec<bool> {
        self.iter().map(Verdict::is_up).collect()
    }

    /// The probes whose verdict is another one in `other`, in their order; one that is missing counts as unchecked. Costs
    /// a look at each chunk that the two do not share.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = ProbeId> + 'a {
        (0..self.chunks.len().max(other.chunks.len())).flat_map(move |number| {
            let (one, two) = (self.chunks.get(number), other.chunks.get(number));
            let is_shared = matches!((one, two), (Some(one), Some(two)) if Arc::ptr_eq(one, two));
            let size = if is_shared { 0 } else { one.map_or(0, |c| c.len()).max(two.map_or(0, |c| c.len())) };
            let of =
                |chunk: Option<&Arc<[Verdict]>>, at: usize| chunk.and_then(|c| c.get(at)).copied().unwrap_or_default();
            (0..size).filter(move |&at| of(one, at) != of(two, at)).map(move |at| ProbeId((number * CHUNK + at) as u32))
        })
    }
}

impl PartialEq for Verdicts {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
            || (self.len() == other.len() && self.differing(other).next().is_none())
    }
}

impl Eq for Verdicts {}

impl From<Vec<Verdict>> for Verdicts {
    fn from(verdicts: Vec<Verdict>) -> Self {
        Self { chunks: verdicts.chunks(CHUNK).map(Arc::from).collect() }
    }
}

impl FromIterator<Verdict> for Verdicts {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        Vec::from_iter(verdicts).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use Verdict::{Down, Unchecked, Up};

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![Just(Up), Just(Down), Just(Unchecked)]
    }

    proptest! {
        #[test]
        fn verdicts_are_a_list_that_is_changed_one_at_a_time_and_copies_stay_as_they_were(
            before in prop::collection::vec(any_verdict(), 0..1000),
            changes in prop::collection::vec((0u32..1100, any_verdict()), 0..20),
        ) {
            let (first, mut list) = (Verdicts::from(before.clone()), before.clone());
            let mut verdicts = first.clone();
            for (at, verdict) in changes {
                verdicts.set(ProbeId(at), verdict);
                if let Some(place) = list.get_mut(at as usize) {
                    *place = verdict;
                }
                prop_assert_eq!(verdicts.get(ProbeId(at)), list.get(at as usize).copied().unwrap_or_default());
            }
            prop_assert!(verdicts.iter().eq(list.iter().copied()) && first.iter().eq(before.iter().copied()));
            prop_assert_eq!((verdicts.len(), verdicts.is_empty()), (list.len(), list.is_empty()));
            let differ = (0..list.len()).filter(|&at| list[at] != before[at]).map(|at| ProbeId(at as u32));
            prop_assert!(verdicts.differing(&first).eq(differ.clone()) && first.differing(&verdicts).eq(differ));
            prop_assert_eq!(verdicts == first, list == before);
            prop_assert_eq!(&verdicts, &Verdicts::from(list));
        }
    }

    #[test]
    fn lists_of_unequal_length_differ_where_one_has_more_than_unchecked() {
        let (short, long) = (Verdicts::from(vec![Up; 3]), Verdicts::from(vec![Up, Up, Up, Unchecked, Down]));
        assert!(short.differing(&long).eq([ProbeId(4)]) && long.differing(&short).eq([ProbeId(4)]));
        assert_ne!(short, Verdicts::from(vec![Up, Up, Up, Unchecked]));
    }

    #[test]
    fn a_change_leaves_the_chunks_of_the_others_shared() {
        let before = Verdicts::from(vec![Up; 10 * CHUNK]);
        let mut after = before.clone();
        after.set(ProbeId(3 * CHUNK as u32), Down);
        let shared = before.chunks.iter().zip(after.chunks.iter()).filter(|(one, two)| Arc::ptr_eq(one, two));
        assert_eq!(shared.count(), 9);
    }
}
