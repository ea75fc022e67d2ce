//! Finding an owner in [`Records`].

use std::hash::{BuildHasher, Hasher, RandomState};

use super::{OwnerRef, Records};
use crate::wire::{Lowered, NameRef};

/// The owners of [`Records`] by name; eight octets an owner, and eight to sixteen for finding it. Keyed anew each
/// time, so that nobody can choose names that fall together.
#[derive(Debug)]
pub struct RecordsIndex {
    seed: u64,
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
            // The keys of a hasher come from the system's generator.
            seed: RandomState::new().build_hasher().finish(),
            slots: vec![0; (count + count / 2 + 1).next_power_of_two()].into(),
            owners: Vec::with_capacity(count),
            again: Vec::new(),
        };
        let (mut first, mut position) = (0, 0);
        let mut name = Lowered::root(index.seed);
        let mut rrsets = records.iter();
        while let Some((is_first, rrset)) = rrsets.step() {
            if is_first {
                let number = index.owners.len();
                index.owners.push(Place { position: position as u32, first });
                // In place: the name stands behind its length.
                let begin = position + 1;
                name.read(&records.octets, begin, begin + rrset.owner.as_wire().len());
                let hash = name.hash();
                match index.search(records, rrset.owner, hash) {
                    Ok(known) => index.again.push((number, known)),
                    Err(slot) => index.slots[slot] = hash & TAG | (number as u64 + 1),
                }
            }
            first += rrset.rdata.len() as u32;
            position = records.octets.len() - rrsets.rest.len();
        }
        index
    }

    /// The number of an owner, in order from 0: of the first run of blocks where several have its name.
    pub fn find(&self, records: &Records, name: NameRef<'_>) -> Option<usize> {
        self.search(records, name, Lowered::new(name.as_wire(), self.seed).hash()).ok()
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
