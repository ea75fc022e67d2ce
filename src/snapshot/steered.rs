//! The answers of one steered name now, laid out so that a client's region leads to its answer in few steps.
//!
//! Layout: for each type a word a region, its [`Choice`]. A choice that no draw decides is a variant, and its word says
//! where that lies in `variants`: a head, then the finished octets, for one address both in one cache line. Others are a
//! run of branches that a draw picks from, or a sticky node that the client's network picks from.

use std::net::IpAddr;
use std::sync::Arc;

use super::classes::{Changes, Class, Classes};
use super::compile::CompileError;
use super::plan::Steer;
use super::ready::{Ready, ReadyRef};
use super::variants::Variants;
use crate::geo::{FastMap, Map};
use crate::policy::sticky::{self, Network};
use crate::policy::{self, AnswerSet, Conditions, Leaf, Outcome, View};
use crate::wire::RecordType;

/// One tree's answers under the verdicts of one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct SteeredAnswers {
    first: RecordType,
    regions: u32,
    /// By type, by region.
    words: Box<[u32]>,
    variants: Variants,
    /// Runs of branches; before each an entry that counts them.
    branches: Box<[Branch]>,
    sticky: Box<[Sticky]>,
    /// Types after the first, ascending.
    others: Box<[RecordType]>,
    /// Some client is answered with drained endpoints, since nothing else is left (G10).
    pub forced: bool,
    /// What all of it was made of, by type.
    classes: Box<[Arc<Classes>]>,
}

/// Whose network a sticky node picks by (W10): asked for only where there is one.
pub trait Asking {
    /// An address in it.
    fn address(&self) -> IpAddr;
}

/// One type's answers.
#[derive(Clone, Copy, Debug)]
pub struct SteeredType<'a> {
    by_region: &'a [u32],
}

/// What a region comes to: the kind in the upper two bits, where it lies in the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Choice(u32);

/// The bits that say what a choice is.
const KIND: u32 = 0b11 << 30;
/// An answer, at this place of the variants.
const VARIANT: u32 = 0 << 30;
/// Branches that a draw picks from; their count is at this number.
const BRANCHES: u32 = 1 << 30;
/// Members that the client's network picks from (W10).
const STICKY: u32 = 2 << 30;
/// NODATA, asked for by the route (G4).
const NODATA: u32 = 3 << 30;

/// Draws up to `last`, inclusive, come to `choice`; ascending, the last one up to `u64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Branch {
    last: u64,
    choice: Choice,
}

#[derive(Debug, PartialEq, Eq)]
struct Sticky {
    salt: String,
    members: Box<[(String, u16, Choice)]>,
}

impl SteeredAnswers {
    /// Evaluates every region and type of a tree.
    pub fn evaluate(steer: &Steer, conditions: Conditions<'_>) -> Result<Self, CompileError> {
        let classes = |&rtype| Classes::of(steer, rtype, conditions).map(Arc::new);
        let classes: Result<Vec<_>, _> = steer.types.iter().map(classes).collect();
        Ok(Self::lay_out(steer, classes.map_err(|_| too_many(steer, conditions))?))
    }

    /// Evaluates what `changes` concern, which came since `self` was made; `None` if all stays as it is.
    pub(super) fn after(
        &self,
        changes: &Changes,
        steer: &Steer,
        conditions: Conditions<'_>,
    ) -> Result<Option<Self>, CompileError> {
        let mut classes = Vec::with_capacity(self.classes.len());
        let mut is_other = false;
        for (&rtype, before) in steer.types.iter().zip(&self.classes) {
            let after = before.after(changes, steer, rtype, conditions).map_err(|_| too_many(steer, conditions))?;
            is_other |= after.is_some();
            classes.push(after.map_or_else(|| Arc::clone(before), Arc::new));
        }
        Ok(is_other.then(|| Self::lay_out(steer, classes)))
    }

    fn lay_out(steer: &Steer, classes: Vec<Arc<Classes>>) -> Self {
        let regions = usize::from(steer.region_count());
        let mut layout = Layout { ttl: steer.ttl, ..Layout::default() };
        let mut words = Vec::with_capacity(regions * classes.len());
        for of_type in &classes {
            let choices: Vec<u32> = of_type.all.iter().map(|class| layout.choice(&class.outcome).0).collect();
            words.extend(of_type.by_region.iter().map(|&class| choices[usize::from(class)]));
        }
        let forced = classes.iter().any(|of_type| of_type.all.iter().any(|class| class.forced));
        Self {
            first: steer.types.first().copied().unwrap_or(RecordType(0)),
            regions: regions as u32,
            words: words.into(),
            variants: layout.variants.packed(),
            branches: layout.branches.into(),
            sticky: layout.sticky.into(),
            others: steer.types.get(1..).unwrap_or_default().into(),
            forced,
            classes: classes.into(),
        }
    }

