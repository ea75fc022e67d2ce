#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
//! Codes alone, with a routing that the test tells, and real ones between network namespaces.

use std::env;
use std::process::{self, Command};
use std::time::Duration;

use rustls::RootCertStore;

use super::super::server;
use super::*;
use crate::config::model::CheckKind;
use crate::health::sample;

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 80);
const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 80);

fn is_failure(code: i32, to: SocketAddr, has_route: bool) -> bool {
    // As it comes out of a library: wrapped.
    let error = io::Error::other(io::Error::from_raw_os_error(code));
    match judged("connecting", &error, to, |asked| asked == to && has_route) {
        Outcome::Fail(_) => true,
        Outcome::NoResult(_) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn h13_faults_of_this_machine_are_no_result_and_those_of_the_subject_fail_whatever_the_routing() {
    for (to, has_route) in [(V4, true), (V4, false), (V6, true), (V6, false)] {
        for code in LOCAL {
            assert!(!is_failure(code, to, has_route), "{code}");
        }
        for code in [libc::ECONNREFUSED, libc::ECONNRESET, libc::ETIMEDOUT, libc::EHOSTDOWN, libc::EPIPE] {
            assert!(is_failure(code, to, has_route), "{code}");
        }
    }
}

#[test]
fn h13_unreachable_is_this_machines_fault_only_where_it_has_no_route_itself() {
    for (code, to) in [
        (libc::ENETUNREACH, V4),
        (libc::ENETUNREACH, V6),
        (libc::EHOSTUNREACH, V4),
        (libc::EHOSTUNREACH, V6),
        (libc::EACCES, V6),
    ] {
        assert!(is_failure(code, to, true), "{code} {to}");
        assert!(!is_failure(code, to, false), "{code} {to}");
    }
    assert!(!is_failure(libc::EACCES, V4, true), "over IPv4 no router says so");
}

#[test]
fn h13_the_routing_that_is_asked_is_the_systems() {
    assert!(has_route(SocketAddr::from(([127, 0, 0, 1], 9))));
    // The limited broadcast (RFC 919 section 7): no socket goes there that has not asked to.
    assert!(!has_route(SocketAddr::from(([255, 255, 255, 255], 9))));
}

#[test]
fn the_innermost_cause_is_the_one_that_is_told() {
    let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
    assert_eq!(outcome("handshake", &error, V4), Outcome::fail("handshake: cannot decrypt peer's message", None));
}

/// Set in the process that runs inside the prober's namespace.
const INSIDE: &str = "RHUMB_TEST_INSIDE_NAMESPACE";

/// Addresses that the router of the test speaks for, or that the prober's own table speaks for.
const REMOTE: [&str; 4] = ["198.51.100.1", "198.51.101.1", "2001:db8:1::1", "2001:db8:2::1"];
const HERE: [&str; 6] =
    ["203.0.113.1", "203.0.114.1", "203.0.115.1", "2001:db8:a::1", "2001:db8:b::1", "2001:db8:c::1"];

/// A prober and a router, a namespace each, until dropped.
struct Net {
    prober: String,
    router: String,
}

impl Net {
    /// `Err` says why this machine has no namespaces for us.
    fn new() -> Result<Self, String> {
        let net = Self {
            prober: format!("rhumb-prober-{}", process::id()),
            router: format!("rhumb-router-{}", process::id()),
        };
        for name in [&net.prober, &net.router] {
            let done =
                Command::new("ip").args(["netns", "add", name]).output().map_err(|error| format!("ip: {error}"))?;
            let said = String::from_utf8_lossy(&done.stderr);
            if said.contains("not permitted") || said.contains("denied") {
                return Err(said.trim().to_owned());
            }
            assert!(done.status.success(), "{said}");
        }
        let (a, r) = (&net.prober[..], &net.router[..]);
        ip(&format!("-n {a} link add near type veth peer name far netns {r}"));
        ip(&format!("-n {a} address add 192.0.2.1/30 dev near"));
        ip(&format!("-n {r} address add 192.0.2.2/30 dev far"));
        ip(&format!("-n {a} address add 2001:db8::1/64 dev near nodad"));
        ip(&format!("-n {r} address add 2001:db8::2/64 dev far nodad"));
        ip(&format!("-n {a} link set near up"));
        ip(&format!("-n {r} link set far up"));
        ip(&format!("-n {r} link set lo up"));
        // A router answers a sender only so often, unless told to: the rest would wait for a repetition.
        let forward = "cd /proc/sys/net && echo 1 >ipv4/ip_forward && echo 1 >ipv6/conf/all/forwarding \
                       && echo 0 >ipv4/icmp_ratelimit && echo 0 >ipv6/icmp/ratelimit";
        run(Command::new("ip").args(["netns", "exec", r, "sh", "-c", forward]));
        for to in ["198.51.100.0/24", "198.51.101.0/24"] {
            ip(&format!("-n {a} route add {to} via 192.0.2.2"));
        }
        for to in ["2001:db8:1::/48", "2001:db8:2::/48"] {
            ip(&format!("-n {a} route add {to} via 2001:db8::2"));
        }
        // The first of each family the router does not know.
        for to in ["198.51.101.0/24", "2001:db8:2::/48"] {
            ip(&format!("-n {r} route add prohibit {to}"));
        }
        for (kind, to) in [
            ("unreachable", "203.0.114.0/24"),
            ("prohibit", "203.0.115.0/24"),
            ("unreachable", "2001:db8:b::/48"),
            ("prohibit", "2001:db8:c::/48"),
        ] {
            ip(&format!("-n {a} route add {kind} {to}"));
        }
        Ok(net)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in [&self.prober, &self.router] {
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn h13_an_endpoint_that_a_router_calls_unreachable_fails_and_one_without_a_local_route_is_no_result() {
    if env::var_os(INSIDE).is_some() {
        return ask_all();
    }
    let net = match Net::new() {
        Ok(net) => net,
        Err(reason) => return eprintln!("skipped, no network namespaces: {reason}"),
    };
    let this = concat!(
        module_path!(),
        "::h13_an_endpoint_that_a_router_calls_unreachable_fails_and_one_without_a_local_route_is_no_result"
    );
    let (_, this) = this.split_once("::").unwrap();
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &net.prober]).arg(env::current_exe().unwrap());
    let done = inside.args(["--exact", this, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::main(flavor = "current_thread")]
async fn ask_all() {
    for kind in [
        CheckKind::Tcp { send: None, expect: None },
        CheckKind::Http {
            tls: false,
            host: None,
            path: "/".into(),
            method: "GET".into(),
            headers: Vec::new(),
            status: vec![(200, 399)],
            body: None,
            verify: false,
        },
    ] {
        let check = sample::check("unreachable", kind);
        for (addresses, is_subjects) in [(&REMOTE[..], true), (&HERE[..], false)] {
            for address in addresses {
                let to = SocketAddr::new(address.parse().unwrap(), 80);
                let asked = server::ask(&check, to, RootCertStore::empty());
                let outcome =
                    tokio::time::timeout(Duration::from_secs(20), asked).await.expect("the code comes at once");
                match outcome {
                    Outcome::Fail(_) => assert!(is_subjects, "{to}: {outcome:?}"),
                    Outcome::NoResult(_) => assert!(!is_subjects, "{to}: {outcome:?}"),
                    other => panic!("{to}: {other:?}"),
                }
            }
        }
    }
}
