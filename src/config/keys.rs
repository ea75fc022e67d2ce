//! Every key that rhumb's files take, once: the walker checks by this table and suggests from it, the JSON schema and
//! the reference are written from it.

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any text; the words say what it is.
    Text(&'static str),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// From, to, both included.
    Integer(i64, i64),
    /// `true` or `false`.
    Bool,
    /// Such as `10s`.
    Duration,
    /// A duration in whole seconds, or seconds as an integer.
    Ttl,
    /// A list, or its only element.
    List(&'static Kind),
    /// A table with these keys.
    Section(&'static Section),
    /// A table whose keys are free; the words say what they are.
    Map(&'static str, &'static Kind),
    /// The first that fits.
    Either(&'static [Kind]),
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    /// In words or as it would be written; empty where there is none.
    pub(crate) default: &'static str,
    /// Policies or check types for which the key means something; empty is all.
    pub(crate) only: &'static [&'static str],
    pub(crate) required: bool,
}

/// A table of fixed keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// What the table is, as in "no key of {title}".
    pub(crate) title: &'static str,
    pub(crate) doc: &'static str,
    /// Whether record types are keys too.
    pub(crate) records: bool,
    pub(crate) keys: &'static [Key],
}

impl Section {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    const fn default(mut self, text: &'static str) -> Self {
        self.default = text;
        self
    }

    const fn only(mut self, variants: &'static [&'static str]) -> Self {
        self.only = variants;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, doc, default: "", only: &[], required: false }
}

pub(crate) const POLICIES: &[&str] =
    &["simple", "weighted", "failover", "multivalue", "latency", "geolocation", "geoproximity", "ip"];
pub(crate) const CHECK_TYPES: &[&str] = &["http", "https", "tcp", "tls", "dns", "calculated"];
const STATUSES: &[&str] = &["auto", "up", "down"];
const PLACE: Kind = Kind::Text("a cloud region such as `aws:us-east-1`, `lat,lon`, `US-VA` or `DE`");
/// `record` values are checked with this kind.
pub(crate) static RECORD_DATA: Kind = Kind::List(&Kind::Text("record data"));

pub(crate) static ZONE: Section = Section {
    title: "a zone file",
    doc: "One zone a file. A file without `zone` is shared: every zone may name what it defines.",
    records: false,
    keys: &[
        key("zone", Kind::Text("a domain name"), "The zone's apex. Without it the file is shared."),
        key("ttl", Kind::Ttl, "TTL of records that carry none.").default("5m"),
        key(
            "import",
            Kind::Text("a path"),
            "A master file as the base, relative to this file; `[records]` are added to it.",
        ),
        key(
            "primary",
            Kind::List(&Kind::Either(&[Kind::Text(PRIMARY_ADDRESS), Kind::Section(&PRIMARY)])),
            "Where the zone is transferred from: this is a secondary zone. `[records]` and routes are laid over it.",
        ),
        key(
            "update",
            Kind::Section(&UPDATE),
            "Who may change the zone's plain records by UPDATE (RFC 2136). Without it nobody.",
        ),
        key("soa", Kind::Section(&SOA), "Start of authority."),
        key(
            "records",
            Kind::Map("owner", &Kind::Section(&OWNER)),
            "Owner, then type, then a value or a list of values. `@` is the apex; names without a final dot are relative.",
        ),
        key("endpoints", Kind::Map("name", &Kind::Section(&ENDPOINT)), "Places that can answer."),
        key("checks", Kind::Map("name", &Kind::Section(&CHECK)), "Templates of what to ask endpoints."),
        key(
            "places",
            Kind::Map("name", &Kind::Either(&[Kind::List(&LOCATION), Kind::Section(&PLACE_FILE)])),
            "Named sets of locations for `where`. `EU27` and `EEA` are built in.",
        ),
        key("routes", Kind::Map("name", &Kind::Section(&ROUTE)), "Policies."),
        key("transfer", Kind::Section(&TRANSFER), "Who may copy the zone, and who is told when it changes."),
    ],
};

