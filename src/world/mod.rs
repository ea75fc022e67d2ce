//! What the world looks like: continents, countries, subdivisions, the clouds' regions, distance, and which addresses
//! are not out in it.
//!
//! Comes in: nothing but codes and addresses. Goes out: names, centres of population, coordinates. Every table is a
//! constant, sorted by its code, and no function here can fail in any other way than "no such code".
//!
//! `countries.rs` and `subdivisions.rs` are written by `generate.py` from GeoNames (CC BY 4.0, see
//! `ATTRIBUTION.md`), `cloud.rs` and `unions.rs` by hand.

mod cloud;
mod code;
mod countries;
mod distance;
mod place;
mod special;
mod subdivisions;
#[cfg(test)]
mod table_tests;
mod unions;

pub use cloud::{CLOUD_REGIONS, CloudRegion, cloud_region};
pub use code::{Continent, CountryCode, SubdivisionCode};
pub use countries::{COUNTRIES, Country, country};
pub use distance::{CHORD_SQUARED_APART, Direction, LatLon, NEARLY_M, distance_m};
pub use place::Place;
pub use special::inward;
pub use subdivisions::{SUBDIVISIONS, Subdivision, subdivision};
pub use unions::{EEA, EU27};
