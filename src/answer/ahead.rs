//! A batch's memory, asked for before it is needed: of each question the slot, the record and the place in a map lie
//! where no cache may have them, and one after the other. Here the first is read for all questions, then the second for
//! all, so that the machine waits for many at once where answering one query after the other waits for each.
//!
//! What is read is thrown away, and nothing depends on it.

use std::hint::black_box;

use super::Query;
use crate::config::model::Prefer;
use crate::geo::map::IGNORED;
use crate::snapshot::Snapshot;

/// Questions that are looked at together: more than the machine can wait for at once gain nothing.
const TOGETHER: usize = 16;

/// Reads what answering these queries will read. Loops are short and the questions of a loop have nothing to do with one
/// another, which is what lets the processor wait for many.
pub fn look_ahead(snapshot: &Snapshot, queries: &[Query]) {
    for queries in queries.chunks(TOGETHER) {
        ask_for(snapshot, queries);
    }
}

fn ask_for(snapshot: &Snapshot, queries: &[Query]) {
    let table = &snapshot.plan.table;
    let mut lines = [None; TOGETHER];
    for (line, query) in lines.iter_mut().zip(queries) {
        *line = table.likely_line(&query.name);
    }
    if snapshot.inputs.model.server.prefer == Prefer::Resolver {
        lines.into_iter().flatten().for_each(|line| {
            black_box(table.node(line).steer());
        });
        return;
    }
    let mut places = [None; TOGETHER];
    for ((place, line), query) in places.iter_mut().zip(lines).zip(queries) {
        let steer = line.and_then(|line| table.node(line).steer());
        *place = steer.and_then(|steer| {
            let (address, _) = query.edns.as_ref()?.ecs.as_ref()?.v4_prefix()?;
            let map = snapshot.plan.steers[steer].map()?;
            Some((steer, map, map.place_v4(address)))
        });
    }
    let mut choices = [None; TOGETHER];
    for ((choice, place), query) in choices.iter_mut().zip(places).zip(queries) {
        *choice = place.and_then(|(steer, map, place)| {
            let answers = &snapshot.steered[steer];
            // Where the sender decides, which is seldom, nothing more is asked for.
            let region = Some(map.leaf_v4(place).region).filter(|&region| region != IGNORED)?;
            Some((answers, answers.of_type(query.qtype)?.choice(region)))
        });
    }
    for (answers, choice) in choices.into_iter().flatten() {
        black_box(answers.pick_for_anyone(choice, 0));
    }
}
