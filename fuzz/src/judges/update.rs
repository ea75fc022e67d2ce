//! Updates of a zone, one after the other.
//!
//! The input: how, and then rows of five octets from a small alphabet, or a message behind its header.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rhumb::config::model::{Grant, Origin, Soa};
use rhumb::config::{Changes, Content, complete, faults};
use rhumb::update::{Row, Update, View, judge};
use rhumb::wire::message::Rcode;
use rhumb::wire::{RecordType, push_record};

use super::laid::{self, APEX, STEERED, Sets, ground, key, name, serve};

/// Bits of how: the message is as the input has it; the key may change less.
const RAW: u8 = 1;
const LITTLE: u8 = 2;

const IN: u16 = 1;
const CLASS_NONE: u16 = 254;
const CLASS_ANY: u16 = 255;
const ANY: RecordType = RecordType::ANY;

const OWNERS: [&str; 8] = [
    APEX,
    "a.example.com.",
    "A.example.com.",
    "b.example.com.",
    "new.a.example.com.",
    STEERED,
    "*.example.com.",
    "example.org.",
];
const TYPES: [RecordType; 8] = [
    RecordType::A,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::NS,
    RecordType::SOA,
    RecordType::DNAME,
    RecordType::WKS,
    RecordType::AXFR,
];

/// What an update comes to is what RFC 2136 section 3 says word by word; one that is refused changes nothing; what a
/// journal says of it is the same; and the zone that it makes has no fault, and answers.
pub fn update(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let mut view = view();
    let mut plain = Plain { sets: laid::sets(&view.ground().zone.records), soa: view.soa().clone() };
    let mut all = Changes::default();
    let updates = if how & RAW != 0 { vec![framed(rest)] } else { messages(rest) };
    let key = name(if how & LITTLE != 0 { "little." } else { "all." });
    for message in updates {
        let update = match Update::read(&message) {
            Ok(update) => update,
            Err(rcode) => {
                assert!(matches!(rcode, Rcode::FormErr | Rcode::NotAuth), "{rcode:?}");
                continue;
            }
        };
        if update.zone != name(APEX) {
            // Which zone it is of, others have found out.
            continue;
        }
        let (soa, before) = (view.soa().clone(), view.changes().clone());
        let outcome = judge(&mut view, &update, &key);
        if how & RAW == 0 {
            let sets = plain.sets.clone();
            let expected = plain.take(&update, how & LITTLE != 0);
            assert_eq!(outcome.as_ref().map(|_| ()), expected.as_ref().map(|_| ()), "{update:?}");
            // What adds and takes away the same may count as a change (section 3.6).
            if plain.sets == sets && plain.soa == soa && view.soa().serial == next(soa.serial) {
                plain.soa.serial = view.soa().serial;
            }
        }
        let Ok(steps) = outcome else {
            assert_eq!((view.soa(), view.changes()), (&soa, &before), "nothing of it is done: {update:?}");
            continue;
        };
        let serial = view.soa().serial;
        assert_eq!(steps.is_empty(), serial == soa.serial, "the serial grows with each change: {update:?}");
        assert!(steps.is_empty() || serial.wrapping_sub(soa.serial) as i32 > 0, "{update:?}");
        steps.iter().for_each(|step| all.apply(step));
        assert_eq!(&all, view.changes(), "{update:?}");
        let mut again = Changes::default();
        all.steps().iter().for_each(|step| again.apply(step));
        assert_eq!(again, all, "a journal that is written anew says the same: {update:?}");
        let zone = view.laid().1.expect("it is served");
        assert_eq!(zone.soa, *view.soa(), "{update:?}");
        // After a restart the files' serial counts where it is the later one.
        let again = complete(view.ground(), Some(&Content::Updated(all.clone()))).expect("it is served");
        let files = view.ground().zone.soa.serial;
        let is_behind = (files.wrapping_sub(serial) as i32) > 0;
        assert_eq!(again.soa.serial, if is_behind { files } else { serial }, "{update:?}");
        if how & RAW == 0 {
            assert_eq!(laid::sets(&zone.records), plain.sets, "{update:?}");
            assert_eq!(zone.soa, plain.soa, "{update:?}");
        }
        assert_eq!(faults(&zone), Vec::<String>::new(), "a later load takes it: {update:?}");
        serve(&zone);
    }
}

