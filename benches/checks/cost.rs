//! What this process has taken so far, as the kernel counts it.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc/self/stat` a second; the same on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// Since the start of the process.
pub(super) struct Cost {
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// Resident now, in MiB.
    pub(super) resident_mib: f64,
    /// Resident at most, in MiB.
    pub(super) most_mib: f64,
    pub(super) threads: u64,
    /// Times that a thread gave up the processor to wait.
    pub(super) waits: u64,
}

impl Cost {
    pub(super) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").expect("a kernel that counts");
        // The name of the process, in parentheses, may hold blanks.
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| Duration::from_millis(fields[at].parse::<u64>().expect("a number") * 1000 / TICKS);
        let status = fs::read_to_string("/proc/self/status").expect("a kernel that counts");
        let tasks = fs::read_dir("/proc/self/task").expect("threads");
        let of_task = |task: std::io::Result<fs::DirEntry>| {
            let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            Some(number(&status, "voluntary_ctxt_switches"))
        };
        Self {
            user: ticks(11),
            system: ticks(12),
            resident_mib: number(&status, "VmRSS") as f64 / 1024.0,
            most_mib: number(&status, "VmHWM") as f64 / 1024.0,
            threads: number(&status, "Threads"),
            waits: tasks.filter_map(of_task).sum(),
        }
    }
}

fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse().ok()).unwrap_or(0)
}
