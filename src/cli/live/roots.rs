//! Where a walk begins: the root's servers.

use std::net::SocketAddr;
use std::path::Path;

use super::super::Failure;
use super::super::args::LiveArgs;
use super::walk::Host;
use crate::wire::Name;
use crate::wire::master::scan;

/// The port of every server that hints name.
const PORT: u16 = 53;

/// The root's servers by letter (IANA "Root Servers").
const ROOTS: [(char, &str, &str); 13] = [
    ('a', "198.41.0.4", "2001:503:ba3e::2:30"),
    ('b', "170.247.170.2", "2801:1b8:10::b"),
    ('c', "192.33.4.12", "2001:500:2::c"),
    ('d', "199.7.91.13", "2001:500:2d::d"),
    ('e', "192.203.230.10", "2001:500:a8::e"),
    ('f', "192.5.5.241", "2001:500:2f::f"),
    ('g', "192.112.36.4", "2001:500:12::d0d"),
    ('h', "198.97.190.53", "2001:500:1::53"),
    ('i', "192.36.148.17", "2001:7fe::53"),
    ('j', "192.58.128.30", "2001:503:c27::2:30"),
    ('k', "193.0.14.129", "2001:7fd::1"),
    ('l', "199.7.83.42", "2001:500:9f::42"),
    ('m', "202.12.27.33", "2001:dc3::35"),
];

/// The roots that the flags name, else those of the Internet.
///
/// # Errors
/// A file of hints cannot be read, has a fault, or has no address in it.
pub(super) fn roots(flags: &LiveArgs) -> Result<Vec<Host>, Failure> {
    if !flags.root.is_empty() {
        return Ok(flags.root.iter().map(|&address| Host { name: None, address }).collect());
    }
    let mut roots = match &flags.hints {
        Some(path) => from_file(path)?,
        None => built_in(),
    };
    // Most machines have a way to every IPv4 address and many to no other.
    roots.sort_by_key(|host| host.address.is_ipv6());
    Ok(roots)
}

fn built_in() -> Vec<Host> {
    let host = |letter: char, address: &str| {
        let name = Name::absolute(&format!("{letter}.root-servers.net")).ok();
        Some(Host { name, address: SocketAddr::new(address.parse().ok()?, PORT) })
    };
    ROOTS.iter().flat_map(|&(letter, v4, v6)| [host(letter, v4), host(letter, v6)]).flatten().collect()
}

/// A master file with the addresses of the root's servers, as resolvers read it.
fn from_file(path: &Path) -> Result<Vec<Host>, Failure> {
    let failure = |cause: String| Failure::new(format!("{}: {cause}", path.display()));
    let text = std::fs::read(path).map_err(|error| failure(error.to_string()))?;
    let (records, faults) = scan(&text, &Name::root(), 0);
    if let Some(fault) = faults.first() {
        return Err(failure(format!("line {}: {}", fault.line, fault.message)));
    }
    let hosts: Vec<Host> = records
        .iter()
        .filter_map(|record| {
            let address = super::address(record.rtype, &record.rdata)?;
            Some(Host { name: Some(record.owner.clone()), address: SocketAddr::new(address, PORT) })
        })
        .collect();
    if hosts.is_empty() {
        return Err(failure("no address of a root server".to_owned())
            .help("a file of hints has lines such as `a.root-servers.net. A 198.41.0.4`"));
    }
    Ok(hosts)
}

/// An address, with its port if that is not 53.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    let whole = text.parse().or_else(|_| text.parse().map(|address| SocketAddr::new(address, PORT)));
    whole.map_err(|_| "no address such as 192.0.2.1, 2001:db8::1 or 127.0.0.1:5300".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_built_in_roots_are_thirteen_of_both_families_with_ipv4_first() {
        let hosts = roots(&LiveArgs::default()).unwrap();
        assert_eq!(hosts.len(), 26);
        assert!(hosts[..13].iter().all(|host| host.address.is_ipv4()));
        assert!(hosts[13..].iter().all(|host| host.address.is_ipv6() && host.address.port() == 53));
    }

    #[test]
    fn hints_are_a_master_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("named.root");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            roots(&LiveArgs { hints: Some(path.clone()), ..LiveArgs::default() })
        };
        let hosts = read(". 3600000 NS a.root.\na.root. AAAA 2001:db8::1\na.root. 3600000 A 192.0.2.1\n").unwrap();
        assert_eq!(
            hosts.iter().map(|host| host.address.to_string()).collect::<Vec<_>>(),
            ["192.0.2.1:53", "[2001:db8::1]:53"]
        );
        assert!(read(". NS a.root.\n").unwrap_err().to_string().contains("no address"));
        assert!(read("a.root. A nowhere\n").unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_root_has_port_53_unless_it_is_given() {
        assert_eq!(parse("192.0.2.1").unwrap().to_string(), "192.0.2.1:53");
        assert_eq!(parse("2001:db8::1").unwrap().to_string(), "[2001:db8::1]:53");
        assert_eq!(parse("127.0.0.1:5300").unwrap().to_string(), "127.0.0.1:5300");
        assert!(parse("a.root-servers.net").is_err());
    }
}
