//! Sockets on the configured addresses, and what to tell the person whose address cannot be had.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::batch;
use super::holder::{self, Holder, Kind};

/// Room for bursts while a worker is busy; the kernel caps it at net.core.rmem_max.
const RECEIVE_ROOM: usize = 4 << 20;
const BACKLOG: i32 = 1024;
/// Ports below are for programs with a right to them (ip_unprivileged_port_start as systems are delivered).
const FIRST_FREE_PORT: u16 = 1024;
/// How often a port of the kernel's choice is tried again when UDP or TCP of it is taken.
const PORT_ATTEMPTS: usize = 32;

/// Why an address cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindError {
    /// One line, no final stop.
    pub cause: String,
    /// What to do, one line, no final stop.
    pub remedy: String,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for BindError {}

/// One address, bound.
#[derive(Debug)]
pub(super) struct Pair {
    /// With the port that the kernel chose, if that was left to it.
    pub(super) address: SocketAddr,
    /// One a worker.
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: TcpListener,
}

/// Every address, bound and not yet answered on.
#[derive(Debug)]
pub struct Bound {
    pub(super) pairs: Vec<Pair>,
    /// What a person should know: addresses that were left out.
    pub notes: Vec<String>,
}

impl Bound {
    /// The addresses, the kernel's choice of port filled in.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.pairs.iter().map(|pair| pair.address).collect()
    }
}

/// Binds UDP and TCP of each address, with `workers` UDP sockets each. With `optional_v6`, IPv6 addresses are left
/// out, with a note, on a machine that has none; at least one address must remain.
///
/// # Errors
/// The first address that cannot be had, and what to do about it.
pub fn bind(addresses: &[SocketAddr], workers: usize, optional_v6: bool) -> Result<Bound, BindError> {
    let mut bound = Bound { pairs: Vec::new(), notes: Vec::new() };
    for &address in addresses {
        match pair(address, workers.max(1)) {
            Ok(pair) => bound.pairs.push(pair),
            Err((_, error)) if optional_v6 && address.is_ipv6() && is_without_family(&error) => {
                bound.notes.push(format!("this machine has no IPv6: {address} is not served"));
            }
            Err((kind, error)) => return Err(explain(kind, address, &error)),
        }
    }
    if bound.pairs.is_empty() {
        return Err(BindError {
            cause: "there is no address to serve".into(),
            remedy: "give one with --listen or as listen.dns".into(),
        });
    }
    Ok(bound)
}

