//! One record of a database → what it says of a place.
//!
//! Two layouts are read, and any mix of them: the nested one of MaxMind and DB-IP (`country.iso_code`,
//! `location.latitude`) and the flat one of IPinfo and IPLocate (`country_code`, `latitude`, `asn`). Vendors write
//! numbers as 32-bit floats, doubles, integers or text, so every value is taken as what the file says that it is,
//! and a field of an unexpected shape counts as missing instead of spoiling the whole file.

use crate::world::{CountryCode, LatLon, Place, SubdivisionCode};

/// From this radius in kilometres on, coordinates say no more than the country does.
const VAGUE_RADIUS_KM: f64 = 500.0;

/// The fields of a record's top level, in both layouts.
#[derive(Default)]
pub(super) struct Record<'a> {
    country: Value<'a>,
    country_code: Value<'a>,
    registered_country: Value<'a>,
    subdivisions: Value<'a>,
    location: Value<'a>,
    traits: Value<'a>,
    region_code: Value<'a>,
    subdivision_code: Value<'a>,
    subdivision: Value<'a>,
    region: Value<'a>,
    latitude: Value<'a>,
    lat: Value<'a>,
    longitude: Value<'a>,
    lng: Value<'a>,
    lon: Value<'a>,
    accuracy_radius: Value<'a>,
    radius: Value<'a>,
    autonomous_system_number: Value<'a>,
    asn: Value<'a>,
}

/// The fields of the maps inside a record.
#[derive(Default, Clone, Copy)]
pub(super) struct Inner<'a> {
    iso_code: Scalar<'a>,
    latitude: Scalar<'a>,
    longitude: Scalar<'a>,
    accuracy_radius: Scalar<'a>,
    autonomous_system_number: Scalar<'a>,
    asn: Scalar<'a>,
}

#[derive(Default, Clone, Copy)]
pub(super) enum Scalar<'a> {
    #[default]
    Missing,
    Text(&'a str),
    Number(f64),
}

/// A scalar, a map, or the first element of a list (`subdivisions` is ordered from the widest).
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Scalar(Scalar<'a>),
    Map(Inner<'a>),
}

impl Default for Value<'_> {
    fn default() -> Self {
        Self::Scalar(Scalar::Missing)
    }
}

impl<'a> From<Scalar<'a>> for Value<'a> {
    fn from(scalar: Scalar<'a>) -> Self {
        Self::Scalar(scalar)
    }
}

impl<'a> Record<'a> {
    /// Where the value of a name goes; `None` for names that make no place.
    pub(super) fn field(&mut self, name: &[u8]) -> Option<&mut Value<'a>> {
        Some(match name {
            b"country" => &mut self.country,
            b"country_code" => &mut self.country_code,
            b"registered_country" => &mut self.registered_country,
            b"subdivisions" => &mut self.subdivisions,
            b"location" => &mut self.location,
            b"traits" => &mut self.traits,
            b"region_code" => &mut self.region_code,
            b"subdivision_code" => &mut self.subdivision_code,
            b"subdivision" => &mut self.subdivision,
            b"region" => &mut self.region,
            b"latitude" => &mut self.latitude,
            b"lat" => &mut self.lat,
            b"longitude" => &mut self.longitude,
            b"lng" => &mut self.lng,
            b"lon" => &mut self.lon,
            b"accuracy_radius" => &mut self.accuracy_radius,
            b"radius" => &mut self.radius,
            b"autonomous_system_number" => &mut self.autonomous_system_number,
            b"asn" => &mut self.asn,
            _ => return None,
        })
    }

    /// The record as a place without a continent: that is derived from the country when all databases are together
    /// (GL4). Coordinates that are missing, vague or impossible are left out.
    pub(super) fn place(&self) -> Place {
        let country = first([&self.country, &self.country_code, &self.registered_country].map(|v| v.code().country()));
        let subdivision = country.and_then(|country| {
            let fields =
                [&self.subdivisions, &self.region_code, &self.subdivision_code, &self.subdivision, &self.region];
            first(fields.map(|v| v.code().subdivision(country)))
        });
        let asn = first([
            self.autonomous_system_number.inner(|m| m.autonomous_system_number).asn(),
            self.asn.inner(|m| m.asn).asn(),
            self.traits.inner(|m| m.autonomous_system_number).asn(),
        ]);
        Place { continent: None, country, subdivision, at: self.coordinates(), asn }
    }

    fn coordinates(&self) -> Option<LatLon> {
        let location = |field: for<'b> fn(Inner<'b>) -> Scalar<'b>| match self.location {
            Value::Map(inner) => field(inner).number(),
            Value::Scalar(_) => None,
        };
        let lat = location(|m| m.latitude).or_else(|| first([&self.latitude, &self.lat].map(Value::number)))?;
        let lon =
            location(|m| m.longitude).or_else(|| first([&self.longitude, &self.lng, &self.lon].map(Value::number)))?;
        let radius =
            location(|m| m.accuracy_radius).or_else(|| first([&self.accuracy_radius, &self.radius].map(Value::number)));
        let vague = radius.is_some_and(|km| km >= VAGUE_RADIUS_KM);
        // Flat databases write 0,0 where they know nothing; nobody lives at that point of the Gulf of Guinea.
        let nowhere = lat == 0.0 && lon == 0.0;
        LatLon::new(lat, lon).filter(|_| !vague && !nowhere)
    }
}

