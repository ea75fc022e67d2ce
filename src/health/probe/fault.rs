//! Whose fault an error is: the subject's, or this machine's (H13).

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::Outcome;

/// Errors of the system that say nothing of the subject: no source address or port, no descriptors, no memory, a
/// local filter. A refusal, a reset and a time-out are the subject's.
const LOCAL: [i32; 10] = [
    libc::ENETDOWN,
    libc::EADDRNOTAVAIL,
    libc::EADDRINUSE,
    libc::EAFNOSUPPORT,
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOBUFS,
    libc::ENOMEM,
    libc::EAGAIN,
    // No ICMP error becomes this one.
    libc::EPERM,
];

/// Whose fault a code of the system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Subject,
    Machine,
    /// Linux gives the same code when its own table has no way there and when a router on the way says so by ICMP.
    AskRouting,
}

/// The outcome of a run that ended in `error` while it was doing `what` with `to`.
pub(super) fn outcome(what: &str, error: &(dyn Error + 'static), to: SocketAddr) -> Outcome {
    judged(what, error, to, has_route)
}

fn judged(
    what: &str,
    error: &(dyn Error + 'static),
    to: SocketAddr,
    has_route: impl FnOnce(SocketAddr) -> bool,
) -> Outcome {
    let (code, text) = root(error);
    let text = format!("{what}: {text}");
    match code.map_or(Whose::Subject, |code| whose(code, to.ip())) {
        Whose::Subject => Outcome::fail(text, None),
        Whose::AskRouting if has_route(to) => Outcome::cut_off(text),
        Whose::AskRouting | Whose::Machine => Outcome::NoResult(text),
    }
}

fn whose(code: i32, to: IpAddr) -> Whose {
    match code {
        libc::ENETUNREACH | libc::EHOSTUNREACH => Whose::AskRouting,
        // A router says "prohibited" by this code in ICMPv6 only (RFC 4443 section 3.1, codes 1, 5 and 6).
        libc::EACCES if to.is_ipv6() => Whose::AskRouting,
        libc::EACCES => Whose::Machine,
        code if LOCAL.contains(&code) => Whose::Machine,
        _ => Whose::Subject,
    }
}

/// Whether this machine knows a way to `to`. Connecting a UDP socket looks it up in the local table and sends nothing.
/// A machine that cannot even ask is at fault itself.
fn has_route(to: SocketAddr) -> bool {
    let any = if to.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(to)).is_ok()
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
mod tests;
