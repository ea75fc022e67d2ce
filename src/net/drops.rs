//! Datagrams that the kernel threw away because a socket's receive queue was full, as the sockets tell when asked
//! (SO_MEMINFO): nothing is counted on the query path.
#![allow(unsafe_code, reason = "SO_MEMINFO has no safe form in std or socket2")]

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Words of SO_MEMINFO (include/uapi/linux/sock_diag.h: SK_MEMINFO_VARS), and which of them counts drops.
const WORDS: usize = 9;
const DROPS: usize = 8;

/// The sum over sockets that come and go.
#[derive(Debug, Default)]
pub(super) struct Drops(Mutex<Sum>);

#[derive(Debug, Default)]
struct Sum {
    total: u64,
    /// Each with what it said last.
    sockets: Vec<(Weak<UdpSocket>, u32)>,
}

impl Drops {
    /// From now on this socket counts, until it is closed.
    pub(super) fn watch(&self, socket: &Arc<UdpSocket>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sockets.push((Arc::downgrade(socket), 0));
    }

    /// The sum; it never gets smaller. What a socket lost between the last reading and its end is not in it.
    pub(super) fn read(&self) -> u64 {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Sum { total, sockets } = &mut *sum;
        sockets.retain_mut(|(socket, last)| {
            let Some(socket) = socket.upgrade() else { return false };
            if let Ok(now) = drops(&socket) {
                // The kernel's word is 32 bits wide and wraps.
                *total += u64::from(now.wrapping_sub(*last));
                *last = now;
            }
            true
        });
        *total
    }
}

fn drops(socket: &UdpSocket) -> io::Result<u32> {
    let mut words = [0u32; WORDS];
    let mut size = mem::size_of_val(&words) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the kernel writes at most `size` octets, which
    // is the true size of `words`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if done == 0 { Ok(words[DROPS]) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_a_full_queue_lost_is_counted_once_and_outlives_the_socket() {
        let server = socket2::SockRef::from(&UdpSocket::bind("127.0.0.1:0").unwrap()).try_clone().unwrap();
        server.set_recv_buffer_size(1).unwrap();
        let server = Arc::new(UdpSocket::from(server));
        let drops = Drops::default();
        drops.watch(&server);
        assert_eq!(drops.read(), 0);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..64 {
            // Queued or dropped before the call returns: it is loopback.
            client.send_to(&[0; 512], server.local_addr().unwrap()).unwrap();
        }
        let lost = drops.read();
        assert!((1..64).contains(&lost), "{lost} of 64 in the smallest queue");
        assert_eq!(drops.read(), lost);
        drop(server);
        assert_eq!(drops.read(), lost);
    }
}
