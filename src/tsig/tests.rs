#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::config::model::Secret;
use crate::wire::{Name, tsig};

/// What dnspython 2.9.2 signs at this time with the octets 0 to 31: an AXFR query for `example.com.`, and three replies.
const TIME: u64 = 1_700_000_000;
const QUERIES: [(TsigAlgorithm, &str); 3] = [
    (
        TsigAlgorithm::Sha256,
        "123401000001000000000001076578616d706c6503636f6d0000fc000103586672074578616d706c650000fa00ff00000000003d0b686d\
         61632d7368613235360000006553f100012c0020af5795a7ddf2b79dfdd74bea897f44b99c573f911e9112590087a433c9a66c4f123400\
         000000",
    ),
    (
        TsigAlgorithm::Sha384,
        "123401000001000000000001076578616d706c6503636f6d0000fc000103586672074578616d706c650000fa00ff00000000004d0b686d\
         61632d7368613338340000006553f100012c0030d92ae5d43c40e8829c6f8115c239a3ba276e33a067cdff7edc61f276b54b54c1be0967\
         7ba62109ee737dee73d4d30766123400000000",
    ),
    (
        TsigAlgorithm::Sha512,
        "123401000001000000000001076578616d706c6503636f6d0000fc000103586672074578616d706c650000fa00ff00000000005d0b686d\
         61632d7368613531320000006553f100012c0040241110da3607a7421af668f9d8df15aa4db97ddf6996c431e0de0bb4fc2dd0697a5bbd\
         046f0c7376c20d60156f5f611219bd705f69a05ce1b050a1d55e3d0336123400000000",
    ),
];
const REPLY_MACS: [&str; 3] = [
    "c3ab1d9879c1fc814c5a9dd2dff82474df4e62432d782cbb610560ac04dc966c",
    "e5c98885effe9704d09d27cfb6941d2d8171cc2b714f1d055b06acf338fde684",
    "d5eb735db1772a3d4f04fe58a9417b3986f3b636398a01ac423d9bdb6cb9f7dd",
];

fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A key as the vectors have it, in another case.
fn key(algorithm: TsigAlgorithm) -> TsigKey {
    let name = Name::absolute("xFR.example").unwrap();
    TsigKey { name, algorithm, secret: Secret::new((0..32).collect()) }
}

fn sha256() -> (Vec<u8>, TsigKey) {
    (octets(QUERIES[0].1), key(TsigAlgorithm::Sha256))
}

fn verdict(keys: &[TsigKey], message: &[u8], now: u64) -> Result<(), Fault> {
    let tsig = tsig::read(message).unwrap().unwrap();
    verify(keys, &strip(message, &tsig), &tsig, now).map(|_| ())
}

/// The message with its MAC replaced.
fn with_mac(message: &[u8], mac: &[u8]) -> Vec<u8> {
    let tsig = tsig::read(message).unwrap().unwrap();
    let stripped = strip(message, &tsig);
    let (name, algorithm) = (tsig.key.as_wire(), tsig.algorithm.as_wire());
    let mut altered = stripped;
    Record { name, algorithm, time: tsig.time, fudge: tsig.fudge, mac, error: 0, other: &[] }.append(&mut altered);
    altered
}

#[test]
fn p25_what_another_program_signs_is_proven_and_signed_here_to_the_octet() {
    for (algorithm, hex) in QUERIES {
        let (message, key) = (octets(hex), key(algorithm));
        assert_eq!(verdict(std::slice::from_ref(&key), &message, TIME), Ok(()), "{algorithm:?}");
        let tsig = tsig::read(&message).unwrap().unwrap();
        let mut again = strip(&message, &tsig);
        let mut signer = Signer::of_request(&key);
        let room = again.len() + signer.room();
        signer.sign(&mut again, TIME);
        assert_eq!(again.len(), room);
        let signed = tsig::read(&again).unwrap().unwrap();
        assert_eq!(signed.mac, tsig.mac, "{algorithm:?}");
        // The name goes out in canonical form.
        assert_eq!(again, message.to_ascii_lowercase_names(&tsig), "{algorithm:?}");
    }
}

