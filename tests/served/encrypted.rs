//! TLS, HTTPS, QUIC and HTTP/3 beside UDP and TCP.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use super::secure::{
    EVERYWHERE, Http3, Https, Quic, Response, Tls, address, believing, certificate, framed, renew, runtime,
};
use super::{Client, Server, Site, over_tcp};
use crate::harness::{Ask, Draws, zone};

const RECORDS: &str = "ns1 = { A = \"192.0.2.53\", AAAA = \"2001:db8::53\" }\n\
     host = { A = \"192.0.2.7\", TXT = \"a b\", MX = \"10 ns1\" }\n\
     many = { A = [\"192.0.2.11\", \"192.0.2.12\", \"192.0.2.13\"] }\nshort = { A = \"192.0.2.9\", ttl = 5 }\n\
     alias = { CNAME = \"near\" }\nout = { CNAME = \"www.example.org.\" }\n\"*.wild\" = { A = \"192.0.2.8\" }\n\
     \"empty.below\" = { TXT = \"x\" }\nsub = { NS = \"ns.sub\" }\n\"ns.sub\" = { A = \"192.0.2.54\" }\n\
     near = { route = \"near\", ttl = 7 }\nshared = { route = \"shared\", ttl = 9 }";

const ROUTES: &str = "[endpoints.w]\nA = \"192.0.2.1\"\nAAAA = \"2001:db8::1\"\nat = \"aws:us-east-1\"\n\
     [endpoints.l]\nA = \"192.0.2.2\"\nAAAA = \"2001:db8::2\"\nat = \"aws:eu-west-2\"\n\
     [routes.near]\npolicy = \"geoproximity\"\nto = [\"w\", \"l\"]\n\
     [routes.shared]\npolicy = \"weighted\"\nto = [\"w\", \"l\"]";

/// A zone with one of everything, served everywhere.
pub(super) fn site(server: &str) -> Site {
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb");
    let long: String = (0..40).map(|i| format!("\"{i:02}{}\", ", "x".repeat(60))).collect();
    let zone = zone(&format!("{RECORDS}\nlong = {{ TXT = [{long}] }}"), ROUTES)
        .replace("minimum = \"60s\"", "minimum = \"60s\"\nserial = 7");
    let site = Site::with_zone(&format!("{server}\n{EVERYWHERE}\n[geoip]\ndatabases = [\"{database}\"]"), &zone);
    renew(&site);
    site
}

/// A client of each transport.
struct Clients {
    udp: Client,
    tls: Tls,
    first: Https,
    second: Https,
    quic: Quic,
    third: Http3,
}

impl Clients {
    fn of(site: &Site, server: &Server) -> Self {
        let (runtime, certificate) = (runtime(), certificate(site));
        Self {
            udp: Client::of(server.dns),
            tls: Tls::open(address(server, "tls"), believing(certificate.clone(), &[b"dot"])),
            first: Https::open(server, certificate.clone(), "http/1.1"),
            second: Https::open(server, certificate.clone(), "h2"),
            quic: Quic::open(&runtime, address(server, "quic"), believing(certificate.clone(), &[b"doq"])),
            third: Http3::open(&runtime, address(server, "http3"), certificate),
        }
    }

    /// The reply over each stream.
    fn replies(&mut self, server: &Server, ask: &Ask) -> Vec<(&'static str, Vec<u8>)> {
        let query = ask.bytes();
        vec![
            ("TCP", over_tcp(server.dns, ask).bytes),
            ("TLS", self.tls.try_exchange(&query).unwrap()),
            ("GET over HTTP/1.1", self.first.get(&query).message()),
            ("POST over HTTP/1.1", self.first.post(&query).message()),
            ("GET over HTTP/2", self.second.get(&query).message()),
            ("POST over HTTP/2", self.second.post(&query).message()),
            ("QUIC", self.quic.exchange(&query)),
            ("GET over HTTP/3", self.third.get(&query).message()),
            ("POST over HTTP/3", self.third.post(&query).message()),
        ]
    }
}