/// The serial after this one, which is not 0.
fn next(serial: u32) -> u32 {
    serial.wrapping_add(1).max(1)
}

fn view() -> View {
    static GROUND: OnceLock<Arc<rhumb::config::model::Ground>> = OnceLock::new();
    let ground = GROUND.get_or_init(|| {
        let grant = |key: &str, names: &[&str], types: &[RecordType]| Grant {
            key: name(key),
            names: names.iter().map(|text| name(text)).collect(),
            types: types.to_vec(),
        };
        let little = grant("little.", &["a.example.com."], &[RecordType::TXT, RecordType::NS]);
        Arc::new(ground(Origin::Updates(vec![grant("all.", &[], &[]), little])))
    });
    View::new(Arc::clone(ground), Changes::default(), ground.zone.soa.clone())
}

/// A header and a zone section before what the input has behind them.
fn framed(body: &[u8]) -> Vec<u8> {
    let (counts, body) = body.split_at(body.len().min(6));
    let mut header = [&[0, 7, 0x28, 0, 0, 1][..], counts].concat();
    header.resize(12, 0);
    [&header, name(APEX).as_wire(), &[0, 6, 0, 1], body].concat()
}

/// Messages of the alphabet's rows: each fifth octet says what comes next.
fn messages(rest: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut sections: [Vec<Row>; 2] = Default::default();
    for chunk in rest.chunks_exact(5) {
        let is_change = chunk[4] & 3 != 0;
        sections[usize::from(is_change)].push(row(chunk, is_change));
        if chunk[4] & 0xc0 == 0xc0 {
            messages.push(message(&std::mem::take(&mut sections)));
        }
    }
    messages.push(message(&sections));
    messages
}

fn message(sections: &[Vec<Row>; 2]) -> Vec<u8> {
    let counts: Vec<u8> = sections.iter().flat_map(|rows| (rows.len() as u16).to_be_bytes()).collect();
    let mut message = framed(&[&counts[..], &[0, 0]].concat());
    for row in sections.iter().flatten() {
        push_record(&mut message, row.owner.view(), row.rtype, row.class, row.ttl, &row.rdata);
    }
    message
}

fn row(chunk: &[u8], is_change: bool) -> Row {
    let rtype = if chunk[1] & 0xf8 == 0xf8 { ANY } else { TYPES[usize::from(chunk[1] & 7)] };
    let class = match chunk[2] & 15 {
        0 => 3,
        1..=3 => CLASS_ANY,
        4..=6 => CLASS_NONE,
        _ => IN,
    };
    // Mostly as it should be, and sometimes not.
    let is_odd = chunk[3] & 0xf0 == 0xf0;
    let wants_ttl = is_change && class == IN;
    let wants_data = class == IN || class == CLASS_NONE && is_change;
    Row {
        owner: name(OWNERS[usize::from(chunk[0] & 7)]),
        rtype,
        class,
        ttl: if wants_ttl != is_odd { 60 + u32::from(chunk[2] >> 7) } else { 0 },
        rdata: if wants_data != (is_odd && chunk[3] & 8 != 0) { data(rtype, chunk[3] & 7) } else { [].into() },
    }
}

/// The data of a type with this number.
fn data(rtype: RecordType, number: u8) -> Box<[u8]> {
    match rtype {
        RecordType::A => [192, 0, 2, number].into(),
        RecordType::TXT => [1, b'w' + number].into(),
        RecordType::SOA => {
            let ours = laid::soa(0).serial;
            laid::soa([ours, 1, 2, 3, 1 << 31, u32::MAX, 9, 10][usize::from(number)]).data().into()
        }
        // The last octets are ports, which another record of the address and protocol has in its place.
        RecordType::WKS => [192, 0, 2, number / 4, 6, 1 << number].into(),
        RecordType::AXFR | ANY => [].into(),
        // The one that the zone has.
        RecordType::NS if number == 7 => name("ns1.example.net.").as_wire().into(),
        // Spelled in two ways.
        _ => name(&format!("{}{}.example.com.", ["n", "N"][usize::from(number & 1)], number / 2)).as_wire().into(),
    }
}

