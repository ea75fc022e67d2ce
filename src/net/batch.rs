//! Datagrams by the batch: one system call reads up to [`BATCH`] of them and one sends their replies, each built in
//! the buffer that its query came in (recvmmsg(2), sendmmsg(2)). They are called past the C library, whose wrappers
//! prepare for a cancellation of the thread that never comes: a fifth of what a query on its own costs in user space.
//!
//! On wildcard sockets the kernel says with each datagram which address it reached, and the reply goes out with the
//! same control message, so that it leaves from the address that was asked (protocol 7, RFC 1122 section 4.1.3.5).
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and control messages have no safe form in std or socket2")]

mod way_back;

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

pub(super) use way_back::WayBack;

use crate::answer::Address;

/// Datagrams of one system call: past this the gain is nil and replies wait for their neighbours.
pub(super) const BATCH: usize = 32;
/// Octets of a buffer: longer queries are cut, which makes them malformed; no reply is longer than 1,232 (protocol 7).
/// An odd number of cache lines, since buffers a power of two apart would fight for the same sets.
const ROOM: usize = 35 * 64;

/// Room for the larger of the two control messages, aligned as the kernel's macros expect.
#[repr(C)]
#[derive(Clone, Copy)]
union Control {
    header: libc::cmsghdr,
    octets: [u8; 64],
}

/// An address of either family, in half a cache line so that it is found by a shift.
#[repr(C, align(32))]
#[derive(Clone, Copy)]
struct Sender(libc::sockaddr_in6);

/// A batch of datagrams and its replies. Not `Send`: a worker makes its own.
pub(super) struct Batch {
    buffers: Box<[[u8; ROOM]; BATCH]>,
    senders: Box<[Sender; BATCH]>,
    controls: Box<[Control; BATCH]>,
    parts: Box<[libc::iovec; BATCH]>,
    /// Each points into the boxes above, whose contents never move.
    received: Box<[libc::mmsghdr; BATCH]>,
    replies: Box<[libc::mmsghdr; BATCH]>,
    /// Headers that the last call may have changed.
    used: usize,
    queued: usize,
    wildcard: bool,
}

/// What becomes of a datagram that is longer than the way to its receiver carries whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooLong {
    /// It does not leave, nor does anybody on its way take it apart (RFC 9715 section 3.1, R2), whatever messages come
    /// that tell of narrow ways: they may be forged.
    Stays,
    /// It leaves in fragments if its own interface wants that, whatever such messages say.
    Fragments,
}

/// What became of a batch's replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// The system took them.
    pub(super) replies: u64,
    /// The socket's send buffer was full: they are lost, and nobody waits (architecture: back-pressure).
    pub(super) full: u64,
    /// The system refused them.
    pub(super) errors: u64,
}

impl Batch {
    /// `wildcard`: [`enable_arrival`] was called on the socket.
    pub(super) fn new(wildcard: bool) -> Self {
        // SAFETY: sockaddr_in6, cmsghdr, iovec and mmsghdr are C structs of integers and pointers, for which all
        // zeros is a value.
        let (senders, controls, parts, received, replies) = unsafe {
            (
                Box::new(mem::zeroed()),
                Box::new(mem::zeroed()),
                Box::new(mem::zeroed()),
                Box::new(mem::zeroed()),
                Box::new(mem::zeroed()),
            )
        };
        let buffers = Box::new([[0; ROOM]; BATCH]);
        let mut batch = Self { buffers, senders, controls, parts, received, replies, used: BATCH, queued: 0, wildcard };
        for at in 0..BATCH {
            batch.parts[at].iov_base = batch.buffers[at].as_mut_ptr().cast();
            let header = &mut batch.received[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut batch.senders[at]).cast();
            header.msg_iov = &raw mut batch.parts[at];
            header.msg_iovlen = 1;
            batch.replies[at].msg_hdr.msg_iovlen = 1;
            if wildcard {
                header.msg_control = ptr::from_mut(&mut batch.controls[at]).cast();
            }
        }
        batch
    }

