//! Reading queries.

use rhumb::wire::Lowered;
use rhumb::wire::edns::Asked;
use rhumb::wire::message::{Query, Rcode, Reading};

use super::plain::{self, Plain};

/// Names are hashed with it; its value is of no meaning.
const SEED: u64 = 0x5eed;

/// A message comes to what the rules say, whatever was read before it and whatever stands behind it in the buffer.
pub fn message(data: &[u8]) {
    let expected = plain::read(data);
    let mut query = Query::default();
    for behind in [0x00, 0xff] {
        let mut buffer = data.to_vec();
        buffer.resize(data.len() + 300, behind);
        let reading = query.read(&buffer, data.len(), SEED);
        agree(reading, &query, &expected);
    }
    let reading = query.read(data, data.len(), SEED);
    agree(reading, &query, &expected);
}

fn agree(reading: Reading, query: &Query, expected: &Plain) {
    match expected {
        Plain::Nothing => assert_eq!(reading, Reading::Drop),
        Plain::NoQuestion { with_opt: false, .. } => assert_eq!(reading, Reading::HeaderOnly(Rcode::FormErr)),
        Plain::NoQuestion { with_cookie: false, .. } => assert_eq!(reading, Reading::NoQuestion),
        Plain::NoQuestion { with_cookie: true, .. } => assert_eq!(reading, Reading::CookieOnly),
        // What is done about these depends on their content.
        Plain::Opcode(4 | 5) => assert_ne!(reading, Reading::Drop),
        Plain::Opcode(_) => assert_eq!(reading, Reading::HeaderOnly(Rcode::NotImp)),
        // What it asks is read by those who know about signatures.
        Plain::Question(asked) if asked.well_formed && asked.signed => assert_eq!(reading, Reading::Aside),
        Plain::Question(asked) => {
            assert_eq!(reading == Reading::Query, asked.well_formed, "{asked:?}");
            assert!(asked.well_formed || reading == Reading::Malformed, "{reading:?}: {asked:?}");
            let name = Lowered::new(asked.name.as_wire(), SEED);
            assert_eq!((query.name.whole(), query.name.hash()), (name.whole(), name.hash()));
            assert_eq!(query.name.whole(), asked.name.as_wire().to_ascii_lowercase());
            assert_eq!((query.qtype.0, query.qclass, query.question_end()), (asked.qtype, asked.qclass, asked.end));
            assert_eq!(query.edns.is_some(), asked.opt.is_some(), "{asked:?}");
            if let (Some(ours), Some(theirs)) = (&query.edns, &asked.opt) {
                assert_eq!((ours.payload, ours.version), (theirs.payload, theirs.version));
                assert_eq!(ours.dnssec_ok, theirs.dnssec_ok);
                assert_eq!(ours.ecs.is_some(), theirs.option(8).is_some(), "{asked:?}");
                assert_eq!(ours.asked.has(Asked::NSID), theirs.option(3).is_some(), "{asked:?}");
            }
        }
    }
}
