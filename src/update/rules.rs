//! RFC 2136 section 3: whether an update is taken, and what it comes to.

use std::collections::{HashMap, HashSet};

use super::draft::{Draft, DraftName};
use super::message::{CLASS_ANY, CLASS_NONE, Row, Update};
use super::view::View;
use crate::config::model::{Grant, Origin, Soa, precedes};
use crate::config::{BESIDE_CNAME, Change, RECORD, ROOM, same};
use crate::wire::message::{CLASS_IN, Rcode};
use crate::wire::rdata::{is_sound, without_case};
use crate::wire::text::rdata_fault;
use crate::wire::{Name, RecordType};

/// The first octets of WKS data, an address and a protocol, which another record of the same has in its place.
const WKS_KEY: usize = 5;

/// Judges an update that is signed with a key, and applies it to the view. The steps that were taken are none if it
/// changes nothing; the last one raises the serial.
///
/// How long it takes goes by the rows and by what their names hold, never by the product of the two: whoever has a key
/// may send as many rows as a message holds, and others wait for the thread that judges them.
///
/// # Errors
/// The response code, and nothing was applied: as the RFC says, and REFUSED for what the key may not do, for a name that
/// a route answers or a delegation or DNAME above one, for a delegation at a wildcard, and for an RRset that no answer
/// could carry.
pub fn judge(view: &mut View, update: &Update, key: &Name) -> Result<Vec<Change>, Rcode> {
    let steps = judged(view, update, key)?;
    steps.iter().for_each(|step| view.apply(step));
    Ok(steps)
}

fn judged(view: &View, update: &Update, key: &Name) -> Result<Vec<Change>, Rcode> {
    let grants: Vec<&Grant> = match &view.ground().origin {
        Origin::Updates(grants) => grants.iter().filter(|grant| grant.key == *key).collect(),
        Origin::Primaries(_) => Vec::new(),
    };
    // Before anything is looked up for it: section 3.3 would have the prerequisites first, which then tell a key without
    // any part in the zone what the zone holds.
    if grants.is_empty() {
        return Err(Rcode::Refused);
    }
    let mut draft = Draft::of(view);
    prerequisites(&mut draft, update)?;
    prescan(update)?;
    permission(&mut draft, update, &grants)?;
    let mut steps = Vec::new();
    for row in &update.changes {
        take(&mut draft, row, &mut steps)?;
    }
    if !steps.is_empty() && !steps.iter().any(|step| matches!(step, Change::Soa(_))) {
        steps.push(Change::Serial(view.soa().serial.wrapping_add(1).max(1)));
    }
    Ok(steps)
}

/// Section 3.2.
fn prerequisites<'v>(draft: &mut Draft<'v>, update: &'v Update) -> Result<(), Rcode> {
    let mut wanted: HashMap<(&Name, RecordType), HashSet<_>> = HashMap::new();
    for row in &update.prerequisites {
        let Row { owner, rtype, class, ttl, rdata } = row;
        if *ttl != 0 {
            return Err(Rcode::FormErr);
        }
        if !owner.is_within(&update.zone) {
            return Err(Rcode::NotZone);
        }
        let is_any = *rtype == RecordType::ANY;
        match *class {
            CLASS_ANY | CLASS_NONE if !rdata.is_empty() || (rtype.is_meta() && !is_any) => return Err(Rcode::FormErr),
            CLASS_ANY if is_any && !in_use(draft, owner) => return Err(Rcode::NxDomain),
            CLASS_ANY if !is_any && !exists(draft, owner, *rtype) => return Err(Rcode::NxRrset),
            CLASS_NONE if is_any && in_use(draft, owner) => return Err(Rcode::YxDomain),
            CLASS_NONE if !is_any && exists(draft, owner, *rtype) => return Err(Rcode::YxRrset),
            CLASS_ANY | CLASS_NONE => {}
            CLASS_IN if rtype.is_meta() || !is_sound(*rtype, rdata) => return Err(Rcode::FormErr),
            CLASS_IN => {
                wanted.entry((owner, *rtype)).or_default().insert(without_case(*rtype, rdata));
            }
            _ => return Err(Rcode::FormErr),
        }
    }
    let soa = draft.view().soa().data();
    for ((owner, rtype), wanted) in wanted {
        let held: &[&[u8]] = if *owner == update.zone && rtype == RecordType::SOA {
            &[&soa]
        } else {
            draft.name(owner).before(rtype).map_or(&[], |set| &set.data)
        };
        let held: HashSet<_> = held.iter().map(|data| without_case(rtype, data)).collect();
        if wanted != held {
            return Err(Rcode::NxRrset);
        }
    }
    Ok(())
}

/// Whether a name has records; a name that a route answers has.
fn in_use<'v>(draft: &mut Draft<'v>, name: &'v Name) -> bool {
    let view = draft.view();
    *name == view.ground().zone.apex || view.answered(name).is_some() || draft.name(name).all_before().next().is_some()
}

/// Whether a name has a record of a type, a route's included.
fn exists<'v>(draft: &mut Draft<'v>, name: &'v Name, rtype: RecordType) -> bool {
    let view = draft.view();
    let is_soa = rtype == RecordType::SOA && *name == view.ground().zone.apex;
    is_soa
        || view.answered(name).is_some_and(|types| types.contains(&rtype))
        || draft.name(name).before(rtype).is_some()
}

