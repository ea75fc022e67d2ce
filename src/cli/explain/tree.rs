//! An explanation as a person reads it: the answer first, then for each steered name the client's place and the tree of
//! nodes that were met.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Deserialize;

use super::super::clock;
use super::super::output::{Output, Table, Tone};

/// What is shown of an explanation. A server that is older or newer than this command may leave things out or add some.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    client: String,
    status: String,
    answer: Vec<String>,
    ttl: Option<u32>,
    scope: Option<u8>,
    draw: String,
    decisions: Vec<SeenDecision>,
    pub(super) difference: Option<String>,
    verdicts_since: BTreeMap<String, u64>,
    sources: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenDecision {
    owner: String,
    route: String,
    decided_by: String,
    network: String,
    place: SeenPlace,
    region: Option<u16>,
    regions: usize,
    nodes: Vec<SeenNode>,
    picked: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenPlace {
    continent: Option<String>,
    country: Option<String>,
    subdivision: Option<String>,
    at: Option<String>,
    asn: Option<u32>,
    networks: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenNode {
    route: String,
    policy: String,
    state: String,
    candidates: Vec<SeenCandidate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenCandidate {
    name: String,
    kind: String,
    measure: Option<String>,
    weight: Option<u16>,
    up: bool,
    left_out: Option<String>,
    probes: Vec<SeenProbe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenProbe {
    key: String,
    verdict: String,
}

/// The whole text.
pub(super) fn render(seen: &Seen, output: &Output, now: SystemTime) -> String {
    let mut text = String::new();
    let asked_by = if seen.client.contains('/') { "client subnet" } else { "the sender itself" };
    let question = format!("{} {} for {}", seen.name, seen.rtype, seen.client);
    text.push_str(&format!("{} ({asked_by})\n", output.paint(Tone::Strong, question)));

    let tone = if seen.status == "NOERROR" { Tone::Good } else { Tone::Wary };
    let mut facts = vec![output.paint(tone, &seen.status)];
    facts.extend(seen.ttl.map(|ttl| format!("TTL {ttl}")));
    facts.extend(seen.scope.map(|scope| format!("scope /{scope}")));
    text.push_str(&format!("  {}\n", facts.join(", ")));
    for line in &seen.answer {
        text.push_str(&format!("  {}\n", output.paint(Tone::Strong, line.replace('\t', " "))));
    }
    if seen.answer.is_empty() {
        text.push_str(&format!("  {}\n", output.paint(Tone::Faint, "no records")));
    }
    if seen.decisions.is_empty() {
        text.push_str("\nNo steered name is on the way: every client gets this.\n");
    }
    for decision in &seen.decisions {
        text.push('\n');
        text.push_str(&decide(decision, seen, output, now));
    }
    if let Some(difference) = &seen.difference {
        let warning = "The answer and the reasons differ, which is a fault in rhumb; please report it:";
        text.push_str(&format!("\n{}\n  {difference}\n", output.paint(Tone::Bad, warning)));
    }
    text
}

fn decide(decision: &SeenDecision, seen: &Seen, output: &Output, now: SystemTime) -> String {
    let mut text = format!("{} is steered by {}\n", output.paint(Tone::Strong, &decision.owner), decision.route);
    let key = |text: &str| (Tone::Faint, text.to_owned());
    let decider = if decision.decided_by == "ecs" { "the client subnet" } else { "the sender of the query" };
    let mut head = Table::default();
    head.row([key("decided by"), (Tone::Plain, format!("{decider}, {}", decision.network))]);
    // Where all clients of a name are treated alike nobody looks where they are.
    if let Some(region) = decision.region {
        head.row([key("place"), (Tone::Plain, place(&decision.place))]);
        if let Some(sources) = seen.sources.get(&decision.network).filter(|sources| !sources.is_empty()) {
            head.row([key("known from"), (Tone::Plain, sources.join(", "))]);
        }
        head.row([key("region"), (Tone::Plain, format!("{region} of {}", decision.regions))]);
    }
    let picked = if decision.picked.is_empty() { "no records".to_owned() } else { decision.picked.join(", ") };
    head.row([key("picked"), (Tone::Plain, picked)]);
    if decision.nodes.iter().any(|node| node.is_drawn() && node.takers().count() > 1) {
        head.row([key("draw"), (Tone::Plain, format!("{}: another query may draw another member", seen.draw))]);
    }
    text.push_str(&head.render(output, "  "));
    text.push('\n');

    let mut tree = Tree { decision, seen, now, printed: vec![false; decision.nodes.len()], table: Table::default() };
    // The root is first; a node that no candidate above leads to by name stands on its own after it.
    for at in 0..decision.nodes.len() {
        if !tree.printed[at] {
            tree.node(at, "", false);
        }
    }
    text.push_str(&tree.table.render(output, "  "));
    text
}

fn place(place: &SeenPlace) -> String {
    let mut known: Vec<String> =
        [&place.subdivision, &place.country, &place.continent].into_iter().flatten().cloned().collect();
    known.extend(place.at.clone());
    known.extend(place.asn.map(|asn| format!("AS{asn}")));
    if known.is_empty() {
        known.push("not known".to_owned());
    }
    known.extend(place.networks.iter().map(|network| format!("in {network}")));
    known.join(", ")
}

impl SeenNode {
    /// Whether chance, or the client's hash, picks among the members.
    fn is_drawn(&self) -> bool {
        self.policy == "weighted"
    }

    /// Members that may be picked now.
    fn takers(&self) -> impl Iterator<Item = &SeenCandidate> {
        let weighted = self.candidates.iter().any(|c| c.left_out.is_none() && c.weight.is_some_and(|w| w > 0));
        self.candidates.iter().filter(move |c| c.left_out.is_none() && (!weighted || c.weight != Some(0)))
    }

    /// Whether the candidate at a position is what this node answers with, as far as no draw decides.
    fn is_chosen(&self, at: usize) -> bool {
        let candidate = &self.candidates[at];
        match self.policy.as_str() {
            _ if self.state == "last resort" => false,
            "weighted" => self.takers().count() == 1 && self.takers().any(|taker| std::ptr::eq(taker, candidate)),
            "multivalue" => candidate.left_out.is_none(),
            _ => self.candidates.iter().position(|c| c.left_out.is_none()) == Some(at),
        }
    }

    /// The share of one member in percent, where shares are by weight.
    fn share(&self, candidate: &SeenCandidate) -> Option<f64> {
        if !self.is_drawn() || !self.takers().any(|taker| std::ptr::eq(taker, candidate)) {
            return None;
        }
        let total: u32 = self.takers().filter_map(|taker| taker.weight).map(u32::from).sum();
        Some(match total {
            0 => 100.0 / self.takers().count() as f64,
            _ => 100.0 * f64::from(candidate.weight.unwrap_or(0)) / f64::from(total),
        })
    }
}

/// The nodes of one decision on their way into lines.
struct Tree<'a> {
    decision: &'a SeenDecision,
    seen: &'a Seen,
    now: SystemTime,
    printed: Vec<bool>,
    table: Table,
}

impl Tree<'_> {
    /// A line for the node unless `has_line`, since its parent's candidate was one; then its candidates below it.
    fn node(&mut self, at: usize, indent: &str, has_line: bool) {
        self.printed[at] = true;
        let decision = self.decision;
        let node = &decision.nodes[at];
        if !has_line {
            self.table.row([
                (Tone::Strong, format!("{indent}{}", node.route)),
                (Tone::Plain, node.policy.clone()),
                node_state(&node.state),
            ]);
        }
        let last = node.candidates.len().saturating_sub(1);
        for (i, candidate) in node.candidates.iter().enumerate() {
            let child = self.child(candidate);
            let (branch, below) = if i == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let mark = if node.is_chosen(i) { "» " } else { "" };
            let name = (tone_of(candidate), format!("{indent}{branch}{mark}{}", candidate.name));
            self.table.row([name, (Tone::Plain, measure(node, candidate)), self.state(candidate, child)]);
            if let Some(child) = child {
                self.node(child, &format!("{indent}{below}"), true);
            }
        }
    }

    /// The node that a candidate leads to, if it was met and is not yet printed.
    fn child(&self, candidate: &SeenCandidate) -> Option<usize> {
        if candidate.kind != "route" {
            return None;
        }
        let leads_to = |route: &str| route == candidate.name || crate::config::bare(route) == candidate.name;
        (0..self.decision.nodes.len()).find(|&at| !self.printed[at] && leads_to(&self.decision.nodes[at].route))
    }

    /// Why it takes no part, else what its checks say, else how its own node fares.
    fn state(&self, candidate: &SeenCandidate, child: Option<usize>) -> (Tone, String) {
        if let Some(child) = child {
            let node = &self.decision.nodes[child];
            let (tone, state) = node_state(&node.state);
            return (tone, format!("{}, {state}", node.policy));
        }
        let probes: Vec<String> = candidate.probes.iter().map(|probe| self.probe(probe)).collect();
        let said = if probes.is_empty() { String::new() } else { format!(" ({})", probes.join("; ")) };
        match &candidate.left_out {
            Some(why) if why == "down" => (Tone::Bad, format!("down{said}")),
            Some(why) => (Tone::Faint, why.clone()),
            None if candidate.up => (Tone::Good, format!("up{said}")),
            None => (Tone::Bad, format!("down, answered all the same{said}")),
        }
    }

    /// A probe's key is `check|endpoint|subject`; the endpoint stands on the line already.
    fn probe(&self, probe: &SeenProbe) -> String {
        let mut parts = probe.key.split('|');
        let (check, subject) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
        let check = crate::config::bare(check);
        let since = self.seen.verdicts_since.get(&probe.key);
        let age = since.map_or_else(String::new, |&since| format!(" {}", clock::ago(since, self.now)));
        format!("{check} {subject} {}{age}", probe.verdict)
    }
}

/// What the policy measured, and the share where shares are by weight.
fn measure(node: &SeenNode, candidate: &SeenCandidate) -> String {
    let weight = candidate.weight.map(|weight| match node.share(candidate) {
        Some(share) => format!("weight {weight}, {} %", (share * 10.0).round() / 10.0),
        None => format!("weight {weight}"),
    });
    candidate.measure.iter().cloned().chain(weight).collect::<Vec<_>>().join(", ")
}

fn node_state(state: &str) -> (Tone, String) {
    let tone = match state {
        "up" => Tone::Good,
        "failed open" | "last resort" => Tone::Wary,
        _ => Tone::Bad,
    };
    (tone, state.to_owned())
}

fn tone_of(candidate: &SeenCandidate) -> Tone {
    if candidate.left_out.is_some() { Tone::Faint } else { Tone::Plain }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::super::super::args::{Color, Global};
    use super::*;

    fn text(told: Value) -> String {
        let global = Global { color: Color::Never, ..Global::default() };
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        render(&Seen::deserialize(told).unwrap(), &Output::new(&global), now)
    }

    fn nested() -> Value {
        json!({
            "name": "www.example.com.", "type": "A", "client": "81.2.69.0/24", "status": "NOERROR",
            "answer": ["www.example.com.\t30\tIN\tA\t127.0.1.1"], "ttl": 30, "scope": 16, "draw": "00000000000000ff",
            "verdicts_since": { "example.com/http|example.com/paris|127.0.1.2": 999_960 },
            "sources": { "81.2.69.0/24": ["country: embedded"] },
            "decisions": [{
                "owner": "www.example.com.", "route": "example.com/web", "decided_by": "ecs",
                "network": "81.2.69.0/24", "region": 2, "regions": 17, "picked": ["A 127.0.1.1"],
                "place": { "continent": "EU", "country": "GB", "at": "51.50,-0.16" },
                "nodes": [
                    { "route": "example.com/web", "policy": "geolocation", "state": "up", "candidates": [
                        { "name": "eu", "kind": "route", "measure": "continent:EU", "up": true },
                        { "name": "virginia", "kind": "endpoint", "left_out": "does not match this client" },
                    ] },
                    { "route": "example.com/eu", "policy": "weighted", "state": "up", "candidates": [
                        { "name": "frankfurt", "kind": "endpoint", "weight": 90, "up": true },
                        { "name": "lisbon", "kind": "endpoint", "weight": 30, "up": true },
                        { "name": "paris", "kind": "endpoint", "weight": 10, "left_out": "down", "probes": [
                            { "key": "example.com/http|example.com/paris|127.0.1.2", "verdict": "down" } ] },
                    ] },
                ],
            }],
        })
    }

    #[test]
    fn the_answer_comes_first_and_the_tree_nests_by_route() {
        let expected = "\
www.example.com. A for 81.2.69.0/24 (client subnet)
  NOERROR, TTL 30, scope /16
  www.example.com. 30 IN A 127.0.1.1

www.example.com. is steered by example.com/web
  decided by  the client subnet, 81.2.69.0/24
  place       GB, EU, 51.50,-0.16
  known from  country: embedded
  region      2 of 17
  picked      A 127.0.1.1
  draw        00000000000000ff: another query may draw another member

  example.com/web  geolocation      up
  ├─ » eu          continent:EU     weighted, up
  │  ├─ frankfurt  weight 90, 75 %  up
  │  ├─ lisbon     weight 30, 25 %  up
  │  └─ paris      weight 10        down (http 127.0.1.2 down 40 s ago)
  └─ virginia                       does not match this client
";
        assert_eq!(text(nested()), expected);
    }

    #[test]
    fn w4_when_only_zero_weights_are_left_they_share_alike() {
        let mut told = nested();
        told["decisions"][0]["nodes"][1]["candidates"] = json!([
            { "name": "a", "kind": "endpoint", "weight": 0, "up": true },
            { "name": "b", "kind": "endpoint", "weight": 0, "up": true },
            { "name": "c", "kind": "endpoint", "weight": 5, "left_out": "drained" },
        ]);
        let text = text(told);
        assert_eq!(text.matches("weight 0, 50 %").count(), 2, "{text}");
        assert!(text.contains("weight 5 "), "{text}");
    }

    #[test]
    fn a_difference_is_said_loudly_and_plain_names_say_that_nobody_is_steered() {
        let text = text(json!({ "name": "ns1.example.com.", "status": "NOERROR", "difference": "ttl 5 and 6" }));
        assert!(text.contains("No steered name is on the way"), "{text}");
        assert!(text.contains("please report it:\n  ttl 5 and 6"), "{text}");
    }

    #[test]
    fn a_route_that_several_members_share_is_drawn_once() {
        let mut told = nested();
        let root = &mut told["decisions"][0]["nodes"][0]["candidates"];
        root.as_array_mut().unwrap().push(json!({ "name": "eu", "kind": "route", "up": true }));
        assert_eq!(text(told).matches("frankfurt").count(), 1);
    }
}
