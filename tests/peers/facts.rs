//! What can be said of a question and two replies to it: the words of which `differences.toml` makes its rules.

use std::collections::BTreeSet;

use super::names::Labels;
use super::questions::Question;
use super::seen::{Record, Seen};
use super::zones::Zone;

/// One question with what was answered by us and by another server.
pub(super) struct Case<'a> {
    pub(super) question: &'a Question,
    pub(super) zones: &'a [Zone],
    pub(super) ours: &'a Seen,
    pub(super) theirs: &'a Seen,
}

const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const DNAME: u16 = 39;
const DS: u16 = 43;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const ANY: u16 = 255;
const NOERROR: u16 = 0;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const YXDOMAIN: u16 = 6;

/// Links of a chain at most (protocol 10).
const MAX_CHAIN: usize = 16;
/// SVCB and HTTPS.
const SVCB: [u16; 2] = [64, 65];
/// NS, MX, SRV, SVCB and HTTPS: what addresses go along with (protocol 13).
const ACCOMPANIED: [u16; 5] = [NS, 15, 33, 64, 65];

/// A fact's name and whether it holds.
type Fact = (&'static str, fn(&Case<'_>) -> bool);

const FACTS: &[Fact] = &[
    ("asked-for-any", |case| case.question.rtype == ANY),
    ("asked-for-nsec", |case| case.question.rtype == NSEC),
    ("both-answer", |case| !case.ours.answer.is_empty() && !case.theirs.answer.is_empty()),
    ("our-answer-is-one-of-their-rrsets", |case| {
        let types: BTreeSet<_> = case.ours.answer.iter().map(|record| record.rtype).collect();
        let all_of_type = case.theirs.answer.iter().filter(|record| types.contains(&record.rtype));
        types.len() == 1 && all_of_type.eq(case.ours.answer.iter())
    }),
    ("we-answer-dnskey-alone", |case| {
        !case.ours.answer.is_empty() && case.ours.answer.iter().all(|record| record.rtype == DNSKEY)
    }),
    ("we-answer-a-cname-first", |case| chain(&case.question.name, &case.ours.answer).len() > 1),
    ("their-answer-is-empty", |case| case.theirs.answer.is_empty()),
    ("they-give-no-additional", |case| case.theirs.additional.is_empty()),
    ("they-fail", |case| case.theirs.rcode == SERVFAIL),
    ("we-deny", |case| case.ours.rcode == NXDOMAIN),
    ("we-say-nodata", |case| case.ours.rcode == NOERROR && case.ours.authority.iter().any(|r| r.rtype == SOA)),
    ("we-answer-a-dname", |case| case.ours.answer.iter().any(|record| record.rtype == DNAME)),
    ("the-name-would-be-too-long", |case| case.ours.rcode == YXDOMAIN),
    ("asked-for-ds", |case| case.question.rtype == DS),
    ("the-last-name-is-an-apex", |case| {
        let names = chain(&case.question.name, &case.ours.answer);
        case.zones.iter().any(|zone| zone.apex == names[names.len() - 1])
    }),
    ("that-apex-lies-below-a-cut-of-ours", |case| {
        let names = chain(&case.question.name, &case.ours.answer);
        let last = &names[names.len() - 1];
        last.0.len() > 1 && is_glue(&last.parent(), case.zones)
    }),
    ("a-zone-around-has-the-last-name-too", |case| {
        let names = chain(&case.question.name, &case.ours.answer);
        let last = &names[names.len() - 1];
        let own = zone_of(last, case.zones);
        let around = case.zones.iter().filter(|zone| last.is_within(&zone.apex) && Some(&zone.apex) != own);
        around.flat_map(Zone::owners).any(|owner| owner.is_within(last))
    }),
    ("our-chain-is-as-long-as-it-may-be", |case| {
        case.ours.answer.iter().filter(|record| record.rtype == CNAME).count() == MAX_CHAIN
    }),
    ("the-chain-loops", |case| {
        let names = chain(&case.question.name, &case.ours.answer);
        names.last().is_some_and(|last| names[..names.len() - 1].contains(last))
    }),
    ("they-stop-where-our-chain-enters-another-zone", |case| border(case).is_some()),
    ("that-zone-lies-within-the-one-before", |case| border(case).is_some_and(|(from, to)| to.is_within(&from))),
    ("they-say-no-more-than-the-aliases", |case| {
        case.theirs.rcode == NOERROR && case.theirs.authority.is_empty() && case.theirs.additional.is_empty()
    }),
    ("the-last-name-exists-by-a-zone-within-alone", |case| {
        let names = chain(&case.question.name, &case.ours.answer);
        exists_by_a_zone_within(&names[names.len() - 1], case.zones)
    }),
    ("a-name-above-the-last-exists-by-a-zone-within-alone", |case| {
        let names = chain(&case.question.name, &case.ours.answer);
        let mut above = names[names.len() - 1].parent();
        while !above.0.is_empty() && !exists_by_a_zone_within(&above, case.zones) {
            above = above.parent();
        }
        !above.0.is_empty()
    }),
    ("they-add-nothing", |case| case.theirs.additional.is_subset(&case.ours.additional)),
    ("they-miss-nothing", |case| case.ours.additional.is_subset(&case.theirs.additional)),
    ("what-they-miss-is-beside-the-cut", |case| {
        let cuts: Vec<_> = case.ours.authority.iter().filter(|r| r.rtype == NS).map(|r| labels(&r.owner)).collect();
        let mut missing = case.ours.additional.difference(&case.theirs.additional);
        !cuts.is_empty() && missing.all(|record| cuts.iter().all(|cut| !labels(&record.owner).is_within(cut)))
    }),
    ("asked-for-ns", |case| case.question.rtype == NS),
    ("what-they-miss-is-glue", |case| {
        case.ours
            .additional
            .difference(&case.theirs.additional)
            .all(|record| is_glue(&labels(&record.owner), case.zones))
    }),
    ("what-they-add-is-glue-or-by-wildcard", |case| {
        let name = |record: &Record| labels(&record.owner);
        let mut added = case.theirs.additional.difference(&case.ours.additional);
        added.all(|record| is_glue(&name(record), case.zones) || !is_spelled(&name(record), case.zones))
    }),
    ("what-they-add-is-by-wildcard", |case| {
        let mut added = case.theirs.additional.difference(&case.ours.additional);
        added.all(|record| !is_spelled(&labels(&record.owner), case.zones))
    }),
    ("what-they-add-is-their-answer", |case| {
        case.theirs.additional.difference(&case.ours.additional).all(|record| case.theirs.answer.contains(record))
    }),
    ("what-they-add-begins-with-aliases", |case| {
        let added = || case.theirs.additional.difference(&case.ours.additional);
        let aliases: Vec<_> = added().filter(|record| record.rtype == CNAME).collect();
        added().all(|record| record.rtype == CNAME || aliases.iter().any(|alias| alias.data == record.owner))
    }),
    ("what-they-miss-is-of-the-last-name", |case| {
        let names = chain(&case.question.name, &case.ours.answer);
        let mut missing = case.ours.additional.difference(&case.theirs.additional);
        missing.all(|record| labels(&record.owner) == names[names.len() - 1])
    }),
    ("what-they-add-is-of-the-wildcard-itself", |case| {
        let mut added = case.theirs.additional.difference(&case.ours.additional).peekable();
        added.peek().is_some() && added.all(|record| record.owner.starts_with(b"\x01*"))
    }),
    ("we-answer-svcb", |case| case.ours.answer.iter().any(|record| SVCB.contains(&record.rtype))),
    ("we-answer-what-sends-nothing-along", |case| {
        case.ours.additional.is_empty() && case.ours.answer.iter().all(|record| !ACCOMPANIED.contains(&record.rtype))
    }),
];

