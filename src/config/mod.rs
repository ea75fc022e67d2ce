//! Files to meaning: what was written (with spans) becomes the [`model`].
//!
//! Comes in: the server file, the directory of zone files, flags. Goes out: a [`Loaded`] with a [`Model`] where there
//! is no error, every fault and warning with its place, and the texts that were read. The way through: `files` reads,
//! `keys` says what may stand where, `walk` checks TOML by it, `parse` makes specs and `pack` puts the records of a
//! zone together, `resolve` looks names up and makes the model, `lint` judges; `loader` remembers all of it for the next
//! load. Invariant: one load reports every fault it can tell apart, once.

pub mod certificate;
pub mod code;
pub mod diagnostic;
pub mod edit;
pub mod model;
pub mod regular;
pub mod schema;

mod content;
mod files;
mod findings;
mod keys;
mod lint;
mod loader;
mod pack;
mod parse;
mod progress;
mod render;
mod resolve;
mod scalar;
mod source;
mod spec;
pub(crate) mod suggest;
mod walk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use content::{Change, Changes, Content, Holdings, LaidSet, complete, faults};
pub(crate) use content::{NameChanges, RdataSet, SetChange, rebuild, same};
pub use diagnostic::{Diagnostic, Severity};
pub(crate) use lint::{BESIDE_CNAME, RECORD, ROOM};
pub use loader::Loader;
pub use model::Model;
pub use progress::Progress;
pub use render::{position, render, render_all, render_each, render_json, render_lines};
pub(crate) use scalar::duration;
pub use schema::reference;
pub use source::{LARGE, Source};

use findings::Findings;
use model::{AdminAddress, Encrypted, ReloadUnit, Server, Tls};

/// What flags say over the server file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `--zones`.
    pub zones: Option<PathBuf>,
    /// `--state`.
    pub state: Option<PathBuf>,
    /// `--listen`, any number.
    pub listen: Vec<std::net::SocketAddr>,
    /// `--admin`.
    pub admin: Option<String>,
    /// `--workers`.
    pub workers: Option<usize>,
    /// `--demo`: checks with `allow_private` are taken as they are; nothing else changes.
    pub demo: bool,
    /// A geo database that does not exist, or a certificate that cannot be used, is a warning and no error; the model
    /// names it all the same. For a restart of a server that has served before (reliability 4).
    pub without_databases: bool,
    /// `--tls-self-signed`: shown where the server file names no certificate. Without a word of the file on where,
    /// encrypted transports listen on ports of loopback.
    pub self_signed: Option<certificate::Identity>,
}

/// One load, whole or faulty.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Present when there is no error.
    pub model: Option<Model>,
    /// Errors and warnings in the order of files and positions.
    pub diagnostics: Vec<Diagnostic>,
    /// Every file that was read, with its text: for rendering, watching and the last good copy.
    pub sources: Vec<Source>,
    /// The directory of zone files and the geo databases that the server file names; of a faulty load as well, so that
    /// they can be waited for.
    pub wanted: Wanted,
}

/// Files beside the texts that a load depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The directory of zone files.
    pub zones: PathBuf,
    /// Geo databases.
    pub databases: Vec<PathBuf>,
    /// The files of the certificate and of its key.
    pub certificates: Vec<PathBuf>,
    /// What a faulty file holds back.
    pub reload: ReloadUnit,
}

/// Where the server file is looked for when none is named, in this order.
pub(crate) const SERVER_FILES: [&str; 2] = ["rhumb.toml", "/etc/rhumb/rhumb.toml"];

/// A definition's name without its zone: `fra` of `example.com/fra`.
pub(crate) fn bare(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The server file that a load reads: the named one, else the first of the usual ones that exists.
pub(crate) fn server_file(named: Option<&Path>) -> Option<PathBuf> {
    let usual = || SERVER_FILES.iter().map(PathBuf::from).find(|path| path.exists());
    named.map(Path::to_owned).or_else(usual)
}

/// Reads the server file (`None`: `./rhumb.toml`, else `/etc/rhumb/rhumb.toml`, else the defaults), then every zone
/// and shared file, and resolves them together. All faults are gathered.
pub fn load(server_file: Option<&Path>, overrides: &Overrides) -> Loaded {
    load_keeping(server_file, overrides, &HashMap::new())
}

/// As [`load`], but the texts of `kept` stand for the files of their paths: the last good form of a faulty file, with
/// `reload = "zone"`. A kept file need not exist any more.
pub fn load_keeping(server_file: Option<&Path>, overrides: &Overrides, kept: &HashMap<PathBuf, String>) -> Loaded {
    Loader::default().load(server_file, overrides, kept)
}

/// Flags go before the file.
fn lay_over(findings: &mut Findings, overrides: &Overrides, server: &mut Server) {
    if let Some(zones) = &overrides.zones {
        server.zones.clone_from(zones);
    }
    if let Some(state) = &overrides.state {
        server.state.clone_from(state);
    }
    if let Some(workers) = overrides.workers {
        server.workers = workers;
    }
    if !overrides.listen.is_empty() {
        server.dns.clone_from(&overrides.listen);
        server.dns_is_default = false;
    }
    if let (Some(identity), None) = (&overrides.self_signed, &server.tls) {
        server.tls = Some(Tls { files: None, identity: Some(identity.clone()) });
        if server.encrypted.is_empty() {
            server.encrypted = Encrypted::first_try();
        }
    }
    let Some(admin) = &overrides.admin else { return };
    match (admin.strip_prefix("unix:"), admin.parse::<std::net::SocketAddr>()) {
        (Some(path), _) => server.admin = AdminAddress::Unix(path.into()),
        (None, Ok(address)) => {
            if !address.ip().is_loopback() && server.admin_token_file.is_none() {
                findings
                    .general_error(code::TOKEN_NEEDED, format!("the admin API at `{address}` needs a token"))
                    .help("set `admin_token_file` under `[listen]`, or listen on `127.0.0.1` or `unix:…`");
            }
            server.admin = AdminAddress::Tcp(address);
        }
        (None, Err(_)) => {
            findings
                .general_error(code::BAD_ADDRESS, format!("`--admin {admin}` is no address with a port"))
                .help("write such as `127.0.0.1:8053` or `unix:/run/rhumb/admin.sock`");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]
mod tests;
