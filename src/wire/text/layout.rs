//! The table of types: what each one's data is made of.

use std::fmt;

use super::super::RecordType;
use Field::*;

/// A part of a record's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Field {
    /// Numbers of 8 to 64 bits.
    U8,
    U16,
    U32,
    U64,
    /// Seconds in 32 bits, units allowed.
    Period,
    /// A number of 8 or 16 bits that may be written as a word.
    Word8(&'static [(&'static str, u8)]),
    Word16(&'static [(&'static str, u16)]),
    Ipv4,
    Ipv6,
    Name,
    /// One character-string, one that may be missing, and one or more.
    Text,
    OptionalText,
    Texts,
    /// A string without a length octet to the end of the data.
    Tail,
    /// Of CAA: letters and digits (RFC 8659 section 4.1).
    Tag,
    /// To the end of the data.
    Hex,
    /// As `Hex`, with no fewer octets.
    LongHex(usize),
    Base64,
    /// As `Base64`, or nothing at all.
    OptionalBase64,
    /// As `Base64`, with `-` for none.
    DashBase64,
    /// Octets of a given number, two hex digits each, joined by `-` (RFC 7043).
    Eui(usize),
    /// 64 bits as four groups of hex digits, joined by `:` (RFC 6742).
    Locator,
    /// `0x` and hex digits with dots anywhere (RFC 1706).
    Nsap,
    /// A record type as a number of 16 bits.
    Type,
    /// A bitmap of types (RFC 4034 section 4.1.2).
    Types,
    /// A moment (RFC 4034 section 3.2).
    Time,
    /// Of NSEC3: a salt, `-` for none, and a hash, each behind its length (RFC 5155 section 3.3).
    Salt,
    Hash,
    Apl,
    Loc,
    Hip,
    /// Of IPSECKEY: all after the precedence.
    Gateway,
    /// Of AMTRELAY: all after the precedence.
    Relay,
    /// The parameters of SVCB and HTTPS.
    Params,
    /// Of WKS: all after the address.
    Services,
    /// Of NXT: types below 128.
    Bits,
    /// Of A6: all of it.
    Suffix,
    /// Of ATMA: all of it.
    Atm,
}

/// The data of one type.
pub(in crate::wire) struct Layout {
    pub(in crate::wire) rtype: RecordType,
    pub(in crate::wire) fields: &'static [Field],
    takes: &'static str,
    example: &'static str,
}

impl Layout {
    /// The row of a type; `None` where only the generic form serves.
    pub(in crate::wire) fn of(rtype: RecordType) -> Option<&'static Self> {
        LAYOUTS.binary_search_by_key(&rtype, |layout| layout.rtype).ok().map(|found| &LAYOUTS[found])
    }

    /// Every row.
    pub(in crate::wire) fn all() -> &'static [Self] {
        LAYOUTS
    }

    /// What its text is made of.
    pub(in crate::wire) fn takes(&self) -> &'static str {
        self.takes
    }

    /// What its text looks like.
    pub(in crate::wire) fn example(&self) -> &'static str {
        self.example
    }
}

impl fmt::Display for Layout {
    /// What the type takes, as a clause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} takes {}: `{}`", self.rtype, self.takes, self.example)
    }
}

/// DNSSEC algorithms (IANA "DNS Security Algorithm Numbers").
const ALGORITHM: Field = Word8(&[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
]);
/// Certificate types (RFC 4398 section 2.1).
const CERTIFICATE: Field = Word16(&[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
]);
/// Of DSYNC (RFC 9859 section 2.1).
const SCHEME: Field = Word8(&[("NOTIFY", 1)]);

const DIGEST: &[Field] = &[U16, ALGORITHM, U8, Hex];
const KEY: &[Field] = &[U16, U8, ALGORITHM, OptionalBase64];
const SIGNATURE: &[Field] = &[Type, ALGORITHM, U8, Period, Time, Time, U16, Name, Base64];
const ASSOCIATION: &[Field] = &[U8, U8, U8, Hex];
const SERVICE: &[Field] = &[U16, Name, Params];

const A_DIGEST: &str = "a key tag, an algorithm, a digest type and a digest in hex";
const A_KEY: &str = "flags, a protocol, an algorithm and a key in base64";
const A_SIGNATURE: &str = "a type, an algorithm, labels, a TTL, the end, the beginning, a key tag, a signer and base64";
const AN_ASSOCIATION: &str = "a usage, a selector, a matching type and hex";
const A_SERVICE: &str = "a priority, a target and parameters";
const A_HOST: &str = "a host";
const STRINGS: &str = "one string or more";
const A_SAMPLE_DIGEST: &str = "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118";
const A_SAMPLE_KEY: &str =
    "256 3 13 oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA==";
const A_SAMPLE_SIGNATURE: &str = "A 13 2 3600 20300101000000 20291201000000 2371 example.com. aGVsbG8=";

const fn row(rtype: RecordType, fields: &'static [Field], takes: &'static str, example: &'static str) -> Layout {
    Layout { rtype, fields, takes, example }
}

