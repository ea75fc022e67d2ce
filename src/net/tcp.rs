//! Streams: messages behind a two-octet length (RFC 1035 section 4.2.2), as many in flight as a client likes
//! (RFC 7766 section 6.2.1.1), each answered as soon as it is whole.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::aside::Replies;
use super::connections::{Admission, Connections, Seat};
use super::counters::{Counters, count};
use super::draw::Draw;
use super::service::{Outcome, PREFIX, Service, framed, framed_reply};
use crate::answer::{Carrier, Peer};

/// What is asked of the system at once; a client's usual pipeline fits.
const READ_STEP: usize = 4096;
/// When descriptors or memory have run out, the next attempt waits for others to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until `stop`; no error ends it.
pub(super) async fn listen<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    counters: Arc<Counters>,
    connections: Arc<Connections>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                count(&counters.tcp_accept_errors);
                tracing::debug!("a connection was not accepted: {error}");
                if !is_of_one_connection(&error) {
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let seat = match connections.admit(from.ip(), Instant::now()) {
            Admission::Admitted { seat, evicted } => {
                if evicted {
                    count(&counters.tcp_evicted);
                }
                seat
            }
            Admission::Refused => {
                count(&counters.tcp_refused);
                continue;
            }
        };
        count(&counters.tcp_connections);
        // Without it, replies are slower and still right.
        let _ = stream.set_nodelay(true);
        let (service, counters, connections, stop) =
            (Arc::clone(&service), Arc::clone(&counters), Arc::clone(&connections), stop.clone());
        let peer = Peer { address: from.ip(), carrier: Carrier::Stream };
        tokio::spawn(async move {
            let talk = converse(stream, peer, &*service, &counters, &connections, &seat);
            tokio::select! {
                // How a stream ends is the client's affair.
                _ = talk => {}
                () = seat.close.cancelled() => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Errors that say something of the connection that was to be accepted and nothing of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Answers one stream, plain or encrypted, until its client ends it, is silent for too long, or takes too long over one
/// message.
pub(super) async fn converse<T: AsyncRead + AsyncWrite + Unpin + Send>(
    mut stream: T,
    peer: Peer,
    service: &impl Service,
    counters: &Counters,
    connections: &Connections,
    seat: &Seat,
) -> io::Result<()> {
    let patience = connections.limits().message;
    let mut draw = Draw::new();
    let mut received: Vec<u8> = Vec::new();
    let mut begun: Option<Instant> = None;
    loop {
        let mut taken = 0;
        while let Some(query) = next_message(&received[taken..]) {
            taken += PREFIX + query.len();
            count(&counters.tcp_queries);
            let mut replies = Framed { stream: &mut stream, patience, counters };
            match framed_reply(service, counters, query, peer, draw.next()) {
                Outcome::Reply(reply) => replies.send_framed(&reply).await?,
                Outcome::Aside => {
                    let Some(aside) = service.aside() else { continue };
                    aside.answer(query.to_vec(), peer, &mut replies).await?;
                }
                Outcome::Dropped => {}
            }
        }
        if taken > 0 {
            received.drain(..taken);
            begun = None;
        }
        let now = Instant::now();
        let deadline = if received.is_empty() {
            seat.mark(Some(now));
            now + connections.idle()
        } else {
            // The first octet of a message starts its one deadline: more octets do not extend it.
            *begun.get_or_insert(now) + patience
        };
        let silent = received.is_empty();
        let read = read_some(&mut stream, &mut received);
        let read = if silent {
            match timeout_at(deadline, read).await {
                Ok(read) => read?,
                Err(_) => return Ok(()),
            }
        } else {
            in_time(deadline, counters, read).await?
        };
        if read == 0 {
            return Ok(());
        }
        seat.mark(None);
    }
}

/// Replies of one message on a stream, each with a deadline of its own.
struct Framed<'a, T> {
    stream: &'a mut T,
    patience: Duration,
    counters: &'a Counters,
}

impl<T: AsyncWrite + Unpin + Send> Framed<'_, T> {
    async fn send_framed(&mut self, reply: &[u8]) -> io::Result<()> {
        let whole = async {
            self.stream.write_all(reply).await?;
            // An encrypted stream may hold back what the socket did not take.
            self.stream.flush().await
        };
        in_time(Instant::now() + self.patience, self.counters, whole).await?;
        count(&self.counters.tcp_replies);
        Ok(())
    }
}

#[async_trait::async_trait]
impl<T: AsyncWrite + Unpin + Send> Replies for Framed<'_, T> {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let reply = framed(message).ok_or(io::ErrorKind::InvalidInput)?;
        self.send_framed(&reply).await
    }
}

