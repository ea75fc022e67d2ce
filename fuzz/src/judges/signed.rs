//! Signatures on messages.
//!
//! The input: how, a secret, the time, and a message that is signed or as it is; or the messages of a reply, each behind
//! an octet of what is done to it and one of length.

use domain::base::{Message, MessageBuilder};
use domain::rdata::tsig::Time48;
use domain::tsig::{Algorithm, ClientSequence, Key, KeyName, ServerTransaction};
use rhumb::config::model::{Secret, TsigAlgorithm, TsigKey};
use rhumb::tsig::{self, Checker, Signer, strip, verify};
use rhumb::wire::{NameRef, RecordType, push_record, tsig as record};

use super::laid::name;

/// Octets of how, a secret and a time.
const BEFORE: usize = 1 + 32 + 4;
/// Bits of how: which algorithm; it is signed; long ago; with another secret; an octet is altered; it is a reply's
/// messages that follow.
const ALGORITHM: u8 = 3;
const SIGNED: u8 = 4;
const STALE: u8 = 8;
const OTHER: u8 = 16;
const ALTERED: u8 = 32;
const REPLY: u8 = 64;
/// What is done to a message of a reply: it is signed, altered afterwards, stale, said many times without a signature.
const ONE_SIGNED: u8 = 1;
const ONE_ALTERED: u8 = 2;
const ONE_STALE: u8 = 4;
const ONE_OFTEN: u8 = 8;

/// A signature holds if and only if another program says so.
pub fn signed(data: &[u8]) {
    let Some((before, rest)) = data.split_at_checked(BEFORE) else { return };
    let (how, secret) = (before[0], &before[1..33]);
    // Some time in this century.
    let now = u64::from(u32::from_be_bytes(before[33..].try_into().expect("four"))) + 1_000;
    let (ours, theirs) = keys(how, secret);
    if how & REPLY != 0 {
        reply(&ours, &theirs, rest, now);
        return;
    }
    let mut message = rest.to_vec();
    if how & SIGNED != 0 && message.len() >= 12 {
        let mut with = ours.clone();
        if how & OTHER != 0 {
            with.secret = Secret::new(vec![1, 2, 3]);
        }
        let time = if how & STALE != 0 { now - 301 } else { now + 300 };
        Signer::of_request(&with).sign(&mut message, time);
        if how & ALTERED != 0 {
            let at = usize::from(rest[2]) << 8 | usize::from(rest[3]);
            let len = message.len();
            message[at % len] ^= rest[4] | 1;
        }
    }
    request(&ours, &theirs, &message, now);
}

fn keys(how: u8, secret: &[u8]) -> (TsigKey, Key) {
    let (ours, theirs) = match how & ALGORITHM {
        0 => (TsigAlgorithm::Sha384, Algorithm::Sha384),
        1 => (TsigAlgorithm::Sha512, Algorithm::Sha512),
        _ => (TsigAlgorithm::Sha256, Algorithm::Sha256),
    };
    let key = TsigKey { name: name("a.key."), algorithm: ours, secret: Secret::new(secret.to_vec()) };
    let label: KeyName = "a.key".parse().expect("a name");
    (key, Key::new(theirs, secret, label, None, None).expect("a key"))
}

fn request(ours: &TsigKey, theirs: &Key, message: &[u8], now: u64) {
    let read = record::read(message);
    let Ok(mut foreign) = Message::from_octets(message.to_vec()) else {
        assert!(message.len() < 12 && read.is_err());
        return;
    };
    let judged = ServerTransaction::request(theirs, &mut foreign, Time48::from_u64(now));
    let tsig = match read {
        Ok(Some(tsig)) => tsig,
        Ok(None) => return assert!(!matches!(judged, Ok(Some(_))), "there is none: {message:x?}"),
        // Stricter about where it may stand and what it looks like.
        Err(record::Malformed) => return,
    };
    let stripped = strip(message, &tsig);
    let result = verify(std::slice::from_ref(ours), &stripped, &tsig, now);
    if !tsig.other.is_empty() {
        // The other program signs eight octets of it where there are six.
        return;
    }
    let is_good = matches!(judged, Ok(Some(_)));
    if !is_good && result.is_ok() && !has_readable_names(message) {
        // Names that nobody has asked for are passed over; who reads the records finds the fault.
        return;
    }
    assert_eq!(result.is_ok(), is_good, "{result:?}, {:?}: {message:x?}", judged.err());
    if is_good {
        assert_eq!(stripped[..], foreign.as_slice()[..tsig.at], "the message as it was signed");
    }
    if let Err(tsig::Fault::Proven(error)) = result {
        assert!([record::error::BADTIME, record::error::BADTRUNC].contains(&error));
    }
}

/// Whether every name of a question or in front of a record can be followed to its end, and is none too long.
fn has_readable_names(message: &[u8]) -> bool {
    let Ok(message) = Message::from_octets(message) else { return false };
    message.question().all(|question| question.is_ok()) && message.iter().all(|record| record.is_ok())
}

/// A reply in several messages, checked one by one.
fn reply(ours: &TsigKey, theirs: &Key, mut rest: &[u8], now: u64) {
    let time = Time48::from_u64(now);
    let mut builder = MessageBuilder::new_vec().additional();
    builder.header_mut().set_id(0x1234);
    let mut sequence = ClientSequence::request(theirs.clone(), &mut builder, time).expect("there is room");
    let mut request = vec![0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut signer = Signer::of_request(ours);
    signer.sign(&mut request, now);
    assert_eq!(request, builder.finish(), "signed alike");
    let sent = record::read(&request).expect("well-formed").expect("signed").mac.to_vec();
    let mut checker = signer.into_checker();
    let mut server = Signer::of_reply(ours, &sent);
    let mut has_come = false;
    while let Some((&[what, length], behind)) = rest.split_first_chunk() {
        let (body, behind) = behind.split_at(behind.len().min(length.into()));
        rest = behind;
        let times = if what & ONE_OFTEN != 0 { 33 } else { 1 };
        for _ in 0..times {
            let message = one(&mut server, what, body, now);
            let (Some(is_good), Some(expected)) =
                (check(&mut checker, &message, now), take(&mut sequence, &message, time))
            else {
                return;
            };
            assert_eq!(is_good, expected, "{message:x?}");
            if !is_good {
                return;
            }
            has_come = true;
        }
    }
    if has_come {
        assert_eq!(checker.is_proven(), sequence.done().is_ok());
    }
}

/// The next message of a reply.
fn one(server: &mut Signer, what: u8, body: &[u8], now: u64) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    push_record(&mut message, NameRef::from_wire(&[0]).expect("the root"), RecordType(731), 1, 60, body);
    if what & ONE_SIGNED != 0 {
        let skew = if what & ONE_STALE != 0 { 301 } else { 0 };
        server.sign(&mut message, now - skew);
    }
    if what & ONE_ALTERED != 0 {
        // In the signed part, which is a record of any octets.
        let at = message.len().min(23 + body.len()) - 1;
        message[at] ^= 1;
    }
    message
}

/// Whether the next message is to be believed; `None`: it cannot be read any more.
fn check(checker: &mut Checker, message: &[u8], now: u64) -> Option<bool> {
    let tsig = record::read(message).ok()?;
    Some(checker.check(message, tsig.as_ref(), now).is_ok())
}

fn take(sequence: &mut ClientSequence<Key>, message: &[u8], time: Time48) -> Option<bool> {
    let mut foreign = Message::from_octets(message.to_vec()).ok()?;
    Some(sequence.answer(&mut foreign, time).is_ok())
}
