//! The engine: any octets in, a reply that the rules allow or none.

use rhumb::answer::Carrier;
use rhumb::wire::{Name, RecordType};

use super::plain::{self, Asked, Plain};
use super::served::{IDENTITY, is_ours, served};
use crate::harness::{Ask, Reply};

const NOERROR: u16 = 0;
const FORMERR: u16 = 1;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;
const YXDOMAIN: u16 = 6;
const BADVERS: u16 = 16;
const BADCOOKIE: u16 = 23;

/// Octets that a datagram's buffer holds; longer ones never come from a socket.
const DATAGRAM_MOST: usize = 4096;

/// Asks over each carrier, and judges each reply and what they have in common.
pub fn engine(data: &[u8]) {
    let expected = plain::read(data);
    let draw = data.iter().fold(0, |sum: u64, octet| sum.wrapping_mul(31).wrapping_add(u64::from(*octet)));
    let reply = |carrier| {
        let sender = if draw & 1 == 0 { [192, 0, 2, 9].into() } else { "2001:db8::9".parse().expect("an address") };
        let ask = Ask { carrier, sender, draw, ..Ask::a("ignored.") };
        let reply = served().raw(data, &ask);
        assert_eq!(served().raw(data, &ask), reply, "the same query and the same draw, the same reply");
        let reply = reply.map(|bytes| Reply::read(&bytes));
        assert_eq!(reply.is_none(), expected == Plain::Nothing, "{expected:?}: {reply:?}");
        let reply = reply?;
        header(data, &reply);
        match &expected {
            Plain::Nothing => {}
            Plain::Opcode(4 | 5) => {}
            Plain::NoQuestion { with_opt: true, with_cookie } => no_question(*with_cookie, &reply),
            Plain::Opcode(_) => header_only(&reply, NOTIMP),
            Plain::NoQuestion { with_opt: false, .. } => header_only(&reply, FORMERR),
            Plain::Question(asked) => question(data, asked, carrier, &reply),
        }
        Some(reply)
    };
    let stream = reply(Carrier::Stream);
    let encrypted = reply(Carrier::Encrypted);
    // Options differ with the carrier, the answer does not (protocol 23).
    same(&stream, &encrypted);
    if data.len() <= DATAGRAM_MOST {
        let datagram = reply(Carrier::Datagram);
        let is_transfer = matches!(&expected, Plain::Question(asked) if matches!(asked.qtype, 251 | 252));
        if !is_transfer && datagram.as_ref().is_some_and(|reply| !reply.tc) {
            same(&stream, &datagram);
        }
    }
}

fn same(one: &Option<Reply>, other: &Option<Reply>) {
    let seen = |reply: &Reply| (reply.rcode, reply.aa, reply.answer.clone(), reply.authority.clone());
    assert_eq!(one.as_ref().map(seen), other.as_ref().map(seen));
}

/// Protocol 1.
fn header(query: &[u8], reply: &Reply) {
    assert_eq!(reply.bytes[..2], query[..2], "the ID");
    assert_eq!(reply.opcode, query[2] >> 3 & 0xf, "the opcode");
    assert_eq!(reply.rd, query[2] & 1 != 0, "RD");
    assert!(!reply.ra && !reply.ad && !reply.cd && !reply.z, "{reply:?}");
}

/// Protocol 3 and 4.
fn header_only(reply: &Reply, rcode: u16) {
    assert_eq!((reply.bytes.len(), &reply.bytes[4..]), (12, &[0; 8][..]));
    assert_eq!((reply.rcode, reply.aa, reply.tc), (rcode, false, false));
}

