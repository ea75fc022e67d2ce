//! Record data out of messages: names are written out, and what is no data of its type is refused.
//!
//! Comes in: the data of a record as it stands in a message. Goes out: uncompressed wire form, the only one that the
//! rest of the crate knows. Invariant: data of a type whose make-up is known here is well formed.

use std::borrow::Cow;

use super::RecordType;
use super::name::{MAX_LABEL, MAX_NAME, MAX_POINTERS};
use super::text::layout::{Field, Layout};
use super::text::{Unwritten, render};

/// Appends the name at `at` of a message to `out`, uncompressed; where it ends in the message. Pointers lead backward
/// only (RFC 1035 section 4.1.4), and there are [`MAX_POINTERS`] at most, so that no name takes long to read.
pub(crate) fn expand_name(message: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    let mut end = None;
    let mut before = at;
    let mut pointers = 0;
    loop {
        let label = usize::from(*message.get(at)?);
        match label {
            0 => {
                out.push(0);
                return Some(end.unwrap_or(at + 1));
            }
            1..=MAX_LABEL => {
                out.extend_from_slice(message.get(at..=at + label)?);
                if out.len() - start >= MAX_NAME {
                    return None;
                }
                at += 1 + label;
            }
            0xc0..=0xff => {
                let target = (label & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                end.get_or_insert(at + 2);
                pointers += 1;
                if target >= before || pointers > MAX_POINTERS {
                    return None;
                }
                (at, before) = (target, target);
            }
            _ => return None,
        }
    }
}

/// Appends the data that stands at `at..end` of a message to `out`, uncompressed. `None`: it is no data of its type.
/// Names are followed in every type that is known here: senders should compress some only (RFC 3597 section 4), and
/// there is no second meaning to what others would be.
pub(crate) fn expand(rtype: RecordType, message: &[u8], mut at: usize, end: usize, out: &mut Vec<u8>) -> Option<()> {
    let message = message.get(..end)?;
    let Some(layout) = Layout::of(rtype) else {
        out.extend_from_slice(message.get(at..)?);
        return Some(());
    };
    let start = out.len();
    let mut is_plain = true;
    for &field in layout.fields {
        if field == Field::Name {
            at = expand_name(message, at, out)?;
            continue;
        }
        let octets = extent(field, message.get(at..)?)?;
        is_plain &= octets.is_plain;
        out.extend_from_slice(message.get(at..at + octets.count)?);
        at += octets.count;
    }
    // What has an inner make-up of its own is known by whether it could be shown.
    (at == end && (is_plain || render(layout, &out[start..]) != Err(Unwritten::Malformed))).then_some(())
}

/// Whether uncompressed data is data of its type.
pub(crate) fn is_sound(rtype: RecordType, rdata: &[u8]) -> bool {
    let mut out = Vec::with_capacity(rdata.len());
    expand(rtype, rdata, 0, rdata.len(), &mut out).is_some()
}

/// Data in which the case of names does not tell two records apart (RFC 2136 section 1.1.1, RFC 4034 section 6.2).
pub(crate) fn without_case(rtype: RecordType, rdata: &[u8]) -> Cow<'_, [u8]> {
    let fields = Layout::of(rtype).map_or(&[][..], |layout| layout.fields);
    if !fields.contains(&Field::Name) {
        return Cow::Borrowed(rdata);
    }
    let mut lowered = rdata.to_vec();
    let mut at = 0;
    for &field in fields {
        let Some(rest) = rdata.get(at..) else { break };
        let count =
            if field == Field::Name { name_octets(rest) } else { extent(field, rest).map(|octets| octets.count) };
        let Some(count) = count else { break };
        if field == Field::Name {
            // Length octets are at most 63 and so never letters.
            lowered[at..at + count].make_ascii_lowercase();
        }
        at += count;
    }
    Cow::Owned(lowered)
}

/// Octets of the uncompressed name at the front.
fn name_octets(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let label = usize::from(*octets.get(at)?);
        at += 1 + label;
        if label == 0 {
            return Some(at);
        }
    }
}

/// How many octets a field takes, and whether any such octets are good.
struct Extent {
    count: usize,
    is_plain: bool,
}

