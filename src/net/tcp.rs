//! Streams: messages behind a two-octet length (RFC 1035 section 4.2.2), as many in flight as a client likes
//! (RFC 7766 section 6.2.1.1), each answered as soon as it is whole.

use std::io;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::aside::Replies;
use super::clock::Moment;
use super::connections::{Connections, Seat};
use super::counters::{Counters, count};
use super::draw::Draw;
use super::service::{Outcome, PREFIX, Service, framed, framed_reply};
use crate::answer::{Carrier, Peer};

/// What is asked of the system at once, and so what an idle stream holds: some queries fit. A vector that grows is
/// asked for more.
const READ_STEP: usize = 1024;
/// What a silent stream keeps at most of what long messages took.
const KEPT: usize = 4 * READ_STEP;

/// Answers one stream, plain or encrypted, until its client ends it, is silent for too long, or takes too long over one
/// message; one that is told to close does so between messages.
pub(super) async fn converse<T: AsyncRead + AsyncWrite + Unpin + Send>(
    mut stream: T,
    peer: Peer,
    service: &impl Service,
    counters: &Counters,
    connections: &Connections,
    seat: &Seat,
) -> io::Result<()> {
    let patience = connections.limits().message;
    let (queries, sent) = match peer.carrier {
        Carrier::Encrypted => (&counters.tls_queries, &counters.tls_replies),
        _ => (&counters.tcp_queries, &counters.tcp_replies),
    };
    let mut draw = Draw::new();
    let mut received: Vec<u8> = Vec::new();
    let mut begun: Option<Instant> = None;
    loop {
        let mut taken = 0;
        let keepalive = u16::try_from(connections.idle().as_millis() / 100).unwrap_or(u16::MAX);
        let peer = Peer { keepalive: Some(keepalive), seconds: Moment::now().seconds, ..peer };
        while let Some(query) = next_message(&received[taken..]) {
            taken += PREFIX + query.len();
            count(queries);
            let mut replies = Framed { stream: &mut stream, patience, counters, sent };
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
            // Until it has asked something it is taken to be at its first message: nobody is let in and not heard.
            if taken > 0 {
                seat.mark_idle(now);
            }
            now + connections.idle()
        } else {
            // The first octet of a message starts its one deadline: more octets do not extend it.
            let since = *begun.get_or_insert_with(|| {
                seat.mark_busy(now);
                now
            });
            since + patience
        };
        let read = if received.is_empty() {
            if received.capacity() > KEPT {
                received = Vec::new();
            }
            tokio::select! {
                // What has arrived already is answered.
                biased;
                read = timeout_at(deadline, read_some(&mut stream, &mut received)) => match read {
                    Ok(read) => read?,
                    Err(_) => return Ok(()),
                },
                () = seat.close.cancelled() => return Ok(()),
            }
        } else {
            in_time(deadline, counters, read_some(&mut stream, &mut received)).await?
        };
        if read == 0 {
            return Ok(());
        }
        if begun.is_none() {
            let now = Instant::now();
            seat.mark_busy(now);
            begun = Some(now);
        }
    }
}

/// Replies of one message on a stream, each with a deadline of its own.
struct Framed<'a, T> {
    stream: &'a mut T,
    patience: Duration,
    counters: &'a Counters,
    sent: &'a AtomicU64,
}

impl<T: AsyncWrite + Unpin + Send> Framed<'_, T> {
    async fn send_framed(&mut self, reply: &[u8]) -> io::Result<()> {
        let whole = async {
            self.stream.write_all(reply).await?;
            // An encrypted stream may hold back what the socket did not take.
            self.stream.flush().await
        };
        in_time(Instant::now() + self.patience, self.counters, whole).await?;
        count(self.sent);
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
