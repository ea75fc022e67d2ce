//! From what changes to whom it concerns: the steered names that listen to a probe, or can come to an endpoint.

use crate::config::model::{EndpointId, Model, ProbeId};

use super::plan::Steer;

/// The reverse of what steered names listen to.
#[derive(Debug, Default)]
pub struct Listeners {
    by_probe: Lists,
    by_endpoint: Lists,
}

impl Listeners {
    /// Turns round what the steered names of `model` say.
    pub(super) fn new(model: &Model, steers: &[Steer]) -> Self {
        let probes = steers.iter().map(|steer| steer.probes.iter().map(|probe| probe.index()));
        let endpoints = steers.iter().map(|steer| steer.endpoints.iter().map(|endpoint| endpoint.index()));
        Self {
            by_probe: Lists::turned_round(model.probes.len(), probes),
            by_endpoint: Lists::turned_round(model.endpoints.len(), endpoints),
        }
    }

    /// Numbers of the steered names that listen to a probe, ascending.
    pub fn of_probe(&self, probe: ProbeId) -> &[u32] {
        self.by_probe.get(probe.index())
    }

    /// Numbers of the steered names that can come to an endpoint, ascending.
    pub fn of_endpoint(&self, endpoint: EndpointId) -> &[u32] {
        self.by_endpoint.get(endpoint.index())
    }
}

/// Lists one behind the other.
#[derive(Debug, Default)]
struct Lists {
    ends: Box<[u32]>,
    numbers: Box<[u32]>,
}

impl Lists {
    /// From the subjects of each number to the numbers of each subject.
    fn turned_round<I: Iterator<Item = usize>>(subjects: usize, of: impl Iterator<Item = I> + Clone) -> Self {
        let mut counts = vec![0; subjects];
        of.clone().flatten().for_each(|subject| counts[subject] += 1);
        let mut next: Vec<u32> =
            counts.iter().scan(0, |end, count| Some(std::mem::replace(end, *end + count))).collect();
        let mut numbers = vec![0; counts.iter().sum::<u32>() as usize];
        for (number, subjects) in (0..).zip(of) {
            for subject in subjects {
                numbers[next[subject] as usize] = number;
                next[subject] += 1;
            }
        }
        Self { ends: next.into(), numbers: numbers.into() }
    }

    fn get(&self, subject: usize) -> &[u32] {
        let Some(&end) = self.ends.get(subject) else { return &[] };
        let start = subject.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.numbers[start as usize..end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_turned_round() {
        let of: [&[usize]; 4] = [&[1, 2], &[], &[2], &[0, 2, 4]];
        let lists = Lists::turned_round(5, of.iter().map(|subjects| subjects.iter().copied()));
        let found: Vec<&[u32]> = (0..6).map(|subject| lists.get(subject)).collect();
        assert_eq!(found, [&[3][..], &[0], &[0, 2, 3], &[], &[3], &[]]);
    }
}
