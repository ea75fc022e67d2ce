//! Clients of the encrypted transports, which know nothing of rhumb: queries and replies as octets.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::blocking::Client as Http;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::runtime::Runtime;

use super::{SOON, Server, Site};

const NAME: &str = "localhost";
const DNS_MESSAGE: &str = "application/dns-message";

/// Lines of a server file with a certificate and every transport on ports of the kernel's choice.
pub(crate) const EVERYWHERE: &str = "[listen]\ntls = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nquic = \"127.0.0.1:0\"\n\
     http3 = \"127.0.0.1:0\"\n[tls]\ncertificate = \"tls.pem\"\nkey = \"key.pem\"\n";

/// Puts a new certificate for `localhost` in a site's place, its key first, each as a whole.
pub(crate) fn renew(site: &Site) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    put(site.path(), "key.pem", &signing_key.serialize_pem());
    put(site.path(), "tls.pem", &cert.pem());
}

/// As `renew`, valid at no time since 2001.
pub(crate) fn ended() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn put(directory: &Path, name: &str, text: &str) {
    let beside = directory.join(format!(".{name}.new"));
    fs::write(&beside, text).unwrap();
    fs::rename(beside, directory.join(name)).unwrap();
}

/// The certificate that a site has now.
pub(crate) fn certificate(site: &Site) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(site.path().join("tls.pem")).unwrap()
}

/// Believes no certificate.
pub(crate) fn nobody() -> ClientConfig {
    config(RootCertStore::empty(), &[])
}

/// Believes this certificate and no other, and offers these protocols.
pub(crate) fn believing(certificate: CertificateDer<'static>, protocols: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    config(roots, protocols)
}

fn config(roots: RootCertStore, protocols: &[&[u8]]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = rustls::client::Resumption::disabled();
    config
}

/// Where a server says that a transport is.
pub(crate) fn address(server: &Server, key: &str) -> SocketAddr {
    server.told[key][0].as_str().unwrap_or_else(|| panic!("{key} is served: {}", server.told)).parse().unwrap()
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

/// A stream of DNS over TLS, with TCP below.
pub(crate) struct Tls(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl Tls {
    pub(crate) fn open(address: SocketAddr, config: ClientConfig) -> Self {
        Self::over(TcpStream::connect(address).unwrap(), config)
    }

    pub(crate) fn over(stream: TcpStream, config: ClientConfig) -> Self {
        stream.set_read_timeout(Some(SOON)).unwrap();
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap();
        Self(StreamOwned::new(client, stream))
    }

    pub(crate) fn try_exchange(&mut self, query: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.write_all(&framed(query))?;
        let mut length = [0; 2];
        self.0.read_exact(&mut length)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut reply)?;
        Ok(reply)
    }
}

impl Tls {
    /// What a POST of HTTP/1.1 gets: the message in a response of 200.
    pub(crate) fn post(&mut self, query: &[u8]) -> Vec<u8> {
        let length = query.len();
        let head = format!(
            "POST /dns-query HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: {DNS_MESSAGE}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.0.write_all(&[head.as_bytes(), query].concat()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            self.0.read_exact(&mut octet).unwrap();
            head.extend(octet);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("its length");
        let mut reply = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut reply).unwrap();
        reply
    }
}

/// A connection of QUIC with the runtime that drives it.
pub(crate) struct Quic {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) connection: quinn::Connection,
    endpoint: quinn::Endpoint,
}

impl Quic {
    pub(crate) fn open(runtime: &Arc<Runtime>, address: SocketAddr, config: ClientConfig) -> Self {
        Self::try_open(runtime, address, config).unwrap()
    }

    pub(crate) fn try_open(
        runtime: &Arc<Runtime>,
        address: SocketAddr,
        config: ClientConfig,
    ) -> Result<Self, quinn::ConnectionError> {
        Self::try_open_from("127.0.0.1", runtime, address, config)
    }