/// Protocol 3, 17 and 19: nothing of any zone, since none was asked for.
fn no_question(with_cookie: bool, reply: &Reply) {
    const EXPIRE: u16 = 9;
    const ZONEVERSION: u16 = 19;
    let due: &[u16] = if with_cookie { &[NOERROR, BADCOOKIE] } else { &[FORMERR] };
    assert!(due.contains(&reply.rcode) && reply.question.is_empty() && reply.bytes[6..10] == [0; 4], "{reply:?}");
    let edns = reply.edns.as_ref().expect("OPT if OPT");
    assert!(!edns.options.iter().any(|(code, _)| [EXPIRE, ZONEVERSION].contains(code)), "{reply:?}");
}

fn question(query: &[u8], asked: &Asked, carrier: Carrier, reply: &Reply) {
    assert_eq!(reply.bytes[12..asked.end], query[12..asked.end], "the question, byte for byte");
    assert_eq!(reply.question.len(), 1);
    size(asked, carrier, reply);
    if asked.well_formed && asked.signed {
        // Whether it is answered depends on keys.
        return;
    }
    edns(asked, reply);
    let records = [&reply.answer, &reply.authority, &reply.additional];
    if reply.tc {
        assert!(carrier.is_datagram() || reply.bytes.len() > 512, "a stream has room: {reply:?}");
        assert!(records.iter().all(|section| section.is_empty()), "never part of an answer: {reply:?}");
    }
    for record in records.into_iter().flatten() {
        assert!(record.class == 1 || record.class == asked.qclass && asked.qclass == 3, "{record:?}");
        assert!(record.ttl <= i32::MAX as u32 && !record.rtype.is_meta(), "{record:?}");
    }
    let version = asked.opt.as_ref().map_or(0, |opt| opt.version);
    let fixed = match RecordType(asked.qtype) {
        _ if !asked.well_formed => Some(FORMERR),
        _ if version > 0 => Some(BADVERS),
        RecordType::OPT | RecordType::TSIG | RecordType::TKEY | RecordType::NXNAME => Some(FORMERR),
        // Configured texts, else refused (protocol 30).
        _ if asked.qclass == 3 && reply.rcode == NOERROR => return,
        _ if asked.qclass != 1 => Some(REFUSED),
        RecordType::AXFR if carrier.is_datagram() => Some(NOTIMP),
        RecordType::AXFR | RecordType::IXFR => return,
        _ => None,
    };
    match fixed {
        None if reply.rcode == BADCOOKIE => assert!(asked.has_option(10), "{asked:?}"),
        None => answer(asked, reply),
        Some(rcode) => {
            assert_eq!(reply.rcode, rcode, "{asked:?}: {reply:?}");
            assert!(!reply.aa && records.iter().all(|section| section.is_empty()), "{reply:?}");
        }
    }
}

/// Protocol 7.
fn size(asked: &Asked, carrier: Carrier, reply: &Reply) {
    let limit = match (&asked.opt, carrier.is_datagram()) {
        (_, false) => 65_535,
        (None, true) => 512,
        (Some(opt), true) => usize::from(opt.payload.clamp(512, 1232)),
    };
    assert!(reply.bytes.len() <= limit, "{} octets where {limit} are allowed", reply.bytes.len());
}

/// Protocol 17, 18 and 20.
fn edns(asked: &Asked, reply: &Reply) {
    assert_eq!(reply.edns.is_some(), asked.opt.is_some(), "OPT if and only if OPT: {asked:?}");
    let (Some(sent), Some(got)) = (&asked.opt, &reply.edns) else { return };
    assert_eq!((got.version, got.dnssec_ok), (0, sent.dnssec_ok));
    assert!(got.payload >= 512, "{got:?}");
    let subnet = sent.option(8).and_then(plain::subnet);
    let echoed = reply.ecs().map(|ecs| (ecs.family, ecs.source, ecs.address));
    assert_eq!(echoed, subnet, "the client subnet goes back as it came: {asked:?}");
    if let Some(ecs) = reply.ecs() {
        assert!(ecs.scope <= if ecs.family == 1 { 32 } else { 128 }, "{ecs:?}");
        assert!(ecs.family != 0 || ecs.scope == 0, "{ecs:?}");
    }
    let options = |code| got.options.iter().filter(move |(other, _)| *other == code).map(|(_, data)| &data[..]);
    for code in got.options.iter().map(|(code, _)| *code) {
        assert_eq!(options(code).count(), 1, "each option once: {got:?}");
    }
    // What cannot be read is answered briefly.
    let identity = sent.option(3).filter(|_| asked.well_formed).map(|_| IDENTITY.as_bytes());
    assert_eq!(options(3).next(), identity, "NSID if and only if asked: {asked:?}");
    let has_error = options(15).next().is_some();
    assert!(!has_error || ![NOERROR, NXDOMAIN].contains(&reply.rcode), "none on success: {reply:?}");
}