pub(crate) static TRANSFER: Section = Section {
    title: "[transfer]",
    doc: "Who may copy the zone (AXFR, IXFR), and who is told when it changes (NOTIFY). Without it nobody is.",
    records: false,
    keys: &[
        key(
            "to",
            Kind::List(&Kind::Either(&[Kind::Text("an address or a network"), Kind::Section(&TRANSFER_TO)])),
            "Who may copy the zone; one of the list is enough.",
        ),
        key(
            "notify",
            Kind::List(&Kind::Either(&[
                Kind::Text("an address, with or without a port"),
                Kind::Section(&TRANSFER_NOTIFY),
            ])),
            "Who is told when the zone changes.",
        ),
    ],
};

pub(crate) static TRANSFER_TO: Section = Section {
    title: "an entry of `to`",
    doc: "Those who may copy the zone: at this address, with this key, or both.",
    records: false,
    keys: &[
        key("from", Kind::Text("an address or a network"), "Where they ask from.").default("anywhere"),
        key("key", Kind::Text("a key's name"), "The TSIG key that they sign with.").default("none is needed"),
    ],
};

pub(crate) static TRANSFER_NOTIFY: Section = Section {
    title: "an entry of `notify`",
    doc: "A server that is told when the zone changes.",
    records: false,
    keys: &[
        key("to", Kind::Text("an address, with or without a port"), "Where it listens; port 53 unless given.")
            .required(),
        key("key", Kind::Text("a key's name"), "The TSIG key that it is told with.").default("unsigned"),
    ],
};

const LOCATION: Kind =
    Kind::Text("`default`, or one of `continent:` `country:` `subdivision:` `asn:` `net:` `place:` with its value");

const PRIMARY_ADDRESS: &str = "an address such as `192.0.2.1:53`, or without a port";
const KEY_NAME: Kind = Kind::Text("a TSIG key's name");

pub(crate) static PRIMARY: Section = Section {
    title: "a primary",
    doc: "A server that a secondary zone is transferred from.",
    records: false,
    keys: &[
        key("address", Kind::Text(PRIMARY_ADDRESS), "Where it answers, over TCP.").required(),
        key("key", KEY_NAME, "The TSIG key that is used with it."),
    ],
};

pub(crate) static UPDATE: Section = Section {
    title: "[update]",
    doc: "Who may change the zone's plain records. Names that a route answers are never changed.",
    records: false,
    keys: &[key(
        "keys",
        Kind::List(&Kind::Either(&[KEY_NAME, Kind::Section(&GRANT)])),
        "TSIG keys whose holders may change everything, or as much as is said with each.",
    )
    .required()],
};

pub(crate) static GRANT: Section = Section {
    title: "a key in [update]",
    doc: "What the holder of a key may change.",
    records: false,
    keys: &[
        key("key", KEY_NAME, "The TSIG key.").required(),
        key("names", Kind::List(&Kind::Text("a domain name")), "At and below these names only, relative to the zone."),
        key("types", Kind::List(&Kind::Text("a record type")), "Records of these types only."),
    ],
};

pub(crate) static SOA: Section = Section {
    title: "[soa]",
    doc: "Start of authority (RFC 1035 section 3.3.13). Everything is optional.",
    records: false,
    keys: &[
        key("ttl", Kind::Ttl, "TTL of the SOA record.").default("the zone's `ttl`"),
        key("mname", Kind::Text("a domain name"), "Primary name server.").default("the apex's first name server"),
        key("rname", Kind::Text("a domain name"), "Mailbox, its `@` written as a dot.").default("hostmaster.<zone>"),
        key("serial", Kind::Integer(0, u32::MAX as i64), "Serial number.")
            .default("the newest modification time of the zone's files, as UTC seconds"),
        key("refresh", Kind::Ttl, "How often secondaries look for changes.").default("2h"),
        key("retry", Kind::Ttl, "How soon they look again after a failure.").default("30m"),
        key("expire", Kind::Ttl, "How long they answer without having reached the primary.").default("2w"),
        key("minimum", Kind::Ttl, "TTL of negative answers (RFC 2308).").default("60s"),
    ],
};

