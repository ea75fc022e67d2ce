//! What the engine serves while it is judged: a zone in TOML that steers and one in a master file with a bit of all else.

use std::sync::OnceLock;

use rhumb::wire::Name;

use crate::harness::{Fixture, Setup, in_country, in_subdivision};

/// Names for which this server answers.
pub const APEXES: [&str; 2] = ["example.com.", "example.org."];

/// What NSID says.
pub const IDENTITY: &str = "here";

const RECORDS: &str = r#"
www = { route = "web" }
share = { route = "share" }
all = { route = "all" }
alias = { CNAME = "www" }
"*.apps" = { CNAME = "share" }
far = { CNAME = "mail.example.org." }
out = { CNAME = "www.example.net." }
loop1 = { CNAME = "loop2" }
loop2 = { CNAME = "loop1" }
svc = { HTTPS = '1 www alpn=h2' }
mx = { MX = "10 all" }
"#;

const ROUTES: &str = r#"
[endpoints.p]
A = "192.0.2.1"
AAAA = "2001:db8::1"
[endpoints.q]
A = ["192.0.2.2", "192.0.2.3"]
AAAA = "2001:db8::2"
[routes.web]
policy = "geolocation"
to = [
  { where = "country:DE", endpoint = "p" },
  { where = "subdivision:US-CA", endpoint = "q" },
  { where = "default", route = "share" },
]
[routes.share]
policy = "weighted"
to = [{ endpoint = "p", weight = 3 }, { endpoint = "q", weight = 1 }]
[routes.all]
policy = "multivalue"
to = [{ endpoint = "p" }, { endpoint = "q" }]
"#;

const MASTER: &str = r#"
$TTL 300
@ SOA ns1 hostmaster 7 3600 600 86400 60
@ NS ns1
@ NS ns.example.net.
@ TXT "v=spf1 -all"
ns1 A 192.0.2.53
ns1 AAAA 2001:db8::53
mail A 192.0.2.25
deep.a.b TXT "an empty non-terminal is above"
* TXT "wild"
*.mail MX 10 mail
lab NS ns1.lab
lab NS ns.sub
lab DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000
ns1.lab A 192.0.2.61
ns1.lab AAAA 2001:db8::61
sub NS ns.sub
ns.sub A 192.0.2.62
tree DNAME other.example.com.
odd TYPE731 \# 3 010203
sip NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:a@example.org!" .
_x._tcp SRV 0 1 53 mail
caa CAA 0 issue "example.net"
"#;

/// The fixture, made once.
pub fn served() -> &'static Fixture {
    static SERVED: OnceLock<Fixture> = OnceLock::new();
    SERVED.get_or_init(|| {
        let mut master = MASTER.to_owned();
        // More than a datagram holds, of one type and of many.
        for i in 0..60 {
            master.push_str(&format!("big TXT \"number {i} of sixty\"\nlist A 198.51.100.{i}\n"));
        }
        Setup::new(RECORDS, ROUTES)
            .server(&format!("identity = \"{IDENTITY}\""))
            .file("example.org.zone", &master)
            .place("192.0.2.0/24", in_country("DE", Some((50.1, 8.7))))
            .place("2001:db8::/32", in_subdivision("US-CA", Some((37.8, -122.4))))
            .build()
    })
}

/// Whether a name lies in a zone that is served.
pub fn is_ours(name: &Name) -> bool {
    APEXES.iter().any(|apex| Name::absolute(apex).is_ok_and(|apex| name.is_within(&apex)))
}
