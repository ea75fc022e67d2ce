//! The API over real sockets, with a stand-in for the running state.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::answer::Explanation;
use crate::config::model::AdminAddress;
use crate::config::{Diagnostic, Severity};
use crate::control::*;

/// A status with one of everything that metrics tell.
pub(super) fn some_status() -> Status {
    let endpoint = |name: &str, state, verdict| EndpointStatus {
        name: name.into(),
        site: None,
        state,
        probes: vec![ProbeStatus {
            check: "example.com/http".into(),
            subject: "127.0.0.1".into(),
            verdict,
            since: None,
            last_probe: None,
            last_failure: None,
            latency_ms: None,
            certificate_days: Some(12),
        }],
    };
    Status {
        version: "0.1.0",
        generation: 7,
        since: 2_000_000_000,
        started: 1_999_999_000,
        listening: vec!["127.0.0.1:5300".into()],
        certificate: Some(CertificateStatus { file: Some("tls.pem".into()), ends: Some(2_000_009_000) }),
        zones: Vec::new(),
        secondary_zones: vec![SecondaryZoneStatus {
            apex: "example.net".into(),
            serial: Some(7),
            primary: Some("192.0.2.1:53".into()),
            last_check: Some(2_000_000_000),
            last_failure: None,
            failed: None,
            expires: Some(2_000_086_400),
        }],
        endpoints: vec![
            endpoint("example.com/frankfurt", EndpointState::Down, "down"),
            endpoint("example.com/paris", EndpointState::Unchecked, "unchecked"),
        ],
        secondaries: vec![SecondaryStatus {
            zone: "example.com".into(),
            address: "192.0.2.53:53".into(),
            serial: 7,
            state: "heard".into(),
        }],
        drains: Vec::new(),
        forced: Vec::new(),
        last_load: LoadStatus {
            ok: true,
            from_last_good: false,
            when: 2_000_000_000,
            force: None,
            diagnostics: Vec::new(),
        },
        databases: vec![DatabaseStatus { file: "city.mmdb".into(), modified: Some(2_000_000_000) }],
        notes: Vec::new(),
        counters: [("queries.udp".to_owned(), 41)].into(),
    }
}

/// Writes down what it is asked to do.
#[derive(Default)]
struct Recorder {
    done: Mutex<Vec<String>>,
    differs: bool,
}

impl Recorder {
    fn record(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }
}

impl Operations for Recorder {
    fn status(&self) -> Status {
        some_status()
    }

    fn explain(&self, question: &Question) -> Result<Explained, String> {
        if question.name.to_string().starts_with("other") {
            return Err("no zone of this server holds other.example".into());
        }
        Ok(Explained {
            explanation: Explanation {
                name: question.name.to_string(),
                rtype: question.rtype.to_string(),
                client: question.client.to_string(),
                status: "NOERROR".into(),
                answer: Vec::new(),
                ttl: None,
                scope: None,
                draw: String::new(),
                decisions: Vec::new(),
                difference: self.differs.then(|| "ttl 5 and 6".into()),
            },
            verdicts_since: Default::default(),
            sources: Default::default(),
        })
    }

    fn reload(&self, force: Option<u64>) -> Result<Reloaded, ReloadError> {
        self.record(format!("reload {force:?}"));
        match force {
            Some(_) => Ok(Reloaded {
                generation: 8,
                changed: true,
                zones: 1,
                diagnostics: Vec::new(),
                sources: Arc::default(),
            }),
            None => Err(ReloadError {
                diagnostics: vec![Diagnostic::general(Severity::Error, "mass-removal", "it removes much")],
                sources: Arc::default(),
                force: Some(3412),
            }),
        }
    }

