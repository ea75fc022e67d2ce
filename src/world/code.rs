//! Codes: continents, ISO 3166-1 countries, ISO 3166-2 subdivisions.

use std::fmt;

/// A continent, by the two letters that geo databases use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Continent {
    /// Africa, `AF`.
    Africa,
    /// Antarctica, `AN`.
    Antarctica,
    /// Asia, `AS`.
    Asia,
    /// Europe, `EU`.
    Europe,
    /// North America, `NA`.
    NorthAmerica,
    /// Oceania, `OC`.
    Oceania,
    /// South America, `SA`.
    SouthAmerica,
}

impl Continent {
    /// All seven, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Africa,
        Self::Antarctica,
        Self::Asia,
        Self::Europe,
        Self::NorthAmerica,
        Self::Oceania,
        Self::SouthAmerica,
    ];

    /// The two-letter code, such as `EU`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Africa => "AF",
            Self::Antarctica => "AN",
            Self::Asia => "AS",
            Self::Europe => "EU",
            Self::NorthAmerica => "NA",
            Self::Oceania => "OC",
            Self::SouthAmerica => "SA",
        }
    }

    /// The continent of a two-letter code in capitals.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code() == code)
    }
}

impl fmt::Display for Continent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An ISO 3166-1 alpha-2 code in capitals. The form is checked, not that the country exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// Two ASCII letters, in capitals; anything else is `None`.
    pub const fn new(code: &str) -> Option<Self> {
        match code.as_bytes() {
            &[a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Some(Self([a, b])),
            _ => None,
        }
    }

    /// A code that a constant table spells out; one that is ill-formed does not compile.
    #[allow(clippy::panic, reason = "only constants call it, so that the compiler is who panics")]
    pub(super) const fn of_table(code: &str) -> Self {
        match Self::new(code) {
            Some(code) => code,
            None => panic!("a country code is two capital letters"),
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An ISO 3166-2 code such as `US-CA`: a country, a hyphen, one to three letters or digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubdivisionCode {
    bytes: [u8; 6],
    len: u8,
}

impl SubdivisionCode {
    /// Checks the form only; the list of ISO 3166-2 is not needed to match clients by it.
    pub fn new(code: &str) -> Option<Self> {
        let (country, rest) = code.split_once('-')?;
        CountryCode::new(country)?;
        let fits = (1..=3).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !fits {
            return None;
        }
        let mut bytes = [0; 6];
        bytes.get_mut(..code.len())?.copy_from_slice(code.as_bytes());
        Some(Self { bytes, len: code.len() as u8 })
    }

    /// The whole code, such as `US-CA`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("??")
    }

    /// The country it belongs to.
    pub fn country(&self) -> CountryCode {
        CountryCode([self.bytes[0], self.bytes[1]])
    }
}

impl fmt::Display for SubdivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
