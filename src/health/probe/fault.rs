//! Whose fault an error is: the subject's, or this machine's (H13).

use std::error::Error;
use std::io;

use super::Outcome;

/// Errors of the system that say nothing of the subject: no route, no source address or port, no descriptors, no
/// memory, a local filter. A refusal, a reset, a time-out and an unreachable host are the subject's.
const LOCAL: [i32; 12] = [
    libc::ENETUNREACH,
    libc::ENETDOWN,
    libc::EADDRNOTAVAIL,
    libc::EADDRINUSE,
    libc::EAFNOSUPPORT,
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOBUFS,
    libc::ENOMEM,
    libc::EAGAIN,
    libc::EPERM,
    libc::EACCES,
];

/// The outcome of a run that ended in `error` while it was doing `what`.
pub(super) fn outcome(what: &str, error: &(dyn Error + 'static)) -> Outcome {
    let (code, text) = root(error);
    let text = format!("{what}: {text}");
    match code {
        Some(code) if LOCAL.contains(&code) => Outcome::NoResult(text),
        _ => Outcome::fail(text, None),
    }
}

/// The innermost cause: the system's code if there is one, and its text.
///
/// `io::Error::source` skips the error that it wraps, which is where TLS errors are: it is looked into by hand.
fn root(error: &(dyn Error + 'static)) -> (Option<i32>, String) {
    let mut at = error;
    loop {
        let inner = match at.downcast_ref::<io::Error>() {
            Some(io) => match (io.raw_os_error(), io.get_ref()) {
                (Some(code), _) => return (Some(code), io.to_string()),
                (None, Some(inner)) => Some(inner as &(dyn Error + 'static)),
                (None, None) => None,
            },
            None => at.source(),
        };
        match inner {
            Some(inner) => at = inner,
            None => return (None, at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h13_faults_of_this_machine_are_no_result_and_those_of_the_subject_fail() {
        for code in [libc::ENETUNREACH, libc::EADDRNOTAVAIL, libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            let error = io::Error::other(io::Error::from_raw_os_error(code));
            assert!(matches!(outcome("connecting", &error), Outcome::NoResult(_)), "{code}");
        }
        for code in [libc::ECONNREFUSED, libc::ECONNRESET, libc::ETIMEDOUT, libc::EHOSTUNREACH, libc::EPIPE] {
            let error = io::Error::from_raw_os_error(code);
            assert!(matches!(outcome("connecting", &error), Outcome::Fail(_)), "{code}");
        }
    }

    #[test]
    fn the_innermost_cause_is_the_one_that_is_told() {
        let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert_eq!(outcome("handshake", &error), Outcome::fail("handshake: cannot decrypt peer's message", None));
    }
}
