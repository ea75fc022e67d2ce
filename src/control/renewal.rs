//! Zones whose content has changed beside their files: put together, judged, compiled and published, however many there
//! are at a time.

use std::collections::HashMap;
use std::sync::Arc;

use super::publisher::{Publisher, Request};
use super::serial;
use crate::config::model::{Ground, Zone};
use crate::config::{Content, Model, complete, faults};
use crate::secondary::Offer;
use crate::snapshot::Inputs;
use crate::wire::Name;

/// Zones that change together at most: each is put together before any is served.
const MOST: usize = 256;

/// A zone as it is served from now on; `None`: it is not.
pub(super) type Renewed = (Arc<Ground>, Option<Zone>);

impl Publisher {
    /// Takes what is offered, and with it whatever else is offered by now.
    pub(super) fn renew(&mut self, first: Offer) {
        let mut offers = vec![first];
        self.gather(|request| match request {
            Request::Offer(offer) => {
                offers.push(offer);
                None
            }
            other => Some(other),
        });
        let current = self.current();
        let grounds = grounds(&current.inputs.model);
        let mut renewed = Vec::new();
        let mut taken = Vec::new();
        for Offer { apex, content, reply } in offers {
            let ground = grounds.get(&apex).filter(|ground| ground.primaries().is_some());
            let judged = ground
                .ok_or_else(|| "it is no secondary zone any more".to_owned())
                .and_then(|ground| Ok((Arc::clone(ground), sound(ground, content.as_deref())?)));
            match judged {
                Ok(zone) => {
                    renewed.push(zone);
                    taken.push((apex, content, reply));
                }
                // Who offered it may have gone.
                Err(fault) => drop(reply.send(Err(fault))),
            }
        }
        let outcome = if renewed.is_empty() { Ok(()) } else { self.serve(renewed) };
        for (apex, content, reply) in taken {
            if outcome.is_ok() {
                match content {
                    Some(content) => self.loader.holdings_mut().insert(apex, content),
                    None => self.loader.holdings_mut().expire(&apex),
                }
            }
            let _ = reply.send(outcome.clone());
        }
    }

    /// Takes requests that wait already, as long as `take` does; what it gives back waits on.
    pub(super) fn gather(&mut self, mut take: impl FnMut(Request) -> Option<Request>) {
        let mut waiting = std::mem::take(&mut self.backlog);
        for _ in 0..MOST {
            let Some(request) = waiting.pop_front().or_else(|| self.requests.try_recv().ok()) else { break };
            self.backlog.extend(take(request));
        }
        self.backlog.extend(waiting);
    }

    /// Publishes the model of now with other forms of some zones.
    pub(super) fn serve(&mut self, renewed: Vec<Renewed>) -> Result<(), String> {
        let current = self.current();
        let mut model = with(&current.inputs.model, renewed);
        serial::settle(&mut model, &current.inputs.model.zones, &mut self.serials, &mut self.contents);
        let model = Arc::new(model);
        let verdicts = self.with_checker(|checker| checker.verdicts_for(&model));
        let verdicts = verdicts.unwrap_or_else(|| current.inputs.verdicts.clone());
        let inputs = Inputs { model: Arc::clone(&model), verdicts, ..current.inputs.clone() };
        let snapshot = self.next(&inputs)?;
        let generation = self.publish(snapshot, Arc::clone(&current.sources));
        self.with_checker(|checker| checker.apply(model));
        tracing::debug!("generation {generation}: the content of zones changed");
        Ok(())
    }
}

/// A zone that can be served.
///
/// # Errors
/// What is wrong with it: one clause.
fn sound(ground: &Ground, content: Option<&Content>) -> Result<Option<Zone>, String> {
    let Some(zone) = complete(ground, content) else { return Ok(None) };
    let faults = faults(&zone);
    match faults.split_first() {
        None => Ok(Some(zone)),
        Some((first, [])) => Err(format!("the zone is not sound: {first}")),
        Some((first, more)) => Err(format!("the zone is not sound: {first} (and {} faults more)", more.len())),
    }
}

/// The grounds of a model by apex.
pub(super) fn grounds(model: &Model) -> HashMap<Name, Arc<Ground>> {
    model.grounds.iter().map(|ground| (ground.zone.apex.clone(), Arc::clone(ground))).collect()
}

/// The model with other forms of some zones; the order of files is kept.
fn with(model: &Model, renewed: Vec<Renewed>) -> Model {
    let mut model = model.clone();
    let places: HashMap<Name, usize> =
        model.zones.iter().enumerate().map(|(at, zone)| (zone.apex.clone(), at)).collect();
    let mut gone = Vec::new();
    for (ground, zone) in renewed {
        let apex = &ground.zone.apex;
        model.unloaded.retain(|unloaded| unloaded != apex);
        model.expired.retain(|expired| expired != apex);
        match (zone, places.get(apex)) {
            (Some(zone), Some(&at)) => model.zones[at] = Arc::new(zone),
            (Some(zone), None) => model.zones.push(Arc::new(zone)),
            (None, at) => {
                model.unloaded.push(apex.clone());
                model.expired.push(apex.clone());
                gone.extend(at);
            }
        }
    }
    gone.sort_unstable();
    gone.dedup();
    for at in gone.into_iter().rev() {
        model.zones.remove(at);
    }
    model.zones.sort_by(|a, b| a.file.cmp(&b.file));
    model
}
