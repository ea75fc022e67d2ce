//! Serials never go back (RFC 1982), whatever clocks and file times do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::config::model::Zone;
use crate::wire::Name;

/// The last serial that was served, by apex.
pub(super) type Used = BTreeMap<String, u32>;

/// Raises serials that lie below the last one used, and notes all of them as used. A zone that is then the same as in
/// `before` is the very one of before.
pub(super) fn settle(zones: &mut [Arc<Zone>], before: &[Arc<Zone>], used: &mut Used) {
    let before: HashMap<&Name, &Arc<Zone>> = before.iter().map(|zone| (&zone.apex, zone)).collect();
    for zone in zones {
        let known = before.get(&zone.apex);
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

/// RFC 1982 section 3.2: whether `a` is before `b` on the circle; neither of two that are half of it apart is.
fn precedes(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_1982_order_goes_round_the_circle() {
        assert!(precedes(1, 2) && !precedes(2, 1) && !precedes(7, 7));
        assert!(precedes(u32::MAX, 0) && !precedes(0, u32::MAX));
        assert!(!precedes(0, 1 << 31) && !precedes(1 << 31, 0));
    }
}
