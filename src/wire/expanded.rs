//! A name as it stands in a message, its compression pointers followed (RFC 1035 section 4.1.4).

use super::name::{MAX_LABEL, MAX_NAME, MAX_POINTERS};
use super::{Name, NameRef};

/// A name in wire form without pointers, kept in place.
#[derive(Clone, Copy)]
pub struct Expanded {
    octets: [u8; MAX_NAME],
    len: u8,
    end: usize,
}

impl Expanded {
    /// Reads the name that begins at `at`. `None`: it runs over, is too long, or a pointer does not lead strictly
    /// backwards, or there are more than 127 of them, so that the work is bounded.
    pub fn read(message: &[u8], at: usize) -> Option<Self> {
        let mut name = Self { octets: [0; MAX_NAME], len: 0, end: 0 };
        let (mut at, mut before, mut len, mut pointers) = (at, at, 0, 0);
        loop {
            let first = *message.get(at)?;
            match usize::from(first) {
                label @ 0..=MAX_LABEL => {
                    let part = message.get(at..at + 1 + label)?;
                    name.octets.get_mut(len..len + part.len())?.copy_from_slice(part);
                    len += part.len();
                    at += part.len();
                    if label == 0 {
                        break;
                    }
                }
                0xC0..=0xFF => {
                    let target = usize::from(first & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                    pointers += 1;
                    if target >= before || pointers > MAX_POINTERS {
                        return None;
                    }
                    if name.end == 0 {
                        name.end = at + 2;
                    }
                    (at, before) = (target, target);
                }
                _ => return None,
            }
        }
        if name.end == 0 {
            name.end = at;
        }
        name.len = len as u8;
        Some(name)
    }

    /// Its octets, in the case of the message.
    pub fn as_wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// Borrowed.
    pub fn view(&self) -> NameRef<'_> {
        NameRef::trusted(self.as_wire())
    }

    /// Where the name ends in the message.
    pub fn end(&self) -> usize {
        self.end
    }

    /// In lower case.
    pub fn lowered(mut self) -> Self {
        // Lengths are below any letter.
        self.octets.make_ascii_lowercase();
        self
    }

    /// A copy of its own.
    pub fn to_name(&self) -> Name {
        self.view().to_name()
    }
}

impl std::fmt::Debug for Expanded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.view(), f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pointers_are_followed_backwards_only() {
        let message = b"\x03com\0\x03WWW\xc0\x00\xc0\x05\xc0\x0d\x01x\xc0\x20";
        let name = |at| Expanded::read(message, at).map(|name| (name.to_name().to_string(), name.end()));
        assert_eq!(name(0), Some(("com.".into(), 5)));
        assert_eq!(name(5), Some(("WWW.com.".into(), 11)));
        assert_eq!(name(11), Some(("WWW.com.".into(), 13)));
        assert_eq!(name(13), None, "a pointer to itself");
        assert_eq!(name(15), None, "a pointer ahead");
        assert_eq!(Expanded::read(message, 5).unwrap().lowered().as_wire(), b"\x03www\x03com\0");
    }

    #[test]
    fn p29_chains_of_pointers_are_followed_so_far() {
        let mut message = vec![0, 0];
        for at in 0..200u16 {
            message.extend((0xc000 | (2 * at)).to_be_bytes());
        }
        let read = |pointers: usize| Expanded::read(&message, 2 * pointers).map(|name| (name.len, name.end));
        assert_eq!(read(MAX_POINTERS), Some((1, 2 * MAX_POINTERS + 2)));
        assert_eq!(read(MAX_POINTERS + 1), None);
        let expand = |pointers: usize| super::super::rdata::expand_name(&message, 2 * pointers, &mut Vec::new());
        assert_eq!((expand(MAX_POINTERS), expand(MAX_POINTERS + 1)), (Some(2 * MAX_POINTERS + 2), None));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(message: Vec<u8>, at in 0usize..300) {
            let _ = Expanded::read(&message, at);
        }
    }
}
