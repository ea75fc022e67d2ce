//! The PROXY protocol, version 2 (haproxy's proxy-protocol.txt, section 2.2): whom a proxy speaks for, in front of a
//! stream or of each datagram. Believed from listed networks only, and required from them, so that nobody gets another
//! answer by leaving it out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::batch::{BATCH, Batch};
use super::counters::{Counters, count};
use crate::answer::Address;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length of the rest.
const FIXED: usize = 16;
/// The proxy itself asks: a check whether this server is there.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// Families, in the upper half of their octet.
const INET: u8 = 1;
const INET6: u8 = 2;
const UNIX: u8 = 3;
/// Neither a family nor a protocol.
const UNSPECIFIED: u8 = 0;
/// The last protocol, in the lower half of the same octet: datagrams.
const DATAGRAM: u8 = 2;
/// Source and destination address, then their ports.
const INET_LENGTH: usize = 12;
const INET6_LENGTH: usize = 36;

/// Networks of proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Trusted(Vec<IpNet>);

impl Trusted {
    pub(super) fn new(networks: &[IpNet]) -> Self {
        Self(networks.to_vec())
    }

    /// Whether this sender speaks for others.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The clients of one batch of datagrams, some of which came by way of proxies.
pub(super) struct Proxied {
    trusted: Trusted,
    clients: [Option<Address>; BATCH],
}

impl Proxied {
    /// `None` where there are no proxies, which costs a worker nothing.
    pub(super) fn new(trusted: &Trusted) -> Option<Self> {
        (!trusted.0.is_empty()).then(|| Self { trusted: trusted.clone(), clients: [None; BATCH] })
    }

    /// Who sent each datagram. Headers are taken off; what should have one and has none is nobody's.
    pub(super) fn take_headers(&mut self, batch: &mut Batch, received: usize, counters: &Counters) {
        for (at, client) in self.clients.iter_mut().enumerate().take(received) {
            *client = batch.sender(at);
            let Some(sender) = client.filter(|sender| self.trusted.contains(sender.ip())) else { continue };
            let (buffer, len) = batch.message(at);
            match read(&buffer[..len]) {
                Some(header) => {
                    *client = Some(header.client.map_or(sender, Address::new));
                    batch.cut_front(at, header.length);
                }
                None => {
                    count(&counters.proxy_faults);
                    *client = None;
                    batch.cut_front(at, len);
                }
            }
        }
    }