/// Protocol 5 and 8 to 12.
fn answer(asked: &Asked, reply: &Reply) {
    let is_empty = reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty();
    if !is_ours(&asked.name) {
        assert_eq!((reply.rcode, reply.aa, is_empty), (REFUSED, false, true), "{asked:?}: {reply:?}");
        let error = reply.extended_error();
        assert!(reply.edns.is_none() || error == Some(20), "{reply:?}");
        return;
    }
    assert!([NOERROR, NXDOMAIN, YXDOMAIN, SERVFAIL].contains(&reply.rcode), "{asked:?}: {reply:?}");
    if reply.rcode == SERVFAIL {
        assert!(is_empty && !reply.aa, "{reply:?}");
        return;
    }
    if reply.tc {
        return;
    }
    let end = chain(asked, reply);
    let (soa, ns) = (RecordType::SOA, RecordType::NS);
    let in_authority = |rtype| reply.authority.iter().any(|record| record.rtype == rtype);
    let cut = in_authority(ns).then(|| reply.authority[0].owner.clone());
    if let Some(cut) = &cut {
        assert!(end.is_within(cut) && reply.rcode == NOERROR, "{reply:?}");
        assert_eq!(reply.aa, !reply.answer.is_empty(), "a referral is not authoritative: {reply:?}");
        return;
    }
    assert!(reply.aa, "{reply:?}");
    let has_data = reply.answer.last().is_some_and(|last| last.rtype != RecordType::CNAME && last.owner == end);
    let wants_any = asked.qtype == RecordType::ANY.0 || asked.qtype == RecordType::CNAME.0;
    let leads_out = reply.answer.last().is_some_and(|last| last.rtype == RecordType::CNAME) && !is_ours(&end);
    let is_loop = reply.answer.iter().filter(|record| record.owner == end).count() > 0;
    if has_data || wants_any && !reply.answer.is_empty() || leads_out || is_loop {
        assert!(!in_authority(soa), "{reply:?}");
    } else if reply.rcode != YXDOMAIN && reply.answer.len() < 16 {
        // NODATA and NXDOMAIN say for how long.
        assert_eq!(reply.authority.len(), 1, "{asked:?}: {reply:?}");
        let soa = &reply.authority[0];
        assert!(soa.rtype == RecordType::SOA && soa.ttl <= soa.soa_minimum(), "{reply:?}");
        assert!(end.is_within(&soa.owner), "{reply:?}");
    }
}

/// Follows the answer from the name that was asked to where it ends; every record is a link or the last RRset.
fn chain(asked: &Asked, reply: &Reply) -> Name {
    let mut name = asked.name.clone();
    let mut records = reply.answer.iter().peekable();
    while let Some(record) = records.next() {
        if record.rtype == RecordType::DNAME && record.owner != name {
            assert!(name.is_within(&record.owner), "{reply:?}");
            continue;
        }
        assert_eq!(record.owner, name, "{reply:?}");
        let follows = records.peek().is_some_and(|next| next.owner != name || next.rtype != record.rtype);
        if record.rtype == RecordType::CNAME && (follows || asked.qtype != RecordType::CNAME.0) {
            name = record.name();
        }
    }
    name
}
