//! One socket of a generator, and which of its queries are not answered yet.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use super::burst::Burst;
use super::{Queries, Report};

/// IDs of one flow.
const IDS: usize = 1 << 16;
/// Octets of a header up to its counts: what is looked at.
const HEADER: usize = 12;
/// Room for the replies of a whole window while the generator does not run.
const ROOM: usize = 4 << 20;

/// A connected socket; the kernel takes each for a client of its own, so that many spread over a server's workers.
pub(super) struct Flow {
    socket: UdpSocket,
    /// By ID: when it was sent, in nanoseconds since the start and never 0; 0 is answered, or given up, or never sent.
    sent: Box<[u64]>,
    /// The first ID that may be open, and the next to use.
    oldest: u16,
    next: u16,
    pub(super) outstanding: usize,
}

impl Flow {
    pub(super) fn new(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        // Less room is no fault: what does not fit shows as lost.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(ROOM);
        Ok(Self { socket, sent: vec![0; IDS].into(), oldest: 0, next: 0, outstanding: 0 })
    }

    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Sends up to `count` of the next queries at `now`; how many went.
    pub(super) fn send(
        &mut self,
        burst: &mut Burst,
        count: usize,
        queries: &mut Queries,
        now: u64,
        report: &mut Report,
    ) -> io::Result<usize> {
        for at in 0..count {
            burst.put(at, self.next.wrapping_add(at as u16), queries.peek(at));
        }
        let sent = match burst.send(&self.socket, count) {
            Ok(sent) => sent,
            // An ICMP error for an earlier query, or a full buffer: the query counts as not sent.
            Err(error) if is_passing(&error) => 0,
            Err(error) => return Err(error),
        };
        queries.advance(sent);
        for _ in 0..sent {
            let open = &mut self.sent[usize::from(self.next)];
            if *open != 0 {
                report.lost += 1;
                self.outstanding -= 1;
            }
            *open = now;
            self.next = self.next.wrapping_add(1);
        }
        self.outstanding += sent;
        report.sent += sent as u64;
        Ok(sent)
    }

    /// Takes what replies are there; `clock` is read once there are some.
    pub(super) fn receive(
        &mut self,
        burst: &mut Burst,
        clock: impl FnOnce() -> u64,
        report: &mut Report,
    ) -> io::Result<usize> {
        let received = match burst.receive(&self.socket) {
            Ok(received) => received,
            Err(error) if is_passing(&error) => 0,
            Err(error) => return Err(error),
        };
        if received == 0 {
            return Ok(0);
        }
        let now = clock();
        for at in 0..received {
            let (reply, len) = burst.reply(at);
            if reply.len() < HEADER {
                report.stray += 1;
                continue;
            }
            let open = &mut self.sent[usize::from(u16::from_be_bytes([reply[0], reply[1]]))];
            if *open == 0 {
                report.stray += 1;
                continue;
            }
            report.latency.record(now.saturating_sub(*open));
            *open = 0;
            self.outstanding -= 1;
            report.answered += 1;
            report.rcodes[usize::from(reply[3] & 15)] += 1;
            report.truncated += u64::from(reply[2] >> 1 & 1);
            report.octets += len as u64;
        }
        Ok(received)
    }

    /// Gives up what was sent before `then`.
    pub(super) fn expire(&mut self, then: u64, report: &mut Report) {
        while self.oldest != self.next {
            let open = &mut self.sent[usize::from(self.oldest)];
            if *open >= then {
                return;
            }
            if *open != 0 {
                *open = 0;
                self.outstanding -= 1;
                report.lost += 1;
            }
            self.oldest = self.oldest.wrapping_add(1);
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused)
        || error.raw_os_error() == Some(libc::ENOBUFS)
}
