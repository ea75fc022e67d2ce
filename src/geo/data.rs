//! The data of an MMDB file → records.
//!
//! A record is a map that holds names in many languages, mostly by pointers to what other records hold as well. Only
//! the fields that make a place are followed; the rest is passed over, which takes no pointer. What is corrupt where
//! places are read shows here; what is corrupt elsewhere never matters. The format is that of MaxMind DB 2.0.

use std::fmt;

use super::hash::FastMap;
use super::record::{Inner, Record, Scalar, Value};
use crate::world::Place;

/// Values of one record at most, so that a corrupt file costs bounded time. A record of today has about a hundred.
const VALUES: u32 = 1 << 16;
/// Lists within lists at most; the flat layout has none, the nested one has one.
const LISTS: u8 = 8;

/// What is wrong in the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataFault {
    /// Something lies outside the file.
    Outside,
    /// A pointer leads to a pointer.
    Pointers,
    /// A number has an impossible length.
    Number,
    /// Text that is no UTF-8.
    Text,
    /// A record, or a key of a map, is of another type.
    Shape,
    /// More values than a record may have, or lists within lists.
    Large,
}

impl fmt::Display for DataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "a record points outside the file",
            Self::Pointers => "a record's pointer leads to a pointer",
            Self::Number => "a record has a number of an impossible length",
            Self::Text => "a record has text that is no UTF-8",
            Self::Shape => "a record is no map, or a name in it is no text",
            Self::Large => "a record has no end",
        })
    }
}

/// Reads records one after the other.
pub(super) struct Data<'a> {
    section: &'a [u8],
    /// Maps that pointers led to: the same few countries and subdivisions, again and again.
    known: FastMap<usize, Inner<'a>>,
    values_left: u32,
}

/// The types that places are made of; others have a size to pass over, as text does.
mod kind {
    pub(super) const POINTER: u8 = 1;
    pub(super) const TEXT: u8 = 2;
    pub(super) const DOUBLE: u8 = 3;
    pub(super) const U16: u8 = 5;
    pub(super) const U32: u8 = 6;
    pub(super) const MAP: u8 = 7;
    pub(super) const I32: u8 = 8;
    pub(super) const U64: u8 = 9;
    pub(super) const LIST: u8 = 11;
    pub(super) const BOOL: u8 = 14;
    pub(super) const FLOAT: u8 = 15;
}

/// What stands before a value.
#[derive(Clone, Copy)]
struct Header {
    kind: u8,
    /// Octets of a scalar, pairs of a map, elements of a list, the value of a bool; of a pointer the five bits that say
    /// how long it is and how it begins.
    size: usize,
    /// Where what is meant by it begins.
    content: usize,
}

impl<'a> Data<'a> {
    pub(super) fn new(section: &'a [u8]) -> Self {
        Self { section, known: FastMap::default(), values_left: 0 }
    }

    /// The place that the record at an offset speaks of.
    pub(super) fn place(&mut self, offset: usize) -> Result<Place, DataFault> {
        self.values_left = VALUES;
        let (header, _) = self.resolved(offset)?;
        if header.kind != kind::MAP {
            return Err(DataFault::Shape);
        }
        let mut record = Record::default();
        let mut at = header.content;
        for _ in 0..header.size {
            let (name, value) = self.name(at)?;
            at = match record.field(name) {
                Some(field) => {
                    let next;
                    (*field, next) = self.value(value, LISTS)?;
                    next
                }
                None => self.skip(value, 1)?,
            };
        }
        Ok(record.place())
    }

    /// A key of a map, and where its value begins.
    fn name(&mut self, at: usize) -> Result<(&'a [u8], usize), DataFault> {
        let (header, next) = self.resolved(at)?;
        if header.kind != kind::TEXT {
            return Err(DataFault::Shape);
        }
        Ok((self.bytes(header.content, header.size)?, next.unwrap_or(header.content + header.size)))
    }

    /// A value, and where the next one begins. Of a list it is the first element.
    fn value(&mut self, at: usize, lists: u8) -> Result<(Value<'a>, usize), DataFault> {
        let (header, next) = self.resolved(at)?;
        let (value, end) = match (header.kind, next) {
            (kind::MAP, Some(_)) => (Value::Map(self.known(header, lists)?), header.content),
            (kind::MAP, None) => {
                let (inner, end) = self.inner(header, lists)?;
                (Value::Map(inner), end)
            }
            (kind::LIST, _) if header.size > 0 => {
                let (value, second) = self.value(header.content, lists.checked_sub(1).ok_or(DataFault::Large)?)?;
                // Where a pointer led here, nobody asks where the list ends.
                (value, if next.is_some() { second } else { self.skip(second, header.size - 1)? })
            }
            (kind::LIST | kind::BOOL, _) => (Value::default(), header.content),
            _ => (self.scalar(header)?.into(), header.content + header.size),
        };
        Ok((value, next.unwrap_or(end)))
    }