const NAMES: &[&str] = &[
    "example.com.",
    "host.example.com.",
    "HoSt.eXample.com.",
    "many.example.com.",
    "nobody.example.com.",
    "below.example.com.",
    "a.b.wild.example.com.",
    "out.example.com.",
    "www.sub.example.com.",
    "near.example.com.",
    "alias.example.com.",
    "shared.example.com.",
    "www.example.org.",
];

fn random_ask(draws: &mut Draws) -> Ask {
    let mut ask =
        Ask { id: 0, rtype: *draws.pick(&[1, 1, 28, 16, 15, 2, 6, 257, 731]), ..Ask::a(draws.pick::<&str>(NAMES)) };
    if draws.one_in(2) {
        ask = ask.payload(1232);
        ask.dnssec_ok = draws.one_in(3);
    }
    if draws.one_in(2) {
        let nets = ["24.137.64.0/24", "5.23.64.0/24", "2a0d:3344:100::/48", "10.0.0.0/24", "0.0.0.0/0"];
        ask = ask.subnet(draws.pick::<&str>(&nets));
    }
    if draws.one_in(12) {
        ask.class = 3;
    }
    ask
}

#[test]
fn p23_every_transport_sends_the_same_answer() {
    let site = site("");
    let server = site.start();
    let mut clients = Clients::of(&site, &server);
    let mut draws = Draws::new(0x23);
    let mut kinds = BTreeSet::new();
    for _ in 0..150 {
        let ask = random_ask(&mut draws);
        let query = ask.bytes();
        // What rotates, or is drawn, comes in several forms, each of them as likely as the others.
        let first = clients.udp.exchange(&query).unwrap();
        let mut forms = BTreeSet::from([first.clone()]);
        for (transport, reply) in clients.replies(&server, &ask) {
            let mut tries = 0;
            while !forms.contains(&reply) {
                forms.insert(clients.udp.exchange(&query).unwrap());
                tries += 1;
                assert!(tries < 200, "{ask:?}\n{transport} {reply:?}\nUDP {forms:?}");
            }
        }
        kinds.insert((first[3] & 0xf, first[2] & 4, first[7] == 0));
    }
    assert!(kinds.len() >= 5, "answers, NODATA, NXDOMAIN, referrals and refusals were among them: {kinds:?}");
}

#[test]
fn p23_what_a_datagram_has_no_room_for_is_whole_and_the_same_on_every_stream() {
    let site = site("");
    let server = site.start();
    let ask = Ask { id: 0, rtype: 16, ..Ask::a("long.example.com.") };
    assert!(server.ask(&ask).tc);
    for (transport, reply) in Clients::of(&site, &server).replies(&server, &ask) {
        let reply = crate::harness::Reply::read(&reply);
        assert_eq!((reply.answer.len(), reply.tc), (40, false), "{transport}");
    }
}

#[test]
fn p23_what_is_no_plain_query_is_refused_alike_on_every_stream() {
    let site = site("");
    let server = site.start();
    let ask = Ask { id: 0, rtype: 252, ..Ask::a("example.com.") };
    let replies = Clients::of(&site, &server).replies(&server, &ask);
    let (_, first) = &replies[0];
    assert_eq!(first[3] & 0xf, 5, "nobody has allowed a transfer");
    for (transport, reply) in &replies {
        assert_eq!(reply, first, "{transport}");
    }
}

/// Whether a program of others is there. Where changes are judged it must be.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is needed where changes are judged");
    if !found {
        eprintln!("{program} is missing: it is not asked");
    }
    found
}

