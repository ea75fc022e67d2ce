//! Numbers and facts for [`Status`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::guard::owner_count;
use super::publisher::Shared;
use super::{
    CertificateStatus, Current, DatabaseStatus, DrainStatus, EndpointState, EndpointStatus, LoadStatus, ProbeStatus,
    SecondaryStatus, SecondaryZoneStatus, Status, ZoneStatus,
};
use crate::config::model::{self, EndpointId, Tls};
use crate::geo::DatabaseInfo;
use crate::health::{ProbeReport, Switches, Verdict};
use crate::secondary::Report;

/// What the publisher knows beside what it publishes.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) last_load: LoadStatus,
    pub(super) forced: Vec<String>,
    pub(super) switches: Arc<Switches>,
    pub(super) databases: Vec<DatabaseInfo>,
    pub(super) notes: Vec<String>,
}

type Secondaries = Box<dyn Fn() -> Vec<SecondaryStatus> + Send + Sync>;
type Source = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// What is counted here, and by others.
#[derive(Default)]
pub(super) struct Counters {
    loads_taken: AtomicU64,
    loads_refused: AtomicU64,
    failed_steps: AtomicU64,
    differing: AtomicU64,
    updates_taken: AtomicU64,
    updates_refused: AtomicU64,
    sources: Mutex<Vec<Source>>,
    secondaries: Mutex<Option<Secondaries>>,
}

