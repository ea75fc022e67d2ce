//! Files that changed: taken whole, or refused with every reason.

use std::sync::Arc;

use super::load::{self, Reading, Sources};
use super::publisher::{Awaited, Publisher, to_follow, unix_now};
use super::start::{keep, warn_of_stale};
use super::{LoadStatus, ReloadError, Reloaded};
use super::{guard, last_good, serial};
use crate::config::model::Server;
use crate::config::{self, Diagnostic, Model, Severity, Wanted};
use crate::geo;
use crate::snapshot::Inputs;
use crate::threads;

impl Publisher {
    /// Takes what has changed in the files, on a thread that lets those who answer go first.
    pub(super) fn reload(&mut self, force: Option<u64>) -> Result<Reloaded, ReloadError> {
        threads::in_background(|| self.take_files(force))
    }

    fn take_files(&mut self, force: Option<u64>) -> Result<Reloaded, ReloadError> {
        let current = self.current();
        let server = &current.inputs.model.server;
        let file = self.options.server_file.as_deref();
        let loader = &mut self.loader;
        let reading = load::read(loader, file, &self.options.overrides, server.reload, Some(&current.sources));
        let Reading { model, mut diagnostics, mut sources, digest, wanted } = reading;
        let Some(mut model) = model else {
            return Err(self.refuse(digest, wanted, diagnostics, sources, None));
        };
        let stamps = load::stamps(&load::followed(&model.server));
        let shows_the_same = model.server.tls == server.tls;
        if digest == self.digest && stamps == self.stamps && shows_the_same {
            self.loader.adopt(&current.sources);
            self.taken(&diagnostics, &sources);
            let sources = Arc::new(sources);
            return Ok(Reloaded {
                generation: current.generation,
                changed: false,
                zones: model.zones.len(),
                diagnostics,
                sources,
            });
        }

        let removals = guard::removals(&current.inputs.model, &model);
        if !removals.is_empty() {
            let number = self.number_of(digest);
            if force != Some(number) {
                let help = format!("if this is meant: rhumb reload --force {number}");
                diagnostics.extend(removals.into_iter().map(|what| {
                    let said = Diagnostic::general(Severity::Error, "removes-too-much", what);
                    Diagnostic { help: Some(help.clone()), ..said }
                }));
                return Err(self.refuse(digest, wanted, diagnostics, sources, Some(number)));
            }
        }

        let mut databases = None;
        let places = if stamps == self.stamps {
            Arc::clone(&current.inputs.places)
        } else {
            match geo::load(&model.server.databases) {
                Ok((places, infos)) => {
                    databases = Some(infos);
                    Arc::new(places)
                }
                Err(error) => {
                    diagnostics.push(Diagnostic::general(Severity::Error, "bad-database", error.to_string()));
                    return Err(self.refuse(digest, wanted, diagnostics, sources, None));
                }
            }
        };
        let before = &current.inputs.model.zones;
        serial::settle(&mut model, before, &mut self.serials, &mut self.contents);
        diagnostics.extend(later(server, &model.server));

        let model = Arc::new(model);
        let verdicts = self.with_checker(|checker| checker.verdicts_for(&model));
        let inputs = Inputs {
            drained: Self::drained(&model, &self.switches),
            verdicts: verdicts.unwrap_or_default(),
            model: Arc::clone(&model),
            places,
            seed: current.inputs.seed,
        };
        let snapshot = match self.next(&inputs) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                diagnostics.push(Diagnostic::general(Severity::Error, "limit", error));
                return Err(self.refuse(digest, wanted, diagnostics, sources, None));
            }
        };
        let lines = config::render_lines(&diagnostics, &sources);
        last_good::deposit(&mut sources, self.store.directory());
        self.loader.adopt(&sources);
        self.read = to_follow(&sources, &model.server.zones);
        let sources = Arc::new(sources);
        // Whoever sees the generation sees what is said of its load.
        self.taken(&diagnostics, &sources);
        let generation = self.publish(snapshot, Arc::clone(&sources));
        self.with_checker(|checker| checker.apply(Arc::clone(&model)));
        self.shared.follower.apply(&model);
        (self.digest, self.stamps, self.held) = (digest, stamps, None);
        self.remember(&model, &sources, databases);
        self.follow_files();
        for line in &lines {
            tracing::warn!("{line}");
        }
        tracing::info!(
            "generation {generation}: {} zones taken from {}",
            model.zones.len(),
            model.server.zones.display()
        );
        Ok(Reloaded { generation, changed: true, zones: model.zones.len(), diagnostics, sources })
    }

    /// The number that forces a reading: the same for the same content.
    fn number_of(&mut self, digest: u64) -> u64 {
        match self.held {
            Some((number, held)) if held == digest => number,
            _ => {
                self.holds += 1;
                self.held = Some((self.holds, digest));
                self.holds
            }
        }
    }

    fn refuse(
        &mut self,
        digest: u64,
        wanted: Wanted,
        diagnostics: Vec<Diagnostic>,
        sources: Sources,
        force: Option<u64>,
    ) -> ReloadError {
        if self.refused != Some(digest) {
            for (diagnostic, line) in diagnostics.iter().zip(config::render_lines(&diagnostics, &sources)) {
                match diagnostic.severity {
                    Severity::Error => tracing::error!("{line}"),
                    Severity::Warning => tracing::warn!("{line}"),
                }
            }
            tracing::error!("the files were not taken: generation {} goes on", self.current().generation);
        }
        self.refused = Some(digest);
        self.awaited = Some(Awaited { read: to_follow(&sources, &wanted.zones), wanted });
        self.follow_files();
        self.shared.counters.refused_load();
        let status = status(false, force, &diagnostics, &sources);
        self.tell(|facts| {
            facts.last_load = LoadStatus { from_last_good: facts.last_load.from_last_good, ..status };
        });
        ReloadError { diagnostics, sources: Arc::new(sources), force }
    }

    fn taken(&mut self, diagnostics: &[Diagnostic], sources: &Sources) {
        (self.refused, self.awaited) = (None, None);
        self.shared.counters.taken_load();
        let status = status(true, None, diagnostics, sources);
        self.tell(|facts| facts.last_load = status);
    }

    /// Writes down what a later start needs of the load that this one began with.
    pub(super) fn remember_first(&mut self) {
        let current = self.current();
        self.remember(&current.inputs.model, &current.sources, None);
    }

    fn remember(&mut self, model: &Model, sources: &Sources, databases: Option<Vec<geo::DatabaseInfo>>) {
        let mut notes = self.shared.facts.load().notes.clone();
        let is_first = !std::mem::replace(&mut self.is_kept, true);
        let is_over = |note: &str| {
            (!is_first && note.starts_with("the files have errors"))
                || (databases.is_some() && note.starts_with("served without"))
        };
        notes.retain(|note| !is_over(note));
        keep(&self.options, model, sources, &self.store, &self.serials, &mut notes);
        self.tell(|facts| {
            facts.notes = notes;
            if let Some(databases) = databases {
                warn_of_stale(&databases);
                facts.databases = databases;
            }
        });
    }
}

fn status(ok: bool, force: Option<u64>, diagnostics: &[Diagnostic], sources: &Sources) -> LoadStatus {
    let lines = config::render_lines(diagnostics, sources);
    let said = diagnostics.iter().zip(lines).map(|(d, line)| format!("{}: {line}", d.severity)).collect();
    LoadStatus { ok, from_last_good: false, when: unix_now(), force, diagnostics: said }
}

/// Settings that are read at the start only.
fn later(old: &Server, new: &Server) -> Option<Diagnostic> {
    let changed = [
        ("listen.dns", old.dns != new.dns),
        ("listen.tls, https, quic and http3", old.encrypted != new.encrypted || old.https_path != new.https_path),
        ("listen.proxy_from", old.proxy_from != new.proxy_from),
        ("limits of connections", old.connections != new.connections),
        ("listen.admin", old.admin != new.admin || old.admin_token_file != new.admin_token_file),
        ("state", old.state != new.state),
        ("workers", old.workers != new.workers),
        ("transport", old.transport != new.transport),
    ];
    let names: Vec<&str> = changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| {
        let message = format!("{} takes effect at the next start", names.join(", "));
        Diagnostic::general(Severity::Warning, "needs-restart", message)
    })
}