#[test]
fn p22_kdig_gets_the_same_answer_by_every_transport_that_it_speaks() {
    if !is_there("kdig") {
        return;
    }
    let site = site("");
    let server = site.start();
    let authority = site.path().join("tls.pem");
    let ask = |key: &str, flags: &[&str], name: &str, rtype: &str| {
        let address = if key == "dns" { server.dns } else { address(&server, key) };
        let (at, port) = (format!("@{}", address.ip()), address.port().to_string());
        let output = Command::new("kdig")
            .args([&at, "-p", &port, name, rtype, "+noall", "+answer", "+authority", "+timeout=10", "+retry=0"])
            .args(flags)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{flags:?}: {said}");
        said
    };
    let believes = [&format!("+tls-ca={}", authority.display()), "+tls-hostname=localhost"];
    for (name, rtype) in [("host.example.com", "A"), ("long.example.com", "TXT"), ("nobody.example.com", "A")] {
        let sorted = |said: String| said.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let plain = sorted(ask("dns", &["+tcp"], name, rtype));
        assert!(plain.iter().any(|line| line.contains("example.com.")), "{plain:?}");
        let mut transports = vec![("tls", "+tls"), ("https", "+https"), ("https", "+https-get")];
        if String::from_utf8_lossy(&Command::new("kdig").arg("--help").output().unwrap().stdout).contains("quic") {
            transports.push(("quic", "+quic"));
        }
        for (key, flag) in transports {
            // With QUIC this program asks nobody to vouch for the server.
            let flags = if key == "quic" { vec![flag] } else { vec![flag, believes[0], believes[1]] };
            let said = sorted(ask(key, &flags, name, rtype));
            assert_eq!(said, plain, "{flag} {name}");
        }
    }
}

#[test]
fn p23_dnspython_gets_the_same_octets_by_every_transport_http3_included() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/dnspython/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is not there, and CI needs it", python.display());
        eprintln!("skipped: {} is not there; .ci/run makes it", python.display());
        return;
    }
    let site = site("");
    let server = site.start();
    let port = |key: &str| address(&server, key).port().to_string();
    let output = Command::new(&python)
        .arg(root.join("tests/served/by_every_transport.py"))
        .arg(site.path().join("tls.pem"))
        .args([server.dns.port().to_string(), port("tls"), port("https"), port("quic"), port("http3")])
        .args(["host.example.com", "nobody.example.com", "www.sub.example.com", "a.wild.example.com"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().count(), 4 * 8, "{said}");
}

