//! The configuration as meant: every name resolved to an id, every default filled in, nothing left to look up.
//!
//! Made by [`super::load`] from what was written; read by `geo`, `health`, `policy`, `zone` and `snapshot`.
//! Invariants: ids index the vector of their kind; routes form no loop and are at most 16 deep (T6); every
//! list keeps the order of the file, since ties go to the member listed first (G8).

mod ground;
mod server;
mod soa;
mod transfer;
mod transports;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::wire::{Name, RecordType, Records};
use crate::world::{Continent, CountryCode, LatLon, SubdivisionCode};

pub use ground::{Expiry, Grant, Ground, Origin, Primary};
pub use server::{AdminAddress, Cookies, Limits, Prefer, RateLimit, ReloadUnit, Server, Transport};
pub use soa::{Soa, precedes};
pub use transfer::{Allowed, Notified, Secret, Transfer, TsigAlgorithm, TsigKey};
pub use transports::{ConnectionLimits, Encrypted, Proxies, Tls};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in the vector of its kind.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// An index into [`Model::endpoints`].
    EndpointId
);
id!(
    /// An index into [`Model::routes`].
    RouteId
);
id!(
    /// An index into [`Model::checks`].
    CheckId
);
id!(
    /// An index into [`Model::probes`].
    ProbeId
);

/// All that one load says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// How to serve.
    pub server: Server,
    /// In the order of their file names. A zone that a load leaves as it was is the same one as before.
    pub zones: Vec<Arc<Zone>>,
    /// Apexes of zones whose files are faulty and were never whole, and of secondary zones that were not transferred yet
    /// or too long ago: asked for them, the server says so (protocol 5).
    pub unloaded: Vec<Name>,
    /// Those of `unloaded` that were served once and are too old (RFC 8914 section 4.25).
    pub expired: Vec<Name>,
    /// Zones that hold more than their files say, in the order of their files; those of them that can be served are
    /// among `zones`.
    pub grounds: Vec<Arc<Ground>>,
    /// Of all files.
    pub endpoints: Vec<Endpoint>,
    /// Of all files, anonymous ones (`endpoints = [..]` on a member) included.
    pub routes: Vec<Route>,
    /// Of all files.
    pub checks: Vec<Check>,
    /// What runs: (check, endpoint, address) or (check, target) (H6).
    pub probes: Vec<Probe>,
    /// Measured latencies; empty without a table.
    pub latencies: Vec<LatencyRow>,
}

impl Model {
    /// The endpoint of an id.
    pub fn endpoint(&self, id: EndpointId) -> &Endpoint {
        &self.endpoints[id.index()]
    }

    /// The route of an id.
    pub fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.index()]
    }

    /// The check of an id.
    pub fn check(&self, id: CheckId) -> &Check {
        &self.checks[id.index()]
    }

    /// The types that a route's tree answers, last resorts included. Trees share branches, so that a route may be met by
    /// very many ways: it counts once.
    pub fn types_below(&self, root: RouteId) -> BTreeSet<RecordType> {
        let mut types = BTreeSet::new();
        let mut routes = vec![root];
        let mut met = HashSet::from([root]);
        while let Some(id) = routes.pop() {
            let route = self.route(id);
            for target in route.members.iter().map(|member| member.target).chain(route.last_resort) {
                match target {
                    Target::Endpoint(endpoint) => types.extend(self.endpoint(endpoint).records.iter().map(|r| r.rtype)),
                    Target::Route(below) if met.insert(below) => routes.push(below),
                    Target::Route(_) => {}
                }
            }
        }
        types
    }

    /// The probe of an id.
    pub fn probe(&self, id: ProbeId) -> &Probe {
        &self.probes[id.index()]
    }
}

/// One zone with its plain records and its steered names.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// The apex.
    pub apex: Name,
    /// The file it comes from.
    pub file: PathBuf,
    /// Start of authority.
    pub soa: Soa,
    /// Plain records, apex NS included and SOA excluded; one entry an (owner, type), duplicates gone.
    /// The same ones as before where a load leaves them as they were, whatever else of the zone changes.
    pub records: Arc<Records>,
    /// Names that a route answers.
    pub steered: Vec<Steered>,
    /// Who may copy the zone, and who is told of its changes.
    pub transfer: Transfer,
    /// Of a secondary zone.
    pub expiry: Option<Expiry>,
}