    fn drain(
        &self,
        subject: &Subject,
        span: Option<Duration>,
        reason: Option<String>,
        force: bool,
    ) -> Result<Drained, DrainError> {
        self.record(format!("drain {subject} {span:?} {reason:?} {force}"));
        match subject {
            Subject::Endpoint(name) if name == "last" && !force => Err(DrainError::Empties(vec!["www.example".into()])),
            Subject::Endpoint(name) if name == "pairs" => {
                Err(DrainError::Unknown { subject: subject.clone(), nearest: Some("paris".into()) })
            }
            _ => Ok(Drained {
                endpoints: vec!["example.com/paris".into()],
                until: Some(2_000_001_800),
                forced: Vec::new(),
                generation: 8,
                not_kept: None,
            }),
        }
    }

    fn undrain(&self, subject: &Subject) -> Result<Drained, DrainError> {
        self.record(format!("undrain {subject}"));
        Err(DrainError::NotDrained(subject.clone()))
    }
}

/// A served API that ends with the test.
struct Served {
    address: AdminAddress,
    operations: Arc<Recorder>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Where it listens on loopback.
    fn tcp(&self) -> SocketAddr {
        match &self.address {
            AdminAddress::Tcp(address) => *address,
            other => panic!("{other:?} is no address of loopback"),
        }
    }

    async fn at(address: AdminAddress, operations: Recorder, token_file: Option<&std::path::Path>) -> Self {
        Self::with(Listener::bind(&address, token_file).await.unwrap(), operations)
    }

    fn with(listener: Listener, operations: Recorder) -> Self {
        let (address, operations, stop) = (listener.address(), Arc::new(operations), CancellationToken::new());
        let task = tokio::spawn(listener.serve(Arc::clone(&operations), stop.clone()));
        Self { address, operations, stop, task }
    }

    async fn on_loopback() -> Self {
        Self::at(loopback(), Recorder::default(), None).await
    }

    fn client(&self) -> Client {
        Client::new(Address(self.address.clone()), None)
    }

    fn done(&self) -> Vec<String> {
        self.operations.done.lock().unwrap().clone()
    }

