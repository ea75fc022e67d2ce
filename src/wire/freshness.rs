//! How long a reply may be kept by whoever caches it without reading it (RFC 8484 section 5.1).

use super::RecordType;
use super::message::{HEADER, Rcode, flag};

/// Type, class, TTL and the length of the data behind an owner.
const FIXED: usize = 10;
/// The last five numbers of a SOA record, of which the last is MINIMUM.
const SOA_NUMBERS: usize = 20;

/// Seconds: the lowest TTL of the answer; of a negative one that of the SOA record or its MINIMUM, whichever is lower
/// (RFC 2308 section 5); of a referral that of its NS records. 0 for what is no answer, and for what cannot be read.
pub fn freshness(message: &[u8]) -> u32 {
    lowest(message).unwrap_or(0)
}

fn lowest(message: &[u8]) -> Option<u32> {
    let header = message.first_chunk::<HEADER>()?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let rcode = word(2) & 0xf;
    let is_answer = rcode == Rcode::NoError as u16 || rcode == Rcode::NxDomain as u16;
    if !is_answer || word(2) & flag::TC != 0 {
        return None;
    }
    let mut at = HEADER;
    for _ in 0..word(4) {
        at = behind_name(message, at)? + 4;
    }
    let (answers, authorities) = (word(6), word(8));
    let mut lowest = None;
    for number in 0..u32::from(answers) + u32::from(authorities) {
        at = behind_name(message, at)?;
        let fixed = message.get(at..)?.first_chunk::<FIXED>()?;
        let rtype = RecordType(u16::from_be_bytes([fixed[0], fixed[1]]));
        let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        at += FIXED + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let data = message.get(..at)?;
        let ttl = match rtype {
            _ if number < u32::from(answers) => ttl,
            RecordType::SOA => {
                let minimum = data.last_chunk::<SOA_NUMBERS>()?.last_chunk()?;
                ttl.min(u32::from_be_bytes(*minimum))
            }
            RecordType::NS if answers == 0 => ttl,
            _ => continue,
        };
        lowest = Some(lowest.map_or(ttl, |known: u32| known.min(ttl)));
    }
    lowest
}

/// Where a name ends that begins at `at`: its labels, or the pointer that they end in.
fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            64..=191 => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUESTION: &[u8] = b"\x01a\x07example\0\0\x01\0\x01";

    fn record(rtype: RecordType, ttl: u32, data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u16).to_be_bytes();
        [b"\xc0\x0c", &rtype.0.to_be_bytes()[..], b"\0\x01", &ttl.to_be_bytes(), &length, data].concat()
    }

    fn reply(flags: u16, answers: &[Vec<u8>], authorities: &[Vec<u8>]) -> Vec<u8> {
        let counts = [1, answers.len() as u16, authorities.len() as u16, 0];
        let counts: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        [&[0, 0], &flags.to_be_bytes()[..], &counts, QUESTION, &answers.concat(), &authorities.concat()].concat()
    }

    fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
        let numbers = [1, 2, 3, 4, minimum].iter().flat_map(|n: &u32| n.to_be_bytes()).collect::<Vec<u8>>();
        record(RecordType::SOA, ttl, &[b"\xc0\x0c\xc0\x0c", &numbers[..]].concat())
    }

    #[test]
    fn p22_the_lowest_ttl_of_the_answer_counts_and_others_do_not() {
        let a = |ttl| record(RecordType::A, ttl, &[192, 0, 2, 1]);
        let ns = record(RecordType::NS, 5, b"\xc0\x0c");
        assert_eq!(freshness(&reply(0x8400, &[a(300), a(30), a(60)], &[ns])), 30);
    }

    #[test]
    fn p22_of_a_negative_answer_it_is_the_soa_record_s_ttl_or_minimum() {
        assert_eq!(freshness(&reply(0x8403, &[], &[soa(3600, 60)])), 60);
        assert_eq!(freshness(&reply(0x8400, &[], &[soa(30, 60)])), 30);
        let cname = record(RecordType::CNAME, 20, b"\x01b\xc0\x0c");
        assert_eq!(freshness(&reply(0x8403, &[cname], &[soa(3600, 60)])), 20);
    }

    #[test]
    fn p22_of_a_referral_it_is_that_of_the_delegation_and_of_a_refusal_nothing() {
        assert_eq!(freshness(&reply(0x8000, &[], &[record(RecordType::NS, 90, b"\xc0\x0c")])), 90);
        let a = record(RecordType::A, 300, &[192, 0, 2, 1]);
        for flags in [0x8005, 0x8002, 0x8600] {
            assert_eq!(freshness(&reply(flags, std::slice::from_ref(&a), &[])), 0);
        }
        assert_eq!(freshness(&reply(0x8400, &[], &[])), 0);
    }

    proptest! {
        #[test]
        fn no_octets_are_read_past_their_end(octets: Vec<u8>, cut in 0usize..100) {
            freshness(&octets);
            let whole = reply(0x8403, &[], &[soa(3600, 60)]);
            prop_assert_eq!(freshness(&whole[..cut.min(whole.len() - 1)]), 0);
        }
    }
}
