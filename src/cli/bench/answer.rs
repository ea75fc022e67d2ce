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

/// One kind of question, measured.
struct Line {
    name: &'static str,
    /// Nanoseconds a query, the least of all runs.
    time: f64,
    /// Of a cold line: how much longer than the hot one of its kind.
    beyond_hot: Option<f64>,
}

/// Measures every kind of question that the zones have.
pub(super) fn run(global: &Global, output: &Output, args: &Answer) -> anyhow::Result<Outcome> {
    let snapshot = super::snapshot(global, output, args.zones.as_deref())?;
    let questions = Questions::of(&snapshot);
    let mut lines = Vec::new();
    for (kind, hot, cold) in [
        (Kind::Plain, "static, hot", "static, cold"),
        (Kind::Missing, "NXDOMAIN, hot", "NXDOMAIN, cold"),
        (Kind::Wildcard, "wildcard, hot", "wildcard, cold"),
        (Kind::Steered, "steered and client subnet, hot", "steered and client subnet, cold"),
    ] {
        let (Some(one), Some(many)) = (questions.draw(kind, 1), questions.draw(kind, COLD)) else { continue };
        let hot_time = measure(&snapshot, &one, args);
        let cold_time = measure(&snapshot, &many, args);
        lines.push(Line { name: hot, time: hot_time, beyond_hot: None });
        lines.push(Line { name: cold, time: cold_time, beyond_hot: Some((cold_time - hot_time).max(0.0)) });
    }
    if lines.is_empty() {
        return Err(Failure::new("the zones answer nothing that could be measured").into());
    }
    let memory = memory_latency(args.runs);
    if output.is_json() {
        output.json(&told(&lines, memory))?;
    } else {
        output.text(&table(&lines, memory).render(output, ""))?;
    }
    Ok(Outcome::Done)
}

/// Nanoseconds of one query: the least of all runs. Copying the query into its buffer is the socket's work and is left out.
fn measure(snapshot: &Snapshot, queries: &Queries, args: &Answer) -> f64 {
    let mut buffers = vec![[0; ROOM]; BATCH];
    let mut lengths = [0; BATCH];
    let mut read = Query::default();
    let mut least = f64::INFINITY;
    for run in 0..args.runs as u64 {
        let mut asked = queries.iter().cycle();
        let (mut spent, mut count) = (Duration::ZERO, 0);
        while count < args.count {
            for ((buffer, length), query) in buffers.iter_mut().zip(&mut lengths).zip(&mut asked) {
                buffer[..query.len()].copy_from_slice(query);
                *length = query.len();
            }
            let draw = spread((run << 32) | count as u64);
            let begun = Instant::now();
            for (at, (buffer, &length)) in buffers.iter_mut().zip(&lengths).enumerate() {
                let draw = draw.rotate_left(at as u32);
                std::hint::black_box(answer_in_place(snapshot, &mut read, buffer, length, PEER, draw));
            }
            spent += begun.elapsed();
            count += BATCH;
        }
        least = least.min(spent.as_nanos() as f64 / count as f64);
    }
    least
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

fn table(lines: &[Line], memory: f64) -> Table {
    let mut table = Table::default();
    let cell = |text: String| (Tone::Plain, text);
    table.row(
        ["question", "ns/query", "queries/s", "looks at memory beyond hot"].map(|title| (Tone::Faint, title.into())),
    );
    for line in lines {
        let looks = line.beyond_hot.map_or_else(String::new, |more| format!("{:.1}", more / memory));
        let rate = 1e9 / line.time;
        table.row([cell(line.name.into()), cell(format!("{:.1}", line.time)), cell(format!("{rate:.0}")), cell(looks)]);
    }
    table.row([cell("one look at memory".into()), cell(format!("{memory:.1}"))]);
    table
}

fn told(lines: &[Line], memory: f64) -> Value {
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "question": line.name,
                "ns": tenths(line.time),
                "rate": (1e9 / line.time).round(),
                "looks_beyond_hot": line.beyond_hot.map(|more| tenths(more / memory)),
            })
        })
        .collect();
    json!({ "questions": lines, "memory_ns": tenths(memory) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rate_and_looks_by_its_time() {
        let lines = [
            Line { name: "static, hot", time: 100.0, beyond_hot: None },
            Line { name: "static, cold", time: 350.0, beyond_hot: Some(250.0) },
        ];
        let told = told(&lines, 100.0);
        assert_eq!(
            (&told["questions"][0]["rate"], &told["questions"][0]["looks_beyond_hot"]),
            (&1e7.into(), &Value::Null)
        );
        assert_eq!(told["questions"][1]["looks_beyond_hot"], 2.5);
        let text = table(&lines, 100.0).render(&Output::new(&Default::default()), "");
        assert!(text.contains("10000000") && text.contains("2.5"), "{text}");
    }
}
