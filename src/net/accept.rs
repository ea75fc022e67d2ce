//! Streams are accepted here, for every transport that has them: who may come in, in whose name, how long a handshake
//! may take, and what is spoken afterwards. Nothing of one stream is awaited by the loop that accepts.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::{Connections, Limits, Seat};
use super::counters::{Counters, count};
use super::draw::SharedDraw;
use super::https;
use super::proxy::{self, Trusted};
use super::service::Service;
use super::tcp::converse;
use crate::answer::{Carrier, Peer};
use crate::clients::{Admitted, Seats};

/// When descriptors or memory have run out, the next attempt waits for others to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For connections to end what they are at, once all are to end.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// Connections that may be on their way out, where `connections` are few; a quarter of them else.
const LEAVING: usize = 16;
/// For the last words of an encrypted stream.
const FAREWELL: Duration = Duration::from_millis(200);

/// What all connections of a server share.
pub(super) struct Door<S> {
    pub(super) service: Arc<S>,
    pub(super) counters: Arc<Counters>,
    pub(super) connections: Arc<Connections>,
    handshakes: Arc<Seats>,
    /// Streams of proxies that have not yet said whom they speak for: strangers have no part in these.
    introductions: Arc<Seats>,
    /// Connections that were told to close since others needed their place, and have not yet.
    leaving: Arc<Seats>,
    proxies: Trusted,
    /// The path at which HTTPS is asked.
    pub(super) path: Arc<str>,
    pub(super) draw: SharedDraw,
    /// No more are accepted, and those that are open end once they have nothing to do.
    pub(super) stop: CancellationToken,
    /// They end at once.
    pub(super) cut: CancellationToken,
    /// Every connection's.
    pub(super) tasks: TaskTracker,
}

/// What is spoken on a stream.
#[derive(Clone)]
pub(super) enum Speech {
    Plain,
    Tls(TlsAcceptor),
    Https(TlsAcceptor),
}

