//! The endpoints of the demo: what the checks of the zones ask on loopback addresses is answered here.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::socket;
use crate::cli::Failure;
use crate::cli::args::How;
use crate::config::model::{CheckKind, Model, Subject};

/// No request of a check is longer.
const HEAD_MAX: u64 = 8192;
/// A client that sends nothing is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// A port that is taken while its region was broken is tried again so often.
const AGAIN: Duration = Duration::from_millis(200);
/// The region that is suggested for breaking, if there is one of that name: the one that the suggested `dig` gets.
const EXAMPLE: [&str; 2] = ["paris", "frankfurt"];

/// What a region does: nothing wrong, or one way of being broken.
type Mode = Option<How>;

/// Small HTTP servers, one a loopback address, that run until this is dropped.
#[derive(Debug)]
pub(crate) struct Regions {
    names: Vec<String>,
    socket: PathBuf,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Region {
    name: String,
    addresses: Vec<SocketAddr>,
    mode: watch::Sender<Mode>,
}

impl Regions {
    /// Begins to answer on every loopback address that an `http` or `tcp` check of the model asks.
    pub(crate) async fn start(model: &Model) -> Result<Self, Failure> {
        let mut tasks = JoinSet::new();
        let mut regions = Vec::new();
        for (name, addresses) in asked(model) {
            let (mode, modes) = watch::channel(None);
            for &address in &addresses {
                let listener = TcpListener::bind(address).await.map_err(|error| refusal(address, &error))?;
                tasks.spawn(run(name.clone(), address, listener, modes.clone()));
            }
            regions.push(Region { name, addresses, mode });
        }
        if regions.is_empty() {
            return Err(Failure::new("there is nothing to run for the demo: no check asks a loopback address")
                .help("--demo is for the example in zones/; leave it out for zones of your own"));
        }
        let path = socket(&model.server.state);
        let names = regions.iter().map(|region| region.name.clone()).collect();
        let listener = open(&path).map_err(|error| {
            Failure::new(format!("cannot listen at {}: {error}", path.display()))
                .help("the state directory must be writable for the demo: name another with --state")
        })?;
        tasks.spawn(obey(listener, Arc::new(regions)));
        Ok(Self { names, socket: path, _tasks: tasks })
    }