    /// Whether some client gets drained endpoints that did not in `before`, which has the same regions.
    pub(super) fn is_forced_further(&self, before: &Self) -> bool {
        let is_forced = |classes: &Classes, region: u16| classes.of_region(region).forced;
        self.classes.iter().zip(&before.classes).any(|(now, before)| {
            (0..self.regions as u16).any(|region| is_forced(now, region) && !is_forced(before, region))
        })
    }

    /// The answers of a type.
    #[inline(always)]
    pub fn of_type(&self, rtype: RecordType) -> Option<SteeredType<'_>> {
        if rtype == self.first {
            return self.first_type();
        }
        self.others.iter().position(|&other| other == rtype).and_then(|at| self.nth_type(at + 1))
    }

    /// The answers of the first type: CNAME where it stands for all.
    #[inline]
    pub fn first_type(&self) -> Option<SteeredType<'_>> {
        self.nth_type(0)
    }

    #[inline]
    fn nth_type(&self, at: usize) -> Option<SteeredType<'_>> {
        let regions = self.regions as usize;
        self.words.get(at * regions..(at + 1) * regions).map(|by_region| SteeredType { by_region })
    }

    /// What a draw comes to for this client; `None` is NODATA by policy.
    #[inline(always)]
    pub fn pick(&self, choice: Choice, draw: u64, client: impl Asking) -> Option<ReadyRef<'_>> {
        match choice.0 & KIND {
            VARIANT => Some(self.variants.get((choice.0 & !KIND) as usize)),
            NODATA => None,
            _ => self.pick_by_draw(choice, draw, client),
        }
    }

    #[inline(never)]
    fn pick_by_draw(&self, choice: Choice, draw: u64, client: impl Asking) -> Option<ReadyRef<'_>> {
        self.draw(choice, draw, Some(client.address()))
    }

    /// As [`Self::pick`], for whoever asks; `None` also where the client has a say in it (W10).
    pub fn pick_for_anyone(&self, choice: Choice, draw: u64) -> Option<ReadyRef<'_>> {
        self.draw(choice, draw, None)
    }

    fn draw(&self, mut choice: Choice, draw: u64, client: Option<IpAddr>) -> Option<ReadyRef<'_>> {
        loop {
            let at = (choice.0 & !KIND) as usize;
            match choice.0 & KIND {
                VARIANT => return Some(self.variants.get(at)),
                BRANCHES => {
                    let count = self.branches[at].last as usize;
                    let branches = &self.branches[at + 1..at + 1 + count];
                    choice = branches[branches.partition_point(|branch| branch.last < draw)].choice;
                }
                STICKY => {
                    let Sticky { salt, members } = &self.sticky[at];
                    let named = members.iter().map(|(name, weight, _)| (name.as_str(), *weight));
                    choice = members[sticky::pick(salt, named, Network::of(client?))].2;
                }
                _ => return None,
            }
        }
    }
}

/// Comparing what is served with what it should be, for the sweep.
impl SteeredAnswers {
    /// What clients of a region get of the type at `at`, as numbers: the same ones are the same answers.
    pub(super) fn served(&self, at: usize, region: u16) -> Option<(Choice, u16)> {
        let choice = self.nth_type(at)?.choice(region);
        Some((choice, self.classes.get(at)?.by_region[usize::from(region)]))
    }

    /// Whether that is what `class` says, in the records of the control side and in the octets that are sent.
    pub(super) fn agree(&self, at: usize, region: u16, class: &Class, ttl: u32) -> bool {
        let known = self.classes.get(at).map(|classes| classes.of_region(region));
        let choice = self.nth_type(at).map(|of_type| of_type.choice(region));
        known == Some(class) && choice.is_some_and(|choice| self.serves(choice, &class.outcome, ttl))
    }