/// Section 3.4.1.
fn prescan(update: &Update) -> Result<(), Rcode> {
    for row in &update.changes {
        if !row.owner.is_within(&update.zone) {
            return Err(Rcode::NotZone);
        }
        let is_any = row.rtype == RecordType::ANY;
        let is_good = match row.class {
            CLASS_IN => {
                let is_data = !row.rtype.is_meta() && is_sound(row.rtype, &row.rdata);
                is_data && rdata_fault(row.rtype, &row.rdata).is_none()
            }
            CLASS_ANY => row.ttl == 0 && row.rdata.is_empty() && (is_any || !row.rtype.is_meta()),
            CLASS_NONE => row.ttl == 0 && !row.rtype.is_meta() && is_sound(row.rtype, &row.rdata),
            _ => false,
        };
        if !is_good {
            return Err(Rcode::FormErr);
        }
    }
    Ok(())
}

/// Section 3.3, as far as it depends on what is changed.
fn permission<'v>(draft: &mut Draft<'v>, update: &'v Update, grants: &[&Grant]) -> Result<(), Rcode> {
    let view = draft.view();
    let mut granted = HashSet::new();
    for row in &update.changes {
        // Whatever else a row says makes no difference.
        if !granted.insert((&row.owner, row.rtype, row.class)) {
            continue;
        }
        let name = row.owner.view();
        let may = |rtype| grants.iter().any(|grant| grant.covers(name, rtype));
        let is_granted = if row.rtype == RecordType::ANY {
            let mut types = draft.name(&row.owner).all_before();
            types.all(may) && grants.iter().any(|grant| grant.covers_name(name))
        } else {
            may(row.rtype)
        };
        let is_wildcard_cut = row.class == CLASS_IN && row.rtype == RecordType::NS && name.is_wildcard();
        let is_steered = view.answered(&row.owner).is_some();
        if !is_granted || is_wildcard_cut || is_steered || would_hide_a_route(view, row) {
            return Err(Rcode::Refused);
        }
    }
    Ok(())
}

/// Whether a steered name would be a delegation's or a DNAME's to answer.
fn would_hide_a_route(view: &View, row: &Row) -> bool {
    let hides = match row.rtype {
        RecordType::NS => row.owner != view.ground().zone.apex,
        RecordType::DNAME => true,
        _ => false,
    };
    hides && row.class == CLASS_IN && view.is_above_steered(&row.owner)
}

/// Section 3.4.2: one row.
fn take<'v>(draft: &mut Draft<'v>, row: &'v Row, steps: &mut Vec<Change>) -> Result<(), Rcode> {
    let at_apex = row.owner == draft.view().ground().zone.apex;
    if row.rtype == RecordType::SOA {
        // It is never taken away.
        if row.class == CLASS_IN && at_apex {
            let soa = Soa::read(&row.rdata, row.ttl).filter(|soa| precedes(draft.serial(), soa.serial));
            steps.extend(soa.map(|soa| draft.set_soa(soa)));
        }
        return Ok(());
    }
    let name = draft.name(&row.owner);
    match (row.class, row.rtype) {
        (CLASS_IN, _) => add(name, row, at_apex, steps)?,
        (CLASS_ANY, RecordType::ANY) => {
            let types: Vec<RecordType> = name.types().filter(|&rtype| !at_apex || rtype != RecordType::NS).collect();
            steps.extend(types.into_iter().map(|rtype| name.clear(rtype)));
        }
        (CLASS_ANY, RecordType::NS) if at_apex => {}
        (CLASS_ANY, rtype) => {
            if name.set(rtype).is_some() {
                steps.push(name.clear(rtype));
            }
        }
        (_, rtype) => {
            let is_there = name.contains(rtype, &row.rdata);
            let is_last = name.set(rtype).is_some_and(|set| set.records == 1);
            if is_there && !(at_apex && rtype == RecordType::NS && is_last) {
                let before = name.set(rtype).map(|set| set.ttl);
                steps.push(name.remove(rtype, &row.rdata));
                // Without any record of its own an RRset would have the TTL of the files again.
                steps.extend(before.and_then(|ttl| name.keep_ttl(rtype, ttl)));
            }
        }
    }
    Ok(())
}

fn add(name: &mut DraftName<'_>, row: &Row, is_apex: bool, steps: &mut Vec<Change>) -> Result<(), Rcode> {
    let rtype = row.rtype;
    // A CNAME stands alone (and the apex has SOA and NS), and no delegation is beside a DNAME (RFC 6672 section 2.3):
    // whatever would be is left out.
    let clashes_with_cname = |other: RecordType| other != RecordType::CNAME && !BESIDE_CNAME.contains(&other);
    let is_in_the_way = match rtype {
        RecordType::CNAME => is_apex || name.types().any(clashes_with_cname),
        _ => name.set(RecordType::CNAME).is_some() && clashes_with_cname(rtype),
    };
    let is_cut_beside_dname = match rtype {
        RecordType::NS => name.set(RecordType::DNAME).is_some(),
        RecordType::DNAME => name.set(RecordType::NS).is_some(),
        _ => false,
    };
    if is_in_the_way || !is_apex && is_cut_beside_dname {
        return Ok(());
    }
    let mut octets = RECORD + row.rdata.len();
    if let Some(set) = name.set(rtype) {
        if set.ttl == row.ttl && name.contains(rtype, &row.rdata) {
            return Ok(());
        }
        octets += set.octets;
    }
    if octets > ROOM {
        return Err(Rcode::Refused);
    }
    let gives_way = match rtype {
        RecordType::CNAME | RecordType::DNAME => name.beginning_with(rtype, &[]),
        RecordType::WKS => name.beginning_with(rtype, row.rdata.get(..WKS_KEY).unwrap_or_default()),
        _ => Vec::new(),
    };
    let others = gives_way.into_iter().filter(|data| !same(rtype, data, &row.rdata));
    steps.extend(others.map(|data| name.remove(rtype, &data)));
    steps.push(name.add(rtype, row.ttl, &row.rdata));
    Ok(())
}
