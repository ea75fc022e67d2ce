//! What a probe asks, one file an implementation.
//!
//! In: a check, and at each run the address to go to. Out: an [`Outcome`]. A probe connects to the address it is
//! given and to nothing else: it resolves no name, follows no redirect and uses no proxy, so that the address that
//! was judged (H12) is the one connected to. The caller limits the time of a run.

mod dns;
mod fault;
mod http;
mod secure;
#[cfg(test)]
mod server;
mod tcp;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::config::model::{Check, CheckKind, Subject};

pub use secure::Secure;

/// Bytes of an answer that are looked at (H3).
const BODY_LIMIT: usize = 5120;

/// What one run came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The subject does what it should.
    Pass(Finding),
    /// It does not.
    Fail(Finding),
    /// Nothing was learnt, for a reason on this machine (H13).
    NoResult(String),
    /// The address may not be probed (H12).
    Refused(String),
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Finding {
    /// In a clause, for people.
    pub text: String,
    /// Whole days until the certificate that was shown ends (H4).
    pub certificate_days: Option<i64>,
    /// No packet came as far as the address: another address of the same subject may be reached all the same.
    pub is_cut_off: bool,
}

impl Outcome {
    pub(super) fn pass(text: impl Into<String>, certificate_days: Option<i64>) -> Self {
        Self::Pass(Finding { text: text.into(), certificate_days, is_cut_off: false })
    }

    pub(super) fn fail(text: impl Into<String>, certificate_days: Option<i64>) -> Self {
        Self::Fail(Finding { text: text.into(), certificate_days, is_cut_off: false })
    }

    /// The same, with the days of a certificate that was shown before it failed; a run without a result has none.
    pub(super) fn with_days(mut self, days: Option<i64>) -> Self {
        if let Self::Fail(found) = &mut self {
            found.certificate_days = days;
        }
        self
    }

    /// A failure since the network ends before the subject.
    pub(super) fn cut_off(text: impl Into<String>) -> Self {
        Self::Fail(Finding { text: text.into(), certificate_days: None, is_cut_off: true })
    }
}

/// How far a run has come, for the reason when its time is over.
#[derive(Debug)]
pub struct Stage(Mutex<&'static str>);

impl Stage {
    pub(super) fn new() -> Self {
        Self(Mutex::new("starting"))
    }

    /// `what` completes "no answer within 2s while …".
    pub fn set(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    pub(super) fn get(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One kind of question. A run may be dropped at any moment, and must then leave nothing behind.
#[async_trait]
pub trait Ask: Send + Sync {
    /// Asks once.
    async fn ask(&self, to: SocketAddr, stage: &Stage) -> Outcome;
}

/// What turns a check into something that runs.
pub trait Build: Send + Sync + 'static {
    /// The error says why this check cannot be asked at all, in a clause.
    fn build(&self, check: &Arc<Check>, subject: &Subject) -> Result<Box<dyn Ask>, String>;
}

/// The probes of this folder.
#[derive(Clone, Debug)]
pub struct Kinds {
    secure: Secure,
}

impl Kinds {
    /// One set of TLS settings for all probes.
    pub fn new(secure: Secure) -> Self {
        Self { secure }
    }
}

impl Build for Kinds {
    fn build(&self, check: &Arc<Check>, subject: &Subject) -> Result<Box<dyn Ask>, String> {
        Ok(match &check.kind {
            CheckKind::Http { .. } => Box::new(http::Http::new(check, default_host(subject), &self.secure)?),
            CheckKind::Tcp { send, expect } => Box::new(tcp::Tcp::new(send.as_deref(), expect.as_deref())),
            CheckKind::Tls { host, verify } => {
                Box::new(tls::Tls::new(host.clone().or(default_host(subject)), *verify, &self.secure)?)
            }
            CheckKind::Dns { qname, qtype, rcodes, answers } => {
                Box::new(dns::Dns::new(qname, *qtype, rcodes, answers)?)
            }
            CheckKind::Calculated { .. } => return Err("a calculated check asks nothing".into()),
        })
    }
}

/// The name that a target goes by; `None` where the address itself is the name.
fn default_host(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Target(target) if parse_address(&target.host).is_none() => Some(target.host.clone()),
        _ => None,
    }
}

/// An address in text, with or without the brackets of a URL.
pub(super) fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// The port a probe goes to: the target's, else the check's, else the kind's own; `None` where there is none.
pub(super) fn port(check: &Check, subject: &Subject) -> Option<u16> {
    let of_target = match subject {
        Subject::Target(target) => target.port,
        Subject::Address(_) | Subject::Calculated(_) => None,
    };
    of_target.or(check.port).or(match check.kind {
        CheckKind::Http { tls, .. } => Some(if tls { 443 } else { 80 }),
        CheckKind::Dns { .. } => Some(53),
        CheckKind::Tcp { .. } | CheckKind::Tls { .. } | CheckKind::Calculated { .. } => None,
    })
}

/// A text of an answer, fit for one line of a report.
fn excerpt(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(bytes);
    let cut: String = text.chars().take(MOST).collect();
    let more = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("\"{}{more}\"", cut.escape_debug())
}

/// Whether `wanted` occurs in `bytes`, case-sensitive (H3).
fn contains(bytes: &[u8], wanted: &str) -> bool {
    wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
}
