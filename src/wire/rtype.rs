//! Record types and their mnemonics (IANA "Resource Record (RR) TYPEs").

use std::fmt;
use std::str::FromStr;

/// A record type by number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

macro_rules! types {
    ($($name:ident = $number:literal $($spelling:literal)?),* $(,)?) => {
        #[allow(missing_docs, reason = "each constant is the mnemonic of the registry")]
        impl RecordType {
            $(pub const $name: Self = Self($number);)*
        }

        const MNEMONICS: &[(u16, &str)] = &[$(($number, types!(@spell $name $($spelling)?))),*];
    };
    (@spell $name:ident) => { stringify!($name) };
    (@spell $name:ident $spelling:literal) => { $spelling };
}

types! {
    A = 1, NS = 2, MD = 3, MF = 4, CNAME = 5, SOA = 6, MB = 7, MG = 8, MR = 9, NULL = 10, WKS = 11, PTR = 12,
    HINFO = 13, MINFO = 14, MX = 15, TXT = 16, RP = 17, AFSDB = 18, X25 = 19, ISDN = 20, RT = 21, NSAP = 22,
    NSAP_PTR = 23 "NSAP-PTR", SIG = 24, KEY = 25, PX = 26, GPOS = 27, AAAA = 28, LOC = 29, NXT = 30, EID = 31,
    NIMLOC = 32, SRV = 33, ATMA = 34, NAPTR = 35, KX = 36, CERT = 37, A6 = 38, DNAME = 39, SINK = 40, OPT = 41,
    APL = 42, DS = 43, SSHFP = 44, IPSECKEY = 45, RRSIG = 46, NSEC = 47, DNSKEY = 48, DHCID = 49, NSEC3 = 50,
    NSEC3PARAM = 51, TLSA = 52, SMIMEA = 53, HIP = 55, NINFO = 56, RKEY = 57, TALINK = 58, CDS = 59, CDNSKEY = 60,
    OPENPGPKEY = 61, CSYNC = 62, ZONEMD = 63, SVCB = 64, HTTPS = 65, DSYNC = 66, HHIT = 67, BRID = 68, SPF = 99,
    UINFO = 100, UID = 101, GID = 102, UNSPEC = 103,
    NID = 104, L32 = 105, L64 = 106, LP = 107, EUI48 = 108, EUI64 = 109, NXNAME = 128, TKEY = 249, TSIG = 250,
    IXFR = 251, AXFR = 252, MAILB = 253, MAILA = 254, ANY = 255, URI = 256, CAA = 257, AVC = 258, DOA = 259,
    AMTRELAY = 260, RESINFO = 261, WALLET = 262, CLA = 263, IPN = 264, TA = 32768, DLV = 32769,
}

impl RecordType {
    /// Every mnemonic known here, for suggestions.
    pub fn mnemonics() -> impl Iterator<Item = &'static str> {
        MNEMONICS.iter().map(|&(_, name)| name)
    }

    /// Whether the type exists in messages only, and so is never stored in a zone: OPT, and the range of question and
    /// meta types (RFC 6895 section 3.1). 0 is reserved and counts as one.
    pub fn is_meta(self) -> bool {
        matches!(self.0, 0 | 41 | 128..=255)
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
            // `parse` alone would let `TYPE+1` pass.
            Some(prefix) if prefix.eq_ignore_ascii_case("TYPE") && text[4..].bytes().all(|b| b.is_ascii_digit()) => {
                text[4..].parse().map(Self).map_err(|_| ())
            }
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
        for (text, number) in [("aaaa", 28), ("TYPE731", 731), ("type1", 1), ("HTTPS", 65), ("nsap-ptr", 23)] {
            assert_eq!(text.parse(), Ok(RecordType(number)));
        }
        assert_eq!(RecordType(731).to_string(), "TYPE731");
        assert_eq!(RecordType(1).to_string(), "A");
        assert!("TYPE65536".parse::<RecordType>().is_err());
        assert!("AAAAA".parse::<RecordType>().is_err());
        assert!("TYPE+1".parse::<RecordType>().is_err());
    }

    #[test]
    fn meta_types_are_told_from_data_types() {
        for meta in [RecordType::OPT, RecordType::ANY, RecordType::TSIG, RecordType(0), RecordType(128)] {
            assert!(meta.is_meta(), "{meta}");
        }
        for data in [RecordType::A, RecordType::SPF, RecordType::URI, RecordType(127), RecordType(65280)] {
            assert!(!data.is_meta(), "{data}");
        }
    }
}
