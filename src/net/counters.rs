//! What the transports count, by whoever counts it: each thread that answers datagrams has a block of its own, and no
//! two blocks share a cache line, so that counting costs no worker a line that another one holds.
//!
//! All loads and stores are relaxed: each number is right on its own, and none orders another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::drops::Drops;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// One block: what one thread, or the streams together, have counted since the start. 128 octets are two lines
        /// of 64, which processors fetch in pairs.
        #[derive(Debug, Default)]
        #[repr(align(128))]
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
    /// Streams that were opened, encrypted ones included.
    tcp_connections,
    /// Messages that were read from streams that are not encrypted.
    tcp_queries,
    /// Messages that were written to streams that are not encrypted.
    tcp_replies,
    /// Streams that were not accepted because the system refused.
    tcp_accept_errors,
    /// Streams that were closed at once since the client, or all clients together, had too many.
    tcp_refused,
    /// Idle streams that were closed to make room.
    tcp_evicted,
    /// Streams that were closed because a message did not come or go in time.
    tcp_late,
    /// Messages that are no plain queries: NOTIFY, UPDATE, transfers, and what is signed.
    aside,
    /// Replies to such datagrams that were sent after those of the queries that came with them.
    aside_replies,
    /// Such datagrams that were dropped since too many were being worked on.
    aside_full,
    /// Streams that shook hands for DNS over TLS.
    tls_connections,
    /// Messages that were read from them.
    tls_queries,
    /// Messages that were written to them.
    tls_replies,
    /// Streams that shook hands for HTTPS.
    https_connections,
    /// Requests by HTTP/1.1 and HTTP/2 that brought a message.
    https_queries,
    /// Requests by HTTP/1.1 and HTTP/2 that did not, or brought one that got no reply.
    https_refused,
    /// Connections that shook hands for DNS over QUIC.
    quic_connections,
    /// Messages that were read from them.
    quic_queries,
    /// Messages that were written to them.
    quic_replies,
    /// Connections and streams of DNS over QUIC that were ended since the client broke its rules.
    quic_faults,
    /// Connections that shook hands for HTTP/3.
    http3_connections,
    /// Requests by HTTP/3 that brought a message.
    http3_queries,
    /// Requests by HTTP/3 that did not, or brought one that got no reply.
    http3_refused,
    /// Handshakes that failed or were not done in time.
    handshakes_failed,
    /// Handshakes, and streams of proxies before their headers, that ended since too many were under way.
    handshakes_evicted,
    /// Datagrams and streams from proxies without a well-formed header.
    proxy_faults,
    /// Replies that were truncated, or asked for a cookie, since their senders asked too fast.
    rate_limited,
    /// Replies that would have been, were limits not only counted.
    rate_logged,
    /// Queries that the engine gave no reply.
    dropped,
    /// Queries whose answering panicked; each lost its own reply only.
    panics,
}

/// Adds one, from any thread.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Adds many to a counter that no other thread writes: a load and a store, without the bus lock of [`count`].
pub(crate) fn add(counter: &AtomicU64, many: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(many), Ordering::Relaxed);
}

/// Every block of a server, summed on reading.
#[derive(Debug, Default)]
pub struct Totals {
    blocks: Mutex<Vec<Arc<Counters>>>,
    /// What the kernel threw away before a worker could read it.
    pub(super) drops: Drops,
}

impl Totals {
    /// A block for one more thread, or for one more group of tasks that only [`count`]s.
    pub(super) fn block(&self) -> Arc<Counters> {
        let block = Arc::<Counters>::default();
        self.blocks().push(Arc::clone(&block));
        block
    }

    /// Each sum by its name; none ever gets smaller.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let mut sums = Counters::default().read();
        for block in self.blocks().iter() {
            for (sum, (_, counted)) in sums.iter_mut().zip(block.read()) {
                sum.1 += counted;
            }
        }
        sums.push(("udp_kernel_drops", self.drops.read()));
        sums
    }

    /// One sum.
    pub fn get(&self, name: &str) -> u64 {
        self.read().iter().find(|(known, _)| *known == name).map_or(0, |&(_, sum)| sum)
    }

    fn blocks(&self) -> MutexGuard<'_, Vec<Arc<Counters>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_blocks_share_a_pair_of_cache_lines() {
        let totals = Totals::default();
        let (one, other) = (totals.block(), totals.block());
        for block in [&one, &other] {
            assert_eq!(Arc::as_ptr(block) as usize % 128, 0);
            assert_eq!(size_of_val(&**block) % 128, 0);
        }
    }

    #[test]
    fn sums_are_over_all_blocks_and_stay_when_a_thread_has_ended() {
        let totals = Totals::default();
        let (one, other) = (totals.block(), totals.block());
        add(&one.udp_queries, 40);
        add(&other.udp_queries, 2);
        count(&other.panics);
        drop((one, other));
        assert_eq!((totals.get("udp_queries"), totals.get("panics"), totals.get("udp_full")), (42, 1, 0));
    }

    #[test]
    fn many_threads_may_count_in_one_block() {
        let totals = Totals::default();
        let block = totals.block();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| count(&block.tcp_queries)));
            }
        });
        assert_eq!(totals.get("tcp_queries"), 4000);
    }
}
