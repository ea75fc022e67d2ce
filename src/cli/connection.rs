//! The way from a command to the running server.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use super::args::{Access, Global};
use crate::admin::{Address, Client, ClientError, Token};
use crate::config::{self, model::Server};

/// A client and a runtime for it, on this thread.
pub(crate) struct Connection {
    client: Client,
    runtime: tokio::runtime::Runtime,
    remedy: &'static str,
}

impl Connection {
    /// Finds out where the server is: `--admin`, else the server file, else the default. Nothing is sent yet.
    ///
    /// # Errors
    /// A server file or token file that was named cannot be read, or the address is none.
    pub(crate) fn new(global: &Global, access: &Access) -> anyhow::Result<Self> {
        let written = AdminKeys::find(global.config.as_deref())?;
        let address = match global.admin.as_ref().or(written.address.as_ref()) {
            Some(text) => text.parse().map_err(|why| Failure::new(format!("`{text}`: {why}")))?,
            None => Address(Server::default().admin),
        };
        let token_file = access.token_file.as_ref().or(written.token_file.as_ref());
        let token = token_file.map(|path| Token::read(path)).transpose().map_err(Failure::new)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            client: Client::new(address, token),
            runtime,
            remedy: "start it with `rhumb serve`, or say where it is with --admin",
        })
    }

    /// What to do when no server answers, where a command knows better than to start one.
    pub(crate) fn with_remedy(mut self, remedy: &'static str) -> Self {
        self.remedy = remedy;
        self
    }

    /// Asks for what a path tells.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.runtime.block_on(self.client.get(path)).map_err(|fault| self.failure(fault))
    }

    /// Has something done.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.runtime.block_on(self.client.post(path, body)).map_err(|fault| self.failure(fault))
    }

    fn failure(&self, fault: ClientError) -> anyhow::Error {
        match fault {
            ClientError::Absent { address, cause } => match cause.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    Failure::new(format!("{address} may not be used by this user: {cause}"))
                        .help("its owner and group may: ask as one of them")
                }
                std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound => {
                    Failure::no_server(format!("no rhumb answers on {address}; is it running?")).help(self.remedy)
                }
                _ => Failure::no_server(format!("no rhumb answers on {address}: {cause}")).help(self.remedy),
            },
            ClientError::Foreign(what) => Failure::new(what).help("--admin says where rhumb's admin API is"),
            ClientError::Refused { fault, .. } => {
                let failure = Failure::new(fault.error).details(fault.details);
                match fault.help {
                    Some(help) => failure.help(help),
                    None => failure,
                }
            }
        }
        .into()
    }
}

/// What the server file says of the admin API. Only that is read, so that a fault elsewhere in the file does not keep
/// anyone from asking the server that is still running on the last good one.
#[derive(Debug, Default, PartialEq, Eq)]
struct AdminKeys {
    address: Option<String>,
    token_file: Option<PathBuf>,
}

impl AdminKeys {
    fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            return Self::read(path);
        }
        // A file that nobody named and that cannot be read says nothing; the server itself reports it.
        Ok(config::server_file(None).and_then(|path| Self::read(&path).ok()).unwrap_or_default())
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let failure = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let text = config::regular::read_to_string(path).map_err(|fault| failure(fault.to_string()))?;
        let file: toml::Table = toml::from_str(&text)
            .map_err(|fault| failure(fault.message().to_owned()).help("`rhumb check` shows where"))?;
        let listen = file.get("listen").and_then(toml::Value::as_table);
        let text_of = |key| listen.and_then(|l| l.get(key)).and_then(toml::Value::as_str);
        let beside = path.parent().unwrap_or(Path::new(""));
        Ok(Self {
            address: text_of("admin").map(|text| match text.strip_prefix("unix:") {
                Some(socket) => format!("unix:{}", beside.join(socket).display()),
                None => text.to_owned(),
            }),
            token_file: text_of("admin_token_file").map(|file| beside.join(file)),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_server_file_says_where_and_with_what_token_relative_to_itself() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("rhumb.toml");
        std::fs::write(&path, "zones = 3\n[listen]\nadmin = \"unix:admin.sock\"\nadmin_token_file = \"token\"\n")
            .unwrap();
        let keys = AdminKeys::find(Some(&path)).unwrap();
        assert_eq!(keys.address, Some(format!("unix:{}", place.path().join("admin.sock").display())));
        assert_eq!(keys.token_file, Some(place.path().join("token")));
    }

    #[test]
    fn a_named_server_file_that_is_not_there_is_an_error() {
        let fault = AdminKeys::find(Some(Path::new("/nowhere/rhumb.toml"))).unwrap_err().to_string();
        assert!(fault.contains("/nowhere/rhumb.toml"), "{fault}");
    }

    #[test]
    fn a_server_that_does_not_run_is_said_to_be_absent_with_a_remedy_and_exit_code_4() {
        // A port that was free a moment ago: bound by nobody, so that connecting is refused.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let global = Global { admin: Some(format!("127.0.0.1:{port}")), ..Global::default() };
        let connection = Connection::new(&global, &Access::default()).unwrap();
        let fault = connection.get::<serde_json::Value>("/status").unwrap_err();
        let failure = fault.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.to_string(), format!("no rhumb answers on 127.0.0.1:{port}; is it running?"));
        assert_eq!(failure.code(), 4);
    }
}
