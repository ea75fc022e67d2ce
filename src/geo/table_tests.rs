//! The tables against the runs that they are made of.

use proptest::prelude::*;

use super::*;

/// The run around a key and the largest aligned block around it that lies within, found by trying.
fn tried(runs: &Runs, bits: u8, key: u64) -> Leaf {
    let after = runs.partition_point(|&(start, _)| start <= key);
    let (start, region) = runs[after - 1];
    let end = runs.get(after).map_or(1 << bits, |&(next, _)| next);
    let lies_within = |&depth: &u8| {
        let size = 1 << (bits - depth);
        let first = key & !(size - 1);
        first >= start && first + size <= end
    };
    Leaf { region, depth: (0..=bits).find(lies_within).unwrap_or(bits) }
}

/// Keys that gather: a few leading bits, then some that vary, then some that repeat.
fn key(bits: u8) -> impl Strategy<Value = u64> {
    (0_u64..5, 0..=bits, any::<u64>(), 0..=bits).prop_map(move |(lead, from, random, zeros)| {
        let lead = lead << (bits - 3);
        (lead | (random & ((1 << from) - 1))) >> zeros << zeros & ((1 << bits) - 1)
    })
}

fn runs(bits: u8) -> impl Strategy<Value = Runs> {
    let region = prop_oneof![4 => 0..4_u16, 1 => 0..NARROW_REGIONS, 1 => Just(IGNORED)];
    let wide = prop_oneof![Just(0_u16), Just(NARROW_REGIONS), Just(IGNORED - 1)];
    (proptest::collection::btree_map(key(bits), region, 0..80), wide, any::<bool>()).prop_map(|(map, wide, merge)| {
        let mut runs: Runs =
            std::iter::once((0, wide)).chain(map.into_iter().filter(|&(start, _)| start > 0)).collect();
        if merge {
            runs.dedup_by_key(|&mut (_, region)| region);
        }
        runs
    })
}

/// Where something may go wrong: at the ends of runs and of slots, and anywhere.
fn probes(runs: &Runs, bits: u8, more: Vec<u64>) -> Vec<u64> {
    let ends = runs.iter().flat_map(|&(start, _)| {
        let slot = start >> (bits - 16) << (bits - 16);
        [start, start.saturating_sub(1), start + 1, slot, slot.saturating_sub(1), slot + (1 << (bits - 16))]
    });
    ends.chain(more).map(|key| key & ((1 << bits) - 1)).collect()
}

proptest! {
    #[test]
    fn ipv4_leaves_are_those_of_the_runs(runs in runs(V4_BITS), more in proptest::collection::vec(key(V4_BITS), 20)) {
        let table = V4Table::new(&runs);
        for key in probes(&runs, V4_BITS, more) {
            prop_assert_eq!(table.find(key as u32), tried(&runs, V4_BITS, key), "{:#x}", key);
        }
    }

    #[test]
    fn ipv6_leaves_are_those_of_the_runs(runs in runs(V6_BITS), more in proptest::collection::vec(key(V6_BITS), 20)) {
        let table = V6Table::new(&runs);
        for key in probes(&runs, V6_BITS, more) {
            prop_assert_eq!(table.find(key), tried(&runs, V6_BITS, key), "{:#x}", key);
        }
    }
}

#[test]
fn a_slot_of_ipv4_takes_no_more_words_than_its_most_divided_part_needs() {
    let size = |runs: &[(u64, Region)]| V4Table::new(&runs.to_vec()).size() - V4Table::new(&vec![(0, 0)]).size();
    // The /16s before and behind: eight words each more or less; the /16 itself: its halves, its /24s.
    let halves = size(&[(0, 0), (0x0100, 1), (0x0180, 2), (0x0200, 0)]);
    let networks = size(&[(0, 0), (0x0100, 1), (0x0101, 2), (0x0200, 0)]);
    assert_eq!(networks - halves, (256 - 2) * size_of::<u16>());
}
