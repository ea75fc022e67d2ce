//! Random zones: wildcards at any depth, delegations with and without glue, chains that end, dangle, leave and loop.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::names::{Labels, below, label};
use super::rdata;
use crate::harness::Draws;

/// Type by mnemonic, then its TTL and the data of its records.
type Sets = BTreeMap<&'static str, (u32, BTreeSet<String>)>;

/// One zone, as all servers read it.
pub(super) struct Zone {
    pub(super) apex: Labels,
    owners: BTreeMap<Labels, Sets>,
    /// What records name.
    targets: Vec<Labels>,
    soa: String,
}

/// Where the delegations and aliases of zones may lead besides themselves.
const ELSEWHERE: &str = "ns.elsewhere.example";

impl Zone {
    /// A zone with some names; `others` are apexes of zones that are served too.
    pub(super) fn random(apex: Labels, others: &[Labels], draws: &mut Draws) -> Self {
        let soa = format!(
            "{} IN SOA {} hostmaster.example.org. 7 3600 600 86400 {}",
            draws.pick(&[30, 300, 7200]),
            apex.child(b"ns").text(draws),
            draws.pick(&[60, 600]),
        );
        let mut zone = Self { apex: apex.clone(), owners: BTreeMap::new(), targets: Vec::new(), soa };
        for _ in 0..1 + draws.below(3) {
            let host = zone.target(others, draws);
            if host.is_within(&apex) {
                // Not every server loads a zone whose own name servers have no address.
                zone.put(&host, "A", &host, draws);
            }
            zone.put(&apex, "NS", &host, draws);
        }
        for _ in 0..draws.below(4) {
            zone.data(&apex, others, draws);
        }
        for _ in 0..5 + draws.below(40) {
            let owner = zone.owner(draws);
            match draws.below(16) {
                0..3 => zone.alias(&owner, others, draws),
                3..6 => zone.cut(&owner, others, draws),
                _ => {
                    for _ in 0..1 + draws.below(3) {
                        zone.data(&owner, others, draws);
                    }
                }
            }
        }
        zone.loops(draws);
        for _ in 0..draws.below(5) {
            zone.redirect(others, draws);
        }
        zone
    }

    /// A zone whose apex redirects all that is below it.
    pub(super) fn redirected(apex: Labels, to: &Labels, draws: &mut Draws) -> Self {
        let soa = format!("300 IN SOA {ELSEWHERE}. hostmaster.example.org. 7 3600 600 86400 60");
        let mut zone = Self { apex: apex.clone(), owners: BTreeMap::new(), targets: Vec::new(), soa };
        zone.put(&apex, "NS", &Labels::of(ELSEWHERE), draws);
        zone.put(&apex, "DNAME", to, draws);
        zone.data(&apex, &[], draws);
        zone
    }

    /// A name for records: anew, or below one that is there.
    fn owner(&self, draws: &mut Draws) -> Labels {
        if draws.one_in(3) {
            let known: Vec<_> = self.owners.keys().collect();
            let below = draws.pick(&known).child(if draws.one_in(5) { b"*" } else { label(draws) });
            if below.0.len() < 8 {
                return below;
            }
        }
        below(&self.apex, draws)
    }

    /// A name for records to name.
    fn target(&self, others: &[Labels], draws: &mut Draws) -> Labels {
        let known: Vec<_> = self.owners.keys().collect();
        match draws.below(12) {
            0 => Labels::of(ELSEWHERE),
            1 if !others.is_empty() && draws.one_in(3) => draws.pick(others).clone(),
            1 if !others.is_empty() => below(draws.pick(others), draws),
            2..5 if !known.is_empty() => draws.pick(&known).child(label(draws)),
            5..9 if !known.is_empty() => (*draws.pick(&known)).clone(),
            _ => below(&self.apex, draws),
        }
    }

    /// One more record, unless an alias is in its way.
    fn put(&mut self, owner: &Labels, rtype: &'static str, target: &Labels, draws: &mut Draws) {
        let data = rdata::text(rtype, target, draws);
        let ttl = *draws.pick(&[0, 60, 3600]);
        let sets = self.owners.entry(owner.clone()).or_default();
        if sets.contains_key("CNAME") {
            return;
        }
        let of_type = &mut sets.entry(rtype).or_insert_with(|| (ttl, BTreeSet::new())).1;
        // Case makes no other name: a second record of the same data would be a duplicate to some and not to others.
        if !of_type.iter().any(|other| other.eq_ignore_ascii_case(&data)) {
            of_type.insert(data);
            self.targets.push(target.clone());
        }
    }