pub(crate) static OWNER: Section = Section {
    title: "an owner in [records]",
    doc: "The records of one name.",
    records: true,
    keys: &[
        key("route", Kind::Text("a route's name"), "The route that answers this name."),
        key("ttl", Kind::Ttl, "TTL of all records of this name, steered ones included."),
    ],
};

pub(crate) static ENDPOINT: Section = Section {
    title: "an endpoint",
    doc: "A place that can answer. Any record types, as in `[records]`.",
    records: true,
    keys: &[
        key("at", PLACE, "Where it is."),
        key("region", Kind::Text("a label"), "Label for the latency table.")
            .default("`at`, where that is a cloud region"),
        key("site", Kind::Text("a label"), "The site that it is drained with."),
        key("check", Kind::Text("a check's name"), "How its health is found; without one it is always up."),
        key("status", Kind::Choice(STATUSES), "A person's word, which outranks health.").default("auto"),
    ],
};

const HTTP: &[&str] = &["http", "https"];
const HOSTED: &[&str] = &["http", "https", "tls"];
const ASKING: &[&str] = &["http", "https", "tcp", "tls", "dns"];

pub(crate) static CHECK: Section = Section {
    title: "a check",
    doc: "A template: it runs at each address of each endpoint that names it, or at its `target`.",
    records: false,
    keys: &[
        key("type", Kind::Choice(CHECK_TYPES), "What is asked.").required(),
        key("interval", Kind::Duration, "From the start of a probe to the start of the next.").default("5s"),
        key("timeout", Kind::Duration, "How long a probe may take; below `interval`.").default("2s"),
        key("fall", Kind::Integer(1, 1000), "Consecutive failures until down.").default("3"),
        key("rise", Kind::Integer(1, 1000), "Consecutive passes until up.").default("2"),
        key("inverted", Kind::Bool, "Flips the verdict.").default("false"),
        key("disabled", Kind::Bool, "Always up, and never probed.").default("false"),
        key("allow_private", Kind::Bool, "Whether loopback, link-local and metadata addresses may be probed.")
            .default("false"),
        key(
            "target",
            Kind::Text("a host name or address, with or without a port"),
            "Asked instead of the endpoint's own addresses.",
        )
        .only(ASKING),
        key("port", Kind::Integer(1, 65_535), "Port.").default("80 for http, 443 for https, 53 for dns").only(ASKING),
        key("host", Kind::Text("a host name"), "Host header and SNI.").default("the target or address").only(HOSTED),
        key("path", Kind::Text("a path that starts with `/`"), "Path and query.").default("/").only(HTTP),
        key("method", Kind::Choice(&["GET", "HEAD", "POST", "PUT", "OPTIONS"]), "Method.").default("GET").only(HTTP),
        key("headers", Kind::Map("header", &Kind::Text("a header's value")), "Further headers.").only(HTTP),
        key("verify", Kind::Bool, "Whether the certificate must be valid.").default("true").only(&["https", "tls"]),
        key("send", Kind::Text("text"), "Sent first.").only(&["tcp"]),
        key("qname", Kind::Text("a domain name"), "The name to ask for.").only(&["dns"]),
        key("qtype", Kind::Text("a record type"), "The type to ask for.").default("A").only(&["dns"]),
        key(
            "expect",
            Kind::Either(&[Kind::Text("text that must occur"), Kind::Section(&EXPECT)]),
            "What passes. A text alone is `{ body = … }`.",
        )
        .only(&["http", "https", "tcp", "dns"]),
        key("of", Kind::List(&Kind::Text("a check's name, or `endpoint.check`")), "Checks that are counted.")
            .only(&["calculated"]),
        key("at_least", Kind::Integer(0, 10_000), "How many of them must be up.").default("all").only(&["calculated"]),
    ],
};

