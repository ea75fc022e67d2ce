//! Runs of regions → the tables that a query reads.
//!
//! IPv4 is a 16-8 array: a slot for each /16 leads to as many words as its most divided part needs, 1 to 256. A query
//! reads a slot and a word, and nothing in between decides anything. IPv6 is a sorted list of runs behind an index:
//! a slot for each leading 16 bits, and below it about as many slots as there are runs; the scope is what the ends of
//! the run leave, so that runs need not be cut into prefixes. Networks are not spread evenly, so a few of the lower
//! slots hold hundreds of runs, most hold one or two.

use super::map::{IGNORED, Leaf, Region};
use super::runs::{Runs, V4_BITS, V6_BITS};

/// Values of the leading 16 bits.
const SLOTS: usize = 1 << 16;
/// Bits of a depth, 0 to 24, in a packed leaf.
const DEPTH_BITS: u32 = 5;
/// Regions from here on do not fit beside a depth into 16 bits; the last value there stands for [`IGNORED`].
const NARROW_REGIONS: Region = (1 << (16 - DEPTH_BITS)) - 1;

fn zeroed_slots() -> Box<[u32; SLOTS]> {
    // By way of a list, since an array would pass through the stack.
    vec![0; SLOTS].try_into().unwrap_or_else(|_| Box::new([0; SLOTS]))
}

/// One octet pattern of a /24: for each /16 a slot, for each slot its words.
#[derive(Debug)]
pub(super) struct V4Table {
    /// By the leading 16 bits: the number of the first word, and in [`SHIFT_BITS`] by how much the third octet is
    /// shifted to give the word after it.
    slots: Box<[u32; SLOTS]>,
    words: Words,
}

/// A shift of 0 to 8.
const SHIFT_BITS: u32 = 4;

/// Packed leaves.
#[derive(Debug)]
enum Words {
    /// Where there are few regions, as in nearly all maps: half the memory, and twice as much of it in a cache.
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl V4Table {
    pub(super) fn new(runs: &Runs) -> Self {
        let mut slots = zeroed_slots();
        let wide = runs.iter().any(|&(_, region)| (NARROW_REGIONS..IGNORED).contains(&region));
        let words = if wide {
            Words::Wide(fill(runs, &mut slots, pack))
        } else {
            Words::Narrow(fill(runs, &mut slots, |leaf| {
                pack(Leaf { region: leaf.region.min(NARROW_REGIONS), ..leaf }) as u16
            }))
        };
        Self { slots, words }
    }

    /// The leaf of a /24 number.
    #[inline]
    pub(super) fn find(&self, key: u32) -> Leaf {
        self.leaf(self.word(key))
    }

    /// Which word is that of a /24 number.
    #[inline]
    pub(super) fn word(&self, key: u32) -> usize {
        let slot = self.slots[usize::from((key >> 8) as u16)];
        (slot >> SHIFT_BITS) as usize + ((key & 0xff) >> (slot & ((1 << SHIFT_BITS) - 1))) as usize
    }

    /// What a word says.
    #[inline]
    pub(super) fn leaf(&self, word: usize) -> Leaf {
        match &self.words {
            Words::Narrow(words) => {
                let leaf = unpack(words[word].into());
                Leaf { region: if leaf.region == NARROW_REGIONS { IGNORED } else { leaf.region }, ..leaf }
            }
            Words::Wide(words) => unpack(words[word]),
        }
    }

    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.slots)
            + match &self.words {
                Words::Narrow(words) => size_of_val(&**words),
                Words::Wide(words) => size_of_val(&**words),
            }
    }
}

fn pack(leaf: Leaf) -> u32 {
    (u32::from(leaf.region) << DEPTH_BITS) | u32::from(leaf.depth)
}

#[inline]
fn unpack(packed: u32) -> Leaf {
    Leaf { region: (packed >> DEPTH_BITS) as Region, depth: (packed & ((1 << DEPTH_BITS) - 1)) as u8 }
}

/// Cuts runs into the largest aligned blocks, which are the prefixes that scopes speak of, and spreads them out.
fn fill<W: Copy>(runs: &Runs, slots: &mut [u32; SLOTS], pack: impl Fn(Leaf) -> W) -> Vec<W> {
    let mut words: Vec<W> = Vec::new();
    // The blocks of one divided /16, as (log2 of its /24s, word).
    let mut blocks: Vec<(u32, W)> = Vec::with_capacity(256);
    let mut finest = u32::from(V4_BITS);
    for (at, &(start, region)) in runs.iter().enumerate() {
        let end = runs.get(at + 1).map_or(1 << V4_BITS, |&(next, _)| next) as u32;
        let mut start = start as u32;
        while start < end {
            let free = start.trailing_zeros().min((end - start).ilog2()).min(V4_BITS.into());
            let word = pack(Leaf { region, depth: V4_BITS - free as u8 });
            let slot = (start >> 8) as usize;
            start += 1 << free;
            if free >= 8 {
                slots[slot..slot + (1 << (free - 8))].fill(((words.len() as u32) << SHIFT_BITS) | 8);
                words.push(word);
                continue;
            }
            blocks.push((free, word));
            finest = finest.min(free);
            if start & 0xff == 0 {
                slots[slot] = ((words.len() as u32) << SHIFT_BITS) | finest;
                for (free, word) in blocks.drain(..) {
                    words.extend(std::iter::repeat_n(word, 1 << (free - finest)));
                }
                finest = V4_BITS.into();
            }
        }
    }
    words.shrink_to_fit();
    words
}

