//! `http` and `https` (H2–H5).
//!
//! A run opens a connection of its own, asks one question of it with hyper and leaves: there is no pool and no proxy,
//! nothing is resolved, and no redirect is followed.

mod body;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use self::body::Search;
use super::secure::Secure;
use super::{Ask, Outcome, Stage, fault, parse_address};
use crate::config::model::{Check, CheckKind};

const WHO_ASKS: HeaderValue = HeaderValue::from_static(concat!("rhumb-health/", env!("CARGO_PKG_VERSION")));
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const ENCODINGS: HeaderValue = HeaderValue::from_static("gzip, deflate");
/// Whoever sends one request a connection says so (RFC 9112 section 9.6).
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The one protocol that is offered over TLS.
const PROTOCOL: &[u8] = b"http/1.1";

/// Characters that would let a host name change what the URL around it means.
const NOT_IN_HOSTS: &[char] = &['/', '\\', '?', '#', '@', ':', '[', ']', '%'];

pub(super) struct Http {
    check: Arc<Check>,
    host: Host,
    /// Path and query, as a request line has them.
    target: Uri,
    secure: Secure,
}

/// What the server is told that it is.
enum Host {
    /// The address that is probed.
    Address,
    /// A name: Host header, SNI and the name in the certificate.
    Name(String),
    /// Another address, in the Host header only: SNI has no addresses (RFC 6066 section 3), and the certificate must
    /// be for the address that is probed.
    OtherAddress(String),
}

/// What the model says of an HTTP check.
struct Question<'a> {
    tls: bool,
    method: &'a str,
    headers: &'a [(String, String)],
    status: &'a [(u16, u16)],
    body: Option<&'a str>,
    verify: bool,
}

/// How a conversation that came to an end ended: whether the subject passed, and why.
type Judged = (bool, String);

impl Http {
    pub(super) fn new(check: &Arc<Check>, default_host: Option<String>, secure: &Secure) -> Result<Self, String> {
        let CheckKind::Http { host, path, .. } = &check.kind else { return Err("not an HTTP check".into()) };
        let (host, target) = match host.clone().or(default_host) {
            None => (Host::Address, url("localhost", path)?),
            Some(host) => match parse_address(&host) {
                Some(address) if address.is_ipv6() => {
                    (Host::OtherAddress(format!("[{address}]")), url("localhost", path)?)
                }
                Some(address) => (Host::OtherAddress(address.to_string()), url("localhost", path)?),
                None => {
                    let url = url(host.strip_suffix('.').unwrap_or(&host), path)?;
                    // Names like `0x7f.1` are addresses to a URL, and so to servers.
                    let name = url.domain().ok_or_else(|| format!("{host:?} is no host name"))?;
                    (Host::Name(name.to_owned()), url)
                }
            },
        };
        let target = target[url::Position::BeforePath..url::Position::AfterQuery]
            .parse()
            .map_err(|error| format!("{path}: {error}"))?;
        let http = Self { check: Arc::clone(check), host, target, secure: secure.clone() };
        // What cannot be asked is known now and not only when it is time.
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        http.request(&http.question()?, any)?;
        http.server_name(any)?;
        Ok(http)
    }

    fn question(&self) -> Result<Question<'_>, String> {
        let CheckKind::Http { tls, host: _, path: _, method, headers, status, body, verify } = &self.check.kind else {
            return Err("not an HTTP check".into());
        };
        Ok(Question { tls: *tls, method, headers, status, body: body.as_deref(), verify: *verify })
    }

    fn request(&self, question: &Question<'_>, to: SocketAddr) -> Result<Request<Empty<Bytes>>, String> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::from_bytes(question.method.as_bytes())
            .map_err(|_| format!("{:?} is no method", question.method))?;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        for (name, value) in question.headers {
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header"))?;
            let value = HeaderValue::from_str(value).map_err(|_| format!("the value of {name} is no header value"))?;
            headers.append(key, value);
        }
        let host = self.host_header(question.tls, to)?;
        for (name, value) in [(HOST, host), (USER_AGENT, WHO_ASKS), (ACCEPT, ANYTHING), (ACCEPT_ENCODING, ENCODINGS)] {
            headers.entry(name).or_insert(value);
        }
        headers.insert(CONNECTION, CLOSE);
        Ok(request)
    }

    /// The name alone on the default port and `name:port` otherwise (H5).
    fn host_header(&self, tls: bool, to: SocketAddr) -> Result<HeaderValue, String> {
        let name = match &self.host {
            Host::Address if to.is_ipv6() => format!("[{}]", to.ip()),
            Host::Address => to.ip().to_string(),
            Host::Name(name) | Host::OtherAddress(name) => name.clone(),
        };
        let default = if tls { 443 } else { 80 };
        let text = if to.port() == default { name } else { format!("{name}:{}", to.port()) };
        HeaderValue::try_from(&text).map_err(|_| format!("{text:?} is no host"))
    }

    fn server_name(&self, to: SocketAddr) -> Result<ServerName<'static>, String> {
        match &self.host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| format!("{name:?} is no server name")),
            Host::Address | Host::OtherAddress(_) => Ok(ServerName::IpAddress(to.ip().into())),
        }
    }
}