pub(crate) static EXPECT: Section = Section {
    title: "`expect`",
    doc: "What a probe must find to pass.",
    records: false,
    keys: &[
        key(
            "status",
            Kind::List(&Kind::Either(&[
                Kind::Text("a status code or a range such as `200-399`"),
                Kind::Integer(100, 599),
            ])),
            "Status codes that pass.",
        )
        .default("200-399")
        .only(HTTP),
        key("body", Kind::Text("text"), "Must occur in the first 5,120 octets, case-sensitive.")
            .only(&["http", "https", "tcp"]),
        key("rcode", Kind::List(&Kind::Choice(RCODES)), "Response codes that pass.").default("NOERROR").only(&["dns"]),
        key("answer", Kind::List(&Kind::Text("record data")), "Data, one of which must be in the answer.")
            .only(&["dns"]),
    ],
};

/// By number.
pub(crate) const RCODES: &[&str] = &[
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
];

pub(crate) static PLACE_FILE: Section = Section {
    title: "a place",
    doc: "A set of networks in a file of its own.",
    records: false,
    keys: &[key("file", Kind::Text("a path"), "One network a line, `#` begins a comment; relative to this file.")
        .required()],
};

const MATCHING: &[&str] = &["geolocation", "ip"];

pub(crate) static ROUTE: Section = Section {
    title: "a route",
    doc: "A policy and the members that it picks from.",
    records: false,
    keys: &[
        key("policy", Kind::Choice(POLICIES), "How a member is picked.").required(),
        key(
            "to",
            Kind::List(&Kind::Either(&[Kind::Text("an endpoint's or a route's name"), Kind::Section(&MEMBER)])),
            "The members, in order.",
        )
        .required(),
        key("ttl", Kind::Ttl, "Reply TTL; only on a route that answers a name by itself.").default("30s"),
        key("max_answers", Kind::Integer(1, 16), "How many records are answered at once.")
            .default("8")
            .only(&["multivalue"]),
        key(
            "min_healthy",
            Kind::Either(&[Kind::Integer(1, 10_000), Kind::Text("a percentage such as `50%`")]),
            "How many members, or percent of them, must be up for the route to be up.",
        )
        .default("1"),
        key("last_resort", Kind::Section(&LAST_RESORT), "Answers once everything else would fail open."),
        key("all_down", Kind::Choice(&["all", "nodata"]), "What is answered when everything is down.").default("all"),
        key("no_match", Kind::Choice(&["nodata", "next"]), "What is answered when no member matches.").only(MATCHING),
        key("fence", Kind::Bool, "Neither this route nor any parent leaves the matched location.")
            .default("false")
            .only(&["geolocation"]),
        key(
            "sticky",
            Kind::Either(&[Kind::Bool, Kind::Text("a salt")]),
            "The same client network always draws the same member.",
        )
        .default("false")
        .only(&["weighted"]),
        key("tolerance", Kind::Duration, "Members within it of the best share by weight.")
            .default("0ms")
            .only(&["latency"]),
    ],
};

pub(crate) static MEMBER: Section = Section {
    title: "a member",
    doc: "One choice of a route: an endpoint, several endpoints, or another route.",
    records: false,
    keys: &[
        key("endpoint", Kind::Text("an endpoint's name"), "The endpoint that it leads to."),
        key(
            "endpoints",
            Kind::List(&Kind::Text("an endpoint's name")),
            "Several endpoints: an unnamed multivalue route of them.",
        ),
        key("route", Kind::Text("a route's name"), "The route that it leads to."),
        key("where", Kind::List(&LOCATION), "Clients that it is for.").only(MATCHING),
        key("weight", Kind::Integer(0, 65_535), "Its share; 0 is a standby.")
            .default("1")
            .only(&["weighted", "latency"]),
        key("bias", Kind::Integer(-99, 99), "Widens (above 0) or narrows its catchment, in percent.")
            .default("0")
            .only(&["geoproximity"]),
        key("at", PLACE, "Its own place.").default("its endpoint's").only(&["latency", "geoproximity"]),
        key("region", Kind::Text("a label"), "Its own label for the latency table.")
            .default("its endpoint's")
            .only(&["latency"]),
        key("check", Kind::Text("a check's name"), "A check of its own, beside the endpoint's."),
        key("status", Kind::Choice(STATUSES), "A person's word, which outranks health.").default("auto"),
        key("follow_health", Kind::Bool, "Whether it is left when it is down.").default("true"),
    ],
};

