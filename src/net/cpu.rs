//! Threads and processors: where a thread runs, and what it has used.
#![allow(unsafe_code, reason = "sched_setaffinity and getrusage have no safe form in std")]

use std::io;
use std::mem;
use std::time::Duration;

/// Processor time of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In the program.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
}

impl Usage {
    /// Of the thread that asks, since it began (RUSAGE_THREAD). The kernel counts the sum exactly and divides it by
    /// samples.
    pub fn of_this_thread() -> Self {
        // SAFETY: rusage is a C struct of integers, for which all zeros is a value; the kernel fills it whole.
        let used = unsafe {
            let mut used: libc::rusage = mem::zeroed();
            libc::getrusage(libc::RUSAGE_THREAD, &raw mut used);
            used
        };
        Self { user: duration(used.ru_utime), system: duration(used.ru_stime) }
    }

    /// Both together.
    pub fn total(&self) -> Duration {
        self.user + self.system
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_usec).unwrap_or(0) * 1000)
}

/// The processors that this process may run on, in ascending order; empty where the system does not tell.
pub fn allowed() -> Vec<usize> {
    // SAFETY: cpu_set_t is a C array of integers, for which all zeros is a value; its true size is given, and CPU_ISSET
    // is asked for numbers within it only.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        if libc::sched_getaffinity(0, mem::size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &set)).collect()
    }
}

/// Lets the thread that asks run on this processor only.
///
/// # Errors
/// There is no such processor, or the process may not use it.
pub fn pin_this_thread(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: as in `allowed`; `cpu` is within the set, and the kernel only reads it. 0 is the calling thread.
    let done = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_its_processor_only_and_its_parent_as_before() {
        let before = allowed();
        let last = *before.last().unwrap();
        let pinned = std::thread::spawn(move || pin_this_thread(last).map(|()| allowed())).join().unwrap();
        assert_eq!(pinned.unwrap(), [last]);
        assert_eq!(allowed(), before);
        assert!(pin_this_thread(usize::MAX).is_err());
    }

    #[test]
    fn a_thread_that_works_uses_time() {
        let mut sum = 0u64;
        while Usage::of_this_thread().total() == Duration::ZERO {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        assert!(Usage::of_this_thread().total() >= Usage::default().total());
    }
}
