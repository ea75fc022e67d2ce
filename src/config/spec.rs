//! Zone and shared files as written: every value with its place, no name looked up yet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::findings::{FileId, Site, Written};
use super::model::{AllDown, CheckKind, NoMatch, Origin, Policy, Soa, Status};
use crate::wire::{Name, RecordType, Records};
use crate::world::LatLon;

/// One file of a zone or a shared one, and what it imports. It holds no text and names nothing by number, so that it
/// means the same in every load.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) file: FileId,
    /// `None` in shared files.
    pub(crate) zone: Option<Written<Name>>,
    /// The zone's name as it stands before a `/`; empty in shared files.
    pub(crate) label: String,
    pub(crate) soa: Soa,
    /// Whether the serial is the time of the newest file, since nobody gives one.
    pub(crate) is_serial_of_time: bool,
    pub(crate) records: Arc<Records>,
    /// Where more of the zone comes from than its files say.
    pub(crate) origin: Option<OriginSpec>,
    pub(crate) steered: Vec<SteeredSpec>,
    pub(crate) endpoints: Vec<EndpointSpec>,
    pub(crate) checks: Vec<CheckSpec>,
    pub(crate) places: Vec<PlaceSpec>,
    pub(crate) routes: Vec<RouteSpec>,
    pub(crate) transfer: TransferSpec,
}

/// Who may copy a zone and who is told, as written.
#[derive(Debug, Default)]
pub(crate) struct TransferSpec {
    pub(crate) to: Vec<(Option<IpNet>, Option<Written<String>>)>,
    pub(crate) notify: Vec<(SocketAddr, Option<Written<String>>)>,
}

/// Where more of a zone comes from than its files say.
#[derive(Debug)]
pub(crate) struct OriginSpec {
    pub(crate) origin: Origin,
    /// The key that says so.
    pub(crate) site: Site,
    /// TSIG keys that it names.
    pub(crate) keys: Vec<Written<Name>>,
}

/// A name that a route answers.
#[derive(Debug)]
pub(crate) struct SteeredSpec {
    pub(crate) owner: Name,
    /// What else it holds, and where that is written.
    pub(crate) sets: Vec<(RecordType, Site)>,
    /// One, with the name's own TTL in seconds, where it has one; several are a fault.
    pub(crate) routes: Vec<(Written<String>, Option<Written<u32>>)>,
}

impl SteeredSpec {
    /// Where a type is written, if the name holds it.
    pub(crate) fn set(&self, rtype: RecordType) -> Option<Site> {
        self.sets.iter().find(|(held, _)| *held == rtype).map(|&(_, site)| site)
    }
}

#[derive(Debug, Default)]
pub(crate) struct SoaSpec {
    pub(crate) ttl: Option<u32>,
    pub(crate) mname: Option<Name>,
    pub(crate) rname: Option<Name>,
    pub(crate) serial: Option<u32>,
    pub(crate) refresh: Option<u32>,
    pub(crate) retry: Option<u32>,
    pub(crate) expire: Option<u32>,
    pub(crate) minimum: Option<u32>,
}

/// Records of one type as written.
#[derive(Debug)]
pub(crate) struct DataSpec {
    pub(crate) rtype: Written<RecordType>,
    pub(crate) rdata: Vec<Written<Box<[u8]>>>,
}

#[derive(Debug)]
pub(crate) struct OwnerSpec {
    pub(crate) owner: Written<Name>,
    pub(crate) ttl: Option<Written<u32>>,
    pub(crate) route: Option<Written<String>>,
    pub(crate) data: Vec<DataSpec>,
    /// Set where a fault was told, so that no fault is made of it a second time.
    pub(crate) tainted: bool,
}

#[derive(Debug)]
pub(crate) struct EndpointSpec {
    pub(crate) name: Written<String>,
    pub(crate) data: Vec<DataSpec>,
    pub(crate) at: Option<LatLon>,
    pub(crate) region: Option<String>,
    pub(crate) site: Option<String>,
    pub(crate) status: Status,
    pub(crate) check: Option<Written<String>>,
    /// Set where a fault was told, so that no fault is made of it a second time.
    pub(crate) tainted: bool,
}

#[derive(Debug)]
pub(crate) struct CheckSpec {
    pub(crate) name: Written<String>,
    /// `None` where the type is faulty.
    pub(crate) kind: Option<CheckKind>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) fall: u32,
    pub(crate) rise: u32,
    pub(crate) inverted: bool,
    pub(crate) disabled: bool,
    pub(crate) allow_private: bool,
    pub(crate) target: Option<Written<super::model::ProbeTarget>>,
    pub(crate) port: Option<u16>,
    /// Operands of a calculated check.
    pub(crate) of: Vec<Written<String>>,
}

#[derive(Debug)]
pub(crate) struct PlaceSpec {
    pub(crate) name: Written<String>,
    pub(crate) locations: Vec<Written<String>>,
}

#[derive(Debug)]
pub(crate) struct RouteSpec {
    pub(crate) name: Written<String>,
    pub(crate) policy: Option<Policy>,
    /// Where the list of members begins.
    pub(crate) to: Site,
    pub(crate) members: Vec<MemberSpec>,
    pub(crate) ttl: Option<Written<u32>>,
    pub(crate) max_answers: usize,
    pub(crate) min_healthy: Option<Written<super::model::MinHealthy>>,
    pub(crate) last_resort: Option<Leads>,
    pub(crate) all_down: AllDown,
    pub(crate) no_match: Option<Written<NoMatch>>,
    pub(crate) fence: bool,
    pub(crate) sticky: Option<StickySpec>,
    pub(crate) tolerance: u32,
    /// Set where a fault was told.
    pub(crate) tainted: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) enum StickySpec {
    /// By the route's full name.
    Own,
    Salt(String),
}

/// Where a member or a last resort leads.
#[derive(Debug)]
pub(crate) enum Leads {
    Endpoint(Written<String>),
    Endpoints(Vec<Written<String>>, Site),
    Route(Written<String>),
    /// The short form: an endpoint or a route.
    Either(Written<String>),
}

#[derive(Debug)]
pub(crate) struct MemberSpec {
    pub(crate) site: Site,
    /// `None` where a fault was told.
    pub(crate) leads: Option<Leads>,
    pub(crate) locations: Vec<Written<String>>,
    pub(crate) weight: Written<u16>,
    pub(crate) bias: i8,
    pub(crate) at: Option<LatLon>,
    pub(crate) region: Option<String>,
    pub(crate) check: Option<Written<String>>,
    pub(crate) status: Status,
    pub(crate) follow_health: bool,
}
