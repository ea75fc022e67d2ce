//! Datagrams with the local address that they reached, so that a wildcard socket replies from the address that was
//! asked (RFC 2181 section 4.1, RFC 1122 section 4.1.3.5).
//!
//! The standard library has no access to control messages; hence recvmsg and sendmsg by hand, in this file only.
#![allow(unsafe_code, reason = "recvmsg and sendmsg with control messages have no safe form in std or socket2")]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use socket2::{SockAddr, SockAddrStorage};

/// Where a datagram arrived: the address, and for IPv6 the interface, which link-local addresses need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) address: IpAddr,
    interface: u32,
}

/// Room for the larger of the two control messages, aligned as the kernel's macros expect.
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    bytes: [u8; 64],
}

/// Asks the kernel to say where each datagram arrived. Needed on wildcard sockets only.
pub(super) fn enable(socket: &socket2::Socket, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; `on` is an int and its true size is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::from_ref(&on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads one datagram: its length (cut to the buffer's), its sender, and where it arrived if [`enable`] was called.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<Local>)> {
    let mut from = SockAddrStorage::zeroed();
    let mut control = Control { bytes: [0; 64] };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut message = empty_message();
    message.msg_name = ptr::from_mut(&mut from).cast();
    message.msg_namelen = from.size_of();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = ptr::from_mut(&mut control).cast();
    message.msg_controllen = mem::size_of::<Control>() as _;
    // SAFETY: every pointer in `message` leads to a live local or to `buffer`, with its true size beside it.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel filled the storage with an address of the length that it put in msg_namelen.
    let from = unsafe { SockAddr::new(from, message.msg_namelen) };
    let from = from.as_socket().ok_or_else(|| io::Error::other("a datagram without an Internet address"))?;
    Ok((length, from, arrived_at(&message)))
}

/// Sends one datagram, from `local` where that is known.
pub(super) fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr, local: Option<Local>) -> io::Result<()> {
    let Some(local) = local else {
        return socket.send_to(bytes, to).map(drop);
    };
    let to = SockAddr::from(to);
    let mut control = Control { bytes: [0; 64] };
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut message = empty_message();
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = ptr::from_mut(&mut control).cast();
    match local.address {
        IpAddr::V4(address) => {
            let source = libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
            let any = libc::in_addr { s_addr: 0 };
            // The interface stays open: the route may leave by another one than the query came in by.
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: any };
            attach(&mut message, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(address) => {
            let source = libc::in6_addr { s6_addr: address.octets() };
            let interface = if address.is_unicast_link_local() { local.interface } else { 0 };
            let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: interface as _ };
            attach(&mut message, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
    // SAFETY: every pointer in `message` leads to a live local or argument, with its true size beside it; sendmsg
    // reads through them and writes nothing.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn empty_message() -> libc::msghdr {
    // SAFETY: msghdr is a C struct of integers and pointers, for which all zeros is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Puts one control message into the buffer that `message.msg_control` points to.
fn attach<T>(message: &mut libc::msghdr, level: libc::c_int, kind: libc::c_int, payload: T) {
    let size = mem::size_of::<T>() as libc::c_uint;
    const { assert!(mem::size_of::<T>() <= 32, "fits the control buffer behind its header") };
    // SAFETY: CMSG_SPACE and CMSG_LEN compute; msg_control points to a whole, aligned `Control` (64 bytes), which
    // holds a header and the payload, so the first header and its data lie inside it.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(payload);
    }
}

/// The packet info among the control messages of a received message.
fn arrived_at(message: &libc::msghdr) -> Option<Local> {
    // SAFETY: recvmsg left msg_control and msg_controllen describing whole control messages inside the caller's
    // buffer, which outlives this call; the CMSG functions walk exactly these, and each payload is read only after
    // its level and type say what it is.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().read_unaligned();
                    let address = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
                    return Some(Local { address: address.into(), interface: 0 });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().read_unaligned();
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    return Some(Local { address: address.into(), interface: info.ipi6_ifindex as u32 });
                }
                _ => header = libc::CMSG_NXTHDR(message, header),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn wildcard(v6: bool) -> UdpSocket {
        let socket = Socket::new(if v6 { Domain::IPV6 } else { Domain::IPV4 }, Type::DGRAM, None).unwrap();
        let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        enable(&socket, v6).unwrap();
        socket.bind(&SocketAddr::new(any, 0).into()).unwrap();
        socket.into()
    }

    fn round_trip(v6: bool, asked: IpAddr, client: IpAddr) {
        let server = wildcard(v6);
        let asked = SocketAddr::new(asked, server.local_addr().unwrap().port());
        let client = UdpSocket::bind((client, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.send_to(b"question", asked).unwrap();
        let mut buffer = [0; 64];
        let (length, from, local) = receive(&server, &mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"question"[..], client.local_addr().unwrap()));
        assert_eq!(local.map(|l| l.address), Some(asked.ip()));
        send(&server, b"reply", from, local).unwrap();
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"reply"[..], asked));
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
}
