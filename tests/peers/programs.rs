//! Other name servers, each with a configuration of its own in a temporary directory, on a loopback port.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::served::SOON;

/// Starts until a port that the kernel gave was still free when the program took it.
const TRIES: usize = 5;
/// Until a program that runs and answers with errors has not understood its zones.
const TO_LOAD: Duration = Duration::from_secs(15);
/// Between two looks at a program that is starting or ending.
const PAUSE: Duration = Duration::from_millis(10);

/// What can be run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Nsd,
    Knot,
    Bind,
    Unbound,
}

/// The servers that answer from zones.
pub(super) const AUTHORITIES: [Kind; 3] = [Kind::Nsd, Kind::Knot, Kind::Bind];

impl Kind {
    /// The program's name, which also is what [`super::rules`] calls it.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Nsd => "nsd",
            Self::Knot => "knotd",
            Self::Bind => "named",
            Self::Unbound => "unbound",
        }
    }

    /// Where it is installed: users other than root may not have the directories of daemons in their path.
    fn installed(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let daemons = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
        std::env::split_paths(&path).chain(daemons).map(|dir| dir.join(self.command())).find(|file| file.is_file())
    }
}

/// Whether all of these are installed. On a machine of CI they must be; elsewhere the test says that it is left out.
pub(super) fn are_installed(kinds: &[Kind]) -> bool {
    let missing: Vec<_> = kinds.iter().filter(|kind| kind.installed().is_none()).map(|kind| kind.command()).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "not installed, and CI needs them: {missing:?}");
    eprintln!("skipped: not installed: {}", missing.join(", "));
    false
}

/// A program that runs until this is dropped.
pub(super) struct Program {
    child: Child,
    pub(super) kind: Kind,
    pub(super) at: SocketAddr,
    log: PathBuf,
}

impl Program {
    /// Starts it in an existing directory with what `configure` says of a port, and waits until it answers each probe without
    /// an error.
    #[track_caller]
    pub(super) fn start(kind: Kind, dir: &Path, configure: impl Fn(u16) -> String, probes: &[Vec<u8>]) -> Self {
        // A copy, since a machine's rules of access may bind the installed one to directories of its own.
        let program = dir.join(kind.command());
        fs::copy(kind.installed().expect("it is installed"), &program).unwrap();
        let (config, log) = (dir.join("config"), dir.join("log"));
        for _ in 0..TRIES {
            let at = free_port();
            fs::write(&config, configure(at.port())).unwrap();
            let mut started = Self { child: spawn(kind, &program, &config, &log), kind, at, log: log.clone() };
            if probes.iter().all(|probe| started.answers(probe)) {
                return started;
            }
            if started.child.try_wait().unwrap().is_none() {
                break;
            }
        }
        panic!("{} does not serve: {}", kind.command(), fs::read_to_string(&log).unwrap_or_default());
    }

    /// Waits for a reply; `false` once it has ended.
    fn answers(&mut self, probe: &[u8]) -> bool {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(self.at).unwrap();
        socket.set_read_timeout(Some(10 * PAUSE)).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < TO_LOAD {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let mut reply = [0; 4096];
            if socket.send(probe).is_ok() {
                match socket.recv(&mut reply) {
                    // Some answer before they have loaded their zones.
                    Ok(length) if length > 12 && reply[3] & 0xf == 0 => return true,
                    _ => thread::sleep(PAUSE),
                }
            }
        }
        false
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            eprintln!("── log of {} ──\n{}", self.kind.command(), &log[log.len().saturating_sub(4000)..]);
        }
        // Some have children of their own, which only the signal that asks for it makes them end.
        drop(Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status());
        let begun = Instant::now();
        while begun.elapsed() < SOON && self.child.try_wait().ok().flatten().is_none() {
            thread::sleep(PAUSE);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// In the foreground, and ended with the thread that started it.
fn spawn(kind: Kind, program: &Path, config: &Path, log: &Path) -> Child {
    let flags: &[&str] = match kind {
        Kind::Nsd | Kind::Unbound => &["-d"],
        Kind::Knot => &[],
        Kind::Bind => &["-g", "-n", "1"],
    };
    let file = File::create(log).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program).args(flags).arg("-c").arg(config);
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    command.spawn().unwrap()
}

/// One that is free for UDP and TCP now.
fn free_port() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = udp.local_addr().unwrap();
        if TcpListener::bind(at).is_ok() {
            return at;
        }
    }
}
