//! Address to place: databases, the embedded world, operator networks; place to region: the map.

pub mod listed;
pub mod map;
mod places;

pub use listed::{Listed, NetId};
pub use map::{Leaf, Map, Region};
pub use places::{PlaceId, Places, PlacesBuilder};
