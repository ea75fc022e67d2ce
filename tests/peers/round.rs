//! One set of random zones, served by all, and many questions put to all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;

use super::configs;
use super::exchange::{over_tcp, over_udp};
use super::facts::Case;
use super::names::{Labels, below};
use super::programs::{AUTHORITIES, Kind, Program};
use super::questions::Question;
use super::rules::{Part, Rule};
use super::seen::Seen;
use super::zones::Zone;
use crate::harness::Draws;
use crate::served::{Server, Site};

/// Zones beside each other.
const ZONES: usize = 12;
/// Zones within the first of them, one each.
const INNER: usize = 3;

/// What was found in all rounds.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) questions: usize,
    /// How often each rule was needed, by name.
    pub(super) rules: BTreeMap<String, usize>,
    /// Differences that no rule covers, by who differs in what: how many, and the first few.
    pub(super) unlisted: BTreeMap<String, (usize, Vec<String>)>,
    /// How often replies were of each kind: rcode, AA, whether there was an answer.
    pub(super) kinds: BTreeMap<(u16, bool, bool), usize>,
}

/// Shown of each kind of difference.
const EXAMPLES: usize = 6;

/// Us and all others with the same zones.
struct Servers {
    ours: Server,
    others: Vec<Program>,
    zones: Vec<Zone>,
    _site: Site,
}

impl Servers {
    fn start(draws: &mut Draws) -> Self {
        let mut apexes: Vec<_> = (0..ZONES).map(|number| Labels::of(&format!("z{number}.test"))).collect();
        for number in 0..INNER {
            // No wildcard above it, since servers disagree on what that covers then.
            let inner = below(&apexes[number], draws).0.into_iter().filter(|label| label != b"*").collect();
            apexes.push(Labels(inner).child(b"inner"));
        }
        let mut zones: Vec<_> = apexes.iter().map(|apex| Zone::random(apex.clone(), &apexes, draws)).collect();
        zones.push(Zone::redirected(Labels::of("all.test"), &apexes[1], draws));
        let site = Site::new("");
        let mut files = Vec::new();
        for (number, zone) in zones.iter().enumerate() {
            let master = site.file(&format!("zone-{number}.zone"));
            fs::write(&master, zone.text(draws)).unwrap();
            let apex = zone.apex.text(draws);
            let toml = format!("zone = '{apex}'\nimport = \"zone-{number}.zone\"\n");
            site.write(&format!("zone-{number}.toml"), &toml);
            files.push((apex, master.display().to_string()));
        }
        let probes: Vec<_> = zones.iter().map(|zone| soa_query(&zone.apex)).collect();
        let others = AUTHORITIES.map(|kind| {
            let dir = site.path().join(kind.command());
            fs::create_dir(&dir).unwrap();
            Program::start(kind, &dir, |port| configs::of(kind, &dir, port, &files), &probes)
        });
        Self { ours: site.start(), others: others.into(), zones, _site: site }
    }

