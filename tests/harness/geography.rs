//! Places in a few words.

use std::net::IpAddr;

use ipnet::IpNet;
use rhumb::geo::{Places, PlacesBuilder};
use rhumb::world::{Continent, CountryCode, LatLon, Place, SubdivisionCode};

/// The continent of the countries that tests use.
pub fn continent(country: &str) -> Continent {
    match country {
        "US" | "CA" | "MX" => Continent::NorthAmerica,
        "DE" | "FR" | "GB" | "AT" | "CH" | "IS" | "NO" | "PT" | "TR" => Continent::Europe,
        "JP" | "KZ" | "CN" => Continent::Asia,
        "BR" => Continent::SouthAmerica,
        "AU" => Continent::Oceania,
        "ZA" | "EG" => Continent::Africa,
        other => panic!("{other} is no country of these tests"),
    }
}

pub fn in_country(country: &str, at: Option<(f64, f64)>) -> Place {
    Place {
        continent: Some(continent(country)),
        country: CountryCode::new(country),
        subdivision: None,
        at: at.map(|(lat, lon)| LatLon { lat, lon }),
        asn: None,
    }
}

pub fn in_subdivision(code: &str, at: Option<(f64, f64)>) -> Place {
    let subdivision = SubdivisionCode::new(code).expect("a code like US-CA");
    Place { subdivision: Some(subdivision), ..in_country(subdivision.country().as_str(), at) }
}

pub fn with_asn(place: Place, asn: u32) -> Place {
    Place { asn: Some(asn), ..place }
}

/// Makes the sorted list of networks that may nest; the longest one wins.
pub fn paint(networks: &[(IpNet, Place)]) -> Places {
    let mut builder = PlacesBuilder::default();
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for (net, _) in networks {
        match net {
            IpNet::V4(net) => {
                let first = u64::from(net.network().to_bits() >> 8);
                v4.extend([first, first + (1 << (24 - u64::from(net.prefix_len())))]);
            }
            IpNet::V6(net) => {
                let first = (net.network().to_bits() >> 72) as u64;
                v6.extend([first, first + (1 << (56 - u64::from(net.prefix_len())))]);
            }
        }
    }
    v4.sort_unstable();
    v4.dedup();
    v6.sort_unstable();
    v6.dedup();
    let place_of = |address: IpAddr| {
        networks
            .iter()
            .filter(|(net, _)| net.contains(&address))
            .max_by_key(|(net, _)| net.prefix_len())
            .map_or_else(Place::default, |&(_, place)| place)
    };
    for start in v4.into_iter().filter(|&start| start < 1 << 24) {
        let id = builder.intern(&place_of(IpAddr::V4(((start as u32) << 8).into())));
        builder.push_v4(start as u32, id);
    }
    for start in v6.into_iter().filter(|&start| start < 1 << 56) {
        let id = builder.intern(&place_of(IpAddr::V6((u128::from(start) << 72).into())));
        builder.push_v6(start, id);
    }
    builder.finish()
}
