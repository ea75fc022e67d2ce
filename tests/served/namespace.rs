//! A network of a test's own.

use std::process::{self, Command, Output};

/// A network namespace with loopback, until dropped.
pub(crate) struct Namespace(String);

impl Namespace {
    /// `None` where this machine has no namespaces for us, which a machine of CI must have.
    pub(crate) fn new(purpose: &str) -> Option<Self> {
        let name = format!("rhumb-{purpose}-{}", process::id());
        let done = Command::new("ip").args(["netns", "add", &name]).output().ok()?;
        let said = String::from_utf8_lossy(&done.stderr);
        if said.contains("not permitted") || said.contains("denied") {
            assert!(std::env::var_os("CI").is_none(), "CI needs network namespaces: {}", said.trim());
            eprintln!("skipped, no network namespaces: {}", said.trim());
            return None;
        }
        assert!(done.status.success(), "{said}");
        let namespace = Self(name);
        namespace.ip("link set lo up");
        Some(namespace)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Configures it.
    #[track_caller]
    pub(crate) fn ip(&self, arguments: &str) {
        let done = Command::new("ip").args(["-n", &self.0]).args(arguments.split(' ')).output().unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A program inside of it, not started.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Runs dig inside of it.
    pub(crate) fn dig(&self, arguments: &[&str]) -> Output {
        self.command("dig").args(arguments).output().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).output();
    }
}