/// A name that a route answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Steered {
    /// The owner; may be a wildcard.
    pub owner: Name,
    /// The root of its tree.
    pub route: RouteId,
    /// The reply TTL in seconds: the owner's, else the root route's, else 30 (G7).
    pub ttl: u32,
}

/// A place that can answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// `zone/name`, or `name` from a shared file.
    pub name: String,
    /// What it answers, by type; CNAME stands alone (G9).
    pub records: Vec<EndpointRecords>,
    /// Where it is.
    pub at: Option<LatLon>,
    /// The label of the latency table; default `at` when that names a cloud region.
    pub region: Option<String>,
    /// The site that it is drained with.
    pub site: Option<String>,
    /// A person's word (G10).
    pub status: Status,
    /// Its own check.
    pub health: Health,
}

impl Endpoint {
    /// Its data of one type, empty if it has none.
    pub fn records_of(&self, rtype: RecordType) -> &[Box<[u8]>] {
        self.records.iter().find(|r| r.rtype == rtype).map_or(&[], |r| &r.rdata)
    }
}

/// An endpoint's records of one type, in uncompressed wire form, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointRecords {
    /// The type.
    pub rtype: RecordType,
    /// Never empty.
    pub rdata: Vec<Box<[u8]>>,
}

/// A person's word about an endpoint or a member (G10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Status {
    /// Health decides.
    #[default]
    Auto,
    /// Up, whatever the check says.
    Up,
    /// Takes no part at all, like a drained one.
    Down,
}

/// How probes speak about an endpoint or a member.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Health {
    /// No check: always up (G2).
    #[default]
    Unchecked,
    /// Each address on its own (H6).
    PerAddress(Vec<(IpAddr, ProbeId)>),
    /// One verdict for the whole: the check has a target.
    Whole(ProbeId),
}

/// A policy node.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// `zone/name`, or `name` from a shared file; `zone/name#2` for the list of endpoints of its second member.
    pub name: String,
    /// Which policy.
    pub policy: Policy,
    /// In the order of the file.
    pub members: Vec<Member>,
    /// T1; default [`MinHealthy::Count`] of 1.
    pub min_healthy: MinHealthy,
    /// T7.
    pub last_resort: Option<Target>,
    /// What is answered when all is down (G4).
    pub all_down: AllDown,
    /// What is answered when nothing matches (GL3); `None` where a default is given or none is needed.
    pub no_match: Option<NoMatch>,
    /// GL7.
    pub fence: bool,
    /// W10: the salt, by default the route's full name.
    pub sticky: Option<String>,
    /// L3, in tenths of a millisecond.
    pub tolerance: u32,
    /// M3, 1 to 16, default 8. Meant for multivalue only.
    pub max_answers: usize,
}

/// The eight policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// One member.
    Simple,
    /// Shares by weight.
    Weighted,
    /// The first that is up.
    Failover,
    /// Several at once.
    Multivalue,
    /// The lowest latency.
    Latency,
    /// The most specific location.
    Geolocation,
    /// The smallest biased distance.
    Geoproximity,
    /// The longest listed network.
    Ip,
}

/// One choice of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// How it is called in its route: the target's short name. The sticky hash uses it.
    pub name: String,
    /// Where it leads.
    pub target: Target,
    /// 0 to 65,535, default 1 (W9).
    pub weight: u16,
    /// −99 to 99, default 0.
    pub bias: i8,
    /// Its own place, else its endpoint's.
    pub at: Option<LatLon>,
    /// Its own label for the latency table, else its endpoint's.
    pub region: Option<String>,
    /// Its own check, beside the endpoint's (T3).
    pub health: Health,
    /// G10.
    pub status: Status,
    /// T2; default true.
    pub follow_health: bool,
    /// For geolocation and ip; `place:` sets are unfolded.
    pub locations: Vec<Location>,
}

/// Where a member leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A leaf.
    Endpoint(EndpointId),
    /// Another node.
    Route(RouteId),
}

/// What `where` says, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// Matches every client, last of all.
    Default,
    /// By our country table (GL4).
    Continent(Continent),
    /// ISO 3166-1.
    Country(CountryCode),
    /// ISO 3166-2.
    Subdivision(SubdivisionCode),
    /// Autonomous system number.
    Asn(u32),
    /// A listed network, its host bits zero.
    Net(IpNet),
}

