//! What is known of where a client is.

use super::{Continent, CountryCode, LatLon, SubdivisionCode};

/// What is known of a client's network. Every field may be missing; all missing is "no place known".
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Place {
    /// From our country table, never from a database (GL4); set without a country only by `[networks]`.
    pub continent: Option<Continent>,
    /// ISO 3166-1.
    pub country: Option<CountryCode>,
    /// ISO 3166-2, always of `country`.
    pub subdivision: Option<SubdivisionCode>,
    /// The database's coordinates, else the centre of population of the subdivision or country.
    pub at: Option<LatLon>,
    /// Autonomous system number.
    pub asn: Option<u32>,
}

impl Place {
    /// Nothing is known of this client.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}
