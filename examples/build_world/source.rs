//! The text form of IPFire Location in the package `tor-geoipdb` → runs of countries per /24 and /56.
//!
//! Lines are `first,last,CC`, addresses as numbers (IPv4) or text (IPv6), in ascending order, between comments one
//! of which tells when the data was made.

use std::net::Ipv6Addr;

use ipnet::IpNet;

/// Two letters that are no country of ISO 3166-1: unknown, regions at large (`EU`, `AP`), anonymous proxies,
/// satellites and Tor, states that are gone, slips of the pen.
const NO_COUNTRIES: [&str; 14] = ["??", "A1", "A2", "A3", "AB", "AN", "AP", "CS", "EU", "OS", "SU", "T1", "UN", "ZZ"];

/// Addresses that are nobody's in particular, by IANA's special-purpose registries. Whatever the source says of them,
/// they have no country.
const RESERVED: [&str; 22] = [
    "0.0.0.0/8",       // this network
    "10.0.0.0/8",      // private
    "100.64.0.0/10",   // shared by carriers
    "127.0.0.0/8",     // loopback
    "169.254.0.0/16",  // link-local
    "172.16.0.0/12",   // private
    "192.0.0.0/24",    // protocol assignments
    "192.0.2.0/24",    // documentation
    "192.88.99.0/24",  // once 6to4 relays
    "192.168.0.0/16",  // private
    "198.18.0.0/15",   // benchmarks
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
    "224.0.0.0/3",     // multicast, reserved, broadcast
    "::/3",            // all but 2000::/3 is no global unicast: unique local, link-local, multicast, NAT64 …
    "4000::/2",
    "8000::/1",
    "2001::/23",     // protocol assignments, Teredo among them
    "2001:db8::/32", // documentation
    "2002::/16",     // 6to4
    "3ffe::/16",     // once the 6bone
    "3fff::/20",     // documentation
];

/// What one file says.
pub(crate) struct Source {
    /// Seconds since 1970 (UTC).
    pub(crate) date: u64,
    /// (first /24 or /56 number, two letters), ascending, neighbours different.
    pub(crate) runs: Vec<(u64, Option<[u8; 2]>)>,
}

/// Reads the file `geoip`.
pub(crate) fn read_v4(text: &str) -> Result<Source, String> {
    let address = |text: &str| text.parse::<u32>().ok().map(u128::from);
    read(text, 32, 24, address)
}

/// Reads the file `geoip6`.
pub(crate) fn read_v6(text: &str) -> Result<Source, String> {
    let address = |text: &str| text.parse::<Ipv6Addr>().ok().map(|a| a.to_bits());
    read(text, 128, 56, address)
}

fn read(text: &str, bits: u32, key_bits: u32, address: impl Fn(&str) -> Option<u128>) -> Result<Source, String> {
    let reserved = reserved(bits, key_bits);
    let mut date = None;
    let mut runs = Runs { runs: vec![(0, None)], free: 0 };
    for (number, line) in text.lines().enumerate() {
        if let Some(comment) = line.strip_prefix('#') {
            date = date.or(comment.trim().strip_prefix("Generated:").and_then(|d| unix_time(d.trim())));
            continue;
        }
        let fault = |what: &str| format!("line {}: {what}: {line}", number + 1);
        let [first, last, code] = line.splitn(3, ',').collect::<Vec<_>>()[..] else {
            return Err(fault("not first,last,CC"));
        };
        let (first, last) = address(first).zip(address(last)).ok_or_else(|| fault("no addresses"))?;
        let shift = bits - key_bits;
        // The network address decides (E2): a range that begins inside a network begins with the next one.
        let (first, last) = ((first.div_ceil(1 << shift)) as u64, (last >> shift) as u64);
        if NO_COUNTRIES.contains(&code) || code.is_empty() || first > last {
            continue;
        }
        // Not assigned but written by some; ISO 3166-1 has GB.
        let code = if code == "UK" { "GB" } else { code };
        let letters: [u8; 2] = code.as_bytes().try_into().map_err(|_| fault("no country code"))?;
        if !letters.iter().all(u8::is_ascii_uppercase) {
            return Err(fault("no country code"));
        }
        for (first, last) in without(&reserved, first, last) {
            runs.push(first, last, letters).ok_or_else(|| fault("out of order"))?;
        }
    }
    let date = date.ok_or("no comment tells when the data was generated")?;
    Ok(Source { date, runs: runs.finish(1 << key_bits) })
}

/// The reserved networks of a family as inclusive ranges of /24 or /56 numbers, ascending.
fn reserved(bits: u32, key_bits: u32) -> Vec<(u64, u64)> {
    let networks = RESERVED.iter().filter_map(|text| text.parse::<IpNet>().ok());
    let mut ranges: Vec<(u64, u64)> = networks
        .filter(|network| u32::from(network.max_prefix_len()) == bits)
        .map(|network| match network {
            IpNet::V4(v4) => (u64::from(v4.network().to_bits() >> 8), u64::from(v4.broadcast().to_bits() >> 8)),
            IpNet::V6(v6) => {
                let key = |address: Ipv6Addr| (address.to_bits() >> (bits - key_bits)) as u64;
                (key(v6.network()), key(v6.broadcast()))
            }
        })
        .collect();
    ranges.sort_unstable();
    ranges
}

