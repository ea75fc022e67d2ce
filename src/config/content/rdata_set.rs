//! The data of one RRset, each record once however its names are spelled, found as fast among many records as among few.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::same;
use crate::wire::RecordType;
use crate::wire::rdata::without_case;

/// Up to so many places all of them are looked at: most RRsets are this small, and an index takes more than they do.
const FEW: usize = 16;

/// Data in the order in which it was added. Two records are one where [`same`] says so.
#[derive(Clone, Debug)]
pub(crate) struct RdataSet {
    rtype: RecordType,
    /// In order; `None` where a record was removed from among many. At least half of the places are taken, or there are
    /// [`FEW`].
    places: Vec<Option<Box<[u8]>>>,
    /// How many places are taken.
    len: usize,
    /// By the form without case, the place; none while there are few places, all of which are taken then. Ordered and
    /// not hashed, so that what begins alike stands together.
    index: Option<BTreeMap<Box<[u8]>, usize>>,
}

impl RdataSet {
    /// Without any record.
    pub(crate) fn of(rtype: RecordType) -> Self {
        Self { rtype, places: Vec::new(), len: 0, index: None }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All data in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().flatten().map(|data| &**data)
    }

    /// The data that was added last.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.places.iter().rev().flatten().next().map(|data| &**data)
    }

    /// Whether the record is there.
    pub(crate) fn contains(&self, data: &[u8]) -> bool {
        self.place(data).is_some()
    }

    /// The data whose form without case begins with `prefix`.
    pub(crate) fn beginning_with<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let few = self
            .index
            .is_none()
            .then(|| self.iter().filter(move |data| without_case(self.rtype, data).starts_with(prefix)));
        let many = self.index.as_ref().map(|index| {
            let behind = index.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
            let alike = behind.take_while(move |(form, _)| form.starts_with(prefix));
            alike.filter_map(|(_, &at)| self.places.get(at)?.as_deref())
        });
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    /// Adds a record at the end; false: it is there already.
    pub(crate) fn insert(&mut self, data: &[u8]) -> bool {
        if self.contains(data) {
            return false;
        }
        if let Some(index) = &mut self.index {
            index.insert(without_case(self.rtype, data).into(), self.places.len());
        }
        self.places.push(Some(data.into()));
        self.len += 1;
        if self.index.is_none() && self.places.len() > FEW {
            self.lay_out();
        }
        true
    }

    /// Removes a record; false: it is not there. The others keep their order.
    pub(crate) fn remove(&mut self, data: &[u8]) -> bool {
        let Some(at) = self.place(data) else { return false };
        self.len -= 1;
        match &mut self.index {
            None => drop(self.places.remove(at)),
            Some(index) => {
                index.remove(&*without_case(self.rtype, data));
                self.places[at] = None;
                if self.len < self.places.len() / 2 {
                    self.lay_out();
                }
            }
        }
        true
    }

    /// Leaves no place free, and indexes them if they are many. Takes as long as there are places, and comes again only
    /// when half as many records have come or gone.
    fn lay_out(&mut self) {
        self.places.retain(Option::is_some);
        let forms = || self.iter().map(|data| without_case(self.rtype, data).into());
        self.index = (self.len > FEW).then(|| forms().zip(0..).collect());
    }

    fn place(&self, data: &[u8]) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(&*without_case(self.rtype, data)).copied(),
            None => self.iter().position(|known| same(self.rtype, known, data)),
        }
    }
}

/// Equal when the same octets stand in the same order.
impl PartialEq for RdataSet {
    fn eq(&self, other: &Self) -> bool {
        self.rtype == other.rtype && self.len == other.len && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Additions and removals of few records and of many, their names spelled in two ways.
    fn steps() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
        let record = (0u8..60, any::<bool>()).prop_map(|(host, is_upper)| {
            let mut data = vec![0, host / 20, 2, b'a' + host % 20, b'x', 0];
            if is_upper {
                data[3].make_ascii_uppercase();
            }
            data
        });
        (1u32..100).prop_flat_map(move |adds| {
            let step = (proptest::bool::weighted(f64::from(adds) / 100.0), record.clone());
            proptest::collection::vec(step, 0..250)
        })
    }

    proptest! {
        #[test]
        fn a_set_of_data_is_what_comparing_each_with_each_would_make_of_it(steps in steps()) {
            for rtype in [RecordType::MX, RecordType::TXT] {
                let (mut set, mut held) = (RdataSet::of(rtype), Vec::<Vec<u8>>::new());
                for (adds, data) in &steps {
                    let found = held.iter().position(|known| same(rtype, known, data));
                    prop_assert_eq!(set.contains(data), found.is_some());
                    let is_done = if *adds { set.insert(data) } else { set.remove(data) };
                    prop_assert_eq!(is_done, found.is_some() != *adds);
                    match found {
                        Some(at) if !adds => drop(held.remove(at)),
                        None if *adds => held.push(data.clone()),
                        _ => {}
                    }
                }
                prop_assert!(set.iter().eq(held.iter().map(|data| &data[..])));
                prop_assert_eq!(set.last(), held.last().map(|data| &data[..]));
                prop_assert_eq!(set.is_empty(), held.is_empty());
                let mut again = RdataSet::of(rtype);
                prop_assert!(held.iter().all(|data| again.insert(data)));
                prop_assert_eq!(&again, &set);
                for prefix in [&[][..], &[0, 1], &[0, 1, 2, b'a'], &[9]] {
                    let mut found: Vec<_> = set.beginning_with(prefix).collect();
                    let begins = |data: &&Vec<u8>| without_case(rtype, data).starts_with(prefix);
                    let mut expected: Vec<&[u8]> = held.iter().filter(begins).map(|data| &data[..]).collect();
                    found.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected);
                }
            }
        }

        #[test]
        fn two_records_are_one_where_their_forms_without_case_are(
            rtype in proptest::sample::select(vec![RecordType::A, RecordType::TXT, RecordType::MX, RecordType::SVCB]),
            data in proptest::collection::vec(proptest::sample::select(vec![0, 1, 2, b'a', b'A']), 0..7),
            other in proptest::collection::vec(proptest::sample::select(vec![0, 1, 2, b'a', b'A']), 0..7),
            turned: u8,
        ) {
            let mut respelled = data.clone();
            for (at, octet) in respelled.iter_mut().enumerate() {
                if turned >> at & 1 == 1 {
                    *octet = if octet.is_ascii_uppercase() { b'a' } else { octet.to_ascii_uppercase() };
                }
            }
            for b in [&other, &respelled] {
                let is_one = without_case(rtype, &data) == without_case(rtype, b);
                prop_assert_eq!(same(rtype, &data, b), is_one);
            }
        }
    }

    #[test]
    fn a_set_has_an_index_only_while_it_has_many_records_and_few_places_are_free() {
        let mut set = RdataSet::of(RecordType::A);
        for octet in 0..100u8 {
            assert!(set.insert(&[octet; 4]));
            assert_eq!(set.index.is_some(), set.places.len() > FEW);
        }
        for octet in 0..100u8 {
            assert!(set.remove(&[octet; 4]));
            assert!(set.places.len() <= FEW.max(2 * set.len + 1), "{} of {}", set.len, set.places.len());
        }
        assert!(set.index.is_none() && set.places.is_empty());
    }
}
