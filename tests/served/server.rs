//! A directory with zones, and the server that serves them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;

use super::SOON;
use crate::harness::{Ask, Reply};

/// Between two looks at something that has not happened yet.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until there is something to see, and gives it; past the deadline the test fails.
#[track_caller]
pub(crate) fn eventually<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(PAUSE);
    }
}

/// The program without what the environment says of it.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhumb"));
    for name in ["RHUMB_CONFIG", "RHUMB_ADMIN", "RHUMB_LOG", "RHUMB_TOKEN_FILE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs a command of the program to its end in a directory.
pub(crate) fn rhumb(directory: &Path, arguments: &[&str]) -> Output {
    program().args(arguments).current_dir(directory).output().unwrap()
}

/// A temporary directory with a server file and `zones/`.
pub(crate) struct Site {
    directory: Arc<TempDir>,
    starts: AtomicUsize,
}

impl Site {
    /// With these lines in the server file beside `zones` and `state`.
    pub(crate) fn new(server: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("zones")).unwrap();
        let text = format!("zones = \"zones\"\nstate = \"state\"\nworkers = 1\n{server}\n");
        fs::write(directory.path().join("rhumb.toml"), text).unwrap();
        Self { directory: Arc::new(directory), starts: AtomicUsize::new(0) }
    }

    /// With one zone file, `example.com.toml`.
    pub(crate) fn with_zone(server: &str, zone: &str) -> Self {
        let site = Self::new(server);
        site.write("example.com.toml", zone);
        site
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn zones(&self) -> PathBuf {
        self.path().join("zones")
    }

    /// A zone file's place.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.zones().join(name)
    }

    /// Writes a zone file in place.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// Writes a zone file as most editors do: beside its place, then renamed.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let beside = self.zones().join(format!(".{name}.swp"));
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, self.file(name)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Serves, with the state directory that the server file names.
    #[track_caller]
    pub(crate) fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// Serves, with further flags.
    #[track_caller]
    pub(crate) fn start_with(&self, flags: &[&str]) -> Server {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        Server::start(&self.directory, serve(self.path(), flags), &self.path().join(format!("log-{number}")))
    }

    /// Serves in a network namespace, of which the test has no other part than `ip netns exec`.
    #[track_caller]
    pub(crate) fn start_in(&self, namespace: &str, flags: &[&str]) -> Server {
        let outside = serve(self.path(), flags);
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", namespace]).arg(outside.get_program()).args(outside.get_args());
        inside.current_dir(self.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        for (name, value) in outside.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        Server::start(&self.directory, inside, &self.path().join(format!("log-{number}")))
    }

    /// Runs `rhumb serve` with further flags to its end, which is expected to come by itself.
    #[track_caller]
    pub(crate) fn refused(&self, flags: &[&str]) -> Output {
        let mut child = serve(self.path(), flags).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > SOON {
                child.kill().unwrap();
                panic!("served, where a refusal was expected: {:?}", child.wait_with_output());
            }
            thread::sleep(PAUSE);
        }
        child.wait_with_output().unwrap()
    }
}

/// Later flags win over none of these: what a test gives as `--listen` or `--admin` replaces the kernel's choice.
fn serve(directory: &Path, flags: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(directory).args(["serve", "--config", "rhumb.toml", "--format", "json"]);
    for (flag, value) in [("--listen", "127.0.0.1:0"), ("--admin", "127.0.0.1:0")] {
        if !flags.contains(&flag) {
            command.args([flag, value]);
        }
    }
    command.args(flags).stdout(Stdio::piped());
    command
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it answers, UDP and TCP.
    pub(crate) dns: SocketAddr,
    /// Where its admin API is, as it says itself.
    pub(crate) admin: String,
    /// What it said on its standard output once it served.
    pub(crate) told: Value,
    /// Stays for as long as the server may read it.
    directory: Arc<TempDir>,
    log: PathBuf,
}

