//! Keeps the verdicts on disk as they change, at a pace that does not grow with the number of changes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::report::unix_ms;
use super::runner::Shared;
use super::store::Store;
use super::table::{Table, lock};

/// Verdicts are written at most this often.
const PAUSE: Duration = Duration::from_secs(1);

/// A pause is this long for each verdict that is kept, so that writing all of them takes a hundredth of a core at most,
/// however many change.
const PAUSE_EACH: Duration = Duration::from_micros(200);

/// They are written again after this time, since their age counts (G5).
const AGAIN: Duration = Duration::from_secs(60);

/// The writer, and what it has to tell.
pub(super) struct Keeper {
    store: Store,
    table: Arc<Mutex<Table>>,
    shared: Arc<Shared>,
    writing: Mutex<()>,
    problem: Mutex<Option<String>>,
    /// Why the kept verdicts could not be read at the start.
    unread: Option<String>,
}

impl Keeper {
    /// `unread` is why the kept verdicts could not be read at the start, if so.
    pub(super) fn new(store: Store, table: Arc<Mutex<Table>>, shared: Arc<Shared>, unread: Option<String>) -> Self {
        Self { store, table, shared, writing: Mutex::default(), problem: Mutex::default(), unread }
    }

    /// Writes until it is aborted.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            // Either way it is time to write: a change, or the age of what is kept.
            let _ = tokio::time::timeout(AGAIN, self.shared.unkept.notified()).await;
            let kept = self.write().await;
            tokio::time::sleep(pause(kept)).await;
        }
    }

    /// Writes now; how many verdicts there were. What goes wrong is logged and stands in [`Keeper::problems`].
    pub(super) async fn write(self: &Arc<Self>) -> usize {
        let keeper = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            // A write that was begun before the shutdown may still go on: they take turns, and each has the latest.
            let _turn = lock(&keeper.writing);
            let kept = lock(&keeper.table).to_keep(unix_ms(SystemTime::now()));
            keeper.store.save_verdicts(&kept).map(|()| kept.len())
        })
        .await;
        let (kept, problem) = match written {
            Ok(Ok(kept)) => (kept, None),
            Ok(Err(error)) => (0, Some(error.to_string())),
            Err(_) => (0, Some("the writer died".to_owned())),
        };
        let problem = problem.map(|problem| {
            format!(
                "verdicts cannot be kept in {}: {problem}; a restart begins without them",
                self.store.directory().display()
            )
        });
        let mut before = lock(&self.problem);
        match &problem {
            Some(text) if before.is_none() => tracing::warn!("{text}"),
            None if before.is_some() => tracing::info!("verdicts can be kept again"),
            _ => (),
        }
        *before = problem;
        kept
    }

    /// What is wrong, a line each.
    pub(super) fn problems(&self) -> Vec<String> {
        self.unread.iter().cloned().chain(lock(&self.problem).clone()).collect()
    }
}

fn pause(kept: usize) -> Duration {
    PAUSE.max(PAUSE_EACH.saturating_mul(u32::try_from(kept).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_verdicts_are_written_less_often() {
        assert_eq!([pause(0), pause(5000), pause(10_000)], [PAUSE, PAUSE, 2 * PAUSE]);
    }
}