    /// The replies of all, ours first, each in the order of the questions.
    fn ask(&self, questions: &[&Question], tcp: bool) -> Vec<Vec<Result<Seen, String>>> {
        let queries: Vec<_> = questions.iter().map(|question| &question.bytes[..]).collect();
        let servers = std::iter::once(self.ours.dns).chain(self.others.iter().map(|other| other.at));
        thread::scope(|scope| {
            let queries = &queries;
            let asked: Vec<_> = servers
                .map(|at| {
                    scope.spawn(move || {
                        let replies = if tcp { over_tcp(at, queries) } else { over_udp(at, queries) };
                        replies.iter().zip(queries).map(|(reply, query)| Seen::read(reply, query)).collect::<Vec<_>>()
                    })
                })
                .collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }
}

fn soa_query(apex: &Labels) -> Vec<u8> {
    let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend(apex.wire(&mut Draws::new(0)));
    query.extend([0, 6, 0, 1]);
    query
}

/// In what two whole replies differ.
fn differing(ours: &Seen, theirs: &Seen) -> BTreeSet<Part> {
    let parts = [
        (Part::Rcode, ours.rcode == theirs.rcode),
        (Part::Aa, ours.aa == theirs.aa),
        (Part::Opt, ours.has_opt == theirs.has_opt),
        (Part::Question, ours.echoes == theirs.echoes),
        (Part::Answer, ours.answer == theirs.answer),
        (Part::Authority, ours.authority == theirs.authority),
        (Part::Additional, ours.additional == theirs.additional),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}

/// Asks `count` questions of new zones.
pub(super) fn run(seed: u64, count: usize, rules: &[Rule], findings: &mut Findings) {
    let mut draws = Draws::new(seed);
    let servers = Servers::start(&mut draws);
    let questions: Vec<_> = (0..count).map(|_| Question::random(&servers.zones, &mut draws)).collect();
    let (streams, datagrams): (Vec<_>, Vec<_>) = questions.iter().partition(|question| question.tcp);
    let by_udp = servers.ask(&datagrams, false);
    let by_tcp = servers.ask(&streams, true);
    let (mut again, mut shorts) = (Vec::new(), Vec::new());
    for (number, question) in datagrams.into_iter().enumerate() {
        let replies: Vec<_> = by_udp.iter().map(|replies| &replies[number]).collect();
        let whole: Result<Vec<_>, _> = replies.iter().map(|reply| reply.as_ref()).collect();
        // Who has to leave something out depends on how names are compressed: what all have to say is asked for again.
        let differs = whole
            .as_ref()
            .is_ok_and(|whole| whole.iter().any(|reply| reply.tc || reply.additional != whole[0].additional));
        if differs {
            again.push(question);
            shorts.push(replies[0]);
        } else {
            judge(seed, &servers, question, &replies, rules, findings);
        }
    }
    for (number, question) in streams.into_iter().enumerate() {
        judge(seed, &servers, question, &by_tcp.iter().map(|r| &r[number]).collect::<Vec<_>>(), rules, findings);
    }
    let again_by_tcp = servers.ask(&again, true);
    for (number, question) in again.into_iter().enumerate() {
        let replies: Vec<_> = again_by_tcp.iter().map(|replies| &replies[number]).collect();
        if let (Ok(short), Ok(whole)) = (shorts[number], replies[0]) {
            assert_shortened(question, short, whole);
        }
        judge(seed, &servers, question, &replies, rules, findings);
    }
}

/// What protocol item 7 says of a reply that had to fit, given the one that had not.
#[track_caller]
fn assert_shortened(question: &Question, short: &Seen, whole: &Seen) {
    let limit = usize::from(question.payload.unwrap_or(512).clamp(512, 1232));
    assert!(short.octets <= limit, "p7: {question:?}: {} octets", short.octets);
    assert_eq!((short.aa, short.has_opt), (whole.aa, whole.has_opt), "p7: {question:?}");
    if short.tc {
        assert!(whole.octets > limit, "p7: {question:?} would have fitted: {whole:?}");
        let sections = [&short.answer, &short.authority, &short.additional];
        assert!(sections.iter().all(|section| section.is_empty()), "p7: {question:?}: {short:?}");
    } else {
        let parts = |seen: &Seen| (seen.rcode, seen.answer.clone(), seen.authority.clone());
        assert_eq!(parts(short), parts(whole), "p7: {question:?}");
        assert!(short.additional.is_subset(&whole.additional), "p7: {question:?}");
    }
}

/// Compares the replies to one question, ours first.
fn judge(
    seed: u64,
    servers: &Servers,
    question: &Question,
    replies: &[&Result<Seen, String>],
    rules: &[Rule],
    findings: &mut Findings,
) {
    findings.questions += 1;
    let ours = replies[0].as_ref().unwrap_or_else(|error| panic!("{question:?}: {error}"));
    assert!(ours.echoes && ours.doubled == 0, "p1: {question:?}: {ours:?}");
    *findings.kinds.entry((ours.rcode, ours.aa, !ours.answer.is_empty())).or_default() += 1;
    let mut unlisted: BTreeMap<BTreeSet<Part>, Vec<Kind>> = BTreeMap::new();
    for (other, reply) in servers.others.iter().zip(&replies[1..]) {
        let theirs = match reply {
            Ok(theirs) => theirs,
            Err(error) => panic!("{}: {question:?}: {error}", other.kind.command()),
        };
        let parts = differing(ours, theirs);
        if parts.is_empty() {
            continue;
        }
        let case = Case { question, zones: &servers.zones, ours, theirs };
        match rules.iter().find(|rule| rule.covers(other.kind.command(), &parts, &case)) {
            Some(rule) => *findings.rules.entry(rule.name.clone()).or_default() += 1,
            None => unlisted.entry(parts).or_default().push(other.kind),
        }
    }
    for (parts, kinds) in unlisted {
        let (count, examples) = findings.unlisted.entry(format!("{kinds:?} {parts:?}")).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            let name = question.name.text(&mut Draws::new(0));
            let rtype = rhumb::wire::RecordType(question.rtype);
            let mut text = format!("seed {seed}: {name} {rtype}\n    rhumb: {ours:?}");
            for (other, reply) in servers.others.iter().zip(&replies[1..]) {
                text += &format!("\n    {}: {:?}", other.kind.command(), reply.as_ref().unwrap());
            }
            examples.push(text);
        }
    }
}
