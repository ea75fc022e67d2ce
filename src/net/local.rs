//! Addresses of this machine, and word of their changes (rtnetlink(7)).
#![allow(unsafe_code, reason = "getifaddrs and netlink addresses have no safe form in std or socket2")]

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Octets of a message that are read; what one says does not matter.
const MESSAGE: usize = 4096;

/// Addresses that a socket can be bound to without more words. IPv6 link-local ones need an interface's number as well
/// and are left out: the wildcard socket answers for them.
pub(super) fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the call writes one pointer to where there is room for it.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = BTreeSet::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the list is whole and unchanged until it is freed below; `ifa_addr` is null or points to an address
        // that is as long as its family says.
        unsafe {
            let entry = &*next;
            found.extend(address(entry.ifa_addr));
            next = entry.ifa_next;
        }
    }
    // SAFETY: the list came from getifaddrs, and nothing points into it any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// # Safety
/// `address` is null or points to a whole socket address of its family.
unsafe fn address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as the caller promises; an IPv4 or IPv6 address is read only where the family says that it is one.
    let found: IpAddr = unsafe {
        match libc::c_int::from(address.as_ref()?.sa_family) {
            libc::AF_INET => {
                let address = address.cast::<libc::sockaddr_in>().read_unaligned();
                Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()).into()
            }
            libc::AF_INET6 => {
                let address = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Ipv6Addr::from(address.sin6_addr.s6_addr).into()
            }
            _ => return None,
        }
    };
    let is_plain = match found {
        IpAddr::V4(v4) => !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_unicast_link_local(),
    };
    (is_plain && !found.is_multicast()).then_some(found)
}

/// Word of addresses that come, go or change.
#[derive(Debug)]
pub(super) struct Changes(AsyncFd<Socket>);

impl Changes {
    /// From now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system gives no such sockets: a sandbox without AF_NETLINK.
    pub(super) fn new() -> io::Result<Self> {
        let kind = Type::RAW.cloexec().nonblocking();
        let protocol = Protocol::from(libc::NETLINK_ROUTE);
        let socket = Socket::new_raw(Domain::from(libc::AF_NETLINK), kind, Some(protocol))?;
        // SAFETY: sockaddr_nl is a C struct of integers that fits where it is written, and its true size is told.
        let ((), groups) = unsafe {
            SockAddr::try_init(|storage, size| {
                let mut groups: libc::sockaddr_nl = mem::zeroed();
                groups.nl_family = libc::AF_NETLINK as libc::sa_family_t;
                groups.nl_groups = (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
                storage.cast::<libc::sockaddr_nl>().write(groups);
                *size = mem::size_of::<libc::sockaddr_nl>() as libc::socklen_t;
                Ok(())
            })?
        };
        socket.bind(&groups)?;
        // SAFETY: the socket owns its descriptor, which stays open and the same until the `AsyncFd` is dropped.
        Ok(Self(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? }))
    }

    /// Waits until something may have changed, and takes all word of it that is there.
    pub(super) async fn heard(&self) {
        match self.0.readable().await {
            Ok(mut ready) => {
                self.take();
                ready.clear_ready();
            }
            // The runtime is ending, and with it whoever waits.
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes all word that is there. One that was lost for want of room (ENOBUFS) counts as well: whoever is woken
    /// looks at all addresses anyway.
    fn take(&self) {
        let mut message = [0; MESSAGE];
        loop {
            match self.0.get_ref().read(&mut message) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn this_machine_has_its_loopback_address_and_nothing_that_cannot_be_bound() {
        let addresses = addresses().unwrap();
        assert!(addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{addresses:?}");
        for address in &addresses {
            assert!(!address.is_unspecified() && !address.is_multicast(), "{address}");
        }
    }

    #[tokio::test]
    async fn no_change_is_no_word() {
        let changes = Changes::new().unwrap();
        let heard = tokio::time::timeout(std::time::Duration::from_millis(20), changes.heard());
        // What others do on this machine may change its addresses meanwhile; taking it must end all the same.
        let _ = heard.await;
        changes.take();
    }
}
