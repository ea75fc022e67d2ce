#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use rustls::RootCertStore;

use std::time::SystemTime;

use super::super::secure::days_left;
use super::super::server::{self, Identity, closed_port, failure};
use super::*;
use crate::config::model::{Check, CheckKind};
use crate::health::sample;

fn check(host: Option<&str>, verify: bool) -> Check {
    sample::check("tls", CheckKind::Tls { host: host.map(str::to_owned), verify })
}

#[tokio::test]
async fn h4_the_handshake_verifies_by_default_and_tells_the_days_left() {
    let identity = Identity::new("www.example.com", 2190);
    let (to, _requests) = server::https(&identity, Vec::new()).await;
    let outcome = server::ask(&check(Some("www.example.com"), true), to, identity.roots()).await;
    assert!(matches!(&outcome, Outcome::Pass(found) if found.certificate_days > Some(50_000)), "{outcome:?}");
    let text = failure(server::ask(&check(Some("www.example.com"), true), to, RootCertStore::empty()).await);
    assert!(text.contains("UnknownIssuer"), "{text}");
    let text = failure(server::ask(&check(Some("other.example"), true), to, identity.roots()).await);
    assert!(text.contains("not valid for name"), "{text}");
    let outcome = server::ask(&check(Some("other.example"), false), to, RootCertStore::empty()).await;
    assert!(matches!(outcome, Outcome::Pass(_)), "{outcome:?}");
}

#[tokio::test]
async fn h4_a_certificate_that_is_not_believed_has_its_days_told_too() {
    let soon_over = Identity::new("www.example.com", 2021);
    let (to, _requests) = server::https(&soon_over, Vec::new()).await;
    for (name, roots) in [("www.example.com", soon_over.roots()), ("www.example.com", RootCertStore::empty())] {
        let outcome = server::ask(&check(Some(name), true), to, roots).await;
        assert!(matches!(&outcome, Outcome::Fail(found) if found.certificate_days < Some(0)), "{outcome:?}");
    }
    let good = Identity::new("www.example.com", 2190);
    let (to, _requests) = server::https(&good, Vec::new()).await;
    let outcome = server::ask(&check(Some("other.example"), true), to, good.roots()).await;
    assert!(matches!(&outcome, Outcome::Fail(found) if found.certificate_days > Some(50_000)), "{outcome:?}");
    let outcome = server::ask(&check(None, true), closed_port().await, good.roots()).await;
    assert!(matches!(&outcome, Outcome::Fail(found) if found.certificate_days.is_none()), "{outcome:?}");
}

#[tokio::test]
async fn h4_without_a_name_the_certificate_is_for_the_address() {
    let identity = Identity::new("127.0.0.1", 2190);
    let (to, _requests) = server::https(&identity, Vec::new()).await;
    let outcome = server::ask(&check(None, true), to, identity.roots()).await;
    assert!(matches!(outcome, Outcome::Pass(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_and_a_closed_port_fail() {
    let to = server::greeting("220 mail.example\r\n").await;
    let text = failure(server::ask(&check(None, false), to, RootCertStore::empty()).await);
    assert!(text.starts_with("handshake failed: "), "{text}");
    let text = failure(server::ask(&check(None, true), closed_port().await, RootCertStore::empty()).await);
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn h13_no_route_is_no_result() {
    let outcome = server::ask(&check(None, true), server::NO_ROUTE, RootCertStore::empty()).await;
    assert!(matches!(outcome, Outcome::NoResult(_)), "{outcome:?}");
}

#[test]
fn an_end_in_the_past_is_a_negative_number_of_days() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2030, 1, 2);
    let certificate = params.self_signed(&key).unwrap();
    let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    const NEW_YEAR_2030: u64 = 1_893_456_000;
    assert_eq!(days_left(certificate.der(), at(NEW_YEAR_2030)), Some(1));
    assert_eq!(days_left(certificate.der(), at(NEW_YEAR_2030 + 1)), Some(0));
    assert_eq!(days_left(certificate.der(), at(NEW_YEAR_2030 + 86_401)), Some(-1));
    assert_eq!(days_left(b"nonsense", at(0)), None);
}