#[async_trait]
impl Ask for Http {
    async fn ask(&self, to: SocketAddr, stage: &Stage) -> Outcome {
        let prepared = self.question().and_then(|question| {
            let request = self.request(&question, to)?;
            Ok((request, self.server_name(to)?, question))
        });
        let (request, name, question) = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => return Outcome::NoResult(reason),
        };
        stage.set("waiting for the response");
        let stream = match TcpStream::connect(to).await {
            Ok(stream) => stream,
            Err(error) => return fault::outcome("no response", &error, to),
        };
        let (judged, days) = if question.tls {
            // Each step on the heap by itself, for as long as it takes: thousands may hang, most of them in the first.
            let shaken = Box::pin(self.secure.shake_hands(stream, name, question.verify, &[PROTOCOL]));
            let (stream, days) = shaken.await;
            match stream {
                Ok(stream) => (Box::pin(converse(stream, request, &question, stage)).await, days),
                Err(error) => return fault::outcome("no response", &error, to).with_days(days),
            }
        } else {
            (Box::pin(converse(stream, request, &question, stage)).await, None)
        };
        match judged {
            Ok((true, text)) => Outcome::pass(text, days),
            Ok((false, text)) => Outcome::fail(text, days),
            Err((what, error)) => fault::outcome(what, &error, to).with_days(days),
        }
    }
}

/// Asks and judges; the error says what it broke.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: Request<Empty<Bytes>>,
    question: &Question<'_>,
    stage: &Stage,
) -> Result<Judged, (&'static str, hyper::Error)> {
    let no_response = |error| ("no response", error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(no_response)?;
    let mut connection = Driver(Some(pin!(connection)));
    let response = connection.during(sender.send_request(request)).await.map_err(no_response)?;
    let status = response.status().as_u16();
    if !question.status.iter().any(|&(from, to)| (from..=to).contains(&status)) {
        return Ok((false, format!("status {status}")));
    }
    let Some(wanted) = question.body else { return Ok((true, format!("status {status}"))) };
    stage.set("reading the body");
    let mut search = Search::new(wanted, response.headers().get(CONTENT_ENCODING));
    let mut body = response.into_body();
    while !search.is_over()
        && let Some(frame) = connection.during(body.frame()).await
    {
        let frame = frame.map_err(|error| ("reading the body failed", error))?;
        if let Some(data) = frame.data_ref() {
            search.take(data);
        }
    }
    Ok(search.judge(status))
}

/// A connection that goes on while something is awaited of it.
struct Driver<C>(Option<C>);

impl<C: Future + Unpin> Driver<C> {
    async fn during<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            // How it ended is told by what is awaited.
            if let Some(connection) = &mut self.0
                && Pin::new(connection).poll(context).is_ready()
            {
                self.0 = None;
            }
            future.as_mut().poll(context)
        })
        .await
    }
}

/// What a browser would make of it: names in ASCII, everything else escaped.
fn url(host: &str, path: &str) -> Result<Url, String> {
    if host.contains(NOT_IN_HOSTS) {
        return Err(format!("{host:?} is no host name"));
    }
    let text = format!("http://{host}{path}");
    Url::parse(&text).map_err(|error| format!("{text}: {error}"))
}

#[cfg(test)]
mod tests;
