//! Primaries that misbehave in ways that real ones do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use tokio::net::TcpListener;

use super::*;
use crate::config::model::{Secret, TsigAlgorithm};
use crate::tsig::Signer;
use crate::wire::{RecordsBuilder, tsig};

const SOA: u16 = 6;
const IXFR: u16 = 251;
const AXFR: u16 = 252;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn soa(serial: u32) -> Soa {
    Soa { serial, ttl: 60, ..Soa::none() }
}

fn held(serial: u32) -> Held {
    let ns = name("ns.example.net");
    let records = RecordsBuilder::new().with(&name("example.com"), RecordType::NS, 60, &[ns.as_wire()]);
    Held { soa: soa(serial), records: records.finish().into() }
}

/// A reply to a query with these records, if `rcode` is 0.
fn reply(query: &[u8], rcode: u8, serials: &[u32], with_ns: bool) -> Vec<u8> {
    let mut message = [&query[..2], &[0x84, rcode]].concat();
    let mut rows = Vec::new();
    for (at, &serial) in serials.iter().enumerate() {
        push_record(&mut rows, name("example.com").view(), RecordType::SOA, 1, 60, &soa(serial).data());
        if at == 0 && with_ns {
            let ns = name("ns.example.net");
            push_record(&mut rows, name("example.com").view(), RecordType::NS, 1, 60, ns.as_wire());
        }
    }
    message.extend([0, 0, 0, serials.len() as u8 + u8::from(with_ns), 0, 0, 0, 0]);
    message.extend(rows);
    message
}

/// Answers each query with what `answer` makes of it; where that is an empty message, it ends the connection.
async fn primary(answer: impl Fn(u16, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Primary {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            'connection: while let Ok(length) = stream.read_u16().await {
                let mut query = vec![0; length.into()];
                stream.read_exact(&mut query).await.unwrap();
                let mut sections = Sections::of(&query).unwrap();
                let mut entry = Entry::default();
                sections.question(&mut entry).unwrap();
                for message in answer(entry.rtype.0, &query) {
                    if message.is_empty() {
                        break 'connection;
                    }
                    let framed = [&(message.len() as u16).to_be_bytes(), &message[..]].concat();
                    stream.write_all(&framed).await.unwrap();
                }
            }
        }
    });
    Primary { address, key: None }
}

async fn asked(primary: &Primary, key: Option<&TsigKey>, held: Option<&Held>) -> Result<Option<Held>, String> {
    let mut draws = 7u64;
    let draw = || {
        draws += 1;
        draws
    };
    match ask(primary, key, &name("example.com"), held, draw).await?.news {
        News::Current => Ok(None),
        News::New(new) => Ok(Some(new.finish())),
    }
}

#[tokio::test]
async fn p26_a_transfer_that_breaks_off_brings_nothing() {
    for part in [vec![], vec![7], vec![7, 7]] {
        let broken = primary(move |rtype, query| match (rtype, &part[..]) {
            (_, []) => vec![vec![]],
            (AXFR, &[serial]) => vec![reply(query, 0, &[serial], true), vec![]],
            // The last message is cut in the middle of its length.
            _ => vec![reply(query, 0, &[7], true), reply(query, 0, &[7], false)[..20].to_vec(), vec![]],
        })
        .await;
        let why = asked(&broken, None, None).await.unwrap_err();
        assert!(["ends the connection", "reset", "malformed"].iter().any(|word| why.contains(word)), "{why}");
    }
}

#[tokio::test]
async fn p26_a_primary_without_differences_gives_the_whole_zone() {
    for rcode in [NOTIMP, FORMERR, REFUSED] {
        let old = primary(move |rtype, query| match rtype {
            SOA => vec![reply(query, 0, &[9], false)],
            IXFR => vec![reply(query, rcode as u8, &[], false)],
            _ => vec![reply(query, 0, &[9, 9], true)],
        })
        .await;
        assert_eq!(asked(&old, None, Some(&held(7))).await.unwrap().unwrap(), held(9));
    }
    // Differences of something else than what is held.
    let other = primary(|rtype, query| match rtype {
        SOA => vec![reply(query, 0, &[9], false)],
        IXFR => vec![reply(query, 0, &[9, 6, 9, 9], false)],
        _ => vec![reply(query, 0, &[9, 9], true)],
    })
    .await;
    assert_eq!(asked(&other, None, Some(&held(7))).await.unwrap().unwrap(), held(9));
}

