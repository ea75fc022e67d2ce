//! What the RFCs ask of data that is made up as its type wants: lengths that follow from a number before them, and
//! values with a form of their own. Other servers take such data for damage, and some take nothing of its zone: whoever
//! writes it in a file is warned, and no update adds it.

use super::super::RecordType;
use super::svcb::dohpath;
use super::write::Wire;

/// Octets of digests by their type: of DS (IANA "DS RR Type Digest Algorithms"), SSHFP (RFC 4255 section 3.1.2,
/// RFC 6594) and ZONEMD (RFC 8976 section 2.2.3).
const OF_KEYS: &[(u8, usize)] = &[(1, 20), (2, 32), (3, 32), (4, 48), (5, 32), (6, 32)];
const OF_HOSTS: &[(u8, usize)] = &[(1, 20), (2, 32)];
const OF_ZONES: &[(u8, usize)] = &[(1, 48), (2, 64)];

/// Algorithms whose keys begin with a name or an object identifier (RFC 4034 section A.1.1).
const PRIVATE_NAME: u8 = 253;
const PRIVATE_OID: u8 = 254;
/// The flags of KEY that say that there is no key (RFC 2535 section 3.1.2).
const NO_KEY: u8 = 0xc0;

/// What is wrong with uncompressed data that is well formed, as a clause; `None`: nothing, or it is not well formed.
pub fn rdata_fault(rtype: RecordType, rdata: &[u8]) -> Option<String> {
    let octet = |at: usize| rdata.get(at).copied().unwrap_or_default();
    let rest = |from: usize| rdata.get(from..).unwrap_or_default();
    let wanted = |is_there: bool, what: &str| (!is_there).then(|| what.to_owned());
    let mut wire = Wire::new(rdata);
    match rtype {
        RecordType::DS | RecordType::CDS | RecordType::DLV | RecordType::TA => digest(OF_KEYS, octet(3), rest(4)),
        RecordType::SSHFP => digest(OF_HOSTS, octet(1), rest(2)),
        RecordType::ZONEMD => digest(OF_ZONES, octet(5), rest(6)),
        RecordType::TLSA | RecordType::SMIMEA => wanted(rdata.len() > 3, "there is no association data"),
        RecordType::KEY if octet(0) & NO_KEY == NO_KEY => None,
        RecordType::KEY | RecordType::DNSKEY | RecordType::CDNSKEY | RecordType::RKEY => key(octet(3), rest(4)),
        RecordType::CERT => wanted(rdata.len() > 5, "there is no certificate"),
        RecordType::RRSIG | RecordType::SIG => {
            wire.take(18).ok().and_then(|_| wire.name().ok())?;
            wanted(!wire.is_empty(), "there is no signature")
        }
        RecordType::OPENPGPKEY
        | RecordType::DHCID
        | RecordType::EID
        | RecordType::NIMLOC
        | RecordType::NSAP
        | RecordType::HHIT
        | RecordType::BRID => wanted(!rdata.is_empty(), "there is no data"),
        RecordType::NSEC => {
            wire.name().ok()?;
            wanted(!wire.is_empty(), "there are no types: NSEC itself is one at least (RFC 4034 section 4.1.2)")
        }
        RecordType::NSEC3 if octet(0) == 1 => {
            let hash = wire.take(4).and_then(|_| wire.counted()).and_then(|_| wire.counted()).ok()?;
            wanted(hash.len() == 20, "the hash of algorithm 1 has 20 octets (RFC 5155 section 11)")
        }
        RecordType::X25 => {
            let address = wire.counted().ok()?;
            let is_good = address.len() >= 4 && address.iter().all(u8::is_ascii_digit);
            wanted(is_good, "an address is four digits or more (RFC 1183 section 3.1)")
        }
        RecordType::NAPTR => {
            let texts = wire.take(4).and_then(|_| wire.counted()).and_then(|_| wire.counted());
            let pattern = texts.and_then(|_| wire.counted()).ok()?;
            let is_good = pattern.is_empty() || is_substitution(pattern);
            wanted(is_good, "the pattern is no substitution like `!^.*$!sip:info@example.com!` (RFC 3402 section 3.2)")
        }
        RecordType::URI => wanted(rdata.len() > 4, "the URI is empty (RFC 7553 section 4.4)"),
        RecordType::SVCB | RecordType::HTTPS => {
            wire.u16().and_then(|_| wire.name()).ok()?;
            let path = dohpath(wire)?;
            wanted(is_template(path), "dohpath is a template like `/dns-query{?dns}` (RFC 9461 section 5)")
        }
        _ => None,
    }
}

fn digest(known: &[(u8, usize)], kind: u8, digest: &[u8]) -> Option<String> {
    match known.iter().find(|(number, _)| *number == kind) {
        Some((_, octets)) if digest.len() != *octets => {
            Some(format!("a digest of type {kind} has {octets} octets, this one {}", digest.len()))
        }
        None if digest.is_empty() => Some("there is no digest".to_owned()),
        _ => None,
    }
}

fn key(algorithm: u8, key: &[u8]) -> Option<String> {
    let clause = match algorithm {
        _ if key.is_empty() => "there is no key",
        PRIVATE_NAME if Wire::new(key).name().is_err() => {
            "a key of algorithm 253 begins with a name in wire form (RFC 4034 section A.1.1)"
        }
        PRIVATE_OID if !Wire::new(key).counted().is_ok_and(|oid| !oid.is_empty()) => {
            "a key of algorithm 254 begins with an object identifier behind its length (RFC 4034 section A.1.1)"
        }
        _ => return None,
    };
    Some(clause.to_owned())
}

