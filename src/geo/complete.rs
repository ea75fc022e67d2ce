//! Several databases → one list: earlier ones win field by field, then our tables fill the rest.

use super::database::Fields;
use super::hash::FastMap;
use super::places::{PlaceId, Places, PlacesBuilder};
use crate::world::{self, Place};

/// `base`, and what it lacks from `next`. Where both name a country and they differ, nothing of `next` is of this
/// place. Where `base` alone names one, only the AS number is: coordinates without a country may lie anywhere.
pub(super) fn fill(base: Place, next: &Place) -> Place {
    let mut filled = base;
    if base.country.is_none() || base.country == next.country {
        filled.country = next.country;
        filled.subdivision = base.subdivision.or(next.subdivision);
        filled.at = base.at.or(next.at);
        filled.asn = base.asn.or(next.asn);
    } else if next.country.is_none() {
        filled.asn = base.asn.or(next.asn);
    }
    filled
}

/// The continent of the country (GL4), and where coordinates are missing the centre of population of the
/// subdivision, else of the country.
pub(super) fn settle(place: Place) -> Place {
    let country = place.country.and_then(world::country);
    let subdivision = || place.subdivision.and_then(|code| world::subdivision(code.as_str()));
    let centre = || subdivision().map(|s| s.centre).or_else(|| country.map(|c| c.centre));
    Place { continent: country.map(|c| c.continent), at: place.at.or_else(centre), ..place }
}

/// Every network's place of `base`, completed from `next`, which has `fields`.
pub(super) fn complete(base: &Places, next: &Places, fields: Fields) -> Places {
    let mut join = Join::new(base, next, fields);
    let mut base_v4 = base.v4().iter().copied().peekable();
    let mut next_v4 = next.v4().iter().copied().peekable();
    let (mut a, mut b) = (PlaceId::default(), PlaceId::default());
    while let Some(start) = step(&mut base_v4, &mut next_v4, &mut a, &mut b) {
        let id = join.id(a, b);
        join.builder.push_v4(start, id);
    }
    let mut base_v6 = base.v6().iter().copied().peekable();
    let mut next_v6 = next.v6().iter().copied().peekable();
    while let Some(start) = step(&mut base_v6, &mut next_v6, &mut a, &mut b) {
        let id = join.id(a, b);
        join.builder.push_v6(start, id);
    }
    join.builder.finish()
}

/// The same networks with every place changed by `f`.
pub(super) fn map(places: Places, f: impl Fn(Place) -> Place) -> Places {
    let mut builder = PlacesBuilder::default();
    let new: Vec<PlaceId> = places.ids().map(|id| builder.intern(&f(*places.place(id)))).collect();
    // Where no two places become one, each keeps its number, and only what the numbers stand for changes.
    if new.iter().copied().eq(places.ids()) {
        return builder.finish_with_runs_of(places);
    }
    builder.reserve(places.v4().len(), places.v6().len());
    places.v4().iter().for_each(|&(start, id)| builder.push_v4(start, new[id.0 as usize]));
    places.v6().iter().for_each(|&(start, id)| builder.push_v6(start, new[id.0 as usize]));
    builder.finish()
}

/// The next start of either list, with `a` and `b` brought up to it. Both lists begin at 0.
fn step<K: Ord + Copy>(
    base: &mut std::iter::Peekable<impl Iterator<Item = (K, PlaceId)>>,
    next: &mut std::iter::Peekable<impl Iterator<Item = (K, PlaceId)>>,
    a: &mut PlaceId,
    b: &mut PlaceId,
) -> Option<K> {
    let start = match (base.peek(), next.peek()) {
        (Some(&(x, _)), Some(&(y, _))) => x.min(y),
        (Some(&(x, _)), None) => x,
        (None, Some(&(y, _))) => y,
        (None, None) => return None,
    };
    if let Some((_, id)) = base.next_if(|&(s, _)| s == start) {
        *a = id;
    }
    if let Some((_, id)) = next.next_if(|&(s, _)| s == start) {
        *b = id;
    }
    Some(start)
}

struct Join<'a> {
    base: &'a Places,
    next: &'a Places,
    /// New ids of the places that lack nothing that `next` has. A city database has few others, and these cost
    /// neither a look at `next` nor a hash.
    whole: Vec<Option<PlaceId>>,
    builder: PlacesBuilder,
    known: FastMap<(PlaceId, PlaceId), PlaceId>,
}