    /// A map that a pointer led to.
    fn known(&mut self, header: Header, lists: u8) -> Result<Inner<'a>, DataFault> {
        if let Some(&known) = self.known.get(&header.content) {
            return Ok(known);
        }
        let (inner, _) = self.inner(header, lists)?;
        self.known.insert(header.content, inner);
        Ok(inner)
    }

    /// The fields of a map inside a record, and where it ends.
    fn inner(&mut self, header: Header, lists: u8) -> Result<(Inner<'a>, usize), DataFault> {
        let lists = lists.checked_sub(1).ok_or(DataFault::Large)?;
        let mut inner = Inner::default();
        let mut at = header.content;
        for _ in 0..header.size {
            let (name, value) = self.name(at)?;
            at = match inner.field(name) {
                Some(field) => {
                    let (found, next) = self.value(value, lists)?;
                    *field = found.scalar();
                    next
                }
                None => self.skip(value, 1)?,
            };
        }
        Ok((inner, at))
    }

    fn scalar(&self, header: Header) -> Result<Scalar<'a>, DataFault> {
        let Header { kind, size, content } = header;
        Ok(match kind {
            kind::TEXT => {
                let text = self.bytes(content, size)?;
                Scalar::Text(std::str::from_utf8(text).map_err(|_| DataFault::Text)?)
            }
            kind::DOUBLE => Scalar::Number(f64::from_bits(self.sized(content, size, 8)?)),
            kind::FLOAT => Scalar::Number(f64::from(f32::from_bits(self.sized(content, size, 4)? as u32))),
            kind::I32 if size == 4 => Scalar::Number(f64::from(self.number(content, 4)? as u32 as i32)),
            kind::U16 | kind::U32 | kind::U64 | kind::I32 if size <= 8 => {
                Scalar::Number(self.number(content, size)? as f64)
            }
            kind::U16 | kind::U32 | kind::U64 | kind::I32 => return Err(DataFault::Number),
            // Octets, numbers of 128 bits, and what later versions may bring.
            _ => Scalar::Missing,
        })
    }

    /// Where the value after so many of them begins. Follows no pointer.
    fn skip(&mut self, mut at: usize, values: usize) -> Result<usize, DataFault> {
        let mut pending = values;
        while pending > 0 {
            pending -= 1;
            let Header { kind, size, content } = self.header(at)?;
            at = content;
            match kind {
                kind::POINTER => at += pointer_octets(size),
                kind::MAP => pending += size * 2,
                kind::LIST => pending += size,
                kind::BOOL => {}
                _ => at += size,
            }
        }
        Ok(at)
    }

    /// The header at a position, or that of what a pointer there leads to and where the value after the pointer begins.
    fn resolved(&mut self, at: usize) -> Result<(Header, Option<usize>), DataFault> {
        let header = self.header(at)?;
        if header.kind != kind::POINTER {
            return Ok((header, None));
        }
        let octets = pointer_octets(header.size);
        let (high, low) = (header.size & 7, self.number(header.content, octets)? as usize);
        let to = match octets {
            1 => (high << 8) + low,
            2 => (high << 16) + low + 2048,
            3 => (high << 24) + low + 526_336,
            _ => low,
        };
        let target = self.header(to)?;
        if target.kind == kind::POINTER {
            Err(DataFault::Pointers)
        } else {
            Ok((target, Some(header.content + octets)))
        }
    }

    fn header(&mut self, at: usize) -> Result<Header, DataFault> {
        self.values_left = self.values_left.checked_sub(1).ok_or(DataFault::Large)?;
        let control = self.byte(at)?;
        let (mut kind, low) = (control >> 5, usize::from(control & 0x1f));
        let mut at = at + 1;
        if kind == kind::POINTER {
            return Ok(Header { kind, size: low, content: at });
        }
        if kind == 0 {
            kind = self.byte(at)?.saturating_add(7);
            at += 1;
        }
        let size = match low {
            0..=28 => low,
            29 => 29 + self.number(at, 1)? as usize,
            30 => 285 + self.number(at, 2)? as usize,
            _ => 65_821 + self.number(at, 3)? as usize,
        };
        Ok(Header { kind, size, content: at + low.saturating_sub(28) })
    }

    fn sized(&self, at: usize, size: usize, expected: usize) -> Result<u64, DataFault> {
        if size == expected { self.number(at, size) } else { Err(DataFault::Number) }
    }

    /// A big-endian number of at most eight octets.
    fn number(&self, at: usize, size: usize) -> Result<u64, DataFault> {
        Ok(self.bytes(at, size)?.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }

    fn byte(&self, at: usize) -> Result<u8, DataFault> {
        self.section.get(at).copied().ok_or(DataFault::Outside)
    }

    fn bytes(&self, at: usize, size: usize) -> Result<&'a [u8], DataFault> {
        self.section.get(at..at + size).ok_or(DataFault::Outside)
    }
}

