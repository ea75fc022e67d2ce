//! Endpoints that answer their health checks by HTTP, in this process: all of 127.0.0.0/8 on one port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rhumb::threads::{Second, go_second};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than a probe's request.
const REQUEST: usize = 2048;
const UP: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const DOWN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How they answer, changed while they do.
#[derive(Default)]
pub(crate) struct Targets {
    /// Whether each answers otherwise than the time before.
    alternating: AtomicBool,
    /// What each of them, by its number, would say next: bit by bit.
    next: Vec<AtomicU64>,
    /// Whether the first is down.
    first_is_down: AtomicBool,
    /// What the first told a check last, down or not, and when it told so for the first time.
    first_told: Mutex<Option<(bool, Instant)>>,
    /// Checks answered.
    asked: AtomicU64,
}

impl Targets {
    /// Starts answering for `count` endpoints at the addresses from `base` on; returns them and their port.
    pub(crate) fn start(base: Ipv4Addr, count: usize) -> (Arc<Self>, u16) {
        let next = (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let targets = Arc::new(Self { next, ..Self::default() });
        let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket that does not wait");
        let port = listener.local_addr().expect("its address").port();
        let answering = Arc::clone(&targets);
        thread::spawn(move || {
            // In life they are elsewhere.
            go_second(Second::Soon);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let targets = Arc::clone(&answering);
                    tokio::spawn(async move { targets.answer(stream, base).await });
                }
            });
        });
        (targets, port)
    }

    /// From now on each of them answers otherwise at each check, or they are all up.
    pub(crate) fn alternate(&self, whether: bool) {
        self.alternating.store(whether, Ordering::Relaxed);
    }

    /// Lets the first be down, or up.
    pub(crate) fn flip_first(&self, down: bool) {
        self.first_is_down.store(down, Ordering::Relaxed);
    }

    /// When the first told a check what [`Self::flip_first`] set last.
    pub(crate) fn first_told(&self) -> Option<Instant> {
        let down = self.first_is_down.load(Ordering::Relaxed);
        let told = *self.first_told.lock().unwrap_or_else(PoisonError::into_inner);
        told.filter(|(told, _)| *told == down).map(|(_, when)| when)
    }

    /// Checks answered so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    async fn answer(&self, mut stream: TcpStream, base: Ipv4Addr) {
        let Ok(SocketAddr::V4(local)) = stream.local_addr() else { return };
        let number = local.ip().to_bits().wrapping_sub(base.to_bits()) as usize;
        let mut request = Vec::with_capacity(REQUEST);
        while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST {
            match stream.read_buf(&mut request).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let down = if number == 0 {
            let down = self.first_is_down.load(Ordering::Relaxed);
            let mut told = self.first_told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|(before, _)| before != down) {
                *told = Some((down, Instant::now()));
            }
            down
        } else if self.alternating.load(Ordering::Relaxed) {
            let bit = 1 << (number % 64);
            self.next.get(number / 64).is_some_and(|word| word.fetch_xor(bit, Ordering::Relaxed) & bit == 0)
        } else {
            false
        };
        let _ = stream.write_all(if down { DOWN } else { UP }).await;
        let _ = stream.shutdown().await;
    }
}