/// Whether it is an expression, what takes its place and flags, of which there is `i`, between three delimiters.
fn is_substitution(pattern: &[u8]) -> bool {
    let Some((&delimiter, rest)) = pattern.split_first() else { return false };
    if delimiter.is_ascii_digit() || matches!(delimiter, b'i' | b'\\' | 0) {
        return false;
    }
    let mut parts = vec![Vec::new()];
    let mut octets = rest.iter();
    while let Some(&octet) = octets.next() {
        let part = parts.last_mut();
        match (octet, part) {
            (b'\\', Some(part)) => {
                let Some(&escaped) = octets.next() else { return false };
                part.extend([octet, escaped]);
            }
            (octet, _) if octet == delimiter => parts.push(Vec::new()),
            (octet, Some(part)) => part.push(octet),
            (_, None) => return false,
        }
    }
    matches!(&parts[..], [expression, _, flags] if !expression.is_empty() && flags.iter().all(|&flag| flag == b'i'))
}

/// Whether it is a relative URI template with the variable `dns` (RFC 6570 section 2.3).
fn is_template(path: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(path).ok().filter(|text| text.starts_with('/')) else { return false };
    let expressions = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    expressions.flat_map(|(inner, _)| inner.trim_start_matches(['+', '#', '.', '/', ';', '?', '&']).split(',')).any(
        |variable| {
            let name = variable.split([':', '*']).next().unwrap_or_default();
            name == "dns"
        },
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::parse_rdata;
    use super::*;
    use crate::wire::Name;

    #[test]
    fn p15_data_that_its_type_cannot_mean_is_known() {
        let digest = |octets: usize| "ab".repeat(octets);
        let long = [digest(20), digest(32), digest(48), digest(64)];
        let [d20, d32, d48, d64] = &long;
        for (rtype, good, bad) in [
            (RecordType::DS, format!("1 13 2 {d32}"), format!("1 13 2 {d20}")),
            (RecordType::DS, format!("1 13 1 {d20}"), "1 13 2 \"\"".into()),
            (RecordType::DLV, format!("1 13 4 {d48}"), format!("1 13 4 {d32}")),
            (RecordType::CDS, "0 0 0 00".into(), "1 13 9 \"\"".into()),
            (RecordType::SSHFP, format!("4 2 {d32}"), "4 2 aabb".into()),
            (RecordType::SSHFP, format!("4 1 {d20}"), "4 9 \"\"".into()),
            (RecordType::ZONEMD, format!("1 1 1 {d48}"), format!("1 1 1 {d20}")),
            (RecordType::ZONEMD, format!("1 1 2 {d64}"), format!("1 1 2 {d48}")),
            (RecordType::TLSA, format!("3 1 1 {d32}"), "3 1 1 \"\"".into()),
            (RecordType::DNSKEY, "256 3 13 aGVsbG8=".into(), "256 3 13 \"\"".into()),
            (RecordType::DNSKEY, "256 3 253 AWEA".into(), "256 3 253 aGVsbG8=".into()),
            (RecordType::DNSKEY, "256 3 254 AQE=".into(), "256 3 254 AAE=".into()),
            (RecordType::CDNSKEY, "0 3 0 AA==".into(), "0 3 0 \"\"".into()),
            (RecordType::KEY, "49152 3 13".into(), "256 3 13".into()),
            (RecordType::CERT, "PKIX 0 0 aGk=".into(), "PKIX 0 0 \"\"".into()),
            (RecordType::RRSIG, "A 13 2 60 1 1 1 . aGk=".into(), "A 13 2 60 1 1 1 . \"\"".into()),
            (RecordType::OPENPGPKEY, "aGk=".into(), "\"\"".into()),
            (RecordType::DHCID, "aGk=".into(), "\"\"".into()),
            (RecordType::EID, "ab".into(), "\"\"".into()),
            (RecordType::NSEC, "k NSEC".into(), "k".into()),
            (RecordType::NSEC3, "1 1 12 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr".into(), "1 1 12 - 2t7b".into()),
            (RecordType::X25, "3110".into(), "311".into()),
            (RecordType::X25, "\"31106170\"".into(), "abcd".into()),
            (RecordType::NAPTR, "1 1 u x \"!^.*$!a!\" .".into(), "1 1 u x bad .".into()),
            (RecordType::NAPTR, "1 1 u x \"/a\\\\/b/\\\\1/i\" .".into(), "1 1 u x \"!a!b\" .".into()),
            (RecordType::NAPTR, "1 1 u x \"!a!b!ii\" a.".into(), "1 1 u x \"!a!b!x\" .".into()),
            (RecordType::URI, "10 1 \"ftp://x\"".into(), "10 1 \"\"".into()),
            (RecordType::HTTPS, "1 . dohpath=/q{?dns}".into(), "1 . dohpath=/q".into()),
            (RecordType::SVCB, "1 . port=1 dohpath=\"/{x}{?a,dns*}\"".into(), "1 . port=1 dohpath=q{?dns}".into()),
        ] {
            let fault = |text: &str| rdata_fault(rtype, &parse_rdata(rtype, text, &Name::root()).unwrap());
            assert_eq!(fault(&good), None, "{rtype} {good}");
            assert!(fault(&bad).is_some(), "{rtype} {bad}");
        }
    }
}
