//! Domain names in uncompressed wire form (RFC 1035 section 3.1).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::NameRef;

/// The longest name in wire form, root label included (RFC 1035 section 2.3.4).
pub(crate) const MAX_NAME: usize = 255;
/// The longest label.
pub(crate) const MAX_LABEL: usize = 63;
/// The most compression pointers that one name is read by: as many as it can have labels. A longer chain of them says
/// nothing, and would only take time.
pub(crate) const MAX_POINTERS: usize = 127;

/// An absolute name, its case kept; comparisons ignore ASCII case (RFC 4343).
#[derive(Clone)]
pub struct Name(Box<[u8]>);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Two dots in a row, or a dot at the front.
    EmptyLabel,
    /// A label over 63 octets.
    LongLabel,
    /// A name over 255 octets.
    LongName,
    /// A `\` that is followed neither by a character nor by three digits up to 255.
    BadEscape,
    /// Bytes that are no uncompressed name.
    Malformed,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyLabel => "a label is empty",
            Self::LongLabel => "a label is longer than 63 octets",
            Self::LongName => "the name is longer than 255 octets",
            Self::BadEscape => "a `\\` is followed neither by a character nor by three digits up to 255",
            Self::Malformed => "not a name in wire form",
        })
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// The root.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Takes a whole uncompressed name, nothing after it.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        NameRef::from_wire(wire).map(NameRef::to_name)
    }

    /// Reads presentation form. `@` is the origin; without a final dot the origin is appended.
    pub fn parse(text: &str, origin: &Name) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 1 + origin.0.len());
        Self::append(text.as_bytes(), origin, &mut wire)?;
        Ok(Self(wire.into()))
    }

    /// Appends the wire form of presentation form to `out`, by the rules of [`Name::parse`]. After an error `out` ends
    /// in part of a name.
    pub(crate) fn append(text: &[u8], origin: &Name, out: &mut Vec<u8>) -> Result<(), NameError> {
        match text {
            b"@" => {
                out.extend_from_slice(&origin.0);
                return Ok(());
            }
            b"." => {
                out.push(0);
                return Ok(());
            }
            b"" => return Err(NameError::EmptyLabel),
            _ => {}
        }
        let start = out.len();
        if memchr::memchr(b'\\', text).is_none() {
            Self::append_plain(text, origin, out)?;
        } else {
            Self::append_escaped(text, origin, out)?;
        }
        if out.len() - start > MAX_NAME {
            return Err(NameError::LongName);
        }
        Ok(())
    }

    /// Labels as they are: nearly every name.
    fn append_plain(text: &[u8], origin: &Name, out: &mut Vec<u8>) -> Result<(), NameError> {
        let mut rest = text;
        loop {
            let end = memchr::memchr(b'.', rest).unwrap_or(rest.len());
            let (label, behind) = rest.split_at(end);
            match label.len() {
                0 => return Err(NameError::EmptyLabel),
                1..=MAX_LABEL => {}
                _ => return Err(NameError::LongLabel),
            }
            out.push(label.len() as u8);
            out.extend_from_slice(label);
            match behind {
                [] => {
                    out.extend_from_slice(&origin.0);
                    return Ok(());
                }
                [_] => {
                    out.push(0);
                    return Ok(());
                }
                [_, behind @ ..] => rest = behind,
            }
        }
    }

    fn append_escaped(text: &[u8], origin: &Name, out: &mut Vec<u8>) -> Result<(), NameError> {
        let mut label = out.len();
        out.push(0);
        let mut absolute = false;
        let mut bytes = text.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let octet = match byte {
                b'.' => {
                    if out[label] == 0 {
                        return Err(NameError::EmptyLabel);
                    }
                    absolute = bytes.peek().is_none();
                    label = out.len();
                    out.push(0);
                    continue;
                }
                b'\\' => match bytes.next().ok_or(NameError::BadEscape)? {
                    hundreds @ b'0'..=b'9' => {
                        let mut value = u32::from(hundreds - b'0');
                        for _ in 0..2 {
                            let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
                            value = value * 10 + u32::from(digit - b'0');
                        }
                        u8::try_from(value).map_err(|_| NameError::BadEscape)?
                    }
                    other => other,
                },
                other => other,
            };
            if usize::from(out[label]) == MAX_LABEL {
                return Err(NameError::LongLabel);
            }
            out[label] += 1;
            out.push(octet);
        }
        if !absolute {
            out.extend_from_slice(&origin.0);
        }
        Ok(())
    }

    /// Reads presentation form as absolute, with or without the final dot.
    pub fn absolute(text: &str) -> Result<Self, NameError> {
        Self::parse(text, &Self::root())
    }

    /// The octets, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The octets in lower case: the form that compares and hashes as bytes.
    pub fn canonical(&self) -> Box<[u8]> {
        // Length octets are at most 63 and so never letters.
        self.0.to_ascii_lowercase().into()
    }

    /// Lends it out.
    pub fn view(&self) -> NameRef<'_> {
        NameRef::trusted(&self.0)
    }

    /// Takes octets that are known to be one whole name.
    pub(super) fn trusted(wire: &[u8]) -> Self {
        Self(wire.into())
    }

    /// The labels from the left, the root's excluded.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        self.view().labels()
    }

    /// How many labels, the root's excluded.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether the first label is `*` (RFC 4592).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let len = usize::from(self.0[0]);
        (len != 0).then(|| Self(self.0[1 + len..].into()))
    }

    /// Whether this is `ancestor` or below it.
    pub fn is_within(&self, ancestor: &Name) -> bool {
        self.view().is_within(ancestor.view())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in &self.0 {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl Ord for Name {
    /// Canonical order (RFC 4034 section 6.1): by labels from the right.
    fn cmp(&self, other: &Self) -> Ordering {
        let mine: Vec<_> = self.labels().map(<[u8]>::to_ascii_lowercase).collect();
        let theirs: Vec<_> = other.labels().map(<[u8]>::to_ascii_lowercase).collect();
        mine.iter().rev().cmp(theirs.iter().rev())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Name {
    /// Presentation form with the final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::absolute(text).unwrap()
    }

    #[test]
    fn relative_names_take_the_origin() {
        let origin = name("example.com.");
        assert_eq!(Name::parse("www", &origin).unwrap(), name("www.example.com."));
        assert_eq!(Name::parse("@", &origin).unwrap(), origin);
        assert_eq!(Name::parse("www.", &origin).unwrap(), name("www."));
    }

    #[test]
    fn p1_names_compare_without_case_and_keep_it() {
        assert_eq!(name("WwW.Example.com"), name("www.example.COM."));
        assert_eq!(name("WwW.Example.com").to_string(), "WwW.Example.com.");
    }

    #[test]
    fn escapes_survive_a_round_trip() {
        let odd = name(r"a\.b\000\255.c");
        assert_eq!(odd.label_count(), 2);
        assert_eq!(name(&odd.to_string()), odd);
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(Name::absolute(&"a".repeat(64)), Err(NameError::LongLabel));
        assert_eq!(Name::absolute(&"a.".repeat(128)), Err(NameError::LongName));
        assert_eq!(name(&"a.".repeat(127)).as_wire().len(), 255);
        assert_eq!(Name::absolute("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::absolute(r"a\25"), Err(NameError::BadEscape));
    }

    #[test]
    fn a_name_reads_the_same_with_an_escape_and_without() {
        let origin = name("example.com.");
        for text in ["www", "www.", "a.b", "a..b", ".", "..", ".a", "a.b.", &"a".repeat(64), &"a.".repeat(128)] {
            let escaped = text.replace('a', r"\097");
            assert_eq!(Name::parse(text, &origin), Name::parse(&escaped, &origin), "{text}");
        }
        assert_eq!(Name::parse("w.", &origin), Name::parse(r"\w.", &origin));
    }

    #[test]
    fn within_is_by_labels_not_by_letters() {
        assert!(name("a.example.com").is_within(&name("Example.com")));
        assert!(!name("aexample.com").is_within(&name("example.com")));
        assert!(name("example.com").is_within(&Name::root()));
    }
}
