//! Looks for a text in the first bytes of a body (H3), unpacked as they come.

use std::io::{self, Write};

use flate2::write::{MultiGzDecoder, ZlibDecoder};
use hyper::header::HeaderValue;

use super::super::{BODY_LIMIT, contains, excerpt};

/// Packed bytes that are unpacked at a time: a thousand times as much may come of them.
const STEP: usize = 512;

/// A search that goes on until the text is found, the limit is reached, or the body is over.
pub(super) struct Search<'a> {
    wanted: &'a str,
    unpacker: Unpacker,
    is_found: bool,
    broken: Option<io::Error>,
}

enum Unpacker {
    Plain(Head),
    Gzip(MultiGzDecoder<Head>),
    Deflate(ZlibDecoder<Head>),
}

/// Keeps the first bytes and drops the rest.
#[derive(Default)]
struct Head(Vec<u8>);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BODY_LIMIT - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpacker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(head) => head.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes),
            Self::Deflate(decoder) => decoder.write_all(bytes),
        }
    }

    /// Hands on what is still held back.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(head) => head.flush(),
            Self::Gzip(decoder) => decoder.flush(),
            Self::Deflate(decoder) => decoder.flush(),
        }
    }

    fn head(&self) -> &[u8] {
        match self {
            Self::Plain(head) => &head.0,
            Self::Gzip(decoder) => &decoder.get_ref().0,
            Self::Deflate(decoder) => &decoder.get_ref().0,
        }
    }
}

impl<'a> Search<'a> {
    /// `encoding` is the response's `Content-Encoding`; one that was not offered is taken as it comes.
    pub(super) fn new(wanted: &'a str, encoding: Option<&HeaderValue>) -> Self {
        let encoding = encoding.map(HeaderValue::as_bytes).unwrap_or_default().trim_ascii();
        let unpacker = if encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip") {
            Unpacker::Gzip(MultiGzDecoder::new(Head::default()))
        } else if encoding.eq_ignore_ascii_case(b"deflate") {
            Unpacker::Deflate(ZlibDecoder::new(Head::default()))
        } else {
            Unpacker::Plain(Head::default())
        };
        Self { wanted, unpacker, is_found: wanted.is_empty(), broken: None }
    }

    /// Whether more of the body would change nothing.
    pub(super) fn is_over(&self) -> bool {
        self.is_found || self.broken.is_some() || self.unpacker.head().len() == BODY_LIMIT
    }

    /// Takes the next bytes of the body, as they were sent.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for step in bytes.chunks(STEP) {
            if self.is_over() {
                return;
            }
            let before = self.unpacker.head().len();
            let unpacked = self.unpacker.write(step).and_then(|()| self.unpacker.flush());
            self.broken = unpacked.err();
            // Only what is new, and as much before it as the text may reach back.
            let from = before.saturating_sub(self.wanted.len());
            self.is_found = contains(&self.unpacker.head()[from..], self.wanted);
        }
    }

    /// Whether the text is in it, and in a clause what there is, once it is over.
    pub(super) fn judge(self, status: u16) -> (bool, String) {
        let (wanted, got) = (self.wanted, excerpt(self.unpacker.head()));
        match (self.is_found, self.broken) {
            (true, _) => (true, format!("status {status}, the body matches")),
            (false, Some(error)) => (false, format!("reading the body failed: {error}")),
            (false, None) => {
                (false, format!("status {status}, but {wanted:?} is not in the body's first {BODY_LIMIT} bytes, {got}"))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn h3_a_bomb_is_unpacked_no_further_than_the_limit() {
        let bomb = gzip(&vec![b'.'; 64 << 20]);
        let mut search = Search::new("here", Some(&HeaderValue::from_static("gzip")));
        search.take(&bomb);
        assert!(search.is_over());
        let Unpacker::Gzip(decoder) = &search.unpacker else { unreachable!() };
        assert_eq!((decoder.get_ref().0.len(), decoder.get_ref().0.capacity() <= 2 * BODY_LIMIT), (BODY_LIMIT, true));
        assert!(!search.judge(200).0);
    }

    #[test]
    fn h3_what_is_not_packed_as_it_says_fails_with_the_reason() {
        let mut search = Search::new("here", Some(&HeaderValue::from_static("gzip")));
        search.take(b"it is here");
        assert!(search.is_over());
        let (passed, text) = search.judge(200);
        assert!(!passed && text.starts_with("reading the body failed: "), "{text}");
    }

    #[test]
    fn h3_a_text_across_two_packed_pieces_is_found() {
        let packed = gzip(b"it is somewhere in here");
        let mut search = Search::new("somewhere", Some(&HeaderValue::from_static("GZIP")));
        packed.chunks(1).for_each(|piece| search.take(piece));
        assert!(search.judge(200).0);
    }
}
