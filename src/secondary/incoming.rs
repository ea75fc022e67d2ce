//! A transfer on its way in (RFC 5936, RFC 1995): messages in, a zone's content out. No socket and no clock.
//!
//! Invariant: all or nothing. What is out of place, out of the zone or at odds with what we hold makes an error, and
//! nothing of the transfer is used.

use std::fmt;
use std::sync::Arc;

use super::differences::Differences;
use super::gathered::Gathered;
use crate::config::model::{Soa, precedes};
use crate::wire::message::{CLASS_IN, flag};
use crate::wire::rdata::is_sound;
use crate::wire::{Entry, Name, RecordType, Records, Sections};

/// Octets of all messages of one transfer.
const MOST_OCTETS: usize = 1 << 30;

/// What a zone holds: its SOA and all else.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its SOA.
    pub soa: Soa,
    /// All else; one entry an (owner, type).
    pub records: Arc<Records>,
}

/// What a transfer has come to.
#[derive(Debug)]
pub enum Outcome {
    /// We hold what the primary holds.
    Current,
    /// The zone as it is to be put together.
    New(Unfinished),
}

/// All records of a transfer, to be put together where that may take its time.
#[derive(Debug)]
pub struct Unfinished {
    soa: Soa,
    records: Assembly,
}

#[derive(Debug)]
enum Assembly {
    Whole(Gathered),
    Differences(Box<Differences>),
}

/// Why a transfer is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The primary says so.
    Refused(u16),
    /// It is no transfer, or not of this zone; one clause.
    Broken(&'static str),
    /// A record that the zone cannot hold; one clause.
    Stray(String),
    /// The differences are none of what we hold: the whole zone is needed.
    Differs,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(rcode) => write!(f, "it answers {}", rcode_name(*rcode)),
            Self::Broken(what) => f.write_str(what),
            Self::Stray(what) => f.write_str(what),
            Self::Differs => f.write_str("the differences do not fit what is held here"),
        }
    }
}

/// The mnemonic of a response code, or its number.
fn rcode_name(rcode: u16) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
        "NOTZONE",
    ];
    NAMES.get(usize::from(rcode)).map_or_else(|| format!("code {rcode}"), |&name| name.to_owned())
}

/// One transfer.
#[derive(Debug)]
pub struct Incoming {
    apex: Name,
    id: u16,
    /// What differences are of; without it the whole zone was asked for.
    ours: Option<Held>,
    newest: Option<Soa>,
    stage: Stage,
    octets: usize,
}

#[derive(Debug)]
enum Stage {
    /// Nothing has come.
    Begin,
    /// The first SOA has come.
    First,
    Whole(Gathered),
    Differences(Box<Differences>),
    /// The last SOA has come.
    End(Assembly),
    /// Somebody has taken the outcome, or there was an error.
    Over,
}

impl Incoming {
    /// The replies to a query with this ID. With `ours` it was for differences (IXFR), else for the whole zone.
    pub fn new(apex: Name, id: u16, ours: Option<Held>) -> Self {
        Self { apex, id, ours, newest: None, stage: Stage::Begin, octets: 0 }
    }

    /// Whether the next message may be one of differences, for which what is held here is looked through.
    pub(super) fn may_be_differences(&self) -> bool {
        self.ours.is_some() && !matches!(self.stage, Stage::Whole(_))
    }

    /// Takes the next message. An outcome is the end of it.
    ///
    /// # Errors
    /// It is not taken: see [`Fault`].
    pub fn message(&mut self, message: &[u8]) -> Result<Option<Outcome>, Fault> {
        let taken = self.take(message);
        if taken.is_err() {
            self.stage = Stage::Over;
        }
        taken
    }

