//! Master files and the text form of record data.

use domain::base::Message;
use domain::base::rdata::ComposeRecordData;
use domain::rdata::AllRecordData;
use hickory_proto::op::Message as HickoryMessage;
use rhumb::wire::master::{MasterError, MasterRecord, scan, scan_parts};
use rhumb::wire::text::{format_rdata, parse_rdata, rdata_fault};
use rhumb::wire::{Name, RecordType};

/// Of a message with one question for the root and one answer of the root, before the answer's type.
const BEFORE_TYPE: [u8; 18] = [0, 0, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0];
/// What faults are told in; a huge token is not repeated whole.
const LONGEST_FAULT: usize = 2000;

/// A master file is records and faults with their places; what is taken is well formed for everybody.
pub fn zone_text(data: &[u8]) {
    let origin = Name::absolute("example.com.").expect("a name");
    let (records, errors) = scan(data, &origin, 300);
    let lines = 1 + data.iter().filter(|octet| **octet == b'\n').count();
    for record in &records {
        assert!((1..=lines).contains(&record.line), "{record:?}");
        assert_eq!(Name::from_wire(record.owner.as_wire()).as_ref(), Ok(&record.owner));
        assert!(record.ttl <= i32::MAX as u32, "{record:?}");
        taken(record.rtype, &record.rdata);
    }
    for error in &errors {
        assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error:?}");
        told(&error.message);
    }
    in_parts(data, &origin, &records, &errors);
}

/// Cut into parts that are read at once it says the same.
fn in_parts(data: &[u8], origin: &Name, records: &[MasterRecord], errors: &[MasterError]) {
    let (sinks, faults) = scan_parts(data, origin, 300, 3, Vec::new, |sink: &mut Vec<_>, record| {
        sink.push((record.owner.to_name(), record.ttl, record.rtype, record.rdata.to_vec()));
    });
    let whole = records.iter().map(|record| (record.owner.clone(), record.ttl, record.rtype, record.rdata.to_vec()));
    assert!(sinks.into_iter().flatten().eq(whole));
    assert_eq!(faults, errors);
}

/// The first two octets are a type; what follows is read as text and as wire form.
pub fn rdata(data: &[u8]) {
    let Some((rtype, rest)) = data.split_first_chunk() else { return };
    let rtype = RecordType(u16::from_be_bytes(*rtype));
    let origin = Name::absolute("example.com.").expect("a name");
    if let Ok(text) = std::str::from_utf8(rest) {
        match parse_rdata(rtype, text, &origin) {
            Ok(wire) => taken(rtype, &wire),
            Err(fault) => {
                assert!(fault.at <= text.len(), "{fault:?}");
                told(&fault.message);
            }
        }
    }
    let _ = rdata_fault(rtype, rest);
    // Any octets have a text; it is read back to them unless they are no data of their type.
    let text = format_rdata(rtype, rest);
    if let Ok(wire) = parse_rdata(rtype, &text, &origin) {
        assert_eq!(wire[..], *rest, "{rtype} {text}");
    } else {
        assert!(text.starts_with("\\# "), "{rtype} {text}");
    }
}

/// Data that was taken is written and read back to the same octets, and is data for foreign parsers.
fn taken(rtype: RecordType, rdata: &[u8]) {
    assert!(!rtype.is_meta(), "{rtype} is in messages only");
    let text = format_rdata(rtype, rdata);
    let again = parse_rdata(rtype, &text, &Name::root());
    assert_eq!(again.as_deref(), Ok(rdata), "{rtype} {text}");

    let mut message = BEFORE_TYPE.to_vec();
    message.extend(rtype.0.to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 60]);
    message.extend((rdata.len() as u16).to_be_bytes());
    message.extend(rdata);
    if message.len() > 65_535 {
        return;
    }
    let read = Message::from_octets(&message[..]).expect("a header");
    let record = read.answer().expect("an answer").next().expect("a record").expect("a whole record");
    if rtype == RecordType::IPSECKEY && rdata.get(1).is_some_and(|&kind| kind > 3) {
        // Kinds of gateways that are to come (RFC 4025 section 2.3); domain knows today's.
        return;
    }
    let any = record.to_any_record::<AllRecordData<_, _>>();
    let any = any.unwrap_or_else(|error| panic!("domain refuses {rtype} {text}: {error}"));
    let mut composed = Vec::new();
    ComposeRecordData::compose_rdata(any.data(), &mut composed).expect("a vector grows");
    assert_eq!(composed, rdata, "{rtype} {text} as domain writes it");
    if is_beyond_hickory(rtype, rdata) {
        return;
    }
    HickoryMessage::from_vec(&message).unwrap_or_else(|error| panic!("hickory refuses {rtype} {text}: {error}"));
}

/// What hickory refuses although it is well formed.
fn is_beyond_hickory(rtype: RecordType, rdata: &[u8]) -> bool {
    match rtype {
        // It takes records without data in updates only; RFC 3597 knows no such bound.
        _ if rdata.is_empty() => true,
        // Tags of more than 15 octets, which RFC 8659 section 4.1 advises against and allows.
        RecordType::CAA => rdata[1] > 15,
        // Flags that nobody has defined yet, which it wants to be zero.
        RecordType::CSYNC => u16::from_be_bytes([rdata[4], rdata[5]]) > 3,
        // A certificate of no octets.
        RecordType::CERT => rdata.len() == 5,
        // It takes them for signatures of messages (RFC 2931), which stand elsewhere.
        RecordType::SIG => true,
        // Flags that no application defines (RFC 3403 section 4.1 leaves them to each), and more than one.
        RecordType::NAPTR => rdata[4] > 1 || !rdata[5].is_ascii_alphabetic(),
        // Protocol names that are no UTF-8, which RFC 7301 section 3.1 allows.
        RecordType::SVCB | RecordType::HTTPS => std::str::from_utf8(rdata).is_err(),
        _ => false,
    }
}

/// A fault is one line for a person: said, bounded and without control characters.
fn told(message: &str) {
    assert!(!message.is_empty() && !message.ends_with('.'), "{message}");
    assert!(message.len() < LONGEST_FAULT, "{} octets", message.len());
    assert!(!message.contains(char::is_control), "{message:?}");
}
