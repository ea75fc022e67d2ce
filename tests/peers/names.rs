//! Names as lists of labels: what random zones and questions are made of.

use crate::harness::Draws;

/// Labels from the left, in lower case, the root's not among them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct Labels(pub(super) Vec<Vec<u8>>);

/// So few that random names meet, lie above each other and match wildcards.
const COMMON: &[&[u8]] = &[b"a", b"b", b"c", b"www", b"mail", b"x-1", b"_tcp", b"_443", b"ns"];
/// Such as text has to escape, and such as sort before and after the others.
const ODD: &[&[u8]] = &[b"a.b", b"\x00", b"sp ace", b"\"q\\", b"\xff\xfe", b"@", b"**", b"(;)"];
/// The longest name in octets (RFC 1035 section 2.3.4).
const MAX_OCTETS: usize = 255;

impl Labels {
    /// Of a name without escapes, such as `z1.test`.
    pub(super) fn of(text: &str) -> Self {
        Self(text.split('.').filter(|label| !label.is_empty()).map(|label| label.as_bytes().to_vec()).collect())
    }

    /// With one more label on the left.
    pub(super) fn child(&self, label: &[u8]) -> Self {
        Self(std::iter::once(label.to_vec()).chain(self.0.iter().cloned()).collect())
    }

    /// Without its first label.
    pub(super) fn parent(&self) -> Self {
        Self(self.0.iter().skip(1).cloned().collect())
    }

    /// Whether this is `other` or a name below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.ends_with(&other.0)
    }

    /// Whether the wire form is short enough.
    pub(super) fn fits(&self) -> bool {
        self.0.iter().map(|label| label.len() + 1).sum::<usize>() < MAX_OCTETS
    }

    /// The wire form, letters in random case.
    pub(super) fn wire(&self, draws: &mut Draws) -> Vec<u8> {
        let mut wire = Vec::new();
        for label in &self.0 {
            wire.push(label.len() as u8);
            wire.extend(label.iter().map(|&octet| any_case(octet, draws)));
        }
        wire.push(0);
        wire
    }

    /// As a master file has it, absolute, letters in random case.
    pub(super) fn text(&self, draws: &mut Draws) -> String {
        let mut text = String::new();
        for label in &self.0 {
            for &octet in label {
                let octet = any_case(octet, draws);
                if octet.is_ascii_alphanumeric() || b"-_*".contains(&octet) {
                    text.push(octet.into());
                } else {
                    text.push_str(&format!("\\{octet:03}"));
                }
            }
            text.push('.');
        }
        if text.is_empty() { ".".to_owned() } else { text }
    }
}

/// One letter in eight turned.
fn any_case(octet: u8, draws: &mut Draws) -> u8 {
    if octet.is_ascii_alphabetic() && draws.one_in(8) { octet ^ 0x20 } else { octet }
}

/// A label of those that zones are made of.
pub(super) fn label(draws: &mut Draws) -> &'static [u8] {
    let labels = if draws.one_in(20) { ODD } else { COMMON };
    labels[draws.below(labels.len())]
}

/// A name one to four labels below another one.
pub(super) fn below(apex: &Labels, draws: &mut Draws) -> Labels {
    let depth = 1 + draws.below(3) + usize::from(draws.one_in(6));
    (0..depth).fold(apex.clone(), |name, _| {
        let label = if draws.one_in(8) { b"*" } else { label(draws) };
        name.child(label)
    })
}
