//! An explanation together with what only the running server or the files know: since when verdicts hold, and which
//! database a place comes from.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::operations::Question;
use crate::answer::{Explanation, explain};
use crate::geo;
use crate::snapshot::Snapshot;

/// What `GET /explain` and `rhumb explain --format json` give.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The answer and its reasons.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// Since when each probe's verdict holds, by the probe's key, seconds since 1970 UTC; empty without a server.
    pub verdicts_since: BTreeMap<String, u64>,
    /// Where each field of a deciding network's place comes from, by network: `country: GeoLite2-City.mmdb`.
    pub sources: BTreeMap<String, Vec<String>>,
}

impl Explained {
    /// Asks a snapshot, with a draw of its own.
    ///
    /// # Errors
    /// One clause: nobody would be answered this question.
    pub fn of(snapshot: &Snapshot, question: &Question) -> Result<Self, String> {
        // The standard library's hash seeds are random for each state.
        let draw = RandomState::new().hash_one(());
        let explanation =
            explain(snapshot, &question.name, question.rtype, question.client, draw).map_err(|why| why.to_string())?;
        let networks = explanation.decisions.iter().map(|decision| decision.network.as_str());
        let sources = networks.map(|network| (network.to_owned(), sources(snapshot, network))).collect();
        Ok(Self { explanation, verdicts_since: BTreeMap::new(), sources })
    }
}

/// One text a field that a database gives. The operator's own networks say where they stand without this.
fn sources(snapshot: &Snapshot, network: &str) -> Vec<String> {
    let address = network.parse::<IpNet>().map(|net| net.network()).or_else(|_| network.parse::<IpAddr>());
    let Ok(address) = address else { return Vec::new() };
    let server = &snapshot.inputs.model.server;
    if let Some((net, _)) =
        server.networks.iter().filter(|(net, _)| net.contains(&address)).max_by_key(|(n, _)| n.prefix_len())
    {
        return vec![format!("[networks] {net}")];
    }
    // The databases may have been replaced or removed since: then there is nothing to tell.
    let Ok((_, origins)) = geo::describe(&server.databases, address) else { return Vec::new() };
    if origins.is_empty() && server.unknown.is_some() {
        return vec!["geoip.unknown".to_owned()];
    }
    origins.into_iter().map(|(field, origin)| format!("{field}: {origin}")).collect()
}
