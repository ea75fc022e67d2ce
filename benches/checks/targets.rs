//! The targets, in a process of their own: this file is both ends.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The first argument of the process that has the targets.
pub(super) const SERVE: &str = "serve-targets";

/// What their certificate is for.
pub(super) const NAME: &str = "target.example";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// A client that never leaves is left.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a target does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Alive,
    Dead,
    Hang,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Alive, Self::Dead, Self::Hang];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
            Self::Hang => "hang",
        }
    }
}

/// The other process, which ends with this value.
pub(super) struct Targets {
    child: Child,
    ports: [u16; 3],
    certificate: CertificateDer<'static>,
}

impl Targets {
    pub(super) fn start(tls: bool) -> Self {
        let this = std::env::current_exe().expect("a program");
        let mut command = Command::new(this);
        command.arg(SERVE).arg(if tls { "tls" } else { "plain" });
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a second process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its ports");
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = |at: usize| words[at].parse().expect("a port");
        let bytes = |text: &str| text.as_bytes().chunks(2).map(hex).collect::<Vec<u8>>();
        let certificate = CertificateDer::from(words.get(3).map(|text| bytes(text)).unwrap_or_default());
        Self { child, ports: [port(0), port(1), port(2)], certificate }
    }

    pub(super) fn port(&self, role: Role) -> u16 {
        self.ports[role as usize]
    }

    /// A store that believes them.
    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        if !self.certificate.is_empty() {
            roots.add(self.certificate.clone()).expect("a certificate");
        }
        roots
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn hex(digits: &[u8]) -> u8 {
    let text = std::str::from_utf8(digits).expect("digits");
    u8::from_str_radix(text, 16).expect("digits")
}

/// Serves until the input ends.
pub(super) fn serve() {
    let tls = std::env::args().nth(2).as_deref() == Some("tls");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (alive, hang) = (listen(0), listen(0));
        // Bound and not listened on: nobody else gets the port, and whoever connects is refused.
        let dead = bound(0).expect("a port");
        let (acceptor, certificate) = if tls { identity() } else { (None, String::new()) };
        let port = |address: io::Result<SocketAddr>| address.expect("an address").port();
        let dead_port = dead.local_addr().ok().and_then(|address| address.as_socket()).expect("an address").port();
        println!("{} {dead_port} {} {certificate}", port(alive.local_addr()), port(hang.local_addr()));
        tokio::spawn(accept(alive, acceptor, true));
        tokio::spawn(accept(hang, None, false));
        let ended = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
        let _ = ended.await;
    });
    runtime.shutdown_background();
}

/// A socket for all of 127.0.0.0/8 and for nothing beyond this machine.
fn bound(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind_device(Some(b"lo"))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

fn listen(port: u16) -> TcpListener {
    let socket = bound(port).expect("a port");
    socket.listen(BACKLOG).expect("a listener");
    TcpListener::from_std(socket.into()).expect("a listener")
}

fn identity() -> (Option<TlsAcceptor>, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let text = certificate.der().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a pair");
    (Some(TlsAcceptor::from(Arc::new(config))), text)
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, answers: bool) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: clients that leave give some back.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let tls = tls.clone();
        let work = async move {
            match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(stream, answers).await,
                    Err(_) => Ok(()),
                },
                None => converse(stream, answers).await,
            }
        };
        tokio::spawn(tokio::time::timeout(PATIENCE, work));
    }
}

/// Answers each request until the client has left.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, answers: bool) -> io::Result<()> {
    let mut got = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut got).await? == 0 {
            return stream.shutdown().await;
        }
        if answers && got.ends_with(b"\r\n\r\n") {
            stream.write_all(RESPONSE).await?;
            stream.flush().await?;
            got.clear();
        }
        got.truncate(1 << 16);
    }
}
