//! What is held to be true of a probe, and what persons have switched.

use std::collections::BTreeMap;
use std::fmt;

/// What health says of one probe (G5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No verdict yet: counts as up.
    #[default]
    Unchecked,
    /// Up.
    Up,
    /// Down.
    Down,
}

impl Verdict {
    /// Whether it counts as up.
    pub fn is_up(self) -> bool {
        self != Self::Down
    }

    /// In one word, as reports and files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Endpoints that persons have drained, by full name (G10).
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Switches {
    /// By `zone/endpoint`.
    pub drained: BTreeMap<String, Drain>,
}

impl Switches {
    /// Whether an endpoint is drained at `now`, in seconds since 1970 UTC.
    pub fn is_drained(&self, endpoint: &str, now: u64) -> bool {
        self.drained.get(endpoint).is_some_and(|drain| !drain.is_over(now))
    }

    /// Forgets the drains that are over at `now`, in seconds since 1970 UTC; the names of their endpoints.
    pub fn expire(&mut self, now: u64) -> Vec<String> {
        let mut over = Vec::new();
        self.drained.retain(|endpoint, drain| {
            let keep = !drain.is_over(now);
            if !keep {
                over.push(endpoint.clone());
            }
            keep
        });
        over
    }

    /// When the next drain ends, in seconds since 1970 UTC; `None` if none does.
    pub fn next_expiry(&self) -> Option<u64> {
        self.drained.values().filter_map(|drain| drain.until).min()
    }
}

/// One drain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Drain {
    /// Seconds since 1970 UTC; `None` until undrained.
    pub until: Option<u64>,
    /// Why, in a person's words.
    pub reason: Option<String>,
}

impl Drain {
    fn is_over(&self, now: u64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_a_drain_ends_at_its_second_and_one_without_end_never() {
        let drain = |until| Drain { until, reason: None };
        let mut switches = Switches::default();
        switches.drained.insert("z/a".into(), drain(Some(100)));
        switches.drained.insert("z/b".into(), drain(Some(200)));
        switches.drained.insert("z/c".into(), drain(None));
        assert_eq!(switches.next_expiry(), Some(100));
        assert!(switches.is_drained("z/a", 99) && !switches.is_drained("z/a", 100));
        assert_eq!(switches.expire(100), ["z/a"]);
        assert_eq!(switches.expire(u64::MAX), ["z/b"]);
        assert!(switches.is_drained("z/c", u64::MAX));
        assert_eq!(switches.next_expiry(), None);
    }
}
