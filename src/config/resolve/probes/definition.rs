//! A check's definition as a number (G5): a verdict counts only for the definition that it was found with.
//!
//! Kept verdicts bear the number, so that it must be the same in every version of the program. It is the SipHash-2-4
//! of these bytes, under a key that never changes:
//!
//! - a number is 8 bytes, least significant first; a truth value is the number 0 or 1; a text is its length in bytes,
//!   then the bytes; a list is its length, then its elements; an optional value is a list of none or one;
//! - a name is its wire form, uncompressed, as a text;
//! - first a text, the kind: `http`, `tcp`, `tls`, `dns` or `calculated`;
//! - then the kind's own values, in the order of [`kind`];
//! - then `inverted`, `disabled`, the target as an optional pair of host (text) and optional port, the optional port,
//!   and for calculated checks the list of the definitions of all operands' probes.
//!
//! The name is in the probe's key. The interval, the timeout, `fall` and `rise` are left out: they say how fast a
//! verdict changes, not what it is about. So is `allow_private`, which says whether there is one.
//!
//! A value that is added later is written only where it is not what it was before it could be told.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::config::model::{Check, CheckKind, ProbeTarget};

const KEY: [u8; 16] = *b"rhumb definition";

/// The number of a check; `below` are those of a calculated check's operands.
pub(super) fn definition(check: &Check, below: &[u64]) -> u64 {
    let Check {
        name: _,
        kind: what,
        interval: _,
        timeout: _,
        fall: _,
        rise: _,
        inverted,
        disabled,
        allow_private: _,
        target,
        port,
    } = check;
    let mut out = Bytes(SipHasher24::new_with_key(&KEY));
    kind(&mut out, what);
    out.truth(*inverted);
    out.truth(*disabled);
    out.list(target, |out, ProbeTarget { host, port }| {
        out.text(host);
        out.list(port, |out, port| out.number(u64::from(*port)));
    });
    out.list(port, |out, port| out.number(u64::from(*port)));
    out.list(below, |out, definition| out.number(*definition));
    out.0.finish()
}

fn kind(out: &mut Bytes, kind: &CheckKind) {
    match kind {
        CheckKind::Http { tls, host, path, method, headers, status, body, verify } => {
            out.text("http");
            out.truth(*tls);
            out.list(host, |out, host| out.text(host));
            out.text(path);
            out.text(method);
            out.list(headers, |out, (name, value)| {
                out.text(name);
                out.text(value);
            });
            out.list(status, |out, (from, to)| {
                out.number(u64::from(*from));
                out.number(u64::from(*to));
            });
            out.list(body, |out, body| out.text(body));
            out.truth(*verify);
        }
        CheckKind::Tcp { send, expect } => {
            out.text("tcp");
            out.list(send, |out, send| out.text(send));
            out.list(expect, |out, expect| out.text(expect));
        }
        CheckKind::Tls { host, verify } => {
            out.text("tls");
            out.list(host, |out, host| out.text(host));
            out.truth(*verify);
        }
        CheckKind::Dns { qname, qtype, rcodes, answers } => {
            out.text("dns");
            out.bytes(qname.as_wire());
            out.number(u64::from(qtype.0));
            out.list(rcodes, |out, rcode| out.number(u64::from(*rcode)));
            out.list(answers, |out, answer| out.text(answer));
        }
        CheckKind::Calculated { at_least } => {
            out.text("calculated");
            out.number(u64::from(*at_least));
        }
    }
}

struct Bytes(SipHasher24);

impl Bytes {
    fn number(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }

