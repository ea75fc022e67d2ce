//! The portable transport beside rhumb's own, and rhumb inside of a hickory-server of others.

use std::net::SocketAddr;

use super::{Client, Site, over_tcp};
use crate::harness::{Ask, Reply, zone};

fn site(transport: &str) -> Site {
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb");
    let long: String = (0..40).map(|i| format!("\"{i:02}{}\", ", "x".repeat(60))).collect();
    let records = format!(
        "ns1 = {{ A = \"192.0.2.53\", AAAA = \"2001:db8::53\" }}\nhost = {{ A = \"192.0.2.7\", TXT = \"a b\", MX = \"10 ns1\" }}\n\
         long = {{ TXT = [{long}] }}\nalias = {{ CNAME = \"near\" }}\nout = {{ CNAME = \"www.example.org.\" }}\n\
         \"*.wild\" = {{ A = \"192.0.2.8\" }}\n\"empty.below\" = {{ TXT = \"x\" }}\nsub = {{ NS = \"ns.sub\" }}\n\
         \"ns.sub\" = {{ A = \"192.0.2.54\" }}\nnear = {{ route = \"near\", ttl = 7 }}"
    );
    let zone = zone(
        &records,
        "[endpoints.w]\nA = \"192.0.2.1\"\nAAAA = \"2001:db8::1\"\nat = \"aws:us-east-1\"\n\
         [endpoints.l]\nA = \"192.0.2.2\"\nAAAA = \"2001:db8::2\"\nat = \"aws:eu-west-2\"\n\
         [routes.near]\npolicy = \"geoproximity\"\nto = [\"w\", \"l\"]",
    )
    .replace("minimum = \"60s\"", "minimum = \"60s\"\nserial = 7");
    Site::with_zone(&format!("transport = \"{transport}\"\n[geoip]\ndatabases = [\"{database}\"]"), &zone)
}

/// All that the parsers read; records of an RRset rotate.
fn decoded(reply: &Reply) -> String {
    let flags =
        (reply.id, reply.opcode, reply.aa, reply.tc, reply.rd, reply.ra, reply.z, reply.ad, reply.cd, reply.rcode);
    let mut sections = [&reply.answer, &reply.authority, &reply.additional].map(Clone::clone);
    for section in &mut sections {
        section.sort_by_key(|record| (record.owner.to_string(), record.rtype.0, record.rdata.clone()));
    }
    format!("{flags:?}\n{:?}\n{sections:#?}\n{:?}", reply.question, reply.edns)
}

/// As its own program has it.
type Fault = Box<dyn std::error::Error + Send + Sync>;

#[path = "../../examples/steer_inside_hickory/steering.rs"]
mod steering;

/// Questions of every kind.
fn questions() -> Vec<Ask> {
    let mut asks = Vec::new();
    for (name, rtype) in [
        ("example.com.", 6),
        ("example.com.", 2),
        ("host.example.com.", 1),
        ("HoSt.example.com.", 1),
        ("host.example.com.", 28),
        ("host.example.com.", 16),
        ("host.example.com.", 15),
        ("nobody.example.com.", 1),
        ("below.example.com.", 1),
        ("a.b.wild.example.com.", 1),
        ("out.example.com.", 1),
        ("www.sub.example.com.", 1),
        ("near.example.com.", 28),
        ("near.example.com.", 16),
        ("near.example.com.", 731),
        ("alias.example.com.", 1),
        ("www.example.org.", 1),
    ] {
        let ask = Ask { rtype, ..Ask::a(name) };
        asks.extend([ask.clone(), ask.clone().edns()]);
        for subnet in ["24.137.64.0/24", "5.23.64.0/24", "2a0d:3344:100::/48", "10.0.0.0/24", "0.0.0.0/0"] {
            asks.push(ask.clone().subnet(subnet));
        }
        asks.push(Ask { dnssec_ok: true, ..ask.clone().payload(4096) });
        asks.push(Ask { class: 3, ..ask });
    }
    asks
}

#[test]
fn p23_the_portable_transport_answers_with_the_same_decoded_message() {
    let (native, hickory) = (site("native").start(), site("hickory").start());
    let asks = questions();
    let mut kinds = std::collections::BTreeSet::new();
    for ask in &asks {
        let one = native.ask(ask);
        assert_eq!(decoded(&one), decoded(&hickory.ask(ask)), "{ask:?}");
        kinds.insert((one.rcode, one.aa, one.answer.is_empty()));
        let (native, hickory) = (over_tcp(native.dns, ask), over_tcp(hickory.dns, ask));
        assert_eq!(decoded(&native), decoded(&hickory), "{ask:?} over TCP");
    }
    assert!(kinds.len() >= 5, "answers, NODATA, NXDOMAIN, referrals and refusals were among them: {kinds:?}");
    // p7: what does not fit is truncated alike, and whole over TCP.
    for ask in [Ask::a("long.example.com."), Ask::a("long.example.com.").payload(1232)] {
        let ask = Ask { rtype: 16, ..ask };
        let one = native.ask(&ask);
        assert!(one.tc && one.answer.is_empty());
        assert_eq!(decoded(&one), decoded(&hickory.ask(&ask)));
        let (one, other) = (over_tcp(native.dns, &ask), over_tcp(hickory.dns, &ask));
        assert_eq!((one.answer.len(), decoded(&one)), (40, decoded(&other)));
    }
}

#[test]
fn p23_a_hickory_server_that_has_rhumb_inside_steers_as_rhumb_does_and_answers_the_rest_itself() {
    let native = site("native").start();
    let inside = site("native");
    let runtime = super::secure::runtime();
    let rest = hickory_server::zone_handler::Catalog::new();
    let (server, address): (_, SocketAddr) = runtime.block_on(async {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = tokio::net::UdpSocket::bind(address).await.unwrap();
        (steering::server(inside.path().join("rhumb.toml"), rest, udp, tcp).await.unwrap(), address)
    });
    let (ours, others): (Vec<Ask>, Vec<Ask>) =
        questions().into_iter().partition(|ask| ask.name.to_lowercase().ends_with("example.com."));
    assert!(ours.len() > 100 && others.len() > 5);
    for ask in &ours {
        assert_eq!(decoded(&native.ask(ask)), decoded(&Client::of(address).ask(ask)), "{ask:?}");
        assert_eq!(decoded(&over_tcp(native.dns, ask)), decoded(&over_tcp(address, ask)), "{ask:?} over TCP");
    }
    // The empty catalog refuses, without a word of rhumb's in it.
    let refused = Client::of(address).exchange(&others[0].bytes()).unwrap();
    assert_eq!(refused[3] & 0xf, 5);
    drop(server);
}
