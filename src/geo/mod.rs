//! STUB in part. Address to place: databases, the embedded world, operator networks; place to region: the map.

mod places;

pub use places::{PlaceId, Places, PlacesBuilder};