fn first<T, const N: usize>(options: [Option<T>; N]) -> Option<T> {
    options.into_iter().flatten().next()
}

impl<'a> Inner<'a> {
    /// Where the value of a name goes; `None` for names that make no place.
    pub(super) fn field(&mut self, name: &[u8]) -> Option<&mut Scalar<'a>> {
        Some(match name {
            b"iso_code" => &mut self.iso_code,
            b"latitude" => &mut self.latitude,
            b"longitude" => &mut self.longitude,
            b"accuracy_radius" => &mut self.accuracy_radius,
            b"autonomous_system_number" => &mut self.autonomous_system_number,
            b"asn" => &mut self.asn,
            _ => return None,
        })
    }
}

impl<'a> Value<'a> {
    /// The value where no map is meant.
    pub(super) fn scalar(self) -> Scalar<'a> {
        match self {
            Self::Scalar(scalar) => scalar,
            Self::Map(_) => Scalar::Missing,
        }
    }

    /// A code stands alone or as the `iso_code` of a map.
    fn code(&self) -> Scalar<'a> {
        self.inner(|m| m.iso_code)
    }

    fn inner(&self, field: fn(Inner<'a>) -> Scalar<'a>) -> Scalar<'a> {
        match *self {
            Self::Scalar(scalar) => scalar,
            Self::Map(inner) => field(inner),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Scalar(scalar) => scalar.number(),
            Self::Map(_) => None,
        }
    }
}

