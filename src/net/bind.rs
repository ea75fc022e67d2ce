//! Sockets on the configured addresses, and what to tell the person whose address cannot be had.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Protocol, Type};

use super::datagram::{self, Direction, Options, socket};
use super::descriptors::descriptors;
use super::follow::{Group, OWN_MAX, Wildcard};
use super::holder::{self, Holder, Kind};
use super::local;
use crate::config::model;

const BACKLOG: i32 = 1024;
/// How another address is given.
const ANEW: &str = "with --listen or as listen.dns";
/// Ports below are for programs with a right to them (ip_unprivileged_port_start as systems are delivered).
const FIRST_FREE_PORT: u16 = 1024;
/// How often a port of the kernel's choice is tried again when UDP or TCP of it is taken.
const PORT_ATTEMPTS: usize = 32;
/// The share of the process's descriptors that addresses beside a wildcard may take: streams and health checks need the
/// rest.
const OWN_SHARE: usize = 4;

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
    /// Of an unspecified address: what it follows, and what this machine's own addresses have at first.
    pub(super) wildcard: Option<(Wildcard, Vec<Group>)>,
}

/// What encrypted transports listen on.
#[derive(Debug, Default)]
pub(super) struct Encrypted {
    pub(super) tls: Vec<TcpListener>,
    pub(super) https: Vec<TcpListener>,
    pub(super) quic: Vec<UdpSocket>,
    pub(super) http3: Vec<UdpSocket>,
    /// The path at which HTTPS is asked.
    pub(super) path: String,
    /// What they are called and where they are.
    shown: Vec<(&'static str, SocketAddr)>,
}

/// Every address, bound and not yet answered on.
#[derive(Debug)]
pub struct Bound {
    pub(super) pairs: Vec<Pair>,
    pub(super) encrypted: Encrypted,
    pub(super) options: Options,
    /// What a person should know: addresses that were left out, buffers that are small.
    pub notes: Vec<String>,
}

impl Bound {
    /// The addresses, the kernel's choice of port filled in.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.pairs.iter().map(|pair| pair.address).collect()
    }

