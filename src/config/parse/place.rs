//! Places on the Earth: `aws:us-east-1`, `50.11,8.68`, `US-VA`, `DE`.

use crate::config::code;
use crate::config::findings::{Findings, Written};
use crate::config::suggest::did_you_mean;
use crate::world::{self, CountryCode, LatLon, Place, SubdivisionCode};

/// Coordinates of a text, and the label where it names a cloud region.
pub(super) fn coordinates(findings: &mut Findings, written: &Written<String>) -> Option<(LatLon, Option<String>)> {
    let text = written.value.trim();
    if let Some(region) = world::cloud_region(text) {
        return Some((region.at, Some(text.to_owned())));
    }
    if let Some(place) = coded(text).or_else(|| lat_lon(text)) {
        return place.at.map(|at| (at, None));
    }
    let help = if text.contains(':') {
        did_you_mean(text, world::CLOUD_REGIONS.iter().map(|region| region.label))
            .or_else(|| Some("clouds are `aws:`, `gcp:` and `azure:`".to_owned()))
    } else if text.contains(',') {
        Some("latitude is −90 to 90, longitude −180 to 180, in degrees".to_owned())
    } else {
        world::SUBDIVISIONS
            .iter()
            .find(|s| s.name.eq_ignore_ascii_case(text))
            .map(|s| s.code.to_owned())
            .or_else(|| world::COUNTRIES.iter().find(|c| c.name.eq_ignore_ascii_case(text)).map(|c| c.code.to_string()))
            .map(|code| format!("did you mean `{code}`?"))
    };
    findings
        .error(written.site, code::BAD_PLACE, format!("`{text}` is no place"))
        .label("expected a cloud region such as `aws:us-east-1`, `lat,lon`, `US-VA` or `DE`")
        .maybe_help(help);
    None
}

/// The place of a client, from a country, a subdivision or coordinates.
pub(super) fn client(findings: &mut Findings, written: &Written<String>) -> Option<Place> {
    let text = written.value.trim();
    let found = coded(text).or_else(|| lat_lon(text));
    if found.is_none() {
        findings
            .error(written.site, code::BAD_PLACE, format!("`{text}` is no place of a client"))
            .label("expected `US-NY`, `DE` or `lat,lon`");
    }
    found
}

fn coded(text: &str) -> Option<Place> {
    let (country, subdivision) = match SubdivisionCode::new(text) {
        Some(subdivision) => (subdivision.country(), Some(subdivision)),
        None => (CountryCode::new(text)?, None),
    };
    of(country, subdivision)
}

/// The place of a country and, where it is known, its subdivision.
pub(super) fn of(country: CountryCode, subdivision: Option<SubdivisionCode>) -> Option<Place> {
    let known = world::country(country)?;
    let centre = subdivision.and_then(|s| world::subdivision(s.as_str())).map_or(known.centre, |s| s.centre);
    Some(Place { continent: Some(known.continent), country: Some(country), subdivision, at: Some(centre), asn: None })
}

fn lat_lon(text: &str) -> Option<Place> {
    let (lat, lon) = text.split_once(',')?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let at = LatLon::new(number(lat)?, number(lon)?)?;
    Some(Place { at: Some(at), ..Place::default() })
}
