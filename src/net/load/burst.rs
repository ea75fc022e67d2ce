//! Queries by the burst over a connected socket: one system call sends up to [`BURST`] of them, one takes as many
//! replies (sendmmsg(2), recvmmsg(2)), so that a generator costs less than the server that it loads.
#![allow(unsafe_code, reason = "recvmmsg and sendmmsg have no safe form in std or socket2")]

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

/// Datagrams of one system call.
pub(super) const BURST: usize = 64;
/// Octets of the longest query: 255 of a name, a client subnet of 128 bits, and what every query has.
pub(super) const QUERY_MAX: usize = 320;
/// Of a reply the header alone is looked at; the kernel tells the whole length all the same (MSG_TRUNC).
const REPLY: usize = 16;

type Parts = Box<[libc::iovec; BURST]>;
type Headers = Box<[libc::mmsghdr; BURST]>;

/// Room for one burst each way. Not `Send`: each thread makes its own.
pub(super) struct Burst {
    queries: Box<[[u8; QUERY_MAX]; BURST]>,
    replies: Box<[[u8; REPLY]; BURST]>,
    query_parts: Parts,
    /// Referred to by `incoming` alone.
    _reply_parts: Parts,
    /// Each points into the boxes above, whose contents never move.
    outgoing: Headers,
    incoming: Headers,
}

impl Burst {
    pub(super) fn new() -> Self {
        // SAFETY: iovec and mmsghdr are C structs of integers and pointers, for which all zeros is a value.
        let (mut query_parts, mut reply_parts, mut outgoing, mut incoming): (Parts, Parts, Headers, Headers) = unsafe {
            (Box::new(mem::zeroed()), Box::new(mem::zeroed()), Box::new(mem::zeroed()), Box::new(mem::zeroed()))
        };
        let mut queries = Box::new([[0; QUERY_MAX]; BURST]);
        let mut replies = Box::new([[0; REPLY]; BURST]);
        for at in 0..BURST {
            query_parts[at].iov_base = queries[at].as_mut_ptr().cast();
            outgoing[at].msg_hdr.msg_iov = &raw mut query_parts[at];
            outgoing[at].msg_hdr.msg_iovlen = 1;
            reply_parts[at].iov_base = replies[at].as_mut_ptr().cast();
            reply_parts[at].iov_len = REPLY;
            incoming[at].msg_hdr.msg_iov = &raw mut reply_parts[at];
            incoming[at].msg_hdr.msg_iovlen = 1;
        }
        Self { queries, replies, query_parts, _reply_parts: reply_parts, outgoing, incoming }
    }

    /// The `at`-th datagram of the next [`send`](Self::send) is `query` with this ID.
    pub(super) fn put(&mut self, at: usize, id: u16, query: &[u8]) {
        let len = query.len().min(QUERY_MAX);
        let room = &mut self.queries[at];
        room[..len].copy_from_slice(&query[..len]);
        room[..2].copy_from_slice(&id.to_be_bytes());
        self.query_parts[at].iov_len = len;
    }

    /// Sends the first `count` that were put, without waiting; how many the system took.
    pub(super) fn send(&mut self, socket: &UdpSocket, count: usize) -> io::Result<usize> {
        // SAFETY: the headers point into boxes that live as long as `self`, with true sizes; they are only read.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.outgoing.as_mut_ptr(),
                count.min(BURST) as _,
                libc::MSG_DONTWAIT as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Takes the replies that are there, without waiting; none is no error.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: as above; the kernel writes at most `REPLY` octets through each header, which is its buffer's size.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.incoming.as_mut_ptr(), BURST as _, flags as _, ptr::null_mut())
        };
        match usize::try_from(received) {
            Ok(received) => Ok(received),
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
                error => Err(error),
            },
        }
    }

    /// The beginning of the `at`-th reply, and how long the whole is.
    pub(super) fn reply(&self, at: usize) -> (&[u8], usize) {
        let whole = self.incoming[at].msg_len as usize;
        (&self.replies[at][..whole.min(REPLY)], whole)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_burst_goes_out_in_order_and_the_length_of_a_long_reply_is_its_own() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut burst = Burst::new();
        assert_eq!(burst.receive(&client).unwrap(), 0);
        burst.put(0, 0x1234, b"\0\0first");
        burst.put(1, 0x5678, b"\0\0second");
        assert_eq!(burst.send(&client, 2).unwrap(), 2);
        let mut query = [0; 64];
        let (len, from) = server.recv_from(&mut query).unwrap();
        assert_eq!(&query[..len], b"\x12\x34first");
        let (len, _) = server.recv_from(&mut query).unwrap();
        assert_eq!(&query[..len], b"\x56\x78second");
        server.send_to(&[7; 300], from).unwrap();
        assert_eq!(burst.receive(&client).unwrap(), 1);
        assert_eq!(burst.reply(0), (&[7; REPLY][..], 300));
    }
}