impl Counters {
    pub(super) fn add_source(&self, source: Source) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    pub(super) fn tell_secondaries(&self, source: Secondaries) {
        *self.secondaries.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    fn secondaries(&self) -> Vec<SecondaryStatus> {
        self.secondaries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map_or_else(Vec::new, |source| source())
    }

    pub(super) fn taken_load(&self) {
        self.loads_taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused_load(&self) {
        self.loads_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there are, this one included.
    pub(super) fn failed_step(&self) -> u64 {
        self.failed_steps.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Steered names whose answers were not what they should be.
    pub(super) fn differing_outcomes(&self, names: u64) {
        self.differing.fetch_add(names, Ordering::Relaxed);
    }

    /// An UPDATE was taken or not.
    pub(super) fn updated(&self, is_taken: bool) {
        let counter = if is_taken { &self.updates_taken } else { &self.updates_refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> BTreeMap<String, u64> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let own = [
            ("loads_taken", self.loads_taken.load(Ordering::Relaxed)),
            ("loads_refused", self.loads_refused.load(Ordering::Relaxed)),
            ("changes_failed", self.failed_steps.load(Ordering::Relaxed)),
            ("updates_taken", self.updates_taken.load(Ordering::Relaxed)),
            ("updates_refused", self.updates_refused.load(Ordering::Relaxed)),
            ("changes_missed", self.differing.load(Ordering::Relaxed)),
        ];
        let all = sources.iter().flat_map(|source| source()).chain(own);
        all.map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.read()).finish()
    }
}

pub(super) fn status(shared: &Shared) -> Status {
    let current = shared.current.load_full();
    let facts = shared.facts.load_full();
    let (probes, counts, problems) = match &*shared.checker() {
        Some(checker) => (checker.report(), checker.counts(), checker.problems()),
        None => Default::default(),
    };
    let mut counters = shared.counters.read();
    counters.extend(
        [
            ("probes_run", counts.runs),
            ("probes_passed", counts.passed),
            ("probes_failed", counts.failed),
            ("probes_without_result", counts.no_result),
            ("probes_refused", counts.refused),
            ("probes_restarted", counts.restarted),
        ]
        .map(|(name, count)| (name.to_owned(), count)),
    );
    let transfers = shared.follower.counts();
    counters.extend(
        [
            ("secondary_checks", transfers.checks),
            ("secondary_failures", transfers.failures),
            ("secondary_transfers", transfers.transfers),
            ("secondary_notifies", transfers.notifies),
            ("secondary_expired", transfers.expired),
        ]
        .map(|(name, count)| (name.to_owned(), count)),
    );
    Status {
        version: env!("CARGO_PKG_VERSION"),
        generation: current.generation,
        since: current.since,
        started: shared.started,
        listening: Vec::clone(&shared.listening.load()),
        certificate: current.inputs.model.server.tls.as_ref().map(certificate),
        zones: current.inputs.model.zones.iter().map(|each| zone(each)).collect(),
        secondary_zones: shared.follower.report().into_iter().map(secondary_zone).collect(),
        endpoints: endpoints(&current, &probes),
        secondaries: shared.counters.secondaries(),
        drains: facts.switches.drained.iter().map(drain).collect(),
        forced: facts.forced.clone(),
        last_load: facts.last_load.clone(),
        databases: facts.databases.iter().filter_map(database).collect(),
        notes: facts
            .notes
            .iter()
            .cloned()
            .chain(problems)
            .chain(stale(&facts.databases, SystemTime::now()))
            .chain(current.inputs.model.server.tls.as_ref().and_then(|tls| ending(tls, SystemTime::now())))
            .collect(),
        counters,
    }
}

/// A line for each database that is no longer new; the embedded one is as old as the version.
pub(super) fn stale(databases: &[DatabaseInfo], now: SystemTime) -> Vec<String> {
    let old = databases.iter().filter(|info| info.is_stale(now));
    old.map(|info| {
        let days = info.age(now).as_secs() / (24 * 60 * 60);
        match &info.path {
            Some(path) => format!("the geo database {} is {days} days old: fetch a newer one", path.display()),
            None => format!("the built-in country data is {days} days old: a newer version brings newer data"),
        }
    })
    .collect()
}

fn certificate(tls: &Tls) -> CertificateStatus {
    CertificateStatus {
        file: tls.files.as_ref().map(|(certificate, _)| certificate.clone()),
        ends: tls.identity.as_ref().map(|identity| identity.valid().1),
    }
}

/// A line on a certificate that is missing, has ended, or ends soon.
fn ending(tls: &Tls, now: SystemTime) -> Option<String> {
    const SOON_DAYS: i64 = 14;
    let Some(identity) = &tls.identity else {
        return Some("encrypted transports have no certificate to show: the log says why".into());
    };
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let left = identity.valid().1 - i64::try_from(now).unwrap_or(i64::MAX);
    let days = left.div_euclid(24 * 60 * 60);
    match days {
        ..0 => Some("the certificate of encrypted transports has ended: put a new one in its place".into()),
        0..SOON_DAYS => Some(format!("the certificate of encrypted transports ends in {days} days")),
        _ => None,
    }
}

fn zone(zone: &model::Zone) -> ZoneStatus {
    ZoneStatus {
        apex: zone.apex.to_string().trim_end_matches('.').to_owned(),
        serial: zone.soa.serial,
        names: owner_count(zone),
        steered: zone.steered.len(),
        file: zone.file.clone(),
    }
}

fn secondary_zone(report: Report) -> SecondaryZoneStatus {
    let (failed, last_failure) = report.failure.unzip();
    SecondaryZoneStatus {
        apex: report.apex,
        serial: report.serial,
        primary: report.primary,
        last_check: report.checked,
        last_failure,
        failed,
        expires: report.expires,
    }
}

fn endpoints(current: &Current, probes: &[ProbeReport]) -> Vec<EndpointStatus> {
    let mut by_endpoint: BTreeMap<&str, Vec<&ProbeReport>> = BTreeMap::new();
    for probe in probes {
        if let Some(endpoint) = &probe.endpoint {
            by_endpoint.entry(endpoint).or_default().push(probe);
        }
    }
    let inputs = &current.inputs;
    (0..)
        .map(EndpointId)
        .zip(&inputs.model.endpoints)
        .map(|(id, endpoint)| {
            let probes = by_endpoint.remove(endpoint.name.as_str()).unwrap_or_default();
            let is_out = inputs.drained.contains(&id) || endpoint.status == model::Status::Down;
            EndpointStatus {
                name: endpoint.name.clone(),
                site: endpoint.site.clone(),
                state: if is_out { EndpointState::Drained } else { state(current, endpoint) },
                probes: probes.into_iter().map(probe).collect(),
            }
        })
        .collect()
}

/// What answers do with an endpoint that is not drained: it is up while one of its probes is (G6).
fn state(current: &Current, endpoint: &model::Endpoint) -> EndpointState {
    if endpoint.status == model::Status::Up {
        return EndpointState::Up;
    }
    let verdict = |probe| current.inputs.verdicts.get(probe);
    let verdicts: Vec<Verdict> = match &endpoint.health {
        model::Health::Unchecked => Vec::new(),
        model::Health::PerAddress(probes) => probes.iter().map(|&(_, probe)| verdict(probe)).collect(),
        model::Health::Whole(probe) => vec![verdict(*probe)],
    };
    if verdicts.contains(&Verdict::Up) {
        EndpointState::Up
    } else if verdicts.contains(&Verdict::Unchecked) || verdicts.is_empty() {
        EndpointState::Unchecked
    } else {
        EndpointState::Down
    }
}

fn probe(probe: &ProbeReport) -> ProbeStatus {
    let seconds = |ms: Option<u64>| ms.map(|ms| ms / 1000);
    ProbeStatus {
        check: probe.check.clone(),
        subject: probe.address.clone(),
        verdict: probe.verdict.as_str(),
        since: seconds(probe.since_ms),
        last_probe: seconds(probe.last_run_ms),
        last_failure: probe.last.clone().filter(|_| !probe.last_passed),
        latency_ms: probe.latency_ms,
        certificate_days: probe.certificate_days,
    }
}

fn drain((endpoint, drain): (&String, &crate::health::Drain)) -> DrainStatus {
    DrainStatus { endpoint: endpoint.clone(), until: drain.until, reason: drain.reason.clone() }
}

/// The embedded database is part of the version.
fn database(info: &DatabaseInfo) -> Option<DatabaseStatus> {
    Some(DatabaseStatus { file: info.path.clone()?, modified: Some(info.built) })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::geo::{Fields, STALE_AFTER};

    fn report(last_passed: bool, last: &str, latency_ms: Option<f64>) -> ProbeReport {
        ProbeReport {
            key: String::new(),
            check: "z/c".into(),
            endpoint: None,
            address: "192.0.2.1:443".into(),
            verdict: Verdict::Up,
            raw: Verdict::Up,
            since_ms: None,
            last: Some(last.into()),
            last_passed,
            last_run_ms: Some(1),
            latency_ms,
            consecutive_fails: 0,
            consecutive_passes: 3,
            next_run_ms: None,
            certificate_days: Some(9),
            counts: Default::default(),
        }
    }

    #[test]
    fn h12_h13_a_refusal_and_a_local_fault_are_told_whatever_passed_before_and_a_pass_is_not() {
        let told = |passed, last, latency| probe(&report(passed, last, latency)).last_failure;
        assert_eq!(told(false, "10.0.0.1 is private", None).as_deref(), Some("10.0.0.1 is private"));
        assert_eq!(told(false, "no route to host", Some(1.0)).as_deref(), Some("no route to host"));
        assert_eq!(told(true, "200 OK", Some(2.5)), None);
        let status = probe(&report(true, "200 OK", Some(2.5)));
        assert_eq!((status.certificate_days, status.latency_ms), (Some(9), Some(2.5)));
    }

    #[test]
    fn databases_older_than_sixty_days_are_told_of_by_name() {
        let info = |path: Option<&str>, built| DatabaseInfo {
            path: path.map(Into::into),
            kind: "City".into(),
            built,
            networks: 1,
            fields: Fields::default(),
        };
        let now = UNIX_EPOCH + STALE_AFTER + Duration::from_secs(10);
        let told = stale(&[info(Some("old.mmdb"), 9), info(Some("new.mmdb"), 10), info(None, 9)], now);
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("old.mmdb is 60 days old") && told[1].contains("built-in"), "{told:?}");
    }
}
