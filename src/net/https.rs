//! HTTPS by hyper: HTTP/1.1 and HTTP/2, as the handshake agreed.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::accept::{Door, GRACE};
use super::clock::Moment;
use super::connections::Seat;
use super::counters::count;
use super::http::{Asked, asked, refusal, respond};
use super::pulse::Pulse;
use super::service::{MESSAGE_MAX, Service};
use super::taken::Untaken;
use crate::answer::{Carrier, Peer};

/// Octets of a request's head: a message of the usual size in the path of a GET, and what browsers add. RFC 8484
/// section 5 leaves long messages to POST.
const HEAD_MAX: usize = 16 << 10;
/// Octets that wait to be sent on one stream of HTTP/2: a message.
const SEND_MAX: usize = 64 << 10;
/// Octets that one stream of HTTP/2, and one connection, may send before they are read: a message, and some of them.
const STREAM_WINDOW: u32 = 66 << 10;
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// Octets of a body that is not wanted, and is read all the same: a connection that is closed on a client that still
/// sends may take the response with it.
const DRAIN_MAX: usize = 256 << 10;

/// Serves one connection until its client ends it, is silent for too long, or others need its place.
pub(super) async fn serve<S: Service>(door: Arc<Door<S>>, stream: TlsStream<TcpStream>, client: IpAddr, seat: Seat) {
    let is_second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let limits = *door.limits();
    let mut builder = Builder::new(TokioExecutor::new());
    // A head has as long as a connection may be silent: of HTTP/1.1 the two are not told apart.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(HEAD_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.requests)
        .max_header_list_size(HEAD_MAX as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_MAX)
        .keep_alive_interval(None);
    let builder = if is_second { builder.http2_only() } else { builder.http1_only() };
    let pulse = Pulse::new(Arc::clone(&door.connections), seat);
    let untaken = Arc::new(Untaken::default());
    let service = service_fn(|request| {
        let (door, untaken, beat) = (Arc::clone(&door), Arc::clone(&untaken), pulse.begin());
        async move {
            let peer = Peer { seconds: Moment::now().seconds, ..Peer::new(client, Carrier::Encrypted) };
            let response = one(&door, request, peer).await;
            drop(beat);
            Ok::<_, Infallible>(response.map(|body| untaken.reply(body)))
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // How a connection ends is the client's affair.
        _ = connection.as_mut() => return,
        () = untaken.is_too_much(limits.message) => {
            count(&door.counters.tcp_late);
            return;
        }
        () = pulse.stops() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}

async fn one<S: Service>(door: &Door<S>, request: Request<Incoming>, peer: Peer) -> Response<Bytes> {
    let (head, mut body) = request.into_parts();
    let asked = asked(&head, &door.path);
    // It takes many times what came, and the body may take its time.
    drop(head);
    let message = match asked {
        Ok(Asked::Here(message)) => Ok(Bytes::from(message)),
        Ok(Asked::InBody) => whole(door, &mut body).await,
        Err(status) => Err(status),
    };
    if message.as_ref().is_err_and(|status| *status != StatusCode::REQUEST_TIMEOUT) && !body.is_end_stream() {
        let _ = timeout(door.limits().message, drain(&mut body)).await;
    }
    let response = match message {
        Ok(message) => respond(&*door.service, &door.counters, &message, peer, door.draw.next()).await,
        Err(status) => refusal(status),
    };
    let counters = &door.counters;
    count(if response.status().is_success() { &counters.https_queries } else { &counters.https_refused });
    response
}

/// Reads on to the end of a body, or for as long as that is worth it.
async fn drain(body: &mut Incoming) {
    let mut drained = 0;
    while let Some(Ok(frame)) = body.frame().await {
        drained += frame.data_ref().map_or(0, Bytes::len);
        if drained > DRAIN_MAX {
            return;
        }
    }
}

/// A body, if it comes in time and is no longer than a message may be.
async fn whole<S: Service>(door: &Door<S>, body: &mut Incoming) -> Result<Bytes, StatusCode> {
    match timeout(door.limits().message, Limited::new(body, MESSAGE_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => {
            count(&door.counters.tcp_late);
            Err(StatusCode::REQUEST_TIMEOUT)
        }
    }
}