pub(crate) static LAST_RESORT: Section = Section {
    title: "`last_resort`",
    doc: "An endpoint or a route.",
    records: false,
    keys: &[
        key("endpoint", Kind::Text("an endpoint's name"), "The endpoint that answers."),
        key("route", Kind::Text("a route's name"), "The route that answers."),
    ],
};

pub(crate) static SERVER: Section = Section {
    title: "the server file",
    doc: "How to serve. Everything is optional; a relative path is relative to this file.",
    records: false,
    keys: &[
        key("zones", Kind::Text("a path"), "The directory of zone files.").default("zones"),
        key("state", Kind::Text("a path"), "The directory of verdicts, switches and the last good configuration.")
            .default("state"),
        key("workers", Kind::Integer(0, 1024), "UDP workers, a thread each; 0 is one a core.").default("0"),
        key("pin_workers", Kind::Bool, "Whether each worker stays on one core.").default("false"),
        key("transport", Kind::Choice(&["native", "hickory"]), "Which sockets answer.").default("native"),
        key(
            "reload",
            Kind::Choice(&["all", "zone"]),
            "Whether a faulty file holds back all files or its own zone only, which then keeps its last good form, or is SERVFAIL if it never had one.",
        )
        .default("all"),
        key(
            "identity",
            Kind::Text("text"),
            "What NSID (RFC 5001) and TXT of class CH at `id.server` and `hostname.bind` answer, 1 to 128 octets.",
        )
        .default("refused"),
        key("version", Kind::Text("text"), "What TXT of class CH at `version.bind` and `version.server` answers, 1 to 128 octets.")
            .default("refused"),
        key(
            "rotate",
            Kind::Bool,
            "Whether the records of an answer change places from query to query; `false` keeps the order of the file, for tests.",
        )
        .default("true"),
        key("depth", Kind::Integer(1, 16), "Candidates of a latency or geoproximity route that make a region.")
            .default("4"),
        key("listen", Kind::Section(&LISTEN), "Where to listen."),
        key("geoip", Kind::Section(&GEOIP), "Where clients are."),
        key("latency", Kind::Section(&LATENCY), "Measured latencies; the rest is estimated from distance."),
        key(
            "networks",
            Kind::Map("network", &Kind::Section(&NETWORK)),
            "The operator's own places, before any database; the longest prefix wins.",
        ),
        key("tls", Kind::Section(&TLS), "What encrypted transports show."),
        key("limits", Kind::Section(&LIMITS), "Upper bounds of what one snapshot may hold, and of connections."),
        key(
            "keys",
            Kind::Map("name", &Kind::Section(&TSIG_KEY)),
            "TSIG keys (RFC 8945) by name: what other servers and rhumb sign their messages with.",
        ),
        key("rate_limit", Kind::Section(&RATE_LIMIT), "How fast datagrams may ask."),
        key("cookies", Kind::Section(&COOKIES), "Cookies, by which senders of datagrams prove their address (RFC 7873)."),
    ],
};

pub(crate) static TSIG_KEY: Section = Section {
    title: "a key",
    doc: "A secret that two servers share. One of `secret_file` and `secret` is needed; a file of its own is better, \
          since the server file is copied into the state directory.",
    records: false,
    keys: &[
        key("algorithm", Kind::Choice(&["hmac-sha256", "hmac-sha384", "hmac-sha512"]), "How it signs.")
            .default("hmac-sha256"),
        key("secret_file", Kind::Text("a path"), "The file that holds the secret in base64."),
        key("secret", Kind::Text("base64"), "The secret itself."),
    ],
};

