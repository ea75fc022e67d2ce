//! Zone and shared files as written: every value with its place, no name looked up yet.

use std::time::Duration;

use super::findings::{FileId, Site, Written};
use super::model::{AllDown, CheckKind, NoMatch, Policy, Status};
use crate::wire::{Name, RecordType};
use crate::world::LatLon;

/// One TOML file.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) file: FileId,
    /// `None` in shared files.
    pub(crate) zone: Option<Written<Name>>,
    /// The zone's name as it stands before a `/`; empty in shared files.
    pub(crate) label: String,
    pub(crate) ttl: u32,
    pub(crate) soa: SoaSpec,
    /// The newest of its files, UTC seconds.
    pub(crate) modified: u32,
    pub(crate) owners: Vec<OwnerSpec>,
    pub(crate) endpoints: Vec<EndpointSpec>,
    pub(crate) checks: Vec<CheckSpec>,
    pub(crate) places: Vec<PlaceSpec>,
    pub(crate) routes: Vec<RouteSpec>,
    /// Whether a fault of a master file hides records.
    pub(crate) partial: bool,
    /// Whether this is a plain `.zone` file.
    pub(crate) plain: bool,
    /// SOA of a master file.
    pub(crate) master_soa: Option<super::model::Soa>,
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
    pub(crate) ttl: Option<u32>,
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
