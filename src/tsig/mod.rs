//! Signatures on messages (TSIG, RFC 8945): checked on what comes in, put on what goes out.
//!
//! Both work on a message's own octets. Time is an argument, in seconds since 1970 UTC.

use aws_lc_rs::{constant_time, hmac};

use crate::config::model::{TsigAlgorithm, TsigKey};
use crate::wire::Expanded;
use crate::wire::message::HEADER;
use crate::wire::tsig::{Tsig, error};

/// How far clocks may be apart in what is signed here, in seconds (RFC 8945 section 10).
const FUDGE: u16 = 300;
/// Octets of a cut signature below which it is no signature at all (RFC 8945 section 5.2.2.1).
const SHORTEST: usize = 10;
/// Messages of a transfer that may go by without a signature (RFC 8945 section 5.3.1).
const UNSIGNED: usize = 99;

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The record is not as it should be: FORMERR.
    Malformed,
    /// BADKEY or BADSIG: the reply must not be signed.
    Unproven(u16),
    /// BADTIME or BADTRUNC: the reply is signed.
    Proven(u16),
}

fn algorithm(of: TsigAlgorithm) -> hmac::Algorithm {
    match of {
        TsigAlgorithm::Sha256 => hmac::HMAC_SHA256,
        TsigAlgorithm::Sha384 => hmac::HMAC_SHA384,
        TsigAlgorithm::Sha512 => hmac::HMAC_SHA512,
    }
}

fn context(key: &TsigKey) -> hmac::Context {
    hmac::Context::with_key(&hmac::Key::new(algorithm(key.algorithm), key.secret.reveal()))
}

/// The key that a record names, of the algorithm that it names.
pub fn key_of<'k>(keys: &'k [TsigKey], tsig: &Tsig<'_>) -> Option<&'k TsigKey> {
    keys.iter().find(|key| {
        key.name.as_wire().eq_ignore_ascii_case(tsig.key.as_wire()) && key.algorithm.name() == tsig.algorithm.as_wire()
    })
}

/// The message as it was signed: without its TSIG, its ID the original one.
pub fn strip(message: &[u8], tsig: &Tsig<'_>) -> Vec<u8> {
    let mut stripped = message[..tsig.at].to_vec();
    stripped[..2].copy_from_slice(&tsig.original_id.to_be_bytes());
    // It was found as one of these records.
    let count = u16::from_be_bytes([stripped[10], stripped[11]]).wrapping_sub(1);
    stripped[10..HEADER].copy_from_slice(&count.to_be_bytes());
    stripped
}

/// Checks the signature on a request. `stripped` is the message [`strip`]ped.
///
/// # Errors
/// What is wrong, in the order of RFC 8945 section 5.2: key, signature, time, length.
pub fn verify<'k>(keys: &'k [TsigKey], stripped: &[u8], tsig: &Tsig<'_>, now: u64) -> Result<&'k TsigKey, Fault> {
    let key = key_of(keys, tsig).ok_or(Fault::Unproven(error::BADKEY))?;
    let mut context = context(key);
    context.update(stripped);
    context.update(&variables(key, tsig.time, tsig.fudge, tsig.error, tsig.other));
    compare(context, tsig, now)?;
    Ok(key)
}

fn compare(context: hmac::Context, tsig: &Tsig<'_>, now: u64) -> Result<(), Fault> {
    let tag = context.sign();
    let whole = tag.as_ref().len();
    let given = tsig.mac.len();
    if given > whole || given < SHORTEST.max(whole / 2) {
        return Err(Fault::Malformed);
    }
    constant_time::verify_slices_are_equal(&tag.as_ref()[..given], tsig.mac)
        .map_err(|_| Fault::Unproven(error::BADSIG))?;
    if now.abs_diff(tsig.time) > u64::from(tsig.fudge) {
        return Err(Fault::Proven(error::BADTIME));
    }
    if given < whole {
        return Err(Fault::Proven(error::BADTRUNC));
    }
    Ok(())
}

