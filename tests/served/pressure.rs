//! Items 19 and 28 over sockets: who asks too fast is told to come again over TCP, or with a cookie.

use std::fs;
use std::net::{SocketAddr, UdpSocket};

use super::{SOON, Server, Site, over_tcp};
use crate::harness::{Ask, Reply, zone};

/// The cookie option's code.
const COOKIE: u16 = 10;
const BADCOOKIE: u16 = 23;

fn server(rules: &str) -> Server {
    Site::with_zone(rules, &zone("host = { A = \"192.0.2.7\" }", "")).start()
}

/// A socket of one of loopback's many addresses.
struct Sender(UdpSocket);

impl Sender {
    fn at(address: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    fn ask(&self, ask: &Ask) -> Reply {
        self.0.send(&ask.bytes()).unwrap();
        let mut reply = [0; 4096];
        let len = self.0.recv(&mut reply).expect("a reply");
        Reply::read(&reply[..len])
    }

    /// Of so many queries, one after the other, how many are answered in full. The others are truncated and empty.
    fn answered(&self, queries: usize) -> usize {
        let replies = (0..queries).map(|_| self.ask(&Ask::a("host.example.com.")));
        let full = |reply: Reply| {
            assert_eq!((reply.rcode, reply.tc, reply.answer.len()), (0, reply.tc, usize::from(!reply.tc)));
            !reply.tc
        };
        replies.map(full).filter(|&full| full).count()
    }
}

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.get("/metrics").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("a metric");
    line.parse().expect("a number")
}

/// One query a second, and one at once: whatever the machine's pace, most of many are over the limit.
const STRICT: &str = "[rate_limit]\nrate = 1\nexempt = [\"127.4.0.0/16\"]\n";

#[test]
fn p28_over_the_limit_replies_are_truncated_and_whoever_is_exempt_is_answered() {
    let server = server(STRICT);
    let flood = Sender::at("127.1.0.1", server.dns);
    let answered = flood.answered(1000);
    assert!((2..900).contains(&answered), "{answered} of 1000");
    assert_eq!(metric(&server, "rhumb_rate_limited_total"), 1000 - answered as u64);

    // Another sender, and another way.
    assert_eq!(Sender::at("127.2.0.1", server.dns).answered(1), 1);
    assert_eq!(Sender::at("127.4.0.1", server.dns).answered(1000), 1000);
    for _ in 0..20 {
        assert_eq!(over_tcp(server.dns, &Ask::a("host.example.com.")).only(), "192.0.2.7");
    }
}

#[test]
fn p19_a_valid_cookie_is_exempt_from_the_limit_and_one_is_had_under_it() {
    let server = server(STRICT);
    let sender = Sender::at("127.1.0.2", server.dns);
    let with = |cookie: &[u8]| Ask::a("host.example.com.").option(COOKIE, cookie);
    let cookie = |reply: &Reply| {
        let options = &reply.edns.as_ref().expect("OPT").options;
        options.iter().find(|(code, _)| *code == COOKIE).expect("a cookie").1.clone()
    };
    let told = (0..1000).map(|_| sender.ask(&with(b"rhumbler"))).find(|reply| reply.rcode == BADCOOKIE);
    let told = told.expect("the limit was reached");
    assert_eq!(told.answer.len(), 0);
    let whole = cookie(&told);
    for _ in 0..100 {
        assert_eq!(sender.ask(&with(&whole)).only(), "192.0.2.7");
    }
    // Nobody else has the use of it.
    let other = Sender::at("127.1.0.3", server.dns);
    assert!((0..1000).any(|_| other.ask(&with(&whole)).rcode == BADCOOKIE));
}

#[test]
fn p28_limits_can_be_tried_by_counting_and_be_changed_by_an_edit() {
    let site = Site::with_zone(
        "[rate_limit]\nrate = 1\nexempt = []\nlog_only = true\n",
        &zone("host = { A = \"192.0.2.7\" }", ""),
    );
    let server = site.start();
    let sender = Sender::at("127.1.0.4", server.dns);
    assert_eq!(sender.answered(500), 500);
    assert!(metric(&server, "rhumb_rate_logged_total") > 0);
    assert_eq!(metric(&server, "rhumb_rate_limited_total"), 0);

    let before = server.generation();
    let file = site.path().join("rhumb.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("log_only = true", "log_only = false")).unwrap();
    super::eventually(SOON, "the edit", || (server.generation() > before).then_some(()));
    assert!(sender.answered(1000) < 1000);
}
