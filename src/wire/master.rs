//! Master files (RFC 1035 section 5, RFC 2308 section 4).
//!
//! In comes a whole file, out go its records and every fault that can be told apart. Entries are independent: a faulty
//! one is told and left out, and reading goes on behind it, so one run shows all there is to mend. One pass, no
//! allocation a record; [`scan_with`] hands each record out without keeping it, [`scan_parts`] reads parts of a file at
//! once.

use super::name::MAX_NAME;
use super::text::token::{Entry, Lexer, Token};
use super::text::{Reader, TextError, parse_period, parse_tokens, shown};
use super::{Name, NameRef, RecordType};

mod parts;
#[cfg(test)]
mod tests;

pub use parts::scan_parts;

/// The highest TTL (RFC 2181 section 8).
const MAX_TTL: u32 = i32::MAX as u32;
/// The classes that exist besides IN, and those of questions and updates.
const OTHER_CLASSES: [&str; 5] = ["CH", "HS", "CS", "ANY", "NONE"];

/// One record of a master file.
#[derive(Clone, Debug, PartialEq)]
pub struct MasterRecord {
    /// Absolute.
    pub owner: Name,
    /// In seconds; as given, or by `$TTL`, or the last one.
    pub ttl: u32,
    /// The type.
    pub rtype: RecordType,
    /// Uncompressed wire form.
    pub rdata: Box<[u8]>,
    /// The line that the record begins on, from 1.
    pub line: usize,
}

/// One record of a master file while it is being read.
#[derive(Clone, Copy, Debug)]
pub struct MasterRecordRef<'a> {
    /// Absolute.
    pub owner: NameRef<'a>,
    /// In seconds; as given, or by `$TTL`, or the last one.
    pub ttl: u32,
    /// The type.
    pub rtype: RecordType,
    /// Uncompressed wire form.
    pub rdata: &'a [u8],
    /// Where the line that the record begins on begins, in octets.
    pub at: usize,
}

/// A fault in a master file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, as a clause without a final stop.
    pub message: String,
}

/// Reads a whole file, gathering every fault that can be told apart. `default_ttl` serves where the file gives none.
/// `$INCLUDE` is a fault: zone text cannot read other files. So are `$GENERATE` and classes other than IN. Owners are
/// not compared with the origin.
pub fn scan(text: &[u8], origin: &Name, default_ttl: u32) -> (Vec<MasterRecord>, Vec<MasterError>) {
    let mut records = Vec::new();
    let mut lines = Lines { text, counted: 0, line: 1 };
    let errors = scan_with(text, origin, default_ttl, |record| {
        lines.advance(record.at);
        records.push(MasterRecord {
            owner: record.owner.to_name(),
            ttl: record.ttl,
            rtype: record.rtype,
            rdata: record.rdata.into(),
            line: lines.line,
        });
    });
    (records, errors)
}

/// As [`scan`], handing over each record as it is read and keeping none.
pub fn scan_with(
    text: &[u8],
    origin: &Name,
    default_ttl: u32,
    mut each: impl FnMut(MasterRecordRef<'_>),
) -> Vec<MasterError> {
    let mut scanner = Scanner::new(text, State::first(origin), default_ttl);
    scanner.run(text.len(), &mut each);
    located(text, scanner.faults)
}

/// Gives faults, in order, their lines and columns.
fn located(text: &[u8], faults: Vec<Fault>) -> Vec<MasterError> {
    let mut lines = Lines { text, counted: 0, line: 1 };
    let locate = |fault: Fault| {
        lines.advance(fault.entry);
        lines.error(fault.error)
    };
    faults.into_iter().map(locate).collect()
}

/// What is wrong with an entry.
#[derive(Debug)]
struct Fault {
    /// Where its first line begins.
    entry: usize,
    error: TextError,
}

/// Lines up to an offset that only grows.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: usize,
}

impl Lines<'_> {
    fn advance(&mut self, to: usize) {
        self.line += memchr::memchr_iter(b'\n', &self.text[self.counted..to]).count();
        self.counted = to;
    }

    /// Places a fault of the entry that was advanced to.
    fn error(&self, fault: TextError) -> MasterError {
        let before = &self.text[self.counted..fault.at.clamp(self.counted, self.text.len())];
        let line = self.line + memchr::memchr_iter(b'\n', before).count();
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        // Octets that go on with a character of UTF-8 take no column.
        let column = 1 + before[start..].iter().filter(|&&b| b & 0xc0 != 0x80).count();
        MasterError { line, column, message: fault.message }
    }
}