async fn read_some(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> io::Result<usize> {
    into.reserve(READ_STEP);
    stream.read_buf(into).await
}

async fn in_time<T>(
    deadline: Instant,
    counters: &Counters,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout_at(deadline, work).await.unwrap_or_else(|_| {
        count(&counters.tcp_late);
        Err(io::ErrorKind::TimedOut.into())
    })
}

/// The first message, if all of it is there.
fn next_message(received: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = received.split_first_chunk::<PREFIX>()?;
    rest.get(..usize::from(u16::from_be_bytes(*prefix)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::net::SocketAddr;
    use std::sync::atomic::Ordering;

    use tokio::net::TcpStream;

    use super::super::connections::Limits;
    use super::super::service::MESSAGE_MAX;
    use super::*;

    struct Running {
        address: SocketAddr,
        counters: Arc<Counters>,
        stop: CancellationToken,
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.stop.cancel();
        }
    }

    /// Echoes each message; panics at `poison`, and says nothing to `hush`.
    async fn echo(limits: Limits) -> Running {
        let service = |query: &[u8], peer: Peer, _: u64, out: &mut [u8]| {
            assert_eq!(peer.carrier, Carrier::Stream);
            assert_ne!(query, b"poison");
            out[..query.len()].copy_from_slice(query);
            (query != b"hush").then_some(query.len())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (counters, stop) = (Arc::new(Counters::default()), CancellationToken::new());
        let connections = Connections::new(limits);
        tokio::spawn(listen(listener, Arc::new(service), Arc::clone(&counters), connections, stop.clone()));
        Running { address, counters, stop }
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
    }

    async fn receive(stream: &mut TcpStream) -> Vec<u8> {
        let length = stream.read_u16().await.unwrap();
        let mut message = vec![0; length.into()];
        stream.read_exact(&mut message).await.unwrap();
        message
    }

    async fn is_closed(stream: &mut TcpStream) -> bool {
        matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_))
    }

    #[tokio::test]
    async fn p21_pipelined_messages_are_answered_one_by_one_in_any_cut() {
        let server = echo(Limits::default()).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let long = vec![7; MESSAGE_MAX];
        let all = [framed(b"one"), framed(b"hush"), framed(b"two"), framed(&long), framed(b"three")].concat();
        let (mut reader, mut writer) = stream.split();
        let write = async {
            for piece in all.chunks(1000) {
                writer.write_all(piece).await.unwrap();
            }
            writer.shutdown().await.unwrap();
        };
        let mut replies = Vec::new();
        let read = async { reader.read_to_end(&mut replies).await.unwrap() };
        tokio::join!(write, read);
        assert!(replies == [framed(b"one"), framed(b"two"), framed(&long), framed(b"three")].concat());
    }

    #[tokio::test]
    async fn a_panic_loses_its_own_message_only() {
        let server = echo(Limits::default()).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[framed(b"poison"), framed(b"after")].concat()).await.unwrap();
        assert_eq!(receive(&mut stream).await, b"after");
        assert_eq!(server.counters.panics.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn p21_a_message_has_one_deadline_however_often_an_octet_comes() {
        let limits = Limits { message: Duration::from_millis(300), ..Limits::default() };
        let server = echo(limits).await;
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let begun = Instant::now();
        let drip = tokio::spawn(async move {
            for octet in framed(&[1; 1000]) {
                if writer.write_all(&[octet]).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(matches!(reader.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        assert!(begun.elapsed() >= limits.message);
        assert_eq!(server.counters.tcp_late.load(Ordering::Relaxed), 1);
        drip.abort();
    }

    #[tokio::test]
    async fn p21_a_silent_stream_is_closed_after_its_idle_time_and_not_before() {
        let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
        let server = echo(limits).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let begun = Instant::now();
        assert!(is_closed(&mut stream).await);
        assert!(begun.elapsed() >= limits.idle);
        assert_eq!(server.counters.tcp_late.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn p21_beyond_the_caps_the_longest_idle_goes_and_a_greedy_client_is_refused() {
        let server = echo(Limits { total: 2, per_client: 8, ..Limits::default() }).await;
        let mut streams = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&framed(b"here")).await.unwrap();
            assert_eq!(receive(&mut stream).await, b"here");
            streams.push(stream);
        }
        assert!(is_closed(&mut streams[0]).await);
        streams[2].write_all(&framed(b"still")).await.unwrap();
        assert_eq!(receive(&mut streams[2]).await, b"still");
        assert_eq!(server.counters.tcp_evicted.load(Ordering::Relaxed), 1);

        let server = echo(Limits { per_client: 1, ..Limits::default() }).await;
        let mut first = TcpStream::connect(server.address).await.unwrap();
        first.write_all(&framed(b"here")).await.unwrap();
        assert_eq!(receive(&mut first).await, b"here");
        let mut second = TcpStream::connect(server.address).await.unwrap();
        assert!(is_closed(&mut second).await);
        assert_eq!(server.counters.tcp_refused.load(Ordering::Relaxed), 1);
    }
}
