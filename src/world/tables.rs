//! STUB, replaced by the world tables: see the types for the shape.

use super::{Continent, CountryCode, LatLon};

/// A country or territory of ISO 3166-1.
#[derive(Debug)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: CountryCode,
    /// Its English short name.
    pub name: &'static str,
    /// GL4.
    pub continent: Continent,
    /// Centre of population.
    pub centre: LatLon,
}

/// A subdivision of ISO 3166-2.
#[derive(Debug)]
pub struct Subdivision {
    /// Such as `US-CA`.
    pub code: &'static str,
    /// Its English name.
    pub name: &'static str,
    /// Centre of population.
    pub centre: LatLon,
}

/// A public region of a cloud.
#[derive(Debug)]
pub struct CloudRegion {
    /// Such as `aws:us-east-1`.
    pub label: &'static str,
    /// The place in words.
    pub name: &'static str,
    /// The country it lies in.
    pub country: CountryCode,
    /// Its coordinates.
    pub at: LatLon,
}

/// All of ISO 3166-1, by code.
pub const COUNTRIES: &[Country] = &[];
/// By code.
pub const SUBDIVISIONS: &[Subdivision] = &[];
/// By label.
pub const CLOUD_REGIONS: &[CloudRegion] = &[];
/// The members of the European Union.
pub const EU27: &[CountryCode] = &[];
/// The European Economic Area.
pub const EEA: &[CountryCode] = &[];

/// The country of a code.
pub fn country(code: CountryCode) -> Option<&'static Country> {
    COUNTRIES.binary_search_by_key(&code, |c| c.code).ok().map(|i| &COUNTRIES[i])
}

/// The subdivision of a code such as `US-CA`.
pub fn subdivision(code: &str) -> Option<&'static Subdivision> {
    SUBDIVISIONS.binary_search_by_key(&code, |s| s.code).ok().map(|i| &SUBDIVISIONS[i])
}

/// The cloud region of a label such as `aws:us-east-1`.
pub fn cloud_region(label: &str) -> Option<&'static CloudRegion> {
    CLOUD_REGIONS.binary_search_by_key(&label, |r| r.label).ok().map(|i| &CLOUD_REGIONS[i])
}
