//! Address to place: databases and the embedded world; place to region: the map.
//!
//! Comes in: MMDB files of either layout, and the world database in the binary. Goes out: [`Places`], one sorted
//! list per family of what all of them together know of every /24 and /56 (E2), and [`DatabaseInfo`] on each.
//!
//! Invariants: a file is read whole and the place of every record decoded when it is loaded, so that corruption shows
//! then and a look-up cannot fail; earlier databases win field by field and the embedded one comes last; the continent
//! always follows from the country by our table (GL4). The operator's own networks lie above all this, in the map.

mod columns;
mod complete;
mod data;
mod database;
mod embedded;
mod error;
mod hash;
pub mod listed;
pub mod map;
mod marks;
mod mmdb;
pub(crate) mod parallel;
mod places;
mod record;
mod runs;
mod table;
mod tree;

#[cfg(test)]
mod tests;

pub use columns::{ColumnsError, Countries};
pub use database::{DatabaseInfo, Field, Fields, Origin, STALE_AFTER, describe, load, read, read_one, world};
pub use error::GeoError;
pub(crate) use hash::FastMap;
pub use listed::{Listed, NetId};
pub use map::{Leaf, Map, Region};
pub use places::{PlaceId, Places, PlacesBuilder};