    /// Sends bytes as they are, for what no client of ours would send, and returns the status line.
    async fn raw(&self, request: &str) -> String {
        let AdminAddress::Tcp(address) = self.address else { return String::new() };
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = request.replace("HERE", &address.to_string()).replace('\n', "\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply.lines().next().unwrap_or_default().to_owned()
    }
}

fn loopback() -> AdminAddress {
    AdminAddress::Tcp(([127, 0, 0, 1], 0).into())
}

fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (u16, Fault) {
    match result {
        Err(ClientError::Refused { status, fault }) => (status, fault),
        other => (0, Fault { error: format!("{other:?}"), ..Fault::default() }),
    }
}

#[tokio::test]
async fn status_is_told_over_tcp_and_over_a_unix_socket() {
    let place = tempfile::tempdir().unwrap();
    let unix = AdminAddress::Unix(place.path().join("admin.sock"));
    for address in [loopback(), unix] {
        let served = Served::at(address, Recorder::default(), None).await;
        let status: Value = served.client().get("/status").await.unwrap();
        assert_eq!(status["generation"], 7);
        assert_eq!(status["endpoints"][0]["state"], "down");
    }
}

#[tokio::test]
async fn a_drain_arrives_with_its_span_reason_and_force() {
    let served = Served::on_loopback().await;
    let request = DrainRequest {
        endpoint: Some("paris".into()),
        seconds: Some(1800),
        reason: Some("disk".into()),
        ..DrainRequest::default()
    };
    let reply: SwitchReply = served.client().post("/drain", &request).await.unwrap();
    assert_eq!(reply.endpoints, ["example.com/paris"]);
    assert_eq!(served.done(), ["drain endpoint paris Some(1800s) Some(\"disk\") false"]);
}

#[tokio::test]
async fn g10_a_drain_that_empties_a_name_is_refused_with_the_names_until_it_is_forced() {
    let served = Served::on_loopback().await;
    let mut request = DrainRequest { endpoint: Some("last".into()), ..DrainRequest::default() };
    let (status, fault) = refused(served.client().post::<SwitchReply>("/drain", &request).await);
    assert_eq!((status, fault.details), (409, vec!["www.example".to_owned()]));
    request.force = true;
    assert!(served.client().post::<SwitchReply>("/drain", &request).await.is_ok());
}

#[tokio::test]
async fn unknown_endpoints_come_back_with_the_nearest_name() {
    let served = Served::on_loopback().await;
    let request = DrainRequest { endpoint: Some("pairs".into()), ..DrainRequest::default() };
    let (status, fault) = refused(served.client().post::<SwitchReply>("/drain", &request).await);
    assert_eq!(status, 404);
    assert_eq!(fault.error, "there is no endpoint pairs");
    assert_eq!(fault.help.as_deref(), Some("is `paris` meant?"));
}

#[tokio::test]
async fn a_switch_names_exactly_one_thing_and_no_unknown_key() {
    let served = Served::on_loopback().await;
    for body in [json!({}), json!({ "endpoint": "a", "site": "b" }), json!({ "endpiont": "a" })] {
        let (status, _) = refused(served.client().post::<SwitchReply>("/undrain", &body).await);
        assert!(status == 400 || status == 422, "{body}: {status}");
    }
    assert!(served.done().is_empty());
}

#[tokio::test]
async fn a_load_that_is_held_back_comes_with_the_command_that_takes_it() {
    let served = Served::on_loopback().await;
    let (status, fault) = refused(served.client().post::<ReloadReply>("/reload", &json!({})).await);
    assert_eq!(status, 422);
    assert_eq!(fault.help.as_deref(), Some("if that is meant: rhumb reload --force 3412"));
    assert_eq!(fault.details.len(), 1);
    let request = ReloadRequest { force: Some(3412), ..ReloadRequest::default() };
    let taken: ReloadReply = served.client().post("/reload", &request).await.unwrap();
    assert!(taken.changed);
}

#[tokio::test]
async fn explanations_need_a_name_and_a_client_and_say_what_is_wrong_with_them() {
    let served = Served::on_loopback().await;
    let ask = async |path: &str| served.client().get::<Value>(path).await;
    let question = Question::parse("www.example", "AAAA", "2001:db8::/56").unwrap();
    assert_eq!(ask(&question.path()).await.unwrap()["name"], question.name.to_string());
    assert_eq!(refused(ask("/explain?name=www.example").await).1.error, "`client` is missing");
    assert_eq!(refused(ask("/explain?name=www.example&client=here").await).0, 400);
    assert_eq!(refused(ask("/explain?name=other.example&client=::1").await).0, 404);
}

#[tokio::test]
async fn a_difference_between_answer_and_reasons_is_counted() {
    let served = Served::at(loopback(), Recorder { differs: true, ..Recorder::default() }, None).await;
    let explained: Value = served.client().get("/explain?name=www.example&client=::1").await.unwrap();
    assert_eq!(explained["difference"], "ttl 5 and 6");
    let address = served.tcp();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains("text/plain; version=0.0.4"), "{reply}");
    assert!(reply.contains("\nrhumb_explain_differences_total 1\n"), "{reply}");
}

#[tokio::test]
async fn no_get_changes_anything() {
    let served = Served::on_loopback().await;
    for path in ["/drain?endpoint=paris", "/undrain?endpoint=paris", "/reload"] {
        assert_eq!(refused(served.client().get::<Value>(path).await).0, 405, "{path}");
    }
    assert!(served.done().is_empty());
}

