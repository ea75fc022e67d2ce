//! What transfers count.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Numbers that only grow.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($(#[$doc])* pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            /// Each by its name.
            pub(super) fn read(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Zones that were copied whole.
    transfers_whole,
    /// Zones of which the changes were copied.
    transfers_changes,
    /// Clients that were told that they are up to date, or to ask on a stream.
    transfers_current,
    /// Requests that the zone's `[transfer]` does not allow.
    transfers_refused,
    /// Requests that were put off since too many were being answered.
    transfers_busy,
    /// Transfers that the client did not take to the end.
    transfers_broken,
    /// Messages whose signature did not hold.
    tsig_refused,
    /// NOTIFY messages that were sent.
    notifies_sent,
    /// Secondaries that said that they heard.
    notifies_heard,
    /// Secondaries that never said so.
    notifies_lost,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