/// A zone as RFC 2136 sees it.
struct Plain {
    sets: Sets,
    soa: Soa,
}

/// What tells two records apart (section 1.1.1): names in them do not by their case.
fn same(rtype: RecordType, a: &[u8], b: &[u8]) -> bool {
    let has_names = matches!(rtype, RecordType::CNAME | RecordType::NS | RecordType::DNAME | RecordType::SOA);
    if has_names { a.eq_ignore_ascii_case(b) } else { a == b }
}

impl Plain {
    fn take(&mut self, update: &Update, is_little: bool) -> Result<(), Rcode> {
        self.prerequisites(&update.prerequisites)?;
        for row in &update.changes {
            self.prescan(row)?;
        }
        for row in &update.changes {
            self.permission(row, is_little)?;
        }
        let before = (self.sets.clone(), self.soa.clone());
        for row in &update.changes {
            self.change(row);
        }
        // Section 3.6.
        if before.0 != self.sets && before.1.serial == self.soa.serial {
            self.soa.serial = next(self.soa.serial);
        }
        Ok(())
    }

    /// Section 3.2.5.
    fn prerequisites(&self, rows: &[Row]) -> Result<(), Rcode> {
        let mut temp: BTreeMap<_, Vec<&[u8]>> = BTreeMap::new();
        for row in rows {
            let place = (key(row.owner.view()), row.rtype.0);
            if row.ttl != 0 {
                return Err(Rcode::FormErr);
            }
            if !row.owner.is_within(&name(APEX)) {
                return Err(Rcode::NotZone);
            }
            match row.class {
                CLASS_ANY | CLASS_NONE => {
                    if !row.rdata.is_empty() || row.rtype == RecordType::AXFR {
                        return Err(Rcode::FormErr);
                    }
                    let (is_there, present, absent) = match row.rtype {
                        ANY => (self.is_in_use(row), Rcode::YxDomain, Rcode::NxDomain),
                        _ => (self.has(row), Rcode::YxRrset, Rcode::NxRrset),
                    };
                    match (row.class, is_there) {
                        (CLASS_ANY, false) => return Err(absent),
                        (CLASS_NONE, true) => return Err(present),
                        _ => {}
                    }
                }
                IN if row.rtype == ANY || row.rtype == RecordType::AXFR || row.rdata.is_empty() => {
                    return Err(Rcode::FormErr);
                }
                IN => temp.entry(place).or_default().push(&row.rdata),
                _ => return Err(Rcode::FormErr),
            }
        }
        for ((owner, rtype), wanted) in temp {
            let rtype = RecordType(rtype);
            let held = match rtype {
                RecordType::SOA if *owner == *name(APEX).as_wire() => BTreeSet::from([self.soa.data()]),
                _ => self.sets.get(&(owner, rtype.0)).map(|(_, data)| data.clone()).unwrap_or_default(),
            };
            let is_held = |data: &&[u8]| held.iter().any(|other| same(rtype, data, other));
            let is_wanted = |data: &Vec<u8>| wanted.iter().any(|other| same(rtype, data, other));
            if !wanted.iter().all(is_held) || !held.iter().all(is_wanted) {
                return Err(Rcode::NxRrset);
            }
        }
        Ok(())
    }

    fn is_in_use(&self, row: &Row) -> bool {
        let owner = key(row.owner.view());
        row.owner == name(APEX) || row.owner == name(STEERED) || self.sets.keys().any(|(name, _)| *name == owner)
    }

    fn has(&self, row: &Row) -> bool {
        let at_apex = row.owner == name(APEX) && row.rtype == RecordType::SOA;
        let is_steered = row.owner == name(STEERED) && row.rtype == RecordType::A;
        at_apex || is_steered || self.sets.contains_key(&(key(row.owner.view()), row.rtype.0))
    }