impl Scalar<'_> {
    fn country(self) -> Option<CountryCode> {
        match self {
            Self::Text(text) => {
                let mut code: [u8; 2] = text.as_bytes().try_into().ok()?;
                code.make_ascii_uppercase();
                CountryCode::new(std::str::from_utf8(&code).ok()?)
            }
            _ => None,
        }
    }

    /// `CA`, `06` or `US-CA`; a name such as `California` is none, and neither is another country's code.
    fn subdivision(self, country: CountryCode) -> Option<SubdivisionCode> {
        let Self::Text(text) = self else { return None };
        let code = match text.len() {
            len @ 1..=3 => {
                let mut code = [0; 6];
                code[..2].copy_from_slice(country.as_str().as_bytes());
                code[2] = b'-';
                code[3..3 + len].copy_from_slice(text.as_bytes());
                std::str::from_utf8(&code[..3 + len]).ok().and_then(SubdivisionCode::new)
            }
            4..=6 => SubdivisionCode::new(text),
            _ => None,
        };
        code.filter(|code| code.country() == country)
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Missing => None,
        }
        .filter(|number| number.is_finite())
    }

    /// `64512`, `"64512"` or `"AS64512"`; 0 is what RFC 7607 keeps from being anyone's.
    fn asn(self) -> Option<u32> {
        let number = match self {
            Self::Number(number) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) => {
                number as u32
            }
            Self::Text(text) => {
                let digits = text.get(..2).filter(|p| p.eq_ignore_ascii_case("as")).map_or(text, |p| &text[p.len()..]);
                digits.parse().ok()?
            }
            _ => return None,
        };
        (number != 0).then_some(number)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    /// A value as a database would give it.
    fn value(json: &Json) -> Value<'_> {
        match json {
            Json::String(text) => Scalar::Text(text).into(),
            Json::Number(number) => Scalar::Number(number.as_f64().unwrap()).into(),
            Json::Array(list) => list.first().map(value).unwrap_or_default(),
            Json::Object(map) => {
                let mut inner = Inner::default();
                for (name, json) in map {
                    inner.field(name.as_bytes()).into_iter().for_each(|field| *field = value(json).scalar());
                }
                Value::Map(inner)
            }
            Json::Null | Json::Bool(_) => Value::default(),
        }
    }

    fn place(json: &Json) -> Place {
        let mut record = Record::default();
        for (name, json) in json.as_object().unwrap() {
            record.field(name.as_bytes()).into_iter().for_each(|field| *field = value(json));
        }
        record.place()
    }

    fn country(place: Place) -> String {
        place.country.unwrap().to_string()
    }

    #[test]
    fn the_nested_layout_gives_country_first_subdivision_coordinates_and_asn() {
        let place = place(&json!({
            "city": {"names": {"en": "Oakland"}},
            "country": {"iso_code": "US", "geoname_id": 6_252_001},
            "registered_country": {"iso_code": "CA"},
            "subdivisions": [{"iso_code": "CA", "names": {"en": "California"}}, {"iso_code": "XYZ"}],
            "location": {"latitude": 37.8, "longitude": -122.27, "accuracy_radius": 20},
            "traits": {"autonomous_system_number": 64_512},
        }));
        assert_eq!(country(place), "US");
        assert_eq!(place.subdivision.unwrap().as_str(), "US-CA");
        assert_eq!(place.at, LatLon::new(37.8, -122.27));
        assert_eq!(place.asn, Some(64_512));
        assert_eq!(place.continent, None);
    }

    #[test]
    fn the_registered_country_serves_only_where_the_country_is_missing() {
        assert_eq!(country(place(&json!({"registered_country": {"iso_code": "DE"}}))), "DE");
        let both = json!({"country": {"iso_code": "FR"}, "registered_country": {"iso_code": "DE"}});
        assert_eq!(country(place(&both)), "FR");
    }

    #[test]
    fn the_flat_layout_takes_numbers_as_text_too() {
        let place = place(&json!({
            "country_code": "de", "country": "Germany", "region": "Hesse", "region_code": "HE",
            "latitude": "50.11", "lng": "8.68", "asn": "AS3320",
        }));
        assert_eq!(country(place), "DE");
        assert_eq!(place.subdivision.unwrap().as_str(), "DE-HE");
        assert_eq!(place.at, LatLon::new(50.11, 8.68));
        assert_eq!(place.asn, Some(3320));
    }

    #[test]
    fn a_region_that_is_a_name_or_of_another_country_is_left_out() {
        assert_eq!(place(&json!({"country": "US", "region": "California"})).subdivision, None);
        assert_eq!(place(&json!({"country": "US", "region_code": "CA-ON"})).subdivision, None);
        assert_eq!(place(&json!({"region_code": "US-CA"})).subdivision, None);
    }

    #[test]
    fn coordinates_with_a_radius_of_500_km_are_left_out_and_with_499_are_kept() {
        let with = |radius: u32| {
            place(&json!({"location": {"latitude": 1.5, "longitude": 2.5, "accuracy_radius": radius}})).at
        };
        assert_eq!(with(500), None);
        assert_eq!(with(499), LatLon::new(1.5, 2.5));
    }

    #[test]
    fn impossible_or_empty_coordinates_are_left_out() {
        assert_eq!(place(&json!({"latitude": 91, "longitude": 0})).at, None);
        assert_eq!(place(&json!({"latitude": "0", "longitude": "0.0"})).at, None);
        assert_eq!(place(&json!({"latitude": 10})).at, None);
        assert_eq!(place(&json!({"latitude": "NaN", "longitude": 1})).at, None);
    }

    #[test]
    fn as_numbers_come_in_every_writing_and_0_is_none() {
        for asn in [json!(64_512), json!("64512"), json!("AS64512"), json!("as64512"), json!({"asn": "AS64512"})] {
            assert_eq!(place(&json!({"asn": asn})).asn, Some(64_512), "{asn}");
        }
        for asn in [json!(0), json!("AS"), json!(-1), json!(1.5), json!(4_294_967_296_u64), json!("ÄS1")] {
            assert_eq!(place(&json!({"asn": asn})).asn, None, "{asn}");
        }
    }

    #[test]
    fn fields_of_a_strange_shape_count_as_missing() {
        let odd = json!({"country": ["US"], "location": [1, {"a": []}], "subdivisions": {}, "traits": true, "asn": []});
        assert_eq!(country(place(&odd)), "US");
        assert_eq!(place(&json!({"country": 1, "latitude": [], "longitude": {}})), Place::default());
    }
}
