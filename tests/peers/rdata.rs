//! Record data at random, as master files have it, of types that all servers here can read.

use super::names::Labels;
use crate::harness::Draws;

/// Types whose data names no host, with their mnemonics.
const PLAIN: &[(&str, u16)] = &[
    ("A", 1),
    ("AAAA", 28),
    ("TXT", 16),
    ("HINFO", 13),
    ("LOC", 29),
    ("CERT", 37),
    ("APL", 42),
    ("SSHFP", 44),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("OPENPGPKEY", 61),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("EUI48", 108),
    ("EUI64", 109),
    ("URI", 256),
    ("CAA", 257),
    ("TYPE731", 731),
];

/// Types whose data names a host.
const NAMING: &[(&str, u16)] = &[
    ("PTR", 12),
    ("MX", 15),
    ("RP", 17),
    ("AFSDB", 18),
    ("SRV", 33),
    ("NAPTR", 35),
    ("KX", 36),
    ("LP", 107),
    ("SVCB", 64),
    ("HTTPS", 65),
];

/// A type: addresses half of the time, and of those with names the rest's half.
pub(super) fn any_type(draws: &mut Draws) -> (&'static str, u16) {
    match draws.below(8) {
        0..3 => *draws.pick(&PLAIN[..2]),
        3 => ("MX", 15),
        4..6 => *draws.pick(NAMING),
        _ => *draws.pick(PLAIN),
    }
}

fn hex(octets: usize, draws: &mut Draws) -> String {
    (0..octets).map(|_| format!("{:02X}", draws.bits() as u8)).collect()
}

/// Data of one record; `target` is what it names, where it names something.
pub(super) fn text(rtype: &str, target: &Labels, draws: &mut Draws) -> String {
    let small = draws.below(60);
    let octet = draws.bits() as u8;
    let host = target.text(draws);
    match rtype {
        "A" => format!("192.0.2.{octet}"),
        "AAAA" => format!("2001:db8::{octet:x}"),
        "TXT" => {
            let length = if draws.one_in(4) { 200 } else { 10 };
            format!("\"{octet} {}\" \"\"", "t".repeat(length))
        }
        "HINFO" => format!("\"cpu{octet}\" os"),
        "LOC" => format!("{small} 30 12.748 N 106 21 28.764 W 126.00m 10000m 100m 10m"),
        "CERT" => format!("1 {octet} 8 AQIDBAUGBwg="),
        "APL" => format!("1:192.168.{octet}.0/24 !2:2001:db8::/32"),
        "SSHFP" => format!("4 2 {}", hex(32, draws)),
        "DNSKEY" => format!("256 3 13 {}", "AQID".repeat(22)),
        "TLSA" | "SMIMEA" => format!("3 1 1 {}", hex(32, draws)),
        "DS" => format!("{octet} 13 2 {}", hex(32, draws)),
        "OPENPGPKEY" => "AQIDBAUGBwg=".to_owned(),
        "NID" | "L64" => format!("{small} 2001:0db8:1140:{octet:04x}"),
        "L32" => format!("{small} 10.1.2.{octet}"),
        "EUI48" => format!("00-00-5e-00-53-{octet:02x}"),
        "EUI64" => format!("00-00-5e-ef-10-00-00-{octet:02x}"),
        "URI" => format!("{small} 1 \"https://example.com/{octet}\""),
        "CAA" => format!("0 issue \"ca{octet}.example.net\""),
        "TYPE731" => format!("\\# 4 {}", hex(4, draws)),
        "PTR" | "CNAME" | "DNAME" | "NS" => host,
        "MX" | "KX" | "AFSDB" | "LP" => format!("{small} {host}"),
        "RP" => format!("{host} {host}"),
        "SRV" => format!("{small} {small} 443 {host}"),
        "NAPTR" => format!("{small} 10 \"u\" \"E2U+sip\" \"\" {host}"),
        "SVCB" | "HTTPS" if draws.one_in(4) => format!("0 {host}"),
        "SVCB" | "HTTPS" if draws.one_in(3) => "1 . alpn=h2".to_owned(),
        "SVCB" | "HTTPS" => format!("{} {host} alpn=h2 port=8{small:02}", 1 + small),
        _ => unreachable!("no data of type {rtype}"),
    }
}
