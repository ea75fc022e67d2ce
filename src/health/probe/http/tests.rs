#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use rustls::RootCertStore;

use super::super::server::{self, Identity, closed_port, failure, response};
use super::super::{Build, Kinds};
use super::*;
use crate::config::model::Subject;
use crate::health::sample;

/// An HTTP check with the defaults, changed by `change`, asked of `to`.
async fn ask_with(to: SocketAddr, roots: RootCertStore, change: impl FnOnce(&mut Settings)) -> Outcome {
    let mut settings = Settings::default();
    change(&mut settings);
    server::ask(&settings.check(), to, roots).await
}

async fn ask(to: SocketAddr, change: impl FnOnce(&mut Settings)) -> Outcome {
    ask_with(to, RootCertStore::empty(), change).await
}

#[derive(Clone)]
struct Settings {
    tls: bool,
    host: Option<&'static str>,
    path: &'static str,
    method: &'static str,
    headers: Vec<(String, String)>,
    status: Vec<(u16, u16)>,
    body: Option<&'static str>,
    verify: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tls: false,
            host: None,
            path: "/",
            method: "GET",
            headers: Vec::new(),
            status: vec![(200, 399)],
            body: None,
            verify: true,
        }
    }
}

impl Settings {
    fn check(&self) -> Check {
        let kind = CheckKind::Http {
            tls: self.tls,
            host: self.host.map(str::to_owned),
            path: self.path.into(),
            method: self.method.into(),
            headers: self.headers.clone(),
            status: self.status.clone(),
            body: self.body.map(str::to_owned),
            verify: self.verify,
        };
        sample::check("http", kind)
    }
}

fn passed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Pass(_))
}

