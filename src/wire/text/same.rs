//! When two records are one: names in the data of the older types compare without regard to case (RFC 4034 section 6.2;
//! RFC 6840 section 5.1 takes NSEC out), all else octet by octet (RFC 3597 section 6).

use std::borrow::Cow;

use super::super::RecordType;
use super::layout::{Field, Layout};
use super::write::{Unwritten, Wire};

/// Whether names in the data of a type have no case.
fn has_caseless_names(rtype: RecordType) -> bool {
    matches!(
        rtype,
        RecordType::NS
            | RecordType::MD
            | RecordType::MF
            | RecordType::CNAME
            | RecordType::SOA
            | RecordType::MB
            | RecordType::MG
            | RecordType::MR
            | RecordType::PTR
            | RecordType::MINFO
            | RecordType::MX
            | RecordType::RP
            | RecordType::AFSDB
            | RecordType::RT
            | RecordType::SIG
            | RecordType::PX
            | RecordType::NXT
            | RecordType::NAPTR
            | RecordType::KX
            | RecordType::A6
            | RecordType::SRV
            | RecordType::DNAME
            | RecordType::RRSIG
    )
}

/// Whether two records of a type are the same one.
#[inline]
pub(crate) fn is_same_data(rtype: RecordType, a: &[u8], b: &[u8]) -> bool {
    a == b || has_caseless_names(rtype) && a.eq_ignore_ascii_case(b) && one_form(rtype, a) == one_form(rtype, b)
}

/// The data in the form that all spellings of a record share.
pub(crate) fn one_form(rtype: RecordType, data: &[u8]) -> Cow<'_, [u8]> {
    match Layout::of(rtype).filter(|_| has_caseless_names(rtype)) {
        Some(layout) => lowered(layout, data).map_or(Cow::Borrowed(data), Cow::Owned),
        None => Cow::Borrowed(data),
    }
}

fn lowered(layout: &Layout, data: &[u8]) -> Result<Vec<u8>, Unwritten> {
    let mut form = data.to_vec();
    let mut wire = Wire::new(data);
    for field in layout.fields {
        match field {
            Field::U8 | Field::Word8(_) => drop(wire.u8()?),
            Field::U16 | Field::Word16(_) | Field::Type => drop(wire.u16()?),
            Field::U32 | Field::Period | Field::Time => drop(wire.u32()?),
            Field::Text => drop(wire.counted()?),
            // The length of a prefix; only the bits behind it follow (RFC 2874 section 3.1).
            Field::Suffix => {
                let prefix = usize::from(wire.u8()?);
                wire.take(128usize.saturating_sub(prefix).div_ceil(8))?;
                if !wire.is_empty() {
                    let before = data.len() - wire.len();
                    let name = wire.name()?;
                    form[before..before + name.len()].make_ascii_lowercase();
                }
            }
            Field::Name => {
                let before = data.len() - wire.len();
                let name = wire.name()?;
                form[before..before + name.len()].make_ascii_lowercase();
            }
            // Names come before whatever is longer.
            _ => return Ok(form),
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::super::parse_rdata;
    use super::*;
    use crate::wire::Name;

    fn same(rtype: RecordType, a: &str, b: &str) -> bool {
        let [a, b] = [a, b].map(|text| parse_rdata(rtype, text, &Name::root()).unwrap_or_default());
        assert!(!a.is_empty() && !b.is_empty());
        is_same_data(rtype, &a, &b)
    }

    #[test]
    fn p14_names_in_data_have_no_case_and_all_else_has() {
        assert!(same(RecordType::NS, "ns1.example.", "NS1.Example."));
        assert!(same(RecordType::MX, "10 a.", "10 A."));
        assert!(same(RecordType::SRV, "1 2 3 a.", "1 2 3 A.") && same(RecordType::PX, "1 a. b.", "1 A. B."));
        assert!(same(RecordType::NAPTR, "1 2 \"s\" \"x\" \"\" a.", "1 2 \"s\" \"x\" \"\" A."));
        assert!(same(RecordType::A6, "64 ::1 a.", "64 ::1 A.") && same(RecordType::A6, "0 ::1", "0 ::1"));
        assert!(!same(RecordType::A6, "64 ::41 a.", "64 ::61 a."));
        // 0x4141 and 0x6161 differ as letters do in case alone.
        assert!(!same(RecordType::MX, "16705 a.", "24929 a."));
        assert!(!same(RecordType::NAPTR, "1 2 \"s\" \"x\" \"\" a.", "1 2 \"S\" \"x\" \"\" a."));
        assert!(!same(RecordType::TXT, "\"a\"", "\"A\"") && !same(RecordType::A, "65.65.65.65", "97.97.97.97"));
        assert!(!same(RecordType::SVCB, "1 a.", "1 A."), "no older type");
        assert!(!same(RecordType::NS, "a.", "b."));
    }
}