    /// Waits for at least one datagram, as long as the socket's read timeout, and takes what else is there.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for at in 0..self.used {
            self.parts[at].iov_len = ROOM;
            let header = &mut self.received[at].msg_hdr;
            header.msg_namelen = mem::size_of::<libc::sockaddr_in6>() as _;
            if self.wildcard {
                header.msg_controllen = mem::size_of::<Control>() as _;
            }
        }
        (self.used, self.queued) = (0, 0);
        // SAFETY: the headers point into boxes that live as long as `self`, with their true sizes, armed above.
        let count = unsafe {
            libc::syscall(
                libc::SYS_recvmmsg,
                socket.as_raw_fd(),
                self.received.as_mut_ptr(),
                BATCH,
                libc::MSG_WAITFORONE,
                ptr::null_mut::<libc::timespec>(),
            )
        };
        match usize::try_from(count) {
            Ok(count) => {
                self.used = count;
                Ok(count)
            }
            // Nothing tells which headers a failed call has touched.
            Err(_) => {
                self.used = BATCH;
                Err(io::Error::last_os_error())
            }
        }
    }

    /// Who sent the `at`-th datagram; `None` for what is no Internet address, and for port 0, which nobody is behind
    /// (protocol 2).
    #[inline]
    pub(super) fn sender(&self, at: usize) -> Option<Address> {
        let Sender(sender) = &self.senders[at];
        // Both families have their port at the same place (POSIX fixes it for neither, Linux for both).
        if sender.sin6_port == 0 {
            return None;
        }
        match libc::c_int::from(sender.sin6_family) {
            libc::AF_INET6 => Some(Address::new(Ipv6Addr::from(sender.sin6_addr.s6_addr).into())),
            libc::AF_INET => {
                // SAFETY: sockaddr_in is smaller than sockaddr_in6 and of no stricter alignment, and the kernel wrote
                // one here, as its family says.
                let sender = unsafe { &*ptr::from_ref(sender).cast::<libc::sockaddr_in>() };
                Some(Address::new(Ipv4Addr::from(sender.sin_addr.s_addr.to_ne_bytes()).into()))
            }
            _ => None,
        }
    }

    /// The `at`-th datagram's buffer and how much of it the datagram fills.
    #[inline]
    pub(super) fn message(&mut self, at: usize) -> (&mut [u8], usize) {
        let len = (self.received[at].msg_len as usize).min(ROOM);
        (&mut self.buffers[at], len)
    }

    /// Takes the first `length` octets off the `at`-th datagram; all of them, if it has no more.
    pub(super) fn cut_front(&mut self, at: usize, length: usize) {
        let (buffer, filled) = self.message(at);
        let length = length.min(filled);
        buffer.copy_within(length..filled, 0);
        self.received[at].msg_len = (filled - length) as u32;
    }

    /// The first `len` octets of the `at`-th buffer go back to its sender.
    #[inline]
    pub(super) fn reply(&mut self, at: usize, len: usize) {
        self.parts[at].iov_len = len.min(ROOM);
        let received = &self.received[at].msg_hdr;
        let header = &mut self.replies[self.queued].msg_hdr;
        header.msg_name = received.msg_name;
        header.msg_namelen = received.msg_namelen;
        header.msg_iov = received.msg_iov;
        if self.wildcard {
            header.msg_control = received.msg_control;
            header.msg_controllen = received.msg_controllen;
            leave_from_where_it_arrived(header);
        }
        self.queued += 1;
    }

    /// Sends what was queued and never waits.
    #[inline]
    pub(super) fn send(&mut self, socket: &UdpSocket) -> Sent {
        let queued = std::mem::take(&mut self.queued);
        let sent = if queued == 0 { Ok(0) } else { self.send_from(0, queued, socket) };
        match sent {
            Ok(count) if count == queued => Sent { replies: count as u64, ..Sent::default() },
            sent => self.send_rest(sent, queued, socket),
        }
    }

    /// One call for the headers `from..to`: how many of them the system took, at least one.
    #[inline]
    fn send_from(&mut self, from: usize, to: usize, socket: &UdpSocket) -> io::Result<usize> {
        let headers = &mut self.replies[from..to];
        // SAFETY: these headers were pointed by `reply` to what armed ones point to, which lives as long as `self` and is
        // only read; there are as many as said.
        let count = unsafe {
            libc::syscall(
                libc::SYS_sendmmsg,
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len(),
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// What is left after a first call that did not take all.
    #[cold]
    fn send_rest(&mut self, first: io::Result<usize>, queued: usize, socket: &UdpSocket) -> Sent {
        let mut sent = Sent::default();
        let (mut from, mut result) = (0, first);
        let mut in_fragments = false;
        loop {
            match result {
                Ok(count) => {
                    sent.replies += count as u64;
                    from += count;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        sent.full += (queued - from) as u64;
                        return sent;
                    }
                    io::ErrorKind::Interrupted => {}
                    // Its interface is that narrow: it has no other way to send this one.
                    _ if error.raw_os_error() == Some(libc::EMSGSIZE) && !in_fragments => {
                        in_fragments = true;
                        let v6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
                        let _ = set_too_long(socket, v6, TooLong::Fragments);
                    }
                    // It concerns the first one only: the others have their turn.
                    _ => {
                        sent.errors += 1;
                        from += 1;
                    }
                },
            }
            if from >= queued {
                return sent;
            }
            result = self.send_from(from, queued, socket);
        }
    }
}

/// Asks the kernel to say where each datagram arrived. Needed on wildcard sockets only.
pub(super) fn enable_arrival(socket: &socket2::Socket, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    set_option(socket, level, option, 1)
}

/// Says what becomes of replies that are too long. What stays also needs no number of its own in the kernel, which is a
/// hash for each datagram.
pub(super) fn set_too_long(socket: &impl AsRawFd, v6: bool, what: TooLong) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) } else { (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER) };
    // Both families give these the same numbers.
    let value = match what {
        TooLong::Stays => libc::IP_PMTUDISC_PROBE,
        TooLong::Fragments => libc::IP_PMTUDISC_OMIT,
    };
    set_option(socket, level, option, value)
}

