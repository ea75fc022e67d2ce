//! Serials never go back (RFC 1982), whatever clocks and file times do.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::config::Model;
use crate::config::model::{Zone, precedes};
use crate::wire::Name;

/// The last serial that was served, by apex.
pub(super) type Used = BTreeMap<String, u32>;

/// Raises serials that lie below the last one used, and notes all of them as used; those of secondary zones are their
/// primaries' affair. A zone that is then the same as in `before` is the very one of before.
pub(super) fn settle(model: &mut Model, before: &[Arc<Zone>], used: &mut Used) {
    let before: HashMap<&Name, &Arc<Zone>> = before.iter().map(|zone| (&zone.apex, zone)).collect();
    let secondary = model.grounds.iter().filter(|ground| ground.primaries().is_some());
    let secondary: HashSet<&Name> = secondary.map(|ground| &ground.zone.apex).collect();
    for zone in &mut model.zones {
        let known = before.get(&zone.apex);
        if secondary.contains(&zone.apex) {
            if let Some(known) = known.filter(|known| ***known == *zone) {
                *zone = Arc::clone(known);
            }
            continue;
        }
        let last = match known {
            Some(known) => Some(known.soa.serial),
            None => used.get(&zone.apex.to_string()).copied(),
        };
        if let Some(last) = last.filter(|&last| precedes(zone.soa.serial, last)) {
            Arc::make_mut(zone).soa.serial = last;
        }
        match known.filter(|known| ***known == *zone) {
            Some(known) => *zone = Arc::clone(known),
            None => drop(used.insert(zone.apex.to_string(), zone.soa.serial)),
        }
    }
}

/// Zones that take updates have serials of their own: one whose files were edited has a later one than before, whatever
/// the time of its files is.
pub(super) fn raise_updated(model: &mut Model, before: &[Arc<Zone>], used: &mut Used) {
    let updated = model.grounds.iter().filter(|ground| ground.primaries().is_none());
    let updated: HashSet<&Name> = updated.map(|ground| &ground.zone.apex).collect();
    for zone in model.zones.iter_mut().filter(|zone| updated.contains(&zone.apex)) {
        let Some(known) = before.iter().find(|known| known.apex == zone.apex) else { continue };
        if !Arc::ptr_eq(known, zone) && known.soa.serial == zone.soa.serial {
            let serial = zone.soa.serial.wrapping_add(1).max(1);
            Arc::make_mut(zone).soa.serial = serial;
            used.insert(zone.apex.to_string(), serial);
        }
    }
}
