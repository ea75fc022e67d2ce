//! What a file about a name is called.

use std::fmt::Write as _;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::Name;

/// A longer name of a file would not fit beside what is added to it, in octets.
const LONGEST: usize = 180;

/// A name that any file system takes and that leads nowhere else, another one for each name: lower case, what is no
/// letter, digit, hyphen or underline as `%` and hex. A very long one is cut, with a digest of the whole behind it.
pub(crate) fn file_name(name: &Name) -> String {
    let mut text = String::new();
    for label in name.labels() {
        if !text.is_empty() {
            text.push('.');
        }
        for octet in label.to_ascii_lowercase() {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(octet)),
                // Writing to a string cannot fail.
                _ => drop(write!(text, "%{octet:02x}")),
            }
        }
    }
    if text.len() > LONGEST {
        let mut hasher = SipHasher13::new();
        hasher.write(&name.canonical());
        text.truncate(LONGEST);
        let _ = write!(text, "-{:032x}", hasher.finish128().as_u128());
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_name_cannot_choose_a_file_outside_its_directory() {
        let file = |text: &str| file_name(&Name::absolute(text).unwrap());
        assert_eq!(file("Example.com"), "example.com");
        assert_eq!(file(r"\.\./x\.y.com"), "%2e%2e%2fx%2ey.com");
        let long = "a-very-long-label.".repeat(13);
        assert!(file(&long).len() < 220 && file(&long) != file(&format!("x{long}")));
    }
}
