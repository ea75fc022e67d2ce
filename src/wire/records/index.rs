//! Finding an owner in [`Records`].

use std::hash::{BuildHasher, Hasher, RandomState};

use super::{OwnerRef, Records};
use crate::wire::NameRef;
use crate::wire::name::MAX_NAME;

/// The owners of [`Records`] by name; eight octets an owner, and eight to sixteen for finding it. Keyed anew each
/// time, so that nobody can choose names that fall together.
#[derive(Debug)]
pub struct RecordsIndex {
    keys: RandomState,
    /// Open addressing: the upper half of the hash above the number of the owner, from 1; 0 is free.
    slots: Box<[u64]>,
    owners: Vec<Place>,
    again: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    position: u32,
    /// How many records stand before.
    first: u32,
}

impl RecordsIndex {
    /// Reads all owners. The records must take less than 4 GiB.
    pub fn of(records: &Records) -> Self {
        let count = records.owner_count();
        let mut index = Self {
            keys: RandomState::new(),
            slots: vec![0; (count + count / 2 + 1).next_power_of_two()].into(),
            owners: Vec::with_capacity(count),
            again: Vec::new(),
        };
        let mut first = 0;
        for (number, owner) in records.owners().enumerate() {
            index.owners.push(Place { position: owner.position as u32, first });
            first += owner.rrsets().map(|rrset| rrset.rdata.len() as u32).sum::<u32>();
            let hash = index.hash(owner.name);
            match index.search(records, owner.name, hash) {
                Ok(known) => index.again.push((number, known)),
                Err(slot) => index.slots[slot] = hash & TAG | (number as u64 + 1),
            }
        }
        index
    }

    /// The number of an owner, in order from 0: of the first run of blocks where several have its name.
    pub fn find(&self, records: &Records, name: NameRef<'_>) -> Option<usize> {
        self.search(records, name, self.hash(name)).ok()
    }

    /// An owner by its number.
    pub fn owner<'r>(&self, records: &'r Records, number: usize) -> OwnerRef<'r> {
        records.owner_at(self.owners[number].position as usize)
    }

    /// How many records stand before those of an owner.
    pub fn first_record(&self, number: usize) -> usize {
        self.owners[number].first as usize
    }

    /// Runs of blocks whose owner has an earlier run: the numbers of both.
    pub fn again(&self) -> &[(usize, usize)] {
        &self.again
    }

    fn hash(&self, name: NameRef<'_>) -> u64 {
        let wire = name.as_wire();
        let mut lower = [0; MAX_NAME];
        let lower = &mut lower[..wire.len()];
        lower.copy_from_slice(wire);
        lower.make_ascii_lowercase();
        let mut hasher = self.keys.build_hasher();
        hasher.write(lower);
        hasher.finish()
    }

    /// The owner's number, or the slot where it would go.
    fn search(&self, records: &Records, name: NameRef<'_>, hash: u64) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let entry = self.slots[slot];
            if entry == 0 {
                return Err(slot);
            }
            let number = (entry & !TAG) as usize - 1;
            if entry & TAG == hash & TAG && self.owner(records, number).name == name {
                return Ok(number);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// The part of a hash that a slot keeps.
const TAG: u64 = !(u32::MAX as u64);
