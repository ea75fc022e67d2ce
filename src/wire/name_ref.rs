//! Names that lie in somebody else's octets.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::name::{MAX_LABEL, MAX_NAME};
use super::{Name, NameError};

/// As [`Name`], borrowed: an absolute name in uncompressed wire form, compared without ASCII case.
#[derive(Clone, Copy)]
pub struct NameRef<'a>(&'a [u8]);

impl<'a> NameRef<'a> {
    /// Takes octets that are known to be one whole name: they came out of a [`Name`].
    pub(crate) fn trusted(wire: &'a [u8]) -> Self {
        Self(wire)
    }

    /// Takes a whole uncompressed name, nothing after it.
    ///
    /// # Errors
    /// The octets are too many, or no name.
    pub fn from_wire(wire: &'a [u8]) -> Result<Self, NameError> {
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        let mut at = 0;
        loop {
            match wire.get(at) {
                Some(0) if at + 1 == wire.len() => return Ok(Self(wire)),
                Some(&len) if len != 0 && usize::from(len) <= MAX_LABEL => at += 1 + usize::from(len),
                _ => return Err(NameError::Malformed),
            }
        }
    }

    /// The uncompressed name at the front of octets, and what follows it; `None`: there is no name.
    pub fn split_front(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut at = 0;
        loop {
            let length = usize::from(*octets.get(at)?);
            at += 1 + length;
            if length == 0 {
                let (name, rest) = octets.split_at_checked(at)?;
                return Some((Self::from_wire(name).ok()?, rest));
            }
        }
    }

    /// The octets, root label included.
    pub fn as_wire(self) -> &'a [u8] {
        self.0
    }

    /// The labels from the left, the root's excluded.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&len, tail) = rest.split_first()?;
            if len == 0 {
                return None;
            }
            let (label, after) = tail.split_at(usize::from(len));
            rest = after;
            Some(label)
        })
    }

    /// Whether this is the root.
    pub fn is_root(self) -> bool {
        self.0.len() == 1
    }

    /// Whether the first label is `*` (RFC 4592).
    pub fn is_wildcard(self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(self) -> Option<Self> {
        let len = usize::from(self.0[0]);
        (len != 0).then(|| Self(&self.0[1 + len..]))
    }

    /// Whether this is `ancestor` or below it.
    pub fn is_within(self, ancestor: NameRef<'_>) -> bool {
        let mut rest = self.0;
        while rest.len() > ancestor.0.len() {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        rest.eq_ignore_ascii_case(ancestor.0)
    }

    /// A copy of its own.
    pub fn to_name(self) -> Name {
        Name::trusted(self.0)
    }
}

impl<'a> From<&'a Name> for NameRef<'a> {
    fn from(name: &'a Name) -> Self {
        name.view()
    }
}

impl PartialEq for NameRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for NameRef<'_> {}

impl PartialEq<Name> for NameRef<'_> {
    fn eq(&self, other: &Name) -> bool {
        *self == other.view()
    }
}

impl Hash for NameRef<'_> {
    /// As [`Name`] does, so that either finds the other.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0 {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for NameRef<'_> {
    /// Presentation form with the final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b';' | b'@' | b'$' | b'(' | b')' => write!(f, "\\{}", byte as char)?,
                    b'!'..=b'~' => write!(f, "{}", byte as char)?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
