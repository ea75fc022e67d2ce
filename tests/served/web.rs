//! HTTP endpoints that checks ask, broken and mended at will.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// 200 and `ok`.
    Well,
    /// Connections are refused.
    Refuse,
    /// Connections open and nothing comes.
    Hang,
    /// 500.
    Status500,
}

/// One for all endpoints of all tests.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// An HTTP server on one loopback address, at a port of the kernel's choice, until it is dropped.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Holds the port while nobody listens on it.
    _reserve: Socket,
}

impl Web {
    pub(crate) fn start(ip: &str) -> Self {
        Self::at(ip.parse().unwrap(), 0).unwrap()
    }

    /// One an address, all on the same port.
    pub(crate) fn all(ips: &[String]) -> Vec<Self> {
        let parsed: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        for _ in 0..100 {
            let first = Self::at(parsed[0], 0).unwrap();
            let port = first.address.port();
            let rest: std::io::Result<Vec<Self>> = parsed[1..].iter().map(|&ip| Self::at(ip, port)).collect();
            if let Ok(rest) = rest {
                return std::iter::once(first).chain(rest).collect();
            }
        }
        panic!("no port is free on all of {ips:?}");
    }

    fn at(ip: IpAddr, port: u16) -> std::io::Result<Self> {
        let reserve = bound(SocketAddr::new(ip, port))?;
        let address = reserve.local_addr()?.as_socket().unwrap();
        let listener = listening(address)?;
        let (mode, modes) = watch::channel(Mode::Well);
        RUNTIME.spawn(run(address, listener, modes));
        Ok(Self { address, mode, _reserve: reserve })
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// A check of its own for each endpoint, since each has its own port: `[checks.NAME]` with these lines.
pub(crate) fn checks<'a>(webs: impl IntoIterator<Item = (&'a str, &'a Web)>, lines: &str) -> String {
    let mut text = String::new();
    for (name, web) in webs {
        let port = web.address.port();
        text.push_str(&format!(
            "[checks.{name}]\ntype = \"http\"\nport = {port}\npath = \"/healthz\"\nexpect = \"ok\"\n\
             allow_private = true\n{lines}\n"
        ));
    }
    text
}

fn bound(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Lets a second socket listen where the first only holds the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listening(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = bound(address)?;
    socket.listen(128)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

async fn run(address: SocketAddr, first: Socket, mut modes: watch::Receiver<Mode>) {
    let mut listener = Some(TcpListener::from_std(first.into()).unwrap());
    loop {
        let mode = *modes.borrow_and_update();
        if mode == Mode::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = Some(TcpListener::from_std(listening(address).unwrap().into()).unwrap());
        }
        let changed = match &listener {
            None => modes.changed().await,
            Some(listener) => tokio::select! {
                changed = modes.changed() => changed,
                () = serve(listener, mode) => Ok(()),
            },
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Accepts for as long as the mode lasts; connections end with it.
async fn serve(listener: &TcpListener, mode: Mode) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(tokio::time::timeout(Duration::from_secs(30), reply(stream, mode)));
    }
}

async fn reply(mut stream: TcpStream, mode: Mode) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
        head.push(stream.read_u8().await?);
    }
    let status = match mode {
        Mode::Hang => return std::future::pending().await,
        Mode::Status500 => "500 Internal Server Error",
        Mode::Well | Mode::Refuse => "200 OK",
    };
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
