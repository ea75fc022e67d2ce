//! The server's side: one address, HTTP/1.1, a bounded number of connections.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::guard::{Caller, Guard};
use super::operations::Operations;
use super::routes;
use super::token::Token;
use crate::clients::Seats;
use crate::config::model::AdminAddress;

/// Connections at once: people and a scraper, so that nobody uses up the descriptors that the name server needs. For one
/// more the oldest of the client that has the most ends: whoever reaches the address can hold connections, with the token
/// or without.
const CONNECTIONS: usize = 64;
/// Of them, by one client over TCP.
const TO_ONE: usize = 16;
/// Connections that are open or about to be closed. More wait in the backlog.
const UNCLOSED: usize = 2 * CONNECTIONS;
/// A client has so long to send its headers, and an idle connection so long to live.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long a client may hold one of the connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// From a request's headers to the end of its body.
    pub(super) body: Duration,
    /// From the first octet of a connection to its last request.
    pub(super) life: Duration,
    /// For that request and the reading of its reply; a long reload goes on without anybody listening.
    pub(super) end: Duration,
}

const DEADLINES: Deadlines =
    Deadlines { body: HEADERS_WITHIN, life: Duration::from_secs(60), end: Duration::from_secs(120) };
/// After a failed accept (no descriptors left): as long as it takes for some to come free, and no busy loop meanwhile.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Requests at work get so long to end when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Of the Unix socket: its owner and group may talk to it.
const SOCKET_MODE: u32 = 0o660;

/// Why the admin API cannot be served: cause and remedy, a clause each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindError {
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for BindError {}

/// A bound admin address, not yet serving.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    guard: Guard,
    pub(super) deadlines: Deadlines,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds the address; must be called within a tokio runtime. With a token file every TCP client has to send the
    /// token; a Unix socket is guarded by its permissions (owner and group).
    ///
    /// # Errors
    /// The address is in use or not allowed, the token file is no good, or an address that other machines reach has
    /// no token.
    pub async fn bind(address: &AdminAddress, token_file: Option<&Path>) -> Result<Self, BindError> {
        let token = match token_file {
            Some(path) => Some(Token::read(path).map_err(|cause| BindError { cause, help: None })?),
            None => None,
        };
        match address {
            AdminAddress::Tcp(wanted) => {
                if token.is_none() && !Address(address.clone()).is_local() {
                    return Err(BindError {
                        cause: format!("other machines reach the admin address {wanted}, and it has no token"),
                        help: Some("set listen.admin_token_file, or take a loopback address or unix:/PATH".into()),
                    });
                }
                let socket = TcpListener::bind(wanted).await.map_err(|fault| cannot_listen(address, &fault))?;
                let bound = socket.local_addr().map_err(|fault| cannot_listen(address, &fault))?;
                Ok(Self {
                    socket: Socket::Tcp(socket),
                    guard: Guard { bound: Some(bound), token },
                    deadlines: DEADLINES,
                })
            }
            AdminAddress::Unix(path) => {
                let socket = bind_unix(path).await.map_err(|fault| cannot_listen(address, &fault))?;
                Ok(Self {
                    socket: Socket::Unix(socket, path.clone()),
                    guard: Guard { bound: None, token: None },
                    deadlines: DEADLINES,
                })
            }
        }
    }

    /// What is bound, with the port that the kernel chose where 0 was asked for.
    pub fn address(&self) -> AdminAddress {
        match (&self.socket, self.guard.bound) {
            (Socket::Unix(_, path), _) => AdminAddress::Unix(path.clone()),
            (Socket::Tcp(_), bound) => AdminAddress::Tcp(bound.unwrap_or_else(|| SocketAddr::from(([0; 4], 0)))),
        }
    }

    /// Serves until `stop` is cancelled; requests at work then get two seconds to end.
    pub async fn serve<O: Operations>(self, operations: Arc<O>, stop: CancellationToken) {
        let router = routes::router(operations, self.guard, self.deadlines.body);
        let deadlines = self.deadlines;
        let mut connections = JoinSet::new();
        let seats = Seats::new(CONNECTIONS, self.socket.to_one());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.socket.accept(), if connections.len() < UNCLOSED => accepted,
            };
            match accepted {
                Ok((stream, caller)) => {
                    let seat = seats.take(client_of(&caller), Instant::now()).seat;
                    let (router, stop) = (router.clone().layer(Extension(caller)), stop.clone());
                    connections.spawn(async move {
                        tokio::select! {
                            () = converse(stream, router, stop, deadlines) => {}
                            () = seat.close.cancelled() => {
                                tracing::debug!("an admin connection was cut off: another needed its place");
                            }
                        }
                    });
                }
                Err(fault) => {
                    tracing::warn!(%fault, "the admin API cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, all_ended).await.is_err() {
            tracing::warn!("the admin API stops with requests at work");
        }
        if let Socket::Unix(_, path) = &self.socket {
            // Whoever comes next finds no server either way.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Either kind of connection.
type Stream = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Those who may use the Unix socket are one.
fn client_of(caller: &Caller) -> IpAddr {
    match caller {
        Caller::Tcp(from) => from.ip(),
        Caller::Unix { .. } => Ipv4Addr::UNSPECIFIED.into(),
    }
}

impl Socket {
    fn to_one(&self) -> usize {
        match self {
            Self::Tcp(_) => TO_ONE,
            Self::Unix(..) => CONNECTIONS,
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Caller)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                Ok((Box::new(stream), Caller::Tcp(from)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Box::new(stream), Caller::Unix { uid }))
            }
        }
    }
}

async fn converse(stream: Stream, router: axum::Router, stop: CancellationToken, deadlines: Deadlines) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { tokio::select! { () = stop.cancelled() => (), () = tokio::time::sleep(deadlines.life) => () } } => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(deadlines.end, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!("an admin connection was cut off: its time was over"),
            }
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "an admin connection ended early");
    }
}

/// Binds beside the path and renames over it: the socket is never there with permissions other than its own, and a
/// socket that a killed server left behind is replaced. A living server's is not.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something other than a socket is there"));
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => return Err(io::ErrorKind::AddrInUse.into()),
        _ => {}
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let bound = UnixListener::bind(&beside).and_then(|listener| {
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(SOCKET_MODE))?;
        std::fs::rename(&beside, path)?;
        Ok(listener)
    });
    if bound.is_err() {
        // What is left of the attempt; the attempt's own fault is the one to tell.
        let _ = std::fs::remove_file(&beside);
    }
    bound
}

fn cannot_listen(address: &AdminAddress, fault: &io::Error) -> BindError {
    let address = Address(address.clone());
    let help = match fault.kind() {
        io::ErrorKind::AddrInUse => Some("another rhumb may be running: stop it, or choose another with --admin"),
        io::ErrorKind::PermissionDenied => Some("choose a port above 1023 or a directory that may be written to"),
        io::ErrorKind::NotFound => Some("the socket's directory does not exist"),
        io::ErrorKind::AddrNotAvailable => Some("this machine does not have that address"),
        _ => None,
    };
    BindError { cause: format!("cannot serve the admin API on {address}: {fault}"), help: help.map(str::to_owned) }
}
