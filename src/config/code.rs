//! The stable names of faults. Scripts and documentation refer to them, so a name is never reused for another fault.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal: $meaning:literal;)*) => {
        $(#[doc = $meaning] pub(crate) const $name: &str = $text;)*

        /// Every code with its meaning, in the order of this list.
        pub const ALL: &[(&str, &str)] = &[$(($text, $meaning)),*];
    };
}

codes! {
    UNREADABLE = "unreadable": "A file or directory cannot be read.";
    NO_ZONES_DIRECTORY = "no-zones-directory": "The directory of zone files does not exist or is no directory.";
    NO_ZONES = "no-zones": "The directory of zone files holds no zone.";
    NOT_UTF8 = "not-utf8": "A file is not UTF-8 text.";
    SYNTAX = "syntax": "A file is not valid TOML.";
    MASTER_FILE = "master-file": "A master file cannot be read at some line.";
    TABLE_ROW = "table-row": "A row of the latency table cannot be read.";
    UNKNOWN_KEY = "unknown-key": "A key that does not exist here.";
    MISSING_KEY = "missing-key": "A key that is required is not given.";
    WRONG_TYPE = "wrong-type": "A value is not of the type that its key takes.";
    UNKNOWN_VALUE = "unknown-value": "A value is not among those that its key takes.";
    OUT_OF_RANGE = "out-of-range": "A number, or the length of a text, is outside the range of its key.";
    BAD_DURATION = "bad-duration": "A text is no duration.";
    BAD_ADDRESS = "bad-address": "A text is no address, socket address or port.";
    BAD_NETWORK = "bad-network": "A text is no network, or has bits set past its prefix.";
    BAD_PLACE = "bad-place": "A text names no place.";
    BAD_NAME = "bad-name": "A text is no domain name, or no name for a definition.";
    BAD_LOCATION = "bad-location": "A text is no location.";
    COOKIE_SECRET = "cookie-secret": "A file of cookie secrets holds none, cannot be read, or has a line that is none.";
    BAD_RECORD = "bad-record": "Record data cannot be read as its type.";
    WRONG_FAMILY = "wrong-family": "An IPv6 address in an A record, or an IPv4 address in an AAAA record.";
    REFUSED_TYPE = "refused-type": "A record type that cannot be written here.";
    KEY_NOT_FOR_TYPE = "key-not-for-type": "A key that means nothing for this policy or this type of check.";
    TOKEN_NEEDED = "token-needed": "The admin API listens on an address other than loopback without a token.";
    BAD_CERTIFICATE = "bad-certificate": "A certificate or its key cannot be used.";
    CERTIFICATE_TIME = "certificate-time": "A certificate that has ended, or is not valid yet.";
    ZONE_TWICE = "zone-twice": "Two files hold the same zone.";
    NAME_TWICE = "name-twice": "Two shared files define the same name.";
    SHADOWED_NAME = "shadowed-name": "A zone defines a name that a shared file or rhumb itself defines.";
    SHARED_KEY = "shared-key": "A key that belongs to a zone stands in a shared file.";
    SECONDARY_KEY = "secondary-key": "A key that means nothing in a zone that is transferred from a primary.";
    UNKNOWN_ENDPOINT = "unknown-endpoint": "No endpoint of this name.";
    UNKNOWN_ROUTE = "unknown-route": "No route of this name.";
    UNKNOWN_CHECK = "unknown-check": "No check of this name.";
    UNKNOWN_PLACE = "unknown-place": "No place of this name.";
    AMBIGUOUS_NAME = "ambiguous-name": "A bare name that several definitions answer to.";
    IMPORT_PATH = "import-path": "A path that leaves the directory of zone files.";
    OUT_OF_ZONE = "out-of-zone": "A record whose owner is not in its zone.";
    NO_SOA = "no-soa": "A master file without a SOA record at its apex.";
    NO_NS = "no-ns": "A zone without an NS record at its apex.";
    CNAME_BESIDE_DATA = "cname-beside-data": "A CNAME beside other data.";
    CNAME_TWICE = "cname-twice": "Two CNAMEs at one name.";
    CNAME_AT_APEX = "cname-at-apex": "A CNAME at the apex of a zone.";
    SOA_TWICE = "soa-twice": "Two SOA records that differ.";
    DNAME_TWICE = "dname-twice": "Several DNAMEs at one name.";
    DNAME_BESIDE_NS = "dname-beside-ns": "A DNAME at a delegation.";
    WILDCARD_NS = "wildcard-ns": "A delegation at a wildcard.";
    BIG_RRSET = "big-rrset": "Records of one name and type that fit in no message.";
    STEERED_TWICE = "steered-twice": "A type stands both in a name's records and in its route.";
    ZERO_TTL = "zero-ttl": "A TTL of zero on a steered name.";
    NO_DATA = "no-data": "A definition that holds nothing.";
    MIXED_CNAME = "mixed-cname": "CNAME endpoints and others below one steered name.";
    CNAME_MULTIVALUE = "cname-multivalue": "A CNAME endpoint in a multivalue route.";
    MEMBER_TARGET = "member-target": "A member that leads nowhere or to several things.";
    DUPLICATE_MEMBER = "duplicate-member": "The same member twice in a route.";
    DUPLICATE_LOCATION = "duplicate-location": "The same location twice in a route.";
    SIMPLE_MEMBERS = "simple-members": "A simple route with a number of members other than one.";
    MULTIVALUE_ROUTE = "multivalue-route": "A route as a member of a multivalue route.";
    NO_LOCATION = "no-location": "A member of a geolocation or ip route without `where`.";
    IP_LOCATION = "ip-location": "A location other than a network in an ip route.";
    NO_DEFAULT = "no-default": "A geolocation or ip route that leaves some clients without a match.";
    NO_MATCH_AT_ROOT = "no-match-at-root": "`no_match = \"next\"` on a route that answers a name by itself.";
    MEMBER_PLACE = "member-place": "A member whose place is needed and not known.";
    MIN_HEALTHY = "min-healthy": "`min_healthy` asks for more members than there are.";
    INNER_TTL = "inner-ttl": "A TTL on a route that answers no name by itself.";
    ROUTE_LOOP = "route-loop": "Routes that lead back to themselves.";
    ROUTE_DEPTH = "route-depth": "Routes nested more than 16 deep.";
    CHECK_LOOP = "check-loop": "Calculated checks that depend on themselves.";
    PLACE_LOOP = "place-loop": "Places that contain themselves.";
    TIMEOUT = "timeout": "A check's timeout that is not below its interval.";
    NO_TARGET = "no-target": "A check that has nothing to ask.";
    PRIVATE_ADDRESS = "private-address": "A check of a loopback, link-local or metadata address.";
    MISSING_TYPE = "missing-type": "Some clients would be left without a type that others get.";
    SPLIT_FAMILIES = "split-families": "A client's A and AAAA would come from different members.";
    SMALL_SHARE = "small-share": "A small share that would take everything when the others are down.";
    UNCHECKED_FAILOVER = "unchecked-failover": "A member of a failover that can never be left.";
    UNCHECKED_LEAF = "unchecked-leaf": "An endpoint without a check keeps its branch up for ever.";
    LONG_TTL = "long-ttl": "A TTL longer than the time to detect a failure.";
    NO_ALTERNATIVE = "no-alternative": "A location whose only endpoint has no alternative.";
    LONG_PREFIX = "long-prefix": "A network longer than /24 or /56.";
    BIG_ANSWER = "big-answer": "An answer that cannot fit 1232 octets.";
    MIXED_LATENCY = "mixed-latency": "A latency route that mixes measured and estimated latencies.";
    UNUSED = "unused": "A definition that nothing uses.";
    MISSING_GLUE = "missing-glue": "A name server inside the zone without an address.";
    TARGET_IS_CNAME = "target-is-cname": "An NS, MX or SRV that points at a CNAME, or below a DNAME.";
    CNAME_LOOP = "cname-loop": "CNAMEs that lead back to themselves.";
    DNAME_LOOP = "dname-loop": "A DNAME that leads to names below itself.";
    WILDCARD_DNAME = "wildcard-dname": "A DNAME at a wildcard.";
    HIDDEN_DATA = "hidden-data": "Data below a zone cut or a DNAME, which is never answered.";
    DS_AT_APEX = "ds-at-apex": "A DS record at the apex, which belongs into the zone above.";
    UNUSABLE_DATA = "unusable-data": "Data that its type cannot mean, which others take for damage.";
    MIXED_TTL = "mixed-ttl": "Records of one owner and type with different TTLs.";
    BAD_SECRET = "bad-secret": "A TSIG key whose secret is missing, unreadable, no base64 or too short.";
    UNKNOWN_TSIG_KEY = "unknown-tsig-key": "No TSIG key of this name.";
    OPEN_TRANSFER = "open-transfer": "An entry that lets everybody copy the zone.";
    NO_MEMBER = "no-member": "`shift` was asked for a route or member that does not exist or cannot be edited.";
}