trait LowercaseNames {
    fn to_ascii_lowercase_names(&self, tsig: &Tsig<'_>) -> Vec<u8>;
}

impl LowercaseNames for Vec<u8> {
    fn to_ascii_lowercase_names(&self, tsig: &Tsig<'_>) -> Vec<u8> {
        let mut message = self.clone();
        message[tsig.at..tsig.at + tsig.key.as_wire().len()].make_ascii_lowercase();
        message
    }
}

#[test]
fn p25_a_transfers_messages_are_signed_one_upon_the_other() {
    let (query, key) = sha256();
    let request = tsig::read(&query).unwrap().unwrap();
    let mut signer = Signer::of_reply(&key, request.mac);
    let mut asked = strip(&query, &request);
    let mut asking = Signer::of_request(&key);
    asking.sign(&mut asked, TIME);
    let mut checker = asking.into_checker();
    for mac in REPLY_MACS {
        let mut reply = strip(&query, &request);
        reply[2..4].copy_from_slice(&[0x81, 0]);
        signer.sign(&mut reply, TIME);
        let signed = tsig::read(&reply).unwrap().unwrap();
        assert_eq!(signed.mac, octets(mac));
        assert_eq!(checker.check(&reply, Some(&signed), TIME), Ok(()));
        assert!(checker.is_proven());
    }
}

#[test]
fn p25_messages_between_signed_ones_count_and_an_altered_one_is_noticed() {
    let (query, key) = sha256();
    let request = tsig::read(&query).unwrap().unwrap();
    let plain = |n: u8| [&strip(&query, &request)[..], &[n]].concat();
    for altered in [false, true] {
        let mut asked = strip(&query, &request);
        let mut asking = Signer::of_request(&key);
        asking.sign(&mut asked, TIME);
        let mut checker = asking.into_checker();
        let mut signer = Signer::of_reply(&key, tsig::read(&asked).unwrap().unwrap().mac);
        let mut first = strip(&query, &request);
        signer.sign(&mut first, TIME);
        assert_eq!(checker.check(&first, tsig::read(&first).unwrap().as_ref(), TIME), Ok(()));
        assert_eq!(checker.check(&plain(if altered { 2 } else { 1 }), None, TIME), Ok(()));
        assert!(!checker.is_proven(), "an unsigned message proves nothing");
        // The third one, signed over the second as well.
        let mut third = strip(&query, &request);
        let mut context = context(&key);
        add_prior(&mut context, &signer.prior);
        context.update(&plain(1));
        context.update(&third);
        context.update(&timers(TIME, FUDGE));
        let mac = context.sign();
        let (name, algorithm) = (key.name.as_wire(), key.algorithm.name());
        Record { name, algorithm, time: TIME, fudge: FUDGE, mac: mac.as_ref(), error: 0, other: &[] }
            .append(&mut third);
        let checked = checker.check(&third, tsig::read(&third).unwrap().as_ref(), TIME);
        assert_eq!(checked, if altered { Err(Fault::Unproven(error::BADSIG)) } else { Ok(()) });
    }
}

#[test]
fn p25_a_reply_begins_signed_and_not_too_many_in_a_row_are_unsigned() {
    let (query, key) = sha256();
    let request = tsig::read(&query).unwrap().unwrap();
    let mut asked = strip(&query, &request);
    let mut asking = Signer::of_request(&key);
    asking.sign(&mut asked, TIME);
    let mut checker = asking.clone().into_checker();
    assert_eq!(checker.check(&strip(&query, &request), None, TIME), Err(Fault::Unproven(error::BADSIG)));
    let mut checker = asking.into_checker();
    let mut first = strip(&query, &request);
    Signer::of_reply(&key, tsig::read(&asked).unwrap().unwrap().mac).sign(&mut first, TIME);
    assert_eq!(checker.check(&first, tsig::read(&first).unwrap().as_ref(), TIME), Ok(()));
    for _ in 0..UNSIGNED {
        assert_eq!(checker.check(&strip(&query, &request), None, TIME), Ok(()));
    }
    assert_eq!(checker.check(&strip(&query, &request), None, TIME), Err(Fault::Unproven(error::BADSIG)));
}

#[test]
fn p25_another_key_name_or_algorithm_is_badkey() {
    let (message, mut other) = sha256();
    other.name = Name::absolute("other").unwrap();
    for keys in [vec![], vec![other], vec![key(TsigAlgorithm::Sha512)]] {
        assert_eq!(verdict(&keys, &message, TIME), Err(Fault::Unproven(error::BADKEY)));
    }
}

#[test]
fn p25_any_altered_octet_is_badsig() {
    let (message, key) = sha256();
    let tsig = tsig::read(&message).unwrap().unwrap();
    let time = tsig.at + tsig.key.as_wire().len() + 10 + 13;
    let (fudge, mac, original_id) = (time + 6, time + 10, time + 42);
    let noticed: Vec<usize> = (0..tsig.at).chain([time, fudge, mac, mac + 31, original_id]).collect();
    for at in noticed {
        // The ID itself may change under way: the original one counts. Counts decide where the record is found.
        if at < 2 || (4..12).contains(&at) {
            continue;
        }
        let mut altered = message.clone();
        altered[at] ^= 1;
        let Ok(Some(read)) = tsig::read(&altered) else { continue };
        let found = verify(std::slice::from_ref(&key), &strip(&altered, &read), &read, TIME).map(|_| ());
        assert_eq!(found, Err(Fault::Unproven(error::BADSIG)), "octet {at}");
    }
    let mut forwarded = message;
    forwarded[0] ^= 1;
    assert_eq!(verdict(&[key], &forwarded, TIME), Ok(()));
}

#[test]
fn p25_clocks_may_be_as_far_apart_as_the_fudge_says_and_no_further() {
    let (message, key) = sha256();
    let keys = [key];
    for (now, expected) in [
        (TIME - 301, Err(Fault::Proven(error::BADTIME))),
        (TIME - 300, Ok(())),
        (TIME + 300, Ok(())),
        (TIME + 301, Err(Fault::Proven(error::BADTIME))),
    ] {
        assert_eq!(verdict(&keys, &message, now), expected, "{now}");
    }
}

#[test]
fn p25_cut_signatures_are_badtrunc_if_they_prove_anything_at_all() {
    let (message, key) = sha256();
    let keys = [key];
    let mac = tsig::read(&message).unwrap().unwrap().mac.to_vec();
    let cut = |len: usize| verdict(&keys, &with_mac(&message, &mac[..len]), TIME);
    assert_eq!(cut(32), Ok(()));
    assert_eq!(cut(31), Err(Fault::Proven(error::BADTRUNC)));
    assert_eq!(cut(16), Err(Fault::Proven(error::BADTRUNC)));
    assert_eq!(cut(15), Err(Fault::Malformed));
    assert_eq!(cut(0), Err(Fault::Malformed));
    let long = [&mac[..], &[0]].concat();
    assert_eq!(verdict(&keys, &with_mac(&message, &long), TIME), Err(Fault::Malformed));
    let wrong = [&mac[..15], &[mac[15] ^ 1]].concat();
    assert_eq!(verdict(&keys, &with_mac(&message, &wrong), TIME), Err(Fault::Unproven(error::BADSIG)));
    // Time comes before length (RFC 8945 section 5.2).
    assert_eq!(verdict(&keys, &with_mac(&message, &mac[..31]), TIME + 999), Err(Fault::Proven(error::BADTIME)));
}

#[test]
fn p25_secrets_are_shown_nowhere() {
    let shown = format!("{:?}", key(TsigAlgorithm::Sha256));
    assert!(shown.contains("(secret)") && !shown.contains("31"), "{shown}");
}
