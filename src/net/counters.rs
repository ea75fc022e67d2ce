//! What the transports count. Relaxed: each number is right on its own, and none orders another.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Since the start of the process.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl Counters {
            /// Each by its name.
            pub fn read(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Datagrams that were read.
    udp_queries,
    /// Datagrams that were sent.
    udp_replies,
    /// Datagrams that were not read or sent because the system refused.
    udp_errors,
    /// Replies that were lost because the socket's send buffer was full.
    udp_full,
    /// Streams that were opened.
    tcp_connections,
    /// Messages that were read from streams.
    tcp_queries,
    /// Messages that were written to streams.
    tcp_replies,
    /// Streams that were not accepted because the system refused.
    tcp_accept_errors,
    /// Streams that were closed at once since the client, or all clients together, had too many.
    tcp_refused,
    /// Idle streams that were closed to make room.
    tcp_evicted,
    /// Streams that were closed because a message did not come or go in time.
    tcp_late,
    /// Queries that the engine gave no reply.
    dropped,
    /// Queries whose answering panicked; each lost its own reply only.
    panics,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Adds many.
pub(crate) fn add(counter: &AtomicU64, many: u64) {
    if many > 0 {
        counter.fetch_add(many, Ordering::Relaxed);
    }
}
