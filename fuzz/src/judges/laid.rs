//! A zone that holds more than its file says, and what is served of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rhumb::config::faults;
use rhumb::config::model::{Ground, Origin, Soa, Zone};
use rhumb::snapshot::{Inputs, compile};
use rhumb::wire::{Name, NameRef, RecordType, Records};

use crate::harness::{Ask, Fixture, Reply, Setup};

/// The zone.
pub const APEX: &str = "example.com.";
/// Where a route answers addresses.
pub const STEERED: &str = "s.example.com.";
/// Of the names of a zone, how many are asked.
const ASKED: usize = 12;

const RECORDS: &str = r#"
s = { route = "s" }
a = { A = ["192.0.2.1", "192.0.2.2"], TXT = "x" }
b = { CNAME = "a" }
"#;
const ROUTES: &str = r#"
[endpoints.p]
A = "192.0.2.9"
[routes.s]
policy = "simple"
to = [{ endpoint = "p" }]
"#;

fn inputs() -> &'static Inputs {
    static INPUTS: OnceLock<Inputs> = OnceLock::new();
    INPUTS.get_or_init(|| Setup::new(RECORDS, ROUTES).inputs())
}

/// What its file says.
pub fn ground(origin: Origin) -> Ground {
    Ground { zone: Zone::clone(&inputs().model.zones[0]), origin, answered: vec![vec![RecordType::A]] }
}

/// A name in canonical form.
pub fn key(name: NameRef<'_>) -> Box<[u8]> {
    name.as_wire().to_ascii_lowercase().into()
}

/// A name from text.
pub fn name(text: &str) -> Name {
    Name::absolute(text).expect("a name")
}

/// An SOA with this serial.
pub fn soa(serial: u32) -> Soa {
    Soa { serial, ..inputs().model.zones[0].soa.clone() }
}

/// Owner and type to TTL and data.
pub type Sets = BTreeMap<(Box<[u8]>, u16), (u32, BTreeSet<Vec<u8>>)>;

/// Records as a plain table.
pub fn sets(records: &Records) -> Sets {
    let of = |set: rhumb::wire::RrsetRef<'_>| {
        let data: BTreeSet<_> = set.rdata.iter().map(<[u8]>::to_vec).collect();
        assert_eq!(data.len(), set.rdata.iter().count(), "each record once");
        ((key(set.owner), set.rtype.0), (set.ttl, data))
    };
    let sets: Sets = records.iter().map(of).collect();
    assert_eq!(sets.len(), records.iter().count(), "each RRset once");
    sets
}

/// What is put together is found faulty, or its names are answered with what it holds.
pub fn serve(zone: &Zone) {
    if !faults(zone).is_empty() {
        return;
    }
    let mut inputs = inputs().clone();
    Arc::make_mut(&mut inputs.model).zones[0] = Arc::new(zone.clone());
    // A limit may be passed; that is told and nothing is served.
    let Ok(snapshot) = compile(&inputs, 1, None) else { return };
    let fixture = Fixture { inputs, snapshot };
    // Names below a DNAME, and at and below a delegation, have other answers.
    let of_type = |rtype| zone.records.iter().filter(move |set| set.rtype == rtype).map(|set| set.owner.to_name());
    let cuts: Vec<Name> = of_type(RecordType::NS).filter(|owner| *owner != zone.apex).collect();
    let dnames: Vec<Name> = of_type(RecordType::DNAME).collect();
    // hickory reads no data without octets but that of few types, and there may be any.
    let read_by_all = zone.records.iter().filter(|set| set.rdata.iter().all(|data| !data.is_empty()));
    for set in read_by_all.take(ASKED) {
        let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(set.owner.as_wire());
        query.extend(set.rtype.0.to_be_bytes());
        query.extend([0, 1]);
        let reply = Reply::read(&fixture.raw(&query, &Ask::a("ignored.").stream()).expect("a reply"));
        let is_covered = cuts.iter().any(|cut| set.owner.is_within(cut.view()))
            || dnames.iter().any(|dname| set.owner != *dname && set.owner.is_within(dname.view()));
        if is_covered || set.rtype.is_meta() || reply.tc {
            continue;
        }
        let answered = reply.answer.iter().filter(|record| record.rtype == set.rtype).count();
        assert!(answered >= set.rdata.iter().count(), "{} {}: {reply:?}", set.owner, set.rtype);
    }
}
