//! A reply as sets of records, so that what servers are free to choose makes no difference.

use std::collections::BTreeSet;

use domain::base::rdata::ComposeRecordData;
use domain::base::{Message, ToName};
use domain::rdata::AllRecordData;

/// Owner, type, TTL and data; names in lower case, uncompressed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) owner: Vec<u8>,
    pub(super) rtype: u16,
    pub(super) ttl: u32,
    pub(super) data: Vec<u8>,
}

/// What a reply says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) octets: usize,
    pub(super) rcode: u16,
    pub(super) aa: bool,
    pub(super) tc: bool,
    pub(super) has_opt: bool,
    /// Whether ID aside the question came back as it was put.
    pub(super) echoes: bool,
    /// Records that stand in one section twice.
    pub(super) doubled: usize,
    pub(super) answer: BTreeSet<Record>,
    pub(super) authority: BTreeSet<Record>,
    pub(super) additional: BTreeSet<Record>,
}

const OPT: u16 = 41;
/// Types whose data has names in it, letters of which may come back in another case.
const NAMING: &[u16] = &[2, 5, 6, 12, 15, 17, 18, 33, 35, 36, 39, 64, 65, 107];

impl Seen {
    /// Reads the reply to a query.
    pub(super) fn read(reply: &[u8], query: &[u8]) -> Result<Self, String> {
        let fault = |error: &dyn std::fmt::Display| format!("{error}: {reply:02x?}");
        let message = Message::from_octets(reply).map_err(|e| fault(&e))?;
        let (_, answer, authority, additional) = message.sections().map_err(|e| fault(&e))?;
        let (mut doubled, mut has_opt) = (0, false);
        let mut sections = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
        for (section, seen) in [answer, authority, additional].into_iter().zip(&mut sections) {
            for record in section {
                let record = record.map_err(|e| fault(&e))?;
                let rtype = record.rtype().to_int();
                if rtype == OPT {
                    has_opt = true;
                    continue;
                }
                let any = record.to_any_record::<AllRecordData<_, _>>().map_err(|e| fault(&e))?;
                let mut data = Vec::new();
                any.data().compose_rdata(&mut data).map_err(|e| fault(&e))?;
                if NAMING.contains(&rtype) {
                    data.make_ascii_lowercase();
                }
                let owner = record.owner().to_vec().as_slice().to_ascii_lowercase();
                doubled += usize::from(!seen.insert(Record { owner, rtype, ttl: record.ttl().as_secs(), data }));
            }
        }
        let question = 12..question_end(query);
        let [answer, authority, additional] = sections;
        Ok(Self {
            octets: reply.len(),
            rcode: message.opt_rcode().to_int(),
            aa: message.header().aa(),
            tc: message.header().tc(),
            has_opt,
            echoes: reply.get(question.clone()) == query.get(question),
            doubled,
            answer,
            authority,
            additional,
        })
    }
}

/// Where the question of a query ends.
fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

fn shown(name: &[u8]) -> String {
    rhumb::wire::Name::from_wire(name).map_or_else(|_| format!("{name:02x?}"), |name| name.to_string())
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rtype = rhumb::wire::RecordType(self.rtype);
        let data = match self.rtype {
            2 | 5 | 12 | 39 => shown(&self.data),
            15 => format!("{:?} {}", &self.data[..2], shown(&self.data[2..])),
            _ => self.data.iter().map(|octet| format!("{octet:02x}")).collect(),
        };
        write!(f, "{} {} {rtype} {data}", shown(&self.owner), self.ttl)
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let flag = |is: bool, name| if is { name } else { "" };
        write!(f, "rcode {}{}{}", self.rcode, flag(self.aa, " aa"), flag(self.tc, " tc"))?;
        for (name, records) in
            [("answer", &self.answer), ("authority", &self.authority), ("additional", &self.additional)]
        {
            for record in records {
                write!(f, "\n      {name}: {record:?}")?;
            }
        }
        Ok(())
    }
}