#[tokio::test]
async fn requests_that_a_web_page_could_cause_are_turned_away() {
    let served = Served::on_loopback().await;
    let rest = "Connection: close\nContent-Type: application/json\nContent-Length: 2\n\n{}";
    for (head, expected) in [
        ("POST /reload HTTP/1.1\nHost: rebound.example:8053", "403"),
        ("POST /reload HTTP/1.1\nHost: HERE\nOrigin: http://evil.example", "403"),
        ("GET /status HTTP/1.1\nHost: rebound.example", "403"),
        ("GET /status HTTP/1.1\nHost: HERE\nOrigin: null", "403"),
        ("GET /status HTTP/1.1\nHost: HERE\nOrigin: http://HERE", "200"),
    ] {
        let line = served.raw(&format!("{head}\n{rest}")).await;
        assert!(line.contains(expected), "{head}: {line}");
    }
    let form =
        "POST /reload HTTP/1.1\nHost: HERE\nConnection: close\nContent-Type: text/plain\nContent-Length: 2\n\n{}";
    assert!(served.raw(form).await.contains("415"));
    assert!(served.done().is_empty());
}

#[tokio::test]
async fn an_address_that_other_machines_reach_is_not_served_without_a_token() {
    let fault = Listener::bind(&AdminAddress::Tcp(([0, 0, 0, 0], 0).into()), None).await.unwrap_err();
    assert!(fault.help.unwrap().contains("admin_token_file"));
}

#[tokio::test]
async fn with_a_token_file_only_who_knows_the_token_is_served() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("token");
    std::fs::write(&file, "0123456789abcdef0123\n").unwrap();
    let served = Served::at(AdminAddress::Tcp(([0, 0, 0, 0], 0).into()), Recorder::default(), Some(&file)).await;
    let bound = served.tcp();
    let here = Address(AdminAddress::Tcp(([127, 0, 0, 1], bound.port()).into()));
    assert_eq!(refused(Client::new(here.clone(), None).get::<Value>("/status").await).0, 401);
    let wrong = Token::new("0123456789abcdef0124").unwrap();
    assert_eq!(refused(Client::new(here.clone(), Some(wrong)).get::<Value>("/status").await).0, 401);
    let right = Token::read(&file).unwrap();
    assert!(Client::new(here, Some(right)).get::<Value>("/status").await.is_ok());
}

#[tokio::test]
async fn the_socket_of_a_dead_server_is_replaced_and_that_of_a_living_one_is_not() {
    use std::os::unix::fs::PermissionsExt;

    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let unix = AdminAddress::Unix(path.clone());
    let served = Served::at(unix.clone(), Recorder::default(), None).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(Listener::bind(&unix, None).await.is_err());
    assert!(served.client().get::<Value>("/status").await.is_ok(), "the living one goes on");
    served.stop.cancel();
    served.task.await.unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(Listener::bind(&unix, None).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_a_remedy() {
    let served = Served::on_loopback().await;
    let fault = Listener::bind(&served.address, None).await.unwrap_err();
    assert!(fault.cause.contains("cannot serve the admin API on 127.0.0.1:"), "{fault}");
    assert!(fault.help.is_some());
}

#[tokio::test]
async fn nobody_home_and_somebody_else_home_are_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let nobody = Client::new(Address(AdminAddress::Unix(place.path().join("absent"))), None);
    assert!(matches!(nobody.get::<Value>("/status").await, Err(ClientError::Absent { .. })));

    let somebody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address(AdminAddress::Tcp(somebody.local_addr().unwrap()));
    let answering = tokio::spawn(async move {
        let (mut stream, _) = somebody.accept().await.unwrap();
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
    });
    let fault = Client::new(address, None).get::<Value>("/status").await;
    assert!(matches!(fault, Err(ClientError::Foreign(_))), "{fault:?}");
    answering.await.unwrap();
}

/// Lines of the audit log, of all tests that run in this process.
fn audit_log() -> &'static Mutex<Vec<u8>> {
    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static SET_UP: std::sync::Once = std::sync::Once::new();
    struct Lines;
    impl std::io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            LINES.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    SET_UP.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false).with_env_filter("off,audit=info");
        log.with_writer(|| Lines).init();
    });
    &LINES
}

