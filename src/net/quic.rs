//! DNS over QUIC (RFC 9250), and the accepting of connections for HTTP/3. Early data (0-RTT) is not taken, and a client
//! is at the address that its handshake has proved for as long as its connection lasts.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ReadError, RecvStream, SendStream};
use quinn::{ServerConfig, TokioRuntime, TransportConfig, VarInt};
use tokio::time::timeout;

use super::accept::{Door, GRACE};
use super::aside::Replies;
use super::clock::Moment;
use super::connections::{Limits, Seat};
use super::counters::count;
use super::http3;
use super::metered;
use super::pulse::Pulse;
use super::service::{MESSAGE_MAX, Outcome, PREFIX, Service, framed, framed_reply};
use super::tls;
use crate::answer::{Carrier, Peer, Query};
use crate::wire::edns::Asked;

/// Codes of RFC 9250 section 4.3.
const NO_ERROR: VarInt = VarInt::from_u32(0);
const INTERNAL_ERROR: VarInt = VarInt::from_u32(1);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const REQUEST_CANCELLED: VarInt = VarInt::from_u32(3);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// Streams in one direction that a client of HTTP/3 opens: its control, two of QPACK, and what it greases with.
const HTTP3_STREAMS: u32 = 8;
/// Octets that one connection may send before they are read: some messages of any length.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// A message of any length, behind its own length.
const STREAM_WINDOW: u32 = 66 << 10;

/// What is spoken on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    Doq,
    Http3,
}

impl Speech {
    /// The code for a client that there is no room for.
    fn excessive_load(self) -> VarInt {
        match self {
            Self::Doq => EXCESSIVE_LOAD,
            Self::Http3 => metered::EXCESSIVE_LOAD,
        }
    }
}

/// An endpoint on a bound socket. Must be called within a tokio runtime.
///
/// # Errors
/// The system refuses.
pub(super) fn endpoint<S: Service>(
    socket: UdpSocket,
    speech: Speech,
    service: &Arc<S>,
    limits: &Limits,
) -> io::Result<Endpoint> {
    let protocols = if speech == Speech::Doq { tls::DOQ } else { tls::HTTP3 };
    let crypto = QuicServerConfig::try_from(tls::config(service, protocols)?).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits.requests.into())
        .max_concurrent_uni_streams(if speech == Speech::Doq { 0 } else { HTTP3_STREAMS }.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(CONNECTION_WINDOW.into())
        .datagram_receive_buffer_size(None)
        // What is longer than can be said is no limit.
        .max_idle_timeout(IdleTimeout::try_from(limits.idle).ok());
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    // Without migration, which RFC 9000 section 9 leaves to the server: a client would be at its new address before it
    // has shown that it is, and anybody can write one that access lists let in.
    config.transport_config(Arc::new(transport)).max_incoming(limits.handshakes).migration(false);
    socket.set_nonblocking(true)?;
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

/// Accepts until the door is closed.
pub(super) async fn listen<S: Service>(endpoint: Endpoint, speech: Speech, door: Arc<Door<S>>) {
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = door.stop.cancelled() => break,
        };
        let Some(incoming) = incoming else { break };
        let (client, is_proven) = (incoming.remote_address().ip(), incoming.remote_address_validated());
        // Who has not shown that it is where it says it is need not take the place of one that has.
        if !is_proven && (door.is_busy() || !door.connections.has_room(client)) {
            let _ = incoming.retry();
            continue;
        }
        // Others take a seat once their handshake has proved as much: anybody can write an address on an Initial.
        let seat = if is_proven { door.admit(client) } else { None };
        if is_proven && seat.is_none() {
            incoming.refuse();
            continue;
        }
        let handshake = door.begin_handshake(client);
        let door = Arc::clone(&door);
        let cut = door.cut.clone();
        door.tasks.clone().spawn(async move {
            let Some(connection) = shake_hands(&door, incoming, handshake).await else { return };
            let Some(seat) = seat.or_else(|| door.admit(client)) else {
                connection.close(speech.excessive_load(), b"");
                return;
            };
            tokio::select! {
                () = talk(door, connection, client, speech, seat) => {}
                () = cut.cancelled() => {}
            }
        });
    }
    endpoint.set_server_config(None);
    let _ = timeout(GRACE, endpoint.wait_idle()).await;
    endpoint.close(NO_ERROR, b"");
}

async fn shake_hands<S: Service>(door: &Door<S>, incoming: Incoming, handshake: Seat) -> Option<Connection> {
    let done = match incoming.accept() {
        Ok(connecting) => tokio::select! {
            done = timeout(door.limits().handshake, connecting) => done,
            // Others need its place.
            () = handshake.close.cancelled() => return None,
        },
        Err(error) => Ok(Err(error)),
    };
    match done {
        Ok(Ok(connection)) => Some(connection),
        failed => {
            count(&door.counters.handshakes_failed);
            if let Ok(Err(error)) = failed {
                tracing::debug!("a handshake failed: {error}");
            }
            None
        }
    }
}

async fn talk<S: Service>(door: Arc<Door<S>>, connection: Connection, client: IpAddr, speech: Speech, seat: Seat) {
    let (close, stop) = (seat.close.clone(), door.stop.clone());
    let pulse = Pulse::new(Arc::clone(&door.connections), seat);
    match speech {
        Speech::Doq => {
            count(&door.counters.quic_connections);
            tokio::select! {
                () = answer_streams(&door, &connection, client, &pulse) => {}
                () = pulse.stops() => {}
            }
            let _ = timeout(GRACE, pulse.rests()).await;
            // Others need its place, or it was silent, or all end.
            let code = if close.is_cancelled() && !stop.is_cancelled() { EXCESSIVE_LOAD } else { NO_ERROR };
            connection.close(code, b"");
        }
        Speech::Http3 => {
            count(&door.counters.http3_connections);
            http3::serve(door, connection, client, pulse).await;
        }
    }
}