    /// From an address of loopback.
    pub(crate) fn try_open_from(
        from: &str,
        runtime: &Arc<Runtime>,
        address: SocketAddr,
        config: ClientConfig,
    ) -> Result<Self, quinn::ConnectionError> {
        let _inside = runtime.enter();
        let crypto = QuicClientConfig::try_from(config).unwrap();
        let mut endpoint = quinn::Endpoint::client((from.parse::<IpAddr>().unwrap(), 0).into()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        let connecting = endpoint.connect(address, NAME).unwrap();
        let connection = runtime.block_on(connecting)?;
        Ok(Self { runtime: Arc::clone(runtime), connection, endpoint })
    }

    /// Sends from another address from now on.
    pub(crate) fn move_to(&self, from: &str) {
        let _inside = self.runtime.enter();
        self.endpoint.rebind(UdpSocket::bind((from, 0)).unwrap()).unwrap();
    }

    /// One stream with these octets, and all that comes back.
    pub(crate) fn stream(&self, octets: &[u8]) -> Result<Vec<u8>, String> {
        self.runtime.block_on(async {
            let (mut send, mut receive) = self.connection.open_bi().await.map_err(|e| e.to_string())?;
            send.write_all(octets).await.map_err(|e| e.to_string())?;
            send.finish().map_err(|e| e.to_string())?;
            receive.read_to_end(1 << 20).await.map_err(|e| e.to_string())
        })
    }

    pub(crate) fn exchange(&self, query: &[u8]) -> Vec<u8> {
        let reply = self.stream(&framed(query)).unwrap();
        assert_eq!(reply[..2], ((reply.len() - 2) as u16).to_be_bytes(), "one reply behind its length");
        reply[2..].to_vec()
    }

    /// The code that the server closed the connection with.
    pub(crate) fn closed_with(&self) -> u64 {
        match self.runtime.block_on(self.connection.closed()) {
            quinn::ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
            other => panic!("the server closes it: {other}"),
        }
    }
}

/// A reply over HTTP.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of one that brings one.
    #[track_caller]
    pub(crate) fn message(self) -> Vec<u8> {
        assert_eq!((self.status, self.header("content-type")), (200, DNS_MESSAGE), "{self:?}");
        self.body
    }
}

/// As it stands in the path of a GET.
pub(crate) fn in_path(query: &[u8]) -> String {
    format!("/dns-query?dns={}", data_encoding::BASE64URL_NOPAD.encode(query))
}

/// An HTTPS client of one version.
pub(crate) struct Https {
    client: Http,
    base: String,
    version: reqwest::Version,
}

impl Https {
    /// `version`: `h2` or `http/1.1`.
    pub(crate) fn open(server: &Server, certificate: CertificateDer<'static>, version: &str) -> Self {
        let address = address(server, "https");
        let config = believing(certificate, &[version.as_bytes()]);
        let client = Http::builder().no_proxy().tls_backend_preconfigured(config).resolve(NAME, address).timeout(SOON);
        let (client, version) = match version {
            "h2" => (client, reqwest::Version::HTTP_2),
            _ => (client.http1_only(), reqwest::Version::HTTP_11),
        };
        Self { client: client.build().unwrap(), base: format!("https://{NAME}:{}", address.port()), version }
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().unwrap();
        assert_eq!(response.version(), self.version);
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Response { status, headers, body: response.bytes().unwrap().to_vec() }
    }

    pub(crate) fn get(&self, query: &[u8]) -> Response {
        self.send("GET", &in_path(query), &[("accept", DNS_MESSAGE)], Vec::new())
    }

    pub(crate) fn post(&self, query: &[u8]) -> Response {
        self.send("POST", "/dns-query", &[("content-type", DNS_MESSAGE)], query.to_vec())
    }
}

/// A client of HTTP/3.
pub(crate) struct Http3 {
    quic: Quic,
    requests: h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
}

impl Http3 {
    pub(crate) fn open(runtime: &Arc<Runtime>, address: SocketAddr, certificate: CertificateDer<'static>) -> Self {
        let quic = Quic::open(runtime, address, believing(certificate, &[b"h3"]));
        let over = h3_quinn::Connection::new(quic.connection.clone());
        let (mut driver, requests) = runtime.block_on(h3::client::new(over)).unwrap();
        runtime.spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
        Self { quic, requests }
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        let mut request = http::Request::builder().method(method).uri(format!("https://{NAME}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let requests = &mut self.requests;
        self.quic.runtime.block_on(async {
            let mut stream = requests.send_request(request).await.unwrap();
            if !body.is_empty() {
                // A server that refuses need not take all of it.
                let _ = stream.send_data(Bytes::from(body)).await;
            }
            let _ = stream.finish().await;
            let (head, ()) = stream.recv_response().await.unwrap().into_parts();
            let mut body = Vec::new();
            while let Some(mut more) = stream.recv_data().await.unwrap() {
                let length = more.remaining();
                body.extend_from_slice(&more.copy_to_bytes(length));
            }
            Response { status: head.status.as_u16(), headers: head.headers, body }
        })
    }

    pub(crate) fn get(&mut self, query: &[u8]) -> Response {
        self.send("GET", &in_path(query), &[], Vec::new())
    }

    pub(crate) fn post(&mut self, query: &[u8]) -> Response {
        self.send("POST", "/dns-query", &[("content-type", DNS_MESSAGE)], query.to_vec())
    }
}

/// A runtime for clients of QUIC.
pub(crate) fn runtime() -> Arc<Runtime> {
    let builder = &mut tokio::runtime::Builder::new_multi_thread();
    Arc::new(builder.worker_threads(1).enable_all().build().unwrap())
}
