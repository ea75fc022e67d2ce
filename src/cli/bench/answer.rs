//! `rhumb bench answer`: the engine without sockets, beside the latency of memory.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::questions::{Kind, PEER, Questions, ROOM, spread};
use crate::answer::{Query, answer_in_place};
use crate::cli::args::{Answer, Global};
use crate::cli::output::{Output, Table, Tone};
use crate::cli::{Failure, Outcome};
use crate::net::load::Queries;
use crate::snapshot::Snapshot;

/// Queries that are answered between two looks at the clock: as many as a worker takes from the kernel at once.
const BATCH: usize = 32;
/// Distinct questions of a cold run.
const COLD: usize = 100_000;
/// Octets that are followed through for the latency of memory: several times what the caches of one core hold.
const MEMORY: usize = 128 << 20;
/// Octets of a cache line.
const LINE: usize = 64;
/// Looks at memory of each run.
const LOOKS: usize = 1 << 20;

/// One kind of question.
struct Line {
    name: &'static str,
    /// One question over and over.
    hot: Timed,
    /// Many.
    cold: Timed,
}

/// Queries, and nanoseconds of each: the least of all runs.
struct Timed {
    queries: Queries,
    time: f64,
}

impl From<Queries> for Timed {
    fn from(queries: Queries) -> Self {
        Self { queries, time: f64::INFINITY }
    }
}

/// Measures every kind of question that the zones have.
pub(super) fn run(global: &Global, output: &Output, args: &Answer) -> anyhow::Result<Outcome> {
    let snapshot = super::snapshot(global, output, args.zones.as_deref())?;
    let questions = Questions::of(&snapshot);
    let mut lines: Vec<Line> = [
        (Kind::Plain, "static"),
        (Kind::Missing, "NXDOMAIN"),
        (Kind::Wildcard, "wildcard"),
        (Kind::Steered, "steered and client subnet"),
    ]
    .into_iter()
    .filter_map(|(kind, name)| {
        let (hot, cold) = (questions.draw(kind, 1)?.into(), questions.draw(kind, COLD)?.into());
        Some(Line { name, hot, cold })
    })
    .collect();
    if lines.is_empty() {
        return Err(Failure::new("the zones answer nothing that could be measured").into());
    }
    // In turn, so that what disturbs for a while disturbs one run of each.
    for run in 0..args.runs as u64 {
        for timed in lines.iter_mut().flat_map(|line| [&mut line.hot, &mut line.cold]) {
            timed.time = timed.time.min(measure(&snapshot, &timed.queries, args.count, run));
        }
    }
    let memory = memory_latency(args.runs);
    if output.is_json() {
        output.json(&told(&lines, memory))?;
    } else {
        output.text(&table(&lines, memory).render(output, ""))?;
    }
    Ok(Outcome::Done)
}

/// Nanoseconds of one query. Copying it into its buffer is the socket's work and is left out.
fn measure(snapshot: &Snapshot, queries: &Queries, wanted: usize, run: u64) -> f64 {
    let mut buffers = vec![[0; ROOM]; BATCH];
    let mut lengths = [0; BATCH];
    let mut read = Query::default();
    let mut asked = queries.iter().cycle();
    let (mut spent, mut count) = (Duration::ZERO, 0);
    while count < wanted {
        for ((buffer, length), query) in buffers.iter_mut().zip(&mut lengths).zip(&mut asked) {
            buffer[..query.len()].copy_from_slice(query);
            *length = query.len();
        }
        let draw = spread((run << 32) | count as u64);
        let begun = Instant::now();
        for (at, (buffer, &length)) in buffers.iter_mut().zip(&lengths).enumerate() {
            let draw = draw.rotate_left(at as u32);
            std::hint::black_box(answer_in_place(snapshot, &mut read, buffer, length, &PEER, draw, || false));
        }
        spent += begun.elapsed();
        count += BATCH;
    }
    spent.as_nanos() as f64 / count as f64
}

/// Nanoseconds of one look at memory that nothing could foresee: each says where the next one is.
fn memory_latency(runs: usize) -> f64 {
    let places = MEMORY / LINE;
    let words = LINE / size_of::<u32>();
    // One cycle through all places in random order (Sattolo's shuffle).
    let mut order: Vec<u32> = (0..places as u32).collect();
    for last in (1..places).rev() {
        order.swap(last, spread(last as u64) as usize % last);
    }
    let mut memory = vec![0u32; places * words];
    for (place, next) in order.iter().enumerate() {
        memory[place * words] = *next;
    }
    drop(order);
    let mut at = 0;
    let mut least = Duration::MAX;
    for _ in 0..runs {
        let begun = Instant::now();
        for _ in 0..LOOKS {
            at = memory[at * words] as usize;
        }
        least = least.min(begun.elapsed());
        at = std::hint::black_box(at);
    }
    least.as_nanos() as f64 / LOOKS as f64
}

/// Each figure: what it is of, its nanoseconds, and of a cold one how many looks at memory it takes beyond the hot one.
fn figures(lines: &[Line], memory: f64) -> impl Iterator<Item = (String, f64, Option<f64>)> {
    lines.iter().flat_map(move |line| {
        let beyond = (line.cold.time - line.hot.time).max(0.0) / memory;
        [
            (format!("{}, hot", line.name), line.hot.time, None),
            (format!("{}, cold", line.name), line.cold.time, Some(beyond)),
        ]
    })
}

fn table(lines: &[Line], memory: f64) -> Table {
    let mut table = Table::default();
    let cell = |text: String| (Tone::Plain, text);
    let titles = ["question", "ns/query", "queries/s", "looks at memory beyond hot"];
    table.row(titles.map(|title| (Tone::Faint, title.into())));
    for (name, time, looks) in figures(lines, memory) {
        let looks = looks.map_or_else(String::new, |looks| format!("{looks:.1}"));
        table.row([cell(name), cell(format!("{time:.1}")), cell(format!("{:.0}", 1e9 / time)), cell(looks)]);
    }
    table.row([cell("one look at memory".into()), cell(format!("{memory:.1}"))]);
    table
}

fn told(lines: &[Line], memory: f64) -> Value {
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    let questions: Vec<Value> = figures(lines, memory)
        .map(|(name, time, looks)| {
            let (rate, looks) = ((1e9 / time).round(), looks.map(tenths));
            json!({ "question": name, "ns": tenths(time), "rate": rate, "looks_beyond_hot": looks })
        })
        .collect();
    json!({ "questions": questions, "memory_ns": tenths(memory) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rate_and_looks_by_its_times() {
        let timed = |time| Timed { queries: Queries::default(), time };
        let lines = [Line { name: "static", hot: timed(100.0), cold: timed(350.0) }];
        let told = told(&lines, 100.0);
        let (hot, cold) = (&told["questions"][0], &told["questions"][1]);
        assert_eq!((&hot["question"], &hot["rate"]), (&"static, hot".into(), &1e7.into()));
        assert_eq!((&hot["looks_beyond_hot"], &cold["looks_beyond_hot"]), (&Value::Null, &2.5.into()));
        let text = table(&lines, 100.0).render(&Output::new(&Default::default()), "");
        assert!(text.contains("10000000") && text.contains("2.5"), "{text}");
    }
}