pub(crate) static RATE_LIMIT: Section = Section {
    title: "[rate_limit]",
    doc: "How fast datagrams may ask. Over the limit replies are truncated, so that honest clients come again over TCP. \
          Streams and clients with a valid cookie are never limited.",
    records: false,
    keys: &[
        key(
            "rate",
            Kind::Integer(0, 1_000_000),
            "Queries a second that one address may ask, a second's worth of them at once; 0 limits nobody. Networks have \
             limits of their own: 16 times that for an IPv4 /24, 64 for a /20 and 128 for a /18; 2 times for an IPv6 /64, \
             4 for a /56, 16 for a /48 and 64 for a /32.",
        )
        .default("500"),
        key("exempt", Kind::List(&Kind::Text("a network")), "Who is never limited.")
            .default("[\"127.0.0.0/8\", \"::1/128\"]"),
        key("log_only", Kind::Bool, "Whether what is over the limit is only counted, and answered.").default("false"),
    ],
};

pub(crate) static COOKIES: Section = Section {
    title: "[cookies]",
    doc: "Cookies (RFC 7873, 9018).",
    records: false,
    keys: &[
        key("enabled", Kind::Bool, "Whether queries with a cookie are answered with one.").default("true"),
        key(
            "secret_file",
            Kind::Text("a path"),
            "The file of the secrets that servers of one address share: 32 hexadecimal digits a line. The first line signs, \
             all are accepted, so that one secret can follow another. Without it a secret is drawn at each start.",
        ),
    ],
};

pub(crate) static LISTEN: Section = Section {
    title: "[listen]",
    doc: "Where to listen.",
    records: false,
    keys: &[
        key("dns", Kind::List(&Kind::Text("an address with a port")), "UDP and TCP.")
            .default("[\"127.0.0.1:5300\", \"[::1]:5300\"]"),
        key(
            "admin",
            Kind::Text("an address with a port, or `unix:` and a path"),
            "The admin API; a TCP address other than loopback needs a token.",
        )
        .default("127.0.0.1:8053"),
        key(
            "tls",
            Kind::List(&Kind::Text("an address with a port")),
            "DNS over TLS (RFC 7858), usually port 853; `[tls]` has the certificate.",
        ),
        key(
            "https",
            Kind::List(&Kind::Text("an address with a port")),
            "DNS over HTTPS (RFC 8484) by HTTP/1.1 and HTTP/2, usually port 443.",
        ),
        key(
            "quic",
            Kind::List(&Kind::Text("an address with a port")),
            "DNS over QUIC (RFC 9250), a UDP port, usually 853.",
        ),
        key(
            "http3",
            Kind::List(&Kind::Text("an address with a port")),
            "DNS over HTTPS by HTTP/3, a UDP port, usually 443.",
        ),
        key("https_path", Kind::Text("a path that starts with `/`"), "The path at which HTTPS is asked.")
            .default("/dns-query"),
        key(
            "proxy_from",
            Kind::List(&Kind::Text("a network such as `10.0.0.0/8`")),
            "Who speaks for others by the PROXY protocol, version 2, over UDP, TCP, TLS and HTTPS. From these networks \
             it is believed and required, from all others it is no DNS.",
        ),
        key("admin_token_file", Kind::Text("a path"), "The file that holds the admin token."),
        key(
            "receive_buffer",
            Kind::Integer(4096, 1 << 30),
            "Octets of each UDP socket's receive buffer, for bursts; net.core.rmem_max caps it, unless the server may \
             exceed that (CAP_NET_ADMIN).",
        )
        .default("4194304"),
        key(
            "send_buffer",
            Kind::Integer(4096, 1 << 30),
            "Octets of each UDP socket's send buffer; net.core.wmem_max caps it. Replies that do not fit are lost and \
             counted.",
        )
        .default("4194304"),
        key(
            "steer_by_cpu",
            Kind::Bool,
            "Whether a datagram goes to the worker of the core that received it (with `pin_workers`), and not to one \
             by the client's address and port. For network cards that spread clients over all cores by themselves.",
        )
        .default("false"),
    ],
};

