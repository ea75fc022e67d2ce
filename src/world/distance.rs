//! Coordinates and the great circle between them.

use std::fmt;

/// The mean radius of the Earth in metres (semantics, Geoproximity: 6371.0088 km).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A point on the Earth in degrees: latitude −90 to 90, longitude −180 to 180.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LatLon {
    /// Degrees north of the equator.
    pub lat: f64,
    /// Degrees east of Greenwich.
    pub lon: f64,
}

impl LatLon {
    /// A point, when both numbers are in range.
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon })
    }

    /// The bits, for hashing and for exact comparison.
    pub fn bits(self) -> (u64, u64) {
        (self.lat.to_bits(), self.lon.to_bits())
    }
}

impl fmt::Display for LatLon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2},{:.2}", self.lat, self.lon)
    }
}

/// Great-circle distance in whole metres (G8), by the haversine formula on a sphere.
pub fn distance_m(a: LatLon, b: LatLon) -> u32 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lon = ((b.lon - a.lon).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
    (2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> LatLon {
        LatLon { lat, lon }
    }

    #[test]
    fn gp1_st_johns_is_2179_km_from_washington_and_3735_km_from_london() {
        let st_johns = at(47.56, -52.71);
        assert_eq!((distance_m(st_johns, at(38.90, -77.01)) + 50) / 100, 21_792);
        assert_eq!((distance_m(st_johns, at(51.50, -0.16)) + 50) / 100, 37_353);
    }

    #[test]
    fn gp4_the_date_line_is_no_edge() {
        let metres = distance_m(at(0.0, 179.9), at(0.0, -179.9));
        assert!((22_000..22_500).contains(&metres), "{metres}");
    }

    #[test]
    fn opposite_points_are_half_a_circumference_apart() {
        assert_eq!(distance_m(at(0.0, 0.0), at(0.0, 180.0)) / 1000, 20_015);
    }
}
