//! Server cookies.
//!
//! The input: how, two secrets, the time, the client's address, then the data of a cookie option.

use std::net::IpAddr;

use rhumb::wire::cookie::{Cookie, Secret, Secrets};

/// Octets of how, two secrets, a time and an address.
const BEFORE: usize = 1 + 16 + 16 + 4 + 16;
/// Bits of how: the client has an IPv6 address; the cookie is made good by the first secret, or by the second; the time
/// in it is the present but for the signed octet that stands there; an octet is altered afterwards.
const V6: u8 = 1;
const GOOD: u8 = 2;
const BY_SECOND: u8 = 4;
const RECENT: u8 = 8;
const ALTERED: u8 = 16;

/// A cookie is whole and valid if and only if a plain reading of RFC 7873 and RFC 9018 says so, and one that is made
/// is what that reading makes.
pub fn cookie(data: &[u8]) {
    let Some((before, option)) = data.split_at_checked(BEFORE) else { return };
    let how = before[0];
    let secrets: [[u8; 16]; 2] = [&before[1..17], &before[17..33]].map(|octets| octets.try_into().expect("sixteen"));
    let now = u32::from_be_bytes(before[33..37].try_into().expect("four"));
    let address: [u8; 16] = before[37..].try_into().expect("sixteen");
    let client: IpAddr =
        if how & V6 == 0 { [address[0], address[1], address[2], address[3]].into() } else { address.into() };
    let option = prepared(option, how, &secrets, now, client);

    let is_whole = option.len() == 8 || (16..=40).contains(&option.len());
    let parsed = Cookie::parse(&option);
    assert_eq!(parsed.is_some(), is_whole, "{option:x?}");
    let Some(parsed) = parsed else { return };
    assert_eq!(parsed.client, option[..8]);

    let both = Secrets::new(secrets.map(Secret).to_vec());
    let valid: Vec<bool> = secrets.iter().map(|secret| is_valid(&option, secret, now, client)).collect();
    assert_eq!(both.accept(&parsed, client, now), valid[0] || valid[1], "{option:x?} of {client} at {now}");
    let second = Secrets::new(vec![Secret(secrets[1])]);
    assert_eq!(second.accept(&parsed, client, now), valid[1], "{option:x?} of {client} at {now}");
    assert!(!Secrets::default().accept(&parsed, client, now));

    let made = both.make(&parsed, client, now).expect("there is a secret");
    let mut expected = vec![1, 0, 0, 0];
    expected.extend(now.to_be_bytes());
    expected.extend(hash(&secrets[0], &option[..8], &expected, client));
    assert_eq!(made[..], expected);
    let again = [&option[..8], &made].concat();
    let again = Cookie::parse(&again).expect("what is made is whole");
    assert!(both.accept(&again, client, now));
}

/// The option as the input has it, or made a good one of that length.
fn prepared(option: &[u8], how: u8, secrets: &[[u8; 16]; 2], now: u32, client: IpAddr) -> Vec<u8> {
    let mut option = option.to_vec();
    if how & GOOD == 0 || option.len() < 24 {
        return option;
    }
    let altered = option.split_off(24);
    option[8] = 1;
    if how & RECENT != 0 {
        // As far as an hour and a bit, in steps of half a minute.
        let age = i32::from(option[12].cast_signed()) * 30 + i32::from(option[13] % 3) - 1;
        option[12..16].copy_from_slice(&now.wrapping_add_signed(-age).to_be_bytes());
    }
    let secret = &secrets[usize::from(how & BY_SECOND != 0)];
    let hash = hash(secret, &option[..8], &option[8..16], client);
    option[16..].copy_from_slice(&hash);
    if let (true, [at, bits, ..]) = (how & ALTERED != 0, &altered[..]) {
        option[usize::from(*at) % 24] ^= bits;
    }
    option
}

/// RFC 9018 section 4: version 1, any reserved octets, not above an hour old nor five minutes ahead, and the hash.
fn is_valid(option: &[u8], secret: &[u8; 16], now: u32, client: IpAddr) -> bool {
    let Some(server) = option.get(8..).filter(|server| server.len() == 16) else { return false };
    let made = u32::from_be_bytes(server[4..8].try_into().expect("four"));
    let (age, ahead) = (now.wrapping_sub(made), made.wrapping_sub(now));
    server[0] == 1 && (age <= 3600 || ahead <= 300) && server[8..] == hash(secret, &option[..8], &server[..8], client)
}

fn hash(secret: &[u8; 16], client_cookie: &[u8], before: &[u8], client: IpAddr) -> [u8; 8] {
    let address = match client {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    siphash([client_cookie, before, &address].concat(), secret).to_le_bytes()
}

/// SipHash-2-4 as its authors define it: "SipHash: a fast short-input PRF", section 2.
fn siphash(mut input: Vec<u8>, key: &[u8; 16]) -> u64 {
    let word = |octets: &[u8]| u64::from_le_bytes(octets.try_into().expect("eight"));
    let (k0, k1) = (word(&key[..8]), word(&key[8..]));
    let mut v = [
        k0 ^ u64::from_be_bytes(*b"somepseu"),
        k1 ^ u64::from_be_bytes(*b"dorandom"),
        k0 ^ u64::from_be_bytes(*b"lygenera"),
        k1 ^ u64::from_be_bytes(*b"tedbytes"),
    ];
    let length = input.len();
    input.resize(length / 8 * 8 + 7, 0);
    input.push(length as u8);
    for octets in input.chunks(8) {
        v[3] ^= word(octets);
        (0..2).for_each(|_| round(&mut v));
        v[0] ^= word(octets);
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round(v: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    (a, c) = (a.wrapping_add(b), c.wrapping_add(d));
    (b, d) = (b.rotate_left(13) ^ a, d.rotate_left(16) ^ c);
    a = a.rotate_left(32);
    (c, a) = (c.wrapping_add(b), a.wrapping_add(d));
    (b, d) = (b.rotate_left(17) ^ c, d.rotate_left(21) ^ a);
    c = c.rotate_left(32);
    *v = [a, b, c, d];
}
