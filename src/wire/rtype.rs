//! Record types and their mnemonics (IANA "Resource Record (RR) TYPEs").

use std::fmt;
use std::str::FromStr;

/// A record type by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

macro_rules! types {
    ($($name:ident = $number:literal),* $(,)?) => {
        #[allow(missing_docs, reason = "each constant is the mnemonic of the registry")]
        impl RecordType {
            $(pub const $name: Self = Self($number);)*
        }

        const MNEMONICS: &[(u16, &str)] = &[$(($number, stringify!($name))),*];
    };
}

types! {
    A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, HINFO = 13, MX = 15, TXT = 16, RP = 17, AFSDB = 18,
    KEY = 25, AAAA = 28, LOC = 29, SRV = 33, NAPTR = 35, KX = 36, CERT = 37, DNAME = 39, OPT = 41, APL = 42,
    DS = 43, SSHFP = 44, IPSECKEY = 45, RRSIG = 46, NSEC = 47, DNSKEY = 48, DHCID = 49, NSEC3 = 50,
    NSEC3PARAM = 51, TLSA = 52, SMIMEA = 53, HIP = 55, CDS = 59, CDNSKEY = 60, OPENPGPKEY = 61, CSYNC = 62,
    ZONEMD = 63, SVCB = 64, HTTPS = 65, SPF = 99, NID = 104, L32 = 105, L64 = 106, LP = 107, EUI48 = 108,
    EUI64 = 109, NXNAME = 128, TKEY = 249, TSIG = 250, IXFR = 251, AXFR = 252, MAILB = 253, MAILA = 254,
    ANY = 255, URI = 256, CAA = 257,
}

impl RecordType {
    /// Every mnemonic known here, for suggestions.
    pub fn mnemonics() -> impl Iterator<Item = &'static str> {
        MNEMONICS.iter().map(|&(_, name)| name)
    }
}

impl FromStr for RecordType {
    type Err = ();

    /// A mnemonic in any case, or `TYPE731` (RFC 3597 section 5).
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(&(number, _)) = MNEMONICS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self(number));
        }
        match text.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("TYPE") => text[4..].parse().map(Self).map_err(|_| ()),
            _ => Err(()),
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MNEMONICS.iter().find(|&&(number, _)| number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_and_numbers_round_trip() {
        for (text, number) in [("aaaa", 28), ("TYPE731", 731), ("type1", 1), ("HTTPS", 65)] {
            assert_eq!(text.parse(), Ok(RecordType(number)));
        }
        assert_eq!(RecordType(731).to_string(), "TYPE731");
        assert_eq!(RecordType(1).to_string(), "A");
        assert!("TYPE65536".parse::<RecordType>().is_err());
        assert!("AAAAA".parse::<RecordType>().is_err());
    }
}
