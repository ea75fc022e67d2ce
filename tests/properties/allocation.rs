//! The engine's memory: what it writes to is the caller's.

use rhumb::answer::answer;

use super::{Case, Kind};
use crate::harness::{Draws, Fixture};

#[test]
fn p29_no_query_makes_the_engine_allocate() {
    for seed in 7_000..7_040 {
        let case = Case::new(seed, 6, Kind::Any);
        let fixture = Fixture::compiled(case.inputs.clone());
        let mut draws = Draws::new(seed);
        let mut out = vec![0; 65_535];
        for _ in 0..50 {
            let ask = super::invariants::ask(&case, &mut draws);
            let mut query = ask.bytes();
            if draws.one_in(4) {
                // A stranger's octets: any one of them may be anything.
                let at = draws.below(query.len());
                query[at] = draws.bits() as u8;
            }
            let peer = ask.peer();
            let used = allocation_counter::measure(|| {
                answer(&fixture.snapshot, &query, peer, ask.draw, &mut out);
            });
            assert_eq!(used.count_total, 0, "seed {seed}: {ask:?}");
        }
    }
}
