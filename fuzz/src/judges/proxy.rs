//! PROXY headers, in front of a datagram and of a stream.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use rhumb::net::proxy::{Header, read, read_from};
use tokio::io::{AsyncRead, ReadBuf};

/// Signature, version and command, family and protocol, length.
const FIXED: usize = 16;

/// A header is taken if and only if a plain reader takes it, names whom that finds, and is all that is taken: off a
/// datagram as off a stream, however that comes in.
pub fn proxy(data: &[u8]) {
    let expected = plain(data);
    let ours = read(data);
    assert_eq!(ours, expected, "{data:x?}");
    if let Some(header) = expected {
        assert_eq!(read(&data[..header.length]), expected, "what follows does not matter");
        assert_eq!(read(&data[..header.length - 1]), None, "a whole one only");
    }
    for piece in [1, 7, usize::MAX] {
        let mut stream = Pieces { rest: data, piece };
        let read = at_once(read_from(&mut stream));
        assert_eq!(read.as_ref().ok(), expected.as_ref(), "in pieces of {piece}: {read:?}");
        let taken = data.len() - stream.rest.len();
        match &read {
            Ok(header) => assert_eq!(taken, header.length, "the stream is left behind the header"),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => assert!(taken <= announced(data)),
            Err(error) => {
                assert_eq!((error.kind(), taken), (io::ErrorKind::UnexpectedEof, data.len()));
                assert!(data.len() < announced(data), "there was enough");
            }
        }
    }
}

/// Octets that a header says to have: never more of a stream is kept.
fn announced(data: &[u8]) -> usize {
    FIXED + data.get(14..FIXED).map_or(0, |length| usize::from(length[0]) << 8 | usize::from(length[1]))
}

/// Section 2.2 of haproxy's proxy-protocol.txt, word by word.
fn plain(data: &[u8]) -> Option<Header> {
    let length = announced(data);
    if data.len() < length || data[..12] != [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10] {
        return None;
    }
    let (version, command) = (data[12] / 16, data[12] % 16);
    let (family, protocol) = (data[13] / 16, data[13] % 16);
    let block = &data[FIXED..length];
    let names = |octets: usize| block.len() >= 2 * octets + 4;
    let client = match (version, command) {
        (2, 0) => None,
        (2, 1) => match (family, protocol) {
            (4.., _) | (_, 3..) => return None,
            (1, 1 | 2) if names(4) => Some(IpAddr::from([block[0], block[1], block[2], block[3]])),
            (2, 1 | 2) if names(16) => Some(IpAddr::from(<[u8; 16]>::try_from(&block[..16]).ok()?)),
            (1 | 2, 1 | 2) => return None,
            // No family, no protocol, or one that is not supported: then the proxy's own address counts.
            _ => None,
        },
        _ => return None,
    };
    Some(Header { length, client })
}

/// A stream that gives a few octets at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.piece.min(self.rest.len()).min(buffer.remaining());
        let (taken, rest) = self.rest.split_at(count);
        buffer.put_slice(taken);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// What never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits for what is there"),
    }
}
