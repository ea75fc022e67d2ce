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

/// How far [`Direction::metres`] may be from [`distance_m`]: half a metre of rounding, and near opposite points, where
/// the arcsine is steep, a third of a metre of arithmetic on either side.
pub const NEARLY_M: f64 = 2.0;

/// A point as a vector from the centre of the Earth, of length 1: what it takes to compare very many distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Direction([f64; 3]);

impl Direction {
    /// The direction of a point.
    pub fn of(at: LatLon) -> Self {
        let ((sin_lat, cos_lat), (sin_lon, cos_lon)) = (at.lat.to_radians().sin_cos(), at.lon.to_radians().sin_cos());
        Self([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat])
    }

    /// The square of the straight line to another point, in radii: 0 to 4. It grows with the distance; where two of
    /// them differ by [`CHORD_SQUARED_APART`] or more, the distances in whole metres differ as well.
    #[inline]
    pub fn chord_squared(&self, to: &Self) -> f64 {
        let [x, y, z] = [0, 1, 2].map(|axis| self.0[axis] - to.0[axis]);
        x * x + y * y + z * z
    }

    /// The distance in metres, to within [`NEARLY_M`].
    pub fn metres(&self, to: &Self) -> f64 {
        2.0 * EARTH_RADIUS_M * (self.chord_squared(to).sqrt() / 2.0).min(1.0).asin()
    }
}

/// The difference of two [`Direction::chord_squared`] from which on the distances differ by twice [`NEARLY_M`]: the
/// sum of two chords is at most 4 radii, and an arc grows no slower than its chord.
pub const CHORD_SQUARED_APART: f64 = 4.0 * 2.0 * NEARLY_M / EARTH_RADIUS_M;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = LatLon> {
        let lat = prop_oneof![4 => -90.0..=90.0_f64, 1 => Just(90.0), 1 => Just(-90.0), 1 => Just(0.0)];
        let lon = prop_oneof![4 => -180.0..=180.0_f64, 1 => Just(180.0), 1 => Just(-180.0), 1 => Just(0.0)];
        (lat, lon).prop_map(|(lat, lon)| LatLon { lat, lon })
    }

    /// A second point: anywhere, close by, or close to opposite.
    fn pair() -> impl Strategy<Value = (LatLon, LatLon)> {
        (point(), point(), 0..3, -6..0_i32).prop_map(|(a, b, kind, power)| {
            let (lat, lon) = (b.lat / 90.0 * 10_f64.powi(power), b.lon / 180.0 * 10_f64.powi(power));
            let b = match kind {
                0 => b,
                1 => LatLon { lat: (a.lat + lat).clamp(-90.0, 90.0), lon: (a.lon + lon).clamp(-180.0, 180.0) },
                _ => LatLon {
                    lat: (lat - a.lat).clamp(-90.0, 90.0),
                    lon: (a.lon - 180.0_f64.copysign(a.lon) + lon).clamp(-180.0, 180.0),
                },
            };
            (a, b)
        })
    }

    proptest! {
        #[test]
        fn directions_give_the_distance_to_within_what_they_promise((a, b) in pair()) {
            let nearly = Direction::of(a).metres(&Direction::of(b));
            prop_assert!((nearly - f64::from(distance_m(a, b))).abs() <= NEARLY_M, "{} {}", nearly, distance_m(a, b));
        }

        #[test]
        fn g8_chords_that_are_apart_are_distances_that_differ((from, a) in pair(), b in point(), step in 0..40_u32) {
            // Also two points beside each other, a few metres up to some kilometres.
            let near = LatLon { lat: (a.lat + 1e-5 * 1.5_f64.powi(step as i32)).min(90.0), lon: a.lon };
            let origin = Direction::of(from);
            for (a, b) in [(a, b), (a, near), (near, a)] {
                let chords = [a, b].map(|to| origin.chord_squared(&Direction::of(to)));
                if chords[1] - chords[0] >= CHORD_SQUARED_APART {
                    prop_assert!(distance_m(from, a) < distance_m(from, b), "{:?}", chords);
                }
            }
        }
    }

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
