//! What the world looks like: continents, countries, subdivisions, the clouds' regions, and distance.
//!
//! Comes in: nothing but codes. Goes out: names, centres of population, coordinates. Every table is a
//! constant, sorted by its code, and no function here can fail in any other way than "no such code".

mod code;
mod distance;
mod place;

pub use code::{Continent, CountryCode, SubdivisionCode};
pub use distance::{LatLon, distance_m};
pub use place::Place;

mod tables;

pub use tables::{
    CLOUD_REGIONS, COUNTRIES, CloudRegion, Country, EEA, EU27, SUBDIVISIONS, Subdivision, cloud_region, country,
    subdivision,
};
