//! What a checker of EDNS compliance asks an authoritative server, by `dig`, and what it wants to see (RFC 8906 section 8).

use std::process::Command;

use crate::harness::zone;
use crate::served::{Server, Site};

/// The section, what `dig` is told, what its output has to show, and what not.
type Check = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const SOA: &str = "IN\tSOA\t";
const OK: &str = "status: NOERROR";

const CHECKS: &[Check] = &[
    ("8.1.1 a plain query", "+noedns +noad +norec SOA", &[OK, "flags: qr aa;", SOA], &["OPT PSEUDOSECTION"]),
    (
        "8.1.2 an unknown type",
        "+noedns +noad +norec TYPE1000",
        &[OK, "flags: qr aa;", "ANSWER: 0"],
        &["OPT PSEUDOSECTION"],
    ),
    ("8.1.3.1 CD set", "+noedns +noad +norec +cd SOA", &[OK, "flags: qr aa;", SOA], &[]),
    ("8.1.3.2 AD set", "+noedns +norec +ad SOA", &[OK, "flags: qr aa;", SOA], &[]),
    ("8.1.3.3 the reserved bit set", "+noedns +noad +norec +zflag SOA", &[OK, "flags: qr aa;", SOA], &["MBZ"]),
    ("8.1.3.4 recursion desired", "+noedns +noad +rec SOA", &[OK, "flags: qr aa rd;", SOA], &[]),
    (
        "8.1.4 an unknown opcode",
        "+noedns +noad +opcode=15 +norec +header-only",
        &["opcode: RESERVED15", "status: NOTIMP", "flags: qr;", "QUERY: 0, ANSWER: 0"],
        &[SOA],
    ),
    ("8.1.5 TCP", "+noedns +noad +norec +tcp SOA", &[OK, "flags: qr aa;", SOA, "(TCP)"], &[]),
    (
        "8.2.1 the least of EDNS",
        "+edns=0 +noad +norec +nocookie SOA",
        &[OK, "flags: qr aa;", SOA, "EDNS: version: 0, flags:; udp:"],
        &["COOKIE"],
    ),
    (
        "8.2.2 EDNS version 1",
        "+edns=1 +noednsneg +noad +norec +nocookie SOA",
        &["status: BADVERS", "flags: qr;", "EDNS: version: 0, flags:; udp:"],
        &[SOA],
    ),
    (
        "8.2.3 an unknown option",
        "+edns=0 +noad +norec +nocookie +ednsopt=100:01020304 SOA",
        &[OK, SOA, "EDNS: version: 0, flags:; udp:"],
        &["OPT=100"],
    ),
    (
        "8.2.4 an unknown flag",
        "+edns=0 +noad +norec +nocookie +ednsflags=0x40 SOA",
        &[OK, SOA, "EDNS: version: 0, flags:; udp:"],
        &["MBZ"],
    ),
    (
        "8.2.5 version 1, an unknown flag",
        "+edns=1 +noednsneg +noad +norec +nocookie +ednsflags=0x40 SOA",
        &["status: BADVERS", "EDNS: version: 0, flags:; udp:"],
        &[SOA, "MBZ"],
    ),
    (
        "8.2.6 version 1, an unknown option",
        "+edns=1 +noednsneg +noad +norec +nocookie +ednsopt=100 SOA",
        &["status: BADVERS", "EDNS: version: 0, flags:; udp:"],
        &[SOA, "OPT=100"],
    ),
    (
        "8.2.7 a reply that does not fit",
        "+norec +dnssec +bufsize=512 +ignore +nocookie DNSKEY",
        &[OK, "flags: qr aa tc;", "EDNS: version: 0, flags: do; udp:"],
        &["IN\tDNSKEY\t"],
    ),
    (
        "8.2.8 DO set",
        "+edns=0 +noad +norec +nocookie +dnssec SOA",
        &[OK, SOA, "EDNS: version: 0, flags: do; udp:"],
        &[],
    ),
    (
        "8.2.9 version 1, DO set",
        "+edns=1 +noednsneg +noad +norec +nocookie +dnssec SOA",
        &["status: BADVERS", "EDNS: version: 0, flags: do; udp:"],
        &[SOA],
    ),
    (
        "8.2.10 several options",
        "+edns=0 +noad +norec +nsid +subnet=0.0.0.0/0 +expire +ednsopt=100 SOA",
        &[OK, SOA, "EDNS: version: 0, flags:; udp:", "CLIENT-SUBNET: 0.0.0.0/0/0"],
        &["OPT=100"],
    ),
    ("EDNS over TCP", "+edns=0 +noad +norec +nocookie +tcp SOA", &[OK, SOA, "EDNS: version: 0, flags:; udp:"], &[]),
];

fn dig(server: &Server, flags: &str) -> String {
    let (address, port) = (server.dns.ip().to_string(), server.dns.port().to_string());
    let mut command = Command::new("dig");
    command.args(["-r", &format!("@{address}"), "-p", &port, "+time=30", "+tries=1", "example.com."]);
    let output = command.args(flags.split(' ')).output().unwrap();
    assert!(output.status.success(), "{flags}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn p1_p3_p6_p17_every_check_of_rfc_8906_passes() {
    let key = format!("\"256 3 8 {}\"", "AQID".repeat(120));
    let records = format!(
        "many = {{ A = \"192.0.2.1\" }}\n[records.\"@\"]\nNS = \"ns1.example.net.\"\nDNSKEY = [{key}, {}]",
        key.replace("256", "257")
    );
    let text = zone("", "").replace("\"@\" = { NS = \"ns1.example.net.\" }", &records);
    let server = Site::with_zone("", &text).start();
    for (what, flags, shows, hides) in CHECKS {
        let output = dig(&server, flags);
        for part in *shows {
            assert!(output.contains(part), "{what}: `{part}` is missing: {output}");
        }
        for part in *hides {
            assert!(!output.contains(part), "{what}: `{part}` is not wanted: {output}");
        }
        let warned = output.lines().find(|line| line.contains("WARNING") && !line.contains("recursion requested"));
        assert_eq!(warned, None, "{what}: {output}");
    }
}