/// Sorted by number.
static LAYOUTS: &[Layout] = &[
    row(RecordType::A, &[Ipv4], "IPv4", "192.0.2.1"),
    row(RecordType::NS, &[Name], A_HOST, "ns1"),
    row(RecordType::MD, &[Name], A_HOST, "mail"),
    row(RecordType::MF, &[Name], A_HOST, "mail"),
    row(RecordType::CNAME, &[Name], A_HOST, "www"),
    row(
        RecordType::SOA,
        &[Name, Name, U32, Period, Period, Period, Period],
        "a server, a mailbox, a serial, refresh, retry, expire and the negative TTL",
        "ns1 hostmaster 1 3600 600 86400 300",
    ),
    row(RecordType::MB, &[Name], A_HOST, "mail"),
    row(RecordType::MG, &[Name], "a mailbox", "alice"),
    row(RecordType::MR, &[Name], "a mailbox", "alice"),
    row(RecordType::WKS, &[Ipv4, Services], "an address, a protocol and services", "192.0.2.1 TCP smtp 443"),
    row(RecordType::PTR, &[Name], A_HOST, "www.example.com."),
    row(RecordType::HINFO, &[Text, Text], "a CPU and an operating system", "\"ARM64\" \"Linux\""),
    row(RecordType::MINFO, &[Name, Name], "two mailboxes", "owner errors"),
    row(RecordType::MX, &[U16, Name], "a preference and a host", "10 mail"),
    row(RecordType::TXT, &[Texts], STRINGS, "\"v=spf1 mx -all\""),
    row(RecordType::RP, &[Name, Name], "a mailbox and a name of texts", "alice people"),
    row(RecordType::AFSDB, &[U16, Name], "a subtype and a host", "1 afs"),
    row(RecordType::X25, &[Text], "an address", "311061700956"),
    row(RecordType::ISDN, &[Text, OptionalText], "an address and perhaps a subaddress", "150862028003217 004"),
    row(RecordType::RT, &[U16, Name], "a preference and a host", "10 relay"),
    row(RecordType::NSAP, &[Nsap], "an address in hex", "0x47.0005.80.005a00"),
    row(RecordType::NSAP_PTR, &[Name], A_HOST, "www"),
    row(RecordType::SIG, SIGNATURE, A_SIGNATURE, A_SAMPLE_SIGNATURE),
    row(RecordType::KEY, KEY, A_KEY, A_SAMPLE_KEY),
    row(RecordType::PX, &[U16, Name, Name], "a preference and two names", "10 a.example. b.example."),
    row(RecordType::GPOS, &[Text, Text, Text], "longitude, latitude and altitude", "-32.6882 116.8652 10.0"),
    row(RecordType::AAAA, &[Ipv6], "IPv6", "2001:db8::1"),
    row(
        RecordType::LOC,
        &[Loc],
        "latitude, longitude, altitude and perhaps size and precisions",
        "52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m",
    ),
    row(RecordType::NXT, &[Name, Bits], "the next name and types", "host A MX NXT"),
    row(RecordType::EID, &[Hex], "hex", "0a0b0c"),
    row(RecordType::NIMLOC, &[Hex], "hex", "0a0b0c"),
    row(RecordType::SRV, &[U16, U16, U16, Name], "a priority, a weight, a port and a host", "0 5 5060 sip"),
    row(RecordType::ATMA, &[Atm], "`+` and digits, or 20 octets of hex", "+61.2.0000.0000"),
    row(
        RecordType::NAPTR,
        &[U16, U16, Text, Text, Text, Name],
        "an order, a preference, flags, services, a pattern and a name",
        "100 50 \"s\" \"http+I2L\" \"\" _http._tcp",
    ),
    row(RecordType::KX, &[U16, Name], "a preference and a host", "10 kx"),
    row(
        RecordType::CERT,
        &[CERTIFICATE, U16, ALGORITHM, Base64],
        "a certificate type, a key tag, an algorithm and base64",
        "PKIX 0 0 aGVsbG8=",
    ),
    row(
        RecordType::A6,
        &[Suffix],
        "bits of the prefix, the rest of an IPv6 address and a name for the prefix",
        "64 ::1234:5678:9abc:def0 subnet",
    ),
    row(RecordType::DNAME, &[Name], "a name", "other.example."),
    row(RecordType::SINK, &[U8, U8, U8, Base64], "a meaning, a coding, a subcoding and base64", "8 1 0 aGVsbG8="),
    row(RecordType::APL, &[Apl], "networks", "1:192.0.2.0/24 !2:2001:db8::/32"),
    row(RecordType::DS, DIGEST, A_DIGEST, A_SAMPLE_DIGEST),
    row(
        RecordType::SSHFP,
        &[U8, U8, Hex],
        "an algorithm, a hash type and a fingerprint in hex",
        "2 1 123456789abcdef67890123456789abcdef67890",
    ),
    row(
        RecordType::IPSECKEY,
        &[U8, Gateway],
        "a precedence, a gateway type, an algorithm, a gateway and a key in base64",
        "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtu",
    ),
    row(RecordType::RRSIG, SIGNATURE, A_SIGNATURE, A_SAMPLE_SIGNATURE),
    row(RecordType::NSEC, &[Name, Types], "the next name and types", "host A MX RRSIG NSEC TYPE1234"),
    row(RecordType::DNSKEY, KEY, A_KEY, A_SAMPLE_KEY),
    row(RecordType::DHCID, &[Base64], "base64", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="),
    row(
        RecordType::NSEC3,
        &[U8, U8, U16, Salt, Hash, Types],
        "an algorithm, flags, iterations, a salt, the next hash and types",
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY",
    ),
    row(
        RecordType::NSEC3PARAM,
        &[U8, U8, U16, Salt],
        "an algorithm, flags, iterations and a salt in hex or `-`",
        "1 0 0 -",
    ),
    row(RecordType::TLSA, ASSOCIATION, AN_ASSOCIATION, "3 1 1 d2abde240d7cd3ee6b4b28c54df034b9"),
    row(RecordType::SMIMEA, ASSOCIATION, AN_ASSOCIATION, "3 0 1 d2abde240d7cd3ee6b4b28c54df034b9"),
    row(
        RecordType::HIP,
        &[Hip],
        "an algorithm, a tag in hex, a key in base64 and perhaps servers",
        "2 200100107b1a74df365639cc39f1d578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cI rvs",
    ),
    row(RecordType::NINFO, &[Texts], STRINGS, "\"a text\""),
    row(RecordType::RKEY, KEY, A_KEY, "0 3 13 aGVsbG8="),
    row(RecordType::TALINK, &[Name, Name], "two names", "a.example. b.example."),
    row(RecordType::CDS, DIGEST, A_DIGEST, A_SAMPLE_DIGEST),
    row(RecordType::CDNSKEY, KEY, A_KEY, A_SAMPLE_KEY),
    row(RecordType::OPENPGPKEY, &[Base64], "a key in base64", "aGVsbG8="),
    row(RecordType::CSYNC, &[U32, U16, Types], "a serial, flags and types", "66 3 A NS AAAA"),
    // RFC 8976 section 2.2.4: a digest has 12 octets at least.
    row(
        RecordType::ZONEMD,
        &[U32, U8, U8, LongHex(12)],
        "a serial, a scheme, a hash type and a digest in hex",
        "2018031500 1 1 62e6cf51b02e54b9b5f967d547ce43136792901f9f88e637493daaf401c92c279dd10f0edb1c56f8080211f8480ee306",
    ),
    row(RecordType::SVCB, SERVICE, A_SERVICE, "1 svc alpn=h2,h3 port=8443"),
    row(RecordType::HTTPS, SERVICE, A_SERVICE, "1 . alpn=h2,h3 ipv4hint=192.0.2.1"),
    row(
        RecordType::DSYNC,
        &[Type, SCHEME, U16, Name],
        "a type, a scheme, a port and a host",
        "CDS NOTIFY 5300 scanner",
    ),
    row(RecordType::HHIT, &[Base64], "base64", "aGVsbG8="),
    row(RecordType::BRID, &[Base64], "base64", "aGVsbG8="),
    row(RecordType::SPF, &[Texts], STRINGS, "\"v=spf1 mx -all\""),
    row(RecordType::NID, &[U16, Locator], "a preference and a node", "10 0014:4fff:ff20:ee64"),
    row(RecordType::L32, &[U16, Ipv4], "a preference and a locator", "10 10.1.2.0"),
    row(RecordType::L64, &[U16, Locator], "a preference and a locator", "10 2001:0db8:1140:1000"),
    row(RecordType::LP, &[U16, Name], "a preference and a name", "10 l64-subnet"),
    row(RecordType::EUI48, &[Eui(6)], "six octets in hex", "00-00-5e-00-53-2a"),
    row(RecordType::EUI64, &[Eui(8)], "eight octets in hex", "00-00-5e-ef-10-00-00-2a"),
    row(RecordType::URI, &[U16, U16, Tail], "a priority, a weight and a URI", "10 1 \"https://example.com/\""),
    row(RecordType::CAA, &[U8, Tag, Tail], "flags, a tag and a value", "0 issue \"ca.example.net\""),
    row(RecordType::AVC, &[Texts], STRINGS, "\"a text\""),
    row(
        RecordType::DOA,
        &[U32, U32, U8, Text, DashBase64],
        "an enterprise, a type, a location, a media type and base64 or `-`",
        "0 1 2 \"text/plain\" aGVsbG8=",
    ),
    row(
        RecordType::AMTRELAY,
        &[U8, Relay],
        "a precedence, 0 or 1 for discovery, a relay type and a relay",
        "10 0 1 203.0.113.15",
    ),
    row(RecordType::RESINFO, &[Texts], STRINGS, "qnamemin exterr=15-17"),
    row(RecordType::WALLET, &[Texts], STRINGS, "\"BTC\" \"address\""),
    row(RecordType::CLA, &[Texts], STRINGS, "\"TCP-v4-v6\""),
    row(RecordType::IPN, &[U64], "a number", "3333333333"),
    row(RecordType::TA, DIGEST, A_DIGEST, A_SAMPLE_DIGEST),
    row(RecordType::DLV, DIGEST, A_DIGEST, A_SAMPLE_DIGEST),
];