/// Whether the fact of this name holds.
pub(super) fn holds(fact: &str, case: &Case<'_>) -> bool {
    let (_, holds) = FACTS.iter().find(|(name, _)| *name == fact).unwrap_or_else(|| panic!("no fact is called {fact}"));
    holds(case)
}

/// A name in lower case from its wire form.
fn labels(wire: &[u8]) -> Labels {
    let (mut labels, mut rest) = (Vec::new(), wire);
    while let Some((&length, behind)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, behind) = behind.split_at(length.into());
        labels.push(label.to_vec());
        rest = behind;
    }
    Labels(labels)
}

/// The names that CNAMEs of an answer lead along, from the one asked; the last one is no alias or was there before.
fn chain(asked: &Labels, answer: &BTreeSet<Record>) -> Vec<Labels> {
    let mut names = vec![Labels(asked.0.iter().map(|label| label.to_ascii_lowercase()).collect())];
    loop {
        let last = &names[names.len() - 1];
        let alias = answer.iter().find(|record| record.rtype == CNAME && labels(&record.owner) == *last);
        let Some(target) = alias.map(|alias| labels(&alias.data)) else { return names };
        let again = names.contains(&target);
        names.push(target);
        if again {
            return names;
        }
    }
}

/// The apex of the zone that a name is in.
fn zone_of<'a>(name: &Labels, zones: &'a [Zone]) -> Option<&'a Labels> {
    let around = zones.iter().map(|zone| &zone.apex).filter(|apex| name.is_within(apex));
    around.max_by_key(|apex| apex.0.len())
}

/// Whether a name of one of our zones is the apex of another one or above it, and nothing else makes it exist.
fn exists_by_a_zone_within(name: &Labels, zones: &[Zone]) -> bool {
    let leads = zones.iter().any(|zone| zone.apex.is_within(name));
    let around = zones.iter().filter(|zone| name.is_within(&zone.apex) && *name != zone.apex);
    leads && around.max_by_key(|zone| zone.apex.0.len()).is_some_and(|zone| !zone.owners().any(|o| o.is_within(name)))
}

/// Whether a zone has records of just this name.
fn is_spelled(name: &Labels, zones: &[Zone]) -> bool {
    zones.iter().any(|zone| zone.owners().any(|owner| owner == name))
}

/// Whether a name lies at or below a delegation of the zone that it is in.
fn is_glue(name: &Labels, zones: &[Zone]) -> bool {
    let around = zones.iter().filter(|zone| name.is_within(&zone.apex)).max_by_key(|zone| zone.apex.0.len());
    around.is_some_and(|zone| zone.cuts().any(|cut| name.is_within(cut)))
}

/// The two zones between which our chain goes on while theirs, which is the same up to there, does not.
fn border(case: &Case<'_>) -> Option<(Labels, Labels)> {
    let theirs = chain(&case.question.name, &case.theirs.answer);
    let ours = chain(&case.question.name, &case.ours.answer);
    let [.., before, last] = &theirs[..] else { return None };
    if !ours.starts_with(&theirs) || !case.theirs.answer.is_subset(&case.ours.answer) {
        return None;
    }
    let (from, to) = (zone_of(before, case.zones)?, zone_of(last, case.zones)?);
    (from != to).then(|| (from.clone(), to.clone()))
}
