//! The compact form of a country database: columns of differences, deflated.
//!
//! The header is [`MAGIC`], a format version, the date of the source, the length and the CRC-32 of what follows
//! unpacked. Unpacked, that is: the number of countries, their codes, and for each family the number of runs, then
//! the distance of each start from the one before, then the country of each run (0 is none, n the n-th). Numbers are
//! LEB128; a column of starts and a column of countries each deflate far better than pairs would.

use std::fmt;
use std::io::{Read, Write};

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::world::CountryCode;

const MAGIC: &[u8; 8] = b"rhumbgeo";
/// Counts up with every change of the form.
const VERSION: u8 = 1;
/// Magic, version, date (8), length (4), CRC-32 (4).
const HEADER: usize = 8 + 1 + 8 + 4 + 4;
/// Ten times the world of today; a damaged length must not make us reserve more.
const MAX_UNPACKED: u32 = 32 << 20;

/// A list of countries by network: starts ascend, neighbours differ, what comes before the first start has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Countries {
    /// When the source was made, in seconds since 1970 (UTC).
    pub date: u64,
    /// (first /24 number, country).
    pub v4: Vec<(u32, Option<CountryCode>)>,
    /// (first /56 number, country).
    pub v6: Vec<(u64, Option<CountryCode>)>,
}

/// Why bytes are no list of countries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnsError {
    /// They do not begin as such a list does.
    NotThisForm,
    /// They are of this version of the form, which is not the one that is read here.
    Version(u8),
    /// They are damaged.
    Damaged,
    /// More than 255 countries, or starts that do not ascend: nothing that can be written.
    Unwritable,
}

impl fmt::Display for ColumnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThisForm => f.write_str("not a list of countries"),
            Self::Version(version) => write!(f, "format version {version}, not {VERSION}"),
            Self::Damaged => f.write_str("damaged"),
            Self::Unwritable => f.write_str("more than 255 countries, or networks out of order"),
        }
    }
}

impl std::error::Error for ColumnsError {}