    /// Of all regions, in the order of the files.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// One that is worth breaking first.
    pub(crate) fn example(&self) -> Option<&str> {
        let wanted = EXAMPLE.iter().find(|name| self.names.iter().any(|known| known == *name));
        wanted.copied().or_else(|| self.names.first().map(String::as_str))
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        // The next start removes it otherwise.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Each endpoint's bare name with the addresses that its checks ask.
fn asked(model: &Model) -> Vec<(String, Vec<SocketAddr>)> {
    let mut order = Vec::new();
    let mut regions: BTreeMap<String, Vec<SocketAddr>> = BTreeMap::new();
    for probe in &model.probes {
        let check = model.check(probe.check);
        let port = match check.kind {
            CheckKind::Http { tls: false, .. } => check.port.unwrap_or(80),
            CheckKind::Tcp { .. } => check.port.unwrap_or(0),
            _ => continue,
        };
        let address = match &probe.subject {
            Subject::Address(ip) => SocketAddr::new(*ip, port),
            Subject::Target(target) => match target.host.parse::<IpAddr>() {
                Ok(ip) => SocketAddr::new(ip, target.port.unwrap_or(port)),
                Err(_) => continue,
            },
            Subject::Calculated(_) => continue,
        };
        let Some(endpoint) = probe.endpoint else { continue };
        if !address.ip().is_loopback() || address.port() == 0 {
            continue;
        }
        let full = &model.endpoint(endpoint).name;
        let name = crate::config::bare(full).to_owned();
        let taken = regions.values().flatten().any(|known| *known == address);
        if !taken {
            if !regions.contains_key(&name) {
                order.push(name.clone());
            }
            regions.entry(name).or_default().push(address);
        }
    }
    order.into_iter().filter_map(|name| regions.remove_entry(&name)).collect()
}

fn refusal(address: SocketAddr, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("the demo cannot listen on {address}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failure.help("another demo runs, or the port is taken: change `port` of the check"),
        io::ErrorKind::AddrNotAvailable => {
            failure.help("this system has 127.0.0.1 only: `ifconfig lo0 alias 127.0.1.1` adds an address on macOS")
        }
        _ => failure.help("choose another `port` in the check"),
    }
}

/// A socket file that nobody listens on any more is left over from a server that was killed.
fn open(path: &PathBuf) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_err() {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    UnixListener::bind(path)
}

/// One address, from mode to mode.
async fn run(name: String, address: SocketAddr, first: TcpListener, mut modes: watch::Receiver<Mode>) {
    let mut listener = Some(first);
    loop {
        let mode = *modes.borrow_and_update();
        if mode == Some(How::Refuse) {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        let changed = match (&listener, mode) {
            (None, Some(How::Refuse)) => modes.changed().await,
            (None, _) => {
                sleep(AGAIN).await;
                continue;
            }
            (Some(listener), _) => tokio::select! {
                changed = modes.changed() => changed,
                () = serve(listener, &name, address, mode) => Ok(()),
            },
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Accepts for as long as the mode lasts; connections end with it.
async fn serve(listener: &TcpListener, name: &str, address: SocketAddr, mode: Mode) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let name = name.to_owned();
                    connections.spawn(async move { drop(timeout(PATIENCE, reply(stream, name, address, mode)).await) });
                }
                Err(_) => sleep(AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn reply(stream: TcpStream, name: String, address: SocketAddr, mode: Mode) -> io::Result<()> {
    if mode == Some(How::Hang) {
        sleep(PATIENCE).await;
        return Ok(());
    }
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader.take(HEAD_MAX));
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 && !line.trim_end().is_empty() {
        line.clear();
    }
    let (status, body) = match mode {
        Some(_) => ("500 Internal Server Error", format!("broken\n{name} {address}\n")),
        None => ("200 OK", format!("ok\n{name} {address}\n")),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close");
    writer.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
    writer.shutdown().await
}

/// Does what `rhumb demo` asks, one line a connection.
async fn obey(listener: UnixListener, regions: Arc<Vec<Region>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(AGAIN).await;
            continue;
        };
        let regions = Arc::clone(&regions);
        tokio::spawn(async move { drop(timeout(PATIENCE, converse(stream, &regions)).await) });
    }
}

async fn converse(stream: UnixStream, regions: &[Region]) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reader.take(HEAD_MAX)).read_line(&mut line).await?;
    writer.write_all(format!("{}\n", perform(line.trim_end(), regions)).as_bytes()).await
}

fn perform(request: &str, regions: &[Region]) -> String {
    let words: Vec<&str> = request.split(' ').collect();
    let find = |name: &str| regions.iter().find(|region| region.name == name);
    match words[..] {
        ["list"] => {
            let lines = regions.iter().map(|region| {
                let addresses: Vec<String> = region.addresses.iter().map(ToString::to_string).collect();
                let state = region.mode.borrow().map_or("healthy".into(), |how| format!("broken ({})", how.as_str()));
                format!("{:<14} {:<22} {state}", region.name, addresses.join(" "))
            });
            format!("ok\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
        ["break", name, how] => match (find(name), How::parse(how)) {
            (Some(region), Some(how)) => {
                region.mode.send_replace(Some(how));
                format!("ok\n{name} is broken ({})", how.as_str())
            }
            (Some(_), None) => format!("a region cannot be broken by `{how}`"),
            (None, _) => unknown(name, regions),
        },
        ["mend", name] => match find(name) {
            Some(region) => {
                region.mode.send_replace(None);
                format!("ok\n{name} is healthy")
            }
            None => unknown(name, regions),
        },
        _ => "the demo does not understand this; is it of another version?".into(),
    }
}

fn unknown(name: &str, regions: &[Region]) -> String {
    let known: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
    format!("the demo has no region {name}; it has {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn region(address: SocketAddr) -> Region {
        Region { name: "frankfurt".into(), addresses: vec![address], mode: watch::channel(None).0 }
    }

    async fn get(address: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    #[tokio::test]
    async fn a_region_answers_breaks_in_three_ways_and_is_mended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let regions = [region(address)];
        let modes = regions[0].mode.subscribe();
        let task = tokio::spawn(run("frankfurt".into(), address, listener, modes));
        assert!(get(address).await.unwrap().starts_with("HTTP/1.1 200"));

        assert!(perform("break frankfurt 500", &regions).starts_with("ok"));
        while !get(address).await.is_ok_and(|text| text.starts_with("HTTP/1.1 500")) {}
        assert!(perform("break frankfurt refuse", &regions).starts_with("ok"));
        while get(address).await.is_ok_and(|text| !text.is_empty()) {}
        assert!(perform("break frankfurt hang", &regions).starts_with("ok"));
        // Refused connections are errors; one that hangs is neither an answer nor an error within this time.
        while timeout(Duration::from_millis(300), get(address)).await.is_ok() {}
        assert!(perform("list", &regions).contains("broken (hang)"));
        assert!(perform("mend frankfurt", &regions).starts_with("ok"));
        while !get(address).await.is_ok_and(|text| text.starts_with("HTTP/1.1 200")) {}

        assert!(perform("break atlantis 500", &regions).contains("no region atlantis; it has frankfurt"));
        task.abort();
    }
}
