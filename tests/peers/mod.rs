//! What other name servers answer from the same zones: NSD, Knot and BIND, and a resolver that caches by client subnet.
//!
//! Comes in: random zones as one master file each, random questions. Goes out: any difference that `differences.toml`
//! does not list with its reason. Invariants: seeds are fixed; a peer runs on a loopback port of the kernel's choice and
//! ends with its test; replies are compared as sets of records, TTLs included.

mod compliance;
mod configs;
mod exchange;
mod facts;
mod names;
mod programs;
mod questions;
mod rdata;
mod resolver;
mod round;
mod rules;
mod seen;
mod zones;

use round::Findings;

/// How many questions are asked where the environment does not say; some seconds' worth.
const QUESTIONS: usize = 24_000;
/// Says how many instead.
const VARIABLE: &str = "RHUMB_PEER_QUESTIONS";
/// So many questions need every rule that is listed.
const LONG: usize = 100_000;
/// Questions to one set of zones.
const ROUND: usize = 4_000;

/// How many questions are asked: `usual`, or what the environment says.
fn count(usual: usize) -> usize {
    std::env::var(VARIABLE).map_or(usual, |count| count.parse().expect("a number of questions"))
}

#[test]
fn p5_p6_p8_p9_p10_p11_p12_p13_plain_dns_is_answered_as_by_nsd_knot_and_bind_or_for_a_reason() {
    if !programs::are_installed(&programs::AUTHORITIES) {
        return;
    }
    let count = count(QUESTIONS);
    let rules = rules::listed();
    let mut findings = Findings::default();
    for seed in 0..count.div_ceil(ROUND) {
        round::run(seed as u64, ROUND.min(count), &rules, &mut findings);
    }
    eprintln!("{} questions, replies by (rcode, AA, has an answer): {:?}", findings.questions, findings.kinds);
    let mut idle = Vec::new();
    for rule in &rules {
        idle.extend((!findings.rules.contains_key(&rule.name)).then_some(&rule.name));
        eprintln!(
            "{}: {} times ({}: {})",
            rule.name,
            findings.rules.get(&rule.name).unwrap_or(&0),
            rule.source,
            rule.because
        );
    }
    for (what, (count, examples)) in &findings.unlisted {
        eprintln!("── {count} × {what}");
        examples.iter().for_each(|example| eprintln!("  {example}"));
    }
    assert!(findings.unlisted.is_empty(), "differences that nobody has looked at");
    assert!(count < LONG || idle.is_empty(), "rules that nothing needs any more: {idle:?}");
}
