//! A server of a bench's own: started in a directory that has its `rhumb.toml`, ended when dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `rhumb serve` that has said that it serves.
pub(crate) struct Started {
    child: Child,
    told: serde_json::Value,
}

impl Started {
    /// Starts it and waits for what it tells first.
    pub(crate) fn within(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rhumb"))
            .args(["serve", "--format", "json"])
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let told = serde_json::from_str(&line).expect("JSON");
        Self { child, told }
    }

    /// The first address of a transport, such as `dns` or `tls`.
    pub(crate) fn address(&self, transport: &str) -> SocketAddr {
        self.told[transport][0].as_str().expect("an address").parse().expect("an address")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