impl Server {
    #[track_caller]
    fn start(directory: &Arc<TempDir>, mut serve: Command, log: &Path) -> Self {
        let file = fs::File::create(log).unwrap();
        let mut child = serve.stderr(file).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            // What comes after the first line is read so that the server never waits for a reader.
            while output.read_line(&mut text).is_ok_and(|read| read > 0) {
                drop(line.send(std::mem::take(&mut text)));
            }
        });
        let told = match lines.recv_timeout(SOON) {
            Ok(line) => serde_json::from_str::<Value>(&line).unwrap(),
            Err(error) => {
                drop(child.kill());
                let status = child.wait();
                panic!("it does not serve ({error}, {status:?}): {}", fs::read_to_string(log).unwrap());
            }
        };
        Self {
            child,
            dns: told["dns"][0].as_str().unwrap().parse().unwrap(),
            admin: told["admin"].as_str().unwrap().to_owned(),
            told,
            directory: Arc::clone(directory),
            log: log.to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks over UDP from a socket of its own.
    #[track_caller]
    pub(crate) fn ask(&self, ask: &Ask) -> Reply {
        super::Client::of(self.dns).ask(ask)
    }

    /// The only A address that a client subnet gets at a name.
    #[track_caller]
    pub(crate) fn a(&self, name: &str, subnet: &str) -> String {
        self.ask(&Ask::a(name).subnet(subnet)).only()
    }

    /// A request without a body to the admin API: status code and body.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).expect("the admin API answers")
    }

    /// An empty change by the admin API, which succeeds.
    #[track_caller]
    pub(crate) fn post(&self, path: &str) {
        let (client, base) = self.http().unwrap();
        let change = client.post(format!("{base}{path}")).header("Content-Type", "application/json").body("{}");
        let reply = change.send().unwrap();
        assert_eq!(reply.status(), 200, "{}", reply.text().unwrap());
    }

    fn try_get(&self, path: &str) -> reqwest::Result<(u16, String)> {
        let (client, base) = self.http()?;
        let reply = client.get(format!("{base}{path}")).send()?;
        Ok((reply.status().as_u16(), reply.text()?))
    }

    /// A client that others wrote, and what its addresses begin with.
    fn http(&self) -> reqwest::Result<(Client, String)> {
        // Nothing is encrypted here, so nobody needs to be believed.
        let client = Client::builder().no_proxy().tls_backend_preconfigured(super::secure::nobody());
        Ok(match self.admin.strip_prefix("unix:") {
            Some(socket) => {
                (client.unix_socket(self.directory.path().join(socket)).build()?, "http://localhost".into())
            }
            None => (client.build()?, format!("http://{}", self.admin)),
        })
    }

    /// Everything that it tells of itself.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        let (code, body) = self.get("/status");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    #[track_caller]
    pub(crate) fn generation(&self) -> u64 {
        self.status()["generation"].as_u64().unwrap()
    }

    /// `up`, `down`, `unchecked` or `drained`.
    #[track_caller]
    pub(crate) fn state(&self, endpoint: &str) -> String {
        let status = self.status();
        let is_it =
            |name: &str| name == endpoint || name.strip_suffix(endpoint).is_some_and(|zone| zone.ends_with('/'));
        let found = status["endpoints"].as_array().unwrap().iter().find(|e| is_it(e["name"].as_str().unwrap()));
        found.expect("an endpoint of this name")["state"].as_str().unwrap().to_owned()
    }

    /// Waits until endpoints are in a state.
    #[track_caller]
    pub(crate) fn until(&self, endpoints: &[&str], state: &str) {
        for endpoint in endpoints {
            eventually(SOON, &format!("{endpoint} is {state}"), || (self.state(endpoint) == state).then_some(()));
        }
    }

    /// Runs a command of the program against this server.
    pub(crate) fn rhumb(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["--config", "rhumb.toml", "--admin", &self.admin];
        all.extend(arguments);
        rhumb(self.directory.path(), &all)
    }

    /// The same, and it succeeds; what it printed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.rhumb(arguments);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{arguments:?}: {}\n{out}{err}", output.status);
        out
    }

    pub(crate) fn signal(&self, name: &str) {
        // A shell has `kill` built in; the library of the system would need unsafe code.
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as a service manager does, and gives its exit status.
    #[track_caller]
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        eventually(SOON, "it stops on SIGTERM", || self.child.try_wait().unwrap())
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("── log of the server ──\n{}", fs::read_to_string(&self.log).unwrap_or_default());
            eprintln!(
                "── its status ──\n{}",
                self.try_get("/status").map_or_else(|error| error.to_string(), |(_, body)| body)
            );
        }
        if self.child.try_wait().ok().flatten().is_none() {
            self.signal("TERM");
            let begun = Instant::now();
            while self.child.try_wait().ok().flatten().is_none() {
                if begun.elapsed() > SOON {
                    drop(self.child.kill());
                    drop(self.child.wait());
                    break;
                }
                thread::sleep(PAUSE);
            }
        }
    }
}
