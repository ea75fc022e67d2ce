//! Who holds a port, as far as this user may see: the socket's inode in `/proc/net`, then the process that has it open.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which table to look in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Udp,
    Tcp,
}

/// A process that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) command: String,
    pub(super) pid: u32,
}

/// TCP sockets that listen, in `/proc/net/tcp`'s words.
const LISTEN: &str = "0A";

/// The process whose socket keeps `address` from being bound. `None` off Linux, or when it belongs to another user.
pub(super) fn of(kind: Kind, address: SocketAddr) -> Option<Holder> {
    let (v4, v6) = match kind {
        Kind::Udp => ("/proc/net/udp", "/proc/net/udp6"),
        Kind::Tcp => ("/proc/net/tcp", "/proc/net/tcp6"),
    };
    let inodes: HashSet<u64> = [v4, v6]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().skip(1).filter_map(|line| in_the_way(line, kind, address)).collect::<Vec<_>>())
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(Result::ok).find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let descriptors = fs::read_dir(entry.path().join("fd")).ok()?;
        let holds = descriptors.filter_map(Result::ok).any(|descriptor| {
            let target = fs::read_link(descriptor.path()).unwrap_or_default();
            target.to_str().and_then(socket_inode).is_some_and(|inode| inodes.contains(&inode))
        });
        let command = fs::read_to_string(entry.path().join("comm")).ok()?;
        holds.then(|| Holder { command: command.trim_end().to_owned(), pid })
    })
}

/// The inode of a line of the table whose socket conflicts with `wanted`.
fn in_the_way(line: &str, kind: Kind, wanted: SocketAddr) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    let held = socket_address(local)?;
    let same_family = held.is_ipv4() == wanted.is_ipv4();
    // `::` takes the IPv4 addresses too, unless told otherwise, which the table does not show.
    let overlaps = held.ip() == wanted.ip()
        || (same_family && (held.ip().is_unspecified() || wanted.ip().is_unspecified()))
        || held.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let conflicts = held.port() == wanted.port() && overlaps && (kind == Kind::Udp || state == LISTEN);
    conflicts.then_some(inode)
}

/// `0100007F:14B4` or 32 digits for IPv6: words of four octets, each in the machine's order.
fn socket_address(field: &str) -> Option<SocketAddr> {
    let (address, port) = field.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |i: usize| {
        let digits = address.get(i * 8..i * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut octets = [0; 16];
            for i in 0..4 {
                octets[i * 4..i * 4 + 4].copy_from_slice(&word(i)?);
            }
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn ourselves() -> u32 {
        std::process::id()
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let holder = of(Kind::Udp, udp.local_addr().unwrap()).unwrap();
        assert_eq!(holder.pid, ourselves());
        assert!(!holder.command.is_empty());
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(of(Kind::Tcp, tcp.local_addr().unwrap()).unwrap().pid, ourselves());
    }

    #[test]
    fn a_wildcard_is_held_by_any_address_of_its_family() {
        let udp = UdpSocket::bind("127.0.0.2:0").unwrap();
        let wildcard = SocketAddr::from(([0, 0, 0, 0], udp.local_addr().unwrap().port()));
        assert_eq!(of(Kind::Udp, wildcard).map(|h| h.pid), Some(ourselves()));
    }

    #[test]
    fn a_free_port_has_no_holder() {
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(of(Kind::Udp, address), None);
    }

    #[test]
    fn addresses_read_as_the_kernel_writes_them() {
        if cfg!(target_endian = "little") {
            assert_eq!(socket_address("3500007F:0035"), Some(([127, 0, 0, 53], 53).into()));
            let v6 = socket_address("00000000000000000000000001000000:14B4");
            assert_eq!(v6, Some((Ipv6Addr::LOCALHOST, 5300).into()));
        }
        assert_eq!(socket_address("nonsense"), None);
    }
}
