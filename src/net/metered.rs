//! HTTP/3's streams, with an account of what a connection holds.
//!
//! Comes in: the streams of h3-quinn; goes out: the same ones for h3, which keeps each frame but DATA until it is whole,
//! however long that is said to be, while QUIC gives credit for all that h3 has taken. Invariant: the streams of one
//! connection that are open have received [`HELD_MAX`] octets at most, or the connection is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use h3_quinn::{BidiStream, RecvStream, SendStream};
use quinn::{ConnectionError, VarInt};

/// Octets that the open streams of one connection have received: some hundreds of requests of the usual size, four of
/// the longest, or what a client says on its control stream for as long as a connection lasts.
const HELD_MAX: usize = 320 << 10;
/// What a piece of a stream takes beside its octets.
const PIECE: usize = 64;
/// What is kept of a request that could not be read: h3 remembers its number until the connection ends. As much as lets
/// no client get far with them.
const UNREAD: usize = 1 << 10;
/// H3_EXCESSIVE_LOAD (RFC 9114 section 8.1).
pub(super) const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);

/// What one connection holds.
#[derive(Debug)]
pub(super) struct Account {
    connection: quinn::Connection,
    held: AtomicUsize,
}

impl Account {
    /// For a request that could not be read, for as long as the connection is open.
    pub(super) fn charge_unread(&self) {
        self.charge(UNREAD);
    }

    /// Whether there is room for these octets too; if not, the connection is closed.
    fn charge(&self, octets: usize) -> bool {
        let has_room = self.held.fetch_add(octets, Ordering::Relaxed) + octets <= HELD_MAX;
        if !has_room {
            self.connection.close(EXCESSIVE_LOAD, b"");
        }
        has_room
    }
}

/// A connection for h3 whose streams are metered.
pub(super) struct Over {
    connection: h3_quinn::Connection,
    account: Arc<Account>,
}

impl Over {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        let account = Account { connection: connection.clone(), held: AtomicUsize::new(0) };
        Self { connection: h3_quinn::Connection::new(connection), account: Arc::new(account) }
    }

    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account)
    }

    fn metered<T>(&self, stream: T) -> Metered<T> {
        Metered { stream, account: self.account(), charged: 0 }
    }
}

impl quic::OpenStreams<Bytes> for Over {
    type BidiStream = Metered<BidiStream<Bytes>>;
    type SendStream = SendStream<Bytes>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        let stream = ready!(quic::OpenStreams::<Bytes>::poll_open_bidi(&mut self.connection, cx))?;
        Poll::Ready(Ok(self.metered(stream)))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        quic::OpenStreams::<Bytes>::poll_open_send(&mut self.connection, cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<Bytes>::close(&mut self.connection, code, reason);
    }
}

impl quic::Connection<Bytes> for Over {
    type RecvStream = Metered<RecvStream>;
    type OpenStreams = Self;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_recv(&mut self.connection, cx))?;
        Poll::Ready(Ok(self.metered(stream)))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Metered<BidiStream<Bytes>>, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_bidi(&mut self.connection, cx))?;
        Poll::Ready(Ok(self.metered(stream)))
    }

    fn opener(&self) -> Self {
        let connection = h3_quinn::Connection::new(self.account.connection.clone());
        Self { connection, account: self.account() }
    }
}

/// A stream whose octets are on its connection's account until it is dropped.
pub(super) struct Metered<T> {
    stream: T,
    account: Arc<Account>,
    charged: usize,
}

impl<T> Drop for Metered<T> {
    fn drop(&mut self) {
        self.account.held.fetch_sub(self.charged, Ordering::Relaxed);
    }
}

impl<T: quic::RecvStream<Buf = Bytes>> quic::RecvStream for Metered<T> {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let Some(piece) = ready!(self.stream.poll_data(cx))? else { return Poll::Ready(Ok(None)) };
        let charge = piece.len() + PIECE;
        self.charged += charge;
        if !self.account.charge(charge) {
            let closed = ConnectionErrorIncoming::Undefined(Arc::new(ConnectionError::LocallyClosed));
            return Poll::Ready(Err(StreamErrorIncoming::ConnectionErrorIncoming { connection_error: closed }));
        }
        // As a piece of the datagrams that brought it, one octet would keep all of them.
        Poll::Ready(Ok(Some(Bytes::copy_from_slice(&piece))))
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.stream.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.stream.recv_id()
    }
}

impl<T: quic::SendStream<Bytes>> quic::SendStream<Bytes> for Metered<T> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_ready(cx)
    }

    fn send_data<D: Into<WriteBuf<Bytes>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        self.stream.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.stream.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.stream.send_id()
    }
}