    /// Each encrypted transport, by its key in `[listen]`, with an address, the kernel's choice of port filled in.
    pub fn encrypted(&self) -> &[(&'static str, SocketAddr)] {
        &self.encrypted.shown
    }

    /// Binds the addresses of encrypted transports as well; `path` is that of HTTPS.
    ///
    /// # Errors
    /// The first address that cannot be had, and what to do about it.
    pub fn also(&mut self, wanted: &model::Encrypted, path: &str) -> Result<(), BindError> {
        path.clone_into(&mut self.encrypted.path);
        for (key, addresses) in wanted.by_key() {
            for &address in addresses {
                let kind = if matches!(key, "tls" | "https") { Kind::Tcp } else { Kind::Udp };
                let bound = self.bind_encrypted(key, address);
                let bound = bound.map_err(|error| explain(kind, address, &error, &format!("as listen.{key}")))?;
                self.encrypted.shown.push((key, bound));
            }
        }
        Ok(())
    }

    fn bind_encrypted(&mut self, key: &str, address: SocketAddr) -> io::Result<SocketAddr> {
        let Self { encrypted, options, .. } = self;
        Ok(match key {
            "tls" => listening(&mut encrypted.tls, tcp(address)?).local_addr()?,
            "https" => listening(&mut encrypted.https, tcp(address)?).local_addr()?,
            "quic" => listening(&mut encrypted.quic, datagram::single(address, options)?).local_addr()?,
            _ => listening(&mut encrypted.http3, datagram::single(address, options)?).local_addr()?,
        })
    }
}

/// Binds UDP and TCP of each address, UDP once for each worker; of an unspecified address UDP of each address of this
/// machine as well. `is_default`: nobody asked for these addresses; IPv6 ones are left out, with a note, on a machine
/// that has none, and small buffers are not worth a word. At least one address must remain.
///
/// # Errors
/// The first address that cannot be had, and what to do about it.
pub fn bind(addresses: &[SocketAddr], options: &Options, is_default: bool) -> Result<Bound, BindError> {
    let mut bound =
        Bound { pairs: Vec::new(), encrypted: Encrypted::default(), options: options.clone(), notes: Vec::new() };
    for &address in addresses {
        match pair(address, options) {
            Ok(pair) => bound.pairs.push(pair),
            Err((_, error)) if is_default && address.is_ipv6() && is_without_family(&error) => {
                bound.notes.push(format!("this machine has no IPv6: {address} is not served"));
            }
            Err((kind, error)) => return Err(explain(kind, address, &error, ANEW)),
        }
    }
    bound.bind_own();
    let Some(pair) = bound.pairs.first() else {
        return Err(BindError {
            cause: "there is no address to serve".into(),
            remedy: "give one with --listen or as listen.dns".into(),
        });
    };
    if !is_default {
        let (receive, send) = (options.receive_buffer, options.send_buffer);
        let small = [(Direction::Receive, receive), (Direction::Send, send)];
        bound.notes.extend(small.into_iter().filter_map(|(direction, wanted)| shortage(pair, direction, wanted)));
    }
    Ok(bound)
}

impl Bound {
    /// Each of this machine's addresses beside a wildcard; what cannot be had is the wildcard's.
    fn bind_own(&mut self) {
        let Self { pairs, options, notes, .. } = self;
        let wildcards = pairs.iter().filter(|pair| pair.address.ip().is_unspecified()).count();
        if wildcards == 0 {
            return;
        }
        let most = descriptors() / OWN_SHARE / options.workers.max(1) / wildcards;
        // Not known: the wildcards serve alone, and whoever follows may find out.
        let local = local::addresses().unwrap_or_default();
        for pair in pairs.iter_mut().filter(|pair| pair.address.ip().is_unspecified()) {
            let mut wildcard = Wildcard::new(pair.address, most.min(OWN_MAX));
            let changed = wildcard.look(&local, options);
            notes.extend(changed.notes);
            pair.wildcard = Some((wildcard, changed.came));
        }
    }
}

/// A word about buffers with less than half the room that was asked for.
fn shortage(pair: &Pair, direction: Direction, wanted: usize) -> Option<String> {
    let given = datagram::room(pair.udp.first()?, direction).ok()?;
    let (what, name) = match direction {
        Direction::Receive => ("receive", direction.sysctl()),
        Direction::Send => ("send", direction.sysctl()),
    };
    (given < wanted / 2).then(|| {
        format!(
            "the kernel gives {} KiB of {what} buffer where {} KiB are asked for, and bursts beyond that are lost: \
             `sysctl -w {name}={wanted}` allows them",
            given >> 10,
            wanted >> 10
        )
    })
}

fn is_without_family(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// TCP goes first: its port has one listener, so that a second server on the same address is refused here and does not
/// take half of the first one's datagrams.
fn pair(wanted: SocketAddr, options: &Options) -> Result<Pair, (Kind, io::Error)> {
    let attempts = if wanted.port() == 0 { PORT_ATTEMPTS } else { 1 };
    let mut attempt = 1;
    loop {
        let tcp = tcp(wanted).map_err(|error| (Kind::Tcp, error))?;
        let address = tcp.local_addr().map_err(|error| (Kind::Tcp, error))?;
        match datagram::group(address, options) {
            Ok(udp) => return Ok(Pair { address, udp, tcp, wildcard: None }),
            Err(error) if error.kind() == ErrorKind::AddrInUse && attempt < attempts => attempt += 1,
            Err(error) => return Err((Kind::Udp, error)),
        }
    }
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

fn listening<T>(list: &mut Vec<T>, socket: T) -> &T {
    list.push(socket);
    &list[list.len() - 1]
}

/// `anew`: how another address is given.
fn explain(kind: Kind, address: SocketAddr, error: &io::Error, anew: &str) -> BindError {
    let protocol = match kind {
        Kind::Udp => "UDP",
        Kind::Tcp => "TCP",
    };
    match error.kind() {
        ErrorKind::AddrInUse => in_use(protocol, address, holder::of(kind, address), anew),
        ErrorKind::PermissionDenied if address.port() < FIRST_FREE_PORT => BindError {
            cause: format!("{address} ({protocol}): not permitted to bind a port below 1024"),
            remedy: format!(
                "give the program the right (sudo setcap cap_net_bind_service=+ep {}), or set \
                 AmbientCapabilities=CAP_NET_BIND_SERVICE in its systemd unit, or take another port {anew}, such as {}",
                std::env::current_exe().unwrap_or_else(|_| "rhumb".into()).display(),
                SocketAddr::new(address.ip(), 5300)
            ),
        },
        ErrorKind::PermissionDenied => BindError {
            cause: format!("{address} ({protocol}): this system does not permit to bind it"),
            remedy: format!(
                "a sandbox, SELinux or the unit's SocketBindDeny may forbid it: allow it there, or choose another {anew}"
            ),
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
            remedy: format!("choose another address {anew}"),
        },
    }
}

fn in_use(protocol: &str, address: SocketAddr, holder: Option<Holder>, anew: &str) -> BindError {
    let Some(Holder { command, pid }) = holder else {
        return BindError {
            cause: format!("{address} is in use ({protocol}) by a process of another user"),
            remedy: format!("`sudo ss -lnptu sport = :{}` names it; or choose another {anew}", address.port()),
        };
    };
    let remedy = if command.starts_with("systemd-resolve") {
        format!(
            "this is systemd-resolved's stub: listen on this machine's own address (--listen ADDRESS:{}), or set \
             DNSStubListener=no in /etc/systemd/resolved.conf and restart systemd-resolved",
            address.port()
        )
    } else {
        format!("stop it, or choose another address {anew}")
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
        let bound = bind(&[loopback(0), loopback(0)], &Options::with_workers(2), false).unwrap();
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
        let first = bind(&[loopback(0)], &Options::default(), false).unwrap();
        let error = bind(&first.addresses(), &Options::default(), false).unwrap_err();
        assert!(error.cause.contains(&format!("pid {}", std::process::id())), "{error}");
        let foreign = UdpSocket::bind(loopback(0)).unwrap();
        let error = bind(&[foreign.local_addr().unwrap()], &Options::default(), false).unwrap_err();
        assert!(error.cause.contains("in use (UDP)"), "{error}");
    }

    #[test]
    fn the_stub_of_systemd_resolved_has_a_remedy_of_its_own() {
        let holder = Holder { command: "systemd-resolve".into(), pid: 7 };
        let error = in_use("UDP", ([0, 0, 0, 0], 53).into(), Some(holder), ANEW);
        assert!(error.cause.ends_with("by systemd-resolve (pid 7)"));
        assert!(error.remedy.contains("DNSStubListener=no"));
    }

    #[test]
    fn no_permission_says_what_to_do() {
        let error = explain(Kind::Udp, loopback(53), &ErrorKind::PermissionDenied.into(), ANEW);
        assert!(error.remedy.contains("setcap cap_net_bind_service=+ep") && error.remedy.contains("127.0.0.1:5300"));
        assert!(error.cause.contains("below 1024"), "{error}");
        let error = explain(Kind::Udp, loopback(5300), &ErrorKind::PermissionDenied.into(), ANEW);
        assert!(!error.cause.contains("1024") && !error.remedy.contains("setcap"), "{error} {}", error.remedy);
    }

    #[test]
    fn an_address_of_another_machine_is_refused_by_name() {
        let error = bind(&[([192, 0, 2, 1], 0).into()], &Options::default(), false).unwrap_err();
        assert!(error.cause.contains("does not have the address 192.0.2.1"), "{error}");
    }

    #[test]
    fn an_ipv6_address_may_be_left_out_only_where_that_was_allowed() {
        let absent: SocketAddr = "[2001:db8::1]:0".parse().unwrap();
        let bound = bind(&[loopback(0), absent], &Options::default(), true).unwrap();
        assert_eq!((bound.pairs.len(), bound.notes.len()), (1, 1));
        assert!(bind(&[loopback(0), absent], &Options::default(), false).is_err());
        assert!(bind(&[absent], &Options::default(), true).is_err());
    }

    #[test]
    fn beside_a_wildcard_this_machines_addresses_have_sockets_of_their_own() {
        let bound = bind(&[([0, 0, 0, 0], 0).into()], &Options::with_workers(2), false).unwrap();
        let (_, own) = bound.pairs[0].wildcard.as_ref().unwrap();
        let port = bound.addresses()[0].port();
        let (address, sockets) = own.iter().find(|(address, _)| address.ip().is_loopback()).unwrap();
        assert_eq!((*address, sockets.len()), (loopback(port), 2));
        assert!(bind(&[loopback(0)], &Options::default(), false).unwrap().pairs[0].wildcard.is_none());
    }

    #[test]
    fn buffers_that_the_system_keeps_small_are_told_with_the_remedy() {
        let bound = bind(&[loopback(0)], &Options { receive_buffer: 4096, ..Options::default() }, false).unwrap();
        let told = shortage(&bound.pairs[0], Direction::Receive, 1 << 20).unwrap();
        assert!(told.contains("4 KiB") && told.contains("1024 KiB") && told.contains("net.core.rmem_max"), "{told}");
        assert_eq!(shortage(&bound.pairs[0], Direction::Receive, 8000), None);
    }
}
