//! The audit log: one line a change, whether it was taken or not.

use std::fmt::Display;

/// Longer words of a person are cut in the audit log; the drain keeps the whole reason.
const LIMIT: usize = 512;

/// A change that somebody asked for.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Who, as the socket or the system tells.
    pub who: String,
    /// Such as `drain`.
    pub action: &'static str,
    /// What it is about.
    pub subject: String,
    /// Who says that they ask.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Change {
    /// By someone that is known by nothing else.
    pub fn new(who: impl Display, action: &'static str, subject: impl Into<String>) -> Self {
        Self { who: who.to_string(), action, subject: subject.into(), ..Self::default() }
    }

    /// What the request says beside that.
    pub(super) fn said(self, by: Option<String>, reason: Option<String>) -> Self {
        let cut = |text: Option<String>| text.map(|t| t.chars().take(LIMIT).collect::<String>());
        Self { by: cut(by), reason: cut(reason), ..self }
    }

    /// Writes the line: the generation that answers since, or why the change was not made. Words of persons are quoted,
    /// since they could hold line breaks.
    pub fn write(&self, outcome: Result<u64, &str>) {
        let Self { who, action, subject, by, reason } = self;
        match outcome {
            Ok(generation) => {
                tracing::info!(target: "audit", %who, by, action, ?subject, reason, generation, "change taken");
            }
            Err(why) => tracing::warn!(target: "audit", %who, by, action, ?subject, reason, why, "change refused"),
        }
    }
}
