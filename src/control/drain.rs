//! Persons who take endpoints out of the answers (G10).

use std::sync::Arc;
use std::time::Duration;

use super::publisher::{Publisher, unix_now};
use super::{DrainError, Drained, Subject};
use crate::config::suggest::nearest;
use crate::config::{Model, bare};
use crate::health::{Drain, Switches};
use crate::snapshot::Inputs;

impl Publisher {
    pub(super) fn drain(
        &mut self,
        subject: &Subject,
        span: Option<Duration>,
        reason: Option<String>,
        force: bool,
    ) -> Result<Drained, DrainError> {
        let model = Arc::clone(&self.current().inputs.model);
        let endpoints = resolve(&model, subject)?;
        let until = span.map(|span| unix_now().saturating_add(span.as_secs().max(1)));
        let mut switches = Switches::clone(&self.switches);
        for endpoint in &endpoints {
            switches.drained.insert(endpoint.clone(), Drain { until, reason: reason.clone() });
        }
        let drained = self.switch(switches, endpoints, until, force)?;
        tracing::info!("drained: {}", drained.endpoints.join(", "));
        Ok(drained)
    }

    pub(super) fn undrain(&mut self, subject: &Subject) -> Result<Drained, DrainError> {
        let model = Arc::clone(&self.current().inputs.model);
        let named = match (resolve(&model, subject), subject) {
            (Ok(named), _) => named,
            // A drain outlives its endpoint's removal from the files.
            (Err(_), Subject::Endpoint(name)) if self.switches.drained.contains_key(name) => vec![name.clone()],
            (Err(error), _) => return Err(error),
        };
        let mut switches = Switches::clone(&self.switches);
        let endpoints: Vec<String> =
            named.into_iter().filter(|endpoint| switches.drained.remove(endpoint).is_some()).collect();
        if endpoints.is_empty() {
            return Err(DrainError::NotDrained(subject.clone()));
        }
        let undrained = self.switch(switches, endpoints, None, true)?;
        tracing::info!("undrained: {}", undrained.endpoints.join(", "));
        Ok(undrained)
    }

    /// Ends drains whose time has come. What cannot be written is no reason to drain on: a restart ends them as well.
    pub(super) fn expire_drains(&mut self) {
        if self.next_expiry.is_none_or(|end| end > unix_now()) {
            return;
        }
        let mut switches = Switches::clone(&self.switches);
        let over = switches.expire(unix_now());
        if over.is_empty() {
            return;
        }
        match self.switch(switches.clone(), over.clone(), None, true) {
            Ok(_) => tracing::info!("drains are over: {}", over.join(", ")),
            Err(error) => {
                tracing::error!("drains are over and cannot be ended: {error:?}");
                // Not again at each tick: the next load or verdict compiles without them.
                self.take_switches(switches);
            }
        }
    }

    fn take_switches(&mut self, switches: Switches) {
        self.next_expiry = switches.next_expiry();
        self.switches = Arc::new(switches);
    }

    fn switch(
        &mut self,
        switches: Switches,
        endpoints: Vec<String>,
        until: Option<u64>,
        force: bool,
    ) -> Result<Drained, DrainError> {
        let current = self.current();
        let drained = Self::drained(&current.inputs.model, &switches);
        let inputs = Inputs { drained, ..current.inputs.clone() };
        let snapshot = self.next(&inputs).map_err(DrainError::Failed)?;
        let emptied = snapshot.forced_since(&self.shared.snapshot.load());
        if !emptied.is_empty() && !force {
            return Err(DrainError::Empties(emptied));
        }
        let not_kept = self.store.save_switches(&switches).err().map(|error| {
            let why = format!("{} cannot be written: {error}", self.store.directory().display());
            tracing::warn!("a drain is lost at a restart: {why}");
            why
        });
        self.take_switches(switches);
        let generation = self.publish(snapshot, Arc::clone(&current.sources));
        Ok(Drained { endpoints, until, forced: emptied, generation, not_kept })
    }
}

/// The full names of the endpoints that a person means.
fn resolve(model: &Model, subject: &Subject) -> Result<Vec<String>, DrainError> {
    let names = || model.endpoints.iter().map(|endpoint| endpoint.name.as_str());
    match subject {
        Subject::Site(site) => {
            let of_site = model.endpoints.iter().filter(|endpoint| endpoint.site.as_ref() == Some(site));
            let found: Vec<String> = of_site.map(|endpoint| endpoint.name.clone()).collect();
            let sites = model.endpoints.iter().filter_map(|endpoint| endpoint.site.as_deref());
            if found.is_empty() { Err(unknown(subject, nearest(site, sites))) } else { Ok(found) }
        }
        Subject::Endpoint(name) => {
            if names().any(|known| known == name) {
                return Ok(vec![name.clone()]);
            }
            let found: Vec<String> = names().filter(|known| bare(known) == *name).map(str::to_owned).collect();
            match found.len() {
                0 => Err(unknown(subject, nearest(name, names().chain(names().map(bare))))),
                1 => Ok(found),
                _ => Err(DrainError::Ambiguous(found)),
            }
        }
    }
}

fn unknown(subject: &Subject, nearest: Option<&str>) -> DrainError {
    DrainError::Unknown { subject: subject.clone(), nearest: nearest.map(str::to_owned) }
}