impl Countries {
    /// The compact form. The same list gives the same bytes.
    ///
    /// # Errors
    /// [`ColumnsError::Unwritable`].
    pub fn encode(&self) -> Result<Vec<u8>, ColumnsError> {
        let runs = self.v4.iter().map(|r| r.1).chain(self.v6.iter().map(|r| r.1));
        let mut codes: Vec<CountryCode> = runs.flatten().collect();
        codes.sort_unstable();
        codes.dedup();
        let mut body = vec![u8::try_from(codes.len()).map_err(|_| ColumnsError::Unwritable)?];
        codes.iter().for_each(|code| body.extend(code.as_str().bytes()));
        let index = |code: Option<CountryCode>| {
            code.and_then(|code| codes.binary_search(&code).ok()).map_or(0, |i| i as u8 + 1)
        };
        write_family(&mut body, self.v4.iter().map(|&(start, code)| (u64::from(start), index(code))))?;
        write_family(&mut body, self.v6.iter().map(|&(start, code)| (start, index(code))))?;

        let length = u32::try_from(body.len()).ok().filter(|&n| n <= MAX_UNPACKED).ok_or(ColumnsError::Unwritable)?;
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.extend(self.date.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(checksum(&body).to_be_bytes());
        let mut deflate = DeflateEncoder::new(out, Compression::best());
        deflate.write_all(&body).and_then(|()| deflate.finish()).map_err(|_| ColumnsError::Unwritable)
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// All but [`ColumnsError::Unwritable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ColumnsError> {
        let (header, packed) = bytes.split_at_checked(HEADER).ok_or(ColumnsError::NotThisForm)?;
        let mut header = Cursor(header);
        if header.take(MAGIC.len())? != MAGIC {
            return Err(ColumnsError::NotThisForm);
        }
        let version = header.byte()?;
        if version != VERSION {
            return Err(ColumnsError::Version(version));
        }
        let date = u64::from_be_bytes(header.array()?);
        let length = u32::from_be_bytes(header.array()?);
        let crc = u32::from_be_bytes(header.array()?);
        if length > MAX_UNPACKED {
            return Err(ColumnsError::Damaged);
        }
        let mut body = Vec::with_capacity(length as usize);
        let inflate = DeflateDecoder::new(packed);
        inflate.take(u64::from(length) + 1).read_to_end(&mut body).map_err(|_| ColumnsError::Damaged)?;
        if body.len() != length as usize || checksum(&body) != crc {
            return Err(ColumnsError::Damaged);
        }
        let mut body = Cursor(&body);
        let codes = read_codes(&mut body)?;
        let v4 = read_family(&mut body, &codes)?
            .into_iter()
            .map(|(start, code)| Ok((u32::try_from(start).map_err(|_| ColumnsError::Damaged)?, code)))
            .collect::<Result<_, _>>()?;
        let v6 = read_family(&mut body, &codes)?;
        if !body.0.is_empty() {
            return Err(ColumnsError::Damaged);
        }
        Ok(Self { date, v4, v6 })
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn write_family(
    body: &mut Vec<u8>,
    runs: impl ExactSizeIterator<Item = (u64, u8)> + Clone,
) -> Result<(), ColumnsError> {
    write_number(body, runs.len() as u64);
    let mut last: Option<u64> = None;
    for (start, _) in runs.clone() {
        let distance = match last {
            None => start,
            Some(last) => start.checked_sub(last).filter(|&d| d > 0).ok_or(ColumnsError::Unwritable)?,
        };
        write_number(body, distance);
        last = Some(start);
    }
    body.extend(runs.map(|(_, index)| index));
    Ok(())
}

fn write_number(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.push(number as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

/// The codes by index, `None` first.
fn read_codes(body: &mut Cursor<'_>) -> Result<Vec<Option<CountryCode>>, ColumnsError> {
    let count = usize::from(body.byte()?);
    let codes = body.take(count * 2)?.chunks_exact(2).map(|code| {
        let code = std::str::from_utf8(code).ok().and_then(CountryCode::new);
        code.map(Some).ok_or(ColumnsError::Damaged)
    });
    std::iter::once(Ok(None)).chain(codes).collect()
}

type Runs = Vec<(u64, Option<CountryCode>)>;

fn read_family(body: &mut Cursor<'_>, codes: &[Option<CountryCode>]) -> Result<Runs, ColumnsError> {
    // Each run takes two bytes at least, so a damaged count reserves no more than the body's own size suggests.
    let count = usize::try_from(body.number()?).ok().filter(|&n| n <= body.0.len() / 2).ok_or(ColumnsError::Damaged)?;
    let mut starts = Vec::with_capacity(count);
    let mut start = 0_u64;
    for i in 0..count {
        let distance = body.number()?;
        if i > 0 && distance == 0 {
            return Err(ColumnsError::Damaged);
        }
        start = start.checked_add(distance).ok_or(ColumnsError::Damaged)?;
        starts.push(start);
    }
    let countries = body.take(count)?.iter();
    let code = |&index: &u8| codes.get(usize::from(index)).copied().ok_or(ColumnsError::Damaged);
    starts.into_iter().zip(countries).map(|(start, index)| Ok((start, code(index)?))).collect()
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ColumnsError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ColumnsError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ColumnsError> {
        self.take(N)?.try_into().map_err(|_| ColumnsError::Damaged)
    }

    fn byte(&mut self) -> Result<u8, ColumnsError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, ColumnsError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ColumnsError::Damaged)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code() -> impl Strategy<Value = Option<CountryCode>> {
        proptest::option::of("[A-F][A-Z]").prop_map(|code| code.as_deref().and_then(CountryCode::new))
    }

    fn countries() -> impl Strategy<Value = Countries> {
        let v4 = proptest::collection::btree_map(0..1_u32 << 24, code(), 0..60);
        let v6 = proptest::collection::btree_map(any::<u64>(), code(), 0..60);
        (any::<u64>(), v4, v6).prop_map(|(date, v4, v6)| Countries {
            date,
            v4: v4.into_iter().collect(),
            v6: v6.into_iter().collect(),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(countries in countries()) {
            prop_assert_eq!(Countries::decode(&countries.encode().unwrap()), Ok(countries));
        }

        #[test]
        fn damage_to_any_byte_but_the_date_is_noticed(countries in countries(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let mut bytes = countries.encode().unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            match Countries::decode(&bytes) {
                Err(_) => {}
                // Unused bits of the last deflated byte mean nothing.
                Ok(read) => prop_assert!((9..17).contains(&at) || read == countries, "byte {}", at),
            }
        }

        #[test]
        fn what_is_cut_short_is_refused(countries in countries(), at in any::<prop::sample::Index>()) {
            let bytes = countries.encode().unwrap();
            prop_assert!(Countries::decode(&bytes[..at.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn starts_out_of_order_are_not_written() {
        let v4 = vec![(2, None), (1, CountryCode::new("DE"))];
        assert_eq!(Countries { v4, ..Countries::default() }.encode(), Err(ColumnsError::Unwritable));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = Countries::default().encode().unwrap();
        bytes[8] = 9;
        assert_eq!(Countries::decode(&bytes), Err(ColumnsError::Version(9)));
        assert_eq!(Countries::decode(b"\xab\xcd\xefMaxMind.com is another form"), Err(ColumnsError::NotThisForm));
    }
}
