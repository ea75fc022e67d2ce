//! The seam between HTTP and what it operates: [`Control`] in the server, a stand-in in tests.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::explained::Explained;
use crate::answer::Asker;
use crate::control::{Control, DrainError, Drained, ReloadError, Reloaded, Status, Subject};
use crate::wire::{Name, RecordType};

/// What the API can ask for. Calls may block for as long as a load takes.
pub trait Operations: Send + Sync + 'static {
    /// All that can be told, as of now.
    fn status(&self) -> Status;

    /// Why one client gets what it gets, and whether the engine's answer and the reasons agree.
    ///
    /// # Errors
    /// The question makes no sense to this server: one clause.
    fn explain(&self, question: &Question) -> Result<Explained, String>;

    /// [`Control::reload`].
    ///
    /// # Errors
    /// The load was not taken.
    fn reload(&self, force: Option<u64>) -> Result<Reloaded, ReloadError>;

    /// [`Control::drain`].
    ///
    /// # Errors
    /// The drain was not taken.
    fn drain(
        &self,
        subject: &Subject,
        span: Option<Duration>,
        reason: Option<String>,
        force: bool,
    ) -> Result<Drained, DrainError>;

    /// [`Control::undrain`].
    ///
    /// # Errors
    /// Nothing was undrained.
    fn undrain(&self, subject: &Subject) -> Result<Drained, DrainError>;
}

impl Operations for Control {
    fn status(&self) -> Status {
        Self::status(self)
    }

    fn explain(&self, question: &Question) -> Result<Explained, String> {
        let mut explained = Explained::of(&self.snapshot().load(), question)?;
        for endpoint in Self::status(self).endpoints {
            for probe in endpoint.probes {
                // A key has an endpoint's own address without the port.
                let address = probe.subject.parse().map(|at: SocketAddr| at.ip().to_string());
                let subject = address.unwrap_or(probe.subject);
                let key = format!("{}|{}|{subject}", probe.check, endpoint.name);
                explained.verdicts_since.extend(probe.since.map(|since| (key, since)));
            }
        }
        Ok(explained)
    }

    fn reload(&self, force: Option<u64>) -> Result<Reloaded, ReloadError> {
        Self::reload(self, force)
    }

    fn drain(
        &self,
        subject: &Subject,
        span: Option<Duration>,
        reason: Option<String>,
        force: bool,
    ) -> Result<Drained, DrainError> {
        Self::drain(self, subject, span, reason, force)
    }

    fn undrain(&self, subject: &Subject) -> Result<Drained, DrainError> {
        Self::undrain(self, subject)
    }
}

/// What `explain` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: Name,
    /// The type.
    pub rtype: RecordType,
    /// For whom.
    pub client: Asker,
}

impl Question {
    /// Reads the three parts of a question. The name is taken as absolute, with or without its final dot.
    ///
    /// # Errors
    /// One clause: which part it is and what was expected.
    pub fn parse(name: &str, rtype: &str, client: &str) -> Result<Self, String> {
        Ok(Self {
            name: Name::absolute(name).map_err(|why| format!("`{name}` is no name: {why}"))?,
            rtype: rtype.parse().map_err(|()| format!("`{rtype}` is no record type, such as A, AAAA or TYPE65280"))?,
            client: client.parse()?,
        })
    }

    /// The path and query that ask for it.
    pub fn path(&self) -> String {
        let name = percent_encoded(&self.name.to_string());
        format!("/explain?name={name}&type={}&client={}", self.rtype, percent_encoded(&self.client.to_string()))
    }
}

/// All but the unreserved characters of RFC 3986 section 2.3 as `%XX`.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

impl FromStr for Asker {
    type Err = String;

    /// `81.2.69.0/24` is a subnet, its host bits cut; `81.2.69.160` is a sender.
    fn from_str(text: &str) -> Result<Self, String> {
        let subnet = |network: IpNet| Self::Subnet(network.network(), network.prefix_len());
        let read = match text.contains('/') {
            true => text.parse().map(subnet).ok(),
            false => text.parse().map(Self::Sender).ok(),
        };
        read.ok_or_else(|| {
            format!("`{text}` is no client: a network such as 81.2.69.0/24, or an address such as 81.2.69.160")
        })
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subnet(address, len) => write!(f, "{address}/{len}"),
            Self::Sender(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_network_is_a_subnet_and_an_address_asks_for_itself() {
        assert_eq!("81.2.69.160/24".parse(), Ok(Asker::Subnet("81.2.69.0".parse().unwrap(), 24)));
        assert_eq!("2001:db8::1".parse(), Ok(Asker::Sender("2001:db8::1".parse().unwrap())));
        assert!("81.2.69.0/33".parse::<Asker>().is_err());
    }

    #[test]
    fn a_faulty_part_of_a_question_is_named() {
        let fault = |name, rtype, client| Question::parse(name, rtype, client).unwrap_err();
        assert!(fault("a..b", "A", "::1").contains("a..b"));
        assert!(fault("a.example", "AAAAA", "::1").contains("AAAAA"));
        assert!(fault("a.example", "A", "nowhere").contains("nowhere"));
    }

    #[test]
    fn a_question_is_a_path_without_characters_that_mean_something_there() {
        let question = Question::parse("*.a.example", "AAAA", "2001:db8::/56").unwrap();
        let path = question.path();
        assert!(path.starts_with("/explain?name=%2A.a.example"), "{path}");
        assert!(path.ends_with("&type=AAAA&client=2001%3Adb8%3A%3A%2F56"), "{path}");
    }
}