/// What is signed behind the message (RFC 8945 section 4.3.3).
fn variables(key: &TsigKey, time: u64, fudge: u16, error: u16, other: &[u8]) -> Vec<u8> {
    let mut octets = key.name.canonical().to_vec();
    octets.extend([0, 255, 0, 0, 0, 0]);
    octets.extend(key.algorithm.name());
    octets.extend(timers(time, fudge));
    octets.extend(error.to_be_bytes());
    octets.extend((other.len() as u16).to_be_bytes());
    octets.extend(other);
    octets
}

/// What is signed behind the second and further messages of a reply.
fn timers(time: u64, fudge: u16) -> [u8; 8] {
    let [_, _, a, b, c, d, e, f] = time.to_be_bytes();
    let [g, h] = fudge.to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

/// Octets of the record that a key signs with, without other data.
pub fn record_len(key: &TsigKey) -> usize {
    let mac = algorithm(key.algorithm).digest_algorithm().output_len();
    key.name.as_wire().len() + 10 + key.algorithm.name().len() + 16 + mac
}

/// What a TSIG record says.
struct Record<'a> {
    name: &'a [u8],
    algorithm: &'a [u8],
    time: u64,
    fudge: u16,
    mac: &'a [u8],
    error: u16,
    other: &'a [u8],
}

impl Record<'_> {
    fn len(&self) -> usize {
        self.name.len() + 10 + self.algorithm.len() + 16 + self.mac.len() + self.other.len()
    }

    /// Writes it behind the message that fills the first `len` octets of `buffer`, and counts it there. Returns the
    /// whole length; `None` where it does not fit.
    fn write(&self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let id = [*buffer.first()?, *buffer.get(1)?];
        let data_len = self.algorithm.len() + 16 + self.mac.len() + self.other.len();
        let parts: [&[u8]; 11] = [
            self.name,
            &[0, 250, 0, 255, 0, 0, 0, 0],
            &(data_len as u16).to_be_bytes(),
            self.algorithm,
            &timers(self.time, self.fudge),
            &(self.mac.len() as u16).to_be_bytes(),
            self.mac,
            &id,
            &self.error.to_be_bytes(),
            &(self.other.len() as u16).to_be_bytes(),
            self.other,
        ];
        let mut at = len;
        for part in parts {
            buffer.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        let count = buffer.get_mut(HEADER - 2..HEADER)?;
        let records = u16::from_be_bytes([count[0], count[1]]).wrapping_add(1);
        count.copy_from_slice(&records.to_be_bytes());
        Some(at)
    }

    fn append(&self, message: &mut Vec<u8>) {
        let len = message.len();
        message.resize(len + self.len(), 0);
        // There is room now.
        self.write(message, len);
    }
}

/// Puts a record without a signature behind a reply of `len` octets that must not have one: BADKEY, BADSIG (RFC 8945
/// section 5.3.2). Returns the whole length.
pub fn refuse(buffer: &mut [u8], len: usize, of: &Named, error: u16) -> Option<usize> {
    let (name, algorithm) = (of.key.as_wire(), of.algorithm.as_wire());
    Record { name, algorithm, time: of.time, fudge: of.fudge, mac: &[], error, other: &[] }.write(buffer, len)
}

/// What an unsigned record repeats of the request's.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    key: Expanded,
    algorithm: Expanded,
    time: u64,
    fudge: u16,
}

impl Named {
    /// Of a request's record.
    pub fn of(tsig: &Tsig<'_>) -> Self {
        Self { key: tsig.key, algorithm: tsig.algorithm, time: tsig.time, fudge: tsig.fudge }
    }
}

/// Signs one request, or the messages of one reply in their order.
#[derive(Clone, Debug)]
pub struct Signer {
    key: TsigKey,
    /// The signature before: the request's for the first message of a reply.
    prior: Vec<u8>,
    is_first: bool,
}

impl Signer {
    /// For a request.
    pub fn of_request(key: &TsigKey) -> Self {
        Self { key: key.clone(), prior: Vec::new(), is_first: true }
    }

