//! The zone that benches of the engine ask about, and questions for it: 10,000 plain names and a name for each policy,
//! over the world database in the binary.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;

use rhumb::config::Overrides;
use rhumb::health::Verdicts;
use rhumb::snapshot::{Inputs, Snapshot, compile};

/// Plain names of the zone.
pub(crate) const NAMES: u32 = 10_000;
const ROUTES: &str = r#"
www    = { route = "nearest" }
geo    = { route = "geo" }
shares = { route = "shares" }
many   = { route = "many" }
alias  = { CNAME = "www" }
"*.wild" = { A = "192.0.2.99" }

[endpoints.a]
A = "192.0.2.1"
at = "aws:us-east-1"
[endpoints.b]
A = "192.0.2.2"
at = "aws:eu-west-1"
[endpoints.c]
A = "192.0.2.3"
at = "aws:ap-northeast-1"
[endpoints.d]
A = "192.0.2.4"
at = "aws:sa-east-1"
[routes.nearest]
policy = "geoproximity"
to = ["a", "b", "c", "d"]
[routes.geo]
policy = "geolocation"
to = [
  { where = "continent:EU", endpoint = "b" },
  { where = "continent:AS", endpoint = "c" },
  { where = "country:BR",   endpoint = "d" },
  { where = "default",      endpoint = "a" },
]
[routes.shares]
policy = "weighted"
to = [{ endpoint = "a", weight = 90 }, { endpoint = "b", weight = 10 }]
min_healthy = 1
[routes.many]
policy = "multivalue"
to = ["a", "b", "c", "d"]
"#;

/// The zone, compiled.
pub(crate) fn snapshot() -> Snapshot {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut zone = String::from("zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns1.example.net.\" }\n");
    for n in 0..NAMES {
        writeln!(zone, "h{n} = {{ A = \"{}\" }}", Ipv4Addr::from(0x0a00_0000 + n)).expect("memory");
    }
    zone += ROUTES;
    std::fs::write(dir.path().join("example.com.toml"), zone).expect("a file");
    let overrides = Overrides { zones: Some(dir.path().to_owned()), ..Overrides::default() };
    let mut model = rhumb::config::load(None, &overrides).model.expect("a zone without faults");
    // Counted like any sender, and below its limit.
    model.server.rate_limit.rate = Some(1_000_000);
    let inputs = Inputs {
        model: Arc::new(model),
        places: Arc::new(rhumb::geo::world().expect("the embedded world")),
        verdicts: Verdicts::default(),
        drained: BTreeSet::new(),
        seed: 0x5eed,
    };
    compile(&inputs, 1, None).expect("within limits")
}

/// A query for an A record with EDNS, and a client subnet of 24 bits if there is one.
pub(crate) fn query(name: &str, subnet: Option<u32>) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\x01".to_vec();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend(b"\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0");
    match subnet {
        None => bytes.extend([0, 0]),
        Some(network) => {
            bytes.extend([0, 11, 0, 8, 0, 7, 0, 1, 24, 0]);
            bytes.extend(&network.to_be_bytes()[..3]);
        }
    }
    bytes
}

/// Splitmix64: even enough to spread questions.
pub(crate) fn spread(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A network where clients may be.
pub(crate) fn anywhere(random: u64) -> Option<u32> {
    // Outside 0/8, 10/8, 127/8 and multicast.
    Some((11 + (random as u32) % 100) << 24 | (random >> 16) as u32 & 0x00ff_ff00)
}
