//! Signatures on what is said to a primary (RFC 8945).

use crate::wire::Name;

/// A query that was signed, and its replies so far.
#[derive(Debug)]
pub(super) struct Signed;

impl Signed {
    /// Signs a query, if there is a key.
    pub(super) fn query(key: Option<&Name>, _: &mut Vec<u8>) -> Result<Self, String> {
        match key {
            Some(_) => Err("keys mean nothing yet".into()),
            None => Ok(Self),
        }
    }

    /// Checks a reply and takes its signature off.
    pub(super) fn check(&mut self, _: &mut Vec<u8>) -> Result<(), String> {
        Ok(())
    }

    /// All replies have come.
    pub(super) fn end(self) -> Result<(), String> {
        Ok(())
    }
}
