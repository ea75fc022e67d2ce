//! A zone that comes from a primary which says anything.
//!
//! The input: how, and then messages of an octet of length each, or rows of four octets from a small alphabet.

use std::collections::BTreeSet;
use std::sync::Arc;

use rhumb::config::model::{Expiry, Origin, Soa};
use rhumb::config::{Content, complete};
use rhumb::secondary::incoming::{Fault, Held, Incoming, Outcome};
use rhumb::wire::{RecordType, Records, RecordsBuilder, push_record};

use super::laid::{self, APEX, Sets, ground, key, name, serve};

const ID: u16 = 0x1234;
/// Bits of how: differences of what is held were asked for; the messages are as the input has them.
const HELD: u8 = 1;
const RAW: u8 = 2;
/// The serial of what is held.
const SERIAL: u32 = 7;

const OWNERS: [&str; 8] = [
    APEX,
    "a.example.com.",
    "A.example.com.",
    "b.a.example.com.",
    "*.example.com.",
    "s.example.com.",
    "ns.example.com.",
    "example.org.",
];
const TYPES: [RecordType; 8] = [
    RecordType::SOA,
    RecordType::A,
    RecordType::NS,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::DNAME,
    RecordType::TSIG,
    RecordType(731),
];

/// A row as the alphabet has it.
#[derive(Clone, Debug)]
struct Row {
    owner: &'static str,
    rtype: RecordType,
    class: u16,
    ttl: u32,
    rdata: Vec<u8>,
    /// Data that is none of its type.
    is_sound: bool,
}

/// What a transfer comes to: nothing of it is taken that a plain reading of RFC 5936 and RFC 1995 does not take, what is
/// taken is what that comes to, and it is found faulty or answers.
pub fn transfer(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let ours = (how & HELD != 0).then(held);
    if how & RAW != 0 {
        let messages = cut(rest).into_iter().map(|body| framed(&body));
        if let Some((held, _)) = taken(ours, messages) {
            lay(held);
        }
        return;
    }
    let mut sent = Vec::new();
    let mut rows = Vec::new();
    for chunk in rest.chunks_exact(4) {
        rows.push(row(chunk));
        if chunk[3] & 0x80 != 0 {
            sent.push(std::mem::take(&mut rows));
        }
    }
    sent.push(rows);
    let expected = plain(ours.as_ref(), &sent);
    let result = taken(ours.clone(), sent.iter().map(|rows| message(rows)));
    match (expected, result) {
        (None, None) => {}
        (Some((soa, sets, after)), Some((held, count))) => {
            assert_eq!((held.soa.serial, count), (soa, after), "{sent:?}");
            assert_eq!(laid::sets(&held.records), sets, "{sent:?}");
            lay(held);
        }
        (expected, result) => panic!("{sent:?} of {ours:?}: {expected:?}, not {result:?}"),
    }
}

/// What is held before: the apex's NS, and some addresses.
fn held() -> Held {
    let records = RecordsBuilder::new()
        .with(&name(APEX), RecordType::NS, 60, &[&data(RecordType::NS, 0)[..]])
        .with(&name("a.example.com."), RecordType::A, 60, &[&data(RecordType::A, 0)[..], &data(RecordType::A, 1)])
        .with(&name("a.example.com."), RecordType::TXT, 60, &[&data(RecordType::TXT, 0)[..]])
        .with(&name("b.a.example.com."), RecordType::CNAME, 60, &[&data(RecordType::CNAME, 0)[..]]);
    Held { soa: laid::soa(SERIAL), records: Arc::new(records.finish()) }
}

/// Puts messages in; what they come to, and how many it took.
fn taken(ours: Option<Held>, messages: impl Iterator<Item = Vec<u8>>) -> Option<(Held, usize)> {
    let mut incoming = Incoming::new(name(APEX), ID, ours.clone());
    for (count, message) in messages.enumerate() {
        match incoming.message(&message) {
            Ok(None) => {}
            Ok(Some(Outcome::Current)) => return Some((ours.expect("there is something to be current"), count + 1)),
            Ok(Some(Outcome::New(new))) => return Some((new.finish(), count + 1)),
            Err(fault) => {
                let text = fault.to_string();
                assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
                let over = |after: Result<Option<Outcome>, Fault>| assert!(after.is_err(), "{after:?}");
                over(incoming.message(&message));
                over(incoming.message(&framed(&[])));
                return None;
            }
        }
    }
    None
}

/// Puts a transferred zone together with what is laid over it, and asks.
fn lay(held: Held) {
    let ground = ground(Origin::Primaries(Vec::new()));
    let Held { soa, records } = held;
    let serial = soa.serial;
    let zone = complete(&ground, Some(&Content::Transferred { soa, records, expiry: Expiry::default() }))
        .expect("there is content");
    assert_eq!(zone.soa.serial, serial);
    serve(&zone);
}