impl fmt::Display for Location {
    /// As it is written in `where`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Continent(code) => write!(f, "continent:{code}"),
            Self::Country(code) => write!(f, "country:{code}"),
            Self::Subdivision(code) => write!(f, "subdivision:{code}"),
            Self::Asn(number) => write!(f, "asn:{number}"),
            Self::Net(net) => write!(f, "net:{net}"),
        }
    }
}

/// T1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinHealthy {
    /// So many members.
    Count(u32),
    /// So many percent of the members, by weight in weighted nodes; 1 to 100.
    Percent(u8),
}

/// `all_down` (G4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AllDown {
    /// As if everything were up.
    #[default]
    All,
    /// NODATA.
    Nodata,
}

/// `no_match` (GL3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMatch {
    /// NODATA.
    Nodata,
    /// The node counts as down for its parent.
    Next,
}

/// A measured latency.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyRow {
    /// Whose; never [`Location::Default`].
    pub client: Location,
    /// A region's label.
    pub region: String,
    /// Tenths of a millisecond (G8).
    pub tenths: u32,
}

/// A template of what to ask an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// `zone/name`, or `name` from a shared file.
    pub name: String,
    /// What to ask.
    pub kind: CheckKind,
    /// From start to start.
    pub interval: Duration,
    /// Below `interval`.
    pub timeout: Duration,
    /// Consecutive failures until down, at least 1.
    pub fall: u32,
    /// Consecutive passes until up, at least 1.
    pub rise: u32,
    /// H7: flips the verdict.
    pub inverted: bool,
    /// H7: always up and never probed.
    pub disabled: bool,
    /// H12: loopback, link-local and metadata addresses may be probed.
    pub allow_private: bool,
    /// H6: probed instead of the endpoint's own addresses.
    pub target: Option<ProbeTarget>,
    /// Default by kind: 80, 443, 53; `tcp` and `tls` need one.
    pub port: Option<u16>,
}

/// `target` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProbeTarget {
    /// A host name, resolved each interval, or an address in text.
    pub host: String,
    /// Goes before the check's port.
    pub port: Option<u16>,
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// H2, H3, H5; with `tls` H4.
    Http {
        /// Whether this is https.
        tls: bool,
        /// Host header and SNI; default the target's or the address itself.
        host: Option<String>,
        /// Starts with `/`.
        path: String,
        /// `GET`, `HEAD`, `POST`, …
        method: String,
        /// Further headers.
        headers: Vec<(String, String)>,
        /// Inclusive ranges of status codes that pass; default 200–399.
        status: Vec<(u16, u16)>,
        /// Must occur in the first 5,120 bytes, case-sensitive.
        body: Option<String>,
        /// H4.
        verify: bool,
    },
    /// The connection opens.
    Tcp {
        /// Sent first, if any.
        send: Option<String>,
        /// Must occur in the first 5,120 bytes of what comes back.
        expect: Option<String>,
    },
    /// The handshake completes.
    Tls {
        /// SNI; default the endpoint's address.
        host: Option<String>,
        /// H4.
        verify: bool,
    },
    /// A query over UDP gets an answer.
    Dns {
        /// The name to ask for.
        qname: Name,
        /// The type to ask for.
        qtype: RecordType,
        /// Response codes that pass; default NOERROR.
        rcodes: BTreeSet<u16>,
        /// Data, in presentation form, one of which must be in the answer; empty means any answer passes.
        answers: Vec<String>,
    },
    /// H7.
    Calculated {
        /// N.
        at_least: u32,
    },
}

/// One thing that runs (H6).
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The template.
    pub check: CheckId,
    /// Whose address or for whose sake; `None` for a member that is a route.
    pub endpoint: Option<EndpointId>,
    /// What is asked.
    pub subject: Subject,
    /// `check|endpoint|subject`, stable over reloads: the verdict is kept under it.
    pub key: String,
    /// A digest of the check's definition: a change of it makes the verdict unchecked (G5).
    pub definition: u64,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// An endpoint's own address.
    Address(IpAddr),
    /// Something else.
    Target(ProbeTarget),
    /// H7: nothing of its own; an operand is up while any of its probes is.
    Calculated(Vec<Vec<ProbeId>>),
}