    pub(super) fn client(&self, at: usize) -> Option<Address> {
        self.clients[at]
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Octets of it; what follows is the client's.
    pub length: usize,
    /// Whom the proxy speaks for; itself where it names nobody.
    pub client: Option<IpAddr>,
}

/// Reads the header that `octets` begin with; `None` where there is no whole and well-formed one.
pub fn read(octets: &[u8]) -> Option<Header> {
    let fixed = octets.first_chunk::<FIXED>()?;
    let rest = octets.get(FIXED..FIXED + rest_length(fixed)?)?;
    let length = FIXED + rest.len();
    let client = match (fixed[12], fixed[13] >> 4, fixed[13] & 0xf) {
        (LOCAL, ..) => None,
        // What no version has given a meaning is refused.
        (PROXY, family, protocol) if family > UNIX || protocol > DATAGRAM => return None,
        // Sockets of the proxy's own machine have no address here: then nobody is named, as where a part is left out.
        (PROXY, UNSPECIFIED | UNIX, _) | (PROXY, _, UNSPECIFIED) => None,
        (PROXY, INET, _) => {
            let addresses = rest.first_chunk::<INET_LENGTH>()?;
            Some(Ipv4Addr::from(*addresses.first_chunk()?).into())
        }
        (PROXY, INET6, _) => {
            let addresses = rest.first_chunk::<INET6_LENGTH>()?;
            Some(Ipv6Addr::from(*addresses.first_chunk()?).into())
        }
        _ => return None,
    };
    Some(Header { length, client })
}

/// The length behind the fixed part, if that is one.
fn rest_length(fixed: &[u8; FIXED]) -> Option<usize> {
    let [.., high, low] = *fixed;
    fixed.starts_with(&SIGNATURE).then(|| u16::from_be_bytes([high, low]).into())
}

/// As [`read`], of a stream, which is left at the first octet behind the header.
///
/// # Errors
/// The stream ends or fails, or `InvalidData` for what is no header.
pub async fn read_from(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Header> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    let rest = rest_length(&fixed).ok_or_else(malformed)?;
    let mut header = fixed.to_vec();
    header.resize(FIXED + rest, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    read(&header).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [&SIGNATURE, &[command, family][..], &(rest.len() as u16).to_be_bytes(), rest].concat()
    }

    /// As a proxy writes it, with TLVs behind the addresses.
    fn of(client: IpAddr, tlvs: &[u8]) -> Vec<u8> {
        match client {
            IpAddr::V4(v4) => header(PROXY, 0x12, &[&v4.octets(), &[127, 0, 0, 1, 1, 2, 0, 53][..], tlvs].concat()),
            IpAddr::V6(v6) => header(PROXY, 0x22, &[&v6.octets(), &[0; 16], &[1, 2, 0, 53][..], tlvs].concat()),
        }
    }

    #[test]
    fn p23_the_address_that_a_proxy_names_is_the_client() {
        for client in ["192.0.2.1", "2001:db8::1"] {
            let client: IpAddr = client.parse().unwrap();
            let octets = of(client, &[]);
            let with_query = [&octets[..], b"query"].concat();
            assert_eq!(read(&with_query), Some(Header { length: octets.len(), client: Some(client) }));
        }
    }

    #[test]
    fn p23_local_and_unspecified_name_nobody_whatever_follows() {
        for (command, family, rest) in [
            (LOCAL, 0, &[][..]),
            (LOCAL, 0x11, &[9; 12]),
            (LOCAL, 0xff, &[]),
            (PROXY, 0, &[1, 2, 3]),
            (PROXY, 0x01, &[]),
            (PROXY, 0x10, &[9; 12]),  // No protocol.
            (PROXY, 0x31, &[9; 216]), // A Unix socket.
        ] {
            let octets = header(command, family, rest);
            assert_eq!(read(&octets), Some(Header { length: FIXED + rest.len(), client: None }));
        }
    }

    #[test]
    fn p23_what_is_no_header_is_none() {
        let good = of([192, 0, 2, 1].into(), &[]);
        let with = |at: usize, octet: u8| {
            let mut octets = good.clone();
            octets[at] = octet;
            octets
        };
        for bad in [
            with(0, b'x'),
            with(12, 0x11), // Version 1.
            with(12, 0x22), // No command.
            with(13, 0x13), // No protocol that there is.
            with(13, 0x41), // No family that there is.
            with(15, 11),   // Addresses that are cut short.
            with(15, 13),   // More than there is.
            good[..27].to_vec(),
            b"PROXY TCP4 192.0.2.1 127.0.0.1 1 53\r\n".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn p23_only_listed_networks_speak_for_others_mapped_addresses_included() {
        let trusted = Trusted::new(&["10.0.0.0/8".parse().unwrap()]);
        assert!(trusted.contains([10, 1, 2, 3].into()) && trusted.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!trusted.contains([11, 0, 0, 0].into()) && !trusted.contains("::1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn p23_no_octets_are_read_past_their_end(mut octets: Vec<u8>, signed: bool) {
            if signed && octets.len() >= SIGNATURE.len() {
                octets[..SIGNATURE.len()].copy_from_slice(&SIGNATURE);
            }
            if let Some(header) = read(&octets) {
                prop_assert!(header.length <= octets.len());
                // What follows does not matter.
                prop_assert_eq!(read(&octets[..header.length]), Some(header));
            }
        }

        #[test]
        fn p23_what_a_proxy_writes_is_read_from_datagram_and_stream_alike(
            client: IpAddr,
            tlvs in prop::collection::vec(any::<u8>(), 0..300),
            query: Vec<u8>,
            cut in 0usize..400,
        ) {
            let octets = of(client, &tlvs);
            let all = [&octets[..], &query].concat();
            let header = Header { length: octets.len(), client: Some(client) };
            prop_assert_eq!(read(&all), Some(header));
            let mut stream = &all[..];
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            prop_assert_eq!(runtime.block_on(read_from(&mut stream)).unwrap(), header);
            prop_assert_eq!(stream, &query[..]);
            let short = &octets[..cut.min(octets.len() - 1)];
            prop_assert_eq!(read(short), None);
            prop_assert!(runtime.block_on(read_from(&mut &*short)).is_err());
        }
    }
}