#[test]
fn p22_curl_gets_messages_by_both_versions_of_http() {
    if !is_there("curl") {
        return;
    }
    let site = site("");
    let server = site.start();
    let port = address(&server, "https").port();
    let ask = Ask { id: 0, ..Ask::a("host.example.com.") };
    let plain = Client::of(server.dns).exchange(&ask.bytes()).unwrap();
    for version in ["--http1.1", "--http2"] {
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", version, "--cacert", "tls.pem", "--resolve"])
            .arg(format!("localhost:{port}:127.0.0.1"))
            .arg(format!("https://localhost:{port}{}", super::secure::in_path(&ask.bytes())))
            .current_dir(site.path())
            .output()
            .unwrap();
        assert_eq!(output.stdout, plain, "{version}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The same requests by each version of HTTP.
fn by_each(
    site: &Site,
    server: &Server,
    mut look: impl FnMut(&str, &mut dyn FnMut(&str, &str, &[(&str, &str)], Vec<u8>) -> Response),
) {
    for version in ["http/1.1", "h2"] {
        let client = Https::open(server, certificate(site), version);
        look(version, &mut |method, path, headers, body| client.send(method, path, headers, body));
    }
    let mut client = Http3::open(&runtime(), address(server, "http3"), certificate(site));
    look("h3", &mut |method, path, headers, body| client.send(method, path, headers, body));
}

#[test]
fn p22_https_says_what_is_wrong_with_a_request_and_goes_on() {
    let site = site("");
    let server = site.start();
    let query = Ask { id: 0, ..Ask::a("host.example.com.") }.bytes();
    let good = super::secure::in_path(&query);
    let message = ("content-type", "application/dns-message");
    by_each(&site, &server, |version, send| {
        for (method, path, headers, body, status) in [
            ("GET", "/other", &[][..], Vec::new(), 404),
            ("GET", "/dns-query", &[], Vec::new(), 400),
            ("GET", "/dns-query?dns=!", &[], Vec::new(), 400),
            ("GET", "/dns-query?dns=AAAA", &[], Vec::new(), 400),
            ("DELETE", "/dns-query", &[], Vec::new(), 405),
            ("POST", "/dns-query", &[message], Vec::new(), 400),
            ("POST", "/dns-query", &[message], vec![0; 65_536], 413),
            ("POST", "/dns-query", &[("content-type", "text/plain")], query.clone(), 415),
        ] {
            assert_eq!(send(method, path, headers, body).status, status, "{version} {method} {path}");
            // One that is refused costs the next one nothing.
            assert_eq!(send("GET", &good, &[], Vec::new()).status, 200, "{version}");
        }
    });
}

#[test]
fn p22_an_answer_may_be_kept_for_its_lowest_ttl_and_a_negative_one_for_the_soa_record_s_minimum() {
    let site = site("");
    let server = site.start();
    by_each(&site, &server, |version, send| {
        for (name, kept) in [
            ("host.example.com.", 300),
            ("short.example.com.", 5),
            ("near.example.com.", 7),
            // The CNAME has 300.
            ("alias.example.com.", 7),
            ("nobody.example.com.", 60),
            ("www.example.org.", 0),
        ] {
            let query = Ask { id: 0, ..Ask::a(name) }.bytes();
            let response = send("GET", &super::secure::in_path(&query), &[], Vec::new());
            let expected = format!("private, max-age={kept}");
            assert_eq!(response.header("cache-control"), expected, "{version} {name}");
        }
    });
}

#[test]
fn p22_messages_follow_each_other_on_one_stream_of_tls() {
    use std::io::{Read, Write};
    let site = site("");
    let server = site.start();
    let mut tls = Tls::open(address(&server, "tls"), believing(certificate(&site), &[b"dot"]));
    let asks: Vec<Ask> = (1..=50).map(|id| Ask { id, ..Ask::a("host.example.com.") }).collect();
    let all: Vec<u8> = asks.iter().flat_map(|ask| framed(&ask.bytes())).collect();
    tls.0.write_all(&all).unwrap();
    for ask in &asks {
        let mut length = [0; 2];
        tls.0.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        tls.0.read_exact(&mut reply).unwrap();
        assert_eq!(reply[..2], ask.id.to_be_bytes());
    }
    let counters = server.status()["counters"].clone();
    assert_eq!((counters["tls_queries"].as_u64(), counters["tls_connections"].as_u64()), (Some(50), Some(1)));
}

#[test]
fn p22_quic_ends_a_connection_that_breaks_its_rules_and_no_other() {
    let site = site("");
    let server = site.start();
    let runtime = runtime();
    let open = || Quic::open(&runtime, address(&server, "quic"), believing(certificate(&site), &[b"doq"]));
    let good = Ask { id: 0, ..Ask::a("host.example.com.") }.bytes();
    let keepalive = {
        let mut query = Ask { id: 0, ..Ask::a("host.example.com.") }.edns().bytes();
        let at = query.len() - 2;
        query[at..].copy_from_slice(&[0, 4]);
        query.extend([0, 11, 0, 0]);
        query
    };
    let other = open();
    for (what, octets) in [
        ("an ID", framed(&Ask { id: 7, ..Ask::a("host.example.com.") }.bytes())),
        ("two messages", [framed(&good), framed(&good)].concat()),
        ("half a message", framed(&good)[..20].to_vec()),
        ("no message", Vec::new()),
        ("the keepalive option", framed(&keepalive)),
        ("a response", framed(&[&[0, 0, 0x80, 0], &good[4..]].concat())),
    ] {
        let quic = open();
        assert!(quic.stream(&octets).is_err(), "{what}");
        // DOQ_PROTOCOL_ERROR.
        assert_eq!(quic.closed_with(), 2, "{what}");
        assert_eq!(other.exchange(&good)[3] & 0xf, 0, "{what}");
    }
    assert_eq!(server.status()["counters"]["quic_faults"], 6);
}

#[test]
fn p22_a_self_signed_certificate_is_made_only_when_it_is_asked_for_and_is_told_of() {
    let site = Site::with_zone(
        "[listen]\ntls = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"",
        &zone("host = { A = \"192.0.2.7\" }", ""),
    );
    let refused = site.refused(&[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("listen.tls") && said.contains("--tls-self-signed"), "{said}");
    let server = site.start_with(&["--tls-self-signed"]);
    let status = server.status();
    assert!(status["certificate"]["file"].is_null() && status["certificate"]["ends"].is_i64(), "{status}");
    let scheme = |scheme: &str| {
        status["listening"].as_array().unwrap().iter().any(|at| at.as_str().unwrap().starts_with(scheme))
    };
    assert!(scheme("tls://127.0.0.1:") && scheme("https://127.0.0.1:") && !scheme("quic"), "{status}");
    let shown = server.done(&["status"]);
    assert!(shown.contains("self-signed") && shown.contains("tls://"), "{shown}");
}

#[test]
fn p22_what_could_be_replayed_is_not_taken_before_the_handshake_is_done() {
    let site = site("");
    let server = site.start();
    let query = Ask { id: 0, ..Ask::a("host.example.com.") }.bytes();
    let eager = |protocol: &[u8]| {
        let mut config = believing(certificate(&site), &[protocol]);
        config.resumption = rustls::client::Resumption::default();
        config.enable_early_data = true;
        config
    };
    let config = eager(b"dot");
    Tls::open(address(&server, "tls"), config.clone()).try_exchange(&query).unwrap();
    let mut again = Tls::open(address(&server, "tls"), config);
    assert!(again.0.conn.early_data().is_none(), "the ticket allows none");
    again.try_exchange(&query).unwrap();
    assert_eq!(again.0.conn.handshake_kind(), Some(rustls::HandshakeKind::Resumed), "there was a ticket");

    let runtime = runtime();
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(eager(b"doq")).unwrap();
    let _inside = runtime.enter();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
    let connect = || endpoint.connect(address(&server, "quic"), "localhost").unwrap();
    runtime.block_on(async {
        let connection = connect().await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&query)).await.unwrap();
        send.finish().unwrap();
        // The ticket has come before the reply.
        assert!(receive.read_to_end(1 << 16).await.unwrap().len() > 14);
    });
    assert!(connect().into_0rtt().is_err(), "the ticket allows none");
}

#[test]
fn p23_a_client_of_quic_is_at_the_address_of_its_handshake_and_nowhere_else() {
    const LISTED: &str = "127.77.3.9";
    let site = Site::with_zone(
        &format!("[limits]\nidle = \"1s\"\n{EVERYWHERE}"),
        &zone("host = { A = \"192.0.2.7\" }", &format!("[transfer]\nto = [\"{LISTED}\"]")),
    );
    renew(&site);
    let server = site.start();
    let runtime = runtime();
    let open = |from: &str| {
        let config = believing(certificate(&site), &[b"doq"]);
        Quic::try_open_from(from, &runtime, address(&server, "quic"), config).unwrap()
    };
    let transfer = framed(&Ask { id: 0, rtype: 252, ..Ask::a("example.com.") }.bytes());
    let rcode = |reply: &[u8]| reply[5] & 0xf;
    let quic = open("127.77.3.7");
    assert_eq!(rcode(&quic.stream(&transfer).unwrap()), 5);
    quic.move_to(LISTED);
    // What comes from there is not this client's; the connection ends by its silence.
    quic.stream(&transfer).unwrap_err();
    let listed = open(LISTED).stream(&transfer).unwrap();
    assert_eq!(rcode(&listed), 0, "who is there from the first has the zone");
}