/// How many octets follow the first of a pointer.
fn pointer_octets(low: usize) -> usize {
    (low >> 3) + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::world::{CountryCode, LatLon};

    fn text(text: &str) -> Vec<u8> {
        [&[0x40 | text.len() as u8], text.as_bytes()].concat()
    }

    fn double(number: f64) -> Vec<u8> {
        [&[0x68][..], &number.to_be_bytes()].concat()
    }

    /// A map of fewer than 29 pairs, keys and values in turn.
    fn map(items: &[Vec<u8>]) -> Vec<u8> {
        [vec![0xe0 | (items.len() / 2) as u8], items.concat()].concat()
    }

    fn list(items: &[Vec<u8>]) -> Vec<u8> {
        [vec![items.len() as u8, 4], items.concat()].concat()
    }

    fn pointer(to: u16) -> Vec<u8> {
        vec![0x20 | (to >> 8) as u8, to as u8]
    }

    fn place(section: &[u8], offset: usize) -> Result<Place, DataFault> {
        Data::new(section).place(offset)
    }

    #[test]
    fn pointers_are_followed_where_a_place_is_read_and_passed_over_elsewhere() {
        let shared = map(&[text("names"), pointer(0x7ff), text("iso_code"), text("DE")]);
        let record = map(&[
            text("city"),
            pointer(0x7ff),
            text("country"),
            pointer(0),
            text("location"),
            map(&[text("latitude"), double(1.5), text("time_zone"), text("x"), text("longitude"), double(2.5)]),
            text("traits"),
            map(&[text("x"), list(&[text("a"), map(&[])]), text("autonomous_system_number"), vec![0xc2, 1, 0]]),
        ]);
        let mut section = shared.clone();
        section.extend(record);
        let mut data = Data::new(&section);
        for _ in 0..2 {
            let place = data.place(shared.len()).unwrap();
            assert_eq!(place.country, CountryCode::new("DE"));
            assert_eq!((place.at, place.asn), (LatLon::new(1.5, 2.5), Some(256)));
        }
    }

    #[test]
    fn sizes_and_pointers_of_every_length_are_read() {
        for (length, header) in [(28, 1), (29, 2), (284, 2), (285, 3), (65_820, 3), (65_821, 4)] {
            let size = match length {
                0..29 => vec![0x40 | length as u8],
                29..285 => vec![0x5d, (length - 29) as u8],
                285..65_821 => [&[0x5e][..], &((length - 285) as u16).to_be_bytes()].concat(),
                _ => vec![0x5f, 0, 0, 0],
            };
            let section = [size, vec![b'a'; length]].concat();
            assert_eq!(Data { values_left: 9, ..Data::new(&section) }.skip(0, 1), Ok(length + header));
        }
        for (pointer, to) in [
            (&[0x27, 0xff][..], 2047),
            (&[0x28, 0, 0], 2048),
            (&[0x30, 0, 0, 0], 526_336),
            (&[0x38, 0, 8, 8, 0], 526_336),
        ] {
            let mut section = pointer.to_vec();
            section.resize(to, 0);
            section.push(0xc1);
            let (header, next) = Data { values_left: 9, ..Data::new(&section) }.resolved(0).unwrap();
            assert_eq!((header.kind, header.content, next), (kind::U32, to + 1, Some(pointer.len())));
        }
    }

    #[test]
    fn what_is_corrupt_is_named() {
        let record = |value: Vec<u8>| place(&map(&[text("country"), value]), 0);
        assert_eq!(place(&text("DE"), 0), Err(DataFault::Shape));
        assert_eq!(place(&map(&[double(1.0), text("DE")]), 0), Err(DataFault::Shape));
        assert_eq!(place(&[], 0), Err(DataFault::Outside));
        assert_eq!(record(pointer(500)), Err(DataFault::Outside));
        assert_eq!(record(pointer(9)), Err(DataFault::Pointers));
        assert_eq!(record(vec![0x42, 0xff, 0xff]), Err(DataFault::Text));
        assert_eq!(record(vec![0x64, 0, 0, 0, 0]), Err(DataFault::Number));
        // A map whose only value is the map itself, by way of the field that is followed.
        assert_eq!(record(pointer(0)), Ok(Place::default()));
        assert_eq!(place(&map(&[text("country"), map(&[text("iso_code"), pointer(9)])]), 0), Err(DataFault::Large));
        assert_eq!(place(&[0xff, 0xff, 0xff, 0xff, 0x40, 0x40], 0), Err(DataFault::Outside));
        let endless = [vec![0xe1], text("x"), vec![0x1f, 4, 0xff, 0xff, 0xff], vec![0x40; 70_000]].concat();
        assert_eq!(place(&endless, 0), Err(DataFault::Large));
    }
}