/// Pieces with an octet of length before each, the last one what is left.
fn cut(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = octets;
    while let Some((&length, behind)) = rest.split_first() {
        // Up to four times as much fits; a message has more than a name.
        let (piece, behind) = behind.split_at(behind.len().min(usize::from(length) * 4));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces
}

/// A message with a good header before what the input has behind the flags.
fn framed(body: &[u8]) -> Vec<u8> {
    [&ID.to_be_bytes(), &[0x84, 0][..], body].concat()
}

fn message(rows: &[Row]) -> Vec<u8> {
    let count = (rows.len() as u16).to_be_bytes();
    let mut message = framed(&[&[0, 0][..], &count, &[0; 4]].concat());
    for row in rows {
        let data = if row.is_sound { &row.rdata[..] } else { &row.rdata[..row.rdata.len() - 1] };
        push_record(&mut message, name(row.owner).view(), row.rtype, row.class, row.ttl, data);
    }
    message
}

fn row(chunk: &[u8]) -> Row {
    let rtype = TYPES[usize::from(chunk[1] & 7)];
    Row {
        owner: OWNERS[usize::from(chunk[0] & 7)],
        rtype,
        class: if chunk[1] & 0xf0 == 0x50 { 3 } else { 1 },
        ttl: [60, 61, 0, 0x8000_0001][usize::from(chunk[2] >> 6)],
        rdata: data(rtype, chunk[2] & 7),
        is_sound: chunk[3] & 0x1f != 0x1f || rtype.0 == 731,
    }
}

/// The data of a type with this number.
fn data(rtype: RecordType, number: u8) -> Vec<u8> {
    match rtype {
        RecordType::SOA => {
            // Later ones, ours, an earlier one, and one that is half the circle away.
            let serial = [8, 9, SERIAL, 6, 10, 11, SERIAL.wrapping_add(1 << 31), u32::MAX][usize::from(number)];
            laid::soa(serial).data()
        }
        RecordType::A => vec![192, 0, 2, number],
        RecordType::TXT => vec![1, b'0' + number],
        RecordType(731) | RecordType::TSIG => vec![number],
        _ => name(&format!("n{number}.example.com.")).as_wire().to_vec(),
    }
}

/// Serial, RRsets, and the number of messages that it took; `None`: it is not taken, or not all of it has come.
fn plain(ours: Option<&Held>, sent: &[Vec<Row>]) -> Option<(u32, Sets, usize)> {
    let serial = |row: &Row| Soa::read(&row.rdata, 0).expect("an SOA").serial;
    let is_soa = |row: &&Row| row.rtype == RecordType::SOA;
    for count in 1..=sent.len() {
        let rows: Vec<&Row> = sent[..count].iter().flatten().collect();
        if rows.iter().any(|row| is_stray(row)) {
            return None;
        }
        // The first record of all is the newest SOA.
        let newest = serial(rows.first().filter(|row| is_soa(row))?);
        let is_newer = |than: u32| newest.wrapping_sub(than) as i32 > 0;
        let rest = &rows[1..];
        let Some(second) = rest.first() else {
            // RFC 1995 section 2 and 4: alone it says that nothing is newer.
            match ours {
                Some(ours) if !is_newer(ours.soa.serial) => {
                    return Some((ours.soa.serial, sets_of(&ours.records), count));
                }
                _ => continue,
            }
        };
        let is_differences =
            ours.is_some_and(|ours| is_soa(second) && serial(second) == ours.soa.serial) && serial(second) != newest;
        let finished = match ours {
            Some(ours) if is_differences => differences(sets_of(&ours.records), rest, newest)?,
            _ => whole(rest, newest)?,
        };
        if let Some(sets) = finished {
            return Some((newest, sets, count));
        }
    }
    None
}

fn sets_of(records: &Records) -> Sets {
    laid::sets(records)
}

fn is_stray(row: &Row) -> bool {
    let is_within = row.owner.to_ascii_lowercase().ends_with(APEX);
    let is_apex = row.owner == APEX;
    row.class != 1
        || row.rtype == RecordType::TSIG
        || !is_within
        || !row.is_sound
        || row.rtype == RecordType::SOA && !is_apex
}

fn ttl(row: &Row) -> u32 {
    // RFC 2181 section 8.
    if row.ttl >> 31 == 1 { 0 } else { row.ttl }
}

/// RFC 5936 section 2.2: all up to the same SOA again. `Some(None)`: more is to come.
fn whole(rest: &[&Row], newest: u32) -> Option<Option<Sets>> {
    let mut sets = Sets::new();
    for (at, row) in rest.iter().enumerate() {
        if row.rtype == RecordType::SOA {
            let is_end = Soa::read(&row.rdata, 0)?.serial == newest && at + 1 == rest.len();
            return is_end.then_some(Some(sets));
        }
        let place = (key(name(row.owner).view()), row.rtype.0);
        let (lowest, data) = sets.entry(place).or_insert((u32::MAX, BTreeSet::new()));
        *lowest = (*lowest).min(ttl(row));
        data.insert(row.rdata.clone());
    }
    Some(None)
}

/// RFC 1995 section 4: from the old SOA on, what is taken away and, behind a newer one, what is added, until the newest
/// SOA stands where an old one would. `Some(None)`: more is to come.
fn differences(mut sets: Sets, rest: &[&Row], newest: u32) -> Option<Option<Sets>> {
    let (mut is_adding, mut reached) = (true, None);
    for (at, row) in rest.iter().enumerate() {
        if row.rtype == RecordType::SOA {
            let serial = Soa::read(&row.rdata, 0)?.serial;
            is_adding = !is_adding;
            if is_adding {
                reached = Some(serial);
                continue;
            }
            if at > 0 && reached != Some(serial) {
                return None;
            }
            if at > 0 && serial == newest {
                return (at + 1 == rest.len()).then_some(Some(sets));
            }
            continue;
        }
        let place = (key(name(row.owner).view()), row.rtype.0);
        if is_adding {
            let (last, data) = sets.entry(place).or_default();
            *last = ttl(row);
            if !data.insert(row.rdata.clone()) {
                return None;
            }
        } else {
            let (_, data) = sets.get_mut(&place)?;
            if !data.remove(&row.rdata) {
                return None;
            }
            if data.is_empty() {
                sets.remove(&place);
            }
        }
    }
    Some(None)
}
