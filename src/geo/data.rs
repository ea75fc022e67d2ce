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

/// A value's beginning.
#[derive(Clone, Copy)]
enum Head<'a> {
    Text(&'a [u8]),
    Number(f64),
    /// Pairs, and where the first begins.
    Map(u32, usize),
    /// Elements, and where the first begins.
    List(u32, usize),
    /// A value that no place is made of.
    Other,
}

/// Either what stands at a position or where it is instead, and where the next value begins: for maps and lists that
/// is their first element.
enum Item<'a> {
    Here(Head<'a>, usize),
    Pointer(usize, usize),
}

impl<'a> Data<'a> {
    pub(super) fn new(section: &'a [u8]) -> Self {
        Self { section, known: FastMap::default(), values_left: 0 }
    }

    /// The place that the record at an offset speaks of.
    pub(super) fn place(&mut self, offset: usize) -> Result<Place, DataFault> {
        self.values_left = VALUES;
        let (Head::Map(pairs, mut at), _) = self.head(offset)? else { return Err(DataFault::Shape) };
        let mut record = Record::default();
        for _ in 0..pairs {
            let (name, value) = self.name(at)?;
            at = match record.field(name) {
                Some(field) => {
                    let next;
                    (*field, next) = self.value(value, LISTS)?;
                    next
                }
                None => self.skip(value)?,
            };
        }
        Ok(record.place())
    }

    /// A key of a map, and where its value begins.
    fn name(&mut self, at: usize) -> Result<(&'a [u8], usize), DataFault> {
        match self.head(at)? {
            (Head::Text(name), next) => Ok((name, next)),
            _ => Err(DataFault::Shape),
        }
    }

    /// A value, and where the next one begins. Of a list it is the first element.
    fn value(&mut self, at: usize, lists: u8) -> Result<(Value<'a>, usize), DataFault> {
        let (head, next) = self.head(at)?;
        let value = match head {
            Head::Text(text) => Scalar::Text(std::str::from_utf8(text).map_err(|_| DataFault::Text)?).into(),
            Head::Number(number) => Scalar::Number(number).into(),
            Head::Other | Head::List(0, _) => Value::default(),
            Head::List(_, first) => {
                let (value, _) = self.value(first, lists.checked_sub(1).ok_or(DataFault::Large)?)?;
                value
            }
            Head::Map(pairs, first) => Value::Map(self.inner(pairs, first, lists)?),
        };
        // The head of a map or a list that stands here ends where its content begins.
        let next = match head {
            Head::Map(_, first) | Head::List(_, first) if first == next => self.skip(at)?,
            _ => next,
        };
        Ok((value, next))
    }

    fn inner(&mut self, pairs: u32, first: usize, lists: u8) -> Result<Inner<'a>, DataFault> {
        if let Some(&known) = self.known.get(&first) {
            return Ok(known);
        }
        let lists = lists.checked_sub(1).ok_or(DataFault::Large)?;
        let mut inner = Inner::default();
        let mut at = first;
        for _ in 0..pairs {
            let (name, value) = self.name(at)?;
            at = match inner.field(name) {
                Some(field) => {
                    let (found, next) = self.value(value, lists)?;
                    *field = found.scalar();
                    next
                }
                None => self.skip(value)?,
            };
        }
        self.known.insert(first, inner);
        Ok(inner)
    }

    /// Where the value after this one begins. Follows no pointer.
    fn skip(&mut self, mut at: usize) -> Result<usize, DataFault> {
        let mut pending: u64 = 1;
        while pending > 0 {
            pending -= 1;
            at = match self.item(at)? {
                Item::Here(head, next) => {
                    pending += match head {
                        Head::Map(pairs, _) => u64::from(pairs) * 2,
                        Head::List(elements, _) => u64::from(elements),
                        _ => 0,
                    };
                    next
                }
                Item::Pointer(_, next) => next,
            };
        }
        Ok(at)
    }

    /// What stands at a position, or where a pointer there leads, and where the next value begins.
    fn head(&mut self, at: usize) -> Result<(Head<'a>, usize), DataFault> {
        match self.item(at)? {
            Item::Here(head, next) => Ok((head, next)),
            Item::Pointer(to, next) => match self.item(to)? {
                Item::Here(head, _) => Ok((head, next)),
                Item::Pointer(..) => Err(DataFault::Pointers),
            },
        }
    }

    fn item(&mut self, at: usize) -> Result<Item<'a>, DataFault> {
        self.values_left = self.values_left.checked_sub(1).ok_or(DataFault::Large)?;
        let control = self.byte(at)?;
        let mut at = at + 1;
        let (kind, low) = (control >> 5, usize::from(control & 0x1f));
        if kind == 1 {
            return self.pointer(low, at);
        }
        let kind = if kind == 0 {
            at += 1;
            self.byte(at - 1)?.saturating_add(7)
        } else {
            kind
        };
        let extra = low.saturating_sub(28);
        let size = match extra {
            0 => low,
            1 => 29 + self.number(at, 1)? as usize,
            2 => 285 + self.number(at, 2)? as usize,
            _ => 65_821 + self.number(at, 3)? as usize,
        };
        at += extra;
        let head = match kind {
            7 => Head::Map(size as u32, at),
            11 => Head::List(size as u32, at),
            // The size is the value, true or false.
            14 => Head::Other,
            2 => Head::Text(self.bytes(at, size)?),
            3 => Head::Number(f64::from_bits(self.sized(at, size, 8)?)),
            15 => Head::Number(f64::from(f32::from_bits(self.sized(at, size, 4)? as u32))),
            5 | 6 | 9 if size <= 8 => Head::Number(self.number(at, size)? as f64),
            8 if size == 4 => Head::Number(f64::from(self.number(at, 4)? as u32 as i32)),
            8 if size < 4 => Head::Number(self.number(at, size)? as f64),
            5 | 6 | 8 | 9 => return Err(DataFault::Number),
            // Octets, numbers of 128 bits, and what later versions may bring.
            _ => {
                self.bytes(at, size)?;
                Head::Other
            }
        };
        let payload = if matches!(kind, 7 | 11 | 14) { 0 } else { size };
        Ok(Item::Here(head, at + payload))
    }

    /// Two bits tell how many octets follow, three more begin the number.
    fn pointer(&self, low: usize, at: usize) -> Result<Item<'a>, DataFault> {
        let (octets, high) = (low >> 3, low & 7);
        let to = match octets {
            0 => (high << 8) + self.number(at, 1)? as usize,
            1 => (high << 16) + self.number(at, 2)? as usize + 2048,
            2 => (high << 24) + self.number(at, 3)? as usize + 526_336,
            _ => self.number(at, 4)? as usize,
        };
        Ok(Item::Pointer(to, at + octets + 1))
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
            assert_eq!(Data { values_left: 9, ..Data::new(&section) }.skip(0), Ok(length + header));
        }
        let target = |octets: &[u8]| match (Data { values_left: 9, ..Data::new(octets) }.item(0)) {
            Ok(Item::Pointer(to, next)) => (to, next),
            _ => (0, 0),
        };
        assert_eq!(target(&[0x27, 0xff]), (2047, 2));
        assert_eq!(target(&[0x28, 0, 0]), (2048, 3));
        assert_eq!(target(&[0x30, 0, 0, 0]), (526_336, 4));
        assert_eq!(target(&[0x38, 1, 2, 3, 4]), (0x0102_0304, 5));
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