    fn take(&mut self, message: &[u8]) -> Result<Option<Outcome>, Fault> {
        self.octets += message.len();
        if self.octets > MOST_OCTETS {
            return Err(Fault::Broken("the zone takes more than 1 GiB"));
        }
        let mut sections = Sections::of(message).ok_or(Fault::Broken("a message is cut short"))?;
        let bits = sections.bits();
        if bits & flag::QR == 0 || sections.opcode() != 0 || sections.id() != self.id {
            return Err(Fault::Broken("a message answers another question"));
        }
        if bits & 0xf != 0 {
            return Err(Fault::Refused(bits & 0xf));
        }
        if bits & flag::TC != 0 {
            return Err(Fault::Broken("a message is cut short"));
        }
        let mut entry = Entry::default();
        for _ in 0..sections.count(0) {
            sections.question(&mut entry).ok_or(MALFORMED)?;
            if entry.owner() != self.apex {
                return Err(Fault::Broken("a message answers another question"));
            }
        }
        for _ in 0..sections.count(1) {
            sections.record(&mut entry).ok_or(MALFORMED)?;
            self.record(&entry)?;
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::End(records) => {
                let soa = self.newest.take().ok_or(MALFORMED)?;
                Ok(Some(Outcome::New(Unfinished { soa, records })))
            }
            Stage::Begin => Err(Fault::Broken("the first message has no record")),
            // A server that has no differences for us answers with its SOA alone (RFC 1995 section 2).
            Stage::First if self.is_current() => Ok(Some(Outcome::Current)),
            Stage::Over => Err(Fault::Broken("the transfer has ended")),
            stage => {
                self.stage = stage;
                Ok(None)
            }
        }
    }

    /// Whether the first SOA says nothing that we do not know.
    fn is_current(&self) -> bool {
        let serials = self.ours.as_ref().zip(self.newest.as_ref());
        serials.is_some_and(|(ours, newest)| !precedes(ours.soa.serial, newest.serial))
    }

    fn record(&mut self, entry: &Entry) -> Result<(), Fault> {
        let stray = |what: &str| Err(Fault::Stray(format!("{} of `{}` {what}", entry.rtype, entry.owner())));
        if entry.class != CLASS_IN || entry.rtype.is_meta() {
            return stray("is no record of a zone");
        }
        if !entry.owner().is_within(self.apex.view()) {
            return stray("is not in the zone");
        }
        let soa = if entry.rtype == RecordType::SOA {
            if entry.owner() != self.apex {
                return stray("is not at the apex");
            }
            Some(Soa::read(&entry.rdata, entry.ttl).ok_or(MALFORMED)?)
        } else if entry.rdata.is_empty() && !is_sound(entry.rtype, &[]) {
            return stray("has no data");
        } else {
            None
        };
        let newest = self.newest.as_ref().map(|newest| newest.serial);
        self.stage = match (std::mem::replace(&mut self.stage, Stage::Over), soa) {
            (Stage::Begin, Some(soa)) => {
                self.newest = Some(soa);
                Stage::First
            }
            (Stage::Begin, None) => return Err(Fault::Broken("the first record is no SOA")),
            (Stage::First, Some(soa)) => match &self.ours {
                Some(ours) if soa.serial == ours.soa.serial && newest != Some(soa.serial) => {
                    Stage::Differences(Box::new(Differences::of(ours)))
                }
                _ if newest == Some(soa.serial) => Stage::End(Assembly::Whole(Gathered::default())),
                _ => return Err(Fault::Differs),
            },
            (Stage::First, None) => {
                let mut gathered = Gathered::default();
                gathered.push(entry).ok_or(TOO_LARGE)?;
                Stage::Whole(gathered)
            }
            (Stage::Whole(gathered), Some(soa)) if newest == Some(soa.serial) => Stage::End(Assembly::Whole(gathered)),
            (Stage::Whole(_), Some(_)) => return Err(Fault::Broken("the zone changed while it was sent")),
            (Stage::Whole(mut gathered), None) => {
                gathered.push(entry).ok_or(TOO_LARGE)?;
                Stage::Whole(gathered)
            }
            (Stage::Differences(mut differences), Some(soa)) => {
                if differences.turn(&soa, newest)? {
                    Stage::End(Assembly::Differences(differences))
                } else {
                    Stage::Differences(differences)
                }
            }
            (Stage::Differences(mut differences), None) => {
                differences.record(entry)?;
                Stage::Differences(differences)
            }
            (Stage::End(_) | Stage::Over, _) => return Err(Fault::Broken("records follow the last one")),
        };
        Ok(())
    }
}

impl Unfinished {
    /// Puts the zone together.
    pub fn finish(self) -> Held {
        let records = match self.records {
            Assembly::Whole(gathered) => gathered.finish().into(),
            Assembly::Differences(differences) => differences.finish(),
        };
        Held { soa: self.soa, records }
    }
}

const MALFORMED: Fault = Fault::Broken("a message is malformed");
const TOO_LARGE: Fault = Fault::Broken("the zone takes more than 4 GiB");
