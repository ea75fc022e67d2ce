//! Small models for the tests of this folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::model::{Check, CheckId, CheckKind, Model, Probe, ProbeId, ProbeTarget, Subject};

/// A TCP check with the default times, for any address.
pub(super) fn tcp_check(name: &str) -> Check {
    check(name, CheckKind::Tcp { send: None, expect: None })
}

/// A check with the default times, for any address.
pub(super) fn check(name: &str, kind: CheckKind) -> Check {
    Check {
        name: name.into(),
        kind,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        fall: 3,
        rise: 2,
        inverted: false,
        disabled: false,
        allow_private: true,
        target: None,
        port: Some(80),
    }
}

/// Adds a probe of a host name.
pub(super) fn add_target(model: &mut Model, check: Check, host: &str) -> ProbeId {
    let subject = Subject::Target(ProbeTarget { host: host.into(), port: None });
    add(model, check, host, subject)
}

/// Adds a probe of a literal address, its port in the check.
pub(super) fn add_address(model: &mut Model, mut check: Check, to: SocketAddr) -> ProbeId {
    check.port = Some(to.port());
    add(model, check, &to.to_string(), Subject::Address(to.ip()))
}

/// Adds a calculated probe.
pub(super) fn add_calculated(model: &mut Model, at_least: u32, lists: Vec<Vec<ProbeId>>) -> ProbeId {
    let name = format!("calculated{}", model.probes.len());
    let check = check(&name, CheckKind::Calculated { at_least });
    add(model, check, "", Subject::Calculated(lists))
}

fn add(model: &mut Model, check: Check, label: &str, subject: Subject) -> ProbeId {
    let key = format!("{}|{label}|", check.name);
    model.checks.push(check);
    let id = CheckId(model.checks.len() as u32 - 1);
    model.probes.push(Probe { check: id, endpoint: None, subject, key, definition: 1 });
    ProbeId(model.probes.len() as u32 - 1)
}
