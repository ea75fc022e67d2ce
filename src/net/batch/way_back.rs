//! A reply that leaves after its batch.

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use super::{Batch, Control, Sender, leave_from_where_it_arrived};

/// The way back of one datagram: who sent it, and the address that it reached where the socket tells that.
#[derive(Clone, Copy)]
pub(in crate::net) struct WayBack {
    sender: Sender,
    sender_len: libc::socklen_t,
    control: Control,
    control_len: usize,
}

impl Batch {
    /// The way back of the `at`-th datagram, for a reply that is not ready with the others.
    pub(in crate::net) fn way_back(&self, at: usize) -> WayBack {
        let header = &self.received[at].msg_hdr;
        WayBack {
            sender: self.senders[at],
            sender_len: header.msg_namelen,
            control: self.controls[at],
            control_len: if self.wildcard { header.msg_controllen as _ } else { 0 },
        }
    }
}

impl WayBack {
    /// Sends a reply and never waits.
    pub(in crate::net) fn send(&self, socket: &UdpSocket, message: &[u8]) -> io::Result<()> {
        let mut way = *self;
        let mut part = libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
        // SAFETY: msghdr is a C struct of integers and pointers, for which all zeros is a value.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_name = ptr::from_mut(&mut way.sender).cast();
        header.msg_namelen = way.sender_len;
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if way.control_len > 0 {
            header.msg_control = ptr::from_mut(&mut way.control).cast();
            header.msg_controllen = way.control_len as _;
            leave_from_where_it_arrived(&mut header);
        }
        // SAFETY: every pointer of the header is to something above that lives until the call returns, with its true
        // size; the message is only read.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use super::super::tests::{client, wildcard};
    use super::*;

    #[test]
    fn p7_a_reply_that_comes_late_leaves_from_the_address_that_was_asked() {
        let server = wildcard(false);
        let asked = (Ipv4Addr::new(127, 9, 8, 7), server.local_addr().unwrap().port());
        let (one, other) =
            (client(Ipv4Addr::new(127, 1, 1, 1).into(), asked.into()), client(asked.0.into(), asked.into()));
        let mut batch = Batch::new(true);
        one.send(b"1").unwrap();
        assert_eq!(batch.receive(&server).unwrap(), 1);
        let way = batch.way_back(0);
        other.send(b"2").unwrap();
        assert_eq!(batch.receive(&server).unwrap(), 1);
        way.send(&server, b"late").unwrap();
        let mut reply = [0; 8];
        let len = one.recv(&mut reply).unwrap();
        assert_eq!(&reply[..len], b"late");
    }
}