/// Until the connection ends.
async fn answer_streams<S: Service>(door: &Arc<Door<S>>, connection: &Connection, client: IpAddr, pulse: &Arc<Pulse>) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        let (door, connection, beat) = (Arc::clone(door), connection.clone(), pulse.begin());
        tokio::spawn(async move {
            if let Err(fault) = answer_stream(&door, &connection, client, send, receive).await {
                count(&door.counters.quic_faults);
                tracing::debug!("a stream of QUIC was ended: {fault:?}");
            }
            drop(beat);
        });
    }
}

/// Why a stream was ended before its reply.
#[derive(Debug)]
enum Fault {
    /// The whole connection was ended with it (RFC 9250 section 4.3.3).
    Protocol,
    /// The query did not come in time, or its client gave it up.
    Late,
    /// The reply could not be had or sent.
    NoReply,
}

/// One stream is one query and its replies (RFC 9250 section 4.2).
/// All that a client says on a stream; `None` if it is longer than a message. Its pieces are copied: as part of the
/// datagrams that brought it, one octet would keep all of them.
async fn whole(receive: &mut RecvStream) -> Result<Option<Vec<u8>>, ReadError> {
    const MOST: usize = PREFIX + MESSAGE_MAX;
    let mut said = Vec::new();
    while let Some(piece) = receive.read_chunk(MOST, true).await? {
        if said.len() + piece.bytes.len() > MOST {
            return Ok(None);
        }
        said.extend_from_slice(&piece.bytes);
    }
    Ok(Some(said))
}

async fn answer_stream<S: Service>(
    door: &Door<S>,
    connection: &Connection,
    client: IpAddr,
    mut send: SendStream,
    mut receive: RecvStream,
) -> Result<(), Fault> {
    let patience = door.limits().message;
    let query = match timeout(patience, whole(&mut receive)).await {
        Ok(Ok(Some(query))) => query,
        Ok(Ok(None)) => return Err(break_off(connection)),
        Ok(Err(_)) | Err(_) => {
            let _ = (receive.stop(REQUEST_CANCELLED), send.reset(REQUEST_CANCELLED));
            return Err(Fault::Late);
        }
    };
    let message = match message_of(&query) {
        Some(message) => message,
        None => return Err(break_off(connection)),
    };
    count(&door.counters.quic_queries);
    let peer = Peer { seconds: Moment::now().seconds, ..Peer::new(client, Carrier::Encrypted) };
    let mut replies = Stream { send, patience };
    let done = match framed_reply(&*door.service, &door.counters, message, peer, door.draw.next()) {
        Outcome::Reply(reply) => replies.send_framed(&reply).await,
        Outcome::Aside => match door.service.aside() {
            Some(aside) => aside.answer(message.to_vec(), peer, &mut replies).await,
            None => Err(io::ErrorKind::Unsupported.into()),
        },
        Outcome::Dropped => Err(io::ErrorKind::InvalidData.into()),
    };
    if done.and_then(|()| replies.send.finish().map_err(io::Error::other)).is_err() {
        let _ = replies.send.reset(INTERNAL_ERROR);
        return Err(Fault::NoReply);
    }
    count(&door.counters.quic_replies);
    // Not at rest before the client has it all: a connection that is closed forgets what is still to be sent.
    let _ = timeout(patience, replies.send.stopped()).await;
    Ok(())
}

fn break_off(connection: &Connection) -> Fault {
    connection.close(PROTOCOL_ERROR, b"");
    Fault::Protocol
}

/// The one message of a stream: behind its length, with the ID 0 (section 4.2.1), no response, and without the
/// keepalive option (section 5.5.2).
fn message_of(stream: &[u8]) -> Option<&[u8]> {
    /// In the third octet of a header.
    const QR: u8 = 0x80;
    let (length, message) = stream.split_first_chunk::<PREFIX>()?;
    let is_whole = usize::from(u16::from_be_bytes(*length)) == message.len();
    let is_query = matches!(message, [0, 0, flags, ..] if flags & QR == 0);
    (is_whole && is_query && !asks_keepalive(message)).then_some(message)
}

fn asks_keepalive(message: &[u8]) -> bool {
    let mut query = Query::default();
    query.read_aside(message, message.len(), 0);
    query.edns.is_some_and(|edns| edns.asked.has(Asked::KEEPALIVE))
}

/// Where replies to one query go.
struct Stream {
    send: SendStream,
    patience: Duration,
}

impl Stream {
    async fn send_framed(&mut self, reply: &[u8]) -> io::Result<()> {
        match timeout(self.patience, self.send.write_all(reply)).await {
            Ok(written) => written.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[async_trait::async_trait]
impl Replies for Stream {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let reply = framed(message).ok_or(io::ErrorKind::InvalidInput)?;
        self.send_framed(&reply).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"\0\x11\0\0\x01\0\0\x01\0\0\0\0\0\0\0\0\x01\0\x01";

    #[test]
    fn p22_a_stream_of_quic_is_one_whole_query_with_the_id_0() {
        assert_eq!(message_of(QUERY).map(<[u8]>::len), Some(17));
        let with = |at: usize, octet: u8| {
            let mut octets = QUERY.to_vec();
            octets[at] = octet;
            octets
        };
        for wrong in [with(2, 1), with(3, 1), with(1, 16), with(1, 18), with(4, 0x81), vec![0], vec![0, 0]] {
            assert_eq!(message_of(&wrong), None, "{wrong:?}");
        }
        let mut two = QUERY.to_vec();
        two.extend(QUERY);
        assert_eq!(message_of(&two), None);
    }
}
