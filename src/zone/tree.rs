//! Building the tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::model::{Steered, Zone};
use crate::wire::{Name, RecordType, RrsetRef};

/// The names of one zone.
#[derive(Debug)]
pub struct Tree<'a> {
    /// In canonical order, so that a name stands before all below it. The apex comes first.
    pub names: BTreeMap<Name, Contents<'a>>,
}

/// What stands at a name. Nothing at all is an empty non-terminal.
#[derive(Debug, Default)]
pub struct Contents<'a> {
    /// Plain records, NS of a cut excluded.
    pub rrsets: Vec<RrsetRef<'a>>,
    /// A route answers here.
    pub steered: Option<&'a Steered>,
    /// NS records below the apex: a zone cut.
    pub cut: Option<Cut<'a>>,
}

/// A delegation.
#[derive(Debug)]
pub struct Cut<'a> {
    /// The delegation's name servers.
    pub ns: RrsetRef<'a>,
    /// Addresses of name servers at or below the cut: without them nobody gets there (RFC 9471).
    pub in_domain: Vec<RrsetRef<'a>>,
    /// Addresses of name servers that we happen to know.
    pub sibling: Vec<RrsetRef<'a>>,
}

impl<'a> Tree<'a> {
    /// Takes a whole zone.
    pub fn of(zone: &'a Zone) -> Self {
        let is_cut = |rrset: &RrsetRef<'_>| rrset.rtype == RecordType::NS && rrset.owner != zone.apex;
        let cuts: BTreeSet<Name> = zone.records.iter().filter(is_cut).map(|rrset| rrset.owner.to_name()).collect();
        let below_cut = |name: &Name| {
            std::iter::successors(name.parent(), Name::parent)
                .take_while(|above| *above != zone.apex)
                .any(|above| cuts.contains(&above))
        };
        let mut addresses: BTreeMap<Name, Vec<RrsetRef<'a>>> = BTreeMap::new();
        for rrset in zone.records.iter().filter(|rrset| matches!(rrset.rtype, RecordType::A | RecordType::AAAA)) {
            addresses.entry(rrset.owner.to_name()).or_default().push(rrset);
        }
        let mut names: BTreeMap<Name, Contents<'a>> = BTreeMap::new();
        names.insert(zone.apex.clone(), Contents::default());
        for rrset in &*zone.records {
            let owner = rrset.owner.to_name();
            if !owner.is_within(&zone.apex) || below_cut(&owner) {
                continue;
            }
            let contents = reach(&mut names, &zone.apex, &owner);
            if !cuts.contains(&owner) {
                contents.rrsets.push(rrset);
            } else if rrset.rtype == RecordType::NS {
                let (in_domain, sibling) = glue(rrset, &addresses);
                contents.cut = Some(Cut { ns: rrset, in_domain, sibling });
            } else if rrset.rtype == RecordType::DS {
                // The parent side answers for it (RFC 4035 section 3.1.4.1); other data at a cut is glue.
                contents.rrsets.push(rrset);
            }
        }
        for steered in &zone.steered {
            if steered.owner.is_within(&zone.apex) && !below_cut(&steered.owner) && !cuts.contains(&steered.owner) {
                reach(&mut names, &zone.apex, &steered.owner).steered = Some(steered);
            }
        }
        Self { names }
    }
}

/// Makes a name and all between it and the apex.
fn reach<'t, 'a>(names: &'t mut BTreeMap<Name, Contents<'a>>, apex: &Name, owner: &Name) -> &'t mut Contents<'a> {
    let between = std::iter::successors(Some(owner.clone()), Name::parent).take_while(|name| name != apex);
    for above in between.skip(1) {
        names.entry(above).or_default();
    }
    names.entry(owner.clone()).or_default()
}

/// Addresses of a cut's name servers: those at or below it, and others.
fn glue<'a>(ns: RrsetRef<'a>, addresses: &BTreeMap<Name, Vec<RrsetRef<'a>>>) -> (Vec<RrsetRef<'a>>, Vec<RrsetRef<'a>>) {
    let hosts = ns.rdata.iter().filter_map(|rdata| Name::from_wire(rdata).ok());
    let known: Vec<(bool, RrsetRef<'a>)> = hosts
        .flat_map(|host| {
            let inside = host.view().is_within(ns.owner);
            addresses.get(&host).into_iter().flatten().map(move |&rrset| (inside, rrset))
        })
        .collect();
    let of = |wanted| known.iter().filter(|(inside, _)| *inside == wanted).map(|&(_, rrset)| rrset).collect();
    (of(true), of(false))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::config::model::Soa;
    use crate::wire::RecordsBuilder;

    fn name(text: &str) -> Name {
        Name::absolute(text).unwrap()
    }

    #[test]
    fn p12_data_below_a_cut_is_glue_and_names_between_exist() {
        let soa =
            Soa { ttl: 1, mname: name("."), rname: name("."), serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 };
        let mut records = RecordsBuilder::new();
        for (owner, rtype, rdata) in [
            ("example", RecordType::NS, name("ns.example").as_wire()),
            ("ns.example", RecordType::A, &[1; 4]),
            ("a.b.c.example", RecordType::A, &[2; 4]),
            ("sub.example", RecordType::NS, name("ns.sub.example").as_wire()),
            ("sub.example", RecordType::DS, &[0; 36]),
            ("ns.sub.example", RecordType::A, &[3; 4]),
        ] {
            records.push(name(owner).view(), rtype, 60, [rdata]);
        }
        let zone = Zone {
            apex: name("example"),
            file: "example.toml".into(),
            soa,
            records: records.finish().into(),
            steered: Vec::new(),
        };
        let tree = Tree::of(&zone);
        let found: Vec<String> = tree.names.keys().map(Name::to_string).collect();
        assert_eq!(found, ["example.", "c.example.", "b.c.example.", "a.b.c.example.", "ns.example.", "sub.example."]);
        let cut = tree.names[&name("sub.example")].cut.as_ref().unwrap();
        assert_eq!((cut.in_domain.len(), cut.sibling.len()), (1, 0));
        assert_eq!(tree.names[&name("sub.example")].rrsets.len(), 1, "DS alone is ours at the cut");
    }
}