/// What is left of a range outside the reserved ones.
fn without(reserved: &[(u64, u64)], first: u64, last: u64) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    let mut first = Some(first);
    for &(low, high) in reserved {
        let Some(from) = first.filter(|&from| from <= high && low <= last) else { continue };
        if from < low {
            left.push((from, low - 1));
        }
        first = Some(high + 1).filter(|&next| next <= last);
    }
    left.extend(first.map(|from| (from, last)));
    left
}

struct Runs {
    runs: Vec<(u64, Option<[u8; 2]>)>,
    /// The first number that no range has covered yet.
    free: u64,
}

impl Runs {
    /// `None` when the range begins before the end of the last one.
    fn push(&mut self, first: u64, last: u64, code: [u8; 2]) -> Option<()> {
        if first < self.free {
            return None;
        }
        if first > self.free {
            self.begin(self.free, None);
        }
        self.begin(first, Some(code));
        self.free = last + 1;
        Some(())
    }

    fn begin(&mut self, start: u64, code: Option<[u8; 2]>) {
        if self.runs.last().is_some_and(|&(last, _)| last == start) {
            self.runs.pop();
        }
        if self.runs.last().is_none_or(|&(_, last)| last != code) {
            self.runs.push((start, code));
        }
    }

    fn finish(mut self, end: u64) -> Vec<(u64, Option<[u8; 2]>)> {
        if self.free < end {
            self.begin(self.free, None);
        }
        self.runs
    }
}

/// `Thu, 25 Jun 2026 04:33:59 GMT` → seconds since 1970.
fn unix_time(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let [_, day, month, year, time, "GMT"] = date.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let day: u64 = day.parse().ok()?;
    let month = MONTHS.iter().position(|&name| name == month)?;
    let year: u64 = year.parse().ok().filter(|year| (1970..2100).contains(year))?;
    let leap = year.is_multiple_of(4);
    let leap_days = (year - 1969) / 4 + u64::from(leap && month > 1);
    let days = (year - 1970) * 365 + leap_days + DAYS_BEFORE[month] + day.checked_sub(1)?;
    let [hours, minutes, seconds] = time.split(':').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().ok()?[..]
    else {
        return None;
    };
    Some(days * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const HEADER: &str = "# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n";

    fn v4(lines: &str) -> Vec<(u64, Option<[u8; 2]>)> {
        read_v4(&format!("{HEADER}{lines}")).map_or_else(|e| panic!("{e}"), |source| source.runs)
    }

    #[test]
    fn the_date_in_the_header_is_read() {
        assert_eq!(unix_time("Thu, 25 Jun 2026 04:33:59 GMT"), Some(1_782_362_039));
        assert_eq!(unix_time("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(unix_time("Thu, 01 Jan 1970 00:00:01 GMT"), Some(1));
        assert_eq!(read_v4(HEADER).map(|source| source.date), Ok(1_782_362_039));
        assert!(read_v4("16777216,16777471,AU\n").is_err());
    }

    #[test]
    fn e2_a_range_that_begins_inside_a_24_leaves_it_to_the_one_before() {
        // 1.0.0.0–1.0.1.127 is AU, 1.0.1.128–1.0.3.255 is CN: 1.0.1.0/24 is read at its network address.
        let runs = v4("16777216,16777599,AU\n16777600,16778239,CN\n");
        assert_eq!(runs, [(0, None), (0x01_0000, Some(*b"AU")), (0x01_0002, Some(*b"CN")), (0x01_0004, None)]);
    }

    #[test]
    fn what_is_no_country_counts_as_a_gap() {
        let runs = v4("16777216,16777471,AU\n16777472,16777727,??\n16777728,16777983,EU\n16777984,16778239,AU\n");
        let expected = [(0x01_0000, Some(*b"AU")), (0x01_0001, None), (0x01_0003, Some(*b"AU")), (0x01_0004, None)];
        assert_eq!(runs[1..], expected);
    }

    #[test]
    fn reserved_addresses_have_no_country_whatever_the_source_says() {
        // 9.0.0.0–11.255.255.255.
        let runs = v4("150994944,201326591,US\n");
        let expected = [(0x09_0000, Some(*b"US")), (0x0a_0000, None), (0x0b_0000, Some(*b"US")), (0x0c_0000, None)];
        assert_eq!(runs[1..], expected);
        let all = v4("0,4294967295,US\n");
        assert_eq!(all.last(), Some(&(0xe0_0000, None)));
        let v6 = format!("{HEADER}::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,US\n");
        let v6 = read_v6(&v6).map_or_else(|e| panic!("{e}"), |source| source.runs);
        let expected = [(0x2000 << 40, Some(*b"US")), (0x2001 << 40, None), (0x2001_0200 << 24, Some(*b"US"))];
        assert_eq!(v6[1..4], expected);
    }

    #[test]
    fn ranges_out_of_order_are_refused() {
        assert!(read_v4(&format!("{HEADER}16777472,16777727,AU\n16777216,16777471,AU\n")).is_err());
    }
}
