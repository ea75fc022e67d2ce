//! One question asked of every network.

use super::classify::Classifier;
use super::facts::{Context, Facts};
use super::matches::Matches;
use super::question::Question;
use crate::geo::map::MAX_REGIONS;
use crate::geo::{FastMap, Listed, Map, Places};

/// A question's map and what each of its regions stands for.
#[derive(Debug)]
pub struct Regions {
    /// Client to region.
    pub map: Map,
    /// The networks that the map distinguishes by, beside the databases.
    pub listed: Listed,
    /// What each region stands for.
    pub matches: Matches,
    sticky: Vec<bool>,
}

/// A question splits its clients into more regions than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRegions;

impl Regions {
    /// Asks every network. At least one region results, at most `limit`.
    pub fn build(
        question: &Question,
        places: &Places,
        context: &Context,
        limit: usize,
    ) -> Result<Self, TooManyRegions> {
        let latency = question.asks_latency().then(|| context.latency_networks());
        let listed = Listed::new(question.networks().chain(context.networks()).chain(latency.into_iter().flatten()));
        let mut classifier = Classifier::new(question, context);
        let mut key: Vec<u16> = Vec::new();
        let mut numbers: FastMap<Box<[u16]>, u16> = FastMap::default();
        let mut keys: Vec<Box<[u16]>> = Vec::new();
        let mut overflow = false;
        let map = Map::build(places, &listed, |place, net| {
            let facts = Facts::new(context, places.place(place), listed.chain(net).collect());
            classifier.region(&facts, &mut key);
            if let Some(&number) = numbers.get(key.as_slice()) {
                return number;
            }
            if keys.len() >= limit.min(MAX_REGIONS) {
                overflow = true;
                return 0;
            }
            let number = keys.len() as u16;
            numbers.insert(key.as_slice().into(), number);
            keys.push(key.as_slice().into());
            number
        });
        let sticky = keys.iter().map(|key| question.reaches_sticky(key)).collect();
        if overflow {
            return Err(TooManyRegions);
        }
        let matches = Matches::new(question, keys.iter().map(|key| &**key));
        Ok(Self { map, listed, matches, sticky })
    }

    /// How many regions there are.
    pub fn count(&self) -> usize {
        self.sticky.len()
    }

    /// Whether a client's own /24 or /56 has a say beyond its region (W10).
    pub fn is_sticky(&self, region: u16) -> bool {
        self.sticky[usize::from(region)]
    }
}
