//! Updates (RFC 2136): judged in the order in which they come, on disk and live before any of them is acknowledged. Those
//! that wait together share a write and a publication.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::publisher::{Publisher, Request};
use super::renewal::{Renewed, grounds};
use crate::config::model::{Ground, Origin, Soa};
use crate::config::{Change, Changes, Content, Model};
use crate::update::{Journal, Update, View, judge};
use crate::wire::Name;
use crate::wire::message::Rcode;

/// An UPDATE whose signature is good, and who waits for what comes of it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) update: Update,
    /// The key that it is signed with.
    pub(super) key: Name,
    pub(super) reply: oneshot::Sender<Rcode>,
}

/// Zones that were updated since the server started.
#[derive(Debug)]
pub(super) struct Updated {
    state: PathBuf,
    open: HashMap<Name, Open>,
}

#[derive(Debug)]
struct Open {
    view: View,
    journal: Journal,
}

impl Updated {
    /// Journals are kept below `state`.
    pub(super) fn new(state: PathBuf) -> Self {
        Self { state, open: HashMap::new() }
    }

    /// The zone as it is now. `known`: what was changed of it, as far as is served.
    fn open(&mut self, ground: &Arc<Ground>, known: Option<&Content>, soa: &Soa) -> std::io::Result<&mut Open> {
        let apex = &ground.zone.apex;
        let changes = |known: Option<&Content>| match known {
            Some(Content::Updated(changes)) => changes.clone(),
            _ => Changes::default(),
        };
        match self.open.get_mut(apex) {
            Some(open) if Arc::ptr_eq(open.view.ground(), ground) => open.view.set_soa(soa.clone()),
            // The files were edited below what was changed.
            Some(open) => open.view = View::new(Arc::clone(ground), changes(known), soa.clone()),
            None => {
                let journal = Journal::open(&self.state, apex)?;
                let view = View::new(Arc::clone(ground), changes(known), soa.clone());
                self.open.insert(apex.clone(), Open { view, journal });
            }
        }
        self.open.get_mut(apex).ok_or_else(|| std::io::Error::other("it was not opened"))
    }
}

impl Publisher {
    /// Works on an update, and with it on whatever else waits by now.
    pub(super) fn update(&mut self, first: Asked) {
        let mut by_zone: Vec<(Name, Vec<Asked>)> = vec![(first.update.zone.clone(), vec![first])];
        self.gather(|request| match request {
            Request::Update(asked) => {
                match by_zone.iter_mut().find(|(apex, _)| *apex == asked.update.zone) {
                    Some((_, all)) => all.push(asked),
                    None => by_zone.push((asked.update.zone.clone(), vec![asked])),
                }
                None
            }
            other => Some(other),
        });
        let current = self.current();
        let model = &current.inputs.model;
        let grounds = grounds(model);
        let mut renewed = Vec::new();
        let mut done: Vec<(Name, Arc<Content>)> = Vec::new();
        let mut replies: Vec<(oneshot::Sender<Rcode>, Rcode, bool)> = Vec::new();
        for (apex, all) in by_zone {
            let Some(ground) = grounds.get(&apex).filter(|ground| matches!(ground.origin, Origin::Updates(_))) else {
                let rcode = stranger(model, &apex);
                replies.extend(all.into_iter().map(|asked| (asked.reply, rcode, false)));
                continue;
            };
            let (answers, zone) = self.of_zone(model, ground, all);
            if let Some((content, zone)) = zone {
                done.push((apex, content));
                renewed.push(zone);
            }
            replies.extend(answers);
        }
        let outcome = if renewed.is_empty() { Ok(()) } else { self.serve(renewed) };
        match &outcome {
            Ok(()) => done.into_iter().for_each(|(apex, content)| self.loader.holdings_mut().insert(apex, content)),
            Err(error) => {
                tracing::error!("updates are on disk and cannot be served: {error}");
                // What is open is ahead of what is served.
                done.iter().for_each(|(apex, _)| drop(self.updated.open.remove(apex)));
            }
        }
        for (reply, rcode, is_change) in replies {
            let rcode = if is_change && outcome.is_err() { Rcode::ServFail } else { rcode };
            self.shared.counters.updated(rcode == Rcode::NoError);
            // Who asked may have given up waiting.
            let _ = reply.send(rcode);
        }
    }

    /// Judges and writes down the updates of one zone: what each is told, and the zone if it differs.
    #[allow(clippy::type_complexity, reason = "two things that are used at once by the only caller")]
    fn of_zone(
        &mut self,
        model: &Model,
        ground: &Arc<Ground>,
        all: Vec<Asked>,
    ) -> (Vec<(oneshot::Sender<Rcode>, Rcode, bool)>, Option<(Arc<Content>, Renewed)>) {
        let apex = &ground.zone.apex;
        let served = model.zones.iter().find(|zone| zone.apex == *apex).map_or(&ground.zone.soa, |zone| &zone.soa);
        let known = self.loader.holdings().of(ground).cloned();
        let fail = |all: Vec<Asked>| all.into_iter().map(|asked| (asked.reply, Rcode::ServFail, false)).collect();
        let open = match self.updated.open(ground, known.as_deref(), served) {
            Ok(open) => open,
            Err(error) => {
                tracing::error!("no updates of {apex}: its journal cannot be used: {error}");
                return (fail(all), None);
            }
        };
        let mut entries: Vec<Vec<Change>> = Vec::new();
        let mut answers = Vec::new();
        for Asked { update, key, reply } in all {
            match judge(&mut open.view, &update, &key) {
                Ok(steps) if steps.is_empty() => answers.push((reply, Rcode::NoError, false)),
                Ok(steps) => {
                    tracing::info!("an update of {apex}, signed with {key}: {} steps", steps.len());
                    entries.push(steps);
                    answers.push((reply, Rcode::NoError, true));
                }
                Err(rcode) => {
                    tracing::info!("an update of {apex}, signed with {key}, was not taken: {rcode:?}");
                    answers.push((reply, rcode, false));
                }
            }
        }
        if entries.is_empty() {
            return (answers, None);
        }
        if let Err(error) = open.journal.append(&entries, open.view.changes()) {
            tracing::error!("updates of {apex} cannot be written down and are not taken: {error}");
            self.updated.open.remove(apex);
            // Some may have been judged by what others have changed.
            return (answers.into_iter().map(|(reply, ..)| (reply, Rcode::ServFail, false)).collect(), None);
        }
        let (content, zone) = open.view.laid();
        (answers, Some((Arc::new(content), (Arc::clone(ground), zone))))
    }
}

/// What is told of a zone that nobody may update.
fn stranger(model: &Model, apex: &Name) -> Rcode {
    let is_ours = model.zones.iter().any(|zone| zone.apex == *apex) || model.unloaded.contains(apex);
    if is_ours { Rcode::Refused } else { Rcode::NotAuth }
}