/// Bits after the leading 16.
const LOW_BITS: u32 = V6_BITS as u32 - 16;
/// How a slot says that one leaf fills it; below this, the bits of the index.
const WHOLE: u32 = (1 << WIDTH_BITS) - 1;
/// Bits of a slot that say how many bits its index takes, 0 to [`WIDEST`].
const WIDTH_BITS: u32 = 5;
/// Bits that an index takes at most.
const WIDEST: u32 = 20;
/// Bits of a region below the start in a packed run.
const REGION_BITS: u32 = Region::BITS;

/// Runs in order, behind two levels of index.
#[derive(Debug)]
pub(super) struct V6Table {
    /// By the leading 16 bits: [`WHOLE`] and a packed leaf, or how many bits index the divided rest, and where the
    /// index of that begins.
    slots: Box<[u32; SLOTS]>,
    /// For each divided slot, by the next bits: the last run that begins at or before them; one more at the end.
    index: Vec<u32>,
    /// The low 40 bits that a run begins with, and its region. Each divided slot begins with a run and ends with a
    /// mark past all of its keys.
    runs: Vec<u64>,
}

impl V6Table {
    pub(super) fn new(runs: &Runs) -> Self {
        let mut table =
            Self { slots: zeroed_slots(), index: Vec::new(), runs: Vec::with_capacity(runs.len() + runs.len() / 16) };
        let end_of = |at: usize| runs.get(at + 1).map_or(1 << V6_BITS, |&(next, _)| next);
        // The run that covers the first key of the slot.
        let mut at = 0;
        for lead in 0..SLOTS as u64 {
            let (first, behind) = (lead << LOW_BITS, (lead + 1) << LOW_BITS);
            while end_of(at) <= first {
                at += 1;
            }
            let (start, region) = runs[at];
            if end_of(at) >= behind {
                let leaf = Leaf { region, depth: depth(first, start, end_of(at)) };
                table.slots[lead as usize] = (pack(leaf) << WIDTH_BITS) | WHOLE;
                continue;
            }
            let begin = table.runs.len();
            table.runs.push(region.into());
            while end_of(at) < behind {
                at += 1;
                table.runs.push(((runs[at].0 - first) << REGION_BITS) | u64::from(runs[at].1));
            }
            let width = table.push_index(begin);
            table.runs.push(1 << (LOW_BITS + REGION_BITS));
            table.slots[lead as usize] = width;
        }
        table.index.shrink_to_fit();
        table.runs.shrink_to_fit();
        table
    }

    /// Indexes the runs from `begin` on, which are those of one slot, and gives the slot.
    fn push_index(&mut self, begin: usize) -> u32 {
        let runs = &self.runs[begin..];
        let width = runs.len().ilog2().min(WIDEST);
        let offset = self.index.len() as u32;
        let mut last = 0;
        for part in 0..=1_u64 << width {
            let key = (part << (LOW_BITS - width) << REGION_BITS) | u64::from(Region::MAX);
            while runs.get(last + 1).is_some_and(|&next| next <= key) {
                last += 1;
            }
            self.index.push((begin + last) as u32);
        }
        (offset << WIDTH_BITS) | width
    }

    /// The leaf of a /56 number.
    #[inline]
    pub(super) fn find(&self, key: u64) -> Leaf {
        let lead = (key >> LOW_BITS) as u16;
        let slot = self.slots[usize::from(lead)];
        let width = slot & WHOLE;
        if width == WHOLE {
            return unpack(slot >> WIDTH_BITS);
        }
        let low = key & ((1 << LOW_BITS) - 1);
        let part = (slot >> WIDTH_BITS) as usize + (low >> (LOW_BITS - width)) as usize;
        let (first, last) = (self.index[part] as usize, self.index[part + 1] as usize);
        let target = (low << REGION_BITS) | u64::from(Region::MAX);
        let at = first + self.runs[first + 1..=last].partition_point(|&run| run <= target);
        let (run, next) = (self.runs[at], self.runs[at + 1]);
        let base = u64::from(lead) << LOW_BITS;
        let depth = depth(key, base + (run >> REGION_BITS), base + (next >> REGION_BITS));
        Leaf { region: run as Region, depth }
    }

    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.slots) + size_of_val(&*self.index) + size_of_val(&*self.runs)
    }
}

/// The length of the largest aligned block around `key` that lies within a run: one bit more than `key` shares with
/// the nearer of the two keys outside. Where a run is cut at the edge of a slot that it does not fill, the other end
/// is the nearer one.
#[inline]
fn depth(key: u64, start: u64, end: u64) -> u8 {
    const UNUSED: u32 = u64::BITS - V6_BITS as u32;
    let shared = (key ^ start.wrapping_sub(1)).min(key ^ end).leading_zeros();
    (shared + 1).saturating_sub(UNUSED) as u8
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
