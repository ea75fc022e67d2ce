//! Small servers on loopback for the tests of this folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::{Build, Kinds, Outcome, Secure, Stage};
use crate::config::model::{Check, Subject};

/// Asks once, as a probe of an endpoint's own address does; hanging is a failure of the test.
pub(super) async fn ask(check: &Check, to: SocketAddr, roots: RootCertStore) -> Outcome {
    let ask =
        Kinds::new(Secure::with_roots(roots)).build(&Arc::new(check.clone()), &Subject::Address(to.ip())).unwrap();
    tokio::time::timeout(Duration::from_secs(20), ask.ask(to, &Stage::new())).await.expect("the probe hangs")
}

/// The text of a failure.
pub(super) fn failure(outcome: Outcome) -> String {
    match outcome {
        Outcome::Fail(found) => found.text,
        other => panic!("not a failure: {other:?}"),
    }
}

/// What a server got: one message a connection, the request's head, with `SNI name` before it over TLS.
pub(super) type Requests = mpsc::UnboundedReceiver<String>;

/// Answers each connection with the pieces, one at a time, and closes it.
pub(super) async fn http(pieces: Vec<Vec<u8>>) -> (SocketAddr, Requests) {
    serve(None, pieces).await
}

/// The same over TLS.
pub(super) async fn https(identity: &Identity, pieces: Vec<Vec<u8>>) -> (SocketAddr, Requests) {
    serve(Some(identity.acceptor()), pieces).await
}

async fn serve(tls: Option<TlsAcceptor>, pieces: Vec<Vec<u8>>) -> (SocketAddr, Requests) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, sender, pieces) = (tls.clone(), sender.clone(), pieces.clone());
            tokio::spawn(async move {
                match tls {
                    None => converse(stream, String::new(), pieces, sender).await,
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        let sni = format!("SNI {}\n", stream.get_ref().1.server_name().unwrap_or("none"));
                        converse(stream, sni, pieces, sender).await;
                    }
                }
            });
        }
    });
    (address, receiver)
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut head: String,
    pieces: Vec<Vec<u8>>,
    sender: mpsc::UnboundedSender<String>,
) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    head.push_str(&String::from_utf8_lossy(&bytes));
    let _ = sender.send(head);
    for piece in pieces {
        if stream.write_all(&piece).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    let _ = stream.shutdown().await;
}

/// Speaks first, and not what was hoped for.
pub(super) async fn greeting(text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

/// A response with a body, its length told.
pub(super) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    vec![head.into_bytes(), body.to_vec()]
}

/// A self-signed certificate and its key.
pub(super) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// For a name or address, valid from 2020 to the end of `last_year`.
    pub(super) fn new(name: &str, last_year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// The certificate as it is shown.
    pub(super) fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// A store that believes it.
    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        roots
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(self.config()))
    }

    fn config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth();
        config.with_single_cert(vec![self.certificate.clone()], self.key.clone_key()).unwrap()
    }
}

/// Two servers that take up each other's sessions, as those of one farm do, with a certificate each.
pub(super) async fn https_farm(
    first: &Identity,
    second: &Identity,
    pieces: Vec<Vec<u8>>,
) -> [(SocketAddr, Requests); 2] {
    let (one, mut other) = (first.config(), second.config());
    other.session_storage = Arc::clone(&one.session_storage);
    let acceptor = |config| Some(TlsAcceptor::from(Arc::new(config)));
    [serve(acceptor(one), pieces.clone()).await, serve(acceptor(other), pieces).await]
}

/// An address of this machine's networks that no stream can be opened to: the kernel says that there is no route.
pub(super) const NO_ROUTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), 80);

/// A port that nothing listens on.
pub(super) async fn closed_port() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap()
}
