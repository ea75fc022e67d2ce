//! Geo databases.

use std::net::IpAddr;
use std::path::Path;

use rhumb::geo;

/// A file is refused with a cause and a remedy on one line, or every address has the place that a look-up of that
/// address alone finds.
pub fn database(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("some.mmdb");
    std::fs::write(&path, data).expect("a file");
    match geo::read(&path) {
        Ok((places, info)) => {
            assert_eq!(info.path.as_ref(), Some(&path));
            for address in addresses(data) {
                compare(&path, &places, address);
            }
        }
        Err(fault) => {
            assert_eq!(fault.path.as_deref(), Some(&*path));
            let text = fault.to_string();
            assert!(!fault.cause.is_empty() && !text.contains(char::is_control), "{text:?}");
        }
    }
}

fn compare(path: &Path, places: &geo::Places, address: IpAddr) {
    let place = places.place(places.lookup(address));
    assert_eq!(geo::read_one(path, address).as_ref(), Ok(place), "{address}");
}

/// Some that are in most databases, and some that the file itself gives.
fn addresses(data: &[u8]) -> Vec<IpAddr> {
    let fixed = ["1.0.0.1", "81.2.69.160", "203.0.113.9", "255.255.255.255", "2001:218::1", "2a02::1", "::1"];
    let mut addresses: Vec<IpAddr> = fixed.iter().map(|text| text.parse().expect("an address")).collect();
    for octets in data.windows(16).step_by(data.len() / 4 + 1) {
        let octets: [u8; 16] = octets.try_into().expect("sixteen");
        addresses.push(octets.into());
        addresses.push([octets[0], octets[1], octets[2], octets[3]].into());
    }
    addresses
}