/// Reads entries one after the other. One scratch buffer for each thing, so that a record costs no allocation.
struct Scanner<'a> {
    text: &'a [u8],
    lexer: Lexer<'a>,
    tokens: Vec<Token>,
    rdata: Vec<u8>,
    state: State,
    default_ttl: u32,
    faults: Vec<Fault>,
    /// Whether a record that was read gave a TTL.
    gave_ttl: bool,
    /// Whether a record before any that gave one has taken the last TTL of before.
    took_last_ttl: bool,
    /// Whether an entry wanted the owner of one before all that were read.
    took_last_owner: bool,
}

/// What earlier entries mean for later ones.
#[derive(Clone, Debug)]
struct State {
    /// Where the next entry is looked for.
    at: usize,
    origin: Name,
    /// Octets of the last record's owner; empty before the first.
    owner: Vec<u8>,
    /// By `$TTL`.
    stated_ttl: Option<u32>,
    /// Of the last record that gave one.
    last_ttl: Option<u32>,
}

impl State {
    /// At the front of a file.
    fn first(origin: &Name) -> Self {
        Self { at: 0, origin: origin.clone(), owner: Vec::with_capacity(MAX_NAME), stated_ttl: None, last_ttl: None }
    }
}

impl<'a> Scanner<'a> {
    fn new(text: &'a [u8], state: State, default_ttl: u32) -> Self {
        Self {
            text,
            lexer: Lexer::file(text, state.at),
            tokens: Vec::with_capacity(16),
            rdata: Vec::with_capacity(512),
            state,
            default_ttl,
            faults: Vec::new(),
            gave_ttl: false,
            took_last_ttl: false,
            took_last_owner: false,
        }
    }

    /// Reads every entry that begins before `until`.
    fn run(&mut self, until: usize, each: &mut impl FnMut(MasterRecordRef<'_>)) {
        let mut tokens = std::mem::take(&mut self.tokens);
        let mut rdata = std::mem::take(&mut self.rdata);
        while let Some((entry, lexed)) = self.lexer.next_entry(until, &mut tokens) {
            rdata.clear();
            match lexed.and_then(|()| self.entry(&entry, &tokens, &mut rdata)) {
                Ok(Some((ttl, rtype))) => {
                    let owner = NameRef::trusted(&self.state.owner);
                    each(MasterRecordRef { owner, ttl, rtype, rdata: &rdata, at: entry.start });
                }
                Ok(None) => {}
                Err(error) => self.faults.push(Fault { entry: entry.start, error }),
            }
        }
        (self.tokens, self.rdata) = (tokens, rdata);
        self.state.at = self.lexer.place();
    }

    /// Reads an entry: its TTL and type and, onto `rdata`, its data; nothing for a directive.
    fn entry(
        &mut self,
        entry: &Entry,
        tokens: &[Token],
        rdata: &mut Vec<u8>,
    ) -> Result<Option<(u32, RecordType)>, TextError> {
        let mut rest = tokens;
        if !entry.indented
            && let [first, behind @ ..] = tokens
        {
            if !first.quoted && self.raw(*first).starts_with(b"$") {
                return self.directive(*first, behind).map(|()| None);
            }
            self.read_owner(*first)?;
            rest = behind;
        } else if self.state.owner.is_empty() {
            let at = tokens.first().map_or(entry.start, |token| token.start);
            // Told once: the origin stands in, and the file is refused anyway.
            self.state.owner.extend_from_slice(self.state.origin.as_wire());
            self.took_last_owner = true;
            return Err(TextError { message: "there is no owner yet that this line could repeat".to_owned(), at });
        }
        let (ttl, rtype, data) = self.prelude(tokens, rest)?;
        parse_tokens(rtype, &mut Reader::new(self.text, tokens, data, &self.state.origin), rdata)?;
        let ttl = ttl.or(self.state.stated_ttl).unwrap_or_else(|| {
            self.took_last_ttl |= !self.gave_ttl;
            self.state.last_ttl.unwrap_or(self.default_ttl)
        });
        Ok(Some((ttl, rtype)))
    }

    fn raw(&self, token: Token) -> &'a [u8] {
        &self.text[token.start..token.end]
    }

    fn fault<T>(&self, token: Token, is: &str) -> Result<T, TextError> {
        Err(TextError { message: format!("`{}` {is}", shown(self.raw(token))), at: token.start })
    }