#[tokio::test]
async fn h2_statuses_200_to_399_pass_and_others_fail() {
    for (status, pass) in [("200 OK", true), ("204 No Content", true), ("304 Not Modified", true), ("399 X", true)] {
        let (to, _requests) =
            server::http(vec![format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n").into()]).await;
        assert_eq!(passed(&ask(to, |_| ()).await), pass, "{status}");
    }
    for status in ["400 Bad Request", "404 Not Found", "500 Oops", "503 Service Unavailable"] {
        let (to, _requests) = server::http(response(status, "", b"")).await;
        assert_eq!(failure(ask(to, |_| ()).await), format!("status {}", &status[..3]));
    }
}

#[tokio::test]
async fn h2_the_statuses_that_pass_can_be_told() {
    let (to, _requests) = server::http(response("404 Not Found", "", b"")).await;
    assert!(passed(&ask(to, |s| s.status = vec![(200, 200), (404, 404)]).await));
    assert!(!passed(&ask(to, |s| s.status = vec![(200, 200), (500, 599)]).await));
}

#[tokio::test]
async fn h2_redirects_are_not_followed() {
    let (other, mut followed) = server::http(response("500 Oops", "", b"")).await;
    let (to, _requests) = server::http(response("302 Found", &format!("Location: http://{other}/\r\n"), b"")).await;
    assert!(passed(&ask(to, |_| ()).await));
    assert!(followed.try_recv().is_err());
}

#[tokio::test]
async fn h3_the_body_must_hold_the_text_in_the_same_case() {
    let (to, _requests) = server::http(response("200 OK", "", b"all is OK here")).await;
    assert!(passed(&ask(to, |s| s.body = Some("is OK")).await));
    let text = failure(ask(to, |s| s.body = Some("is ok")).await);
    assert!(text.contains("\"is ok\" is not in the body") && text.contains("all is OK here"), "{text}");
}

#[tokio::test]
async fn h3_a_text_that_comes_in_pieces_is_found() {
    let mut pieces = response("200 OK", "", b"health");
    let body = pieces.pop().unwrap();
    pieces.extend(body.chunks(1).map(<[u8]>::to_vec));
    let (to, _requests) = server::http(pieces).await;
    assert!(passed(&ask(to, |s| s.body = Some("ealt")).await));
}

#[tokio::test]
async fn h3_only_the_first_5120_bytes_are_looked_at() {
    for (at, pass) in [(5120 - 4, true), (5120 - 3, false), (5120, false)] {
        let mut body = vec![b'.'; 20_000];
        body[at..at + 4].copy_from_slice(b"here");
        let (to, _requests) = server::http(response("200 OK", "", &body)).await;
        assert_eq!(passed(&ask(to, |s| s.body = Some("here")).await), pass, "at {at}");
    }
}

#[tokio::test]
async fn h3_a_body_without_end_is_read_no_further_than_needed() {
    let mut pieces = response("200 OK", "", b"");
    pieces[0] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    pieces.extend(std::iter::repeat_n(vec![b'.'; 1 << 16], 4096));
    let (to, _requests) = server::http(pieces).await;
    assert!(!passed(&ask(to, |s| s.body = Some("here")).await));
}

#[tokio::test]
async fn h3_gzip_and_deflate_are_unpacked_and_the_limit_counts_unpacked_bytes() {
    let gzip = |body: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let mut late = vec![b'.'; 6000];
    late.extend_from_slice(b"here");
    for (body, pass) in [(b"it is here".as_slice(), true), (&late, false)] {
        let (to, mut requests) = server::http(response("200 OK", "Content-Encoding: gzip\r\n", &gzip(body))).await;
        assert_eq!(passed(&ask(to, |s| s.body = Some("here")).await), pass);
        let head = requests.recv().await.unwrap().to_lowercase();
        assert!(head.contains("accept-encoding: ") && head.contains("gzip") && head.contains("deflate"), "{head}");
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"it is here").unwrap();
    let body = encoder.finish().unwrap();
    let (to, _requests) = server::http(response("200 OK", "Content-Encoding: deflate\r\n", &body)).await;
    assert!(passed(&ask(to, |s| s.body = Some("here")).await));
}

#[tokio::test]
async fn h4_a_self_signed_certificate_fails_and_passes_without_verification() {
    let identity = Identity::new("www.example.com", 2190);
    let (to, _requests) = server::https(&identity, response("200 OK", "", b"")).await;
    let settings = |s: &mut Settings| (s.tls, s.host) = (true, Some("www.example.com"));
    let distrusted = ask(to, settings).await;
    assert!(matches!(&distrusted, Outcome::Fail(found) if found.certificate_days > Some(50_000)), "{distrusted:?}");
    let text = failure(distrusted);
    assert!(text.contains("certificate") && text.contains("UnknownIssuer"), "{text}");
    let unverified = |s: &mut Settings| {
        settings(s);
        s.verify = false;
    };
    assert!(passed(&ask(to, unverified).await));
    let trusted = ask_with(to, identity.roots(), settings).await;
    let Outcome::Pass(found) = trusted else { panic!("{trusted:?}") };
    assert!(found.certificate_days.is_some_and(|days| days > 50_000), "{found:?}");
}

#[tokio::test]
async fn h4_a_certificate_for_another_name_and_one_that_is_over_fail() {
    let identity = Identity::new("www.example.com", 2190);
    let (to, _requests) = server::https(&identity, response("200 OK", "", b"")).await;
    let settings = |s: &mut Settings| (s.tls, s.host) = (true, Some("www.example.net"));
    let text = failure(ask_with(to, identity.roots(), settings).await);
    assert!(text.contains("not valid for name"), "{text}");

    let identity = Identity::new("www.example.com", 2021);
    let (to, _requests) = server::https(&identity, response("200 OK", "", b"")).await;
    let settings = |s: &mut Settings| (s.tls, s.host) = (true, Some("www.example.com"));
    let text = failure(ask_with(to, identity.roots(), settings).await);
    assert!(text.contains("expired"), "{text}");
    let unverified = |s: &mut Settings| {
        settings(s);
        s.verify = false;
    };
    let unverified = ask(to, unverified).await;
    assert!(matches!(&unverified, Outcome::Pass(found) if found.certificate_days < Some(0)), "{unverified:?}");
}

#[tokio::test]
async fn h4_two_endpoints_of_one_name_are_each_verified_even_when_they_share_sessions() {
    let (good, bad) = (Identity::new("www.example.com", 2190), Identity::new("www.example.com", 2190));
    let [(first, _a), (second, _b)] = server::https_farm(&good, &bad, response("200 OK", "", b"")).await;
    let kinds = Kinds::new(Secure::with_roots(good.roots()));
    let check = Settings { tls: true, host: Some("www.example.com"), ..Settings::default() }.check();
    for (to, pass) in [(first, true), (second, false), (first, true), (second, false)] {
        let ask = kinds.build(&Arc::new(check.clone()), &Subject::Address(to.ip())).unwrap();
        assert_eq!(passed(&ask.ask(to, &Stage::new()).await), pass);
    }
}

#[tokio::test]
async fn h5_host_is_name_and_port_and_the_name_alone_on_the_default_port() {
    let (to, mut requests) = server::http(response("200 OK", "", b"")).await;
    assert!(passed(&ask(to, |s| s.host = Some("Nowhere.Invalid")).await));
    let head = requests.recv().await.unwrap().to_lowercase();
    assert!(head.contains(&format!("\r\nhost: nowhere.invalid:{}\r\n", to.port())), "{head}");

    for (tls, port, host) in [(false, 80, "h.example"), (true, 443, "h.example"), (false, 443, "h.example:443")] {
        assert_eq!(host_header(tls, Some("h.example"), port), host);
    }
}

#[tokio::test]
async fn h5_without_a_name_host_is_the_address_and_another_address_can_be_told() {
    let (to, mut requests) = server::http(response("200 OK", "", b"")).await;
    assert!(passed(&ask(to, |_| ()).await));
    assert!(requests.recv().await.unwrap().contains(&format!("host: {to}\r\n")));
    assert!(passed(&ask(to, |s| s.host = Some("192.0.2.7")).await));
    let head = requests.recv().await.unwrap();
    assert!(head.contains(&format!("host: 192.0.2.7:{}\r\n", to.port())), "{head}");
}

/// What is said to 192.0.2.1 at a port.
fn host_header(tls: bool, host: Option<&'static str>, port: u16) -> String {
    let check = Settings { tls, host, ..Settings::default() }.check();
    let http = Http::new(&Arc::new(check), None, &Secure::with_roots(RootCertStore::empty())).unwrap();
    let to = SocketAddr::from(([192, 0, 2, 1], port));
    http.request(&http.question().unwrap(), to).unwrap().headers()[HOST].to_str().unwrap().to_owned()
}

#[test]
fn h5_an_address_stands_alone_on_the_default_port_of_its_scheme() {
    for (host, text) in [(Some("192.0.2.7"), "192.0.2.7"), (Some("2001:db8::7"), "[2001:db8::7]"), (None, "192.0.2.1")]
    {
        assert_eq!([host_header(false, host, 80), host_header(false, host, 443)], [text.into(), format!("{text}:443")]);
        assert_eq!([host_header(true, host, 443), host_header(true, host, 80)], [text.into(), format!("{text}:80")]);
    }
}

#[tokio::test]
async fn h6_the_probe_goes_to_the_endpoints_address_with_the_checks_name_as_sni() {
    let identity = Identity::new("localhost", 2190);
    let (to, mut requests) = server::https(&identity, response("200 OK", "", b"")).await;
    let settings = |s: &mut Settings| (s.tls, s.host, s.verify) = (true, Some("nowhere.invalid"), false);
    assert!(passed(&ask(to, settings).await));
    assert!(requests.recv().await.unwrap().starts_with("SNI nowhere.invalid\n"));
    assert!(passed(&ask(to, |s| (s.tls, s.verify) = (true, false)).await));
    assert!(requests.recv().await.unwrap().starts_with("SNI none\n"));
}

#[test]
fn h12_a_host_that_a_url_takes_for_an_address_or_for_more_than_a_host_is_none() {
    for host in ["0x7f.1", "2130706433", "user@127.0.0.1", "a/b", "a:1", ""] {
        let check = Settings { host: Some(host), ..Settings::default() }.check();
        assert!(Http::new(&Arc::new(check), None, &Secure::with_roots(RootCertStore::empty())).is_err(), "{host}");
    }
}

#[tokio::test]
async fn names_and_paths_beyond_ascii_are_said_as_a_browser_says_them() {
    let (to, mut requests) = server::http(response("200 OK", "", b"")).await;
    assert!(passed(&ask(to, |s| (s.host, s.path) = (Some("Bücher.example"), "/stöbern?a=\"b\"#here")).await));
    let head = requests.recv().await.unwrap();
    assert!(head.starts_with("GET /st%C3%B6bern?a=%22b%22 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: xn--bcher-kva.example:"), "{head}");
}

#[tokio::test]
async fn the_request_carries_method_path_headers_and_who_asks() {
    let (to, mut requests) = server::http(response("200 OK", "", b"")).await;
    let settings = |s: &mut Settings| {
        (s.method, s.path) = ("POST", "/healthz?deep=1");
        s.headers = vec![("X-Probe".into(), "yes".into())];
    };
    assert!(passed(&ask(to, settings).await));
    let head = requests.recv().await.unwrap();
    assert!(head.starts_with("POST /healthz?deep=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert!(head.contains("x-probe: yes\r\n"), "{head}");
    assert!(head.contains(&format!("user-agent: rhumb-health/{}\r\n", env!("CARGO_PKG_VERSION"))), "{head}");
}

#[tokio::test]
async fn each_run_opens_a_connection_of_its_own() {
    let (to, mut requests) = server::http(response("200 OK", "", b"")).await;
    let secure = Secure::with_roots(RootCertStore::empty());
    let http = Http::new(&Arc::new(Settings::default().check()), None, &secure).unwrap();
    for _ in 0..3 {
        assert!(passed(&http.ask(to, &Stage::new()).await));
        // The server reports one request a connection.
        assert!(requests.recv().await.is_some());
    }
}

#[tokio::test]
async fn a_refused_connection_a_closed_one_and_nonsense_fail_with_the_reason() {
    let text = failure(ask(closed_port().await, |_| ()).await);
    assert!(text.contains("refused"), "{text}");
    let (to, _requests) = server::http(Vec::new()).await;
    assert!(failure(ask(to, |_| ()).await).starts_with("no response: "));
    let to = server::greeting("SSH-2.0-OpenSSH\r\n").await;
    assert!(failure(ask(to, |_| ()).await).starts_with("no response: "));
    assert!(failure(ask(to, |s| s.tls = true).await).starts_with("no response: "));
}

#[tokio::test]
async fn h13_no_route_is_no_result() {
    for tls in [false, true] {
        let outcome = ask(server::NO_ROUTE, |s| s.tls = tls).await;
        assert!(matches!(outcome, Outcome::NoResult(_)), "{outcome:?}");
    }
}

/// Thousands may hang at one time.
#[tokio::test]
async fn a_probe_under_way_takes_four_kilobytes_at_most_beside_its_buffers() {
    let (to, _requests) = server::http(response("200 OK", "", b"")).await;
    let secure = Secure::with_roots(RootCertStore::empty());
    let http = Http::new(&Arc::new(Settings::default().check()), None, &secure).unwrap();
    let stage = Stage::new();
    let (asked, question) = (http.ask(to, &stage), http.question().unwrap());
    let (stream, request) = (TcpStream::connect(to).await.unwrap(), http.request(&question, to).unwrap());
    let conversation = converse(stream, request, &question, &stage);
    assert!(size_of_val(&*asked) + size_of_val(&conversation) <= 4096);
}
