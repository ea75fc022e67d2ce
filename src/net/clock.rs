//! The time, read once a batch.
#![allow(unsafe_code, reason = "std has no clock that is as cheap as the kernel's coarse one")]

use crate::answer::Tick;

/// A moment as the query path needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Seconds since 1970, as cookies carry them.
    pub(super) seconds: u32,
    /// As the rate limits count it.
    pub(super) tick: Tick,
}

impl Moment {
    /// Now, to a few milliseconds: the time of the kernel's last tick, which needs no look at the hardware's counter.
    #[inline]
    pub(super) fn now() -> Self {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a timespec to write to. A clock that cannot be read leaves it as it is.
        unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut time) };
        Self { seconds: time.tv_sec as u32, tick: Tick::new(time.tv_sec as u64, time.tv_nsec as u32) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_moment_is_now_and_ticks_go_by() {
        let known = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (before, moment, after) = (known(), Moment::now(), known());
        assert!((before.as_secs() as u32 - 1..=after.as_secs() as u32).contains(&moment.seconds));
        while Moment::now().tick == moment.tick {
            std::hint::spin_loop();
        }
    }
}
