//! Presentation form as tokens (RFC 1035 section 5.1): words, quoted strings, parentheses, comments.
//!
//! A token is a place in the text; escapes stay as written until a field decodes them, so nothing is copied twice and
//! every fault knows where it stands.

use super::TextError;

/// A word or a quoted string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// Where it begins, the opening quote excluded.
    pub(crate) start: usize,
    /// Where it ends, the closing quote excluded.
    pub(crate) end: usize,
    /// Whether it stands in quotes.
    pub(crate) quoted: bool,
}

/// One record or directive of a file.
pub(crate) struct Entry {
    /// Where its first line begins.
    pub(crate) start: usize,
    /// Whether that line begins with a blank: the owner is the one before.
    pub(crate) indented: bool,
}

/// What text is read: they differ in what a line end and a `;` mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A master file: lines are entries, `;` begins a comment.
    File,
    /// One record's data: a line end is a blank, and `;` is a fault, for a value would be cut without a word.
    Data,
}

/// Octets that end an unquoted word.
const ENDS_WORD: [bool; 256] = {
    let mut ends = [false; 256];
    let set = b" \t\r\n;()\"";
    let mut i = 0;
    while i < set.len() {
        ends[set[i] as usize] = true;
        i += 1;
    }
    ends
};

/// Splits a text into entries in one pass.
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    kind: Kind,
}

impl<'a> Lexer<'a> {
    /// Over a master file from a line on; a byte order mark at its front is skipped.
    pub(crate) fn file(text: &'a [u8], from: usize) -> Self {
        let at = if from == 0 && text.starts_with(b"\xef\xbb\xbf") { 3 } else { from };
        Self { text, at, kind: Kind::File }
    }

    /// Where the next entry is looked for.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// Takes one record's data apart.
    pub(crate) fn data(text: &'a [u8]) -> Result<Vec<Token>, TextError> {
        let mut lexer = Self { text, at: 0, kind: Kind::Data };
        let mut tokens = Vec::with_capacity(8);
        lexer.fill(&mut tokens)?;
        Ok(tokens)
    }

    /// Fills `tokens` with the next entry that has any and begins before `until`; `None` if there is none. After a fault
    /// the lexer stands at the next entry.
    pub(crate) fn next_entry(
        &mut self,
        until: usize,
        tokens: &mut Vec<Token>,
    ) -> Option<(Entry, Result<(), TextError>)> {
        while self.at < until.min(self.text.len()) {
            tokens.clear();
            let start = self.at;
            let indented = matches!(self.text[start], b' ' | b'\t');
            let filled = self.fill(tokens);
            if filled.is_err() || !tokens.is_empty() {
                return Some((Entry { start, indented }, filled));
            }
        }
        None
    }

    /// Reads to the end of the entry; the first fault is the one told.
    fn fill(&mut self, tokens: &mut Vec<Token>) -> Result<(), TextError> {
        let mut fault = None;
        let mut depth = 0usize;
        let mut opened = 0;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\n' if depth == 0 && self.kind == Kind::File => {
                    self.at += 1;
                    return fault.map_or(Ok(()), Err);
                }
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b';' => {
                    if self.kind == Kind::Data {
                        let message = "a `;` begins a comment: quote the text, or write `\\;`";
                        return Err(TextError::new(self.at, message));
                    }
                    self.at = self.line_end(self.at);
                }
                b'(' => {
                    if depth == 0 {
                        opened = self.at;
                    }
                    depth += 1;
                    self.at += 1;
                }
                b')' => {
                    if depth == 0 {
                        fault.get_or_insert_with(|| TextError::new(self.at, "`)` closes nothing"));
                    }
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b'"' => match self.closing_quote(self.at) {
                    Some(end) => {
                        tokens.push(Token { start: self.at + 1, end, quoted: true });
                        self.at = end + 1;
                    }
                    None => return Err(fault.unwrap_or_else(|| self.unclosed(self.at))),
                },
                _ => match self.word_end(self.at) {
                    Ok(end) => {
                        tokens.push(Token { start: self.at, end, quoted: false });
                        self.at = end;
                    }
                    Err(quote) => return Err(fault.unwrap_or_else(|| self.unclosed(quote))),
                },
            }
        }
        if depth > 0 {
            fault.get_or_insert_with(|| TextError::new(opened, "`(` is never closed"));
        }
        fault.map_or(Ok(()), Err)
    }

    /// Tells of a quote without its fellow, and goes on behind its line even within parentheses: what the quote should
    /// have held may hold the closing one.
    fn unclosed(&mut self, quote: usize) -> TextError {
        self.at = (self.line_end(quote) + 1).min(self.text.len());
        TextError::new(quote, "the quote is not closed on its line")
    }

    fn line_end(&self, from: usize) -> usize {
        memchr::memchr(b'\n', &self.text[from..]).map_or(self.text.len(), |n| from + n)
    }

    /// Where the quote that opens at `open` is closed, if that is on its line.
    fn closing_quote(&self, open: usize) -> Option<usize> {
        let mut at = open + 1;
        loop {
            match self.text.get(at)? {
                b'"' => return Some(at),
                b'\n' => return None,
                // What follows is looked at again, so that an escaped line end still ends the line.
                b'\\' if self.text.get(at + 1).is_some_and(|&b| b != b'\n') => at += 2,
                _ => at += 1,
            }
        }
    }

    /// Where the word at `start` ends; a quote straight after `=` belongs to it (RFC 9460 section 2.1). Gives the place
    /// of a quote that is not closed.
    fn word_end(&self, start: usize) -> Result<usize, usize> {
        let mut at = start;
        while let Some(&byte) = self.text.get(at) {
            if byte == b'\\' && self.text.get(at + 1).is_some_and(|&b| b != b'\n') {
                at += 2;
            } else if byte == b'"' && at > start && self.text[at - 1] == b'=' {
                at = self.closing_quote(at).ok_or(at)? + 1;
            } else if ENDS_WORD[usize::from(byte)] {
                break;
            } else {
                at += 1;
            }
        }
        Ok(at)
    }
}

/// Appends what a word or a quoted string stands for; false for a bad escape or a quote that is not escaped.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = raw;
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'"', _) => return false,
            (b'\\', [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', tail @ ..]) => {
                let value = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
                let Ok(octet) = u8::try_from(value) else { return false };
                out.push(octet);
                tail
            }
            (b'\\', [b'0'..=b'9', ..] | []) => return false,
            (b'\\', [other, tail @ ..]) => {
                out.push(*other);
                tail
            }
            _ => {
                out.push(*byte);
                tail
            }
        };
    }
    true
}

/// Writes octets as a quoted string that [`unescape`] reads back.
pub(crate) fn quote(octets: &[u8], out: &mut String) {
    out.push('"');
    for &byte in octets {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03}")),
        }
    }
    out.push('"');
}
