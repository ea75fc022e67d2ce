//! DNS cookies (RFC 7873, 9018): who answers a server cookie can be reached at the address that it sends from.
//!
//! A server cookie is version 1, three reserved octets, the time of its making in seconds as 32 bits, and the SipHash-2-4 of
//! the client cookie, those eight octets and the client's address (RFC 9018 section 4). Nothing is kept for a client.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Octets of a client cookie.
pub const CLIENT: usize = 8;
/// Octets of our server cookies.
pub const SERVER: usize = 16;
/// Octets of a server cookie of anybody's (RFC 7873 section 4).
const ANY_SERVER: std::ops::RangeInclusive<usize> = 8..=32;
/// The only version of a server cookie that there is.
const VERSION: u8 = 1;
/// Seconds that a cookie may be old, and that it may be ahead of us (RFC 9018 section 4.3).
const OLDEST: i32 = 60 * 60;
const AHEAD: i32 = 5 * 60;
/// Octets of a secret.
pub const SECRET: usize = 16;

/// What signs server cookies. Servers of one address share it (RFC 9018 section 5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; SECRET]);

/// The secrets of a server: the first one signs, all are accepted, so that one can follow another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(Vec<Secret>);

/// The cookie option of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The client's own.
    pub client: [u8; CLIENT],
    /// What the client takes for ours; zeros, which are nobody's, for one of another length.
    server: Option<[u8; SERVER]>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Cookie {
    /// Reads the option's data. `None` is FORMERR: neither 8 nor 16 to 40 octets (RFC 7873 section 5.2.2).
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (client, server) = data.split_first_chunk()?;
        let is_whole = server.is_empty() || ANY_SERVER.contains(&server.len());
        let server = (!server.is_empty()).then(|| server.try_into().unwrap_or_default());
        is_whole.then_some(Self { client: *client, server })
    }

    /// Whether there is a server cookie in it, valid or not.
    pub fn has_server(&self) -> bool {
        self.server.is_some()
    }
}

impl Secrets {
    /// In this order; without any no cookie is valid, and none is made.
    pub fn new(secrets: Vec<Secret>) -> Self {
        Self(secrets)
    }

    /// Whether cookies are spoken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `cookie` holds a server cookie that we, or who shares a secret with us, gave this client within the last
    /// hour. `now` in seconds since 1970, of which only differences count.
    pub fn accept(&self, cookie: &Cookie, client: IpAddr, now: u32) -> bool {
        let Some(server) = cookie.server else { return false };
        let [VERSION, _, _, _, time @ .., _, _, _, _, _, _, _, _] = server else { return false };
        // Serial number arithmetic (RFC 1982), as time in 32 bits wraps.
        let age = now.wrapping_sub(u32::from_be_bytes(time)).cast_signed();
        let (head, given) = (&server[..8], &server[8..]);
        (-AHEAD..=OLDEST).contains(&age)
            && self.0.iter().any(|secret| is_same(&secret.hash(&cookie.client, head, client), given))
    }

    /// A server cookie for this client, made at `now`; `None` without a secret.
    pub fn make(&self, cookie: &Cookie, client: IpAddr, now: u32) -> Option<[u8; SERVER]> {
        let mut server = [0; SERVER];
        server[0] = VERSION;
        server[4..8].copy_from_slice(&now.to_be_bytes());
        let hash = self.0.first()?.hash(&cookie.client, &server[..8], client);
        server[8..].copy_from_slice(&hash);
        Some(server)
    }
}

impl Secret {
    /// One that nobody tells who does not know `seed`.
    pub fn derived(seed: u64) -> Self {
        let mut octets = [0; SECRET];
        for (part, octets) in octets.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let mut hasher = SipHasher24::new_with_keys(seed, part as u64);
            hasher.write(b"server cookies");
            *octets = hasher.finish().to_le_bytes();
        }
        Self(octets)
    }

    fn hash(&self, client_cookie: &[u8; CLIENT], head: &[u8], client: IpAddr) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(client_cookie);
        hasher.write(head);
        match client {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.finish().to_le_bytes()
    }
}

/// In a time that tells nothing of where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn secret(text: &str) -> Secret {
        Secret(hex(text).try_into().unwrap())
    }

    /// RFC 9018 appendix A: secrets, the client's address, its cookies, the time, the server cookie that it gets.
    #[track_caller]
    fn vector(secrets: &[&str], client: &str, sent: &str, now: u32, answered: &str, is_valid: bool) {
        let secrets = Secrets::new(secrets.iter().map(|text| secret(text)).collect());
        let (client, cookie) = (client.parse().unwrap(), Cookie::parse(&hex(sent)).unwrap());
        assert_eq!(secrets.make(&cookie, client, now).unwrap(), *hex(answered));
        assert_eq!(secrets.accept(&cookie, client, now), is_valid);
    }

    #[test]
    fn p19_cookies_are_those_of_rfc_9018_appendix_a() {
        const OLD: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
        vector(&[OLD], "198.51.100.100", "2464c4abcf10c957", 1559731985, "010000005cf79f111f8130c3eee29480", false);
        vector(
            &[OLD],
            "198.51.100.100",
            "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
            1559734385,
            "010000005cf7a871d4a564a1442aca77",
            true,
        );
        // With reserved octets that are not zero.
        vector(
            &[OLD],
            "203.0.113.203",
            "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
            1559734700,
            "010000005cf7a9acf73a7810aca2381e",
            false,
        );
        vector(
            &["445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715"],
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
            1559741961,
            "010000005cf7c609a6bb79d16625507a",
            true,
        );
    }

    #[test]
    fn p19_lengths_other_than_8_and_16_to_40_are_malformed() {
        for len in 0..80 {
            assert_eq!(Cookie::parse(&vec![7; len]).is_some(), len == 8 || (16..=40).contains(&len), "{len}");
        }
    }

    proptest! {
        #[test]
        fn p19_a_cookie_is_good_for_its_client_for_an_hour_and_no_other(
            own: [u8; 8], key: [u8; 16], client: [u8; 4], made: u32, age in -1000i32..8000, bit in 0usize..128,
        ) {
            let secrets = Secrets::new(vec![Secret(key)]);
            let fresh = Cookie { client: own, server: None };
            let server = secrets.make(&fresh, client.into(), made).unwrap();
            let cookie = Cookie { client: own, server: Some(server) };
            let now = made.wrapping_add_signed(age);
            prop_assert_eq!(secrets.accept(&cookie, client.into(), now), (-300..=3600).contains(&age));
            let mut turned = server;
            turned[bit / 8] ^= 1 << (bit % 8);
            let turned = Cookie { client: own, server: Some(turned) };
            prop_assert!(!secrets.accept(&turned, client.into(), made));
            let other = Ipv4Addr::from(client).to_bits() ^ 1 << (bit % 32);
            prop_assert!(!secrets.accept(&cookie, Ipv4Addr::from(other).into(), made));
            prop_assert!(!Secrets::default().accept(&cookie, client.into(), made));
        }
    }
}