fn is_without_family(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// TCP goes first: its port has one listener, so that a second server on the same address is refused here and does not
/// take half of the first one's datagrams.
fn pair(wanted: SocketAddr, workers: usize) -> Result<Pair, (Kind, io::Error)> {
    let attempts = if wanted.port() == 0 { PORT_ATTEMPTS } else { 1 };
    let mut attempt = 1;
    loop {
        let tcp = tcp(wanted).map_err(|error| (Kind::Tcp, error))?;
        let address = tcp.local_addr().map_err(|error| (Kind::Tcp, error))?;
        match (0..workers).map(|_| udp(address)).collect() {
            Ok(udp) => return Ok(Pair { address, udp, tcp }),
            Err(error) if error.kind() == ErrorKind::AddrInUse && attempt < attempts => attempt += 1,
            Err(error) => return Err((Kind::Udp, error)),
        }
    }
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two addresses; a list may name either or both.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // A restart need not wait for the last server's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    // Less room is slower under bursts and no fault.
    let _ = socket.set_recv_buffer_size(RECEIVE_ROOM);
    if address.ip().is_unspecified() {
        batch::enable_arrival(&socket, address.is_ipv6())?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn explain(kind: Kind, address: SocketAddr, error: &io::Error) -> BindError {
    let protocol = match kind {
        Kind::Udp => "UDP",
        Kind::Tcp => "TCP",
    };
    match error.kind() {
        ErrorKind::AddrInUse => in_use(protocol, address, holder::of(kind, address)),
        ErrorKind::PermissionDenied if address.port() < FIRST_FREE_PORT => BindError {
            cause: format!("{address} ({protocol}): not permitted to bind a port below 1024"),
            remedy: format!(
                "give the program the right (sudo setcap cap_net_bind_service=+ep {}), or set \
                 AmbientCapabilities=CAP_NET_BIND_SERVICE in its systemd unit, or take another port: --listen {}",
                std::env::current_exe().unwrap_or_else(|_| "rhumb".into()).display(),
                SocketAddr::new(address.ip(), 5300)
            ),
        },
        ErrorKind::PermissionDenied => BindError {
            cause: format!("{address} ({protocol}): this system does not permit to bind it"),
            remedy: "a sandbox, SELinux or the unit's SocketBindDeny may forbid it: allow it there, or choose another \
                     with --listen or as listen.dns"
                .into(),
        },
        ErrorKind::AddrNotAvailable => BindError {
            cause: format!("{address}: this machine does not have the address {}", address.ip()),
            remedy: "`ip address` lists those that it has; 0.0.0.0 and [::] stand for all of them".into(),
        },
        _ if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => BindError {
            cause: format!("{address}: this machine has no IPv6"),
            remedy: "leave the address out, or turn IPv6 on (sysctl net.ipv6.conf.all.disable_ipv6=0)".into(),
        },
        _ => BindError {
            cause: format!("{address} ({protocol}): {error}"),
            remedy: "choose another address with --listen or as listen.dns".into(),
        },
    }
}

fn in_use(protocol: &str, address: SocketAddr, holder: Option<Holder>) -> BindError {
    let Some(Holder { command, pid }) = holder else {
        return BindError {
            cause: format!("{address} is in use ({protocol}) by a process of another user"),
            remedy: format!("`sudo ss -lnptu sport = :{}` names it; or choose another with --listen", address.port()),
        };
    };
    let remedy = if command.starts_with("systemd-resolve") {
        format!(
            "this is systemd-resolved's stub: listen on this machine's own address (--listen ADDRESS:{}), or set \
             DNSStubListener=no in /etc/systemd/resolved.conf and restart systemd-resolved",
            address.port()
        )
    } else {
        "stop it, or choose another address with --listen".into()
    };
    BindError { cause: format!("{address} is in use ({protocol}) by {command} (pid {pid})"), remedy }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn a_port_of_the_kernels_choice_is_the_same_for_udp_and_tcp() {
        let bound = bind(&[loopback(0), loopback(0)], 2, false).unwrap();
        let addresses = bound.addresses();
        assert_ne!(addresses[0].port(), addresses[1].port());
        for pair in &bound.pairs {
            assert_ne!(pair.address.port(), 0);
            assert_eq!(pair.tcp.local_addr().unwrap(), pair.address);
            assert_eq!(pair.udp.len(), 2);
            assert!(pair.udp.iter().all(|udp| udp.local_addr().unwrap() == pair.address));
        }
    }

    #[test]
    fn a_second_server_on_the_same_address_is_refused_and_told_by_whom() {
        let first = bind(&[loopback(0)], 1, false).unwrap();
        let error = bind(&first.addresses(), 1, false).unwrap_err();
        assert!(error.cause.contains(&format!("pid {}", std::process::id())), "{error}");
        let foreign = UdpSocket::bind(loopback(0)).unwrap();
        let error = bind(&[foreign.local_addr().unwrap()], 1, false).unwrap_err();
        assert!(error.cause.contains("in use (UDP)"), "{error}");
    }

    #[test]
    fn the_stub_of_systemd_resolved_has_a_remedy_of_its_own() {
        let holder = Holder { command: "systemd-resolve".into(), pid: 7 };
        let error = in_use("UDP", ([0, 0, 0, 0], 53).into(), Some(holder));
        assert!(error.cause.ends_with("by systemd-resolve (pid 7)"));
        assert!(error.remedy.contains("DNSStubListener=no"));
    }

    #[test]
    fn no_permission_says_what_to_do() {
        let error = explain(Kind::Udp, loopback(53), &ErrorKind::PermissionDenied.into());
        assert!(error.remedy.contains("setcap cap_net_bind_service=+ep") && error.remedy.contains("127.0.0.1:5300"));
        assert!(error.cause.contains("below 1024"), "{error}");
        let error = explain(Kind::Udp, loopback(5300), &ErrorKind::PermissionDenied.into());
        assert!(!error.cause.contains("1024") && !error.remedy.contains("setcap"), "{error} {}", error.remedy);
    }

    #[test]
    fn an_address_of_another_machine_is_refused_by_name() {
        let error = bind(&[([192, 0, 2, 1], 0).into()], 1, false).unwrap_err();
        assert!(error.cause.contains("does not have the address 192.0.2.1"), "{error}");
    }

    #[test]
    fn an_ipv6_address_may_be_left_out_only_where_that_was_allowed() {
        let absent: SocketAddr = "[2001:db8::1]:0".parse().unwrap();
        let bound = bind(&[loopback(0), absent], 1, true).unwrap();
        assert_eq!((bound.pairs.len(), bound.notes.len()), (1, 1));
        assert!(bind(&[loopback(0), absent], 1, false).is_err());
        assert!(bind(&[absent], 1, true).is_err());
    }
}
