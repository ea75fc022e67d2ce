//! UDP sockets as workers want them: one a worker, all of an address in one group over which the kernel spreads
//! clients, with room for bursts, and replies that leave from where the query arrived.
#![allow(unsafe_code, reason = "forced buffer sizes and reuseport programs have no safe form in std or socket2")]

use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::batch::{self, TooLong};
use crate::config::model::Proxies;

/// How sockets are made and workers run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that answer datagrams, at least 1; each has a socket of its own at every address.
    pub workers: usize,
    /// The processors that workers are pinned to, in turn; empty pins none.
    pub pin: Vec<usize>,
    /// Whether a datagram goes to the worker of the processor that received it, and not to one by the client's address
    /// and port.
    pub steer: bool,
    /// Octets of each socket's receive buffer.
    pub receive_buffer: usize,
    /// Octets of each socket's send buffer.
    pub send_buffer: usize,
    /// Networks that speak for others by the PROXY protocol, and do so always.
    pub proxies: Proxies,
}

impl Options {
    /// Octets of a buffer, unless told otherwise: what a worker that is kept from running for 25 ms misses at 200,000
    /// queries a second, as the kernel counts them (about 800 octets each).
    pub const BUFFER: usize = 4 << 20;

    /// With so many workers, and nothing out of the ordinary.
    pub fn with_workers(workers: usize) -> Self {
        Self { workers, ..Self::default() }
    }

    /// The processor of a worker, if it has one.
    pub(super) fn cpu_of(&self, worker: usize) -> Option<usize> {
        self.pin.get(worker % self.pin.len().max(1)).copied()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 1,
            pin: Vec::new(),
            steer: false,
            receive_buffer: Self::BUFFER,
            send_buffer: Self::BUFFER,
            proxies: Proxies::new(),
        }
    }
}

/// An unbound socket of an address's family.
pub(super) fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two addresses; a list may name either or both.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// One socket a worker at `address`, in the order of the workers.
pub(super) fn group(address: SocketAddr, options: &Options) -> io::Result<Vec<UdpSocket>> {
    (0..options.workers.max(1)).map(|worker| member(address, worker, options)).collect()
}

/// A socket that is the only one of its address, for a transport that keeps to one.
pub(super) fn single(address: SocketAddr, options: &Options) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    enlarge(&socket, Direction::Receive, options.receive_buffer);
    enlarge(&socket, Direction::Send, options.send_buffer);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn member(address: SocketAddr, worker: usize, options: &Options) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    // The kernel lets sockets share a port only if every one of them says so, wildcard and others alike, and if all
    // belong to one user.
    socket.set_reuse_port(true)?;
    enlarge(&socket, Direction::Receive, options.receive_buffer);
    enlarge(&socket, Direction::Send, options.send_buffer);
    batch::set_too_long(&socket, address.is_ipv6(), TooLong::Stays)?;
    if address.ip().is_unspecified() {
        batch::enable_arrival(&socket, address.is_ipv6())?;
    }
    if options.steer && worker == 0 {
        // Before it is bound, so that no datagram is spread otherwise. Without it all is well, only not steered.
        let _ = attach(&socket, &steering(options));
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Which of a socket's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Receive,
    Send,
}

impl Direction {
    /// The sysctl that caps it.
    pub(super) fn sysctl(self) -> &'static str {
        match self {
            Self::Receive => "net.core.rmem_max",
            Self::Send => "net.core.wmem_max",
        }
    }
}

/// Asks for as much as may be had: beyond the system's cap where the process has the right (CAP_NET_ADMIN). Less is
/// slower under bursts and no fault; [`room`] tells what was given.
fn enlarge(socket: &Socket, direction: Direction, octets: usize) {
    let forced = match direction {
        Direction::Receive => libc::SO_RCVBUFFORCE,
        Direction::Send => libc::SO_SNDBUFFORCE,
    };
    let size = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX);
    if set(socket, forced, &size).is_err() {
        let _ = match direction {
            Direction::Receive => socket.set_recv_buffer_size(octets),
            Direction::Send => socket.set_send_buffer_size(octets),
        };
    }
}

/// Octets that the kernel gave. It tells twice that, since it counts its own bookkeeping too (socket(7)).
pub(super) fn room(socket: &UdpSocket, direction: Direction) -> io::Result<usize> {
    let socket = socket2::SockRef::from(socket);
    let told = match direction {
        Direction::Receive => socket.recv_buffer_size()?,
        Direction::Send => socket.send_buffer_size()?,
    };
    Ok(told / 2)
}

/// Chooses the socket of a group by the processor that runs it: the worker that is pinned there, else the remainder.
/// What it returns is the place in the group, which is the order of binding; the kernel goes by the client's address
/// while there is no such place yet.
fn steering(options: &Options) -> Vec<libc::sock_filter> {
    let workers = options.workers.max(1);
    let ret_a = (libc::BPF_RET | libc::BPF_A) as u16;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let current_cpu = (libc::SKF_AD_OFF + libc::SKF_AD_CPU) as u32;
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, current_cpu)];
    for worker in 0..workers.min(options.pin.len()) {
        program.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, options.pin[worker] as u32));
        program.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, worker as u32));
    }
    program.push(step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, 0, 0, workers as u32));
    program.push(libc::sock_filter { code: ret_a, jt: 0, jf: 0, k: 0 });
    program
}

fn attach(socket: &Socket, program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // The kernel copies the program during the call and never writes to it.
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    set(socket, libc::SO_ATTACH_REUSEPORT_CBPF, &program)
}

/// Sets an option of the socket level whose value is a `T`.
fn set<T: Copy>(socket: &Socket, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the kernel reads `size_of::<T>()` octets of a
    // plain C value, and what that points to (a program) lives until the call returns.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            mem::size_of::<T>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use super::*;
    use crate::threads;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn a_socket_has_the_buffers_that_it_was_given() {
        let options = Options { receive_buffer: 100_000, send_buffer: 60_000, ..Options::default() };
        let group = group(ANY, &options).unwrap();
        assert_eq!(room(&group[0], Direction::Receive).unwrap(), 100_000);
        assert_eq!(room(&group[0], Direction::Send).unwrap(), 60_000);
    }

    #[test]
    fn a_steered_datagram_goes_to_the_worker_of_its_processor_whatever_the_client() {
        // On loopback the sender's processor receives.
        let cpus = threads::allowed();
        let here = cpus[0];
        std::thread::spawn(move || {
            threads::pin_this_thread(here).unwrap();
            // The second of three workers has this processor, and no other worker has one that there is.
            let options = Options {
                workers: 3,
                steer: true,
                pin: vec![usize::MAX >> 33, here, usize::MAX >> 34],
                ..Options::default()
            };
            let first = member(ANY, 0, &options).unwrap();
            let address = first.local_addr().unwrap();
            let group = [first, member(address, 1, &options).unwrap(), member(address, 2, &options).unwrap()];
            for socket in &group {
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            }
            for _ in 0..20 {
                UdpSocket::bind(ANY).unwrap().send_to(b"x", address).unwrap();
                assert_eq!(group[1].recv(&mut [0; 8]).unwrap(), 1);
            }
        })
        .join()
        .unwrap();
    }
}