#[tokio::test]
async fn p20_a_primary_is_asked_how_long_it_goes_on_and_one_without_edns_is_asked_again() {
    let heard = async |primary: &Primary| ask(primary, None, &name("example.com"), Some(&held(7)), || 0x77).await;
    let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 8, 0, 9, 0, 4, 0, 0, 1, 0];
    let telling = primary(move |_, query| {
        assert!(query.ends_with(&[0, 9, 0, 0]), "{query:x?}");
        let mut message = reply(query, 0, &[7], false);
        message[11] = 1;
        vec![[message, opt.to_vec()].concat()]
    })
    .await;
    assert_eq!(heard(&telling).await.unwrap().expire, Some(256));
    // The arcount tells who knows no EDNS.
    let old = primary(|_, query| match query[11] {
        0 => vec![reply(query, 0, &[7], false)],
        _ => vec![reply(query, FORMERR as u8, &[], false)],
    })
    .await;
    let heard = heard(&old).await.unwrap();
    assert_eq!(heard.expire, None);
    assert!(matches!(heard.news, News::Current));
}

#[tokio::test]
async fn p26_a_serial_that_is_not_later_is_not_taken_and_rfc_1982_says_what_is() {
    let of = |serial: u32| primary(move |_, query| vec![reply(query, 0, &[serial], false)]);
    assert_eq!(asked(&of(7).await, None, Some(&held(7))).await, Ok(None));
    let why = asked(&of(6).await, None, Some(&held(7))).await.unwrap_err();
    assert!(why.contains("before ours"), "{why}");
    let round = primary(|rtype, query| match rtype {
        SOA => vec![reply(query, 0, &[1], false)],
        _ => vec![reply(query, 0, &[1, 1], true)],
    })
    .await;
    assert_eq!(asked(&round, None, Some(&held(u32::MAX))).await.unwrap().unwrap(), held(1));
    let refusing = primary(|_, query| vec![reply(query, 9, &[], false)]).await;
    let why = asked(&refusing, None, Some(&held(7))).await.unwrap_err();
    assert!(why.contains("NOTAUTH"), "{why}");
}

fn key(octet: u8) -> TsigKey {
    TsigKey { name: name("xfr"), algorithm: TsigAlgorithm::Sha256, secret: Secret::new(vec![octet; 32]) }
}

/// Three messages of a transfer, signed or not.
fn signed(query: &[u8], with: &TsigKey, signs: [bool; 3]) -> Vec<Vec<u8>> {
    let request = tsig::read(query).unwrap().unwrap();
    let mut signer = Signer::of_reply(with, request.mac);
    let messages = [reply(query, 0, &[7], true), reply(query, 0, &[], false), reply(query, 0, &[7], false)];
    let sign = |(mut message, signs): (Vec<u8>, bool)| {
        if signs {
            signer.sign(&mut message, crate::secondary::store::unix_now());
        }
        message
    };
    messages.into_iter().zip(signs).map(sign).collect()
}

#[tokio::test]
async fn p25_p26_what_is_not_signed_to_its_end_with_the_key_is_not_believed() {
    let whole = primary(|_, query| signed(query, &key(1), [true, true, true])).await;
    assert_eq!(asked(&whole, Some(&key(1)), None).await.unwrap().unwrap(), held(7));
    for (signs, with, expected) in [
        ([true, true, false], key(1), "the end of its answer is not signed"),
        ([false, true, true], key(1), "its answer is not signed"),
        ([true, true, true], key(2), "the secrets differ"),
    ] {
        let wrong = primary(move |_, query| signed(query, &with, signs)).await;
        let why = asked(&wrong, Some(&key(1)), None).await.unwrap_err();
        assert!(why.contains(expected), "{expected}: {why}");
    }
    // Somebody in between changes a message.
    let changed = primary(|_, query| {
        let mut messages = signed(query, &key(1), [true, true, true]);
        // The last octet of the SOA, which stands before the signature.
        let at = 12 + name("example.com").as_wire().len() + 10 + 21;
        messages[2][at] ^= 1;
        messages
    })
    .await;
    let why = asked(&changed, Some(&key(1)), None).await.unwrap_err();
    assert!(why.contains("signature is wrong"), "{why}");
}
