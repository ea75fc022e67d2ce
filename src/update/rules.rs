//! RFC 2136 section 3: whether an update is taken, and what it comes to.

use super::message::{CLASS_ANY, CLASS_NONE, Row, Update};
use super::view::View;
use crate::config::model::{Grant, Origin, Soa, precedes};
use crate::config::{BESIDE_CNAME, Change, RECORD, ROOM, same};
use crate::wire::message::{CLASS_IN, Rcode};
use crate::wire::rdata::is_sound;
use crate::wire::text::rdata_fault;
use crate::wire::{Name, NameRef, RecordType};

/// The first octets of WKS data, an address and a protocol, which another record of the same has in its place.
const WKS_KEY: usize = 5;

/// Judges an update that is signed with a key, and applies it to the view. The steps that were taken are none if it
/// changes nothing; the last one raises the serial.
///
/// # Errors
/// The response code, and nothing was applied: as the RFC says, and REFUSED for what the key may not do, for a name that
/// a route answers or a delegation or DNAME above one, for a delegation at a wildcard, and for an RRset that no answer
/// could carry.
pub fn judge(view: &mut View, update: &Update, key: &Name) -> Result<Vec<Change>, Rcode> {
    prerequisites(view, update)?;
    let grants: Vec<Grant> = match &view.ground().origin {
        Origin::Updates(grants) => grants.iter().filter(|grant| grant.key == *key).cloned().collect(),
        Origin::Primaries(_) => Vec::new(),
    };
    if grants.is_empty() {
        return Err(Rcode::Refused);
    }
    prescan(update)?;
    permission(view, update, &grants)?;
    let saved = view.saved(update.changes.iter().map(|row| &row.owner));
    let mut steps = Vec::new();
    for row in &update.changes {
        if let Err(rcode) = take(view, row, &mut steps) {
            view.put_back(saved);
            return Err(rcode);
        }
    }
    if !steps.is_empty() && !steps.iter().any(|step| matches!(step, Change::Soa(_))) {
        let step = Change::Serial(view.soa().serial.wrapping_add(1).max(1));
        view.apply(&step);
        steps.push(step);
    }
    Ok(steps)
}

/// Section 3.2.
fn prerequisites(view: &View, update: &Update) -> Result<(), Rcode> {
    let mut wanted: Vec<(&Name, RecordType, Vec<&[u8]>)> = Vec::new();
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
            CLASS_ANY if is_any && !in_use(view, owner.view()) => return Err(Rcode::NxDomain),
            CLASS_ANY if !is_any && !exists(view, owner.view(), *rtype) => return Err(Rcode::NxRrset),
            CLASS_NONE if is_any && in_use(view, owner.view()) => return Err(Rcode::YxDomain),
            CLASS_NONE if !is_any && exists(view, owner.view(), *rtype) => return Err(Rcode::YxRrset),
            CLASS_ANY | CLASS_NONE => {}
            CLASS_IN if rtype.is_meta() || !is_sound(*rtype, rdata) => return Err(Rcode::FormErr),
            CLASS_IN => match wanted.iter_mut().find(|(name, of, _)| *name == owner && of == rtype) {
                Some((.., data)) => data.push(rdata),
                None => wanted.push((owner, *rtype, vec![rdata])),
            },
            _ => return Err(Rcode::FormErr),
        }
    }
    for (owner, rtype, data) in wanted {
        let soa = (owner == &update.zone && rtype == RecordType::SOA).then(|| view.soa().data());
        let held: Vec<&[u8]> = match &soa {
            Some(soa) => vec![soa],
            None => view.set(owner.view(), rtype).map(|set| set.data).unwrap_or_default(),
        };
        let all = |these: &[&[u8]], those: &[&[u8]]| {
            these.iter().all(|this| those.iter().any(|that| same(rtype, this, that)))
        };
        if !all(&data, &held) || !all(&held, &data) {
            return Err(Rcode::NxRrset);
        }
    }
    Ok(())
}

/// Whether a name has records; a name that a route answers has.
fn in_use(view: &View, name: NameRef<'_>) -> bool {
    name == view.ground().zone.apex || view.answered(name).is_some() || !view.sets(name).is_empty()
}

