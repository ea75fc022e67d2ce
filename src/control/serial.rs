//! Serials follow the content: they grow with each change of it and never go back (RFC 1982), whatever clocks and file
//! times do, also over restarts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::Contents;
use crate::config::Model;
use crate::config::model::{Zone, precedes};
use crate::wire::Name;

/// The last serials that were served, by apex.
pub(super) type Used = BTreeMap<String, Last>;

/// A serial, and what it stood for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    serial: u32,
    /// A digest of the zone's content, in hex.
    content: String,
}

/// Gives each zone the serial that is due, and notes it as used; those of secondary zones are their primaries' affair. A
/// zone that is then the same as in `before` is the very one of before.
pub(super) fn settle(model: &mut Model, before: &[Arc<Zone>], used: &mut Used, contents: &mut Contents) {
    let before: HashMap<&Name, &Arc<Zone>> = before.iter().map(|zone| (&zone.apex, zone)).collect();
    let digests = contents.of(model);
    let secondary = model.grounds.iter().filter(|ground| ground.primaries().is_some());
    let secondary: HashSet<&Name> = secondary.map(|ground| &ground.zone.apex).collect();
    for (zone, content) in model.zones.iter_mut().zip(digests) {
        let known = before.get(&zone.apex);
        let apex = zone.apex.to_string();
        let content = format!("{content:032x}");
        let serial = match secondary.contains(&zone.apex) {
            true => zone.soa.serial,
            false => due(zone.soa.serial, used.get(&apex), &content),
        };
        if zone.soa.serial != serial {
            Arc::make_mut(zone).soa.serial = serial;
        }
        if let Some(known) = known.filter(|known| ***known == *zone) {
            *zone = Arc::clone(known);
        }
        used.insert(apex, Last { serial, content });
    }
}

/// The serial of the files, unless it does not grow: then it stays, or is one more where the content has changed.
fn due(of_files: u32, last: Option<&Last>, content: &str) -> u32 {
    match last {
        Some(last) if precedes(last.serial, of_files) => of_files,
        Some(last) if last.content == content => last.serial,
        Some(last) => last.serial.wrapping_add(1),
        None => of_files,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::config::model::{
        AllDown, Endpoint, EndpointId, EndpointRecords, Health, Member, MinHealthy, Policy, Route, RouteId, Soa,
        Status, Steered, Target, Transfer,
    };
    use crate::wire::{RecordType, RecordsBuilder};

    /// A zone with one address, and one steered name that leads to another.
    fn model(serial: u32, plain: u8, steered: u8) -> Model {
        let name = |text: &str| Name::absolute(text).unwrap();
        let soa = Soa { serial, ..Soa::none() };
        let records = RecordsBuilder::new().with(&name("a.test"), RecordType::A, 60, &[[plain; 4]]).finish();
        let member = Member {
            name: "e".into(),
            target: Target::Endpoint(EndpointId(0)),
            weight: 1,
            bias: 0,
            at: None,
            region: None,
            health: Health::Unchecked,
            status: Status::Auto,
            follow_health: true,
            locations: Vec::new(),
        };
        let route = Route {
            name: "r".into(),
            policy: Policy::Simple,
            members: vec![member],
            min_healthy: MinHealthy::Count(1),
            last_resort: None,
            all_down: AllDown::All,
            no_match: None,
            fence: false,
            sticky: None,
            tolerance: 0,
            max_answers: 8,
        };
        let of_endpoint = EndpointRecords { rtype: RecordType::A, rdata: vec![[steered; 4].into()] };
        let endpoint = Endpoint {
            name: "e".into(),
            records: vec![of_endpoint],
            at: None,
            region: None,
            site: None,
            status: Status::Auto,
            health: Health::Unchecked,
        };
        let zone = Zone {
            apex: name("test"),
            file: "test.toml".into(),
            soa,
            records: records.into(),
            steered: vec![Steered { owner: name("www.test"), route: RouteId(0), ttl: 30 }],
            transfer: Transfer::default(),
            expiry: None,
        };
        Model { zones: vec![zone.into()], routes: vec![route], endpoints: vec![endpoint], ..Model::default() }
    }

    /// The serials of loads one after the other, with a restart before each if so told.
    fn serials(models: &[(u32, u8, u8)], restarts: bool) -> Vec<u32> {
        let (mut used, mut contents) = (Used::new(), Contents::default());
        let mut before = Vec::new();
        let settled = models.iter().map(|&(serial, plain, steered)| {
            let mut model = model(serial, plain, steered);
            if restarts {
                (before, contents) = (Vec::new(), Contents::default());
                used = serde_json::from_str(&serde_json::to_string(&used).unwrap()).unwrap();
            }
            settle(&mut model, &before, &mut used, &mut contents);
            before = model.zones;
            before[0].soa.serial
        });
        settled.collect()
    }

    #[test]
    fn p14_a_serial_grows_with_each_change_of_the_content_and_never_shrinks() {
        for restarts in [false, true] {
            let of_time = [
                (1000, 1, 1),
                // Saved again, as it was.
                (1005, 1, 1),
                (1009, 2, 1),
                // Changed again in the same second, and then with a clock that is behind.
                (1009, 3, 1),
                (900, 4, 1),
                // What a steered name leads to is content.
                (900, 4, 2),
                (900, 4, 2),
                (2000, 4, 1),
            ];
            assert_eq!(serials(&of_time, restarts), [1000, 1005, 1009, 1010, 1011, 1012, 1012, 2000], "{restarts}");
            let given = [(7, 1, 1), (7, 2, 1), (9, 2, 1), (3, 2, 1), (3, 1, 1), (u32::MAX, 1, 1), (u32::MAX - 1, 5, 1)];
            // Half of the circle away is not after.
            assert_eq!(serials(&given, restarts), [7, 8, 9, 9, 10, 10, 11], "{restarts}");
        }
        assert_eq!(serials(&[(u32::MAX, 1, 1), (u32::MAX, 2, 1)], true), [u32::MAX, 0]);
    }
}
