//! Verdicts and switches in the state directory (G5, G10), so that a restart answers as before it.
//!
//! In: what is to be kept. Out: what was kept, or why it cannot be read. A file is a line that says what it is, with
//! the SHA-256 of the rest, then JSON. It is written whole beside its place, synced and renamed: a reader meets the
//! old content or the new one, never a part.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Switches, Verdict};
use crate::pieces;

const VERDICTS: (&str, &str) = ("verdicts.json", "rhumb-verdicts-1");
const SWITCHES: (&str, &str) = ("switches.json", "rhumb-switches-1");

/// Older verdicts say nothing of today (G5), in milliseconds.
const YOUNG_MS: u64 = 60 * 60 * 1000;

/// Clocks are set back a little now and then; a stamp further in the future has no known age. In milliseconds.
const CLOCK_SLACK_MS: u64 = 5 * 60 * 1000;

/// One verdict as kept. Times are in milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The digest of the check's definition, in hexadecimal: JSON readers round large numbers.
    #[serde(with = "hex")]
    pub definition: u64,
    /// Up or down.
    pub verdict: Verdict,
    /// When it became that.
    pub since_ms: u64,
    /// The last result that bore it out.
    pub seen_ms: u64,
}

impl Kept {
    /// Whether it still counts at `now_ms`: known to be younger than an hour (G5).
    pub fn is_young(&self, now_ms: u64) -> bool {
        self.seen_ms <= now_ms.saturating_add(CLOCK_SLACK_MS) && now_ms.saturating_sub(self.seen_ms) < YOUNG_MS
    }
}

/// By the model's probe key.
pub type KeptVerdicts = BTreeMap<String, Kept>;

/// Why a file of the state directory could not be read. One line, with what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault(pub String);

impl std::fmt::Display for StoreFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreFault {}

/// The state directory. It is made when first written to.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The directory is not touched yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All kept verdicts, whatever their age; empty if there never were any.
    pub fn load_verdicts(&self) -> Result<KeptVerdicts, StoreFault> {
        self.load(VERDICTS, "all checks begin as unchecked")
    }

    /// Blocks until the verdicts are on disk.
    pub fn save_verdicts(&self, verdicts: &KeptVerdicts) -> io::Result<()> {
        self.save(VERDICTS, verdicts)
    }

    /// The kept switches, expired ones included; none if there never were any.
    pub fn load_switches(&self) -> Result<Switches, StoreFault> {
        self.load(SWITCHES, "nothing is drained")
    }

    /// Blocks until the switches are on disk: only then may a change be acknowledged.
    pub fn save_switches(&self, switches: &Switches) -> io::Result<()> {
        self.save(SWITCHES, switches)
    }

    pub(crate) fn load<T: DeserializeOwned + Default>(
        &self,
        (file, kind): (&str, &str),
        so: &str,
    ) -> Result<T, StoreFault> {
        let path = self.directory.join(file);
        let fault = |what: &str| StoreFault(format!("{}: {what}; {so}", path.display()));
        let text = match pieces::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => return Err(fault(&format!("cannot be read: {error}"))),
        };
        let end = text.iter().position(|&byte| byte == b'\n').ok_or_else(|| fault("is cut short"))?;
        let (head, body) = (&text[..end], &text[end + 1..]);
        let Some(checksum) = head.strip_prefix(kind.as_bytes()).and_then(|rest| rest.strip_prefix(b" ")) else {
            return Err(fault("is not of this version"));
        };
        if checksum != checksum_of(body).as_bytes() {
            return Err(fault("does not match its checksum"));
        }
        serde_json::from_slice(body).map_err(|error| fault(&format!("is not understood: {error}")))
    }

    pub(crate) fn save<T: Serialize>(&self, (file, kind): (&str, &str), value: &T) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let mut body = serde_json::to_vec_pretty(value)?;
        body.push(b'\n');
        let place = self.directory.join(file);
        let beside = self.directory.join(format!(".{file}.new"));
        let mut new = File::create(&beside)?;
        writeln!(new, "{kind} {}", checksum_of(&body))?;
        pieces::write_all(&mut new, &body)?;
        new.sync_all()?;
        drop(new);
        fs::rename(&beside, &place)?;
        // Without this the rename itself may be lost with the power.
        File::open(&self.directory)?.sync_all()
    }
}

fn checksum_of(body: &[u8]) -> String {
    digest(&SHA256, body).as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{number:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        u64::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::health::Drain;

    fn kept(seen_ms: u64) -> Kept {
        Kept { definition: u64::MAX, verdict: Verdict::Down, since_ms: 5, seen_ms }
    }

    #[test]
    fn verdicts_and_switches_come_back_as_they_were_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("not/yet/there"));
        assert_eq!(store.load_verdicts().unwrap(), KeptVerdicts::new());
        let verdicts = KeptVerdicts::from([("a|b|c".to_owned(), kept(7))]);
        let drain = Drain { until: Some(1), reason: Some("maintenance".into()) };
        let switches = Switches { drained: [("z/a".to_owned(), drain)].into() };
        store.save_verdicts(&verdicts).unwrap();
        store.save_switches(&switches).unwrap();
        assert_eq!(store.load_verdicts().unwrap(), verdicts);
        assert_eq!(store.load_switches().unwrap(), switches);
    }

    #[test]
    fn a_file_with_any_byte_changed_or_missing_is_refused_with_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        store.save_verdicts(&KeptVerdicts::from([("k".to_owned(), kept(7))])).unwrap();
        let path = directory.path().join("verdicts.json");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            fs::write(&path, &broken).unwrap();
            let fault = store.load_verdicts().unwrap_err().to_string();
            assert!(fault.contains("verdicts.json") && fault.contains("begin as unchecked"), "{fault}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(store.load_verdicts().is_err(), "cut at {at}");
        }
    }

    #[test]
    fn g5_a_verdict_is_young_for_an_hour_and_not_when_its_age_is_unknown() {
        let hour = 3_600_000;
        assert!(kept(10).is_young(10 + hour - 1));
        assert!(!kept(10).is_young(10 + hour));
        assert!(kept(1000).is_young(10));
        assert!(!kept(CLOCK_SLACK_MS + 100).is_young(10));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_not_a_panic() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Store::new(file.join("state")).save_verdicts(&KeptVerdicts::new()).is_err());
    }
}