/// Whether a name has a record of a type, a route's included.
fn exists(view: &View, name: NameRef<'_>, rtype: RecordType) -> bool {
    let is_soa = rtype == RecordType::SOA && name == view.ground().zone.apex;
    is_soa || view.answered(name).is_some_and(|types| types.contains(&rtype)) || view.set(name, rtype).is_some()
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
fn permission(view: &View, update: &Update, grants: &[Grant]) -> Result<(), Rcode> {
    let may = |name: NameRef<'_>, rtype| grants.iter().any(|grant| grant.covers(name, rtype));
    for row in &update.changes {
        let name = row.owner.view();
        let is_granted = if row.rtype == RecordType::ANY {
            let mut sets = view.sets(name).into_iter();
            sets.all(|set| may(name, set.rtype)) && grants.iter().any(|grant| grant.covers_name(name))
        } else {
            may(name, row.rtype)
        };
        let is_wildcard_cut = row.class == CLASS_IN && row.rtype == RecordType::NS && name.is_wildcard();
        if !is_granted || is_wildcard_cut || view.answered(name).is_some() || would_hide_a_route(view, row) {
            return Err(Rcode::Refused);
        }
    }
    Ok(())
}

/// Whether a steered name would be a delegation's or a DNAME's to answer.
fn would_hide_a_route(view: &View, row: &Row) -> bool {
    let zone = &view.ground().zone;
    let hides = match row.rtype {
        RecordType::NS => row.owner != zone.apex,
        RecordType::DNAME => true,
        _ => false,
    };
    let mut steered = zone.steered.iter();
    hides && row.class == CLASS_IN && steered.any(|steered| steered.owner.is_within(&row.owner))
}

/// Section 3.4.2: one row.
fn take(view: &mut View, row: &Row, steps: &mut Vec<Change>) -> Result<(), Rcode> {
    let name = row.owner.view();
    let at_apex = name == view.ground().zone.apex;
    let mut taken = Vec::new();
    match (row.class, row.rtype) {
        (CLASS_IN, RecordType::SOA) => {
            let soa = Soa::read(&row.rdata, row.ttl).filter(|soa| at_apex && precedes(view.soa().serial, soa.serial));
            taken.extend(soa.map(Change::Soa));
        }
        (CLASS_IN, _) => add(view, row, &mut taken)?,
        (CLASS_ANY, RecordType::ANY) => {
            let types: Vec<RecordType> = view.sets(name).iter().map(|set| set.rtype).collect();
            let types = types.into_iter().filter(|&rtype| !at_apex || rtype != RecordType::NS);
            taken.extend(types.map(|rtype| clear(view, &row.owner, rtype)));
        }
        (CLASS_ANY, RecordType::SOA | RecordType::NS) if at_apex => {}
        (CLASS_ANY, rtype) => {
            if view.set(name, rtype).is_some() {
                taken.push(clear(view, &row.owner, rtype));
            }
        }
        (_, RecordType::SOA) => {}
        (_, rtype) => {
            let set = view.set(name, rtype);
            let is_there = set.as_ref().is_some_and(|set| set.data.iter().any(|data| same(rtype, data, &row.rdata)));
            let is_last = set.is_some_and(|set| set.data.len() == 1);
            if is_there && !(at_apex && rtype == RecordType::NS && is_last) {
                taken.push(remove(view, &row.owner, rtype, &row.rdata));
            }
        }
    }
    let ttl = |view: &View| view.set(name, row.rtype).map(|set| set.ttl);
    let before = ttl(view).filter(|_| row.class == CLASS_NONE);
    for step in taken {
        view.apply(&step);
        steps.push(step);
    }
    // Without any record of its own an RRset would have the TTL of the files again.
    if let (Some(ttl), Some(set)) = (before, view.set(name, row.rtype).filter(|set| Some(set.ttl) != before)) {
        let rdata = set.data.first().map(|data| Box::from(*data)).unwrap_or_default();
        let step = Change::Add { owner: row.owner.clone(), rtype: row.rtype, ttl, rdata };
        view.apply(&step);
        steps.push(step);
    }
    Ok(())
}

fn add(view: &View, row: &Row, taken: &mut Vec<Change>) -> Result<(), Rcode> {
    let (name, rtype) = (row.owner.view(), row.rtype);
    let sets = view.sets(name);
    let is_apex = name == view.ground().zone.apex;
    // A CNAME stands alone (and the apex has SOA and NS), and no delegation is beside a DNAME (RFC 6672 section 2.3):
    // whatever would be is left out.
    let is_in_the_way = |other: RecordType| {
        let is_beside =
            |one: RecordType, two| one == RecordType::CNAME && two != RecordType::CNAME && !BESIDE_CNAME.contains(&two);
        let types = [other, rtype];
        is_beside(other, rtype)
            || is_beside(rtype, other)
            || !is_apex && types.contains(&RecordType::NS) && types.contains(&RecordType::DNAME)
    };
    if sets.iter().any(|set| is_in_the_way(set.rtype)) || (is_apex && rtype == RecordType::CNAME) {
        return Ok(());
    }
    let mut octets = RECORD + row.rdata.len();
    if let Some(set) = sets.iter().find(|set| set.rtype == rtype) {
        let is_there = set.data.iter().any(|data| same(rtype, data, &row.rdata));
        if is_there && set.ttl == row.ttl {
            return Ok(());
        }
        let gives_way = |data: &[u8]| match rtype {
            RecordType::CNAME | RecordType::DNAME => true,
            RecordType::WKS => data.get(..WKS_KEY) == row.rdata.get(..WKS_KEY),
            _ => false,
        };
        let others = set.data.iter().filter(|data| gives_way(data) && !same(rtype, data, &row.rdata));
        taken.extend(others.map(|data| remove(view, &row.owner, rtype, data)));
        octets += set.data.iter().map(|data| RECORD + data.len()).sum::<usize>();
    }
    if octets > ROOM {
        return Err(Rcode::Refused);
    }
    taken.push(Change::Add { owner: row.owner.clone(), rtype, ttl: row.ttl, rdata: row.rdata.clone() });
    Ok(())
}

fn clear(view: &View, owner: &Name, rtype: RecordType) -> Change {
    Change::Clear { owner: owner.clone(), rtype, hides: view.are_of_files(owner.view(), rtype) }
}

fn remove(view: &View, owner: &Name, rtype: RecordType, rdata: &[u8]) -> Change {
    let hides = view.is_of_files(owner.view(), rtype, rdata);
    Change::Remove { owner: owner.clone(), rtype, rdata: rdata.into(), hides }
}