    fn serves(&self, choice: Choice, outcome: &Outcome, ttl: u32) -> bool {
        if let [only] = &outcome.branches[..] {
            return self.serves_leaf(choice, &only.leaf, ttl);
        }
        let at = (choice.0 & !KIND) as usize;
        let run = self.branches.get(at).and_then(|head| self.branches.get(at + 1..at + 1 + head.last as usize));
        choice.0 & KIND == BRANCHES
            && run.is_some_and(|run| {
                let serves = |(served, branch): (&Branch, &policy::Branch)| {
                    served.last == branch.last && self.serves_leaf(served.choice, &branch.leaf, ttl)
                };
                run.len() == outcome.branches.len() && run.iter().zip(&outcome.branches).all(serves)
            })
    }

    fn serves_leaf(&self, choice: Choice, leaf: &Leaf, ttl: u32) -> bool {
        let (kind, at) = (choice.0 & KIND, (choice.0 & !KIND) as usize);
        match leaf {
            Leaf::Nodata => kind == NODATA,
            Leaf::Answer(AnswerSet { rtype, records, take }) => {
                kind == VARIANT && self.variants.get(at) == Ready::new(*rtype, ttl, records, *take).view()
            }
            Leaf::Sticky(pick) => self.sticky.get(at).is_some_and(|Sticky { salt, members }| {
                let serves = |(served, (name, weight, outcome)): (&(String, u16, Choice), &(String, u16, Outcome))| {
                    served.0 == *name && served.1 == *weight && self.serves(served.2, outcome, ttl)
                };
                kind == STICKY
                    && *salt == pick.salt
                    && members.len() == pick.members.len()
                    && members.iter().zip(&pick.members).all(serves)
            }),
        }
    }
}

fn too_many(steer: &Steer, conditions: Conditions<'_>) -> CompileError {
    CompileError::TooManyVariants {
        route: conditions.model.route(steer.root).name.clone(),
        limit: conditions.model.server.limits.variants,
    }
}

impl SteeredType<'_> {
    /// The choice of a region.
    #[inline]
    pub fn choice(&self, region: u16) -> Choice {
        Choice(self.by_region[usize::from(region)])
    }
}

impl Steer {
    /// How many regions it tells apart, at least one.
    pub fn region_count(&self) -> u16 {
        // There are 65,534 at most (geo::map::MAX_REGIONS).
        self.regions.as_ref().map_or(1, |regions| regions.count() as u16)
    }

    /// A region as the tree sees it.
    pub fn view(&self, region: u16) -> View<'_> {
        View::new(self.regions.as_ref().map(|regions| &regions.matches), region, &self.nodes)
    }

    /// The map, where clients differ.
    pub fn map(&self) -> Option<&Map> {
        self.regions.as_ref().filter(|regions| regions.count() > 1).map(|regions| &regions.map)
    }
}

/// Answers while they are laid out, each kept once.
#[derive(Default)]
struct Layout<'a> {
    ttl: u32,
    variants: Variants,
    known: FastMap<&'a AnswerSet, Choice>,
    branches: Vec<Branch>,
    runs: FastMap<Vec<Branch>, Choice>,
    sticky: Vec<Sticky>,
}

impl<'a> Layout<'a> {
    fn choice(&mut self, outcome: &'a Outcome) -> Choice {
        if let [only] = &outcome.branches[..] {
            return self.leaf(&only.leaf);
        }
        let run: Vec<Branch> = outcome
            .branches
            .iter()
            .map(|branch| Branch { last: branch.last, choice: self.leaf(&branch.leaf) })
            .collect();
        *self.runs.entry(run).or_insert_with_key(|run| {
            let choice = Choice(BRANCHES | self.branches.len() as u32);
            self.branches.push(Branch { last: run.len() as u64, choice });
            self.branches.extend_from_slice(run);
            choice
        })
    }

    fn leaf(&mut self, leaf: &'a Leaf) -> Choice {
        match leaf {
            Leaf::Nodata => Choice(NODATA),
            Leaf::Answer(answer) => *self.known.entry(answer).or_insert_with(|| {
                let ready = Ready::new(answer.rtype, self.ttl, &answer.records, answer.take);
                Choice(VARIANT | self.variants.push(ready.view()))
            }),
            Leaf::Sticky(pick) => {
                let members =
                    pick.members.iter().map(|(name, weight, outcome)| (name.clone(), *weight, self.choice(outcome)));
                let members = members.collect();
                let choice = Choice(STICKY | self.sticky.len() as u32);
                self.sticky.push(Sticky { salt: pick.salt.clone(), members });
                choice
            }
        }
    }
}
