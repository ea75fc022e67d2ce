//! The world database in the binary: a country for nearly every address, so that a server steers with no file at all.

use super::columns::Countries;
use super::database::{DatabaseInfo, Fields, Layer};
use super::error::GeoError;
use super::places::{PlaceId, PlacesBuilder};
use crate::world::Place;

/// Made by `cargo run --example build_world`; source and licence stand in `geoip-fixtures/README.md`.
static EMBEDDED: &[u8] = include_bytes!("../../geoip-fixtures/world.bin");

/// The embedded database, as it is.
pub(super) fn read() -> Result<Layer, GeoError> {
    let countries = Countries::decode(EMBEDDED).map_err(GeoError::embedded)?;
    let mut builder = PlacesBuilder::default();
    builder.reserve(countries.v4.len(), countries.v6.len());
    for (start, country) in countries.v4 {
        let id = builder.intern(&Place { country, ..Place::default() });
        builder.push_v4(start, id);
    }
    for (start, country) in countries.v6 {
        let id = builder.intern(&Place { country, ..Place::default() });
        builder.push_v6(start, id);
    }
    let places = builder.finish();
    let v4 = places.v4().iter().map(|&(_, id)| id);
    let v6 = places.v6().iter().map(|&(_, id)| id);
    let info = DatabaseInfo {
        path: None,
        kind: "IPFire Location, by country".into(),
        built: countries.date,
        networks: v4.chain(v6).filter(|&id| id != PlaceId::default()).count(),
        fields: Fields::of_any(&places),
    };
    Ok(Layer { info, places })
}
