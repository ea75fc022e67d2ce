#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use rustls::RootCertStore;
use tokio::net::TcpListener;

use super::super::server::{closed_port, failure};
use super::*;
use crate::config::model::CheckKind;
use crate::health::sample;

async fn ask(to: SocketAddr, send: Option<&str>, expect: Option<&str>) -> Outcome {
    let kind = CheckKind::Tcp { send: send.map(str::to_owned), expect: expect.map(str::to_owned) };
    super::super::server::ask(&sample::check("tcp", kind), to, RootCertStore::empty()).await
}

/// Says back what it hears, in upper case, then closes.
async fn shouting() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 5];
            if stream.read_exact(&mut heard).await.is_ok() {
                for byte in heard.to_ascii_uppercase() {
                    let _ = stream.write_all(&[byte]).await;
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn an_open_port_passes_and_a_closed_one_fails() {
    assert!(matches!(ask(shouting().await, None, None).await, Outcome::Pass(_)));
    assert!(failure(ask(closed_port().await, None, None).await).contains("refused"));
}

#[tokio::test]
async fn what_is_sent_must_bring_what_is_expected() {
    let to = shouting().await;
    assert!(matches!(ask(to, Some("hello"), Some("ELLO")).await, Outcome::Pass(_)));
    assert_eq!(failure(ask(to, Some("hello"), Some("ello")).await), "\"ello\" did not come, but \"HELLO\"");
}

#[tokio::test]
async fn a_stream_without_end_is_read_up_to_the_limit() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(&[b'.'; 1024]).await.is_ok() {}
    });
    assert!(failure(ask(to, None, Some("x")).await).contains("did not come"));
}
