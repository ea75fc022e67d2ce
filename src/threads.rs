//! Threads and processors: where a thread runs, who goes first, and what it has used.
//!
//! Queries are answered beside work that has time: files are read, databases and zones laid out, thousands of endpoints
//! probed. Where processors are few, that work goes second ([`go_second`]) and answering takes short turns
//! ([`take_short_turns`]), so that a reload shows in nobody's latency.
#![allow(unsafe_code, reason = "affinity, priorities and usage of a thread have no safe form in std")]

use std::cell::Cell;
use std::io;
use std::mem;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

/// What a thread gives up for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// A third of what those get who go first: for work that somebody waits for in the end.
    Soon,
    /// A tenth: for work that takes long and is done once.
    Whenever,
}

/// Lets the thread that asks, and the threads that it starts from now on, go second wherever others want the same
/// processor; alone it is as quick as ever. Nothing happens where the system does not let it.
pub fn go_second(second: Second) {
    // Each step of niceness is a fifth less (sched(7)).
    let nice = match second {
        Second::Soon => 5,
        Second::Whenever => 10,
    };
    // SAFETY: setpriority takes integers; 0 is the calling thread, since on Linux niceness is a thread's own.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}

thread_local! {
    /// Whether this thread does work that goes second.
    static IN_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// How many threads should share a piece of work: one for each processor, or for each second one in the background, so
/// that where there are two at least one of them is for who goes first.
pub fn at_once() -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    if IN_BACKGROUND.get() { processors.div_ceil(2) } else { processors }
}

/// Does `work` on a thread of its own that goes second, and waits for it: a thread cannot take back what it gave up. A
/// panic is that of the caller.
pub fn in_background<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let mut work = Some(work);
    let mut done = None;
    thread::scope(|scope| {
        let (work, done) = (&mut work, &mut done);
        let started = thread::Builder::new().name("background".into()).spawn_scoped(scope, move || {
            go_second(Second::Whenever);
            IN_BACKGROUND.set(true);
            *done = work.take().map(|work| work());
        });
        if let Ok(thread) = started {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    // Where the system refuses a thread the work is done all the same.
    match (done, work) {
        (Some(done), _) => done,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("work that was taken was done, or has panicked"),
    }
}

/// What the kernel is asked for by sched_setattr(2), in its first form.
#[repr(C)]
#[derive(Default)]
struct Scheduling {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// The shortest turn that the kernel knows, in nanoseconds.
const SHORT_TURN: u64 = 100_000;

/// Lets the thread that asks have its turn at once when it wakes, in exchange for short ones: who waits for datagrams has
/// little to do at a time. Linux 6.12 and later know of it; elsewhere nothing happens.
pub fn take_short_turns() {
    let mut scheduling = Scheduling { size: mem::size_of::<Scheduling>() as u32, ..Scheduling::default() };
    let size = scheduling.size;
    // SAFETY: the kernel writes no more than the `size` octets that it is told of and reads as many; 0 is the calling
    // thread.
    unsafe {
        if libc::syscall(libc::SYS_sched_getattr, 0, &raw mut scheduling, size, 0) == 0 {
            scheduling.runtime = SHORT_TURN;
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const scheduling, 0);
        }
    }
}

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
    #![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

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
    fn what_goes_on_in_the_background_goes_second_and_its_caller_does_not() {
        // SAFETY: getpriority takes integers.
        let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = nice();
        assert_eq!(in_background(nice), 10.max(before));
        assert_eq!(in_background(|| thread::spawn(nice).join().unwrap()), 10.max(before), "what it starts as well");
        assert_eq!(nice(), before);
        assert_eq!(in_background(at_once), at_once().div_ceil(2));
        let panic = std::panic::catch_unwind(|| in_background(|| panic!("told")));
        assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"told"));
    }

    #[test]
    fn short_turns_change_nothing_else() {
        let policy = |scheduling: &Scheduling| (scheduling.policy, scheduling.nice, scheduling.priority);
        let asked = || {
            let mut scheduling = Scheduling::default();
            // SAFETY: as in `take_short_turns`.
            let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut scheduling, 48, 0) };
            assert_eq!(done, 0);
            scheduling
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                let before = asked();
                take_short_turns();
                let after = asked();
                assert_eq!(policy(&after), policy(&before));
                // Kernels before 6.12 know of no turns and say 0.
                assert!(after.runtime == SHORT_TURN || after.runtime == before.runtime);
            });
        });
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