    fn data(&mut self, owner: &Labels, others: &[Labels], draws: &mut Draws) {
        let (rtype, _) = rdata::any_type(draws);
        for _ in 0..1 + draws.below(3) * draws.below(2) {
            let target = self.target(others, draws);
            self.put(owner, rtype, &target, draws);
        }
    }

    fn alias(&mut self, owner: &Labels, others: &[Labels], draws: &mut Draws) {
        let target = self.target(others, draws);
        if *owner != self.apex && !self.owners.contains_key(owner) {
            self.put(owner, "CNAME", &target, draws);
        }
    }

    /// A delegation: name servers below it, beside it, in data of ours or elsewhere; addresses mostly.
    fn cut(&mut self, owner: &Labels, others: &[Labels], draws: &mut Draws) {
        // NS at a wildcard is refused (RFC 4592 section 4.2 leaves it undefined), and glue has to be reachable by none.
        if *owner == self.apex || owner.0[0] == b"*" || self.owners.get(owner).is_some_and(|s| s.contains_key("CNAME"))
        {
            return;
        }
        for _ in 0..1 + draws.below(3) {
            let host = match draws.below(4) {
                0 | 1 => owner.child(label(draws)),
                2 => owner.parent().child(label(draws)).child(b"ns"),
                _ => self.target(others, draws),
            };
            self.put(owner, "NS", &host, draws);
            if host.is_within(&self.apex) && !draws.one_in(4) {
                for rtype in ["A", "AAAA"] {
                    if !draws.one_in(3) {
                        self.put(&host, rtype, &host, draws);
                    }
                }
            }
        }
        if draws.one_in(3) {
            self.put(owner, "DS", owner, draws);
        }
    }

    /// A DNAME where nothing is below: not every server loads a zone with names that it hides.
    fn redirect(&mut self, others: &[Labels], draws: &mut Draws) {
        let owner = self.owner(draws);
        let mut target = self.target(others, draws);
        if draws.one_in(3) {
            // So long that not every name below the owner has room below the target.
            for _ in 0..3 {
                target = Some(target.child(&[b'l'; 60])).filter(Labels::fits).unwrap_or(target);
            }
        }
        let taken = ["CNAME", "NS", "DNAME"].iter().any(|rtype| self.has(&owner, rtype));
        let above = self.owners.keys().any(|other| *other != owner && other.is_within(&owner));
        let below = self.owners.keys().any(|other| owner.is_within(other) && self.has(other, "DNAME"));
        if owner != self.apex && owner.0[0] != b"*" && !taken && !above && !below {
            self.put(&owner, "DNAME", &target, draws);
        }
    }

    /// An alias to itself, two to each other, and a wildcard that leads below itself.
    fn loops(&mut self, draws: &mut Draws) {
        let names = [self.apex.child(b"loop1"), self.apex.child(b"loop2"), self.apex.child(b"self")];
        for (from, to) in [(0, 1), (1, 0), (2, 2)] {
            self.put(&names[from], "CNAME", &names[to].clone(), draws);
        }
        let around = self.apex.child(b"around");
        self.put(&around.child(b"*"), "CNAME", &around.child(b"again"), draws);
    }

    /// Names that have records.
    pub(super) fn owners(&self) -> impl Iterator<Item = &Labels> {
        self.owners.keys()
    }

    /// Names that are delegated.
    pub(super) fn cuts(&self) -> impl Iterator<Item = &Labels> {
        self.owners.keys().filter(|owner| **owner != self.apex && self.has(owner, "NS"))
    }

    /// Names that records lead to.
    pub(super) fn targets(&self) -> &[Labels] {
        &self.targets
    }

    fn has(&self, owner: &Labels, rtype: &str) -> bool {
        self.owners.get(owner).is_some_and(|sets| sets.contains_key(rtype))
    }

    /// Types at a name, by mnemonic.
    pub(super) fn types(&self, owner: &Labels) -> Vec<&'static str> {
        self.owners.get(owner).map(|sets| sets.keys().copied().collect()).unwrap_or_default()
    }

    /// The master file.
    pub(super) fn text(&self, draws: &mut Draws) -> String {
        let mut text = format!("{} {}\n", self.apex.text(draws), self.soa);
        for (owner, sets) in &self.owners {
            for (rtype, (ttl, data)) in sets {
                for data in data {
                    writeln!(text, "{} {ttl} IN {rtype} {data}", owner.text(draws)).unwrap();
                }
            }
        }
        text
    }
}
