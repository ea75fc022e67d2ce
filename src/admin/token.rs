//! The admin token: read from a file, compared in constant time, never shown.

use std::fmt;
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::config::regular;

/// Below this a token can be guessed over a network.
const SHORTEST: usize = 16;

/// A secret that whoever changes or reads the server over a network has to know.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

impl Token {
    /// Reads it from a file; white space around it does not count.
    ///
    /// # Errors
    /// One clause that names the file: it cannot be read, or what it holds is shorter than 16 octets or not printable
    /// ASCII (RFC 6750 section 2.1 allows no more).
    pub fn read(path: &Path) -> Result<Self, String> {
        let text =
            regular::read_to_string(path).map_err(|e| format!("cannot read the token in {}: {e}", path.display()))?;
        Self::new(text.trim()).map_err(|why| format!("the token in {} {why}", path.display()))
    }

    /// From text that is at hand.
    ///
    /// # Errors
    /// A clause that goes on after "the token".
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() < SHORTEST {
            return Err(format!("is shorter than {SHORTEST} octets: `openssl rand -hex 32` makes a good one"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("holds something other than printable ASCII without blanks".into());
        }
        Ok(Self(text.as_bytes().into()))
    }

    /// Whether a value of the Authorization header carries it (RFC 6750 section 2.1).
    pub fn is_carried_by(&self, authorization: &[u8]) -> bool {
        const SCHEME: &[u8] = b"Bearer ";
        authorization.split_at_checked(SCHEME.len()).is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case(SCHEME) && verify_slices_are_equal(given, &self.0).is_ok()
        })
    }

    /// The value of an Authorization header that carries it.
    pub(super) fn authorization(&self) -> Vec<u8> {
        [b"Bearer ", &*self.0].concat()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SECRET: &str = "0123456789abcdef0123";

    #[test]
    fn the_right_token_is_taken_and_every_other_refused() {
        let token = Token::new(SECRET).unwrap();
        assert!(token.is_carried_by(&token.authorization()));
        assert!(token.is_carried_by(format!("bearer {SECRET}").as_bytes()));
        let near = [format!("Bearer {SECRET}x"), format!("Bearer {}", &SECRET[1..]), format!("Basic  {SECRET}")];
        for wrong in near.iter().map(String::as_str).chain(["", "Bearer", "Bearer "]) {
            assert!(!token.is_carried_by(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_token_never_shows_in_debug_output_or_errors() {
        assert!(!format!("{:?}", Token::new(SECRET).unwrap()).contains(SECRET));
        assert!(!Token::new("short-secret").unwrap_err().contains("short-secret"));
    }

    #[test]
    fn a_file_is_read_without_the_white_space_around_the_token() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("token");
        std::fs::write(&path, format!("{SECRET}\n")).unwrap();
        assert_eq!(Token::read(&path).unwrap().authorization(), format!("Bearer {SECRET}").into_bytes());
        std::fs::write(&path, "two words are no token").unwrap();
        assert!(Token::read(&path).unwrap_err().contains("token"));
        assert!(Token::read(&place.path().join("absent")).unwrap_err().contains("absent"));
    }
}
