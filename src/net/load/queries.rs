//! Queries ready to be sent, one after the other in memory, so that a generator reads them as fast as it may.

use std::fmt;
use std::net::IpAddr;

use super::burst::QUERY_MAX;
use crate::wire::edns::{OUR_PAYLOAD, option};
use crate::wire::{Name, RecordType};

/// Whole messages, asked in turn and then again from the first.
#[derive(Clone, Debug, Default)]
pub struct Queries {
    octets: Vec<u8>,
    /// Where each begins, and where the last ends.
    bounds: Vec<usize>,
    at: usize,
}

/// Why a line of a query file cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// Counted from 1.
    pub line: usize,
    /// One clause.
    pub cause: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.cause)
    }
}

impl std::error::Error for QueryError {}

impl Queries {
    /// Reads lines of `NAME TYPE [NETWORK/LENGTH]`; `#` begins a comment. The network is a client subnet.
    ///
    /// # Errors
    /// The first line that is no query.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let mut queries = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let fault = |cause: String| QueryError { line: number + 1, cause };
            let name = Name::absolute(name).map_err(|why| fault(format!("`{name}` is no name: {why}")))?;
            let rtype = words.next().ok_or_else(|| fault("a type is missing, such as A".into()))?;
            let rtype: RecordType = rtype.parse().map_err(|()| fault(format!("`{rtype}` is no record type")))?;
            let subnet = match words.next() {
                None => None,
                Some(text) => Some(subnet(text).ok_or_else(|| fault(format!("`{text}` is no network")))?),
            };
            if let Some(more) = words.next() {
                return Err(fault(format!("`{more}` is one word too many")));
            }
            queries.push(&name, rtype, subnet);
        }
        Ok(queries)
    }

    /// One more: with EDNS, and a client subnet of so many bits if there is one.
    pub fn push(&mut self, name: &Name, rtype: RecordType, subnet: Option<(IpAddr, u8)>) {
        if self.bounds.is_empty() {
            self.bounds.push(0);
        }
        let octets = &mut self.octets;
        // ID 0 until it is sent; one question, one additional record.
        octets.extend(b"\0\0\0\0\0\x01\0\0\0\0\0\x01");
        octets.extend(name.as_wire());
        octets.extend(rtype.0.to_be_bytes());
        octets.extend(b"\0\x01\0\0\x29");
        octets.extend(OUR_PAYLOAD.to_be_bytes());
        octets.extend(b"\0\0\0\0");
        match subnet {
            None => octets.extend(b"\0\0"),
            Some((address, length)) => {
                let (family, bytes) = match address {
                    IpAddr::V4(address) => (1u16, address.octets().to_vec()),
                    IpAddr::V6(address) => (2, address.octets().to_vec()),
                };
                let sent = usize::from(length).div_ceil(8).min(bytes.len());
                octets.extend((8 + sent as u16).to_be_bytes());
                octets.extend(option::ECS.to_be_bytes());
                octets.extend((4 + sent as u16).to_be_bytes());
                octets.extend(family.to_be_bytes());
                octets.extend([length, 0]);
                octets.extend(&bytes[..sent]);
            }
        }
        debug_assert!(octets.len() - self.bounds[self.bounds.len() - 1] <= QUERY_MAX, "a name has 255 octets");
        self.bounds.push(octets.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each, from the first to the last.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.bounds.windows(2).map(|bounds| &self.octets[bounds[0]..bounds[1]])
    }

    /// The same, begun at another place, so that threads do not ask in step.
    pub(super) fn from(&self, at: usize) -> Self {
        Self { at: at % self.len().max(1), ..self.clone() }
    }

    /// The one that comes `ahead` of the next.
    pub(super) fn peek(&self, ahead: usize) -> &[u8] {
        let at = (self.at + ahead) % self.len();
        &self.octets[self.bounds[at]..self.bounds[at + 1]]
    }

    pub(super) fn advance(&mut self, by: usize) {
        self.at = (self.at + by) % self.len();
    }
}

/// `192.0.2.0/24` without the bits past its length, or an address as a whole.
fn subnet(text: &str) -> Option<(IpAddr, u8)> {
    let network: ipnet::IpNet = match text.parse() {
        Ok(network) => network,
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    Some((network.network(), network.prefix_len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::wire::message::{Query, Reading};

    #[test]
    fn each_line_is_a_message_that_says_what_the_line_says() {
        let text = "# a comment\nwww.example.com A 81.2.69.160/24\n\nmail.example.com. TYPE257 # and another\n\
                    www.example.com AAAA 2001:db8::1/56\n";
        let queries = Queries::parse(text).unwrap();
        assert_eq!(queries.len(), 3);
        let expected = [
            (RecordType::A, Some(("81.2.69.0", 24))),
            (RecordType::CAA, None),
            (RecordType::AAAA, Some(("2001:db8::", 56))),
        ];
        for (query, (rtype, subnet)) in queries.iter().zip(expected) {
            let mut read = Query::default();
            assert_eq!(read.read(query, query.len(), 0), Reading::Query);
            assert_eq!(read.qtype, rtype);
            let told = subnet.map(|(address, source)| (address.parse().unwrap(), source));
            assert_eq!(read.edns.unwrap().ecs.and_then(|ecs| ecs.prefix()), told);
        }
    }

    #[test]
    fn a_line_that_is_no_query_is_named() {
        for (text, line, word) in [
            ("a.example A\nb.example", 2, "type"),
            ("a.example NONE", 1, "NONE"),
            ("a.example A 300.0.0.0/8", 1, "300"),
            ("a.example A 10.0.0.0/8 x", 1, "x"),
            ("a..example A", 1, "a..example"),
        ] {
            let error = Queries::parse(text).unwrap_err();
            assert!(error.line == line && error.cause.contains(word), "{error}");
        }
    }

    #[test]
    fn they_are_asked_in_turn_and_again_from_the_first() {
        let mut queries = Queries::parse("a. A\nbb. A\nccc. A").unwrap().from(2);
        let label = |query: &[u8]| query[12];
        assert_eq!([0, 1, 2, 3].map(|ahead| label(queries.peek(ahead))), [3, 1, 2, 3]);
        queries.advance(2);
        assert_eq!(label(queries.peek(0)), 2);
    }
}
