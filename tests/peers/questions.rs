//! Random questions: for names in a zone, near it, below its delegations, and outside.

use super::names::{Labels, below, label};
use super::rdata;
use super::zones::Zone;
use crate::harness::Draws;

/// A question and how it is put.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) name: Labels,
    pub(super) rtype: u16,
    /// The query; its ID is given when it is sent.
    pub(super) bytes: Vec<u8>,
    /// What it says of its sender's buffer; `None` without EDNS.
    pub(super) payload: Option<u16>,
    pub(super) tcp: bool,
}

const DS: u16 = 43;
const ANY: u16 = 255;
/// NS, CNAME, SOA, NULL, DNAME, NSEC, one of no name and the highest.
const OTHERS: &[u16] = &[2, 2, 5, 6, 10, 39, 47, 1234, 65_534];

impl Question {
    pub(super) fn random(zones: &[Zone], draws: &mut Draws) -> Self {
        let zone = draws.pick(zones);
        let (name, known) = name(zone, draws);
        let rtype = rtype(zone, &known, draws);
        let (payload, tcp) = (payload(draws), draws.one_in(8));
        let mut bytes =
            vec![0, 0, if draws.one_in(2) { 1 } else { 0 }, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(payload.is_some())];
        bytes.extend(name.wire(draws));
        bytes.extend(rtype.to_be_bytes());
        bytes.extend([0, 1]);
        if let Some(payload) = payload {
            bytes.extend([0, 0, 41]);
            bytes.extend(payload.to_be_bytes());
            bytes.extend([0, 0, if draws.one_in(3) { 0x80 } else { 0 }, 0, 0, 0]);
        }
        Self { name, rtype, bytes, payload, tcp }
    }
}

/// A name, and the one of the zone that it was made from.
fn name(zone: &Zone, draws: &mut Draws) -> (Labels, Labels) {
    let owners: Vec<_> = zone.owners().collect();
    let known = if draws.one_in(6) && !zone.targets().is_empty() {
        draws.pick(zone.targets()).clone()
    } else {
        (*draws.pick(&owners)).clone()
    };
    let name = match draws.below(20) {
        0..7 => known.clone(),
        7..11 => known.child(label(draws)),
        11..13 => known.child(label(draws)).child(label(draws)),
        13 if draws.one_in(3) => known.child(&[b'q'; 50]).child(&[b'q'; 50]),
        13 => known.child(b"*"),
        14..16 if known != zone.apex => known.parent(),
        16 => known.parent().child(label(draws)),
        // A wildcard's own name turned into one that it covers.
        17 => Labels(known.0.iter().map(|l| if l == b"*" { label(draws).to_vec() } else { l.clone() }).collect()),
        18 if draws.one_in(4) => Labels::of("www.elsewhere.example"),
        18 if draws.one_in(4) => zone.apex.parent(),
        _ => below(&zone.apex, draws),
    };
    if name.fits() { (name, known) } else { (known.clone(), known) }
}

fn rtype(zone: &Zone, known: &Labels, draws: &mut Draws) -> u16 {
    match draws.below(12) {
        0..4 => 1,
        4 => DS,
        5 => ANY,
        6 => *draws.pick(OTHERS),
        7..10 => zone
            .types(known)
            .get(draws.below(4))
            .map_or(28, |rtype| rtype.parse::<rhumb::wire::RecordType>().unwrap().0),
        _ => rdata::any_type(draws).1,
    }
}

fn payload(draws: &mut Draws) -> Option<u16> {
    match draws.below(8) {
        0..3 => None,
        3..5 => Some(1232),
        5 => Some(512),
        6 => Some(*draws.pick(&[0, 100, 600])),
        _ => Some(4096),
    }
}
