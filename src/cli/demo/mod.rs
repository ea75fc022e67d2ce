//! `rhumb demo`: lists, breaks and mends the regions of a running `rhumb serve --demo`.
//!
//! The server's side is [`Regions`]: one small HTTP server for each loopback address that a check asks. The two talk
//! over a Unix socket in the state directory, one line each way, so that no port is taken for it.

mod regions;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{Demo, DemoAction, Global};
use super::output::Output;
use super::{Failure, Outcome};
use crate::config::{self, Overrides};

pub(crate) use regions::Regions;

/// In the state directory.
const SOCKET: &str = "demo.sock";
/// The server answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the running demo what to do.
pub(crate) fn run(global: &Global, output: &Output, demo: &Demo) -> anyhow::Result<Outcome> {
    let request = match &demo.action {
        None => "list".to_owned(),
        Some(DemoAction::Break { region, how }) => format!("break {region} {}", how.as_str()),
        Some(DemoAction::Mend { region }) => format!("mend {region}"),
    };
    let socket = socket(&state(global, demo));
    let lines = ask(&socket, &request).map_err(|_| {
        Failure::no_server(format!("no demo runs here: nothing answers at {}", socket.display()))
            .help("start it with `rhumb serve --demo`; with another state directory, name it with --state")
    })?;
    match lines.split_first() {
        Some((first, rest)) if first == "ok" => {
            output.text(&rest.join("\n"))?;
            Ok(Outcome::Done)
        }
        Some((fault, rest)) => Err(Failure::new(fault.clone()).details(rest.to_vec()).into()),
        None => Err(Failure::new("the demo closed the connection without an answer").into()),
    }
}

/// The state directory that the server would use.
fn state(global: &Global, demo: &Demo) -> PathBuf {
    let overrides = Overrides { state: demo.state.clone(), ..Overrides::default() };
    let named = || config::load(global.config.as_deref(), &overrides).model.map(|model| model.server.state);
    demo.state.clone().or_else(named).unwrap_or_else(|| config::model::Server::default().state)
}

fn socket(state: &Path) -> PathBuf {
    state.join(SOCKET)
}

fn ask(socket: &Path, request: &str) -> std::io::Result<Vec<String>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    writeln!(stream, "{request}")?;
    BufReader::new(stream).lines().collect()
}