#[tokio::test]
async fn every_change_is_written_down_taken_or_refused_or_not_understood() {
    let log = audit_log();
    let served = Served::on_loopback().await;
    let by = |who: &str| Some(format!("auditor {who}"));
    let drain =
        |endpoint: &str, who| DrainRequest { endpoint: Some(endpoint.into()), by: by(who), ..Default::default() };
    served.client().post::<SwitchReply>("/drain", &drain("paris", "one")).await.unwrap();
    refused(served.client().post::<SwitchReply>("/drain", &drain("last", "two")).await);
    refused(served.client().post::<SwitchReply>("/undrain", &json!({ "audited": "three" })).await);
    refused(served.client().post::<SwitchReply>("/undrain", &json!({ "endpoint": "a", "site": "audited" })).await);
    let lines = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let line = |word: &str| lines.lines().find(|line| line.contains(word)).unwrap_or_default().to_owned();
    assert!(line("auditor one").contains("change taken"), "{lines}");
    assert!(line("auditor two").contains("change refused"), "{lines}");
    assert!(line("`audited`").contains("change refused") && line("`audited`").contains("undrain"), "{lines}");
    assert!(line("either `endpoint` or `site`").contains("change refused"), "{lines}");
}

async fn stream_from(client: [u8; 4], to: SocketAddr) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((client, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Less than a connection may be silent for.
const SOON: Duration = Duration::from_secs(5);

/// Whether the server has closed it without a word.
async fn is_cut(stream: &mut tokio::net::TcpStream) -> bool {
    let read = tokio::time::timeout(SOON, stream.read(&mut [0; 1])).await.unwrap();
    matches!(read, Ok(0) | Err(_))
}

#[tokio::test]
async fn whoever_holds_connections_locks_nobody_out() {
    let served = Served::on_loopback().await;
    let address = served.tcp();
    let mut held = Vec::new();
    for n in 0..64 {
        held.push(stream_from([127, 77, 9, n % 4], address).await);
    }
    for _ in 0..3 {
        // It is not kept waiting.
        let asked = tokio::time::timeout(SOON, served.client().get::<Value>("/status")).await;
        asked.unwrap().unwrap();
    }
    assert!(is_cut(&mut held[0]).await, "the oldest of all makes room");
    // One that rests is not cut for those who hold more.
    let mut rests = tokio::net::TcpStream::connect(address).await.unwrap();
    for n in 0..64 {
        held.push(stream_from([127, 77, 9, n % 4], address).await);
    }
    rests.write_all(format!("GET /status HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    assert!(rests.read(&mut [0; 1]).await.is_ok_and(|read| read == 1));
}

#[tokio::test]
async fn one_client_has_a_share_of_the_connections_and_its_oldest_ends_for_more() {
    let served = Served::on_loopback().await;
    let address = served.tcp();
    let mut held = Vec::new();
    for _ in 0..17 {
        held.push(stream_from([127, 77, 9, 1], address).await);
    }
    assert!(is_cut(&mut held[0]).await);
    held[1].write_all(format!("GET /status HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    assert!(held[1].read(&mut [0; 1]).await.is_ok_and(|read| read == 1));
}

#[tokio::test]
async fn bodies_that_never_end_and_replies_that_nobody_reads_hold_no_connection_for_good() {
    const MANY: u8 = 64;
    let mut listener = Listener::bind(&loopback(), None).await.unwrap();
    let short = Duration::from_millis(300);
    listener.deadlines = listener::Deadlines { body: short, life: short, end: short };
    let served = Served::with(listener, Recorder::default());
    let address = served.tcp();
    let head = format!("POST /drain HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    for rest in ["Content-Length: 10\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let mut held = Vec::new();
        for n in 0..MANY {
            let mut stream = stream_from([127, 77, 9, n % 4], address).await;
            stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
            held.push(stream);
        }
        served.client().get::<Value>("/status").await.unwrap();
        let mut reply = String::new();
        held.last_mut().unwrap().read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    }
    // Asks on and on and reads nothing: cut off, whatever it still wants.
    let mut deaf = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(100);
    let cut_off = async { while deaf.write_all(request.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(30), cut_off).await.unwrap();
    assert!(served.done().is_empty());
}