    /// For the reply to a request with this signature.
    pub fn of_reply(key: &TsigKey, request: &[u8]) -> Self {
        Self { key: key.clone(), prior: request.to_vec(), is_first: true }
    }

    /// Octets that [`Self::sign`] adds.
    pub fn room(&self) -> usize {
        record_len(&self.key)
    }

    /// Adds the record to a whole message.
    pub fn sign(&mut self, message: &mut Vec<u8>, now: u64) {
        self.sign_with(message, now, FUDGE, error::NONE, &[]);
    }

    /// Adds a record that tells an error: BADTIME with the client's time in it and ours beside, so that the client can
    /// check it, or BADTRUNC.
    pub fn sign_error(&mut self, message: &mut Vec<u8>, tsig: &Tsig<'_>, error: u16, now: u64) {
        if error == error::BADTIME {
            self.sign_with(message, tsig.time, tsig.fudge, error, &now.to_be_bytes()[2..]);
        } else {
            self.sign_with(message, now, FUDGE, error, &[]);
        }
    }

    fn sign_with(&mut self, message: &mut Vec<u8>, time: u64, fudge: u16, error: u16, other: &[u8]) {
        let mut context = context(&self.key);
        add_prior(&mut context, &self.prior);
        context.update(message);
        if self.is_first {
            context.update(&variables(&self.key, time, fudge, error, other));
        } else {
            context.update(&timers(time, fudge));
        }
        let tag = context.sign();
        let (name, algorithm) = (self.key.name.canonical(), self.key.algorithm.name());
        Record { name: &name, algorithm, time, fudge, mac: tag.as_ref(), error, other }.append(message);
        self.prior = tag.as_ref().to_vec();
        self.is_first = false;
    }

    /// Checks the replies to the request that was signed last.
    pub fn into_checker(self) -> Checker {
        Checker { key: self.key, prior: self.prior, between: Vec::new(), passed: 0, is_first: true }
    }
}

fn add_prior(context: &mut hmac::Context, prior: &[u8]) {
    if !prior.is_empty() {
        context.update(&(prior.len() as u16).to_be_bytes());
        context.update(prior);
    }
}

/// Checks the messages of one reply in their order.
#[derive(Clone, Debug)]
pub struct Checker {
    key: TsigKey,
    prior: Vec<u8>,
    /// Messages without a signature since the last one with one.
    between: Vec<u8>,
    passed: usize,
    is_first: bool,
}

impl Checker {
    /// Checks the next message. `tsig` is its record, if it has one; only messages after the first may lack it, and the
    /// last one may not: see [`Self::is_proven`].
    ///
    /// # Errors
    /// What is wrong with it: nothing of the reply is to be believed.
    pub fn check(&mut self, message: &[u8], tsig: Option<&Tsig<'_>>, now: u64) -> Result<(), Fault> {
        let Some(tsig) = tsig else {
            self.passed += 1;
            if self.is_first || self.passed > UNSIGNED {
                return Err(Fault::Unproven(error::BADSIG));
            }
            self.between.extend(message);
            return Ok(());
        };
        if key_of(std::slice::from_ref(&self.key), tsig).is_none() {
            return Err(Fault::Unproven(error::BADKEY));
        }
        let mut context = context(&self.key);
        add_prior(&mut context, &self.prior);
        context.update(&self.between);
        context.update(&strip(message, tsig));
        if self.is_first {
            context.update(&variables(&self.key, tsig.time, tsig.fudge, tsig.error, tsig.other));
        } else {
            context.update(&timers(tsig.time, tsig.fudge));
        }
        compare(context, tsig, now)?;
        self.prior = tsig.mac.to_vec();
        self.between.clear();
        (self.passed, self.is_first) = (0, false);
        Ok(())
    }

    /// Whether the last message was signed: what came so far is proven.
    pub fn is_proven(&self) -> bool {
        !self.is_first && self.passed == 0
    }
}

#[cfg(test)]
mod tests;