pub(crate) static TLS: Section = Section {
    title: "[tls]",
    doc: "What encrypted transports show. Files that are replaced are taken without a restart.",
    records: false,
    keys: &[
        key(
            "certificate",
            Kind::Text("a path"),
            "PEM file of the server's certificate and those between it and the root, its own first.",
        )
        .required(),
        key("key", Kind::Text("a path"), "PEM file of the certificate's private key.").required(),
    ],
};

pub(crate) static GEOIP: Section = Section {
    title: "[geoip]",
    doc: "Where clients are.",
    records: false,
    keys: &[
        key("databases", Kind::List(&Kind::Text("a path")), "MMDB files; later ones fill what earlier ones lack."),
        key("prefer", Kind::Choice(&["ecs", "resolver"]), "Who decides the client's place.").default("ecs"),
        key("unknown", Kind::Text("`US-NY`, `DE` or `lat,lon`"), "The place of a client that nothing knows."),
    ],
};

pub(crate) static LATENCY: Section = Section {
    title: "[latency]",
    doc: "Measured latencies.",
    records: false,
    keys: &[key("table", Kind::Text("a path"), "Lines of `client,region,milliseconds`.")],
};

pub(crate) static NETWORK: Section = Section {
    title: "a network",
    doc: "A place that replaces what databases say.",
    records: false,
    keys: &[
        key("country", Kind::Text("a country such as `DE`"), "ISO 3166-1."),
        key("subdivision", Kind::Text("a subdivision such as `US-VA`"), "ISO 3166-2."),
        key("continent", Kind::Choice(&["AF", "AN", "AS", "EU", "NA", "OC", "SA"]), "Where no country is given."),
        key("at", PLACE, "Coordinates.").default("the subdivision's or country's centre of population"),
        key("asn", Kind::Integer(0, u32::MAX as i64), "Autonomous system number."),
    ],
};

pub(crate) static LIMITS: Section = Section {
    title: "[limits]",
    doc: "Upper bounds of what one snapshot may hold, and of connections: those of TCP and of all encrypted transports \
          together.",
    records: false,
    keys: &[
        key("regions", Kind::Integer(1, 65_534), "Regions of one map.").default("65534"),
        key("maps", Kind::Integer(1, 65_535), "Geo maps.").default("256"),
        key("map_bytes", Kind::Integer(1 << 20, 1 << 40), "Octets of all maps together.").default("1073741824"),
        key("variants", Kind::Integer(1, 65_535), "Variants of one outcome.").default("4096"),
        key(
            "connections",
            Kind::Integer(1, 1_000_000),
            "Connections open at once; beyond that, one of the client that has the most is closed: its longest idle, or \
             else the one that has been longest at a message. Three quarters of the process's descriptors are the most.",
        )
        .default("10000"),
        key("connections_per_client", Kind::Integer(1, 1_000_000), "Of them, by one IPv4 address or IPv6 /64; beyond that, it is refused.")
            .default("100"),
        key(
            "idle",
            Kind::Duration,
            "How long a connection may be silent between messages; a quarter of it while more than half of the \
             connections are open.",
        )
        .default("10s"),
        key("message", Kind::Duration, "From the first octet of a message to its last, and for a reply to be taken.")
            .default("5s"),
        key("handshake", Kind::Duration, "For a handshake from its first octet to its last.").default("5s"),
        key("handshakes", Kind::Integer(1, 1_000_000), "Handshakes under way at once; beyond it, the oldest of the client that has most ends.")
            .default("1000"),
        key(
            "requests_per_connection",
            Kind::Integer(1, 65_535),
            "Requests under way at once on one connection of HTTP/2, HTTP/3 or QUIC.",
        )
        .default("100"),
    ],
};