fn extent(field: Field, rest: &[u8]) -> Option<Extent> {
    let plain = |count| Some(Extent { count, is_plain: true });
    let counted = |from: usize| Some(from + 1 + usize::from(*rest.get(from)?));
    match field {
        Field::U8 | Field::Word8(_) => plain(1),
        Field::U16 | Field::Word16(_) | Field::Type => plain(2),
        Field::U32 | Field::Period | Field::Time | Field::Ipv4 => plain(4),
        Field::U64 | Field::Locator => plain(8),
        Field::Ipv6 => plain(16),
        Field::Eui(octets) => plain(octets),
        Field::Text => plain(counted(0)?),
        Field::OptionalText => plain(if rest.is_empty() { 0 } else { counted(0)? }),
        Field::Texts => {
            let mut count = counted(0)?;
            while count < rest.len() {
                count = counted(count)?;
            }
            plain(count)
        }
        Field::Salt | Field::Hash | Field::Tag => Some(Extent { count: counted(0)?, is_plain: false }),
        Field::LongHex(least) => plain(rest.len()).filter(|_| rest.len() >= least),
        Field::Tail | Field::Hex | Field::Base64 | Field::OptionalBase64 | Field::DashBase64 | Field::Nsap => {
            plain(rest.len())
        }
        Field::Types
        | Field::Apl
        | Field::Loc
        | Field::Hip
        | Field::Gateway
        | Field::Relay
        | Field::Params
        | Field::Services
        | Field::Bits
        | Field::Suffix
        | Field::Atm => Some(Extent { count: rest.len(), is_plain: false }),
        // The caller reads names itself: they may be compressed.
        Field::Name => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::wire::{Name, text};
    use proptest::prelude::*;

    fn expanded(rtype: RecordType, message: &[u8], at: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        expand(rtype, message, at, message.len(), &mut out).map(|()| out)
    }

    #[test]
    fn names_in_data_are_written_out_and_pointers_lead_backward_only() {
        let message = b"\x01a\x02bc\0\0\x0a\x04mail\xc0\x02";
        assert_eq!(expanded(RecordType::MX, message, 6).unwrap(), b"\0\x0a\x04mail\x02bc\0");
        assert_eq!(expanded(RecordType::NS, b"\xc0\0", 0), None, "a pointer to itself");
        assert_eq!(expanded(RecordType::NS, b"\x01a\xc0\x05\0\x01b\0", 0), None, "a pointer forward");
        assert_eq!(expanded(RecordType::NS, b"\x01a\0x", 0), None, "something behind the name");
        assert_eq!(expanded(RecordType(731), b"\xc0\0", 0).unwrap(), b"\xc0\0", "nothing is known of it");
    }

    #[test]
    fn data_that_is_none_of_its_type_is_refused() {
        for (rtype, data) in [
            (RecordType::A, &b"\x01\x02\x03"[..]),
            (RecordType::A, b"\x01\x02\x03\x04\x05"),
            (RecordType::TXT, b""),
            (RecordType::TXT, b"\x03ab"),
            (RecordType::CNAME, b"\x40"),
            (RecordType::SOA, b"\0\0\0"),
            (RecordType::HTTPS, b"\0\x01\0\0\x03\0\x01\x50"),
        ] {
            assert_eq!(expanded(rtype, data, 0), None, "{rtype} {data:?}");
        }
        let origin = Name::absolute("example.com").unwrap();
        for layout in Layout::all() {
            let data = text::parse_rdata(layout.rtype, layout.example(), &origin).unwrap();
            assert_eq!(expanded(layout.rtype, &data, 0).unwrap(), *data, "{}", layout.rtype);
        }
    }

    #[test]
    fn case_of_names_tells_no_records_apart_and_all_else_does() {
        let same = |rtype, a: &[u8], b: &[u8]| without_case(rtype, a) == without_case(rtype, b);
        assert!(same(RecordType::MX, b"\0A\x01a\0", b"\0A\x01A\0"));
        assert!(!same(RecordType::MX, b"\0A\x01a\0", b"\0a\x01a\0"), "65 is not 97");
        assert!(!same(RecordType::TXT, b"\x01a", b"\x01A"));
    }

    proptest! {
        #[test]
        fn p29_any_octets_are_expanded_without_harm(message: Vec<u8>, at in 0usize..40, end in 0usize..300, rtype in 0u16..300) {
            let mut out = Vec::new();
            if expand(RecordType(rtype), &message, at, end, &mut out).is_some() {
                let mut again = Vec::new();
                prop_assert!(expand(RecordType(rtype), &out, 0, out.len(), &mut again).is_some());
                prop_assert_eq!(&again, &out);
            }
            let _ = without_case(RecordType(rtype), &message);
        }
    }
}
