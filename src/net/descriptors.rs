//! How many descriptors this process may have: a client's stream takes one, and so does a probe under way.
#![allow(unsafe_code, reason = "limits of the process have no safe form in std or socket2")]

use std::io;

/// As most systems are delivered.
const USUAL: usize = 1024;

/// Raises the number of descriptors from the usual one to the most that this process may have. The usual one, 1,024 on many
/// systems, is for programs that use `select`, which this is not.
///
/// # Errors
/// The system refuses; the number is then what it was.
pub fn raise_descriptors() -> io::Result<()> {
    let mut limit = limit()?;
    if limit.rlim_cur >= limit.rlim_max {
        return Ok(());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one `rlimit` that outlives the call.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How many descriptors this process may have now; the usual number where the system does not say.
pub(super) fn descriptors() -> usize {
    limit().map_or(USUAL, |limit| usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

fn limit() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit` to where it is told to, which is one that outlives the call.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } {
        0 => Ok(limit),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_usual_number_of_descriptors_becomes_the_most() {
        raise_descriptors().unwrap();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3], words[4], "{line}");
    }
}
