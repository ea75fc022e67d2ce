//! Many sockets waited for at once (epoll(7), level-triggered): the cost of a wait grows with those that are ready and
//! not with those that are watched.
#![allow(unsafe_code, reason = "epoll has no safe form in std or socket2")]

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// What one wait tells at most; the rest is told by the next, in turn.
const EVENTS: usize = 64;

/// Descriptors that are watched for something to read, each with a number of its owner's choice.
pub(super) struct Poller {
    epoll: OwnedFd,
    events: Box<[libc::epoll_event; EVENTS]>,
    ready: usize,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer; the descriptor that it returns is nobody else's.
        let epoll = unsafe {
            let descriptor = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(descriptor)
        };
        // SAFETY: epoll_event is a C struct of integers, for which all zeros is a value.
        let events = Box::new(unsafe { mem::zeroed() });
        Ok(Self { epoll, events, ready: 0 })
    }

    /// Watches `descriptor` until it is closed.
    pub(super) fn add(&self, descriptor: &impl AsFd, number: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number };
        // SAFETY: both descriptors are open for as long as they are borrowed; the event is only read.
        let done = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor.as_fd().as_raw_fd(), &raw mut event)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits until something is there to read, no longer than `time` (in whole milliseconds), and tells how many are
    /// ready; a signal ends the wait early.
    pub(super) fn wait(&mut self, time: Duration) -> io::Result<usize> {
        let milliseconds = time.as_millis().min(libc::c_int::MAX as u128) as libc::c_int;
        // Past the C library, whose wrapper prepares for a cancellation of the thread that never comes.
        // SAFETY: the kernel writes at most `EVENTS` events, which is how many there is room for; without a signal mask
        // its size does not matter.
        let ready = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS,
                milliseconds,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        self.ready = match usize::try_from(ready) {
            Ok(ready) => ready,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => 0,
                error => return Err(error),
            },
        };
        Ok(self.ready)
    }

    /// The number of the `at`-th that the last wait found ready.
    pub(super) fn number(&self, at: usize) -> u64 {
        // The struct is packed on some machines: a copy needs no reference into it.
        let event = self.events[at.min(self.ready.saturating_sub(1))];
        event.u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn only_those_with_something_to_read_are_ready_and_a_closed_one_never_is() {
        let mut poller = Poller::new().unwrap();
        let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for (number, socket) in sockets.iter().enumerate() {
            poller.add(socket, number as u64 + 10).unwrap();
        }
        assert_eq!(poller.wait(Duration::ZERO).unwrap(), 0);
        let mut sockets = sockets.into_iter();
        let (first, second) = (sockets.next().unwrap(), sockets.next().unwrap());
        first.send_to(b"x", second.local_addr().unwrap()).unwrap();
        for _ in 0..2 {
            // Told again for as long as it is not read.
            assert_eq!(poller.wait(Duration::from_secs(5)).unwrap(), 1);
            assert_eq!(poller.number(0), 11);
        }
        drop(second);
        assert_eq!(poller.wait(Duration::ZERO).unwrap(), 0);
    }
}