    fn truth(&mut self, truth: bool) {
        self.number(u64::from(truth));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.write(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list<'a, T: 'a, I>(&mut self, list: I, mut each: impl FnMut(&mut Self, &'a T))
    where
        I: IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
    {
        let list = list.into_iter();
        self.number(list.len() as u64);
        list.for_each(|element| each(self, element));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::wire::{Name, RecordType};

    fn check(kind: CheckKind) -> Check {
        Check {
            name: "example.com/c".into(),
            kind,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
            inverted: false,
            disabled: false,
            allow_private: false,
            target: None,
            port: None,
        }
    }

    fn http() -> Check {
        check(CheckKind::Http {
            tls: true,
            host: Some("www.example.com".into()),
            path: "/up".into(),
            method: "GET".into(),
            headers: vec![("x-a".into(), "b".into())],
            status: vec![(200, 299), (301, 301)],
            body: None,
            verify: true,
        })
    }

    fn plain(expect: Option<&str>) -> Check {
        check(CheckKind::Tcp { send: None, expect: expect.map(str::to_owned) })
    }

    #[test]
    fn g5_definitions_are_the_same_in_every_version() {
        let tls = check(CheckKind::Tls { host: None, verify: false });
        let dns = check(CheckKind::Dns {
            qname: Name::absolute("example.com").unwrap(),
            qtype: RecordType::A,
            rcodes: BTreeSet::from([0, 3]),
            answers: vec!["192.0.2.1".into()],
        });
        let calculated = check(CheckKind::Calculated { at_least: 2 });
        let target = Some(ProbeTarget { host: "db.example.net".into(), port: Some(5432) });
        let tcp = Check { inverted: true, target, port: Some(80), ..plain(Some("ready")) };
        // Whoever changes one of these makes every kept verdict of that kind void at the update.
        assert_eq!(definition(&http(), &[]), 0xf9f9_bd89_2953_6d63);
        assert_eq!(definition(&tcp, &[]), 0xbf04_2c33_ab65_21c7);
        assert_eq!(definition(&tls, &[]), 0xdbe8_fa9c_4827_cfe0);
        assert_eq!(definition(&dns, &[]), 0x7428_651f_93e7_85e7);
        assert_eq!(definition(&calculated, &[1, u64::MAX]), 0xaf9f_bebd_113a_2da8);
    }

    /// The documented form, written out by hand.
    #[test]
    fn g5_a_definition_is_the_hash_of_the_documented_bytes() {
        let number = |number: u64| number.to_le_bytes();
        let mut bytes = Vec::new();
        bytes.extend(number(3));
        bytes.extend(b"tcp");
        bytes.extend(number(0));
        bytes.extend(number(1));
        bytes.extend(number(2));
        bytes.extend(b"ok");
        for inverted_disabled_target_port in [1, 0, 0] {
            bytes.extend(number(inverted_disabled_target_port));
        }
        bytes.extend(number(1));
        bytes.extend(number(443));
        bytes.extend(number(0));
        let check = Check { inverted: true, port: Some(443), ..plain(Some("ok")) };
        assert_eq!(definition(&check, &[]), SipHasher24::new_with_key(&KEY).hash(&bytes));
    }

    #[test]
    fn g5_times_thresholds_name_and_permission_are_no_part_of_a_definition() {
        let other = Check {
            name: "example.com/other".into(),
            interval: Duration::from_secs(7),
            timeout: Duration::from_secs(3),
            fall: 9,
            rise: 8,
            allow_private: true,
            ..http()
        };
        assert_eq!(definition(&http(), &[]), definition(&other, &[]));
    }

    #[test]
    fn g5_all_else_is_and_values_do_not_run_into_one_another() {
        let target = |host: &str, port| Some(ProbeTarget { host: host.into(), port });
        let with = |send: Option<&str>, expect: Option<&str>| {
            check(CheckKind::Tcp { send: send.map(str::to_owned), expect: expect.map(str::to_owned) })
        };
        let all = [
            definition(&with(None, None), &[]),
            definition(&with(Some("a"), None), &[]),
            definition(&with(None, Some("a")), &[]),
            definition(&with(Some("ab"), Some("c")), &[]),
            definition(&with(Some("a"), Some("bc")), &[]),
            definition(&Check { inverted: true, ..plain(None) }, &[]),
            definition(&Check { disabled: true, ..plain(None) }, &[]),
            definition(&Check { port: Some(1), ..plain(None) }, &[]),
            definition(&Check { target: target("a", None), ..plain(None) }, &[]),
            definition(&Check { target: target("a", Some(1)), ..plain(None) }, &[]),
            definition(&Check { target: target("b", None), ..plain(None) }, &[]),
            definition(&plain(None), &[1]),
            definition(&plain(None), &[1, 1]),
        ];
        assert_eq!(BTreeSet::from(all).len(), all.len(), "{all:x?}");
    }
}
