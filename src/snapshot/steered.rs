//! The answers of one steered name now: by type, by region, by draw.

use std::collections::HashMap;
use std::net::IpAddr;

use super::compile::CompileError;
use super::plan::Steer;
use super::ready::{Ready, ReadyRef};
use crate::config::model::RouteId;
use crate::geo::Map;
use crate::policy::sticky::{self, Network};
use crate::policy::{AnswerSet, Conditions, Evaluator, Leaf, Match, Outcome};
use crate::wire::RecordType;

/// One tree's answers under the verdicts of one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct SteeredAnswers {
    /// By type, ascending.
    pub types: Box<[SteeredType]>,
    /// Some client is answered with drained endpoints, since nothing else is left (G10).
    pub forced: bool,
    /// For whom that is so: types and regions, ascending.
    forced_for: Box<[(RecordType, u16)]>,
    variants: Box<[Ready]>,
}

/// One type's answers.
#[derive(Debug, PartialEq, Eq)]
pub struct SteeredType {
    /// The type.
    pub rtype: RecordType,
    by_region: Box<[u32]>,
    outcomes: Box<[Choice]>,
}

/// A compiled [`Outcome`].
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// (last draw, what it comes to), ascending up to `u64::MAX`.
    branches: Box<[(u64, Pick)]>,
}

#[derive(Debug, PartialEq, Eq)]
enum Pick {
    Nodata,
    Variant(u32),
    Sticky(Box<Sticky>),
}

#[derive(Debug, PartialEq, Eq)]
struct Sticky {
    salt: String,
    members: Box<[(String, u16, Choice)]>,
}

impl SteeredAnswers {
    /// Evaluates every region and type of a tree.
    pub fn evaluate(steer: &Steer, conditions: Conditions<'_>) -> Result<Self, CompileError> {
        let mut variants = Variants { ttl: steer.ttl, numbers: HashMap::new(), ready: Vec::new() };
        let mut forced_for = Vec::new();
        let regions = steer.regions.as_ref().map_or(1, |regions| regions.count());
        let mut types = Vec::new();
        for &rtype in &steer.types {
            let mut numbers: HashMap<Outcome, u32> = HashMap::new();
            let mut outcomes = Vec::new();
            let mut by_region = Vec::with_capacity(regions);
            for region in 0..regions {
                let mut evaluator = Evaluator::new(conditions, rtype, steer.matches(region as u16));
                let outcome = evaluator.outcome(steer.root).ok_or_else(|| CompileError::TooManyVariants {
                    route: conditions.model.route(steer.root).name.clone(),
                    limit: conditions.model.server.limits.variants,
                })?;
                if evaluator.was_forced() {
                    forced_for.push((rtype, region as u16));
                }
                let next = outcomes.len() as u32;
                let number = *numbers.entry(outcome).or_insert_with_key(|outcome| {
                    outcomes.push(variants.choice(outcome));
                    next
                });
                by_region.push(number);
            }
            types.push(SteeredType { rtype, by_region: by_region.into(), outcomes: outcomes.into() });
        }
        Ok(Self {
            types: types.into(),
            forced: !forced_for.is_empty(),
            forced_for: forced_for.into(),
            variants: variants.ready.into(),
        })
    }

    /// Whether some client gets drained endpoints that did not in `before`, which has the same regions.
    pub(super) fn is_forced_further(&self, before: &Self) -> bool {
        self.forced_for.iter().any(|client| before.forced_for.binary_search(client).is_err())
    }

    /// The answers of a type.
    pub fn of_type(&self, rtype: RecordType) -> Option<&SteeredType> {
        self.types.binary_search_by_key(&rtype, |steered| steered.rtype).ok().map(|at| &self.types[at])
    }

    /// What a draw comes to for this client; `None` is NODATA by policy.
    pub fn pick<'a>(&'a self, choice: &'a Choice, draw: u64, client: IpAddr) -> Option<ReadyRef<'a>> {
        let mut choice = choice;
        loop {
            let at = choice.branches.partition_point(|&(last, _)| last < draw);
            match &choice.branches[at].1 {
                Pick::Nodata => return None,
                Pick::Variant(number) => return Some(self.variants[*number as usize].view()),
                Pick::Sticky(sticky) => {
                    let members = sticky.members.iter().map(|(name, weight, _)| (name.as_str(), *weight));
                    choice = &sticky.members[sticky::pick(&sticky.salt, members, Network::of(client))].2;
                }
            }
        }
    }
}

impl SteeredType {
    /// The choice of a region.
    pub fn choice(&self, region: u16) -> &Choice {
        &self.outcomes[self.by_region[usize::from(region)] as usize]
    }
}

impl Steer {
    /// What a region means, by route.
    pub fn matches(&self, region: u16) -> HashMap<RouteId, Match> {
        let Some(regions) = &self.regions else { return HashMap::new() };
        let matches = self.question.matches(regions.key(region));
        self.routes.iter().copied().zip(matches).filter_map(|(route, found)| Some((route, found?))).collect()
    }

    /// The map, where clients differ.
    pub fn map(&self) -> Option<&Map> {
        self.regions.as_ref().filter(|regions| regions.count() > 1).map(|regions| &regions.map)
    }
}

/// Finished answers, each kept once.
struct Variants {
    ttl: u32,
    numbers: HashMap<AnswerSet, u32>,
    ready: Vec<Ready>,
}

impl Variants {
    fn choice(&mut self, outcome: &Outcome) -> Choice {
        let branches = outcome.branches.iter().map(|branch| (branch.last, self.pick(&branch.leaf))).collect();
        Choice { branches }
    }

    fn pick(&mut self, leaf: &Leaf) -> Pick {
        match leaf {
            Leaf::Nodata => Pick::Nodata,
            Leaf::Answer(answer) => Pick::Variant(self.number(answer)),
            Leaf::Sticky(sticky) => {
                let members = sticky.members.iter();
                let members = members.map(|(name, weight, outcome)| (name.clone(), *weight, self.choice(outcome)));
                Pick::Sticky(Box::new(Sticky { salt: sticky.salt.clone(), members: members.collect() }))
            }
        }
    }

    fn number(&mut self, answer: &AnswerSet) -> u32 {
        if let Some(&number) = self.numbers.get(answer) {
            return number;
        }
        let number = self.ready.len() as u32;
        self.ready.push(Ready::new(answer.rtype, self.ttl, &answer.records, answer.take));
        self.numbers.insert(answer.clone(), number);
        number
    }
}