    /// Section 3.4.1.3.
    fn prescan(&self, row: &Row) -> Result<(), Rcode> {
        if !row.owner.is_within(&name(APEX)) {
            return Err(Rcode::NotZone);
        }
        let is_meta = row.rtype == ANY || row.rtype == RecordType::AXFR;
        let is_good = match row.class {
            IN => !is_meta && !row.rdata.is_empty(),
            CLASS_ANY => row.ttl == 0 && row.rdata.is_empty() && row.rtype != RecordType::AXFR,
            CLASS_NONE => row.ttl == 0 && !is_meta && !row.rdata.is_empty(),
            _ => false,
        };
        if is_good { Ok(()) } else { Err(Rcode::FormErr) }
    }

    /// Section 3.3: the little key has TXT and NS at `a` and below; nobody has what a route answers.
    fn permission(&self, row: &Row, is_little: bool) -> Result<(), Rcode> {
        let owner = key(row.owner.view());
        let mut touched: Vec<u16> = vec![row.rtype.0];
        if row.rtype == ANY {
            touched = self.sets.keys().filter(|(name, _)| *name == owner).map(|(_, rtype)| *rtype).collect();
        }
        let is_below = row.owner.is_within(&name("a.example.com."));
        let is_granted = !is_little || is_below && touched.iter().all(|rtype| [2, 16].contains(rtype));
        let is_wildcard_cut = row.class == IN && row.rtype == RecordType::NS && row.owner == name("*.example.com.");
        // The only steered name is right below the apex.
        let hides_it = row.class == IN && row.rtype == RecordType::DNAME && row.owner == name(APEX);
        let is_fine = is_granted && !is_wildcard_cut && !hides_it && row.owner != name(STEERED);
        if is_fine { Ok(()) } else { Err(Rcode::Refused) }
    }

    /// Section 3.4.2.7.
    fn change(&mut self, row: &Row) {
        let (owner, rtype) = (key(row.owner.view()), row.rtype);
        let at_apex = row.owner == name(APEX);
        let place = (owner.clone(), rtype.0);
        let is_kept = |(name, held): &(Box<[u8]>, u16)| *name != owner || at_apex && *held == 2;
        match row.class {
            IN if rtype == RecordType::SOA => {
                let soa = Soa::read(&row.rdata, row.ttl).expect("an SOA");
                if at_apex && soa.serial.wrapping_sub(self.soa.serial) as i32 > 0 {
                    self.soa = soa;
                }
            }
            IN => {
                let types: Vec<u16> =
                    self.sets.keys().filter(|(name, _)| *name == owner).map(|(_, held)| *held).collect();
                let is_cname = rtype == RecordType::CNAME;
                // RFC 6672 section 2.3.
                let is_beside_cut = |held| !at_apex && [[2, 39], [39, 2]].contains(&[held, rtype.0]);
                let is_in_the_way = |&held: &u16| (held == 5) != is_cname || is_beside_cut(held);
                if types.iter().any(is_in_the_way) || at_apex && is_cname {
                    return;
                }
                let (ttl, data) = self.sets.entry(place).or_default();
                let gives_way = |held: &[u8]| match rtype {
                    RecordType::CNAME | RecordType::DNAME => true,
                    RecordType::WKS => held[..5] == row.rdata[..5],
                    _ => false,
                };
                if data.iter().any(|held| same(rtype, held, &row.rdata)) {
                    *ttl = row.ttl;
                    return;
                }
                data.retain(|held| !gives_way(held));
                data.insert(row.rdata.to_vec());
                *ttl = row.ttl;
            }
            CLASS_ANY if rtype == ANY => self.sets.retain(|place, _| is_kept(place)),
            CLASS_ANY if at_apex && rtype == RecordType::NS => {}
            CLASS_ANY => drop(self.sets.remove(&place)),
            _ => {
                let Some((_, data)) = self.sets.get_mut(&place) else { return };
                if at_apex && rtype == RecordType::NS && data.len() == 1 {
                    return;
                }
                data.retain(|held| !same(rtype, held, &row.rdata));
                if data.is_empty() {
                    self.sets.remove(&place);
                }
            }
        }
    }
}