fn set_option(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; `value` is an int and its true size is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::from_ref(&value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Turns the control message that a datagram came with into the one that its reply goes with: the same local address,
/// and the interface left open, since the route may leave by another one; but link-local addresses need it.
fn leave_from_where_it_arrived(message: &mut libc::msghdr) {
    // SAFETY: recvmmsg left msg_control and msg_controllen describing whole control messages inside the batch's own
    // `Control`; the CMSG functions walk exactly these, and each payload is read and written only after its level and
    // type say what it is.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let place = libc::CMSG_DATA(header).cast::<libc::in_pktinfo>();
                    let mut info = place.read_unaligned();
                    info.ipi_ifindex = 0;
                    place.write_unaligned(info);
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let place = libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>();
                    let mut info = place.read_unaligned();
                    if !Ipv6Addr::from(info.ipi6_addr.s6_addr).is_unicast_link_local() {
                        info.ipi6_ifindex = 0;
                    }
                    place.write_unaligned(info);
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use socket2::{Domain, Socket, Type};
    use std::net::{IpAddr, SocketAddr};

    use super::*;

    pub(super) fn wildcard(v6: bool) -> UdpSocket {
        let socket = Socket::new(if v6 { Domain::IPV6 } else { Domain::IPV4 }, Type::DGRAM, None).unwrap();
        let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        enable_arrival(&socket, v6).unwrap();
        socket.bind(&SocketAddr::new(any, 0).into()).unwrap();
        socket.into()
    }

    pub(super) fn client(address: IpAddr, server: SocketAddr) -> UdpSocket {
        let client = UdpSocket::bind((address, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.connect(server).unwrap();
        client
    }

    /// Connected clients take replies from the address that they asked and from no other.
    fn round_trip(v6: bool, asked: IpAddr, from: IpAddr) {
        let server = wildcard(v6);
        let asked = SocketAddr::new(asked, server.local_addr().unwrap().port());
        let clients: Vec<UdpSocket> = (0..3).map(|_| client(from, asked)).collect();
        let mut batch = Batch::new(true);
        for round in 0..2u8 {
            for (number, client) in clients.iter().enumerate() {
                client.send(&[round, number as u8]).unwrap();
            }
            let mut answered = 0;
            while answered < clients.len() {
                let count = batch.receive(&server).unwrap();
                for at in 0..count {
                    let sender = batch.sender(at).unwrap().ip();
                    let (buffer, len) = batch.message(at);
                    assert_eq!(len, 2);
                    assert_eq!(clients[usize::from(buffer[1])].local_addr().unwrap().ip(), sender);
                    buffer[2] = 0xee;
                    batch.reply(at, 3);
                }
                assert_eq!(batch.send(&server), Sent { replies: count as u64, ..Sent::default() });
                answered += count;
            }
            for (number, client) in clients.iter().enumerate() {
                let mut reply = [0; 8];
                let len = client.recv(&mut reply).unwrap();
                assert_eq!(reply[..len], [round, number as u8, 0xee]);
            }
        }
    }

    #[test]
    fn p7_a_wildcard_socket_replies_from_the_address_that_was_asked() {
        round_trip(false, Ipv4Addr::new(127, 9, 8, 7).into(), Ipv4Addr::new(127, 1, 1, 1).into());
    }

    #[test]
    fn p7_so_does_an_ipv6_one() {
        if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            round_trip(true, Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        }
    }

    #[test]
    fn what_a_full_socket_does_not_take_is_lost_and_counted_and_nobody_waits() {
        // A Unix socket is full when its peer does not read, which is easier to have than an interface that does not
        // send; the call and its error are the same.
        let (server, client) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let server = UdpSocket::from(std::os::fd::OwnedFd::from(server));
        let mut batch = Batch::new(false);
        let mut whole = Sent::default();
        while whole.full == 0 {
            client.send(b"q").unwrap();
            assert_eq!(batch.receive(&server).unwrap(), 1);
            batch.reply(0, 1);
            let sent = batch.send(&server);
            assert_eq!((sent.replies + sent.full, sent.errors), (1, 0));
            whole.replies += sent.replies;
            whole.full += sent.full;
            assert!(whole.replies < 100_000, "it never fills");
        }
        client.set_nonblocking(true).unwrap();
        let read = std::iter::from_fn(|| client.recv(&mut [0; 8]).ok()).count();
        assert_eq!(read as u64, whole.replies);
    }

    #[test]
    fn a_reply_that_the_system_refuses_costs_no_other_its_turn() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = client(Ipv4Addr::LOCALHOST.into(), server.local_addr().unwrap());
        let mut batch = Batch::new(false);
        client.send(b"a").unwrap();
        client.send(b"b").unwrap();
        let mut count = 0;
        while count < 2 {
            // Both are queued on loopback before the first call, so one call takes them.
            count += batch.receive(&server).unwrap();
        }
        assert_eq!(count, 2);
        batch.reply(0, 1);
        batch.reply(1, 1);
        // Port 0 is nobody's: sendmmsg refuses it.
        batch.senders[0].0.sin6_port = 0;
        assert_eq!(batch.send(&server), Sent { replies: 1, full: 0, errors: 1 });
        let mut reply = [0; 8];
        assert_eq!(client.recv(&mut reply).unwrap(), 1);
        assert_eq!(reply[0], b'b');
    }
}