impl<S: Service> Door<S> {
    pub(super) fn new(
        service: Arc<S>,
        counters: Arc<Counters>,
        limits: Limits,
        proxies: Trusted,
        path: &str,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let [handshakes, introductions] = [(); 2].map(|()| Seats::new(limits.handshakes, usize::MAX));
        let leaving = Seats::new((limits.total / 4).max(LEAVING), usize::MAX);
        let (connections, draw) = (Connections::new(limits, stop.clone()), SharedDraw::new());
        let (path, cut, tasks) = (path.into(), CancellationToken::new(), TaskTracker::new());
        Arc::new(Self {
            service,
            counters,
            connections,
            handshakes,
            introductions,
            leaving,
            proxies,
            path,
            draw,
            stop,
            cut,
            tasks,
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        self.connections.limits()
    }

    /// The right to be open, if this client may have one more.
    pub(super) fn admit(&self, client: IpAddr) -> Option<Seat> {
        let Some(Admitted { seat, evicted }) = self.connections.admit(client, Instant::now()) else {
            count(&self.counters.tcp_refused);
            return None;
        };
        if evicted {
            count(&self.counters.tcp_evicted);
        }
        Some(seat)
    }

    /// Takes a handshake up; where there are too many, another ends.
    pub(super) fn begin_handshake(&self, client: IpAddr) -> Seat {
        self.begin(&self.handshakes, client)
    }

    fn begin(&self, all: &Arc<Seats>, client: IpAddr) -> Seat {
        let Admitted { seat, evicted } = all.take(client, Instant::now());
        if evicted {
            count(&self.counters.handshakes_evicted);
        }
        seat
    }

    /// Whether more than half of the handshakes that may be under way are.
    pub(super) fn is_busy(&self) -> bool {
        self.handshakes.taken() * 2 > self.limits().handshakes
    }

    /// Waits for the stop, lets connections end what they are at, though not for long, and then ends them.
    pub(super) async fn close(self: Arc<Self>) {
        self.stop.cancelled().await;
        self.tasks.close();
        let _ = timeout(GRACE, self.tasks.wait()).await;
        self.cut.cancel();
    }

    /// From its first octet to its last, a stream of a proxy or of a client itself.
    async fn receive(self: Arc<Self>, mut stream: TcpStream, from: IpAddr, speech: Speech) {
        let client = if self.proxies.contains(from) {
            let introduction = self.begin(&self.introductions, from);
            let header = tokio::select! {
                header = timeout(self.limits().handshake, proxy::read_from(&mut stream)) => header,
                () = introduction.close.cancelled() => return,
            };
            match header {
                Ok(Ok(header)) => header.client.unwrap_or(from),
                Ok(Err(_)) | Err(_) => {
                    count(&self.counters.proxy_faults);
                    return;
                }
            }
        } else {
            from
        };
        let Some(seat) = self.admit(client) else { return };
        let (close, door) = (seat.close.clone(), Arc::clone(&self));
        tokio::select! {
            () = door.talk(stream, client, seat, speech) => {}
            () = self.is_cut(client, close) => {}
        }
    }

    /// Returns once a connection that was told to close has to go at once, since too many others are on their way out too:
    /// their places are taken again, and their descriptors are not free. When all are to end it never does.
    async fn is_cut(&self, client: IpAddr, close: CancellationToken) {
        close.cancelled().await;
        if self.stop.is_cancelled() {
            return std::future::pending().await;
        }
        let leaving = self.leaving.take(client, Instant::now()).seat;
        leaving.close.cancelled().await;
    }

    async fn talk(self: Arc<Self>, stream: TcpStream, client: IpAddr, seat: Seat, speech: Speech) {
        count(&self.counters.tcp_connections);
        // How a stream ends is the client's affair.
        match speech {
            Speech::Plain => {
                let _ = self.converse(stream, Peer::new(client, Carrier::Stream), &seat).await;
            }
            // On the heap, since they would take room in each stream that is not encrypted.
            Speech::Tls(acceptor) => Box::pin(self.talk_tls(stream, client, seat, acceptor)).await,
            Speech::Https(acceptor) => Box::pin(self.talk_https(stream, client, seat, acceptor)).await,
        }
    }

    async fn talk_tls(self: Arc<Self>, stream: TcpStream, client: IpAddr, seat: Seat, acceptor: TlsAcceptor) {
        let Some(mut stream) = Box::pin(self.shake_hands(&acceptor, stream, client, &seat)).await else { return };
        count(&self.counters.tls_connections);
        let peer = Peer::new(client, Carrier::Encrypted);
        let _ = self.converse(&mut stream, peer, &seat).await;
        let _ = timeout(FAREWELL, stream.shutdown()).await;
    }

    async fn talk_https(self: Arc<Self>, stream: TcpStream, client: IpAddr, seat: Seat, acceptor: TlsAcceptor) {
        let Some(stream) = Box::pin(self.shake_hands(&acceptor, stream, client, &seat)).await else { return };
        count(&self.counters.https_connections);
        https::serve(self, stream, client, seat).await;
    }

    /// Until the stream ends. Told to close, one that is never between messages has as long as a message may take: its
    /// place is another's by then.
    async fn converse<T>(&self, stream: T, peer: Peer, seat: &Seat) -> io::Result<()>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    {
        let overdue = async {
            seat.close.cancelled().await;
            sleep(self.limits().message).await;
        };
        tokio::select! {
            ended = converse(stream, peer, &*self.service, &self.counters, &self.connections, seat) => ended,
            () = overdue => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn shake_hands(
        &self,
        acceptor: &TlsAcceptor,
        stream: TcpStream,
        client: IpAddr,
        seat: &Seat,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = self.begin_handshake(client);
        let done = tokio::select! {
            done = timeout(self.limits().handshake, acceptor.accept(stream)) => done,
            // It has asked nothing yet, and others need its place.
            () = seat.close.cancelled() => return None,
            () = handshake.close.cancelled() => return None,
        };
        match done {
            Ok(Ok(stream)) => Some(stream),
            failed => {
                count(&self.counters.handshakes_failed);
                if let Ok(Err(error)) = failed {
                    tracing::debug!("a handshake failed: {error}");
                }
                None
            }
        }
    }
}

/// Accepts until the door is closed; no error ends it.
pub(super) async fn listen<S: Service>(listener: TcpListener, speech: Speech, door: Arc<Door<S>>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                count(&door.counters.tcp_accept_errors);
                tracing::debug!("a connection was not accepted: {error}");
                if !is_of_one_connection(&error) {
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        // Without it, replies are slower and still right.
        let _ = stream.set_nodelay(true);
        let (door, speech) = (Arc::clone(&door), speech.clone());
        let cut = door.cut.clone();
        door.tasks.clone().spawn(async move {
            tokio::select! {
                () = door.receive(stream, from.ip(), speech) => {}
                () = cut.cancelled() => {}
            }
        });
    }
}

/// Errors that say something of the connection that was to be accepted and nothing of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::net::SocketAddr;
    use std::sync::atomic::Ordering;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::super::connections::Limits;
    use super::super::service::MESSAGE_MAX;
    use super::*;
    use crate::answer::Carrier;

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

    /// A door to a service that echoes each message; it panics at `poison`, and says nothing to `hush`.
    fn door(limits: Limits, counters: Arc<Counters>, stop: CancellationToken) -> Arc<Door<impl Service>> {
        let service = |query: &[u8], peer: Peer, _: u64, out: &mut [u8]| {
            assert_eq!(peer.carrier, Carrier::Stream);
            assert_ne!(query, b"poison");
            out[..query.len()].copy_from_slice(query);
            (query != b"hush").then_some(query.len())
        };
        Door::new(Arc::new(service), counters, limits, Trusted::default(), "/dns-query", stop)
    }

    async fn echo(limits: Limits) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (counters, stop) = (Arc::new(Counters::default()), CancellationToken::new());
        let door = door(limits, Arc::clone(&counters), stop.clone());
        tokio::spawn(listen(listener, Speech::Plain, Arc::clone(&door)));
        tokio::spawn(door.close());
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
    async fn r11_a_message_that_has_begun_is_answered_before_the_end_and_a_silent_stream_ends_at_once() {
        let server = echo(Limits::default()).await;
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        let mut begun = TcpStream::connect(server.address).await.unwrap();
        for stream in [&mut silent, &mut begun] {
            stream.write_all(&framed(b"here")).await.unwrap();
            assert_eq!(receive(stream).await, b"here");
        }
        let message = framed(b"one more");
        begun.write_all(&message[..4]).await.unwrap();
        // What was sent before it has arrived: the other stream is answered later.
        silent.write_all(&framed(b"and I")).await.unwrap();
        assert_eq!(receive(&mut silent).await, b"and I");
        server.stop.cancel();
        assert!(is_closed(&mut silent).await);
        begun.write_all(&message[4..]).await.unwrap();
        assert_eq!(receive(&mut begun).await, b"one more");
        assert!(is_closed(&mut begun).await);
    }

    #[tokio::test]
    async fn r11_a_message_that_does_not_come_holds_up_no_end() {
        let server = echo(Limits::default()).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&framed(b"here")).await.unwrap();
        assert_eq!(receive(&mut stream).await, b"here");
        stream.write_all(&framed(b"half")[..3]).await.unwrap();
        server.stop.cancel();
        assert!(is_closed(&mut stream).await);
    }

    #[tokio::test]
    async fn p21_few_are_on_their_way_out_at_a_time_and_the_oldest_of_more_go_at_once() {
        const SEATS: usize = 4;
        const MORE: usize = 5;
        let limits = Limits { total: SEATS, message: Duration::from_secs(600), ..Limits::default() };
        let server = echo(limits).await;
        let mut streams = Vec::new();
        for _ in 0..SEATS + LEAVING + MORE {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&framed(b"here")).await.unwrap();
            assert_eq!(receive(&mut stream).await, b"here");
            stream.write_all(&framed(b"half")[..3]).await.unwrap();
            streams.push(stream);
        }
        assert_eq!(server.counters.tcp_evicted.load(Ordering::Relaxed), (LEAVING + MORE) as u64);
        for stream in &mut streams[..MORE - 1] {
            assert!(timeout(GRACE, is_closed(stream)).await.unwrap());
        }
        // Which is next depends on whose half came first; the last are open in any case.
        for stream in &mut streams[MORE + 1..] {
            stream.write_all(&framed(b"half")[3..]).await.unwrap();
            assert_eq!(receive(stream).await, b"half");
        }
    }

    #[tokio::test]
    async fn r11_the_end_cuts_none_that_is_at_something_however_many_there_are() {
        let server = echo(Limits { total: 2 * LEAVING, ..Limits::default() }).await;
        let mut streams = Vec::new();
        for _ in 0..2 * LEAVING {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&[framed(b"here"), framed(b"half")[..3].to_vec()].concat()).await.unwrap();
            assert_eq!(receive(&mut stream).await, b"here");
            streams.push(stream);
        }
        server.stop.cancel();
        for stream in &mut streams {
            stream.write_all(&framed(b"half")[3..]).await.unwrap();
            assert_eq!(receive(stream).await, b"half");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p21_one_that_gave_its_place_up_ends_in_time_though_it_has_always_begun_a_message() {
        let limits = Limits::default();
        let door = door(limits, Arc::default(), CancellationToken::new());
        let client = IpAddr::from([192, 0, 2, 1]);
        let seat = door.admit(client).unwrap();
        seat.close.cancel();
        let (mut near, far) = tokio::io::duplex(1024);
        let message = framed(b"again and again");
        near.write_all(&[&message[..], &message[..5]].concat()).await.unwrap();
        let begun = Instant::now();
        let never_rests = async {
            for _ in 0..100 {
                near.read_exact(&mut vec![0; message.len()]).await.unwrap();
                sleep(limits.message / 10).await;
                near.write_all(&[&message[5..], &message[..5]].concat()).await.unwrap();
            }
        };
        tokio::select! {
            ended = door.converse(far, Peer::new(client, Carrier::Stream), &seat) => assert!(ended.is_err()),
            () = never_rests => panic!("it goes on for ever"),
        }
        assert!(begun.elapsed() < 2 * limits.message);
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
    async fn p21_one_that_has_not_asked_yet_makes_room_after_one_that_rests() {
        let server = echo(Limits { total: 2, ..Limits::default() }).await;
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        // Accepted one after the other.
        let mut rests = TcpStream::connect(server.address).await.unwrap();
        rests.write_all(&framed(b"here")).await.unwrap();
        assert_eq!(receive(&mut rests).await, b"here");
        let _third = TcpStream::connect(server.address).await.unwrap();
        assert!(is_closed(&mut rests).await);
        silent.write_all(&framed(b"at last")).await.unwrap();
        assert_eq!(receive(&mut silent).await, b"at last");
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
