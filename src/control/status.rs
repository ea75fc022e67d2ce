//! What a running server tells of itself; made for `rhumb status` and the admin API.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

/// All of it, as of one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// rhumb's version.
    pub version: &'static str,
    /// The generation that answers now; it grows with every publication.
    pub generation: u64,
    /// When that generation was published, seconds since 1970 UTC.
    pub since: u64,
    /// When the process began to serve, seconds since 1970 UTC.
    pub started: u64,
    /// Addresses that are bound: `address:port` is UDP and TCP, others are behind their scheme, such as
    /// `tls://address:port`.
    pub listening: Vec<String>,
    /// What encrypted transports show; none where nothing is encrypted.
    pub certificate: Option<CertificateStatus>,
    /// In the order of their files.
    pub zones: Vec<ZoneStatus>,
    /// Zones that are transferred from a primary, by name.
    pub secondary_zones: Vec<SecondaryZoneStatus>,
    /// In the order of their files.
    pub endpoints: Vec<EndpointStatus>,
    /// Servers that are told when zones change, by zone and address.
    pub secondaries: Vec<SecondaryStatus>,
    /// By endpoint.
    pub drains: Vec<DrainStatus>,
    /// Steered names that some clients get from drained endpoints only, because a person forced it (G10).
    pub forced: Vec<String>,
    /// The last attempt to read the files.
    pub last_load: LoadStatus,
    /// Geo databases, the embedded one excluded.
    pub databases: Vec<DatabaseStatus>,
    /// Things that are wrong with the server itself and not with a file: a state directory that cannot be written, …
    pub notes: Vec<String>,
    /// By name; they only grow.
    pub counters: BTreeMap<String, u64>,
}

/// The certificate of encrypted transports.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateStatus {
    /// Where it was read; none of one that the server made for itself.
    pub file: Option<PathBuf>,
    /// When it ends, seconds since 1970 UTC; none when there is no usable one, and every handshake fails.
    pub ends: Option<i64>,
}

/// One zone that is served.
#[derive(Clone, Debug, Serialize)]
pub struct ZoneStatus {
    /// The apex without its final dot.
    pub apex: String,
    /// The serial that is served.
    pub serial: u32,
    /// Distinct owner names, the apex included.
    pub names: usize,
    /// Names that a route answers.
    pub steered: usize,
    /// Where it was read.
    pub file: PathBuf,
}

/// One zone that is transferred from a primary. Times are in seconds since 1970 UTC.
#[derive(Clone, Debug, Serialize)]
pub struct SecondaryZoneStatus {
    /// The apex without its final dot.
    pub apex: String,
    /// The serial that is held; without one the zone is not served: it was not transferred yet, or has expired.
    pub serial: Option<u32>,
    /// The primary that was reached last.
    pub primary: Option<String>,
    /// When a primary last said that the zone is current.
    pub last_check: Option<u64>,
    /// Why the last attempt failed, if it did.
    pub last_failure: Option<String>,
    /// When that was.
    pub failed: Option<u64>,
    /// When the zone is no longer served unless a primary is reached.
    pub expires: Option<u64>,
}

/// A server that is told when a zone changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecondaryStatus {
    /// The zone's apex without its final dot.
    pub zone: String,
    /// Where it listens, as `address:port`.
    pub address: String,
    /// The serial that it was last told of.
    pub serial: u32,
    /// `waiting`, `heard`, or why it was given up.
    pub state: String,
}

/// What answers do with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// At least one of its probes passes, or `status = "up"`.
    Up,
    /// Every one of its probes fails.
    Down,
    /// It has a check and no verdict yet (counts as up), or it has no check.
    Unchecked,
    /// A person's word: drained, or `status = "down"`.
    Drained,
}

/// One endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointStatus {
    /// Its full name.
    pub name: String,
    /// The site that it is drained with.
    pub site: Option<String>,
    /// What answers do with it.
    pub state: EndpointState,
    /// Its probes; empty without a check.
    pub probes: Vec<ProbeStatus>,
}

/// One probe.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeStatus {
    /// The check's name.
    pub check: String,
    /// The address or target that is asked.
    pub subject: String,
    /// `up`, `down` or `unchecked`.
    pub verdict: &'static str,
    /// When the verdict last changed, seconds since 1970 UTC.
    pub since: Option<u64>,
    /// When it was last asked, seconds since 1970 UTC.
    pub last_probe: Option<u64>,
    /// What the last run said, in one clause, unless it passed: a failure, or why there is no result.
    pub last_failure: Option<String>,
    /// How long the last run took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Whole days until the certificate ends, negative once it has.
    pub certificate_days: Option<i64>,
}

/// One drain.
#[derive(Clone, Debug, Serialize)]
pub struct DrainStatus {
    /// The endpoint's full name.
    pub endpoint: String,
    /// When it ends, seconds since 1970 UTC; without it, when it is undrained.
    pub until: Option<u64>,
    /// Why.
    pub reason: Option<String>,
}

/// One attempt to read the files.
#[derive(Clone, Debug, Serialize)]
pub struct LoadStatus {
    /// Whether it was taken.
    pub ok: bool,
    /// Whether what is served comes from the last good copy in the state directory and not from the files.
    pub from_last_good: bool,
    /// When, seconds since 1970 UTC.
    pub when: u64,
    /// The number that `rhumb reload --force` takes when a load was held back because it removes too much.
    pub force: Option<u64>,
    /// One a diagnostic: `severity: file:line:column: message`.
    pub diagnostics: Vec<String>,
}

/// One geo database.
#[derive(Clone, Debug, Serialize)]
pub struct DatabaseStatus {
    /// Where it was read.
    pub file: PathBuf,
    /// When its maker last changed it, as it says itself, seconds since 1970 UTC.
    pub modified: Option<u64>,
}
