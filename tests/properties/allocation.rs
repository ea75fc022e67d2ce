//! The engine's memory: what it writes to is the caller's, and what it will read can be asked for beforehand.

use rhumb::answer::{Query, answer, answer_in_place, answer_read, look_ahead, read};

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

#[test]
fn p1_a_batch_that_was_looked_ahead_for_is_answered_as_each_of_it_alone() {
    const BATCH: usize = 32;
    for seed in 7_100..7_140 {
        let case = Case::new(seed, 6, Kind::Any);
        let fixture = Fixture::compiled(case.inputs.clone());
        let snapshot = &fixture.snapshot;
        let mut draws = Draws::new(seed);
        // Rooms are used again, so that what is left in them is of the batch before.
        let mut rooms = vec![Query::default(); BATCH];
        for _ in 0..5 {
            let asks: Vec<_> = (0..1 + draws.below(BATCH)).map(|_| super::invariants::ask(&case, &mut draws)).collect();
            let mut buffers: Vec<Vec<u8>> = asks.iter().map(|ask| [ask.bytes(), vec![0xee; 4096]].concat()).collect();
            let lengths: Vec<usize> = buffers.iter().map(|buffer| buffer.len() - 4096).collect();
            let readings: Vec<_> = (buffers.iter().zip(&lengths).zip(&mut rooms))
                .map(|((buffer, &len), room)| read(snapshot, room, buffer, len))
                .collect();
            let used = allocation_counter::measure(|| look_ahead(snapshot, &rooms[..asks.len()]));
            assert_eq!(used.count_total, 0, "seed {seed}");
            for (at, ask) in asks.iter().enumerate() {
                let (peer, buffer) = (ask.peer(), &mut buffers[at]);
                let mut other = buffer.clone();
                let mut room = Query::default();
                let alone = answer_in_place(snapshot, &mut room, &mut other, lengths[at], &peer, ask.draw, || false);
                let len = answer_read(snapshot, &rooms[at], readings[at], buffer, &peer, ask.draw, || false);
                assert_eq!(len, alone, "seed {seed}: {ask:?}");
                let len = len.unwrap_or_default();
                assert_eq!(buffer[..len], other[..len], "seed {seed}: {ask:?}");
            }
        }
    }
}