impl<'a> Join<'a> {
    fn new(base: &'a Places, next: &'a Places, fields: Fields) -> Self {
        let mut builder = PlacesBuilder::default();
        let whole = base
            .ids()
            .map(|id| {
                let place = base.place(id);
                let lacks = !Fields::of(place).contains(fields);
                (!lacks).then(|| builder.intern(place))
            })
            .collect();
        builder.reserve(base.v4().len(), base.v6().len());
        Self { base, next, whole, builder, known: FastMap::default() }
    }

    fn id(&mut self, a: PlaceId, b: PlaceId) -> PlaceId {
        if let Some(id) = self.whole[a.0 as usize] {
            return id;
        }
        if let Some(&id) = self.known.get(&(a, b)) {
            return id;
        }
        let id = self.builder.intern(&fill(*self.base.place(a), self.next.place(b)));
        self.known.insert((a, b), id);
        id
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::world::{CountryCode, LatLon, SubdivisionCode};

    fn place(country: &str, subdivision: &str, at: Option<(f64, f64)>, asn: Option<u32>) -> Place {
        Place {
            continent: None,
            country: CountryCode::new(country),
            subdivision: SubdivisionCode::new(subdivision),
            at: at.map(|(lat, lon)| LatLon::new(lat, lon).unwrap()),
            asn,
        }
    }

    #[test]
    fn a_later_database_fills_only_what_is_missing() {
        let base = place("US", "", Some((1.0, 2.0)), None);
        let next = place("US", "US-CA", Some((3.0, 4.0)), Some(7));
        assert_eq!(fill(base, &next), place("US", "US-CA", Some((1.0, 2.0)), Some(7)));
    }

    #[test]
    fn a_later_database_of_another_country_fills_nothing() {
        let base = place("US", "", None, None);
        assert_eq!(fill(base, &place("CA", "CA-ON", Some((3.0, 4.0)), Some(7))), base);
    }

    #[test]
    fn without_a_country_of_its_own_a_later_database_gives_the_as_number_alone() {
        let base = place("US", "", None, None);
        assert_eq!(fill(base, &place("", "", Some((3.0, 4.0)), Some(7))), place("US", "", None, Some(7)));
    }

    #[test]
    fn an_earlier_database_without_a_country_takes_it_from_a_later_one() {
        let base = place("", "", None, Some(1));
        let next = place("CA", "CA-ON", Some((3.0, 4.0)), Some(7));
        assert_eq!(fill(base, &next), place("CA", "CA-ON", Some((3.0, 4.0)), Some(1)));
        assert_eq!(fill(Place::default(), &Place::default()), Place::default());
    }

    /// Runs (start, place) of both families; the IPv6 starts are the IPv4 ones.
    fn places(runs: &[(u32, Place)]) -> Places {
        let mut builder = PlacesBuilder::default();
        for (start, place) in runs {
            let id = builder.intern(place);
            builder.push_v4(*start, id);
            builder.push_v6(u64::from(*start), id);
        }
        builder.finish()
    }

    #[test]
    fn the_joined_list_has_the_starts_of_both_and_merges_equal_neighbours() {
        let us = place("US", "", Some((1.0, 2.0)), None);
        let asn = |n| place("", "", None, Some(n));
        let base = places(&[(10, us), (20, Place::default())]);
        let next = places(&[(5, asn(1)), (10, asn(1)), (15, asn(2)), (30, Place::default())]);
        let fields = Fields::of(&asn(1));
        let joined = complete(&base, &next, fields);
        let with = |n| Place { asn: Some(n), ..us };
        let expected = places(&[(5, asn(1)), (10, with(1)), (15, with(2)), (20, asn(2)), (30, Place::default())]);
        let read = |places: &Places| places.v4().iter().map(|&(s, id)| (s, *places.place(id))).collect::<Vec<_>>();
        assert_eq!(read(&joined), read(&expected));
        let read = |places: &Places| places.v6().iter().map(|&(s, id)| (s, *places.place(id))).collect::<Vec<_>>();
        assert_eq!(read(&joined), read(&expected));
    }

    #[test]
    fn changing_places_merges_what_becomes_equal() {
        let list = places(&[(1, place("US", "", None, Some(1))), (2, place("US", "", None, Some(2)))]);
        let mapped = map(list, |place| Place { asn: None, ..place });
        assert_eq!(mapped.v4().len(), 2);
        assert_eq!(mapped.distinct(), 2);
    }
}