    fn read_owner(&mut self, token: Token) -> Result<(), TextError> {
        let raw = self.raw(token);
        self.state.owner.clear();
        if let Err(error) = Name::append(raw, &self.state.origin, &mut self.state.owner) {
            // Without this, lines that repeat a faulty owner would be told as faulty too.
            self.state.owner.clear();
            self.state.owner.extend_from_slice(self.state.origin.as_wire());
            return self.fault(token, &format!("is no name: {error}"));
        }
        Ok(())
    }

    /// Reads a TTL and a class, either of which may be missing, in either order, and the type; gives how many tokens
    /// stand before the data.
    fn prelude(&mut self, tokens: &[Token], rest: &[Token]) -> Result<(Option<u32>, RecordType, usize), TextError> {
        let mut ttl = None;
        let mut class = false;
        for (i, &token) in rest.iter().enumerate() {
            if let Some(rtype) = frequent_type(self.raw(token)).filter(|_| !token.quoted) {
                return Ok((ttl, rtype, tokens.len() - rest.len() + i + 1));
            }
            let word = if token.quoted { "" } else { std::str::from_utf8(self.raw(token)).unwrap_or("") };
            if word.starts_with(|c: char| c.is_ascii_digit()) && ttl.is_none() {
                let seconds = self.ttl(token)?;
                ttl = Some(seconds);
                self.state.last_ttl = ttl;
                self.gave_ttl = true;
            } else if word.eq_ignore_ascii_case("IN") || word.eq_ignore_ascii_case("CLASS1") {
                if class {
                    return self.fault(token, "gives the class again");
                }
                class = true;
            } else if is_other_class(word) {
                return self.fault(token, "is another class; records are of class IN");
            } else if let Ok(rtype) = word.parse::<RecordType>() {
                if rtype.is_meta() {
                    return self.fault(token, "exists in messages only and cannot be stored");
                }
                return Ok((ttl, rtype, tokens.len() - rest.len() + i + 1));
            } else {
                return self.fault(token, "is no record type; one that has no name here is written `TYPE731`");
            }
        }
        let at = tokens.last().map_or(0, |token| token.end);
        Err(TextError { message: "the record has no type".to_owned(), at })
    }

    fn ttl(&self, token: Token) -> Result<u32, TextError> {
        match parse_period(self.raw(token)) {
            Some(seconds) if seconds <= MAX_TTL => Ok(seconds),
            Some(_) => self.fault(token, &format!("is too long; a TTL is at most {MAX_TTL}")),
            None => self.fault(token, "is no TTL: seconds, or numbers with w, d, h, m, s as in `1d12h`"),
        }
    }

    fn directive(&mut self, word: Token, arguments: &[Token]) -> Result<(), TextError> {
        let name = self.raw(word).to_ascii_uppercase();
        let takes = match &name[..] {
            b"$ORIGIN" => "takes a name: `$ORIGIN example.com.`",
            b"$TTL" => "takes a TTL: `$TTL 1h`",
            b"$INCLUDE" => return self.fault(word, "is refused: zone text cannot read other files"),
            b"$GENERATE" => return self.fault(word, "is refused: write the records out"),
            _ => return self.fault(word, "is no directive; there are $ORIGIN and $TTL"),
        };
        let &[argument] = arguments else { return self.fault(word, takes) };
        if name == b"$ORIGIN" {
            let mut wire = Vec::with_capacity(MAX_NAME);
            Name::append(self.raw(argument), &self.state.origin, &mut wire)
                .or_else(|error| self.fault(argument, &format!("is no name: {error}")))?;
            self.state.origin = Name::trusted(&wire);
        } else {
            self.state.stated_ttl = Some(self.ttl(argument)?);
        }
        Ok(())
    }
}

/// The types that most records are of, as they are mostly written.
fn frequent_type(word: &[u8]) -> Option<RecordType> {
    Some(match word {
        b"A" => RecordType::A,
        b"AAAA" => RecordType::AAAA,
        b"NS" => RecordType::NS,
        b"CNAME" => RecordType::CNAME,
        b"MX" => RecordType::MX,
        b"TXT" => RecordType::TXT,
        b"PTR" => RecordType::PTR,
        b"DS" => RecordType::DS,
        _ => return None,
    })
}

/// Whether a word names a class, IN aside.
fn is_other_class(word: &str) -> bool {
    let numbered = word.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("CLASS"))
        && word[5..].bytes().all(|b| b.is_ascii_digit());
    numbered || OTHER_CLASSES.iter().any(|class| class.eq_ignore_ascii_case(word))
}
