//! Signatures on what is said to a primary, and on what it answers (RFC 8945).

use super::store::unix_now;
use crate::config::model::TsigKey;
use crate::tsig::{self, Checker, Fault, Signer};
use crate::wire::tsig::{Tsig, error, read};

/// A query that was signed, if there is a key, and its replies so far.
#[derive(Debug)]
pub(super) struct Signed {
    checker: Option<Checker>,
}

impl Signed {
    /// Signs a query.
    pub(super) fn query(key: Option<&TsigKey>, query: &mut Vec<u8>) -> Self {
        let checker = key.map(|key| {
            let mut signer = Signer::of_request(key);
            signer.sign(query, unix_now());
            signer.into_checker()
        });
        Self { checker }
    }

    /// Checks a reply and takes its signature off.
    ///
    /// # Errors
    /// It is not to be believed: one clause.
    pub(super) fn check(&mut self, message: &mut Vec<u8>) -> Result<(), String> {
        let signed = read(message).map_err(|_| "its answer is malformed".to_owned())?;
        let Some(checker) = &mut self.checker else {
            return if signed.is_some() {
                Err("its answer is signed with a key that is not ours".into())
            } else {
                Ok(())
            };
        };
        checker.check(message, signed.as_ref(), unix_now()).map_err(|fault| told(fault, signed.as_ref()))?;
        if let Some(signed) = &signed {
            if signed.error != error::NONE {
                return Err(told(Fault::Proven(signed.error), Some(signed)));
            }
            *message = tsig::strip(message, signed);
        }
        Ok(())
    }

    /// All replies have come.
    ///
    /// # Errors
    /// The last of them are not signed.
    pub(super) fn end(self) -> Result<(), String> {
        match self.checker {
            Some(checker) if !checker.is_proven() => Err("the end of its answer is not signed".into()),
            _ => Ok(()),
        }
    }
}

fn told(fault: Fault, signed: Option<&Tsig<'_>>) -> String {
    let theirs = signed.map(|signed| signed.error).filter(|&error| error != error::NONE);
    match (theirs, fault) {
        (Some(error::BADKEY), _) => "it does not know the key (BADKEY)",
        (Some(error::BADSIG), _) => "it finds our signature wrong (BADSIG): the secrets differ",
        (Some(error::BADTIME), _) | (_, Fault::Proven(error::BADTIME)) => "the clocks are too far apart (BADTIME)",
        (_, Fault::Malformed) => "its signature is malformed",
        (_, Fault::Unproven(_)) if signed.is_none() => "its answer is not signed",
        (_, Fault::Unproven(error::BADKEY)) => "its answer is signed with another key",
        (_, Fault::Unproven(_)) => "its signature is wrong: the secrets differ",
        (_, Fault::Proven(_)) => "its signature is cut short",
    }
    .into()
}
